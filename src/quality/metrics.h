#pragma once
// The SQL of a refresh: the statements that make a monitor's profile and drift tables anew, whole, from the table as it is. Pure.
//
// One row a window, granularity, slice and column (`:table` for the table itself). Windows begin at whole units of their granularity; a snapshot has
// one, the moment of the refresh. Every slicing expression is grouped by its values; slice_key and slice_value are NULL for all rows. Drift compares
// each window with the one before it that has rows (CONSECUTIVE) and, where there is a baseline table, with that (BASELINE).
//
// Names and meanings follow the vendor's "Monitor metric tables". Numeric columns: ks_test (two samples; asymptotic p-value), wasserstein_distance,
// population_stability_index over deciles of the compared window. Others: chi_squared_test (p-value by Wilson and Hilferty), tv_distance,
// l_infinity_distance, js_distance (natural logarithm). Shares in the index are at least 0.0001.
#include "quality/types.h"

namespace tarn::quality {

struct MonitoredColumn {
  std::string name, type;  // Databricks SQL's spelling
};

struct MetricsInput {
  const Monitor& monitor;
  std::vector<MonitoredColumn> columns;
  std::vector<std::string> baseline_columns;  // by name, lower case; empty: no baseline
  std::int64_t version = 0;                   // the table's Delta version that is read
  bool pinned = true;                         // read that version; a table with filters or masks has no time travel
  Millis now = 0;
};

std::string profile_sql(const MetricsInput& in);
std::string drift_sql(const MetricsInput& in);

/// The vendor's granularities: "5 minutes", "30 minutes", "1 hour", "1 day", "N week(s)", "1 month", "1 year".
bool known_granularity(const std::string& text);

}  // namespace tarn::quality
