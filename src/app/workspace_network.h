#pragma once
// The network of `tarn serve --network`: what account asks about VPCs, and where the instances of workspaces stand while it is realised.
// The file is read again when it changes, so that its owners need no restart; while it is wrong the last good one holds, and the log says so.
#include <filesystem>

#include "account/networks.h"
#include "account/workspaces.h"
#include "compute/relay.h"
#include "gateway/server.h"
#include "network/inventory.h"
#include "network/namespaces.h"
#include "network/trace.h"
#include "platform/network.h"

namespace tarn::app {

class WorkspaceNetwork {
 public:
  /// Reads the file or folder. Throws std::runtime_error with all problems.
  WorkspaceNetwork(std::string path, std::string realised);
  ~WorkspaceNetwork();

  account::VpcInventory& inventory() { return inventory_; }
  /// Once; all must outlive this. While the network is up, an instance of a workspace with a network of its own starts in the namespace of one
  /// of its subnets and dials the relay by the name that this subnet resolves; the relay listens in the namespace of the model's relay, and the
  /// server (answer_with) in those of its workspace API, S3 and STS. While
  /// it is down instances stand in the host's network. Half up, or up from another model than the file: no instance starts.
  compute::NodePlaces& places(account::Networks& networks, account::WorkspaceDirectory& workspaces, compute::Relay& relay);
  /// After the server's start: it answers in the namespaces of the model's workspace API and storage too, over TLS. Null before it drains.
  void answer_with(gateway::Server* server);
  /// How what stands in the network reaches the API and the local storage: by the names that its subnets resolve. Empty: the model has no such
  /// service.
  std::string workspace_url(std::int64_t workspace_id);
  std::string storage_url();
  /// After the relay's start: nodes of an earlier process of this server dial it where it listened, so it listens there again at once.
  void resume();
  /// Now and then: where the namespace that the relay listened in is gone, it stops, so that nothing of a network that is down stays.
  void settle();

  /// The workspaces' ways to the control plane and the cloud's services that do not connect in the model, for `tarn doctor`: objects of
  /// workspace, subnets, service, outcome, hop, place, cause, cure. After places().
  json::array blocked_ways(account::WorkspaceDirectory& workspaces);

 private:
  class Places;
  struct Read {
    platform::Loaded files;
    network::Topology topology;
  };
  static Expected<std::shared_ptr<const Read>, std::vector<std::string>> read(const std::string& path);
  std::shared_ptr<const Read> current();
  /// Changes when a file does: names, sizes and times of what is read.
  static std::string stamp(const std::string& path);

  const std::string path_;
  const network::Namespaces realised_;
  std::mutex mutex_;
  std::shared_ptr<const Read> read_;
  std::string stamp_;
  network::Inventory inventory_;
  std::unique_ptr<Places> places_;
};

}  // namespace tarn::app
