// MERGE INTO. The source is read once, into Parquet beside the table, so that every step sees the same rows; then the files with rows to change
// are found, and one query yields what they and the inserted rows become. One commit, or none.
#include <filesystem>

#include "base/ids.h"
#include "base/text.h"
#include "delta/paths.h"
#include "sql/executor.h"
#include "sql/scratch.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

constexpr std::string_view kAmbiguous =
    "[DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE] Cannot perform Merge as multiple source rows matched and attempted to modify the same\n"
    "target row in the Delta table in possibly conflicting ways. By SQL semantics of Merge,\nwhen multiple source rows match on the same target row, "
    "the "
    "result may be ambiguous\nas it is unclear which source row should be used to update or delete the matching\ntarget row. You can preprocess the "
    "source table to eliminate the possibility of\nmultiple matches. SQLSTATE: 21506";

using Clauses = std::vector<const MergeStep*>;

Clauses of_kind(const MergePlan& plan, MergeKind kind) {
  Clauses out;
  for (const auto& c : plan.steps)
    if (c.kind == kind) out.push_back(&c);
  return out;
}

std::string condition(const MergeStep& c) { return c.condition.empty() ? "TRUE" : "coalesce((" + c.condition + "), FALSE)"; }

/// Whether one of the clauses applies.
std::string any(const Clauses& clauses) {
  std::string out;
  for (const auto* c : clauses) out += (out.empty() ? "" : " OR ") + condition(*c);
  return out.empty() ? "FALSE" : "(" + out + ")";
}

/// 1 where the first clause that applies deletes, 0 where it updates.
std::string deletes(const Clauses& clauses) {
  std::string out = "CASE";
  for (const auto* c : clauses) out += " WHEN " + condition(*c) + " THEN " + (c->action == MergeAction::delete_ ? "1" : "0");
  return out + " ELSE 0 END";
}

const std::string* value_of(const MergeStep& c, const std::string& column) {
  for (const auto& [name, text] : c.values)
    if (name == column) return &text;
  return nullptr;
}

}  // namespace

