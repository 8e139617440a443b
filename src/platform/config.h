#pragma once
// The platform as people write it: a folder of YAML files, read as one document. Unknown keys are errors; every problem is a
// diagnostic with file and line, all of them collected. The published JSON Schema (docs/platform.schema.json) is derived from these
// very structs. Reading needs no server.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "network/model.h"

namespace tarn::platform {

struct Diagnostic {
  std::string file;
  int line = 0;  // from 1; 0: the whole file
  std::string message;
  std::string text() const;  // file:line: message
};

struct Account {
  std::string region;  // of everything that names none
};
BOOST_DESCRIBE_STRUCT(Account, (), (region))

struct CredentialSpec {
  std::string name, role_arn;
};
BOOST_DESCRIBE_STRUCT(CredentialSpec, (), (name, role_arn))

struct StorageSpec {
  std::string name, bucket;
};
BOOST_DESCRIBE_STRUCT(StorageSpec, (), (name, bucket))

/// A VPC endpoint of the infrastructure team's, registered for back-end private connectivity (PrivateLink).
struct VpcEndpointSpec {
  std::string name, aws_vpc_endpoint_id;
  std::optional<std::string> region;
};
BOOST_DESCRIBE_STRUCT(VpcEndpointSpec, (), (name, aws_vpc_endpoint_id, region))

/// ACCOUNT: any endpoint registered with the account may connect; ENDPOINT: those of allowed_endpoints.
enum class PrivateAccessLevel { ACCOUNT, ENDPOINT };
BOOST_DESCRIBE_ENUM(PrivateAccessLevel, ACCOUNT, ENDPOINT)

struct PrivateAccessSpec {
  std::string name;
  std::optional<std::string> region;
  std::optional<bool> public_access;
  std::optional<PrivateAccessLevel> level;
  std::vector<std::string> allowed_endpoints;
};
BOOST_DESCRIBE_STRUCT(PrivateAccessSpec, (), (name, region, public_access, level, allowed_endpoints))

/// A network that another team owns and this platform only registers.
struct NetworkSpec {
  std::string name, vpc_id;
  std::vector<std::string> subnet_ids, security_group_ids;
  std::vector<std::string> rest_endpoints, relay_endpoints;  // names of vpc_endpoints: both or neither
};
BOOST_DESCRIBE_STRUCT(NetworkSpec, (), (name, vpc_id, subnet_ids, security_group_ids, rest_endpoints, relay_endpoints))

struct WorkspaceSpec {
  std::string name;
  std::optional<std::string> deployment_name;  // the host's first label, behind the account's registered prefix
  std::string credentials, storage;
  std::optional<std::string> network, private_access, region, pricing_tier;
};
BOOST_DESCRIBE_STRUCT(WorkspaceSpec, (), (name, deployment_name, credentials, storage, network, private_access, region, pricing_tier))

struct MetastoreSpec {
  std::string name;
  std::optional<std::string> region, storage_root, data_access_role;
  std::vector<std::string> workspaces;  // assigned to
  std::optional<bool> evict_default;    // detach and delete the region's automatic metastore first
  std::optional<bool> external_access;  // temporary credentials for engines outside
};
BOOST_DESCRIBE_STRUCT(MetastoreSpec, (), (name, region, storage_root, data_access_role, workspaces, evict_default, external_access))

struct StorageCredentialSpec {
  std::string name, role_arn;
  std::optional<std::string> comment;
};
BOOST_DESCRIBE_STRUCT(StorageCredentialSpec, (), (name, role_arn, comment))

struct ExternalLocationSpec {
  std::string name, url, credential;
  std::optional<std::string> comment;
  std::optional<bool> read_only;
};
BOOST_DESCRIBE_STRUCT(ExternalLocationSpec, (), (name, url, credential, comment, read_only))

struct SchemaSpec {
  std::string name;
  std::optional<std::string> comment, storage_root;
};
BOOST_DESCRIBE_STRUCT(SchemaSpec, (), (name, comment, storage_root))

struct CatalogSpec {
  std::string name;
  std::optional<std::string> comment, storage_root;
  std::vector<std::string> workspaces;  // bound to these only (isolated); none: open to all
  std::vector<SchemaSpec> schemas;
};
BOOST_DESCRIBE_STRUCT(CatalogSpec, (), (name, comment, storage_root, workspaces, schemas))

struct UserSpec {
  std::string name;  // e-mail
  std::optional<std::string> display_name;
};
BOOST_DESCRIBE_STRUCT(UserSpec, (), (name, display_name))

enum class WorkspaceRole { USER, ADMIN };
BOOST_DESCRIBE_ENUM(WorkspaceRole, USER, ADMIN)

struct GroupSpec {
  std::string name;
  std::vector<std::string> members;  // users and groups
  std::map<std::string, WorkspaceRole> workspaces;
};
BOOST_DESCRIBE_STRUCT(GroupSpec, (), (name, members, workspaces))

struct GrantSpec {
  std::string on;  // `catalog gold`, `schema gold.flights`, `metastore`, `external_location landing`
  std::string to;
  std::vector<std::string> allow;
};
BOOST_DESCRIBE_STRUCT(GrantSpec, (), (on, to, allow))

/// What the members of a group may do in a workspace: workspace-access, databricks-sql-access, allow-cluster-create,
/// allow-instance-pool-create. The group is one that is assigned to the workspace.
struct EntitlementSpec {
  std::string group, workspace;
  std::vector<std::string> allow;
};
BOOST_DESCRIBE_STRUCT(EntitlementSpec, (), (group, workspace, allow))

/// The whole access list of an object: group or user -> level (CAN_USE, CAN_ATTACH_TO, …). Absent: lists are somebody else's. Administrators
/// and whoever applies keep theirs.
using AccessList = std::map<std::string, std::string>;

struct PoolSpec {
  std::string name, workspace, node_type;
  std::optional<int> min_idle, max_capacity, idle_minutes;
  std::map<std::string, std::string> tags;
  std::optional<AccessList> allow;
};
BOOST_DESCRIBE_STRUCT(PoolSpec, (), (name, workspace, node_type, min_idle, max_capacity, idle_minutes, tags, allow))

/// `definition` is the policy language's object: attribute to rule. A text `pool:NAME` in a rule stands for the id of that pool.
struct PolicySpec {
  std::string name, workspace;
  json::value definition;
  std::optional<int> max_clusters_per_user;
  std::optional<AccessList> allow;
};
BOOST_DESCRIBE_STRUCT(PolicySpec, (), (name, workspace, definition, max_clusters_per_user, allow))

/// An all-purpose cluster, kept pinned. Exactly one of pool and node_type.
struct ClusterSpec {
  std::string name, workspace, runtime;  // the runtime's version: 15.4.x-scala2.12
  std::optional<std::string> policy, pool, node_type;
  std::optional<int> workers, autotermination_minutes;  // absent: 0 (the driver alone), 60
  std::optional<AccessList> allow;
};
BOOST_DESCRIBE_STRUCT(ClusterSpec, (), (name, workspace, runtime, policy, pool, node_type, workers, autotermination_minutes, allow))

/// Dollars of list price a month, of one workspace or of all.
struct BudgetSpec {
  std::string name;
  std::optional<std::string> workspace;
  double limit = 0;
  std::optional<bool> stop;         // compute stops when it is spent
  std::vector<std::string> emails;  // told when it is spent
};
BOOST_DESCRIBE_STRUCT(BudgetSpec, (), (name, workspace, limit, stop, emails))

/// The sections of a platform folder; those of its network (network/model.h) come first.
struct Config : network::Model {
  std::optional<Account> account;
  std::vector<CredentialSpec> credentials;
  std::vector<StorageSpec> storage;
  std::vector<VpcEndpointSpec> vpc_endpoints;
  std::vector<PrivateAccessSpec> private_access;
  std::vector<NetworkSpec> networks;
  std::vector<WorkspaceSpec> workspaces;
  std::optional<MetastoreSpec> metastore;
  std::vector<StorageCredentialSpec> storage_credentials;
  std::vector<ExternalLocationSpec> external_locations;
  std::vector<CatalogSpec> catalogs;
  std::vector<UserSpec> users;
  std::vector<GroupSpec> groups;
  std::vector<GrantSpec> grants;
  std::vector<EntitlementSpec> entitlements;
  std::vector<PoolSpec> pools;
  std::vector<PolicySpec> policies;
  std::vector<ClusterSpec> clusters;
  std::vector<BudgetSpec> budgets;
};
BOOST_DESCRIBE_STRUCT(Config, (network::Model),
                      (account, credentials, storage, vpc_endpoints, private_access, networks, workspaces, metastore, storage_credentials,
                       external_locations, catalogs, users, groups, grants, entitlements, pools, policies, clusters, budgets))

/// A configuration with the place each entry came from: `groups[3]` -> platform/groups.yaml:12.
struct Loaded {
  Config config;
  std::map<std::string, std::pair<std::string, int>> places;
  std::vector<Diagnostic> problems;
  bool ok() const { return problems.empty(); }
  std::string place(const std::string& path) const;  // "groups.yaml:12"
};

/// Reads every *.yaml and *.yml of a folder (in name order) and checks names, references and texts against each other.
Loaded load(const std::string& folder);
/// The same from texts (file name -> content).
Loaded load_texts(const std::map<std::string, std::string>& files);

/// The JSON Schema of one document of the folder.
json::value json_schema();

}  // namespace tarn::platform
