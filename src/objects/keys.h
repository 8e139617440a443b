#pragma once
// Rules for bucket names and object keys, and the paths of grants. Pure functions, thread-safe.
#include <string>
#include <string_view>

#include "objects/object_store.h"

namespace tarn::objects {

/// S3's bucket naming rules: 3 to 63 lower-case letters, digits, dots and hyphens, a letter or digit at both ends, no two dots in a row.
bool valid_bucket(std::string_view name);

/// An object's key: UTF-8 without control characters, at most 1024 bytes, segments of 1 to 255 bytes that are neither `.` nor `..`
/// and do not begin with `.tarn.` (reserved). One '/' may close it (a folder marker). Error: invalid_name, with the reason.
Result<void> check_key(std::string_view key);

/// "a/b" of "/a//b/": a path as people write it as a key without slashes at its ends; empty for the root. Error: as check_key's.
Result<std::string> clean_path(std::string_view path);

/// The prefix of a listing: like a key, but its last segment may be cut off anywhere, and it may be empty.
Result<void> check_prefix(std::string_view prefix);

/// A commit of a Delta table's log: …/_delta_log/N.json with N of 20 digits. Such an object is written once and never replaced.
bool is_delta_commit(std::string_view key);

/// A key below a commit's name (…/_delta_log/N.json/x): refused everywhere, since it would push the commit's file out of its place.
bool is_below_delta_commit(std::string_view key);

/// Whether a grant on `prefix` (s3://bucket/path, with or without a closing slash) covers the key: the path itself and everything
/// below it, never a sibling whose name merely begins the same way. A grant on s3://bucket/ covers the whole bucket.
bool covers(const Url& grant, std::string_view bucket, std::string_view key);

/// Whether every key that begins with `prefix` is covered by the grant.
bool covers_listing(const Url& grant, std::string_view bucket, std::string_view prefix);

}  // namespace tarn::objects
