// Statements that write rows: CREATE TABLE [AS SELECT], INSERT, DELETE, UPDATE.
#include "base/text.h"
#include "delta/protocol.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& n : names) out += (out.empty() ? "" : ", ") + backticked(n);
  return out;
}

Error arity(std::string_view which, std::string_view called, const std::vector<std::string>& table, const std::vector<std::string>& data) {
  const bool few = which == "NOT_ENOUGH_DATA_COLUMNS";
  return {Errc::invalid, fmt::format("[INSERT_COLUMN_ARITY_MISMATCH.{}] Cannot write to {}, the reason is {} data columns:\nTable columns: {}.\nData "
                                     "columns: {}. SQLSTATE: 21S01",
                                     which, called, few ? "not enough" : "too many", listed(table), listed(data))};
}

}  // namespace

Result<Executor::Target> Executor::writable(const Session& session, const std::vector<std::string>& parts) {
  Target out;
  if (parts.size() == 1 && session.state && session.state->view(lower(parts[0])))
    return refuse(Errc::invalid,
                  "[EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE] The operation expects a table but " + backticked(parts) + " is a view. SQLSTATE: 42809");
  TARN_TRY(name, resolver_.qualify(session, parts));
  out.name = name;
  const auto full = name.full();
  if (system_.knows(name))
    return refuse(Errc::permission_denied, "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nTable '" + full +
                                               "' is provided by the platform and cannot be changed. SQLSTATE: 42501");
  if (auto ok = catalog_.require(session.ctx, catalog::Privilege::MODIFY, catalog::SecurableType::TABLE, full); !ok)
    return fail(Resolver::table_error(ok.error(), name));
  auto info = catalog_.table(session.ctx, name);
  if (!info) return fail(Resolver::table_error(info.error(), name));
  if (info->table_type == catalog::TableType::VIEW)
    return refuse(Errc::invalid, "[EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE] The operation expects a table but " +
                                     backticked({name.catalog, name.schema, name.table}) + " is a view. SQLSTATE: 42809");
  if (!info->storage_location) return refuse(Errc::engine, "Table '" + full + "' has no storage location");
  out.info = *std::move(info);
  TARN_TRY(table, tables_.open(*out.info.storage_location));
  out.table = std::move(table);
  TARN_CHECK(resolver_.follow_log(session, out.info, *out.table));
  return out;
}

