#pragma once
// What Prometheus scrapes of compute: clusters by state, nodes with what they use, the relay. Text exposition format 0.0.4.
#include <string>

#include "compute/clusters.h"
#include "compute/relay.h"

namespace tarn::compute {

std::string metrics_text(Clusters& clusters, const Relay& relay, const Clock& clock);

}  // namespace tarn::compute
