#pragma once
// CHAR(n) and VARCHAR(n): strings to the protocol, whose declared type Spark keeps in the column's metadata.
#include <cstdlib>

#include "delta/log.h"

namespace tarn::delta {

/// The type as Spark keeps it, `varchar(10)`, or of a nested column the whole type with it inside; empty: none.
inline std::string bounded_type(const Field& field) {
  const auto* v = field.metadata.if_contains("__CHAR_VARCHAR_TYPE_STRING");
  return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

/// n of a CHAR(n) column; of any other 0.
inline int char_length(const Field& field) {
  const auto bounded = field.type == "string" ? bounded_type(field) : std::string();
  return bounded.starts_with("char(") ? std::atoi(bounded.c_str() + 5) : 0;
}

/// A column's type as it was declared: the bounded one, else sql_type's.
inline std::string declared_type(const Field& field) {
  auto bounded = field.type == "string" ? bounded_type(field) : std::string();
  return bounded.empty() ? sql_type(field.type) : bounded;
}

}  // namespace tarn::delta
