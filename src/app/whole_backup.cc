#include "app/whole_backup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "store/backup.h"

namespace tarn::app {
namespace {

namespace fs = std::filesystem;

void sync_folder(const fs::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

/// Copies the files for which `wanted` holds. A file that went away meanwhile was an upload's or a dropped table's.
template <class Wanted>
void copy_files(const fs::path& from, const fs::path& to, BackupSummary& sum, Wanted wanted) {
  std::error_code ec;
  for (auto i = fs::recursive_directory_iterator(from, ec); !ec && i != fs::recursive_directory_iterator(); i.increment(ec)) {
    if (!i->is_regular_file(ec) || !wanted(i->path())) continue;
    const fs::path target = to / i->path().lexically_relative(from);
    if (fs::exists(target)) continue;
    fs::create_directories(target.parent_path());
    std::error_code copied;
    fs::copy_file(i->path(), target, copied);
    if (copied == std::errc::no_such_file_or_directory) continue;
    if (copied) throw store::StoreUnavailable("cannot copy '" + i->path().string() + "' to '" + target.string() + "': " + copied.message());
    ++sum.objects;
    sum.object_bytes += static_cast<std::int64_t>(fs::file_size(target));
  }
}

}  // namespace

std::string tracking_url(const std::string& data, const std::string& store_url) {
  return store_url.starts_with("postgres") ? store_url : "sqlite:" + data + "/tracking.db";
}

BackupSummary backup_whole(store::Store& store, ml::Database& tracking, const std::string& objects, const std::string& key_file,
                           const std::string& to, const Clock& clock) {
  if (fs::exists(to)) throw store::StoreUnavailable("'" + to + "' exists already: a backup goes to a new folder");
  const std::string partial = to + ".partial";
  fs::remove_all(partial);
  const auto manifest = store::backup(store, key_file, partial, clock);
  ::chmod(partial.c_str(), 0700);
  BackupSummary sum{.records = manifest.records, .audit_records = manifest.audit_records};
  tracking.copy_to(partial + "/tracking.db");
  const auto in_log = [](const fs::path& p) { return p.parent_path().filename() == "_delta_log"; };
  copy_files(objects, partial + "/objects", sum, in_log);
  copy_files(objects, partial + "/objects", sum, [](const fs::path&) { return true; });
  sync_folder(partial);
  fs::rename(partial, to);
  sync_folder(fs::absolute(to).parent_path());
  return sum;
}

BackupSummary restore_whole(const std::string& from, const std::string& data, const std::string& store_url, const std::string& key_file) {
  if (fs::exists(data) && !fs::is_empty(data)) throw store::StoreUnavailable("'" + data + "' is not empty: restore into a new folder");
  store::verify_backup(from);
  fs::create_directories(data);
  ::chmod(data.c_str(), 0700);
  SystemClock clock;
  auto store = store::open_store(store_url.empty() ? "sqlite:" + data + "/store.db" : store_url, clock);
  const auto manifest = store::restore(from, *store, key_file.empty() && fs::exists(from + "/root.key") ? data + "/root.key" : key_file);
  if (fs::exists(from + "/tracking.db")) ml::Database(tracking_url(data, store_url)).copy_from(from + "/tracking.db");
  BackupSummary sum{.records = manifest.records, .audit_records = manifest.audit_records};
  if (fs::exists(from + "/objects")) copy_files(from + "/objects", data + "/objects", sum, [](const fs::path&) { return true; });
  sync_folder(data);
  return sum;
}

}  // namespace tarn::app
