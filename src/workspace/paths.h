#pragma once
// Paths of a workspace's tree. Pure functions, thread-safe.
#include "workspace/types.h"

namespace tarn::workspace {

/// A path as the tree keeps it: absolute, without doubled or closing slashes and without the /Workspace mount, which clients may or may not write.
struct Path {
  std::string text;      // "/" or "/a/b"
  bool mounted = false;  // it was written below /Workspace: answers spell it so, too
  std::string asked;     // as the request had it: what the vendor's messages repeat
  std::string shown(std::string_view path) const { return mounted ? "/Workspace" + std::string(path == "/" ? "" : path) : std::string(path); }
  bool is_root() const { return text == "/"; }
};

/// Errors: invalid, with the vendor's text for one that does not begin with a slash.
Result<Path> parse_path(std::string_view text);

std::string parent_of(std::string_view path);  // "/" for what lies in the root
std::string name_of(std::string_view path);
/// Whether `path` is `folder` or lies below it.
bool within(std::string_view path, std::string_view folder);
/// The folders from the parent up to, without, the root.
std::vector<std::string> ancestors(std::string_view path);

}  // namespace tarn::workspace
