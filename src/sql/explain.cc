// EXPLAIN in its forms. A plan names files and conditions and counts rows: of what the caller may not see all of, there is only that it is read.
#include "base/text.h"
#include "sql/executor.h"
#include "sql/secret_text.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

std::string words(StatementKind kind) {
  std::string out(json::name_of(kind));
  while (out.ends_with('_')) out.pop_back();
  std::ranges::transform(out, out.begin(), [](unsigned char ch) { return ch == '_' ? ' ' : static_cast<char>(std::toupper(ch)); });
  return out;
}

/// Whether a statement is about one table or view that must be there.
bool about_table(const Analysis& a) {
  switch (a.kind) {
    case StatementKind::describe_table:
    case StatementKind::describe_history:
    case StatementKind::describe_detail:
    case StatementKind::show_columns:
    case StatementKind::show_create_table:
    case StatementKind::show_properties:
    case StatementKind::show_partitions:
      return true;
    case StatementKind::drop_table:
    case StatementKind::drop_view:
      return !a.if_exists;
    case StatementKind::alter:
      return a.securable_type == "TABLE" || a.securable_type == "VIEW";
    default:
      return false;
  }
}

bool runs_a_query(StatementKind kind) {
  return kind == StatementKind::insert || kind == StatementKind::create_table || kind == StatementKind::merge || kind == StatementKind::delete_ ||
         kind == StatementKind::update;
}

bool changes_rows(StatementKind kind) {
  switch (kind) {
    case StatementKind::insert:
    case StatementKind::delete_:
    case StatementKind::update:
    case StatementKind::merge:
    case StatementKind::copy_into:
    case StatementKind::optimize:
    case StatementKind::vacuum:
    case StatementKind::restore:
      return true;
    default:
      return false;
  }
}

}  // namespace

Result<std::string> Executor::plan_of(const Call& c, const std::string& sql, const std::vector<std::string>& directories) {
  return column_of(c, "EXPLAIN " + sql, directories);
}

Result<std::string> Executor::column_of(const Call& c, const std::string& sql, const std::vector<std::string>& directories) {
  engine::Request request;
  request.sql = sql;
  request.timeout_ms = c.options.timeout_ms;
  std::string plan;
  const engine::Sink sink{.schema = [](const std::vector<engine::Column>&) {},
                          .chunk =
                              [&](std::string content, std::int64_t) {
                                auto rows = json::parse(content);
                                if (!rows) return false;
                                for (const auto& r : rows->as_array()) plan += std::string(r.as_array().back().as_string());
                                return true;
                              }};
  TARN_TRY(summary, engine_.run(engine::Scope{.directories = directories}, request, sink, c.session.cancel));
  (void)summary;
  return plan;
}

Result<std::string> Executor::plan_of_command(const Call& c, const Session& shown, const std::string& sql, const Analysis& a) {
  std::string out = "Execute " + words(a.kind) + "\n";
  if (!a.target.empty()) out += "   +- " + backticked(a.target) + "\n";
  if (about_table(a)) {
    catalog::TableName name;
    TARN_CHECK(readable(c.session, a.target, name));
    return out;
  }
  if (a.kind == StatementKind::describe_query || a.kind == StatementKind::create_view || (a.kind == StatementKind::create_table && a.has_query)) {
    const auto& text = a.kind == StatementKind::create_table ? sql : a.query_text;
    TARN_TRY(inner, parser_.analyze(text));
    TARN_TRY(compiled, resolver_.compile(shown, text, *inner));
    c.guarded = c.guarded || compiled.guarded;
    if (a.kind != StatementKind::create_table) return out;
    TARN_TRY(plan, plan_of(c, compiled.sql, compiled.directories));
    return out + plan;
  }
  if (!changes_rows(a.kind)) return out;
  TARN_TRY(target, writable(c.session, a.target));
  if (a.kind == StatementKind::insert) {
    TARN_TRY(compiled, resolver_.compile_insert(shown, sql, a, *target.table));
    c.guarded = c.guarded || compiled.guarded;
    TARN_TRY(plan, plan_of(c, compiled.sql, compiled.directories));
    return out + plan;
  }
  if (a.kind == StatementKind::merge) {
    TARN_TRY(inner, parser_.analyze(a.query_text));
    TARN_TRY(compiled, resolver_.compile(shown, a.query_text, *inner));
    c.guarded = c.guarded || compiled.guarded || target.info.governed();
    TARN_TRY(plan, plan_of(c, compiled.sql, compiled.directories));
    return out + plan;
  }
  if (a.kind != StatementKind::delete_ && a.kind != StatementKind::update) return out;
  TARN_TRY(change, resolver_.compile_change(shown, sql, a, *target.table, target.info));
  c.guarded = c.guarded || change.guarded;
  // The rows to change are found by a condition that a filter is part of: who is under one sees no plan of it.
  if (target.info.governed()) return out;
  TARN_TRY(held, tables_.hold(*target.table));
  (void)held;  // until the plan is made
  auto directories = change.directories;
  directories.push_back(target.table->directory);
  std::ranges::sort(directories);
  directories.erase(std::unique(directories.begin(), directories.end()), directories.end());
  TARN_TRY(plan, plan_of(c,
                         "SELECT * FROM " + target.table->relation + " AS " + delta::sql_identifier(change.alias.empty() ? "target_" : change.alias) +
                             (change.predicate.empty() ? "" : " WHERE " + change.predicate),
                         directories));
  return out + plan;
}

Result<Done> Executor::explain(const Call& c) {
  const auto& a = c.analysis;
  const auto mode = a.options.contains("mode") ? a.options.at("mode") : std::string();
  TARN_TRY(inner, parser_.analyze(a.query_text));
  Session shown = c.session;
  shown.outline = true;
  std::string plan, analyzed;
  if (c.session.sail && inner->kind != StatementKind::query && runs_a_query(inner->kind))
    return refuse(Errc::unsupported,
                  "[UNSUPPORTED_FEATURE] EXPLAIN of " + words(inner->kind) +
                      " is not supported by a warehouse whose engine is Sail. Use a warehouse of the default engine. SQLSTATE: 0A000");
  if (inner->kind == StatementKind::query && c.session.sail) {
    TARN_TRY(text, sail_plan(c, a.query_text, *inner));
    plan = std::move(text);
  } else if (inner->kind == StatementKind::query) {
    TARN_TRY(compiled, resolver_.compile(shown, a.query_text, *inner));
    c.guarded = compiled.guarded;
    for (std::size_t i = 0; i < compiled.columns.size(); ++i) analyzed += (i ? ", " : "") + compiled.columns[i] + ": " + compiled.types.at(i);
    TARN_TRY(text, plan_of(c, compiled.sql, compiled.directories));
    plan = std::move(text);
  } else {
    TARN_TRY(text, plan_of_command(c, shown, a.query_text, *inner));
    plan = std::move(text);
  }
  // The engine makes no code of a plan's stages; Spark says so in these words where it makes none.
  if (mode == "CODEGEN") return deliver(c, {{"plan", "string"}}, {{"Found 0 WholeStageCodegen subtrees.\n"}});
  std::string out;
  if (mode == "EXTENDED")
    out = "== Parsed Logical Plan ==\n" + without_secrets(a.query_text) + "\n\n== Analyzed Logical Plan ==\n" + analyzed + "\n\n";
  return deliver(c, {{"plan", "string"}}, {{out + "== Physical Plan ==\n" + plan}});
}

}  // namespace tarn::sql
