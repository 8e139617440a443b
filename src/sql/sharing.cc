#include "sql/sharing.h"

#include "base/json_read.h"
#include "base/text.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

using catalog::SecurableType;
using Row = std::vector<std::optional<std::string>>;

std::vector<ResultColumn> named(std::initializer_list<const char*> names) {
  std::vector<ResultColumn> out;
  for (const char* n : names) out.push_back({n, "string"});
  return out;
}

std::optional<std::string> text(const json::value& v, std::string_view field) {
  auto s = json::text_at(v, {field});
  return s.empty() ? std::nullopt : std::optional(std::move(s));
}

std::optional<std::string> moment(const json::value& v, std::string_view field) {
  const auto* at = json::find(v, {field});
  return at && at->is_int64() ? std::optional(to_rfc3339(at->get_int64())) : std::nullopt;
}

template <class T>
Result<void> settled(const catalog::Result<T>& answer, bool tolerated, catalog::Errc what) {
  if (answer || (tolerated && answer.error().code == what)) return {};
  return fail(Resolver::catalog_error(answer.error()));
}

Result<json::value> body_of(catalog::Result<json::value> answer) {
  if (!answer) return fail(Resolver::catalog_error(answer.error()));
  return *std::move(answer);
}

json::object object_of(const std::map<std::string, std::string>& all) {
  json::object out;
  for (const auto& [k, v] : all) out[k] = v;
  return out;
}

std::map<std::string, std::string> properties_of(const json::value& recipient) {
  std::map<std::string, std::string> out;
  if (const auto* all = json::find(recipient, {"properties_kvpairs", "properties"}); all && all->is_object())
    for (const auto& [k, v] : all->as_object()) out[std::string(k)] = json::text_of(&v);
  return out;
}

json::object properties_kvpairs(const std::map<std::string, std::string>& all) { return json::object{{"properties", object_of(all)}}; }

std::string in_quotes(const std::string& s) { return "'" + s + "'"; }

/// (c1 = '5', c2 LIKE 'x%'), (c1 = '7')
std::optional<std::string> partitions_shown(const json::value& object) {
  const auto* all = json::find(object, {"partitions"});
  if (!all || !all->is_array() || all->as_array().empty()) return std::nullopt;
  std::string out;
  for (const auto& partition : all->as_array()) {
    std::string one;
    if (const auto* values = json::find(partition, {"values"}); values && values->is_array())
      for (const auto& v : values->as_array()) {
        const auto property = json::text_at(v, {"recipient_property_key"});
        one += (one.empty() ? "" : ", ") + json::text_at(v, {"name"}) + (json::text_at(v, {"op"}) == "LIKE" ? " LIKE " : " = ") +
               (property.empty() ? in_quotes(json::text_at(v, {"value"})) : "CURRENT_RECIPIENT(" + in_quotes(property) + ")");
      }
    out += (out.empty() ? "(" : ", (") + one + ")";
  }
  return out;
}

}  // namespace

bool Sharing::takes(const Analysis& a) {
  return a.securable_type == "CONNECTION" || a.securable_type == "SHARE" || a.securable_type == "RECIPIENT" || a.securable_type == "PROVIDER";
}

bool Sharing::grants_shares(const Analysis& a) { return a.securable_type == "SHARE" || a.options.contains("shares"); }

Result<Told> Sharing::run(const Session& session, const Analysis& a) const {
  const auto type = json::enum_of<SecurableType>(a.securable_type);
  if (!type) throw std::logic_error("a statement about a securable of no type: " + a.securable_type);
  switch (a.kind) {
    case StatementKind::show_securables:
      return show(session, a, *type);
    case StatementKind::describe_securable:
      return describe(session, a, *type);
    case StatementKind::grant:
    case StatementKind::revoke:
    case StatementKind::show_grants:
      return grants(session, a, *type);
    case StatementKind::create_securable:
      TARN_CHECK(create(session, a, *type));
      return Told{};
    case StatementKind::alter:
      TARN_CHECK(alter(session, a, *type));
      return Told{};
    default:
      TARN_CHECK(drop(session, a, *type));
      return Told{};
  }
}

