#pragma once
// Checks of a running platform, local or remote, through its REST API: what an operator can see, judged for the sharp edges.
#include "doctor/finding.h"

namespace tarn::doctor {

/// How the checks ask. Implemented by the command line over its REST session; one thread.
class Probe {
 public:
  struct Answer {
    int status = 0;  // 0: nobody answered, `message` says why
    std::string error_code, message;
    json::value body;
  };
  virtual ~Probe() = default;
  /// GET on the account host; `path` below /api/2.0/accounts/{account_id}.
  virtual Answer get(std::string_view path) = 0;
  /// The registered deployment name prefix, over the control socket: only a data folder's owner can ask. The outer optional is empty where
  /// that is not possible, the inner one where none is registered.
  virtual std::optional<std::optional<std::string>> deployment_prefix() = 0;
  /// GET on a workspace's host.
  virtual Answer get_in(std::string_view deployment, std::string_view path) = 0;
  /// Names that grants of the last day were refused for and that still mean no account-level principal, with what the grant was on; over the
  /// control socket. Empty outer optional: cannot be seen from here.
  struct RefusedGrant {
    std::string principal, securable;
  };
  virtual std::optional<std::vector<RefusedGrant>> refused_grants() = 0;
  /// Ways of the workspaces' nodes that do not connect in the network's model, if the server has one; over the control socket.
  struct BlockedWay {
    std::string workspace, service, outcome, hop, place, cause, cure;
    std::vector<std::string> subnets;
  };
  virtual std::optional<std::vector<BlockedWay>> blocked_ways() { return std::nullopt; }
  /// Who asks, for the texts.
  virtual std::string principal() const = 0;
};

/// Server reachable, principal an account admin, prefix registered, no metastore of the vendor's making in the way, workspaces and networks well,
/// nodes that reach what they need, no group made where it cannot hold grants, no grant waiting for its group. Asks no more once the first question
/// finds nobody home or no right to ask.
Findings check_platform(Probe& probe);

}  // namespace tarn::doctor
