#include "sql/securables.h"

#include <algorithm>

#include "base/json_read.h"
#include "base/text.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

using catalog::SecurableType;
using Row = std::vector<std::optional<std::string>>;

template <class T>
Result<T> known(catalog::Result<T> answer) {
  if (!answer) return fail(Resolver::catalog_error(answer.error()));
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return *std::move(answer);
}

/// What came of a change, where being too late is no error.
template <class T>
Result<void> unless(catalog::Result<T> answer, bool tolerated, catalog::Errc what) {
  if (answer || (tolerated && answer.error().code == what)) return {};
  return fail(Resolver::catalog_error(answer.error()));
}

std::vector<ResultColumn> texts(std::initializer_list<const char*> names) {
  std::vector<ResultColumn> out;
  for (const char* n : names) out.push_back({n, "string"});
  return out;
}

std::optional<std::string> text(const std::string& s) { return s.empty() ? std::nullopt : std::optional(s); }

std::string upper(std::string_view s) {
  std::string out(s);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::toupper(c); });
  return out;
}

/// name TYPE [DEFAULT x], one a line, in columns.
std::vector<std::string> fields(const std::vector<catalog::FunctionInfo::Parameter>& all, bool defaults) {
  std::size_t name = 0, type = 0;
  for (const auto& p : all) name = std::max(name, p.name.size()), type = std::max(type, p.type.size());
  std::vector<std::string> out;
  for (const auto& p : all) {
    out.push_back(fmt::format("{:<{}} {:<{}}", p.name, name, upper(p.type), type));
    if (defaults && p.default_value) out.back() += " DEFAULT " + *p.default_value;
  }
  if (out.empty()) out.emplace_back("()");
  return out;
}

}  // namespace

bool Securables::takes(const Analysis& a) {
  const bool properties = a.options.contains("action") && a.options.at("action").ends_with("_properties");
  return Sharing::takes(a) || (a.securable_type == "SCHEMA" && properties) || a.securable_type == "VOLUME" ||
         a.securable_type == "EXTERNAL_LOCATION" || a.securable_type == "STORAGE_CREDENTIAL";
}

Result<std::string> Securables::full_name(const Session& session, const Analysis& a, SecurableType type) const {
  if (type != SecurableType::VOLUME && type != SecurableType::FUNCTION) return a.target.at(0);
  TARN_TRY(name, resolver_.qualify(session, a.target));
  return name.full();
}

