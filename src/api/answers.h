#pragma once
// From a room's Result to the wire, said once. A room's error goes there by the refusal_of() beside its codes; a room whose errors carry more
// (details, headers) has a `wire(const Error&)` of its own, which is found there. A room's routes.cc says `using api::answer;` and nothing about
// errors.
#include "api/api.h"
#include "base/refusal.h"

namespace tarn::api {

/// A room's error as the wire has it.
template <class Code>
WireError wire(const RoomError<Code>& e) {
  const Refusal r = refusal_of(e.code);
  return {r.status, std::string(r.error_code), e.message};
}

/// The value, or the room's error as the wire has it: for TARN_TRY and TARN_CHECK in a handler.
template <class T, class E>
Expected<T, WireError> lifted(Expected<T, E> result) {
  if (!result) return fail(wire(result.error()));
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return *std::move(result);
}

/// 200 with the value encoded, {} where there is none.
template <class T, class E>
Result answer(const Expected<T, E>& result) {
  if (!result) return fail(wire(result.error()));
  if constexpr (std::is_void_v<T>)
    return ok();
  else
    return ok(*result);
}

/// 200 with what `encode` makes of the value.
template <class T, class E, class F>
Result answer(const Expected<T, E>& result, F&& encode) {
  if (!result) return fail(wire(result.error()));
  return ok(json::value(encode(*result)));
}

/// 404 if the path names another account than this server's; fine where it names none.
Expected<void, WireError> this_account(const Request& r);

/// A row of the account host for account admins. `path` follows /api/VERSION/accounts/{account_id}, which must name this account.
Route account_row(Method method, const std::string& path, std::string group, Handler handler, const std::string& version = "2.0");

}  // namespace tarn::api
