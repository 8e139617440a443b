// The scheduler's decisions about one run, within one transaction: pure but for the records of the Moment.
#include "base/ids.h"
#include "base/json_read.h"
#include "base/log.h"
#include "jobs/code.h"
#include "jobs/moment.h"
#include "jobs/references.h"
#include "jobs/validate.h"

namespace tarn::jobs {
namespace {

bool failed(Outcome o) {
  return o == Outcome::FAILED || o == Outcome::TIMEDOUT || o == Outcome::UPSTREAM_FAILED || o == Outcome::CANCELED || o == Outcome::UPSTREAM_CANCELED;
}

/// What is told of tasks that began or ended: once each, and of a failure only when no further attempt follows, where that is asked for.
bool tell_tasks(Moment& m) {
  bool any = false;
  for (auto& t : m.tasks) {
    const auto* hooks = t.task.webhook_notifications.if_object();
    const auto* mails = t.task.email_notifications.if_object();
    if ((!hooks || hooks->empty()) && (!mails || mails->empty())) continue;
    if (t.launched && !t.told_start) {
      t.told_start = any = true;
      m.touch(t);
      m.tell(&t, "on_start");
    }
    if (!ended(t.life) || t.told_end) continue;
    t.told_end = any = true;
    m.touch(t);
    const auto settings = part_of<NotificationSettings>(t.task.notification_settings);
    const auto event = ending_of(t.outcome, settings);
    const bool more = event == "on_failure" && t.attempt < t.task.max_retries.value_or(0) && !m.run.cancel_requested;
    if (!event.empty() && !(more && settings.alert_on_last_attempt.value_or(false))) m.tell(&t, event);
  }
  return any;
}

enum class Gate { wait, go, exclude, upstream_failed, upstream_canceled };

/// Whether a failed attempt will have another.
bool may_retry(const RunRecord& run, const TaskRecord& last) {
  if (!ended(last.life) || run.life != Life::RUNNING) return false;
  const auto task = std::ranges::find(run.settings.tasks, last.task_key, &Task::task_key);
  if (task == run.settings.tasks.end()) return false;
  const auto retries = task->max_retries.value_or(0);
  return (last.outcome == Outcome::FAILED || (last.outcome == Outcome::TIMEDOUT && task->retry_on_timeout.value_or(false))) &&
         (retries < 0 || last.attempt < retries);
}

/// Whether a task may start, by run_if over its dependencies.
Gate gate_of(const Task& task, const std::map<std::string, TaskRecord*>& latest, const RunRecord& run) {
  int success = 0, bad = 0, canceled = 0, excluded = 0, all = 0;
  for (const auto& d : task.depends_on) {
    if (!run.only.empty() && std::ranges::find(run.only, d.task_key) == run.only.end()) continue;  // not part of this run
    const auto i = latest.find(d.task_key);
    if (i == latest.end() || !ended(i->second->life)) return Gate::wait;
    const auto& t = *i->second;
    if (may_retry(run, t)) return Gate::wait;
    ++all;
    if (d.outcome && t.outcome == Outcome::SUCCESS && t.condition != *d.outcome) {
      ++excluded;
      continue;
    }
    if (t.outcome == Outcome::SUCCESS)
      ++success;
    else if (t.outcome == Outcome::EXCLUDED || t.outcome == Outcome::DISABLED)
      ++excluded;
    else if (t.outcome == Outcome::CANCELED || t.outcome == Outcome::UPSTREAM_CANCELED)
      ++canceled, ++bad;
    else
      ++bad;
  }
  if (all == 0) return Gate::go;
  const auto stop = canceled && canceled == bad ? Gate::upstream_canceled : Gate::upstream_failed;
  switch (task.run_if.value_or(RunIf::ALL_SUCCESS)) {
    case RunIf::ALL_SUCCESS:
      if (bad) return stop;
      return excluded ? Gate::exclude : Gate::go;
    case RunIf::NONE_FAILED:
      if (bad) return stop;
      return success == 0 && excluded == all ? Gate::exclude : Gate::go;
    case RunIf::ALL_DONE:
      return Gate::go;
    case RunIf::AT_LEAST_ONE_SUCCESS:
      if (success) return Gate::go;
      return bad ? stop : Gate::exclude;
    case RunIf::AT_LEAST_ONE_FAILED:
      return bad ? Gate::go : Gate::exclude;
    case RunIf::ALL_FAILED:
      return bad == all ? Gate::go : Gate::exclude;
  }
  return Gate::wait;
}

std::optional<double> as_number(const std::string& text) {
  try {
    std::size_t used = 0;
    const double n = std::stod(text, &used);
    if (used == text.size()) return n;
  } catch (const std::exception&) {
  }
  return std::nullopt;
}

/// EQUAL_TO and NOT_EQUAL compare text, the others numbers, as the vendor says.
Expected<bool, std::string> holds(const ConditionTask& c) {
  if (c.op == ConditionOp::EQUAL_TO) return c.left == c.right;
  if (c.op == ConditionOp::NOT_EQUAL) return c.left != c.right;
  const auto a = as_number(c.left), b = as_number(c.right);
  if (!a || !b)
    return fail(fmt::format("The condition's operands must be numbers for {}: got '{}' and '{}'", json::name_of(c.op), c.left.substr(0, 80),
                            c.right.substr(0, 80)));
  switch (c.op) {
    case ConditionOp::GREATER_THAN:
      return *a > *b;
    case ConditionOp::GREATER_THAN_OR_EQUAL:
      return *a >= *b;
    case ConditionOp::LESS_THAN:
      return *a < *b;
    default:
      return *a <= *b;
  }
}

}  // namespace

void Scheduler::end_task(Moment& m, TaskRecord& t, Life life, Outcome outcome, std::string message, std::string code) {
  t.life = life;
  t.outcome = outcome;
  t.message = message;
  if (outcome == Outcome::FAILED && t.error.empty()) t.error = std::move(message);
  t.code = !code.empty()                  ? std::move(code)
           : outcome == Outcome::SUCCESS  ? "SUCCESS"
           : outcome == Outcome::CANCELED ? "CANCELED"
                                          : "RUN_EXECUTION_ERROR";
  t.end_time = m.now;
  m.touch(t);
}

void Scheduler::make_attempt(Moment& m, const Task& task, int attempt, Millis not_before) {
  TaskRecord t;
  t.task_run_id = new_numeric_id();
  t.run_id = m.run.run_id;
  t.workspace_id = m.run.workspace_id;
  t.task_key = task.task_key;
  t.attempt = attempt;
  t.task = task;
  t.start_time = m.now;
  t.not_before = not_before;
  if (not_before > m.now) t.life = Life::WAITING_FOR_RETRY;
  m.fresh.insert(t.task_run_id);
  if (!m.run.repairs.empty()) m.run.repairs.back().task_run_ids.push_back(t.task_run_id);
  m.tasks.push_back(std::move(t));
}

/// Live tasks are told to end; what did not begin ends at once.
bool Scheduler::cancel_all(Moment& m, Outcome outcome, const std::string& why) {
  bool any = false;
  for (auto& t : m.tasks) {
    if (ended(t.life) || t.life == Life::TERMINATING) continue;
    any = true;
    if (t.launched && !t.task.for_each_task) {
      t.life = Life::TERMINATING;
      t.outcome = outcome;
      t.message = why;
      t.code = outcome == Outcome::CANCELED ? "USER_CANCELED" : "RUN_EXECUTION_ERROR";
      m.touch(t);
    } else {
      end_task(m, t, Life::TERMINATED, outcome, why, outcome == Outcome::CANCELED ? "USER_CANCELED" : "");
    }
  }
  return any;
}

bool Scheduler::plan(Moment& m) {
  auto& r = m.run;
  if (ended(r.life)) return false;
  bool any = false;
  if (r.life == Life::QUEUED) {
    if (r.cancel_requested) {
      r.life = Life::TERMINATED;
      r.outcome = Outcome::CANCELED;
      r.message = "Run cancelled.";
      r.code = "USER_CANCELED";
      r.end_time = m.now;
      return true;
    }
    if (m.live_siblings_full) return false;
    r.life = Life::PENDING;
    r.message.clear(), r.code.clear();
    any = true;
  }
  if (r.life == Life::PENDING) {
    r.life = Life::RUNNING;
    r.started_at = m.now;
    any = true;
    if (!std::exchange(r.told_start, true)) m.tell(nullptr, "on_start");
  }
  const auto limit = r.settings.timeout_seconds.value_or(0);
  if (limit > 0 && !r.timed_out && !r.cancel_requested && m.now - r.started_at > static_cast<Millis>(limit) * 1000) {
    r.timed_out = true;
    any = true;
  }
  if (r.cancel_requested || r.timed_out) {
    r.life = Life::TERMINATING;
    any = cancel_all(m, r.timed_out ? Outcome::TIMEDOUT : Outcome::CANCELED,
                     r.timed_out ? fmt::format("The run timed out after {} seconds", limit) : "Run cancelled.") ||
          any;
  }
  for (std::size_t i = 0; i < m.tasks.size(); ++i) any = progress(m, m.tasks[i]) || any;
  any = tell_tasks(m) || any;
  // So that what `latest` points to stays where it is while attempts are made.
  m.tasks.reserve(m.tasks.size() + r.settings.tasks.size() + 1);
  auto latest = m.latest();
  if (r.life == Life::RUNNING) {
    for (const auto& task : r.settings.tasks) {
      if (!r.only.empty() && std::ranges::find(r.only, task.task_key) == r.only.end()) continue;
      const auto i = latest.find(task.task_key);
      if (i == latest.end()) {
        const auto gate = task.disabled.value_or(false) ? Gate::exclude : gate_of(task, latest, r);
        if (gate == Gate::wait) continue;
        make_attempt(m, task, 0, 0);
        auto& made = m.tasks.back();
        if (gate == Gate::exclude)
          end_task(m, made, Life::SKIPPED, task.disabled.value_or(false) ? Outcome::DISABLED : Outcome::EXCLUDED,
                   "Its conditions to run were not met", "SKIPPED");
        if (gate == Gate::upstream_failed) end_task(m, made, Life::SKIPPED, Outcome::UPSTREAM_FAILED, "A task that it depends on failed", "SKIPPED");
        if (gate == Gate::upstream_canceled)
          end_task(m, made, Life::SKIPPED, Outcome::UPSTREAM_CANCELED, "A task that it depends on was cancelled", "SKIPPED");
        latest[task.task_key] = &made;
        any = true;
        continue;
      }
      // A failed attempt may have another, after its interval, twice as long each time but never above an hour.
      auto& last = *i->second;
      if (!may_retry(r, last)) continue;
      const Millis interval = static_cast<Millis>(task.min_retry_interval_millis.value_or(0)) << std::min(last.attempt, 6);
      make_attempt(m, task, last.attempt + 1, last.end_time + std::min<Millis>(interval, 3'600'000));
      latest[task.task_key] = &m.tasks.back();
      any = true;
    }
  }
  std::size_t planned = 0;
  for (const auto& task : r.settings.tasks)
    if (r.only.empty() || std::ranges::find(r.only, task.task_key) != r.only.end()) ++planned;
  const bool all_there = r.life == Life::TERMINATING || latest.size() >= planned;
  if (all_there && std::ranges::all_of(m.tasks, [](const TaskRecord& t) { return ended(t.life); })) {
    tell_tasks(m);
    end_run(m);
    return true;
  }
  return any;
}

void Scheduler::end_run(Moment& m) {
  auto& r = m.run;
  auto latest = m.latest();
  r.life = Life::TERMINATED;
  r.end_time = m.now;
  if (r.cancel_requested || r.timed_out) {
    r.outcome = r.cancel_requested ? Outcome::CANCELED : Outcome::TIMEDOUT;
    r.message = r.cancel_requested ? "Run cancelled." : fmt::format("The run timed out after {} seconds", r.settings.timeout_seconds.value_or(0));
    r.code = r.cancel_requested ? "USER_CANCELED" : "RUN_EXECUTION_ERROR";
  } else {
    // The run is what its leaves are: a failure that a later task took care of is a success with failures.
    std::set<std::string> inner;
    for (const auto& task : r.settings.tasks)
      for (const auto& d : task.depends_on) inner.insert(d.task_key);
    const TaskRecord* culprit = nullptr;
    bool any_failed = false, leaf_failed = false;
    for (const auto& [key, t] : latest) {
      if (!failed(t->outcome)) continue;
      any_failed = true;
      if (t->outcome != Outcome::UPSTREAM_FAILED && t->outcome != Outcome::UPSTREAM_CANCELED) culprit = culprit ? culprit : t;
      if (!inner.contains(key)) leaf_failed = true;
    }
    r.outcome = leaf_failed ? Outcome::FAILED : any_failed ? Outcome::SUCCESS_WITH_FAILURES : Outcome::SUCCESS;
    r.code = leaf_failed ? (culprit ? culprit->code : "RUN_EXECUTION_ERROR") : any_failed ? "SUCCESS_WITH_FAILURES" : "SUCCESS";
    r.message = culprit ? fmt::format("Task {} failed with message: {}.", culprit->task_key, culprit->message) : "";
    if (culprit && culprit->life == Life::INTERNAL_ERROR && leaf_failed) r.life = Life::INTERNAL_ERROR;
  }
  if (!r.repairs.empty()) {
    r.repairs.back().end_time = m.now;
    r.repairs.back().life = r.life;
    r.repairs.back().outcome = r.outcome;
  }
  if (!std::exchange(r.told_end, true))
    if (const auto event = ending_of(r.outcome, part_of<NotificationSettings>(r.settings.notification_settings)); !event.empty())
      m.tell(nullptr, event);
  if (!m.txn || !r.job_id) return;
  auto job = jobs_table.find(*m.txn, "id", std::to_string(r.job_id));
  if (!job || !runs_continuously(job->value.settings)) return;
  // The next run of a continuous job: at once, or after failures a while later, twice as long each time but never above an hour.
  const bool good = r.outcome == Outcome::SUCCESS || r.outcome == Outcome::SUCCESS_WITH_FAILURES || r.outcome == Outcome::CANCELED;
  job->value.failures = good ? 0 : job->value.failures + 1;
  job->value.next_run_at = m.now + (good ? 0 : std::min<Millis>(Millis(1000) << std::min(job->value.failures, 12), 3'600'000));
  if (!jobs_table.update(*m.txn, job->value)) throw std::logic_error("a job vanished inside its transaction");
}

/// One task's own next step that needs nothing from outside. `task` is within m.tasks, which this may extend: no use of it after that.
bool Scheduler::progress(Moment& m, TaskRecord& t) {
  if (ended(t.life)) return false;
  const auto limit = t.task.timeout_seconds.value_or(0);
  if (limit > 0 && t.launched_at && t.life != Life::TERMINATING && m.now - t.launched_at > static_cast<Millis>(limit) * 1000) {
    t.life = Life::TERMINATING;
    t.outcome = Outcome::TIMEDOUT;
    t.code = "RUN_EXECUTION_ERROR";
    t.message = t.error = fmt::format("The task timed out after {} seconds", limit);
    m.touch(t);
    if (t.task.for_each_task) end_task(m, t, Life::TERMINATED, Outcome::TIMEDOUT, t.message);
    return true;
  }
  if (t.life == Life::WAITING_FOR_RETRY) {
    // Never further ahead than the longest interval: then the clock was set back meanwhile.
    if (t.not_before > m.now && t.not_before - m.now <= 3'600'000) return false;
    t.not_before = 0;
    t.life = Life::PENDING;
    m.touch(t);
    return true;
  }
  if (t.task.run_job_task && t.launched) {
    const auto child = m.other_run(std::stoll(t.handle));
    if (child && !ended(child->life)) {
      if (t.life != Life::TERMINATING || child->cancel_requested) return false;
      if (!m.txn) return true;  // a dry look: this will be done
      auto stop = *child;
      stop.cancel_requested = true;
      (void)runs_table.update(*m.txn, stop);
      return true;
    }
    if (t.life == Life::TERMINATING) {
      t.life = Life::TERMINATED;
      t.end_time = m.now;
      m.touch(t);
      return true;
    }
    const bool ok = child && (child->outcome == Outcome::SUCCESS || child->outcome == Outcome::SUCCESS_WITH_FAILURES);
    t.output = json::object{{"run_id", child ? child->run_id : 0}};
    end_task(m, t, Life::TERMINATED, ok ? Outcome::SUCCESS : Outcome::FAILED,
             ok      ? ""
             : child ? "The run of the other job did not succeed: " + child->message
                     : "The run of the other job is gone");
    return true;
  }
  if (t.task.for_each_task && t.launched) return follow_for_each(m, t);
  if (t.life != Life::PENDING || t.launched || t.not_before > m.now) return false;
  // What the task says is made concrete once, when its turn comes.
  if (t.launched_at == 0) {
    // Most tasks refer to no other: what those have to say is gathered for the others only.
    std::map<std::string, TaskRecord> known;
    const auto text = json::encode_text(t.task);
    if (text.find("tasks.") != text.npos && text.find("{{") != text.npos)
      for (const auto& [key, one] : m.latest()) known.emplace(key, *one);
    auto concrete = resolved(t.task, {m.run, known, t.task_key, t.task_run_id, t.attempt, t.iteration < 0 ? std::nullopt : std::optional(t.input)});
    if (!concrete) {
      end_task(m, t, Life::INTERNAL_ERROR, Outcome::FAILED, concrete.error(), "INVALID_RUN_CONFIGURATION");
      return true;
    }
    t.task = *std::move(concrete);
    t.launched_at = m.now;
    m.touch(t);
  }
  if (t.task.condition_task) {
    const auto verdict = holds(*t.task.condition_task);
    if (!verdict) {
      end_task(m, t, Life::INTERNAL_ERROR, Outcome::FAILED, verdict.error(), "INVALID_RUN_CONFIGURATION");
      return true;
    }
    t.launched = true;
    t.condition = *verdict ? "true" : "false";
    end_task(m, t, Life::TERMINATED, Outcome::SUCCESS, "");
    return true;
  }
  if (t.task.run_job_task) {
    if (!m.txn) return true;  // a dry look: this will be done
    auto job = jobs_table.find(*m.txn, "id", std::to_string(t.task.run_job_task->job_id));
    if (!job || job->value.workspace_id != m.run.workspace_id) {
      end_task(m, t, Life::INTERNAL_ERROR, Outcome::FAILED, fmt::format("Job {} does not exist.", t.task.run_job_task->job_id), "RESOURCE_NOT_FOUND");
      return true;
    }
    int depth = 0;
    for (auto up = m.run.parent_task; up != 0 && depth < 10; ++depth) {
      auto parent = tasks_table.find(*m.txn, "id", std::to_string(up));
      auto of = parent ? runs_table.find(*m.txn, "id", std::to_string(parent->value.run_id)) : std::nullopt;
      up = of ? of->value.parent_task : 0;
    }
    if (depth >= 10) {
      end_task(m, t, Life::INTERNAL_ERROR, Outcome::FAILED, "Jobs that run jobs are nested more than 10 deep", "INVALID_RUN_CONFIGURATION");
      return true;
    }
    NewRun ask{.trigger = Trigger::RUN_JOB_TASK,
               .idempotency_token = fmt::format("task-{}", t.task_run_id),
               .parent_task = t.task_run_id,
               .creator_id = m.run.run_as_id,
               .creator_user_name = m.run.run_as_name};
    ask.overrides.job_parameters = t.task.run_job_task->job_parameters;
    ask.overrides.notebook_params = t.task.run_job_task->notebook_params;
    const auto child = add_run(*m.txn, job->value, ask, parts_.server_id, m.now);
    t.handle = std::to_string(child.run_id);
    t.launched = true;
    t.life = Life::RUNNING;
    m.touch(t);
    return true;
  }
  if (t.task.for_each_task) return begin_for_each(m, t);
  if (!t.task.sql_task && !needs_cluster(t.task)) {
    end_task(m, t, Life::INTERNAL_ERROR, Outcome::FAILED, fmt::format("Tasks of type {} cannot run on this platform", kind_of(t.task)),
             "FEATURE_DISABLED");
    return true;
  }
  return m.changed.contains(t.task_run_id);  // the outside has its turn: advance() starts the work
}

bool Scheduler::begin_for_each(Moment& m, TaskRecord& t) {
  const auto each = *t.task.for_each_task;
  const auto inputs = json::parse(each.inputs);
  if (!inputs || !inputs->is_array()) {
    end_task(m, t, Life::INTERNAL_ERROR, Outcome::FAILED, "The inputs of the for_each are not a JSON array: '" + each.inputs.substr(0, 200) + "'",
             "INVALID_RUN_CONFIGURATION");
    return true;
  }
  const auto& list = inputs->as_array();
  const auto inner = inner_task(each);
  if (!inner || list.size() > 5000) {
    end_task(m, t, Life::INTERNAL_ERROR, Outcome::FAILED,
             !inner ? inner.error().message : fmt::format("The inputs of the for_each have {} entries, at most 5000 are allowed", list.size()),
             "INVALID_RUN_CONFIGURATION");
    return true;
  }
  t.launched = true;
  t.life = Life::RUNNING;
  m.touch(t);
  std::vector<std::string> texts;
  for (const auto& one : list) texts.push_back(boost::json::serialize(one));
  t.output = json::object{{"inputs", json::encode(texts)}};
  return true;
}

/// As many iterations at once as it may, then its own end.
bool Scheduler::follow_for_each(Moment& m, TaskRecord& t) {
  if (t.life == Life::TERMINATING) return false;
  const auto parent = t.task_run_id;
  const auto each = *t.task.for_each_task;
  const auto total = t.output.at("inputs").is_array() ? t.output.at("inputs").as_array().size() : 0;
  std::map<int, const TaskRecord*> latest;
  for (const auto& one : m.tasks)
    if (one.parent_task == parent)
      if (auto& at = latest[one.iteration]; !at || at->attempt < one.attempt) at = &one;
  std::size_t live = 0, done = 0, bad = 0;
  std::vector<std::tuple<int, int, Millis>> wanted;  // iteration, attempt, not before
  const auto inner = inner_task(each);
  const auto retries = inner ? inner->max_retries.value_or(0) : 0;
  for (const auto& [i, one] : latest) {
    if (!ended(one->life)) {
      ++live;
    } else if (one->outcome == Outcome::FAILED && (retries < 0 || one->attempt < retries)) {
      wanted.emplace_back(i, one->attempt + 1, one->end_time + inner->min_retry_interval_millis.value_or(0));
    } else {
      ++done;
      if (failed(one->outcome)) ++bad;
    }
  }
  if (done == total) {
    const auto text = bad ? fmt::format("{} of {} iterations failed", bad, total) : std::string();
    end_task(m, t, Life::TERMINATED, bad ? Outcome::FAILED : Outcome::SUCCESS, text);
    return true;
  }
  const auto most = static_cast<std::size_t>(each.concurrency.value_or(1));
  for (std::size_t next = latest.size(); next < total && live + wanted.size() < most; ++next) wanted.emplace_back(static_cast<int>(next), 0, 0);
  if (wanted.empty()) return false;
  const json::array inputs = t.output.at("inputs").as_array();
  const std::string key = t.task_key;
  for (const auto& [i, attempt, not_before] : wanted) {
    if (live++ >= most) break;
    make_attempt(m, *inner, attempt, not_before);  // t may have moved: not used from here on
    auto& made = m.tasks.back();
    made.task_key = key + "_iteration";
    made.parent_task = parent;
    made.iteration = i;
    made.input = std::string(inputs[static_cast<std::size_t>(i)].as_string());
  }
  return true;
}

/// Marks the task launched, then begins its work: a kill between the two loses the attempt, never doubles it.
void Scheduler::launch(const RunRecord& run, TaskRecord task) {
  const auto id = task.task_run_id;
  const bool mine = change_task(id, [&](store::WriteTxn&, TaskRecord& t) {
    if (ended(t.life) || t.launched) return false;
    t.launched = true;
    t.launched_at = parts_.clock.now();
    t.life = Life::RUNNING;
    t.message.clear();
    task = t;
    return true;
  });
  if (!mine) return;
  const auto ctx = context_of(run);
  const auto refused = [&](const std::string& why) { work_ended(id, {.error = why}); };
  const auto note = [&](const std::string& handle) {
    change_task(id, [&](store::WriteTxn&, TaskRecord& t) {
      t.handle = handle;
      return true;
    });
  };
  const Ended ended_with = [this, id](WorkEnd end) { work_ended(id, std::move(end)); };
  if (task.task.sql_task) {
    const auto& s = *task.task.sql_task;
    if (!parts_.sql) return refused("This platform runs no SQL tasks");
    if (s.alert) {
      if (!parts_.alerts) return refused("This platform evaluates no alerts");
      auto handle = parts_.alerts->start(ctx, s.warehouse_id, *s.alert, ended_with);
      return handle ? note(*handle) : refused(handle.error());
    }
    if (!s.file && !s.query) return refused("Dashboards cannot run as tasks on this platform: use a query, a file or an alert");
    if (!parts_.files) return refused("This platform has no workspace files");
    std::string text;
    if (s.file) {
      auto file = s.file->source == Source::GIT && parts_.git ? parts_.git->read(std::to_string(run.run_id), s.file->path)
                                                              : parts_.files->read(ctx, s.file->path);
      if (!file) return refused(file.error());
      text = std::move(file->content);
    } else {
      auto query = parts_.files->query(ctx, s.query->query_id);
      if (!query) return refused(query.error());
      text = *std::move(query);
    }
    auto parameters = s.parameters;
    for (const auto& [k, v] : run.parameters) parameters.emplace(k, v);
    for (const auto& [k, v] : run.overrides.sql_params) parameters[k] = v;
    auto handle = parts_.sql->start(ctx, s.warehouse_id, text, parameters, ended_with);
    if (!handle) return refused(handle.error());
    return note(*handle);
  }
  const auto siblings = parts_.store.read_as([&](store::ReadTxn& t) { return tasks_of(t, run); });
  const auto code = code_of(ctx, run, task, siblings, parts_.files, parts_.git);
  if (!code) return refused(code.error());
  auto handle = parts_.code->start(ctx, task.cluster_id, *code, ended_with, printed_by(id));
  if (!handle) return refused(handle.error());
  note(*handle);
}

}  // namespace tarn::jobs
