#include "sql/resolver.h"

#include "base/text.h"
#include "sql/file_sources.h"
#include "sql/gathering.h"
#include "sql/result_cache.h"
#include "sql/system_tables.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

std::map<std::string, std::string> defaults_of(const OpenTable& table) {
  std::map<std::string, std::string> out;
  for (const auto& f : table.snapshot->metadata.schema.fields)
    if (const auto* v = f.metadata.if_contains("CURRENT_DEFAULT"); v && v->is_string()) out.emplace(lower(f.name), std::string(v->get_string()));
  return out;
}

Result<std::string> literal(const Session& session, const std::string& name) {
  TARN_TRY(given, Resolver::parameter(session, name));
  const auto duckdb = delta::duckdb_type(*delta::delta_type(given.type));
  return given.value ? "CAST(" + delta::sql_string(*given.value) + " AS " + duckdb + ")" : "CAST(NULL AS " + duckdb + ")";
}

}  // namespace

Error only_in_utc(const Session& session, const std::string& what) {
  return {Errc::unsupported, "[UNSUPPORTED_FEATURE] " + what + " in the time zone " + session.zone() +
                                 " is not supported by this warehouse. SET TIME ZONE 'UTC' for it. SQLSTATE: 0A000"};
}

Result<Parameter> Resolver::parameter(const Session& session, const std::string& name) {
  const auto i = session.parameters.find(name);
  if (i == session.parameters.end())
    return refuse(Errc::invalid, "[UNBOUND_SQL_PARAMETER] Found the unbound parameter: " + name +
                                     ". Please, fix `args` and provide a mapping of the parameter to either a SQL literal or collection constructor "
                                     "functions. SQLSTATE: 42P02");
  auto type = delta::delta_type(lower(i->second.type.empty() ? "string" : i->second.type));
  if (!type || !type->is_string() || *type == "variant")
    return refuse(Errc::invalid, "[INVALID_PARAMETER_TYPE] The type '" + i->second.type + "' of parameter '" + name +
                                     "' is not a scalar SQL type such as STRING, INT, DECIMAL(10,2), DATE or TIMESTAMP");
  return Parameter{i->second.value, delta::sql_type(*type)};
}

Error Resolver::catalog_error(const catalog::Error& e) {
  switch (e.code) {
    case catalog::Errc::not_found:
      return {Errc::not_found, e.message};
    case catalog::Errc::already_exists:
      return {Errc::already_exists, e.message};
    case catalog::Errc::permission_denied:
      return {Errc::permission_denied, "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\n" + e.message + " SQLSTATE: 42501"};
    case catalog::Errc::principal_not_found:
      return {Errc::principal_not_found, "[PRINCIPAL_DOES_NOT_EXIST] " + e.message};
    case catalog::Errc::no_metastore:
      return {Errc::not_found, e.message};
    case catalog::Errc::conflict:
      return {Errc::conflict, e.message};
    case catalog::Errc::unsupported:
    case catalog::Errc::not_enabled:
      return {Errc::unsupported, e.message};
    case catalog::Errc::invalid:
    case catalog::Errc::not_empty:
    case catalog::Errc::limit_reached:
    case catalog::Errc::location_overlap:
      return {Errc::invalid, e.message};
    case catalog::Errc::storage_unavailable:
      return {Errc::unavailable, e.message};
  }
  throw std::logic_error("a catalog error code without a meaning");
}

Error Resolver::table_error(const catalog::Error& e, const catalog::TableName& name) {
  if (e.code != catalog::Errc::not_found) return catalog_error(e);
  return {Errc::not_found,
          "[TABLE_OR_VIEW_NOT_FOUND] The table or view " + backticked({name.catalog, name.schema, name.table}) +
              " cannot be found. Verify the spelling and correctness of the schema and catalog.\nIf you did not qualify the name with a schema, "
              "verify the current_schema() output, or qualify the name "
              "with the correct schema and catalog.\nTo tolerate the error on drop use DROP VIEW IF EXISTS or DROP TABLE IF EXISTS. SQLSTATE: 42P01"};
}

