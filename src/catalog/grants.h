#pragma once
// Granting, revoking and showing privileges. Source: REST API reference, "Grants"; Databricks docs, "Show, grant, and revoke privileges".
#include "catalog/core.h"

namespace tarn::catalog {

struct PermissionsChange {
  std::string principal;
  std::vector<std::string> add, remove;
};
BOOST_DESCRIBE_STRUCT(PermissionsChange, (), (principal, add, remove))

struct Assignments {  // wire: PrivilegeAssignment
  std::string principal;
  std::vector<std::string> privileges;
};
BOOST_DESCRIBE_STRUCT(Assignments, (), (principal, privileges))

class Grants {
 public:
  explicit Grants(const Core& core) : core_(core) {}

  /// Applies all changes or none. Needs the right to manage the securable (metastores also: account admins); EXTERNAL USE SCHEMA is only the
  /// catalog owner's to give, EXTERNAL USE LOCATION the location owner's. principal_not_found for a name that is no account principal;
  /// invalid for a privilege that is unknown or does not apply to the securable.
  Result<void> update(const access::Context& ctx, SecurableType type, std::string_view full_name, const std::vector<PermissionsChange>& changes);
  /// Direct grants; whoever does not manage the securable sees their own only.
  Result<std::vector<GrantRow>> direct(const access::Context& ctx, SecurableType type, std::string_view full_name,
                                       const std::optional<std::string>& principal);
  /// The same with what is inherited from schema and catalog.
  Result<std::vector<GrantRow>> effective(const access::Context& ctx, SecurableType type, std::string_view full_name,
                                          const std::optional<std::string>& principal);

 private:
  Result<std::vector<GrantRow>> rows(const access::Context& ctx, SecurableType type, std::string_view full_name,
                                     const std::optional<std::string>& principal, bool inherited);
  const Core& core_;
};

}  // namespace tarn::catalog
