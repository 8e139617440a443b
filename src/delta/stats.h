#pragma once
// Per-file statistics ("Per-file Statistics") from what a Parquet writer counted, in a neutral form.
#include <optional>
#include <string>
#include <vector>

#include "delta/log.h"

namespace tarn::delta {

/// What is known of one leaf column of a written file. `path` is the column's name, then the names of nested struct fields.
/// Bounds are text as DuckDB prints the values: 42, 1.5, 2024-01-31, 2024-01-31 10:00:00.123456 (optionally with +00 or Z), any string.
struct ColumnStats {
  std::vector<std::string> path;
  std::optional<std::string> min, max;
  std::optional<std::int64_t> null_count;
  bool has_nan = false;  // float and double: bounds say nothing then
};

/// The JSON of AddFile::stats. Bounds of strings are cut at 32 characters (the upper one raised so that it stays an upper bound), those of
/// timestamps at milliseconds; columns without an order (boolean, binary, arrays, maps, variant) have null counts only; only the first
/// `delta.dataSkippingNumIndexedCols` (32) leaf columns count,
/// or those that `delta.dataSkippingStatsColumns` names. Unknown columns, partition columns and unreadable bounds are left out.
std::string stats_json(const Metadata& metadata, std::int64_t rows, const std::vector<ColumnStats>& columns);

/// Whether the table's data files are written with bounds for a column: its type has an order, and it is among those that are indexed
/// (delta.dataSkippingStatsColumns, or the first delta.dataSkippingNumIndexedCols).
bool has_bounds(const Metadata& metadata, const Field& field);

/// The columns of DuckDB's COPY … RETURN_STATS name: `"a"."b"` -> {a, b}; list elements and map entries (not part of Delta's statistics) -> {}.
std::vector<std::string> stats_path(std::string_view duckdb_name, const Schema& schema);

}  // namespace tarn::delta
