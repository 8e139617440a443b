// Multipart uploads of LocalObjects: ROOT/.tarn/multipart/ID/ holds upload.json and one file NNNNN-MD5 for each part.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/ids.h"
#include "objects/keys.h"
#include "objects/local_objects.h"

namespace tarn::objects {
namespace {

struct UploadFile {
  std::string bucket, key;
  Millis started = 0;
  ObjectMeta meta;
};
BOOST_DESCRIBE_STRUCT(UploadFile, (), (bucket, key, started, meta))

Error no_such_upload(std::string_view id) {
  return {Errc::no_such_key,
          fmt::format("The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed: '{}'.",
                      id.substr(0, 64))};
}

bool upload_id(std::string_view id) {
  return id.size() == 32 && std::all_of(id.begin(), id.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string part_prefix(int number) { return fmt::format("{:05}-", number); }

}  // namespace

std::string LocalObjects::upload_path(std::string_view id) const { return root_ + "/.tarn/multipart/" + std::string(id); }

Result<std::string> LocalObjects::start_upload(const Url& url, const ObjectMeta& meta) {
  TARN_CHECK(key_path(url));
  if (!bucket_exists(url.bucket)) return fail(Error{Errc::no_such_bucket, fmt::format("The specified bucket does not exist: '{}'.", url.bucket)});
  const std::string id = new_hex(16);
  TARN_TRY(staged, stage());
  struct stat s {};
  if (::fstat(staged.fd(), &s) != 0) return fail(io_error("stat", staged.path()));
  TARN_CHECK(write_all(staged.fd(), json::encode_text(UploadFile{url.bucket, url.key, mtime_ms(s), meta})));
  if (::fsync(staged.fd()) != 0) return fail(io_error("sync", staged.path()));
  const std::string folder = upload_path(id), file = folder + "/upload.json";
  if (::mkdir(folder.c_str(), 0700) != 0 || ::rename(staged.path().c_str(), file.c_str()) != 0) return fail(io_error("start upload", folder));
  TARN_CHECK(sync_folder(folder));
  TARN_CHECK(sync_folder(root_ + "/.tarn/multipart"));
  return id;
}

Result<UploadInfo> LocalObjects::upload(const Url& url, std::string_view id) {
  if (!upload_id(id)) return fail(no_such_upload(id));
  const Fd fd(::open((upload_path(id) + "/upload.json").c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail(no_such_upload(id));
  TARN_TRY(text, read_at(fd.get(), 0, 64 << 10));
  auto file = json::decode_text<UploadFile>(text, {.absent = json::Absent::keep});
  if (!file || file->bucket != url.bucket || file->key != url.key) return fail(no_such_upload(id));
  return UploadInfo{std::string(id), file->bucket, file->key, file->started, file->meta};
}

Result<PartInfo> LocalObjects::put_part(const UploadInfo& upload, int number, StagedFile staged, const ObjectMeta& meta) {
  TARN_CHECK(meta_.save(staged.fd(), meta));
  struct stat s {};
  if (::fsync(staged.fd()) != 0 || ::fstat(staged.fd(), &s) != 0) return fail(io_error("sync", staged.path()));
  const std::string folder = upload_path(upload.id), name = part_prefix(number) + meta.etag.substr(1, meta.etag.size() - 2);
  if (::rename(staged.path().c_str(), (folder + '/' + name).c_str()) != 0) {
    if (errno == ENOENT) return fail(no_such_upload(upload.id));
    return fail(io_error("store part", folder));
  }
  // The last one sent under a number is the part.
  std::error_code gone;
  for (const auto& e : std::filesystem::directory_iterator(folder, gone)) {
    const auto other = e.path().filename().string();
    if (other.starts_with(part_prefix(number)) && other != name) std::filesystem::remove(e.path(), gone);
  }
  TARN_CHECK(sync_folder(folder));
  return PartInfo{number, static_cast<std::uint64_t>(s.st_size), meta.etag, mtime_ms(s), meta.checksums};
}

Result<std::vector<PartInfo>> LocalObjects::parts(const UploadInfo& upload) {
  std::vector<PartInfo> out;
  std::error_code gone;
  for (const auto& e : std::filesystem::directory_iterator(upload_path(upload.id), gone)) {
    const auto name = e.path().filename().string();
    struct stat s {};
    if (name == "upload.json" || name.size() < 6 || ::stat(e.path().c_str(), &s) != 0) continue;
    const auto meta = meta_.load(e.path(), s);
    out.push_back({std::atoi(name.c_str()), static_cast<std::uint64_t>(s.st_size), '"' + name.substr(6) + '"', mtime_ms(s), meta.checksums});
  }
  if (gone) return fail(no_such_upload(upload.id));
  std::sort(out.begin(), out.end(), [](const PartInfo& a, const PartInfo& b) { return a.number < b.number; });
  return out;
}

Result<StagedFile> LocalObjects::assemble(const UploadInfo& upload, const std::vector<PartInfo>& parts) {
  TARN_TRY(staged, stage());
  for (const auto& p : parts) {
    const std::string file = upload_path(upload.id) + '/' + part_prefix(p.number) + p.etag.substr(1, p.etag.size() - 2);
    const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail(no_such_upload(upload.id));
    TARN_CHECK(append_file(staged.fd(), fd.get(), p.size));
  }
  return std::move(staged);
}

void LocalObjects::end_upload(const UploadInfo& upload) {
  std::error_code ignored;
  const std::string trash = root_ + "/.tarn/trash/" + new_hex(16);  // one step, so a second caller finds nothing
  if (::rename(upload_path(upload.id).c_str(), trash.c_str()) == 0) std::filesystem::remove_all(trash, ignored);
}

std::vector<UploadInfo> LocalObjects::uploads(std::string_view bucket, std::string_view prefix) {
  std::vector<UploadInfo> out;
  std::error_code gone;
  for (const auto& e : std::filesystem::directory_iterator(root_ + "/.tarn/multipart", gone)) {
    const std::string id = e.path().filename();
    const Fd fd(::open((e.path() / "upload.json").c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd || out.size() == 1000) continue;
    auto text = read_at(fd.get(), 0, 64 << 10);
    if (!text) continue;
    auto file = json::decode_text<UploadFile>(*text, {.absent = json::Absent::keep});
    if (file && file->bucket == bucket && file->key.starts_with(prefix)) out.push_back({id, file->bucket, file->key, file->started, file->meta});
  }
  std::sort(out.begin(), out.end(), [](const UploadInfo& a, const UploadInfo& b) { return std::tie(a.key, a.id) < std::tie(b.key, b.id); });
  return out;
}

}  // namespace tarn::objects