Result<std::string> Executor::shaped(const Session& session, const OpenTable& table, const Compiled& query, const std::vector<std::string>& columns,
                                     bool by_name, std::string_view called, std::vector<std::optional<std::size_t>>& sources) {
  std::vector<std::string> own;
  for (const auto& c : table.columns) own.push_back(c.name);
  sources.assign(own.size(), std::nullopt);
  const auto place = [&](const std::string& name) -> Result<std::size_t> {
    for (std::size_t i = 0; i < own.size(); ++i)
      if (lower(own[i]) == lower(name)) return i;
    return refuse(Errc::unresolved, "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name " + backticked(name) +
                                        " cannot be resolved. Did you mean one of the following? [" + listed(own) + "]. SQLSTATE: 42703");
  };
  // The engine holds these as numbers; a table cannot hold them at all.
  for (const auto& t : query.types)
    if (t.find("interval") != std::string::npos || t.find("time(") != std::string::npos)
      return refuse(Errc::invalid,
                    "[DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION] A value of the type \"" + t + "\" cannot be stored in a table. SQLSTATE: 42K09");
  const auto& targets = by_name ? query.columns : columns;
  if (targets.empty()) {
    if (query.columns.size() < own.size()) return fail(arity("NOT_ENOUGH_DATA_COLUMNS", called, own, query.columns));
    if (query.columns.size() > own.size()) return fail(arity("TOO_MANY_DATA_COLUMNS", called, own, query.columns));
    for (std::size_t i = 0; i < own.size(); ++i) sources[i] = i;
  } else {
    if (query.columns.size() < targets.size()) return fail(arity("NOT_ENOUGH_DATA_COLUMNS", called, targets, query.columns));
    if (query.columns.size() > targets.size()) return fail(arity("TOO_MANY_DATA_COLUMNS", called, targets, query.columns));
    for (std::size_t i = 0; i < targets.size(); ++i) {
      TARN_TRY(at, place(targets[i]));
      if (sources[at])
        return refuse(Errc::invalid, "[COLUMN_ALREADY_EXISTS] The column " + backticked(targets[i]) +
                                         " already exists. Choose another name or rename the existing column. SQLSTATE: 42711");
      sources[at] = i;
    }
  }
  std::string list, aliases;
  for (std::size_t i = 0; i < query.columns.size(); ++i) aliases += fmt::format("{}c{}", i ? ", " : "", i);
  // Values of another type are cast as Spark casts them, not as the engine would.
  std::vector<Parser::Stored> others;
  std::vector<std::size_t> at;
  std::vector<std::string> values(own.size(), "NULL");
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (!sources[i]) {
      TARN_TRY(otherwise, default_of(session, table.snapshot->metadata.schema.fields[i]));
      values[i] = std::move(otherwise);
      continue;
    }
    values[i] = "src_.c" + std::to_string(*sources[i]);
    if (table.columns[i].type == "variant" && *sources[i] >= query.types.size())
      return refuse(Errc::unsupported,
                    "[UNSUPPORTED_FEATURE] Loading a file's values into the VARIANT column " + backticked(own[i]) +
                        " is not supported by this warehouse. Use INSERT ... SELECT parse_json(...) FROM read_files(...). SQLSTATE: 0A000");
    if (*sources[i] >= query.types.size() || lower(query.types[*sources[i]]) == lower(table.columns[i].type)) continue;
    others.push_back({values[i], query.types[*sources[i]], table.columns[i].type});
    at.push_back(i);
  }
  if (!others.empty()) {
    TARN_TRY(cast, parser_.assign(others, session.zone()));
    for (std::size_t k = 0; k < at.size(); ++k) values[at[k]] = cast[k];
  }
  for (std::size_t i = 0; i < own.size(); ++i)
    list += fmt::format("{}CAST({} AS {}) AS {}", i ? ", " : "", values[i], table.files.columns[i].duckdb, delta::sql_identifier(own[i]));
  return fmt::format("SELECT {} FROM ({}) AS src_({})", list, query.sql, aliases);
}

void Executor::record(const Session& session, const Compiled& query, const catalog::TableName& target, const std::vector<std::string>& target_columns,
                      const std::vector<std::optional<std::size_t>>& sources) {
  catalog::LineageRecord record{.statement_id = session.statement_id, .read_tables = query.read_tables, .written_table = target.full()};
  for (std::size_t i = 0; i < target_columns.size(); ++i) {
    if (!sources[i] || *sources[i] >= query.lineage.size()) continue;
    for (const auto& [table, column] : query.lineage[*sources[i]]) record.columns.push_back({table, column, target.full(), target_columns[i]});
  }
  catalog_.record_lineage(session.ctx, record);
}

