#pragma once
// What MLflow lets be logged: names, lengths and how much at once, with the texts of its own validation (mlflow/utils/validation.py).
#include "ml/types.h"

namespace tarn::ml {

/// Where a field stands in a request, for the text of an error: "key", or "metrics[3].key". Put into words only then: a batch has a thousand.
/// Refers to the names that it is made of.
struct FieldPath {
  std::string_view list{};  // empty: no list around it
  std::size_t index = 0;
  std::string_view name{};  // empty: the entry itself

  FieldPath(std::string_view field) : name(field) {}
  FieldPath(const char* field) : name(field) {}
  FieldPath(std::string_view around, std::size_t at, std::string_view field = {}) : list(around), index(at), name(field) {}
  /// A field of the entry that this is.
  FieldPath operator/(std::string_view field) const { return list.empty() ? FieldPath(field) : FieldPath(list, index, field); }
  std::string text() const;
};

/// Metric and param names: letters, digits and / _ . - : and blanks, and no path tricks.
Result<void> check_name(std::string_view name, const FieldPath& path);
Result<void> check_metric(const Metric& m, const FieldPath& path);
Result<void> check_param(const KeyValue& p, const FieldPath& path);
Result<void> check_tag(const KeyValue& t, const FieldPath& path);
Result<void> check_experiment_tag(const KeyValue& t);
Result<void> check_dataset(const DatasetInput& d, const FieldPath& path);
/// Limits of one call (1000 metrics, 100 params, 100 tags, 1000 in all), every entry, and no param twice with two values.
Result<void> check_batch(const Batch& batch);

/// A path below an artifact root: relative, without `.`, `..` and empty parts. Empty stays empty: the root.
Result<std::string> checked_artifact_path(std::string_view path);

}  // namespace tarn::ml