Result<std::pair<json::object, std::set<std::string>>> Sharing::options(const Session& session, const Analysis& a) const {
  json::object out = object_of(a.properties);
  std::set<std::string> sealed;
  for (const auto& [name, place] : a.secrets) {
    if (!secrets_) return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] secret() is not supported by this warehouse. SQLSTATE: 0A000");
    const auto value = secrets_->get(session.ctx, place.at(0), place.at(1));
    if (!value) return refuse(Errc::invalid, "[INVALID_SECRET_LOOKUP] Invalid secret lookup: " + value.error() + " SQLSTATE: 22531");
    out[name] = *value;
    sealed.insert(name);
  }
  return std::pair(std::move(out), std::move(sealed));
}

Result<void> Sharing::create(const Session& session, const Analysis& a, SecurableType type) const {
  json::object request{{"name", a.target.at(0)}};
  if (a.comment) request["comment"] = *a.comment;
  std::set<std::string> sealed;
  if (type == SecurableType::CONNECTION) {
    TARN_TRY(given, options(session, a));
    request["connection_type"] = a.options.at("type");
    request["options"] = std::move(given.first);
    sealed = std::move(given.second);
  } else if (type == SecurableType::RECIPIENT) {
    request["authentication_type"] = a.source.empty() ? "TOKEN" : "DATABRICKS";
    if (!a.source.empty()) request["data_recipient_global_metastore_id"] = a.source;
    if (!a.properties.empty()) request["properties_kvpairs"] = properties_kvpairs(a.properties);
  }
  return settled(catalog_.exchange().create(session.ctx, type, request, sealed), a.if_not_exists, catalog::Errc::already_exists);
}

Result<void> Sharing::alter(const Session& session, const Analysis& a, SecurableType type) const {
  const auto& name = a.target.at(0);
  const auto& action = a.options.at("action");
  if (a.shared) return alter_object(session, a);
  json::object request;
  std::set<std::string> sealed;
  if (action == "rename") request["new_name"] = a.name;
  if (action == "owner") request["owner"] = a.principal;
  if (action == "comment") request["comment"] = a.comment ? json::value(*a.comment) : json::value(nullptr);
  if (action == "options") {
    TARN_TRY(given, options(session, a));
    request["options"] = std::move(given.first);
    sealed = std::move(given.second);
  }
  if (action.ends_with("_properties")) {
    TARN_TRY(recipient, body_of(catalog_.exchange().get(session.ctx, type, name)));
    auto properties = properties_of(recipient);
    for (const auto& [k, v] : a.properties) properties[k] = v;
    for (const auto& k : a.files)
      if (properties.erase(k) == 0 && !a.options.contains("if_exists"))
        return refuse(Errc::invalid, "[UNSET_NONEXISTENT_PROPERTIES] Attempted to unset non-existent properties [`" + k + "`] in recipient " +
                                         backticked(a.target) + ". SQLSTATE: 42K0J");
    request["properties_kvpairs"] = properties_kvpairs(properties);
  }
  return settled(catalog_.exchange().update(session.ctx, type, name, request, sealed), false, {});
}

