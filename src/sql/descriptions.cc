// SHOW and DESCRIBE: what the catalog lets this caller see.
#include "base/text.h"
#include "catalog/names.h"
#include "delta/clustering.h"
#include "delta/declared_types.h"
#include "delta/features.h"
#include "sql/described.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

std::optional<std::string> known(const std::string& text) { return text.empty() ? std::nullopt : std::optional(text); }

/// Properties as Spark shows them: what looks like a secret or names a place is redacted (`spark.redaction.regex` and
/// `spark.sql.redaction.options.regex` of its SQLConf), and what a view keeps for itself is left out.
std::map<std::string, std::string> shown(const std::map<std::string, std::string>& properties) {
  const auto hidden = [](const std::string& text) {
    const auto low = lower(text);
    return std::ranges::any_of(std::array{"secret", "password", "token", "accesskey", "access.key", "url"},
                               [&](const char* word) { return low.find(word) != std::string::npos; });
  };
  std::map<std::string, std::string> out;
  for (const auto& [k, v] : properties)
    if (!k.starts_with("view.")) out[k] = hidden(k) || hidden(v) ? "*********(redacted)" : v;
  return out;
}

std::string properties_text(const std::map<std::string, std::string>& p) {
  std::string out = "[";
  for (const auto& [k, v] : p) out += (out.size() > 1 ? "," : "") + k + "=" + v;
  return out + "]";
}

/// How a view's text is read, and what its columns are of the query's.
std::vector<std::pair<const char*, std::string>> view_details(const catalog::TableInfo& info) {
  const auto property = [&](const std::string& key) {
    const auto i = info.properties.find(key);
    return i == info.properties.end() ? std::string() : i->second;
  };
  std::vector<std::string> outputs;
  for (std::size_t i = 0; i < static_cast<std::size_t>(std::atoi(property("view.query.out.numCols").c_str())); ++i)
    outputs.push_back(property(fmt::format("view.query.out.col.{}", i)));
  const auto catalog = property("view.catalogAndNamespace.part.0");
  return {{"View Schema Mode", property("view.schemaMode")},
          {"View Catalog and Namespace", catalog.empty() ? "" : catalog + "." + property("view.catalogAndNamespace.part.1")},
          {"View Query Output Columns", outputs.empty() ? "" : bracketed(outputs)}};
}

/// A schema that is not there by the vendor's text.
Error schema_error(const catalog::Error& e, const std::pair<std::string, std::string>& name) {
  if (e.code != catalog::Errc::not_found || e.securable != catalog::SecurableType::SCHEMA) return Resolver::catalog_error(e);
  return {Errc::not_found, "[SCHEMA_NOT_FOUND] The schema " + backticked({name.first, name.second}) +
                               " cannot be found. Verify the spelling and correctness of the schema and catalog. SQLSTATE: 42704"};
}

}  // namespace

Result<catalog::TableInfo> Executor::readable(const Session& session, const std::vector<std::string>& parts, catalog::TableName& name) {
  if (const auto made = parts.size() == 1 && session.state ? session.state->view(lower(parts[0])) : nullptr) {
    name.table = lower(parts[0]);
    catalog::TableInfo info;
    info.name = name.table;
    info.table_type = catalog::TableType::VIEW;
    info.columns = made->columns;
    info.view_definition = made->query;
    info.comment = made->comment;
    info.properties = made->properties;
    return info;
  }
  TARN_TRY(qualified, resolver_.qualify(session, parts));
  name = qualified;
  auto info = catalog_.table(session.ctx, name);
  if (!info) return fail(Resolver::table_error(info.error(), name));
  return *std::move(info);
}

