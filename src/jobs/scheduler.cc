#include "jobs/scheduler.h"

#include "base/ids.h"
#include "base/json_read.h"
#include "base/log.h"
#include "jobs/moment.h"
#include "jobs/service.h"
#include "jobs/validate.h"

namespace tarn::jobs {

Scheduler::Scheduler(Parts parts) : parts_(std::move(parts)) {}
Scheduler::~Scheduler() { stop(); }

void Scheduler::start() {
  if (thread_.joinable()) return;
  recover();
  thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
}

void Scheduler::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  changed_.notify_all();
  thread_.join();
}

void Scheduler::wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void Scheduler::run(std::stop_token stop) {
  while (!stop.stop_requested()) {
    try {
      while (!stop.stop_requested() && step()) {
      }
    } catch (const std::exception& e) {
      spdlog::error("jobs pause: {}", e.what());
    }
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, std::chrono::milliseconds(250), [&] { return woken_; });
    woken_ = false;
  }
}

access::Context Scheduler::context_of(const RunRecord& run) {
  access::Context ctx;
  ctx.workspace_id = run.workspace_id;
  ctx.request_id = fmt::format("run-{}", run.run_id);
  ctx.user_agent = "jobs";
  if (auto who = parts_.directory.caller(run.run_as_id, run.workspace_id)) {
    ctx.caller = *std::move(who);
  } else {
    ctx.caller.name = run.run_as_name;  // gone, or no longer of this workspace: no rights at all
  }
  return ctx;
}

bool Scheduler::change_run(std::int64_t run_id, const std::string& action, const std::function<bool(Moment&)>& body) {
  bool changed = false;
  parts_.store.write(access::system_context().event("jobs", action, {{"run_id", std::to_string(run_id)}}), [&](store::WriteTxn& t) {
    changed = false;
    t.audit().outcome = store::Outcome::failed;
    t.audit().error = "nothing was due";
    auto found = runs_table.find(t, "id", std::to_string(run_id));
    if (!found) return false;
    Moment m(t, std::move(found->value), parts_.clock.now());
    t.audit().workspace_id = m.run.workspace_id;
    if (!body(m)) return false;
    m.write();
    t.audit().outcome = store::Outcome::success;
    t.audit().error.clear();
    t.audit().params["life_cycle_state"] = std::string(json::name_of(m.run.life));
    return changed = true;
  });
  return changed;
}

bool Scheduler::change_task(std::int64_t id, const std::function<bool(store::WriteTxn&, TaskRecord&)>& body) {
  bool changed = false;
  parts_.store.write(access::system_context().event("jobs", "taskState", {{"run_id", std::to_string(id)}}), [&](store::WriteTxn& t) {
    changed = false;
    auto found = tasks_table.find(t, "id", std::to_string(id));
    if (!found || !body(t, found->value)) {
      t.audit().outcome = store::Outcome::failed;
      t.audit().error = "nothing was due";
      return false;
    }
    t.audit().workspace_id = found->value.workspace_id;
    if (!tasks_table.update(t, found->value)) throw std::logic_error("a task vanished inside its transaction");
    return changed = true;
  });
  return changed;
}

Printed Scheduler::printed_by(std::int64_t id) {
  if (!parts_.logs) return {};
  return [logs = parts_.logs, id](std::int64_t at, std::string text) { logs->add(id, at, text); };
}

