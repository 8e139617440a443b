#include "catalog/names.h"

#include <locale.h>
#include <wctype.h>

namespace tarn::catalog {
namespace {

/// Code points of valid UTF-8 (no overlong forms, no surrogates); nothing otherwise.
std::optional<std::vector<char32_t>> code_points(std::string_view s) {
  std::vector<char32_t> out;
  for (std::size_t i = 0; i < s.size();) {
    const auto lead = static_cast<unsigned char>(s[i]);
    const int more = lead < 0x80 ? 0 : lead >= 0xc2 && lead < 0xe0 ? 1 : lead >= 0xe0 && lead < 0xf0 ? 2 : lead >= 0xf0 && lead < 0xf5 ? 3 : -1;
    if (more < 0 || i + static_cast<std::size_t>(more) >= s.size()) return std::nullopt;
    char32_t c = more == 0 ? lead : lead & (0x3f >> more);
    for (int k = 1; k <= more; ++k) {
      const auto b = static_cast<unsigned char>(s[i + static_cast<std::size_t>(k)]);
      if ((b & 0xc0) != 0x80) return std::nullopt;
      c = c << 6 | (b & 0x3f);
    }
    if ((more == 2 && c < 0x800) || (more == 3 && (c < 0x10000 || c > 0x10ffff)) || (c >= 0xd800 && c < 0xe000)) return std::nullopt;
    out.push_back(c);
    i += static_cast<std::size_t>(more) + 1;
  }
  return out;
}

void append(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xc0 | c >> 6);
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    out += static_cast<char>(0xe0 | c >> 12);
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | c >> 18);
    out += static_cast<char>(0x80 | (c >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (c >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (c & 0x3f));
  }
}

/// Shown in a message: control and broken bytes as escapes, long ones cut.
std::string shown(std::string_view s) {
  const bool valid = code_points(s).has_value();
  std::string out;
  for (const char ch : s.substr(0, 300)) {
    const auto c = static_cast<unsigned char>(ch);
    if (c < 0x20 || c == 0x7f || (!valid && c >= 0x80))
      out += fmt::format("\\x{:02x}", c);
    else
      out += ch;
  }
  return out;
}

Error invalid_field(std::string_view rpc, std::string_view field, const std::string& problem) {
  return {Errc::invalid, fmt::format("Invalid input: RPC {} Field managedcatalog.{}: {}", rpc, field, problem)};
}

bool bucket_name(std::string_view b) {
  if (b.size() < 3 || b.size() > 63) return false;
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  for (const char c : b)
    if (!plain(c) && c != '-' && c != '.') return false;
  return plain(b.front()) && plain(b.back()) && b.find("..") == b.npos;
}

bool is_control(char32_t c) { return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029; }

}  // namespace

