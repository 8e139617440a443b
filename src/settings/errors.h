#pragma once
// What the settings of workspaces and the account refuse. routes.cc maps each to the wire.
#include "base/refusal.h"
#include "base/result.h"

namespace tarn::settings {

enum class Errc {
  bad_request,  // an unknown key or a value that a key does not take: workspace-conf's own shape
  invalid,
  not_found,
  already_exists,
  quota_exceeded,
  locked_out,     // the change would shut its own caller out
  setting_unset,  // 404 with the etag to write with
  conflict,       // 409 with the etag to write with
  not_enabled
};
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::bad_request:
      return Refusal{400, "BAD_REQUEST"};
    case Errc::invalid:
      return refusals::invalid;
    case Errc::not_found:
      return refusals::not_found;
    case Errc::already_exists:
      return refusals::already_exists;
    case Errc::quota_exceeded:
      return refusals::quota_exceeded;
    case Errc::locked_out:
      return refusals::invalid_state;
    case Errc::setting_unset:
      return Refusal{404, "NOT_FOUND"};
    case Errc::conflict:
      return refusals::conflict;
    case Errc::not_enabled:
      return refusals::not_enabled;
  }
  return {};
}
struct Error : RoomError<Errc> {
  std::string etag{};  // of setting_unset and conflict
};
template <class T>
using Result = Expected<T, Error>;

}  // namespace tarn::settings
