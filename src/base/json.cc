#include "base/json.h"

#include <charconv>
#include <cmath>

namespace tarn::json {

Decoded<value> parse(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = 64;
  boost::json::error_code ec;
  value v = boost::json::parse(text, ec, {}, options);
  if (ec) return fail(DecodeError{"", "Could not parse the request body as JSON: " + ec.message()});
  return v;
}

namespace detail {

std::string shown(const value& v) {
  std::string s = boost::json::serialize(v);
  if (s.size() > 80) {
    std::size_t cut = 77;
    while (cut > 0 && (static_cast<unsigned char>(s[cut]) & 0xc0) == 0x80) --cut;  // not inside a UTF-8 sequence
    s = s.substr(0, cut) + "...";
  }
  return s;
}

std::string join(const std::string& path, std::string_view name) { return path.empty() ? std::string(name) : path + '.' + std::string(name); }

std::optional<DecodeError> read(std::string& out, const value& v, const std::string& path) {
  const auto* s = v.if_string();
  if (!s) return DecodeError{path, "must be a string, got " + shown(v)};
  out.assign(s->data(), s->size());
  return std::nullopt;
}

std::optional<DecodeError> read(bool& out, const value& v, const std::string& path) {
  if (const auto* b = v.if_bool()) return out = *b, std::nullopt;
  return DecodeError{path, "must be true or false, got " + shown(v)};
}

std::optional<DecodeError> read(double& out, const value& v, const std::string& path) {
  if (!v.is_number()) return DecodeError{path, "must be a number, got " + shown(v)};
  out = v.to_number<double>();
  return std::nullopt;
}

std::optional<DecodeError> read_int(std::int64_t& out, const value& v, const std::string& path, std::int64_t low, std::int64_t high) {
  bool ok = false;
  if (const auto* i = v.if_int64()) out = *i, ok = true;
  if (const auto* s = v.if_string()) {
    const auto [end, ec] = std::from_chars(s->data(), s->data() + s->size(), out);
    ok = ec == std::errc() && end == s->data() + s->size() && !s->empty();
  }
  if (const auto* d = v.if_double(); d && std::trunc(*d) == *d && std::abs(*d) < 9.0e15) out = static_cast<std::int64_t>(*d), ok = true;
  if (!ok) return DecodeError{path, "must be a whole number, got " + shown(v)};
  if (out < low || out > high) return DecodeError{path, fmt::format("must be between {} and {}, got {}", low, high, out)};
  return std::nullopt;
}

}  // namespace detail
}  // namespace tarn::json
