#include "jobs/destinations.h"

#include "base/ids.h"
#include "jobs/records.h"

namespace tarn::jobs {
namespace {

std::string secret_name(std::int64_t workspace, const std::string& id, const char* part) {
  return store::key({"jobs", "destination", std::to_string(workspace), id, part});
}

Error no_destination(const std::string& id) { return {Errc::not_found, "Notification destination " + id.substr(0, 80) + " does not exist."}; }

}  // namespace

Result<std::pair<std::string, DestinationConfig>> Destinations::judged(const DestinationConfigs& c) {
  if (!c.email.is_null()) return refuse(Errc::not_enabled, "E-mail destinations are not available: this platform sends no e-mail");
  if (!c.pagerduty.is_null()) return refuse(Errc::not_enabled, "PagerDuty destinations are not available on this platform: use a generic webhook");
  if (c.generic_webhook.has_value() + c.slack.has_value() + c.microsoft_teams.has_value() != 1)
    return refuse(Errc::invalid, "Field 'config' must have exactly one of generic_webhook, slack and microsoft_teams");
  auto out = c.generic_webhook ? std::pair(std::string("WEBHOOK"), *c.generic_webhook)
             : c.slack         ? std::pair(std::string("SLACK"), *c.slack)
                               : std::pair(std::string("MICROSOFT_TEAMS"), *c.microsoft_teams);
  if (!out.second.url || out.second.url->empty()) return refuse(Errc::invalid, "Field 'config.url' is required");
  if (sender_)
    if (const auto wrong = sender_->check(*out.second.url)) return refuse(Errc::invalid, "Field 'config.url': " + *wrong);
  return out;
}

Result<DestinationRecord> Destinations::create(const access::Context& ctx, const DestinationRequest& q) {
  if (!q.display_name || q.display_name->empty()) return refuse(Errc::invalid, "Field 'display_name' is required");
  if (!q.config) return refuse(Errc::invalid, "Field 'config' is required");
  TARN_TRY(what, judged(*q.config));
  DestinationRecord r{.workspace_id = workspace_of(ctx),
                      .id = new_uuid(),
                      .display_name = *q.display_name,
                      .type = what.first,
                      .username = what.second.username.value_or(""),
                      .has_password = what.second.password.has_value()};
  return store_.write_as(ctx.event("workspace", "createNotificationDestination", {{"id", r.id}}),
                         [&](store::WriteTxn& t) -> Result<DestinationRecord> {
                           if (!destinations_table.insert(t, r)) throw std::logic_error("a fresh destination id is taken");
                           sealed_.put(t, secret_name(r.workspace_id, r.id, "url"), *what.second.url);
                           if (what.second.password) sealed_.put(t, secret_name(r.workspace_id, r.id, "password"), *what.second.password);
                           return r;
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
  std::optional<std::pair<std::string, DestinationConfig>> what;
  if (q.config) {
    TARN_TRY(config, judged(*q.config));
    what = config;
  }
  return store_.write_as(ctx.event("workspace", "updateNotificationDestination", {{"id", id}}), [&](store::WriteTxn& t) -> Result<DestinationRecord> {
    auto found = destinations_table.get(t, store::key({store::sortable(workspace_of(ctx)), id}));
    if (!found) return fail(no_destination(id));
    auto& r = found->value;
    if (q.display_name && !q.display_name->empty()) r.display_name = *q.display_name;
    if (what) {
      r.type = what->first;
      r.username = what->second.username.value_or("");
      sealed_.put(t, secret_name(r.workspace_id, id, "url"), *what->second.url);
      if (what->second.password) sealed_.put(t, secret_name(r.workspace_id, id, "password"), *what->second.password);
      r.has_password = what->second.password.has_value();
    }
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
    if (!found || !url) return std::nullopt;
    return Address{found->value.type, *url, found->value.username,
                   found->value.has_password ? sealed_.get(t, secret_name(workspace, id, "password")).value_or("") : ""};
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
