#pragma once
// Buckets and objects as Tarn itself uses them (Delta logs, results, volumes). A URL is s3://BUCKET/KEY; keys are UTF-8, at most 1024
// bytes, without `..`, `.` or empty segments. Two backends: local folders (LocalObjects, served to everybody else by the S3 endpoint)
// and a remote S3 API. Thread-safe; methods block.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tarn::objects {

enum class Errc {
  no_such_bucket,
  no_such_key,
  already_exists,
  precondition_failed,
  invalid_name,
  denied,
  unavailable,
  bad_digest,
  range_not_satisfiable,
  too_large,
  invalid_request
};
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

struct Url {
  std::string bucket, key;
  std::string text() const { return "s3://" + bucket + "/" + key; }
  /// Accepts s3:// and s3a://; refuses empty buckets, `..`, NUL. A key may be empty (the bucket's root) and may end in '/'.
  static Result<Url> parse(std::string_view text);
};

struct ObjectInfo {
  std::string key;
  std::uint64_t size = 0;
  std::string etag;  // quoted, as on the wire
  Millis modified = 0;
};

struct Listing {
  std::vector<ObjectInfo> objects;
  std::vector<std::string> common_prefixes;
  bool truncated = false;
  std::string next;  // pass as `after`
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  virtual Result<void> create_bucket(std::string_view bucket) = 0;  // idempotent
  virtual bool bucket_exists(std::string_view bucket) = 0;
  /// Whether a bucket that is being registered (a root, a location) can be used. Buckets are the cloud account's, an input to the platform:
  /// a remote store answers whether there is one; the local store stands in for that account too, and makes it.
  virtual bool provide_bucket(std::string_view bucket) { return bucket_exists(bucket); }
  virtual Result<std::string> get(const Url& url, std::uint64_t offset = 0, std::optional<std::uint64_t> length = {}) = 0;
  virtual Result<ObjectInfo> head(const Url& url) = 0;
  /// Durable when it returns. `if_absent`: fails with already_exists if the key has an object (atomic: link(2) locally, If-None-Match remotely).
  virtual Result<ObjectInfo> put(const Url& url, std::string_view content, bool if_absent = false) = 0;
  /// The same from a local file of any size, which may be moved away. By default it is read into memory.
  virtual Result<ObjectInfo> put_file(const Url& url, const std::string& file, bool if_absent = false);
  virtual Result<void> remove(const Url& url) = 0;  // absent is fine
  /// Keys under a prefix in byte order after key `after`, at most `limit`; a delimiter folds deeper keys into common_prefixes.
  virtual Result<Listing> list(std::string_view bucket, std::string_view prefix, std::string_view after, std::size_t limit,
                               std::string_view delimiter = {}) = 0;
  /// Removes everything under a prefix (a dropped managed table).
  virtual Result<void> remove_all(const Url& prefix) = 0;
  /// The folder or file behind a URL, for the engine that runs under our own lock; nothing for a remote backend.
  virtual std::optional<std::string> local_path(const Url& url) = 0;
  virtual bool is_remote(std::string_view /*bucket*/) { return false; }

  /// An object that the engine shall find at its local_path. `etag` empty: it never changes once written (a table's data file), its size says
  /// whether it is there whole.
  struct Wanted {
    Url url;
    std::uint64_t size = 0;
    std::string etag;
  };
  /// Makes the objects readable at their local_path for as long as the returned handle lives. Where they are files anyway nothing is done.
  virtual Result<std::shared_ptr<const void>> hold(const std::vector<Wanted>& /*objects*/) { return std::shared_ptr<const void>(); }
  /// Makes a file that the engine finished at local_path(url) the object, durably. Where it is the object already nothing is done.
  virtual Result<void> publish_file(const Url& /*url*/) { return {}; }
};

enum class Access { read, read_write };

/// Temporary credentials for one or more prefixes, in the shape AWS STS gives them.
struct Credentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // carries, sealed and authenticated, the granted prefixes, the access and the expiry
  Millis expires_at = 0;
};

struct Scope {
  std::vector<std::string> prefixes;  // s3://bucket/path/ ; a grant covers keys below it (a path boundary, not a string prefix)
  Access access = Access::read;
  std::string principal;                  // for the storage audit
  std::string role_arn{}, external_id{};  // of the catalog's storage credential, for a store with a token service; empty: none known
};

class CredentialVendor {
 public:
  virtual ~CredentialVendor() = default;
  /// Errors (of a remote token service): denied, unavailable, invalid_request.
  virtual Result<Credentials> vend(const Scope& scope, Millis lifetime) = 0;
  /// A presigned GET or PUT URL (SigV4 query form) for one object.
  virtual std::string presign(std::string_view method, const Url& url, Millis lifetime) = 0;
};

}  // namespace tarn::objects
