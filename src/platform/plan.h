#pragma once
// A plan as data: desired + observed -> an ordered list of changes. Pure: no server, no clock. People read it, machines read it
// (JSON), apply executes exactly it. Order follows the platform's fixed sequence: account objects, workspaces, metastore, external
// locations, catalogs, schemas, users and groups, assignments, entitlements, grants, pools, policies, clusters, budgets; deletions run last and
// backwards.
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "platform/config.h"

namespace tarn::platform {

/// The kinds of the fixed order.
enum class Kind {
  credentials,
  storage,
  vpc_endpoint,
  private_access,
  network,
  workspace,
  metastore,
  metastore_assignment,
  storage_credential,
  external_location,
  catalog,
  schema,
  user,
  group,
  workspace_assignment,
  entitlements,
  grants,
  pool,
  policy,
  cluster,
  budget
};
BOOST_DESCRIBE_ENUM(Kind, credentials, storage, vpc_endpoint, private_access, network, workspace, metastore, metastore_assignment, storage_credential,
                    external_location, catalog, schema, user, group, workspace_assignment, entitlements, grants, pool, policy, cluster, budget)

/// One object as it should be or as it is. Attributes are compared by name; sets of names are sorted.
struct Resource {
  Kind kind = Kind::credentials;
  std::string name;
  json::object attributes;
  std::string place;  // desired: file:line
  bool ours = false;  // observed: made by the automation principal, so a plan may delete it when it leaves the YAML
  std::string address() const { return std::string(json::name_of(kind)) + "." + name; }
};

enum class Action { create, update, delete_, unmanaged };
BOOST_DESCRIBE_ENUM(Action, create, update, delete_, unmanaged)

struct Change {
  Action action = Action::create;
  Kind kind = Kind::credentials;
  std::string name;
  json::value before, after;        // attributes; before is null for create, after for delete and unmanaged
  std::vector<std::string> fields;  // update: what differs
  std::string place;
  std::string address() const { return std::string(json::name_of(kind)) + "." + name; }
};
BOOST_DESCRIBE_STRUCT(Change, (), (action, kind, name, before, after, fields, place))

struct Plan {
  int format = 1;
  std::string account_id;  // the account it was made against
  std::string digest;      // of the desired state
  std::vector<Change> changes;
  bool clean() const { return changes.empty(); }
};
BOOST_DESCRIBE_STRUCT(Plan, (), (format, account_id, digest, changes))

/// What the configuration asks for, in the fixed order.
std::vector<Resource> expand(const Loaded& loaded);

/// The difference. `drift`: also lists what exists in the platform's scope but is nobody's line in the YAML (unmanaged), and everything
/// else that differs, as an apply would mend it.
Plan make_plan(const std::vector<Resource>& desired, const std::vector<Resource>& observed, const std::string& account_id, bool drift = false);

/// Everything that the configuration describes and that exists, deleted backwards.
Plan make_destroy_plan(const std::vector<Resource>& desired, const std::vector<Resource>& observed, const std::string& account_id);

/// The fields of `want` that `have` does not equal.
std::vector<std::string> differing_fields(Kind kind, const json::object& want, const json::object& have);

/// A value of a plan for people: texts without quotes (an empty one with), lists in brackets.
std::string shown(const json::value& value);

}  // namespace tarn::platform
