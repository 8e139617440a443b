#pragma once
// What budgets and log delivery refuse. routes.cc maps each to the wire.
#include "base/refusal.h"
#include "base/result.h"

namespace tarn::billing {

enum class Errc { invalid, not_found, limit_exceeded, not_enabled };
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return refusals::invalid;
    case Errc::not_found:
      return refusals::not_found;
    case Errc::limit_exceeded:
      return refusals::limit_exceeded;
    case Errc::not_enabled:
      return refusals::not_enabled;
  }
  return {};
}
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

inline auto invalid(std::string message) { return fail(Error{Errc::invalid, std::move(message)}); }

}  // namespace tarn::billing
