#pragma once
// Registered models and SQL functions: both are what Unity Catalog calls routines, securables of type FUNCTION that share the names of a schema.
// A registered model holds versions; the files of a version lie in managed storage and are written once, before it is finalized.
// Sources: REST API reference "Registered Models", "Model Versions", "Functions"; MLflow's databricks_uc_registry_messages.proto.
#include "catalog/records.h"

namespace tarn::catalog {

struct Tag {
  std::string key, value;
};
BOOST_DESCRIBE_STRUCT(Tag, (), (key, value))

struct ModelAlias {
  std::string alias_name, id;
  std::int64_t version_num = 0;
};
BOOST_DESCRIBE_STRUCT(ModelAlias, (), (alias_name, id, version_num))

/// What only a registered model has.
struct ModelPart {
  std::string storage_location;
  std::vector<Tag> tags;
  std::vector<ModelAlias> aliases;
  std::int64_t last_version = 0;  // numbers are never used twice
  std::optional<std::string> deployment_job_id;
};
BOOST_DESCRIBE_STRUCT(ModelPart, (), (storage_location, tags, aliases, last_version, deployment_job_id))

struct RoutineRecord {
  std::string id, name, catalog_id, schema_id, metastore_id;
  std::optional<std::string> comment;
  Millis created_at = 0, updated_at = 0;
  std::string created_by, updated_by;
  Access access;
  std::optional<ModelPart> model;
  json::value function;  // a function's own fields as it was created; null for a model
  std::string store_key() const { return store::key({schema_id, name}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", id, true}, {"metastore", metastore_id}}; }
};
BOOST_DESCRIBE_STRUCT(RoutineRecord, (),
                      (id, name, catalog_id, schema_id, metastore_id, comment, created_at, updated_at, created_by, updated_by, access, model,
                       function))

enum class VersionStatus { PENDING_REGISTRATION, FAILED_REGISTRATION, READY };
BOOST_DESCRIBE_ENUM(VersionStatus, PENDING_REGISTRATION, FAILED_REGISTRATION, READY)

struct VersionRecord {
  std::string id, routine_id, source, storage_location;
  std::int64_t version = 0;
  VersionStatus status = VersionStatus::PENDING_REGISTRATION;
  std::optional<std::string> run_id, comment, logged_model_id;
  std::optional<std::int64_t> run_workspace_id;
  std::vector<Tag> tags;
  json::value dependencies;
  Millis created_at = 0, updated_at = 0;
  std::string created_by, updated_by;
  std::string store_key() const { return store::key({routine_id, store::sortable(version)}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", id, true}}; }
};
BOOST_DESCRIBE_STRUCT(VersionRecord, (),
                      (id, routine_id, source, storage_location, version, status, run_id, comment, logged_model_id, run_workspace_id, tags,
                       dependencies, created_at, updated_at, created_by, updated_by))

inline constexpr store::Collection<RoutineRecord> kRoutines{"uc_routine"};
inline constexpr store::Collection<VersionRecord> kVersions{"uc_model_version"};

}  // namespace tarn::catalog
