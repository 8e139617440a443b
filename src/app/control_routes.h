#pragma once
// What the data folder's owner asks over the control socket, as routes of a table of its own: no credential, no principal; who may open
// the socket may ask. Each act is audited as the owner's.
#include <functional>
#include <string>

#include "account/prefixes.h"
#include "account/workspaces.h"
#include "api/api.h"
#include "identity/directory.h"
#include "objects/object_store.h"

namespace tarn::app {

struct OwnerServices {
  identity::Bootstrap& identity;
  account::DeploymentPrefixes& prefixes;
  account::WorkspaceDirectory& workspaces;
  identity::Directory& directory;
  store::Store& store;
  const Clock& clock;
  const api::Router& platform_routes;
  std::function<json::object()> status;
  std::function<json::value(const std::string& to, bool with_key)> backup;  // throws StoreUnavailable
  std::function<std::size_t()> rotate_key;                                  // secrets sealed anew
  std::function<void(const std::string& host)> allow_host;                  // the proxy may connect to it as it is
  /// Temporary credentials for a whole bucket of the local storage, which is made if there is none; a message if its name is none.
  std::function<Expected<objects::Credentials, std::string>(const std::string& bucket, bool write)> lend_bucket;
  /// What the network's model says does not connect (WorkspaceNetwork::blocked_ways); empty function: nobody modelled it.
  std::function<json::array()> blocked_ways;
};

void add_control_routes(api::Router& router, OwnerServices services);

}  // namespace tarn::app
