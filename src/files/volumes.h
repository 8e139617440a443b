#pragma once
// The Files API: files and folders of Unity Catalog volumes by their path /Volumes/CATALOG/SCHEMA/VOLUME/…. Reading needs READ VOLUME, writing WRITE
// VOLUME, with USE CATALOG and USE SCHEMA on the way; the bytes lie in the volume's storage location. Thread-safe; methods block.
// Source: REST API reference "Files", databricks-sdk-go service/files (FilesInterface), databricks-sdk-py mixins/files.py.
#include "catalog/volume_path.h"
#include "files/folder.h"

namespace tarn::files {

/// What the room asks the catalog: the rights, and where a volume lies.
class VolumeDirectory {
 public:
  virtual ~VolumeDirectory() = default;
  /// s3:// URL of the volume's storage location. permission_denied or not_found with the catalog's text.
  virtual Result<std::string> location(const access::Context& ctx, const std::string& full_name, bool write) = 0;
};

class CatalogVolumes final : public VolumeDirectory {
 public:
  explicit CatalogVolumes(catalog::Catalog& catalog) : catalog_(catalog) {}
  Result<std::string> location(const access::Context& ctx, const std::string& full_name, bool write) override;

 private:
  catalog::Catalog& catalog_;
};

struct DirectoryPage {
  std::vector<Entry> entries;
  std::optional<std::string> next;  // pass as `after`
};

class VolumeFiles {
 public:
  VolumeFiles(store::Store& store, objects::ObjectStore& objects, VolumeDirectory& volumes) : store_(store), objects_(objects), volumes_(volumes) {}

  using Place = catalog::VolumePath;
  static Result<Place> parse(std::string_view path);  // invalid

  struct File {
    Entry entry;
    std::optional<std::string> local;  // where it can be sent from
  };
  Result<File> file(const access::Context& ctx, const Place& place);
  Result<std::string> read(const access::Context& ctx, const Place& place, std::uint64_t offset, std::uint64_t length);
  Result<void> upload(const access::Context& ctx, const Place& place, const std::string& memory, const std::string& file, bool overwrite);
  Result<void> remove(const access::Context& ctx, const Place& place);

  Result<void> directory(const access::Context& ctx, const Place& place);  // is there
  Result<DirectoryPage> list(const access::Context& ctx, const Place& place, std::string_view after, std::size_t limit);
  Result<void> make_directory(const access::Context& ctx, const Place& place);
  Result<void> remove_directory(const access::Context& ctx, const Place& place);

 private:
  Result<Folder> open(const access::Context& ctx, const Place& place, bool write);
  store::Store& store_;
  objects::ObjectStore& objects_;
  VolumeDirectory& volumes_;
};

}  // namespace tarn::files
