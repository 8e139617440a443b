#pragma once
// How an error code of a room looks to a caller of an API (REST API reference, "Errors"). A room says it once, in
// `constexpr Refusal refusal_of(Errc)` beside its codes: the wire and the audit event of what was refused both take it from there.
#include <string_view>

namespace tarn {

struct Refusal {
  int status = 500;
  std::string_view error_code = "INTERNAL_ERROR";
};

/// Those that most rooms have.
namespace refusals {
inline constexpr Refusal invalid{400, "INVALID_PARAMETER_VALUE"};
inline constexpr Refusal malformed{400, "MALFORMED_REQUEST"};
inline constexpr Refusal invalid_state{400, "INVALID_STATE"};
inline constexpr Refusal already_exists{400, "RESOURCE_ALREADY_EXISTS"};
inline constexpr Refusal limit_exceeded{400, "RESOURCE_LIMIT_EXCEEDED"};
inline constexpr Refusal quota_exceeded{400, "QUOTA_EXCEEDED"};
inline constexpr Refusal denied{403, "PERMISSION_DENIED"};
inline constexpr Refusal not_found{404, "RESOURCE_DOES_NOT_EXIST"};
inline constexpr Refusal not_enabled{404, "FEATURE_DISABLED"};
inline constexpr Refusal conflict{409, "RESOURCE_CONFLICT"};
inline constexpr Refusal too_many{429, "REQUEST_LIMIT_EXCEEDED"};
inline constexpr Refusal unavailable{503, "TEMPORARILY_UNAVAILABLE"};
inline constexpr Refusal timed_out{504, "DEADLINE_EXCEEDED"};
}  // namespace refusals

}  // namespace tarn
