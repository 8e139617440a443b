#pragma once
// Access control lists of a workspace's own objects (clusters, policies, pools, jobs, notebooks, folders, warehouses, experiments, …), as
// the rooms that own those objects ask for them. Catalog securables have grants instead; those are `catalog`'s.
//
// A room describes each kind of object it owns once (ObjectKind), tells of each object that it makes or removes within its own
// transaction, and asks before it acts. The Permissions API (/api/2.0/permissions/{type}/{id}) is served for all kinds in one place by
// the room `permissions`, which implements this. Thread-safe; answers come from caches that the store's generation guards, so that a
// changed list holds from the next request on.
//
// `allows` and `level_of` read the store: ask before a transaction of your own, not within it.
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
  friend bool operator==(const ObjectRef&, const ObjectRef&) = default;
};

struct ObjectLevel {
  std::string name;         // CAN_VIEW, CAN_RUN, CAN_MANAGE, IS_OWNER, …
  std::string description;  // the vendor's sentence in …/permissionLevels
  /// What it implies where that is not simply every level before it (a warehouse's CAN_USE does not show other people's queries).
  std::optional<std::vector<std::string>> implies{};
};

struct FoundObject {
  std::vector<ObjectRef> parents{};  // what it inherits from, nearest first (a notebook's folders up to the root)
  std::string shown{};               // what a refusal calls it ("Job with ID: ElasticJobId(7)", "/Shared/etl"); empty: type and id
};

enum class Ownership {
  none,         // no owner beside those who manage it
  exactly_one,  // every list that is written names one (jobs, pipelines); only workspace admins change it
  kept          // a list that names none keeps the owner there is (warehouses); those who manage it may change it
};

/// A line of a list that is there before anybody wrote one.
struct DefaultEntry {
  std::string group;  // `users`, or another group of the workspace
  std::string level;
};

struct ObjectKind {
  std::string type;                        // in /api/2.0/permissions/{type}/{id}, and in object ids ("/jobs/123")
  std::vector<std::string> aliases;        // other spellings of the type in that path
  std::vector<ObjectLevel> levels;         // weakest first; each implies those before it unless it says otherwise
  std::string creator_level;               // what the maker gets: IS_OWNER or CAN_MANAGE; empty: nothing of its own (it inherits)
  std::string admin_level = "CAN_MANAGE";  // what `admins` inherit from the root of the type
  /// The object, or nothing if it does not exist (404). Called outside transactions; must be thread-safe. Roots are not asked for.
  std::function<std::optional<FoundObject>(std::int64_t workspace_id, const std::string& id)> find;

  std::string object_type;  // what the reply calls it ("job"); empty: as `type`
  Ownership ownership = Ownership::none;
  /// Objects that are there without being made: the root folder "0", registered-models "root", authorization's "tokens". Each holds
  /// `admins` at admin_level directly, which cannot be taken away; all other objects of the type inherit from the first.
  std::vector<std::string> roots{};
  std::vector<DefaultEntry> root_defaults{};  // of roots whose list nobody wrote yet
  /// What the 404 says, with {} for the id; empty: "{object_type} {id} does not exist."
  std::string missing{};
  std::string audit_service = "workspace", audit_action = "changeWorkspaceAcl";  // the vendor's audit event for a changed list
  /// Why a principal may not become the owner, as its refusal says it; nothing if it may.
  std::function<std::optional<std::string>(const Caller& next)> refuse_owner{};
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
  /// The owner's name (user name or application id); empty if there is none, or the kind has no owners.
  virtual std::string owner_of(std::int64_t workspace_id, const ObjectRef& object) = 0;

  /// Within the transaction that makes or removes the object.
  virtual void on_created(store::WriteTxn& txn, std::int64_t workspace_id, const ObjectRef& object, const Caller& creator) = 0;
  virtual void on_deleted(store::WriteTxn& txn, std::int64_t workspace_id, const ObjectRef& object) = 0;
};

}  // namespace tarn::access
