#pragma once
// Routes of secret scopes: /api/2.0/secrets/…
#include "api/answers.h"
#include "secrets/secrets.h"

namespace tarn::secrets {

/// The service must outlive the routes.
std::vector<api::Route> routes(Scopes& scopes);
using api::wire;

}  // namespace tarn::secrets
