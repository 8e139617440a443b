#include "sql/executor.h"

#include "sql/profile.h"
#include "sql/types.h"

namespace tarn::sql {

namespace {

/// Whether a statement may have to be rewritten before it is read: it begins with EXECUTE, or says IDENTIFIER( somewhere.
bool to_prepare(std::string_view sql) {
  const auto fits = [&](std::size_t at, std::string_view word) {
    return sql.size() - at >= word.size() &&
           std::ranges::equal(sql.substr(at, word.size()), word, {}, [](unsigned char c) { return std::tolower(c); });
  };
  for (std::size_t i = 0; i < sql.size(); ++i)
    if (((sql[i] == 'i' || sql[i] == 'I') && fits(i, "identifier")) || ((sql[i] == 'e' || sql[i] == 'E') && fits(i, "execute"))) return true;
  return false;
}

/// Whose requests to the engine are worth telling of: those that read or write rows of tables.
bool works_on_rows(StatementKind kind) {
  switch (kind) {
    case StatementKind::query:
    case StatementKind::create_table:
    case StatementKind::insert:
    case StatementKind::delete_:
    case StatementKind::update:
    case StatementKind::merge:
    case StatementKind::copy_into:
      return true;
    default:
      return false;
  }
}

/// Keeps a result's columns back until rows come or all went well, so that a statement may be run again.
class HeldSchema final : public ResultSink {
 public:
  explicit HeldSchema(ResultSink& to) : to_(to) {}
  void schema(std::vector<ResultColumn> columns) override { columns_ = std::move(columns); }
  bool chunk(std::string content, std::int64_t rows) override {
    pass();
    return to_.chunk(std::move(content), rows);
  }
  void pass() {
    if (columns_) to_.schema(*std::exchange(columns_, std::nullopt));
    passed_ = true;
  }
  bool passed() const { return passed_; }

