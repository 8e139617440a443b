#pragma once
// What was used: DBUs by the hour, cluster and kind of node, written by whoever runs it in the transaction that changes what runs, so that a
// killed control plane neither forgets nor counts twice. Rows are the vendor's system.billing.usage; prices its list prices for AWS.
// A platform that its owner runs sends no bill: dollars are what budgets count in.
// Source: docs.databricks.com "Billable usage system table reference", "Pricing system table reference"; databricks.com/product/pricing.
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "store/store.h"

namespace tarn::billing {

/// Within one hour: what one cluster's nodes of one type used.
struct UsageRecord {
  std::int64_t workspace_id = 0;
  std::string cluster_id, sku_name, product;  // product: ALL_PURPOSE or JOBS
  std::string node_type, run_as, policy_id, instance_pool_id;
  std::map<std::string, std::string> custom_tags;
  Millis hour = 0, start = 0, end = 0;
  double dbus = 0, node_hours = 0;
  std::string store_key() const {
    return store::key({store::sortable(hour), store::sortable(workspace_id), cluster_id, sku_name, node_type, instance_pool_id});
  }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(UsageRecord, (),
                      (workspace_id, cluster_id, sku_name, product, node_type, run_as, policy_id, instance_pool_id, custom_tags, hour, start, end,
                       dbus))

/// A month in UTC, as the vendor counts spending.
struct Month {
  Millis from = 0, to = 0;
  std::string name;  // 2026-11
};
Month month_at(Millis now);

/// One row an hour of `from` to `to` at this rate.
std::vector<UsageRecord> by_hour(UsageRecord what, Millis from, Millis to, double dbus_per_hour);
/// Adds to what the hour has of the same cluster and node type. Within the transaction that made it true.
void add_usage(store::WriteTxn& t, UsageRecord u);

struct Price {
  std::string sku_name;
  double dollars_per_dbu;
};
const std::vector<Price>& list_prices();
/// 0 for what has no price.
double dollars(const UsageRecord& u);

/// What runs now and is not written down yet. Called outside transactions; thread-safe.
class RunningUsage {
 public:
  virtual ~RunningUsage() = default;
  virtual std::vector<UsageRecord> running_usage() = 0;
};

class Usage {
 public:
  explicit Usage(store::Store& store) : store_(store) {}
  /// Set once at start-up.
  void also(RunningUsage* running) { running_.push_back(running); }
  /// Rows of the hours that begin within [from, to), with what runs now; oldest first, at most `limit` (the newest are cut).
  std::vector<UsageRecord> rows(Millis from, Millis to, std::size_t limit = 1'000'000);

 private:
  store::Store& store_;
  std::vector<RunningUsage*> running_;
};

}  // namespace tarn::billing
