#include "jobs/notices.h"

#include "base/ids.h"
#include "base/json_read.h"
#include "base/log.h"
#include "jobs/validate.h"

namespace tarn::jobs {
namespace {

std::string job_of(const NoticeRecord& n) {
  const auto* job = n.payload.as_object().if_contains("job");
  return job ? json::text_at(*job, {"name"}) : "";
}
std::string subject_of(const NoticeRecord& n) {
  if (n.run_id == 0) return json::text_at(n.payload, {"subject"});
  return fmt::format("{}{}: {} (run {})", job_of(n), n.task_key.empty() ? "" : ", task " + n.task_key, n.event, n.run_id);
}
std::string text_of(const NoticeRecord& n) {
  if (n.run_id == 0) return json::text_at(n.payload, {"text"});
  return fmt::format("Job: {} ({})\nRun: {}\n{}Event: {}\nWorkspace: {}\n", job_of(n), n.job_id, n.run_id,
                     n.task_key.empty() ? "" : "Task: " + n.task_key + "\n", n.event, n.workspace_id);
}

/// Slack and Teams show a text; a generic webhook gets the event itself.
json::value body_for(const std::string& type, const NoticeRecord& n) {
  if (type == "WEBHOOK") return n.payload;
  return json::object{{"text", n.run_id == 0 ? subject_of(n) + "\n" + text_of(n) : subject_of(n)}};
}

}  // namespace

std::string ending_of(Outcome o, const NotificationSettings& s) {
  if (o == Outcome::SUCCESS || o == Outcome::SUCCESS_WITH_FAILURES) return "on_success";
  const bool skipped = o == Outcome::EXCLUDED || o == Outcome::DISABLED || o == Outcome::MAXIMUM_CONCURRENT_RUNS_REACHED ||
                       o == Outcome::UPSTREAM_FAILED || o == Outcome::UPSTREAM_CANCELED;
  if (skipped && s.no_alert_for_skipped_runs.value_or(false)) return "";
  if (o == Outcome::CANCELED && s.no_alert_for_canceled_runs.value_or(false)) return "";
  if (o == Outcome::EXCLUDED || o == Outcome::DISABLED) return "";
  return "on_failure";
}

std::vector<NoticeRecord> notices_of(const RunRecord& run, const TaskRecord* task, const std::string& event, Millis now) {
  std::vector<NoticeRecord> out;
  const auto hooks = part_of<Webhooks>(task ? task->task.webhook_notifications : run.settings.webhook_notifications);
  const auto mails = part_of<Emails>(task ? task->task.email_notifications : run.settings.email_notifications);
  const auto& ids = event == "on_start" ? hooks.on_start : event == "on_success" ? hooks.on_success : hooks.on_failure;
  const auto& people = event == "on_start" ? mails.on_start : event == "on_success" ? mails.on_success : mails.on_failure;
  json::object payload{{"event_type", "jobs." + event},
                       {"workspace_id", std::to_string(run.workspace_id)},
                       {"run", json::object{{"run_id", std::to_string(task ? task->task_run_id : run.run_id)}}},
                       {"job", json::object{{"job_id", std::to_string(run.job_id)}, {"name", run.run_name}}}};
  if (task) payload["task"] = json::object{{"task_key", task->task_key}};
  const NoticeRecord common{.workspace_id = run.workspace_id,
                            .run_id = run.run_id,
                            .job_id = run.job_id,
                            .event = event,
                            .task_key = task ? task->task_key : "",
                            .server_id = run.server_id,
                            .created_at = now,
                            .next_at = now,
                            .payload = payload};
  for (const auto& d : ids) {
    auto& n = out.emplace_back(common);
    n.id = new_uuid();
    n.destination_id = d.id;
  }
  for (const auto& who : people) {
    auto& n = out.emplace_back(common);
    n.id = new_uuid();
    n.recipient = who;
  }
  return out;
}

void Notifier::start() {
  turns_.start("notifications", std::chrono::milliseconds(500), [this](const std::stop_token& stop) {
    while (!stop.stop_requested() && step()) {
    }
  });
}

void add_notice(store::WriteTxn& t, NoticeRecord n, Millis now) {
  for (const auto& old : notices_table.scan(t, store::prefix({store::sortable(n.workspace_id), store::sortable(n.run_id)})))
    if (old.state != NoticeState::PENDING && now - old.ended_at > 30ll * 24 * 3600 * 1000) notices_table.erase(t, old.store_key());
  n.id = new_uuid();
  n.created_at = n.next_at = now;
  if (!notices_table.insert(t, n)) throw std::logic_error("a fresh notice id is taken");
}

WebhookSender::Answer Notifier::send(const NoticeRecord& n) {
  const auto by_mail = [&](const std::vector<std::string>& to) -> WebhookSender::Answer {
    if (!parts_.mail) return {.refused = true, .error = "This platform has no mail relay (tarn serve --smtp): use a webhook destination"};
    return parts_.mail->send(to, subject_of(n), text_of(n));
  };
  if (!n.recipient.empty()) return by_mail({n.recipient});
  const auto where = parts_.destinations.address(n.workspace_id, n.destination_id);
  if (!where) return {.refused = true, .error = "the notification destination does not exist any more"};
  if (where->type == "EMAIL") return by_mail(where->addresses);
  return parts_.sender.post(where->url, where->username, where->password, boost::json::serialize(body_for(where->type, n)));
}

bool Notifier::step() {
  const auto now = parts_.clock.now();
  const auto pending = parts_.store.read_as([&](store::ReadTxn& t) { return notices_table.scan_index(t, "pending", parts_.server_id, {}, 1000); });
  for (auto n : pending) {
    if (n.next_at > now) continue;
    const auto answer = send(n);
    ++n.attempts;
    const bool sent = answer.status >= 200 && answer.status < 300;
    // What is refused now will be refused again; what the other side calls a wrong request too, but for those it asks to wait.
    const bool hopeless = answer.refused || (answer.status >= 400 && answer.status < 500 && answer.status != 408 && answer.status != 429);
    n.error = sent ? "" : !answer.error.empty() ? answer.error : fmt::format("it answered {}", answer.status);
    n.state = sent                                      ? NoticeState::SENT
              : answer.refused                          ? NoticeState::REFUSED
              : hopeless || n.attempts >= kMostAttempts ? NoticeState::FAILED
                                                        : NoticeState::PENDING;
    n.next_at = now + (Millis(1000) << std::min(2 * n.attempts, 12));
    if (n.state != NoticeState::PENDING) n.ended_at = now;
    auto event = access::system_context().event("jobs", "notify",
                                                {{"run_id", std::to_string(n.run_id)},
                                                 {"event", n.event},
                                                 {"destination_id", n.destination_id},
                                                 {"attempt", std::to_string(n.attempts)},
                                                 {"state", std::string(json::name_of(n.state))}});
    event.workspace_id = n.workspace_id;
    parts_.store.write(std::move(event), [&](store::WriteTxn& t) {
      if (!sent) {
        t.audit().outcome = store::Outcome::failed;
        t.audit().error = n.error;
      }
      (void)notices_table.update(t, n);  // a run that was deleted meanwhile took it along
      return true;
    });
    return true;
  }
  return false;
}

}  // namespace tarn::jobs
