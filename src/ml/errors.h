#pragma once
// What can go wrong with experiments, runs and models; routes.cc maps it to the wire, once.
#include "base/refusal.h"
#include "base/result.h"

namespace tarn::ml {

enum class Errc { not_found, already_exists, invalid, invalid_state, permission_denied, not_enabled };
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::not_found:
      return refusals::not_found;
    case Errc::already_exists:
      return refusals::already_exists;
    case Errc::invalid:
      return refusals::invalid;
    case Errc::invalid_state:
      return refusals::invalid_state;
    case Errc::permission_denied:
      return refusals::denied;
    case Errc::not_enabled:
      return refusals::not_enabled;
  }
  return {};
}
/// message: the vendor's or the MLflow server's own text where there is one.
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

inline auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }

}  // namespace tarn::ml
