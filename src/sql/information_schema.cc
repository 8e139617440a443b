// CATALOG.information_schema and, over all catalogs, system.information_schema: what the caller may see of names, columns, grants, policies and tags.
// Source: Databricks docs, "Information schema".
#include "sql/resolver.h"
#include "sql/system_tables.h"

namespace tarn::sql {
namespace {

using Columns = std::vector<RelationColumn>;

const std::map<std::string, Columns>& shapes() {
  static const auto text = [](std::initializer_list<const char*> names) {
    Columns out;
    for (const char* n : names) out.push_back({n, "string"});
    return out;
  };
  static const std::map<std::string, Columns> all{
      {"catalogs", text({"catalog_name"})},
      {"schemata", text({"catalog_name", "schema_name"})},
      {"tables",
       {{"table_catalog", "string"},
        {"table_schema", "string"},
        {"table_name", "string"},
        {"table_type", "string"},
        {"table_owner", "string"},
        {"comment", "string"},
        {"created", "timestamp"},
        {"created_by", "string"},
        {"last_altered", "timestamp"},
        {"last_altered_by", "string"},
        {"data_source_format", "string"}}},
      {"views", text({"table_catalog", "table_schema", "table_name", "view_definition"})},
      {"columns",
       {{"table_catalog", "string"},
        {"table_schema", "string"},
        {"table_name", "string"},
        {"column_name", "string"},
        {"ordinal_position", "int"},
        {"is_nullable", "string"},
        {"full_data_type", "string"},
        {"data_type", "string"},
        {"comment", "string"}}},
      {"row_filters", text({"table_catalog", "table_schema", "table_name", "filter_name", "filter_catalog", "filter_schema", "filter_col_usage"})},
      {"column_masks",
       text({"table_catalog", "table_schema", "table_name", "column_name", "mask_name", "mask_catalog", "mask_schema", "mask_col_usage"})},
      {"abac_policy_definitions",
       {{"policy_id", "string"},
        {"policy_name", "string"},
        {"policy_type", "string"},
        {"catalog_name", "string"},
        {"schema_name", "string"},
        {"securable_name", "string"},
        {"on_securable_type", "string"},
        {"to_principals", "array<string>"},
        {"except_principals", "array<string>"},
        {"for_securable_type", "string"},
        {"privileges", "array<string>"},
        {"when_condition", "string"},
        {"match_columns", "array<string>"},
        {"created_by", "string"}}},
      {"catalog_privileges", text({"grantor", "grantee", "catalog_name", "privilege_type", "is_grantable", "inherited_from"})},
      {"schema_privileges", text({"grantor", "grantee", "catalog_name", "schema_name", "privilege_type", "is_grantable", "inherited_from"})},
      {"table_privileges",
       text({"grantor", "grantee", "table_catalog", "table_schema", "table_name", "privilege_type", "is_grantable", "inherited_from"})},
      {"catalog_tags", text({"catalog_name", "tag_name", "tag_value"})},
      {"schema_tags", text({"catalog_name", "schema_name", "tag_name", "tag_value"})},
      {"table_tags", text({"catalog_name", "schema_name", "table_name", "tag_name", "tag_value"})},
      {"column_tags", text({"catalog_name", "schema_name", "table_name", "column_name", "tag_name", "tag_value"})},
      {"volume_tags", text({"catalog_name", "schema_name", "volume_name", "tag_name", "tag_value"})}};
  return all;
}

std::vector<std::string> name_parts(const std::string& full, std::size_t most) {
  std::vector<std::string> out(1);
  for (const char c : full)
    if (c == '.' && out.size() < most)
      out.emplace_back();
    else
      out.back() += c;
  out.resize(most);
  return out;
}

std::string usage(const std::vector<std::string>& columns) {
  std::string out;
  for (const auto& c : columns) out += (out.empty() ? "" : ",") + c;
  return out;
}

/// One table of the schema, while it is put together.
class Filler {
 public:
  Filler(catalog::Catalog& catalog, const access::Context& ctx, std::string table) : catalog_(catalog), ctx_(ctx), table_(std::move(table)) {}

  void of_catalog(const std::string& c) {
    if (table_ == "catalogs") {
      add({c});
      return;
    }
    if (table_.ends_with("_tags")) return tags(c);
    if (table_ == "abac_policy_definitions") return policies(c);
    if (table_ == "catalog_privileges") return privileges(catalog::SecurableType::CATALOG, c, {c});
    const auto schemas = catalog_.schemas(ctx_, c);
    if (!schemas) return;  // visible, but without USE CATALOG
    for (const auto& s : *schemas) of_schema(c, s);
  }
  SystemRows done() { return inline_rows(shapes().at(table_), rows_); }

 private:
  void add(const json::array& values) {
    json::object row;
    std::size_t i = 0;
    for (const auto& v : values) row[shapes().at(table_)[i++].name] = v;
    rows_.push_back(std::move(row));
  }
  static json::value known(const std::optional<std::string>& text) { return text ? json::value(*text) : json::value(nullptr); }

