#pragma once
// Routes of Git folders and Git credentials: /api/2.0/repos, /api/2.0/git-credentials.
#include "api/api.h"
#include "repos/repos.h"

namespace tarn::repos {

/// The services must outlive the routes.
std::vector<api::Route> routes(Repos& repos, Credentials& credentials);
api::WireError wire(const Error& error);

}  // namespace tarn::repos
