#include "engine/child/type_text.h"

#include <fmt/format.h>

#include "engine/child/handles.h"

namespace tarn::engine::child {
namespace {

const char* simple_name(duckdb_type id) {
  switch (id) {
    case DUCKDB_TYPE_BOOLEAN:
      return "BOOLEAN";
    case DUCKDB_TYPE_TINYINT:
      return "TINYINT";
    case DUCKDB_TYPE_SMALLINT:
      return "SMALLINT";
    case DUCKDB_TYPE_INTEGER:
      return "INTEGER";
    case DUCKDB_TYPE_BIGINT:
      return "BIGINT";
    case DUCKDB_TYPE_UTINYINT:
      return "UTINYINT";
    case DUCKDB_TYPE_USMALLINT:
      return "USMALLINT";
    case DUCKDB_TYPE_UINTEGER:
      return "UINTEGER";
    case DUCKDB_TYPE_UBIGINT:
      return "UBIGINT";
    case DUCKDB_TYPE_HUGEINT:
      return "HUGEINT";
    case DUCKDB_TYPE_UHUGEINT:
      return "UHUGEINT";
    case DUCKDB_TYPE_FLOAT:
      return "FLOAT";
    case DUCKDB_TYPE_DOUBLE:
      return "DOUBLE";
    case DUCKDB_TYPE_TIMESTAMP:
      return "TIMESTAMP";
    case DUCKDB_TYPE_TIMESTAMP_S:
      return "TIMESTAMP_S";
    case DUCKDB_TYPE_TIMESTAMP_MS:
      return "TIMESTAMP_MS";
    case DUCKDB_TYPE_TIMESTAMP_NS:
      return "TIMESTAMP_NS";
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return "TIMESTAMP WITH TIME ZONE";
    case DUCKDB_TYPE_DATE:
      return "DATE";
    case DUCKDB_TYPE_TIME:
      return "TIME";
    case DUCKDB_TYPE_TIME_NS:
      return "TIME_NS";
    case DUCKDB_TYPE_TIME_TZ:
      return "TIME WITH TIME ZONE";
    case DUCKDB_TYPE_INTERVAL:
      return "INTERVAL";
    case DUCKDB_TYPE_VARCHAR:
      return "VARCHAR";
    case DUCKDB_TYPE_BLOB:
      return "BLOB";
    case DUCKDB_TYPE_BIT:
      return "BIT";
    case DUCKDB_TYPE_UUID:
      return "UUID";
    case DUCKDB_TYPE_BIGNUM:
      return "BIGNUM";
    case DUCKDB_TYPE_GEOMETRY:
      return "GEOMETRY";
    case DUCKDB_TYPE_VARIANT:
      return "VARIANT";
    case DUCKDB_TYPE_SQLNULL:
      return "NULL";
    case DUCKDB_TYPE_INTEGER_LITERAL:
      return "INTEGER";
    case DUCKDB_TYPE_STRING_LITERAL:
      return "VARCHAR";
    case DUCKDB_TYPE_ANY:
      return "ANY";
    default:
      return nullptr;
  }
}

std::string quoted(const std::string& text, char quote) {
  std::string out(1, quote);
  for (char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  return out += quote;
}

std::string field_name(const std::string& name) {
  bool plain = !name.empty() && !(name[0] >= '0' && name[0] <= '9');
  for (char c : name) plain = plain && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
  return plain ? name : quoted(name, '"');
}

}  // namespace

std::string type_text(duckdb_logical_type type) {
  const auto id = duckdb_get_type_id(type);
  switch (id) {
    case DUCKDB_TYPE_VARCHAR: {
      auto alias = taken(duckdb_logical_type_get_alias(type));
      return alias.empty() ? "VARCHAR" : alias;
    }
    case DUCKDB_TYPE_DECIMAL:
      return fmt::format("DECIMAL({},{})", duckdb_decimal_width(type), duckdb_decimal_scale(type));
    case DUCKDB_TYPE_LIST: {
      LogicalType item(duckdb_list_type_child_type(type));
      return type_text(item.get()) + "[]";
    }
    case DUCKDB_TYPE_ARRAY: {
      LogicalType item(duckdb_array_type_child_type(type));
      return fmt::format("{}[{}]", type_text(item.get()), duckdb_array_type_array_size(type));
    }
    case DUCKDB_TYPE_MAP: {
      LogicalType key(duckdb_map_type_key_type(type)), item(duckdb_map_type_value_type(type));
      return "MAP(" + type_text(key.get()) + ", " + type_text(item.get()) + ")";
    }
    case DUCKDB_TYPE_STRUCT: {
      std::string out = "STRUCT(";
      for (idx_t i = 0, n = duckdb_struct_type_child_count(type); i < n; ++i) {
        LogicalType item(duckdb_struct_type_child_type(type, i));
        out += (i ? ", " : "") + field_name(taken(duckdb_struct_type_child_name(type, i))) + " " + type_text(item.get());
      }
      return out + ")";
    }
    case DUCKDB_TYPE_UNION: {
      std::string out = "UNION(";
      for (idx_t i = 0, n = duckdb_union_type_member_count(type); i < n; ++i) {
        LogicalType item(duckdb_union_type_member_type(type, i));
        out += (i ? ", " : "") + field_name(taken(duckdb_union_type_member_name(type, i))) + " " + type_text(item.get());
      }
      return out + ")";
    }
    case DUCKDB_TYPE_ENUM: {
      std::string out = "ENUM(";
      for (idx_t i = 0, n = duckdb_enum_dictionary_size(type); i < n; ++i)
        out += (i ? ", " : "") + quoted(taken(duckdb_enum_dictionary_value(type, i)), '\'');
      return out + ")";
    }
    default: {
      const char* name = simple_name(id);
      return name ? name : fmt::format("UNKNOWN({})", static_cast<int>(id));
    }
  }
}

}  // namespace tarn::engine::child
