#pragma once
// Which entitlement of its workspace a principal needs for an API, by the API group of its route. The rooms ask for finer ones themselves
// (allow-cluster-create, allow-instance-pool-create). Source: the vendor's refusals, and its page "Manage entitlements".
#include <optional>

#include "api/api.h"

namespace tarn::app {

/// The vendor's refusal (403); nothing for routes that need none, for workspace administrators, and on the account host.
std::optional<api::WireError> entitlement_refusal(const api::Route& route, const access::Caller& caller);

}  // namespace tarn::app
