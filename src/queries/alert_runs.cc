#include "queries/alert_runs.h"

#include "base/log.h"

namespace tarn::queries {
namespace {

bool gone(store::WriteTxn& t) {
  t.audit().outcome = store::Outcome::failed;
  t.audit().error = "it changed meanwhile";
  return false;
}

}  // namespace

void AlertRuns::Inbox::put(Ended e) {
  {
    const std::lock_guard lock(mutex);
    ended.push_back(std::move(e));
  }
  changed.notify_all();
}

void AlertRuns::start() {
  if (thread_.joinable()) return;
  recover();
  thread_ = std::jthread([this](std::stop_token stop) {
    while (!stop.stop_requested()) {
      try {
        while (!stop.stop_requested() && step()) {
        }
      } catch (const std::exception& e) {
        spdlog::error("alerts pause: {}", e.what());
      }
      std::unique_lock lock(inbox_->mutex);
      inbox_->changed.wait_for(lock, stop, std::chrono::milliseconds(500), [&] { return !inbox_->ended.empty(); });
    }
  });
}

void AlertRuns::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  inbox_->changed.notify_all();
  thread_.join();
}

void AlertRuns::recover() {
  const auto cut = parts_.store.read_as([&](store::ReadTxn& t) { return alerts_v2_table.scan_index(t, "running_on", parts_.server_id); });
  for (const auto& a : cut)
    parts_.store.write(access::system_context().event("databrickssql", "resumeAlert", {{"id", a.id}}), [&](store::WriteTxn& t) {
      auto now = alerts_v2_table.get(t, a.store_key());
      if (!now || now->value.running_on != parts_.server_id) return gone(t);
      t.audit().workspace_id = a.workspace_id;
      now->value.running_on.clear();
      if (now->value.next_at != 0) now->value.next_at = parts_.clock.now();
      return alerts_v2_table.update(t, now->value).has_value();
    });
}

bool AlertRuns::step() {
  std::deque<Ended> ended;
  {
    const std::lock_guard lock(inbox_->mutex);
    ended.swap(inbox_->ended);
  }
  for (const auto& e : ended) e.older ? finish_older(e) : finish(e);
  bool any = !ended.empty();
  const auto now = parts_.clock.now();
  const bool set_back = now + 1000 < looked_at_;  // a clock that was set back must not silence a schedule until the old time comes again
  looked_at_ = now;
  for (const auto& a : parts_.store.read_as([](store::ReadTxn& t) { return alerts_v2_table.scan_index(t, "scheduled", "yes"); }))
    if (a.next_at <= now || (set_back && next_evaluation(a, now) < a.next_at)) any = fire(a, now) || any;
  return any;
}

/// The schedule's moment is taken and the evaluation begun: one commit, so that no other server does the same.
bool AlertRuns::fire(const AlertV2& due, Millis now) {
  bool mine = false;
  parts_.store.write(access::system_context().event("databrickssql", "triggerAlert", {{"id", due.id}}), [&](store::WriteTxn& t) {
    mine = false;
    auto found = alerts_v2_table.get(t, due.store_key());
    if (!found || found->value.next_at != due.next_at) {
      t.audit().outcome = store::Outcome::failed;
      t.audit().error = "another server was first";
      return false;
    }
    auto& a = found->value;
    t.audit().workspace_id = a.workspace_id;
    a.next_at = next_evaluation(a, now);
    // An evaluation that takes longer than the schedule's pause goes on; the moment between is left out.
    mine = due.next_at <= now && a.running_on.empty();
    if (mine) a.running_on = parts_.server_id;
    return alerts_v2_table.update(t, a).has_value();
  });
  if (!mine) return false;
  access::Context ctx;
  ctx.workspace_id = due.workspace_id;
  ctx.request_id = "alert-" + due.id;
  ctx.user_agent = "alerts";
  Ended end{.workspace_id = due.workspace_id, .id = due.id, .rows = AlertRows{}};
  const auto refused = [&](std::string why) {
    end.rows = fail(std::move(why));
    finish(end);
    return true;
  };
  auto who = parts_.directory.caller(due.run_as_id, due.workspace_id);
  if (!who) return refused("'" + due.run_as_name + "' is no longer of this workspace");
  ctx.caller = *std::move(who);
  auto started = parts_.ports.start(ctx, *due.fields.warehouse_id, *due.fields.query_text, due.fields.parameters,
                                    [inbox = inbox_, end](Expected<AlertRows, std::string> rows) mutable {
                                      end.rows = std::move(rows);
                                      inbox->put(std::move(end));
                                    });
  return started ? true : refused(started.error());
}

