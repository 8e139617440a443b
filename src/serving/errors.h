#pragma once
// What the serving room refuses, and how; routes.cc maps it to the wire, once. Messages are the vendor's where it has one.
#include "base/refusal.h"
#include "base/result.h"

namespace tarn::serving {

enum class Errc {
  invalid,    // a field's value, by its name
  not_found,  // an endpoint, or one that the caller may not see
  already_exists,
  permission_denied,
  invalid_state,      // an update is under way
  not_enabled,        // out of scope here
  too_many_requests,  // a rate limit, or a full queue; retry_after says when
  unavailable,        // no scorer answers now
  timed_out,
  model_failed  // the model itself raised an error
};
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return refusals::invalid;
    case Errc::invalid_state:
      return refusals::invalid_state;
    case Errc::not_found:
      return refusals::not_found;
    case Errc::already_exists:
      return refusals::already_exists;
    case Errc::permission_denied:
      return refusals::denied;
    case Errc::not_enabled:
      return refusals::not_enabled;
    case Errc::too_many_requests:
      return refusals::too_many;
    case Errc::unavailable:
      return refusals::unavailable;
    case Errc::timed_out:
      return refusals::timed_out;
    case Errc::model_failed:
      return Refusal{400, "BAD_REQUEST"};
  }
  return {};
}
struct Error : RoomError<Errc> {
  int retry_after = 0;  // seconds; 0: nothing to say
};
template <class T>
using Result = Expected<T, Error>;
inline auto refuse(Errc code, std::string message, int retry_after = 0) { return fail(Error{{code, std::move(message)}, retry_after}); }

}  // namespace tarn::serving
