#pragma once
// Routes of secret scopes: /api/2.0/secrets/…
#include "api/api.h"
#include "secrets/secrets.h"

namespace tarn::secrets {

/// The service must outlive the routes.
std::vector<api::Route> routes(Scopes& scopes);
api::WireError wire(const Error& error);

}  // namespace tarn::secrets
