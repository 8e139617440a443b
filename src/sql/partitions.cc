// What is told of partitions and of tables in bulk: SHOW PARTITIONS, PARTITION (…) of DESCRIBE and SHOW TABLE EXTENDED. A partition's values are
// values of rows: they are asked for by a query of whoever asks, so that rights, filters and masks hold.
#include "base/text.h"
#include "sql/described.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

/// The rows of a query that the platform asks itself, as text.
class Collected final : public ResultSink {
 public:
  std::vector<std::vector<std::optional<std::string>>> rows;
  void schema(std::vector<ResultColumn>) override {}
  bool chunk(std::string content, std::int64_t) override {
    const auto parsed = json::parse(content);
    if (!parsed) return false;
    for (const auto& r : parsed->as_array()) {
      auto& row = rows.emplace_back();
      for (const auto& v : r.as_array()) row.push_back(v.is_null() ? std::nullopt : std::optional<std::string>(v.as_string()));
    }
    return true;
  }
};

bool same_name(std::string_view a, std::string_view b) { return lower(a) == lower(b); }

std::string list_of(const std::vector<std::string>& texts, const char* between) { return fmt::format("{}", fmt::join(texts, between)); }

std::vector<const catalog::ColumnInfo*> partition_columns(const catalog::TableInfo& info) {
  std::vector<const catalog::ColumnInfo*> out;
  for (const auto& c : info.columns)
    if (c.partition_index) out.push_back(&c);
  std::ranges::sort(out, {}, [](const auto* c) { return *c->partition_index; });
  return out;
}

}  // namespace

Result<Done> Executor::ask(const Call& c, const std::string& query_text, ResultSink& sink) {
  TARN_TRY(analysis, parser_.analyze(query_text));
  ResultOptions options = c.options;
  options.use_cache = false;
  if (&sink != &c.sink) options.format = engine::Format::json_array, options.row_limit.reset();
  const Call inner{c.session, query_text, *analysis, options, sink, c.guarded, c.metrics};
  return query(inner);
}

Result<std::string> Executor::in_partition(const Call& c, const catalog::TableInfo& info) {
  const auto own = partition_columns(info);
  std::vector<std::string> conditions;
  for (const auto& given : c.analysis.columns) {
    const auto found = std::ranges::find_if(own, [&](const auto* p) { return same_name(p->name, given.name); });
    if (found == own.end()) return std::string();
    if (!given.default_value) continue;  // named only
    const auto& column = **found;
    const auto type = column.type_text.find("char") == column.type_text.npos ? column.type_text : std::string("string");
    const auto name = backticked(std::string_view(column.name));
    conditions.push_back(given.type == "like" ? "CAST(" + name + " AS STRING) LIKE " + *given.default_value
                                              : name + " <=> CAST(" + *given.default_value + " AS " + type + ")");
  }
  return conditions.empty() ? "TRUE" : list_of(conditions, " AND ");
}

Result<Executor::Partition> Executor::partition_of(const Call& c, const catalog::TableName& name, const catalog::TableInfo& info) {
  const auto own = partition_columns(info);
  std::vector<std::string> said, wanted, shown, read;
  for (const auto& p : own) {
    wanted.push_back(p->name);
    read.push_back("CAST(" + backticked(std::string_view(p->name)) + " AS STRING)");
  }
  for (const auto& g : c.analysis.columns) {
    said.push_back(g.name);
    shown.push_back(backticked(std::string_view(g.name)) + " = " + g.default_value.value_or(""));
  }
  if (said.size() < wanted.size())
    return refuse(Errc::invalid, "[_LEGACY_ERROR_TEMP_1232] Partition spec is invalid. The spec (" + list_of(said, ", ") +
                                     ") must match the partition spec (" + list_of(wanted, ", ") + ") defined in table '" +
                                     backticked({name.catalog, name.schema, name.table}) + "'.");
  TARN_TRY(condition, in_partition(c, info));
  Collected found;
  if (!condition.empty() && said.size() == wanted.size())
    TARN_CHECK(
        ask(c, "SELECT " + list_of(read, ", ") + " FROM " + backticked({name.catalog, name.schema, name.table}) + " WHERE " + condition + " LIMIT 1",
            found));
  if (found.rows.empty())
    return refuse(Errc::not_found, "[PARTITIONS_NOT_FOUND] The partition(s) PARTITION (" + list_of(shown, ", ") + ") cannot be found in table " +
                                       backticked({name.catalog, name.schema, name.table}) +
                                       ". Verify the partition specification and table name. SQLSTATE: 428FT");
  Partition out;
  for (std::size_t i = 0; i < wanted.size(); ++i) out.emplace_back(wanted[i], found.rows[0].at(i).value_or("null"));
  return out;
}

