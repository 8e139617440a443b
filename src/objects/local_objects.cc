#include "objects/local_objects.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <stdexcept>

#include "base/crypto.h"
#include "base/ids.h"
#include "objects/checksum.h"
#include "objects/keys.h"

namespace tarn::objects {
namespace {

std::string parent_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

bool is_folder(const std::string& path) {
  struct stat s {};
  return ::stat(path.c_str(), &s) == 0 && S_ISDIR(s.st_mode);
}

Error no_such_key() { return {Errc::no_such_key, "The specified key does not exist."}; }
Error no_such_bucket(std::string_view bucket) { return {Errc::no_such_bucket, fmt::format("The specified bucket does not exist: '{}'.", bucket)}; }

}  // namespace

StagedFile::~StagedFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

LocalObjects::LocalObjects(std::string root) : root_(std::move(root)), meta_(root_ + "/.tarn/meta") {
  namespace fs = std::filesystem;
  try {
    fs::create_directories(root_);
    for (const char* name : {"/.tarn", "/.tarn/staged", "/.tarn/multipart", "/.tarn/trash", "/.tarn/meta"}) fs::create_directories(root_ + name);
    fs::permissions(root_ + "/.tarn", fs::perms::owner_all);
    for (const char* name : {"/.tarn/staged", "/.tarn/trash"})
      for (const auto& left : fs::directory_iterator(root_ + name)) fs::remove_all(left.path());
  } catch (const fs::filesystem_error& e) {
    throw std::runtime_error(fmt::format("the object folder '{}' cannot be used: {}", root_, e.what()));
  }
}

std::string LocalObjects::bucket_path(std::string_view bucket) const { return root_ + '/' + std::string(bucket); }

std::mutex& LocalObjects::lock_of(const Url& url) { return locks_[std::hash<std::string>{}(url.text()) % locks_.size()]; }

Result<void> LocalObjects::create_bucket(std::string_view bucket) {
  if (!valid_bucket(bucket)) return fail(Error{Errc::invalid_name, fmt::format("The specified bucket is not valid: '{}'.", bucket)});
  if (::mkdir(bucket_path(bucket).c_str(), 0755) != 0 && errno != EEXIST) return fail(io_error("create bucket", bucket_path(bucket)));
  return sync_folder(root_);
}

bool LocalObjects::bucket_exists(std::string_view bucket) { return valid_bucket(bucket) && is_folder(bucket_path(bucket)); }

Result<std::string> LocalObjects::key_path(const Url& url) const {
  if (!valid_bucket(url.bucket)) return fail(no_such_bucket(url.bucket));
  TARN_CHECK(check_key(url.key));
  std::string path = bucket_path(url.bucket) + '/' + url.key;
  if (path.ends_with('/')) path += kMarkerName;
  return path;
}

Result<std::string> LocalObjects::existing(const Url& url, struct stat& s) const {
  TARN_TRY(path, key_path(url));
  if (::stat(path.c_str(), &s) == 0 && S_ISREG(s.st_mode)) return path;
  if (const std::string inside = path + '/' + std::string(kObjectName); ::stat(inside.c_str(), &s) == 0) return inside;
  if (!is_folder(bucket_path(url.bucket))) return fail(no_such_bucket(url.bucket));
  return fail(no_such_key());
}

Result<FoundObject> LocalObjects::find(const Url& url) {
  struct stat s {};
  TARN_TRY(path, existing(url, s));
  FoundObject out{.meta = meta_.load(path, s), .path = path};
  out.info = {url.key, static_cast<std::uint64_t>(s.st_size), out.meta.etag, mtime_ms(s)};
  return out;
}

Result<ObjectInfo> LocalObjects::head(const Url& url) {
  TARN_TRY(found, find(url));
  return found.info;
}

Result<std::string> LocalObjects::get(const Url& url, std::uint64_t offset, std::optional<std::uint64_t> length) {
  struct stat s {};
  TARN_TRY(path, existing(url, s));
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return fail(no_such_key());
  if (!fd || ::fstat(fd.get(), &s) != 0) return fail(io_error("open", path));
  const auto size = static_cast<std::uint64_t>(s.st_size);
  if (offset > size) return fail(Error{Errc::range_not_satisfiable, fmt::format("offset {} is beyond the object's {} bytes", offset, size)});
  return read_at(fd.get(), offset, static_cast<std::size_t>(std::min(size - offset, length.value_or(size))));
}

Result<StagedFile> LocalObjects::stage() {
  const std::string path = root_ + "/.tarn/staged/" + new_hex(16);
  Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd) return fail(io_error("create", path));
  return StagedFile(path, std::move(fd));
}

