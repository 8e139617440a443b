#pragma once
// What the statements of this room share: rows read, values written. Private to the room.
#include "ml/database.h"
#include "ml/types.h"

namespace tarn::ml {

/// SQLite has no NaN: it is a flag beside 0.
inline Value stored(double v) { return std::isnan(v) ? 0.0 : v; }
inline Value flag(bool v) { return static_cast<std::int64_t>(v ? 1 : 0); }
template <class T>
Value maybe(const std::optional<T>& v) {
  return v ? Value(*v) : Value(nullptr);
}
/// Columns key, value, is_nan, at, step, model_id, dataset_name, dataset_digest from `first` on.
inline Metric metric_of(const Row& r, int first) {
  return {.key = r.text(first),
          .value = r.number(first + 2) ? std::nan("") : r.real(first + 1),
          .timestamp = r.number(first + 3),
          .step = r.number(first + 4),
          .model_id = r.maybe_text(first + 5),
          .dataset_name = r.maybe_text(first + 6),
          .dataset_digest = r.maybe_text(first + 7)};
}
inline constexpr const char* kMetricColumns = "key, value, is_nan, at, step, model_id, dataset_name, dataset_digest";

/// Where a metric's value lies in its run's history: eight steps together.
inline std::int64_t bucket_of(std::int64_t step) { return step >> 3; }
/// FROM and WHERE of a metric's history: from bucket to bucket of the run, as `b`, and the metric's rows `m` in each.
inline constexpr const char* kHistory =
    "WITH RECURSIVE b(n) AS (SELECT min(bucket) FROM ml_metric WHERE rid = $1 AND bucket >= $3 UNION ALL "
    "SELECT (SELECT min(bucket) FROM ml_metric WHERE rid = $1 AND bucket > b.n AND bucket <= $4) FROM b WHERE b.n IS NOT NULL) "
    "SELECT key, value, is_nan, at, step, model_id, dataset_name, dataset_digest FROM b CROSS JOIN ml_metric AS m "
    "WHERE m.rid = $1 AND m.bucket = b.n AND m.key = $2";

/// Numbers of runs as a set: a bit each.
inline void add_to(std::string& set, std::int64_t rid) {
  if (static_cast<std::size_t>(rid / 8) >= set.size()) set.resize(static_cast<std::size_t>(rid / 8) * 3 / 2 + 64, '\0');
  set[static_cast<std::size_t>(rid / 8)] = static_cast<char>(set[static_cast<std::size_t>(rid / 8)] | 1 << (rid % 8));
}

/// Collects a statement's parameters.
struct Parameters {
  std::vector<Value> values;
  std::string add(Value v) {
    values.push_back(std::move(v));
    return "$" + std::to_string(values.size());
  }
};

}  // namespace tarn::ml
