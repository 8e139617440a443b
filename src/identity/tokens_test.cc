#include "base/crypto.h"
#include "identity/fixtures.h"

namespace tarn::identity::testing {
namespace {

using enum api::Method;

struct OAuth : IdentityTest {
  Bootstrap::Admin admin = door.ensure_admin(false);
  std::int64_t admin_id = directory.find_principal(admin.client_id)->id;
  const std::string account_token = "/oidc/accounts/" + kAccount + "/v1/token";
  OAuth() {
    router.add(oauth_routes(tokens));
    workspace(kLanding, admin_id);
    workspace(kPipeline, 0);
  }
  std::map<std::string, std::string> basic(const std::string& id, const std::string& secret) {
    return {{"authorization", "Basic " + crypto::base64(id + ":" + secret)}};
  }
  std::string token(std::int64_t ws = 0) {
    return call(POST, ws ? "/oidc/v1/token" : account_token, 0, ws, "grant_type=client_credentials&scope=all-apis",
                basic(admin.client_id, admin.client_secret))
        .at("access_token");
  }
};

TEST_F(OAuth, TheFirstStartMakesOneAutomationPrincipal) {
  EXPECT_TRUE(admin.client_secret.starts_with("dose"));
  const auto again = door.ensure_admin(false);
  EXPECT_EQ(again.client_id, admin.client_id);
  EXPECT_TRUE(again.client_secret.empty());
  for (int i = 0; i < 7; ++i) EXPECT_FALSE(door.ensure_admin(true).client_secret.empty()) << "a lost copy can always be replaced";
  ASSERT_TRUE(door.ensure_admin_user("ann@acme.example"));
  ASSERT_TRUE(door.ensure_admin_user("ann@acme.example"));
  EXPECT_FALSE(door.ensure_admin_user("ann"));
  EXPECT_TRUE(directory.caller(directory.find_principal("ann@acme.example")->id, std::nullopt)->account_admin);
}

TEST_F(OAuth, DocumentsSpeakOfTheHostThatWasAsked) {
  const auto a = call(GET, "/oidc/accounts/" + kAccount + "/.well-known/oauth-authorization-server", 0, 0, "", {{"host", "accounts.x:8443"}});
  EXPECT_EQ(a.at("token_endpoint"), "https://accounts.x:8443/oidc/accounts/" + kAccount + "/v1/token");
  EXPECT_EQ(call(GET, "/oidc/.well-known/oauth-authorization-server", 0, kLanding, "", {{"host", "landing.x"}}).at("token_endpoint"),
            "https://landing.x/oidc/v1/token");
  EXPECT_EQ(call(GET, "/oidc/accounts/11111111-2222-3333-4444-555555555555/.well-known/oauth-authorization-server", 0).status, 404);
  const auto c = call(GET, "/.well-known/databricks-config", 0, kLanding, "", {{"host", "landing.x"}});
  EXPECT_EQ(c.at("oidc_endpoint"), "https://landing.x/oidc");
  EXPECT_EQ(c.at("workspace_id"), std::to_string(kLanding));
  EXPECT_EQ(c.at("host_type"), "WORKSPACE_HOST");
  EXPECT_EQ(call(GET, "/.well-known/databricks-config", 0).at("account_id"), kAccount);
}

TEST_F(OAuth, ClientCredentialsBuyAnHour) {
  const auto a =
      call(POST, account_token, 0, 0, "grant_type=client_credentials&client_id=" + admin.client_id + "&client_secret=" + admin.client_secret);
  EXPECT_EQ(a.status, 200) << a.text;
  EXPECT_EQ(a.at("token_type"), "Bearer");
  EXPECT_EQ(a.at("expires_in"), "3600");
  EXPECT_EQ(a.headers.at("cache-control"), "no-store");
  const auto bearer = a.at("access_token");
  EXPECT_TRUE(directory.authenticate(bearer, std::nullopt)->account_admin);
  EXPECT_TRUE(directory.authenticate(bearer, kLanding)->workspace_admin) << "an account token works in the account's workspaces";
  clock.advance(3'600'000 - 1);
  EXPECT_TRUE(directory.authenticate(bearer, std::nullopt));
  clock.advance(1);
  EXPECT_FALSE(directory.authenticate(bearer, std::nullopt));
  EXPECT_FALSE(directory.authenticate(bearer, kLanding));
}

TEST_F(OAuth, AWorkspaceTokenStaysInItsWorkspace) {
  const auto bearer = token(kLanding);
  EXPECT_TRUE(directory.authenticate(bearer, kLanding));
  EXPECT_FALSE(directory.authenticate(bearer, kPipeline).has_value());
  EXPECT_FALSE(directory.authenticate(bearer, std::nullopt).has_value());
}

TEST_F(OAuth, RefusalsAreRfc6749) {
  const auto wrong = call(POST, account_token, 0, 0, "grant_type=client_credentials", basic(admin.client_id, "dosexyz"));
  EXPECT_EQ(wrong.status, 401);
  EXPECT_EQ(wrong.at("error"), "invalid_client");
  EXPECT_EQ(wrong.headers.at("www-authenticate").substr(0, 5), "Basic");
  EXPECT_EQ(audit("mintOAuthToken").back().event.outcome, store::Outcome::denied);
  EXPECT_EQ(audit("mintOAuthToken").back().event.status, 401);
  EXPECT_EQ(call(POST, account_token, 0, 0, "grant_type=client_credentials", basic("nobody", "x")).at("error_description"),
            wrong.at("error_description"));
  EXPECT_EQ(call(POST, account_token, 0, 0, "grant_type=password&username=a").at("error"), "unsupported_grant_type");
  EXPECT_EQ(call(POST, account_token, 0, 0, "").at("error"), "invalid_request");
  EXPECT_EQ(call(POST, account_token, 0, 0, "grant_type=client_credentials&scope=sql", basic(admin.client_id, admin.client_secret)).at("error"),
            "invalid_scope");
  EXPECT_EQ(call(POST, account_token, 0, 0, "grant_type=client_credentials").at("error"), "invalid_client");
  EXPECT_EQ(call(POST, account_token, 0, 0, "grant_type=client_credentials", {{"authorization", "Basic %%%"}}).at("error"), "invalid_client");
  EXPECT_EQ(call(POST, account_token, 0, 0, "grant_type=client_credentials&grant_type=x").at("error"), "invalid_request");
}

TEST_F(OAuth, AStrangerToTheWorkspaceGetsNoTokenThereAndIs403) {
  const auto robot = sp("robot");
  const auto secret = *tokens.create_secret(as(admin_id), robot, std::nullopt);
  const auto id = name_of(robot);
  EXPECT_EQ(call(POST, "/oidc/v1/token", 0, kLanding, "grant_type=client_credentials", basic(id, *secret.secret)).at("error"), "unauthorized_client");
  const auto bearer = call(POST, account_token, 0, 0, "grant_type=client_credentials", basic(id, *secret.secret)).at("access_token");
  const auto refused = directory.authenticate(bearer, kLanding);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().known_but_not_here);
  assign(kLanding, robot);
  EXPECT_TRUE(directory.authenticate(bearer, kLanding));
}

TEST_F(OAuth, DeletingASecretEndsWhatItBought) {
  const auto bearer = token();
  ASSERT_TRUE(directory.authenticate(bearer, std::nullopt));
  const auto secrets = *tokens.list_secrets(as(admin_id), admin_id);
  ASSERT_EQ(secrets.size(), 1u);
  EXPECT_FALSE(secrets[0].secret) << "shown once";
  EXPECT_EQ(secrets[0].status, "ACTIVE");
  ASSERT_TRUE(tokens.delete_secret(as(admin_id), admin_id, secrets[0].id));
  EXPECT_FALSE(directory.authenticate(bearer, std::nullopt));
  EXPECT_EQ(call(POST, account_token, 0, 0, "grant_type=client_credentials", basic(admin.client_id, admin.client_secret)).status, 401);
}

TEST_F(OAuth, NothingSecretIsInTheStore) {
  const auto bearer = token();
  const auto pat = *tokens.create(as(admin_id, kLanding), 60, "mine");
  std::string everything;
  store->read([&](store::ReadTxn& t) {
    for (const auto kind : {"identity.secret", "identity.token", "identity.principal"})
      for (const auto& r : t.scan(kind, "", "", 1000)) everything += r.key + r.body;
  });
  for (const auto& e : store->audit_log({}, 1000)) everything += json::encode_text(e.event);
  for (const auto& secret : {bearer, pat.token_value, admin.client_secret}) EXPECT_EQ(everything.find(secret), everything.npos);
}

TEST_F(OAuth, OnlyItsManagersGiveSecrets) {
  const auto robot = sp("robot"), ann = user("ann@acme.example");
  EXPECT_EQ(tokens.create_secret(as(ann), robot, std::nullopt).error().code, Errc::account_admin_only);
  EXPECT_EQ(audit("create").back().event.outcome, store::Outcome::denied);
  store->write({}, [&](store::WriteTxn& t) {
    return kRuleSets.put(t, {.resource = robot, .grants = {{roster::kSecretManager, {ann}}}}).has_value() && (roster::changed(t), true);
  });
  EXPECT_TRUE(tokens.create_secret(as(ann), robot, 60));
  EXPECT_EQ(tokens.create_secret(as(ann), robot, 0).error().code, Errc::invalid);
  EXPECT_EQ(tokens.create_secret(as(admin_id), ann, 60).error().code, Errc::not_found) << "a user has no client secrets";
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(tokens.create_secret(as(ann), robot, 60));
  EXPECT_EQ(tokens.create_secret(as(ann), robot, 60).error().code, Errc::quota_exceeded);
}

TEST_F(OAuth, PersonalTokensWorkInOneWorkspaceUntilRevoked) {
  const auto ann = user("ann@acme.example");
  assign(kLanding, ann);
  assign(kPipeline, ann);
  const auto pat = *tokens.create(as(ann, kLanding), 60, "laptop");
  EXPECT_TRUE(pat.token_value.starts_with("dapi"));
  EXPECT_EQ(directory.authenticate(pat.token_value, kLanding)->id, ann);
  EXPECT_FALSE(directory.authenticate(pat.token_value, kPipeline));
  EXPECT_FALSE(directory.authenticate(pat.token_value, std::nullopt));
  EXPECT_EQ(tokens.list(as(ann, kLanding)).at(0).comment, "laptop");
  EXPECT_TRUE(tokens.list(as(ann, kPipeline)).empty());
  EXPECT_EQ(tokens.revoke(as(admin_id, kLanding), pat.token_info.token_id).error().code, Errc::not_found) << "another's token";
  EXPECT_EQ(tokens.all(as(admin_id, kLanding), ann, {})->at(0).created_by_username, "ann@acme.example");
  ASSERT_TRUE(tokens.revoke_any(as(admin_id, kLanding), pat.token_info.token_id));
  EXPECT_FALSE(directory.authenticate(pat.token_value, kLanding));
  EXPECT_EQ(tokens.create(as(ann, kLanding), -5, "").error().code, Errc::invalid);
}

TEST_F(OAuth, TokensEndForThoseWhoMayNoLongerUseThem) {
  const auto ann = user("ann@acme.example");
  assign(kLanding, ann);
  guard();
  const auto pat = *tokens.create(as(ann, kLanding), 60, "");
  ASSERT_TRUE(directory.authenticate(pat.token_value, kLanding));
  permissions.clear(kLanding, {"authorization", "tokens"});
  const auto refused = directory.authenticate(pat.token_value, kLanding);
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().known_but_not_here);
  EXPECT_EQ(tokens.create(as(ann, kLanding), 60, "").error().code, Errc::permission_denied);
  EXPECT_TRUE(tokens.create(as(admin_id, kLanding), 60, ""));  // administrators always may
  permissions.grant(kLanding, {"authorization", "tokens"}, "ann@acme.example", "CAN_USE");
  EXPECT_TRUE(directory.authenticate(pat.token_value, kLanding));
  settings.values["enableTokensConfig"] = "false";
  EXPECT_EQ(directory.authenticate(pat.token_value, kLanding).error().message, "Personal access tokens are disabled for this workspace.");
  EXPECT_EQ(tokens.create(as(admin_id, kLanding), 60, "").error().code, Errc::permission_denied);
}

