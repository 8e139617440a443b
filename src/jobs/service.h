#pragma once
// Jobs (/api/2.1 and 2.2 /jobs): definitions and their runs, as people and clients see them. What runs them is scheduler.h's; the two meet in
// the store alone. Thread-safe. Source: REST API reference "Jobs", databricks-sdk-go service/jobs, terraform-provider-databricks jobs/.
#include "identity/directory.h"
#include "jobs/live_logs.h"
#include "jobs/notices.h"
#include "jobs/ports.h"
#include "jobs/records.h"

namespace tarn::jobs {

struct RunNow : Overrides {
  std::int64_t job_id = 0;
  std::optional<std::string> idempotency_token, performance_target;
  std::optional<Queue> queue;
  std::vector<std::string> only;
};
BOOST_DESCRIBE_STRUCT(RunNow, (Overrides), (job_id, idempotency_token, performance_target, queue, only))

struct RepairRun : Overrides {
  std::int64_t run_id = 0;
  std::optional<std::int64_t> latest_repair_id;
  std::optional<bool> rerun_all_failed_tasks, rerun_dependent_tasks;
  std::vector<std::string> rerun_tasks;
};
BOOST_DESCRIBE_STRUCT(RepairRun, (Overrides), (run_id, latest_repair_id, rerun_all_failed_tasks, rerun_dependent_tasks, rerun_tasks))

struct RunView {
  RunRecord run;
  std::vector<TaskRecord> tasks;
};

/// Part of what an attempt printed, from a byte of the whole on, cut between characters.
struct LogPage {
  std::int64_t task_run_id = 0;
  std::string task_key, text;
  std::size_t next_offset = 0;
  bool ended = false, truncated = false;  // ended: nothing follows
};

struct ListRuns {
  std::optional<std::int64_t> job_id, start_time_from, start_time_to;
  bool active_only = false, completed_only = false;
  std::optional<std::string> run_type;
};

/// A new run, in its own or another's transaction: counted, queued, skipped or pending as the job's settings say.
struct NewRun {
  Trigger trigger = Trigger::ONE_TIME;
  Overrides overrides;
  std::string idempotency_token;
  std::optional<bool> queue;
  std::vector<std::string> only;
  std::int64_t parent_task = 0, creator_id = 0;
  std::string creator_user_name;
};
RunRecord add_run(store::WriteTxn& t, JobRecord& job, const NewRun& ask, const std::string& server_id, Millis now);
/// A run with its tasks, what they printed and what was told of them.
void erase_run(store::WriteTxn& t, const RunRecord& run);

class Service {
 public:
  /// `code` may be null: clusters in settings are then not judged. `wake` is called when something became due.
  Service(store::Store& store, access::ObjectPermissions& permissions, identity::Directory& directory, CodeWork* code, const Clock& clock,
          std::string server_id);
  void on_due(std::function<void()> wake) { wake_ = std::move(wake); }
  /// At start-up: what tasks that run have printed, and where notifications go. Without them there is nothing to follow, and no destination exists.
  void follow(const LiveLogs* logs) { logs_ = logs; }
  void notify(Destinations* destinations) { destinations_ = destinations; }

  // Errors of all: invalid (also "Job N does not exist."), permission_denied.
  Result<JobRecord> create(const access::Context& ctx, const JobSettings& settings);
  Result<JobRecord> get(const access::Context& ctx, std::int64_t id);  // CAN_VIEW
  std::vector<JobRecord> list(const access::Context& ctx, const std::optional<std::string>& name);
  Result<void> reset(const access::Context& ctx, std::int64_t id, const JobSettings& settings);  // CAN_MANAGE
  /// Top-level fields replace those there; `fields_to_remove` names top-level fields, or tasks/KEY and job_clusters/KEY.
  Result<void> update(const access::Context& ctx, std::int64_t id, const json::object& settings, const std::vector<std::string>& fields_to_remove);
  Result<void> remove(const access::Context& ctx, std::int64_t id);  // CAN_MANAGE; its live runs are cancelled

  Result<RunRecord> run_now(const access::Context& ctx, const RunNow& request);  // CAN_MANAGE_RUN
  Result<RunRecord> submit(const access::Context& ctx, const SubmitRun& request);
  Result<RunView> run(const access::Context& ctx, std::int64_t id);  // a run, or a task's run (then that task alone)
  Result<std::vector<RunRecord>> list_runs(const access::Context& ctx, const ListRuns& filter);
  std::vector<TaskRecord> tasks(const RunRecord& r);
  Result<TaskRecord> output(const access::Context& ctx, std::int64_t task_run_id);
  static constexpr std::size_t kLogPage = 1u << 20;  // bytes
  Result<LogPage> logs(const access::Context& ctx, std::int64_t run_id, std::size_t offset);
  /// What an attempt left behind, of the run or the task's run.
  Result<std::pair<TaskRecord, OutputRecord>> shown(const access::Context& ctx, std::int64_t run_id);
  Result<std::vector<NoticeRecord>> notices(const access::Context& ctx, std::int64_t run_id);
  /// Of all workspaces; for system tables, whose reader was checked.
  std::vector<JobRecord> all_jobs();
  std::vector<RunView> all_runs(std::size_t most);
  Result<void> cancel(const access::Context& ctx, std::int64_t run_id);
  Result<void> cancel_all(const access::Context& ctx, std::optional<std::int64_t> job_id);
  Result<std::int64_t> repair(const access::Context& ctx, const RepairRun& request);
  Result<void> delete_run(const access::Context& ctx, std::int64_t run_id);

  std::optional<JobRecord> find(std::int64_t id);
  /// Ends a deleted workspace's schedules and runs, within the transaction that deletes it.
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id);
  access::ObjectPermissions& permissions() { return permissions_; }

 private:
  Result<JobRecord> require(const access::Context& ctx, std::int64_t id, const char* level);
  Result<void> may_run(const access::Context& ctx, const RunRecord& r, const char* level);
  Result<void> judge(const access::Context& ctx, const JobSettings& settings);
  Result<std::pair<std::int64_t, std::string>> identity_of(const access::Context& ctx, const std::optional<RunAs>& run_as);
  Result<void> replace(const access::Context& ctx, std::int64_t id, const char* action, JobSettings settings);
  void due() {
    if (wake_) wake_();
  }

  store::Store& store_;
  access::ObjectPermissions& permissions_;
  identity::Directory& directory_;
  CodeWork* code_;
  const Clock& clock_;
  const std::string server_id_;
  const LiveLogs* logs_ = nullptr;
  Destinations* destinations_ = nullptr;
  std::function<void()> wake_;
};

}  // namespace tarn::jobs
