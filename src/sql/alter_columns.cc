// ALTER TABLE's clauses about columns, constraints and clustering: each is one commit of changed metadata to the table's log, after what it asks of
// the rows that are there was seen to.
#include "base/text.h"
#include "delta/clustering.h"
#include "delta/column_mapping.h"
#include "delta/declared_types.h"
#include "delta/features.h"
#include "delta/protocol.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

bool is_named(std::string_view a, std::string_view b) { return lower(a) == lower(b); }

std::string expression_in(const delta::Field& f, const char* key) {
  const auto* v = f.metadata.if_contains(key);
  return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

/// A column that a mask, the row filter or a tag (and with it a policy) knows by its name keeps it: under another one it would be seen by who may not
/// see it.
Result<void> ungoverned(catalog::Catalog& in, const access::Context& ctx, const catalog::TableInfo& info, const std::string& column) {
  const auto among = [&](const std::vector<std::string>& names) {
    return std::ranges::any_of(names, [&](const auto& n) { return is_named(n, column); });
  };
  const auto held = [&](const std::string& by) {
    return refuse(Errc::invalid, "Column " + backticked(std::string_view(column)) + " of table '" + info.full_name + "' cannot be changed: " + by +
                                     ". Drop that first.");
  };
  for (const auto& k : info.columns) {
    if (k.mask && is_named(k.name, column)) return held("it has a mask");
    if (k.mask && among(k.mask->using_column_names)) return held("the mask of column " + k.name + " uses it");
  }
  if (info.row_filter && among(info.row_filter->input_column_names)) return held("the table's row filter uses it");
  auto tags = in.tags(ctx, info.catalog_name);
  if (!tags) return fail(Resolver::catalog_error(tags.error()));
  for (const auto& tag : *tags)
    if (tag.entity_type == "columns" && is_named(tag.entity_name, info.full_name + "." + column)) return held("it has the tag " + tag.key);
  return {};
}

/// n of varchar(n) and char(n).
long length_of(const std::string& bounded) { return std::atol(bounded.c_str() + bounded.find('(') + 1); }

constexpr const char* kMapped =
    "Please enable Column Mapping on your Delta table with mapping mode 'name': ALTER TABLE <table_name> SET TBLPROPERTIES "
    "('delta.columnMapping.mode' = "
    "'name'). SQLSTATE: 0AKDC";

}  // namespace

Result<void> Executor::check_expressions(const Session& session, const delta::Metadata& m) {
  std::vector<RelationColumn> columns;
  std::map<std::string, const delta::Field*> by_name;
  for (const auto& f : m.schema.fields) {
    columns.push_back({f.name, f.type == "void" ? "string" : delta::sql_type(f.type)});
    by_name[lower(f.name)] = &f;
  }
  for (const auto& f : m.schema.fields) {
    const auto g = expression_in(f, "delta.generationExpression");
    const bool identity = f.metadata.contains("delta.identity.start");
    if (!g.empty() && identity)
      return refuse(Errc::invalid,
                    "[DELTA_IDENTITY_COLUMNS_WITH_GENERATED_EXPRESSION] IDENTITY column cannot be specified with a generated column expression. "
                    "SQLSTATE: 42613");
    if (identity && f.type != "long")
      return refuse(Errc::invalid, "[DELTA_IDENTITY_COLUMNS_UNSUPPORTED_DATA_TYPE] DataType " + delta::sql_type(f.type) +
                                       " is not supported for IDENTITY columns. SQLSTATE: 428H2");
    if (identity && std::ranges::find(m.partition_columns, f.name) != m.partition_columns.end())
      return refuse(Errc::invalid, "[DELTA_IDENTITY_COLUMNS_PARTITION_NOT_SUPPORTED] PARTITIONED BY IDENTITY column " + f.name +
                                       " is not supported. SQLSTATE: 42601");
    if (!g.empty()) {
      TARN_TRY(around, resolver_.compile_around(session, "SELECT CAST((" + g + ") AS " + delta::sql_type(f.type) + ") AS v FROM rows_", columns));
      if (around.volatile_)
        return refuse(Errc::invalid,
                      "[DELTA_NON_DETERMINISTIC_FUNCTION_NOT_SUPPORTED] Non-deterministic functions are not supported in a generated column: " + g +
                          ". SQLSTATE: 0AKDC");
      for (const auto& name : around.reads.at(0))
        if (const auto* read = by_name.at(lower(name)); !expression_in(*read, "delta.generationExpression").empty())
          return refuse(Errc::invalid,
                        "[DELTA_INVALID_GENERATED_COLUMN_REFERENCES] A generated column cannot use a non-existent column or another generated "
                        "column. SQLSTATE: 42621");
      TARN_CHECK(without_char(m, around.reads.at(0), "A generated column"));
    }
    if (const auto d = expression_in(f, "CURRENT_DEFAULT"); !d.empty()) {
      if (!g.empty() || identity)
        return refuse(Errc::invalid,
                      "[GENERATED_COLUMN_WITH_DEFAULT_VALUE] A column cannot have both a default value and a generation expression, but column `" +
                          f.name + "` has. SQLSTATE: 42623");
      TARN_TRY(value, resolver_.compile_value(session, "CAST((" + d + ") AS " + delta::sql_type(f.type) + ")"));
      (void)value;
    }
  }
  for (const auto& [name, expression] : delta::check_constraints(m)) {
    TARN_TRY(around, resolver_.compile_around(session, "SELECT (" + expression + ") AS v FROM rows_", columns));
    if (around.types.at(0) != "boolean")
      return refuse(Errc::invalid,
                    fmt::format("[DELTA_NON_BOOLEAN_CHECK_CONSTRAINT] CHECK constraint '{}' ({}) should be a boolean expression. SQLSTATE: 42621",
                                name, expression));
    TARN_CHECK(without_char(m, around.reads.at(0), "A CHECK constraint"));
  }
  return {};
}

