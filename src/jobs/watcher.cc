#include "jobs/watcher.h"

#include "base/log.h"
#include "jobs/service.h"
#include "jobs/validate.h"

namespace tarn::jobs {

void Watcher::start() {
  turns_.start("triggers", parts_.every, [this](const std::stop_token&) { look(); });
}

void Watcher::look() {
  for (const auto& job : parts_.store.read_as([](store::ReadTxn& t) { return jobs_table.scan_index(t, "watched", "yes"); })) look_at(job);
}

void Watcher::look_at(const JobRecord& job) {
  const auto trigger = trigger_of(job.settings);
  access::Context ctx;
  ctx.workspace_id = job.workspace_id;
  ctx.request_id = fmt::format("trigger-{}", job.job_id);
  ctx.user_agent = "jobs";
  auto next = job.watch;
  next.error.clear();
  if (auto who = parts_.directory.caller(job.run_as_id, job.workspace_id)) {
    ctx.caller = *std::move(who);
    if (trigger.table_update) {
      for (const auto& name : trigger.table_update->table_names) {
        auto mark = parts_.watched.table_mark(ctx, name);
        if (mark)
          next.seen[name] = *std::move(mark);
        else
          next.error = mark.error();
      }
    } else if (trigger.file_arrival) {
      const auto& url = trigger.file_arrival->url;
      auto mark = parts_.watched.files_mark(ctx, url, next.seen[url]);
      if (mark)
        next.seen[url] = *std::move(mark);
      else
        next.error = mark.error();
    }
  } else {
    next.error = "'" + job.run_as_name + "' is no longer of this workspace";
  }
  const auto now = parts_.clock.now();
  std::size_t news = 0, all = 0;
  for (const auto& [name, mark] : next.seen) {
    if (mark.empty()) continue;
    ++all;
    // What was never seen before is no news: it is where looking begins.
    if (const auto i = next.fired.emplace(name, mark).first; i->second != mark) ++news;
  }
  if (next.seen != job.watch.seen && news > 0) next.changed_at = now;
  const auto spoken = [&](auto& t) {
    return std::pair<Millis, Millis>(t.min_time_between_triggers_seconds.value_or(0) * 1000ll, t.wait_after_last_change_seconds.value_or(0) * 1000ll);
  };
  const auto [apart, quiet] = trigger.table_update ? spoken(*trigger.table_update) : spoken(*trigger.file_arrival);
  const bool whole = trigger.table_update && trigger.table_update->condition == "ALL_UPDATED";
  const bool enough = whole ? news == all && all == trigger.table_update->table_names.size() : news > 0;
  const bool fires = enough && next.changed_at != 0 && now - next.changed_at >= quiet && (next.fired_at == 0 || now - next.fired_at >= apart);
  if (!fires && next.seen == job.watch.seen && next.fired == job.watch.fired && next.error == job.watch.error) return;
  if (next.error != job.watch.error && !next.error.empty()) spdlog::warn("a trigger cannot look job_id={} error=\"{}\"", job.job_id, next.error);
  bool made = false;
  parts_.store.write(access::system_context().event("jobs", fires ? "runTriggered" : "triggerState", {{"job_id", std::to_string(job.job_id)}}),
                     [&](store::WriteTxn& t) {
                       made = false;
                       auto found = jobs_table.find(t, "id", std::to_string(job.job_id));
                       // Changed since, or another server was first: the next look sees what is then.
                       if (!found || !watches(found->value.settings) || json::encode(found->value.watch) != json::encode(job.watch)) {
                         t.audit().outcome = store::Outcome::failed;
                         t.audit().error = "it changed meanwhile";
                         return false;
                       }
                       auto& j = found->value;
                       t.audit().workspace_id = j.workspace_id;
                       j.watch = next;
                       if (fires) {
                         j.watch.fired = j.watch.seen;
                         j.watch.changed_at = 0;
                         j.watch.fired_at = now;
                         const auto r = add_run(t, j,
                                                {.trigger = trigger.table_update ? Trigger::TABLE : Trigger::FILE_ARRIVAL,
                                                 .creator_id = j.run_as_id,
                                                 .creator_user_name = j.creator_user_name},
                                                parts_.server_id, now);
                         t.audit().params["run_id"] = std::to_string(r.run_id);
                         made = true;
                         return true;
                       }
                       if (!next.error.empty()) t.audit().params["error"] = next.error;
                       if (!jobs_table.update(t, j)) throw std::logic_error("a job vanished inside its transaction");
                       return true;
                     });
  if (made && parts_.fired) parts_.fired();
}

}  // namespace tarn::jobs
