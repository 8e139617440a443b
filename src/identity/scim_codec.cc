#include "identity/scim_codec.h"

#include <charconv>

namespace tarn::identity::scim {
namespace {

/// Attribute names compare without case (RFC 7643 section 2.1).
const json::value* find(const json::object& o, std::string_view name) {
  if (const auto* v = o.if_contains(name)) return v;
  for (const auto& kv : o)
    if (folded(std::string_view(kv.key())) == folded(name)) return &kv.value();
  return nullptr;
}

Result<json::object> object_of(std::string_view body) {
  auto v = json::parse(body);
  if (!v) return fail(Error{Errc::invalid, v.error().message()});
  if (!v->is_object()) return invalid("The body must be a JSON object, got {}", json::detail::shown(*v));
  return std::move(v->as_object());
}

std::optional<std::string> scalar(const json::value& v) {
  if (v.is_string()) return std::string(v.as_string());
  if (v.is_bool()) return v.as_bool() ? "true" : "false";
  if (v.is_int64()) return std::to_string(v.as_int64());
  return std::nullopt;
}

Result<void> text(const json::object& o, std::string_view field, std::optional<std::string>& out, std::string_view shown_as = {}) {
  const auto* v = find(o, field);
  if (!v || v->is_null()) return {};
  if (!v->is_string()) return invalid("Field '{}' must be a string, got {}", shown_as.empty() ? field : shown_as, json::detail::shown(*v));
  out = std::string(v->as_string());
  return {};
}

/// Text, numbers, objects with `value`, or arrays of these; empty ones say nothing.
Result<std::vector<std::string>> values_in(const json::value& v, std::string_view field) {
  std::vector<std::string> out;
  const auto one = [&](const json::value& item) -> Result<void> {
    const json::value* inner = &item;
    if (const auto* o = item.if_object()) {
      if (o->empty()) return {};  // what the Terraform provider sends for "none": [{}]
      inner = find(*o, "value");
      if (!inner) return invalid("Field '{}' must hold objects with 'value', got {}", field, json::detail::shown(item));
    }
    const auto s = scalar(*inner);
    if (!s) return invalid("Field '{}.value' must be a string, got {}", field, json::detail::shown(*inner));
    if (!s->empty()) out.push_back(*s);
    return {};
  };
  if (v.is_null()) return out;
  if (const auto* a = v.if_array()) {
    for (const auto& item : *a) TARN_CHECK(one(item));
  } else {
    TARN_CHECK(one(v));
  }
  return out;
}

Result<void> list(const json::object& o, std::string_view field, std::optional<std::vector<std::string>>& out) {
  const auto* v = find(o, field);
  if (!v || v->is_null()) return {};
  if (!v->is_array()) return invalid("Field '{}' must be an array, got {}", field, json::detail::shown(*v));
  TARN_TRY(values, values_in(*v, field));
  out = std::move(values);
  return {};
}

Result<std::int64_t> id_in(const std::string& v) {
  std::int64_t id = 0;
  const auto [end, ec] = std::from_chars(v.data(), v.data() + v.size(), id);
  if (ec != std::errc() || end != v.data() + v.size() || id <= 0) return invalid("Field 'members.value' must be the id of a principal, got '{}'", v);
  return id;
}

const char* schema(Kind kind) {
  return kind == Kind::user    ? "urn:ietf:params:scim:schemas:core:2.0:User"
         : kind == Kind::group ? "urn:ietf:params:scim:schemas:core:2.0:Group"
                               : "urn:ietf:params:scim:schemas:core:2.0:ServicePrincipal";
}

const char* collection(Kind kind) { return kind == Kind::user ? "Users" : kind == Kind::group ? "Groups" : "ServicePrincipals"; }

json::array references(const std::vector<Reference>& all, bool groups) {
  json::array out;
  for (const auto& m : all) {
    json::object o{{"$ref", fmt::format("{}/{}", collection(m.kind), m.id)}, {"value", std::to_string(m.id)}, {"display", m.display}};
    if (groups) o["type"] = m.direct ? "direct" : "indirect";
    out.push_back(std::move(o));
  }
  return out;
}

template <class All>
json::array values(const All& all) {
  json::array out;
  for (const auto& v : all) out.push_back(json::object{{"value", v}});
  return out;
}

std::set<std::string> names_in(const std::optional<std::string>& csv) {
  std::set<std::string> out;
  std::string_view rest = csv ? std::string_view(*csv) : std::string_view();
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    auto name = folded(rest.substr(0, comma));
    std::erase_if(name, [](char c) { return c == ' '; });
    if (name.starts_with("urn:")) name = name.substr(name.rfind(':') + 1);
    if (!name.empty()) out.insert(name.substr(0, name.find('.')));
    rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
  }
  return out;
}

Result<std::int64_t> whole(const api::Request& r, const char* name, std::int64_t otherwise) {
  const auto p = r.param(name);
  if (!p || p->empty()) return otherwise;
  const auto n = api::integer(name, *p);
  if (!n) return fail(Error{Errc::invalid, n.error().message});
  return *n;
}

}  // namespace

