#include "jobs/service.h"

#include <charconv>

#include "base/ids.h"
#include "jobs/validate.h"

namespace tarn::jobs {
namespace {

constexpr const char* kType = "jobs";
constexpr std::size_t kMostLiveRuns = 2000;  // of a workspace, the vendor's limit

Error missing(std::int64_t id) { return {Errc::invalid, fmt::format("Job {} does not exist.", id)}; }
Error no_run(std::int64_t id) { return {Errc::invalid, fmt::format("Run {} does not exist.", id)}; }

const char* spoken(std::string_view level) {
  if (level == "CAN_VIEW") return "View or Admin or Manage Run or Owner";
  if (level == "CAN_MANAGE_RUN") return "Manage Run or Admin or Owner";
  return "Admin or Owner";
}

/// A run with all that is kept of it.
access::ObjectRef ref(std::int64_t id) { return {kType, std::to_string(id)}; }

}  // namespace

void erase_run(store::WriteTxn& t, const RunRecord& r) {
  const auto below = store::prefix({store::sortable(r.workspace_id), store::sortable(r.run_id)});
  for (const auto& task : tasks_of(t, r)) tasks_table.erase(t, task.store_key());
  for (const auto& o : outputs_table.scan(t, below)) outputs_table.erase(t, o.store_key());
  for (const auto& n : notices_table.scan(t, below)) notices_table.erase(t, n.store_key());
  runs_table.erase(t, r.store_key());
}

Service::Service(store::Store& store, access::ObjectPermissions& permissions, identity::Directory& directory, CodeWork* code, const Clock& clock,
                 std::string server_id)
    : store_(store), permissions_(permissions), directory_(directory), code_(code), clock_(clock), server_id_(std::move(server_id)) {
  permissions_.add_kind({.type = kType,
                         .levels = {{"CAN_VIEW", "Can view the job"},
                                    {"CAN_MANAGE_RUN", "Can view the job and manage its runs"},
                                    {"CAN_MANAGE", "Can manage the job"},
                                    {"IS_OWNER", "Is the owner of the job"}},
                         .creator_level = "IS_OWNER",
                         .find = [this](std::int64_t workspace, const std::string& id) -> std::optional<access::FoundObject> {
                           std::int64_t n = 0;
                           const auto r = std::from_chars(id.data(), id.data() + id.size(), n);
                           if (id.empty() || r.ec != std::errc() || r.ptr != id.data() + id.size()) return std::nullopt;
                           const auto job = find(n);
                           if (!job || job->workspace_id != workspace) return std::nullopt;
                           return access::FoundObject{.shown = fmt::format("Job with ID: ElasticJobId({})", n)};
                         },
                         .object_type = "job",
                         .ownership = access::Ownership::exactly_one,
                         .missing = "Job {} does not exist.",
                         .audit_service = "jobs",
                         .audit_action = "changeJobAcl"});
}

std::optional<JobRecord> Service::find(std::int64_t id) {
  auto found = store_.read_as([&](store::ReadTxn& t) { return jobs_table.find(t, "id", std::to_string(id)); });
  return found ? std::optional(std::move(found->value)) : std::nullopt;
}

Result<JobRecord> Service::require(const access::Context& ctx, std::int64_t id, const char* level) {
  auto job = find(id);
  if (!job || job->workspace_id != workspace_of(ctx)) return fail(missing(id));
  if (permissions_.allows(ctx, ref(id), level)) return *std::move(job);
  std::string text = fmt::format("User {} does not have {} permissions on job {}", ctx.caller.name, spoken(level), id);
  auto event = ctx.event("jobs", "authorise", {{"job_id", std::to_string(id)}, {"level", level}});
  return fail(store_.refused(std::move(event), Error{Errc::permission_denied, std::move(text)}));
}

Result<void> Service::judge(const access::Context& ctx, const JobSettings& settings) {
  Checks checks;
  if (code_)
    checks.cluster = [&](const std::string& field, const json::value& cluster) -> Result<void> {
      if (auto ok = code_->check(ctx, cluster); !ok) return refuse(Errc::invalid, field + ": " + ok.error());
      return {};
    };
  if (destinations_) checks.destination_exists = [&](const std::string& id) { return destinations_->exists(workspace_of(ctx), id); };
  checks.job_exists = [&](std::int64_t id) {
    const auto job = find(id);
    return job && job->workspace_id == workspace_of(ctx);
  };
  return validate(settings, checks, clock_.now());
}

/// Whom the runs act as: the caller, or whom an admin names. Others' identity is nobody's to lend.
Result<std::pair<std::int64_t, std::string>> Service::identity_of(const access::Context& ctx, const std::optional<RunAs>& run_as) {
  if (!run_as || (!run_as->user_name && !run_as->service_principal_name)) {
    if (run_as && run_as->group_name) return refuse(Errc::invalid, "Field 'run_as' must name a user or a service principal, not a group");
    return std::pair(ctx.caller.id, ctx.caller.name);
  }
  if (run_as->user_name && run_as->service_principal_name)
    return refuse(Errc::invalid, "Field 'run_as' must name a user or a service principal, not both");
  const auto name = run_as->user_name ? *run_as->user_name : *run_as->service_principal_name;
  const auto found = directory_.find_principal(name);
  const auto wanted = run_as->user_name ? identity::Kind::user : identity::Kind::service_principal;
  if (!found || found->kind != wanted || !directory_.caller(found->id, workspace_of(ctx)))
    return refuse(Errc::invalid,
                  fmt::format("Field 'run_as': '{}' is not a {} of this workspace", name, run_as->user_name ? "user" : "service principal"));
  if (found->id != ctx.caller.id && !ctx.caller.workspace_admin)
    return refuse(Errc::permission_denied,
                  fmt::format("User {} may not let a job run as {}: only workspace administrators may name another identity", ctx.caller.name, name));
  return std::pair(found->id, found->name);
}

Result<JobRecord> Service::create(const access::Context& ctx, const JobSettings& settings) {
  TARN_CHECK(judge(ctx, settings));
  TARN_TRY(who, identity_of(ctx, settings.run_as));
  JobRecord job;
  job.job_id = new_numeric_id();
  job.workspace_id = workspace_of(ctx);
  job.creator_id = ctx.caller.id;
  job.creator_user_name = ctx.caller.name;
  job.run_as_id = who.first;
  job.run_as_name = who.second;
  job.created_time = clock_.now();
  job.settings = with_defaults(settings);
  job.next_run_at = next_fire(job.settings, clock_.now());
  auto made = store_.write_as(ctx.event("jobs", "create", {{"name", *job.settings.name}, {"job_id", std::to_string(job.job_id)}}),
                              [&](store::WriteTxn& t) -> Result<JobRecord> {
                                if (!jobs_table.insert(t, job)) throw std::logic_error("a fresh job id is taken");
                                permissions_.on_created(t, job.workspace_id, ref(job.job_id), ctx.caller);
                                return job;
                              });
  due();
  return made;
}

Result<JobRecord> Service::get(const access::Context& ctx, std::int64_t id) { return require(ctx, id, "CAN_VIEW"); }

std::vector<JobRecord> Service::list(const access::Context& ctx, const std::optional<std::string>& name) {
  auto all = store_.read_as([&](store::ReadTxn& t) { return jobs_table.scan(t, store::prefix({store::sortable(workspace_of(ctx))})); });
  const auto lower = [](std::string s) {
    std::ranges::transform(s, s.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return s;
  };
  std::erase_if(all, [&](const JobRecord& j) {
    return (name && lower(*j.settings.name) != lower(*name)) || !permissions_.allows(ctx, ref(j.job_id), "CAN_VIEW");
  });
  std::ranges::sort(all, [](const auto& a, const auto& b) { return std::tie(b.created_time, b.job_id) < std::tie(a.created_time, a.job_id); });
  return all;
}

Result<void> Service::replace(const access::Context& ctx, std::int64_t id, const char* action, JobSettings settings) {
  TARN_CHECK(judge(ctx, settings));
  std::optional<std::pair<std::int64_t, std::string>> who;
  if (settings.run_as) {
    TARN_TRY(named, identity_of(ctx, settings.run_as));
    who = named;
  }
  auto out = store_.write_as(ctx.event("jobs", action, {{"job_id", std::to_string(id)}}), [&](store::WriteTxn& t) -> Result<void> {
    auto job = jobs_table.find(t, "id", std::to_string(id));
    if (!job) return fail(missing(id));
    // A reset that names no identity keeps the one there is, as the vendor does.
    if (!settings.run_as) settings.run_as = job->value.settings.run_as;
    // A trigger that is another one begins to look anew; a continuous job that is paused ends its run.
    if (job->value.settings.trigger != settings.trigger) job->value.watch = {};
    if (runs_continuously(job->value.settings) && !runs_continuously(settings))
      for (auto& r : runs_table.scan_index(t, "live_of_job", store::key({store::sortable(job->value.workspace_id), std::to_string(id)}))) {
        r.cancel_requested = true;
        (void)runs_table.update(t, r);
      }
    job->value.failures = 0;
    job->value.settings = with_defaults(settings);
    if (who) job->value.run_as_id = who->first, job->value.run_as_name = who->second;
    job->value.next_run_at = next_fire(job->value.settings, clock_.now());
    if (!jobs_table.update(t, job->value)) throw std::logic_error("a job vanished inside its transaction");
    return {};
  });
  due();
  return out;
}

Result<void> Service::reset(const access::Context& ctx, std::int64_t id, const JobSettings& settings) {
  TARN_TRY(job, require(ctx, id, "CAN_MANAGE"));
  (void)job;
  return replace(ctx, id, "reset", settings);
}

Result<void> Service::update(const access::Context& ctx, std::int64_t id, const json::object& changes, const std::vector<std::string>& remove) {
  TARN_TRY(job, require(ctx, id, "CAN_MANAGE"));
  auto now = json::encode(job.settings).as_object();
  for (const auto& kv : changes) now[kv.key()] = kv.value();
  for (const auto& field : remove) {
    const auto slash = field.find('/');
    const auto head = field.substr(0, slash);
    if (slash == field.npos) {
      now.erase(head);
      continue;
    }
    const auto* list = now.if_contains(head);
    if (!list || !list->is_array()) continue;
    const char* key = head == "tasks" ? "task_key" : head == "job_clusters" ? "job_cluster_key" : head == "parameters" ? "name" : nullptr;
    if (!key) return refuse(Errc::invalid, "Field 'fields_to_remove' names '" + field + "', which cannot be removed");
    json::array kept;
    for (const auto& one : list->as_array())
      if (!one.is_object() || !one.as_object().contains(key) || one.as_object().at(key) != json::value(field.substr(slash + 1))) kept.push_back(one);
    now[head] = std::move(kept);
  }
  auto next = json::decode<JobSettings>(now);
  if (!next) return refuse(Errc::invalid, next.error().message());
  return replace(ctx, id, "update", *std::move(next));
}

Result<void> Service::remove(const access::Context& ctx, std::int64_t id) {
  TARN_TRY(before, require(ctx, id, "CAN_MANAGE"));
  (void)before;
  auto out = store_.write_as(ctx.event("jobs", "delete", {{"job_id", std::to_string(id)}}), [&](store::WriteTxn& t) -> Result<void> {
    auto job = jobs_table.find(t, "id", std::to_string(id));
    if (!job) return fail(missing(id));
    for (auto& r : runs_table.scan_index(t, "live_of_job", store::key({store::sortable(job->value.workspace_id), std::to_string(id)}))) {
      r.cancel_requested = true;
      (void)runs_table.update(t, r);
    }
    jobs_table.erase(t, job->value.store_key());
    permissions_.on_deleted(t, job->value.workspace_id, ref(id));
    return {};
  });
  due();
  return out;
}

void Service::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) {
  if (destinations_) destinations_->on_workspace_deleted(t, workspace_id);
  const auto all = store::prefix({store::sortable(workspace_id)});
  for (const auto& job : jobs_table.scan(t, all)) jobs_table.erase(t, job.store_key());
  for (auto& r : runs_table.scan(t, all)) {
    if (ended(r.life)) {
      erase_run(t, r);
      continue;
    }
    r.cancel_requested = r.orphan = true;
    (void)runs_table.update(t, r);
  }
}

RunRecord add_run(store::WriteTxn& t, JobRecord& job, const NewRun& ask, const std::string& server_id, Millis now) {
  RunRecord r;
  r.run_id = new_numeric_id();
  r.job_id = job.job_id;
  r.workspace_id = job.workspace_id;
  r.number_in_job = ++job.runs;
  r.creator_id = ask.creator_id;
  r.creator_user_name = ask.creator_user_name;
  r.run_as_id = job.run_as_id;
  r.run_as_name = job.run_as_name;
  r.run_name = *job.settings.name;
  r.server_id = server_id;
  r.trigger = ask.trigger;
  r.parent_task = ask.parent_task;
  r.idempotency_token = ask.idempotency_token;
  r.settings = job.settings;
  r.overrides = ask.overrides;
  r.only = ask.only;
  r.start_time = now;
  for (const auto& p : job.settings.parameters) r.parameters[p.name] = p.default_;
  for (const auto& [name, value] : ask.overrides.job_parameters) r.parameters[name] = value;
  const auto live = runs_table.scan_index(t, "live_of_job", store::key({store::sortable(job.workspace_id), std::to_string(job.job_id)}));
  const auto most = job.settings.max_concurrent_runs.value_or(1);
  const bool queue = ask.queue.value_or(job.settings.queue && job.settings.queue->enabled);
  if (static_cast<int>(live.size()) >= most) {
    if (queue) {
      r.life = Life::QUEUED;
      r.message = "Queued: the job runs as often at once as it may";
      r.code = "MAX_CONCURRENT_RUNS_REACHED";
    } else {
      r.life = Life::SKIPPED;
      r.outcome = Outcome::MAXIMUM_CONCURRENT_RUNS_REACHED;
      r.message = fmt::format("Skipping this run because the limit of {} maximum concurrent runs has been reached.", most);
      r.code = "MAX_CONCURRENT_RUNS_EXCEEDED";
      r.end_time = now;
      r.told_end = true;
      if (const auto event = ending_of(r.outcome, part_of<NotificationSettings>(r.settings.notification_settings)); !event.empty())
        for (const auto& n : notices_of(r, nullptr, event, now))
          if (!notices_table.insert(t, n)) throw std::logic_error("a fresh notice id is taken");
    }
  }
  if (!runs_table.insert(t, r)) throw std::logic_error("a fresh run id is taken");
  if (!jobs_table.update(t, job)) throw std::logic_error("a job vanished inside its transaction");
  return r;
}

Result<RunRecord> Service::run_now(const access::Context& ctx, const RunNow& q) {
  TARN_TRY(before, require(ctx, q.job_id, "CAN_MANAGE_RUN"));
  for (const auto& key : q.only)
    if (std::ranges::find(before.settings.tasks, key, &Task::task_key) == before.settings.tasks.end())
      return refuse(Errc::invalid, "Field 'only' names the task '" + key + "', which the job does not have");
  if (!q.job_parameters.empty() &&
      (!q.notebook_params.empty() || !q.python_params.empty() || !q.python_named_params.empty() || !q.sql_params.empty()))
    return refuse(Errc::invalid, "Field 'job_parameters' cannot be used with parameters of single task types");
  if (q.idempotency_token && q.idempotency_token->size() > 64)
    return refuse(Errc::invalid, "Field 'idempotency_token' must have at most 64 characters");
  auto out = store_.write_as(ctx.event("jobs", "runNow", {{"job_id", std::to_string(q.job_id)}}), [&](store::WriteTxn& t) -> Result<RunRecord> {
    auto job = jobs_table.find(t, "id", std::to_string(q.job_id));
    if (!job) return fail(missing(q.job_id));
    const auto token = q.idempotency_token.value_or("");
    if (!token.empty())
      if (auto same = runs_table.find(t, "token", store::key({store::sortable(workspace_of(ctx)), std::to_string(q.job_id), token})))
        return same->value;
    if (runs_table.scan_index(t, "live", server_id_, {}, kMostLiveRuns).size() >= kMostLiveRuns)
      return refuse(Errc::limit_exceeded, fmt::format("The limit of {} runs at once is reached. Try again later.", kMostLiveRuns));
    auto r = add_run(t, job->value,
                     {.overrides = q,
                      .idempotency_token = token,
                      .queue = q.queue ? std::optional(q.queue->enabled) : std::nullopt,
                      .only = q.only,
                      .creator_id = ctx.caller.id,
                      .creator_user_name = ctx.caller.name},
                     server_id_, clock_.now());
    t.audit().params["run_id"] = std::to_string(r.run_id);
    return r;
  });
  due();
  return out;
}

Result<RunRecord> Service::submit(const access::Context& ctx, const SubmitRun& q) {
  JobSettings s;
  s.name = q.run_name && !q.run_name->empty() ? *q.run_name : "Untitled";
  s.tasks = q.tasks;
  s.timeout_seconds = q.timeout_seconds;
  s.git_source = q.git_source;
  s.environments = q.environments;
  s.email_notifications = q.email_notifications;
  s.webhook_notifications = q.webhook_notifications;
  s.notification_settings = q.notification_settings;
  s.run_as = q.run_as;
  if (s.tasks.empty()) return refuse(Errc::invalid, "Field 'tasks' must have at least 1 task");
  TARN_CHECK(judge(ctx, s));
  TARN_TRY(who, identity_of(ctx, q.run_as));
  auto out = store_.write_as(ctx.event("jobs", "submitRun", {{"run_name", *s.name}}), [&](store::WriteTxn& t) -> Result<RunRecord> {
    const auto token = q.idempotency_token.value_or("");
    if (!token.empty())
      if (auto same = runs_table.find(t, "token", store::key({store::sortable(workspace_of(ctx)), "0", token}))) return same->value;
    RunRecord r;
    r.run_id = new_numeric_id();
    r.workspace_id = workspace_of(ctx);
    r.creator_id = ctx.caller.id;
    r.creator_user_name = ctx.caller.name;
    r.run_as_id = who.first;
    r.run_as_name = who.second;
    r.run_name = *s.name;
    r.server_id = server_id_;
    r.idempotency_token = token;
    r.settings = with_defaults(s);
    r.start_time = clock_.now();
    if (!runs_table.insert(t, r)) throw std::logic_error("a fresh run id is taken");
    t.audit().params["run_id"] = std::to_string(r.run_id);
    return r;
  });
  due();
  return out;
}

/// A run of a job is the job's; one without is its maker's.
Result<void> Service::may_run(const access::Context& ctx, const RunRecord& r, const char* level) {
  const bool allowed =
      r.job_id && find(r.job_id) ? permissions_.allows(ctx, ref(r.job_id), level) : ctx.caller.workspace_admin || r.creator_id == ctx.caller.id;
  if (allowed) return {};
  return refuse(Errc::permission_denied,
                r.job_id ? fmt::format("User {} does not have {} permissions on job {}", ctx.caller.name, spoken(level), r.job_id)
                         : fmt::format("User {} does not have {} permissions on run {}", ctx.caller.name, spoken(level), r.run_id));
}

Result<RunView> Service::run(const access::Context& ctx, std::int64_t id) {
  auto view = store_.read_as([&](store::ReadTxn& t) -> std::optional<RunView> {
    if (auto r = runs_table.find(t, "id", std::to_string(id))) return RunView{r->value, tasks_of(t, r->value)};
    auto task = tasks_table.find(t, "id", std::to_string(id));
    if (!task) return std::nullopt;
    auto r = runs_table.find(t, "id", std::to_string(task->value.run_id));
    if (!r) return std::nullopt;
    // A task's run as a run: its own state, and its iterations.
    RunView v{r->value, {}};
    for (auto& one : tasks_of(t, r->value))
      if (one.task_run_id == id || one.parent_task == id) v.tasks.push_back(std::move(one));
    auto& run = v.run;
    run.run_id = id;
    run.life = task->value.life, run.outcome = task->value.outcome, run.message = task->value.message, run.code = task->value.code;
    run.start_time = task->value.start_time, run.end_time = task->value.end_time;
    return v;
  });
  if (!view || view->run.workspace_id != workspace_of(ctx)) return fail(no_run(id));
  TARN_CHECK(may_run(ctx, view->run, "CAN_VIEW"));
  return *std::move(view);
}

std::vector<TaskRecord> Service::tasks(const RunRecord& r) {
  return store_.read_as([&](store::ReadTxn& t) { return tasks_of(t, r); });
}

Result<std::vector<RunRecord>> Service::list_runs(const access::Context& ctx, const ListRuns& f) {
  if (f.active_only && f.completed_only) return refuse(Errc::invalid, "Only one of 'active_only' and 'completed_only' can be true");
  if (f.job_id) {
    TARN_TRY(job, require(ctx, *f.job_id, "CAN_VIEW"));
    (void)job;
  }
  auto all = store_.read_as([&](store::ReadTxn& t) {
    if (f.job_id) return runs_table.scan_index(t, "job", store::key({store::sortable(workspace_of(ctx)), std::to_string(*f.job_id)}));
    return runs_table.scan(t, store::prefix({store::sortable(workspace_of(ctx))}));
  });
  std::map<std::int64_t, bool> seen;
  std::erase_if(all, [&](const RunRecord& r) {
    if ((f.active_only && ended(r.life)) || (f.completed_only && !ended(r.life)) || (f.start_time_from && r.start_time < *f.start_time_from) ||
        (f.start_time_to && r.start_time > *f.start_time_to) || (f.run_type && *f.run_type != (r.job_id ? "JOB_RUN" : "SUBMIT_RUN")))
      return true;
    if (!r.job_id) return !may_run(ctx, r, "CAN_VIEW").has_value();
    const auto i = seen.find(r.job_id);
    return !(i != seen.end() ? i->second : (seen[r.job_id] = may_run(ctx, r, "CAN_VIEW").has_value()));
  });
  std::ranges::sort(all, [](const auto& a, const auto& b) { return std::tie(b.start_time, b.run_id) < std::tie(a.start_time, a.run_id); });
  return all;
}

Result<TaskRecord> Service::output(const access::Context& ctx, std::int64_t id) {
  TARN_TRY(view, run(ctx, id));
  const auto own = std::ranges::find(view.tasks, id, &TaskRecord::task_run_id);
  if (own != view.tasks.end()) return *own;
  if (view.run.settings.tasks.size() != 1)
    return refuse(
        Errc::invalid,
        "Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output of each individual task run instead.");
  if (view.tasks.empty()) return refuse(Errc::invalid_state, fmt::format("Run {} has no output yet", id));
  return view.tasks.back();
}

Result<std::pair<TaskRecord, OutputRecord>> Service::shown(const access::Context& ctx, std::int64_t id) {
  TARN_TRY(task, output(ctx, id));
  auto found = store_.read_as([&](store::ReadTxn& t) { return outputs_table.find(t, "id", std::to_string(task.task_run_id)); });
  return std::pair(task, found ? std::move(found->value) : OutputRecord{.task_run_id = task.task_run_id});
}

Result<LogPage> Service::logs(const access::Context& ctx, std::int64_t id, std::size_t offset) {
  TARN_TRY(both, shown(ctx, id));
  const auto& [task, kept] = both;
  LogPage page{.task_run_id = task.task_run_id, .task_key = task.task_key, .ended = ended(task.life), .truncated = kept.truncated};
  // Kept when it ended; until then what the server has heard.
  std::string whole = kept.logs;
  if (!page.ended && logs_) whole = logs_->text(task.task_run_id);
  if (offset > whole.size()) return refuse(Errc::invalid, fmt::format("Parameter 'offset' is {}, and there are {} bytes", offset, whole.size()));
  std::size_t end = std::min(whole.size(), offset + kLogPage);
  if (end < whole.size())
    while (end > offset && (static_cast<unsigned char>(whole[end]) & 0xC0) == 0x80) --end;
  page.text = whole.substr(offset, end - offset);
  page.next_offset = end;
  page.ended = page.ended && end == whole.size();
  return page;
}

Result<std::vector<NoticeRecord>> Service::notices(const access::Context& ctx, std::int64_t id) {
  TARN_TRY(view, run(ctx, id));
  const auto run_id = view.tasks.empty() ? id : view.tasks.front().run_id;
  auto all = store_.read_as([&](store::ReadTxn& t) {
    return notices_table.scan(t, store::prefix({store::sortable(view.run.workspace_id), store::sortable(run_id)}));
  });
  std::ranges::sort(all, {}, &NoticeRecord::created_at);
  return all;
}

std::vector<JobRecord> Service::all_jobs() {
  return store_.read_as([](store::ReadTxn& t) { return jobs_table.scan(t, ""); });
}

std::vector<RunView> Service::all_runs(std::size_t most) {
  return store_.read_as([&](store::ReadTxn& t) {
    auto runs = runs_table.scan(t, "");
    std::ranges::sort(runs, [](const auto& a, const auto& b) { return a.start_time > b.start_time; });
    if (runs.size() > most) runs.resize(most);
    std::vector<RunView> out;
    for (auto& r : runs) {
      auto tasks = tasks_of(t, r);
      out.push_back({std::move(r), std::move(tasks)});
    }
    return out;
  });
}

Result<void> Service::cancel(const access::Context& ctx, std::int64_t id) {
  const auto found = store_.read_as([&](store::ReadTxn& t) { return runs_table.find(t, "id", std::to_string(id)); });
  if (!found || found->value.workspace_id != workspace_of(ctx)) return fail(no_run(id));
  TARN_CHECK(may_run(ctx, found->value, "CAN_MANAGE_RUN"));
  auto out = store_.write_as(ctx.event("jobs", "cancel", {{"run_id", std::to_string(id)}}), [&](store::WriteTxn& t) -> Result<void> {
    auto r = runs_table.find(t, "id", std::to_string(id));
    if (!r || ended(r->value.life)) return {};
    r->value.cancel_requested = true;
    (void)runs_table.update(t, r->value);
    return {};
  });
  due();
  return out;
}

Result<void> Service::cancel_all(const access::Context& ctx, std::optional<std::int64_t> job_id) {
  if (!job_id) return refuse(Errc::invalid, "Field 'job_id' is required");
  TARN_TRY(job, require(ctx, *job_id, "CAN_MANAGE_RUN"));
  auto out = store_.write_as(ctx.event("jobs", "cancelAllRuns", {{"job_id", std::to_string(*job_id)}}), [&](store::WriteTxn& t) -> Result<void> {
    for (auto& r : runs_table.scan_index(t, "live_of_job", store::key({store::sortable(job.workspace_id), std::to_string(*job_id)}))) {
      r.cancel_requested = true;
      (void)runs_table.update(t, r);
    }
    return {};
  });
  due();
  return out;
}

Result<std::int64_t> Service::repair(const access::Context& ctx, const RepairRun& q) {
  const auto found = store_.read_as([&](store::ReadTxn& t) { return runs_table.find(t, "id", std::to_string(q.run_id)); });
  if (!found || found->value.workspace_id != workspace_of(ctx)) return fail(no_run(q.run_id));
  TARN_CHECK(may_run(ctx, found->value, "CAN_MANAGE_RUN"));
  auto out = store_.write_as(ctx.event("jobs", "repairRun", {{"run_id", std::to_string(q.run_id)}}), [&](store::WriteTxn& t) -> Result<std::int64_t> {
    auto run = runs_table.find(t, "id", std::to_string(q.run_id));
    if (!run) return fail(no_run(q.run_id));
    auto& r = run->value;
    if (!ended(r.life))
      return refuse(Errc::invalid_state,
                    fmt::format("Run {} is in state {}: only a run that has ended can be repaired", r.run_id, json::name_of(r.life)));
    if (!r.repairs.empty() && q.latest_repair_id.value_or(0) != r.repairs.back().id)
      return refuse(Errc::invalid, fmt::format("Field 'latest_repair_id' must be {}, the id of the latest repair", r.repairs.back().id));
    auto all = tasks_of(t, r);
    std::map<std::string, TaskRecord*> latest;
    for (auto& one : all)
      if (one.iteration < 0 && one.condition != "repaired")
        if (auto& at = latest[one.task_key]; !at || std::tie(at->attempt, at->start_time) <= std::tie(one.attempt, one.start_time)) at = &one;
    std::set<std::string> again(q.rerun_tasks.begin(), q.rerun_tasks.end());
    for (const auto& key : again)
      if (std::ranges::find(r.settings.tasks, key, &Task::task_key) == r.settings.tasks.end())
        return refuse(Errc::invalid, "Field 'rerun_tasks' names the task '" + key + "', which the run does not have");
    if (q.rerun_all_failed_tasks.value_or(false))
      for (const auto& task : r.settings.tasks) {
        const auto i = latest.find(task.task_key);
        if (i == latest.end() || (i->second->outcome != Outcome::SUCCESS && i->second->outcome != Outcome::EXCLUDED)) again.insert(task.task_key);
      }
    if (q.rerun_dependent_tasks.value_or(false))
      for (bool more = true; more;) {
        more = false;
        for (const auto& task : r.settings.tasks)
          for (const auto& d : task.depends_on) more = (again.contains(d.task_key) && again.insert(task.task_key).second) || more;
      }
    if (again.empty()) return refuse(Errc::invalid, "No task to run again: name some in 'rerun_tasks', or set 'rerun_all_failed_tasks'");
    // A task's earlier attempts stay; the scheduler makes a new one where the latest is set aside.
    for (auto& one : all) {
      if (one.iteration >= 0 || !again.contains(one.task_key)) continue;
      one.condition = "repaired";
      if (!tasks_table.update(t, one)) throw std::logic_error("a task vanished inside its transaction");
    }
    Repair repair{.id = new_numeric_id(), .start_time = clock_.now()};
    r.repairs.push_back(repair);
    r.life = Life::PENDING;
    r.outcome = Outcome::NONE;
    r.message.clear(), r.code.clear();
    r.end_time = 0;
    r.started_at = 0;
    r.cancel_requested = r.timed_out = r.told_start = r.told_end = false;
    if (r.git != GitState::none) r.git = GitState::none, r.git_error.clear();
    r.server_id = server_id_;
    r.clusters.clear();
    for (const auto& [name, value] : q.job_parameters) r.parameters[name] = value;
    if (!runs_table.update(t, r)) throw std::logic_error("a run vanished inside its transaction");
    return repair.id;
  });
  due();
  return out;
}

Result<void> Service::delete_run(const access::Context& ctx, std::int64_t id) {
  const auto found = store_.read_as([&](store::ReadTxn& t) { return runs_table.find(t, "id", std::to_string(id)); });
  if (!found || found->value.workspace_id != workspace_of(ctx)) return fail(no_run(id));
  TARN_CHECK(may_run(ctx, found->value, "CAN_MANAGE"));
  return store_.write_as(ctx.event("jobs", "deleteRun", {{"run_id", std::to_string(id)}}), [&](store::WriteTxn& t) -> Result<void> {
    auto r = runs_table.find(t, "id", std::to_string(id));
    if (!r) return fail(no_run(id));
    if (!ended(r->value.life))
      return refuse(Errc::invalid_state, fmt::format("Run {} is in state {}: cancel it before deleting it", id, json::name_of(r->value.life)));
    erase_run(t, r->value);
    return {};
  });
}

}  // namespace tarn::jobs
