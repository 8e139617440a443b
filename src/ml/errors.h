#pragma once
// What can go wrong with experiments, runs and models; routes.cc maps it to the wire, once.
#include "base/result.h"

namespace tarn::ml {

enum class Errc { not_found, already_exists, invalid, invalid_state, permission_denied, not_enabled };
/// message: the vendor's or the MLflow server's own text where there is one.
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

inline auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }

}  // namespace tarn::ml
