#include "objects/object_meta.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "base/crypto.h"
#include "objects/file_io.h"

namespace tarn::objects {
namespace {

constexpr const char* kAttribute = "user.tarn";
constexpr std::size_t kMost = 3 << 10;  // ext4 keeps all attributes of a file in one 4 KiB block

struct Saved {
  std::int64_t size = 0, mtime_ns = 0;
  ObjectMeta meta;
};
BOOST_DESCRIBE_STRUCT(Saved, (), (size, mtime_ns, meta))

std::optional<std::string> attribute(const std::string& path) {
  std::string text(kMost + 512, '\0');
  const auto n = ::getxattr(path.c_str(), kAttribute, text.data(), text.size());
  if (n < 0) return std::nullopt;
  text.resize(static_cast<std::size_t>(n));
  return text;
}

std::optional<std::string> whole_file(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  auto text = read_at(fd.get(), 0, kMost + 512);
  return text ? std::optional(*std::move(text)) : std::nullopt;
}

std::string computed_etag(const struct stat& s) {
  const auto hash = crypto::sha256(fmt::format("{}:{}:{}:{}", s.st_dev, s.st_ino, s.st_size, mtime_ns(s)));
  return '"' + crypto::to_hex(std::string_view(hash).substr(0, 16)) + "-1\"";
}

}  // namespace

std::string MetaFiles::sidecar(const struct stat& s) const { return fmt::format("{}/{}-{}", folder_, s.st_dev, s.st_ino); }

Result<void> MetaFiles::save(int fd, const ObjectMeta& meta) const {
  struct stat s {};
  if (::fstat(fd, &s) != 0) return fail(io_error("stat", "object"));
  const std::string text = json::encode_text(Saved{s.st_size, mtime_ns(s), meta});
  if (text.size() > kMost) return fail(Error{Errc::too_large, "Your metadata headers exceed the maximum allowed metadata size"});
  if (::fsetxattr(fd, kAttribute, text.data(), text.size(), 0) == 0) return {};
  if (errno != ENOTSUP && errno != EPERM) return fail(io_error("set attributes of", "object"));
  const std::string path = sidecar(s);
  const Fd out(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!out) return fail(io_error("write", path));
  TARN_CHECK(write_all(out.get(), text));
  if (::fsync(out.get()) != 0) return fail(io_error("sync", path));
  return {};
}

ObjectMeta MetaFiles::load(const std::string& path, const struct stat& s) const {
  auto text = attribute(path);
  if (!text) text = whole_file(sidecar(s));
  if (text) {
    auto saved = json::decode_text<Saved>(*text, {.absent = json::Absent::keep});
    if (saved && saved->size == s.st_size && saved->mtime_ns == mtime_ns(s)) return std::move(saved->meta);
  }
  return {.etag = computed_etag(s)};
}

void MetaFiles::forget(const struct stat& s) const { ::unlink(sidecar(s).c_str()); }

}  // namespace tarn::objects
