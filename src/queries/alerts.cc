#include "base/cron.h"
#include "queries/objects_parts.h"

namespace tarn::queries {

Result<void> Objects::check(const access::Context& ctx, const AlertFields& f) {
  TARN_CHECK(some_text("display_name", f.display_name, 255));
  TARN_CHECK(short_text("custom_body", f.custom_body, 65536));
  TARN_CHECK(short_text("custom_subject", f.custom_subject, 1024));
  if (f.seconds_to_retrigger && *f.seconds_to_retrigger < 0) return refuse(Errc::invalid, "Field 'seconds_to_retrigger' must not be negative");
  if (f.condition) {
    if (f.condition->operand.column.name.empty()) return refuse(Errc::invalid, "Field 'condition.operand.column.name' must not be empty");
    if (f.condition->op == ComparisonOperator::IS_NOT_NULL || f.condition->empty_result_state == AlertState::ERROR)
      return refuse(Errc::invalid, "Field 'condition' has a value of the newer alerts: IS_NOT_NULL and ERROR are theirs");
    if (f.condition->threshold) {
      const auto& v = f.condition->threshold->value;
      if (v.string_value.has_value() + v.double_value.has_value() + v.bool_value.has_value() != 1)
        return refuse(Errc::invalid, "Field 'condition.threshold.value' must have exactly one of string_value, double_value and bool_value");
    } else if (f.condition->op != ComparisonOperator::IS_NULL) {
      return refuse(Errc::invalid, "Field 'condition.threshold' is required for this operator");
    }
  }
  if (f.query_id) {
    const auto q = reach<Query>(ctx, *f.query_id, workspace::kCanRead);
    if (!q) return fail(q.error());
    if (q->lifecycle_state == Lifecycle::TRASHED) return refuse(Errc::invalid, "Field 'query_id' names a query in the trash");
  }
  if (f.owner_user_name) TARN_CHECK(principal(ctx, *f.owner_user_name));
  return {};
}

Result<Alert> Objects::create_alert(const access::Context& ctx, AlertFields f, bool resolve_name) {
  for (const auto& [name, there] : {std::pair("query_id", f.query_id.has_value()), std::pair("condition", f.condition.has_value())})
    if (!there) return refuse(Errc::invalid, std::string("Field '") + name + "' is required");
  const auto parent = std::exchange(f.parent_path, std::nullopt);
  f.owner_user_name.reset();
  Alert a;
  a.fields = std::move(f);
  return add(ctx, std::move(a), parent, resolve_name);
}
Result<Alert> Objects::alert(const access::Context& ctx, const std::string& id) { return reach<Alert>(ctx, id, workspace::kCanRead); }
Page<Alert> Objects::alerts(const access::Context& ctx, const std::string& after, std::size_t limit) { return list<Alert>(ctx, after, limit, false); }
Result<Alert> Objects::update_alert(const access::Context& ctx, const std::string& id, const AlertFields& fields, const std::string& mask, bool) {
  TARN_CHECK(check(ctx, fields));
  const bool gives = fields.owner_user_name && mask.find("owner_user_name") != mask.npos;
  return change<Alert>(ctx, id, "updateAlert", gives ? workspace::kCanManage : workspace::kCanEdit, [&](store::WriteTxn&, Alert& a) -> Result<void> {
    TARN_CHECK(take(a.fields, fields, mask));
    if (!a.fields.display_name || !a.fields.query_id || !a.fields.condition)
      return refuse(Errc::invalid, "Fields 'display_name', 'query_id' and 'condition' must be set");
    if (const auto owner = std::exchange(a.fields.owner_user_name, std::nullopt)) a.owner_user_name = *owner;
    return {};
  });
}
Result<void> Objects::trash_alert(const access::Context& ctx, const std::string& id) {
  auto done = change<Alert>(ctx, id, "trashAlert", workspace::kCanManage, [](store::WriteTxn&, Alert& a) -> Result<void> {
    a.lifecycle_state = Lifecycle::TRASHED;
    return {};
  });
  if (!done) return fail(done.error());
  return {};
}

Result<std::pair<Alert, Query>> Objects::alert_to_run(const access::Context& ctx, const std::string& id) {
  TARN_TRY(alert, reach<Alert>(ctx, id, "CAN_RUN"));
  if (alert.lifecycle_state == Lifecycle::TRASHED) return refuse(Errc::invalid, "The alert " + id + " is in the trash");
  TARN_TRY(query, reach<Query>(ctx, alert.fields.query_id.value_or(""), "CAN_RUN"));
  if (query.lifecycle_state == Lifecycle::TRASHED) return refuse(Errc::invalid, "The query of the alert " + id + " is in the trash");
  return std::pair(std::move(alert), std::move(query));
}

Millis next_evaluation(const AlertV2& a, Millis after) {
  if (a.lifecycle_state == Lifecycle::TRASHED || !a.fields.schedule || a.fields.schedule->pause_status == SchedulePause::PAUSED) return 0;
  const auto zone = TimeZone::find(a.fields.schedule->timezone_id);
  const auto cron = Cron::parse(a.fields.schedule->quartz_cron_schedule);
  return zone && cron ? cron->next(after, *zone).value_or(0) : 0;
}

namespace {

Result<void> check_schedule(const AlertSchedule& s, Millis now) {
  const auto zone = TimeZone::find(s.timezone_id);
  if (!zone)
    return refuse(Errc::invalid,
                  fmt::format("Field 'schedule.timezone_id': '{}' is not a time zone, as Europe/Berlin or UTC are", s.timezone_id.substr(0, 60)));
  const auto cron = Cron::parse(s.quartz_cron_schedule);
  if (!cron)
    return refuse(Errc::invalid, fmt::format("Field 'schedule.quartz_cron_schedule': '{}': {}", s.quartz_cron_schedule.substr(0, 100), cron.error()));
  if (!cron->next(now, *zone))
    return refuse(Errc::invalid, fmt::format("Field 'schedule.quartz_cron_schedule': '{}' never fires", s.quartz_cron_schedule.substr(0, 100)));
  return {};
}

Result<void> check_evaluation(const AlertEvaluation& e) {
  if (e.source.name.empty() || e.source.name.size() > 255) return refuse(Errc::invalid, "Field 'evaluation.source.name' must have 1 to 255 bytes");
  const bool needs = e.comparison_operator != ComparisonOperator::IS_NULL && e.comparison_operator != ComparisonOperator::IS_NOT_NULL;
  if (needs && !e.threshold) return refuse(Errc::invalid, "Field 'evaluation.threshold' is required for this operator");
  if (e.threshold) {
    if (e.threshold->column.has_value() + e.threshold->value.has_value() != 1)
      return refuse(Errc::invalid, "Field 'evaluation.threshold' must have exactly one of column and value");
    if (e.threshold->column && e.threshold->column->name.empty())
      return refuse(Errc::invalid, "Field 'evaluation.threshold.column.name' must not be empty");
    if (const auto& v = e.threshold->value; v && v->string_value.has_value() + v->double_value.has_value() + v->bool_value.has_value() != 1)
      return refuse(Errc::invalid, "Field 'evaluation.threshold.value' must have exactly one of string_value, double_value and bool_value");
  }
  return {};
}

Result<void> check_subscription(const AlertSubscription& s) {
  if (s.user_email.has_value() + s.destination_id.has_value() != 1)
    return refuse(Errc::invalid, "Each of 'evaluation.notification.subscriptions' must have exactly one of user_email and destination_id");
  if (!s.user_email) return {};
  const auto& mail = *s.user_email;
  const bool plain = std::ranges::all_of(mail, [](unsigned char c) { return c > 0x20 && c < 0x7f && c != '<' && c != '>' && c != ','; });
  if (!plain || mail.size() > 254 || mail.find('@') == mail.npos)
    return refuse(Errc::invalid, "Field 'evaluation.notification.subscriptions.user_email' must be an e-mail address");
  return {};
}

}  // namespace

Result<void> Objects::check(const access::Context& ctx, const AlertV2Fields& f) {
  TARN_CHECK(some_text("display_name", f.display_name, 255));
  TARN_CHECK(some_text("query_text", f.query_text, kMostText));
  TARN_CHECK(some_text("warehouse_id", f.warehouse_id, 255));
  TARN_CHECK(short_text("custom_summary", f.custom_summary, 1024));
  TARN_CHECK(short_text("custom_description", f.custom_description, 65536));
  std::set<std::string> names;
  for (const auto& p : f.parameters)
    if (p.name.empty() || !names.insert(p.name).second) return refuse(Errc::invalid, "Each of 'parameters' must have a name of its own");
  if (f.schedule) TARN_CHECK(check_schedule(*f.schedule, clock_.now()));
  if (!f.evaluation) return {};
  TARN_CHECK(check_evaluation(*f.evaluation));
  const auto& n = f.evaluation->notification;
  if (!n) return {};
  if (n->retrigger_seconds && (*n->retrigger_seconds < 0 || *n->retrigger_seconds > 10ll * 365 * 86400))
    return refuse(Errc::invalid, "Field 'evaluation.notification.retrigger_seconds' must be between 0 and ten years");
  if (n->subscriptions.size() > 100) return refuse(Errc::invalid, "Field 'evaluation.notification.subscriptions' must have at most 100 entries");
  for (const auto& s : n->subscriptions) {
    TARN_CHECK(check_subscription(s));
    if (s.destination_id && !(destination_exists_ && destination_exists_(here(ctx), *s.destination_id)))
      return refuse(Errc::invalid, "Notification destination " + s.destination_id->substr(0, 80) + " does not exist.");
  }
  return {};
}

/// Only as oneself, or as a service principal that one may use: what an alert reads it reads with that identity's rights.
Result<void> Objects::set_run_as(const access::Context& ctx, AlertV2& a) {
  a.run_as_id = ctx.caller.id;
  a.run_as_name = ctx.caller.name;
  const auto self = directory_.find_principal(ctx.caller.name);
  a.run_as_service = self && self->kind == identity::Kind::service_principal;
  const auto& r = a.fields.run_as;
  if (!r || (!r->user_name && !r->service_principal_name)) return {};
  if (r->user_name && r->service_principal_name) return refuse(Errc::invalid, "Field 'run_as' must name a user or a service principal, not both");
  const auto& name = r->user_name ? *r->user_name : *r->service_principal_name;
  const auto found = directory_.find_principal(name);
  if (!found || found->kind != (r->user_name ? identity::Kind::user : identity::Kind::service_principal) || !directory_.caller(found->id, here(ctx)))
    return refuse(Errc::invalid, fmt::format("Field 'run_as': '{}' is not a {} of this workspace", name.substr(0, 100),
                                             r->user_name ? "user" : "service principal"));
  if (found->id != ctx.caller.id && (r->user_name || !directory_.holds_role(ctx.caller, found->id, "roles/servicePrincipal.user")))
    return refuse(Errc::permission_denied,
                  fmt::format("{} may not let an alert run as {}: that is for oneself, or for service principals that one has the user role on",
                              ctx.caller.name, found->name));
  a.run_as_id = found->id;
  a.run_as_name = found->name;
  a.run_as_service = found->kind == identity::Kind::service_principal;
  return {};
}

Result<AlertV2> Objects::create_alert_v2(const access::Context& ctx, AlertV2Fields f) {
  for (const auto& [name, there] : {std::pair("query_text", f.query_text.has_value()), std::pair("warehouse_id", f.warehouse_id.has_value()),
                                    std::pair("evaluation", f.evaluation.has_value()), std::pair("schedule", f.schedule.has_value())})
    if (!there) return refuse(Errc::invalid, std::string("Field '") + name + "' is required");
  AlertV2 a;
  a.fields = std::move(f);
  TARN_CHECK(check(ctx, a.fields));
  TARN_CHECK(set_run_as(ctx, a));
  a.next_at = next_evaluation(a, clock_.now());
  const auto parent = a.fields.parent_path;
  return add(ctx, std::move(a), parent, false);
}
Result<AlertV2> Objects::alert_v2(const access::Context& ctx, const std::string& id) { return reach<AlertV2>(ctx, id, workspace::kCanRead); }
Page<AlertV2> Objects::alerts_v2(const access::Context& ctx, const std::string& after, std::size_t limit) {
  return list<AlertV2>(ctx, after, limit, false);
}

Result<AlertV2> Objects::update_alert_v2(const access::Context& ctx, const std::string& id, const AlertV2Fields& fields, const std::string& mask) {
  TARN_CHECK(check(ctx, fields));
  return change<AlertV2>(ctx, id, "updateAlert", workspace::kCanEdit, [&](store::WriteTxn&, AlertV2& a) -> Result<void> {
    const auto before = a;
    if (fields.parent_path && fields.parent_path != a.fields.parent_path && (mask == "*" || mask.find("parent_path") != mask.npos))
      return refuse(Errc::invalid, "Field 'parent_path' can be set only when an alert is made");
    TARN_CHECK(take(a.fields, fields, mask));
    for (const auto& [name, there] :
         {std::pair("display_name", a.fields.display_name.has_value()), std::pair("query_text", a.fields.query_text.has_value()),
          std::pair("warehouse_id", a.fields.warehouse_id.has_value()), std::pair("evaluation", a.fields.evaluation.has_value()),
          std::pair("schedule", a.fields.schedule.has_value())})
      if (!there) return refuse(Errc::invalid, std::string("Field '") + name + "' is required");
    if (json::encode(a.fields.run_as) != json::encode(before.fields.run_as)) {
      TARN_CHECK(set_run_as(ctx, a));
    } else if (a.run_as_id != ctx.caller.id && !ctx.caller.workspace_admin &&
               (a.fields.query_text != before.fields.query_text || a.fields.warehouse_id != before.fields.warehouse_id ||
                json::encode(a.fields.parameters) != json::encode(before.fields.parameters))) {
      // Else whoever may edit an alert could read with another's rights.
      return refuse(Errc::permission_denied,
                    fmt::format("The alert runs as {}: {} may not change what it reads. Set 'run_as' to yourself with the same update.",
                                a.run_as_name, ctx.caller.name));
    }
    if (json::encode(a.fields.schedule) != json::encode(before.fields.schedule)) a.next_at = next_evaluation(a, clock_.now());
    return {};
  });
}

Result<void> Objects::trash_alert_v2(const access::Context& ctx, const std::string& id, bool purge) {
  auto done = change<AlertV2>(ctx, id, "trashAlert", workspace::kCanManage, [](store::WriteTxn&, AlertV2& a) -> Result<void> {
    a.lifecycle_state = Lifecycle::TRASHED;
    a.next_at = 0;
    return {};
  });
  if (!done) return fail(done.error());
  if (!purge) return {};
  return store_.write_as(ctx.event("databrickssql", "purgeAlert", {{"id", id}}), [&](store::WriteTxn& t) -> Result<void> {
    permissions_.on_deleted(t, here(ctx), {Kind<AlertV2>::type, id});
    alerts_v2_table.erase(t, key_of(ctx, id));
    return {};
  });
}

}  // namespace tarn::queries