Result<Done> Executor::show(const Call& c) {
  const auto& a = c.analysis;
  const auto& ctx = c.session.ctx;
  const auto fits = [&](const std::string& name) { return !a.like || like(*a.like, name); };
  Rows rows;
  if (a.kind == StatementKind::show_catalogs) {
    auto found = catalog_.catalogs(ctx);
    if (!found) return fail(Resolver::catalog_error(found.error()));
    for (auto& n : *found)
      if (fits(n)) rows.push_back({n});
    return deliver(c, {{"catalog", "string"}}, rows);
  }
  if (a.kind == StatementKind::show_schemas) {
    const auto catalog = a.target.empty() ? c.session.catalog : a.target[0];
    if (catalog.empty()) return refuse(Errc::invalid, "SHOW SCHEMAS needs a catalog: SHOW SCHEMAS IN catalog, or send `catalog` with the statement");
    auto found = catalog_.schemas(ctx, catalog);
    if (!found) return fail(Resolver::catalog_error(found.error()));
    for (auto& n : *found)
      if (fits(n)) rows.push_back({n});
    return deliver(c, {{"databaseName", "string"}}, rows);
  }
  if (a.kind == StatementKind::show_tables || a.kind == StatementKind::show_views) {
    TARN_TRY(name, resolver_.qualify_schema(c.session, a.target));
    auto found = catalog_.tables(ctx, name.first, name.second);
    if (!found) return fail(schema_error(found.error(), name));
    const bool views = a.kind == StatementKind::show_views;
    for (auto& t : *found)
      if (fits(t.name) && (!views || t.table_type == catalog::TableType::VIEW)) {
        rows.push_back({name.second, t.name, "false"});
        if (views) rows.back().emplace_back("false");
      }
    for (const auto& own : c.session.state ? c.session.state->views() : std::vector<std::string>())
      if (fits(own)) {
        rows.push_back({"", own, "true"});
        if (views) rows.back().emplace_back("false");
      }
    std::vector<ResultColumn> columns{
        {views ? "namespace" : "database", "string"}, {views ? "viewName" : "tableName", "string"}, {"isTemporary", "boolean"}};
    if (views) columns.push_back({"isMaterialized", "boolean"});
    return deliver(c, std::move(columns), rows);
  }
  catalog::TableName name;
  TARN_TRY(info, readable(c.session, a.target, name));
  if (a.kind == StatementKind::show_columns) {
    for (const auto& col : info.columns) rows.push_back({col.name});
    return deliver(c, {{"col_name", "string"}}, rows);
  }
  if (a.kind == StatementKind::show_properties) {
    const auto all = shown(info.properties);
    for (const auto& [k, v] : all)
      if (a.files.empty() || k == a.files[0]) rows.push_back({k, v});
    if (!a.files.empty() && rows.empty())
      rows.push_back({a.files[0], "Table " + (name.catalog.empty() ? name.table : name.full()) + " does not have property: " + a.files[0]});
    return deliver(c, {{"key", "string"}, {"value", "string"}}, rows);
  }
  if (name.catalog.empty())
    return refuse(Errc::unsupported,
                  "[UNSUPPORTED_SHOW_CREATE_TABLE.ON_TEMPORARY_VIEW] Unsupported a SHOW CREATE TABLE command. The command is not supported on a "
                  "temporary view " +
                      backticked(std::string_view(name.table)) + ". SQLSTATE: 0A000");
  std::shared_ptr<const OpenTable> opened;
  if (info.table_type != catalog::TableType::VIEW && info.storage_location)
    if (const auto table = tables_.open(*info.storage_location)) opened = *table;
  Described more{.properties = shown(info.properties)};
  if (opened) more.clustered_by = delta::clustering_columns(*opened->snapshot);
  return deliver(c, {{"createtab_stmt", "string"}}, {{create_statement(info, more, opened ? &opened->snapshot->metadata.schema : nullptr)}});
}

