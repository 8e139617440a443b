// Temporary views: made by CREATE TEMPORARY VIEW, read by the statements of their session, gone with it.
#include "base/text.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {

Result<Resolver::Relation> Resolver::temporary(const Session& session, const std::string& name, const TemporaryView& made, const Rights& rights) {
  const auto own = "session." + name;
  if (std::ranges::find(rights.views, own) != rights.views.end())
    return refuse(Errc::invalid, "[RECURSIVE_VIEW] Recursive view " + backticked(std::string_view(name)) + " detected. SQLSTATE: 42K0H");
  if (rights.views.size() >= kDeepestView)
    return refuse(Errc::invalid,
                  fmt::format("[VIEW_EXCEED_MAX_NESTED_DEPTH] The depth of view {} exceeds the maximum view resolution depth ({}). SQLSTATE: 54K00",
                              name, kDeepestView));
  if (made.zone != session.zone())
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] The temporary view " + backticked(std::string_view(name)) +
                                         " was made in another time zone, and reading it in this one is not supported by this warehouse. Create it "
                                         "again. SQLSTATE: 0A000");
  Session inner = session;
  inner.catalog = made.catalog;
  inner.schema = made.schema;
  inner.parameters.clear();
  Rights inside = rights;
  inside.final = false;
  inside.target = nullptr;
  inside.views.push_back(own);
  TARN_TRY(analysis, parser_.analyze(made.query));
  TARN_TRY(body, compile(inner, made.query, *analysis, inside));
  const auto changed = [&] {
    return refuse(Errc::invalid,
                  "[INCOMPATIBLE_VIEW_SCHEMA_CHANGE] The SQL query of view " + backticked(std::string_view(name)) +
                      " has an incompatible schema change: what it reads is not what it was. Please re-create the view. SQLSTATE: 51024");
  };
  if (body.columns.size() != made.columns.size()) return changed();
  Relation out;
  std::string names;
  for (std::size_t i = 0; i < made.columns.size(); ++i) {
    const auto& c = made.columns[i];
    const auto type = value_type(c.type_text);
    if (body.types.at(i) != type && !(body.types[i] == "void" && type == "string")) return changed();
    out.columns.push_back({c.name, type, body.declared.at(i)});
    names += (names.empty() ? "" : ", ") + delta::sql_identifier(c.name);
  }
  out.sql = "(SELECT * FROM (" + body.sql + ") AS view_(" + names + "))";
  out.directories = std::move(body.directories);
  out.held = std::move(body.held);
  out.views = std::move(body.views);
  out.views.push_back(own);
  out.bases = std::move(body.bases);
  out.behind = std::move(body.read_tables);
  out.files = body.files, out.bytes = body.bytes, out.skipped = body.skipped, out.places = std::move(body.places);
  out.guarded = body.guarded, out.outside = body.outside, out.asks = body.asks;
  return out;
}

Result<Done> Executor::create_temporary_view(const Call& c) {
  const auto& a = c.analysis;
  if (a.target.size() > 1)
    return refuse(Errc::invalid, "[INVALID_TEMP_OBJ_QUALIFIER] Temporary VIEW " + backticked(std::string_view(a.target.back())) +
                                     " cannot be qualified with " + backticked({a.target.begin(), a.target.end() - 1}) +
                                     ": give its name alone. SQLSTATE: 42602");
  if (a.if_not_exists)
    return refuse(Errc::parse, "[PARSE_SYNTAX_ERROR] Syntax error at or near 'IF': a temporary view takes OR REPLACE. SQLSTATE: 42601");
  const auto name = lower(a.target.at(0));
  // A statement without a session is one of its own: what is wrong with the view is said, and nothing lasts.
  const auto state = c.session.state ? c.session.state : std::make_shared<SessionState>();
  const auto taken = [&] {
    return refuse(Errc::already_exists,
                  "[TEMP_TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create the temporary view " + backticked(std::string_view(a.target[0])) +
                      " because it already exists. Choose a different name, drop or replace the existing view, or add the IF NOT "
                      "EXISTS clause to tolerate pre-existing views. SQLSTATE: 42P07");
  };
  if (!a.or_replace && state->view(name)) return taken();
  TARN_TRY(body, parser_.analyze(a.query_text));
  if (body->kind != StatementKind::query) return refuse(Errc::parse, "[PARSE_SYNTAX_ERROR] A view needs a query. SQLSTATE: 42601");
  TARN_TRY(query, resolver_.compile(c.session, a.query_text, *body));
  c.guarded = query.guarded;
  if (std::ranges::find(query.views, "session." + name) != query.views.end())
    return refuse(Errc::invalid, "[RECURSIVE_VIEW] Recursive view " + backticked(std::string_view(a.target[0])) + " detected. SQLSTATE: 42K0H");
  TARN_TRY(columns, view_columns(c, query, backticked(std::string_view(a.target[0]))));
  TemporaryView made{.query = a.query_text,
                     .catalog = c.session.catalog,
                     .schema = c.session.schema,
                     .zone = c.session.zone(),
                     .columns = std::move(columns),
                     .comment = a.comment,
                     .properties = a.properties};
  if (a.options.contains("alter"))
    if (const auto before = state->view(name)) made.comment = before->comment, made.properties = before->properties;
  switch (state->make_view(name, std::move(made), a.or_replace)) {
    case SessionState::Declared::exists:
      return taken();
    case SessionState::Declared::too_many:
      return refuse(Errc::invalid, "The session has 1,000 temporary views, which is the most: drop some");
    case SessionState::Declared::yes:
      break;
  }
  return deliver(c, {}, {});
}

}  // namespace tarn::sql
