// Session variables: DECLARE, SET VARIABLE, DROP TEMPORARY VARIABLE, EXECUTE IMMEDIATE ... INTO. A value is computed once, when it is set, and kept
// as a constant of its type; statements get it as such.
#include "base/text.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

using Names = std::vector<std::vector<std::string>>;

std::string list_of(const std::vector<std::string>& values) { return fmt::format("{}", fmt::join(values, ", ")); }

/// A text that stands for a value of the type, and comes back as it: one that does not must not be kept.
Result<std::string> check_of(const std::string& value, const std::string& text, const std::string& type) {
  if (type.find("geometry(") != type.npos || type.find("geography(") != type.npos)
    return refuse(Errc::unsupported,
                  "[UNSUPPORTED_FEATURE] A variable of the type " + type + " is not supported by this warehouse. Keep its WKB. SQLSTATE: 0A000");
  if (type == "variant")
    return refuse(Errc::unsupported,
                  "[UNSUPPORTED_FEATURE] A variable of the type variant is not supported by this warehouse. Keep its JSON text. SQLSTATE: 0A000");
  if (type.find('<') == type.npos) return std::string("TRUE");
  auto nested = delta::delta_type(type);
  if (!nested)
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] A variable of the type " + type + " is not supported by this warehouse. SQLSTATE: 0A000");
  return fmt::format("coalesce(TRY_CAST({} AS {}) IS NOT DISTINCT FROM ({}), FALSE)", text, delta::duckdb_type(*nested), value);
}

}  // namespace

Result<std::vector<Constant>> Executor::constants(const Call& c, const std::string& query, std::vector<std::string> types) {
  TARN_TRY(analysis, parser_.analyze(query));
  if (analysis->kind != StatementKind::query)
    return refuse(Errc::parse, "[PARSE_SYNTAX_ERROR] A variable's value comes of no query. SQLSTATE: 42601");
  TARN_TRY(compiled, resolver_.compile(c.session, query, *analysis));
  c.guarded = c.guarded || compiled.guarded;
  if (compiled.types.size() != types.size())
    return refuse(Errc::invalid,
                  fmt::format("[ASSIGNMENT_ARITY_MISMATCH] The number of columns or variables assigned or aliased: {} does not match the "
                              "number of source expressions: {}. SQLSTATE: 42802",
                              types.size(), compiled.types.size()));
  std::vector<Constant> out;
  std::vector<Parser::Stored> given;
  std::vector<std::string> aliases, list;
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (types[i].empty()) types[i] = compiled.types[i];
    out.push_back({types[i], std::nullopt});
    given.push_back({fmt::format("src_.c{}", i), compiled.types[i], types[i]});
    aliases.push_back(fmt::format("c{}", i));
  }
  TARN_TRY(values, parser_.assign(given, c.session.zone()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto text = "CAST((" + values[i] + ") AS VARCHAR)";
    TARN_TRY(kept, check_of(values[i], text, types[i]));
    list.push_back(text);
    list.push_back("CASE WHEN " + kept + " THEN '' END");
  }
  engine::Request request;
  request.sql = fmt::format("SELECT {} FROM ({}) AS src_({}) LIMIT 2", list_of(list), compiled.sql, list_of(aliases));
  request.timeout_ms = c.options.timeout_ms;
  std::size_t rows = 0;
  std::optional<std::size_t> lost;
  const engine::Sink sink{.schema = [](const std::vector<engine::Column>&) {},
                          .chunk =
                              [&](std::string chunk, std::int64_t) {
                                const auto parsed = json::parse(chunk);
                                if (!parsed) return false;
                                for (const auto& r : parsed->as_array()) {
                                  if (++rows > 1) continue;
                                  const auto& cells = r.as_array();
                                  for (std::size_t i = 0; i < out.size(); ++i) {
                                    if (!cells.at(2 * i).is_null()) out[i].value = std::string(cells.at(2 * i).as_string());
                                    if (cells.at(2 * i + 1).is_null()) lost = i;
                                  }
                                }
                                return true;
                              }};
  TARN_TRY(summary, engine_.run(engine::Scope{.directories = compiled.directories}, request, sink, c.session.cancel));
  (void)summary;
  if (rows > 1) return refuse(Errc::invalid, "[ROW_SUBQUERY_TOO_MANY_ROWS] More than one row returned by a subquery used as a row. SQLSTATE: 21000");
  if (lost)
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] This value of the type " + types[*lost] +
                                         " cannot be kept in a variable by this warehouse. SQLSTATE: 0A000");
  if (!compiled.read_tables.empty())
    catalog_.record_lineage(c.session.ctx, {.statement_id = c.session.statement_id, .read_tables = compiled.read_tables});
  return out;
}

