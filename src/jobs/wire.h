#pragma once
// Replies of the jobs room's routes. Private to it.
#include "jobs/service.h"

namespace tarn::jobs {

json::object job_json(const JobRecord& j, bool with_tasks);
/// Run; tasks in the order that they began.
json::object run_json(const RunRecord& r, const std::vector<TaskRecord>& tasks, const std::string& host, bool with_tasks);
json::object output_json(const RunView& view, const TaskRecord& t, const std::string& host);

}  // namespace tarn::jobs
