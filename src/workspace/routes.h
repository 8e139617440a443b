#pragma once
// Routes of the workspace's tree: /api/2.0/workspace/… and /api/2.0/workspace-files/….
#include "api/answers.h"
#include "workspace/tree.h"

namespace tarn::workspace {

/// The tree must outlive the routes.
std::vector<api::Route> routes(Tree& tree);
using api::wire;

}  // namespace tarn::workspace