Result<Merged> Tables::merge(const OpenTable& table, const std::string& source, const std::vector<std::string>& sources, const MergePlan& plan,
                             const std::string& user, engine::CancelToken* cancel, const RowRules& rules) {
  if (!table.files.plain())
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] Changing rows of a table with " + table.files.read_only +
                                         " is not supported by this warehouse. SQLSTATE: 0A000");
  TARN_TRY(held, hold(table));
  (void)held;
  const Scratch scratch(table.directory + "/_tarn_merge_" + new_hex(8));
  std::error_code ec;
  std::filesystem::create_directories(scratch.path, ec);
  if (ec) return refuse(Errc::unavailable, "The folder of a MERGE cannot be made: " + ec.message());
  engine::WriteRequest copy;
  copy.query = source;
  copy.directory = scratch.path;
  copy.compression = "uncompressed";
  TARN_TRY(parts, engine_.write({.directories = sources, .writable = {scratch.path}}, copy, cancel));
  engine::Scope scope{.directories = {table.directory}};
  scope.directories.insert(scope.directories.end(), plan.directories.begin(), plan.directories.end());
  std::string rows;
  for (const auto& p : parts) rows += (rows.empty() ? "" : ", ") + delta::sql_string(scratch.path + "/" + p.path);
  if (rows.empty()) {
    rows = "(SELECT * FROM (" + source + ") WHERE FALSE)";
    scope.directories.insert(scope.directories.end(), sources.begin(), sources.end());
  } else {
    rows = "read_parquet([" + rows + "], hive_partitioning = false)";
  }
  std::ranges::sort(scope.directories);
  scope.directories.erase(std::unique(scope.directories.begin(), scope.directories.end()), scope.directories.end());

  const auto matched = of_kind(plan, MergeKind::matched), unmatched = of_kind(plan, MergeKind::not_matched),
             lone = of_kind(plan, MergeKind::by_source);
  const auto t = delta::sql_identifier(plan.target_alias), s = delta::sql_identifier(plan.source_alias);
  const std::string unique = new_hex(6), file = "tarn_file_" + unique, row = "tarn_row_" + unique, seen = "tarn_seen_" + unique;
  const std::string from_source = rows + " AS " + s;
  const std::string has_source = "EXISTS (SELECT 1 FROM " + from_source + " WHERE " + plan.on + ")";
  auto whole = delta::relation_sql(table.files);
  auto placed = delta::relation_sql(table.files, {.file_column = file, .row_column = row});
  if (!whole) return fail(from_delta(whole.error()));
  if (!placed) return fail(from_delta(placed.error()));
  const std::string no_target = "NOT EXISTS (SELECT 1 FROM " + *whole + " AS " + t + " WHERE " + plan.on + ")";

  // Which files have rows to change, and how many.
  std::vector<std::string> looks;
  if (!matched.empty())
    looks.push_back(fmt::format(
        "SELECT f, count(*) FILTER (gone = 0) AS u, count(*) FILTER (gone = 1) AS d, max(n) AS most FROM (SELECT {0}.{1} AS f, {0}.{2} AS "
        "r, count(*) AS n, max({3}) AS gone FROM {4} AS {0} JOIN {5} ON ({6}) WHERE {7} GROUP BY 1, 2) GROUP BY 1",
        t, delta::sql_identifier(file), delta::sql_identifier(row), deletes(matched), *placed, from_source, plan.on, any(matched)));
  if (!lone.empty())
    looks.push_back(
        fmt::format("SELECT {0}.{1} AS f, count(*) FILTER ({2} = 0) AS u, count(*) FILTER ({2} = 1) AS d, 1 AS most FROM {3} AS {0} WHERE "
                    "{4} AND NOT {5} GROUP BY 1",
                    t, delta::sql_identifier(file), deletes(lone), *placed, any(lone), has_source));
  if (!unmatched.empty())
    looks.push_back(
        fmt::format("SELECT NULL AS f, count(*) AS u, 0 AS d, 1 AS most FROM {} WHERE {} AND {}", from_source, any(unmatched), no_target));
  engine::Request look;
  for (const auto& l : looks) look.sql += (look.sql.empty() ? "" : " UNION ALL ") + ("SELECT * FROM (" + l + ")");
  Merged out;
  std::set<std::string> hits;
  std::int64_t most = 1;
  const engine::Sink sink{.schema = [](const std::vector<engine::Column>&) {},
                          .chunk =
                              [&](std::string chunk, std::int64_t) {
                                auto v = json::parse(chunk);
                                if (!v) return false;
                                for (const auto& r : v->as_array()) {
                                  const auto number = [&](std::size_t i) { return std::stoll(std::string(r.as_array().at(i).as_string())); };
                                  if (r.as_array().at(0).is_null()) {
                                    out.inserted += number(1);
                                    continue;
                                  }
                                  hits.insert(std::string(r.as_array().at(0).as_string()));
                                  out.updated += number(1);
                                  out.deleted += number(2);
                                  most = std::max<std::int64_t>(most, number(3));
                                }
                                return true;
                              }};
  TARN_TRY(summary, engine_.run(scope, look, sink, cancel));
  (void)summary;
  const bool only_delete = matched.size() == 1 && matched[0]->action == MergeAction::delete_ && matched[0]->condition.empty();
  if (most > 1 && !only_delete) return refuse(Errc::invalid, std::string(kAmbiguous));
  out.version = table.snapshot->version;
  if (hits.empty() && out.inserted == 0) {
    if (!table.evolved) return out;
    delta::Commit columns;  // Delta makes them even where no row needs them
    columns.operation = delta::Operation::merge;
    columns.honours = honoured_features();
    carry(table, columns, {}, {});
    TARN_TRY(version, this->commit(table, std::move(columns), user));
    out.version = version;
    return out;
  }

  // A column's value in a branch of CASE: of the step that applies first.
  const auto branch = [&](std::string& text, const MergeStep& step, const std::string& when, const delta::DataColumn& c, const std::string& own) {
    const auto* v = step.action == MergeAction::update ? value_of(step, c.name) : nullptr;
    text += fmt::format(" WHEN {} AND {} THEN {}", when, condition(step), v ? "CAST((" + *v + ") AS " + c.duckdb + ")" : own);
  };
  const auto inserted_value = [&](const delta::DataColumn& c) {
    std::string text = "CASE";
    for (const auto* u : unmatched) {
      const auto* v = value_of(*u, c.name);
      text += fmt::format(" WHEN {} THEN CAST(({}) AS {})", condition(*u), v ? *v : "NULL", c.duckdb);
    }
    return text + " END";
  };
  if (is_staged(table)) {
    const bool tracks = !table.files.row_ids.empty();
    const std::string id = tracks ? t + "." + delta::sql_identifier(row + "_id") : "CAST(NULL AS BIGINT)";
    delta::RelationOptions options{.file_column = file, .row_column = row};
    if (tracks) options.row_id_column = row + "_id";
    auto tracked = delta::relation_sql(table.files, options);
    if (!tracked) return fail(from_delta(tracked.error()));
    const auto changed = [&](const Clauses& steps) {
      std::string list;
      for (std::size_t i = 0; i < table.files.columns.size(); ++i) {
        const auto& c = table.files.columns[i];
        const auto own = t + "." + delta::sql_identifier(c.name);
        std::string text = "CASE";
        for (const auto* step : steps) branch(text, *step, "TRUE", c, own);
        list += fmt::format("{} AS o{}, {} ELSE {} END AS n{}, ", own, i, text, own, i);
      }
      return fmt::format("{}CASE WHEN ({}) = 1 THEN 'd' ELSE 'u' END AS act, {}.{} AS f, {}.{} AS r, {} AS rid", list, deletes(steps), t,
                         delta::sql_identifier(file), t, delta::sql_identifier(row), id);
    };
    std::vector<std::string> parts_of;
    if (!matched.empty() && !hits.empty())
      parts_of.push_back(fmt::format("SELECT * FROM (SELECT {} FROM {} AS {} JOIN {} ON ({}) WHERE {}) AS m_{}", changed(matched), *tracked, t,
                                     from_source, plan.on, any(matched), only_delete ? " QUALIFY row_number() OVER (PARTITION BY f, r) = 1" : ""));
    if (!lone.empty() && !hits.empty())
      parts_of.push_back(fmt::format("SELECT {} FROM {} AS {} WHERE {} AND NOT {}", changed(lone), *tracked, t, any(lone), has_source));
    if (out.inserted > 0) {
      std::string list;
      for (std::size_t i = 0; i < table.files.columns.size(); ++i) {
        const auto& c = table.files.columns[i];
        list += fmt::format("CAST(NULL AS {}) AS o{}, {} AS n{}, ", c.duckdb, i, inserted_value(c), i);
      }
      parts_of.push_back(fmt::format(
          "SELECT {}'i' AS act, CAST(NULL AS VARCHAR) AS f, CAST(NULL AS BIGINT) AS r, CAST(NULL AS BIGINT) AS rid FROM {} WHERE {} AND {}", list,
          from_source, any(unmatched), no_target));
    }
    std::string query;
    for (const auto& part : parts_of) query += (query.empty() ? "" : " UNION ALL ") + ("SELECT * FROM (" + part + ") AS p_");
    TARN_TRY(staged, stage(table.place(), query, scope.directories, scratch.path + "/rows", cancel));
    TARN_TRY(done, apply(table, staged, scratch.path, delta::Operation::merge, user, cancel, rules));
    return Merged{.version = done.version, .updated = done.updated, .deleted = done.deleted, .inserted = done.inserted};
  }

  delta::Commit commit;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < table.files.files.size(); ++i) {
    const auto& f = table.files.files[i];
    if (!hits.contains(f.location)) continue;
    places.push_back(i);
    delta::RemoveFile gone;
    gone.path = f.path;
    gone.deletion_timestamp = SystemClock().now();
    commit.remove.push_back(std::move(gone));
    commit.read_files.push_back(f.path);
  }
  if (places.size() != hits.size()) return refuse(Errc::engine, "The engine named a data file that the table does not have");
  std::string query;
  if (!places.empty()) {
    auto touched = delta::relation_sql(table.files, {.files = places});
    if (!touched) return fail(from_delta(touched.error()));
    // A target row meets at most one source row whose clause applies: that was checked above (a lone DELETE may meet many).
    const std::string hit = s + "." + delta::sql_identifier(seen) + " IS NOT NULL", alone = t + "." + delta::sql_identifier(seen + "_no");
    std::string list, gone = "CASE";
    for (const auto& c : table.files.columns) {
      const auto own = t + "." + delta::sql_identifier(c.name);
      std::string text = "CASE";
      for (const auto* m : matched) branch(text, *m, hit, c, own);
      for (const auto* m : lone) branch(text, *m, alone, c, own);
      list += fmt::format("{}{} ELSE {} END AS {}", list.empty() ? "" : ", ", text, own, delta::sql_identifier(c.name));
    }
    for (const auto* m : matched)
      gone += " WHEN " + hit + " AND " + condition(*m) + (m->action == MergeAction::delete_ ? " THEN TRUE" : " THEN FALSE");
    for (const auto* m : lone)
      gone += " WHEN " + alone + " AND " + condition(*m) + (m->action == MergeAction::delete_ ? " THEN TRUE" : " THEN FALSE");
    gone += " ELSE FALSE END";
    query = fmt::format(
        "SELECT {} FROM (SELECT *, {} AS {} FROM {} AS {}) AS {} LEFT JOIN (SELECT *, TRUE AS {} FROM {}) AS {} ON ({}) AND {} WHERE NOT {}", list,
        lone.empty() ? "FALSE" : "NOT " + has_source, delta::sql_identifier(seen + "_no"), *touched, t, t, delta::sql_identifier(seen), from_source,
        s, plan.on, any(matched), gone);
  }
  if (out.inserted > 0) {
    std::string list;
    for (const auto& c : table.files.columns)
      list += fmt::format("{}{} AS {}", list.empty() ? "" : ", ", inserted_value(c), delta::sql_identifier(c.name));
    query += fmt::format("{}SELECT {} FROM {} WHERE {} AND {}", query.empty() ? "" : " UNION ALL ", list, from_source, any(unmatched), no_target);
  }
  if (rules.around) {
    TARN_TRY(ruled, rules.around(query, {}));
    query = std::move(ruled);
  }
  std::int64_t kept = 0;
  TARN_TRY(files, write_files(table.place(), table.snapshot->metadata, {.query = query, .sources = scope.directories}, kept, cancel));
  carry(table, commit, files, out.inserted > 0 ? rules.identities : std::vector<std::string>());
  commit.operation = delta::Operation::merge;
  commit.honours = honoured_features();
  commit.add = files;
  commit.blind_append = false;
  commit.read_whole_table = true;
  commit.operation_metrics = {{"numTargetRowsInserted", std::to_string(out.inserted)},
                              {"numTargetRowsUpdated", std::to_string(out.updated)},
                              {"numTargetRowsDeleted", std::to_string(out.deleted)}};
  TARN_TRY(version, this->commit(table, std::move(commit), user));
  out.version = version;
  return out;
}

