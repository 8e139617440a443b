#pragma once
// The rooms of what lives in a workspace, wired: its tree, Git folders, saved queries, secrets, files and init scripts.
#include "account/workspaces.h"
#include "catalog/service.h"
#include "files/dbfs.h"
#include "files/volumes.h"
#include "init_scripts/scripts.h"
#include "queries/objects.h"
#include "repos/repos.h"
#include "secrets/secrets.h"
#include "workspace/tree.h"

namespace tarn::api {
struct Route;
}

namespace tarn::app {

struct WorkspaceRooms {
  /// What they stand on; all of it must outlive them.
  struct Ground {
    store::Store& store;
    const crypto::Keyring& keys;
    objects::ObjectStore& objects;
    identity::Directory& directory;
    access::ObjectPermissions& permissions;
    account::WorkspaceDirectory& workspaces;
    catalog::UnityCatalog& catalog;
    const Clock& clock;
    std::string spool;                   // a folder for files in the making
    std::vector<std::string> allow_git;  // Git servers inside the network
  };
  explicit WorkspaceRooms(const Ground& ground);
  std::vector<api::Route> routes();
  /// What the rooms keep of a workspace, within the transaction that deletes it.
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id);

  workspace::Content content;
  workspace::Tree tree;
  repos::Credentials git_credentials;
  repos::Targets git_targets;
  repos::Git git;
  repos::Repos git_folders;
  queries::Objects saved_queries;
  secrets::Scopes secret_scopes;
  files::Dbfs dbfs;
  files::CatalogVolumes volume_directory;
  files::VolumeFiles volume_files;
  init_scripts::Scripts init_scripts;
};

/// A workspace's beginning and end, as account tells of it: identity's part, then that of rooms which are made later.
class WorkspaceLife final : public identity::WorkspacePrincipals {
 public:
  explicit WorkspaceLife(identity::WorkspacePrincipals& identity) : identity_(identity) {}
  using Told = std::function<void(store::WriteTxn&, std::int64_t)>;
  void also(Told on_deleted) { rooms_.push_back(std::move(on_deleted)); }  // at start-up, as the next
  void also_created(Told on_created) { beginnings_.push_back(std::move(on_created)); }
  void on_workspace_created(store::WriteTxn& t, std::int64_t workspace_id, std::int64_t creator_id) override {
    identity_.on_workspace_created(t, workspace_id, creator_id);
    for (const auto& room : beginnings_) room(t, workspace_id);
  }
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) override {
    for (const auto& room : rooms_) room(t, workspace_id);
    identity_.on_workspace_deleted(t, workspace_id);
  }

 private:
  identity::WorkspacePrincipals& identity_;
  std::vector<Told> rooms_, beginnings_;
};

}  // namespace tarn::app