bool Scheduler::have_source(const RunRecord& run) {
  if (run.git == GitState::ready || run.git == GitState::failed) return true;
  if (run.git == GitState::fetching || run.life != Life::RUNNING) return false;
  const auto source = part_of<GitSource>(run.settings.git_source);
  const auto ended = [this, id = run.run_id](Expected<std::string, std::string> commit) {
    change_run(id, "gitSource", [&](Moment& m) {
      if (m.run.git != GitState::fetching) return false;
      m.run.git = commit ? GitState::ready : GitState::failed;
      if (commit)
        m.run.git_commit = *commit;
      else
        m.run.git_error = commit.error();
      return true;
    });
    wake();
  };
  if (!change_run(run.run_id, "gitSource", [](Moment& m) { return std::exchange(m.run.git, GitState::fetching) == GitState::none; })) return false;
  if (!parts_.git) {
    ended(fail(std::string("This platform fetches no Git sources")));
    return false;
  }
  parts_.git->fetch(context_of(run),
                    {.key = std::to_string(run.run_id),
                     .url = source.git_url,
                     .provider = source.git_provider,
                     .branch = source.git_branch.value_or(""),
                     .tag = source.git_tag.value_or(""),
                     // What a run began with it goes on with, whatever the branch is by now.
                     .commit = run.git_commit.empty() ? source.git_commit.value_or("") : run.git_commit},
                    ended);
  return false;
}

/// A trigger and its run in one commit: killed before it, the trigger is still due; after it, it is not.
bool Scheduler::fire_schedules() {
  bool any = false;
  const auto now = parts_.clock.now();
  const bool set_back = now + 1000 < looked_at_;
  looked_at_ = now;
  for (const auto& due : parts_.store.read_as([](store::ReadTxn& t) { return jobs_table.scan_index(t, "scheduled", "yes"); })) {
    if (set_back && due.next_run_at > now && !runs_continuously(due.settings)) {
      // A clock that was set back must not silence a schedule until the old time comes again.
      parts_.store.write(access::system_context().event("jobs", "clockSetBack", {{"job_id", std::to_string(due.job_id)}}), [&](store::WriteTxn& t) {
        auto job = jobs_table.find(t, "id", std::to_string(due.job_id));
        const auto next = job ? next_fire(job->value.settings, now) : 0;
        if (!job || next == 0 || next >= job->value.next_run_at) {
          t.audit().outcome = store::Outcome::failed;
          t.audit().error = "its next run is right as it is";
          return false;
        }
        job->value.next_run_at = next;
        return jobs_table.update(t, job->value).has_value();
      });
      continue;
    }
    if (due.next_run_at > now) continue;
    const bool continuous = runs_continuously(due.settings);
    const auto live_runs = [&](store::ReadTxn& t) {
      return !runs_table.scan_index(t, "live_of_job", store::key({store::sortable(due.workspace_id), std::to_string(due.job_id)}), {}, 1).empty();
    };
    if (continuous && parts_.store.read_as(live_runs)) continue;
    parts_.store.write(access::system_context().event("jobs", "runTriggered", {{"job_id", std::to_string(due.job_id)}}), [&](store::WriteTxn& t) {
      auto job = jobs_table.find(t, "id", std::to_string(due.job_id));
      if (!job || job->value.next_run_at != due.next_run_at) {
        t.audit().outcome = store::Outcome::failed;
        t.audit().error = "another server fired it";
        return false;
      }
      if (continuous && live_runs(t)) {
        t.audit().outcome = store::Outcome::failed;
        t.audit().error = "it runs already";
        return false;
      }
      // What was missed while no server ran fires once, not once for each.
      job->value.next_run_at = next_fire(job->value.settings, now);
      const auto r = add_run(t, job->value,
                             {.trigger = continuous ? Trigger::CONTINUOUS : Trigger::PERIODIC,
                              .creator_id = job->value.run_as_id,
                              .creator_user_name = job->value.creator_user_name},
                             parts_.server_id, now);
      t.audit().workspace_id = r.workspace_id;
      t.audit().params["run_id"] = std::to_string(r.run_id);
      any = true;
      return true;
    });
  }
  return any;
}

