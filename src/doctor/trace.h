#pragma once
// Where on the way a connection's packets stop: SYN with growing time-to-live to the very port that matters, as traceroute does over TCP, but
// without a raw socket and so without root (the kernel hands the ICMP answers to the socket that asked: Linux 5.11 and later; earlier
// ones tell the distance only). All probes leave at once; ends within `limit`.
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace tarn::doctor {

/// The farthest router that said a probe died with it.
struct Hop {
  int distance = 0;     // 1: the first router
  std::string address;  // numeric; empty where the kernel does not tell
};

/// Nothing if no router on the way answers at all. `address` is numeric, IPv4 or IPv6.
std::optional<Hop> last_answering_hop(const std::string& address, std::uint16_t port, std::chrono::milliseconds limit);

/// The next hop that this machine would use, as its routing table has it: "10.0.0.1 by eth0", or "eth0" for a link without a gateway; nothing
/// where it cannot be read (IPv6, no /proc).
std::optional<std::string> next_hop(const std::string& address);

}  // namespace tarn::doctor
