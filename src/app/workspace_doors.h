#pragma once
// How what runs on this machine reaches the workspaces: a loopback port for each, and a file of hosts that means the rehearsal proxy.
// Thread-safe once the server is set.
#include <map>
#include <mutex>
#include <set>

#include "account/workspaces.h"
#include "gateway/server.h"

namespace tarn::app {

class WorkspaceDoors {
 public:
  struct Names {
    std::string domain, region, hosts_file;
    std::vector<std::string> allowed;  // hosts that the proxy passes on
  };
  WorkspaceDoors(account::WorkspaceDirectory& workspaces, Names names) : workspaces_(workspaces), names_(std::move(names)) {}
  /// At start-up, before all that follows; it must outlive every call.
  void open_on(gateway::Server& server) { server_ = &server; }

  /// Opens a port for each workspace that runs, closes those of workspaces that went, and writes the file of hosts if it is another.
  void follow();
  /// A rehearsal's further host.
  void allow(const std::string& host);
  /// A workspace's loopback address; empty: it has none.
  std::string url(std::int64_t workspace_id);

 private:
  void write_hosts(const std::vector<std::string>& hosts);

  account::WorkspaceDirectory& workspaces_;
  const Names names_;
  gateway::Server* server_ = nullptr;
  std::mutex mutex_;
  std::map<std::int64_t, gateway::Listening> ports_;
  std::set<std::string> lent_;  // by rehearsals
  std::string written_;
};

}  // namespace tarn::app
