#pragma once
// APIs of the vendor that clients ask about and that this platform does not have: each answers that the feature is not enabled, so that a
// client says so instead of failing on an unknown path. docs/guides/not-enabled.md lists them with the reason.
#include "api/api.h"

namespace tarn::app {

std::vector<api::Route> not_enabled_routes();

}  // namespace tarn::app
