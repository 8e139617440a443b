#include "sql/described.h"

#include "base/text.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

std::string text_of(const json::value& v) { return v.is_string() ? std::string(v.get_string()) : std::string(); }

const json::value* member(const json::value& v, const char* key) { return v.is_object() ? v.get_object().if_contains(key) : nullptr; }

bool yes(const json::value* v) { return !v || !v->is_bool() || v->get_bool(); }

/// The numbers between the parentheses of `decimal(10,2)`.
std::vector<std::int64_t> numbers(const std::string& type) {
  std::vector<std::int64_t> out;
  for (std::size_t i = type.find('('); i < type.size(); ++i)
    if (std::isdigit(static_cast<unsigned char>(type[i])) && !std::isdigit(static_cast<unsigned char>(type[i - 1])))
      out.push_back(std::atoll(type.c_str() + i));
  return out;
}

json::value named(const char* name) { return json::object{{"name", name}}; }

json::value scalar(const std::string& type) {
  const auto n = numbers(type);
  if (type == "string") return json::object{{"name", "string"}, {"collation", "UTF8_BINARY"}};
  if (type == "timestamp") return named("timestamp_ltz");
  if (type == "integer" || type == "int") return named("int");
  if (type == "long") return named("bigint");
  if (type == "short") return named("smallint");
  if (type == "byte") return named("tinyint");
  if (type.starts_with("decimal") && n.size() == 2) return json::object{{"name", "decimal"}, {"precision", n[0]}, {"scale", n[1]}};
  if (type.starts_with("char(") && !n.empty()) return json::object{{"name", "char"}, {"length", n[0]}};
  if (type.starts_with("varchar(") && !n.empty()) return json::object{{"name", "varchar"}, {"length", n[0]}};
  if (type.starts_with("time(") && !n.empty()) return json::object{{"name", "time"}, {"precision", n[0]}};
  if (type.starts_with("interval ")) {
    auto from = type.substr(9);
    std::string to = from;
    if (const auto at = from.find(" to "); at != from.npos) to = from.substr(at + 4), from.resize(at);
    return json::object{{"name", "interval"}, {"start_unit", from}, {"end_unit", to}};
  }
  return json::object{{"name", type}};
}

/// Of a column: its protocol type and the declared one where the protocol knows only a string.
std::pair<json::value, std::string> typed(const catalog::ColumnInfo& column) {
  const auto field = json::parse(column.type_json);
  const auto* type = field ? member(*field, "type") : nullptr;
  const auto declared = lower(column.type_text);
  const bool bounded =
      declared.starts_with("char(") || declared.starts_with("varchar(") || declared.starts_with("interval") || declared.starts_with("time(");
  return {type ? *type : json::value(declared), bounded ? declared : std::string()};
}

void branch(std::string& out, const std::string& indent, const std::string& name, const json::value& type, const std::string& declared,
            const std::string& note);

void below(std::string& out, const std::string& indent, const json::value& type) {
  const auto kind = type.is_object() ? text_of(type.at("type")) : std::string();
  if (kind == "struct") {
    for (const auto& f : type.at("fields").as_array())
      branch(out, indent, text_of(f.at("name")), f.at("type"), "", yes(member(f, "nullable")) ? " (nullable = true)" : " (nullable = false)");
  } else if (kind == "array") {
    branch(out, indent, "element", type.at("elementType"), "",
           yes(member(type, "containsNull")) ? " (containsNull = true)" : " (containsNull = false)");
  } else if (kind == "map") {
    branch(out, indent, "key", type.at("keyType"), "", "");
    branch(out, indent, "value", type.at("valueType"), "",
           yes(member(type, "valueContainsNull")) ? " (valueContainsNull = true)" : " (valueContainsNull = false)");
  }
}

void branch(std::string& out, const std::string& indent, const std::string& name, const json::value& type, const std::string& declared,
            const std::string& note) {
  const auto kind = !declared.empty() ? declared : type.is_object() ? text_of(type.at("type")) : text_of(type);
  out += indent + "|-- " + name + ": " + kind + note + "\n";
  below(out, indent + "|    ", type);
}

std::string seconds(Millis at) { return to_rfc3339(at).substr(0, 19) + "Z"; }

json::value texts(const std::vector<std::string>& all) {
  json::array out;
  for (const auto& one : all) out.push_back(json::value(one));
  return out;
}

