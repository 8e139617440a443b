#include "jobs/validate.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/cron.h"
#include "base/json_read.h"

namespace tarn::jobs {
namespace {

bool key_fits(const std::string& key) {
  return !key.empty() && key.size() <= 100 && key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == key.npos;
}

std::vector<std::string> kinds_of(const Task& t) {
  std::vector<std::string> out;
  const auto add = [&](bool there, const char* name) {
    if (there) out.emplace_back(name);
  };
  add(t.notebook_task.has_value(), "notebook_task");
  add(t.spark_python_task.has_value(), "spark_python_task");
  add(t.python_wheel_task.has_value(), "python_wheel_task");
  add(t.sql_task.has_value(), "sql_task");
  add(t.run_job_task.has_value(), "run_job_task");
  add(t.condition_task.has_value(), "condition_task");
  add(t.for_each_task.has_value(), "for_each_task");
  add(!t.spark_jar_task.is_null(), "spark_jar_task");
  add(!t.spark_submit_task.is_null(), "spark_submit_task");
  add(!t.pipeline_task.is_null(), "pipeline_task");
  add(!t.dbt_task.is_null(), "dbt_task");
  add(!t.dashboard_task.is_null(), "dashboard_task");
  add(!t.power_bi_task.is_null(), "power_bi_task");
  add(!t.clean_rooms_notebook_task.is_null(), "clean_rooms_notebook_task");
  add(!t.gen_ai_compute_task.is_null(), "gen_ai_compute_task");
  add(!t.dbt_cloud_task.is_null(), "dbt_cloud_task");
  add(!t.dbt_platform_task.is_null(), "dbt_platform_task");
  add(!t.alert_task.is_null(), "alert_task");
  add(!t.python_operator_task.is_null(), "python_operator_task");
  return out;
}

Result<void> at_least(const std::string& field, std::optional<int> v, int low) {
  if (v && *v < low) return refuse(Errc::invalid, fmt::format("Field '{}' must be at least {}, got {}", field, low, *v));
  return {};
}

Result<void> path_fits(const std::string& field, const std::string& path, const std::optional<Source>& source, bool git) {
  if (path.empty()) return refuse(Errc::invalid, fmt::format("Field '{}' is required", field));
  const bool from_git = source == Source::GIT || (!source && git);
  if (source == Source::GIT && !git)
    return refuse(Errc::invalid, fmt::format("Field '{}' names a file of a Git source, but the job has no git_source", field));
  if (!from_git && path.front() != '/' && path.find(":/") == path.npos)
    return refuse(Errc::invalid, fmt::format("Only absolute paths are currently supported. Paths must begin with '/': field '{}' is '{}'", field,
                                             path.substr(0, 200)));
  return {};
}

Result<void> one_kind(const std::string& at, const Task& t) {
  const auto kinds = kinds_of(t);
  if (kinds.empty())
    return refuse(
        Errc::invalid,
        fmt::format(
            "{}: one of notebook_task, spark_python_task, python_wheel_task, sql_task, run_job_task, condition_task, for_each_task is required", at));
  if (kinds.size() > 1) return refuse(Errc::invalid, fmt::format("{}: a task can be of one kind only, got {} and {}", at, kinds[0], kinds[1]));
  return {};
}

Result<void> check_task(const std::string& at, const Task& t, const JobSettings& job, const Checks& checks, bool inner) {
  if (!key_fits(t.task_key))
    return refuse(Errc::invalid, fmt::format("Field '{}.task_key' must have 1 to 100 characters of letters, digits, - and _; got '{}'", at,
                                             t.task_key.substr(0, 100)));
  TARN_CHECK(one_kind(at, t));
  const bool git = !job.git_source.is_null();
  if (t.notebook_task) TARN_CHECK(path_fits(at + ".notebook_task.notebook_path", t.notebook_task->notebook_path, t.notebook_task->source, git));
  if (t.spark_python_task)
    TARN_CHECK(path_fits(at + ".spark_python_task.python_file", t.spark_python_task->python_file, t.spark_python_task->source, git));
  if (t.python_wheel_task && (t.python_wheel_task->package_name.empty() || t.python_wheel_task->entry_point.empty()))
    return refuse(Errc::invalid, fmt::format("Fields '{0}.python_wheel_task.package_name' and '{0}.python_wheel_task.entry_point' are required", at));
  if (t.python_wheel_task && !t.python_wheel_task->parameters.empty() && !t.python_wheel_task->named_parameters.empty())
    return refuse(Errc::invalid, fmt::format("{}.python_wheel_task: only one of 'parameters' and 'named_parameters' can be set", at));
  if (t.sql_task) {
    const auto& s = *t.sql_task;
    const int what = s.query.has_value() + s.file.has_value() + s.alert.has_value() + !s.dashboard.is_null();
    if (what != 1)
      return refuse(Errc::invalid, fmt::format("{}.sql_task: exactly one of query, file, alert and dashboard is required, got {}", at, what));
    if (s.warehouse_id.empty()) return refuse(Errc::invalid, fmt::format("Field '{}.sql_task.warehouse_id' is required", at));
    if (s.file) TARN_CHECK(path_fits(at + ".sql_task.file.path", s.file->path, s.file->source, git));
    if (s.alert && s.alert->alert_id.empty()) return refuse(Errc::invalid, fmt::format("Field '{}.sql_task.alert.alert_id' is required", at));
    for (const auto& who : s.alert ? s.alert->subscriptions : std::vector<SqlSubscription>{}) {
      if (who.user_name.has_value() + who.destination_id.has_value() != 1)
        return refuse(Errc::invalid, fmt::format("{}.sql_task.alert: each subscription must have exactly one of user_name and destination_id", at));
      if (who.destination_id && checks.destination_exists && !checks.destination_exists(*who.destination_id))
        return refuse(Errc::invalid, fmt::format("Notification destination {} does not exist.", who.destination_id->substr(0, 80)));
    }
  }
  if (t.run_job_task && checks.job_exists && !checks.job_exists(t.run_job_task->job_id))
    return refuse(Errc::invalid, fmt::format("Job {} does not exist.", t.run_job_task->job_id));
  if (t.for_each_task) {
    if (inner) return refuse(Errc::invalid, at + ": a for_each_task cannot hold another for_each_task");
    const auto& each = *t.for_each_task;
    if (each.inputs.empty()) return refuse(Errc::invalid, fmt::format("Field '{}.for_each_task.inputs' is required", at));
    if (each.concurrency && (*each.concurrency < 1 || *each.concurrency > 100))
      return refuse(Errc::invalid, fmt::format("Field '{}.for_each_task.concurrency' must be between 1 and 100, got {}", at, *each.concurrency));
    if (each.inputs.find("{{") == each.inputs.npos) {
      const auto parsed = json::parse(each.inputs);
      if (!parsed || !parsed->is_array())
        return refuse(Errc::invalid,
                      fmt::format("Field '{}.for_each_task.inputs' must be a JSON array or a reference, got '{}'", at, each.inputs.substr(0, 100)));
      if (parsed->as_array().size() > 5000)
        return refuse(Errc::invalid, fmt::format("Field '{}.for_each_task.inputs' must have at most 5000 entries", at));
    }
    TARN_TRY(task, inner_task(each));
    TARN_CHECK(check_task(at + ".for_each_task.task", task, job, checks, true));
  }
  const int where = t.existing_cluster_id.has_value() + t.job_cluster_key.has_value() + !t.new_cluster.is_null() + t.environment_key.has_value();
  if (where > 1)
    return refuse(Errc::invalid, fmt::format("{}: only one of existing_cluster_id, new_cluster, job_cluster_key and environment_key can be set", at));
  if (where && (t.sql_task || t.run_job_task || t.condition_task || t.for_each_task))
    return refuse(Errc::invalid, fmt::format("{}: a {} does not run on a cluster of the task's own", at, kind_of(t)));
  if (t.job_cluster_key && std::ranges::none_of(job.job_clusters, [&](const JobCluster& c) { return c.job_cluster_key == *t.job_cluster_key; }))
    return refuse(Errc::invalid, fmt::format("{}: the job cluster key '{}' is not one of the job's job_clusters", at, *t.job_cluster_key));
  if (!t.new_cluster.is_null() && checks.cluster) TARN_CHECK(checks.cluster(at + ".new_cluster", t.new_cluster));
  TARN_CHECK(at_least(at + ".max_retries", t.max_retries, -1));
  TARN_CHECK(at_least(at + ".min_retry_interval_millis", t.min_retry_interval_millis, 0));
  return at_least(at + ".timeout_seconds", t.timeout_seconds, 0);
}

Result<void> check_dependencies(const JobSettings& s) {
  std::map<std::string, const Task*> known;
  for (const auto& t : s.tasks)
    if (!known.emplace(t.task_key, &t).second)
      return refuse(Errc::invalid, fmt::format("The task key '{}' is used by more than one task", t.task_key));
  for (const auto& t : s.tasks) {
    std::set<std::string> seen;
    for (const auto& d : t.depends_on) {
      const auto i = known.find(d.task_key);
      if (i == known.end())
        return refuse(Errc::invalid,
                      fmt::format("Task '{}' depends on the task '{}', which the job does not have", t.task_key, d.task_key.substr(0, 100)));
      if (!seen.insert(d.task_key + '\x1f' + d.outcome.value_or("")).second)
        return refuse(Errc::invalid, fmt::format("Task '{}' names the dependency '{}' twice", t.task_key, d.task_key));
      if (d.outcome && !i->second->condition_task)
        return refuse(Errc::invalid, fmt::format("Task '{}' depends on an outcome of '{}', which is no condition task", t.task_key, d.task_key));
      if (d.outcome && *d.outcome != "true" && *d.outcome != "false")
        return refuse(Errc::invalid,
                      fmt::format("Field 'outcome' of the dependency on '{}' must be true or false, got '{}'", d.task_key, d.outcome->substr(0, 40)));
    }
  }
  TARN_TRY(order, topological(s.tasks));
  (void)order;
  return {};
}

/// Of a periodic trigger that is not paused; 0 for none.
Millis period_of(const JobSettings& s) {
  const auto* interval = json::find(s.trigger, {"periodic", "interval"});
  const auto unit = json::text_at(s.trigger, {"periodic", "unit"});
  const Millis hours = unit == "HOURS" ? 1 : unit == "DAYS" ? 24 : unit == "WEEKS" ? 168 : 0;
  if (!interval || !interval->is_int64() || interval->as_int64() < 1 || interval->as_int64() > 10'000 ||
      json::text_at(s.trigger, {"pause_status"}) == "PAUSED")
    return 0;
  return interval->as_int64() * hours * 3'600'000;
}

Result<void> check_trigger(const JobSettings& s) {
  auto decoded = json::decode<TriggerSettings>(s.trigger, {.absent = json::Absent::keep});
  if (!decoded) return refuse(Errc::invalid, "Field 'trigger': " + decoded.error().message());
  const auto& t = *decoded;
  for (const auto& [name, there] : {std::pair("table", !t.table.is_null()), std::pair("model", !t.model.is_null())})
    if (there)
      return refuse(Errc::not_enabled,
                    fmt::format("Triggers of kind '{}' are not available on this platform: use file_arrival, table_update or periodic", name));
  if (const int kinds = t.periodic.has_value() + t.file_arrival.has_value() + t.table_update.has_value(); kinds != 1)
    return refuse(Errc::invalid, fmt::format("Field 'trigger' must have exactly one of periodic, file_arrival and table_update, got {}", kinds));
  const auto waits = [&](const std::string& field, std::optional<int> v) -> Result<void> {
    if (v && *v != 0 && *v < 60) return refuse(Errc::invalid, fmt::format("Field '{}' must be at least 60, got {}", field, *v));
    return {};
  };
  if (const auto& f = t.file_arrival) {
    if (f->url.find(":/") == f->url.npos && !f->url.starts_with("/Volumes/"))
      return refuse(Errc::invalid, fmt::format("Field 'trigger.file_arrival.url' must be a storage URL or a path of a volume, got '{}'", f->url));
    TARN_CHECK(waits("trigger.file_arrival.min_time_between_triggers_seconds", f->min_time_between_triggers_seconds));
    TARN_CHECK(waits("trigger.file_arrival.wait_after_last_change_seconds", f->wait_after_last_change_seconds));
  }
  if (const auto& u = t.table_update) {
    if (u->table_names.empty() || u->table_names.size() > 10)
      return refuse(Errc::invalid, fmt::format("Field 'trigger.table_update.table_names' must have 1 to 10 names, got {}", u->table_names.size()));
    for (const auto& name : u->table_names)
      if (std::ranges::count(name, '.') != 2)
        return refuse(Errc::invalid, fmt::format("Field 'trigger.table_update.table_names' must name tables as catalog.schema.table, got '{}'",
                                                 name.substr(0, 200)));
    if (u->condition && *u->condition != "ANY_UPDATED" && *u->condition != "ALL_UPDATED")
      return refuse(Errc::invalid,
                    "Field 'trigger.table_update.condition' must be ANY_UPDATED or ALL_UPDATED, got '" + u->condition->substr(0, 40) + "'");
    TARN_CHECK(waits("trigger.table_update.min_time_between_triggers_seconds", u->min_time_between_triggers_seconds));
    TARN_CHECK(waits("trigger.table_update.wait_after_last_change_seconds", u->wait_after_last_change_seconds));
  }
  return {};
}

Result<void> check_git(const JobSettings& s) {
  auto decoded = json::decode<GitSource>(s.git_source, {.absent = json::Absent::keep});
  if (!decoded) return refuse(Errc::invalid, "Field 'git_source': " + decoded.error().message());
  static const std::set<std::string> known{
      "github", "gitlab", "bitbucketcloud", "gitlabenterpriseedition", "bitbucketserver", "azuredevopsservices", "githubenterprise", "awscodecommit"};
  std::string provider = decoded->git_provider;
  std::ranges::transform(provider, provider.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (!known.contains(provider))
    return refuse(Errc::invalid,
                  "git_source.git_provider must be one of: "
                  "github,gitlab,bitbucketcloud,gitlabenterpriseedition,bitbucketserver,azuredevopsservices,githubenterprise,awscodecommit");
  if (decoded->git_url.empty()) return refuse(Errc::invalid, "Field 'git_source.git_url' is required");
  if (const int refs = decoded->git_branch.has_value() + decoded->git_tag.has_value() + decoded->git_commit.has_value(); refs != 1)
    return refuse(Errc::invalid, fmt::format("Field 'git_source' must have exactly one of git_branch, git_tag and git_commit, got {}", refs));
  if (!decoded->sparse_checkout.is_null())
    return refuse(Errc::not_enabled, "Sparse checkouts of a job's Git source are not available on this platform");
  if (decoded->git_commit && (decoded->git_commit->size() != 40 || decoded->git_commit->find_first_not_of("0123456789abcdef") != std::string::npos))
    return refuse(Errc::invalid,
                  "Field 'git_source.git_commit' must be the 40 hexadecimal digits of a commit, got '" + decoded->git_commit->substr(0, 60) + "'");
  return {};
}

Result<void> check_notices(const std::string& at, const json::value& webhooks, const json::value& emails, const Checks& checks) {
  auto hooks = json::decode<Webhooks>(webhooks.is_null() ? json::value(json::object{}) : webhooks, {.absent = json::Absent::keep});
  if (!hooks) return refuse(Errc::invalid, "Field '" + at + "webhook_notifications': " + hooks.error().message());
  auto mails = json::decode<Emails>(emails.is_null() ? json::value(json::object{}) : emails, {.absent = json::Absent::keep});
  if (!mails) return refuse(Errc::invalid, "Field '" + at + "email_notifications': " + mails.error().message());
  for (const auto& [event, list] :
       {std::pair("on_start", &hooks->on_start), std::pair("on_success", &hooks->on_success), std::pair("on_failure", &hooks->on_failure)}) {
    if (list->size() > 3)
      return refuse(Errc::invalid,
                    fmt::format("Field '{}webhook_notifications.{}' must have at most 3 destinations, got {}", at, event, list->size()));
    for (const auto& d : *list)
      if (checks.destination_exists && !checks.destination_exists(d.id))
        return refuse(Errc::invalid, fmt::format("Field '{}webhook_notifications.{}' names the notification destination '{}', which does not exist",
                                                 at, event, d.id.substr(0, 80)));
  }
  if (!hooks->on_duration_warning_threshold_exceeded.empty() || !hooks->on_streaming_backlog_exceeded.empty())
    return refuse(Errc::not_enabled, "Notifications of a duration threshold or a streaming backlog are not available on this platform");
  return {};
}

Result<void> check_schedule(const JobSettings& s, Millis now) {
  const int triggers = s.schedule.has_value() + !s.continuous.is_null() + !s.trigger.is_null();
  if (triggers > 1) return refuse(Errc::invalid, "Only one of 'schedule', 'continuous' and 'trigger' can be set");
  if (!s.continuous.is_null()) {
    auto c = json::decode<Continuous>(s.continuous, {.absent = json::Absent::keep});
    if (!c) return refuse(Errc::invalid, "Field 'continuous': " + c.error().message());
    if (s.max_concurrent_runs.value_or(1) != 1) return refuse(Errc::invalid, "A continuous job must have max_concurrent_runs 1");
    if (c->task_retry_mode && *c->task_retry_mode != "NEVER" && *c->task_retry_mode != "ON_FAILURE")
      return refuse(Errc::invalid, "Field 'continuous.task_retry_mode' must be NEVER or ON_FAILURE, got '" + c->task_retry_mode->substr(0, 40) + "'");
  }
  if (!s.trigger.is_null()) TARN_CHECK(check_trigger(s));
  // What would never fire must not look as if it did; paused, it may be kept.
  if (!s.trigger.is_null() && !watches(s) && json::text_at(s.trigger, {"pause_status"}) != "PAUSED") {
    if (!period_of(s))
      return refuse(Errc::invalid, "Field 'trigger.periodic' must have an interval of at least 1 and a unit of HOURS, DAYS or WEEKS");
  }
  if (!s.schedule) return {};
  const auto zone = TimeZone::find(s.schedule->timezone_id);
  if (!zone)
    return refuse(Errc::invalid,
                  fmt::format("Invalid timezone_id: '{}' is not a time zone, as Europe/Berlin or UTC are", s.schedule->timezone_id.substr(0, 60)));
  const auto cron = Cron::parse(s.schedule->quartz_cron_expression);
  if (!cron)
    return refuse(Errc::invalid,
                  fmt::format("Invalid quartz_cron_expression: '{}': {}", s.schedule->quartz_cron_expression.substr(0, 100), cron.error()));
  if (!cron->next(now, *zone))
    return refuse(Errc::invalid, fmt::format("Invalid quartz_cron_expression: '{}' never fires", s.schedule->quartz_cron_expression.substr(0, 100)));
  return {};
}

}  // namespace

std::string kind_of(const Task& task) {
  const auto kinds = kinds_of(task);
  return kinds.size() == 1 ? kinds.front() : "";
}

Result<Task> inner_task(const ForEachTask& each) {
  auto t = json::decode<Task>(each.task);
  if (!t) return refuse(Errc::invalid, "Field 'for_each_task.task': " + t.error().message());
  return *std::move(t);
}

Result<std::vector<std::string>> topological(const std::vector<Task>& tasks) {
  std::map<std::string, std::set<std::string>> waits;
  for (const auto& t : tasks) {
    auto& w = waits[t.task_key];
    for (const auto& d : t.depends_on) w.insert(d.task_key);
  }
  std::vector<std::string> out;
  while (!waits.empty()) {
    const auto free = std::ranges::find_if(waits, [](const auto& w) { return w.second.empty(); });
    if (free == waits.end()) {
      // Everything left waits for something left: walking back from any of it comes round.
      std::vector<std::string> way{waits.begin()->first};
      while (std::ranges::count(way, way.back()) < 2) way.push_back(*waits[way.back()].begin());
      std::string text;
      for (auto i = std::ranges::find(way, way.back()); i != way.end(); ++i) text += (text.empty() ? "" : " -> ") + *i;
      return refuse(Errc::invalid, "The tasks' dependencies form a cycle: " + text);
    }
    const auto key = free->first;
    waits.erase(free);
    for (auto& [other, w] : waits) w.erase(key);
    out.push_back(key);
  }
  return out;
}

Result<void> validate(const JobSettings& s, const Checks& checks, Millis now) {
  if (s.name && (s.name->empty() || s.name->size() > 4096)) return refuse(Errc::invalid, "Field 'name' must have 1 to 4096 characters");
  if (s.tasks.size() > 1000) return refuse(Errc::invalid, fmt::format("Field 'tasks' must have at most 1000 tasks, got {}", s.tasks.size()));
  if (s.tags.size() > 25) return refuse(Errc::invalid, fmt::format("Field 'tags' must have at most 25 tags, got {}", s.tags.size()));
  if (s.max_concurrent_runs && (*s.max_concurrent_runs < 0 || *s.max_concurrent_runs > 2000))
    return refuse(Errc::invalid, fmt::format("Field 'max_concurrent_runs' must be between 0 and 2000, got {}", *s.max_concurrent_runs));
  TARN_CHECK(at_least("timeout_seconds", s.timeout_seconds, 0));
  if (!s.git_source.is_null()) TARN_CHECK(check_git(s));
  TARN_CHECK(check_notices("", s.webhook_notifications, s.email_notifications, checks));
  for (const auto& t : s.tasks) TARN_CHECK(check_notices("tasks['" + t.task_key + "'].", t.webhook_notifications, t.email_notifications, checks));
  std::set<std::string> names;
  for (const auto& p : s.parameters)
    if (p.name.empty() || !names.insert(p.name).second)
      return refuse(Errc::invalid, fmt::format("Field 'parameters' has a parameter that is empty or named twice: '{}'", p.name));
  names.clear();
  for (const auto& c : s.job_clusters) {
    if (!key_fits(c.job_cluster_key) || !names.insert(c.job_cluster_key).second)
      return refuse(Errc::invalid,
                    fmt::format("Field 'job_clusters' has a key that is not one or is used twice: '{}'", c.job_cluster_key.substr(0, 100)));
    if (checks.cluster) TARN_CHECK(checks.cluster("job_clusters['" + c.job_cluster_key + "'].new_cluster", c.new_cluster));
  }
  for (std::size_t i = 0; i < s.tasks.size(); ++i) TARN_CHECK(check_task(fmt::format("tasks[{}]", i), s.tasks[i], s, checks, false));
  TARN_CHECK(check_dependencies(s));
  return check_schedule(s, now);
}

JobSettings with_defaults(JobSettings s) {
  if (!s.name) s.name = "Untitled";
  if (!s.format) s.format = "MULTI_TASK";
  if (!s.max_concurrent_runs) s.max_concurrent_runs = 1;
  if (!s.timeout_seconds) s.timeout_seconds = 0;
  if (s.email_notifications.is_null()) s.email_notifications = json::object{};
  if (s.webhook_notifications.is_null()) s.webhook_notifications = json::object{};
  if (s.schedule && !s.schedule->pause_status) s.schedule->pause_status = PauseStatus::UNPAUSED;
  for (auto& t : s.tasks) {
    std::ranges::sort(t.depends_on, {}, &Dependency::task_key);
    if (!t.run_if) t.run_if = RunIf::ALL_SUCCESS;
    if (!t.timeout_seconds) t.timeout_seconds = 0;
    if (t.email_notifications.is_null()) t.email_notifications = json::object{};
    const auto source = s.git_source.is_null() ? Source::WORKSPACE : Source::GIT;
    if (t.notebook_task && !t.notebook_task->source) t.notebook_task->source = source;
    if (s.git_source.is_null()) continue;
    if (t.spark_python_task && !t.spark_python_task->source) t.spark_python_task->source = source;
    if (t.sql_task && t.sql_task->file && !t.sql_task->file->source) t.sql_task->file->source = source;
  }
  s.access_control_list = nullptr;
  return s;
}

TriggerSettings trigger_of(const JobSettings& s) { return part_of<TriggerSettings>(s.trigger); }

bool runs_continuously(const JobSettings& s) {
  return s.continuous.is_object() && part_of<Continuous>(s.continuous).pause_status != PauseStatus::PAUSED;
}

Millis next_fire(const JobSettings& s, Millis after) {
  if (runs_continuously(s)) return after;
  if (const auto period = period_of(s)) return after + period;
  if (!s.schedule || s.schedule->pause_status == PauseStatus::PAUSED) return 0;
  const auto zone = TimeZone::find(s.schedule->timezone_id);
  const auto cron = Cron::parse(s.schedule->quartz_cron_expression);
  return zone && cron ? cron->next(after, *zone).value_or(0) : 0;
}

}  // namespace tarn::jobs
