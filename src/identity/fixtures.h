#pragma once
// Private to identity's tests: a directory on an in-memory store, and requests as the gateway makes them.
#include <gtest/gtest.h>

#include "access/testing.h"
#include "api/api.h"
#include "base/ids.h"
#include "identity/bootstrap.h"
#include "identity/cached_directory.h"
#include "identity/roster.h"
#include "identity/routes.h"
#include "store/store_for_tests.h"

namespace tarn::identity::testing {

inline const std::string kAccount = "8c2ab5d1-0f43-4b1e-9d5e-6f7a3c1b2d4e";
inline constexpr std::int64_t kLanding = 1001, kPipeline = 1002;

/// One workspace's settings, as a test sets them.
struct FakeSettings final : access::WorkspaceSettings {
  std::map<std::string, std::string, std::less<>> values;
  bool restricted = false;
  std::string conf(std::int64_t, std::string_view key) override {
    const auto i = values.find(key);
    return i != values.end() ? i->second : key == "enableTokensConfig" ? "true" : "";
  }
  json::value setting(std::int64_t, std::string_view type) override {
    if (!restricted || type != "restrict_workspace_admins") return nullptr;
    return json::object{{"restrict_workspace_admins", json::object{{"status", "RESTRICT_TOKENS_AND_JOB_RUN_AS"}}}};
  }
};

struct IdentityTest : ::testing::Test {
  FakeClock clock;
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  CachedDirectory directory{*store, clock};
  Tokens tokens{*store, clock};
  OwnerDoor door{*store, clock, tokens};
  access::testing::FakePermissions permissions;
  FakeSettings settings;
  std::unique_ptr<TokenRules> rules;
  api::Router router;

  void guard() {
    rules = std::make_unique<TokenRules>(permissions, settings);
    directory.guard(*rules);
    tokens.guard(*rules);
  }
  std::int64_t add(PrincipalRecord p) {
    p.id = p.id ? p.id : new_numeric_id();
    store->write({}, [&](store::WriteTxn& t) {
      EXPECT_TRUE(kPrincipals.insert(t, p));
      roster::changed(t);
      return true;
    });
    return p.id;
  }
  std::int64_t user(const std::string& name, std::vector<std::string> roles = {}) {
    return add({.kind = Kind::user, .name = name, .display_name = name, .roles = std::move(roles)});
  }
  std::int64_t sp(const std::string& display) { return add({.kind = Kind::service_principal, .name = new_uuid(), .display_name = display}); }
  std::int64_t group(const std::string& name, std::vector<std::int64_t> members = {}, std::int64_t workspace = 0) {
    const auto id = add({.kind = Kind::group, .name = name, .display_name = name, .workspace_id = workspace});
    for (const auto m : members) put(id, m);
    return id;
  }
  void put(std::int64_t g, std::int64_t m) {
    store->write({}, [&](store::WriteTxn& t) { return roster::put_member(t, g, m), roster::changed(t), true; });
  }
  void workspace(std::int64_t id, std::int64_t creator) {
    store->write({}, [&](store::WriteTxn& t) { return directory.on_workspace_created(t, id, creator), true; });
  }
  void assign(std::int64_t ws, std::int64_t principal, bool admin = false) {
    store->write({}, [&](store::WriteTxn& t) { return kAssignments.put(t, {ws, principal, admin}).has_value() && (roster::changed(t), true); });
  }
  access::Context as(std::int64_t id, std::optional<std::int64_t> ws = std::nullopt) {
    const auto c = directory.caller(id, ws);
    EXPECT_TRUE(c) << "no caller " << id;
    return {.caller = c.value_or(access::Caller{}), .workspace_id = ws, .request_id = "test"};
  }
  std::string name_of(std::int64_t id) { return directory.get_principal(id)->name; }

  struct Answer {
    int status = 0;
    json::value body;
    std::string text;
    std::map<std::string, std::string> headers;
    std::string at(const char* field) const {
      const auto* v = body.is_object() ? body.as_object().if_contains(field) : nullptr;
      return !v ? "" : v->is_string() ? std::string(v->as_string()) : boost::json::serialize(*v);
    }
  };
  static Answer shown(int status, const std::string& body, const std::vector<std::pair<std::string, std::string>>& headers) {
    auto parsed = json::parse(body);
    return {status, parsed ? *parsed : json::value(nullptr), body, {headers.begin(), headers.end()}};
  }
  /// As the gateway does it: match, authenticate (here: take the principal), authorise, handle. `who` 0: no credential. `ws` 0: the account host.
  Answer call(api::Method method, const std::string& target, std::int64_t who, std::int64_t ws = 0, const std::string& body = "",
              std::map<std::string, std::string> headers = {}) {
    const auto question = target.find('?');
    const auto surface = ws ? api::Surface::workspace : api::Surface::account;
    const auto where = ws ? std::optional(ws) : std::nullopt;
    auto m = router.match(method, surface, target.substr(0, question));
    if (!m.route) return {m.path_known ? 405 : 404, nullptr, "no route for " + target, {}};
    std::optional<access::Caller> caller;
    if (who) caller = directory.caller(who, where);
    const auto refused = [](const api::WireError& e) { return shown(e.status, e.body(), e.headers); };
    if (auto e = api::authorise(m.route->auth, caller)) return refused(*e);
    api::Request r;
    r.method = method;
    r.host = "host.tarn.localhost";
    r.captures = m.captures;
    r.account_id = kAccount;
    r.surface = surface;
    r.body = body;
    r.headers = std::move(headers);
    if (caller) r.context.caller = *caller;
    r.context.workspace_id = where;
    if (question != target.npos) r.query = api::parse_query(target.substr(question + 1));
    auto result = std::get<api::Handler>(m.route->handler)(r);
    if (!result) return refused(result.error());
    return shown(result->status, result->body, result->headers);
  }
  std::vector<store::AuditRecord> audit(const std::string& action) { return store->audit_log({.action = action}, 100); }
};

}  // namespace tarn::identity::testing