  void of_schema(const std::string& c, const std::string& s) {
    if (table_ == "schemata") return add({c, s});
    if (table_ == "schema_privileges") return privileges(catalog::SecurableType::SCHEMA, c + "." + s, {c, s});
    const auto found = catalog_.tables(ctx_, c, s);
    if (!found) return;
    for (const auto& t : *found) of_table(c, s, t);
  }

  void of_table(const std::string& c, const std::string& s, const catalog::TableInfo& t) {
    if (table_ == "tables")
      add({c, s, t.name, json::name_of(t.table_type), t.owner, known(t.comment), to_rfc3339(t.created_at), t.created_by, to_rfc3339(t.updated_at),
           t.updated_by, known(t.data_source_format)});
    if (table_ == "views" && t.table_type == catalog::TableType::VIEW) add({c, s, t.name, t.view_definition.value_or("")});
    if (table_ == "columns")
      for (const auto& k : t.columns) add({c, s, t.name, k.name, k.position, k.nullable ? "YES" : "NO", k.type_text, k.type_name, known(k.comment)});
    if (table_ == "row_filters" && t.row_filter) {
      const auto f = name_parts(t.row_filter->function_name, 3);
      add({c, s, t.name, f[2], f[0], f[1], usage(t.row_filter->input_column_names)});
    }
    if (table_ == "column_masks")
      for (const auto& k : t.columns)
        if (k.mask) {
          const auto f = name_parts(k.mask->function_name, 3);
          add({c, s, t.name, k.name, f[2], f[0], f[1], usage(k.mask->using_column_names)});
        }
    if (table_ == "table_privileges") privileges(catalog::SecurableType::TABLE, t.full_name, {c, s, t.name});
  }

  void privileges(catalog::SecurableType type, const std::string& full, const std::vector<std::string>& name) {
    const auto found = catalog_.grants(ctx_, type, full, std::nullopt);
    if (!found) return;  // whose grants the caller may not see
    for (const auto& g : *found) {
      json::object row;
      const auto& columns = shapes().at(table_);
      row["grantor"] = nullptr;
      row["grantee"] = g.principal;
      for (std::size_t i = 0; i < name.size(); ++i) row[columns[2 + i].name] = name[i];
      row["privilege_type"] = json::name_of(g.privilege);
      row["is_grantable"] = "NO";
      row["inherited_from"] = g.inherited_from_type ? json::name_of(*g.inherited_from_type) : std::string_view("NONE");
      rows_.push_back(std::move(row));
    }
  }

  void tags(const std::string& c) {
    const auto found = catalog_.tags(ctx_, c);
    if (!found) return;
    const std::string type = table_ == "catalog_tags" ? "catalogs" : table_ == "schema_tags" ? "schemas" : table_.substr(0, table_.size() - 5) + "s";
    const auto& columns = shapes().at(table_);
    for (const auto& t : *found) {
      if (t.entity_type != type) continue;
      json::object row;
      const auto parts = name_parts(t.entity_name, columns.size() - 2);
      for (std::size_t i = 0; i < parts.size(); ++i) row[columns[i].name] = parts[i];
      row["tag_name"] = t.key;
      row["tag_value"] = t.value;
      rows_.push_back(std::move(row));
    }
  }

  void policies(const std::string& c) {
    const auto found = catalog_.all_policies(ctx_, c);
    if (!found) return;
    const auto list = [](const std::vector<std::string>& names) {
      json::array out;
      for (const auto& n : names) out.emplace_back(n);
      return out;
    };
    for (const auto& p : *found) {
      const auto on = p.on_securable_fullname.value_or("");
      const auto levels = static_cast<std::size_t>(std::ranges::count(on, '.')) + 1;
      const auto parts = name_parts(on, 3);
      json::array columns;
      for (const auto& m : p.match_columns) columns.emplace_back(m.condition + (m.alias ? " AS " + *m.alias : ""));
      add({known(p.id), p.name, p.policy_type == catalog::PolicyType::POLICY_TYPE_COLUMN_MASK ? "COLUMN_MASK" : "ROW_FILTER", parts[0],
           levels > 1 ? json::value(parts[1]) : json::value(nullptr), levels > 2 ? json::value(parts[2]) : json::value(nullptr),
           known(p.on_securable_type), list(p.to_principals), list(p.except_principals), known(p.for_securable_type), nullptr,
           known(p.when_condition), std::move(columns), known(p.created_by)});
    }
  }

  catalog::Catalog& catalog_;
  const access::Context& ctx_;
  std::string table_;
  json::array rows_;
};

}  // namespace

Result<SystemRows> SystemTables::information_schema(const access::Context& ctx, const catalog::TableName& name) {
  const auto missing = [&] { return fail(Resolver::table_error({{.code = catalog::Errc::not_found, .message = ""}}, name)); };
  auto catalogs = catalog_.catalogs(ctx);
  if (!catalogs) return fail(Resolver::catalog_error(catalogs.error()));
  const bool all = name.catalog == "system";
  if (!all && std::ranges::find(*catalogs, name.catalog) == catalogs->end()) return missing();
  if (!shapes().contains(name.table)) return missing();
  Filler rows(catalog_, ctx, name.table);
  for (const auto& c : all ? *catalogs : std::vector<std::string>{name.catalog}) rows.of_catalog(c);
  return rows.done();
}

}  // namespace tarn::sql
