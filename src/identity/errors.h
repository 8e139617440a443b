#pragma once
// What identity's services may refuse. routes map each to the wire: SCIM bodies on SCIM rows, the vendor's error body elsewhere.
#include <fmt/format.h>

#include "base/refusal.h"
#include "base/result.h"

namespace tarn::identity {

enum class Errc {
  invalid,             // a field's value; the message names the field
  invalid_path,        // SCIM: an attribute path that the resource does not have
  invalid_filter,      // SCIM: a filter that does not parse
  account_admin_only,  // the account API's own refusal
  permission_denied,
  not_found,
  already_exists,
  conflict,  // an etag that is no longer current
  quota_exceeded
};
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::invalid:
    case Errc::invalid_path:
    case Errc::invalid_filter:
      return refusals::invalid;
    case Errc::account_admin_only:
    case Errc::permission_denied:
      return refusals::denied;
    case Errc::not_found:
      return refusals::not_found;
    case Errc::already_exists:
      return Refusal{409, "RESOURCE_ALREADY_EXISTS"};
    case Errc::conflict:
      return refusals::conflict;
    case Errc::quota_exceeded:
      return refusals::quota_exceeded;
  }
  return {};
}
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

/// A field's value that is refused; the text names the field.
template <class... A>
auto invalid(fmt::format_string<A...> text, A&&... args) {
  return fail(Error{Errc::invalid, fmt::format(text, std::forward<A>(args)...)});
}
inline Error account_admin_only() { return {Errc::account_admin_only, "This API is disabled for users without account admin status."}; }

}  // namespace tarn::identity
