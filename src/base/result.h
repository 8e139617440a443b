#pragma once
// Results and room errors. A room returns values: Result<T> holds a T or the room's own error. Exceptions are for broken
// invariants and lost infrastructure (a database that is gone) only; the gateway catches, logs and hides those.
#include <string>
#include <tl/expected.hpp>
#include <utility>

namespace tarn {

template <class T, class E>
using Expected = tl::expected<T, E>;

/// An error of one room: its code (the room's own enum) and a message that names the offending value and the cure.
/// Where the vendor has a text for the refusal, `message` is the vendor's.
template <class Code>
struct RoomError {
  Code code;
  std::string message;
  friend bool operator==(const RoomError&, const RoomError&) = default;
};

template <class E>
auto fail(E error) {
  return tl::unexpected<E>(std::move(error));
}

}  // namespace tarn

/// Evaluates an Expected; on error returns it from the enclosing function (the error types must convert).
#define TARN_TRY(var, expr)                                                             \
  auto var##_or_error = (expr);                                                         \
  if (!var##_or_error) return ::tl::make_unexpected(std::move(var##_or_error).error()); \
  auto&& var = *var##_or_error

/// The same for Expected<void, E>.
#define TARN_CHECK(expr)                                                                              \
  do {                                                                                                \
    if (auto checked_ = (expr); !checked_) return ::tl::make_unexpected(std::move(checked_).error()); \
  } while (0)
