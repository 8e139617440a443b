#pragma once
// What the SQL room refuses, and how. Messages carry the vendor's error class and SQLSTATE where it has one.
#include "base/result.h"

namespace tarn::sql {

enum class Errc {
  parse,        // no statement, or not one
  unsupported,  // Databricks SQL that this warehouse refuses by name
  unresolved,   // a column or routine
  not_found,    // table, view, schema, catalog, warehouse, statement
  already_exists,
  permission_denied,
  principal_not_found,
  invalid,   // a value or a clause
  conflict,  // a lost race, after bounded retries
  cancelled,
  timeout,
  engine,       // the engine's own refusal of the statement or its data
  unavailable,  // parser or engine cannot be had now
  too_large
};
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

inline auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }

}  // namespace tarn::sql
