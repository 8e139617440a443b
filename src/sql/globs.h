#pragma once
// Patterns in the paths of files: `*`, `?`, `[abc]`, `[a-z]`, `[^a]`, `{ab,c{d,e}}`, and `\` before a character that shall be itself. No pattern but
// braces reaches over a slash. Pure, thread-safe. Source: Databricks docs "read_files", file discovery; Hadoop's GlobPattern.
#include <string>
#include <string_view>
#include <vector>

#include "sql/errors.h"

namespace tarn::sql {

class Glob {
 public:
  /// Error: invalid, for a bracket or brace that does not close, or more than 1,000 alternatives.
  static Result<Glob> parse(std::string_view pattern);
  /// Whether the text has any character that makes it a pattern.
  static bool is_pattern(std::string_view text) { return text.find_first_of("*?[{\\") != text.npos; }

  /// Whether the path, or a folder that it lies in, is one that the pattern names.
  bool covers(std::string_view path) const;
  /// The part before the first segment that is a pattern, "a/b" of "a/b/*.csv": all that the pattern covers lies in this folder.
  const std::string& folder() const { return folder_; }

 private:
  std::vector<std::vector<std::string>> alternatives_;  // segments
  std::string folder_;
};

}  // namespace tarn::sql