/// The legacy metastore of a workspace: there is none here, and where administrators turned it off, that is what is said.
Result<void> Resolver::no_legacy(const Session& session, const std::string& catalog) {
  if (!session.legacy_access_off || catalog != "hive_metastore") return {};
  return refuse(Errc::unsupported,
                "[UC_HIVE_METASTORE_DISABLED_EXCEPTION] The operation attempted to use Hive Metastore, which is disabled due to legacy access being "
                "turned off in your account or workspace. Please double check the default catalog in current session and default namespace "
                "setting. If you need to access the Hive Metastore, please ask your admin to set up Hive Metastore federation through Unity "
                "Catalog. SQLSTATE: 0A000");
}

Result<catalog::TableName> Resolver::qualify(const Session& session, const std::vector<std::string>& parts) const {
  if (parts.empty() || parts.size() > 3)
    return refuse(Errc::invalid,
                  "[REQUIRES_SINGLE_PART_NAMESPACE] " + backticked(parts) + " is not a name of the form catalog.schema.table. SQLSTATE: 42K05");
  catalog::TableName out{session.catalog, session.schema, parts.back()};
  if (parts.size() >= 2) out.schema = parts[parts.size() - 2];
  if (parts.size() == 3) out.catalog = parts[0];
  if (out.catalog.empty() || out.schema.empty())
    return refuse(Errc::not_found,
                  "[TABLE_OR_VIEW_NOT_FOUND] The table or view " + backticked(parts) + " cannot be found: the statement has no default " +
                      (out.catalog.empty() ? "catalog" : "schema") +
                      ". Qualify the name as catalog.schema.table, or send `catalog` and `schema` with the statement. SQLSTATE: 42P01");
  TARN_CHECK(no_legacy(session, lower(out.catalog)));
  // Names compare without case.
  return catalog::TableName{lower(out.catalog), lower(out.schema), lower(out.table)};
}

Result<std::pair<std::string, std::string>> Resolver::qualify_schema(const Session& session, const std::vector<std::string>& parts) const {
  std::string catalog = session.catalog, schema = session.schema;
  if (!parts.empty()) schema = parts.back();
  if (parts.size() == 2) catalog = parts[0];
  if (catalog.empty() || schema.empty())
    return refuse(Errc::not_found, "[SCHEMA_NOT_FOUND] The schema " + backticked(parts) +
                                       " cannot be found: the statement has no default catalog. Qualify the name as catalog.schema. SQLSTATE: 42704");
  TARN_CHECK(no_legacy(session, lower(catalog)));
  return std::pair{lower(catalog), lower(schema)};
}

Result<Compiled> Resolver::compile(const Session& session, const std::string& sql, const Analysis& analysis, bool final) {
  Rights rights;
  rights.final = final;
  return compile(session, sql, analysis, rights);
}

Result<Compiled> Resolver::compile_insert(const Session& session, const std::string& sql, const Analysis& analysis, const OpenTable& target) {
  Rights rights;
  rights.target = &target;
  return compile(session, sql, analysis, rights);
}

Result<std::vector<Resolver::Relation>> Resolver::resolve(const Session& session, const Analysis& analysis, const Rights& rights, bool whole) {
  std::vector<Relation> out;
  out.reserve(analysis.tables.size());
  for (const auto& ref : analysis.tables) {
    TARN_TRY(r, resolve(session, ref, rights, whole));
    out.push_back(std::move(r));
  }
  return out;
}

Result<Resolver::Question> Resolver::question_of(const Session& session, const std::string& sql, const Analysis& analysis, const Rights& rights) {
  if (analysis.positional > 0)
    return refuse(Errc::unsupported,
                  "[UNSUPPORTED_FEATURE] Positional parameters are not supported by this API: use named ones, :name. SQLSTATE: 0A000");
  Question out;
  TARN_TRY(relations, resolve(session, analysis, rights, false));
  auto& request = out.request;
  request.sql = sql;
  request.wide = session.wide_decimals;
  // Who reads what a function reads through it sees no more of it than the function gives.
  const auto own = out.own = relations.size();
  TARN_TRY(called, routines(session, analysis, rights, relations, request.functions));
  request.routines = std::move(called);
  for (auto i = own; i < relations.size(); ++i) {
    relations[i].name.clear();
    if (!sees_all(session, rights, relations[i].bases)) {
      TARN_TRY(behind, guarded(session, std::move(relations[i])));
      relations[i] = std::move(behind);
    }
  }
  for (const auto& r : relations) request.relations.push_back(r.columns);
  for (const auto& t : analysis.tables) request.kinds.push_back(t.kind);
  request.kinds.resize(relations.size(), ReferenceKind::table);
  request.final = rights.final;
  if (rights.target) request.target = rights.target->columns, request.defaults = defaults_of(*rights.target);
  for (const auto& name : analysis.parameters)
    if (const auto i = session.parameters.find(name); i != session.parameters.end()) request.parameters[name] = i->second.type;
  if (!rights.owner) add_session(session, request);  // a view knows none of it
  TARN_CHECK(add_endpoints(session, analysis, request));
  out.relations = std::move(relations);
  return out;
}

