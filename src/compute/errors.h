#pragma once
// What compute's services refuse, and how the wire says it. Messages are the vendor's where it has one.
#include "base/refusal.h"
#include "base/result.h"

namespace tarn::compute {

enum class Errc {
  invalid,            // a field's value, a violated policy; also "Cluster ID does not exist", which the vendor calls so
  permission_denied,  // no right on the object, or no entitlement
  not_found,          // a pool, policy, instance profile, context, command
  already_exists,     // a name
  invalid_state,      // the cluster's state does not allow it now
  limit_exceeded,     // pool capacity, clusters per user, pinned clusters
  not_enabled,        // out of scope here
  unavailable         // this machine cannot run it now
};
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return refusals::invalid;
    case Errc::permission_denied:
      return refusals::denied;
    case Errc::not_found:
      return refusals::not_found;
    case Errc::already_exists:
      return refusals::already_exists;
    case Errc::invalid_state:
      return refusals::invalid_state;
    case Errc::limit_exceeded:
      return refusals::quota_exceeded;
    case Errc::not_enabled:
      return refusals::not_enabled;
    case Errc::unavailable:
      return refusals::unavailable;
  }
  return {};
}
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

inline auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }

}  // namespace tarn::compute
