#pragma once
// Users, groups and service principals as SCIM 2.0 shows and changes them (RFC 7643, RFC 7644; REST reference "Account Users",
// "Account Groups", "Account Service Principals", and their workspace twins).
//
// Two views of one directory. The account's shows every account-level principal; writing there is for account admins, and for its
// managers where it is one group. A workspace's shows the principals that are assigned to it (or below an assigned group) plus its
// local groups, with their entitlements there; writing is for its admins: a user or service principal made there is made in the account
// (or found there) and assigned, a group made there is local. `admins` and `users` mirror the workspace's assignments.
// Thread-safe; a change is one transaction with its audit event.
#include "identity/records.h"
#include "identity/scim_filter.h"

namespace tarn::identity::scim {

struct Reference {
  std::int64_t id = 0;
  Kind kind = Kind::user;
  std::string display;
  bool direct = true;
};

struct Resource {
  PrincipalRecord principal;
  std::vector<Reference> members;  // of a group
  std::vector<Reference> groups;   // that hold it
  std::set<std::string> entitlements;
};

/// A resource as a client sends it whole. What is absent stays (roles, entitlements, active) or is cleared (members, externalId, name).
struct Draft {
  std::optional<std::string> user_name, application_id, display_name, external_id, given_name, family_name;
  std::optional<bool> active;
  std::optional<std::vector<Email>> emails;
  std::optional<std::vector<std::int64_t>> members;
  std::optional<std::vector<std::string>> roles, entitlements;
};

/// One PATCH operation on one attribute. `values` holds what to add or put; of `emails`, addresses; of `active`, true or false.
struct Edit {
  enum class Op { add, remove, replace };
  Op op = Op::add;
  Path path;
  std::vector<std::string> values;
};

BOOST_DESCRIBE_ENUM(Edit::Op, add, remove, replace)

struct Query {
  std::string filter, sort_by;
  bool descending = false;
  std::int64_t start_index = 1, count = 10'000;
  bool with_members = true, with_groups = true;  // what nobody asked for is not looked up
};

struct Page {
  std::int64_t total = 0, start_index = 1;
  std::vector<Resource> resources;
};

class Service {
 public:
  static constexpr std::int64_t kMostInPage = 10'000;

  /// Both must outlive this.
  Service(store::Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  // The view is ctx.workspace_id's, or the account's without one. Errors: account_admin_only or permission_denied, not_found,
  // already_exists, invalid (field, cycle), invalid_path, invalid_filter.
  Result<Page> list(const access::Context& ctx, Kind kind, const Query& query);
  Result<Resource> get(const access::Context& ctx, Kind kind, std::int64_t id);
  /// The caller itself, in its view.
  Result<Resource> me(const access::Context& ctx);
  Result<Resource> create(const access::Context& ctx, Kind kind, const Draft& draft);
  Result<Resource> replace(const access::Context& ctx, Kind kind, std::int64_t id, const Draft& draft);
  Result<Resource> patch(const access::Context& ctx, Kind kind, std::int64_t id, const std::vector<Edit>& edits);
  Result<void> remove(const access::Context& ctx, Kind kind, std::int64_t id);

 private:
  store::Store& store_;
  const Clock& clock_;
};

}  // namespace tarn::identity::scim
