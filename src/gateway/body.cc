#include "gateway/body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

namespace tarn::gateway {

void Body::expect(std::uint64_t limit, std::uint64_t spool_above, std::string spool_dir) {
  limit_ = limit;
  spool_above_ = spool_above;
  spool_dir_ = std::move(spool_dir);
}

Body::~Body() {
  if (fd_ >= 0) ::close(fd_);
  if (!file_.empty()) ::unlink(file_.c_str());  // a handler that kept it has renamed or linked it
}

Body::Error Body::append(std::string_view part) {
  if (part.size() > limit_ - size_) return Error::too_large;
  size_ += part.size();
  memory_ += part;
  if (!spool_dir_.empty() && memory_.size() > spool_above_) return flush();
  return Error::none;
}

Body::Error Body::flush() {
  if (fd_ < 0) {
    std::string name = spool_dir_ + "/upload-XXXXXX";
    fd_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd_ < 0) return Error::disk;
    file_ = name;
  }
  std::string_view rest = memory_;
  while (!rest.empty()) {
    const auto n = ::write(fd_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return Error::disk;
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  memory_.clear();
  return Error::none;
}

Body::Error Body::finish() {
  if (fd_ < 0) return Error::none;
  if (const auto e = flush(); e != Error::none) return e;
  const int fd = fd_;
  fd_ = -1;
  return ::close(fd) == 0 ? Error::none : Error::disk;
}

}  // namespace tarn::gateway
