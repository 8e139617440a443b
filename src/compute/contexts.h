#pragma once
// Execution contexts and commands (/api/1.2): Python on a running cluster, in a kernel of its own. A context is its maker's; it lives as
// long as its cluster's node, across a restart of the control plane (the node tells its contexts and the commands' ends when it dials in
// again). Commands of one context run one after another. Thread-safe. Source: REST API 1.2 "Command Execution", databricks-sdk-go.
#include <condition_variable>
#include <mutex>

#include "compute/clusters.h"

namespace tarn::compute {

enum class ContextStatus { Pending, Running, Error };
BOOST_DESCRIBE_ENUM(ContextStatus, Pending, Running, Error)
enum class CommandStatus { Queued, Running, Cancelling, Finished, Cancelled, Error };
BOOST_DESCRIBE_ENUM(CommandStatus, Queued, Running, Cancelling, Finished, Cancelled, Error)

struct Command {
  std::string id, context_id, cluster_id;
  CommandStatus status = CommandStatus::Queued;
  json::value results;
  bool ended() const { return status == CommandStatus::Finished || status == CommandStatus::Cancelled || status == CommandStatus::Error; }
};

class Contexts final : public NodeCode {
 public:
  Contexts(Clusters& clusters, store::Store& store, const Clock& clock);

  // Errors of all: those of Clusters::attach; not_found for a context or command that is not the caller's.
  Result<std::string> create(const access::Context& ctx, const std::string& cluster_id, const std::string& language);
  Result<ContextStatus> status(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id);
  Result<void> destroy(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id);
  Result<std::string> execute(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id, const std::string& code);
  Result<Command> command(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id, const std::string& id);
  Result<void> cancel(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id, const std::string& id);

  /// For jobs: code in a context of its own, which ends with it. `ended` is called once, on another thread (the relay's); the token ends it.
  struct Ended {
    bool ok = false, lost = false;  // lost: the cluster went away under it
    json::value results;
  };
  Result<std::string> run(const access::Context& ctx, const std::string& cluster_id, const std::string& code, std::function<void(Ended)> ended);
  /// The same run after a restart of this process: its node tells when it dials in again, or the cluster is found lost.
  void resume(const std::string& run, const std::string& cluster_id, const std::string& owner, std::function<void(Ended)> ended);
  void stop_run(const std::string& run);

  // NodeCode
  void said(const std::string& cluster_id, const json::object& message) override;
  void gone(const std::string& cluster_id) override;
  int busy(const std::string& cluster_id) override;

 private:
  struct OneContext {
    std::string id, cluster_id, owner;
    ContextStatus status = ContextStatus::Pending;
    std::map<std::string, Command> commands;
    std::vector<std::string> order;  // oldest first: what is forgotten first
    std::function<void(Ended)> ended;
  };
  Result<OneContext*> find(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id);

  Clusters& clusters_;
  store::Store& store_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, OneContext> contexts_;
};

}  // namespace tarn::compute
