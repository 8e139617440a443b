#pragma once
// Who belongs to a workspace (REST reference "Workspace Assignment"): account-level principals as USER or ADMIN.
// Thread-safe; a change is one transaction with its audit event.
#include "identity/errors.h"
#include "identity/records.h"

namespace tarn::identity {

enum class WorkspacePermission { UNKNOWN, USER, ADMIN };
BOOST_DESCRIBE_ENUM(WorkspacePermission, UNKNOWN, USER, ADMIN)

struct AssignedPrincipal {
  std::int64_t principal_id = 0;
  std::string display_name;
  std::optional<std::string> user_name, group_name, service_principal_name;
};
BOOST_DESCRIBE_STRUCT(AssignedPrincipal, (), (principal_id, display_name, user_name, group_name, service_principal_name))

struct Assignment {
  std::vector<WorkspacePermission> permissions;
  AssignedPrincipal principal;
};
BOOST_DESCRIBE_STRUCT(Assignment, (), (permissions, principal))

class Assignments {
 public:
  explicit Assignments(store::Store& store) : store_(store) {}  // must outlive this

  // Callers are account admins, or admins of the workspace on its own host; routes see to that. not_found: the workspace or principal.
  Result<std::vector<Assignment>> list(std::int64_t workspace);
  /// ADMIN wins over USER; neither of them removes the assignment, as the vendor does. A local group is not_found: it belongs already.
  Result<Assignment> put(const access::Context& ctx, std::int64_t workspace, std::int64_t principal,
                         const std::vector<WorkspacePermission>& permissions);
  Result<void> remove(const access::Context& ctx, std::int64_t workspace, std::int64_t principal);
  /// An account-level principal by the name that its kind goes by.
  Result<std::int64_t> named(Kind kind, const std::string& name);

 private:
  store::Store& store_;
};

}  // namespace tarn::identity