Result<Told> Securables::run(const Session& session, const Analysis& a) const {
  if (Sharing::takes(a)) return sharing_.run(session, a);
  if (a.kind == StatementKind::show_principals) return show_principals(session, a);
  if (a.kind == StatementKind::show_dropped) return show_dropped(session, a);
  if (a.kind == StatementKind::undrop) {
    TARN_CHECK(undrop(session, a));
    return Told{};
  }
  const auto type = json::enum_of<SecurableType>(a.securable_type);
  if (!type) throw std::logic_error("a statement about a securable of no type: " + a.securable_type);
  switch (a.kind) {
    case StatementKind::show_securables:
      return show(session, a, *type);
    case StatementKind::describe_namespace:
      return describe_namespace(session, a);
    case StatementKind::describe_securable:
      return *type == SecurableType::FUNCTION ? describe_function(session, a) : describe(session, a, *type);
    case StatementKind::create_schema:
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

Result<void> Securables::create(const Session& session, const Analysis& a, SecurableType type) const {
  if (type == SecurableType::SCHEMA) {
    TARN_TRY(name, resolver_.qualify_schema(session, a.target));
    const auto made = catalog_.schema_service().create(
        session.ctx, {.name = name.second, .catalog_name = name.first, .comment = a.comment, .storage_root = a.location, .properties = a.properties},
        a.if_not_exists);
    if (!made && made.error().code == catalog::Errc::already_exists)
      return refuse(Errc::already_exists, "[SCHEMA_ALREADY_EXISTS] Cannot create schema " + backticked(a.target) +
                                              " because it already exists. Choose a different name, drop the existing schema, or add the IF NOT "
                                              "EXISTS clause to tolerate pre-existing schema. SQLSTATE: 42P06");
    return unless(made, false, {});
  }
  if (type == SecurableType::EXTERNAL_LOCATION)
    return unless(catalog_.locations().create(
                      session.ctx, {.name = a.target.at(0), .url = a.location.value_or(""), .credential_name = a.source, .comment = a.comment}),
                  a.if_not_exists, catalog::Errc::already_exists);
  TARN_TRY(name, resolver_.qualify(session, a.target));
  return unless(catalog_.volumes().create(session.ctx, {.catalog_name = name.catalog,
                                                        .schema_name = name.schema,
                                                        .name = name.table,
                                                        .volume_type = a.location ? catalog::VolumeType::EXTERNAL : catalog::VolumeType::MANAGED,
                                                        .storage_location = a.location,
                                                        .comment = a.comment}),
                a.if_not_exists, catalog::Errc::already_exists);
}

Result<void> Securables::alter(const Session& session, const Analysis& a, SecurableType type) const {
  if (type == SecurableType::SCHEMA) {  // its properties
    TARN_TRY(schema, resolver_.qualify_schema(session, a.target));
    const auto full = schema.first + "." + schema.second;
    const auto info = catalog_.schema_service().get(session.ctx, full, false);
    if (!info && info.error().code == catalog::Errc::not_found)
      return refuse(Errc::not_found, "[SCHEMA_NOT_FOUND] The schema " + backticked({schema.first, schema.second}) +
                                         " cannot be found. Verify the spelling and correctness of the schema and catalog. SQLSTATE: 42704");
    if (!info) return fail(Resolver::catalog_error(info.error()));
    auto properties = info->properties;
    for (const auto& [k, v] : a.properties) properties[k] = v;
    for (const auto& k : a.files)
      if (properties.erase(k) == 0 && !a.options.contains("if_exists"))
        return refuse(Errc::invalid, "[UNSET_NONEXISTENT_PROPERTIES] Attempted to unset non-existent properties [`" + k + "`] in schema " +
                                         backticked({schema.first, schema.second}) + ". SQLSTATE: 42K0J");
    catalog::SchemaChange change;
    change.properties = std::move(properties);
    return unless(catalog_.schema_service().update(session.ctx, full, change), false, {});
  }
  TARN_TRY(name, full_name(session, a, type));
  const auto& action = a.options.at("action");
  std::optional<std::string> new_name, owner, url, credential;
  json::Patch<std::string> comment;
  if (action == "rename") new_name = a.name;
  if (action == "owner") owner = a.principal;
  if (action == "url") url = a.location;
  if (action == "credential") credential = a.source;
  if (action == "comment") {
    comment.state = a.comment ? json::Patch<std::string>::State::present : json::Patch<std::string>::State::null;
    comment.content = a.comment.value_or("");
  }
  if (type == SecurableType::EXTERNAL_LOCATION) {
    catalog::LocationChange change;
    change.new_name = new_name, change.owner = owner, change.url = url, change.credential_name = credential, change.comment = comment;
    if (a.cascade) change.force = true;
    return unless(catalog_.locations().update(session.ctx, name, change), false, {});
  }
  if (type == SecurableType::STORAGE_CREDENTIAL) {
    catalog::CredentialChange change;
    change.new_name = new_name, change.owner = owner, change.comment = comment;
    return unless(catalog_.credentials().update(session.ctx, std::nullopt, name, change), false, {});
  }
  if (new_name) {  // within its schema
    const auto own = name.substr(0, name.rfind('.'));
    const auto dot = new_name->rfind('.');
    if (dot != new_name->npos) {
      const auto to = lower(new_name->substr(0, dot));
      if (to != lower(own) && to != lower(own.substr(own.find('.') + 1)))
        return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] A volume stays in its schema, " + own + ": RENAME TO a name in " + to +
                                             " is not supported. SQLSTATE: 0A000");
      new_name = new_name->substr(dot + 1);
    }
  }
  catalog::VolumeChange change;
  change.new_name = new_name, change.owner = owner, change.comment = comment;
  return unless(catalog_.volumes().update(session.ctx, name, change), false, {});
}

Result<void> Securables::drop(const Session& session, const Analysis& a, SecurableType type) const {
  TARN_TRY(name, full_name(session, a, type));
  constexpr auto gone = catalog::Errc::not_found;
  if (type == SecurableType::EXTERNAL_LOCATION) return unless(catalog_.locations().remove(session.ctx, name, a.cascade), a.if_exists, gone);
  if (type == SecurableType::STORAGE_CREDENTIAL)
    return unless(catalog_.credentials().remove(session.ctx, std::nullopt, name, a.cascade), a.if_exists, gone);
  return unless(catalog_.volumes().remove(session.ctx, name), a.if_exists, gone);
}

