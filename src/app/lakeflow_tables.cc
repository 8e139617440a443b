#include "app/lakeflow_tables.h"

namespace tarn::app {
namespace {

constexpr std::size_t kMostRuns = 100'000;  // the newest

json::object texts(const std::map<std::string, std::string>& m) {
  json::object o;
  for (const auto& [k, v] : m) o[k] = v;
  return o;
}

json::value time_or_null(Millis t) { return t ? json::value(to_rfc3339(t)) : json::value(nullptr); }

std::string trigger_type(jobs::Trigger t) {
  switch (t) {
    case jobs::Trigger::PERIODIC:
      return "CRON";
    case jobs::Trigger::RUN_JOB_TASK:
      return "RUN_JOB_TASK";
    default:
      return std::string(json::name_of(t));
  }
}

std::string result_of(jobs::Outcome o) {
  using enum jobs::Outcome;
  switch (o) {
    case SUCCESS:
    case SUCCESS_WITH_FAILURES:
      return "SUCCEEDED";
    case FAILED:
    case UPSTREAM_FAILED:
      return "FAILED";
    case TIMEDOUT:
      return "TIMED_OUT";
    case CANCELED:
    case UPSTREAM_CANCELED:
      return "CANCELLED";
    default:
      return "SKIPPED";
  }
}

/// What the three tables say of an end: null while there is none.
json::value ended_as(jobs::Life life, jobs::Outcome outcome) { return jobs::ended(life) ? json::value(result_of(outcome)) : json::value(nullptr); }

}  // namespace

std::vector<sql::RoomTable> lakeflow_tables(jobs::Service& jobs, const std::string& account_id) {
  std::vector<sql::RoomTable> out;
  out.push_back({.schema = "lakeflow",
                 .name = "jobs",
                 .columns = {{"account_id", "string"},
                             {"workspace_id", "string"},
                             {"job_id", "string"},
                             {"name", "string"},
                             {"description", "string"},
                             {"creator_id", "string"},
                             {"tags", "map<string,string>"},
                             {"change_time", "timestamp"},
                             {"delete_time", "timestamp"},
                             {"run_as", "string"}},
                 .rows = [&jobs, account_id](const access::Context&) {
                   json::array rows;
                   for (const auto& j : jobs.all_jobs())
                     rows.push_back(
                         json::object{{"account_id", account_id},
                                      {"workspace_id", std::to_string(j.workspace_id)},
                                      {"job_id", std::to_string(j.job_id)},
                                      {"name", j.settings.name.value_or("")},
                                      {"description", j.settings.description ? json::value(*j.settings.description) : json::value(nullptr)},
                                      {"creator_id", std::to_string(j.creator_id)},
                                      {"tags", texts(j.settings.tags)},
                                      {"change_time", time_or_null(j.created_time)},
                                      {"delete_time", nullptr},
                                      {"run_as", std::to_string(j.run_as_id)}});
                   return rows;
                 }});
  out.push_back({.schema = "lakeflow",
                 .name = "job_run_timeline",
                 .columns = {{"account_id", "string"},
                             {"workspace_id", "string"},
                             {"job_id", "string"},
                             {"run_id", "string"},
                             {"period_start_time", "timestamp"},
                             {"period_end_time", "timestamp"},
                             {"trigger_type", "string"},
                             {"run_type", "string"},
                             {"run_name", "string"},
                             {"compute_ids", "array<string>"},
                             {"result_state", "string"},
                             {"termination_code", "string"},
                             {"job_parameters", "map<string,string>"}},
                 .rows = [&jobs, account_id](const access::Context&) {
                   json::array rows;
                   for (const auto& [r, tasks] : jobs.all_runs(kMostRuns)) {
                     json::array compute;
                     for (const auto& [key, cluster] : r.clusters) compute.emplace_back(cluster);
                     rows.push_back(json::object{{"account_id", account_id},
                                                 {"workspace_id", std::to_string(r.workspace_id)},
                                                 {"job_id", std::to_string(r.job_id)},
                                                 {"run_id", std::to_string(r.run_id)},
                                                 {"period_start_time", time_or_null(r.start_time)},
                                                 {"period_end_time", time_or_null(r.end_time)},
                                                 {"trigger_type", trigger_type(r.trigger)},
                                                 {"run_type", r.job_id ? "JOB_RUN" : "SUBMIT_RUN"},
                                                 {"run_name", r.run_name},
                                                 {"compute_ids", std::move(compute)},
                                                 {"result_state", ended_as(r.life, r.outcome)},
                                                 {"termination_code", r.code.empty() ? json::value(nullptr) : json::value(r.code)},
                                                 {"job_parameters", texts(r.parameters)}});
                   }
                   return rows;
                 }});
  out.push_back({.schema = "lakeflow",
                 .name = "job_task_run_timeline",
                 .columns = {{"account_id", "string"},
                             {"workspace_id", "string"},
                             {"job_id", "string"},
                             {"run_id", "string"},
                             {"period_start_time", "timestamp"},
                             {"period_end_time", "timestamp"},
                             {"task_key", "string"},
                             {"compute_ids", "array<string>"},
                             {"result_state", "string"},
                             {"job_run_id", "string"},
                             {"parent_run_id", "string"},
                             {"termination_code", "string"}},
                 .rows = [&jobs, account_id](const access::Context&) {
                   json::array rows;
                   for (const auto& [r, tasks] : jobs.all_runs(kMostRuns))
                     for (const auto& t : tasks) {
                       json::array compute;
                       if (!t.cluster_id.empty()) compute.emplace_back(t.cluster_id);
                       rows.push_back(
                           json::object{{"account_id", account_id},
                                        {"workspace_id", std::to_string(r.workspace_id)},
                                        {"job_id", std::to_string(r.job_id)},
                                        {"run_id", std::to_string(t.task_run_id)},
                                        {"period_start_time", time_or_null(t.start_time)},
                                        {"period_end_time", time_or_null(t.end_time)},
                                        {"task_key", t.task_key},
                                        {"compute_ids", std::move(compute)},
                                        {"result_state", ended_as(t.life, t.outcome)},
                                        {"job_run_id", std::to_string(r.run_id)},
                                        {"parent_run_id", t.parent_task ? json::value(std::to_string(t.parent_task)) : json::value(nullptr)},
                                        {"termination_code", t.code.empty() ? json::value(nullptr) : json::value(t.code)}});
                     }
                   return rows;
                 }});
  return out;
}

std::vector<catalog::SystemTable> securables_of(const std::vector<sql::RoomTable>& tables) {
  std::vector<catalog::SystemTable> out;
  for (const auto& t : tables) {
    auto& one = out.emplace_back(catalog::SystemTable{t.schema, t.name, {}});
    for (const auto& c : t.columns) one.columns.emplace_back(c.name, c.type);
  }
  return out;
}

}  // namespace tarn::app
