#include "delta/paths.h"

#include "base/crypto.h"

namespace tarn::delta {
namespace {

bool plain(unsigned char c) { return std::isalnum(c) || std::strchr("-._~!$&'()*+,;=@/", c) != nullptr; }

void escape(std::string& out, unsigned char c) {
  constexpr char digits[] = "0123456789ABCDEF";
  out += '%';
  out += digits[c >> 4];
  out += digits[c & 15];
}

Error bad(std::string_view uri, std::string_view why) {
  return {Errc::corrupt, fmt::format("The log names the data file '{}', which {}", uri.substr(0, 300), why)};
}

/// Whether the relative path could step out of its folder or name nothing.
bool tricky(std::string_view path) {
  while (true) {
    const auto slash = path.find('/');
    const auto segment = path.substr(0, slash);
    if (segment.empty() || segment == "." || segment == "..") return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

}  // namespace

std::string encode_path(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  std::size_t from = 0;
  if (const auto scheme = path.find("://"); scheme != std::string_view::npos) {  // absolute: scheme and authority stay
    from = scheme + 3;
    out.assign(path.substr(0, from));
  }
  for (unsigned char c : path.substr(from)) {
    if (c && plain(c))
      out += static_cast<char>(c);
    else
      escape(out, c);
  }
  return out;
}

Result<std::string> decode_path(std::string_view uri, const objects::Url& root) {
  std::string out;
  out.reserve(uri.size());
  for (std::size_t i = 0; i < uri.size(); ++i) {
    if (uri[i] != '%') {
      out += uri[i];
      continue;
    }
    const auto byte = i + 2 < uri.size() ? crypto::from_hex(uri.substr(i + 1, 2)) : std::nullopt;
    if (!byte) return fail(bad(uri, "has a broken percent escape"));
    out += *byte;
    i += 2;
  }
  if (out.empty() || out.find('\0') != std::string::npos) return fail(bad(uri, "is empty or holds a NUL"));
  if (out.size() > 4096) return fail(bad(uri, "is too long"));
  // A scheme comes before the first slash: `s3:`, `file:`. A relative name with a colon would have its colon escaped.
  const auto colon = uri.find(':');
  const bool absolute = uri.front() == '/' || (colon != std::string_view::npos && colon < uri.find('/'));
  if (!absolute) {
    if (tricky(out)) return fail(bad(uri, "has an empty, '.' or '..' segment"));
    return out;
  }
  const std::string_view below = root.key;
  for (const std::string_view scheme : {"s3://", "s3a://", "s3n://"}) {
    std::string prefix = std::string(scheme) + root.bucket + "/" + std::string(below);
    if (!prefix.ends_with('/')) prefix += '/';
    if (std::string_view(out).starts_with(prefix) && !tricky(std::string_view(out).substr(prefix.size()))) return out;
  }
  return fail(bad(uri, "is outside of the table's location " + root.text()));
}

objects::Url under(const objects::Url& root, std::string_view relative) {
  objects::Url out = root;
  if (!out.key.empty() && !out.key.ends_with('/')) out.key += '/';
  out.key += relative;
  return out;
}

objects::Url data_url(const objects::Url& root, std::string_view path) {
  const auto scheme = path.find("://");
  if (scheme == std::string_view::npos) return under(root, path);
  return {root.bucket, std::string(path.substr(scheme + 3 + root.bucket.size() + 1))};
}

std::string partition_folder(const std::vector<std::string>& columns, const std::map<std::string, std::optional<std::string>>& values) {
  auto hive = [](std::string_view text) {
    std::string out;
    for (unsigned char c : text) {
      if (c < 0x20 || c == 0x7f || std::strchr("\"#%'*/:=?\\{[]^ ", c))
        escape(out, c);
      else
        out += static_cast<char>(c);
    }
    return out;
  };
  std::string out;
  for (const auto& column : columns) {
    const auto at = values.find(column);
    const bool null = at == values.end() || !at->second || at->second->empty();
    out += hive(column) + "=" + (null ? "__HIVE_DEFAULT_PARTITION__" : hive(*at->second)) + "/";
  }
  return out;
}

}  // namespace tarn::delta
