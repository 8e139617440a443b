#include "store/backup.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/crypto.h"

namespace tarn::store {
namespace {

namespace fs = std::filesystem;

struct AuditLine {
  std::int64_t sequence = 0;
  Millis at = 0;
  AuditEvent event;
};
BOOST_DESCRIBE_STRUCT(AuditLine, (), (sequence, at, event))

[[noreturn]] void refuse(const std::string& what) { throw StoreUnavailable("backup: " + what); }

/// Lines of one file on their way out. Owner-only: audit and records are not for everybody on the machine.
class LineFile {
 public:
  explicit LineFile(const std::string& path) : path_(path), fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)) {
    if (fd_ < 0) refuse("cannot write '" + path + "': " + std::strerror(errno));
  }
  LineFile(const LineFile&) = delete;
  ~LineFile() { ::close(fd_); }
  void add(std::string_view line) {
    buffer_ += line;
    buffer_ += '\n';
    ++lines;
    if (buffer_.size() > (1u << 20)) flush();
  }
  void finish() {
    flush();
    if (::fsync(fd_) != 0) refuse("cannot sync '" + path_ + "': " + std::strerror(errno));
  }
  std::int64_t lines = 0;

 private:
  void flush() {
    for (std::size_t at = 0; at < buffer_.size();) {
      const auto n = ::write(fd_, buffer_.data() + at, buffer_.size() - at);
      if (n < 0) refuse("cannot write '" + path_ + "': " + std::strerror(errno));
      at += static_cast<std::size_t>(n);
    }
    buffer_.clear();
  }
  std::string path_, buffer_;
  int fd_;
};

struct FileSink final : DumpSink {
  explicit FileSink(const std::string& folder) : records(folder + "/records.jsonl"), audits(folder + "/audit.jsonl") {}
  void record(const DumpedRecord& r) override { records.add(json::encode_text(r)); }
  void audit(const AuditRecord& r) override { audits.add(json::encode_text(AuditLine{r.sequence, r.at, r.event})); }
  void generation(std::int64_t value) override { generation_value = value; }
  LineFile records, audits;
  std::int64_t generation_value = 0;
};

struct FileSource final : DumpSource {
  FileSource(const std::string& folder, std::int64_t generation)
      : records(folder + "/records.jsonl"), audits(folder + "/audit.jsonl"), value(generation) {}
  template <class T>
  static std::optional<T> next(std::ifstream& in, const char* file) {
    std::string line;
    if (!std::getline(in, line)) return std::nullopt;
    auto out = json::decode_text<T>(line, {.absent = json::Absent::keep});
    if (!out) refuse(std::string(file) + ": " + out.error().message());
    return *std::move(out);
  }
  std::optional<DumpedRecord> record() override { return next<DumpedRecord>(records, "records.jsonl"); }
  std::optional<AuditRecord> audit() override {
    auto line = next<AuditLine>(audits, "audit.jsonl");
    if (!line) return std::nullopt;
    return AuditRecord{line->sequence, line->at, std::move(line->event)};
  }
  std::int64_t generation() override { return value; }
  std::ifstream records, audits;
  std::int64_t value;
};

std::string whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) refuse("cannot read '" + path + "'");
  return {std::istreambuf_iterator<char>(in), {}};
}

BackupFile described(const std::string& folder, const std::string& name) {
  const std::string content = whole(folder + '/' + name);
  return {name, crypto::to_hex(crypto::sha256(content)), static_cast<std::int64_t>(content.size())};
}

void write_private(const std::string& path, std::string_view content) {
  LineFile out(path);
  while (content.ends_with('\n')) content.remove_suffix(1);
  out.add(content);
  out.finish();
}

}  // namespace

BackupManifest backup(Store& store, const std::string& key_file, const std::string& folder, const Clock& clock) {
  if (fs::exists(folder)) refuse("'" + folder + "' exists already: name a new folder");
  const std::string partial = folder + ".partial";
  std::error_code ignored;
  fs::remove_all(partial, ignored);
  try {
    fs::create_directories(partial);
    fs::permissions(partial, fs::perms::owner_all);
    BackupManifest out{.created_at = to_rfc3339(clock.now())};
    {
      FileSink sink(partial);
      store.dump(sink);
      sink.records.finish();
      sink.audits.finish();
      out.generation = sink.generation_value;
      out.records = sink.records.lines;
      out.audit_records = sink.audits.lines;
    }
    out.files = {described(partial, "records.jsonl"), described(partial, "audit.jsonl")};
    if (!key_file.empty()) {
      write_private(partial + "/root.key", whole(key_file));
      out.files.push_back(described(partial, "root.key"));
    }
    write_private(partial + "/manifest.json", json::encode_text(out));
    fs::rename(partial, folder);
    return out;
  } catch (const fs::filesystem_error& e) {
    fs::remove_all(partial, ignored);
    refuse(e.what());
  } catch (...) {
    fs::remove_all(partial, ignored);
    throw;
  }
}

BackupManifest verify_backup(const std::string& folder) {
  auto manifest = json::decode_text<BackupManifest>(whole(folder + "/manifest.json"));
  if (!manifest) refuse("manifest.json: " + manifest.error().message());
  if (manifest->format != 1) refuse(fmt::format("format {} is not known to this program (1): use a newer tarn", manifest->format));
  for (const auto& f : manifest->files) {
    if (f.name.find('/') != std::string::npos || f.name.starts_with('.')) refuse("manifest.json names a file outside the folder: '" + f.name + "'");
    const auto found = described(folder, f.name);
    if (found.sha256 != f.sha256 || found.size != f.size)
      refuse("'" + f.name + "' was changed since the backup: its SHA-256 is " + found.sha256 + ", the manifest says " + f.sha256);
  }
  for (const char* name : {"records.jsonl", "audit.jsonl"})
    if (std::none_of(manifest->files.begin(), manifest->files.end(), [&](const BackupFile& f) { return f.name == name; }))
      refuse(std::string("manifest.json does not name ") + name);
  return *std::move(manifest);
}

BackupManifest restore(const std::string& folder, Store& store, const std::string& key_file) {
  const auto manifest = verify_backup(folder);
  const bool has_key = std::any_of(manifest.files.begin(), manifest.files.end(), [](const BackupFile& f) { return f.name == "root.key"; });
  if (!key_file.empty() && has_key && fs::exists(key_file) && whole(key_file) != whole(folder + "/root.key"))
    refuse("another root key is at '" + key_file + "': move it away, or restore without the key");
  FileSource source(folder, manifest.generation);
  store.load(source);
  if (!key_file.empty() && has_key && !fs::exists(key_file)) write_private(key_file, whole(folder + "/root.key"));
  return manifest;
}

}  // namespace tarn::store
