#pragma once
// The account API's rows of the route table.
#include "account/configurations.h"
#include "account/networks.h"
#include "account/workspace_service.h"
#include "api/api.h"

namespace tarn::account {

/// Rows under /api/2.0/accounts/{account_id}/, all Surface::account and Auth::account_admin. The services must outlive the router.
std::vector<api::Route> routes(Configurations& configurations, Networks& networks, WorkspaceService& workspaces);

/// How account's errors look on the wire.
api::WireError wire(const Error& error);

}  // namespace tarn::account