Result<Done> Executor::show_partitions(const Call& c) {
  catalog::TableName name;
  TARN_TRY(info, readable(c.session, c.analysis.target, name));
  if (info.table_type == catalog::TableType::VIEW)
    return refuse(Errc::invalid, "[EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE] 'SHOW PARTITIONS' expects a table but " +
                                     backticked({name.catalog, name.schema, name.table}) + " is a view. SQLSTATE: 42809");
  std::vector<std::string> own, stray;
  for (const auto* p : partition_columns(info)) own.push_back(backticked(std::string_view(p->name)));
  if (own.empty())
    return refuse(Errc::invalid,
                  "[DELTA_SHOW_PARTITION_IN_NON_PARTITIONED_TABLE] SHOW PARTITIONS is not allowed on a table that is not partitioned: " +
                      backticked({name.catalog, name.schema, name.table}) + " SQLSTATE: 42809");
  for (const auto& given : c.analysis.columns)
    if (std::ranges::none_of(own, [&](const auto& p) { return same_name(p, backticked(std::string_view(given.name))); })) stray.push_back(given.name);
  if (!stray.empty())
    return refuse(Errc::invalid, "[DELTA_SHOW_PARTITION_IN_NON_PARTITIONED_COLUMN] Non-partitioning column(s) [" + list_of(stray, ", ") +
                                     "] are specified for SHOW PARTITIONS SQLSTATE: 42P10");
  TARN_TRY(condition, in_partition(c, info));
  const auto columns = list_of(own, ", ");
  return ask(
      c,
      "SELECT DISTINCT " + columns + " FROM " + backticked({name.catalog, name.schema, name.table}) + " WHERE " + condition + " ORDER BY " + columns,
      c.sink);
}

Result<Done> Executor::show_table_extended(const Call& c) {
  const auto& a = c.analysis;
  const std::vector<ResultColumn> columns{{"database", "string"}, {"tableName", "string"}, {"isTemporary", "boolean"}, {"information", "string"}};
  TARN_TRY(schema, resolver_.qualify_schema(c.session, a.target));
  if (a.options.contains("partition")) {
    // With a partition the pattern is a name.
    catalog::TableName name{schema.first, schema.second, lower(*a.like)};
    auto info = catalog_.table(c.session.ctx, name);
    if (!info) return fail(Resolver::table_error(info.error(), name));
    TARN_TRY(partition, partition_of(c, name, *info));
    std::vector<std::string> values;
    for (const auto& [k, v] : partition) values.push_back(k + "=" + v);
    return deliver(c, columns, {{schema.second, info->name, "false", "Partition Values: [" + list_of(values, ", ") + "]\n"}});
  }
  auto found = catalog_.tables(c.session.ctx, schema.first, schema.second);
  if (!found) return fail(Resolver::catalog_error(found.error()));
  Rows rows;
  const auto tell = [&](const catalog::TableInfo& t, bool whole) {
    std::string out;
    const auto add = [&](const char* key, const std::string& value) {
      if (!value.empty()) out += std::string(key) + ": " + value + "\n";
    };
    std::vector<std::string> partitioned_by;
    for (const auto* p : partition_columns(t)) partitioned_by.push_back(p->name);
    add("Catalog", t.catalog_name);
    add("Database", t.schema_name);
    add("Table", t.name);
    add("Owner", t.owner);
    if (t.created_at) add("Created Time", to_rfc3339(t.created_at));
    add("Last Access", "UNKNOWN");
    add("Created By", t.created_by);
    add("Type", std::string(json::name_of(t.table_type)));
    add("Provider", t.data_source_format ? "delta" : "");
    add("Comment", t.comment.value_or(""));
    if (whole) {
      add("Location", t.storage_location.value_or(""));
      add("View Text", t.view_definition.value_or(""));
    }
    if (!partitioned_by.empty()) add("Partition Columns", bracketed(partitioned_by));
    return out + "Schema: root\n" + schema_tree(t.columns);
  };
  for (const auto& t : *found)
    if (like(*a.like, t.name)) {
      // Who may not read it is told that it is there and what its columns are; where its rows are, or what a view asks, is no part of a list.
      const bool whole =
          catalog_
              .require(c.session.ctx, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, schema.first + "." + schema.second + "." + t.name)
              .has_value();
      rows.push_back({schema.second, t.name, "false", tell(t, whole)});
    }
  for (const auto& own : c.session.state ? c.session.state->views() : std::vector<std::string>())
    if (const auto made = c.session.state->view(own); made && like(*a.like, own)) {
      catalog::TableInfo info{.name = own, .table_type = catalog::TableType::VIEW, .columns = made->columns, .view_definition = made->query};
      info.comment = made->comment;
      rows.push_back({"", own, "true", tell(info, true)});
    }
  return deliver(c, columns, rows);
}

}  // namespace tarn::sql
