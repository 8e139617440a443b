#pragma once
// DuckDB's type text, taken apart. What Databricks calls a type is the SQL room's (sql/types.h).
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

}  // namespace tarn::engine
