#pragma once
// Private to jobs/: dynamic value references in tasks ({{job.parameters.day}}, {{tasks.a.values.x}}, {{input}}). Pure.
// Source: vendor documentation "What is a dynamic value reference?".
#include "jobs/records.h"

namespace tarn::jobs {

struct ReferenceScope {
  const RunRecord& run;
  const std::map<std::string, TaskRecord>& latest;  // by task key
  std::string task_key;
  std::int64_t task_run_id = 0;
  int attempt = 0;
  std::optional<std::string> input;  // of a for_each: JSON text
};

/// The text with its references resolved; the error names one that cannot be.
Expected<std::string, std::string> resolved(const std::string& text, const ReferenceScope& scope);
/// All strings of a task.
Expected<Task, std::string> resolved(const Task& task, const ReferenceScope& scope);

}  // namespace tarn::jobs
