#pragma once
// Data file paths as the log writes them: URIs ("Add File and Remove File": RFC 2396, to be decoded), relative to the table's root or absolute.
#include <string>
#include <string_view>

#include "delta/log.h"

namespace tarn::delta {

/// A decoded path as an action's URI, and back. Decoding refuses `..`, `.` and empty segments, NUL, broken escapes and absolute
/// locations outside `root` (Errc::corrupt): such a path would let one table name another's files.
std::string encode_path(std::string_view path);
Result<std::string> decode_path(std::string_view uri, const objects::Url& root);
/// The object behind a decoded path.
objects::Url data_url(const objects::Url& root, std::string_view path);
/// A key under the table's root, whether or not the root's key ends in '/'.
objects::Url under(const objects::Url& root, std::string_view relative);
/// The partition folder `a=1/b=x%20y/` that Spark would choose (Hive escaping); the values in the action are what counts.
std::string partition_folder(const std::vector<std::string>& columns, const std::map<std::string, std::optional<std::string>>& values);

}  // namespace tarn::delta
