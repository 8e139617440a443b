#pragma once
// Volumes: governed files. Source: REST API reference, "Volumes".
#include "catalog/core.h"

namespace tarn::catalog {

struct NewVolume {
  std::string catalog_name, schema_name, name;
  VolumeType volume_type = VolumeType::MANAGED;
  std::optional<std::string> storage_location, comment;
};
BOOST_DESCRIBE_STRUCT(NewVolume, (), (catalog_name, schema_name, name, volume_type, storage_location, comment))

struct VolumeChange {
  std::optional<std::string> new_name, owner;
  json::Patch<std::string> comment;
};
BOOST_DESCRIBE_STRUCT(VolumeChange, (), (new_name, owner, comment))

class Volumes {
 public:
  explicit Volumes(const Core& core) : core_(core) {}

  /// Needs CREATE VOLUME on the schema; an external one CREATE EXTERNAL VOLUME on the location that it lies in.
  Result<VolumeInfo> create(const access::Context& ctx, const NewVolume& request);
  Result<VolumeInfo> get(const access::Context& ctx, std::string_view full_name, bool browse);
  Result<Page<VolumeInfo>> list(const access::Context& ctx, std::string_view catalog, std::string_view schema, const PageRequest& page, bool browse);
  Result<VolumeInfo> update(const access::Context& ctx, std::string_view full_name, const VolumeChange& change);
  Result<void> remove(const access::Context& ctx, std::string_view full_name);

 private:
  const Core& core_;
};

}  // namespace tarn::catalog
