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

}  // namespace tarn::files
