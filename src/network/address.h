#pragma once
// IPv4 addresses, ranges and port ranges as values. The model knows no IPv6.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tarn::network {

struct Address {
  std::uint32_t bits = 0;  // host order
  std::string text() const;
  auto operator<=>(const Address&) const = default;
};

/// "10.20.0.1"; nothing if it is not four decimal numbers of 0 to 255.
std::optional<Address> address_of(std::string_view text);

struct Cidr {
  Address first;
  int length = 32;  // of the prefix
  std::string text() const;
  std::uint64_t size() const { return std::uint64_t{1} << (32 - length); }
  Address last() const { return {static_cast<std::uint32_t>(first.bits + (size() - 1))}; }
  Address at(std::uint32_t n) const { return {first.bits + n}; }  // n < size()
  bool contains(Address a) const { return a >= first && a <= last(); }
  bool contains(const Cidr& c) const { return length <= c.length && contains(c.first); }
  bool overlaps(const Cidr& c) const { return contains(c.first) || c.contains(first); }
  auto operator<=>(const Cidr&) const = default;
};

/// "10.20.0.0/16", or an address alone as /32. The error says what is wrong, naming the text: also a range whose first address is not its own.
struct CidrOrProblem {
  Cidr cidr;
  std::string problem;  // empty: `cidr` is good
};
CidrOrProblem cidr_of(std::string_view text);

struct Ports {
  std::uint16_t low = 0, high = 65535;
  bool contains(std::uint16_t p) const { return low <= p && p <= high; }
  bool contains(const Ports& p) const { return low <= p.low && p.high <= high; }
  bool overlaps(const Ports& p) const { return low <= p.high && p.low <= high; }
  bool all() const { return low == 0 && high == 65535; }
  std::string text() const;
};

/// "443", "1024-65535" or "all"; nothing if it is none of these.
std::optional<Ports> ports_of(std::string_view text);

}  // namespace tarn::network
