#pragma once
// DBFS: the file system under a workspace's root bucket, WORKSPACE/dbfs/…, read and written in blocks of at most 1 MB. Everybody in the workspace
// reads and writes it, as the vendor has it; what needs rights belongs into a volume. An open handle is a record of the store and its blocks are
// objects, so any server goes on with it; it ends after 10 minutes without a block. Thread-safe; methods block.
// Source: REST API reference "DBFS", databricks-sdk-go service/files.
#include <functional>

#include "base/clock.h"
#include "files/folder.h"

namespace tarn::files {

/// The bucket under a workspace's root storage; nothing if there is none.
using RootBuckets = std::function<std::optional<std::string>(std::int64_t)>;

struct FileInfo {
  std::string path;
  bool is_dir = false;
  std::uint64_t file_size = 0;
  Millis modification_time = 0;
};
BOOST_DESCRIBE_STRUCT(FileInfo, (), (path, is_dir, file_size, modification_time))

class Dbfs {
 public:
  static constexpr std::uint64_t kBlock = 1u << 20;
  static constexpr Millis kIdle = 10 * 60 * 1000;

  /// `spool`: a folder for files that are put together from blocks.
  Dbfs(store::Store& store, objects::ObjectStore& objects, RootBuckets roots, const Clock& clock, std::string spool)
      : store_(store), objects_(objects), roots_(std::move(roots)), clock_(clock), spool_(std::move(spool)) {}

  /// At start-up: whether a workspace's administrators shut its DBFS (the setting disable_legacy_dbfs). Nothing is reached there then.
  void shut_by(std::function<bool(std::int64_t workspace_id)> shut) { shut_ = std::move(shut); }

  Result<FileInfo> status(const access::Context& ctx, const std::string& path);
  /// The children, or the file itself.
  Result<std::vector<FileInfo>> list(const access::Context& ctx, const std::string& path);
  Result<void> mkdirs(const access::Context& ctx, const std::string& path);
  Result<void> move(const access::Context& ctx, const std::string& from, const std::string& to);
  /// Fine if there is nothing. not_empty for a folder that is not, without `recursive`.
  Result<void> remove(const access::Context& ctx, const std::string& path, bool recursive);
  /// At most kBlock bytes; fewer at the end.
  Result<std::string> read(const access::Context& ctx, const std::string& path, std::int64_t offset, std::int64_t length);
  /// From memory or, if `file` is set, from a file that may be moved away.
  Result<void> put(const access::Context& ctx, const std::string& path, const std::string& bytes, const std::string& file, bool overwrite);

  Result<std::int64_t> create(const access::Context& ctx, const std::string& path, bool overwrite);
  Result<void> add_block(const access::Context& ctx, std::int64_t handle, std::string_view bytes);
  Result<void> close(const access::Context& ctx, std::int64_t handle);

  /// A deleted workspace's records, within the transaction that deletes it.
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) const;

 private:
  struct Target {
    Folder tree;
    std::string relative, shown;  // "a/b", "/a/b"
  };
  Result<Target> target(const access::Context& ctx, const std::string& path);
  Result<void> check_free(const Target& t, bool overwrite);
  void drop_stale(const access::Context& ctx);
  void drop_blocks(const access::Context& ctx, std::int64_t handle);
  std::string place(const access::Context& ctx, const char* area) const;

  store::Store& store_;
  objects::ObjectStore& objects_;
  RootBuckets roots_;
  const Clock& clock_;
  std::string spool_;
  std::function<bool(std::int64_t)> shut_;
};

}  // namespace tarn::files