bool Scheduler::step() {
  bool any = fire_schedules();
  for (const auto& r : parts_.store.read_as([&](store::ReadTxn& t) { return runs_table.scan_index(t, "live", parts_.server_id); })) {
    try {
      any = advance(r.run_id) || any;
    } catch (const store::StoreUnavailable&) {
      throw;
    } catch (const std::exception& e) {
      spdlog::error("run cannot go on run_id={} error=\"{}\"", r.run_id, e.what());
      change_run(r.run_id, "runFailed", [&](Moment& m) {
        m.run.life = Life::INTERNAL_ERROR;
        m.run.outcome = Outcome::FAILED;
        m.run.message = "The run met an unexpected failure. The server's log names it.";
        m.run.code = "INTERNAL_ERROR";
        m.run.end_time = m.now;
        return true;
      });
    }
  }
  return any;
}

/// What is due for one run: first what the store decides, then the work that this asks for, outside of the transaction.
bool Scheduler::advance(std::int64_t run_id) {
  // Read first: most looks find nothing to do, and a write that writes nothing would still leave an event.
  const auto before = parts_.store.read_as([&](store::ReadTxn& t) -> std::optional<std::pair<RunRecord, std::vector<TaskRecord>>> {
    auto r = runs_table.find(t, "id", std::to_string(run_id));
    if (!r) return std::nullopt;
    return std::pair(r->value, tasks_of(t, r->value));
  });
  if (!before || ended(before->first.life)) return false;
  bool any = false;
  const bool due = parts_.store.read_as([&](store::ReadTxn& t) {
    Moment m(t, before->first, before->second, parts_.clock.now());
    return plan(m);
  });
  if (due) any = change_run(run_id, "runState", [&](Moment& m) { return plan(m); });
  // Now the outside: clusters, code, statements, cancellations.
  const auto now = parts_.store.read_as([&](store::ReadTxn& t) -> std::optional<std::pair<RunRecord, std::vector<TaskRecord>>> {
    auto r = runs_table.find(t, "id", std::to_string(run_id));
    if (!r) return std::nullopt;
    return std::pair(r->value, tasks_of(t, r->value));
  });
  if (!now) return any;
  const auto& [run, tasks] = *now;
  for (const auto& t : tasks) {
    if (ended(t.life)) {
      continue;
    }
    if (t.life == Life::TERMINATING && !t.cancel_sent) {
      if (!t.handle.empty() && t.task.sql_task && parts_.sql) parts_.sql->cancel(context_of(run), t.handle);
      if (!t.handle.empty() && needs_cluster(t.task) && parts_.code) parts_.code->cancel(t.handle);
      any = change_task(t.task_run_id,
                        [&](store::WriteTxn&, TaskRecord& r) {
                          if (r.life != Life::TERMINATING) return false;
                          r.cancel_sent = true;
                          // Code on a node and statements end with their cancellation; a child run ends by itself and is followed.
                          if (!r.task.run_job_task) {
                            r.life = Life::TERMINATED;
                            r.end_time = parts_.clock.now();
                          }
                          return true;
                        }) ||
            any;
      continue;
    }
    if (t.life != Life::PENDING || t.launched || t.launched_at == 0 || t.not_before > parts_.clock.now()) continue;
    if (from_git(t.task)) {
      if (!have_source(run)) continue;
      if (run.git == GitState::failed) {
        work_ended(t.task_run_id, {.error = "The Git source could not be checked out: " + run.git_error});
        any = true;
        continue;
      }
    }
    if (needs_cluster(t.task))
      any = place(run, t) || any;
    else if (t.task.sql_task)
      launch(run, t), any = true;
  }
  if (ended(run.life)) {
    if (parts_.counts) parts_.counts->ended(run.outcome);
    if (parts_.git && run.git != GitState::none) parts_.git->drop(std::to_string(run.run_id));
    if (parts_.code) {
      for (const auto& [key, cluster] : run.clusters) parts_.code->discard(cluster);
      for (const auto& t : tasks)
        if (t.own_cluster && !t.cluster_id.empty()) parts_.code->discard(t.cluster_id);
    }
    if (run.orphan) {
      auto event = access::system_context().event("jobs", "deleteRun", {{"run_id", std::to_string(run.run_id)}});
      event.workspace_id = run.workspace_id;
      parts_.store.write(std::move(event), [&](store::WriteTxn& t) { return erase_run(t, run), true; });
      return any;
    }
    if (run.job_id)
      // The longest waiting run of the job may go now.
      for (const auto& other : parts_.store.read_as([&](store::ReadTxn& t) {
             return runs_table.scan_index(t, "live_of_job", store::key({store::sortable(run.workspace_id), std::to_string(run.job_id)}));
           }))
        if (other.life == Life::QUEUED) any = true;
  }
  return any;
}

