#include "jobs/references.h"

#include "base/json_read.h"

namespace tarn::jobs {
namespace {

std::string plain(const json::value& v) { return v.is_string() ? std::string(v.as_string()) : boost::json::serialize(v); }

Expected<std::string, std::string> value_of(const std::string& name, const ReferenceScope& s) {
  const auto unknown = [&] { return fail("The reference {{" + name + "}} is not one"); };
  const auto& r = s.run;
  if (name == "job.id" || name == "job_id") return std::to_string(r.job_id);
  if (name == "job.run_id" || name == "parent_run_id") return std::to_string(r.run_id);
  if (name == "run_id" || name == "task.run_id") return std::to_string(s.task_run_id);
  if (name == "job.name") return r.run_name;
  if (name == "job.repair_count") return std::to_string(r.repairs.size());
  if (name == "job.trigger.type") return std::string(json::name_of(r.trigger));
  if (name == "job.start_time.iso_date" || name == "start_date") return to_rfc3339(r.start_time).substr(0, 10);
  if (name == "job.start_time.iso_datetime") return to_rfc3339(r.start_time).substr(0, 19);
  if (name == "job.start_time.timestamp_ms" || name == "start_time") return std::to_string(r.start_time);
  if (name == "task.name" || name == "task_key") return s.task_key;
  if (name == "task.execution_count" || name == "task_retry_count") return std::to_string(name == "task_retry_count" ? s.attempt : s.attempt + 1);
  if (name == "workspace.id") return std::to_string(r.workspace_id);
  if (name.starts_with("job.parameters.")) {
    const auto i = r.parameters.find(name.substr(15));
    if (i == r.parameters.end()) return fail("The job has no parameter '" + name.substr(15) + "' for the reference {{" + name + "}}");
    return i->second;
  }
  if (name == "input" || name.starts_with("input.")) {
    if (!s.input) return fail("The reference {{" + name + "}} is known within a for_each task only");
    auto v = json::parse(*s.input);
    if (!v) return unknown();
    if (name == "input") return plain(*v);
    const auto* found = json::find(*v, {name.substr(6)});
    if (!found) return fail("The input has no '" + name.substr(6) + "' for the reference {{" + name + "}}");
    return plain(*found);
  }
  if (name.starts_with("tasks.")) {
    const auto dot = name.find('.', 6);
    if (dot == name.npos) return unknown();
    const auto key = name.substr(6, dot - 6), what = name.substr(dot + 1);
    const auto i = s.latest.find(key);
    if (i == s.latest.end()) return fail("The task '" + key + "' has not run before the reference {{" + name + "}}");
    if (what == "result_state") return std::string(json::name_of(i->second.outcome));
    if (what == "run_id") return std::to_string(i->second.task_run_id);
    if (what == "error_code") return i->second.code;
    if (what.starts_with("values.")) {
      const auto* v = json::find(i->second.output, {"values", what.substr(7)});
      if (!v) return fail("The task '" + key + "' set no value '" + what.substr(7) + "' for the reference {{" + name + "}}");
      return plain(*v);
    }
  }
  return unknown();
}

Expected<void, std::string> walk(json::value& v, const ReferenceScope& s) {
  if (auto* text = v.if_string()) {
    TARN_TRY(out, resolved(std::string(*text), s));
    v = json::value(out);
  } else if (auto* list = v.if_array()) {
    for (auto& one : *list) TARN_CHECK(walk(one, s));
  } else if (auto* object = v.if_object()) {
    for (auto& kv : *object) TARN_CHECK(walk(kv.value(), s));
  }
  return {};
}

}  // namespace

Expected<std::string, std::string> resolved(const std::string& text, const ReferenceScope& scope) {
  std::string out;
  std::size_t at = 0;
  for (std::size_t open; (open = text.find("{{", at)) != text.npos;) {
    const auto close = text.find("}}", open);
    if (close == text.npos) break;
    out += text.substr(at, open - at);
    std::string name = text.substr(open + 2, close - open - 2);
    name.erase(0, name.find_first_not_of(' '));
    name.erase(name.find_last_not_of(' ') + 1);
    if (name.starts_with("secrets/"))
      out += text.substr(open, close + 2 - open);  // a secret's place, which a cluster's own settings resolve
    else {
      TARN_TRY(value, value_of(name, scope));
      out += value;
    }
    at = close + 2;
  }
  return out + text.substr(at);
}

Expected<Task, std::string> resolved(const Task& task, const ReferenceScope& scope) {
  auto v = json::encode(task);
  // What an inner task says is resolved for each of its inputs, not here.
  json::value inner;
  if (task.for_each_task) {
    auto& each = v.as_object()["for_each_task"].as_object();
    inner = each["task"];
    each.erase("task");
  }
  TARN_CHECK(walk(v, scope));
  if (task.for_each_task) v.as_object()["for_each_task"].as_object()["task"] = inner;
  auto out = json::decode<Task>(v, {.absent = json::Absent::keep});
  if (!out) return fail(out.error().message());
  return *std::move(out);
}

}  // namespace tarn::jobs
