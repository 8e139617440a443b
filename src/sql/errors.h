#pragma once
// What the SQL room refuses, and how. Messages carry the vendor's error class and SQLSTATE where it has one.
#include "base/refusal.h"
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
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::parse:
    case Errc::unsupported:
    case Errc::unresolved:
    case Errc::engine:
    case Errc::invalid:
      return refusals::invalid;
    case Errc::too_large:
      return Refusal{413, "REQUEST_LIMIT_EXCEEDED"};
    case Errc::not_found:
    case Errc::principal_not_found:
      return refusals::not_found;
    case Errc::already_exists:
      return refusals::already_exists;
    case Errc::permission_denied:
      return refusals::denied;
    case Errc::conflict:
      return refusals::conflict;
    case Errc::cancelled:
      return Refusal{499, "CANCELLED"};
    case Errc::timeout:
      return refusals::timed_out;
    case Errc::unavailable:
      return refusals::unavailable;
  }
  return {};
}
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

inline auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }

}  // namespace tarn::sql