Result<Done> Executor::create_table(const Call& c, const std::map<std::string, std::string>& constraints) {
  const auto& a = c.analysis;
  const auto& ctx = c.session.ctx;
  TARN_TRY(name, resolver_.qualify(c.session, a.target));
  if (!a.file_format.empty() && a.file_format != "delta")
    return refuse(Errc::unsupported,
                  "[UNSUPPORTED_FEATURE] USING " + a.file_format + " is not supported by this warehouse: tables are DELTA. SQLSTATE: 0A000");
  if (a.or_replace && a.if_not_exists)
    return refuse(Errc::parse, "[PARSE_SYNTAX_ERROR] CREATE OR REPLACE and IF NOT EXISTS exclude each other. SQLSTATE: 42601");
  auto existing = catalog_.table(ctx, name);
  if (existing && !a.or_replace) {
    if (a.if_not_exists) return deliver(c, {}, {});
    return refuse(Errc::already_exists, "[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create table or view " +
                                            backticked({name.catalog, name.schema, name.table}) +
                                            " because it already exists. Choose a different name, drop or replace the existing object, or add the IF "
                                            "NOT EXISTS clause to tolerate pre-existing objects. SQLSTATE: 42P07");
  }
  Compiled query;
  std::vector<ColumnClause> columns = a.columns;
  if (a.has_query) {
    if (!a.columns.empty())
      return refuse(Errc::invalid, "[PARSE_SYNTAX_ERROR] Schema may not be specified in a Create Table As Select (CTAS) statement. SQLSTATE: 42601");
    TARN_TRY(compiled, ready(c, c.sql, a));
    c.guarded = compiled.guarded;
    query = std::move(compiled);
    TARN_TRY(found, engine_.describe(engine::Scope{.directories = query.directories}, query.sql, c.session.cancel));
    std::set<std::string> seen;
    for (std::size_t i = 0; i < found.size(); ++i) {
      auto type = query.types.at(i) == "void" ? std::string("string") : query.declared.at(i).empty() ? query.types[i] : query.declared[i];
      const auto& called = i < query.columns.size() ? query.columns[i] : found[i].name;
      if (!seen.insert(lower(called)).second)
        return refuse(Errc::invalid, "[COLUMN_ALREADY_EXISTS] The column " + backticked(called) +
                                         " already exists. Choose another name or rename the existing column. SQLSTATE: 42711");
      columns.push_back({.name = called, .type = std::move(type)});
    }
  } else if (columns.empty()) {
    return refuse(
        Errc::unsupported,
        "[UNSUPPORTED_FEATURE] CREATE TABLE without columns is not supported by this warehouse: list them, or give AS SELECT. SQLSTATE: 0A000");
  }
  for (const auto& col : columns)
    if (col.type.empty()) return refuse(Errc::parse, "[PARSE_SYNTAX_ERROR] Column " + backticked(col.name) + " has no type. SQLSTATE: 42601");
  delta::Metadata metadata;
  TARN_TRY(schema, schema_of(columns));
  metadata.schema = std::move(schema);
  metadata.partition_columns = a.partitioned_by;
  metadata.description = a.comment.value_or("");
  for (const auto& [k, v] : a.properties)
    if (k.starts_with("delta.")) metadata.configuration[k] = v;
  if (auto ok = delta::check_properties(metadata.configuration, delta::SetBy::user); !ok) return fail(from_delta(ok.error()));
  for (const auto& [k, v] : constraints) metadata.configuration["delta.constraints." + k] = v;
  TARN_CHECK(check_expressions(c.session, metadata));

  catalog::NewTable wanted{.name = name, .type = a.location ? catalog::TableType::EXTERNAL : catalog::TableType::MANAGED};
  for (std::size_t i = 0; i < columns.size(); ++i) {
    TARN_TRY(info, column_info(columns[i].name, columns[i].type, static_cast<int>(i), columns[i].nullable, columns[i].comment));
    for (std::size_t p = 0; p < a.partitioned_by.size(); ++p)
      if (lower(a.partitioned_by[p]) == lower(info.name)) info.partition_index = static_cast<int>(p);
    wanted.columns.push_back(std::move(info));
  }
  wanted.storage_location = a.location;
  wanted.comment = a.comment;
  wanted.properties = a.properties;
  TARN_CHECK(name_policies(c, wanted));
  if (wanted.row_filter || !wanted.masks.empty()) {
    catalog::TableInfo next{.full_name = name.full(), .columns = wanted.columns, .owner = existing ? existing->owner : ctx.caller.name};
    next.row_filter = wanted.row_filter;
    for (auto& k : next.columns)
      for (const auto& [column, mask] : wanted.masks)
        if (lower(column) == lower(k.name)) k.mask = mask;
    TARN_CHECK(try_policies(c, std::move(next)));
  }
  auto planned = catalog_.plan_table(ctx, wanted);
  if (!planned) return fail(Resolver::catalog_error(planned.error()));
  std::string location = *planned;
  bool in_place = false;
  if (existing) {
    if (existing->table_type == catalog::TableType::VIEW)
      return refuse(Errc::invalid, "[EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE] " + backticked({name.catalog, name.schema, name.table}) +
                                       " is a view: drop it first. SQLSTATE: 42809");
    // Judged before a byte is written: replacing is the owner's right.
    if (auto ok = catalog_.require(ctx, catalog::Privilege::MANAGE, catalog::SecurableType::TABLE, name.full()); !ok)
      return fail(Resolver::table_error(ok.error(), name));
    if (existing->storage_location && existing->table_type == wanted.type && (!a.location || *existing->storage_location == location))
      location = *existing->storage_location, in_place = true;
  }

  std::string text;
  std::vector<std::optional<std::size_t>> sources(columns.size());
  std::vector<std::string> names;
  if (a.has_query) {
    std::string list, aliases;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      list += fmt::format("{}CAST(src_.c{} AS {}) AS {}", i ? ", " : "", i, delta::duckdb_type(metadata.schema.fields[i].type),
                          delta::sql_identifier(columns[i].name));
      aliases += fmt::format("{}c{}", i ? ", " : "", i);
      sources[i] = i;
    }
    text = fmt::format("SELECT {} FROM ({}) AS src_({})", list, query.sql, aliases);
  }
  for (const auto& col : columns) names.push_back(col.name);
  // An external location may hold a Delta table already: CREATE TABLE over it registers it, if the columns agree.
  if (a.location && !in_place && !a.has_query && tables_.exists(location)) {
    TARN_TRY(found, tables_.open(location));
    if (delta::schema_string(found->snapshot->metadata.schema) != delta::schema_string(metadata.schema))
      return refuse(Errc::invalid, "[DELTA_CREATE_TABLE_SCHEME_MISMATCH] The specified schema does not match the existing schema at " + location +
                                       ". SQLSTATE: 42KD7");
    auto made = catalog_.create_table(ctx, wanted, location, a.or_replace);
    if (!made) return fail(Resolver::catalog_error(made.error()));
    return deliver(c, {}, {});
  }
  TARN_TRY(written, tables_.create(location, metadata, text, query.directories, in_place, ctx.caller.name, c.session.cancel, {}, a.cluster_by));
  auto made = catalog_.create_table(ctx, wanted, location, a.or_replace);
  if (!made) {
    // Nobody knows the new place yet; what was there before stays.
    if (!in_place && !a.location)
      if (const auto url = objects::Url::parse(location + "/")) (void)objects_.remove_all(*url);
    return fail(Resolver::catalog_error(made.error()));
  }
  record(c.session, query, name, names, sources);
  if (!a.has_query) return deliver(c, {}, {});
  return affected(c, written.rows, true);
}

