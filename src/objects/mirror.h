#pragma once
// Files of remote buckets on this machine, for the engine: its process has no network and reads (and writes) only folders that it was handed, so
// what a statement needs is fetched before it runs, and what it wrote is sent after. A remote object's place is ROOT/BUCKET/KEY; a data file
// never changes, so it is fetched once and kept until the limit asks for its place. The folder belongs to one server and is emptied when it
// starts. Everything else is passed through. Thread-safe; methods block.
#include <condition_variable>
#include <list>
#include <mutex>
#include <unordered_map>

#include "objects/object_store.h"

namespace tarn::objects {

class Mirror final : public ObjectStore {
 public:
  /// `root`: an absolute path, made and emptied. `most_bytes`: a limit for what no statement holds. Throws std::runtime_error.
  Mirror(ObjectStore& objects, std::string root, std::uint64_t most_bytes);

  Result<void> create_bucket(std::string_view bucket) override { return objects_.create_bucket(bucket); }
  bool bucket_exists(std::string_view bucket) override { return objects_.bucket_exists(bucket); }
  bool provide_bucket(std::string_view bucket) override { return objects_.provide_bucket(bucket); }
  Result<std::string> get(const Url& url, std::uint64_t offset = 0, std::optional<std::uint64_t> length = {}) override {
    return objects_.get(url, offset, length);
  }
  Result<ObjectInfo> head(const Url& url) override { return objects_.head(url); }
  Result<ObjectInfo> put(const Url& url, std::string_view content, bool if_absent = false) override { return objects_.put(url, content, if_absent); }
  /// Also forgets a copy here.
  Result<void> remove(const Url& url) override;
  Result<Listing> list(std::string_view bucket, std::string_view prefix, std::string_view after, std::size_t limit,
                       std::string_view delimiter = {}) override {
    return objects_.list(bucket, prefix, after, limit, delimiter);
  }
  /// Copies of a removed table stay until their place is needed: nothing refers to them.
  Result<void> remove_all(const Url& prefix) override { return objects_.remove_all(prefix); }
  bool is_remote(std::string_view bucket) override { return objects_.is_remote(bucket); }

  /// For a remote bucket the place of its copy (folders are made: the kernel's rules name them), whether or not there is one.
  std::optional<std::string> local_path(const Url& url) override;
  /// Errors: no_such_key, denied, unavailable, too_large (the disk is full).
  Result<std::shared_ptr<const void>> hold(const std::vector<Wanted>& objects) override;
  /// Error: already_exists if the key has an object, and as put.
  Result<void> publish_file(const Url& url) override;

  struct Stats {
    std::uint64_t bytes = 0, files = 0, fetched = 0, hits = 0, evicted = 0;
  };
  Stats stats() const;

 private:
  struct Copy {
    std::uint64_t size = 0;
    std::string etag;
    std::size_t holders = 0;
    bool busy = false;  // being fetched
    std::uint64_t used = 0;
  };
  class Hold;
  std::string path_of(const Url& url) const { return root_ + '/' + url.bucket + '/' + url.key; }
  Result<void> ensure(const Wanted& wanted, const std::string& path);
  Result<void> fetch(const Wanted& wanted, const std::string& path);
  void trim();
  void release(const std::vector<std::string>& paths);

  ObjectStore& objects_;
  const std::string root_;
  const std::uint64_t most_bytes_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<std::string, Copy> copies_;  // by path
  std::uint64_t tick_ = 0;
  Stats stats_;
};

}  // namespace tarn::objects
