#pragma once
// Which workspaces an isolated catalog, external location or storage credential may be used from. Source: REST API reference, "Workspace bindings".
#include "catalog/core.h"

namespace tarn::catalog {

class Bindings {
 public:
  explicit Bindings(const Core& core) : core_(core) {}

  /// For whoever manages the securable, from any workspace of the metastore. invalid for a kind that cannot be bound.
  Result<std::vector<Binding>> get(const access::Context& ctx, SecurableType type, std::string_view name);
  /// Adds (or changes) and removes; answers what holds then. invalid for a workspace that does not exist.
  Result<std::vector<Binding>> update(const access::Context& ctx, SecurableType type, std::string_view name, const std::vector<Binding>& add,
                                      const std::vector<Binding>& remove);

 private:
  const Core& core_;
};

}  // namespace tarn::catalog