Result<void> Executor::show_evolved(const Session& session, const Target& target, const OpenTable& written) {
  if (!written.evolved) return {};
  TARN_TRY(now, tables_.open(*target.info.storage_location));
  return resolver_.follow_log(session, target.info, *now);
}

/// Which rows INSERT ... REPLACE WHERE and REPLACE USING take away: a condition on the table, and the columns of USING as the table calls them.
Result<CompiledChange> Executor::replaced(const Call& c, const Target& target, std::vector<std::string>& equal) {
  auto condition = c.analysis.query_text;
  const auto unsupported = [&](const std::string& what) {
    return refuse(Errc::unsupported, std::string("[UNSUPPORTED_FEATURE] INSERT ... REPLACE ") +
                                         (c.analysis.replace_using.empty() ? "WHERE " : "USING ") + what +
                                         " is not supported by this warehouse. SQLSTATE: 0A000");
  };
  for (const auto& name : c.analysis.replace_using) {
    const auto at = std::ranges::find_if(target.table->columns, [&](const auto& k) { return lower(k.name) == lower(name); });
    if (at != target.table->columns.end()) {
      if (at->type.find('<') != std::string::npos || at->type == "variant" || at->declared.starts_with("char("))
        return unsupported("by a column of type " + (at->declared.empty() ? at->type : at->declared));
      equal.push_back(at->name);
    }
    condition += (condition.empty() ? "" : " AND ") + backticked(name) + " IS NOT NULL";  // says which columns there are not
  }
  if (c.analysis.evolves) return unsupported("WITH SCHEMA EVOLUTION");
  // The condition reads the table too.
  if (auto ok = catalog_.require(c.session.ctx, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, target.name.full()); !ok)
    return fail(Resolver::table_error(ok.error(), target.name));
  const auto text = "DELETE FROM " + backticked({target.name.catalog, target.name.schema, target.name.table}) + " WHERE " + condition;
  TARN_TRY(analysis, parser_.analyze(text));
  if (analysis->kind != StatementKind::delete_)
    return refuse(Errc::parse, "[PARSE_SYNTAX_ERROR] Syntax error at or near '" + condition + "': REPLACE WHERE needs a condition. SQLSTATE: 42601");
  if (!analysis->tables.empty() || !analysis->routines.empty() || !analysis->endpoints.empty())
    return unsupported("with a subquery or a function of the catalog in its condition");
  TARN_TRY(compiled, resolver_.compile_change(c.session, text, *analysis, *target.table, target.info));
  if (compiled.guarded) return unsupported("of a table with a row filter or column masks");
  return std::move(compiled);
}

