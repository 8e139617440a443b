#pragma once
// POSIX files as the local object store uses them. Not for other rooms.
#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "objects/object_store.h"

namespace tarn::objects {

/// Owns a file descriptor.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// The error `unavailable` with what failed and errno's text.
Error io_error(std::string_view what, const std::string& path);

Result<void> write_all(int fd, std::string_view data);
/// Reads up to `size` bytes at `offset`; short only at the end of the file.
Result<std::string> read_at(int fd, std::uint64_t offset, std::size_t size);
/// Makes a rename, link or mkdir in this folder survive a power cut.
Result<void> sync_folder(const std::string& path);
/// Appends `count` bytes of `from` (its whole content) to `to`, inside the kernel where the file system can.
Result<void> append_file(int to, int from, std::uint64_t count);

inline std::int64_t mtime_ns(const struct stat& s) { return s.st_mtim.tv_sec * 1'000'000'000LL + s.st_mtim.tv_nsec; }
inline Millis mtime_ms(const struct stat& s) { return s.st_mtim.tv_sec * 1000LL + s.st_mtim.tv_nsec / 1'000'000; }

}  // namespace tarn::objects
