// Assignments, rule sets, secrets and personal tokens through their routes; and what every row of the room has in common.
#include "identity/fixtures.h"
#include "identity/room.h"

namespace tarn::identity::testing {
namespace {

using enum api::Method;

struct Access : IdentityTest {
  Room room{*store, clock, kAccount};
  std::int64_t root = user("root@acme.example", {"account_admin"});
  std::int64_t ann = user("ann@acme.example");
  const std::string account = "/api/2.0/accounts/" + kAccount, rules = "/api/2.0/preview/accounts/" + kAccount + "/access-control/";
  Access() {
    router.add(room.routes());
    workspace(kLanding, root);
    workspace(kPipeline, root);
  }
  std::string assignment(std::int64_t ws, std::int64_t p = 0) {
    return account + "/workspaces/" + std::to_string(ws) + "/permissionassignments" + (p ? "/principals/" + std::to_string(p) : "");
  }
};

TEST_F(Access, EveryRowDeniesAStranger) {
  for (const auto& route : router.routes()) {
    const bool open = route->group == "oauth";
    EXPECT_EQ(route->auth == api::Auth::open, open) << route->pattern;
    if (!open) {
      EXPECT_EQ(api::authorise(route->auth, std::nullopt)->status, 401) << route->pattern;
    }
  }
  // Rows of the account host that ask for no more than a live principal refuse in their service.
  const auto someone = std::to_string(root);
  for (const auto& [method, path] :
       std::vector<std::pair<api::Method, std::string>>{{GET, account + "/scim/v2/Users"},
                                                        {GET, account + "/scim/v2/Groups"},
                                                        {GET, account + "/scim/v2/ServicePrincipals"},
                                                        {GET, account + "/scim/v2/Users/" + someone},
                                                        {PUT, account + "/scim/v2/Users/" + someone},
                                                        {PATCH, account + "/scim/v2/Users/" + someone},
                                                        {DELETE, account + "/scim/v2/Users/" + someone},
                                                        {POST, account + "/scim/v2/Groups"},
                                                        {POST, account + "/servicePrincipals/" + someone + "/credentials/secrets"},
                                                        {GET, account + "/servicePrincipals/7/credentials/secrets"},
                                                        {DELETE, account + "/servicePrincipals/" + someone + "/credentials/secrets/x"},
                                                        {GET, rules + "rule-sets?name=accounts/" + kAccount + "/ruleSets/default"},
                                                        {GET, rules + "assignable-roles?resource=accounts/" + kAccount},
                                                        {GET, assignment(kLanding)},
                                                        {PUT, assignment(kLanding, ann)},
                                                        {DELETE, assignment(kLanding, ann)}})
    EXPECT_EQ(call(method, path, ann, 0, method == PATCH ? R"({"Operations":[]})" : "{}").status, 403) << json::name_of(method) << " " << path;
}

TEST_F(Access, AssignmentsFollowTheProvider) {
  const auto put = call(PUT, assignment(kLanding, ann), root, 0, R"({"permissions":["USER"]})");
  ASSERT_EQ(put.status, 200) << put.text;
  EXPECT_EQ(put.body.at("principal").at("user_name").as_string(), "ann@acme.example");
  EXPECT_TRUE(directory.caller(ann, kLanding));
  EXPECT_EQ(call(PUT, assignment(kLanding, ann), root, 0, R"({"permissions":["USER","ADMIN"]})").body.at("permissions").at(0).as_string(), "ADMIN");
  EXPECT_TRUE(directory.caller(ann, kLanding)->workspace_admin);
  const auto list = call(GET, assignment(kLanding), root);
  EXPECT_EQ(list.body.at("permission_assignments").as_array().size(), 2u);
  EXPECT_EQ(call(DELETE, assignment(kLanding, ann), root).status, 200);
  EXPECT_FALSE(directory.caller(ann, kLanding));
  EXPECT_EQ(call(DELETE, assignment(kLanding, ann), root).status, 404);
  EXPECT_EQ(call(PUT, assignment(kLanding, 42), root, 0, R"({"permissions":["USER"]})").status, 404);
  EXPECT_EQ(call(PUT, assignment(9, ann), root, 0, R"({"permissions":["USER"]})").status, 404);
  EXPECT_EQ(call(GET, assignment(9), root).status, 404);
  EXPECT_EQ(call(PUT, assignment(kLanding, ann), root, 0, R"({"permissions":"USER"})").status, 400);
  EXPECT_EQ(call(PUT, account + "/workspaces/x/permissionassignments/principals/1", root, 0, "{}").status, 400);
  EXPECT_EQ(call(GET, assignment(kLanding) + "/permissions", root).body.at("permissions").as_array().size(), 2u);
  ASSERT_EQ(call(PUT, assignment(kLanding, ann), root, 0, R"({"permissions":["USER"]})").status, 200);
  EXPECT_EQ(call(PUT, assignment(kLanding, ann), root, 0, R"({"permissions":[]})").status, 200);
  EXPECT_FALSE(directory.caller(ann, kLanding)) << "an empty list takes the principal out";
  EXPECT_EQ(audit("updateWorkspacePermissionAssignment").back().event.params.at("workspace_id"), std::to_string(kLanding));
}

TEST_F(Access, AWorkspacesAdminsAssignOnItsOwnHost) {
  const std::string here = "/api/2.0/preview/permissionassignments";
  const auto wa = user("wa@acme.example");
  assign(kLanding, wa, true);
  assign(kLanding, ann);
  EXPECT_EQ(call(GET, here, ann, kLanding).status, 403);
  const auto g = group("ai_analyst");
  const auto done =
      call(POST, here, wa, kLanding,
           R"({"permission_assignments":[{"group_name":"ai_analyst","permissions":["USER"]},{"user_name":"nobody@x.y","permissions":["USER"]}]})");
  ASSERT_EQ(done.status, 200) << done.text;
  EXPECT_EQ(done.body.at("permission_assignments").at(0).at("principal").at("principal_id").as_int64(), g);
  EXPECT_NE(std::string(done.body.at("permission_assignments").at(1).at("error").as_string()).find("nobody@x.y"), std::string::npos);
  EXPECT_EQ(call(PUT, here + "/principals/" + std::to_string(g), wa, kLanding, R"({"permissions":["ADMIN"]})").status, 200);
  EXPECT_EQ(call(DELETE, here + "/principals/" + std::to_string(g), wa, kLanding).status, 200);
}

TEST_F(Access, RuleSetsAreReplacedByTheirLatestReaderOnly) {
  const auto robot = sp("robot");
  const auto name = "accounts/" + kAccount + "/servicePrincipals/" + name_of(robot) + "/ruleSets/default";
  const auto first = call(GET, rules + "rule-sets?name=" + name, root);
  ASSERT_EQ(first.status, 200) << first.text;
  EXPECT_EQ(first.at("name"), name);
  EXPECT_FALSE(first.at("etag").empty());
  const auto body = [&](const std::string& etag, const std::string& grants) {
    return R"({"name":")" + name + R"(","rule_set":{"name":")" + name + R"(","etag":")" + etag + R"(","grant_rules":)" + grants + "}}";
  };
  const std::string grant = R"([{"role":"roles/servicePrincipal.manager","principals":["users/ann@acme.example"]}])";
  const auto put = call(PUT, rules + "rule-sets", root, 0, body(first.at("etag"), grant));
  ASSERT_EQ(put.status, 200) << put.text;
  EXPECT_NE(put.at("etag"), first.at("etag"));
  const auto stale = call(PUT, rules + "rule-sets", root, 0, body(first.at("etag"), "[]"));
  EXPECT_EQ(stale.status, 409);
  EXPECT_EQ(stale.at("error_code"), "RESOURCE_CONFLICT");
  const auto secret = call(POST, account + "/servicePrincipals/" + std::to_string(robot) + "/credentials/secrets", ann, 0, R"({"lifetime":"60s"})");
  EXPECT_EQ(secret.status, 200) << "a manager gives secrets: " << secret.text;
  EXPECT_FALSE(secret.at("secret").empty());
  const auto list = call(GET, account + "/servicePrincipals/" + std::to_string(robot) + "/credentials/secrets", ann);
  EXPECT_EQ(list.body.at("secrets").as_array().size(), 1u);
  EXPECT_FALSE(list.body.at("secrets").at(0).as_object().contains("secret"));
  EXPECT_EQ(call(GET, rules + "rule-sets?name=" + name, ann).status, 200);
  ASSERT_EQ(call(PUT, rules + "rule-sets", root, 0, body(put.at("etag"), "[]")).status, 200);
  EXPECT_EQ(call(POST, account + "/servicePrincipals/" + std::to_string(robot) + "/credentials/secrets", ann, 0, "{}").status, 403)
      << "the role is gone";
  for (const char* lifetime : {"60", "x", "-1s", "1.5s"})
    EXPECT_EQ(call(POST, account + "/servicePrincipals/" + std::to_string(robot) + "/credentials/secrets", root, 0,
                   std::string(R"({"lifetime":")") + lifetime + "\"}")
                  .status,
              400)
        << lifetime;
}

TEST_F(Access, RuleSetsRefuseWhatTheyCannotKeep) {
  const auto g = group("g");
  const auto name = "accounts/" + kAccount + "/groups/" + std::to_string(g) + "/ruleSets/default";
  const auto etag = call(GET, rules + "rule-sets?name=" + name, root).at("etag");
  const auto put = [&](const std::string& grants) {
    return call(PUT, rules + "rule-sets", root, 0,
                R"({"name":")" + name + R"(","rule_set":{"name":")" + name + R"(","etag":")" + etag + R"(","grant_rules":)" + grants + "}}");
  };
  EXPECT_NE(put(R"([{"role":"roles/wizard","principals":[]}])").at("message").find("roles/wizard"), std::string::npos);
  EXPECT_NE(put(R"([{"role":"roles/group.manager","principals":["users/nobody@x.y"]}])").at("message").find("nobody@x.y"), std::string::npos);
  EXPECT_EQ(put(R"([{"role":"roles/group.manager","principals":["nobody"]}])").status, 400);
  EXPECT_EQ(call(GET, rules + "rule-sets", root).status, 400);
  EXPECT_EQ(call(GET, rules + "rule-sets?name=accounts/x/ruleSets/default", root).status, 400);
  EXPECT_EQ(call(GET, rules + "rule-sets?name=accounts/" + kAccount + "/groups/42/ruleSets/default", root).status, 404);
  EXPECT_EQ(call(GET, rules + "assignable-roles?resource=accounts/" + kAccount + "/groups/" + std::to_string(g), root)
                .body.at("roles")
                .at(0)
                .at("name")
                .as_string(),
            "roles/group.manager");
  EXPECT_EQ(put(R"([{"role":"roles/group.manager","principals":["groups/account users"]}])").status, 200);
  EXPECT_EQ(call(PATCH, account + "/scim/v2/Groups/" + std::to_string(g), ann, 0,
                 R"({"Operations":[{"op":"add","path":"members","value":[{"value":")" + std::to_string(ann) + R"("}]}]})")
                .status,
            200)
      << "every account user manages it now";
}

TEST_F(Access, PersonalTokensOverTheApi) {
  assign(kLanding, ann);
  const auto made = call(POST, "/api/2.0/token/create", ann, kLanding, R"({"lifetime_seconds":3600,"comment":"laptop"})");
  ASSERT_EQ(made.status, 200) << made.text;
  const auto id = std::string(made.body.at("token_info").at("token_id").as_string());
  EXPECT_TRUE(room.directory.authenticate(made.at("token_value"), kLanding));
  EXPECT_EQ(call(GET, "/api/2.0/token/list", ann, kLanding).body.at("token_infos").as_array().size(), 1u);
  EXPECT_EQ(call(GET, "/api/2.0/token/list", root, kLanding).text, "{}");
  EXPECT_EQ(call(GET, "/api/2.0/token-management/tokens", ann, kLanding).status, 403);
  const auto all = call(GET, "/api/2.0/token-management/tokens?created_by_username=ann@acme.example", root, kLanding);
  EXPECT_EQ(all.body.at("token_infos").at(0).at("owner_id").as_int64(), ann);
  EXPECT_EQ(call(GET, "/api/2.0/token-management/tokens/" + id, root, kLanding).body.at("token_info").at("comment").as_string(), "laptop");
  EXPECT_EQ(call(POST, "/api/2.0/token/delete", ann, kLanding, R"({"token_id":"none"})").status, 404);
  EXPECT_EQ(call(POST, "/api/2.0/token/delete", ann, kLanding, "{}").status, 400);
  EXPECT_EQ(call(POST, "/api/2.0/token/create", ann, kLanding, R"({"lifetime_seconds":0})").status, 400);
  EXPECT_EQ(call(POST, "/api/2.0/token/create", ann, kLanding, R"({"scopes":["sql"]})").status, 400) << "a narrower token would not be narrower";
  EXPECT_EQ(call(DELETE, "/api/2.0/token-management/tokens/" + id, root, kLanding).status, 200);
  EXPECT_FALSE(room.directory.authenticate(made.at("token_value"), kLanding));
  const auto robot = sp("robot");
  EXPECT_EQ(call(POST, "/api/2.0/token-management/on-behalf-of/tokens", root, kLanding, R"({"application_id":")" + name_of(robot) + "\"}").status,
            404);
  assign(kLanding, robot);
  const auto behalf = call(POST, "/api/2.0/token-management/on-behalf-of/tokens", root, kLanding, R"({"application_id":")" + name_of(robot) + "\"}");
  ASSERT_EQ(behalf.status, 200) << behalf.text;
  EXPECT_EQ(room.directory.authenticate(behalf.at("token_value"), kLanding)->id, robot);
}

