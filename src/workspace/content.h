#pragma once
// The bytes of notebooks and files: objects under the workspace's root bucket, WORKSPACE/workspace-files/BLOB, written once under a new name and
// never changed, so that a reader keeps what it found. Thread-safe; blocks on the object store.
#include "objects/object_store.h"
#include "workspace/types.h"

namespace tarn::workspace {

/// Bytes as a request brings them: in memory, or in a file that the caller owns and that may be moved away.
struct Bytes {
  std::string memory;
  std::string file;  // when set, instead of memory
};

class Content {
 public:
  Content(objects::ObjectStore& objects, RootBuckets roots) : objects_(objects), roots_(std::move(roots)) {}

  struct Written {
    std::string blob;
    std::int64_t size = 0;
  };
  /// Durable when it returns. unavailable.
  Result<Written> write(std::int64_t workspace_id, const Bytes& bytes);
  Result<std::string> read(std::int64_t workspace_id, const std::string& blob, std::uint64_t offset = 0, std::optional<std::uint64_t> length = {});
  /// The file behind a blob, for a reply that is sent from disk; nothing for a remote store.
  std::optional<std::string> local_path(std::int64_t workspace_id, const std::string& blob);
  /// After the commit that forgot the blob. What cannot be removed now stays as waste.
  void remove(std::int64_t workspace_id, const std::string& blob) noexcept;

 private:
  Result<objects::Url> url(std::int64_t workspace_id, const std::string& blob) const;
  objects::ObjectStore& objects_;
  RootBuckets roots_;
};

}  // namespace tarn::workspace
