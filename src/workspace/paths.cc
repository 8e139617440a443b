#include "workspace/paths.h"

namespace tarn::workspace {

Result<Path> parse_path(std::string_view text) {
  const std::string shown(text.substr(0, 200));
  if (!text.starts_with('/')) return refuse(Errc::invalid, "Path (" + shown + ") doesn't start with '/'");
  if (text.size() > 4096) return refuse(Errc::invalid, "Path (" + shown + "…) is longer than 4096 bytes");
  Path out{.text = "", .asked = std::string(text)};
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto slash = rest.find('/');
    const auto part = rest.substr(0, slash);
    rest = slash == rest.npos ? std::string_view() : rest.substr(slash + 1);
    if (part.empty()) continue;
    if (part == "." || part == "..") return refuse(Errc::invalid, "Path (" + shown + ") must not contain '.' or '..' segments");
    if (part.size() > 255) return refuse(Errc::invalid, "Path (" + shown + ") has a name longer than 255 bytes");
    for (const char c : part)
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return refuse(Errc::invalid, "Path must not contain control characters");
    out.text += '/';
    out.text += part;
  }
  if (out.text == "/Workspace" || out.text.starts_with("/Workspace/")) {
    out.mounted = true;
    out.text.erase(0, std::string_view("/Workspace").size());
  }
  if (out.text.empty()) out.text = "/";
  return out;
}

std::string parent_of(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == 0 || slash == path.npos ? "/" : std::string(path.substr(0, slash));
}

std::string name_of(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

bool within(std::string_view path, std::string_view folder) {
  return folder == "/" || path == folder || (path.starts_with(folder) && path.size() > folder.size() && path[folder.size()] == '/');
}

std::vector<std::string> ancestors(std::string_view path) {
  std::vector<std::string> out;
  for (std::string at = parent_of(path); at != "/"; at = parent_of(at)) out.push_back(at);
  return out;
}

}  // namespace tarn::workspace
