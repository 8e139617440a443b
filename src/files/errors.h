#pragma once
// What DBFS and the Files API refuse, and how files of a prefix are read and written by both.
#include "access/caller.h"
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
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;
inline auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }

/// One event of an action on storage, after it was tried.
template <class T>
Result<T> told(store::Store& store, store::AuditEvent event, Result<T> result) {
  if (!result) {
    const auto code = result.error().code;
    event.outcome = code == Errc::permission_denied ? store::Outcome::denied : store::Outcome::failed;
    event.status = code == Errc::permission_denied ? 403 : code == Errc::not_found || code == Errc::directory_not_found ? 404 : 400;
    event.error = result.error().message;
  }
  store.audit_later(std::move(event));
  return result;
}

}  // namespace tarn::files
