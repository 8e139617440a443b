#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "engine/functions/code_points.h"
#include "engine/functions/families.h"

namespace tarn::engine::functions {
namespace {

using Text = std::optional<std::string>;

std::size_t width_at(std::string_view s, std::size_t i) {
  const auto c = static_cast<unsigned char>(s[i]);
  const std::size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
  return std::min(n, s.size() - i);
}

std::vector<std::string_view> characters(std::string_view s) {
  std::vector<std::string_view> out;
  for (std::size_t i = 0; i < s.size();) {
    const auto n = width_at(s, i);
    out.push_back(s.substr(i, n));
    i += n;
  }
  return out;
}

std::uint32_t code_point(std::string_view c) {
  const auto b = [&](std::size_t i) { return static_cast<unsigned char>(c[i]); };
  switch (c.size()) {
    case 1:
      return b(0);
    case 2:
      return (b(0) & 31u) << 6 | (b(1) & 63u);
    case 3:
      return (b(0) & 15u) << 12 | (b(1) & 63u) << 6 | (b(2) & 63u);
    default:
      return (b(0) & 7u) << 18 | (b(1) & 63u) << 12 | (b(2) & 63u) << 6 | (b(3) & 63u);
  }
}

/// Bytes as text: what is no UTF-8 becomes the replacement character, one for each maximal wrong part.
std::string lossy(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i < s.size();) {
    const auto c = static_cast<unsigned char>(s[i]);
    std::size_t need = c < 0x80 ? 0 : c >= 0xC2 && c < 0xE0 ? 1 : c >= 0xE0 && c < 0xF0 ? 2 : c >= 0xF0 && c < 0xF5 ? 3 : 9;
    if (need == 0) {
      out += s[i++];
      continue;
    }
    std::size_t have = 0;
    if (need < 9)
      while (have < need && i + 1 + have < s.size()) {
        const auto d = static_cast<unsigned char>(s[i + 1 + have]);
        unsigned char low = 0x80, high = 0xBF;
        if (have == 0) {
          if (c == 0xE0) low = 0xA0;
          if (c == 0xED) high = 0x9F;
          if (c == 0xF0) low = 0x90;
          if (c == 0xF4) high = 0x8F;
        }
        if (d < low || d > high) break;
        ++have;
      }
    if (have == need)
      out.append(s, i, need + 1);
    else
      out += "\xEF\xBF\xBD";
    i += have + 1;
  }
  return out;
}

bool valid_utf8(std::string_view s) { return lossy(s) == s; }

std::optional<std::int32_t> ascii(std::string_view s) { return s.empty() ? 0 : static_cast<std::int32_t>(code_point(s.substr(0, width_at(s, 0)))); }

Text chr(std::int64_t n) {
  if (n < 0) return std::string();
  std::string out;
  append_code(out, static_cast<std::uint32_t>(n & 0xFF));
  return out;
}

Text reverse(std::string_view s) {
  auto all = characters(s);
  std::string out;
  for (auto i = all.rbegin(); i != all.rend(); ++i) out += *i;
  return out;
}

Text initcap(std::string_view s) {
  std::string out(s);
  bool start = true;
  for (auto& c : out) {
    if (static_cast<unsigned char>(c) >= 0x80)
      raise("UNSUPPORTED_FEATURE", "initcap of text that is not ASCII is not supported by this warehouse.", "0A000");
    c = static_cast<char>(start ? std::toupper(static_cast<unsigned char>(c)) : std::tolower(static_cast<unsigned char>(c)));
    start = c == ' ';
  }
  return out;
}

Text translate(std::string_view s, std::string_view from, std::string_view to) {
  const auto a = characters(from), b = characters(to);
  std::string out;
  for (const auto c : characters(s)) {
    const auto at = std::ranges::find(a, c);
    if (at == a.end()) {
      out += c;
    } else if (const auto i = static_cast<std::size_t>(at - a.begin()); i < b.size()) {
      out += b[i];
    }
  }
  return out;
}

Text substring(std::string_view s, std::int32_t pos, std::int32_t len) {
  const auto all = characters(s);
  const auto n = static_cast<std::int64_t>(all.size());
  std::int64_t start = pos > 0 ? pos - 1 : pos < 0 ? n + pos : 0;
  std::int64_t end = len == INT32_MAX ? INT32_MAX : start + len;
  start = std::max<std::int64_t>(start, 0), end = std::min(end, n);
  std::string out;
  for (auto i = start; i < end; ++i) out += all[static_cast<std::size_t>(i)];
  return out;
}

Text pad(std::string_view s, std::int32_t len, std::string_view fill, bool left) {
  auto all = characters(s);
  const auto want = static_cast<std::size_t>(std::max(len, 0));
  if (all.size() >= want || fill.empty()) {
    std::string out;
    for (std::size_t i = 0; i < std::min(all.size(), want); ++i) out += all[i];
    return out;
  }
  if (want > 100'000'000) raise("UNSUPPORTED_FEATURE", "padding to more than 100,000,000 characters is not supported by this warehouse.", "0A000");
  const auto filler = characters(fill);
  std::string padding;
  for (std::size_t i = 0; i < want - all.size(); ++i) padding += filler[i % filler.size()];
  return left ? padding + std::string(s) : std::string(s) + padding;
}
Text lpad(std::string_view s, std::int32_t n, std::string_view f) { return pad(s, n, f, true); }
Text rpad(std::string_view s, std::int32_t n, std::string_view f) { return pad(s, n, f, false); }

Text overlay(std::string_view s, std::string_view by, std::int32_t pos, std::int32_t len) {
  const auto size = len >= 0 ? len : static_cast<std::int32_t>(characters(by).size());
  return *substring(s, 1, pos - 1) + std::string(by) + *substring(s, pos + size, INT32_MAX);
}
Text overlay_hex(std::string_view s, std::string_view by, std::int32_t pos, std::int32_t len) {
  const auto size = len >= 0 ? len * 2 : static_cast<std::int32_t>(by.size());
  const auto at = (pos - 1) * 2;
  return *substring(s, 1, at) + std::string(by) + *substring(s, at + 1 + size, INT32_MAX);
}

std::optional<std::int32_t> locate(std::string_view what, std::string_view s, std::int32_t from) {
  if (from < 1) return 0;
  const auto all = characters(s);
  if (static_cast<std::size_t>(from) > all.size() + 1) return 0;
  std::size_t at = 0;
  for (std::int32_t i = 1; i < from; ++i) at += all[static_cast<std::size_t>(i - 1)].size();
  const auto found = s.find(what, at);
  if (found == std::string_view::npos) return 0;
  return static_cast<std::int32_t>(characters(s.substr(0, found)).size()) + 1;
}

Text replace(std::string_view s, std::string_view what, std::string_view by) {
  if (what.empty()) return std::string(s);
  std::string out;
  for (std::size_t at = 0;;) {
    const auto found = s.find(what, at);
    out.append(s, at, found == std::string_view::npos ? found : found - at);
    if (found == std::string_view::npos) return out;
    out += by;
    at = found + what.size();
  }
}

Text split_part(std::string_view s, std::string_view by, std::int32_t n) {
  if (n == 0) raise("INVALID_INDEX_OF_ZERO", "The index 0 is invalid. An index shall be either < 0 or > 0 (the first element has index 1).", "22003");
  std::vector<std::string_view> parts;
  if (by.empty()) {
    parts.push_back(s);
  } else {
    for (std::size_t at = 0;;) {
      const auto found = s.find(by, at);
      parts.push_back(s.substr(at, found == std::string_view::npos ? found : found - at));
      if (found == std::string_view::npos) break;
      at = found + by.size();
    }
  }
  const auto size = static_cast<std::int64_t>(parts.size());
  const std::int64_t i = n > 0 ? n - 1 : size + n;
  return i < 0 || i >= size ? std::string() : std::string(parts[static_cast<std::size_t>(i)]);
}

/// split by text that no regular expression reads otherwise. limit > 0: so many pieces at most; 0: without empty ones at the end.
std::optional<Strings> split_plain(std::string_view s, std::string_view by, std::int32_t limit) {
  Strings out;
  if (by.empty()) {
    if (limit == 1) return Strings{std::string(s)};
    for (const auto c : characters(s)) {
      if (limit > 0 && static_cast<std::int32_t>(out.size()) == limit - 1 && out.size() > 0) break;
      out.emplace_back(std::string(c));
    }
    if (limit > 0 && !out.empty()) {
      std::size_t used = 0;
      for (const auto& o : out) used += o->size();
      if (used < s.size()) {
        if (static_cast<std::int32_t>(out.size()) < limit)
          out.emplace_back(std::string(s.substr(used)));
        else
          out.back()->append(s.substr(used));
      }
    }
    if (out.empty()) out.emplace_back(std::string());
    return out;
  }
  for (std::size_t at = 0;;) {
    const auto found = limit > 0 && static_cast<std::int32_t>(out.size()) == limit - 1 ? std::string_view::npos : s.find(by, at);
    out.emplace_back(std::string(s.substr(at, found == std::string_view::npos ? found : found - at)));
    if (found == std::string_view::npos) break;
    at = found + by.size();
  }
  if (limit == 0)
    while (out.size() > 1 && out.back()->empty()) out.pop_back();
  return out;
}

Text only_plain(std::string_view s) {
  if (s.find_first_of("\\[](){}.*+?^$|") != std::string_view::npos)
    raise("UNSUPPORTED_FEATURE", "split by a computed regular expression is not supported by this warehouse.", "0A000");
  return std::string(s);
}

Text re2(std::string_view s) {
  for (const auto* what : {"(?<", "(?=", "(?!", "\\G", "\\Z", "\\h", "\\R", "&&", "*+", "++", "?+", "\\1", "\\2"})
    if (s.find(what) != std::string_view::npos)
      raise("UNSUPPORTED_FEATURE",
            "A regular expression with look-around, a back-reference or a possessive quantifier is not supported by this warehouse.", "0A000");
  return std::string(s);
}
Text re2_replacement(std::string_view s) {
  if (s.find_first_of("$\\") != std::string_view::npos)
    raise("UNSUPPORTED_FEATURE", "A computed replacement with $ or \\ is not supported by this warehouse.", "0A000");
  return std::string(s);
}

Text like_pattern(std::string_view s, std::string_view escape) {
  for (std::size_t i = 0; i < s.size(); ++i)
    if (s[i] == escape[0]) {
      if (i + 1 == s.size())
        raise("INVALID_FORMAT.ESC_AT_THE_END", "The format is invalid: '" + std::string(s) + "'. The escape character is not allowed to end with.",
              "42601");
      const char next = s[++i];
      if (next != '_' && next != '%' && next != escape[0])
        raise("INVALID_FORMAT.ESC_IN_THE_MIDDLE",
              "The format is invalid: '" + std::string(s) + "'. The escape character is not allowed to precede '" + next + "'.", "42601");
    }
  return std::string(s);
}

std::optional<bool> luhn(std::string_view s) {
  int sum = 0;
  bool twice = false;
  if (s.empty()) return false;
  for (auto i = s.rbegin(); i != s.rend(); ++i, twice = !twice) {
    if (*i < '0' || *i > '9') return false;
    int d = *i - '0';
    if (twice && (d *= 2) > 9) d -= 9;
    sum += d;
  }
  return sum % 10 == 0;
}

Text mask(std::optional<std::string_view> s, std::optional<std::string_view> upper, std::optional<std::string_view> lower,
          std::optional<std::string_view> digit, std::optional<std::string_view> other) {
  if (!s) return {};
  std::string out;
  for (const auto c : characters(*s)) {
    if (c.size() > 1) raise("UNSUPPORTED_FEATURE", "mask of text that is not ASCII is not supported by this warehouse.", "0A000");
    const auto by = c[0] >= 'A' && c[0] <= 'Z' ? upper : c[0] >= 'a' && c[0] <= 'z' ? lower : c[0] >= '0' && c[0] <= '9' ? digit : other;
    out += by ? *by : c;
  }
  return out;
}

int nibble(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

std::optional<Blob> unhex(std::string_view s) {
  Blob out;
  std::string even = s.size() % 2 ? "0" + std::string(s) : std::string(s);
  for (std::size_t i = 0; i < even.size(); i += 2) {
    const int a = nibble(even[i]), b = nibble(even[i + 1]);
    if (a < 0 || b < 0) return {};
    out.bytes += static_cast<char>(a << 4 | b);
  }
  return out;
}

Text hex_number(std::int64_t n) { return fmt::format("{:X}", static_cast<std::uint64_t>(n)); }

[[noreturn]] void bad_conversion(std::string_view s, std::string_view fmt_name) {
  raise("CONVERSION_INVALID_INPUT",
        fmt::format("The value '{}' (\"STRING\") cannot be converted to \"BINARY\" because it is malformed. Correct the value as per the syntax, or "
                    "change its format ({}). "
                    "Use `try_to_binary` to tolerate malformed input and return NULL instead.",
                    s, fmt_name),
        "22018");
}

std::optional<Blob> base64(std::string_view s, bool strict, bool attempt) {
  std::string digits;
  std::size_t padding = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const char c = s[i];
    if (c == '=') {
      // Two of padding stand together.
      if (++padding == 1 && strict && digits.size() % 4 == 2 && (i + 1 == s.size() || s[i + 1] != '=')) {
        if (attempt) return {};
        bad_conversion(s, "BASE64");
      }
      continue;
    }
    if (std::isspace(static_cast<unsigned char>(c))) continue;
    const bool known = std::isalnum(static_cast<unsigned char>(c)) || c == '+' || c == '/';
    if (!known || padding) {
      if (attempt) return {};
      if (strict) bad_conversion(s, "BASE64");
      if (!known) continue;
      break;
    }
    digits += c;
  }
  if (strict && (digits.size() % 4 == 1 || (digits.size() % 4 == 0 && padding) || (digits.size() % 4 && padding && (digits.size() + padding) % 4) ||
                 padding > 2)) {
    if (attempt) return {};
    bad_conversion(s, "BASE64");
  }
  Blob out;
  std::uint32_t held = 0;
  int bits = 0;
  for (const char c : digits) {
    const auto v = c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52 : c == '+' ? 62 : 63;
    held = held << 6 | static_cast<std::uint32_t>(v);
    if ((bits += 6) >= 8) bits -= 8, out.bytes += static_cast<char>(held >> bits & 255);
  }
  return out;
}
std::optional<Blob> unbase64(std::string_view s, bool attempt) { return base64(s, true, attempt); }
std::optional<Blob> to_binary(std::string_view s, std::string_view format, bool attempt) {
  if (format == "base64") return base64(s, true, attempt);
  if (format == "utf-8" || format == "utf8") return Blob{std::string(s)};
  if (format != "hex")
    raise("DATATYPE_MISMATCH.INVALID_ARG_VALUE",
          fmt::format("The `fmt` value must to be a \"STRING\" literal of one of ('hex', 'utf-8', 'utf8', 'base64'), but got '{}'.", format),
          "42K09");
  auto out = unhex(s);
  if (!out && !attempt) bad_conversion(s, "HEX");
  return out;
}

std::string charset_of(std::string_view name, std::string_view function) {
  std::string n(name);
  for (auto& c : n) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (const auto* known : {"US-ASCII", "ISO-8859-1", "UTF-8", "UTF-16BE", "UTF-16LE", "UTF-16", "UTF-32"})
    if (n == known) return n;
  raise("INVALID_PARAMETER_VALUE.CHARSET",
        fmt::format("The value of parameter(s) `charset` in `{}` is invalid: expects one of the charsets 'iso-8859-1', 'us-ascii', 'utf-16', "
                    "'utf-16be', 'utf-16le', 'utf-32', 'utf-8', but got {}.",
                    function, name),
        "22023");
}

[[noreturn]] void malformed(std::string_view function, const std::string& charset) {
  raise("MALFORMED_CHARACTER_CODING", fmt::format("Invalid value found when performing `{}` with {}.", function, charset), "22000");
}

std::optional<Blob> encode(std::string_view s, std::string_view charset) {
  const auto set = charset_of(charset, "encode");
  Blob out;
  if (set == "UTF-8") return Blob{std::string(s)};
  const auto unit = [&](std::uint32_t u, bool big) {
    out.bytes += static_cast<char>(big ? u >> 8 : u & 255);
    out.bytes += static_cast<char>(big ? u & 255 : u >> 8);
  };
  if (set == "UTF-16" && !s.empty()) out.bytes += "\xFE\xFF";
  for (const auto c : characters(s)) {
    const auto p = code_point(c);
    if (set == "UTF-32") {
      for (int shift = 24; shift >= 0; shift -= 8) out.bytes += static_cast<char>(p >> shift & 255);
    } else if (set.starts_with("UTF-16")) {
      const bool big = set != "UTF-16LE";
      if (p >= 0x10000)
        unit(0xD800 + ((p - 0x10000) >> 10), big), unit(0xDC00 + ((p - 0x10000) & 1023), big);
      else
        unit(p, big);
    } else {
      if (p > (set == "US-ASCII" ? 0x7Fu : 0xFFu)) malformed("encode", set);
      out.bytes += static_cast<char>(p);
    }
  }
  return out;
}

Text decode(BlobView bytes, std::string_view charset) {
  const auto set = charset_of(charset, "decode");
  const auto s = bytes.bytes;
  if (set == "UTF-8") {
    if (!valid_utf8(s)) malformed("decode", set);
    return std::string(s);
  }
  std::string out;
  const auto b = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(s[i])); };
  if (set == "UTF-32") {
    if (s.size() % 4) malformed("decode", set);
    for (std::size_t i = 0; i < s.size(); i += 4) append_code(out, b(i) << 24 | b(i + 1) << 16 | b(i + 2) << 8 | b(i + 3));
    return out;
  }
  if (set.starts_with("UTF-16")) {
    if (s.size() % 2) malformed("decode", set);
    bool big = set != "UTF-16LE";
    std::size_t i = 0;
    if (set == "UTF-16" && s.size() >= 2 && ((b(0) == 0xFE && b(1) == 0xFF) || (b(0) == 0xFF && b(1) == 0xFE))) big = b(0) == 0xFE, i = 2;
    const auto unit = [&](std::size_t at) { return big ? b(at) << 8 | b(at + 1) : b(at + 1) << 8 | b(at); };
    for (; i < s.size(); i += 2) {
      auto u = unit(i);
      if (u >= 0xD800 && u < 0xDC00 && i + 3 < s.size()) u = 0x10000 + ((u - 0xD800) << 10) + (unit(i + 2) - 0xDC00), i += 2;
      append_code(out, u);
    }
    return out;
  }
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (set == "US-ASCII" && b(i) > 0x7F) malformed("decode", set);
    append_code(out, b(i));
  }
  return out;
}

