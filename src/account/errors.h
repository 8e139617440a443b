#pragma once
// What account's services may refuse. routes.cc maps each to the wire.
#include "base/result.h"

namespace tarn::account {

enum class Errc {
  invalid,         // a field's value; the message names the field
  malformed,       // the vendor's "Failed … validation checks"
  prefix_missing,  // sharp edge 1: a deployment name without a registered prefix
  not_found,       // the object of the path, or one that the request refers to
  already_exists,  // a name or subnet that is taken
  in_use,          // deleting what a workspace or network still uses
  invalid_state,   // the workspace's status does not allow it now
  not_enabled      // out of scope here
};
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

/// The status that the caller sees, which the audit event of the refusal keeps too.
constexpr int status_of(Errc code) {
  switch (code) {
    case Errc::invalid:
    case Errc::malformed:
    case Errc::prefix_missing:
    case Errc::invalid_state:
      return 400;
    case Errc::not_found:
    case Errc::not_enabled:
      return 404;
    case Errc::already_exists:
    case Errc::in_use:
      return 409;
  }
  return 500;
}

}  // namespace tarn::account
