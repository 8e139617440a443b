#pragma once
// What a job is asked to be, as clients send it and as it is echoed. What this room acts on is typed; what it only keeps is JSON.
// Source: databricks-sdk-go service/jobs JobSettings, Task.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace tarn::jobs {

enum class RunIf { ALL_SUCCESS, AT_LEAST_ONE_SUCCESS, NONE_FAILED, ALL_DONE, AT_LEAST_ONE_FAILED, ALL_FAILED };
BOOST_DESCRIBE_ENUM(RunIf, ALL_SUCCESS, AT_LEAST_ONE_SUCCESS, NONE_FAILED, ALL_DONE, AT_LEAST_ONE_FAILED, ALL_FAILED)
enum class Source { WORKSPACE, GIT };
BOOST_DESCRIBE_ENUM(Source, WORKSPACE, GIT)
enum class PauseStatus { UNPAUSED, PAUSED };
BOOST_DESCRIBE_ENUM(PauseStatus, UNPAUSED, PAUSED)
enum class ConditionOp { EQUAL_TO, NOT_EQUAL, GREATER_THAN, GREATER_THAN_OR_EQUAL, LESS_THAN, LESS_THAN_OR_EQUAL };
BOOST_DESCRIBE_ENUM(ConditionOp, EQUAL_TO, NOT_EQUAL, GREATER_THAN, GREATER_THAN_OR_EQUAL, LESS_THAN, LESS_THAN_OR_EQUAL)

struct Dependency {
  std::string task_key;
  std::optional<std::string> outcome;  // of a condition task: "true" or "false"
};
BOOST_DESCRIBE_STRUCT(Dependency, (), (task_key, outcome))
struct NotebookTask {
  std::string notebook_path;
  std::optional<Source> source;
  std::map<std::string, std::string> base_parameters;
  std::optional<std::string> warehouse_id;
};
BOOST_DESCRIBE_STRUCT(NotebookTask, (), (notebook_path, source, base_parameters, warehouse_id))
struct SparkPythonTask {
  std::string python_file;
  std::optional<Source> source;
  std::vector<std::string> parameters;
};
BOOST_DESCRIBE_STRUCT(SparkPythonTask, (), (python_file, source, parameters))
struct PythonWheelTask {
  std::string package_name, entry_point;
  std::vector<std::string> parameters;
  std::map<std::string, std::string> named_parameters;
};
BOOST_DESCRIBE_STRUCT(PythonWheelTask, (), (package_name, entry_point, parameters, named_parameters))
struct SqlFile {
  std::string path;
  std::optional<Source> source;
};
BOOST_DESCRIBE_STRUCT(SqlFile, (), (path, source))
struct SqlQuery {
  std::string query_id;
};
BOOST_DESCRIBE_STRUCT(SqlQuery, (), (query_id))
struct SqlSubscription {
  std::optional<std::string> user_name, destination_id;
};
BOOST_DESCRIBE_STRUCT(SqlSubscription, (), (user_name, destination_id))
struct SqlAlert {
  std::string alert_id;
  std::optional<bool> pause_subscriptions;
  std::vector<SqlSubscription> subscriptions;
};
BOOST_DESCRIBE_STRUCT(SqlAlert, (), (alert_id, pause_subscriptions, subscriptions))
struct SqlTask {
  std::string warehouse_id;
  std::optional<SqlQuery> query;
  std::optional<SqlFile> file;
  std::optional<SqlAlert> alert;
  json::value dashboard;
  std::map<std::string, std::string> parameters;
};
BOOST_DESCRIBE_STRUCT(SqlTask, (), (warehouse_id, query, file, alert, dashboard, parameters))
struct RunJobTask {
  std::int64_t job_id = 0;
  std::map<std::string, std::string> job_parameters, notebook_params;
};
BOOST_DESCRIBE_STRUCT(RunJobTask, (), (job_id, job_parameters, notebook_params))
struct ConditionTask {
  ConditionOp op = ConditionOp::EQUAL_TO;
  std::string left, right;
};
BOOST_DESCRIBE_STRUCT(ConditionTask, (), (op, left, right))
struct ForEachTask {
  std::string inputs;
  std::optional<int> concurrency;
  json::value task;  // a Task
};
BOOST_DESCRIBE_STRUCT(ForEachTask, (), (inputs, concurrency, task))

