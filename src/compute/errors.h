#pragma once
// What compute's services refuse, and how the wire says it. Messages are the vendor's where it has one.
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
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

inline auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }

/// The status that the caller sees, which the audit event of the refusal keeps too.
constexpr int status_of(Errc code) {
  switch (code) {
    case Errc::invalid:
    case Errc::invalid_state:
    case Errc::already_exists:
      return 400;
    case Errc::permission_denied:
      return 403;
    case Errc::not_found:
    case Errc::not_enabled:
      return 404;
    case Errc::limit_exceeded:
      return 400;
    case Errc::unavailable:
      return 503;
  }
  return 500;
}

}  // namespace tarn::compute
