#pragma once
// What the store keeps of jobs, runs and tasks. Private to jobs/ and its tests.
#include "access/caller.h"
#include "access/object_permissions.h"
#include "jobs/errors.h"
#include "jobs/settings.h"
#include "store/store.h"

namespace tarn::jobs {

enum class Life { QUEUED, PENDING, RUNNING, TERMINATING, TERMINATED, SKIPPED, INTERNAL_ERROR, BLOCKED, WAITING_FOR_RETRY };
BOOST_DESCRIBE_ENUM(Life, QUEUED, PENDING, RUNNING, TERMINATING, TERMINATED, SKIPPED, INTERNAL_ERROR, BLOCKED, WAITING_FOR_RETRY)
enum class Outcome {
  NONE,
  SUCCESS,
  FAILED,
  TIMEDOUT,
  CANCELED,
  MAXIMUM_CONCURRENT_RUNS_REACHED,
  EXCLUDED,
  SUCCESS_WITH_FAILURES,
  UPSTREAM_FAILED,
  UPSTREAM_CANCELED,
  DISABLED
};
BOOST_DESCRIBE_ENUM(Outcome, NONE, SUCCESS, FAILED, TIMEDOUT, CANCELED, MAXIMUM_CONCURRENT_RUNS_REACHED, EXCLUDED, SUCCESS_WITH_FAILURES,
                    UPSTREAM_FAILED, UPSTREAM_CANCELED, DISABLED)
enum class Trigger { ONE_TIME, PERIODIC, RUN_JOB_TASK, RETRY, FILE_ARRIVAL, TABLE, CONTINUOUS };
BOOST_DESCRIBE_ENUM(Trigger, ONE_TIME, PERIODIC, RUN_JOB_TASK, RETRY, FILE_ARRIVAL, TABLE, CONTINUOUS)

inline bool ended(Life l) { return l == Life::TERMINATED || l == Life::SKIPPED || l == Life::INTERNAL_ERROR; }

/// What a job's trigger saw last: marks of its tables or its place. A mark that differs is news; `fired` are those of the last run.
struct Watch {
  std::map<std::string, std::string> fired, seen;
  Millis changed_at = 0, fired_at = 0;  // 0: no news that waits
  std::string error;                    // why it cannot look
};
BOOST_DESCRIBE_STRUCT(Watch, (), (fired, seen, changed_at, fired_at, error))

struct JobRecord {
  std::int64_t job_id = 0, workspace_id = 0, creator_id = 0, run_as_id = 0, runs = 0;
  std::string creator_user_name, run_as_name;
  Millis created_time = 0, next_run_at = 0;  // 0: no schedule that fires
  JobSettings settings;
  Watch watch;
  int failures = 0;  // of a continuous job, one after another
  std::string store_key() const { return store::key({store::sortable(workspace_id), store::sortable(job_id)}); }
  std::vector<store::IndexEntry> store_indexes() const {
    std::vector<store::IndexEntry> out{{"id", std::to_string(job_id), true}};
    if (watches(settings)) out.push_back({"watched", "yes"});
    if (next_run_at) out.push_back({"scheduled", "yes"});
    return out;
  }
};
BOOST_DESCRIBE_STRUCT(JobRecord, (),
                      (job_id, workspace_id, creator_id, run_as_id, runs, creator_user_name, run_as_name, created_time, next_run_at, settings, watch,
                       failures))

struct Repair {
  std::int64_t id = 0;
  Millis start_time = 0, end_time = 0;
  Life life = Life::PENDING;
  Outcome outcome = Outcome::NONE;
  std::vector<std::int64_t> task_run_ids;
};
BOOST_DESCRIBE_STRUCT(Repair, (), (id, start_time, end_time, life, outcome, task_run_ids))

/// A run's commit of its Git source: not asked for yet, on its way, here, or not to be had.
enum class GitState { none, fetching, ready, failed };
BOOST_DESCRIBE_ENUM(GitState, none, fetching, ready, failed)

struct RunRecord {
  std::int64_t run_id = 0, job_id = 0, workspace_id = 0, number_in_job = 0, creator_id = 0, run_as_id = 0, parent_task = 0;
  std::string run_name, server_id, creator_user_name, run_as_name, idempotency_token;
  Trigger trigger = Trigger::ONE_TIME;
  JobSettings settings;
  std::map<std::string, std::string> parameters;  // job parameters as resolved
  Overrides overrides;
  Life life = Life::PENDING;
  Outcome outcome = Outcome::NONE;
  std::string message, code;  // termination details
  Millis start_time = 0, started_at = 0, end_time = 0;
  bool cancel_requested = false, timed_out = false;
  std::map<std::string, std::string> clusters;  // job_cluster_key -> cluster id
  std::vector<Repair> repairs;
  std::vector<std::string> only;  // of a run-now that runs some tasks only
  GitState git = GitState::none;
  std::string git_commit, git_error;
  bool told_start = false, told_end = false;  // notifications of it are in the store
  bool orphan = false;                        // its workspace was deleted: it goes with its end

