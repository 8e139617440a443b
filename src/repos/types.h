#pragma once
// Git credentials and Git folders: what they are made of, and what their services refuse.
// Source: REST API reference "Repos" and "Git credentials", databricks-sdk-go service/workspace.
#include "access/caller.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/refusal.h"
#include "base/result.h"

namespace tarn::repos {

enum class Errc {
  invalid,
  not_found,
  already_exists,
  permission_denied,
  limit_reached,
  no_credential,   // the remote wants one and the caller has none that fits
  remote_refused,  // the remote said no, or has no such repository, branch or tag
  conflict,        // local changes stand against what would be checked out
  not_allowed,     // a target that this server must not reach
  too_large,
  busy,        // as many fetches run as this server allows itself
  unavailable  // the remote or our storage cannot be reached in time
};
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return refusals::invalid;
    case Errc::not_found:
    case Errc::remote_refused:
      return refusals::not_found;
    case Errc::already_exists:
      return refusals::already_exists;
    case Errc::permission_denied:
    case Errc::no_credential:
    case Errc::not_allowed:
      return refusals::denied;
    case Errc::limit_reached:
    case Errc::too_large:
      return refusals::limit_exceeded;
    case Errc::conflict:
      return refusals::conflict;
    case Errc::busy:
      return refusals::too_many;
    case Errc::unavailable:
      return refusals::unavailable;
  }
  return {};
}
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;
/// The workspace that a call is about.
inline std::int64_t here(const access::Context& ctx) { return ctx.workspace_id.value_or(0); }
inline auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }

/// The vendor's Git providers, by their wire names; compared without case.
std::optional<std::string> known_provider(std::string_view name);

}  // namespace tarn::repos
