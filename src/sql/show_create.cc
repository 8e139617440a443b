// SHOW CREATE TABLE: a statement that makes the table or view again, but for its rows.
#include "delta/log.h"
#include "sql/described.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

/// A string literal as Databricks SQL reads it.
std::string literal(std::string_view text) {
  std::string out = "'";
  for (const char ch : text) {
    if (ch == '\\' || ch == '\'') out += '\\';
    out += ch;
  }
  return out + "'";
}

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& n : names) out += (out.empty() ? "" : ", ") + backticked(std::string_view(n));
  return "(" + out + ")";
}

std::string function_name(const std::string& full) {
  std::string out;
  for (std::size_t at = 0; at <= full.size();) {
    const auto dot = std::min(full.find('.', at), full.size());
    out += (out.empty() ? "" : ".") + backticked(std::string_view(full).substr(at, dot - at));
    at = dot + 1;
  }
  return out;
}

std::string made_of(const delta::Field& field) {
  const auto* text = field.metadata.if_contains("delta.generationExpression");
  if (text && text->is_string()) return " GENERATED ALWAYS AS (" + std::string(text->get_string()) + ")";
  if (const auto* start = field.metadata.if_contains("delta.identity.start"); start && start->is_number()) {
    const auto* open = field.metadata.if_contains("delta.identity.allowExplicitInsert");
    const auto* step = field.metadata.if_contains("delta.identity.step");
    return fmt::format(" GENERATED {} AS IDENTITY (START WITH {} INCREMENT BY {})",
                       open && open->is_bool() && open->get_bool() ? "BY DEFAULT" : "ALWAYS", start->to_number<std::int64_t>(),
                       step && step->is_number() ? step->to_number<std::int64_t>() : 1);
  }
  const auto* value = field.metadata.if_contains("CURRENT_DEFAULT");
  return value && value->is_string() ? " DEFAULT " + std::string(value->get_string()) : std::string();
}

}  // namespace

std::string create_statement(const catalog::TableInfo& table, const Described& more, const delta::Schema* schema) {
  const bool view = table.table_type == catalog::TableType::VIEW;
  std::string text = view ? "CREATE VIEW " : "CREATE TABLE ";
  text += backticked({table.catalog_name, table.schema_name, table.name}) + " (\n";
  std::vector<std::pair<int, std::string>> partitions;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const auto& c = table.columns[i];
    text += "  " + backticked(std::string_view(c.name));
    if (!view) {
      text += " " + c.type_text + (c.nullable ? "" : " NOT NULL");
      if (schema)
        if (const auto* field = schema->find(c.name)) text += made_of(*field);
    }
    if (c.comment) text += " COMMENT " + literal(*c.comment);
    if (c.mask) {
      text += " MASK " + function_name(c.mask->function_name);
      if (!c.mask->using_column_names.empty()) text += " USING COLUMNS " + listed(c.mask->using_column_names);
    }
    text += i + 1 < table.columns.size() ? ",\n" : ")\n";
    if (c.partition_index) partitions.emplace_back(*c.partition_index, c.name);
  }
  if (!view) text += "USING delta\n";
  if (!partitions.empty()) {
    std::ranges::sort(partitions);
    std::vector<std::string> names;
    for (auto& [place, name] : partitions) names.push_back(std::move(name));
    text += "PARTITIONED BY " + listed(names) + "\n";
  }
  if (!more.clustered_by.empty()) text += "CLUSTER BY " + listed(more.clustered_by) + "\n";
  if (table.comment) text += "COMMENT " + literal(*table.comment) + "\n";
  if (table.table_type == catalog::TableType::EXTERNAL && table.storage_location) text += "LOCATION " + literal(*table.storage_location) + "\n";
  if (!more.properties.empty()) {
    std::string list;
    for (const auto& [k, v] : more.properties) list += (list.empty() ? "" : ",\n") + ("  " + literal(k)) + " = " + literal(v);
    text += "TBLPROPERTIES (\n" + list + ")\n";
  }
  if (table.row_filter)
    text += "WITH ROW FILTER " + function_name(table.row_filter->function_name) + " ON " + listed(table.row_filter->input_column_names) + "\n";
  if (const auto mode = table.properties.find("view.schemaMode"); mode != table.properties.end() && mode->second != "COMPENSATION")
    text += "WITH SCHEMA " + mode->second + "\n";
  if (table.view_definition) text += "AS " + *table.view_definition + "\n";
  return text;
}

}  // namespace tarn::sql
