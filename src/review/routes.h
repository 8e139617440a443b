#pragma once
// The webhooks' routes (POST /webhooks/gitea, /webhooks/gitlab) and the owner's (over the state folder's control socket, which only its owner opens).
#include <functional>

#include "api/api.h"
#include "review/reviewer.h"

namespace tarn::review {

struct Doors {
  const Config& config;
  Reviewer& reviewer;
  const store::Store& store;
  std::function<std::optional<std::string>(const std::string& repository)> webhook_secret;
  std::function<void()> wake;  // there is something to do
};

/// `doors` must outlive the router.
void add_webhook_routes(api::Router& router, const Doors& doors);
void add_control_routes(api::Router& router, const Doors& doors);

}  // namespace tarn::review
