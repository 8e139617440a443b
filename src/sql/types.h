#pragma once
// Types between DuckDB's spelling (what the engine reports) and Databricks SQL's (what tables and results say).
#include <optional>
#include <string>
#include <string_view>

#include "catalog/catalog.h"
#include "sql/errors.h"

namespace tarn::sql {

/// `DECIMAL(10,2)` -> `decimal(10,2)`, `STRUCT("a" INTEGER[])` -> `struct<a:array<int>>`. Error: unsupported, naming the type.
Result<std::string> sql_type_of(std::string_view duckdb_type);

/// The wire's name of a SQL type: bigint -> LONG, array<…> -> ARRAY.
std::string type_name(std::string_view sql_type);

struct Precision {
  int precision = 0, scale = 0;
};
std::optional<Precision> decimal_precision(std::string_view sql_type);

/// A column as the catalog keeps it, from its name and SQL type. Error: invalid for a type that Delta has not.
Result<catalog::ColumnInfo> column_info(std::string name, const std::string& sql_type, int position, bool nullable = true,
                                        std::optional<std::string> comment = {});

/// A column's type as its values have it: of CHAR(n) and VARCHAR(n), which only say what may be written, string.
std::string value_type(const std::string& type_text);

/// `name` between backticks.
std::string backticked(std::string_view name);
std::string backticked(const std::vector<std::string>& parts);

}  // namespace tarn::sql
