#pragma once
// Buckets as local folders: s3://BUCKET/KEY is the plain file ROOT/BUCKET/KEY, readable by an engine under its own name.
//
// Where a key cannot be a file of its own name it is one inside the folder of that name: `a` beside `a/b` is a/.tarn.object, the
// folder marker `a/` is a/.tarn.marker (names beginning with `.tarn.` are no keys). ROOT/.tarn holds unfinished uploads; no bucket
// has that name. A put writes a file there, syncs it, and renames it into place (link(2) where the key must be absent), so a reader
// sees the old object or the new one, and a crash leaves nothing half-written in the key space.
//
// A Delta commit (_delta_log/N.json) is never replaced: every way of writing here treats such a key as put-if-absent.
//
// One process writes a ROOT through this class at a time (conditional replacement is serialised by locks of its own); others may read it.
// Thread-safe; methods block.
#include <array>
#include <mutex>

#include "objects/file_io.h"
#include "objects/object_meta.h"

namespace tarn::objects {

/// An object found: where its bytes are and what belongs to them. The path stays readable until somebody replaces the object.
struct FoundObject {
  ObjectInfo info;
  ObjectMeta meta;
  std::string path;
};

/// What must hold for a put to happen.
struct Condition {
  bool if_absent = false;               // already_exists otherwise
  std::optional<std::string> if_match;  // the current ETag, quoted; precondition_failed otherwise, no_such_key if there is none
};

/// Bytes on their way in: a file outside the key space that goes with this object unless it is published.
class StagedFile {
 public:
  StagedFile(std::string path, Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}
  StagedFile(StagedFile&& other) noexcept : path_(std::exchange(other.path_, {})), fd_(std::move(other.fd_)) {}
  StagedFile& operator=(StagedFile&&) = delete;
  ~StagedFile();
  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  Fd fd_;
};

struct PartInfo {
  int number = 0;
  std::uint64_t size = 0;
  std::string etag;
  Millis modified = 0;
  std::map<std::string, std::string> checksums;
};

struct UploadInfo {
  std::string id, bucket, key;
  Millis started = 0;
  ObjectMeta meta;
};

class LocalObjects final : public ObjectStore {
 public:
  /// Creates `root` (mode 0700) if needed and removes uploads that an earlier process left unfinished in flight (multipart uploads stay).
  /// Throws std::runtime_error if the folder cannot be used.
  explicit LocalObjects(std::string root);

  Result<void> create_bucket(std::string_view bucket) override;
  bool bucket_exists(std::string_view bucket) override;
  bool provide_bucket(std::string_view bucket) override { return create_bucket(bucket).has_value(); }
  Result<std::string> get(const Url& url, std::uint64_t offset = 0, std::optional<std::uint64_t> length = {}) override;
  Result<ObjectInfo> head(const Url& url) override;
  Result<ObjectInfo> put(const Url& url, std::string_view content, bool if_absent = false) override;
  Result<ObjectInfo> put_file(const Url& url, const std::string& file, bool if_absent = false) override;
  Result<void> remove(const Url& url) override;
  Result<Listing> list(std::string_view bucket, std::string_view prefix, std::string_view after, std::size_t limit,
                       std::string_view delimiter = {}) override;
  Result<void> remove_all(const Url& prefix) override;
  std::optional<std::string> local_path(const Url& url) override;

  /// The object with its metadata. Errors: no_such_bucket, no_such_key, invalid_name.
  Result<FoundObject> find(const Url& url);
  /// A new staged file to write to.
  Result<StagedFile> stage();
  /// A staged file that takes over `file` (by rename where the file system allows, else by copy).
  Result<StagedFile> stage_from(const std::string& file);
  /// Makes a completely written staged file the object, durably. Errors: no_such_bucket, invalid_name, already_exists (also: a Delta
  /// commit that exists), precondition_failed, no_such_key, too_large (metadata), unavailable.
  Result<FoundObject> publish(StagedFile staged, const Url& url, const ObjectMeta& meta, const Condition& condition = {});

  // Multipart uploads (S3 API reference, CreateMultipartUpload and following). An unknown or finished id is no_such_key.
  Result<std::string> start_upload(const Url& url, const ObjectMeta& meta);
  Result<UploadInfo> upload(const Url& url, std::string_view id);
  Result<PartInfo> put_part(const UploadInfo& upload, int number, StagedFile staged, const ObjectMeta& meta);
  Result<std::vector<PartInfo>> parts(const UploadInfo& upload);
  /// The parts in the given order become one staged file; the upload stays until end_upload.
  Result<StagedFile> assemble(const UploadInfo& upload, const std::vector<PartInfo>& parts);
  void end_upload(const UploadInfo& upload);
  /// Unfinished uploads of a bucket whose keys begin with `prefix`, by key, at most 1,000.
  std::vector<UploadInfo> uploads(std::string_view bucket, std::string_view prefix);

 private:
  std::string bucket_path(std::string_view bucket) const;
  Result<std::string> key_path(const Url& url) const;
  Result<std::string> existing(const Url& url, struct stat& s) const;
  Result<void> make_parents(const std::string& bucket, const std::string& path);
  Result<void> file_to_folder(const std::string& path);
  Result<std::string> place(const StagedFile& staged, const std::string& bucket, std::string path, bool exclusive);
  std::string upload_path(std::string_view id) const;
  std::mutex& lock_of(const Url& url);

  std::string root_;
  MetaFiles meta_;
  std::array<std::mutex, 64> locks_;  // one key's check and replacement, by hash of the key
};

inline constexpr std::string_view kObjectName = ".tarn.object";  // an object whose name is also a folder's
inline constexpr std::string_view kMarkerName = ".tarn.marker";  // the object FOLDER/

}  // namespace tarn::objects