Result<Compiled> Resolver::compile(const Session& session, const std::string& sql, const Analysis& analysis, const Rights& rights) {
  TARN_TRY(asked, question_of(session, sql, analysis, rights));
  auto& relations = asked.relations;
  TARN_TRY(rewritten, parser_.rewrite(asked.request));
  for (std::size_t i = 0; i < asked.own; ++i) TARN_CHECK(settle_files(relations[i], bounds_of(session, *rewritten, i)));
  Compiled out;
  TARN_TRY(text, fill(session, rewritten->query, relations, out.held));
  out.asks = !out.held.empty();
  out.sql = std::move(text);
  out.columns = rewritten->columns;
  out.types = rewritten->types;
  out.declared = rewritten->declared;
  for (const auto& r : relations) {
    take_in(out, r);
    add_unique(out.views, r.views);
    add_unique(out.bases, r.bases);
    out.outside = out.outside || r.outside;
    out.asks = out.asks || r.asks;
    out.files += r.files, out.bytes += r.bytes, out.skipped += r.skipped;
    out.places.insert(r.places.begin(), r.places.end());
  }
  std::ranges::sort(out.directories);
  trace(out, *rewritten, relations);
  return out;
}

void Resolver::trace(Compiled& out, const Rewrite& rewritten, std::span<const Relation> relations) {
  for (const auto& origin : rewritten.origins) {
    auto& own = out.origins.emplace_back();
    if (!origin) continue;
    if (const auto& r = relations[static_cast<std::size_t>(origin->first)]; !r.name.empty()) own = {r.name, origin->second};
  }
  for (const auto& column : rewritten.lineage) {
    auto& sources = out.lineage.emplace_back();
    for (const auto& [rel, name] : column)
      if (const auto& r = relations[static_cast<std::size_t>(rel)]; !r.name.empty()) sources.emplace_back(r.name, name);
  }
}

void Resolver::add_session(const Session& session, RewriteRequest& request) {
  request.variables = variables(session, request.sql);
  request.zone = session.zone();
}

std::map<std::string, Constant> Resolver::variables(const Session& session, const std::string& sql) {
  if (!session.state) return {};
  auto out = session.state->constants();
  if (out.empty()) return out;
  const auto text = lower(sql);
  std::erase_if(out, [&](const auto& one) { return text.find(one.first) == text.npos; });
  return out;
}

Result<void> Resolver::add_endpoints(const Session& session, const Analysis& analysis, RewriteRequest& request) const {
  for (const auto& name : analysis.endpoints) {
    if (!questions_) break;
    auto type = questions_->type_of(session.ctx, name);
    if (!type) return refuse(Errc::invalid, type.error());
    request.endpoints[name] = *std::move(type);
  }
  return {};
}

Result<CompiledChange> Resolver::compile_change(const Session& session, const std::string& sql, const Analysis& analysis, const OpenTable& target,
                                                const catalog::TableInfo& info) {
  const std::string& target_name = info.full_name;
  TARN_TRY(relations, resolve(session, analysis, Rights{}));
  RewriteRequest request{.sql = sql, .wide = session.wide_decimals};
  for (const auto& r : relations) request.relations.push_back(r.columns);
  for (const auto& t : analysis.tables) request.kinds.push_back(t.kind);
  request.target = target.columns;
  request.defaults = defaults_of(target);
  TARN_CHECK(add_policy(session, info, target, request));
  add_session(session, request);
  TARN_CHECK(add_endpoints(session, analysis, request));
  TARN_TRY(rewritten, parser_.rewrite(request));
  CompiledChange out;
  out.guarded = request.policy.has_value();
  TARN_TRY(predicate, fill(session, rewritten->predicate, relations, out.held));
  out.predicate = std::move(predicate);
  out.alias = rewritten->target_alias;
  out.bounds = bounds_of(session, *rewritten, relations.size());
  for (const auto& a : rewritten->assignments) {
    TARN_TRY(value, fill(session, a.value, relations, out.held));
    out.assignments.emplace_back(a.column, std::move(value));
  }
  for (const auto& r : relations) take_in(out, r);
  for (std::size_t i = 0; i < rewritten->lineage.size() && i < out.assignments.size(); ++i)
    for (const auto& [rel, column] : rewritten->lineage[i]) {
      const auto at = static_cast<std::size_t>(rel);
      const auto& source = at < relations.size() ? relations[at].name : target_name;
      if (!source.empty()) out.lineage.push_back({source, column, target_name, out.assignments[i].first});
    }
  return out;
}

