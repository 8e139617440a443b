#pragma once
// What account's services may refuse. routes.cc maps each to the wire.
#include "base/refusal.h"
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
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return refusals::invalid;
    case Errc::malformed:
    case Errc::prefix_missing:
      return refusals::malformed;
    case Errc::invalid_state:
      return refusals::invalid_state;
    case Errc::not_found:
      return refusals::not_found;
    case Errc::not_enabled:
      return refusals::not_enabled;
    case Errc::already_exists:
      return Refusal{409, "ALREADY_EXISTS"};
    case Errc::in_use:
      return Refusal{409, "INVALID_STATE"};
  }
  return {};
}
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

}  // namespace tarn::account
