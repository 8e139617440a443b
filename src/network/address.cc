#include "network/address.h"

#include <fmt/format.h>

#include <charconv>

namespace tarn::network {
namespace {

std::optional<std::uint32_t> number_up_to(std::string_view text, std::uint32_t most) {
  std::uint32_t n = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc() || end != text.data() + text.size() || n > most) return std::nullopt;
  return n;
}

}  // namespace

std::string Address::text() const { return fmt::format("{}.{}.{}.{}", bits >> 24, bits >> 16 & 255, bits >> 8 & 255, bits & 255); }

std::optional<Address> address_of(std::string_view text) {
  std::uint32_t bits = 0;
  for (int i = 0; i < 4; ++i) {
    const auto dot = text.find('.');
    if ((dot == text.npos) != (i == 3)) return std::nullopt;
    const auto part = number_up_to(text.substr(0, dot), 255);
    if (!part) return std::nullopt;
    bits = bits << 8 | *part;
    text = dot == text.npos ? "" : text.substr(dot + 1);
  }
  return Address{bits};
}

std::string Cidr::text() const { return fmt::format("{}/{}", first.text(), length); }

CidrOrProblem cidr_of(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = address_of(text.substr(0, slash));
  const auto length = slash == text.npos ? std::optional<std::uint32_t>(32) : number_up_to(text.substr(slash + 1), 32);
  if (!address || !length) return {{}, fmt::format("'{}' is not an IPv4 range such as 10.20.0.0/16", text)};
  Cidr out{*address, static_cast<int>(*length)};
  const std::uint32_t mask = *length == 0 ? 0 : ~std::uint32_t{0} << (32 - *length);
  const Address own{address->bits & mask};
  if (own != *address) return {{}, fmt::format("'{}' begins inside its range: the range is {}/{}", text, own.text(), *length)};
  return {out, ""};
}

std::string Ports::text() const { return all() ? "all" : low == high ? std::to_string(low) : fmt::format("{}-{}", low, high); }

std::optional<Ports> ports_of(std::string_view text) {
  if (text == "all") return Ports{};
  const auto dash = text.find('-');
  const auto low = number_up_to(text.substr(0, dash), 65535), high = dash == text.npos ? low : number_up_to(text.substr(dash + 1), 65535);
  if (!low || !high || *low > *high) return std::nullopt;
  return Ports{static_cast<std::uint16_t>(*low), static_cast<std::uint16_t>(*high)};
}

}  // namespace tarn::network