Result<MergePlan> Resolver::compile_merge(const Session& session, const std::string& sql, const Analysis& analysis,
                                          const std::vector<RelationColumn>& source, const OpenTable& target, const catalog::TableInfo& info,
                                          const OpenTable* evolved) {
  TARN_TRY(read, resolve(session, analysis, Rights{}));
  RewriteRequest request{.sql = sql,
                         .relations = {source},
                         .kinds = {ReferenceKind::table},
                         .target = target.columns,
                         .defaults = defaults_of(target),
                         .wide = session.wide_decimals};
  for (const auto& r : read) request.relations.push_back(r.columns);
  for (const auto& t : analysis.tables) request.kinds.push_back(t.kind);
  if (evolved) {
    // Its expressions know the columns that there are, in the types that they are about to have.
    request.evolved = evolved->columns;
    for (std::size_t i = 0; i < request.target.size(); ++i) request.target[i].type = evolved->columns.at(i).type;
  }
  TARN_CHECK(add_policy(session, info, target, request));
  add_session(session, request);
  TARN_TRY(rewritten, parser_.rewrite(request));
  if (!rewritten->merge) throw std::logic_error("the SQL parser answered a MERGE with something else");
  const auto& m = *rewritten->merge;
  MergePlan out{.target_alias = m.target_alias, .source_alias = m.source_alias};
  for (const auto& r : read) take_in(out, r);
  TARN_TRY(on, fill(session, m.on, {}, out.held));
  out.on = std::move(on);
  for (const auto& clause : m.clauses) {
    MergeStep step{clause.kind, clause.action, {}, {}, clause.sources};
    TARN_TRY(condition, fill(session, clause.condition, {}, out.held));
    step.condition = std::move(condition);
    for (std::size_t i = 0; i < clause.columns.size(); ++i) {
      TARN_TRY(value, fill(session, clause.values.at(i), read, out.held));
      step.values.emplace_back(clause.columns[i], std::move(value));
    }
    out.steps.push_back(std::move(step));
  }
  return out;
}

Result<Around> Resolver::compile_around(const Session& session, const std::string& sql, const std::vector<RelationColumn>& columns) {
  TARN_TRY(rewritten, parser_.rewrite({.sql = sql, .relations = {columns}, .kinds = {ReferenceKind::table}, .wide = session.wide_decimals}));
  const auto& pieces = rewritten->query;
  const auto hole = std::ranges::find_if(pieces, [](const Piece& p) { return p.kind == Piece::Kind::relation; });
  if (hole == pieces.end() || std::ranges::count_if(pieces, [](const Piece& p) { return p.kind == Piece::Kind::relation; }) != 1)
    return refuse(Errc::invalid, "[UNSUPPORTED_FEATURE] A table's constraints and generated columns can only use its own columns. SQLSTATE: 0A000");
  if (std::ranges::any_of(pieces, [](const Piece& p) { return p.kind == Piece::Kind::asker; }))
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] A table's constraints and generated columns cannot use ai_query. SQLSTATE: 0A000");
  Around out{.types = rewritten->types};
  out.volatile_ = std::ranges::any_of(pieces, [](const Piece& p) { return p.kind != Piece::Kind::text && p.kind != Piece::Kind::relation; });
  std::vector<std::shared_ptr<const void>> none;
  TARN_TRY(before, fill(session, {pieces.begin(), hole}, {}, none));
  TARN_TRY(after, fill(session, {hole + 1, pieces.end()}, {}, none));
  out.before = std::move(before), out.after = std::move(after);
  out.volatile_ = out.volatile_ || !ResultCache::repeatable(out.before + out.after);
  for (const auto& column : rewritten->lineage) {
    auto& reads = out.reads.emplace_back();
    for (const auto& [rel, name] : column) reads.push_back(name);
  }
  return out;
}

