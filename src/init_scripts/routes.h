#pragma once
// Routes of global init scripts: /api/2.0/global-init-scripts.
#include "api/answers.h"
#include "init_scripts/scripts.h"

namespace tarn::init_scripts {

/// The service must outlive the routes.
std::vector<api::Route> routes(Scripts& scripts);
using api::wire;

}  // namespace tarn::init_scripts