Result<Done> Executor::describe_table(const Call& c) {
  catalog::TableName name;
  TARN_TRY(info, readable(c.session, c.analysis.target, name));
  Partition partition;
  const bool of_partition = c.analysis.options.contains("partition");
  if (of_partition) {
    if (info.table_type == catalog::TableType::VIEW)
      return refuse(Errc::invalid, "[FORBIDDEN_OPERATION] The operation DESC PARTITION is not allowed on the VIEW: " +
                                       backticked({name.catalog, name.schema, name.table}) + ". SQLSTATE: 42809");
    TARN_TRY(found, partition_of(c, name, info));
    partition = std::move(found);
  }
  std::map<std::string, std::string> defaults;
  std::vector<std::pair<std::string, std::string>> default_types;
  std::vector<std::string> clustered_by;
  if (info.table_type != catalog::TableType::VIEW && info.storage_location)
    if (const auto table = tables_.open(*info.storage_location)) {
      clustered_by = delta::clustering_columns(*(*table)->snapshot);
      for (const auto& f : (*table)->snapshot->metadata.schema.fields)
        if (const auto* text = f.metadata.if_contains("CURRENT_DEFAULT"); text && text->is_string()) {
          defaults[f.name] = std::string(text->get_string());
          default_types.emplace_back(f.name, delta::declared_type(f));
        }
    }
  if (c.analysis.options.contains("json"))
    return deliver(
        c, {{"json_metadata", "string"}},
        {{described_json(info, {.properties = shown(info.properties), .defaults = defaults, .clustered_by = clustered_by, .partition = partition})}});
  Rows rows;
  if (!c.analysis.columns.empty() && !of_partition) {
    const auto& wanted = c.analysis.columns[0].name;
    const auto own = std::ranges::find_if(info.columns, [&](const auto& k) {
      return std::ranges::equal(
          k.name, wanted, {}, [](unsigned char x) { return std::tolower(x); }, [](unsigned char x) { return std::tolower(x); });
    });
    if (own == info.columns.end())
      return refuse(Errc::unresolved, "[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION] A column, variable, or function parameter with name " +
                                          backticked(std::string_view(wanted)) + " cannot be resolved. SQLSTATE: 42703");
    rows = {{"col_name", own->name}, {"data_type", own->type_text}, {"comment", own->comment.value_or("NULL")}};
    // Statistics of a column are collected by ANALYZE TABLE, which there is none of here.
    if (c.analysis.extended)
      for (const char* what : {"min", "max", "num_nulls", "distinct_count", "avg_col_len", "max_col_len", "histogram"})
        rows.push_back({what, "NULL"});
    return deliver(c, {{"info_name", "string"}, {"info_value", "string"}}, rows);
  }
  for (const auto& col : info.columns) rows.push_back({col.name, col.type_text, col.comment});
  std::vector<const catalog::ColumnInfo*> partitions;
  for (const auto& col : info.columns)
    if (col.partition_index) partitions.push_back(&col);
  if (!partitions.empty()) {
    rows.push_back({"# Partition Information", "", ""});
    rows.push_back({"# col_name", "data_type", "comment"});
    for (const auto* p : partitions) rows.push_back({p->name, p->type_text, p->comment});
  }
  if (!clustered_by.empty()) {
    rows.push_back({"# Clustering Information", "", ""});
    rows.push_back({"# col_name", "data_type", "comment"});
    for (const auto& k : clustered_by)
      for (const auto& col : info.columns)
        if (col.name == k) rows.push_back({col.name, col.type_text, col.comment});
  }
  if (of_partition && c.analysis.extended) {
    std::string values;
    for (const auto& [k, v] : partition) values += (values.empty() ? "" : ", ") + k + "=" + v;
    rows.push_back({"", "", ""});
    rows.push_back({"# Detailed Partition Information", "", ""});
    rows.push_back({"Database", info.schema_name, ""});
    rows.push_back({"Table", info.name, ""});
    rows.push_back({"Partition Values", "[" + values + "]", ""});
  } else if (c.analysis.extended) {
    rows.push_back({"", "", ""});
    rows.push_back({"# Detailed Table Information", "", ""});
    const auto add = [&](const char* key, std::string value) {
      if (!value.empty()) rows.push_back({key, std::move(value), ""});
    };
    add("Catalog", info.catalog_name);
    add("Database", info.schema_name);
    add("Table", info.name);
    if (info.created_at) add("Created Time", to_rfc3339(info.created_at));
    add("Created By", info.created_by);
    add("Type", std::string(json::name_of(info.table_type)));
    add("Comment", info.comment.value_or(""));
    add("Location", info.storage_location.value_or(""));
    add("Provider", info.data_source_format ? "delta" : "");
    add("Owner", info.owner);
    add("View Text", info.view_definition.value_or(""));
    for (const auto& [key, value] : view_details(info)) add(key, value);
    const auto call = [](const std::string& function, const std::vector<std::string>& columns) {
      std::string list;
      for (const auto& k : columns) list += (list.empty() ? "" : ", ") + k;
      return function + (list.empty() ? "" : " ON (" + list + ")");
    };
    if (info.row_filter) add("Row Filter", call(info.row_filter->function_name, info.row_filter->input_column_names));
    for (const auto& col : info.columns)
      if (col.mask) add(("Mask of " + col.name).c_str(), call(col.mask->function_name, col.mask->using_column_names));
    if (const auto properties = shown(info.properties); !properties.empty()) add("Table Properties", properties_text(properties));
  }
  if (!defaults.empty()) rows.push_back({"", "", ""}), rows.push_back({"# Column Default Values", "", ""});
  for (const auto& [column, type] : default_types) rows.push_back({column, type, defaults.at(column)});
  return deliver(c, {{"col_name", "string"}, {"data_type", "string"}, {"comment", "string"}}, rows);
}