Result<StagedFile> LocalObjects::stage_from(const std::string& file) {
  const std::string path = root_ + "/.tarn/staged/" + new_hex(16);
  if (::rename(file.c_str(), path.c_str()) == 0) {
    Fd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!fd || ::fchmod(fd.get(), 0644) != 0) return fail(io_error("open", path));
    return StagedFile(path, std::move(fd));
  }
  if (errno != EXDEV) return fail(io_error("take over", file));
  TARN_TRY(staged, stage());
  const Fd from(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat s {};
  if (!from || ::fstat(from.get(), &s) != 0) return fail(io_error("open", file));
  TARN_CHECK(append_file(staged.fd(), from.get(), static_cast<std::uint64_t>(s.st_size)));
  return std::move(staged);
}

Result<ObjectInfo> LocalObjects::put(const Url& url, std::string_view content, bool if_absent) {
  TARN_TRY(staged, stage());
  TARN_CHECK(write_all(staged.fd(), content));
  TARN_TRY(done, publish(std::move(staged), url, {.etag = '"' + crypto::to_hex(digest_of(Algorithm::md5, content)) + '"'}, {.if_absent = if_absent}));
  return done.info;
}

Result<ObjectInfo> LocalObjects::put_file(const Url& url, const std::string& file, bool if_absent) {
  TARN_TRY(staged, stage_from(file));
  Digest md5(Algorithm::md5);
  for (std::uint64_t at = 0;;) {
    TARN_TRY(block, read_at(staged.fd(), at, 1u << 20));
    if (block.empty()) break;
    md5.update(block);
    at += block.size();
  }
  TARN_TRY(done, publish(std::move(staged), url, {.etag = '"' + crypto::to_hex(md5.finish()) + '"'}, {.if_absent = if_absent}));
  return done.info;
}

Result<FoundObject> LocalObjects::publish(StagedFile staged, const Url& url, const ObjectMeta& meta, const Condition& condition) {
  TARN_TRY(path, key_path(url));
  if (!bucket_exists(url.bucket)) return fail(no_such_bucket(url.bucket));
  TARN_CHECK(meta_.save(staged.fd(), meta));
  struct stat s {};
  if (::fsync(staged.fd()) != 0 || ::fstat(staged.fd(), &s) != 0) return fail(io_error("sync", staged.path()));
  const bool exclusive = condition.if_absent || is_delta_commit(url.key);
  std::string placed;
  {
    std::unique_lock lock(lock_of(url));  // a replacement must not fall between another's check and rename
    if (condition.if_match) {
      TARN_TRY(now, find(url));
      if (now.info.etag != *condition.if_match)
        return fail(Error{Errc::precondition_failed, "At least one of the pre-conditions you specified did not hold"});
    }
    TARN_TRY(at, place(staged, url.bucket, path, exclusive));
    placed = at;
  }
  TARN_CHECK(sync_folder(parent_of(placed)));
  return FoundObject{{url.key, static_cast<std::uint64_t>(s.st_size), meta.etag, mtime_ms(s)}, meta, placed};
}

Result<std::string> LocalObjects::place(const StagedFile& staged, const std::string& bucket, std::string path, bool exclusive) {
  // Folders come and go beside us (a dropped table, a key that becomes a prefix): look again, but not for ever.
  for (int attempt = 0; attempt < 16; ++attempt) {
    TARN_CHECK(make_parents(bucket, path));
    const std::string inside = path + '/' + std::string(kObjectName);
    const std::string& target = is_folder(path) && ::rmdir(path.c_str()) != 0 ? inside : path;
    if (exclusive) {
      if (::link(staged.path().c_str(), target.c_str()) == 0) return target;
      if (errno == EEXIST && !is_folder(target))
        return fail(Error{Errc::already_exists, "At least one of the pre-conditions you specified did not hold"});
    } else if (::rename(staged.path().c_str(), target.c_str()) == 0) {
      return target;
    }
    if (errno != ENOENT && errno != EISDIR && errno != EEXIST && errno != ENOTDIR && errno != ENOTEMPTY) return fail(io_error("publish", target));
  }
  return fail(Error{Errc::unavailable, fmt::format("storage: '{}' changes too fast, try again", path)});
}

