#pragma once
// Private to identity: the rules of changing one SCIM resource, as functions over one transaction.
#include "identity/roster.h"
#include "identity/scim.h"

namespace tarn::identity::scim {

/// Who changes what in which view (workspace 0: the account's).
struct Change {
  store::WriteTxn& t;
  const access::Context& ctx;
  std::int64_t workspace = 0;
  Millis now = 0;
  PrincipalRecord& p;
};

/// Applies one operation to the record and to memberships and entitlements; the caller stores the record.
Result<void> apply(Change& c, const Edit& edit);
Result<void> set_name(Change& c, const std::string& name);
Result<void> set_members(Change& c, const std::vector<std::int64_t>& members);
Result<void> set_entitlements(Change& c, const std::vector<std::string>& values, Edit::Op op);
Result<void> set_roles(Change& c, const std::vector<std::string>& values, Edit::Op op);

Result<void> valid_text(std::string_view field, std::string_view value);
Result<void> valid_user_name(std::string_view name);
/// Members of a group as the view shows them: of `admins` and `users`, the workspace's assignments.
std::vector<std::int64_t> members_of(store::ReadTxn& t, const PrincipalRecord& group);
/// Whether a view shows a principal.
bool shows(store::ReadTxn& t, std::int64_t workspace, const PrincipalRecord& p);

}  // namespace tarn::identity::scim