Result<Done> Executor::merge(const Call& c) {
  TARN_TRY(target, writable(c.session, c.analysis.target));
  const auto full = target.name.full();
  // Its condition reads the table too.
  if (auto ok = catalog_.require(c.session.ctx, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, full); !ok)
    return fail(Resolver::table_error(ok.error(), target.name));
  TARN_TRY(inner, parser_.analyze(c.analysis.query_text));
  if (inner->kind != StatementKind::query) return refuse(Errc::parse, "[PARSE_SYNTAX_ERROR] The source of MERGE is no query. SQLSTATE: 42601");
  TARN_TRY(source, resolver_.compile(c.session, c.analysis.query_text, *inner));
  c.guarded = source.guarded || target.info.governed();
  TARN_TRY(found, engine_.describe(engine::Scope{.directories = source.directories}, source.sql, c.session.cancel));
  std::vector<RelationColumn> columns, given;  // given: those that schema evolution may bring into the target
  std::string list, aliases;
  std::set<std::string> names;
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::string type = i < source.types.size() ? source.types[i] : "string";
    std::string name = i < source.columns.size() ? source.columns[i] : found[i].name, stored = name, folded;
    for (const char ch : name) folded += static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
    // A name that the source has twice cannot be referred to; the parser refuses who tries.
    if (!names.insert(folded).second) stored = fmt::format("tarn_twice_{}", i);
    aliases += fmt::format("{}c{}", i ? ", " : "", i);
    list += fmt::format("{}{} AS {}", i ? ", " : "", type == "void" ? fmt::format("CAST(src_.c{} AS VARCHAR)", i) : fmt::format("src_.c{}", i),
                        delta::sql_identifier(stored));
    const auto in = [&](const std::string& assigned) { return assigned == "*" || lower(assigned) == lower(name); };
    if (std::ranges::any_of(c.analysis.assigned, in)) given.push_back({name, type});
    columns.push_back(
        {std::move(name), type == "void" ? "string" : std::move(type), i < source.declared.size() ? source.declared[i] : std::string()});
  }
  auto table = target.table;
  if (c.analysis.evolves) {
    TARN_TRY(next, tables_.evolve(table, given));
    table = std::move(next);
  }
  TARN_TRY(plan,
           resolver_.compile_merge(c.session, c.sql, c.analysis, columns, *target.table, target.info, c.analysis.evolves ? table.get() : nullptr));
  c.guarded = c.guarded || plan.guarded;
  std::vector<std::string> provided;
  bool inserts = false;
  for (auto& step : plan.steps) {
    for (const auto& [column, value] : step.values) provided.push_back(column);
    if (step.action != MergeAction::insert) continue;
    inserts = true;
    for (const auto& f : table->snapshot->metadata.schema.fields) {
      if (value_of(step, f.name) || !f.metadata.contains("CURRENT_DEFAULT")) continue;
      TARN_TRY(otherwise, default_of(c.session, f));
      step.values.emplace_back(f.name, std::move(otherwise));
    }
  }
  TARN_TRY(ruled, rules(c.session, table->snapshot->metadata, provided, inserts));
  TARN_TRY(done, tables_.merge(*table, "SELECT " + list + " FROM (" + source.sql + ") AS src_(" + aliases + ")", source.directories, plan,
                               c.session.ctx.caller.name, c.session.cancel, ruled));
  catalog::LineageRecord record{.statement_id = c.session.statement_id, .read_tables = source.read_tables, .written_table = full};
  for (const auto& name : plan.read_tables)
    if (std::ranges::find(record.read_tables, name) == record.read_tables.end()) record.read_tables.push_back(name);
  for (const auto& step : plan.steps)
    for (std::size_t i = 0; i < step.values.size() && i < step.sources.size(); ++i)
      for (const auto& name : step.sources[i])
        for (std::size_t k = 0; k < columns.size() && k < source.lineage.size(); ++k) {
          if (!std::ranges::equal(
                  columns[k].name, name, {}, [](unsigned char ch) { return std::tolower(ch); }, [](unsigned char ch) { return std::tolower(ch); }))
            continue;
          for (const auto& [from, column] : source.lineage[k]) record.columns.push_back({from, column, full, step.values[i].first});
        }
  catalog_.record_lineage(c.session.ctx, record);
  TARN_CHECK(show_evolved(c.session, target, *table));
  return deliver(c,
                 {{"num_affected_rows", "bigint"}, {"num_updated_rows", "bigint"}, {"num_deleted_rows", "bigint"}, {"num_inserted_rows", "bigint"}},
                 {{std::to_string(done.updated + done.deleted + done.inserted), std::to_string(done.updated), std::to_string(done.deleted),
                   std::to_string(done.inserted)}});
}

}  // namespace tarn::sql