 private:
  ResultSink& to_;
  std::optional<std::vector<ResultColumn>> columns_;
  bool passed_ = false;
};

/// Whether a decimal did not fit the 64 bits that it is computed in at first (src/sql/sidecar/decimals.py).
bool too_wide(const Error& e) {
  const auto says = [&](const char* text) { return e.message.find(text) != e.message.npos; };
  return e.code == Errc::engine &&
         ((says("Overflow in ") && says(" of DECIMAL(18) (")) || (says("Could not cast value ") && says(" to DECIMAL(18,0)")));
}

}  // namespace

Result<Done> Executor::run(const Session& session, const std::string& given, const ResultOptions& options, ResultSink& sink) {
  std::string sql = given;
  std::vector<std::vector<std::string>> into;
  if (to_prepare(sql)) {
    Parser::Given parameters;
    for (const auto& [name, p] : session.parameters) parameters[name] = {p.value, p.type};
    TARN_TRY(prepared, parser_.prepare(sql, parameters, session.state ? session.state->constants() : std::map<std::string, Constant>()));
    sql = std::move(prepared.sql);
    into = std::move(prepared.into);
  }
  TARN_TRY(analysis, parser_.analyze(sql));
  if (!into.empty() && analysis->kind != StatementKind::query)
    return refuse(Errc::invalid,
                  "[INVALID_STATEMENT_FOR_EXECUTE_INTO] The INTO clause of EXECUTE IMMEDIATE is only valid for queries but the given statement "
                  "is not a query: " +
                      sql + ". SQLSTATE: 07501");
  if (!session.zone().empty()) {
    // What lasts longer than the session means what it means in UTC, for who reads it later may be in any zone.
    switch (analysis->kind) {
      case StatementKind::create_view:
      case StatementKind::create_function:
      case StatementKind::create_policy:
      case StatementKind::copy_into:
      case StatementKind::restore:
      case StatementKind::alter:
        return fail(only_in_utc(session, "This statement"));
      default:
        break;
    }
  }
  if (session.sail) TARN_CHECK(not_on_sail(session, analysis->kind));
  bool guarded = false;
  Metrics metrics;
  HeldSchema held(sink);
  const auto begun = std::chrono::steady_clock::now();
  const auto done = [&](const Session& under) -> Result<Done> {
    const Call c{under, sql, *analysis, options, held, guarded, metrics};
    switch (analysis->kind) {
      case StatementKind::query: {
        if (into.empty()) return query(c);
        TARN_CHECK(assign(c, into, sql));
        return deliver(c, {}, {});
      }
      case StatementKind::declare_variable:
        return declare(c);
      case StatementKind::set_variable:
        return set(c);
      case StatementKind::drop_variable:
        return drop_variable(c);
      case StatementKind::set_config:
        return set_config(c);
      case StatementKind::explain:
        return explain(c);
      case StatementKind::create_table:
        return analysis->copied.empty() ? create_table(c) : create_table_like(c);
      case StatementKind::insert:
        return insert(c);
      case StatementKind::delete_:
      case StatementKind::update:
        return change(c);
      case StatementKind::copy_into:
        return copy_into(c);
      case StatementKind::merge:
        return merge(c);
      case StatementKind::alter:
        return alter(c);
      case StatementKind::optimize:
      case StatementKind::vacuum:
      case StatementKind::restore:
        return maintain(c);
      case StatementKind::create_function:
        return create_function(c);
      case StatementKind::drop_function:
        return drop_function(c);
      case StatementKind::create_view:
        return create_view(c);
      case StatementKind::create_catalog:
      case StatementKind::create_schema:
        return create_namespace(c);
      case StatementKind::drop_catalog:
      case StatementKind::drop_schema:
      case StatementKind::drop_table:
      case StatementKind::drop_view:
        return drop(c);
      case StatementKind::grant:
      case StatementKind::revoke:
      case StatementKind::show_grants:
        return grants(c);
      case StatementKind::use_catalog:
      case StatementKind::use_schema:
        return use(c);
      case StatementKind::show_catalogs:
      case StatementKind::show_schemas:
      case StatementKind::show_tables:
      case StatementKind::show_views:
      case StatementKind::show_columns:
      case StatementKind::show_create_table:
      case StatementKind::show_properties:
        return show(c);
      case StatementKind::show_partitions:
        return show_partitions(c);
      case StatementKind::show_table_extended:
        return show_table_extended(c);
      case StatementKind::create_securable:
      case StatementKind::drop_securable:
      case StatementKind::show_securables:
      case StatementKind::show_principals:
      case StatementKind::describe_securable:
      case StatementKind::describe_namespace:
      case StatementKind::show_dropped:
      case StatementKind::undrop:
        return securable(c);
      case StatementKind::list_files:
        return list_files(c);
      case StatementKind::create_policy:
      case StatementKind::drop_policy:
      case StatementKind::show_policies:
      case StatementKind::describe_policy:
        return policies(c);
      case StatementKind::describe_table:
        return describe_table(c);
      case StatementKind::describe_query:
        return describe_query(c);
      case StatementKind::show_current:
        return deliver(c, {{"catalog", "string"}, {"namespace", "string"}}, {{session.catalog, session.schema}});
      case StatementKind::describe_history:
      case StatementKind::describe_detail:
        return describe_history(c);
    }
    throw std::logic_error("a statement kind without a meaning");
  };
  auto* const work = session.cancel ? session.cancel->work() : nullptr;
  if (work) work->profiled = works_on_rows(analysis->kind);
  auto out = done(session);
  if (!out && too_wide(out.error()) && !held.passed()) {
    Session wide = session;
    wide.wide_decimals = true;
    out = done(wide);
  }
  if (out) held.pass();
  if (!out && guarded && out.error().code == Errc::engine) return fail(withheld(std::move(out).error()));
  if (!out) return out;
  out->kind = analysis->kind;
  if (work) settle(metrics, *work, guarded, analysis->kind == StatementKind::query);
  out->metrics = std::move(metrics);
  out->metrics.execute_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun).count() - out->metrics.compile_ms;
  return out;
}

