#pragma once
// Routes of quality monitors: /api/2.1/unity-catalog/tables/{table_name}/monitor and its refreshes.
#include "api/api.h"
#include "quality/monitors.h"

namespace tarn::quality {

std::vector<api::Route> routes(Monitors& monitors);

}  // namespace tarn::quality
