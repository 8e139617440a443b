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
/// What work prints while it runs: text from a position of the whole on, counted in characters. On another thread.
using Printed = std::function<void(std::int64_t at, std::string text)>;

/// Statements on a warehouse, as the run's identity.
class SqlWork {
 public:
  virtual ~SqlWork() = default;
  /// The statement's id; `ended` is called once, on another thread. The error is a text for people.
  virtual Expected<std::string, std::string> start(const access::Context& ctx, const std::string& warehouse_id, const std::string& statement,
                                                   const std::map<std::string, std::string>& parameters, Ended ended) = 0;
  virtual void cancel(const access::Context& ctx, const std::string& id) = 0;
};

struct SqlAlert;
/// Saved alerts, evaluated on a warehouse as the run's identity. The id is the statement's, so SqlWork cancels it; the output has `alert_state`,
/// `query_text` and `statement_id`.
class AlertWork {
 public:
  virtual ~AlertWork() = default;
  virtual Expected<std::string, std::string> start(const access::Context& ctx, const std::string& warehouse_id, const SqlAlert& alert,
                                                   Ended ended) = 0;
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

/// What a job's trigger looks at, as the run's identity. A mark is a text that changes when the thing does.
class Watched {
 public:
  virtual ~Watched() = default;
  virtual Expected<std::string, std::string> table_mark(const access::Context& ctx, const std::string& full_name) = 0;
  /// A mark that grows with files that come, and not with files that go.
  virtual Expected<std::string, std::string> files_mark(const access::Context& ctx, const std::string& url, const std::string& before) = 0;
};

/// Commits of Git repositories, for runs. A key names a run's own copy, which is kept until it is dropped.
class GitWork {
 public:
  virtual ~GitWork() = default;
  struct Wanted {
    std::string key, url, provider, branch, tag, commit;
  };
  /// `done` is called once, on another thread: the commit, or a text for people.
  virtual void fetch(const access::Context& ctx, const Wanted& wanted, std::function<void(Expected<std::string, std::string>)> done) = 0;
  /// A file or notebook of it, by its path in the repository (a notebook's may leave out the extension).
  virtual Expected<WorkspaceFiles::File, std::string> read(const std::string& key, const std::string& path) = 0;
  virtual void drop(const std::string& key) = 0;
};

/// Posts a message to a place outside. Https to a public address, or what the operator lists; a place that it must not reach is `refused`.
class WebhookSender {
 public:
  virtual ~WebhookSender() = default;
  struct Answer {
    int status = 0;  // 0: no answer
    bool refused = false;
    std::string error;
  };
  virtual Answer post(const std::string& url, const std::string& user, const std::string& password, const std::string& body) = 0;
  /// What is wrong with a URL, without asking anybody; nothing if it may be tried.
  virtual std::optional<std::string> check(const std::string& url) = 0;
};

/// Hands a message to the operator's mail relay, which takes it from there. Addresses and subject are one line each.
class MailSender {
 public:
  virtual ~MailSender() = default;
  /// `status` is the relay's last reply (250: taken); `refused` what no further try would change.
  virtual WebhookSender::Answer send(const std::vector<std::string>& to, const std::string& subject, const std::string& text) = 0;
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

  virtual Expected<std::string, std::string> start(const access::Context& ctx, const std::string& cluster_id, const std::string& code, Ended ended,
                                                   Printed printed) = 0;
  /// After a restart of this process: the same work, if its node still has it; `ended(lost)` otherwise.
  virtual void resume(const access::Context& ctx, const std::string& cluster_id, const std::string& handle, Ended ended, Printed printed) = 0;
  virtual void cancel(const std::string& handle) = 0;
};

}  // namespace tarn::jobs
