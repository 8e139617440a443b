#pragma once
// system.billing.{usage, list_prices} and system.compute.{clusters, node_types, node_timeline}: what compute and billing keep, as tables.
// Source: docs.databricks.com "Billable usage system table reference", "Pricing system table reference", "Compute system tables reference".
#include "billing/usage.h"
#include "catalog/metastores.h"
#include "compute/clusters.h"
#include "sql/system_tables.h"

namespace tarn::app {

/// All must outlive the tables.
std::vector<sql::RoomTable> compute_tables(compute::Clusters& clusters, billing::Usage& usage, const Clock& clock, const std::string& account_id);

}  // namespace tarn::app