/// Constraints and generated columns that use a column: it cannot be renamed, dropped or get another type under them.
Result<void> Executor::check_unused(const Session& session, const delta::Metadata& m, const std::string& column) {
  std::vector<RelationColumn> columns;
  for (const auto& f : m.schema.fields) columns.push_back({f.name, f.type == "void" ? "string" : delta::sql_type(f.type)});
  const auto uses = [&](const std::string& expression) -> Result<bool> {
    TARN_TRY(around, resolver_.compile_around(session, "SELECT (" + expression + ") AS v FROM rows_", columns));
    return std::ranges::any_of(around.reads.at(0), [&](const auto& name) { return is_named(name, column); });
  };
  for (const auto& [name, expression] : delta::check_constraints(m)) {
    TARN_TRY(used, uses(expression));
    if (used)
      return refuse(
          Errc::invalid,
          fmt::format("[DELTA_CONSTRAINT_DEPENDENT_COLUMN_CHANGE] Cannot alter column {} because this column is referenced by the following check "
                      "constraint(s):\n{} -> {}. SQLSTATE: 42K09",
                      column, name, expression));
  }
  for (const auto& f : m.schema.fields)
    if (const auto g = expression_in(f, "delta.generationExpression"); !g.empty()) {
      TARN_TRY(used, uses(g));
      if (used)
        return refuse(
            Errc::invalid,
            fmt::format("[DELTA_GENERATED_COLUMNS_DEPENDENT_COLUMN_CHANGE] Cannot alter column {} because this column is referenced by the following "
                        "generated column(s):\n{} -> {}. SQLSTATE: 42K09",
                        column, f.name, g));
    }
  return {};
}

