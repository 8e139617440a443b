#pragma once
// Identity's rows of the route table, and how its errors look on the wire.
#include "api/api.h"
#include "identity/errors.h"
#include "identity/tokens.h"

namespace tarn::identity {

api::WireError wire(const Error& error);

/// Discovery documents and token endpoints on account and workspace hosts. Services must outlive the router.
std::vector<api::Route> oauth_routes(Tokens& tokens);

}  // namespace tarn::identity
