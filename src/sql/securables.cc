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
  return a.securable_type == "VOLUME" || a.securable_type == "EXTERNAL_LOCATION" || a.securable_type == "STORAGE_CREDENTIAL";
}

Result<std::string> Securables::full_name(const Session& session, const Analysis& a, SecurableType type) const {
  if (type != SecurableType::VOLUME && type != SecurableType::FUNCTION) return a.target.at(0);
  TARN_TRY(name, resolver_.qualify(session, a.target));
  return name.full();
}

Result<Securables::Told> Securables::run(const Session& session, const Analysis& a) const {
  const auto type = json::enum_of<SecurableType>(a.securable_type);
  if (!type) throw std::logic_error("a statement about a securable of no type: " + a.securable_type);
  switch (a.kind) {
    case StatementKind::show_securables:
      return show(session, a, *type);
    case StatementKind::describe_securable:
      return *type == SecurableType::FUNCTION ? describe_function(session, a) : describe(session, a, *type);
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
  if (type == SecurableType::EXTERNAL_LOCATION)
    return unless(
        catalog_.locations().create(session.ctx, {.name = a.target.at(0), .url = a.location.value_or(""), .credential_name = a.source, .comment = a.comment}),
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

Result<Securables::Told> Securables::show(const Session& session, const Analysis& a, SecurableType type) const {
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
  TARN_TRY(found, known(catalog_.functions().list(session.ctx, schema.first, schema.second, {}, false)));
  for (const auto& f : found.items)
    if (fits(json::text_at(f, {"name"}))) out.rows.push_back({json::text_at(f, {"full_name"})});
  return out;
}

Result<Securables::Told> Securables::describe(const Session& session, const Analysis& a, SecurableType type) const {
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
    out.rows.push_back(
        {v.name, v.catalog_name, v.schema_name, v.owner, v.storage_location, std::string(json::name_of(v.volume_type)), v.comment});
  }
  return out;
}

Result<Securables::Told> Securables::describe_function(const Session& session, const Analysis& a) const {
  if (a.options.contains("built_in"))
    return refuse(Errc::unsupported,
                  "[UNSUPPORTED_FEATURE] DESCRIBE FUNCTION of the built-in function " + backticked(a.target) +
                      " is not supported by this warehouse: it tells of functions of the catalog. SQLSTATE: 0A000");
  TARN_TRY(name, full_name(session, a, SecurableType::FUNCTION));
  TARN_TRY(f, known(catalog_.function(session.ctx, name)));
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
