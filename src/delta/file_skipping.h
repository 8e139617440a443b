#pragma once
// Which files of a table may hold rows that a query wants, by what the log says of them: partition values and statistics (Delta protocol, "Partition
// Value Serialization", "Per-file Statistics"). Pure functions over a snapshot; a file is left out only where the log proves that it holds no such
// row.
#include <span>
#include <string>
#include <vector>

#include "delta/data_files.h"

namespace tarn::delta {

/// A constant as it is written. `type`: decimal (`-12`, `1.50`), string, date (`2024-01-31`), timestamp or timestamp_ntz (a date, or a date and a
/// time with up to six digits of seconds; in UTC).
struct BoundValue {
  std::string text, type;
};

/// A condition that a row must meet, never true of NULL.
struct ColumnBound {
  enum class Op { equal, less, less_equal, greater, greater_equal, not_null };
  std::string column;
  Op op = Op::equal;
  std::vector<BoundValue> values;  // equal: one of these; not_null: none; else one
};

/// The places in `files.files` (made from the snapshot) of the files that may hold a row which meets all of the bounds, in order. Nothing: none can
/// be left out. What cannot be judged leaves no file out: a value or a statistic of another type than the column's, floating point that may hide a
/// NaN, CHAR(n), nested and binary columns, files without statistics.
std::optional<std::vector<std::size_t>> files_that_may_hold(const Snapshot& snapshot, const DataFiles& files, std::span<const ColumnBound> bounds);

}  // namespace tarn::delta