Result<std::optional<delta::Commit>> Executor::column_change(const Call& c, const Target& target, const std::string& action) {
  const auto& a = c.analysis;
  const auto& snapshot = *target.table->snapshot;
  const auto full = target.name.full();
  delta::Commit commit;
  commit.operation = delta::Operation::change_columns;
  commit.metadata = snapshot.metadata;
  commit.honours = honoured_features();
  auto& m = *commit.metadata;
  auto& fields = m.schema.fields;
  const auto mapped = delta::mapping_mode(m) != delta::MappingMode::none;
  const auto place = [&](const std::string& name) -> Result<std::size_t> {
    for (std::size_t i = 0; i < fields.size(); ++i)
      if (is_named(fields[i].name, name)) return i;
    return refuse(Errc::unresolved, "[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION] A column, variable, or function parameter with name " +
                                        backticked(std::string_view(name)) + " cannot be resolved. SQLSTATE: 42703");
  };
  const auto partitions = [&](const std::string& name) { return std::ranges::find(m.partition_columns, name) != m.partition_columns.end(); };
  const auto option = [&](const char* key) { return a.options.contains(key) ? a.options.at(key) : std::string(); };

  if (action == "add_constraint" || action == "drop_constraint") {
    // Names of constraints compare without case.
    const auto wanted = lower(option("name"));
    const auto constraints = delta::check_constraints(m);
    const auto old = std::ranges::find_if(constraints, [&](const auto& k) { return lower(k.first) == wanted; });
    if (action == "drop_constraint") {
      commit.operation = delta::Operation::drop_constraint;
      commit.operation_parameters = {{"name", option("name")}};
      if (old == constraints.end() && a.options.contains("if_exists")) return std::optional<delta::Commit>();
      if (old == constraints.end())
        return refuse(Errc::invalid, "[DELTA_CONSTRAINT_DOES_NOT_EXIST] Cannot drop nonexistent constraint " + option("name") + " from table " +
                                         full + ". To avoid throwing an error, provide the parameter IF EXISTS. SQLSTATE: 42704");
      m.configuration.erase("delta.constraints." + old->first);
      return std::optional(std::move(commit));
    }
    if (old != constraints.end())
      return refuse(Errc::invalid, "[DELTA_CONSTRAINT_ALREADY_EXISTS] Constraint '" + option("name") +
                                       "' already exists. Please delete the old constraint first.\nOld constraint:\n" + old->second +
                                       ". SQLSTATE: 42710");
    TARN_TRY(around, resolver_.compile_around(c.session, "SELECT (" + a.query_text + ") AS v FROM rows_", target.table->columns));
    TARN_CHECK(without_char(m, around.reads.at(0), "A CHECK constraint"));
    TARN_TRY(broken, breaking(c.session, *target.table, a.query_text));
    if (broken > 0)
      return refuse(Errc::invalid,
                    fmt::format("[DELTA_NEW_CHECK_CONSTRAINT_VIOLATION] {} rows in {} violate the new CHECK constraint ({}). SQLSTATE: 23512", broken,
                                full, a.query_text));
    commit.operation = delta::Operation::add_constraint;
    commit.operation_parameters = {{"name", option("name")}, {"expr", a.query_text}};
    m.configuration["delta.constraints." + wanted] = a.query_text;
    commit.blind_append = false, commit.read_whole_table = true;  // rows that come meanwhile were not looked at
    return std::optional(std::move(commit));
  }
  if (action == "cluster_by") {
    commit.operation = delta::Operation::cluster_by;
    const auto old = delta::clustering_columns(snapshot);
    commit.operation_parameters = {{"oldClusteringColumns", fmt::format("{}", fmt::join(old, ","))},
                                   {"newClusteringColumns", fmt::format("{}", fmt::join(a.cluster_by, ","))}};
    if (old.empty() && a.cluster_by.empty()) return std::optional<delta::Commit>();
    auto domain = delta::clustering_domain(m, a.cluster_by);
    if (!domain) return fail(from_delta(domain.error()));
    commit.domains["delta.clustering"] = *std::move(domain);
    commit.metadata.reset();
    return std::optional(std::move(commit));
  }
  if (action == "rename_column") {
    TARN_TRY(at, place(a.files.at(0)));
    if (!mapped)
      return refuse(Errc::unsupported,
                    std::string("[DELTA_UNSUPPORTED_RENAME_COLUMN] Column rename is not supported for your Delta table. ") + kMapped);
    const auto& next = a.files.at(1);
    for (std::size_t i = 0; i < fields.size(); ++i)
      if (i != at && is_named(fields[i].name, next))
        return refuse(Errc::invalid, "[FIELD_ALREADY_EXISTS] Cannot rename column, because " + backticked(std::string_view(next)) +
                                         " already exists in the table's schema. SQLSTATE: 42710");
    TARN_CHECK(ungoverned(catalog_, c.session.ctx, target.info, fields[at].name));
    TARN_CHECK(check_unused(c.session, m, fields[at].name));
    commit.operation = delta::Operation::rename_column;
    commit.operation_parameters = {{"oldColumnPath", fields[at].name}, {"newColumnPath", next}};
    for (auto& p : m.partition_columns)
      if (p == fields[at].name) p = next;
    fields[at].name = next;
    return std::optional(std::move(commit));
  }
  if (action == "drop_columns") {
    if (!mapped)
      return refuse(Errc::unsupported, std::string("[DELTA_UNSUPPORTED_DROP_COLUMN] DROP COLUMN is not supported for your Delta table. ") + kMapped);
    const auto clustered = delta::clustering_columns(snapshot);
    json::array dropped;
    for (const auto& name : a.files) {
      auto at = place(name);
      if (!at && a.options.contains("if_exists")) continue;
      if (!at) return fail(std::move(at).error());
      const auto own = fields[*at].name;
      if (partitions(own))
        return refuse(Errc::invalid,
                      "[DELTA_UNSUPPORTED_DROP_PARTITION_COLUMN] Dropping partition columns (" + own + ") is not allowed. SQLSTATE: 0AKDC");
      if (std::ranges::find(clustered, own) != clustered.end())
        return refuse(Errc::invalid,
                      "[DELTA_UNSUPPORTED_DROP_CLUSTERING_COLUMN] Dropping clustering columns (" + own + ") is not allowed. SQLSTATE: 0AKDC");
      TARN_CHECK(ungoverned(catalog_, c.session.ctx, target.info, own));
      TARN_CHECK(check_unused(c.session, m, own));
      fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(*at));
      dropped.push_back(json::value(own));
    }
    if (dropped.empty()) return std::optional<delta::Commit>();
    if (fields.empty() || fields.size() == m.partition_columns.size())
      return refuse(Errc::invalid,
                    "[DELTA_DROP_COLUMN_ON_SINGLE_FIELD_SCHEMA] Cannot drop column from a schema with a single column. SQLSTATE: 0AKDC");
    commit.operation = delta::Operation::drop_columns;
    commit.operation_parameters = {{"columns", boost::json::serialize(dropped)}};
    return std::optional(std::move(commit));
  }
  TARN_TRY(at, place(a.columns.at(0).name));
  auto& field = fields[at];
  commit.operation_parameters = {{"column", field.name}};
  if (action == "set_default" || action == "drop_default") {
    if (action == "drop_default") {
      field.metadata.erase("CURRENT_DEFAULT");
    } else {
      field.metadata["CURRENT_DEFAULT"] = *a.columns[0].default_value;
      TARN_CHECK(check_expressions(c.session, m));
    }
  } else if (action == "set_not_null") {
    if (!field.nullable) return std::optional<delta::Commit>();
    TARN_TRY(broken, breaking(c.session, *target.table, backticked(std::string_view(field.name)) + " IS NOT NULL"));
    if (broken > 0)
      return refuse(
          Errc::invalid,
          fmt::format("[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: {}. {} rows hold NULL. SQLSTATE: 23502",
                      field.name, broken));
    field.nullable = false;
    commit.blind_append = false, commit.read_whole_table = true;
  } else {  // column_type
    auto type = delta::delta_type(a.columns[0].type);
    if (!type)
      return refuse(Errc::invalid, fmt::format("[UNSUPPORTED_DATATYPE] Unsupported data type \"{}\" of column `{}`. SQLSTATE: 0A000",
                                               a.columns[0].type, field.name));
    const auto now = delta::bounded_type(field);
    const auto spelled = lower(a.columns[0].type);
    const auto wanted = spelled.starts_with("varchar(") || spelled.starts_with("char(") ? spelled : std::string();
    if (*type == field.type && now == wanted) return std::optional<delta::Commit>();
    const bool held = now.starts_with("varchar(") || now.starts_with("char(");
    if (*type == field.type && held && (wanted.empty() || (wanted.starts_with("varchar(") && length_of(wanted) >= length_of(now)))) {
      // A longer text, or one of any length: what is there fits. CHAR(n) becomes no other CHAR, whose blanks would be others.
      if (wanted.empty())
        field.metadata.erase("__CHAR_VARCHAR_TYPE_STRING");
      else
        field.metadata["__CHAR_VARCHAR_TYPE_STRING"] = wanted;
      return std::optional(std::move(commit));
    }
    if (!wanted.empty() || !now.empty())
      return refuse(Errc::invalid,
                    fmt::format("[DELTA_UNSUPPORTED_ALTER_TABLE_CHANGE_COL_OP] ALTER TABLE CHANGE COLUMN is not supported for changing column "
                                "{} from {} to {}. SQLSTATE: 0AKDC",
                                field.name, delta::declared_type(field), a.columns[0].type));
    if (!delta::property_is_true(m, "delta.enableTypeWidening") || !delta::widens(field.type, *type) || partitions(field.name))
      return refuse(Errc::invalid, fmt::format("[DELTA_UNSUPPORTED_ALTER_TABLE_CHANGE_COL_OP] ALTER TABLE CHANGE COLUMN is not supported for "
                                               "changing column {} from {} to {}{}. SQLSTATE: 0AKDC",
                                               field.name, delta::sql_type(field.type), delta::sql_type(*type),
                                               delta::widens(field.type, *type) ? ": set the table property delta.enableTypeWidening" : ""));
    TARN_CHECK(check_unused(c.session, m, field.name));
    json::array changes;
    if (const auto* known = field.metadata.if_contains("delta.typeChanges"); known && known->is_array()) changes = known->get_array();
    changes.push_back(json::object{{"fromType", field.type}, {"toType", *type}});
    field.metadata["delta.typeChanges"] = std::move(changes);
    field.type = *std::move(type);
  }
  return std::optional(std::move(commit));
}

}  // namespace tarn::sql
