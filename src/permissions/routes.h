#pragma once
// The Permissions API on the wire: /api/2.0/permissions/{type}/{id} for every kind of object that a room declared.
// Source: databricks-sdk-go service/iam (PermissionsAPI); older clients call it below /api/2.0/preview.
#include "api/answers.h"
#include "permissions/service.h"

namespace tarn::permissions {

using api::wire;

/// The service must outlive the router.
std::vector<api::Route> routes(Service& service);

}  // namespace tarn::permissions
