#pragma once
// Notifications of runs, tasks and alerts: written with the transition that they tell of, sent afterwards by a thread of their own, retried with
// growing pauses, and kept with what became of them. Without a mail relay an e-mail is refused, and the record says so.
// Source: Databricks docs "Add notifications on a job" (events and the webhooks' payloads).
#include "base/repeating.h"
#include "jobs/destinations.h"
#include "jobs/records.h"

namespace tarn::jobs {

enum class NoticeState { PENDING, SENT, FAILED, REFUSED };
BOOST_DESCRIBE_ENUM(NoticeState, PENDING, SENT, FAILED, REFUSED)

struct NoticeRecord {
  std::int64_t workspace_id = 0, run_id = 0, job_id = 0;                         // run_id 0: of an alert, whose payload has subject and text
  std::string id, event, task_key, destination_id, recipient, server_id, error;  // recipient: of an e-mail
  NoticeState state = NoticeState::PENDING;
  int attempts = 0;
  Millis created_at = 0, next_at = 0, ended_at = 0;
  json::value payload;
  std::string store_key() const { return store::key({store::sortable(workspace_id), store::sortable(run_id), id}); }
  std::vector<store::IndexEntry> store_indexes() const {
    if (state != NoticeState::PENDING) return {};
    return {{"pending", server_id}};
  }
};
BOOST_DESCRIBE_STRUCT(NoticeRecord, (),
                      (workspace_id, run_id, job_id, id, event, task_key, destination_id, recipient, server_id, error, state, attempts, created_at,
                       next_at, ended_at, payload))
inline constexpr store::Collection<NoticeRecord> notices_table{"jobs.notice"};

/// The notices of a transition; `task` null: the run's own. `event` is on_start, on_success or on_failure.
std::vector<NoticeRecord> notices_of(const RunRecord& run, const TaskRecord* task, const std::string& event, Millis now);
/// What an alert tells, within its own transaction. What was told more than 30 days ago is forgotten.
void add_notice(store::WriteTxn& t, NoticeRecord notice, Millis now);
/// Whether an end is told, by the settings of the run or the task; empty: it is not. on_success or on_failure otherwise.
std::string ending_of(Outcome outcome, const NotificationSettings& settings);

class Notifier {
 public:
  struct Parts {
    store::Store& store;
    Destinations& destinations;
    WebhookSender& sender;
    MailSender* mail = nullptr;  // null: none is sent
    const Clock& clock;
    std::string server_id = "local";
  };
  static constexpr int kMostAttempts = 6;
  explicit Notifier(Parts parts) : parts_(std::move(parts)) {}
  void start();
  void stop() { turns_.stop(); }
  /// Sends what is due, on the calling thread; false if nothing was.
  bool step();

 private:
  WebhookSender::Answer send(const NoticeRecord& notice);
  Parts parts_;
  Repeating turns_;  // last: it uses all of the above
};

}  // namespace tarn::jobs
