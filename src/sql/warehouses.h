#pragma once
// SQL warehouses of workspaces: their settings and states (/api/2.0/sql/warehouses). Who may do what with one is a list of the Permissions
// API, as of any other object.
// A warehouse here is a share of this server's engine: a queue with a limit on statements that run at once, and a size that limits the engine
// processes that its statements run in (warehouse_sizes.h; those of one size share theirs). It starts at once, and stops
// by itself after auto_stop_mins without a statement. Stored, so it survives; thread-safe.
// Source: REST API reference "SQL Warehouses", databricks-sdk-go service/sql.
#include <map>
#include <mutex>
#include <optional>

#include "access/object_permissions.h"
#include "sql/errors.h"
#include "sql/warehouse_sizes.h"
#include "store/store.h"

namespace tarn::sql {

enum class WarehouseState { STARTING, RUNNING, STOPPING, STOPPED, DELETED };
BOOST_DESCRIBE_ENUM(WarehouseState, STARTING, RUNNING, STOPPING, STOPPED, DELETED)

struct Warehouse {
  std::string id;
  std::int64_t workspace_id = 0;
  std::string name, cluster_size, creator_name, warehouse_type = "PRO", spot_instance_policy = "COST_OPTIMIZED";
  int min_num_clusters = 1, max_num_clusters = 1, auto_stop_mins = 120;
  bool enable_photon = true, enable_serverless_compute = false;
  json::value tags, channel;
  WarehouseState state = WarehouseState::RUNNING;
  Millis started_at = 0;

  std::string store_key() const { return store::key({store::sortable(workspace_id), id}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"name", store::key({store::sortable(workspace_id), name}), true}}; }
  /// Statements that may run at once, as the vendor counts them.
  static constexpr std::size_t kStatementsPerCluster = 10;
  std::size_t most_statements() const { return kStatementsPerCluster * static_cast<std::size_t>(std::max(1, max_num_clusters)); }
};
BOOST_DESCRIBE_STRUCT(Warehouse, (),
                      (id, workspace_id, name, cluster_size, creator_name, warehouse_type, spot_instance_policy, min_num_clusters, max_num_clusters,
                       auto_stop_mins, enable_photon, enable_serverless_compute, tags, channel, state, started_at))

/// The engine of a warehouse's queries: its custom tag `tarn-engine`, which only this platform knows; `duckdb` where it has none.
inline constexpr std::string_view kEngineTag = "tarn-engine";
enum class QueryEngine { duckdb, sail };
BOOST_DESCRIBE_ENUM(QueryEngine, duckdb, sail)
/// Error: invalid for an engine that there is not.
Result<QueryEngine> engine_of(const Warehouse& warehouse);

/// A create or edit request; absent fields keep their value (edit) or the default (create).
struct WarehouseRequest {
  std::optional<std::string> name, cluster_size, warehouse_type, spot_instance_policy, creator_name;
  std::optional<int> min_num_clusters, max_num_clusters, auto_stop_mins;
  std::optional<bool> enable_photon, enable_serverless_compute;
  json::value tags, channel;
};
BOOST_DESCRIBE_STRUCT(WarehouseRequest, (),
                      (name, cluster_size, warehouse_type, spot_instance_policy, creator_name, min_num_clusters, max_num_clusters, auto_stop_mins,
                       enable_photon, enable_serverless_compute, tags, channel))

/// What runs on warehouses, as they ask it. Called from any thread.
class WarehouseUse {
 public:
  struct Load {
    std::size_t running = 0, waiting = 0;
  };
  virtual ~WarehouseUse() = default;
  virtual Load load(const std::string& warehouse_id) const = 0;
  /// The warehouse stops: what runs or waits there is cancelled.
  virtual void stop(const std::string& warehouse_id) = 0;
};

