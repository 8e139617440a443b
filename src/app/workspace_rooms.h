#pragma once
// The rooms of what lives in a workspace, wired: its tree, Git folders, saved queries, secrets, files and init scripts.
#include "account/workspaces.h"
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

}  // namespace tarn::app