Result<Done> Executor::describe_query(const Call& c) {
  TARN_TRY(inner, parser_.analyze(c.analysis.query_text));
  if (inner->kind != StatementKind::query)
    return refuse(Errc::parse, "[PARSE_SYNTAX_ERROR] Syntax error at or near 'QUERY': a query is expected. SQLSTATE: 42601");
  TARN_TRY(compiled, resolver_.compile(c.session, c.analysis.query_text, *inner));
  Rows rows;
  for (std::size_t i = 0; i < compiled.columns.size(); ++i) {
    std::optional<std::string> comment;
    // A column of a table brings its comment along.
    if (const auto own = i < compiled.origins.size() ? compiled.origins[i] : std::nullopt) {
      if (const auto parts = catalog::split_name(own->first, 3, "table"))
        if (const auto info = catalog_.table(c.session.ctx, {(*parts)[0], (*parts)[1], (*parts)[2]}))
          for (const auto& column : info->columns)
            if (column.name == own->second) comment = column.comment;
    }
    rows.push_back({compiled.columns[i], compiled.types.at(i), std::move(comment)});
  }
  return deliver(c, {{"col_name", "string"}, {"data_type", "string"}, {"comment", "string"}}, rows);
}

Result<Done> Executor::describe_history(const Call& c) {
  catalog::TableName name;
  TARN_TRY(info, readable(c.session, c.analysis.target, name));
  // The log tells of rows: who may read them may read it.
  if (auto ok = catalog_.require(c.session.ctx, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, name.full()); !ok)
    return fail(Resolver::table_error(ok.error(), name));
  // Counts of rows and files, and the conditions of changes, tell of rows that a filter hides: they are for who may lift it.
  if (info.governed())
    if (auto ok = catalog_.require(c.session.ctx, catalog::Privilege::MANAGE, catalog::SecurableType::TABLE, name.full()); !ok)
      return fail(Resolver::table_error(ok.error(), name));
  if (info.table_type == catalog::TableType::VIEW || !info.storage_location)
    return refuse(Errc::invalid, "[EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE] The operation expects a table but " +
                                     backticked({name.catalog, name.schema, name.table}) + " is a view. SQLSTATE: 42809");
  if (c.analysis.kind == StatementKind::describe_detail) {
    TARN_TRY(table, tables_.open(*info.storage_location));
    const auto& s = *table->snapshot;
    const auto list = [](const auto& names) {
      json::array out;
      for (const auto& n : names) out.push_back(json::value(n));
      return boost::json::serialize(out);
    };
    return deliver(
        c,
        {{"format", "string"},
         {"id", "string"},
         {"name", "string"},
         {"description", "string"},
         {"location", "string"},
         {"createdAt", "timestamp"},
         {"lastModified", "timestamp"},
         {"partitionColumns", "array<string>"},
         {"clusteringColumns", "array<string>"},
         {"numFiles", "bigint"},
         {"sizeInBytes", "bigint"},
         {"minReaderVersion", "int"},
         {"minWriterVersion", "int"},
         {"tableFeatures", "array<string>"}},
        {{"delta", s.metadata.id, name.full(), info.comment, *info.storage_location, to_rfc3339(s.metadata.created_at), to_rfc3339(s.timestamp),
          list(s.metadata.partition_columns), list(delta::clustering_columns(s)), std::to_string(s.files.size()), std::to_string(s.size_in_bytes()),
          std::to_string(s.protocol.min_reader), std::to_string(s.protocol.min_writer), list(delta::features_of(s.protocol))}});
  }
  TARN_TRY(commits, tables_.history(*info.storage_location, 1000));
  Rows rows;
  for (const auto& h : commits)
    rows.push_back({std::to_string(h.version), to_rfc3339(h.timestamp), known(h.user_name), h.operation,
                    boost::json::serialize(h.operation_parameters), h.read_version ? std::optional(std::to_string(*h.read_version)) : std::nullopt,
                    known(h.isolation_level), h.blind_append ? std::optional<std::string>(*h.blind_append ? "true" : "false") : std::nullopt,
                    boost::json::serialize(h.operation_metrics), known(h.engine_info)});
  return deliver(c,
                 {{"version", "bigint"},
                  {"timestamp", "timestamp"},
                  {"userName", "string"},
                  {"operation", "string"},
                  {"operationParameters", "string"},
                  {"readVersion", "bigint"},
                  {"isolationLevel", "string"},
                  {"isBlindAppend", "boolean"},
                  {"operationMetrics", "string"},
                  {"engineInfo", "string"}},
                 rows);
}

}  // namespace tarn::sql
