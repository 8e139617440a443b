#pragma once
// Registered models and their versions. EXECUTE lets load a model, CREATE MODEL VERSION add versions, APPLY TAG set tags; description, aliases,
// renaming and deletion are for those who manage it. A version is made pending, filled through write credentials that its maker gets while it
// is pending, and finalized, which asks that there is a model with a signature in it: from then on its files are only read.
#include "catalog/core.h"
#include "catalog/temporary.h"

namespace tarn::catalog {

/// The tables that a run read, as the tracking room knows them; the model's lineage begins there.
class RunSources {
 public:
  virtual ~RunSources() = default;
  /// Full names of tables. Empty if the caller may not see the run.
  virtual std::vector<std::string> tables_of(const access::Context& ctx, const std::string& run_id) = 0;
  /// A logged model became a version. Best effort.
  virtual void registered(const access::Context& ctx, const std::string& logged_model_id, const std::string& name, const std::string& version) = 0;
};

struct ModelInfo {
  std::string id, name, catalog_name, schema_name, full_name, owner, metastore_id, storage_location;
  std::optional<std::string> comment, deployment_job_id;
  std::vector<ModelAlias> aliases;
  std::vector<Tag> tags;
  std::optional<bool> browse_only;
  Millis created_at = 0, updated_at = 0;
  std::string created_by, updated_by;
};
BOOST_DESCRIBE_STRUCT(ModelInfo, (),
                      (id, name, catalog_name, schema_name, full_name, owner, metastore_id, storage_location, comment, deployment_job_id, aliases,
                       tags, browse_only, created_at, updated_at, created_by, updated_by))

struct VersionInfo {
  std::string id, model_name, catalog_name, schema_name, metastore_id, source, storage_location;
  std::int64_t version = 0;
  VersionStatus status = VersionStatus::PENDING_REGISTRATION;
  std::optional<std::string> run_id, comment, model_id;
  std::optional<std::int64_t> run_workspace_id;
  std::vector<ModelAlias> aliases;
  std::vector<Tag> tags;
  json::value model_version_dependencies;
  Millis created_at = 0, updated_at = 0;
  std::string created_by, updated_by;
  std::string full_name() const { return catalog_name + "." + schema_name + "." + model_name; }
};
BOOST_DESCRIBE_STRUCT(VersionInfo, (),
                      (id, model_name, catalog_name, schema_name, metastore_id, source, storage_location, version, status, run_id, comment, model_id,
                       run_workspace_id, aliases, tags, model_version_dependencies, created_at, updated_at, created_by, updated_by))

struct NewModel {
  std::string name, catalog_name, schema_name;
  std::optional<std::string> comment, storage_location, deployment_job_id;
  std::vector<Tag> tags;
};
BOOST_DESCRIBE_STRUCT(NewModel, (), (name, catalog_name, schema_name, comment, storage_location, deployment_job_id, tags))

struct ModelChange {
  std::optional<std::string> new_name, owner, deployment_job_id;
  json::Patch<std::string> comment;
};
BOOST_DESCRIBE_STRUCT(ModelChange, (), (new_name, owner, deployment_job_id, comment))

struct NewVersion {
  std::string full_name, source;
  std::optional<std::string> run_id, comment, logged_model_id;
  std::optional<std::int64_t> run_workspace_id;
  std::vector<Tag> tags;
  json::value dependencies;
};

enum class VersionOperation { READ_MODEL_VERSION, READ_WRITE_MODEL_VERSION };
BOOST_DESCRIBE_ENUM(VersionOperation, READ_MODEL_VERSION, READ_WRITE_MODEL_VERSION)

class Models {
 public:
  explicit Models(const Core& core) : core_(core) {}
  /// At start-up, before the first request.
  void set_run_sources(RunSources* sources) { sources_ = sources; }

  /// Needs CREATE MODEL on the schema.
  Result<ModelInfo> create(const access::Context& ctx, const NewModel& request);
  Result<ModelInfo> get(const access::Context& ctx, std::string_view full_name, bool browse);
  /// Of one schema, or of the whole metastore.
  Result<Page<ModelInfo>> list(const access::Context& ctx, const std::optional<std::string>& catalog, const std::optional<std::string>& schema,
                               const PageRequest& page, bool browse);
  Result<ModelInfo> update(const access::Context& ctx, std::string_view full_name, const ModelChange& change);
  Result<void> remove(const access::Context& ctx, std::string_view full_name);
  Result<void> set_tags(const access::Context& ctx, std::string_view full_name, const std::vector<Tag>& add, const std::vector<std::string>& remove);
  Result<ModelAlias> set_alias(const access::Context& ctx, std::string_view full_name, std::string_view alias, std::int64_t version);
  Result<void> remove_alias(const access::Context& ctx, std::string_view full_name, std::string_view alias);

  /// Needs CREATE MODEL VERSION on the model.
  Result<VersionInfo> create_version(const access::Context& ctx, const NewVersion& request);
  Result<VersionInfo> version(const access::Context& ctx, std::string_view full_name, std::int64_t version);
  Result<VersionInfo> version_by_alias(const access::Context& ctx, std::string_view full_name, std::string_view alias);
  /// Newest first.
  Result<Page<VersionInfo>> versions(const access::Context& ctx, std::string_view full_name, const PageRequest& page);
  Result<VersionInfo> update_version(const access::Context& ctx, std::string_view full_name, std::int64_t version,
                                     const std::optional<std::string>& comment);
  Result<void> remove_version(const access::Context& ctx, std::string_view full_name, std::int64_t version);
  Result<void> set_version_tags(const access::Context& ctx, std::string_view full_name, std::int64_t version, const std::vector<Tag>& add,
                                const std::vector<std::string>& remove);
  /// invalid: no MLmodel file was uploaded, or it has no signature of inputs and outputs.
  Result<VersionInfo> finalize(const access::Context& ctx, std::string_view full_name, std::int64_t version);
  /// READ needs EXECUTE; READ_WRITE CREATE MODEL VERSION, and a version that is pending.
  Result<TemporaryCredentials> credentials(const access::Context& ctx, std::string_view full_name, std::int64_t version, VersionOperation operation);

 private:
  ModelInfo shown(const Place& place) const;
  VersionInfo shown(const Place& place, const VersionRecord& v) const;
  Result<Place> located(store::ReadTxn& t, const access::Context& ctx, std::string_view full_name, std::optional<Privilege> p,
                        bool browse = false) const;
  Result<Place> managed(store::ReadTxn& t, const access::Context& ctx, std::string_view full_name) const;
  Result<VersionInfo> change_version(const access::Context& ctx, std::string action, std::string_view full_name, std::int64_t version,
                                     std::optional<Privilege> p, const std::function<Result<void>(store::WriteTxn&, Place&, VersionRecord&)>& body);
  const Core& core_;
  RunSources* sources_ = nullptr;
};

}  // namespace tarn::catalog
