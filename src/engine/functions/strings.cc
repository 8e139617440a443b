#include "engine/functions/strings.h"

#include <array>
#include <limits>

#include "engine/child/text_values.h"
#include "engine/functions/vectors.h"

namespace tarn::engine::functions {

std::optional<std::string> conv(std::string_view number, std::int32_t from_base, std::int32_t to_base) {
  const auto base_out = to_base < 0 ? -static_cast<std::int64_t>(to_base) : to_base;
  if (from_base < 2 || from_base > 36 || base_out < 2 || base_out > 36) return {};
  while (!number.empty() && number.front() == ' ') number.remove_prefix(1);
  while (!number.empty() && number.back() == ' ') number.remove_suffix(1);
  if (number.empty()) return {};
  const bool negative = number.front() == '-';
  if (negative) number.remove_prefix(1);
  std::uint64_t value = 0;
  for (const char c : number) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'z' ? c - 'a' + 10 : c >= 'A' && c <= 'Z' ? c - 'A' + 10 : 99;
    if (digit >= from_base) break;
    std::uint64_t next = 0;
    if (__builtin_mul_overflow(value, static_cast<std::uint64_t>(from_base), &next) ||
        __builtin_add_overflow(next, static_cast<std::uint64_t>(digit), &next)) {
      raise("ARITHMETIC_OVERFLOW", "Overflow in function conv(). If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error.",
            "22003");
    }
    value = next;
  }
  bool minus = false;
  if (negative && to_base > 0) {
    // Two's complement, as an unsigned number; what has no such form is the largest number.
    value = static_cast<std::int64_t>(value) < 0 ? std::numeric_limits<std::uint64_t>::max() : 0 - value;
  } else if (to_base < 0) {
    minus = negative;
    if (!negative && static_cast<std::int64_t>(value) < 0) value = 0 - value, minus = true;
  }
  std::string out;
  do out.insert(out.begin(), "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[value % static_cast<std::uint64_t>(base_out)]);
  while (value /= static_cast<std::uint64_t>(base_out));
  return minus ? "-" + out : out;
}

std::optional<std::int64_t> crc32(std::string_view bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      auto c = i;
      for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  std::uint32_t c = ~0u;
  for (const char b : bytes) c = table[(c ^ static_cast<unsigned char>(b)) & 255] ^ (c >> 8);
  return static_cast<std::int64_t>(~c & 0xFFFFFFFFu);
}

std::optional<std::int32_t> find_in_set(std::string_view wanted, std::string_view list) {
  if (wanted.find(',') != std::string_view::npos) return 0;
  for (std::int32_t place = 1;; ++place) {
    const auto comma = list.find(',');
    if (list.substr(0, comma) == wanted) return place;
    if (comma == std::string_view::npos) return 0;
    list.remove_prefix(comma + 1);
  }
}

std::optional<std::string> soundex(std::string_view text) {
  // 0: vowels, which part equal codes; 7: H and W, which do not.
  static constexpr std::string_view codes = "01230127022455012623017202";
  const auto upper = [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; };
  if (text.empty()) return std::string();
  const char first = upper(text[0]);
  if (first < 'A' || first > 'Z') return std::string(text);
  std::string out(1, first);
  char last = codes[static_cast<std::size_t>(first - 'A')];
  for (std::size_t i = 1; i < text.size() && out.size() < 4; ++i) {
    const char c = upper(text[i]);
    if (c < 'A' || c > 'Z') {
      last = '0';
      continue;
    }
    const char code = codes[static_cast<std::size_t>(c - 'A')];
    if (code == '7') continue;
    if (code != '0' && code != last) out += code;
    last = code;
  }
  out.append(4 - out.size(), '0');
  return out;
}

std::optional<std::string> substring_index(std::string_view text, std::string_view delimiter, std::int32_t count) {
  if (text.empty() || delimiter.empty() || count == 0) return std::string();
  if (count > 0) {
    std::size_t at = 0;
    for (std::int32_t i = 0;; ++i) {
      const auto found = text.find(delimiter, at);
      if (found == std::string_view::npos) return std::string(text);
      if (i + 1 == count) return std::string(text.substr(0, found));
      at = found + 1;
    }
  }
  std::size_t at = std::string_view::npos;
  for (std::int32_t i = 0;; --i) {
    const auto found = text.rfind(delimiter, at);
    if (found == std::string_view::npos) return std::string(text);
    if (i - 1 == count) return std::string(text.substr(found + delimiter.size()));
    if (found == 0) return std::string(text);
    at = found - 1;
  }
}

std::optional<std::string> double_to_string(double value) {
  std::string out;
  child::append_double(out, value);
  return out;
}

std::optional<std::string> float_to_string(float value) {
  std::string out;
  child::append_float(out, value);
  return out;
}

}  // namespace tarn::engine::functions