TEST_F(Access, ReadsAreAuditedWithTheirOutcome) {
  const auto id = std::to_string(ann);
  ASSERT_EQ(call(GET, "/api/2.0/accounts/" + kAccount + "/scim/v2/Users/" + id, root).status, 200);
  ASSERT_EQ(call(GET, "/api/2.0/accounts/" + kAccount + "/scim/v2/Users", ann).status, 403);
  store->flush_audit();
  const auto read = audit("getUser");
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].event.params.at("targetUserId"), id);
  EXPECT_EQ(read[0].event.outcome, store::Outcome::success);
  const auto refused = audit("listUsers");
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].event.outcome, store::Outcome::denied);
  EXPECT_EQ(refused[0].event.status, 403);
}

TEST_F(Access, CommentOfATokenIsItsOwnersAndTheAdminsToChange) {
  assign(kLanding, ann);
  const auto made = call(POST, "/api/2.0/token/create", ann, kLanding, R"({"comment":"old"})");
  const std::string id(made.body.at("token_info").at("token_id").as_string());
  const std::string body = R"({"token":{"comment":"new"},"update_mask":"comment"})";
  EXPECT_EQ(call(PATCH, "/api/2.0/token/" + id, ann, kLanding, body).status, 200);
  EXPECT_EQ(call(GET, "/api/2.0/token/list", ann, kLanding).body.at("token_infos").at(0).at("comment").as_string(), "new");
  EXPECT_EQ(call(PATCH, "/api/2.0/token/" + id, root, kLanding, body).status, 404);  // another's
  EXPECT_EQ(call(PATCH, "/api/2.0/token-management/tokens/" + id, ann, kLanding, body).status, 403);
  EXPECT_EQ(call(PATCH, "/api/2.0/token-management/tokens/" + id, root, kLanding, body).at("comment"), "new");
  EXPECT_EQ(call(PATCH, "/api/2.0/token/" + id, ann, kLanding, R"({"token":{"comment":"x"},"update_mask":"token_id"})").status, 400);
  EXPECT_EQ(call(PATCH, "/api/2.0/token/" + id, ann, kLanding, R"({"token":{"scopes":["sql"]},"update_mask":"comment,scopes"})").status, 400);
  EXPECT_EQ(call(PATCH, "/api/2.0/token/none", ann, kLanding, body).status, 404);
}

}  // namespace
}  // namespace tarn::identity::testing