Result<Compiled> Executor::ready(const Call& c, const std::string& sql, const Analysis& analysis, bool final, const OpenTable* target) {
  if (c.session.sail) return on_sail(c, sql, analysis, final, target);
  return target ? resolver_.compile_insert(c.session, sql, analysis, *target) : resolver_.compile(c.session, sql, analysis, final);
}

Result<Done> Executor::query(const Call& c) {
  const auto begun = std::chrono::steady_clock::now();
  TARN_TRY(compiled, ready(c, c.sql, c.analysis, true));
  c.guarded = compiled.guarded;
  c.metrics.files = compiled.files, c.metrics.bytes = compiled.bytes, c.metrics.skipped = compiled.skipped, c.metrics.places = compiled.places;
  // What reads nothing is done sooner than it is told of. A model's token is in what operators are told.
  if (auto* work = c.session.cancel ? c.session.cancel->work() : nullptr)
    work->profiled = !compiled.asks && (!c.analysis.tables.empty() || !compiled.directories.empty());
  c.metrics.compile_ms = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun).count();
  const auto read = [&] {
    if (!compiled.read_tables.empty())
      catalog_.record_lineage(c.session.ctx, {.statement_id = c.session.statement_id, .read_tables = compiled.read_tables});
  };
  const auto now = SystemClock().now();
  std::string key;
  if (c.options.use_cache && !compiled.outside && !compiled.asks && ResultCache::repeatable(compiled.sql)) {
    key = ResultCache::key(compiled.sql, c.options);
    if (const auto known = cache_.get(key, now)) {
      c.metrics.from_cache = true;
      c.metrics.files = c.metrics.bytes = 0;
      c.sink.schema(known->columns);
      for (const auto& [content, rows] : known->chunks)
        if (!c.sink.chunk(content, rows)) break;
      read();
      return Done{.truncated = known->truncated};
    }
  }
  engine::Request request;
  request.sql = std::move(compiled.sql);
  request.format = c.options.format;
  request.row_limit = c.options.row_limit;
  request.chunk_bytes = c.options.chunk_bytes;
  request.timeout_ms = c.options.timeout_ms;
  // Tables are read by the files of a snapshot, which never change; files named by the statement may. (No view reads files.)
  request.keep_plan = !compiled.asks && !c.session.sail && std::ranges::all_of(c.analysis.tables, [](const Reference& r) {
    return r.kind == ReferenceKind::table || r.kind == ReferenceKind::range;
  });
  std::optional<Error> broken;
  auto kept = key.empty() ? nullptr : std::make_shared<CachedResult>();
  std::size_t bytes = 0;
  const engine::Sink sink{
      .schema =
          [&](const std::vector<engine::Column>& columns) {
            std::vector<ResultColumn> out;
            for (std::size_t i = 0; i < columns.size(); ++i) {
              if (i < compiled.types.size()) {
                out.push_back({compiled.columns[i], compiled.types[i]});
                continue;
              }
              auto type = sql_type_of(columns[i].type);
              if (!type) broken = type.error();
              out.push_back({i < compiled.columns.size() ? compiled.columns[i] : columns[i].name, type ? *std::move(type) : "string"});
            }
            if (kept) kept->columns = out;
            c.sink.schema(std::move(out));
          },
      .chunk =
          [&](std::string content, std::int64_t rows) {
            if (broken) return false;
            bytes += content.size();
            if (bytes > ResultCache::kMostBytes) kept = nullptr;
            if (kept) kept->chunks.emplace_back(content, rows);
            if (c.sink.chunk(std::move(content), rows)) return true;
            kept = nullptr;  // it was not all
            return false;
          }};
  TARN_TRY(summary, engine_.run(engine::Scope{.directories = compiled.directories}, request, sink, c.session.cancel));
  if (broken) return fail(*std::move(broken));
  if (kept) {
    kept->truncated = summary.truncated;
    kept->made_at = now;
    cache_.put(key, std::move(kept));
  }
  read();
  return Done{.truncated = summary.truncated};
}

