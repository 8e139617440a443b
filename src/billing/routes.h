#pragma once
// Budgets and log delivery on the wire. Source: databricks-sdk-go service/billing.
#include "api/answers.h"
#include "billing/budgets.h"
#include "billing/log_delivery.h"

namespace tarn::billing {

/// The services must outlive the router.
std::vector<api::Route> routes(Budgets& budgets, LogDelivery& log_delivery);

using api::wire;

}  // namespace tarn::billing
