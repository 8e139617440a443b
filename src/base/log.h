#pragma once
// Structured logging: one line an event, `message key=value …`, to standard error. Never log a secret, a token or a statement's text.
#include <spdlog/spdlog.h>

#include <string_view>

namespace tarn::log {

/// Sets level (trace, debug, info, warn, error) and line format for the process; call once at start. Unknown levels mean info.
void init(std::string_view level);

}  // namespace tarn::log