Result<Draft> draft_of(std::string_view body) {
  TARN_TRY(o, object_of(body));
  Draft d;
  TARN_CHECK(text(o, "userName", d.user_name));
  TARN_CHECK(text(o, "applicationId", d.application_id));
  TARN_CHECK(text(o, "displayName", d.display_name));
  TARN_CHECK(text(o, "externalId", d.external_id));
  if (const auto* name = find(o, "name"); name && !name->is_null()) {
    const auto* parts = name->if_object();
    if (!parts) return invalid("Field 'name' must be an object, got {}", json::detail::shown(*name));
    TARN_CHECK(text(*parts, "givenName", d.given_name, "name.givenName"));
    TARN_CHECK(text(*parts, "familyName", d.family_name, "name.familyName"));
  }
  if (const auto* active = find(o, "active"); active && !active->is_null()) {
    const auto s = scalar(*active);
    if (!s || (folded(*s) != "true" && folded(*s) != "false"))
      return invalid("Field 'active' must be true or false, got {}", json::detail::shown(*active));
    d.active = folded(*s) == "true";
  }
  if (const auto* emails = find(o, "emails"); emails && !emails->is_null()) {
    const auto* a = emails->if_array();
    if (!a) return invalid("Field 'emails' must be an array, got {}", json::detail::shown(*emails));
    d.emails.emplace();
    for (const auto& item : *a) {
      const auto* e = item.if_object();
      std::optional<std::string> value, type;
      if (!e) return invalid("Field 'emails' must hold objects, got {}", json::detail::shown(item));
      TARN_CHECK(text(*e, "value", value, "emails.value"));
      TARN_CHECK(text(*e, "type", type, "emails.type"));
      const auto* primary = find(*e, "primary");
      if (value && !value->empty()) d.emails->push_back({*value, type.value_or("work"), primary && scalar(*primary) == "true"});
    }
  }
  TARN_CHECK(list(o, "roles", d.roles));
  TARN_CHECK(list(o, "entitlements", d.entitlements));
  std::optional<std::vector<std::string>> members;
  TARN_CHECK(list(o, "members", members));
  if (members) {
    d.members.emplace();
    for (const auto& m : *members) {
      TARN_TRY(id, id_in(m));
      d.members->push_back(id);
    }
  }
  return d;
}

Result<std::vector<Edit>> edits_of(std::string_view body) {
  TARN_TRY(o, object_of(body));
  const auto* operations = find(o, "Operations");
  if (!operations || !operations->is_array()) return invalid("Field 'Operations' is required and must be an array");
  if (operations->as_array().size() > 1000)
    return invalid("Field 'Operations' holds {} operations, at most 1000 are taken at once", operations->as_array().size());
  std::vector<Edit> out;
  for (const auto& item : operations->as_array()) {
    const auto* op = item.if_object();
    if (!op) return invalid("Field 'Operations' must hold objects, got {}", json::detail::shown(item));
    std::optional<std::string> verb, path;
    TARN_CHECK(text(*op, "op", verb, "Operations.op"));
    TARN_CHECK(text(*op, "path", path, "Operations.path"));
    const auto kind = json::enum_of<Edit::Op>(folded(verb.value_or("")));
    if (!kind) return invalid("Field 'Operations.op' must be add, remove or replace, got '{}'", verb.value_or(""));
    const auto* value = find(*op, "value");
    if (path && !path->empty()) {
      TARN_TRY(at, parse_path(*path));
      Edit e{*kind, std::move(at), {}};
      if (value && e.path.attribute == "name" && e.path.part.empty() && value->is_object()) {
        for (const auto& kv : value->as_object()) {
          TARN_TRY(texts, values_in(kv.value(), "name." + std::string(kv.key())));
          out.push_back({*kind, {"name", {}, folded(std::string_view(kv.key()))}, texts});
        }
        continue;
      }
      if (value) {
        TARN_TRY(texts, values_in(*value, *path));
        e.values = std::move(texts);
      } else if (*kind != Edit::Op::remove) {
        return invalid("Field 'Operations.value' is required to {} '{}'", *verb, *path);
      }
      out.push_back(std::move(e));
      continue;
    }
    if (*kind == Edit::Op::remove) return fail(Error{Errc::invalid_path, "Field 'Operations.path' is required to remove something"});
    if (!value || !value->is_object()) return invalid("Field 'Operations.value' must be an object of attributes where there is no path");
    for (const auto& kv : value->as_object()) {
      TARN_TRY(at, parse_path(std::string_view(kv.key())));
      if (at.attribute == "name" && at.part.empty() && kv.value().is_object()) {
        for (const auto& part : kv.value().as_object()) {
          TARN_TRY(texts, values_in(part.value(), "name." + std::string(part.key())));
          out.push_back({*kind, {"name", {}, folded(std::string_view(part.key()))}, texts});
        }
        continue;
      }
      if (at.attribute == "meta") continue;
      TARN_TRY(texts, values_in(kv.value(), std::string_view(kv.key())));
      out.push_back({*kind, std::move(at), texts});
    }
  }
  return out;
}