Result<void> LocalObjects::make_parents(const std::string& bucket, const std::string& path) {
  const auto parent = parent_of(path);
  if (is_folder(parent)) return {};
  for (auto slash = bucket_path(bucket).size(); slash != std::string::npos && slash <= parent.size(); slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    if (::mkdir(folder.c_str(), 0755) == 0) {
      TARN_CHECK(sync_folder(parent_of(folder)));
    } else if (errno != EEXIST) {
      return fail(io_error("create folder", folder));
    } else if (!is_folder(folder)) {
      TARN_CHECK(file_to_folder(folder));
    }
    if (slash == parent.size()) break;
  }
  return {};
}

Result<void> LocalObjects::file_to_folder(const std::string& path) {
  // The object moves into a folder of its name in one step: no reader of the key finds it missing.
  const std::string folder = root_ + "/.tarn/staged/" + new_hex(16);
  const std::string inside = folder + '/' + std::string(kObjectName);
  if (::mkdir(folder.c_str(), 0755) != 0) return fail(io_error("create folder", folder));
  const bool swapped =
      ::link(path.c_str(), inside.c_str()) == 0 && ::renameat2(AT_FDCWD, folder.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0;
  const int why = errno;
  std::error_code ignored;
  if (swapped) {
    struct stat old {
    }, moved{};  // a put that came between link and exchange is the newer object
    if (::stat(folder.c_str(), &old) == 0 && ::stat((path + '/' + std::string(kObjectName)).c_str(), &moved) == 0 && old.st_ino != moved.st_ino)
      ::rename(folder.c_str(), (path + '/' + std::string(kObjectName)).c_str());
    ::unlink(folder.c_str());
    return sync_folder(parent_of(path));
  }
  std::filesystem::remove_all(folder, ignored);
  if (why == ENOENT || why == EPERM || why == ENOTDIR) return {};  // it was removed, or is a folder by now: the caller looks again
  errno = why;
  return fail(io_error("make a folder of object", path));
}

Result<void> LocalObjects::remove(const Url& url) {
  struct stat s {};
  auto path = existing(url, s);
  if (!path) {
    if (path.error().code == Errc::no_such_key) return {};
    return fail(std::move(path).error());
  }
  meta_.forget(s);
  std::unique_lock lock(lock_of(url));
  if (::unlink(path->c_str()) != 0 && errno != ENOENT) return fail(io_error("remove", *path));
  lock.unlock();
  return sync_folder(parent_of(*path));
}

Result<void> LocalObjects::remove_all(const Url& prefix) {
  if (prefix.key.empty()) return fail(Error{Errc::invalid_request, "A whole bucket is not removed: name a prefix."});
  TARN_CHECK(check_key(prefix.key));
  if (!bucket_exists(prefix.bucket)) return fail(no_such_bucket(prefix.bucket));
  std::string path = bucket_path(prefix.bucket) + '/' + prefix.key;
  while (path.ends_with('/')) path.pop_back();
  const std::string trash = root_ + "/.tarn/trash/" + new_hex(16);
  if (::rename(path.c_str(), trash.c_str()) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return {};
    return fail(io_error("remove", path));
  }
  TARN_CHECK(sync_folder(parent_of(path)));
  std::error_code failed;
  std::filesystem::remove_all(trash, failed);
  if (failed) return fail(Error{Errc::unavailable, fmt::format("storage: cannot remove '{}': {}", path, failed.message())});
  return {};
}

std::optional<std::string> LocalObjects::local_path(const Url& url) {
  if (!valid_bucket(url.bucket) || (!url.key.empty() && !check_key(url.key))) return std::nullopt;
  std::string path = bucket_path(url.bucket) + '/' + url.key;
  while (path.ends_with('/')) path.pop_back();
  return path;
}

}  // namespace tarn::objects
