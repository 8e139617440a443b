#pragma once
// Private to jobs/: the Python that a code task runs: the shipped runtime (python/runtime.py) and the order that it is given.
#include "jobs/ports.h"
#include "jobs/records.h"

namespace tarn::jobs {

/// The code for a notebook, Python file or wheel task. Reads files as `ctx`; the error is a text for people.
Expected<std::string, std::string> code_of(const access::Context& ctx, const RunRecord& run, const TaskRecord& task, WorkspaceFiles* files);

}  // namespace tarn::jobs
