#pragma once
// What DBFS and the Files API refuse, and how files of a prefix are read and written by both.
#include "access/caller.h"
#include "base/refusal.h"
#include "objects/object_store.h"
#include "store/store.h"

namespace tarn::files {

enum class Errc {
  invalid,
  not_found,
  directory_not_found,
  already_exists,
  directory_exists,
  not_empty,
  permission_denied,
  too_large,     // a block, a read or a value beyond its limit
  precondition,  // If-Unmodified-Since
  bad_range,
  unavailable  // the storage behind it
};
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::invalid:
    case Errc::precondition:
    case Errc::bad_range:
    case Errc::too_large:
      return refusals::invalid;
    case Errc::not_found:
    case Errc::directory_not_found:
      return refusals::not_found;
    case Errc::already_exists:
    case Errc::directory_exists:
      return refusals::already_exists;
    case Errc::not_empty:
      return Refusal{400, "IO_ERROR"};
    case Errc::permission_denied:
      return refusals::denied;
    case Errc::unavailable:
      return refusals::unavailable;
  }
  return {};
}
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;
inline auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }

}  // namespace tarn::files
