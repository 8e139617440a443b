#include "objects/mirror.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <thread>

#include "base/ids.h"
#include "objects/file_io.h"
#include "objects/keys.h"

namespace tarn::objects {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPiece = 16u << 20;  // of one ranged read
constexpr std::size_t kFetchers = 6;         // requests in flight for one statement

Error unavailable(const std::string& what, int error) {
  return {error == ENOSPC || error == EDQUOT ? Errc::too_large : Errc::unavailable, what + ": " + std::strerror(error)};
}

/// A file's bytes without a copy of them.
class Mapped {
 public:
  explicit Mapped(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    struct stat st {};
    if (fd.get() < 0 || ::fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return;
    size_ = static_cast<std::size_t>(st.st_size);
    ok_ = true;
    if (size_ == 0) return;
    data_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    ok_ = data_ != MAP_FAILED;
  }
  ~Mapped() {
    if (ok_ && data_) ::munmap(data_, size_);
  }
  Mapped(const Mapped&) = delete;
  bool ok() const { return ok_; }
  std::string_view bytes() const { return data_ ? std::string_view(static_cast<const char*>(data_), size_) : std::string_view(); }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
  bool ok_ = false;
};

}  // namespace

/// Files that a statement needs; lets go of them when it ends.
class Mirror::Hold {
 public:
  explicit Hold(Mirror& mirror) : mirror_(mirror) {}
  ~Hold() { mirror_.release(paths); }
  Hold(const Hold&) = delete;
  std::vector<std::string> paths;

