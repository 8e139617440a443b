#include "jobs/code.h"

#include "base/json_read.h"

namespace tarn::jobs {
namespace {

Expected<WorkspaceFiles::File, std::string> read_file(const access::Context& ctx, WorkspaceFiles* files, const std::string& path) {
  if (!files) return fail(std::string("This platform has no workspace files"));
  return files->read(ctx, path);
}

std::string hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const unsigned char c : bytes) out += digits[c >> 4], out += digits[c & 15];
  return out;
}

/// Wheels of the task's libraries; other libraries cannot be installed here, and a task that needs one must not run without it.
Expected<json::array, std::string> wheels(const access::Context& ctx, const TaskRecord& task, WorkspaceFiles* files) {
  json::array out;
  if (task.task.libraries.is_null()) return out;
  if (!task.task.libraries.is_array()) return fail(std::string("Field 'libraries' must be an array"));
  for (const auto& one : task.task.libraries.as_array()) {
    const auto path = json::text_at(one, {"whl"});
    if (const auto package = json::text_at(one, {"pypi", "package"}); !package.empty()) {
      // Installed by the task's interpreter, from where the cluster's environment says.
      out.push_back(json::object{{"pypi", package}, {"repo", json::text_at(one, {"pypi", "repo"})}});
      continue;
    }
    if (path.empty())
      return fail("The library " + boost::json::serialize(one) +
                  " cannot be installed: only wheels (whl) and packages of an index (pypi) are supported on this platform");
    if (path.starts_with("/Volumes/") || path.starts_with("dbfs:/")) {
      out.push_back(json::object{{"name", path.substr(path.rfind('/') + 1)}, {"path", path}});
      continue;
    }
    TARN_TRY(file, read_file(ctx, files, path));
    if (!file.content.starts_with("PK\x03\x04")) return fail("The library " + path + " is not a wheel: it is not a zip file");
    out.push_back(json::object{{"name", path.substr(path.rfind('/') + 1)}, {"hex", hex(file.content)}});
  }
  return out;
}

}  // namespace

bool from_git(const Task& t) {
  return (t.notebook_task && t.notebook_task->source == Source::GIT) || (t.spark_python_task && t.spark_python_task->source == Source::GIT) ||
         (t.sql_task && t.sql_task->file && t.sql_task->file->source == Source::GIT);
}

Expected<std::string, std::string> code_of(const access::Context& ctx, const RunRecord& run, const TaskRecord& task,
                                           const std::vector<TaskRecord>& siblings, WorkspaceFiles* files, GitWork* git) {
  const auto read = [&](const std::string& path) -> Expected<WorkspaceFiles::File, std::string> {
    if (!from_git(task.task)) return read_file(ctx, files, path);
    if (!git) return fail(std::string("This platform fetches no Git sources"));
    return git->read(std::to_string(run.run_id), path);
  };
  json::object order{{"job_id", run.job_id}, {"run_id", run.run_id}, {"task_key", task.task_key}, {"task_run_id", task.task_run_id}};
  TARN_TRY(libraries, wheels(ctx, task, files));
  order["wheels"] = std::move(libraries);
  json::object known;
  for (const auto& one : siblings)
    if (ended(one.life) && one.iteration < 0 && one.condition != "repaired") {
      const auto* values = json::find(one.output, {"values"});
      known[one.task_key] = values ? *values : json::value(json::object{});
    }
  order["known_values"] = std::move(known);
  const auto& t = task.task;
  if (t.notebook_task) {
    TARN_TRY(file, read(t.notebook_task->notebook_path));
    if (!file.notebook) return fail(t.notebook_task->notebook_path + " is not a notebook");
    if (!file.language.empty() && file.language != "PYTHON" && file.language != "SQL")
      return fail("Notebooks of language " + file.language + " are not available on this platform: use PYTHON or SQL");
    order["language"] = file.language;
    if (t.notebook_task->warehouse_id) order["warehouse_id"] = *t.notebook_task->warehouse_id;
    order["kind"] = "notebook";
    order["path"] = t.notebook_task->notebook_path;
    order["source"] = file.content;
    json::object widgets;
    for (const auto& [k, v] : run.parameters) widgets[k] = v;
    for (const auto& [k, v] : t.notebook_task->base_parameters) widgets[k] = v;
    for (const auto& [k, v] : run.overrides.notebook_params) widgets[k] = v;
    order["widgets"] = std::move(widgets);
  } else if (t.spark_python_task) {
    TARN_TRY(file, read(t.spark_python_task->python_file));
    if (file.notebook) return fail(t.spark_python_task->python_file + " is a notebook, not a file");
    order["kind"] = "python";
    order["path"] = t.spark_python_task->python_file;
    order["source"] = file.content;
    order["parameters"] = json::encode(run.overrides.python_params.empty() ? t.spark_python_task->parameters : run.overrides.python_params);
  } else if (t.python_wheel_task) {
    const auto& w = *t.python_wheel_task;
    if (order["wheels"].as_array().empty())
      return fail("The task has no wheel in its libraries that the package " + w.package_name + " could come from");
    order["kind"] = "wheel";
    order["package"] = w.package_name;
    order["entry_point"] = w.entry_point;
    auto named = w.named_parameters;
    for (const auto& [k, v] : run.overrides.python_named_params) named[k] = v;
    json::array arguments;
    for (const auto& p : run.overrides.python_params.empty() ? w.parameters : run.overrides.python_params) arguments.push_back(json::value(p));
    for (const auto& [k, v] : named) arguments.push_back(json::value("--" + k + "=" + v));
    order["parameters"] = std::move(arguments);
  } else {
    return fail(std::string("This kind of task does not run code"));
  }
  // The order travels as hexadecimal text: no quoting can go wrong. What runs it is on the node (compute/node/tarn_runtime/task.py).
  return "import tarn_runtime.task as _tarn_task; _tarn_task.run(\"" + hex(boost::json::serialize(order)) + "\", globals())\n";
}

}  // namespace tarn::jobs