Result<Done> Executor::insert(const Call& c) {
  TARN_TRY(target, writable(c.session, c.analysis.target));
  TARN_TRY(query, ready(c, c.sql, c.analysis, false, target.table.get()));
  c.guarded = query.guarded;
  c.metrics.files = query.files, c.metrics.bytes = query.bytes, c.metrics.skipped = query.skipped;
  std::vector<std::optional<std::size_t>> sources;
  const auto called = backticked({target.name.catalog, target.name.schema, target.name.table});
  auto table = target.table;
  if (c.analysis.evolves) {
    std::vector<RelationColumn> given;
    for (std::size_t i = 0; i < query.columns.size() && i < query.types.size(); ++i) {
      const auto& named = c.analysis.insert_columns;
      // By place: what comes after the table's own columns is new. Of columns that the statement lists, those that are not there are refused below.
      const auto name = c.analysis.by_name          ? query.columns[i]
                        : !named.empty()            ? (i < named.size() ? named[i] : "")
                        : i < table->columns.size() ? table->columns[i].name
                                                    : query.columns[i];
      if (named.empty() || table->snapshot->metadata.schema.find(name)) given.push_back({name, query.types[i]});
    }
    TARN_TRY(next, tables_.evolve(table, given));
    table = std::move(next);
  }
  TARN_TRY(text, shaped(c.session, *table, query, c.analysis.insert_columns, c.analysis.by_name, called, sources));
  std::vector<std::string> names, provided;
  for (std::size_t i = 0; i < table->columns.size(); ++i) {
    names.push_back(table->columns[i].name);
    if (sources[i]) provided.push_back(names.back());
  }
  TARN_TRY(ruled, rules(c.session, table->snapshot->metadata, provided, true));
  const auto run = [&]() -> Result<Written> {
    const auto& user = c.session.ctx.caller.name;
    if (c.analysis.query_text.empty() && c.analysis.replace_using.empty())
      return tables_.insert(*table, text, query.directories, c.analysis.overwrite, std::nullopt, user, c.session.cancel, ruled);
    std::vector<std::string> equal;
    TARN_TRY(gone, replaced(c, target, equal));
    auto sources_of_both = query.directories;
    sources_of_both.insert(sources_of_both.end(), gone.directories.begin(), gone.directories.end());
    return tables_.replace(*table, text, gone.predicate, gone.alias, c.analysis.query_text, equal, sources_of_both, user, c.session.cancel, ruled);
  };
  TARN_TRY(written, run());
  record(c.session, query, target.name, names, sources);
  TARN_CHECK(show_evolved(c.session, target, *table));
  return affected(c, written.rows, true);
}

Result<Done> Executor::change(const Call& c) {
  TARN_TRY(target, writable(c.session, c.analysis.target));
  const auto full = target.name.full();
  // The predicate reads the table too.
  if (auto ok = catalog_.require(c.session.ctx, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, full); !ok)
    return fail(Resolver::table_error(ok.error(), target.name));
  TARN_TRY(compiled, resolver_.compile_change(c.session, c.sql, c.analysis, *target.table, target.info));
  c.guarded = compiled.guarded;
  RowRules ruled;
  if (!compiled.assignments.empty()) {
    std::vector<std::string> provided;
    for (const auto& [column, value] : compiled.assignments) provided.push_back(column);
    TARN_TRY(of_table, rules(c.session, target.table->snapshot->metadata, provided, false));
    ruled = std::move(of_table);
  }
  TARN_TRY(written, tables_.rewrite(*target.table,
                                    {.predicate = std::move(compiled.predicate),
                                     .alias = std::move(compiled.alias),
                                     .assignments = std::move(compiled.assignments),
                                     .sources = std::move(compiled.directories),
                                     .bounds = std::move(compiled.bounds)},
                                    c.session.ctx.caller.name, c.session.cancel, ruled));
  catalog::LineageRecord record{
      .statement_id = c.session.statement_id, .read_tables = compiled.read_tables, .written_table = full, .columns = compiled.lineage};
  catalog_.record_lineage(c.session.ctx, record);
  return affected(c, written.rows, false);
}

}  // namespace tarn::sql