struct Task {
  std::string task_key;
  std::vector<Dependency> depends_on;
  std::optional<RunIf> run_if;
  std::optional<std::string> description, existing_cluster_id, job_cluster_key, environment_key;
  json::value new_cluster;
  std::optional<int> max_retries, min_retry_interval_millis, timeout_seconds;
  std::optional<bool> retry_on_timeout, disable_auto_optimization, disabled;
  json::value libraries, email_notifications, webhook_notifications, notification_settings, health, compute;
  std::optional<NotebookTask> notebook_task;
  std::optional<SparkPythonTask> spark_python_task;
  std::optional<PythonWheelTask> python_wheel_task;
  std::optional<SqlTask> sql_task;
  std::optional<RunJobTask> run_job_task;
  std::optional<ConditionTask> condition_task;
  std::optional<ForEachTask> for_each_task;
  json::value spark_jar_task, spark_submit_task, pipeline_task, dbt_task, dashboard_task, power_bi_task, clean_rooms_notebook_task,
      gen_ai_compute_task, dbt_cloud_task, dbt_platform_task, alert_task, python_operator_task;
};
BOOST_DESCRIBE_STRUCT(Task, (),
                      (task_key, depends_on, run_if, description, existing_cluster_id, job_cluster_key, environment_key, new_cluster, max_retries,
                       min_retry_interval_millis, timeout_seconds, retry_on_timeout, disable_auto_optimization, disabled, libraries,
                       email_notifications, webhook_notifications, notification_settings, health, compute, notebook_task, spark_python_task,
                       python_wheel_task, sql_task, run_job_task, condition_task, for_each_task, spark_jar_task, spark_submit_task, pipeline_task,
                       dbt_task, dashboard_task, power_bi_task, clean_rooms_notebook_task, gen_ai_compute_task, dbt_cloud_task, dbt_platform_task,
                       alert_task, python_operator_task))

struct Schedule {
  std::string quartz_cron_expression, timezone_id;
  std::optional<PauseStatus> pause_status;
};
BOOST_DESCRIBE_STRUCT(Schedule, (), (quartz_cron_expression, timezone_id, pause_status))
/// A run begins when another ends; after failures the next one waits, longer each time.
struct Continuous {
  std::optional<PauseStatus> pause_status;
  std::optional<std::string> task_retry_mode;
};
BOOST_DESCRIBE_STRUCT(Continuous, (), (pause_status, task_retry_mode))
struct Periodic {
  int interval = 0;
  std::string unit;
};
BOOST_DESCRIBE_STRUCT(Periodic, (), (interval, unit))
struct FileArrival {
  std::string url;
  std::optional<int> min_time_between_triggers_seconds, wait_after_last_change_seconds;
};
BOOST_DESCRIBE_STRUCT(FileArrival, (), (url, min_time_between_triggers_seconds, wait_after_last_change_seconds))
struct TableUpdate {
  std::vector<std::string> table_names;
  std::optional<std::string> condition;  // ANY_UPDATED (the default) or ALL_UPDATED
  std::optional<int> min_time_between_triggers_seconds, wait_after_last_change_seconds;
};
BOOST_DESCRIBE_STRUCT(TableUpdate, (), (table_names, condition, min_time_between_triggers_seconds, wait_after_last_change_seconds))
struct TriggerSettings {
  std::optional<PauseStatus> pause_status;
  std::optional<Periodic> periodic;
  std::optional<FileArrival> file_arrival;
  std::optional<TableUpdate> table_update;
  json::value table, model;  // of older and other triggers: refused by name
};
BOOST_DESCRIBE_STRUCT(TriggerSettings, (), (pause_status, periodic, file_arrival, table_update, table, model))
struct GitSource {
  std::string git_url, git_provider;
  std::optional<std::string> git_branch, git_tag, git_commit;
  json::value git_snapshot, job_source, sparse_checkout;
};
BOOST_DESCRIBE_STRUCT(GitSource, (), (git_url, git_provider, git_branch, git_tag, git_commit, git_snapshot, job_source, sparse_checkout))
struct Destination {
  std::string id;
};
BOOST_DESCRIBE_STRUCT(Destination, (), (id))
struct Webhooks {
  std::vector<Destination> on_start, on_success, on_failure, on_duration_warning_threshold_exceeded, on_streaming_backlog_exceeded;
};
BOOST_DESCRIBE_STRUCT(Webhooks, (), (on_start, on_success, on_failure, on_duration_warning_threshold_exceeded, on_streaming_backlog_exceeded))
struct Emails {
  std::vector<std::string> on_start, on_success, on_failure, on_duration_warning_threshold_exceeded, on_streaming_backlog_exceeded;
  std::optional<bool> no_alert_for_skipped_runs;
};
BOOST_DESCRIBE_STRUCT(Emails, (),
                      (on_start, on_success, on_failure, on_duration_warning_threshold_exceeded, on_streaming_backlog_exceeded,
                       no_alert_for_skipped_runs))