json::value pairs(const auto& all) {
  json::object out;
  for (const auto& [k, v] : all) out[k] = v;
  return out;
}

}  // namespace

json::value described_type(const json::value& type, const std::string& declared) {
  if (!declared.empty()) return scalar(declared);
  if (!type.is_object()) return scalar(text_of(type));
  const auto kind = text_of(type.at("type"));
  if (kind == "array")
    return json::object{
        {"name", "array"}, {"element_type", described_type(type.at("elementType"))}, {"element_nullable", yes(member(type, "containsNull"))}};
  if (kind == "map")
    return json::object{{"name", "map"},
                        {"key_type", described_type(type.at("keyType"))},
                        {"value_type", described_type(type.at("valueType"))},
                        {"value_nullable", yes(member(type, "valueContainsNull"))}};
  json::array fields;
  for (const auto& f : type.at("fields").as_array()) {
    json::object one{{"name", f.at("name")}, {"type", described_type(f.at("type"))}, {"nullable", yes(member(f, "nullable"))}};
    if (const auto* metadata = member(f, "metadata"))
      if (const auto* comment = member(*metadata, "comment"); comment && comment->is_string()) one["comment"] = *comment;
    fields.push_back(std::move(one));
  }
  return json::object{{"name", "struct"}, {"fields", std::move(fields)}};
}

std::string schema_tree(const std::vector<catalog::ColumnInfo>& columns) {
  std::string out;
  for (const auto& c : columns) {
    const auto [type, declared] = typed(c);
    branch(out, " ", c.name, type, declared, c.nullable ? " (nullable = true)" : " (nullable = false)");
  }
  return out;
}

std::string bracketed(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& n : names) out += (out.empty() ? "" : ", ") + backticked(std::string_view(n));
  return "[" + out + "]";
}

std::string described_json(const catalog::TableInfo& table, const Described& more) {
  json::object out{{"table_name", table.name}};
  if (!table.catalog_name.empty()) {
    out["catalog_name"] = table.catalog_name;
    out["namespace"] = texts({table.schema_name});
    out["schema_name"] = table.schema_name;
  }
  json::array columns;
  std::vector<std::string> partitioned_by, outputs;
  for (const auto& c : table.columns) {
    const auto [type, declared] = typed(c);
    json::object one{{"name", c.name}, {"type", described_type(type, declared)}};
    if (c.comment) one["comment"] = *c.comment;
    one["nullable"] = c.nullable;
    if (const auto found = more.defaults.find(c.name); found != more.defaults.end()) one["default"] = found->second;
    columns.push_back(std::move(one));
    outputs.push_back(c.name);
    if (c.partition_index) partitioned_by.push_back(c.name);
  }
  out["columns"] = std::move(columns);
  if (!more.partition.empty()) out["partition_values"] = pairs(more.partition);
  const bool view = table.table_type == catalog::TableType::VIEW;
  if (table.storage_location) out["location"] = *table.storage_location;
  if (table.created_at) out["created_time"] = seconds(table.created_at);
  out["last_access"] = "UNKNOWN";
  if (!table.created_by.empty()) out["created_by"] = table.created_by;
  out["type"] = std::string(json::name_of(table.table_type));
  if (!view) out["provider"] = "delta";
  if (table.comment) out["comment"] = *table.comment;
  if (table.view_definition) {
    out["view_text"] = *table.view_definition;
    out["view_original_text"] = *table.view_definition;
    const auto part = [&](const char* key) {
      const auto i = table.properties.find(key);
      return i == table.properties.end() ? std::string() : i->second;
    };
    if (const auto mode = part("view.schemaMode"); !mode.empty()) out["view_schema_mode"] = mode;
    if (const auto from = part("view.catalogAndNamespace.part.0"); !from.empty())
      out["view_catalog_and_namespace"] = from + "." + part("view.catalogAndNamespace.part.1");
    out["view_query_output_columns"] = texts(outputs);
  }
  if (!more.properties.empty()) out["table_properties"] = pairs(more.properties);
  if (!partitioned_by.empty()) out["partition_columns"] = texts(partitioned_by);
  if (!more.clustered_by.empty()) out["clustering_information"] = json::object{{"column_names", texts(more.clustered_by)}};
  if (!table.owner.empty()) out["owner"] = table.owner;
  return boost::json::serialize(out);
}

}  // namespace tarn::sql
