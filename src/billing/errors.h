#pragma once
// What budgets and log delivery refuse. routes.cc maps each to the wire.
#include "base/result.h"

namespace tarn::billing {

enum class Errc { invalid, not_found, limit_exceeded, not_enabled };
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

inline auto invalid(std::string message) { return fail(Error{Errc::invalid, std::move(message)}); }

}  // namespace tarn::billing
