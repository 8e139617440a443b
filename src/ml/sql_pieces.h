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

/// Collects a statement's parameters.
struct Parameters {
  std::vector<Value> values;
  std::string add(Value v) {
    values.push_back(std::move(v));
    return "$" + std::to_string(values.size());
  }
};

}  // namespace tarn::ml