bool Scheduler::needs_cluster(const Task& t) const { return t.notebook_task || t.spark_python_task || t.python_wheel_task; }

void Scheduler::recover() {
  const auto now = parts_.clock.now();
  std::set<std::string> used;
  for (const auto& run : parts_.store.read_as([&](store::ReadTxn& t) { return runs_table.scan_index(t, "live", parts_.server_id); })) {
    for (const auto& [key, cluster] : run.clusters) used.insert(cluster);
    // A commit that was fetched went with the process that had it.
    if (run.git == GitState::fetching || run.git == GitState::ready)
      change_run(run.run_id, "gitSource", [](Moment& m) {
        m.run.git = GitState::none;
        return true;
      });
    for (const auto& task : parts_.store.read_as([&](store::ReadTxn& t) { return tasks_of(t, run); })) {
      if (!task.cluster_id.empty()) used.insert(task.cluster_id);
      if (ended(task.life) || !task.launched || task.task.run_job_task || task.task.for_each_task || task.task.condition_task) continue;
      if (needs_cluster(task.task) && parts_.code && !task.handle.empty()) {
        parts_.code->resume(
            context_of(run), task.cluster_id, task.handle, [this, id = task.task_run_id](WorkEnd end) { work_ended(id, std::move(end)); },
            printed_by(task.task_run_id));
        continue;
      }
      change_task(task.task_run_id, [&](store::WriteTxn&, TaskRecord& t) {
        if (ended(t.life)) return false;
        t.life = Life::INTERNAL_ERROR;
        t.outcome = Outcome::FAILED;
        t.code = "INTERNAL_ERROR";
        t.message = t.error = "The server ended while the task ran. What it did until then may have taken effect.";
        t.end_time = now;
        return true;
      });
    }
  }
  if (parts_.code) parts_.code->keep_only(used);
}