Result<void> Executor::assign(const Call& c, const Names& names, const std::string& query) {
  std::vector<std::string> types;
  for (const auto& parts : names) {
    const auto known = c.session.state ? c.session.state->variable(lower(parts.back())) : std::nullopt;
    if (!known)
      return refuse(Errc::unresolved,
                    "[UNRESOLVED_VARIABLE] Cannot resolve variable " + backticked(parts) + " on search path `SYSTEM`.`SESSION`. SQLSTATE: 42883");
    types.push_back(known->type);
  }
  TARN_TRY(values, constants(c, query, std::move(types)));
  std::map<std::string, std::optional<std::string>> next;
  for (std::size_t i = 0; i < values.size(); ++i) next[lower(names[i].back())] = std::move(values[i].value);
  c.session.state->assign(next);
  return {};
}

Result<Done> Executor::declare(const Call& c) {
  const auto& a = c.analysis;
  const auto type = a.options.contains("type") ? a.options.at("type") : std::string();
  // Computed once for all of them, and whether or not anything lasts: what is wrong with it is said.
  TARN_TRY(value, constants(c, "SELECT (" + (a.query_text.empty() ? "NULL" : a.query_text) + "\n)", {type}));
  const auto state = c.session.state ? c.session.state : std::make_shared<SessionState>();
  const auto taken = [](const std::string& name) {
    return refuse(Errc::already_exists,
                  "[VARIABLE_ALREADY_EXISTS] Cannot create the variable " + backticked({"system", "session", name}) +
                      " because it already exists. Choose a different name, or drop or replace the existing variable. SQLSTATE: 42723");
  };
  // None of them is made where one is there; another statement may still be first.
  if (!a.or_replace)
    for (const auto& name : a.variables)
      if (state->variable(lower(name.back()))) return taken(lower(name.back()));
  for (const auto& name : a.variables) {
    const auto made = state->declare(lower(name.back()), {value.at(0), a.query_text}, a.or_replace);
    if (made == SessionState::Declared::too_many) return refuse(Errc::invalid, "The session has 1,000 variables, which is the most: drop some");
    if (made == SessionState::Declared::exists) return taken(lower(name.back()));
  }
  return deliver(c, {}, {});
}

Result<Done> Executor::set(const Call& c) {
  const auto& a = c.analysis;
  const auto initial = [&](std::size_t i) {
    const auto known = c.session.state ? c.session.state->variable(lower(a.variables.at(i).back())) : std::nullopt;
    return "(" + (known && !known->initial.empty() ? known->initial : "NULL") + "\n)";
  };
  std::string query;
  if (!a.assigned.empty()) {
    for (std::size_t i = 0; i < a.assigned.size(); ++i)
      query += (i ? ", " : "SELECT ") + (a.assigned[i].empty() ? initial(i) : "(" + a.assigned[i] + "\n)");
  } else {
    // The parser marked where the query says DEFAULT, with the variable's place.
    const auto& text = a.query_text;
    for (std::size_t at = 0; at < text.size();) {
      const auto mark = text.find('\x02', at);
      query += text.substr(at, mark == text.npos ? mark : mark - at);
      if (mark == text.npos) break;
      const auto end = text.find('\x02', mark + 1);
      const auto place = static_cast<std::size_t>(std::stoul(text.substr(mark + 1, end - mark - 1)));
      query += place < a.variables.size() ? initial(place) : "NULL";
      at = end + 1;
    }
  }
  TARN_CHECK(assign(c, a.variables, query));
  return deliver(c, {}, {});
}

Result<Done> Executor::drop_variable(const Call& c) {
  const auto& parts = c.analysis.variables.at(0);
  if ((!c.session.state || !c.session.state->drop(lower(parts.back()))) && !c.analysis.if_exists)
    return refuse(Errc::not_found,
                  "[VARIABLE_NOT_FOUND] The variable " + backticked(parts) +
                      " cannot be found. Verify the spelling and correctness of the schema and catalog. If you did not qualify the name "
                      "with a schema and catalog, verify the current_schema() output, or qualify the name with the correct schema and "
                      "catalog. To tolerate the error on drop use DROP VARIABLE IF EXISTS. SQLSTATE: 42883");
  return deliver(c, {}, {});
}

}  // namespace tarn::sql
