#include "jobs/destinations.h"

#include "base/ids.h"
#include "base/mail_address.h"
#include "jobs/records.h"

namespace tarn::jobs {
namespace {

std::string secret_name(std::int64_t workspace, const std::string& id, const char* part) {
  return store::key({"jobs", "destination", std::to_string(workspace), id, part});
}

Error no_destination(const std::string& id) { return {Errc::not_found, "Notification destination " + id.substr(0, 80) + " does not exist."}; }

}  // namespace

Result<Destinations::Judged> Destinations::judged(const DestinationConfigs& c) {
  if (!c.pagerduty.is_null()) return refuse(Errc::not_enabled, "PagerDuty destinations are not available on this platform: use a generic webhook");
  if (c.generic_webhook.has_value() + c.slack.has_value() + c.microsoft_teams.has_value() + c.email.has_value() != 1)
    return refuse(Errc::invalid, "Field 'config' must have exactly one of generic_webhook, slack, microsoft_teams and email");
  if (c.email) {
    if (!mails_) return refuse(Errc::not_enabled, "E-mail destinations are not available: this platform has no mail relay (tarn serve --smtp)");
    if (c.email->addresses.empty() || c.email->addresses.size() > 100)
      return refuse(Errc::invalid, "Field 'config.email.addresses' must have 1 to 100 addresses");
    for (const auto& one : c.email->addresses)
      if (!is_mail_address(one)) return refuse(Errc::invalid, "Field 'config.email.addresses': '" + one.substr(0, 100) + "' is no e-mail address");
    return Judged{.type = "EMAIL", .addresses = c.email->addresses};
  }
  auto out = c.generic_webhook ? Judged{.type = "WEBHOOK", .hook = *c.generic_webhook}
             : c.slack         ? Judged{.type = "SLACK", .hook = *c.slack}
                               : Judged{.type = "MICROSOFT_TEAMS", .hook = *c.microsoft_teams};
  if (!out.hook.url || out.hook.url->empty()) return refuse(Errc::invalid, "Field 'config.url' is required");
  if (sender_)
    if (const auto wrong = sender_->check(*out.hook.url)) return refuse(Errc::invalid, "Field 'config.url': " + *wrong);
  return out;
}

void Destinations::seal(store::WriteTxn& t, DestinationRecord& r, const Judged& what) {
  r.type = what.type;
  r.username = what.hook.username.value_or("");
  r.has_password = what.hook.password.has_value();
  r.addresses = what.addresses;
  const auto keep = [&](const char* part, const std::optional<std::string>& value) {
    if (value)
      sealed_.put(t, secret_name(r.workspace_id, r.id, part), *value);
    else
      sealed_.erase(t, secret_name(r.workspace_id, r.id, part));
  };
  keep("url", what.hook.url);
  keep("password", what.hook.password);
}

Result<DestinationRecord> Destinations::create(const access::Context& ctx, const DestinationRequest& q) {
  if (!q.display_name || q.display_name->empty()) return refuse(Errc::invalid, "Field 'display_name' is required");
  if (!q.config) return refuse(Errc::invalid, "Field 'config' is required");
  TARN_TRY(what, judged(*q.config));
  DestinationRecord r{.workspace_id = workspace_of(ctx), .id = new_uuid(), .display_name = *q.display_name};
  return store_.write_as(ctx.event("workspace", "createNotificationDestination", {{"id", r.id}}),
                         [&](store::WriteTxn& t) -> Result<DestinationRecord> {
                           auto made = r;
                           seal(t, made, what);
                           if (!destinations_table.insert(t, made)) throw std::logic_error("a fresh destination id is taken");
                           return made;
                         });
}

Result<DestinationRecord> Destinations::get(const access::Context& ctx, const std::string& id) {
  auto found = store_.read_as([&](store::ReadTxn& t) { return destinations_table.get(t, store::key({store::sortable(workspace_of(ctx)), id})); });
  if (!found) return fail(no_destination(id));
  return std::move(found->value);
}

std::vector<DestinationRecord> Destinations::list(const access::Context& ctx) {
  return store_.read_as([&](store::ReadTxn& t) { return destinations_table.scan(t, store::prefix({store::sortable(workspace_of(ctx))})); });
}

Result<DestinationRecord> Destinations::update(const access::Context& ctx, const std::string& id, const DestinationRequest& q) {
  std::optional<Judged> what;
  if (q.config) {
    TARN_TRY(config, judged(*q.config));
    what = config;
  }
  return store_.write_as(ctx.event("workspace", "updateNotificationDestination", {{"id", id}}), [&](store::WriteTxn& t) -> Result<DestinationRecord> {
    auto found = destinations_table.get(t, store::key({store::sortable(workspace_of(ctx)), id}));
    if (!found) return fail(no_destination(id));
    auto& r = found->value;
    if (q.display_name && !q.display_name->empty()) r.display_name = *q.display_name;
    if (what) seal(t, r, *what);
    if (!destinations_table.update(t, r)) throw std::logic_error("a destination vanished inside its transaction");
    return r;
  });
}

Result<void> Destinations::remove(const access::Context& ctx, const std::string& id) {
  return store_.write_as(ctx.event("workspace", "deleteNotificationDestination", {{"id", id}}), [&](store::WriteTxn& t) -> Result<void> {
    const auto workspace = workspace_of(ctx);
    if (!destinations_table.erase(t, store::key({store::sortable(workspace), id}))) return fail(no_destination(id));
    sealed_.erase(t, secret_name(workspace, id, "url"));
    sealed_.erase(t, secret_name(workspace, id, "password"));
    return {};
  });
}

bool Destinations::exists(std::int64_t workspace, const std::string& id) {
  return store_.read_as([&](store::ReadTxn& t) { return destinations_table.get(t, store::key({store::sortable(workspace), id})).has_value(); });
}

std::optional<Destinations::Address> Destinations::address(std::int64_t workspace, const std::string& id) {
  return store_.read_as([&](store::ReadTxn& t) -> std::optional<Address> {
    const auto found = destinations_table.get(t, store::key({store::sortable(workspace), id}));
    const auto url = sealed_.get(t, secret_name(workspace, id, "url"));
    if (!found || (!url && found->value.type != "EMAIL")) return std::nullopt;
    return Address{found->value.type, url.value_or(""), found->value.username,
                   found->value.has_password ? sealed_.get(t, secret_name(workspace, id, "password")).value_or("") : "", found->value.addresses};
  });
}

void Destinations::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace) {
  for (const auto& r : destinations_table.scan(t, store::prefix({store::sortable(workspace)}))) {
    sealed_.erase(t, secret_name(workspace, r.id, "url"));
    sealed_.erase(t, secret_name(workspace, r.id, "password"));
    destinations_table.erase(t, r.store_key());
  }
}

}  // namespace tarn::jobs