Result<std::string> Resolver::compile_value(const Session& session, const std::string& expression) {
  TARN_TRY(rewritten, parser_.rewrite({.sql = "SELECT (" + expression + ")", .wide = session.wide_decimals}));
  if (std::ranges::any_of(rewritten->query, [](const Piece& p) { return p.kind == Piece::Kind::asker; }))
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] A column's default cannot use ai_query. SQLSTATE: 0A000");
  std::vector<std::shared_ptr<const void>> none;
  TARN_TRY(text, fill(session, rewritten->query, {}, none));
  return "(" + text + ")";
}

/// The parts of a name given as text: `a.b.c`, quoted or not.
static Result<std::vector<std::string>> parts_of(const std::string& text) {
  std::vector<std::string> out(1);
  bool quoted = false, closed = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '`' && quoted && i + 1 < text.size() && text[i + 1] == '`') {
      out.back() += text[++i];
    } else if (c == '`' && (quoted || out.back().empty())) {
      quoted = !quoted;
      closed = !quoted;
    } else if (c == '.' && !quoted) {
      out.emplace_back();
      closed = false;
    } else if (quoted || (!closed && (std::isalnum(static_cast<unsigned char>(c)) || c == '_' || (c & 0x80)))) {
      out.back() += c;
    } else {
      return refuse(Errc::parse, "[PARSE_SYNTAX_ERROR] IDENTIFIER() was given '" + text + "', which is no name. SQLSTATE: 42601");
    }
  }
  for (const auto& p : out)
    if (p.empty() || quoted)
      return refuse(Errc::parse, "[PARSE_SYNTAX_ERROR] IDENTIFIER() was given '" + text + "', which is no name. SQLSTATE: 42601");
  return out;
}

