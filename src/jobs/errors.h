#pragma once
// What the jobs room refuses, and how. Messages are the vendor's where it has one.
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
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;
inline auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }

constexpr int status_of(Errc code) {
  switch (code) {
    case Errc::permission_denied:
      return 403;
    case Errc::not_found:
    case Errc::not_enabled:
      return 404;
    case Errc::limit_exceeded:
      return 429;
    default:
      return 400;
  }
}

}  // namespace tarn::jobs