  std::string store_key() const { return store::key({store::sortable(workspace_id), store::sortable(run_id)}); }
  std::vector<store::IndexEntry> store_indexes() const {
    std::vector<store::IndexEntry> out{{"id", std::to_string(run_id), true}};
    const auto job = store::key({store::sortable(workspace_id), std::to_string(job_id)});
    if (job_id) out.push_back({"job", job});
    if (!ended(life)) {
      out.push_back({"live", server_id});
      if (job_id) out.push_back({"live_of_job", job});
    }
    if (!idempotency_token.empty())
      out.push_back({"token", store::key({store::sortable(workspace_id), std::to_string(job_id), idempotency_token}), true});
    return out;
  }
};
BOOST_DESCRIBE_STRUCT(RunRecord, (),
                      (run_id, job_id, workspace_id, number_in_job, creator_id, run_as_id, parent_task, run_name, server_id, creator_user_name,
                       run_as_name, idempotency_token, trigger, settings, parameters, overrides, life, outcome, message, code, start_time, started_at,
                       end_time, cancel_requested, timed_out, clusters, repairs, only, git, git_commit, git_error, told_start, told_end, orphan))

/// One attempt of a task, or of one iteration of a for_each.
struct TaskRecord {
  std::int64_t task_run_id = 0, run_id = 0, workspace_id = 0, parent_task = 0;  // parent_task: the for_each that it is an iteration of
  std::string task_key, cluster_id, handle, input;
  int attempt = 0, iteration = -1;
  Task task;  // as resolved when it started
  Life life = Life::PENDING;
  Outcome outcome = Outcome::NONE;
  std::string message, code, error, error_trace, condition;  // condition: "true" or "false"
  bool own_cluster = false, launched = false, cancel_sent = false, told_start = false, told_end = false;
  json::value output;
  Millis start_time = 0, launched_at = 0, end_time = 0, not_before = 0;

  std::string store_key() const { return store::key({store::sortable(workspace_id), store::sortable(run_id), store::sortable(task_run_id)}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", std::to_string(task_run_id), true}}; }
};
BOOST_DESCRIBE_STRUCT(TaskRecord, (),
                      (task_run_id, run_id, workspace_id, parent_task, task_key, cluster_id, handle, input, attempt, iteration, task, life, outcome,
                       message, code, error, error_trace, condition, own_cluster, launched, cancel_sent, told_start, told_end, output, start_time,
                       launched_at, end_time, not_before))

/// What an attempt printed and showed; apart from the attempt, which is read often.
struct OutputRecord {
  std::int64_t task_run_id = 0, run_id = 0, workspace_id = 0;
  std::string logs;
  bool truncated = false;
  json::value cells;  // of a notebook: number, source and outputs of each
  std::string store_key() const { return store::key({store::sortable(workspace_id), store::sortable(run_id), store::sortable(task_run_id)}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", std::to_string(task_run_id), true}}; }
};
BOOST_DESCRIBE_STRUCT(OutputRecord, (), (task_run_id, run_id, workspace_id, logs, truncated, cells))

inline constexpr store::Collection<OutputRecord> outputs_table{"jobs.output"};
inline constexpr store::Collection<JobRecord> jobs_table{"jobs.job"};
inline constexpr store::Collection<RunRecord> runs_table{"jobs.run"};
inline constexpr store::Collection<TaskRecord> tasks_table{"jobs.task"};

inline std::int64_t workspace_of(const access::Context& ctx) { return ctx.workspace_id.value_or(0); }
inline std::vector<TaskRecord> tasks_of(store::ReadTxn& t, const RunRecord& r) {
  return tasks_table.scan(t, store::prefix({store::sortable(r.workspace_id), store::sortable(r.run_id)}));
}

}  // namespace tarn::jobs