Result<void> Sharing::alter_object(const Session& session, const Analysis& a) const {
  const auto& given = *a.shared;
  const auto& action = a.options.at("action");
  std::string full;
  if (given.type == "SCHEMA") {
    TARN_TRY(name, resolver_.qualify_schema(session, given.name));
    full = name.first + "." + name.second;
  } else {
    TARN_TRY(name, resolver_.qualify(session, given.name));
    full = name.full();
  }
  TARN_TRY(share, body_of(catalog_.exchange().get(session.ctx, SecurableType::SHARE, a.target.at(0))));
  json::object object{{"name", full}, {"data_object_type", given.type}};
  if (action != "add") {
    const auto* objects = json::find(share, {"objects"});
    const json::value* there = nullptr;
    if (objects && objects->is_array())
      for (const auto& o : objects->as_array())
        if (lower(json::text_at(o, {"name"})) == lower(full)) there = &o;
    if (there && json::text_at(*there, {"data_object_type"}) != given.type)
      return refuse(Errc::invalid, "[WRONG_COMMAND_FOR_OBJECT_TYPE] '" + full + "' is in share " + backticked(a.target) + " as a " +
                                       json::text_at(*there, {"data_object_type"}) + ", not as a " + given.type + ". SQLSTATE: 42809");
    // What ALTER does not say stays.
    if (there && action == "update") object = there->as_object();
  }
  if (given.comment) object["comment"] = *given.comment;
  if (!given.shared_as.empty()) {
    // A name alone is one in the schema that the object is in.
    const auto schema = given.shared_as.size() > 1 ? given.shared_as[0] : full.substr(full.find('.') + 1, full.rfind('.') - full.find('.') - 1);
    object[given.type == "TABLE" || given.type == "VIEW" ? "shared_as" : "string_shared_as"] = schema + "." + given.shared_as.back();
  }
  if (!given.partitions.empty()) {
    json::array partitions;
    for (const auto& one : given.partitions) {
      json::array values;
      for (const auto& v : one) {
        json::object value{{"name", v.column}, {"op", v.op}};
        if (v.property)
          value["recipient_property_key"] = *v.property;
        else
          value["value"] = v.value.value_or("");
        values.push_back(std::move(value));
      }
      partitions.push_back(json::object{{"values", std::move(values)}});
    }
    object["partitions"] = std::move(partitions);
  }
  // With its history unless it is said otherwise, as on the vendor's warehouses.
  if (given.history || (action == "add" && given.type == "TABLE")) object["history_data_sharing_status"] = given.history.value_or("ENABLED");
  const char* word = action == "add" ? "ADD" : action == "update" ? "UPDATE" : "REMOVE";
  const json::object request{{"updates", json::array{json::object{{"action", word}, {"data_object", std::move(object)}}}}};
  return settled(catalog_.exchange().update(session.ctx, SecurableType::SHARE, a.target[0], request), false, {});
}

Result<void> Sharing::drop(const Session& session, const Analysis& a, SecurableType type) const {
  return settled(catalog_.exchange().remove(session.ctx, type, a.target.at(0)), a.if_exists, catalog::Errc::not_found);
}

Result<Told> Sharing::show(const Session& session, const Analysis& a, SecurableType type) const {
  if (a.options.contains("objects")) return show_objects(session, a.target.at(0));
  if (a.options.contains("shares")) {
    TARN_CHECK(body_of(catalog_.exchange().get(session.ctx, type, a.target.at(0))));
    return refuse(Errc::unsupported,
                  "[UNSUPPORTED_FEATURE] SHOW SHARES IN PROVIDER is not supported: providers are not asked what they share. SQLSTATE: 0A000");
  }
  const bool connection = type == SecurableType::CONNECTION;
  Told out{.columns = connection ? named({"name", "connection_type", "created_at", "created_by", "comment"})
                                 : named({"name", "created_at", "created_by", "comment"}),
           .rows = {}};
  const auto found = catalog_.exchange().list(session.ctx, type, {});
  if (!found) return fail(Resolver::catalog_error(found.error()));
  for (const auto& one : found->items) {
    const auto name = json::text_at(one, {"name"});
    if (a.like && !like(*a.like, name)) continue;
    Row row{name};
    if (connection) row.emplace_back(lower(json::text_at(one, {"connection_type"})));
    row.push_back(moment(one, "created_at"));
    row.push_back(text(one, "created_by"));
    row.push_back(text(one, "comment"));
    out.rows.push_back(std::move(row));
  }
  return out;
}

Result<Told> Sharing::show_objects(const Session& session, const std::string& share) const {
  Told out{.columns = named({"name", "type", "shared_object", "added_at", "added_by", "comment", "partitions"}), .rows = {}};
  TARN_TRY(found, body_of(catalog_.exchange().get(session.ctx, SecurableType::SHARE, share)));
  const auto* objects = json::find(found, {"objects"});
  if (!objects || !objects->is_array()) return out;
  for (const auto& o : objects->as_array()) {
    const auto full = json::text_at(o, {"name"});
    auto as = json::text_at(o, {"shared_as"});
    if (as.empty()) as = json::text_at(o, {"string_shared_as"});
    if (as.empty()) as = full.substr(full.find('.') + 1);
    out.rows.push_back({as, text(o, "data_object_type"), full, moment(o, "added_at"), text(o, "added_by"), text(o, "comment"), partitions_shown(o)});
  }
  return out;
}

