#pragma once
// IPv4 addresses and ranges as IP access lists name them. Pure.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tarn::settings {

/// A range of IPv4 addresses in network order of significance; one address is a /32.
struct Range {
  std::uint32_t network = 0;
  int bits = 32;
  bool contains(std::uint32_t address) const { return bits == 0 || (address >> (32 - bits)) == (network >> (32 - bits)); }
  friend bool operator==(const Range&, const Range&) = default;
};

/// Four decimal octets without leading zeros, or nothing. Takes an IPv4 address mapped into IPv6 (::ffff:10.0.0.1) too.
std::optional<std::uint32_t> parse_address(std::string_view text);
/// An address or a range in CIDR notation, whose host bits need not be zero.
std::optional<Range> parse_range(std::string_view text);

}  // namespace tarn::settings
