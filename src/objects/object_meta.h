#pragma once
// What an object carries beside its bytes: ETag, content type, user metadata, checksums. It lives in an extended attribute of the
// object's file, so it appears and goes with the file; on a file system without user attributes it lives in a sidecar named after the
// inode. Both remember size and modification time of the bytes they speak of: a file that something wrote over directly
// (our own engine does) has no stored metadata any more, and gets an ETag computed from its identity.
#include <sys/stat.h>

#include <map>
#include <string>

#include "base/json.h"
#include "objects/object_store.h"

namespace tarn::objects {

struct ObjectMeta {
  std::string etag;  // quoted; "MD5" or "MD5-of-MD5s-N" as S3 computes them
  std::string content_type;
  std::map<std::string, std::string> user;       // x-amz-meta-*, without the prefix
  std::map<std::string, std::string> headers;    // cache-control, content-encoding, content-disposition, content-language, expires
  std::map<std::string, std::string> checksums;  // crc32, crc32c, crc64nvme, sha1, sha256 -> base64
};
BOOST_DESCRIBE_STRUCT(ObjectMeta, (), (etag, content_type, user, headers, checksums))

class MetaFiles {
 public:
  /// Sidecars, where they are needed, go below `folder`.
  explicit MetaFiles(std::string folder) : folder_(std::move(folder)) {}
  /// Stores for an open file that is completely written. Error: unavailable, or too_large beyond 3 KiB.
  Result<void> save(int fd, const ObjectMeta& meta) const;
  /// The stored metadata; or, where there is none, only an ETag made of inode, size and time (the closing -1 says "not an MD5").
  ObjectMeta load(const std::string& path, const struct stat& s) const;
  /// Forgets the sidecar, if there is one, of a file about to be removed.
  void forget(const struct stat& s) const;

 private:
  std::string sidecar(const struct stat& s) const;
  std::string folder_;
};

}  // namespace tarn::objects