void AlertRuns::tell(store::WriteTxn& t, const Place& place, const AlertWords& w, const std::optional<std::string>& subject,
                     const std::optional<std::string>& body, const std::vector<AlertSubscription>& to) {
  const auto given = [](const std::optional<std::string>& text, const char* otherwise) { return text && !text->empty() ? *text : otherwise; };
  AlertNews news{.workspace_id = place.workspace_id, .alert_id = place.id, .event = w.state == AlertState::TRIGGERED ? "triggered" : "ok"};
  news.subject = filled(given(subject, "Alert {{ALERT_NAME}} is {{ALERT_STATUS}}"), w);
  news.text =
      filled(given(body, "{{ALERT_COLUMN}} is {{QUERY_RESULT_VALUE}}; the condition is {{ALERT_COLUMN}} {{ALERT_CONDITION}} {{ALERT_THRESHOLD}}"), w);
  news.payload = {
      {"event_type", "alert." + news.event},
      {"workspace_id", std::to_string(place.workspace_id)},
      {"alert", json::object{{"alert_id", place.id}, {"name", w.name}, {"state", json::name_of(w.state)}, {"column", w.column}, {"value", w.value}}},
      {"subject", news.subject},
      {"text", news.text}};
  for (const auto& s : to) {
    news.destination_id = s.destination_id.value_or("");
    news.user_email = s.user_email.value_or("");
    parts_.ports.tell(t, news);
  }
}

void AlertRuns::finish(const Ended& e) {
  auto event = access::system_context().event("databrickssql", "evaluateAlert", {{"id", e.id}});
  event.workspace_id = e.workspace_id;
  const auto now = parts_.clock.now();
  parts_.store.write(std::move(event), [&](store::WriteTxn& t) {
    auto found = alerts_v2_table.get(t, store::key({store::sortable(e.workspace_id), e.id}));
    if (!found) return gone(t);
    auto& a = found->value;
    a.running_on.clear();
    const auto& evaluation = *a.fields.evaluation;
    const auto j = e.rows ? judge(evaluation, *e.rows) : Judgement{.state = AlertState::ERROR, .error = e.rows.error()};
    a.evaluated_at = now;
    a.state = j.state;
    a.error = j.error;
    t.audit().params["state"] = std::string(json::name_of(j.state));
    if (!j.error.empty()) {
      t.audit().outcome = store::Outcome::failed;
      t.audit().error = j.error;
    }
    const auto notification = evaluation.notification.value_or(AlertNotification{});
    if (a.lifecycle_state == Lifecycle::ACTIVE && is_told(a.before, j.state, notification, a.told_at, now)) {
      a.told_at = now;
      tell(t, a,
           {.name = a.fields.display_name.value_or(""),
            .query_name = a.fields.display_name.value_or(""),
            .column = evaluation.source.display && !evaluation.source.display->empty() ? *evaluation.source.display : evaluation.source.name,
            .threshold = j.threshold,
            .value = j.value,
            .condition = evaluation.comparison_operator,
            .state = j.state},
           a.fields.custom_summary, a.fields.custom_description, notification.subscriptions);
    }
    if (j.state != AlertState::ERROR) a.before = j.state;
    return alerts_v2_table.update(t, a).has_value();
  });
}

Expected<std::string, std::string> AlertRuns::evaluate(const access::Context& ctx, const Older& wanted, OlderDone done) {
  auto may = parts_.objects.alert_to_run(ctx, wanted.alert_id);
  if (!may) return fail(may.error().message);
  const auto text = may->second.fields.query_text.value_or("");
  if (text.empty()) return fail("The query of the alert " + wanted.alert_id + " has no text");
  Ended end{.workspace_id = ctx.workspace_id.value_or(0),
            .id = wanted.alert_id,
            .rows = AlertRows{},
            .older = wanted,
            .query = std::move(may->second),
            .done = std::move(done)};
  return parts_.ports.start(ctx, wanted.warehouse_id, text, {}, [inbox = inbox_, end](Expected<AlertRows, std::string> rows) mutable {
    end.rows = std::move(rows);
    inbox->put(std::move(end));
  });
}

void AlertRuns::finish_older(const Ended& e) {
  if (!e.rows) return e.done(fail(e.rows.error()));
  auto event = access::system_context().event("databrickssql", "evaluateAlert", {{"id", e.id}});
  event.workspace_id = e.workspace_id;
  const auto now = parts_.clock.now();
  OlderEnd out{.query_text = e.query.fields.query_text.value_or(""), .statement_id = e.rows->statement_id};
  std::string error;
  parts_.store.write(std::move(event), [&](store::WriteTxn& t) {
    auto found = alerts_table.get(t, store::key({store::sortable(e.workspace_id), e.id}));
    if (!found) return error = "The alert was deleted while it was evaluated", gone(t);
    auto& a = found->value;
    const auto evaluation = evaluation_of(a.fields);
    const auto j = judge(evaluation, *e.rows);
    error = j.error;
    const auto state = j.state == AlertState::ERROR ? AlertState::UNKNOWN : j.state;
    t.audit().params["state"] = std::string(json::name_of(state));
    if (e.older->told && is_told(a.state, state, *evaluation.notification, a.told_at, now)) {
      a.told_at = now;
      tell(t, a,
           {.name = a.fields.display_name.value_or(""),
            .query_name = e.query.fields.display_name.value_or(""),
            .column = evaluation.source.name,
            .threshold = j.threshold,
            .value = j.value,
            .condition = evaluation.comparison_operator,
            .state = state},
           a.fields.custom_subject, a.fields.custom_body, e.older->subscriptions);
    }
    if (state == AlertState::TRIGGERED && a.state != AlertState::TRIGGERED) a.triggered_at = now;
    a.state = out.state = state;
    return alerts_table.update(t, a).has_value();
  });
  if (!error.empty()) return e.done(fail(error));
  e.done(out);
}

}  // namespace tarn::queries
