#include "jobs/wire.h"

#include "base/json_read.h"
#include "jobs/validate.h"

namespace tarn::jobs {
namespace {

json::object state_json(Life life, Outcome outcome, const std::string& message, const std::string& code) {
  // Work that waits for its cluster is PENDING on the wire, a task that waits for its turn is BLOCKED; both are said as they are stored.
  json::object o{{"life_cycle_state", json::name_of(life)},
                 {"state_message", message},
                 {"user_cancelled_or_timedout", outcome == Outcome::CANCELED || outcome == Outcome::TIMEDOUT}};
  if (outcome != Outcome::NONE && ended(life)) o["result_state"] = json::name_of(outcome);
  if (life == Life::QUEUED) o["queue_reason"] = message;
  (void)code;
  return o;
}

json::object status_json(Life life, Outcome outcome, const std::string& message, const std::string& code) {
  std::string_view state = json::name_of(life);
  if (ended(life)) state = "TERMINATED";
  if (life == Life::WAITING_FOR_RETRY) state = "WAITING";
  json::object o{{"state", state}};
  if (ended(life)) {
    const bool good =
        outcome == Outcome::SUCCESS || outcome == Outcome::SUCCESS_WITH_FAILURES || outcome == Outcome::EXCLUDED || outcome == Outcome::DISABLED;
    o["termination_details"] = json::object{{"code", code.empty() ? (good ? "SUCCESS" : "RUN_EXECUTION_ERROR") : code},
                                            {"type", good                                                       ? "SUCCESS"
                                                     : life == Life::INTERNAL_ERROR && code == "INTERNAL_ERROR" ? "INTERNAL_ERROR"
                                                                                                                : "CLIENT_ERROR"},
                                            {"message", message}};
  }
  if (life == Life::QUEUED) o["queue_details"] = json::object{{"code", code}, {"message", message}};
  return o;
}

void times(json::object& o, Millis start, Millis began, Millis end) {
  o["start_time"] = start;
  o["setup_duration"] = began && began > start ? began - start : 0;
  o["execution_duration"] = end && began ? end - began : 0;
  o["cleanup_duration"] = 0;
  o["end_time"] = end;
  if (end) o["run_duration"] = end - start;
}

json::object task_json(const TaskRecord& t, const RunRecord& r, const std::string& host) {
  json::object o = json::encode(t.task).as_object();
  o["run_id"] = t.task_run_id;
  o["task_key"] = t.task_key;
  o["attempt_number"] = t.attempt;
  o["state"] = state_json(t.life, t.outcome, t.message, t.code);
  o["status"] = status_json(t.life, t.outcome, t.message, t.code);
  o["run_page_url"] = fmt::format("https://{}/?o={}#job/{}/run/{}", host, r.workspace_id, r.job_id, t.task_run_id);
  times(o, t.start_time, t.launched ? t.launched_at : 0, t.end_time);
  if (!t.cluster_id.empty()) o["cluster_instance"] = json::object{{"cluster_id", t.cluster_id}};
  if (t.task.condition_task && !t.condition.empty() && o.contains("condition_task")) o["condition_task"].as_object()["outcome"] = t.condition;
  return o;
}

}  // namespace

json::object job_json(const JobRecord& j, bool with_tasks) {
  json::object settings = json::encode(j.settings).as_object();
  if (!with_tasks) settings.erase("tasks"), settings.erase("job_clusters");
  json::object o{
      {"job_id", j.job_id}, {"creator_user_name", j.creator_user_name}, {"run_as_user_name", j.run_as_name}, {"created_time", j.created_time}};
  o["run_as_owner"] = !j.settings.run_as;
  if (watches(j.settings) && !j.watch.error.empty()) o["trigger_state"] = json::object{{"error", j.watch.error}};
  o["settings"] = std::move(settings);
  return o;
}

json::object run_json(const RunRecord& r, const std::vector<TaskRecord>& all, const std::string& host, bool with_tasks) {
  json::object o{{"run_id", r.run_id},
                 {"job_run_id", r.run_id},
                 {"number_in_job", r.job_id ? r.number_in_job : r.run_id},
                 {"original_attempt_run_id", r.run_id},
                 {"creator_user_name", r.creator_user_name},
                 {"run_name", r.run_name},
                 {"run_type", r.job_id ? "JOB_RUN" : "SUBMIT_RUN"},
                 {"trigger", json::name_of(r.trigger)},
                 {"run_as_user_name", r.run_as_name},
                 {"format", "MULTI_TASK"},
                 {"run_page_url", fmt::format("https://{}/?o={}#job/{}/run/{}", host, r.workspace_id, r.job_id, r.run_id)}};
  if (r.job_id) o["job_id"] = r.job_id;
  o["state"] = state_json(r.life, r.outcome, r.message, r.code);
  o["status"] = status_json(r.life, r.outcome, r.message, r.code);
  times(o, r.start_time, r.started_at, r.end_time);
  if (r.started_at) o["queue_duration"] = r.started_at - r.start_time;
  if (r.settings.git_source.is_object()) {
    auto git = r.settings.git_source.as_object();
    if (!r.git_commit.empty()) git["git_snapshot"] = json::object{{"used_commit", r.git_commit}};
    o["git_source"] = std::move(git);
  }
  if (r.parent_task) o["trigger_info"] = json::object{{"run_id", r.parent_task}};
  if (r.settings.schedule) o["schedule"] = json::encode(*r.settings.schedule);
  if (const auto given = json::encode(r.overrides); !given.as_object().empty()) {
    auto over = given.as_object();
    over.erase("job_parameters");
    if (!over.empty()) o["overriding_parameters"] = std::move(over);
  }
  if (!r.parameters.empty()) {
    json::array list;
    for (const auto& [name, value] : r.parameters) {
      json::object p{{"name", name}, {"value", value}};
      if (const auto d = std::ranges::find(r.settings.parameters, name, &Parameter::name); d != r.settings.parameters.end())
        p["default"] = d->default_;
      list.push_back(std::move(p));
    }
    o["job_parameters"] = std::move(list);
  }
  if (!r.settings.job_clusters.empty()) o["job_clusters"] = json::encode(r.settings.job_clusters);
  if (!r.repairs.empty()) {
    json::array history;
    history.push_back(json::object{{"type", "ORIGINAL"}, {"start_time", r.start_time}});
    for (const auto& p : r.repairs)
      history.push_back(json::object{{"type", "REPAIR"},
                                     {"id", p.id},
                                     {"start_time", p.start_time},
                                     {"end_time", p.end_time},
                                     {"state", state_json(p.life, p.outcome, "", "")},
                                     {"task_run_ids", json::encode(p.task_run_ids)}});
    o["repair_history"] = std::move(history);
  }
  if (!with_tasks) return o;
  auto sorted = all;
  std::ranges::sort(sorted, [](const auto& a, const auto& b) {
    return std::tie(a.start_time, a.attempt, a.task_key) < std::tie(b.start_time, b.attempt, b.task_key);
  });
  json::array tasks, iterations;
  for (const auto& t : sorted) (t.iteration < 0 ? tasks : iterations).push_back(task_json(t, r, host));
  // What has not begun is there too, as BLOCKED: waiters look for all tasks from the start.
  std::set<std::string> begun;
  for (const auto& t : sorted) begun.insert(t.task_key);
  if (!ended(r.life) && r.settings.tasks.size() <= 1000)
    for (const auto& task : r.settings.tasks)
      if (!begun.contains(task.task_key)) {
        json::object b = json::encode(task).as_object();
        b["state"] = state_json(Life::BLOCKED, Outcome::NONE, "", "");
        b["status"] = status_json(Life::BLOCKED, Outcome::NONE, "", "");
        tasks.push_back(std::move(b));
      }
  if (!tasks.empty()) o["tasks"] = std::move(tasks);
  if (!iterations.empty()) o["iterations"] = std::move(iterations);
  return o;
}

json::object output_json(const RunView& view, const TaskRecord& t, const OutputRecord& shown, const std::string& host) {
  json::object o;
  auto meta = run_json(view.run, {t}, host, true);
  meta["run_id"] = t.task_run_id;
  meta["state"] = state_json(t.life, t.outcome, t.message, t.code);
  meta["status"] = status_json(t.life, t.outcome, t.message, t.code);
  o["metadata"] = std::move(meta);
  if (!t.error.empty()) o["error"] = t.error;
  if (!t.error_trace.empty()) o["error_trace"] = t.error_trace;
  if (t.task.notebook_task) o["notebook_output"] = json::object{{"result", json::text_at(t.output, {"exit"})}, {"truncated", false}};
  if (t.task.notebook_task || t.task.spark_python_task || t.task.python_wheel_task) {
    o["logs"] = shown.logs;
    o["logs_truncated"] = shown.truncated;
  }
  if (t.task.run_job_task) {
    if (const auto* id = json::find(t.output, {"run_id"})) o["run_job_output"] = json::object{{"run_id", *id}};
  }
  if (t.task.sql_task && t.task.sql_task->alert) {
    if (const auto* statement = json::find(t.output, {"statement_id"}))
      o["sql_output"] = json::object{{"alert_output",
                                      {{"alert_state", json::text_at(t.output, {"alert_state"})},
                                       {"query_text", json::text_at(t.output, {"query_text"})},
                                       {"warehouse_id", t.task.sql_task->warehouse_id},
                                       {"sql_statements", json::array{json::object{{"lookup_key", *statement}}}}}}};
  } else if (t.task.sql_task)
    if (const auto* statement = json::find(t.output, {"statement_id"}))
      o["sql_output"] = json::object{{"query_output",
                                      {{"warehouse_id", t.task.sql_task->warehouse_id},
                                       {"endpoint_id", t.task.sql_task->warehouse_id},
                                       {"sql_statements", json::array{json::object{{"lookup_key", *statement}}}}}}};
  return o;
}

json::object log_json(const LogPage& page) {
  return {{"run_id", page.task_run_id},      {"task_key", page.task_key}, {"text", page.text},
          {"next_offset", page.next_offset}, {"ended", page.ended},       {"truncated", page.truncated}};
}

json::object notice_json(const NoticeRecord& n) {
  json::object o{
      {"event", n.event}, {"state", json::name_of(n.state)}, {"attempts", n.attempts}, {"created_time", n.created_at}, {"end_time", n.ended_at}};
  if (!n.task_key.empty()) o["task_key"] = n.task_key;
  if (!n.destination_id.empty()) o["destination_id"] = n.destination_id;
  if (!n.recipient.empty()) o["recipient"] = n.recipient;
  if (!n.error.empty()) o["error"] = n.error;
  return o;
}

json::object export_json(const TaskRecord& t, const OutputRecord& shown) {
  const auto escaped = [](std::string_view text) {
    std::string out;
    for (const char c : text) {
      if (c == '&')
        out += "&amp;";
      else if (c == '<')
        out += "&lt;";
      else if (c == '>')
        out += "&gt;";
      else if (c == '"')
        out += "&quot;";
      else
        out += c;
    }
    return out;
  };
  // Terminal colours of a traceback have no place in a page.
  const auto plain = [&](const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '\x1b' && i + 1 < text.size() && text[i + 1] == '[') {
        while (i < text.size() && text[i] != 'm') ++i;
        continue;
      }
      out += text[i];
    }
    return escaped(out);
  };
  std::string page =
      "<!DOCTYPE html><html><head><meta charset=\"utf-8\"><title>" + escaped(t.task_key) +
      "</title><style>body{font-family:sans-serif;margin:2em}pre{background:#f6f6f6;padding:.6em;white-space:pre-wrap}.out{background:#fff}"
      "table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.2em .6em}.err{color:#b00}</style></head><body>";
  if (shown.cells.is_array()) {
    for (const auto& cell : shown.cells.as_array()) {
      page += "<pre>" + escaped(json::text_at(cell, {"source"})) + "</pre>";
      const auto* outputs = json::find(cell, {"outputs"});
      if (!outputs || !outputs->is_array()) continue;
      for (const auto& o : outputs->as_array()) {
        if (const auto text = json::text_at(o, {"text"}); !text.empty()) page += "<pre class=\"out\">" + plain(text) + "</pre>";
        if (const auto error = json::text_at(o, {"error"}); !error.empty()) page += "<pre class=\"out err\">" + plain(error) + "</pre>";
        if (const auto image = json::text_at(o, {"image"}); image.starts_with("data:image/png;base64,"))
          page += "<p><img src=\"" + escaped(image) + "\"></p>";
        const auto *columns = json::find(o, {"table", "schema"}), *rows = json::find(o, {"table", "data"});
        if (!columns || !rows || !columns->is_array() || !rows->is_array()) continue;
        page += "<table><tr>";
        for (const auto& c : columns->as_array()) page += "<th>" + escaped(json::text_at(c, {"name"})) + "</th>";
        page += "</tr>";
        for (const auto& row : rows->as_array()) {
          page += "<tr>";
          for (const auto& v : row.as_array())
            page += "<td>" + escaped(v.is_null() ? "null" : v.is_string() ? std::string(v.as_string()) : boost::json::serialize(v)) + "</td>";
          page += "</tr>";
        }
        page += "</table>";
      }
      if (json::find(cell, {"truncated"})) page += "<p><i>more was shown than is kept</i></p>";
    }
  } else {
    page += "<pre class=\"out\">" + plain(shown.logs) + "</pre>";
  }
  if (!t.error.empty()) page += "<pre class=\"err\">" + plain(t.error) + "</pre>";
  page += "</body></html>";
  const auto name =
      t.task.notebook_task ? t.task.notebook_task->notebook_path.substr(t.task.notebook_task->notebook_path.rfind('/') + 1) : t.task_key;
  return {{"views", json::array{json::object{{"content", page}, {"name", name}, {"type", "NOTEBOOK"}}}}};
}

}  // namespace tarn::jobs