struct NotificationSettings {
  std::optional<bool> no_alert_for_skipped_runs, no_alert_for_canceled_runs, alert_on_last_attempt;
};
BOOST_DESCRIBE_STRUCT(NotificationSettings, (), (no_alert_for_skipped_runs, no_alert_for_canceled_runs, alert_on_last_attempt))

struct JobCluster {
  std::string job_cluster_key;
  json::value new_cluster;
};
BOOST_DESCRIBE_STRUCT(JobCluster, (), (job_cluster_key, new_cluster))
struct Parameter {
  std::string name, default_;
};
BOOST_DESCRIBE_STRUCT(Parameter, (), (name, default_))
struct Queue {
  bool enabled = false;
};
BOOST_DESCRIBE_STRUCT(Queue, (), (enabled))
struct RunAs {
  std::optional<std::string> user_name, service_principal_name, group_name;
};
BOOST_DESCRIBE_STRUCT(RunAs, (), (user_name, service_principal_name, group_name))

struct JobSettings {
  std::optional<std::string> name, description, format, edit_mode, budget_policy_id, usage_policy_id, performance_target, parent_path;
  std::vector<Task> tasks;
  std::vector<JobCluster> job_clusters;
  std::vector<Parameter> parameters;
  std::map<std::string, std::string> tags;
  std::optional<Schedule> schedule;
  std::optional<int> max_concurrent_runs, timeout_seconds;
  std::optional<Queue> queue;
  std::optional<RunAs> run_as;
  json::value continuous, trigger, email_notifications, webhook_notifications, notification_settings, health, git_source, environments, deployment,
      access_control_list;
};
BOOST_DESCRIBE_STRUCT(JobSettings, (),
                      (name, description, format, edit_mode, budget_policy_id, usage_policy_id, performance_target, parent_path, tasks, job_clusters,
                       parameters, tags, schedule, max_concurrent_runs, timeout_seconds, queue, run_as, continuous, trigger, email_notifications,
                       webhook_notifications, notification_settings, health, git_source, environments, deployment, access_control_list))

/// Whether a trigger that looks at tables or files is set and not paused.
inline bool watches(const JobSettings& s) {
  const auto* trigger = s.trigger.if_object();
  if (!trigger || (!trigger->contains("file_arrival") && !trigger->contains("table_update"))) return false;
  const auto* paused = trigger->if_contains("pause_status");
  return !paused || !paused->is_string() || paused->as_string() != "PAUSED";
}

/// runs/submit: a run without a job.
struct SubmitRun {
  std::optional<std::string> run_name, idempotency_token, budget_policy_id, performance_target;
  std::vector<Task> tasks;
  std::optional<int> timeout_seconds;
  std::optional<Queue> queue;
  std::optional<RunAs> run_as;
  json::value email_notifications, webhook_notifications, notification_settings, health, git_source, environments, access_control_list;
};
BOOST_DESCRIBE_STRUCT(SubmitRun, (),
                      (run_name, idempotency_token, budget_policy_id, performance_target, tasks, timeout_seconds, queue, run_as, email_notifications,
                       webhook_notifications, notification_settings, health, git_source, environments, access_control_list))

/// What a run-now (or a repair) overrides.
struct Overrides {
  std::map<std::string, std::string> job_parameters, notebook_params, python_named_params, sql_params;
  std::vector<std::string> python_params, jar_params, spark_submit_params, dbt_commands;
};
BOOST_DESCRIBE_STRUCT(Overrides, (),
                      (job_parameters, notebook_params, python_named_params, sql_params, python_params, jar_params, spark_submit_params,
                       dbt_commands))

}  // namespace tarn::jobs
