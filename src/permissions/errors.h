#pragma once
// What the permissions of objects refuse. routes.cc maps each to the wire.
#include "base/refusal.h"
#include "base/result.h"

namespace tarn::permissions {

enum class Errc {
  invalid,              // a field's value, or a list that may not be (two owners, administrators shut out)
  unknown_type,         // no such type of object
  not_enabled,          // a type that the vendor has and this platform does not
  not_found,            // the object
  principal_not_found,  // a name in a list
  permission_denied
};
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::invalid:
    case Errc::unknown_type:
      return refusals::invalid;
    case Errc::not_enabled:
      return refusals::not_enabled;
    case Errc::not_found:
    case Errc::principal_not_found:
      return refusals::not_found;
    case Errc::permission_denied:
      return refusals::denied;
  }
  return {};
}
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

}  // namespace tarn::permissions
