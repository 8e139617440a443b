#pragma once
// Private to compute/: what its services share.
#include "access/caller.h"
#include "access/object_permissions.h"
#include "compute/errors.h"
#include "store/store.h"

namespace tarn::compute {

inline std::int64_t workspace_of(const access::Context& ctx) { return ctx.workspace_id.value_or(0); }

inline bool entitled(const access::Context& ctx, const char* entitlement) {
  return ctx.caller.workspace_admin || ctx.caller.entitlements.contains(entitlement);
}

/// A refusal that never reached a transaction (the caller may not): leaves its event.
inline auto denied(store::Store& s, store::AuditEvent event, std::string message) {
  return fail(s.refused(std::move(event), Error{Errc::permission_denied, std::move(message)}));
}

inline std::string lacks(const access::Context& ctx, std::string_view level, std::string_view kind, std::string_view id) {
  return fmt::format("{} does not have {} permissions on {} {}. Please contact the owner or an administrator for access.", ctx.caller.name, level,
                     kind, id);
}

inline Result<void> name_fits(std::string_view field, std::string_view name) {
  if (name.empty() || name.size() > 100 || name.find_first_of("\x1f\n\r") != name.npos)
    return refuse(Errc::invalid, fmt::format("Field '{}' must have 1 to 100 characters, got {}", field, name.size()));
  return {};
}

}  // namespace tarn::compute