Result<Told> Sharing::describe(const Session& session, const Analysis& a, SecurableType type) const {
  TARN_TRY(one, body_of(catalog_.exchange().get(session.ctx, type, a.target.at(0), false)));
  if (type == SecurableType::SHARE)
    return Told{.columns = named({"name", "created_at", "created_by", "comment"}),
                .rows = {{text(one, "name"), moment(one, "created_at"), text(one, "created_by"), text(one, "comment")}}};
  Told out{.columns = named({"info_name", "info_value"}), .rows = {}};
  const auto add = [&](const char* name, std::optional<std::string> value) { out.rows.push_back({name, std::move(value)}); };
  if (type == SecurableType::CONNECTION) {
    add("Name", text(one, "name"));
    add("Connection Type", lower(json::text_at(one, {"connection_type"})));
    add("Credential Type", lower(json::text_at(one, {"credential_type"})));
    add("Owner", text(one, "owner"));
    add("Created At", moment(one, "created_at"));
    add("Created By", text(one, "created_by"));
    add("Comment", text(one, "comment"));
    std::map<std::string, std::string> open;
    if (const auto* all = json::find(one, {"options"}); all && all->is_object())
      for (const auto& [k, v] : all->as_object()) open[std::string(k)] = json::text_of(&v);
    std::string list;
    for (const auto& [k, v] : open) list += (list.empty() ? "(" : ", (") + k + ", " + in_quotes(v) + ")";
    add("Options", "(" + list + ")");
    if (!a.extended) return out;
    add("Updated At", moment(one, "updated_at"));
    add("Updated By", text(one, "updated_by"));
    return out;
  }
  const bool recipient = type == SecurableType::RECIPIENT;
  add(recipient ? "recipient_name" : "provider_name", text(one, "name"));
  if (recipient) add("recipient_id", text(one, "id"));
  add("authentication_type", text(one, "authentication_type"));
  add("owner", text(one, "owner"));
  add("created_by", text(one, "created_by"));
  add("created_at", moment(one, "created_at"));
  add("updated_by", text(one, "updated_by"));
  add("updated_at", moment(one, "updated_at"));
  add("comment", text(one, "comment"));
  if (!recipient) return out;
  if (const auto global = json::text_at(one, {"data_recipient_global_metastore_id"}); !global.empty()) {
    add("cloud", text(one, "cloud"));
    add("region", text(one, "region"));
    add("metastore_id", global.substr(global.rfind(':') + 1));
  }
  if (const auto* tokens = json::find(one, {"tokens"}); tokens && tokens->is_array() && !tokens->as_array().empty()) {
    const auto& newest = tokens->as_array().back();
    add("active_token_id", text(newest, "id"));
    if (const auto until = moment(newest, "expiration_time")) add("active_token_expiration", until);
  }
  std::string list;
  for (const auto& [k, v] : properties_of(one)) list += (list.empty() ? "(" : ", (") + k + "," + v + ")";
  if (!list.empty()) add("properties", list);
  return out;
}

Result<Told> Sharing::grants(const Session& session, const Analysis& a, SecurableType type) const {
  const auto& name = a.target.at(0);
  if (a.kind == StatementKind::show_grants) {
    const bool share = type == SecurableType::SHARE;
    Told out{.columns = named({share ? "recipient" : "share", "actionType", "objectType", "objectKey"}), .rows = {}};
    TARN_TRY(found, body_of(share ? catalog_.exchange().share_permissions(session.ctx, name)
                                  : catalog_.exchange().recipient_permissions(session.ctx, name)));
    const auto* all = json::find(found, {share ? "privilege_assignments" : "permissions_out"});
    if (all && all->is_array())
      for (const auto& one : all->as_array()) {
        const auto whom = json::text_at(one, {share ? "principal" : "share_name"});
        if (a.principal.empty() || lower(a.principal) == lower(whom)) out.rows.push_back({whom, "SELECT", std::nullopt, std::nullopt});
      }
    return out;
  }
  json::array privileges;
  for (const auto& p : a.privileges) privileges.push_back(json::value(p));
  const json::object change{{"principal", a.principal}, {a.kind == StatementKind::grant ? "add" : "remove", std::move(privileges)}};
  TARN_CHECK(body_of(catalog_.exchange().change_share_permissions(session.ctx, name, json::object{{"changes", json::array{change}}})));
  return Told{};
}

}  // namespace tarn::sql