Text url_encode(std::string_view s) {
  std::string out;
  for (const char c : s) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x80 && std::isalnum(byte)) || std::string_view(".*_-").find(c) != std::string_view::npos)
      out += c;
    else
      out += c == ' ' ? std::string("+") : fmt::format("%{:02X}", byte);
  }
  return out;
}

/// Nullopt: a % that two digits do not follow. What decodes to no UTF-8 is refused.
Text try_url_decode(std::string_view s) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '%') {
      out += s[i] == '+' ? ' ' : s[i];
      continue;
    }
    if (i + 2 >= s.size() || digit(s[i + 1]) < 0 || digit(s[i + 2]) < 0) {
      if (i + 2 < s.size() && s[i + 1] == '+') raise("UNSUPPORTED_FEATURE", "%+ in url_decode is not supported by this warehouse.", "0A000");
      return std::nullopt;
    }
    out += static_cast<char>(digit(s[i + 1]) * 16 + digit(s[i + 2]));
    i += 2;
  }
  if (!valid_utf8(out)) raise("UNSUPPORTED_FEATURE", "url_decode of bytes that are no UTF-8 is not supported by this warehouse.", "0A000");
  return out;
}

Text url_decode(std::string_view s) {
  auto out = try_url_decode(s);
  if (!out)
    raise("CANNOT_DECODE_URL",
          "The provided URL cannot be decoded: " + std::string(s) + ". Please ensure that the URL is properly formatted and try again.", "22546");
  return out;
}

