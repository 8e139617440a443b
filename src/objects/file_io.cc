#include "objects/file_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace tarn::objects {

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

Error io_error(std::string_view what, const std::string& path) {
  return {Errc::unavailable, fmt::format("storage: cannot {} '{}': {}", what, path, std::strerror(errno))};
}

Result<void> write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const auto n = ::write(fd, data.data(), data.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(io_error("write", "object"));
    data.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

Result<std::string> read_at(int fd, std::uint64_t offset, std::size_t size) {
  std::string out(size, '\0');
  std::size_t have = 0;
  while (have < size) {
    const auto n = ::pread(fd, out.data() + have, size - have, static_cast<off_t>(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(io_error("read", "object"));
    if (n == 0) break;
    have += static_cast<std::size_t>(n);
  }
  out.resize(have);
  return out;
}

Result<void> sync_folder(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) return fail(io_error("sync folder", path));
  return {};
}

Result<void> append_file(int to, int from, std::uint64_t count) {
  off_t at = 0;
  bool in_kernel = true;
  while (static_cast<std::uint64_t>(at) < count) {
    if (in_kernel) {
      const auto n = ::copy_file_range(from, &at, to, nullptr, count - static_cast<std::uint64_t>(at), 0);
      if (n > 0) continue;
      if (n == 0) return fail(Error{Errc::unavailable, "storage: a part became shorter while it was read"});
      if (errno == EINTR) continue;
      in_kernel = false;  // another file system, or one without the call
    }
    TARN_TRY(block, read_at(from, static_cast<std::uint64_t>(at), std::min<std::uint64_t>(1u << 20, count - static_cast<std::uint64_t>(at))));
    if (block.empty()) return fail(Error{Errc::unavailable, "storage: a part became shorter while it was read"});
    TARN_CHECK(write_all(to, block));
    at += static_cast<off_t>(block.size());
  }
  return {};
}

Result<ObjectInfo> ObjectStore::put_file(const Url& url, const std::string& file, bool if_absent) {
  const Fd from(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat s {};
  if (!from || ::fstat(from.get(), &s) != 0) return fail(io_error("open", file));
  TARN_TRY(content, read_at(from.get(), 0, static_cast<std::size_t>(s.st_size)));
  return put(url, content, if_absent);
}

}  // namespace tarn::objects
