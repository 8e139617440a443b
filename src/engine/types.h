#pragma once
// DuckDB's types as Databricks names them. Sources: Statement Execution API (ColumnInfo.type_name, type_text), Databricks SQL data types.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tarn::engine {

/// A type parsed from DuckDB's spelling.
struct Type {
  std::string name;                 // BIGINT, DECIMAL, LIST, STRUCT, MAP, ENUM, …
  int precision = 0, scale = 0;     // DECIMAL
  std::vector<std::string> fields;  // names of STRUCT fields, UNION members
  std::vector<Type> children;       // LIST and ARRAY: the item; MAP: key, value; STRUCT, UNION: one for each field
};

/// Parses DuckDB's spelling; empty for text that is no type.
std::optional<Type> parse_type(std::string_view text);

/// How a result column is described on the wire.
struct DatabricksType {
  std::string type_name;  // LONG, STRING, DECIMAL, ARRAY, …
  std::string type_text;  // BIGINT, STRING, DECIMAL(10,2), ARRAY<STRING>, STRUCT<a: INT>
  std::optional<int> type_precision, type_scale;
};

/// Never fails: a type that Databricks has not is shown as what its values are delivered as (HUGEINT as DECIMAL(38,0), UUID as STRING).
DatabricksType databricks_type(std::string_view duckdb_type);

/// The DuckDB type for a Databricks SQL type (`bigint`, `decimal(10,2)`, `array<struct<a:int>>`, `timestamp_ntz`, …), for casts and readers.
/// Error: the part that is no known type.
Expected<std::string, std::string> duckdb_type(std::string_view databricks_type);

}  // namespace tarn::engine
