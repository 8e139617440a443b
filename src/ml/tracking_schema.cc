#include "ml/database.h"

namespace tarn::ml {

// Children are keyed by a run's number, which is small and grows with time, not by its 32 characters. What searches compare carries its
// experiment, so that a filter or an order is a walk along one index. Long values are indexed by their beginning (PostgreSQL bounds a key).
const std::vector<std::string>& tracking_schema() {
  static const std::vector<std::string> steps{R"(
CREATE TABLE ml_run (
  rid {serial}, run_id {text} NOT NULL UNIQUE, workspace BIGINT NOT NULL, experiment BIGINT NOT NULL, name {text} NOT NULL, user_name {text} NOT NULL,
  status {text} NOT NULL, start_time BIGINT NOT NULL, end_time BIGINT, deleted_at BIGINT, artifact_uri {text} NOT NULL);
CREATE INDEX ml_run_by_start ON ml_run (experiment, start_time DESC, run_id);
CREATE INDEX ml_run_by_name ON ml_run (experiment, substr(name, 1, 200));
CREATE TABLE ml_metric (
  rid BIGINT NOT NULL, key {text} NOT NULL, at BIGINT NOT NULL, step BIGINT NOT NULL, value {real} NOT NULL, is_nan INTEGER NOT NULL,
  model_id {text}, dataset_name {text}, dataset_digest {text}, PRIMARY KEY (rid, key, at, step, value, is_nan)){compact};
CREATE TABLE ml_latest (
  rid BIGINT NOT NULL, key {text} NOT NULL, experiment BIGINT NOT NULL, at BIGINT NOT NULL, step BIGINT NOT NULL, value {real} NOT NULL,
  is_nan INTEGER NOT NULL, model_id {text}, dataset_name {text}, dataset_digest {text}, PRIMARY KEY (rid, key)){compact};
CREATE INDEX ml_latest_by_value ON ml_latest (experiment, key, is_nan, value, rid);
CREATE TABLE ml_param (rid BIGINT NOT NULL, key {text} NOT NULL, experiment BIGINT NOT NULL, value {text} NOT NULL, PRIMARY KEY (rid, key)){compact};
CREATE INDEX ml_param_by_value ON ml_param (experiment, key, substr(value, 1, 200), rid);
CREATE TABLE ml_tag (rid BIGINT NOT NULL, key {text} NOT NULL, experiment BIGINT NOT NULL, value {text} NOT NULL, PRIMARY KEY (rid, key)){compact};
CREATE INDEX ml_tag_by_value ON ml_tag (experiment, key, substr(value, 1, 200), rid);
CREATE TABLE ml_dataset (
  rid BIGINT NOT NULL, name {text} NOT NULL, digest {text} NOT NULL, experiment BIGINT NOT NULL, source_type {text} NOT NULL, source {text} NOT NULL,
  schema {text}, profile {text}, context {text}, tags {text} NOT NULL, PRIMARY KEY (rid, name, digest)){compact};
CREATE INDEX ml_dataset_by_name ON ml_dataset (experiment, name, digest, rid);
CREATE TABLE ml_run_model (
  rid BIGINT NOT NULL, direction {text} NOT NULL, model_id {text} NOT NULL, step BIGINT NOT NULL, PRIMARY KEY (rid, direction, model_id, step)){compact};
CREATE INDEX ml_run_model_by_model ON ml_run_model (model_id);
CREATE TABLE ml_model (
  model_id {text} PRIMARY KEY, workspace BIGINT NOT NULL, experiment BIGINT NOT NULL, name {text} NOT NULL, model_type {text}, source_run_id {text},
  status {text} NOT NULL, status_message {text}, creator BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, deleted_at BIGINT,
  artifact_uri {text} NOT NULL, registrations {text} NOT NULL);
CREATE INDEX ml_model_by_experiment ON ml_model (experiment, created_at DESC, model_id);
CREATE TABLE ml_model_param (model_id {text} NOT NULL, key {text} NOT NULL, value {text} NOT NULL, PRIMARY KEY (model_id, key)){compact};
CREATE TABLE ml_model_tag (model_id {text} NOT NULL, key {text} NOT NULL, value {text} NOT NULL, PRIMARY KEY (model_id, key)){compact};
CREATE TABLE ml_model_metric (
  model_id {text} NOT NULL, key {text} NOT NULL, dataset_name {text} NOT NULL, dataset_digest {text} NOT NULL, run_id {text} NOT NULL, at BIGINT NOT NULL,
  step BIGINT NOT NULL, value {real} NOT NULL, is_nan INTEGER NOT NULL, PRIMARY KEY (model_id, key, dataset_name, dataset_digest, run_id)){compact};
)",
                                              // Eight steps of a run lie together: a batch of many metrics writes few pages, where it wrote one
                                              // a metric; a history is read from one place an eight.
                                              R"(
CREATE TABLE ml_metric_by_step (
  rid BIGINT NOT NULL, bucket BIGINT NOT NULL, key {text} NOT NULL, at BIGINT NOT NULL, step BIGINT NOT NULL, value {real} NOT NULL,
  is_nan INTEGER NOT NULL, model_id {text}, dataset_name {text}, dataset_digest {text},
  PRIMARY KEY (rid, bucket, key, at, step, value, is_nan)){compact};
INSERT INTO ml_metric_by_step (rid, bucket, key, at, step, value, is_nan, model_id, dataset_name, dataset_digest)
  SELECT rid, step >> 3, key, at, step, value, is_nan, model_id, dataset_name, dataset_digest FROM ml_metric ORDER BY rid, step >> 3, key;
DROP TABLE ml_metric;
ALTER TABLE ml_metric_by_step RENAME TO ml_metric;
DROP INDEX ml_param_by_value;
CREATE INDEX ml_param_by_value ON ml_param (experiment, key, {indexed}, rid);
)"};
  return steps;
}

const std::vector<Table>& tracking_tables() {
  static const std::vector<Table> tables{
      {"ml_run", {"rid", "run_id", "workspace", "experiment", "name", "user_name", "status", "start_time", "end_time", "deleted_at", "artifact_uri"}},
      {"ml_metric", {"rid", "bucket", "key", "at", "step", "value", "is_nan", "model_id", "dataset_name", "dataset_digest"}},
      {"ml_latest", {"rid", "key", "experiment", "at", "step", "value", "is_nan", "model_id", "dataset_name", "dataset_digest"}},
      {"ml_param", {"rid", "key", "experiment", "value"}},
      {"ml_tag", {"rid", "key", "experiment", "value"}},
      {"ml_dataset", {"rid", "name", "digest", "experiment", "source_type", "source", "schema", "profile", "context", "tags"}},
      {"ml_run_model", {"rid", "direction", "model_id", "step"}},
      {"ml_model",
       {"model_id", "workspace", "experiment", "name", "model_type", "source_run_id", "status", "status_message", "creator", "created_at",
        "updated_at", "deleted_at", "artifact_uri", "registrations"}},
      {"ml_model_param", {"model_id", "key", "value"}},
      {"ml_model_tag", {"model_id", "key", "value"}},
      {"ml_model_metric", {"model_id", "key", "dataset_name", "dataset_digest", "run_id", "at", "step", "value", "is_nan"}},
  };
  return tables;
}

}  // namespace tarn::ml
