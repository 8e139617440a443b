#pragma once
// Saved queries, alerts and dashboards (Lakeview): kept, listed, changed and trashed under lists of their own and the rights of their folder. They
// are documents: running a query is a warehouse's work, evaluating an alert alert_runs.h's, drawing a dashboard a client's. Thread-safe; methods
// block on the store. Source: REST API reference "Queries", "Alerts", "Lakeview", databricks-sdk-go service/sql, dashboards.
#include "base/refusal.h"
#include "queries/alerts.h"
#include "workspace/tree.h"

namespace tarn::queries {

enum class Errc { invalid, not_found, already_exists, permission_denied, conflict };
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return refusals::invalid;
    case Errc::not_found:
      return refusals::not_found;
    case Errc::already_exists:
      return refusals::already_exists;
    case Errc::permission_denied:
      return refusals::denied;
    case Errc::conflict:
      return refusals::conflict;
  }
  return {};
}
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;
inline auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }

enum class Lifecycle { ACTIVE, TRASHED };
BOOST_DESCRIBE_ENUM(Lifecycle, ACTIVE, TRASHED)
enum class RunAsMode { VIEWER, OWNER };
BOOST_DESCRIBE_ENUM(RunAsMode, VIEWER, OWNER)
/// What they share in the store; not on the wire.
struct Place {
  std::int64_t workspace_id = 0;
  std::string id, folder;  // folder: the workspace path that it lies in and inherits from
  std::string owner_user_name;
  Lifecycle lifecycle_state = Lifecycle::ACTIVE;
  Millis created = 0, updated = 0;
  std::string store_key() const { return store::key({store::sortable(workspace_id), id}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"folder", store::key({store::sortable(workspace_id), folder})}}; }
};
BOOST_DESCRIBE_STRUCT(Place, (), (workspace_id, id, folder, owner_user_name, lifecycle_state, created, updated))

struct QueryFields {
  std::optional<std::string> display_name, query_text, warehouse_id, description, catalog, schema, owner_user_name, parent_path;
  std::optional<RunAsMode> run_as_mode;
  std::optional<bool> apply_auto_limit;
  std::vector<std::string> tags;
  std::vector<json::value> parameters;
};
BOOST_DESCRIBE_STRUCT(QueryFields, (),
                      (display_name, query_text, warehouse_id, description, catalog, schema, owner_user_name, parent_path, run_as_mode,
                       apply_auto_limit, tags, parameters))

struct DashboardFields {
  std::optional<std::string> display_name, serialized_dashboard, warehouse_id, parent_path, etag;
};
BOOST_DESCRIBE_STRUCT(DashboardFields, (), (display_name, serialized_dashboard, warehouse_id, parent_path, etag))

struct Published {
  std::string display_name, warehouse_id;
  bool embed_credentials = false;
  Millis revision_created = 0;
};
BOOST_DESCRIBE_STRUCT(Published, (), (display_name, warehouse_id, embed_credentials, revision_created))

struct Query : Place {
  QueryFields fields;
  std::string last_modifier;
};
BOOST_DESCRIBE_STRUCT(Query, (Place), (fields, last_modifier))
struct Alert : Place {
  AlertFields fields;
  AlertState state = AlertState::UNKNOWN;
  Millis triggered_at = 0, told_at = 0;
};
BOOST_DESCRIBE_STRUCT(Alert, (Place), (fields, state, triggered_at, told_at))
/// The newer kind, with what its evaluations left.
struct AlertV2 : Place {
  AlertV2Fields fields;
  std::int64_t run_as_id = 0;
  std::string run_as_name, error, running_on;  // running_on: the server that evaluates it now
  bool run_as_service = false;
  AlertState state = AlertState::UNKNOWN, before = AlertState::UNKNOWN;  // before: the last one that was no error
  Millis next_at = 0, evaluated_at = 0, told_at = 0;
  std::vector<store::IndexEntry> store_indexes() const {
    auto out = Place::store_indexes();
    if (next_at != 0) out.push_back({"scheduled", "yes"});
    if (!running_on.empty()) out.push_back({"running_on", running_on});
    return out;
  }
};
BOOST_DESCRIBE_STRUCT(AlertV2, (Place),
                      (fields, run_as_id, run_as_name, error, running_on, run_as_service, state, before, next_at, evaluated_at, told_at))
inline constexpr store::Collection<Alert> alerts_table{"queries.alert"};
inline constexpr store::Collection<AlertV2> alerts_v2_table{"queries.alert_v2"};
/// When its schedule wants it next; 0: never.
Millis next_evaluation(const AlertV2& alert, Millis after);
struct Dashboard : Place {
  DashboardFields fields;
  std::int64_t revision = 1;  // the etag
  std::optional<Published> published;
};
BOOST_DESCRIBE_STRUCT(Dashboard, (Place), (fields, revision, published))

template <class T>
struct Page {
  std::vector<T> items;
  std::optional<std::string> next;  // pass as `after`
};

