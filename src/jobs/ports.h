#pragma once
// What jobs need of other rooms, and no more. Implemented by adapters in app/; all thread-safe.
#include <functional>
#include <set>

#include "access/caller.h"
#include "base/json.h"
#include "base/result.h"

namespace tarn::jobs {

/// How a task's work ended.
struct WorkEnd {
  bool ok = false, cancelled = false, lost = false;  // lost: what ran it went away
  std::string error, trace;
  json::value output;
};
using Ended = std::function<void(WorkEnd)>;

/// Statements on a warehouse, as the run's identity.
class SqlWork {
 public:
  virtual ~SqlWork() = default;
  /// The statement's id; `ended` is called once, on another thread. The error is a text for people.
  virtual Expected<std::string, std::string> start(const access::Context& ctx, const std::string& warehouse_id, const std::string& statement,
                                                   const std::map<std::string, std::string>& parameters, Ended ended) = 0;
  virtual void cancel(const access::Context& ctx, const std::string& id) = 0;
};

/// Files, notebooks and saved queries of the workspace, read as the run's identity.
class WorkspaceFiles {
 public:
  virtual ~WorkspaceFiles() = default;
  struct File {
    std::string content;
    bool notebook = false;
    std::string language;  // of a notebook: PYTHON, SQL, …
  };
  virtual Expected<File, std::string> read(const access::Context& ctx, const std::string& path) = 0;
  /// The text of a saved query.
  virtual Expected<std::string, std::string> query(const access::Context& ctx, const std::string& id) = 0;
};

/// Clusters that run Python, as the run's identity.
class CodeWork {
 public:
  virtual ~CodeWork() = default;
  enum class State { starting, running, ended };
  struct Cluster {
    State state = State::starting;
    std::string message;  // why it ended
  };
  /// An existing cluster, started if it was terminated. The error is a text for people.
  virtual Expected<void, std::string> ensure(const access::Context& ctx, const std::string& cluster_id) = 0;
  /// A cluster of the run's own; its id.
  virtual Expected<std::string, std::string> create(const access::Context& ctx, const json::value& new_cluster, const std::string& name) = 0;
  virtual void discard(const std::string& cluster_id) = 0;
  /// After a restart: ends runs' own clusters of this server that no live run names.
  virtual void keep_only(const std::set<std::string>& cluster_ids) = 0;
  virtual Cluster state(const std::string& cluster_id) = 0;
  /// Whether a request could become a cluster; the error names the field or the policy's violations.
  virtual Expected<void, std::string> check(const access::Context& ctx, const json::value& new_cluster) = 0;

  virtual Expected<std::string, std::string> start(const access::Context& ctx, const std::string& cluster_id, const std::string& code,
                                                   Ended ended) = 0;
  /// After a restart of this process: the same work, if its node still has it; `ended(lost)` otherwise.
  virtual void resume(const access::Context& ctx, const std::string& cluster_id, const std::string& handle, Ended ended) = 0;
  virtual void cancel(const std::string& handle) = 0;
};

}  // namespace tarn::jobs
