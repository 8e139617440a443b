#include "settings/addresses.h"

#include <charconv>

namespace tarn::settings {
namespace {

std::optional<unsigned> number(std::string_view text, unsigned most) {
  if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
  unsigned n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size() || n > most) return std::nullopt;
  return n;
}

}  // namespace

std::optional<std::uint32_t> parse_address(std::string_view text) {
  constexpr std::string_view kMapped = "::ffff:";
  if (text.starts_with(kMapped)) text.remove_prefix(kMapped.size());
  std::uint32_t out = 0;
  for (int octet = 0; octet < 4; ++octet) {
    const auto dot = octet < 3 ? text.find('.') : text.size();
    if (dot == text.npos) return std::nullopt;
    const auto n = number(text.substr(0, dot), 255);
    if (!n) return std::nullopt;
    out = out << 8 | *n;
    text.remove_prefix(octet < 3 ? dot + 1 : dot);
  }
  return out;
}

std::optional<Range> parse_range(std::string_view text) {
  const auto slash = text.find('/');
  const auto address = text.starts_with(':') ? std::nullopt : parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == text.npos) return Range{*address, 32};
  const auto bits = number(text.substr(slash + 1), 32);
  if (!bits) return std::nullopt;
  return Range{*address, static_cast<int>(*bits)};
}

}  // namespace tarn::settings
