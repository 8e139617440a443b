#include "settings/typed_settings.h"

#include <algorithm>
#include <array>

#include "base/crypto.h"
#include "settings/ip_access_lists.h"

namespace tarn::settings {
namespace {

enum class Level { workspace, account };
enum class Holds { flag, text, admins_status };

struct Kind {
  std::string_view type;
  Level level;
  std::string_view field;  // of the setting: what holds the value
  Holds holds;
};

/// Settings that switch something here: the default catalog of statements (sql), what workspace administrators may do for service
/// principals (identity), legacy doors that then stay shut (hive_metastore: sql; DBFS: files; both and clusters without isolation in workspaces
/// that are made while the account's setting is on), IP access lists of the account (gateway).
constexpr std::array kKinds{Kind{"default_namespace_ws", Level::workspace, "namespace", Holds::text},
                            Kind{"restrict_workspace_admins", Level::workspace, "restrict_workspace_admins", Holds::admins_status},
                            Kind{"disable_legacy_access", Level::workspace, "disable_legacy_access", Holds::flag},
                            Kind{"disable_legacy_dbfs", Level::workspace, "disable_legacy_dbfs", Holds::flag},
                            Kind{kLegacyFeatures, Level::account, kLegacyFeatures, Holds::flag},
                            Kind{kAccountIpLists, Level::account, kAccountIpLists, Holds::flag}};

/// The vendor's others: compliance profiles, security monitoring, embedding, model partners, the user interface's switches.
constexpr auto kOtherWorkspace = std::to_array<std::string_view>(
    {"aibi_dash_embed_ws_acc_policy", "aibi_dash_embed_ws_apprvd_domains", "automatic_cluster_update", "dashboard_email_subscriptions",
     "default_warehouse_id", "enable-export-notebook", "enable-notebook-table-clipboard", "enable-results-downloading", "llm_proxy_partner_powered",
     "shield_csp_enablement_ws_db", "shield_esm_enablement_ws_db", "sql_results_download"});
constexpr auto kOtherAccount = std::to_array<std::string_view>(
    {"dcp_acct_enable", "llm_proxy_partner_powered", "llm_proxy_partner_powered_enforce", "shield_csp_enablement_ac", "shield_esm_enablement_ac"});

std::int64_t scope_of(const access::Context& ctx) { return ctx.workspace_id.value_or(0); }

Result<const Kind*> kind_of(const access::Context& ctx, const std::string& type, const std::string& name) {
  const auto level = ctx.workspace_id ? Level::workspace : Level::account;
  const auto* k = std::ranges::find_if(kKinds, [&](const Kind& one) { return one.type == type && one.level == level; });
  if (k == kKinds.end()) {
    const auto others = TypedSettings::not_enabled(level == Level::account);
    if (std::ranges::find(others, type) != others.end())
      return fail(Error{Errc::not_enabled, "The setting " + type + " is not enabled in this account."});
    return fail(Error{Errc::not_found, "Setting type '" + type + "' does not exist"});
  }
  if (name != "default") return fail(Error{Errc::not_found, "Setting '" + name + "' of type '" + type + "' does not exist: its name is 'default'"});
  return k;
}

/// Opaque to clients; one for each revision of each setting.
std::string etag_of(std::int64_t scope, std::string_view type, std::int64_t revision) {
  return crypto::to_hex(crypto::sha256(fmt::format("{}/{}/{}", scope, type, revision))).substr(0, 32);
}

json::value answer(const Kind& kind, const SettingRecord& r) {
  json::object out = r.value.as_object();
  out["etag"] = etag_of(r.scope, kind.type, r.revision);
  out["setting_name"] = "default";
  return out;
}

SettingRecord read(store::ReadTxn& t, const access::Context& ctx, const Kind& kind) {
  SettingRecord r{.scope = scope_of(ctx), .type = std::string(kind.type)};
  if (auto found = kSettings.get(t, r.store_key())) return std::move(found->value);
  return r;
}

Error unset(const SettingRecord& r) { return {Errc::setting_unset, "The setting " + r.type + " is not set", etag_of(r.scope, r.type, r.revision)}; }

/// The value alone, without what clients add; invalid names the field.
Result<json::value> value_of(const Kind& kind, const json::value& setting) {
  const std::string field = "setting." + std::string(kind.field);
  const auto* o = setting.if_object();
  const auto* outer = o ? o->if_contains(kind.field) : nullptr;
  const auto* inner = outer ? outer->if_object() : nullptr;
  if (!inner) return fail(Error{Errc::invalid, "Field '" + field + "' is required and must be an object"});
  if (kind.holds == Holds::admins_status) {
    const auto* status = inner->if_contains("status");
    if (!status || (*status != "ALLOW_ALL" && *status != "RESTRICT_TOKENS_AND_JOB_RUN_AS"))
      return fail(Error{Errc::invalid, "Field '" + field + ".status' must be ALLOW_ALL or RESTRICT_TOKENS_AND_JOB_RUN_AS"});
    const auto* tags = inner->if_contains("disable_gov_tag_creation");
    if (tags && (!tags->is_bool() || tags->as_bool()))
      return fail(Error{Errc::invalid, "Field '" + field + ".disable_gov_tag_creation' must be false: governed tags are not enabled"});
    return json::value(json::object{{kind.field, json::object{{"status", *status}}}});
  }
  const auto* v = inner->if_contains("value");
  json::value absent;
  if (!v) {  // proto3: what is left out is the type's zero
    absent = kind.holds == Holds::flag ? json::value(false) : json::value("");
    v = &absent;
  }
  if (kind.holds == Holds::flag && !v->is_bool()) return fail(Error{Errc::invalid, "Field '" + field + ".value' must be a boolean"});
  if (kind.holds == Holds::text && (!v->is_string() || v->as_string().empty() || v->as_string().size() > 255))
    return fail(Error{Errc::invalid, "Field '" + field + ".value' must be a text of 1 to 255 characters"});
  return json::value(json::object{{kind.field, json::object{{"value", *v}}}});
}

}  // namespace

std::vector<std::string> TypedSettings::types(bool account) {
  std::vector<std::string> out;
  for (const auto& k : kKinds)
    if ((k.level == Level::account) == account) out.emplace_back(k.type);
  return out;
}

std::vector<std::string> TypedSettings::not_enabled(bool account) {
  if (account) return {kOtherAccount.begin(), kOtherAccount.end()};
  return {kOtherWorkspace.begin(), kOtherWorkspace.end()};
}

Result<json::value> TypedSettings::get(const access::Context& ctx, const std::string& type, const std::string& name) {
  TARN_TRY(kind, kind_of(ctx, type, name));
  const auto r = store_.read_as([&](store::ReadTxn& t) { return read(t, ctx, *kind); });
  if (r.value.is_null()) return fail(unset(r));
  return answer(*kind, r);
}

Result<json::value> TypedSettings::set(const access::Context& ctx, const std::string& type, const std::string& name, const json::value& setting) {
  return store_.write_as(ctx.event("accounts", "setSetting", {{"settingTypeName", type}}), [&](store::WriteTxn& t) -> Result<json::value> {
    TARN_TRY(kind, kind_of(ctx, type, name));
    TARN_TRY(value, value_of(*kind, setting));
    auto r = read(t, ctx, *kind);
    const auto* etag = setting.as_object().if_contains("etag");
    const auto current = etag_of(r.scope, kind->type, r.revision);
    if (!etag || !etag->is_string() || etag->as_string() != current) {
      if (r.value.is_null()) return fail(unset(r));
      return fail(Error{Errc::conflict, "The setting " + type + " was changed meanwhile: read it again and write with its etag", current});
    }
    r.value = value;
    ++r.revision;
    if (!kSettings.put(t, r)) throw std::logic_error("a setting has no unique values");
    TARN_CHECK(still_admitted(t, ctx, r.scope));
    changed(t);
    t.audit().params["settingValueForAudit"] = boost::json::serialize(r.value);
    return answer(*kind, r);
  });
}

Result<std::string> TypedSettings::remove(const access::Context& ctx, const std::string& type, const std::string& name, const std::string& etag) {
  return store_.write_as(ctx.event("accounts", "deleteSetting", {{"settingTypeName", type}}), [&](store::WriteTxn& t) -> Result<std::string> {
    TARN_TRY(kind, kind_of(ctx, type, name));
    auto r = read(t, ctx, *kind);
    if (r.value.is_null()) return fail(unset(r));
    const auto current = etag_of(r.scope, kind->type, r.revision);
    if (etag != current)
      return fail(Error{Errc::conflict, "The setting " + type + " was changed meanwhile: read it again and delete with its etag", current});
    r.value = nullptr;
    ++r.revision;
    if (!kSettings.put(t, r)) throw std::logic_error("a setting has no unique values");
    TARN_CHECK(still_admitted(t, ctx, r.scope));
    changed(t);
    return etag_of(r.scope, kind->type, r.revision);
  });
}

void TypedSettings::on_workspace_created(store::WriteTxn& t, std::int64_t workspace_id) const {
  const auto account = kSettings.get(t, SettingRecord{.scope = 0, .type = kLegacyFeatures}.store_key());
  if (!account || !is_on(account->value.value, kLegacyFeatures)) return;
  for (const std::string type : {"disable_legacy_access", "disable_legacy_dbfs", kLegacyFeatures}) {
    const json::object on{{type, json::object{{"value", true}}}};
    if (!kSettings.put(t, {.scope = workspace_id, .type = type, .value = on, .revision = 1}))
      throw std::logic_error("a setting has no unique values");
  }
  changed(t);
}

}  // namespace tarn::settings
