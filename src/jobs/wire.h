#pragma once
// Replies of the jobs room's routes. Private to it.
#include "jobs/service.h"

namespace tarn::jobs {

json::object job_json(const JobRecord& j, bool with_tasks);
/// Run; tasks in the order that they began.
json::object run_json(const RunRecord& r, const std::vector<TaskRecord>& tasks, const std::string& host, bool with_tasks);
json::object output_json(const RunView& view, const TaskRecord& t, const OutputRecord& shown, const std::string& host);
json::object log_json(const LogPage& page);
json::object notice_json(const NoticeRecord& n);
/// A run's views as pages that stand alone: a notebook's cells with what each printed and showed.
json::object export_json(const TaskRecord& t, const OutputRecord& shown);

}  // namespace tarn::jobs
