#pragma once
// Private to jobs/: the Python that a code task runs: the shipped runtime (python/runtime.py) and the order that it is given.
#include "jobs/ports.h"
#include "jobs/records.h"

namespace tarn::jobs {

/// Whether what a task runs lies in the run's Git source.
bool from_git(const Task& task);
/// The code for a notebook, Python file or wheel task. Reads files as `ctx`, or of the run's commit; `siblings` are the run's tasks, whose values
/// the code may ask for. The error is a text for people.
Expected<std::string, std::string> code_of(const access::Context& ctx, const RunRecord& run, const TaskRecord& task,
                                           const std::vector<TaskRecord>& siblings, WorkspaceFiles* files, GitWork* git);

}  // namespace tarn::jobs
