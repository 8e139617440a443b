#pragma once
// Paths of files in volumes, /Volumes/CATALOG/SCHEMA/VOLUME/a/b, as every API and SQL spell them. A pure value; says nothing of rights or of what is
// there. Source: Databricks docs "What are Unity Catalog volumes?", "What path is used for accessing files in a volume?".
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"

namespace tarn::catalog {

struct VolumePath {
  std::string volume;              // catalog.schema.volume
  std::vector<std::string> names;  // these three
  std::string relative;            // below it, without slashes at its ends; empty: the volume itself
  std::string root;                // /Volumes/c/s/v
  std::string shown() const { return relative.empty() ? root : root + "/" + relative; }

  /// Error: invalid, for fewer than three names, `.` and `..`, control characters, and what storage reserves.
  static Result<VolumePath> parse(std::string_view path);
};

}  // namespace tarn::catalog
