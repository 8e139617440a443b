#pragma once
// Experiments: named by an absolute path of their workspace, with tags, an access list (kind `experiments`: CAN_READ sees runs, CAN_EDIT logs,
// CAN_MANAGE renames and deletes) and a place for artifacts. Kept in the metadata store, audited as mlflowExperiment. Deleting one takes its
// runs out of sight; restoring brings it and them back. Source: REST API reference "Experiments".
#include "access/object_permissions.h"
#include "ml/filter.h"
#include "ml/types.h"

namespace tarn::ml {

struct Experiment {
  std::int64_t workspace_id = 0;
  std::string experiment_id, name, artifact_location;
  bool deleted = false;
  Millis creation_time = 0, last_update_time = 0;
  std::vector<KeyValue> tags;

  std::string store_key() const { return store::key({store::sortable(workspace_id), experiment_id}); }
  std::vector<store::IndexEntry> store_indexes() const;
  std::int64_t number() const { return std::stoll(experiment_id); }
  std::string folder() const { return name.rfind('/') == 0 ? "/" : name.substr(0, name.rfind('/')); }
};
BOOST_DESCRIBE_STRUCT(Experiment, (), (workspace_id, experiment_id, name, artifact_location, deleted, creation_time, last_update_time, tags))

inline constexpr std::string_view kRead = "CAN_READ", kEdit = "CAN_EDIT", kManage = "CAN_MANAGE";
inline constexpr const char* kExperimentEvents = "mlflowExperiment";  // the audit's service of experiments and their runs
inline constexpr const char* kArtifactRoot = "dbfs:/databricks/mlflow-tracking";

/// The workspace's tree of folders, where experiments have their names. Without one only /Shared and people's own folders take experiments of
/// people who are no admins.
class Folders {
 public:
  virtual ~Folders() = default;
  /// not_found, or permission_denied, unless the caller may make things in the folder.
  virtual Result<void> may_create(const access::Context& ctx, const std::string& folder) = 0;
  /// The folder and those above it, as access lists name them, nearest first; empty if there is none.
  virtual std::vector<access::ObjectRef> chain(std::int64_t workspace_id, const std::string& folder) = 0;
};

class Experiments {
 public:
  Experiments(store::Store& store, access::ObjectPermissions& permissions, const Clock& clock);
  /// At start-up, before the first request.
  void set_folders(Folders* folders) { folders_ = folders; }

  /// already_exists; invalid: a name that is no absolute path, a tag, an artifact location of an unknown scheme; permission_denied: the folder.
  Result<Experiment> create(const access::Context& ctx, const std::string& name, const std::string& artifact_location,
                            const std::vector<KeyValue>& tags);
  Result<Experiment> get(const access::Context& ctx, const std::string& id);
  /// The active one of that name, otherwise a deleted one.
  Result<Experiment> get_by_name(const access::Context& ctx, const std::string& name);
  /// Those that the caller may read.
  struct Search {
    std::vector<Condition> filter;
    std::vector<OrderTerm> order;
    ViewType view = ViewType::ACTIVE_ONLY;
    std::size_t limit = 1000;
    std::string after;
  };
  Result<Page<Experiment>> search(const access::Context& ctx, const Search& search);
  Result<void> rename(const access::Context& ctx, const std::string& id, const std::string& new_name);
  Result<void> remove(const access::Context& ctx, const std::string& id);
  Result<void> restore(const access::Context& ctx, const std::string& id);
  Result<void> set_tag(const access::Context& ctx, const std::string& id, const KeyValue& tag);
  Result<void> delete_tag(const access::Context& ctx, const std::string& id, const std::string& key);

  /// The experiment if the caller has `level` on it: not_found, permission_denied.
  Result<Experiment> require(const access::Context& ctx, const std::string& id, std::string_view level);

  /// A folder goes, or a whole workspace: within that transaction. Experiments of a folder are deleted with it and can be restored.
  void on_folder_removed(store::WriteTxn& t, std::int64_t workspace_id, const std::string& folder) const;
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) const;
  /// Whether a folder holds active experiments.
  bool any_in(store::ReadTxn& t, std::int64_t workspace_id, const std::string& folder) const;

 private:
  std::optional<Experiment> find(std::int64_t workspace, const std::string& id);
  Result<void> change(const access::Context& ctx, const std::string& action, std::map<std::string, std::string> params, const std::string& id,
                      std::string_view level, const std::function<Result<void>(store::WriteTxn&, Experiment&)>& body);
  Result<void> check_place(const access::Context& ctx, const std::string& name);

  store::Store& store_;
  access::ObjectPermissions& permissions_;
  const Clock& clock_;
  Folders* folders_ = nullptr;
};

}  // namespace tarn::ml