Result<Resolver::Relation> Resolver::resolve(const Session& session, const Reference& reference, const Rights& rights, bool whole) {
  Relation out;
  switch (reference.kind) {
    case ReferenceKind::range:
      out.columns = {{"id", "bigint"}};
      out.sql = "(SELECT CAST(range AS BIGINT) AS id FROM range(" + reference.path + "))";
      return out;
    case ReferenceKind::path:
    case ReferenceKind::files: {
      // Under a view's owner nobody has checked the path: files are the caller's own business.
      if (rights.owner)
        return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] A view over files is not supported: create a table from them. SQLSTATE: 0A000");
      if (!session.zone().empty()) return fail(only_in_utc(session, "Reading files"));
      TARN_TRY(source, files_.open(session, reference.path, reference.options, reference.kind == ReferenceKind::path, reference.metadata));
      out.columns = std::move(source.columns);
      out.sql = std::move(source.sql);
      out.directories = std::move(source.directories);
      out.outside = true;
      if (source.held) out.held.push_back(std::move(source.held));
      return out;
    }
    case ReferenceKind::changes:
    case ReferenceKind::table:
      break;
  }
  // A moment that a statement names is read where the log is, not where the rows are: in UTC.
  const auto names_moment = reference.timestamp || reference.options.contains("start_timestamp") || reference.options.contains("end_timestamp");
  if (!rights.owner && names_moment && !session.zone().empty()) return fail(only_in_utc(session, "A table as of a time"));
  std::vector<std::string> parts = reference.parts;
  if (!reference.named_by.empty()) {
    const auto given = session.parameters.find(reference.named_by);
    if (given == session.parameters.end() || !given->second.value)
      return refuse(Errc::invalid, "[UNBOUND_SQL_PARAMETER] Found the unbound parameter: " + reference.named_by +
                                       ". Please, fix `args` and provide a mapping of the parameter to a name. SQLSTATE: 42P02");
    TARN_TRY(named, parts_of(*given->second.value));
    parts = std::move(named);
  }
  // What lasts, such as a view's body, knows none of the session's.
  if (const auto made = rights.owner || parts.size() != 1 || !session.state ? nullptr : session.state->view(lower(parts[0]))) {
    if (reference.version || reference.timestamp || reference.kind == ReferenceKind::changes)
      return refuse(Errc::unsupported,
                    "[UNSUPPORTED_FEATURE] Time travel on the temporary view " + backticked(parts) + " is not supported. SQLSTATE: 0A000");
    return temporary(session, lower(parts[0]), *made, rights);
  }
  TARN_TRY(name, qualify(session, parts));
  const auto full = name.full();
  if (system_.knows(name)) {
    if (reference.kind == ReferenceKind::changes)
      return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] table_changes of " + full + " is not supported. SQLSTATE: 0A000");
    if (rights.owner)
      return refuse(Errc::unsupported,
                    "[UNSUPPORTED_FEATURE] A view over " + full + " is not supported: its rows depend on who reads. SQLSTATE: 0A000");
    TARN_TRY(rows, system_.open(session.ctx, name));
    out.name = full;
    out.outside = true;
    out.columns = std::move(rows.columns);
    out.sql = std::move(rows.sql);
    return out;
  }
  catalog::TableInfo info;
  if (rights.owner) {
    if (auto ok = catalog_.require_as_owner(session.ctx, *rights.owner, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, full); !ok) {
      auto e = table_error(ok.error(), name);
      e.message = "The owner '" + *rights.owner + "' of view " + rights.views.back() + " may not read what it refers to: " + e.message;
      return fail(std::move(e));
    }
    auto found = catalog_.table_as_owner(session.ctx, *rights.owner, name);
    if (!found) return fail(table_error(found.error(), name));
    info = *std::move(found);
  } else {
    if (auto ok = catalog_.require(session.ctx, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, full); !ok)
      return fail(table_error(ok.error(), name));
    auto found = catalog_.table(session.ctx, name);
    if (!found) return fail(table_error(found.error(), name));
    info = *std::move(found);
  }
  if (info.table_type == catalog::TableType::VIEW) {
    if (reference.version || reference.timestamp || reference.kind == ReferenceKind::changes)
      return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] Time travel on the view " + full + " is not supported. SQLSTATE: 0A000");
    return view(session, info, rights);
  }
  if (!info.storage_location) return refuse(Errc::engine, "Table '" + full + "' has no storage location");
  if (info.data_source_format && *info.data_source_format != "DELTA")
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] Table '" + full + "' has the format " + *info.data_source_format +
                                         "; this warehouse reads DELTA. SQLSTATE: 0A000");
  // An old version may have columns that had no mask yet, or have none any more.
  if (info.governed() && (reference.version || reference.timestamp || reference.kind == ReferenceKind::changes))
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] Time travel on table " + backticked({name.catalog, name.schema, name.table}) +
                                         " is not supported: it has a row filter or column masks. SQLSTATE: 0A000");
  if (reference.kind == ReferenceKind::changes) {
    TARN_TRY(changed, tables_.changes(*info.storage_location, reference.options));
    out.name = full;
    out.columns = std::move(changed.columns);
    out.sql = std::move(changed.relation);
    out.directories = {changed.table->directory};
    if (changed.held) out.held.push_back(std::move(changed.held));
    out.bases = {full};
    return out;
  }
  auto version = reference.version;
  if (reference.timestamp) {
    TARN_TRY(at, tables_.version_at(*info.storage_location, *reference.timestamp));
    version = at;
  }
  TARN_TRY(opened, tables_.open(*info.storage_location, version));
  if (!version) TARN_CHECK(follow_log(session, info, *opened));
  out.name = full;
  out.columns = opened->columns;
  out.sql = opened->relation;
  out.directories = {opened->directory};
  out.places[opened->directory] = full;
  out.bases = {full};
  out.files = static_cast<std::int64_t>(opened->files.files.size());
  for (const auto& f : opened->files.files) out.bytes += static_cast<std::int64_t>(f.size);
  out.table = std::move(opened);
  if (!whole && !info.governed()) return out;
  TARN_CHECK(settle_files(out, {}));
  if (info.governed()) return governed(session, info, std::move(out), rights);
  return out;
}

