// Listing a folder tree as S3 lists keys: in byte order of the whole key, which is not the order of a depth-first walk by file name
// (`a-b` sorts before `a/b`, since '-' is below '/'). So a folder sorts under its name with the slash.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "objects/keys.h"
#include "objects/local_objects.h"

namespace tarn::objects {
namespace {

class Walk {
 public:
  Walk(const MetaFiles& meta, std::string_view prefix, std::string_view after, std::size_t limit, std::string_view delimiter)
      : meta_(meta), prefix_(prefix), after_(after), limit_(limit), delimiter_(delimiter) {}

  /// Visits the folder at `path` whose keys begin with `key` ("" or ending in '/'). False: the page is full.
  bool folder(const std::string& path, const std::string& key) {
    for (const auto& e : entries(path)) {
      const std::string full = key + e.key;
      if (e.folder ? !enter(path + '/' + e.file, full) : !object(path + '/' + e.file, full)) return false;
    }
    return true;
  }
  Listing out;

 private:
  struct Entry {
    std::string key;   // what it adds to the key: `name`, `name/`, or nothing for the folder's own marker
    std::string file;  // relative to the folder
    bool folder = false;
  };

  static std::vector<Entry> entries(const std::string& path) {
    std::vector<Entry> all;
    const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()), ::closedir);
    if (!dir) return all;
    while (const dirent* d = ::readdir(dir.get())) {
      const std::string name = d->d_name;
      if (name == "." || name == "..") continue;
      if (name == kMarkerName) {
        all.push_back({"", name});
        continue;
      }
      if (name.starts_with(".tarn.")) continue;
      bool is_folder = d->d_type == DT_DIR;
      struct stat s {};
      if (d->d_type == DT_UNKNOWN) is_folder = ::fstatat(::dirfd(dir.get()), d->d_name, &s, 0) == 0 && S_ISDIR(s.st_mode);
      if (!is_folder) {
        all.push_back({name, name});
        continue;
      }
      all.push_back({name + '/', name, true});
      const std::string inside = name + '/' + std::string(kObjectName);
      if (::fstatat(::dirfd(dir.get()), inside.c_str(), &s, 0) == 0) all.push_back({name, inside});
    }
    std::sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });
    return all;
  }

  bool object(const std::string& path, const std::string& key) {
    if (!key.starts_with(prefix_) || key <= after_) return true;
    if (!delimiter_.empty()) {
      if (const auto at = key.find(delimiter_, prefix_.size()); at != std::string::npos) return fold(key.substr(0, at + delimiter_.size()));
    }
    struct stat s {};
    if (::stat(path.c_str(), &s) != 0 || !S_ISREG(s.st_mode)) return true;  // removed meanwhile
    if (full()) return false;
    out.objects.push_back({key, static_cast<std::uint64_t>(s.st_size), meta_.load(path, s).etag, mtime_ms(s)});
    out.next = key;
    return true;
  }

  bool enter(const std::string& path, const std::string& key) {
    if (!key.starts_with(prefix_) && !prefix_.starts_with(key)) return true;
    if (after_ > key && !after_.starts_with(key)) return true;  // everything in it comes before
    if (delimiter_ == "/" && key.size() > prefix_.size()) {
      if (after_ == key) return true;
      Walk probe(meta_, key, after_, 1, {});
      probe.folder(path, key);
      return probe.out.objects.empty() || fold(key);
    }
    return folder(path, key);
  }

  bool fold(const std::string& common) {
    if (after_ == common || (!out.common_prefixes.empty() && out.common_prefixes.back() == common)) return true;
    if (full()) return false;
    out.common_prefixes.push_back(common);
    out.next = common;
    return true;
  }

  bool full() {
    if (out.objects.size() + out.common_prefixes.size() < limit_) return false;
    out.truncated = true;
    return true;
  }

  const MetaFiles& meta_;
  const std::string prefix_, after_;
  const std::size_t limit_;
  const std::string delimiter_;
};

}  // namespace

Result<Listing> LocalObjects::list(std::string_view bucket, std::string_view prefix, std::string_view after, std::size_t limit,
                                   std::string_view delimiter) {
  if (!bucket_exists(bucket)) return fail(Error{Errc::no_such_bucket, fmt::format("The specified bucket does not exist: '{}'.", bucket)});
  TARN_CHECK(check_prefix(prefix));
  const auto slash = prefix.rfind('/');
  const std::string start = slash == std::string_view::npos ? "" : std::string(prefix.substr(0, slash + 1));
  std::string path = bucket_path(bucket) + '/' + start;
  path.pop_back();
  Walk walk(meta_, prefix, after, limit, delimiter);
  walk.folder(path, start);
  if (!walk.out.truncated) walk.out.next.clear();
  return std::move(walk.out);
}

}  // namespace tarn::objects
