#pragma once
// Private to jobs/: a run and its tasks as one transaction sees and changes them.
#include "jobs/notices.h"
#include "jobs/scheduler.h"
#include "jobs/service.h"

namespace tarn::jobs {

struct Moment {
  store::WriteTxn* txn = nullptr;  // null: a dry look, whose changes are dropped
  RunRecord run;
  std::vector<TaskRecord> tasks;
  std::set<std::int64_t> fresh, changed;
  Millis now = 0;
  std::vector<std::pair<std::int64_t, TaskRecord>> child_jobs;  // job id, task: runs to be made for run_job tasks
  std::vector<NoticeRecord> notices;                            // to be written with what they tell of
  bool live_siblings_full = false;
  std::function<std::optional<RunRecord>(std::int64_t)> other_run;

  Moment(store::WriteTxn& t, RunRecord r, Millis at) : txn(&t), run(std::move(r)), tasks(tasks_of(t, run)), now(at) { look_around(t); }
  Moment(store::ReadTxn& t, RunRecord r, std::vector<TaskRecord> all, Millis at) : run(std::move(r)), tasks(std::move(all)), now(at) {
    look_around(t);
  }

  void look_around(store::ReadTxn& t) {
    other_run = [&t](std::int64_t id) {
      auto found = runs_table.find(t, "id", std::to_string(id));
      return found ? std::optional(std::move(found->value)) : std::nullopt;
    };
    if (run.life != Life::QUEUED || !run.job_id) return;
    int running = 0;
    bool first = true;
    for (const auto& other : runs_table.scan_index(t, "live_of_job", store::key({store::sortable(run.workspace_id), std::to_string(run.job_id)}))) {
      if (other.life != Life::QUEUED) ++running;
      if (other.life == Life::QUEUED && std::tie(other.start_time, other.number_in_job) < std::tie(run.start_time, run.number_in_job)) first = false;
    }
    live_siblings_full = !first || running >= run.settings.max_concurrent_runs.value_or(1);
  }

  /// The latest attempt of each task, iterations of a for_each left out; what a repair set aside does not count.
  std::map<std::string, TaskRecord*> latest() {
    std::map<std::string, TaskRecord*> out;
    for (auto& t : tasks)
      if (t.iteration < 0 && t.condition != "repaired") {
        auto& at = out[t.task_key];
        if (!at || std::tie(at->attempt, at->start_time) <= std::tie(t.attempt, t.start_time)) at = &t;
      }
    return out;
  }
  void touch(const TaskRecord& t) { changed.insert(t.task_run_id); }

  /// Notes what is to be told of a task or (null) of the run.
  void tell(const TaskRecord* task, const std::string& event) {
    for (auto& n : notices_of(run, task, event, now)) notices.push_back(std::move(n));
  }

  void write() {
    for (const auto& n : notices)
      if (!notices_table.insert(*txn, n)) throw std::logic_error("a fresh notice id is taken");
    for (const auto& t : tasks) {
      if (fresh.contains(t.task_run_id)) {
        if (!tasks_table.insert(*txn, t)) throw std::logic_error("a fresh task run id is taken");
      } else if (changed.contains(t.task_run_id) && !tasks_table.update(*txn, t)) {
        throw std::logic_error("a task vanished inside its transaction");
      }
    }
    if (!runs_table.update(*txn, run)) throw std::logic_error("a run vanished inside its transaction");
  }
};

}  // namespace tarn::jobs
