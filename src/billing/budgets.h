#pragma once
// Budgets of the account: what spending per month somebody wants to hear of, and about which workspaces and tags. Kept and checked as the
// vendor does. What happens when one is spent is budget_watch.h's. For account admins (routes see to that). Thread-safe.
// Source: REST API reference, account "Budgets"; databricks-sdk-go service/billing.
#include "access/caller.h"
#include "base/clock.h"
#include "billing/errors.h"

namespace tarn::billing {

struct ActionConfiguration {
  std::optional<std::string> action_configuration_id, action_type, target;
};
BOOST_DESCRIBE_STRUCT(ActionConfiguration, (), (action_configuration_id, action_type, target))

struct AlertConfiguration {
  std::optional<std::string> alert_configuration_id, quantity_threshold, quantity_type, scope_type, time_period, trigger_type;
  std::vector<ActionConfiguration> action_configurations;
};
BOOST_DESCRIBE_STRUCT(AlertConfiguration, (),
                      (alert_configuration_id, time_period, trigger_type, quantity_type, quantity_threshold, scope_type, action_configurations))

struct TagClause {
  std::optional<std::string> operator_;
  std::vector<std::string> values;
};
BOOST_DESCRIBE_STRUCT(TagClause, (), (operator_, values))

struct TagFilter {
  std::optional<std::string> key;
  std::optional<TagClause> value;
};
BOOST_DESCRIBE_STRUCT(TagFilter, (), (key, value))

struct WorkspaceClause {
  std::optional<std::string> operator_;
  std::vector<std::int64_t> values;
};
BOOST_DESCRIBE_STRUCT(WorkspaceClause, (), (operator_, values))

struct BudgetFilter {
  std::vector<TagFilter> tags;
  std::optional<WorkspaceClause> workspace_id;
};
BOOST_DESCRIBE_STRUCT(BudgetFilter, (), (tags, workspace_id))

/// A request's budget, and a kept one (which has its ids).
struct Budget {
  std::optional<std::string> account_id, budget_configuration_id, display_name;
  std::vector<AlertConfiguration> alert_configurations;
  std::optional<BudgetFilter> filter;
  std::optional<Millis> create_time, update_time;
  std::string store_key() const { return budget_configuration_id.value_or(""); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(Budget, (), (account_id, budget_configuration_id, display_name, alert_configurations, filter, create_time, update_time))

class Budgets {
 public:
  static constexpr std::size_t kMostAlerts = 4;

  /// Store and clock must outlive this.
  Budgets(store::Store& store, const Clock& clock, std::string account_id) : store_(store), clock_(clock), account_id_(std::move(account_id)) {}

  // invalid names the field; not_found.
  Result<Budget> create(const access::Context& ctx, Budget wanted);
  Result<Budget> get(const std::string& id);
  /// At most `limit` budgets after the one with this id, by id.
  std::vector<Budget> list(const std::string& after, std::size_t limit);
  /// Alerts and actions keep the ids that they come with, if the budget has them.
  Result<Budget> update(const access::Context& ctx, const std::string& id, Budget wanted);
  Result<void> remove(const access::Context& ctx, const std::string& id);

 private:
  Result<Budget> checked(Budget wanted, const Budget* before) const;

  store::Store& store_;
  const Clock& clock_;
  const std::string account_id_;
};

}  // namespace tarn::billing
