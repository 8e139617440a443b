#include "jobs/code.h"

#include <fstream>
#include <sstream>

#include "base/json_read.h"
#include "base/resources.h"

namespace tarn::jobs {
namespace {

const std::string& runtime() {
  static const std::string text = [] {
    std::ifstream in(resources::shipped("src/jobs/python/runtime.py"));
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
  }();
  return text;
}

Expected<WorkspaceFiles::File, std::string> read(const access::Context& ctx, WorkspaceFiles* files, const std::string& path) {
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
    if (path.empty())
      return fail("The library " + boost::json::serialize(one) +
                  " cannot be installed: only wheels of workspace files (whl) are supported on this platform");
    TARN_TRY(file, read(ctx, files, path));
    if (!file.content.starts_with("PK\x03\x04")) return fail("The library " + path + " is not a wheel: it is not a zip file");
    out.push_back(json::object{{"name", path.substr(path.rfind('/') + 1)}, {"hex", hex(file.content)}});
  }
  return out;
}

}  // namespace

Expected<std::string, std::string> code_of(const access::Context& ctx, const RunRecord& run, const TaskRecord& task, WorkspaceFiles* files) {
  json::object order{{"job_id", run.job_id}, {"run_id", run.run_id}, {"task_key", task.task_key}, {"task_run_id", task.task_run_id}};
  TARN_TRY(libraries, wheels(ctx, task, files));
  order["wheels"] = std::move(libraries);
  const auto& t = task.task;
  if (t.notebook_task) {
    if (t.notebook_task->source == Source::GIT) return fail(std::string("Notebooks of a Git source are not available on this platform"));
    TARN_TRY(file, read(ctx, files, t.notebook_task->notebook_path));
    if (!file.notebook) return fail(t.notebook_task->notebook_path + " is not a notebook");
    if (!file.language.empty() && file.language != "PYTHON")
      return fail("Notebooks of language " + file.language + " are not available on this platform: use PYTHON");
    order["kind"] = "notebook";
    order["path"] = t.notebook_task->notebook_path;
    order["source"] = file.content;
    json::object widgets;
    for (const auto& [k, v] : run.parameters) widgets[k] = v;
    for (const auto& [k, v] : t.notebook_task->base_parameters) widgets[k] = v;
    for (const auto& [k, v] : run.overrides.notebook_params) widgets[k] = v;
    order["widgets"] = std::move(widgets);
  } else if (t.spark_python_task) {
    if (t.spark_python_task->source == Source::GIT) return fail(std::string("Python files of a Git source are not available on this platform"));
    TARN_TRY(file, read(ctx, files, t.spark_python_task->python_file));
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
  // The order travels as hexadecimal text: no quoting can go wrong.
  return runtime() + "\n_tarn_run(\"" + hex(boost::json::serialize(order)) + "\")\n";
}

}  // namespace tarn::jobs
