#pragma once
// Runs jobs: fires schedules, admits queued runs, starts the tasks whose turn it is, hears of their ends, retries, times out, cancels, ends.
// Everything that it decides is in the store before it acts, in one transaction each: a trigger and its run are one commit (exactly once
// through a kill at any moment), a task is marked launched before its work begins (at most once an attempt). After a restart, work that
// survived (code on a node, a child run) is taken up again; work that did not is a failed attempt with a reason. A run of this server never
// stays RUNNING without something that runs. One thread, which owns all decisions; callbacks of ended work only note the end and wake it.
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "identity/directory.h"
#include "jobs/live_logs.h"
#include "jobs/metrics_text.h"
#include "jobs/ports.h"
#include "jobs/records.h"

namespace tarn::jobs {

struct Moment;  // a run and its tasks as one transaction sees them

class Scheduler {
 public:
  struct Parts {
    store::Store& store;
    identity::Directory& directory;
    const Clock& clock;
    CodeWork* code = nullptr;  // null: tasks that need one are refused when they run
    SqlWork* sql = nullptr;
    AlertWork* alerts = nullptr;
    WorkspaceFiles* files = nullptr;
    GitWork* git = nullptr;
    LiveLogs* logs = nullptr;     // null: nobody follows
    RunCounts* counts = nullptr;  // null: nobody counts
    std::string server_id = "local";
  };
  explicit Scheduler(Parts parts);
  ~Scheduler();

  void start();
  void stop();
  void wake();
  /// Takes up what an earlier process of this server left. start() does it; tests call it by hand.
  void recover();
  /// Takes the due steps on the calling thread; false if none was due.
  bool step();

 private:
  bool fire_schedules();
  bool advance(std::int64_t run_id);
  bool plan(Moment& m);
  void end_task(Moment& m, TaskRecord& task, Life life, Outcome outcome, std::string message, std::string code = "");
  void end_run(Moment& m);
  bool cancel_all(Moment& m, Outcome outcome, const std::string& why);
  void make_attempt(Moment& m, const Task& task, int attempt, Millis not_before);
  bool progress(Moment& m, TaskRecord& task);
  bool begin_for_each(Moment& m, TaskRecord& task);
  bool follow_for_each(Moment& m, TaskRecord& task);
  bool needs_cluster(const Task& t) const;
  /// The run's commit, asked for once. False: tasks that need it wait.
  bool have_source(const RunRecord& run);
  Printed printed_by(std::int64_t task_run_id);
  /// Outside of any transaction: the work itself.
  void launch(const RunRecord& run, TaskRecord task);
  bool place(const RunRecord& run, const TaskRecord& task);
  void work_ended(std::int64_t task_run_id, WorkEnd end);
  bool change_task(std::int64_t task_run_id, const std::function<bool(store::WriteTxn&, TaskRecord&)>& body);
  bool change_run(std::int64_t run_id, const std::string& action, const std::function<bool(Moment&)>& body);
  access::Context context_of(const RunRecord& run);
  void run(std::stop_token stop);

  Parts parts_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool woken_ = false;
  Millis looked_at_ = 0;  // the clock at the last look at schedules
  std::jthread thread_;
};

}  // namespace tarn::jobs
