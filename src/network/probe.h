#pragma once
// Real TCP through a realised network: what trace.h says, tried. All probes run side by side on one thread; each is bounded by `limit`.
#include <chrono>

#include "network/namespaces.h"
#include "network/trace.h"

namespace tarn::network {

struct Probe {
  int from = -1;  // subnet
  Address to;
  std::uint16_t port = 0;
};

struct Probed {
  Outcome outcome = Outcome::dropped;  // connected: a byte went there and came back; never forbidden, which no packet shows
  std::string detail;
};

/// Listens where the model says that somebody listens (services on their ports, instances on every port that is asked for), unless somebody does
/// already, then connects. The error: the network is not up, or this process may not enter it.
Expected<std::vector<Probed>, std::string> probe(const Topology& t, const Namespaces& network, const std::vector<Probe>& probes,
                                                 std::chrono::milliseconds limit);

}  // namespace tarn::network
