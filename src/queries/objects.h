#pragma once
// Saved queries, alerts and dashboards (Lakeview): kept, listed, changed and trashed under lists of their own and the rights of their folder. They
// are documents: running a query is a warehouse's work, evaluating an alert or drawing a dashboard a client's. Thread-safe; methods block on the
// store. Source: REST API reference "Queries", "Alerts", "Lakeview", databricks-sdk-go service/sql, dashboards.
#include "base/refusal.h"
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
enum class AlertState { UNKNOWN, OK, TRIGGERED };
BOOST_DESCRIBE_ENUM(AlertState, UNKNOWN, OK, TRIGGERED)
enum class AlertOperator { GREATER_THAN, GREATER_THAN_OR_EQUAL, LESS_THAN, LESS_THAN_OR_EQUAL, EQUAL, NOT_EQUAL, IS_NULL };
BOOST_DESCRIBE_ENUM(AlertOperator, GREATER_THAN, GREATER_THAN_OR_EQUAL, LESS_THAN, LESS_THAN_OR_EQUAL, EQUAL, NOT_EQUAL, IS_NULL)

/// What the three share in the store; not on the wire.
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

struct AlertValue {
  std::optional<std::string> string_value;
  std::optional<double> double_value;
  std::optional<bool> bool_value;
};
BOOST_DESCRIBE_STRUCT(AlertValue, (), (string_value, double_value, bool_value))
struct AlertThreshold {
  AlertValue value;
};
BOOST_DESCRIBE_STRUCT(AlertThreshold, (), (value))
struct AlertColumn {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(AlertColumn, (), (name))
struct AlertOperand {
  AlertColumn column;
};
BOOST_DESCRIBE_STRUCT(AlertOperand, (), (column))
struct AlertCondition {
  AlertOperator op = AlertOperator::EQUAL;
  AlertOperand operand;
  std::optional<AlertThreshold> threshold;
  std::optional<AlertState> empty_result_state;
};
BOOST_DESCRIBE_STRUCT(AlertCondition, (), (op, operand, threshold, empty_result_state))

struct AlertFields {
  std::optional<std::string> display_name, query_id, custom_body, custom_subject, owner_user_name, parent_path;
  std::optional<AlertCondition> condition;
  std::optional<bool> notify_on_ok;
  std::optional<std::int64_t> seconds_to_retrigger;
};
BOOST_DESCRIBE_STRUCT(AlertFields, (),
                      (display_name, query_id, custom_body, custom_subject, owner_user_name, parent_path, condition, notify_on_ok,
                       seconds_to_retrigger))

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
};
BOOST_DESCRIBE_STRUCT(Alert, (Place), (fields))
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
  /// All must outlive this. Declares the kinds queries, alerts and dashboards.
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
  Page<Alert> alerts(const access::Context& ctx, const std::string& after, std::size_t limit);
  Result<Alert> update_alert(const access::Context& ctx, const std::string& id, const AlertFields& fields, const std::string& mask,
                             bool resolve_name);
  Result<void> trash_alert(const access::Context& ctx, const std::string& id);

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
  Result<void> check(const access::Context& ctx, const DashboardFields& fields);

  store::Store& store_;
  access::ObjectPermissions& permissions_;
  identity::Directory& directory_;
  workspace::Tree& tree_;
  const Clock& clock_;
};

}  // namespace tarn::queries