 private:
  Mirror& mirror_;
};

Mirror::Mirror(ObjectStore& objects, std::string root, std::uint64_t most_bytes)
    : objects_(objects), root_(std::move(root)), most_bytes_(most_bytes) {
  std::error_code ec;
  fs::remove_all(root_, ec);
  fs::create_directories(root_, ec);
  if (ec || ::chmod(root_.c_str(), 0700) != 0) throw std::runtime_error("the folder '" + root_ + "' cannot be made: " + ec.message());
}

std::optional<std::string> Mirror::local_path(const Url& url) {
  if (!objects_.is_remote(url.bucket)) return objects_.local_path(url);
  if (!valid_bucket(url.bucket) || (!url.key.empty() && !check_prefix(url.key))) return std::nullopt;
  auto path = path_of(url);
  while (path.ends_with('/')) path.pop_back();
  return path;
}

void Mirror::release(const std::vector<std::string>& paths) {
  std::lock_guard lock(mutex_);
  for (const auto& p : paths)
    if (const auto at = copies_.find(p); at != copies_.end()) --at->second.holders, at->second.used = ++tick_;
  trim();
}

/// Called with the lock.
void Mirror::trim() {
  if (stats_.bytes <= most_bytes_) return;
  std::vector<std::pair<std::uint64_t, const std::string*>> idle;
  for (const auto& [path, copy] : copies_)
    if (copy.holders == 0 && !copy.busy) idle.emplace_back(copy.used, &path);
  std::ranges::sort(idle);
  for (const auto& [used, path] : idle) {
    if (stats_.bytes <= most_bytes_ - most_bytes_ / 10) break;
    ::unlink(path->c_str());
    const auto at = copies_.find(*path);
    stats_.bytes -= at->second.size;
    ++stats_.evicted;
    copies_.erase(at);
  }
}

Result<void> Mirror::fetch(const Wanted& w, const std::string& path) {
  std::error_code ec;
  fs::create_directories(fs::path(path).parent_path(), ec);
  if (ec) return fail(unavailable("the folder of '" + path + "' cannot be made", ec.value()));
  const std::string next = path + ".tarn-" + new_hex(6);
  const Fd out(::open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (out.get() < 0) return fail(unavailable("'" + next + "' cannot be made", errno));
  const auto give_up = [&](Error e) {
    ::unlink(next.c_str());
    return fail(std::move(e));
  };
  for (std::uint64_t at = 0; at < w.size;) {
    auto piece = objects_.get(w.url, at, std::min(kPiece, w.size - at));
    if (!piece) return give_up(std::move(piece).error());
    if (piece->empty()) return give_up({Errc::unavailable, w.url.text() + " ends before its size of " + std::to_string(w.size) + " bytes"});
    for (std::size_t done = 0; done < piece->size();) {
      const auto n = ::write(out.get(), piece->data() + done, piece->size() - done);
      if (n < 0) return give_up(unavailable("'" + next + "' cannot be written", errno));
      done += static_cast<std::size_t>(n);
    }
    at += piece->size();
  }
  if (::rename(next.c_str(), path.c_str()) != 0) return give_up(unavailable("'" + path + "' cannot be made", errno));
  return {};
}

/// The copy is there and held once more, or the reason why not.
Result<void> Mirror::ensure(const Wanted& w, const std::string& path) {
  std::unique_lock lock(mutex_);
  for (;;) {
    auto at = copies_.find(path);
    if (at == copies_.end()) at = copies_.emplace(path, Copy{.busy = false}).first;
    auto& copy = at->second;
    if (copy.busy) {
      changed_.wait(lock);  // its fetcher ends by the client's own deadline
      continue;
    }
    const bool there = copy.used > 0 && copy.size == w.size && copy.etag == w.etag;
    if (there) {
      ++copy.holders;
      copy.used = ++tick_;
      ++stats_.hits;
      return {};
    }
    copy.busy = true;
    lock.unlock();
    auto done = fetch(w, path);
    lock.lock();
    auto& mine = copies_.at(path);
    mine.busy = false;
    changed_.notify_all();
    if (!done) {
      if (mine.holders == 0 && mine.used == 0) copies_.erase(path);
      return done;
    }
    stats_.bytes += w.size;
    stats_.bytes -= mine.size;
    mine.size = w.size, mine.etag = w.etag;
    mine.used = ++tick_;
    ++mine.holders;
    ++stats_.fetched;
    return {};
  }
}

Result<std::shared_ptr<const void>> Mirror::hold(const std::vector<Wanted>& objects) {
  std::vector<const Wanted*> remote;
  for (const auto& w : objects)
    if (objects_.is_remote(w.url.bucket)) remote.push_back(&w);
  if (remote.empty()) return std::shared_ptr<const void>();
  for (const auto* w : remote) TARN_CHECK(check_key(w->url.key));
  auto held = std::make_shared<Hold>(*this);
  std::mutex mutex;
  std::optional<Error> problem;
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < remote.size(); i = next++) {
      {
        std::lock_guard lock(mutex);
        if (problem) return;
      }
      const auto path = path_of(remote[i]->url);
      auto done = ensure(*remote[i], path);
      std::lock_guard lock(mutex);
      if (done)
        held->paths.push_back(path);
      else if (!problem)
        problem = std::move(done).error();
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < std::min(kFetchers, remote.size()); ++i) others.emplace_back(work);
    work();
  }
  if (problem) return fail(*std::move(problem));
  {
    std::lock_guard lock(mutex_);
    trim();
  }
  return std::shared_ptr<const void>(std::move(held));
}

Result<void> Mirror::publish_file(const Url& url) {
  if (!objects_.is_remote(url.bucket)) return objects_.publish_file(url);
  const auto path = path_of(url);
  const Mapped file(path);
  if (!file.ok()) return fail(Error{Errc::unavailable, "the file '" + path + "' that was written cannot be read"});
  TARN_CHECK(objects_.put(url, file.bytes(), true));
  std::lock_guard lock(mutex_);
  auto& copy = copies_[path];
  stats_.bytes += file.bytes().size();
  stats_.bytes -= copy.size;
  copy.size = file.bytes().size();
  copy.used = ++tick_;
  trim();
  return {};
}

Result<void> Mirror::remove(const Url& url) {
  if (objects_.is_remote(url.bucket) && check_key(url.key)) {
    const auto path = path_of(url);
    std::lock_guard lock(mutex_);
    const auto at = copies_.find(path);
    if (at == copies_.end() || (at->second.holders == 0 && !at->second.busy)) {
      ::unlink(path.c_str());
      if (at != copies_.end()) {
        stats_.bytes -= at->second.size;
        copies_.erase(at);
      }
    }
  }
  return objects_.remove(url);
}

Mirror::Stats Mirror::stats() const {
  std::lock_guard lock(mutex_);
  auto out = stats_;
  out.files = copies_.size();
  return out;
}

}  // namespace tarn::objects