TEST_F(OAuth, NewTokensLiveNoLongerThanTheWorkspaceSays) {
  const auto ann = user("ann@acme.example");
  assign(kLanding, ann);
  guard();
  settings.values["maxTokenLifetimeDays"] = "2";
  EXPECT_EQ(tokens.create(as(ann, kLanding), 2 * 86'400 + 1, "").error().message,
            "Field 'lifetime_seconds' must be between 1 and 172800 seconds, got 172801");
  const auto pat = *tokens.create(as(ann, kLanding), std::nullopt, "");
  EXPECT_EQ(pat.token_info.expiry_time, clock.now() + 2 * 86'400'000);
  settings.values.clear();
  EXPECT_TRUE(tokens.create(as(ann, kLanding), 2 * 86'400 + 1, ""));
}

TEST_F(OAuth, AdministratorsMakeTokensForServicePrincipalsAsFarAsTheyMay) {
  const auto robot = sp("robot");
  assign(kLanding, robot);
  guard();
  const auto make = [&] { return tokens.create_on_behalf(as(admin_id, kLanding), name_of(robot), 60, ""); };
  EXPECT_TRUE(make());
  permissions.clear(kLanding, {"authorization", "tokens"});
  EXPECT_EQ(make().error().code, Errc::permission_denied);  // the service principal has no CAN_USE
  permissions.grant(kLanding, {"authorization", "tokens"}, name_of(robot), "CAN_USE");
  EXPECT_TRUE(make());
  settings.restricted = true;
  EXPECT_EQ(make().error().code, Errc::permission_denied);
  store->write({}, [&](store::WriteTxn& t) {
    return kRuleSets.put(t, {.resource = robot, .grants = {{roster::kServicePrincipalUser, {admin_id}}}}).has_value() && (roster::changed(t), true);
  });
  EXPECT_TRUE(make());
  EXPECT_TRUE(directory.holds_role(as(admin_id, kLanding).caller, robot, "roles/servicePrincipal.user"));
  EXPECT_FALSE(directory.holds_role(as(robot, kLanding).caller, robot, "roles/servicePrincipal.user"));
}

TEST_F(OAuth, TheOwnersTokensNeedAPrincipalThatIsThere) {
  const auto ann = user("ann@acme.example");
  EXPECT_EQ(door.mint_token("nobody", kLanding).error(), "Could not find a user or service principal with name nobody");
  EXPECT_NE(door.mint_token("ann@acme.example", kLanding).error().find("not assigned"), std::string::npos);
  EXPECT_NE(door.mint_token("ann@acme.example", 42).error().find("does not exist"), std::string::npos);
  assign(kLanding, ann);
  EXPECT_EQ(directory.authenticate(*door.mint_token("ann@acme.example", kLanding), kLanding)->id, ann);
}

}  // namespace
}  // namespace tarn::identity::testing
