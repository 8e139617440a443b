#pragma once
// How a packet's way looks: for people (colours on a terminal) and as JSON.
#include "cli/platform_view.h"
#include "network/namespaces.h"
#include "network/trace.h"

namespace tarn::cli {

/// The hops with their places, then, unless it connects, the cause and the cure.
std::string trace_view(const network::Trace& trace, const Style& style);
std::string status_view(const network::Status& status, const Style& style);

}  // namespace tarn::cli