/// Finds the task's cluster, or makes it; launches once it runs.
bool Scheduler::place(const RunRecord& run, const TaskRecord& task) {
  const auto give_up = [&](const std::string& why, const std::string& code) {
    return change_task(task.task_run_id, [&](store::WriteTxn&, TaskRecord& t) {
      if (ended(t.life)) return false;
      t.life = Life::INTERNAL_ERROR;
      t.outcome = Outcome::FAILED;
      t.message = t.error = why;
      t.code = code;
      t.end_time = parts_.clock.now();
      return true;
    });
  };
  if (!parts_.code) return give_up("This platform runs no code: tasks of this kind cannot run", "FEATURE_DISABLED");
  const auto ctx = context_of(run);
  const auto& t = task.task;
  if (task.cluster_id.empty()) {
    std::string cluster;
    bool own = false;
    if (t.existing_cluster_id) {
      if (auto ready = parts_.code->ensure(ctx, *t.existing_cluster_id); !ready)
        return give_up("Could not reach driver of cluster " + *t.existing_cluster_id + ": " + ready.error(), "CLUSTER_ERROR");
      cluster = *t.existing_cluster_id;
    } else if (t.job_cluster_key) {
      if (const auto i = run.clusters.find(*t.job_cluster_key); i != run.clusters.end()) {
        cluster = i->second;
      } else {
        const auto wanted = std::ranges::find(run.settings.job_clusters, *t.job_cluster_key, &JobCluster::job_cluster_key);
        auto made = parts_.code->create(ctx, wanted->new_cluster, fmt::format("job-{}-run-{}-{}", run.job_id, run.run_id, *t.job_cluster_key));
        if (!made) return give_up("Unexpected user error while preparing the cluster for the job. Cause: " + made.error(), "INVALID_CLUSTER_REQUEST");
        cluster = *made;
        if (!change_run(run.run_id, "jobCluster", [&](Moment& m) { return m.run.clusters.emplace(*t.job_cluster_key, cluster).second; }))
          parts_.code->discard(cluster);
        return true;  // the next look finds it
      }
    } else if (!t.new_cluster.is_null()) {
      auto made = parts_.code->create(ctx, t.new_cluster, fmt::format("job-{}-run-{}", run.job_id, task.task_run_id));
      if (!made) return give_up("Unexpected user error while preparing the cluster for the job. Cause: " + made.error(), "INVALID_CLUSTER_REQUEST");
      cluster = *made;
      own = true;
    } else {
      return give_up("Serverless compute is not available on this platform: name an existing_cluster_id, a job_cluster_key or a new_cluster",
                     "FEATURE_DISABLED");
    }
    const bool kept = change_task(task.task_run_id, [&](store::WriteTxn&, TaskRecord& r) {
      if (ended(r.life) || !r.cluster_id.empty()) return false;
      r.cluster_id = cluster;
      r.own_cluster = own;
      r.message = "Waiting for cluster";
      return true;
    });
    if (!kept && own) parts_.code->discard(cluster);
    return kept;
  }
  const auto cluster = parts_.code->state(task.cluster_id);
  if (cluster.state == CodeWork::State::starting) return false;
  if (cluster.state == CodeWork::State::ended)
    return give_up("Cluster " + task.cluster_id + " was terminated. Reason: " + cluster.message, "CLUSTER_ERROR");
  launch(run, task);
  return true;
}

void Scheduler::work_ended(std::int64_t id, WorkEnd end) {
  OutputRecord shown{.task_run_id = id};
  if (auto* output = end.output.if_object()) {
    shown.logs = json::text_at(*output, "logs");
    shown.truncated = output->contains("logs_truncated");
    if (auto* cells = output->if_contains("cells")) shown.cells = std::move(*cells);
    for (const char* apart : {"logs", "logs_truncated", "cells"}) output->erase(apart);
  }
  // A kernel that was killed took its words with it; what was heard of them is kept.
  if (shown.logs.empty() && parts_.logs) shown.logs = parts_.logs->text(id);
  change_task(id, [&](store::WriteTxn& txn, TaskRecord& t) {
    if (!shown.logs.empty() || !shown.cells.is_null()) {
      shown.run_id = t.run_id, shown.workspace_id = t.workspace_id;
      if (!outputs_table.get(txn, shown.store_key())) (void)outputs_table.insert(txn, shown);
    }
    // Cancelled meanwhile: what it printed is kept all the same.
    if (ended(t.life)) return !shown.logs.empty();
    t.end_time = parts_.clock.now();
    t.output = end.output;
    t.error = end.error;
    t.error_trace = end.trace;
    if (t.life == Life::TERMINATING) {
      t.life = Life::TERMINATED;  // its outcome was decided when it was cancelled
      return true;
    }
    t.life = end.lost ? Life::INTERNAL_ERROR : Life::TERMINATED;
    t.outcome = end.ok ? Outcome::SUCCESS : end.cancelled ? Outcome::CANCELED : Outcome::FAILED;
    t.code = end.ok ? "SUCCESS" : end.lost ? "CLUSTER_ERROR" : end.cancelled ? "CANCELED" : "RUN_EXECUTION_ERROR";
    t.message = end.ok ? "" : end.lost ? end.error : "Workload failed, see run output for details";
    return true;
  });
  if (parts_.logs) parts_.logs->forget(id);
  wake();
}

}  // namespace tarn::jobs