Result<Told> Securables::show(const Session& session, const Analysis& a, SecurableType type) const {
  const auto fits = [&](const std::string& name) { return !a.like || like(*a.like, name); };
  Told out;
  if (type == SecurableType::EXTERNAL_LOCATION) {
    out.columns = texts({"name", "url", "comment"});
    TARN_TRY(found, known(catalog_.locations().list(session.ctx, {}, false)));
    for (const auto& l : found.items)
      if (fits(l.name)) out.rows.push_back({l.name, l.url, l.comment});
    return out;
  }
  if (type == SecurableType::STORAGE_CREDENTIAL) {
    out.columns = texts({"name", "comment"});
    TARN_TRY(found, known(catalog_.credentials().list(session.ctx, std::nullopt, {})));
    for (const auto& one : found.items)
      if (fits(one.name)) out.rows.push_back({one.name, one.comment});
    return out;
  }
  TARN_TRY(schema, resolver_.qualify_schema(session, a.target));
  if (type == SecurableType::VOLUME) {
    out.columns = texts({"database", "volume_name"});
    TARN_TRY(found, known(catalog_.volumes().list(session.ctx, schema.first, schema.second, {}, false)));
    for (const auto& v : found.items)
      if (fits(v.name)) out.rows.push_back({v.schema_name, v.name});
    return out;
  }
  out.columns = texts({"function"});
  for (const auto& name : a.files)  // built in
    if (fits(name)) out.rows.push_back({name});
  if (a.options.at("which") == "SYSTEM") return out;
  if (session.state)
    for (const auto& name : session.state->functions())
      if (fits(name)) out.rows.push_back({name});
  TARN_TRY(found, known(catalog_.functions().list(session.ctx, schema.first, schema.second, {}, false)));
  for (const auto& f : found.items)
    if (fits(json::text_at(f, {"name"}))) out.rows.push_back({json::text_at(f, {"full_name"})});
  return out;
}

Result<Told> Securables::show_principals(const Session& session, const Analysis& a) const {
  if (!principals_)
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] SHOW " + a.securable_type + " is not supported by this warehouse. SQLSTATE: 0A000");
  if (!session.ctx.caller.workspace_admin)
    return refuse(Errc::permission_denied, "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nSHOW " + a.securable_type +
                                               " is for administrators of the workspace. SQLSTATE: 42501");
  Told out;
  const auto fits = [&](const std::string& name) { return !a.like || like(*a.like, name); };
  if (a.securable_type == "USERS") {
    out.columns = texts({"name"});
    auto found = principals_->users(session.ctx);
    if (!found) return refuse(Errc::invalid, found.error());
    for (auto& name : *found)
      if (fits(name)) out.rows.push_back({std::move(name)});
    return out;
  }
  out.columns = {{"name", "string"}, {"directGroup", "boolean"}};
  const bool of_one = a.options.contains("with");
  auto found = of_one ? principals_->groups_of(session.ctx, a.options.at("with") == "GROUP", a.principal) : principals_->groups(session.ctx);
  if (!found) return refuse(Errc::principal_not_found, found.error());
  for (auto& g : *found)
    if (fits(g.name)) out.rows.push_back({std::move(g.name), of_one ? std::optional<std::string>(g.direct ? "true" : "false") : std::nullopt});
  return out;
}

Result<Told> Securables::describe(const Session& session, const Analysis& a, SecurableType type) const {
  TARN_TRY(name, full_name(session, a, type));
  Told out;
  if (type == SecurableType::EXTERNAL_LOCATION) {
    out.columns = texts({"name", "url", "credential_name", "owner", "created_by", "created_at", "comment"});
    TARN_TRY(l, known(catalog_.locations().get(session.ctx, name, false)));
    out.rows.push_back({l.name, l.url, text(l.credential_name), l.owner, text(l.created_by), to_rfc3339(l.created_at), l.comment});
  } else if (type == SecurableType::STORAGE_CREDENTIAL) {
    out.columns = texts({"name", "owner", "created_at", "created_by", "credential"});
    TARN_TRY(one, known(catalog_.credentials().get(session.ctx, std::nullopt, name)));
    out.rows.push_back({one.name, one.owner, to_rfc3339(one.created_at), text(one.created_by),
                        one.aws_iam_role ? "AwsIamRole:" + one.aws_iam_role->role_arn : std::string()});
  } else {
    out.columns = texts({"name", "catalog", "database", "owner", "storageLocation", "volumeType", "comment"});
    TARN_TRY(v, known(catalog_.volumes().get(session.ctx, name, false)));
    out.rows.push_back({v.name, v.catalog_name, v.schema_name, v.owner, v.storage_location, std::string(json::name_of(v.volume_type)), v.comment});
  }
  return out;
}

