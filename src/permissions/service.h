#pragma once
// The Permissions API's service: lists of objects of all kinds, read, replaced and added to; and the answers that rooms ask for
// (access::ObjectPermissions). An object's own list, those of what it inherits from and the root of its type make what a principal may do.
// Lists name principals by id: a renamed group keeps its rights, a deleted one is gone from the answer.
// Thread-safe, except add_kind (start-up only). A change is one transaction with its audit event.
// Source: REST API reference "Permissions", databricks-sdk-go service/iam.
#include "access/object_permissions.h"
#include "identity/directory.h"
#include "permissions/errors.h"
#include "permissions/lists.h"

namespace tarn::permissions {

struct Permission {
  std::string permission_level;
  bool inherited = false;
  std::vector<std::string> inherited_from_object;  // "/directories/123"; the root of a type is "/directories/"
};
BOOST_DESCRIBE_STRUCT(Permission, (), (permission_level, inherited, inherited_from_object))

/// What one principal has; exactly one of the names.
struct AccessControl {
  std::optional<std::string> user_name, group_name, service_principal_name, display_name;
  std::vector<Permission> all_permissions;
};
BOOST_DESCRIBE_STRUCT(AccessControl, (), (user_name, group_name, service_principal_name, display_name, all_permissions))

struct ObjectAccess {
  std::string object_id, object_type;
  std::vector<AccessControl> access_control_list;
};
BOOST_DESCRIBE_STRUCT(ObjectAccess, (), (object_id, object_type, access_control_list))

/// A line of a request. A service principal may come as user_name too: the Terraform provider sends the caller's own name so.
struct AccessRequest {
  std::optional<std::string> user_name, group_name, service_principal_name, permission_level;
};
BOOST_DESCRIBE_STRUCT(AccessRequest, (), (user_name, group_name, service_principal_name, permission_level))

enum class Change { replace, add };

class Service final : public access::ObjectPermissions {
 public:
  /// Both must outlive this.
  Service(store::Store& store, identity::Directory& directory) : store_(store), directory_(directory), lists_(store) {}

  // For those who manage the object (for a type without CAN_MANAGE: workspace admins). unknown_type, not_enabled, not_found,
  // permission_denied; `type` is the kind's or an alias.
  Result<ObjectAccess> get(const access::Context& ctx, const std::string& type, const std::string& id);
  /// `replace` leaves nothing of the object's own list but what must stay; `add` sets the levels of those it names. Also:
  /// principal_not_found, and invalid for a level that the type has not, not exactly one owner, a group as owner, administrators shut out.
  Result<ObjectAccess> set(const access::Context& ctx, const std::string& type, const std::string& id, const std::vector<AccessRequest>& wanted,
                           Change change);
  /// What can be given, for anybody who has any of it.
  Result<std::vector<access::ObjectLevel>> levels(const access::Context& ctx, const std::string& type, const std::string& id);

  void add_kind(access::ObjectKind kind) override;
  bool allows(const access::Context& ctx, const access::ObjectRef& object, std::string_view level) override;
  std::string level_of(const access::Context& ctx, const access::ObjectRef& object) override;
  std::string owner_of(std::int64_t workspace_id, const access::ObjectRef& object) override;
  void on_created(store::WriteTxn& txn, std::int64_t workspace_id, const access::ObjectRef& object, const access::Caller& creator) override;
  void on_deleted(store::WriteTxn& txn, std::int64_t workspace_id, const access::ObjectRef& object) override;
  /// With the workspace every list of it goes.
  void on_workspace_deleted(store::WriteTxn& txn, std::int64_t workspace_id);

 private:
  /// An object with all that it inherits from: itself first, the root last.
  struct Place {
    std::vector<access::ObjectRef> chain;
    std::string shown;
  };
  struct Target {
    const access::ObjectKind& kind;
    access::ObjectRef object;  // of the kind's own type
    Place place;
  };

  const access::ObjectKind* kind_of(std::string_view type) const;
  Result<const access::ObjectKind*> known(const std::string& type, const std::string& id) const;
  static bool is_root(const access::ObjectKind& kind, const std::string& id);
  std::optional<Place> place_of(const access::ObjectKind& kind, std::int64_t workspace, const std::string& id) const;
  /// The list as it is kept, or as a root's is before anybody wrote one.
  std::vector<Entry> entries_of(std::int64_t workspace, const access::ObjectRef& object);
  std::vector<Entry> defaults_of(const access::ObjectKind& kind, std::int64_t workspace);
  /// Levels of `kind` that the caller holds on a place, of its own or by inheritance.
  std::set<std::string> held(const access::ObjectKind& kind, const Place& place, const access::Context& ctx);
  bool names(const Entry& entry, const access::Context& ctx);
  /// The strongest level of `kind` that a level of another kind gives (a folder's CAN_RUN is an experiment's CAN_READ).
  std::string translated(const access::ObjectKind& kind, const access::ObjectRef& from, const std::string& level) const;

  Result<Target> managed(const access::Context& ctx, const std::string& type, const std::string& id);
  Result<Entry> resolved(const access::Context& ctx, const access::ObjectKind& kind, const AccessRequest& line);
  std::optional<identity::PrincipalRef> principal_of(std::int64_t workspace, const Entry& entry);
  Result<std::vector<Entry>> merged(const access::Context& ctx, const Target& target, std::vector<Entry> before, std::vector<Entry> wanted,
                                    Change change);
  Result<void> check_owner(const access::Context& ctx, const Target& target, const std::vector<Entry>& before, const std::vector<Entry>& after);
  ObjectAccess shown(std::int64_t workspace, const Target& target);

  store::Store& store_;
  identity::Directory& directory_;
  Lists lists_;
  std::vector<std::unique_ptr<access::ObjectKind>> kinds_;
};

}  // namespace tarn::permissions
