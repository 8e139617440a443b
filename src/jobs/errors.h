#pragma once
// What the jobs room refuses, and how. Messages are the vendor's where it has one.
#include "base/refusal.h"
#include "base/result.h"

namespace tarn::jobs {

enum class Errc {
  invalid,  // a field's value; also "Job N does not exist.", which the vendor calls so
  permission_denied,
  not_found,       // a run
  invalid_state,   // the run's state does not allow it
  limit_exceeded,  // too many runs
  not_enabled      // out of scope here
};
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return refusals::invalid;
    case Errc::permission_denied:
      return refusals::denied;
    case Errc::not_found:
      return refusals::not_found;
    case Errc::invalid_state:
      return refusals::invalid_state;
    case Errc::limit_exceeded:
      return refusals::too_many;
    case Errc::not_enabled:
      return refusals::not_enabled;
  }
  return {};
}
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;
inline auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }

}  // namespace tarn::jobs