/// What holds for all warehouses of a workspace (/api/2.0/sql/config/warehouses). Only what is honoured can be set.
struct WarehouseConfig {
  std::int64_t workspace_id = 0;
  std::map<std::string, std::string> parameters;  // STATEMENT_TIMEOUT, USE_CACHED_RESULT, …
  std::string security_policy = "DATA_ACCESS_CONTROL";
  std::string store_key() const { return store::sortable(workspace_id); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(WarehouseConfig, (), (workspace_id, parameters, security_policy))

struct StatementConfig {
  std::optional<Millis> statement_timeout;
  bool use_cached_result = true;
};

class Warehouses {
 public:
  /// Declares its kind of object to `permissions`. All must outlive this, and this every question about a warehouse's list.
  Warehouses(store::Store& store, access::ObjectPermissions& permissions, const Clock& clock, SizeRule sizes = {});

  // Errors of all: permission_denied (also without the databricks-sql-access entitlement), not_found, invalid, already_exists.
  Result<Warehouse> create(const access::Context& ctx, const WarehouseRequest& request);
  Result<Warehouse> get(const access::Context& ctx, std::string_view id);
  Result<std::vector<Warehouse>> list(const access::Context& ctx);
  Result<Warehouse> edit(const access::Context& ctx, std::string_view id, const WarehouseRequest& request);
  Result<void> remove(const access::Context& ctx, std::string_view id);
  Result<void> start(const access::Context& ctx, std::string_view id);
  Result<void> stop(const access::Context& ctx, std::string_view id);

  /// For a statement: the warehouse if the caller may use it, started if it was stopped.
  Result<std::shared_ptr<const Warehouse>> use(const access::Context& ctx, std::string_view id);
  /// A statement of the warehouse has ended: it is idle from now on at the earliest.
  void touch(const std::string& id);
  /// How many clusters' worth of statements run or wait, between the warehouse's least and most; none while it is stopped.
  int clusters(const Warehouse& w) const;
  WarehouseUse::Load load(const std::string& id) const;
  void set_use(WarehouseUse* use);

  /// invalid: a parameter that is not known or not honoured here, by name. Workspace administrators only.
  Result<WarehouseConfig> config(const access::Context& ctx);
  Result<void> set_config(const access::Context& ctx, WarehouseConfig config);
  StatementConfig config_of(std::int64_t workspace);

  /// A deleted workspace's warehouses and their configuration, within the transaction that deletes it. What ran on them stays in the history,
  /// which is the account's.
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id);

  /// Whether the caller may end other people's statements of a warehouse, and see their results.
  bool manages(const access::Context& ctx, std::string_view id);
  /// Whether the caller may see that other people's statements ran, and what they took.
  bool monitors(const access::Context& ctx, std::string_view id);
  const SizeRule& sizes() const { return sizes_; }

 private:
  std::shared_ptr<const Warehouse> find(std::int64_t workspace, std::string_view id);
  /// The warehouse, if the caller has `least` on it; an empty `least` is any level at all.
  Result<std::shared_ptr<const Warehouse>> require(const access::Context& ctx, std::string_view id, std::string_view least);
  Result<Warehouse> change(const access::Context& ctx, std::string_view id, const std::string& action, std::string_view least,
                           const std::function<Result<void>(store::WriteTxn&, Warehouse&)>& body);
  WarehouseState state_of(const Warehouse& w);
  void stop_statements(const std::string& id);

  store::Store& store_;
  access::ObjectPermissions& permissions_;
  const Clock& clock_;
  const SizeRule sizes_;
  std::mutex mutex_;
  std::int64_t generation_ = -1;
  std::map<std::string, std::shared_ptr<const Warehouse>, std::less<>> cache_;
  std::map<std::string, Millis, std::less<>> used_;
  std::map<std::int64_t, StatementConfig> configs_;  // of generation_
  mutable std::mutex use_mutex_;
  WarehouseUse* use_ = nullptr;
};

}  // namespace tarn::sql