Result<Told> Securables::describe_namespace(const Session& session, const Analysis& a) const {
  Told out{.columns = texts({"info_name", "info_value"}), .rows = {}};
  const auto add = [&](const char* name, std::string value) { out.rows.push_back({name, std::move(value)}); };
  const auto optimized = [](const auto& info) {
    return info.enable_predictive_optimization.value_or(catalog::Optimization::INHERIT) == catalog::Optimization::INHERIT
               ? std::string()
               : std::string(json::name_of(*info.enable_predictive_optimization));
  };
  // What is listed is there for this caller; a place without a record of its own (the system catalog) has only its name.
  if (a.securable_type == "CATALOG") {
    const auto wanted = lower(a.target.at(0));
    TARN_TRY(listed, known(catalog_.catalogs(session.ctx)));
    if (std::ranges::find(listed, wanted) == listed.end())
      return refuse(Errc::not_found, "[CATALOG_NOT_FOUND] The catalog " + backticked(a.target) +
                                         " not found. Consider to set the SQL config to a catalog plugin. SQLSTATE: 42P08");
    add("Catalog Name", wanted);
    const auto info = catalog_.catalog_service().get(session.ctx, wanted, true);
    if (!info) return out;
    add("Comment", info->comment.value_or(""));
    add("Owner", info->owner);
    add("Catalog Type", info->catalog_type == catalog::CatalogType::SYSTEM_CATALOG ? "System" : "Regular");
    if (!a.extended) return out;
    add("Created By", info->created_by);
    add("Created At", to_rfc3339(info->created_at));
    add("Updated By", info->updated_by);
    add("Updated At", to_rfc3339(info->updated_at));
    if (const auto flag = optimized(*info); !flag.empty()) add("Predictive Optimization", flag);
    return out;
  }
  TARN_TRY(name, resolver_.qualify_schema(session, a.target));
  TARN_TRY(listed, known(catalog_.schemas(session.ctx, name.first)));
  if (std::ranges::find(listed, name.second) == listed.end())
    return refuse(Errc::not_found, "[SCHEMA_NOT_FOUND] The schema " + backticked({name.first, name.second}) +
                                       " cannot be found. Verify the spelling and correctness of the schema and catalog. SQLSTATE: 42704");
  add("Catalog Name", name.first);
  add("Namespace Name", name.second);
  const auto info = catalog_.schema_service().get(session.ctx, name.first + "." + name.second, true);
  if (!info) return out;
  add("Comment", info->comment.value_or(""));
  add("Location", info->storage_location.value_or(info->storage_root.value_or("")));
  add("Owner", info->owner);
  if (!a.extended) return out;
  std::string properties;
  for (const auto& [k, v] : info->properties) properties += (properties.empty() ? "" : ", ") + fmt::format("({},{})", k, v);
  add("Properties", properties.empty() ? "" : "(" + properties + ")");
  auto flag = optimized(*info);
  if (flag.empty())
    if (const auto above = catalog_.catalog_service().get(session.ctx, name.first, true); above && !optimized(*above).empty())
      flag = optimized(*above) + " (inherited from CATALOG " + name.first + ")";
  if (!flag.empty()) add("Predictive Optimization", flag);
  return out;
}

Result<Told> Securables::describe_function(const Session& session, const Analysis& a) const {
  if (a.options.contains("built_in"))
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] DESCRIBE FUNCTION of the built-in function " + backticked(a.target) +
                                         " is not supported by this warehouse: it tells of functions of the catalog. SQLSTATE: 0A000");
  catalog::FunctionInfo f;
  if (const auto own = Resolver::temporary_function(session, a.target)) {
    f = *own;
    f.full_name = f.name;
  } else {
    TARN_TRY(name, full_name(session, a, SecurableType::FUNCTION));
    TARN_TRY(found, known(catalog_.function(session.ctx, name)));
    f = std::move(found);
  }
  Told out{.columns = texts({"function_desc"}), .rows = {}};
  const auto line = [&](const char* label, const std::vector<std::string>& values) {
    for (std::size_t i = 0; i < values.size(); ++i)
      out.rows.push_back({fmt::format("{:<{}}{}", i == 0 ? label : "", a.extended ? 15 : 10, values[i])});
  };
  line("Function:", {f.full_name});
  line("Type:", {f.table ? "TABLE" : "SCALAR"});
  line("Input:", fields(f.parameters, a.extended));
  line("Returns:", f.table ? fields(f.columns, false) : std::vector{upper(f.returns)});
  if (!a.extended) return out;
  if (f.comment) line("Comment:", {*f.comment});
  line("Deterministic:", {f.deterministic ? "true" : "false"});
  line("Data Access:", {f.reads_data ? "READS SQL DATA" : "CONTAINS SQL"});
  line("Owner:", {f.owner});
  line("Body:", {f.body});
  return out;
}

}  // namespace tarn::sql
