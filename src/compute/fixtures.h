#pragma once
// Private to compute's tests: the room on an in-memory store, with people, and calls as the gateway makes them.
#include <gtest/gtest.h>

#include "access/testing.h"
#include "compute/routes.h"
#include "store/store_for_tests.h"

namespace tarn::compute::testing {

constexpr std::int64_t kWorkspace = 41;

struct OneWorkspace final : account::WorkspaceDirectory {
  std::optional<account::WorkspaceRef> by_deployment(std::string_view) override { return by_id(kWorkspace); }
  std::optional<account::WorkspaceRef> by_id(std::int64_t id) override {
    return account::WorkspaceRef{.id = id, .name = "landing", .deployment_name = "landing", .region = "eu-central-1", .running = true};
  }
  std::vector<account::WorkspaceRef> all() override { return {*by_id(kWorkspace)}; }
};

inline access::Caller person(std::string name, std::set<std::string> entitlements = {}) {
  return {
      .id = static_cast<std::int64_t>(std::hash<std::string>{}(name) % 100'000), .name = std::move(name), .entitlements = std::move(entitlements)};
}
inline access::Caller workspace_admin() {
  auto c = person("ada@acme.example");
  c.workspace_admin = true;
  return c;
}

struct Answer {
  int status = 0;
  json::value body;
  std::string code() const { return text("error_code"); }
  std::string message() const { return text("message"); }
  std::string text(const char* field) const {
    const auto* v = body.is_object() ? body.as_object().if_contains(field) : nullptr;
    return v && v->is_string() ? std::string(v->as_string()) : "";
  }
};

inline access::Context context_of(access::Caller who) {
  access::Context c;
  c.caller = std::move(who);
  c.workspace_id = kWorkspace;
  c.request_id = "r1";
  return c;
}

/// Match, authorise, handle.
inline Answer call_through(api::Router& router, const access::Caller& who, api::Method method, const std::string& path, const std::string& body) {
  const auto refused = [](const api::WireError& e) { return Answer{e.status, *json::parse(e.body())}; };
  const auto question = path.find('?');
  auto m = router.match(method, api::Surface::workspace, path.substr(0, question));
  if (!m.route) {
    ADD_FAILURE() << "no route for " << path;
    return {};
  }
  if (auto e = api::authorise(m.route->auth, who)) return refused(*e);
  api::Request r;
  r.method = method;
  r.captures = m.captures;
  r.body = body;
  r.context = context_of(who);
  if (question != path.npos) r.query = api::parse_query(path.substr(question + 1));
  auto result = std::get<api::Handler>(m.route->handler)(r);
  if (!result) return refused(result.error());
  return {result->status, *json::parse(result->body)};
}

struct CatalogueTest : ::testing::Test {
  FakeClock clock;
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  access::testing::FakePermissions permissions;
  OneWorkspace workspaces;
  InstanceProfiles profiles{*store};
  Pools pools{*store, permissions, profiles, clock};
  Policies policies{*store, permissions, clock};
  api::Router router;
  access::Caller ada = workspace_admin(), nora = person("nora@acme.example");

  CatalogueTest() { router.add(catalogue_routes(pools, policies, profiles, workspaces)); }
  Answer call(const access::Caller& who, api::Method method, const std::string& path, const std::string& body = "") {
    return call_through(router, who, method, path, body);
  }
};

}  // namespace tarn::compute::testing
