#include "jobs/metrics_text.h"

namespace tarn::jobs {
namespace {

/// A job's name may hold anything.
std::string as_label(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, 128)) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

}  // namespace

std::string metrics_text(store::Store& store, const RunCounts& counts, const std::string& server_id, const Clock& clock) {
  std::string seconds = "# HELP tarn_run_seconds Since a live run was triggered\n# TYPE tarn_run_seconds gauge\n",
              tasks = "# HELP tarn_run_tasks Attempts of a live run's tasks, by state\n# TYPE tarn_run_tasks gauge\n",
              clusters = "# HELP tarn_run_cluster A cluster that a live run uses\n# TYPE tarn_run_cluster gauge\n";
  const auto now = clock.now();
  store.read_as([&](store::ReadTxn& t) {
    for (const auto& r : runs_table.scan_index(t, "live", server_id)) {
      const auto labels =
          fmt::format("run_id=\"{}\",job_id=\"{}\",workspace_id=\"{}\",run_name=\"{}\"", r.run_id, r.job_id, r.workspace_id, as_label(r.run_name));
      seconds +=
          fmt::format("tarn_run_seconds{{{},state=\"{}\"}} {:.3f}\n", labels, json::name_of(r.life), static_cast<double>(now - r.start_time) / 1000);
      std::map<Life, int> by_state;
      std::set<std::string> used;
      for (const auto& [key, id] : r.clusters) used.insert(id);
      for (const auto& task : tasks_of(t, r)) {
        ++by_state[task.life];
        if (!task.cluster_id.empty()) used.insert(task.cluster_id);
      }
      for (const auto& [state, count] : by_state) tasks += fmt::format("tarn_run_tasks{{{},state=\"{}\"}} {}\n", labels, json::name_of(state), count);
      for (const auto& id : used) clusters += fmt::format("tarn_run_cluster{{{},cluster_id=\"{}\"}} 1\n", labels, as_label(id));
    }
    return 0;
  });
  std::string ended = "# HELP tarn_runs_ended_total Runs that ended since this server's start\n# TYPE tarn_runs_ended_total counter\n";
  for (const auto& [outcome, count] : counts.by_outcome())
    ended += fmt::format("tarn_runs_ended_total{{outcome=\"{}\"}} {}\n", json::name_of(outcome), count);
  return seconds + tasks + clusters + ended;
}

}  // namespace tarn::jobs
