// What a table asks of rows before they are in it. The expressions are the table's own text, in Databricks SQL; they are compiled over the rows that
// a statement is about to write, and a row that does not meet them ends the statement.
#include "base/text.h"
#include "delta/declared_types.h"
#include "delta/features.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

std::string text_in(const json::object& metadata, const char* key) {
  const auto* v = metadata.if_contains(key);
  return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

/// Conditions under which a value, or one nested in it, is a NULL that must not be, each with the column's path.
void nulls_in(const json::value& type, const std::string& value, const std::string& path, std::vector<std::pair<std::string, std::string>>& out) {
  const auto* o = type.if_object();
  const auto* fields = o ? o->if_contains("fields") : nullptr;
  if (!fields || !fields->is_array()) return;
  for (const auto& f : fields->get_array()) {
    const std::string name(f.at("name").as_string());
    const auto inner = "(" + value + ")." + delta::sql_identifier(name);
    if (f.at("nullable").is_bool() && !f.at("nullable").get_bool())
      out.emplace_back(value + " IS NOT NULL AND " + inner + " IS NULL", path + "." + name);
    nulls_in(f.at("type"), inner, path + "." + name, out);
  }
}

struct Check {
  std::string name, expression;
};

/// A column's value as its CHAR(n) or VARCHAR(n) takes it, counted in characters: blanks beyond the length go, what else is beyond it is an error,
/// and CHAR is filled up.
std::string fitted(const std::string& value, const std::string& bounded) {
  const auto n = bounded.substr(bounded.find('(') + 1, bounded.find(')') - bounded.find('(') - 1);
  return fmt::format(
      "CASE WHEN {0} IS NULL OR length({0}) <= {1} THEN {2} WHEN length(rtrim({0}, ' ')) <= {1} THEN left({0}, {1}) ELSE error({3}) END", value, n,
      bounded.starts_with("char(") ? fmt::format("rpad({}, {}, ' ')", value, n) : value,
      delta::sql_string("[EXCEED_LIMIT_LENGTH] Exceeds char/varchar type length limitation: " + n + ". SQLSTATE: 54006"));
}

/// CHECK constraints, invariants, and generated columns whose values the statement gave.
std::vector<Check> checks_of(const delta::Metadata& m, const std::set<std::string>& given) {
  std::vector<Check> out;
  for (const auto& [name, expression] : delta::check_constraints(m)) out.push_back({name, expression});
  for (const auto& f : m.schema.fields) {
    if (const auto invariant = text_in(f.metadata, "delta.invariants"); !invariant.empty()) {
      const auto parsed = json::parse(invariant);
      const auto* inner = parsed && parsed->is_object() ? parsed->get_object().if_contains("expression") : nullptr;
      const auto* expression = inner && inner->is_object() ? inner->get_object().if_contains("expression") : nullptr;
      // What cannot be read cannot be kept: it is compiled as it stands, and refused.
      out.push_back({"EXPRESSION(" + f.name + ")", expression && expression->is_string() ? std::string(expression->get_string()) : invariant});
    }
    if (const auto g = text_in(f.metadata, "delta.generationExpression"); !g.empty() && given.contains(lower(f.name)))
      out.push_back({"Generated Column", backticked(f.name) + " <=> " + g});
  }
  return out;
}

}  // namespace

Result<std::string> Executor::default_of(const Session& session, const delta::Field& field) {
  const auto text = text_in(field.metadata, "CURRENT_DEFAULT");
  if (text.empty()) return std::string("NULL");
  if (!session.zone().empty()) return fail(only_in_utc(session, "A column's DEFAULT"));
  return resolver_.compile_value(session, text);
}

Result<std::int64_t> Executor::breaking(const Session& session, const OpenTable& table, const std::string& condition) {
  TARN_TRY(around, resolver_.compile_around(session, "SELECT (" + condition + ") AS tarn_met_ FROM rows_", table.columns));
  if (around.types.at(0) != "boolean")
    return refuse(Errc::invalid,
                  "[DELTA_NON_BOOLEAN_CHECK_CONSTRAINT] CHECK constraint (" + condition + ") should be a boolean expression. SQLSTATE: 42621");
  TARN_TRY(held, tables_.hold(table));
  (void)held;
  std::int64_t out = 0;
  engine::Request request;
  request.sql = "SELECT count(*) FROM (" + around.before + table.relation + around.after + ") AS c_ WHERE tarn_met_ IS NOT TRUE";
  const engine::Sink sink{.schema = [](const std::vector<engine::Column>&) {},
                          .chunk =
                              [&](std::string chunk, std::int64_t) {
                                const auto v = json::parse(chunk);
                                if (v) out = std::stoll(std::string(v->at(0).at(0).as_string()));
                                return v.has_value();
                              }};
  TARN_TRY(summary, engine_.run(engine::Scope{.directories = {table.directory}}, request, sink, session.cancel));
  (void)summary;
  return out;
}