std::optional<bool> valid_bytes(BlobView b) { return valid_utf8(b.bytes); }
std::optional<bool> contains_bytes(BlobView a, BlobView b) { return a.bytes.find(b.bytes) != std::string_view::npos; }
Text binary_to_string(BlobView b) { return lossy(b.bytes); }

std::optional<std::int64_t> crc32_bytes(BlobView b) {
  std::uint32_t c = ~0u;
  for (const char ch : b.bytes) {
    c ^= static_cast<unsigned char>(ch);
    for (int bit = 0; bit < 8; ++bit) c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
  }
  return static_cast<std::int64_t>(~c & 0xFFFFFFFFu);
}

constexpr Entry entries_of_text[] = {
    {"spark_url_encode", Scalar<url_encode>::make},
    {"spark_url_decode", Scalar<url_decode>::make},
    {"spark_try_url_decode", Scalar<try_url_decode>::make},
    {"spark_ascii", Scalar<ascii>::make},
    {"spark_chr", Scalar<chr>::make},
    {"spark_reverse", Scalar<reverse>::make},
    {"spark_initcap", Scalar<initcap>::make},
    {"spark_translate", Scalar<translate>::make},
    {"spark_substring", Scalar<substring>::make},
    {"spark_lpad", Scalar<lpad>::make},
    {"spark_rpad", Scalar<rpad>::make},
    {"spark_overlay", Scalar<overlay>::make},
    {"spark_overlay_hex", Scalar<overlay_hex>::make},
    {"spark_locate", Scalar<locate>::make},
    {"spark_replace", Scalar<replace>::make},
    {"spark_split_part", Scalar<split_part>::make},
    {"spark_split_plain", Scalar<split_plain>::make},
    {"spark_only_plain", Scalar<only_plain>::make},
    {"spark_re2", Scalar<re2>::make},
    {"spark_re2_replacement", Scalar<re2_replacement>::make},
    {"spark_like_pattern", Scalar<like_pattern>::make},
    {"spark_luhn_check", Scalar<luhn>::make},
    {"spark_mask", Scalar<mask>::make},
    {"spark_unhex", Scalar<unhex>::make},
    {"spark_hex_number", Scalar<hex_number>::make},
    {"spark_unbase64", Scalar<unbase64>::make},
    {"spark_to_binary", Scalar<to_binary>::make},
    {"spark_encode", Scalar<encode>::make},
    {"spark_decode", Scalar<decode>::make},
    {"spark_binary_to_string", Scalar<binary_to_string>::make},
    {"spark_valid_utf8", Scalar<valid_bytes>::make},
    {"spark_contains_bytes", Scalar<contains_bytes>::make},
    {"spark_crc32_bytes", Scalar<crc32_bytes>::make},
};

}  // namespace

std::span<const Entry> text_entries() { return entries_of_text; }

}  // namespace tarn::engine::functions
