#pragma once
// Private to jobs/: whether settings can be a job. Pure but for what `Checks` asks.
#include <functional>

#include "base/clock.h"
#include "jobs/errors.h"
#include "jobs/settings.h"

namespace tarn::jobs {

/// What only other rooms know of a job's parts. Empty functions ask nothing.
struct Checks {
  std::function<bool(const std::string& destination_id)> destination_exists;
  std::function<Result<void>(const std::string& field, const json::value& new_cluster)> cluster;
  std::function<bool(std::int64_t job_id)> job_exists;
};

/// invalid naming the field: unknown or doubled task keys, cycles, a cron that never fires, two kinds of task in one, …
Result<void> validate(const JobSettings& settings, const Checks& checks, Millis now);
/// The defaults that the vendor fills in.
JobSettings with_defaults(JobSettings settings);
/// Tasks in an order in which all dependencies come first; the error names a cycle.
Result<std::vector<std::string>> topological(const std::vector<Task>& tasks);
/// notebook_task, sql_task, …: the one kind that a task has; empty if none or several.
std::string kind_of(const Task& task);
/// The next moment of a schedule that is not paused; 0 for none.
Millis next_fire(const JobSettings& settings, Millis after);
/// What a job keeps as JSON, typed; empty where it is absent. What does not decode was refused by validate().
TriggerSettings trigger_of(const JobSettings& settings);
bool runs_continuously(const JobSettings& settings);  // continuous, and not paused
template <class T>
T part_of(const json::value& v) {
  if (!v.is_object()) return {};
  auto out = json::decode<T>(v, {.absent = json::Absent::keep});
  return out ? *std::move(out) : T{};
}
/// The inner task of a for_each.
Result<Task> inner_task(const ForEachTask& each);

}  // namespace tarn::jobs
