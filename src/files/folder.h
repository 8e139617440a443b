#pragma once
// A prefix of a bucket as a tree of folders and files, the way object stores are seen so: a folder is there if it has a marker object (`a/`) or
// anything below it. Paths are relative, without slashes at the ends, and checked before they come here. Thread-safe; blocks on the store.
#include "files/errors.h"

namespace tarn::files {

struct Entry {
  std::string name;
  bool folder = false;
  std::uint64_t size = 0;
  Millis modified = 0;
  std::string key() const { return folder ? name + "/" : name; }
};

class Folder {
 public:
  /// `base` is the URL of the prefix, s3://bucket/path; the tree's own root is always there.
  static Result<Folder> at(objects::ObjectStore& objects, std::string_view base);

  Result<std::optional<Entry>> find(std::string_view path) const;  // file or folder
  /// Direct children in the order of their keys after `after` (a folder's name closes with a slash there), at most `limit`.
  struct Page {
    std::vector<Entry> entries;
    bool more = false;
  };
  Result<Page> list(std::string_view path, std::string_view after, std::size_t limit) const;
  /// Whether the folder holds anything but itself.
  Result<bool> empty(std::string_view path) const;
  /// Makes the marker of the folder and of those above it. already_exists if a file is in the way.
  Result<void> make(std::string_view path) const;
  Result<void> put(std::string_view path, const std::string& memory, const std::string& file, bool overwrite) const;
  Result<void> remove_file(std::string_view path) const;
  Result<void> remove_folder(std::string_view path) const;  // with everything below
  Result<std::string> read(std::string_view path, std::uint64_t offset, std::uint64_t length) const;
  objects::Url url(std::string_view path) const;

  static constexpr std::size_t kAll = 1'000'000;

 private:
  Folder(objects::ObjectStore& objects, objects::Url base) : objects_(&objects), base_(std::move(base)) {}
  objects::ObjectStore* objects_;
  objects::Url base_;  // key without a closing slash
};

/// "a/b" of "/a//b/": relative, collapsed. Errors: invalid for `.`, `..`, control characters and names that storage reserves.
Result<std::string> clean(std::string_view path);

}  // namespace tarn::files