Result<void> Executor::without_char(const delta::Metadata& metadata, const std::vector<std::string>& reads, const char* what) {
  for (const auto& f : metadata.schema.fields)
    if (delta::char_length(f) > 0 && std::ranges::any_of(reads, [&](const auto& name) { return lower(name) == lower(f.name); }))
      return refuse(Errc::unsupported, std::string("[UNSUPPORTED_FEATURE] ") + what + " over the " + delta::bounded_type(f) + " column " +
                                           backticked(std::string_view(f.name)) + " is not supported by this warehouse. SQLSTATE: 0A000");
  return {};
}

Result<RowRules> Executor::rules(const Session& session, const delta::Metadata& metadata, const std::vector<std::string>& provided, bool inserts) {
  RowRules out;
  std::set<std::string> given;
  for (const auto& name : provided) given.insert(lower(name));
  std::vector<const delta::Field*> computed, identities;
  std::vector<std::pair<std::string, std::string>> nulls;  // condition, column
  std::string lengths;                                     // REPLACE's list
  for (const auto& f : metadata.schema.fields) {
    const auto own = delta::sql_identifier(f.name);
    if (const auto bounded = delta::bounded_type(f); !bounded.empty()) {
      if (f.type != "string" || bounded.find('(') == bounded.npos)
        return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] Writing to the column " + backticked(std::string_view(f.name)) + " of the type " +
                                             bounded + " is not supported by this warehouse. SQLSTATE: 0A000");
      lengths += (lengths.empty() ? "" : ", ") + fitted("src_." + own, bounded) + " AS " + own;
    }
    if (f.metadata.contains("delta.identity.start")) {
      const auto* open = f.metadata.if_contains("delta.identity.allowExplicitInsert");
      const bool always = !open || !open->is_bool() || !open->get_bool();
      if (given.contains(lower(f.name)) && !inserts)
        return refuse(Errc::invalid,
                      "[DELTA_IDENTITY_COLUMNS_UPDATE_NOT_SUPPORTED] UPDATE on IDENTITY column " + f.name + " is not supported. SQLSTATE: 42808");
      if (given.contains(lower(f.name)) && always)
        return refuse(Errc::invalid,
                      "[DELTA_IDENTITY_COLUMNS_EXPLICIT_INSERT_NOT_SUPPORTED] Providing values for GENERATED ALWAYS AS IDENTITY column " + f.name +
                          " is not supported. SQLSTATE: 42808");
      if (inserts && !given.contains(lower(f.name)))
        identities.push_back(&f), out.identities.push_back(f.name);
      else
        nulls.emplace_back(own + " IS NULL", f.name);
    } else if (!text_in(f.metadata, "delta.generationExpression").empty() && !given.contains(lower(f.name))) {
      computed.push_back(&f);
    }
    if (!f.nullable) nulls.emplace_back(own + " IS NULL", f.name);
    nulls_in(f.type, own, f.name, nulls);
  }
  auto checks = checks_of(metadata, given);
  if (computed.empty() && identities.empty() && nulls.empty() && checks.empty() && lengths.empty()) return out;
  if (!session.zone().empty() && (!computed.empty() || !checks.empty()))
    return fail(only_in_utc(session, "Writing to a table with generated columns or constraints"));

  out.around = [this, session, metadata,
                computed_names =
                    [&] {
                      std::set<std::string> names;
                      for (const auto* f : computed) names.insert(f->name);
                      return names;
                    }(),
                identities_of = out.identities, nulls = std::move(nulls), lengths = std::move(lengths),
                checks = std::move(checks)](const std::string& rows, const std::vector<RelationColumn>& hidden) -> Result<std::string> {
    std::string query = rows;
    std::vector<RelationColumn> columns;
    for (const auto& f : metadata.schema.fields) columns.push_back({f.name, f.type == "void" ? "string" : delta::sql_type(f.type)});
    columns.insert(columns.end(), hidden.begin(), hidden.end());
    if (!lengths.empty()) query = "SELECT * REPLACE (" + lengths + ") FROM (" + query + ") AS src_";
    if (!identities_of.empty()) {
      std::string list;
      for (const auto& name : identities_of) {
        const auto& f = *metadata.schema.find(name);
        const auto number = [&](const char* key) { return f.metadata.at(key).to_number<std::int64_t>(); };
        const auto start = number("delta.identity.start"), step = number("delta.identity.step");
        const auto* mark = f.metadata.if_contains("delta.identity.highWaterMark");
        const bool begun = mark && mark->is_int64();
        const auto own = "src_." + delta::sql_identifier(name);
        // Rows that are there already have theirs; the new ones are counted on from the mark.
        list += fmt::format(
            "{}CASE WHEN {} IS NULL THEN CAST(CAST({} AS HUGEINT) + CAST({} AS HUGEINT) * (row_number() OVER (PARTITION BY {} IS NULL) - {}) AS "
            "BIGINT) "
            "ELSE {} END AS {}",
            list.empty() ? "" : ", ", own, begun ? mark->get_int64() : start, step, own, begun ? 0 : 1, own, delta::sql_identifier(name));
      }
      query = "SELECT * REPLACE (" + list + ") FROM (" + query + ") AS src_";
    }
    if (!computed_names.empty()) {
      std::string sql;
      for (std::size_t i = 0; i < columns.size(); ++i) {
        const auto& c = columns[i];
        sql += i ? ", " : "SELECT ";
        if (i < metadata.schema.fields.size() && computed_names.contains(c.name))
          sql +=
              "CAST((" + text_in(metadata.schema.fields[i].metadata, "delta.generationExpression") + ") AS " + c.type + ") AS " + backticked(c.name);
        else
          sql += backticked(c.name);
      }
      TARN_TRY(around, resolver_.compile_around(session, sql + " FROM rows_", columns));
      for (std::size_t i = 0; i < columns.size(); ++i)
        if (i < metadata.schema.fields.size() && computed_names.contains(columns[i].name))
          TARN_CHECK(without_char(metadata, around.reads.at(i), "A generated column"));
      query = around.before + "(" + query + ")" + around.after;
    }
    std::string failing, head = query;
    std::set<std::string> named;
    for (const auto& [condition, column] : nulls)
      if (named.insert(column).second)
        failing +=
            " WHEN " + condition + " THEN error(" +
            delta::sql_string("[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: " + column + ". SQLSTATE: 23502") + ")";
    if (!checks.empty()) {
      std::string sql;
      for (const auto& c : columns) sql += (sql.empty() ? "SELECT " : ", ") + backticked(c.name);
      for (std::size_t i = 0; i < checks.size(); ++i) sql += fmt::format(", ({}) AS tarn_check_{}_", checks[i].expression, i);
      TARN_TRY(around, resolver_.compile_around(session, sql + " FROM rows_", columns));
      head = around.before + "(" + query + ")" + around.after;
      for (std::size_t i = 0; i < checks.size(); ++i) {
        std::string values;
        TARN_CHECK(without_char(metadata, around.reads.at(columns.size() + i), "A CHECK constraint"));
        for (const auto& name : around.reads.at(columns.size() + i))
          values +=
              fmt::format(" || {} || coalesce(CAST({} AS VARCHAR), 'null')", delta::sql_string("\n - " + name + " : "), delta::sql_identifier(name));
        failing += fmt::format(" WHEN tarn_check_{}_ IS NOT TRUE THEN error({}{} || ' SQLSTATE: 23001')", i,
                               delta::sql_string("[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] CHECK constraint " + checks[i].name + " (" +
                                                 checks[i].expression + ") violated by row with values:"),
                               values);
      }
    }
    if (failing.empty()) return head;
    // Not a condition of WHERE, which the engine may ask of rows that another condition leaves out: a column that cannot be had without it.
    std::string list;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const auto own = delta::sql_identifier(columns[i].name);
      list += i == 0 ? "CASE" + failing + " ELSE " + own + " END AS " + own : ", " + own;
    }
    return "SELECT " + list + " FROM (" + head + ") AS checked_";
  };
  return out;
}

}  // namespace tarn::sql
