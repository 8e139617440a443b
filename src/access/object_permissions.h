#pragma once
// Access control lists of a workspace's own objects (clusters, policies, pools, jobs, notebooks, folders, warehouses, experiments, …), as
// the rooms that own those objects ask for them. Catalog securables have grants instead; those are `catalog`'s.
//
// A room describes each kind of object it owns once (ObjectKind), tells of each object that it makes or removes within its own
// transaction, and asks before it acts. The Permissions API (/api/2.0/permissions/{type}/{id}) is served for all kinds in one place by
// the room `permissions`, which implements this. Thread-safe; answers come from caches that the store's generation guards, so that a
// changed list holds from the next request on.
// Source: REST API reference "Permissions", databricks-sdk-go service/iam, terraform-provider-databricks permissions/.
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "access/caller.h"

namespace tarn::access {

/// An object by the type that its URL names ("clusters", "notebooks", "authorization") and its id there ("tokens" for authorization).
struct ObjectRef {
  std::string type;
  std::string id;
};

struct ObjectLevel {
  std::string name;         // CAN_VIEW, CAN_RUN, CAN_MANAGE, IS_OWNER, …
  std::string description;  // the vendor's sentence in …/permissionLevels
};

struct FoundObject {
  std::vector<ObjectRef> parents;  // what it inherits from, nearest first (a notebook's folders up to the root)
};

struct ObjectKind {
  std::string type;                        // in /api/2.0/permissions/{type}/{id}
  std::vector<std::string> aliases;        // other spellings of the type in that path ("sql/warehouses")
  std::vector<ObjectLevel> levels;         // weakest first; each implies those before it
  std::string creator_level;               // what the maker gets: IS_OWNER or CAN_MANAGE; empty for singletons
  std::string admin_level = "CAN_MANAGE";  // what `admins` inherit from the root of the type
  /// The object, or nothing if it does not exist (404). Called outside transactions; must be thread-safe.
  std::function<std::optional<FoundObject>(std::int64_t workspace_id, const std::string& id)> find;
};

class ObjectPermissions {
 public:
  virtual ~ObjectPermissions() = default;

  /// At start-up, before the first request.
  virtual void add_kind(ObjectKind kind) = 0;

  /// Whether the caller has at least `level` on an object of the context's workspace: itself, through a group, or inherited. Workspace
  /// admins have every level. False for a kind or level that nobody declared; an object without a list grants to admins alone.
  virtual bool allows(const Context& ctx, const ObjectRef& object, std::string_view level) = 0;
  /// The strongest level that the caller has; empty if none.
  virtual std::string level_of(const Context& ctx, const ObjectRef& object) = 0;

  /// Within the transaction that makes or removes the object.
  virtual void on_created(store::WriteTxn& txn, std::int64_t workspace_id, const ObjectRef& object, const Caller& creator) = 0;
  virtual void on_deleted(store::WriteTxn& txn, std::int64_t workspace_id, const ObjectRef& object) = 0;
};

}  // namespace tarn::access
