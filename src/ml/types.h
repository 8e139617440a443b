#pragma once
// Experiments, runs and what they log, as the wire shows them (MLflow's service.proto, Databricks REST reference "Experiments").
// Times are milliseconds since the epoch. Metric values may be NaN or infinite; the wire spells those as strings.
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "ml/errors.h"

namespace tarn::ml {

struct KeyValue {
  std::string key, value;
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};
BOOST_DESCRIBE_STRUCT(KeyValue, (), (key, value))

enum class RunStatus { RUNNING, SCHEDULED, FINISHED, FAILED, KILLED };
BOOST_DESCRIBE_ENUM(RunStatus, RUNNING, SCHEDULED, FINISHED, FAILED, KILLED)
enum class ViewType { ACTIVE_ONLY, DELETED_ONLY, ALL };
BOOST_DESCRIBE_ENUM(ViewType, ACTIVE_ONLY, DELETED_ONLY, ALL)

struct Metric {
  std::string key;
  double value = 0;
  std::int64_t timestamp = 0, step = 0;
  std::optional<std::string> model_id, dataset_name, dataset_digest, run_id;
};

struct RunInfo {
  std::string run_id, run_uuid, run_name, experiment_id, user_id, status, artifact_uri, lifecycle_stage;
  std::int64_t start_time = 0;
  std::optional<std::int64_t> end_time;
};
BOOST_DESCRIBE_STRUCT(RunInfo, (), (run_id, run_uuid, run_name, experiment_id, user_id, status, start_time, end_time, artifact_uri, lifecycle_stage))

struct Dataset {
  std::string name, digest, source_type, source;
  std::optional<std::string> schema, profile;
};
BOOST_DESCRIBE_STRUCT(Dataset, (), (name, digest, source_type, source, schema, profile))
struct DatasetInput {
  std::vector<KeyValue> tags;
  Dataset dataset;
};
BOOST_DESCRIBE_STRUCT(DatasetInput, (), (tags, dataset))
struct ModelInput {
  std::string model_id;
};
BOOST_DESCRIBE_STRUCT(ModelInput, (), (model_id))
struct ModelOutput {
  std::string model_id;
  std::int64_t step = 0;
};
BOOST_DESCRIBE_STRUCT(ModelOutput, (), (model_id, step))

struct Run {
  RunInfo info;
  std::vector<Metric> metrics;  // the latest of each key
  std::vector<KeyValue> params, tags;
  std::vector<DatasetInput> datasets;
  std::vector<ModelInput> model_inputs;
  std::vector<ModelOutput> model_outputs;
};

/// What one call logs to a run, as a whole or not at all.
struct Batch {
  std::vector<Metric> metrics;
  std::vector<KeyValue> params, tags;
};

enum class LoggedModelStatus { LOGGED_MODEL_PENDING, LOGGED_MODEL_READY, LOGGED_MODEL_UPLOAD_FAILED };
BOOST_DESCRIBE_ENUM(LoggedModelStatus, LOGGED_MODEL_PENDING, LOGGED_MODEL_READY, LOGGED_MODEL_UPLOAD_FAILED)

struct ModelRegistration {
  std::string name, version;
};
BOOST_DESCRIBE_STRUCT(ModelRegistration, (), (name, version))
struct LoggedModelInfo {
  std::string model_id, experiment_id, name, artifact_uri, status;
  std::int64_t creation_timestamp_ms = 0, last_updated_timestamp_ms = 0, creator_id = 0;
  std::optional<std::string> model_type, source_run_id, status_message;
  std::vector<KeyValue> tags;
  std::vector<ModelRegistration> registrations;
};
BOOST_DESCRIBE_STRUCT(LoggedModelInfo, (),
                      (model_id, experiment_id, name, creation_timestamp_ms, last_updated_timestamp_ms, artifact_uri, status, creator_id, model_type,
                       source_run_id, status_message, tags, registrations))
struct LoggedModel {
  LoggedModelInfo info;
  std::vector<KeyValue> params;
  std::vector<Metric> metrics;
};

struct FileInfo {
  std::string path;  // relative to the root
  bool is_dir = false;
  std::optional<std::int64_t> file_size;
};
BOOST_DESCRIBE_STRUCT(FileInfo, (), (path, is_dir, file_size))

template <class T>
struct Page {
  std::vector<T> items;
  std::string next;  // where the next page goes on; empty at the end. Opaque to callers.
};

}  // namespace tarn::ml
