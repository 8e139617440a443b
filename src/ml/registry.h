#pragma once
// The workspace's own model registry, for clients that do not use Unity Catalog: models with versions that stand in stages (None, Staging,
// Production, Archived) and move there directly or by request. Access by the kind `registered-models` (CAN_READ, CAN_EDIT,
// CAN_MANAGE_STAGING_VERSIONS, CAN_MANAGE_PRODUCTION_VERSIONS, CAN_MANAGE; the root's list holds for all). Files stay where the run logged
// them. Kept in the metadata store, audited as modelRegistry. Source: REST API reference "Model Registry" (workspace).
#include "ml/runs.h"

namespace tarn::ml {

enum class Stage { None, Staging, Production, Archived };
BOOST_DESCRIBE_ENUM(Stage, None, Staging, Production, Archived)

struct RegisteredModel {
  std::int64_t workspace_id = 0;
  std::string id, name, user_id;
  std::optional<std::string> description;
  Millis creation_timestamp = 0, last_updated_timestamp = 0;
  std::int64_t last_version = 0;
  std::vector<KeyValue> tags;
  std::string store_key() const { return store::key({store::sortable(workspace_id), name}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", id, true}}; }
};
BOOST_DESCRIBE_STRUCT(RegisteredModel, (),
                      (workspace_id, id, name, user_id, description, creation_timestamp, last_updated_timestamp, last_version, tags))

/// Somebody asks for a version to be moved.
struct TransitionRequest {
  std::string id, user_id;
  Stage to_stage = Stage::None;
  std::optional<std::string> comment;
  Millis creation_timestamp = 0;
};
BOOST_DESCRIBE_STRUCT(TransitionRequest, (), (id, user_id, to_stage, comment, creation_timestamp))

struct ModelVersion {
  std::string model_id, name, source, user_id;
  std::int64_t version = 0;
  Stage current_stage = Stage::None;
  std::optional<std::string> description, run_id, run_link, logged_model_id;
  Millis creation_timestamp = 0, last_updated_timestamp = 0;
  std::vector<KeyValue> tags;
  std::vector<TransitionRequest> requests;
  std::string store_key() const { return store::key({model_id, store::sortable(version)}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(ModelVersion, (),
                      (model_id, name, source, user_id, version, current_stage, description, run_id, run_link, logged_model_id, creation_timestamp,
                       last_updated_timestamp, tags, requests))

struct ModelWithVersions {
  RegisteredModel model;
  std::vector<ModelVersion> latest;  // one a stage
  std::string permission_level;
};

class Registry {
 public:
  Registry(store::Store& store, access::ObjectPermissions& permissions, Runs& runs, const Clock& clock);

  Result<ModelWithVersions> create(const access::Context& ctx, const std::string& name, const std::optional<std::string>& description,
                                   const std::vector<KeyValue>& tags);
  Result<ModelWithVersions> get(const access::Context& ctx, const std::string& name);
  Result<Page<ModelWithVersions>> search(const access::Context& ctx, const std::string& filter, const std::vector<std::string>& order_by,
                                         std::size_t limit, const std::string& after);
  Result<ModelWithVersions> update(const access::Context& ctx, const std::string& name, const std::optional<std::string>& description);
  Result<ModelWithVersions> rename(const access::Context& ctx, const std::string& name, const std::string& new_name);
  /// invalid_state while a version is in Staging or Production.
  Result<void> remove(const access::Context& ctx, const std::string& name);
  Result<void> set_tag(const access::Context& ctx, const std::string& name, const std::string& key, const std::optional<std::string>& value);

  struct NewVersion {
    std::string name, source;
    std::optional<std::string> run_id, run_link, description, logged_model_id;
    std::vector<KeyValue> tags;
  };
  /// With a run, the caller must be allowed to read it.
  Result<ModelVersion> create_version(const access::Context& ctx, const NewVersion& request);
  Result<ModelVersion> version(const access::Context& ctx, const std::string& name, std::int64_t version);
  Result<Page<ModelVersion>> search_versions(const access::Context& ctx, const std::string& filter, std::size_t limit, const std::string& after);
  Result<std::vector<ModelVersion>> latest_versions(const access::Context& ctx, const std::string& name, const std::vector<std::string>& stages);
  Result<ModelVersion> update_version(const access::Context& ctx, const std::string& name, std::int64_t version,
                                      const std::optional<std::string>& description);
  Result<void> remove_version(const access::Context& ctx, const std::string& name, std::int64_t version);
  Result<void> set_version_tag(const access::Context& ctx, const std::string& name, std::int64_t version, const std::string& key,
                               const std::optional<std::string>& value);
  /// Needs the right to manage versions of both stages. `archive`: others in that stage become Archived.
  Result<ModelVersion> transition(const access::Context& ctx, const std::string& name, std::int64_t version, const std::string& stage, bool archive);
  Result<TransitionRequest> request(const access::Context& ctx, const std::string& name, std::int64_t version, const std::string& stage,
                                    const std::optional<std::string>& comment);
  Result<std::vector<TransitionRequest>> requests(const access::Context& ctx, const std::string& name, std::int64_t version);
  /// Approves (and moves) or rejects all requests for a stage.
  Result<ModelVersion> decide(const access::Context& ctx, const std::string& name, std::int64_t version, const std::string& stage, bool approve,
                              bool archive);
  Result<void> withdraw(const access::Context& ctx, const std::string& name, std::int64_t version, const std::string& stage,
                        const std::string& creator);

  /// Within the transaction that deletes a workspace.
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) const;

 private:
  Result<RegisteredModel> require(const access::Context& ctx, const std::string& name, std::string_view level);
  Result<void> change(const access::Context& ctx, const std::string& action, const std::string& name, std::string_view level,
                      const std::function<Result<void>(store::WriteTxn&, RegisteredModel&)>& body);
  Result<ModelVersion> change_version(const access::Context& ctx, const std::string& action, const std::string& name, std::int64_t version,
                                      std::string_view level,
                                      const std::function<Result<void>(store::WriteTxn&, RegisteredModel&, ModelVersion&)>& body);
  ModelWithVersions whole(store::ReadTxn& t, RegisteredModel model);
  void move(store::WriteTxn& t, const RegisteredModel& model, ModelVersion& v, Stage to, bool archive);

  store::Store& store_;
  access::ObjectPermissions& permissions_;
  Runs& runs_;
  const Clock& clock_;
};

}  // namespace tarn::ml
