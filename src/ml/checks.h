#pragma once
// What MLflow lets be logged: names, lengths and how much at once, with the texts of its own validation (mlflow/utils/validation.py).
#include "ml/types.h"

namespace tarn::ml {

/// Metric and param names: letters, digits and / _ . - : and blanks, and no path tricks.
Result<void> check_name(std::string_view name, std::string_view path);
Result<void> check_metric(const Metric& m, std::string_view path);
Result<void> check_param(const KeyValue& p, std::string_view path);
Result<void> check_tag(const KeyValue& t, std::string_view path);
Result<void> check_experiment_tag(const KeyValue& t);
Result<void> check_dataset(const DatasetInput& d, std::string_view path);
/// Limits of one call (1000 metrics, 100 params, 100 tags, 1000 in all), every entry, and no param twice with two values.
Result<void> check_batch(const Batch& batch);

/// A path below an artifact root: relative, without `.`, `..` and empty parts. Empty stays empty: the root.
Result<std::string> checked_artifact_path(std::string_view path);

}  // namespace tarn::ml