Result<Query> query_of(const api::Request& r) {
  Query q{.filter = r.param("filter").value_or(""), .sort_by = r.param("sortBy").value_or("")};
  TARN_TRY(start, whole(r, "startIndex", 1));
  TARN_TRY(count, whole(r, "count", Service::kMostInPage));
  q.start_index = std::max<std::int64_t>(start, 1);
  q.count = count;
  q.descending = folded(r.param("sortOrder").value_or("")) == "descending";
  const Selection selection(r);
  q.with_members = selection.wants("members");
  q.with_groups = selection.wants("groups");
  return q;
}

Selection::Selection(const api::Request& r) : only_(names_in(r.param("attributes"))), without_(names_in(r.param("excludedAttributes"))) {}

bool Selection::wants(std::string_view attribute) const {
  const auto name = folded(attribute);
  if (name == "id" || name == "schemas") return true;
  return only_.empty() ? !without_.contains(name) : only_.contains(name);
}

json::object encode(const Resource& r, const Selection& s, bool in_workspace) {
  const auto& p = r.principal;
  json::object o{{"schemas", json::array{schema(p.kind)}}, {"id", std::to_string(p.id)}};
  const auto put = [&](const char* name, json::value v) {
    const bool nothing = (v.is_string() && v.as_string().empty()) || (v.is_array() && v.as_array().empty());
    if (!nothing && s.wants(name)) o[name] = std::move(v);
  };
  put("displayName", json::value(p.display_name));
  put("externalId", json::value(p.external_id));
  if (p.kind == Kind::user) {
    put("userName", json::value(p.name));
    json::object name;
    if (!p.given_name.empty()) name["givenName"] = p.given_name;
    if (!p.family_name.empty()) name["familyName"] = p.family_name;
    if (!name.empty()) put("name", std::move(name));
    json::array emails;
    for (const auto& e : p.emails) emails.push_back(json::object{{"type", e.type}, {"value", e.value}, {"primary", e.primary}});
    put("emails", std::move(emails));
  }
  // The Terraform provider asks a service principal for `userName` and reads `applicationId` from the answer.
  if (p.kind == Kind::service_principal && (s.wants("applicationId") || s.wants("userName"))) o["applicationId"] = p.name;
  if (p.kind == Kind::group)
    put("members", references(r.members, false));
  else
    put("active", p.active);
  put("groups", references(r.groups, true));
  put("roles", in_workspace ? json::array() : values(p.roles));
  put("entitlements", values(r.entitlements));
  if (p.kind == Kind::group) put("meta", json::object{{"resourceType", p.workspace_id ? "WorkspaceGroup" : "Group"}});
  return o;
}

json::object encode(const Page& page, const Selection& s, bool in_workspace) {
  json::array all;
  for (const auto& r : page.resources) all.push_back(encode(r, s, in_workspace));
  return {{"schemas", json::array{"urn:ietf:params:scim:api:messages:2.0:ListResponse"}},
          {"totalResults", page.total},
          {"startIndex", page.start_index},
          {"itemsPerPage", all.size()},
          {"Resources", std::move(all)}};
}

api::Reply refusal(const Error& e) {
  const int status = refusal_of(e.code).status;
  json::object o{{"schemas", json::array{"urn:ietf:params:scim:api:messages:2.0:Error"}},
                 {"scimType", ""},
                 {"detail", e.message},
                 {"status", std::to_string(status)}};
  // The SDKs put scimType before the message, and the provider compares messages of conflicts whole: those have an empty one (where
  // it is absent, the Python SDK says "None").
  switch (e.code) {
    case Errc::invalid:
      o["scimType"] = "invalidValue";
      break;
    case Errc::invalid_path:
      o["scimType"] = "invalidPath";
      break;
    case Errc::invalid_filter:
      o["scimType"] = "invalidFilter";
      break;
    case Errc::account_admin_only:
    case Errc::permission_denied:
    case Errc::not_found:
    case Errc::already_exists:
    case Errc::conflict:
    case Errc::quota_exceeded:
      break;
  }
  return {.status = status, .body = boost::json::serialize(o), .content_type = "application/scim+json"};
}

}  // namespace tarn::identity::scim