class Objects final : public workspace::Watcher {
 public:
  /// All must outlive this. Declares the kinds queries, alerts, alertsv2 and dashboards.
  Objects(store::Store& store, access::ObjectPermissions& permissions, identity::Directory& directory, workspace::Tree& tree, const Clock& clock);

  // Making one needs CAN_MANAGE on its folder (the caller's home where none is named) and, of an alert, CAN_READ on its query. Reading needs
  // CAN_READ, changing CAN_EDIT, trashing, publishing and giving it away CAN_MANAGE. What the caller may not read does not exist for it.
  Result<Query> create_query(const access::Context& ctx, QueryFields fields, bool resolve_name);
  Result<Query> query(const access::Context& ctx, const std::string& id);
  Page<Query> queries(const access::Context& ctx, const std::string& after, std::size_t limit);
  /// `mask`: the fields to take from the request, comma-separated.
  Result<Query> update_query(const access::Context& ctx, const std::string& id, const QueryFields& fields, const std::string& mask,
                             bool resolve_name);
  Result<void> trash_query(const access::Context& ctx, const std::string& id);

  Result<Alert> create_alert(const access::Context& ctx, AlertFields fields, bool resolve_name);
  Result<Alert> alert(const access::Context& ctx, const std::string& id);
  /// For a task that evaluates it: CAN_RUN on the alert and on its query.
  Result<std::pair<Alert, Query>> alert_to_run(const access::Context& ctx, const std::string& id);
  Page<Alert> alerts(const access::Context& ctx, const std::string& after, std::size_t limit);
  Result<Alert> update_alert(const access::Context& ctx, const std::string& id, const AlertFields& fields, const std::string& mask,
                             bool resolve_name);
  Result<void> trash_alert(const access::Context& ctx, const std::string& id);

  // The newer kind needs CAN_MANAGE on its folder, too. It runs as its maker or, where `run_as` says so, as a service principal that the maker may
  // use.
  Result<AlertV2> create_alert_v2(const access::Context& ctx, AlertV2Fields fields);
  Result<AlertV2> alert_v2(const access::Context& ctx, const std::string& id);
  Page<AlertV2> alerts_v2(const access::Context& ctx, const std::string& after, std::size_t limit);
  Result<AlertV2> update_alert_v2(const access::Context& ctx, const std::string& id, const AlertV2Fields& fields, const std::string& mask);
  /// Into the trash, or away for good.
  Result<void> trash_alert_v2(const access::Context& ctx, const std::string& id, bool purge);
  /// At start-up: whether a workspace has a notification destination. Without it none is known.
  void destinations(std::function<bool(std::int64_t workspace_id, const std::string& id)> exists) { destination_exists_ = std::move(exists); }

  Result<Dashboard> create_dashboard(const access::Context& ctx, DashboardFields fields);
  Result<Dashboard> dashboard(const access::Context& ctx, const std::string& id);
  Page<Dashboard> dashboards(const access::Context& ctx, const std::string& after, std::size_t limit, bool trashed);
  /// With an etag, only if it is still that one (conflict).
  Result<Dashboard> update_dashboard(const access::Context& ctx, const std::string& id, const DashboardFields& fields);
  Result<void> trash_dashboard(const access::Context& ctx, const std::string& id);
  Result<Published> publish(const access::Context& ctx, const std::string& id, std::optional<std::string> warehouse, bool embed_credentials);
  Result<void> unpublish(const access::Context& ctx, const std::string& id);
  Result<Published> published(const access::Context& ctx, const std::string& id);

  /// A deleted folder takes what lies in it along.
  void on_removed(store::WriteTxn& t, const workspace::Node& node) override;
  bool holds(store::ReadTxn& t, const workspace::Node& folder) override;

  /// A deleted workspace's records, within the transaction that deletes it.
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) const;

 private:
  template <class T>
  struct Kind;
  template <class T>
  void declare();
  template <class T>
  Result<T> reach(const access::Context& ctx, const std::string& id, std::string_view level);
  template <class T>
  Result<T> add(const access::Context& ctx, T object, const std::optional<std::string>& parent, bool resolve_name);
  template <class T, class F>
  Result<T> change(const access::Context& ctx, const std::string& id, const char* action, std::string_view level, F&& body);
  template <class T>
  Page<T> list(const access::Context& ctx, const std::string& after, std::size_t limit, bool trashed);
  template <class T>
  bool name_taken(store::ReadTxn& t, const T& object) const;
  Result<std::string> principal(const access::Context& ctx, const std::string& name);
  Result<void> check(const access::Context& ctx, const QueryFields& fields);
  Result<void> check(const access::Context& ctx, const AlertFields& fields);
  Result<void> check(const access::Context& ctx, const AlertV2Fields& fields);
  Result<void> set_run_as(const access::Context& ctx, AlertV2& alert);
  Result<void> check(const access::Context& ctx, const DashboardFields& fields);

  store::Store& store_;
  access::ObjectPermissions& permissions_;
  identity::Directory& directory_;
  workspace::Tree& tree_;
  const Clock& clock_;
  std::function<bool(std::int64_t, const std::string&)> destination_exists_;
};

}  // namespace tarn::queries
