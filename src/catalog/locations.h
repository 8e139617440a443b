#pragma once
// External locations: a credential and the path that it opens. No two overlap. Source: REST API reference, "External locations".
#include "catalog/core.h"

namespace tarn::catalog {

struct NewLocation {
  std::string name, url, credential_name;
  std::optional<std::string> comment;
  std::optional<bool> read_only, fallback, enable_file_events, skip_validation;
};
BOOST_DESCRIBE_STRUCT(NewLocation, (), (name, url, credential_name, comment, read_only, fallback, enable_file_events, skip_validation))

struct LocationChange {
  std::optional<std::string> new_name, url, credential_name, owner;
  json::Patch<std::string> comment;
  std::optional<bool> read_only, fallback, enable_file_events, skip_validation, force;
  std::optional<IsolationMode> isolation_mode;
};
BOOST_DESCRIBE_STRUCT(LocationChange, (),
                      (new_name, url, credential_name, owner, comment, read_only, fallback, enable_file_events, skip_validation, force,
                       isolation_mode))

class Locations {
 public:
  explicit Locations(const Core& core) : core_(core) {}

  /// Needs CREATE EXTERNAL LOCATION on the metastore and the credential. location_overlap, already_exists, invalid; without skip_validation
  /// permission_denied when the bucket cannot be reached.
  Result<LocationInfo> create(const access::Context& ctx, const NewLocation& request);
  Result<LocationInfo> get(const access::Context& ctx, std::string_view name, bool browse);
  Result<Page<LocationInfo>> list(const access::Context& ctx, const PageRequest& page, bool browse);
  /// A new URL is refused (not_empty) while something below the old one depends on it, unless forced.
  Result<LocationInfo> update(const access::Context& ctx, std::string_view name, const LocationChange& change);
  Result<void> remove(const access::Context& ctx, std::string_view name, bool force);

 private:
  const Core& core_;
};

}  // namespace tarn::catalog
