#include "sql/types.h"

#include "delta/log.h"
#include "engine/types.h"

namespace tarn::sql {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

Result<std::string> unknown(std::string_view text) {
  return refuse(Errc::unsupported, "[UNSUPPORTED_DATATYPE] Unsupported data type \"" + std::string(text) + "\". SQLSTATE: 0A000");
}

Result<std::string> spelled(const engine::Type& t) {
  static const std::map<std::string, std::string, std::less<>> names{{"BOOLEAN", "boolean"},
                                                                     {"TINYINT", "tinyint"},
                                                                     {"SMALLINT", "smallint"},
                                                                     {"INTEGER", "int"},
                                                                     {"BIGINT", "bigint"},
                                                                     {"HUGEINT", "decimal(38,0)"},
                                                                     {"UTINYINT", "smallint"},
                                                                     {"USMALLINT", "int"},
                                                                     {"UINTEGER", "bigint"},
                                                                     {"UBIGINT", "decimal(20,0)"},
                                                                     {"UHUGEINT", "decimal(38,0)"},
                                                                     {"FLOAT", "float"},
                                                                     {"DOUBLE", "double"},
                                                                     {"VARCHAR", "string"},
                                                                     {"BLOB", "binary"},
                                                                     {"DATE", "date"},
                                                                     {"TIMESTAMP", "timestamp_ntz"},
                                                                     {"TIMESTAMP_S", "timestamp_ntz"},
                                                                     {"TIMESTAMP_MS", "timestamp_ntz"},
                                                                     {"TIMESTAMP_NS", "timestamp_ntz"},
                                                                     {"TIMESTAMPTZ", "timestamp"},
                                                                     {"NULL", "void"},
                                                                     {"SQLNULL", "void"},
                                                                     {"UUID", "string"},
                                                                     {"JSON", "string"}};
  if (t.name == "LIST" || t.name == "ARRAY") {
    TARN_TRY(item, spelled(t.children[0]));
    return "array<" + item + ">";
  }
  if (t.name == "MAP") {
    TARN_TRY(key, spelled(t.children[0]));
    TARN_TRY(value, spelled(t.children[1]));
    return "map<" + key + "," + value + ">";
  }
  if (t.name == "STRUCT") {
    std::string out = "struct<";
    for (std::size_t i = 0; i < t.children.size(); ++i) {
      TARN_TRY(inner, spelled(t.children[i]));
      out += (i ? "," : "") + t.fields[i] + ":" + inner;
    }
    return out + ">";
  }
  if (t.name == "DECIMAL") return t.precision == 0 ? "decimal(18,3)" : fmt::format("decimal({},{})", t.precision, t.scale);
  if (const auto at = names.find(t.name); at != names.end()) return at->second;
  return unknown(t.name);
}

}  // namespace

Result<std::string> sql_type_of(std::string_view duckdb_type) {
  const auto type = engine::parse_type(duckdb_type);
  if (!type) return unknown(duckdb_type);
  return spelled(*type);
}

std::string type_name(std::string_view sql_type) {
  static const std::map<std::string, std::string, std::less<>> names{{"bigint", "LONG"},    {"int", "INT"},      {"integer", "INT"},
                                                                     {"smallint", "SHORT"}, {"tinyint", "BYTE"}, {"void", "NULL"}};
  const auto end = sql_type.find_first_of("(<");
  const std::string base(sql_type.substr(0, end));
  if (auto i = names.find(base); i != names.end()) return i->second;
  return upper(base);
}

std::optional<Precision> decimal_precision(std::string_view sql_type) {
  if (!sql_type.starts_with("decimal(")) return std::nullopt;
  Precision out;
  const std::string inner(sql_type.substr(8));
  out.precision = std::atoi(inner.c_str());
  if (const auto comma = inner.find(','); comma != std::string::npos) out.scale = std::atoi(inner.c_str() + comma + 1);
  return out;
}

Result<catalog::ColumnInfo> column_info(std::string name, const std::string& sql_type, int position, bool nullable,
                                        std::optional<std::string> comment) {
  auto delta = delta::delta_type(sql_type);
  if (!delta)
    return refuse(Errc::invalid, fmt::format("[UNSUPPORTED_DATATYPE] Column {} has the type \"{}\", which a table cannot hold. SQLSTATE: 0A000",
                                             backticked(name), upper(sql_type)));
  catalog::ColumnInfo out;
  out.name = std::move(name);
  out.type_text = delta::sql_type(*delta);
  out.type_name = type_name(out.type_text);
  json::object metadata;
  if (*delta == "string" && sql_type.find("char(") != sql_type.npos)
    out.type_text = sql_type, metadata["__CHAR_VARCHAR_TYPE_STRING"] = sql_type;  // a string all the same
  if (comment) metadata["comment"] = *comment;
  out.type_json = boost::json::serialize(json::object{{"name", out.name}, {"type", *delta}, {"nullable", nullable}, {"metadata", metadata}});
  if (const auto p = decimal_precision(out.type_text)) out.type_precision = p->precision, out.type_scale = p->scale;
  out.position = position;
  out.nullable = nullable;
  out.comment = std::move(comment);
  return out;
}

std::string value_type(const std::string& type_text) {
  const auto type = delta::delta_type(type_text);
  return type ? delta::sql_type(*type) : type_text;
}

std::string backticked(std::string_view name) {
  std::string out = "`";
  for (const char c : name) {
    if (c == '`') out += '`';
    out += c;
  }
  return out + '`';
}

std::string backticked(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& p : parts) out += (out.empty() ? "" : ".") + backticked(p);
  return out;
}

}  // namespace tarn::sql
