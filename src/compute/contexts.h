#pragma once
// Execution contexts and commands (/api/1.2): Python on a running cluster, in a kernel of its own. A context is its maker's; it lives as
// long as its cluster's node, across a restart of the control plane (the node tells its contexts and the commands' ends when it dials in
// again). Commands of one context run one after another. Thread-safe. Source: REST API 1.2 "Command Execution", databricks-sdk-go.
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

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

/// Whose context it is, as this process knows it: never as a node says it.
struct ContextOwner {
  std::string context_id, cluster_id, name;
  std::int64_t principal_id = 0, workspace_id = 0;
};

/// What code in a context may ask of the platform as the context's owner: how to reach the API, credentials of a table. Called on a thread of
/// Contexts' own, one question at a time.
class ContextDoor {
 public:
  virtual ~ContextDoor() = default;
  /// The error is a text for people.
  virtual Expected<json::object, std::string> ask(const ContextOwner& owner, const json::object& question) = 0;
  /// The context ended: what was lent to it ends too.
  virtual void closed(const std::string& context_id) = 0;
};

class Contexts final : public NodeCode {
 public:
  Contexts(Clusters& clusters, store::Store& store, const Clock& clock);
  ~Contexts() override { stop(); }
  /// At start-up. Without it code is told that this platform answers no questions. `stop` ends the thread that asks.
  void door(ContextDoor* door);
  void stop();

  // Errors of all: those of Clusters::attach; not_found for a context or command that is not the caller's.
  /// python, or sql: the same interpreter, whose commands are statements.
  Result<std::string> create(const access::Context& ctx, const std::string& cluster_id, const std::string& language);
  Result<ContextStatus> status(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id);
  Result<void> destroy(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id);
  Result<std::string> execute(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id, const std::string& code,
                              const std::string& language = "");
  Result<Command> command(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id, const std::string& id);
  Result<void> cancel(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id, const std::string& id);

  /// For jobs: code in a context of its own, which ends with it. `ended` is called once, on another thread (the relay's); the token ends it.
  struct Ended {
    bool ok = false, lost = false;  // lost: the cluster went away under it
    json::value results;
  };
  /// Output while it runs: text from a position (in characters of the whole) on. Called on the relay's thread.
  using Output = std::function<void(std::int64_t at, std::string text)>;
  Result<std::string> run(const access::Context& ctx, const std::string& cluster_id, const std::string& code, std::function<void(Ended)> ended,
                          Output output = {});
  /// The same run after a restart of this process: its node tells when it dials in again, or the cluster is found lost.
  void resume(const access::Context& owner, const std::string& run, const std::string& cluster_id, std::function<void(Ended)> ended,
              Output output = {});
  void stop_run(const std::string& run);

  // NodeCode
  void said(const std::string& cluster_id, const json::object& message) override;
  void gone(const std::string& cluster_id) override;
  int busy(const std::string& cluster_id) override;
  bool runs(const std::string& cluster_id, const std::string& context_id) override;

 private:
  struct OneContext {
    std::string id, cluster_id, owner, language = "python";
    std::int64_t owner_id = 0, workspace_id = 0;  // 0: only its node names the owner, which is proof of nothing
    ContextStatus status = ContextStatus::Pending;
    std::map<std::string, Command> commands;
    std::vector<std::string> order;  // oldest first: what is forgotten first
    std::function<void(Ended)> ended;
    Output output;
  };
  struct Question {
    std::string context_id, cluster_id;
    std::int64_t number = 0;
    json::object text;  // without `what`: the context ended
  };
  void post(Question question);
  void answer(std::stop_token stop);
  void closed(const std::string& context_id);
  Result<OneContext*> find(const access::Context& ctx, const std::string& cluster_id, const std::string& context_id);

  Clusters& clusters_;
  store::Store& store_;
  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, OneContext> contexts_;
  ContextDoor* door_ = nullptr;
  std::mutex questions_mutex_;
  std::condition_variable_any questions_changed_;
  std::deque<Question> questions_;
  std::jthread answering_;  // last: it uses all of the above
};

}  // namespace tarn::compute