Result<Done> Executor::deliver(const Call& c, std::vector<ResultColumn> columns, const Rows& rows) {
  const auto limit =
      static_cast<std::size_t>(std::min<std::int64_t>(c.options.row_limit.value_or(INT64_MAX), static_cast<std::int64_t>(rows.size())));
  Done out{.truncated = limit < rows.size()};
  if (c.options.format == engine::Format::json_array || columns.empty()) {
    json::array list;
    for (std::size_t i = 0; i < limit; ++i) {
      json::array row;
      for (const auto& v : rows[i]) row.push_back(v ? json::value(*v) : json::value(nullptr));
      list.push_back(std::move(row));
    }
    c.sink.schema(std::move(columns));
    if (!list.empty()) c.sink.chunk(boost::json::serialize(list), static_cast<std::int64_t>(limit));
    return out;
  }
  // Arrow comes from the engine, so that there is one writer of it.
  if (c.session.cancel && c.session.cancel->work()) c.session.cancel->work()->profiled = false;
  std::string list, names;
  for (const auto& column : columns) {
    const auto type = delta::delta_type(column.type);
    names += (names.empty() ? "" : ", ") +
             fmt::format("CAST({0} AS {1}) AS {0}", delta::sql_identifier(column.name), type ? delta::duckdb_type(*type) : "VARCHAR");
  }
  for (std::size_t i = 0; i < limit; ++i) {
    list += i == 0 ? "(" : ", (";
    for (std::size_t k = 0; k < rows[i].size(); ++k) list += (k ? ", " : "") + (rows[i][k] ? delta::sql_string(*rows[i][k]) : std::string("NULL"));
    list += ")";
  }
  if (list.empty()) {
    list = "(";
    for (std::size_t k = 0; k < columns.size(); ++k) list += k ? ", NULL" : "NULL";
    list += ")";
  }
  std::string bare;
  for (const auto& column : columns) bare += (bare.empty() ? "" : ", ") + delta::sql_identifier(column.name);
  engine::Request request;
  request.sql = fmt::format("SELECT {} FROM (VALUES {}) AS v({}){}", names, list, bare, limit == 0 ? " WHERE false" : "");
  request.format = c.options.format;
  const engine::Sink sink{.schema = [&](const std::vector<engine::Column>&) { c.sink.schema(std::move(columns)); },
                          .chunk = [&](std::string content, std::int64_t n) { return c.sink.chunk(std::move(content), n); }};
  TARN_TRY(summary, engine_.run(engine::Scope{}, request, sink, c.session.cancel));
  (void)summary;
  return out;
}

Result<Done> Executor::affected(const Call& c, std::int64_t rows, bool inserted) {
  const auto n = std::to_string(rows);
  if (inserted) return deliver(c, {{"num_affected_rows", "bigint"}, {"num_inserted_rows", "bigint"}}, {{n, n}});
  return deliver(c, {{"num_affected_rows", "bigint"}}, {{n}});
}

bool like(std::string_view pattern, std::string_view name) {
  const auto fold = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  const auto one = [&](std::string_view p) {
    std::size_t i = 0, j = 0, star = std::string_view::npos, mark = 0;
    while (j < name.size()) {
      if (i < p.size() && p[i] == '*')
        star = i++, mark = j;
      else if (i < p.size() && fold(p[i]) == fold(name[j]))
        ++i, ++j;
      else if (star != std::string_view::npos)
        i = star + 1, j = ++mark;
      else
        return false;
    }
    while (i < p.size() && p[i] == '*') ++i;
    return i == p.size();
  };
  for (;;) {
    const auto bar = pattern.find('|');
    if (one(pattern.substr(0, bar))) return true;
    if (bar == std::string_view::npos) return false;
    pattern.remove_prefix(bar + 1);
  }
}

}  // namespace tarn::sql
