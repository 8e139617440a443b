#pragma once
// Routes of saved queries, alerts and dashboards: /api/2.0/sql/queries, /api/2.0/sql/alerts, /api/2.0/lakeview/dashboards.
#include "api/answers.h"
#include "queries/objects.h"

namespace tarn::queries {

/// The service must outlive the routes.
std::vector<api::Route> routes(Objects& objects);
using api::wire;

}  // namespace tarn::queries
