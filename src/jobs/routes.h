#pragma once
// Routes of jobs and runs, the same for 2.0, 2.1 and 2.2 (2.2 adds pages to get, which all answer; the single-task format of 2.0 is refused).
#include "api/answers.h"
#include "jobs/service.h"

namespace tarn::jobs {

using api::wire;
/// The service must outlive the routes.
std::vector<api::Route> routes(Service& service);
std::vector<api::Route> destination_routes(Destinations& destinations);

}  // namespace tarn::jobs
