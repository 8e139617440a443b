#include "catalog/exchange_service.h"

#include "base/ids.h"
#include "base/json_read.h"
#include "catalog/names.h"

namespace tarn::catalog {
namespace {

struct Allowlist {
  std::string metastore_id, artifact_type, created_by;
  Millis created_at = 0;
  json::value artifact_matchers;
  std::string store_key() const { return store::key({metastore_id, artifact_type}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(Allowlist, (), (metastore_id, artifact_type, created_by, created_at, artifact_matchers))
constexpr store::Collection<Allowlist> kAllowlists{"uc_allowlist"};

struct Kind {
  std::string_view noun;  // in audit events: createConnection
  Privilege create;
  std::string_view id_field;
};
const Kind& kind_of(SecurableType type) {
  static const Kind connection{"Connection", Privilege::CREATE_CONNECTION, "connection_id"}, share{"Share", Privilege::CREATE_SHARE, ""},
      recipient{"Recipient", Privilege::CREATE_RECIPIENT, "id"}, provider{"Provider", Privilege::CREATE_PROVIDER, ""};
  switch (type) {
    case SecurableType::CONNECTION:
      return connection;
    case SecurableType::SHARE:
      return share;
    case SecurableType::RECIPIENT:
      return recipient;
    default:
      return provider;
  }
}

/// What a connection of each type must say, and which of its options are secrets.
struct ConnectionKind {
  std::string_view type;
  std::vector<std::string_view> required;
};
const std::vector<ConnectionKind>& connection_kinds() {
  static const std::vector<ConnectionKind> kinds{{"MYSQL", {"host", "port", "user", "password"}},
                                                 {"POSTGRESQL", {"host", "port", "user", "password"}},
                                                 {"SQLSERVER", {"host", "port"}},
                                                 {"SQLDW", {"host", "port", "user", "password"}},
                                                 {"REDSHIFT", {"host", "port", "user", "password"}},
                                                 {"SNOWFLAKE", {"host"}},
                                                 {"DATABRICKS", {"host", "httpPath"}},
                                                 {"BIGQUERY", {"GoogleServiceAccountKeyJson"}},
                                                 {"ORACLE", {"host", "port", "user", "password"}},
                                                 {"TERADATA", {"host", "port", "user", "password"}},
                                                 {"HIVE_METASTORE", {"host", "port", "user", "password", "database", "db_type", "version"}},
                                                 {"GLUE", {"aws_region", "aws_account_id", "credential"}},
                                                 {"HTTP", {"host", "port"}}};
  return kinds;
}
bool secret(std::string_view option) {
  static constexpr std::array kNames{"password",     "personalAccessToken", "bearer_token",    "client_secret",    "GoogleServiceAccountKeyJson",
                                     "access_token", "refresh_token",       "pem_private_key", "sfWarehouseToken", "oauth_pkce_verifier"};
  return std::ranges::find(kNames, option) != kNames.end();
}

/// What a connection shows itself with, by the secret that it was given.
std::string_view credential_type(const json::object& options) {
  if (options.contains("bearer_token")) return "BEARER_TOKEN";
  if (options.contains("pem_private_key")) return "PEM_PRIVATE_KEY";
  if (options.contains("client_secret")) return "OAUTH_M2M";
  return "USERNAME_PASSWORD";
}

std::string secret_name(const ExchangeRecord& r) { return store::key({"catalog", "connection", r.id}); }

Result<json::object> options_of(const json::object& request, std::string_view type, const std::set<std::string>& sealed) {
  const auto* v = request.if_contains("options");
  if (!v || !v->is_object()) return fail(invalid("Field 'options' is required"));
  for (const auto& [name, value] : v->as_object())
    if (!value.is_string()) return fail(invalid(fmt::format("Field 'options.{}' must be a string", std::string_view(name))));
  for (const auto& k : connection_kinds())
    if (k.type == type)
      for (const auto name : k.required)
        if (!v->as_object().contains(name))
          return fail(invalid(fmt::format("CONNECTION/CONNECTION_{}: the option '{}' is required but was not given", type, name)));
  if (const auto port = json::text_at(v->as_object(), "port");
      v->as_object().contains("port") &&
      (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != port.npos || std::stoi(port) > 65535))
    return fail(invalid("Field 'options.port' must be a port" + (sealed.contains("port") ? std::string() : fmt::format(", got '{}'", port))));
  return v->as_object();
}

/// The request's own fields by kind, checked. Secrets stay out of it.
Result<json::object> connection_body(const json::object& request, json::object& secrets, const std::set<std::string>& sealed) {
  const std::string type = json::text_at(request, "connection_type");
  if (std::ranges::none_of(connection_kinds(), [&](const ConnectionKind& k) { return k.type == type; })) {
    std::string names;
    for (const auto& k : connection_kinds()) names += (names.empty() ? "" : ", ") + std::string(k.type);
    return fail(invalid(fmt::format("Field 'connection_type' must be one of {}; got '{}'", names, type)));
  }
  TARN_TRY(options, options_of(request, type, sealed));
  json::object open;
  for (const auto& [name, value] : options) (secret(name) || sealed.contains(std::string(name)) ? secrets : open)[name] = value;
  json::object body{{"connection_type", type}, {"credential_type", credential_type(options)}, {"options", std::move(open)}, {"read_only", false}};
  if (const auto* v = request.if_contains("properties"); v && v->is_object()) body["properties"] = *v;
  if (const auto* v = request.if_contains("read_only"); v && v->is_bool()) body["read_only"] = *v;
  return body;
}

Result<json::object> recipient_body(const json::object& request, Millis now, const std::string& by) {
  const std::string type = json::text_at(request, "authentication_type");
  if (type != "TOKEN" && type != "DATABRICKS")
    return fail(invalid(fmt::format("Field 'authentication_type' must be TOKEN or DATABRICKS; got '{}'", type)));
  json::object body{{"authentication_type", type}, {"activated", type == "DATABRICKS"}};
  const std::string global = json::text_at(request, "data_recipient_global_metastore_id");
  if (type == "DATABRICKS") {
    if (std::ranges::count(global, ':') != 2)
      return fail(invalid(fmt::format("Field 'data_recipient_global_metastore_id' must be CLOUD:REGION:METASTORE_ID, got '{}'", global)));
    body["data_recipient_global_metastore_id"] = global;
    body["cloud"] = global.substr(0, global.find(':'));
    body["region"] = global.substr(global.find(':') + 1, global.rfind(':') - global.find(':') - 1);
  } else {
    if (!global.empty()) return fail(invalid("Field 'data_recipient_global_metastore_id' goes with authentication_type DATABRICKS"));
    body["tokens"] = json::array{json::object{{"id", new_uuid()}, {"created_at", now}, {"created_by", by}, {"updated_at", now}, {"updated_by", by}}};
  }
  for (const char* f : {"ip_access_list", "properties_kvpairs", "expiration_time"})
    if (const auto* v = request.if_contains(f); v && !v->is_null()) body[f] = *v;
  return body;
}

Result<json::object> provider_body(const json::object& request) {
  if (json::text_at(request, "authentication_type") != "TOKEN") return fail(invalid("Field 'authentication_type' must be TOKEN"));
  const auto profile = json::parse(json::text_at(request, "recipient_profile_str"));
  if (!profile || !profile->is_object()) return fail(invalid("Field 'recipient_profile_str' must be a sharing profile as JSON"));
  for (const char* f : {"shareCredentialsVersion", "bearerToken", "endpoint"})
    if (!profile->as_object().contains(f)) return fail(invalid(fmt::format("Field 'recipient_profile_str' has no '{}'", f)));
  // The profile's token is not kept: nothing here would use it.
  return json::object{{"authentication_type", "TOKEN"}, {"recipient_profile", json::object{{"endpoint", profile->as_object().at("endpoint")}}}};
}

std::vector<std::string> recipients_of(const ExchangeRecord& share) {
  std::vector<std::string> out;
  if (const auto* v = share.body.as_object().if_contains("recipients"); v && v->is_array())
    for (const auto& id : v->as_array()) out.push_back(json::text_of(&id));
  return out;
}

}  // namespace

json::value Exchange::shown(const ExchangeRecord& r) const {
  json::object o = r.body.is_object() ? r.body.as_object() : json::object{};
  o.erase("recipients");
  o["name"] = r.name;
  o["owner"] = name_of(core_, r.access.owner);
  if (r.comment) o["comment"] = *r.comment;
  o["created_at"] = r.created_at;
  o["created_by"] = r.created_by;
  o["updated_at"] = r.updated_at;
  o["updated_by"] = r.updated_by;
  if (const auto id = kind_of(r.type).id_field; !id.empty()) o[id] = r.id;
  if (r.type != SecurableType::SHARE) o["metastore_id"] = r.metastore_id;
  if (r.type == SecurableType::CONNECTION) {
    o["full_name"] = r.name;
    o["securable_type"] = "CONNECTION";
    if (!o.contains("credential_type")) o["credential_type"] = "USERNAME_PASSWORD";
    o["provisioning_info"] = json::object{{"state", "ACTIVE"}};
  }
  return o;
}

Result<json::value> Exchange::create(const access::Context& ctx, SecurableType type, const json::value& raw, const std::set<std::string>& sealed) {
  const json::object request = raw.is_object() ? raw.as_object() : json::object{};
  const Kind& kind = kind_of(type);
  const std::string asked = json::text_at(request, "name");
  const auto name = checked_name(asked, fmt::format("Create{}", kind.noun), fmt::format("{}Info.name", kind.noun));
  json::object secrets;
  auto body = type == SecurableType::CONNECTION  ? connection_body(request, secrets, sealed)
              : type == SecurableType::RECIPIENT ? recipient_body(request, core_.clock.now(), ctx.caller.name)
              : type == SecurableType::PROVIDER  ? provider_body(request)
                                                 : Result<json::object>(json::object{{"objects", json::array{}}});
  auto made = change(core_, ctx, fmt::format("create{}", kind.noun), {{"name", asked}}, [&](store::WriteTxn& t) -> Result<ExchangeRecord> {
    TARN_TRY(place, locate_for(t, ctx, SecurableType::METASTORE, "", kind.create));
    if (!name) return fail(name.error());
    if (!body) return fail(body.error());
    ExchangeRecord r{.type = type, .id = new_uuid(), .name = *name, .metastore_id = place.metastore.info.metastore_id};
    if (const auto* c = request.if_contains("comment"); c && c->is_string()) r.comment = std::string(c->as_string());
    stamp_new(r, core_, ctx);
    r.access.owner = principal_of(ctx);
    r.body = *body;
    if (!kExchange.insert(t, r)) return fail(exists_already(type, *name));
    if (!secrets.empty()) {
      if (!secrets_) return fail(Error{{Errc::not_enabled, "Connections with secrets are not enabled on this server"}, {}});
      secrets_->put(t, secret_name(r), boost::json::serialize(secrets));
    }
    return r;
  });
  if (!made) return fail(made.error());
  return shown(*made);
}

Result<json::value> Exchange::get(const access::Context& ctx, SecurableType type, std::string_view name, bool with_objects) {
  auto found = look(core_, ctx, fmt::format("get{}", kind_of(type).noun), {{"name_arg", std::string(name)}},
                    [&](store::ReadTxn& t) { return locate_to_see(t, ctx, type, name); });
  if (!found) return fail(found.error());
  auto out = shown(*found->exchange);
  if (!with_objects) out.as_object().erase("objects");
  return out;
}

Result<Page<json::value>> Exchange::list(const access::Context& ctx, SecurableType type, const PageRequest& request) {
  auto found = look(core_, ctx, fmt::format("list{}s", kind_of(type).noun), {}, [&](store::ReadTxn& t) -> Result<Page<ExchangeRecord>> {
    TARN_TRY(metastore, current_metastore(t, ctx));
    Place place{.type = type, .metastore = metastore};
    return page_of<ExchangeRecord, ExchangeRecord>(t, kExchange, store::prefix({metastore.info.metastore_id, json::name_of(type)}), request,
                                                   [&](const ExchangeRecord& r) -> std::optional<ExchangeRecord> {
                                                     place.exchange = r;
                                                     if (check_see(place.path(), subject(ctx), false)) return std::nullopt;
                                                     return r;
                                                   });
  });
  if (!found) return fail(found.error());
  Page<json::value> out{.next = found->next};
  for (const auto& r : found->items) {
    auto o = shown(r);
    o.as_object().erase("objects");
    out.items.push_back(std::move(o));
  }
  return out;
}

Result<json::value> Exchange::update(const access::Context& ctx, SecurableType type, std::string_view name, const json::value& raw,
                                     const std::set<std::string>& sealed) {
  const json::object request = raw.is_object() ? raw.as_object() : json::object{};
  const Kind& kind = kind_of(type);
  const auto optional = [&](const char* f) -> std::optional<std::string> {
    const auto* v = request.if_contains(f);
    return v && v->is_string() ? std::optional(std::string(v->as_string())) : std::nullopt;
  };
  const auto [owner, new_name, problem] =
      check_change(core_, optional("owner"), optional("new_name"), fmt::format("Update{}", kind.noun), fmt::format("{}Info.name", kind.noun));
  auto changed = change(core_, ctx, fmt::format("update{}", kind.noun), {{"name_arg", std::string(name)}}, [&](store::WriteTxn& t) -> Result<Place> {
    TARN_TRY(place, locate_to_manage(t, ctx, type, name));
    if (problem) return fail(*problem);
    ExchangeRecord& r = *place.exchange;
    const std::string old_key = r.store_key();
    if (owner) r.access.owner = *owner;
    if (const auto c = optional("comment")) r.comment = c;
    if (const auto* c = request.if_contains("comment"); c && c->is_null()) r.comment.reset();
    json::object& body = r.body.as_object();
    if (type == SecurableType::CONNECTION && request.contains("options")) {
      TARN_TRY(options, options_of(request, json::text_at(body, "connection_type"), sealed));
      json::object open, secrets;
      for (const auto& [key, value] : options) (secret(key) || sealed.contains(std::string(key)) ? secrets : open)[key] = value;
      body["options"] = std::move(open);
      body["credential_type"] = credential_type(options);
      if (!secrets.empty()) {
        if (!secrets_) return fail(Error{{Errc::not_enabled, "Connections with secrets are not enabled on this server"}, {}});
        secrets_->put(t, secret_name(r), boost::json::serialize(secrets));
      } else if (secrets_) {
        secrets_->erase(t, secret_name(r));  // the new options are all that there are
      }
    }
    if (type == SecurableType::SHARE)
      if (const auto* u = request.if_contains("updates"); u && !u->is_null()) TARN_CHECK(apply_updates(t, ctx, r, *u));
    if (type == SecurableType::RECIPIENT)
      for (const char* f : {"ip_access_list", "properties_kvpairs", "expiration_time"})
        if (const auto* v = request.if_contains(f); v && !v->is_null()) body[f] = *v;
    stamp_change(r, core_, ctx);
    if (!new_name || *new_name == r.name) {
      save(t, place);
      return std::move(place);
    }
    kExchange.erase(t, old_key);
    r.name = *new_name;
    if (!kExchange.insert(t, r)) return fail(exists_already(type, *new_name));
    return std::move(place);
  });
  if (!changed) return fail(changed.error());
  return shown(*changed->exchange);
}

Result<void> Exchange::remove(const access::Context& ctx, SecurableType type, std::string_view name) {
  return change(core_, ctx, fmt::format("delete{}", kind_of(type).noun), {{"name_arg", std::string(name)}}, [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(place, locate_to_manage(t, ctx, type, name));
    if (secrets_ && type == SecurableType::CONNECTION) secrets_->erase(t, secret_name(*place.exchange));
    kExchange.erase(t, place.exchange->store_key());
    return {};
  });
}

namespace {

/// Names of recipients that a share lists; deleted ones are gone.
json::value assignments(store::ReadTxn& t, const ExchangeRecord& share) {
  json::array list;
  for (const auto& id : recipients_of(share))
    if (const auto r = kExchange.find(t, "id", id)) list.push_back(json::object{{"principal", r->value.name}, {"privileges", json::array{"SELECT"}}});
  json::object out;
  if (!list.empty()) out["privilege_assignments"] = std::move(list);
  return out;
}

}  // namespace

Result<json::value> Exchange::share_permissions(const access::Context& ctx, std::string_view share) {
  return look(core_, ctx, "getSharePermissions", {{"name_arg", std::string(share)}}, [&](store::ReadTxn& t) -> Result<json::value> {
    TARN_TRY(place, locate_to_see(t, ctx, SecurableType::SHARE, share));
    return assignments(t, *place.exchange);
  });
}

Result<json::value> Exchange::change_share_permissions(const access::Context& ctx, std::string_view share, const json::value& request) {
  return change(core_, ctx, "updateSharePermissions", {{"name_arg", std::string(share)}}, [&](store::WriteTxn& t) -> Result<json::value> {
    TARN_TRY(place, locate_to_see(t, ctx, SecurableType::SHARE, share));
    // Whoever holds SET SHARE PERMISSION on the metastore does what the owner may, of the shares that he sees.
    if (const auto d = check_manage(place.path(), subject(ctx)))
      if (!locate_for(t, ctx, SecurableType::METASTORE, "", Privilege::SET_SHARE_PERMISSION)) return fail(denied(*d));
    auto ids = recipients_of(*place.exchange);
    const auto* changes = json::find(request, {"changes"});
    if (changes && !changes->is_array()) return fail(invalid("Field 'changes' must be an array"));
    const auto each = [&](const json::value& change, const char* what, const auto& take) -> Result<void> {
      const auto* list = json::find(change, {what});
      if (!list || !list->is_array()) return {};
      for (const auto& p : list->as_array()) {
        if (json::text_of(&p) != "SELECT")
          return fail(invalid(fmt::format("Privilege {} is not applicable to a share: SELECT is", json::text_of(&p))));
        take();
      }
      return {};
    };
    if (changes)
      for (const auto& change : changes->as_array()) {
        const std::string principal = json::text_at(change, {"principal"});
        const auto r = kExchange.get(t, store::key({place.metastore.info.metastore_id, json::name_of(SecurableType::RECIPIENT), folded(principal)}));
        if (!r) return fail(does_not_exist(SecurableType::RECIPIENT, principal));
        // Taking away needs no right on the recipient: a share's owner can always close it.
        if (const auto* list = json::find(change, {"add"}); list && list->is_array() && !list->as_array().empty())
          TARN_CHECK(locate_to_see(t, ctx, SecurableType::RECIPIENT, principal));
        TARN_CHECK(each(change, "remove", [&] { std::erase(ids, r->value.id); }));
        TARN_CHECK(each(change, "add", [&] {
          std::erase(ids, r->value.id);
          ids.push_back(r->value.id);
        }));
      }
    json::array list;
    for (const auto& id : ids) list.push_back(json::value(id));
    place.exchange->body.as_object()["recipients"] = std::move(list);
    save(t, place);
    return assignments(t, *place.exchange);
  });
}

Result<json::value> Exchange::recipient_permissions(const access::Context& ctx, std::string_view recipient) {
  return look(core_, ctx, "getRecipientSharePermissions", {{"name_arg", std::string(recipient)}}, [&](store::ReadTxn& t) -> Result<json::value> {
    TARN_TRY(place, locate_to_see(t, ctx, SecurableType::RECIPIENT, recipient));
    json::array out;
    for (const auto& share : kExchange.scan(t, store::prefix({place.metastore.info.metastore_id, json::name_of(SecurableType::SHARE)}))) {
      const auto ids = recipients_of(share);
      if (std::ranges::find(ids, place.exchange->id) == ids.end()) continue;
      out.push_back(json::object{
          {"share_name", share.name},
          {"privilege_assignments", json::array{json::object{{"principal", place.exchange->name}, {"privileges", json::array{"SELECT"}}}}}});
    }
    json::object body;
    if (!out.empty()) body["permissions_out"] = std::move(out);
    return json::value(std::move(body));
  });
}

Result<json::value> Exchange::rotate_token(const access::Context& ctx, std::string_view recipient, std::int64_t in_seconds) {
  auto changed = change(core_, ctx, "rotateRecipientToken", {{"name_arg", std::string(recipient)}}, [&](store::WriteTxn& t) -> Result<Place> {
    TARN_TRY(place, locate_to_manage(t, ctx, SecurableType::RECIPIENT, recipient));
    if (in_seconds < 0) return fail(invalid(fmt::format("Field 'existing_token_expire_in_seconds' must not be negative, got {}", in_seconds)));
    json::object& body = place.exchange->body.as_object();
    auto* tokens = body.if_contains("tokens");
    if (!tokens)
      return fail(
          invalid(fmt::format("Recipient '{}' has no token: its authentication_type is {}", recipient, json::text_at(body, "authentication_type"))));
    const Millis now = core_.clock.now();
    for (auto& token : tokens->as_array()) token.as_object()["expiration_time"] = now + in_seconds * 1000;
    if (tokens->as_array().size() > 1) tokens->as_array().erase(tokens->as_array().begin());  // at most two at once
    tokens->as_array().push_back(
        json::object{{"id", new_uuid()}, {"created_at", now}, {"created_by", ctx.caller.name}, {"updated_at", now}, {"updated_by", ctx.caller.name}});
    stamp_change(*place.exchange, core_, ctx);
    save(t, place);
    return std::move(place);
  });
  if (!changed) return fail(changed.error());
  return shown(*changed->exchange);
}

namespace {

Result<void> check_artifact_type(const std::string& type) {
  if (type == "INIT_SCRIPT" || type == "LIBRARY_JAR" || type == "LIBRARY_MAVEN") return {};
  return fail(invalid(fmt::format("Artifact type '{}' must be INIT_SCRIPT, LIBRARY_JAR or LIBRARY_MAVEN", type)));
}

json::value shown_list(const Allowlist& a) {
  return json::object{
      {"artifact_matchers", a.artifact_matchers}, {"created_at", a.created_at}, {"created_by", a.created_by}, {"metastore_id", a.metastore_id}};
}

}  // namespace

Result<json::value> Exchange::allowlist(const access::Context& ctx, const std::string& type) {
  return look(core_, ctx, "getArtifactAllowlist", {{"artifact_type", type}}, [&](store::ReadTxn& t) -> Result<json::value> {
    TARN_CHECK(check_artifact_type(type));
    TARN_TRY(place, locate_for(t, ctx, SecurableType::METASTORE, "", Privilege::MANAGE_ALLOWLIST));
    const auto kept = kAllowlists.get(t, store::key({place.metastore.info.metastore_id, type}));
    return shown_list(kept ? kept->value : Allowlist{.metastore_id = place.metastore.info.metastore_id, .artifact_matchers = json::array{}});
  });
}

Result<json::value> Exchange::set_allowlist(const access::Context& ctx, const std::string& type, const json::value& request) {
  return change(core_, ctx, "setArtifactAllowlist", {{"artifact_type", type}}, [&](store::WriteTxn& t) -> Result<json::value> {
    TARN_CHECK(check_artifact_type(type));
    TARN_TRY(place, locate_for(t, ctx, SecurableType::METASTORE, "", Privilege::MANAGE_ALLOWLIST));
    const auto* matchers = json::find(request, {"artifact_matchers"});
    if (!matchers || !matchers->is_array()) return fail(invalid("Field 'artifact_matchers' is required"));
    for (std::size_t i = 0; i < matchers->as_array().size(); ++i) {
      const auto& m = matchers->as_array()[i];
      const std::string artifact = json::text_at(m, {"artifact"});
      if (json::text_at(m, {"match_type"}) != "PREFIX_MATCH")
        return fail(invalid(fmt::format("Field 'artifact_matchers[{}].match_type' must be PREFIX_MATCH", i)));
      const bool path = artifact.starts_with("/Volumes/") || artifact.starts_with("s3://");
      if (artifact.empty() || (type != "LIBRARY_MAVEN" && !path))
        return fail(
            invalid(fmt::format("Field 'artifact_matchers[{}].artifact' must be {}, got '{}'", i,
                                type == "LIBRARY_MAVEN" ? "the beginning of a Maven coordinate" : "a path below /Volumes/ or s3://", artifact)));
    }
    Allowlist a{.metastore_id = place.metastore.info.metastore_id,
                .artifact_type = type,
                .created_by = ctx.caller.name,
                .created_at = core_.clock.now(),
                .artifact_matchers = *matchers};
    kAllowlists.put(t, a);
    return shown_list(a);
  });
}

}  // namespace tarn::catalog
