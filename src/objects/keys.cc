#include "objects/keys.h"

namespace tarn::objects {
namespace {

bool valid_utf8(std::string_view s) {
  for (std::size_t i = 0; i < s.size();) {
    const auto c = static_cast<unsigned char>(s[i]);
    const std::size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (n == 0 || i + n > s.size()) return false;
    for (std::size_t k = 1; k < n; ++k)
      if ((static_cast<unsigned char>(s[i + k]) & 0xc0) != 0x80) return false;
    if (n >= 3) {
      const auto d = static_cast<unsigned char>(s[i + 1]);  // overlong forms, surrogates, beyond U+10FFFF
      if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) || (c == 0xf0 && d < 0x90) || (c == 0xf4 && d > 0x8f)) return false;
    }
    i += n;
  }
  return true;
}

Result<void> invalid(std::string_view key, std::string_view why) {
  return fail(Error{Errc::invalid_name, fmt::format("The object key '{}' is not accepted: {}.", key.substr(0, 200), why)});
}

Result<void> check_segment(std::string_view key, std::string_view segment, bool last_may_be_cut) {
  if (segment.empty()) return invalid(key, "it has an empty path segment");
  if (!last_may_be_cut && (segment == "." || segment == "..")) return invalid(key, "'.' and '..' are no path segments");
  if (segment.size() > 255) return invalid(key, "a path segment is longer than 255 bytes");
  if (segment.starts_with(".tarn.")) return invalid(key, "path segments that begin with '.tarn.' are reserved");
  return {};
}

Result<void> check(std::string_view key, bool prefix) {
  if (key.size() > 1024) return invalid(key, "it is longer than 1024 bytes");
  if (!valid_utf8(key)) return fail(Error{Errc::invalid_name, "The object key is not accepted: it is not UTF-8."});
  for (unsigned char c : key)
    if (c < 0x20 || c == 0x7f) return fail(Error{Errc::invalid_name, "The object key is not accepted: it has a control character."});
  for (std::size_t at = 0; at < key.size();) {
    const auto slash = key.find('/', at);
    const bool last = slash == std::string_view::npos;
    TARN_CHECK(check_segment(key, key.substr(at, last ? slash : slash - at), prefix && last));
    at = last ? key.size() : slash + 1;
  }
  return {};
}

/// The end of the commit's name in the key, 0 if there is none: the place after `.json`.
std::size_t commit_end(std::string_view key) {
  constexpr std::string_view log = "_delta_log/";
  for (std::size_t at = key.find(log); at != std::string_view::npos; at = key.find(log, at + 1)) {
    if (at != 0 && key[at - 1] != '/') continue;
    const auto name = key.substr(at + log.size());
    if (name.size() < 25 || name.substr(20, 5) != ".json") continue;
    if (!std::all_of(name.begin(), name.begin() + 20, [](char c) { return c >= '0' && c <= '9'; })) continue;
    if (name.size() == 25 || name[25] == '/') return at + log.size() + 25;
  }
  return 0;
}

}  // namespace

bool valid_bucket(std::string_view name) {
  auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (name.size() < 3 || name.size() > 63 || !alnum(name.front()) || !alnum(name.back()) || name.find("..") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) { return alnum(c) || c == '.' || c == '-'; });
}

Result<void> check_key(std::string_view key) {
  if (key.empty()) return fail(Error{Errc::invalid_name, "An object key must not be empty."});
  TARN_CHECK(check(key, false));
  if (is_below_delta_commit(key)) return invalid(key, "it lies below a commit of a Delta log");
  return {};
}

Result<std::string> clean_path(std::string_view path) {
  std::string out;
  while (!path.empty()) {
    const auto slash = path.find('/');
    const auto part = path.substr(0, slash);
    path = slash == path.npos ? std::string_view() : path.substr(slash + 1);
    if (!part.empty()) out.append(out.empty() ? "" : "/").append(part);
  }
  if (!out.empty()) TARN_CHECK(check_key(out));
  return out;
}

Result<void> check_prefix(std::string_view prefix) { return check(prefix, true); }

bool is_delta_commit(std::string_view key) {
  const auto end = commit_end(key);
  return end != 0 && end == key.size();
}

bool is_below_delta_commit(std::string_view key) {
  const auto end = commit_end(key);
  return end != 0 && end < key.size();
}

bool covers(const Url& grant, std::string_view bucket, std::string_view key) {
  if (grant.bucket != bucket) return false;
  std::string_view path = grant.key;
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return true;
  return key.starts_with(path) && (key.size() == path.size() || key[path.size()] == '/');
}

bool covers_listing(const Url& grant, std::string_view bucket, std::string_view prefix) {
  if (grant.bucket != bucket) return false;
  std::string_view path = grant.key;
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return true;
  return prefix.starts_with(path) && prefix.size() > path.size() && prefix[path.size()] == '/';
}

Result<Url> Url::parse(std::string_view text) {
  const std::string_view whole = text;
  auto bad = [&](std::string_view why) {
    return fail(Error{Errc::invalid_name, fmt::format("'{}' is not a storage URL: {}.", whole.substr(0, 200), why)});
  };
  if (text.starts_with("s3://"))
    text.remove_prefix(5);
  else if (text.starts_with("s3a://"))
    text.remove_prefix(6);
  else
    return bad("want s3://BUCKET/KEY");
  const auto slash = text.find('/');
  Url out{std::string(text.substr(0, slash)), slash == std::string_view::npos ? "" : std::string(text.substr(slash + 1))};
  if (!valid_bucket(out.bucket)) return bad("a bucket name has 3 to 63 lower-case letters, digits, dots and hyphens");
  if (!out.key.empty()) TARN_CHECK(check_key(out.key));
  return out;
}

}  // namespace tarn::objects