std::string folded(std::string_view name) {
  std::string out;
  out.reserve(name.size());
  bool ascii = true;
  for (const char c : name) {
    ascii = ascii && static_cast<unsigned char>(c) < 0x80;
    out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  if (ascii) return out;
  const auto points = code_points(out);
  if (!points) return out;
  static const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
  std::string wide;
  for (const char32_t c : *points) append(wide, utf8 ? static_cast<char32_t>(towlower_l(static_cast<wint_t>(c), utf8)) : c);
  return wide;
}

Result<std::string> checked_name(std::string_view name, std::string_view rpc, std::string_view field) {
  if (name.empty()) return fail(invalid_field(rpc, field, "name must not be empty"));
  const auto points = code_points(name);
  if (!points) return fail(invalid_field(rpc, field, fmt::format("name \"{}\" is not valid UTF-8", shown(name))));
  if (points->size() > 255) return fail(invalid_field(rpc, field, fmt::format("name has {} characters, at most 255 are allowed", points->size())));
  for (const char32_t c : *points)
    if (c == '.' || c == '/' || c == ' ' || is_control(c))
      return fail(
          invalid_field(rpc, field,
                        fmt::format("name \"{}\" is not a valid name. Names cannot contain a period, a space, a forward slash or control characters",
                                    shown(name))));
  return folded(name);
}

Result<std::string> checked_title(std::string_view name, std::string_view rpc, std::string_view field) {
  const auto points = code_points(name);
  if (name.empty() || name.front() == ' ' || name.back() == ' ')
    return fail(invalid_field(rpc, field, fmt::format("name \"{}\" is empty or begins or ends with a space", shown(name))));
  bool fine = points && points->size() <= 255;
  for (std::size_t i = 0; fine && i < points->size(); ++i) fine = (*points)[i] != '/' && !is_control((*points)[i]);
  if (!fine) return fail(invalid_field(rpc, field, fmt::format("name \"{}\" is not a valid name", shown(name))));
  return std::string(name);
}

Result<std::vector<std::string>> split_name(std::string_view full_name, std::size_t parts, std::string_view what) {
  std::vector<std::string> out;
  std::string_view rest = full_name;
  while (true) {
    const auto dot = rest.find('.');
    out.push_back(folded(rest.substr(0, dot)));
    if (dot == rest.npos) break;
    rest.remove_prefix(dot + 1);
  }
  bool fine = out.size() == parts;
  for (const auto& p : out) {
    fine = fine && !p.empty();
    for (const char c : p) fine = fine && static_cast<unsigned char>(c) >= 0x20;
  }
  if (!fine)
    return fail(Error{Errc::invalid, fmt::format("'{}' is not a valid {} name: {} part{} separated by periods expected", shown(full_name), what,
                                                 parts, parts == 1 ? "" : "s")});
  return out;
}

Result<std::string> checked_url(std::string_view url, std::string_view rpc, std::string_view field) {
  if (url.empty()) return fail(invalid_field(rpc, field, "URL must not be empty"));
  const std::string_view after = url.starts_with("s3://") ? url.substr(5) : url.starts_with("s3a://") ? url.substr(6) : std::string_view();
  if (after.empty())
    return fail(invalid_field(rpc, field, fmt::format("URL \"{}\" is not valid: it must begin with s3:// and name a bucket", shown(url))));
  const auto first = after.find('/');
  const std::string_view bucket = after.substr(0, first);
  std::string_view key = first == after.npos ? std::string_view() : after.substr(first + 1);
  if (!bucket_name(bucket))
    return fail(invalid_field(rpc, field, fmt::format("URL \"{}\" is not valid: '{}' is not a bucket name", shown(url), shown(bucket))));
  bool fine = code_points(url).has_value() && url.size() <= 1000;
  for (const char c : url)
    fine = fine && static_cast<unsigned char>(c) >= 0x20 && c != 0x7f && c != '*' && c != '?' && c != '#' && c != '\\' && c != ' ';
  while (key.ends_with('/')) key.remove_suffix(1);
  std::string_view rest = key;
  while (fine && !rest.empty()) {
    const auto slash = rest.find('/');
    const auto part = rest.substr(0, slash);
    fine = !part.empty() && part != "." && part != "..";
    rest = slash == rest.npos ? std::string_view() : rest.substr(slash + 1);
  }
  if (!fine) return fail(invalid_field(rpc, field, fmt::format("URL \"{}\" is not a valid storage path", shown(url))));
  return key.empty() ? "s3://" + std::string(bucket) : "s3://" + std::string(bucket) + "/" + std::string(key);
}

std::string_view bare(std::string_view url) {
  while (url.ends_with('/')) url.remove_suffix(1);
  return url;
}

std::string as_written(std::string checked, std::string_view written) { return written.ends_with('/') ? checked + "/" : checked; }

bool contains(std::string_view outer, std::string_view inner) {
  outer = bare(outer);
  return inner.starts_with(outer) && (inner.size() == outer.size() || inner[outer.size()] == '/');
}

}  // namespace tarn::catalog