Result<Resolver::Relation> Resolver::view(const Session& session, const catalog::TableInfo& info, const Rights& rights) {
  if (std::ranges::find(rights.views, info.full_name) != rights.views.end())
    return refuse(Errc::invalid, "[RECURSIVE_VIEW] Recursive view " + info.full_name + " detected (cycle: " + rights.views.front() + " -> " +
                                     info.full_name + "). SQLSTATE: 42K0H");
  if (rights.views.size() >= kDeepestView)
    return refuse(Errc::invalid,
                  fmt::format("[VIEW_EXCEED_MAX_NESTED_DEPTH] The depth of view {} exceeds the maximum view resolution depth ({}). SQLSTATE: 54K00",
                              info.full_name, kDeepestView));
  if (!info.view_definition) return refuse(Errc::engine, "View '" + info.full_name + "' has no definition");
  Session inner = session;
  // The defaults under which the view was made.
  const auto property = [&](const char* key) {
    const auto i = info.properties.find(key);
    return i == info.properties.end() ? std::string() : i->second;
  };
  inner.catalog = property("view.catalogAndNamespace.part.0");
  inner.schema = property("view.catalogAndNamespace.part.1");
  if (inner.catalog.empty()) inner.catalog = info.catalog_name, inner.schema = info.schema_name;
  inner.parameters.clear();
  Rights inside = rights;
  inside.final = false;
  inside.target = nullptr;
  inside.owner = info.owner;
  inside.views.push_back(info.full_name);
  TARN_TRY(analysis, parser_.analyze(*info.view_definition));
  if (analysis->kind != StatementKind::query) return refuse(Errc::invalid, "The definition of view '" + info.full_name + "' is not a query");
  TARN_TRY(body, compile(inner, *info.view_definition, *analysis, inside));
  TARN_TRY(own, view_columns(session, info, body));
  if (own.follows) TARN_CHECK(follow_view(session, info, own));
  Relation out;
  out.name = info.full_name;
  std::string names, list;
  for (std::size_t i = 0; i < body.columns.size(); ++i) names += fmt::format("{}c{}", i ? ", " : "", i);
  for (std::size_t i = 0; i < own.columns.size(); ++i)
    list += (i ? ", " : "") + (own.values[i].empty() ? fmt::format("view_.c{}", own.places[i]) : own.values[i]) + " AS " +
            delta::sql_identifier(own.columns[i].name);
  out.columns = std::move(own.columns);
  out.sql = "(SELECT " + list + " FROM (" + body.sql + ") AS view_(" + names + "))";
  out.directories = std::move(body.directories);
  out.held = std::move(body.held);
  out.views = std::move(body.views);
  add_unique(out.views, {info.full_name});
  out.bases = std::move(body.bases);
  out.files = body.files, out.bytes = body.bytes, out.skipped = body.skipped;
  out.places = std::move(body.places);
  out.guarded = body.guarded, out.outside = body.outside, out.asks = body.asks;
  // A view that shows what its reader may not read directly: its own conditions come first.
  if (!sees_all(session, rights, out.bases)) return guarded(session, std::move(out));
  return out;
}

Result<std::string> Resolver::fill(const Session& session, const std::vector<Piece>& pieces, std::span<const Relation> relations,
                                   std::vector<std::shared_ptr<const void>>& held) const {
  std::string out;
  const auto& caller = session.ctx.caller;
  const auto boolean = [](bool b) { return b ? "TRUE" : "FALSE"; };
  for (const auto& p : pieces) {
    switch (p.kind) {
      case Piece::Kind::text:
        out += p.text;
        break;
      case Piece::Kind::relation:
        out += relations[static_cast<std::size_t>(p.index)].sql;
        break;
      case Piece::Kind::target:
        throw std::logic_error("a target outside a change");
      case Piece::Kind::parameter: {
        TARN_TRY(text, literal(session, p.text));
        out += text;
        break;
      }
      case Piece::Kind::asker: {
        if (!questions_) return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] ai_query is not supported by this warehouse. SQLSTATE: 0A000");
        auto admitted = questions_->admit(session.ctx);
        out += delta::sql_string(admitted.token);
        held.push_back(std::move(admitted.held));
        break;
      }
      case Piece::Kind::user:
        out += delta::sql_string(caller.name);
        break;
      case Piece::Kind::member:
        out += boolean(caller.group_names.contains(p.text));
        break;
      case Piece::Kind::local_member:
        out += boolean(caller.group_names.contains(p.text) || caller.workspace_groups.contains(p.text));
        break;
      case Piece::Kind::catalog:
        out += session.catalog.empty() ? "NULL" : delta::sql_string(session.catalog);
        break;
      case Piece::Kind::schema:
        out += session.schema.empty() ? "NULL" : delta::sql_string(session.schema);
        break;
    }
  }
  return out;
}

}  // namespace tarn::sql
