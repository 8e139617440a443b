#include "identity/fixtures.h"

namespace tarn::identity::testing {
namespace {

using enum api::Method;

struct Scim : IdentityTest {
  scim::Service service{*store, clock};
  std::int64_t root = user("root@acme.example", {"account_admin"});
  std::int64_t ann = user("ann@acme.example");
  const std::string base = "/api/2.0/accounts/" + kAccount + "/scim/v2/", here = "/api/2.0/preview/scim/v2/";
  Scim() {
    router.add(scim_routes(service));
    workspace(kLanding, root);
  }
  Answer make(const char* what, const std::string& body, std::int64_t ws = 0) { return call(POST, (ws ? here : base) + what, root, ws, body); }
  static std::string patch_body(const std::string& operations) {
    return R"({"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[)" + operations + "]}";
  }
  Answer patch(const std::string& path, const std::string& operations, std::int64_t who = 0, std::int64_t ws = 0) {
    return call(PATCH, (ws ? here : base) + path, who ? who : root, ws, patch_body(operations));
  }
  static std::set<std::string> member_ids(const Answer& a) {
    std::set<std::string> out;
    if (const auto* m = a.body.as_object().if_contains("members"))
      for (const auto& v : m->as_array()) out.insert(std::string(v.at("value").as_string()));
    return out;
  }
};

TEST_F(Scim, AUserLivesAsTheProviderExpects) {
  const auto made = make(
      "Users",
      R"({"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"Bob@acme.example","displayName":"Bob","active":true,"externalId":"x-1","entitlements":[{"value":""},{}]})");
  ASSERT_EQ(made.status, 201) << made.text;
  const auto id = made.at("id");
  EXPECT_EQ(made.at("userName"), "Bob@acme.example");
  EXPECT_EQ(made.at("active"), "true");
  const auto again = make("Users", R"({"userName":"bob@ACME.example"})");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.at("detail"), "User with email bob@ACME.example already exists in this account");
  EXPECT_EQ(again.at("status"), "409");
  EXPECT_EQ(again.at("scimType"), "") << "the SDKs would put it before a message that the provider compares whole";
  const auto found = call(GET, base + "Users?filter=userName%20eq%20%22BOB@acme.example%22&excludedAttributes=roles", root);
  EXPECT_EQ(found.at("totalResults"), "1");
  EXPECT_EQ(found.body.at("Resources").at(0).at("id").as_string(), id);
  const auto narrow = call(GET, base + "Users/" + id + "?attributes=userName,active", root);
  EXPECT_EQ(narrow.at("userName"), "Bob@acme.example");
  EXPECT_EQ(narrow.at("displayName"), "");
  EXPECT_EQ(call(PUT, base + "Users/" + id, root, 0, R"({"userName":"bob@acme.example","displayName":"Robert","active":true})").at("displayName"),
            "Robert");
  EXPECT_EQ(patch("Users/" + id, R"({"op":"replace","path":"active","value":[{"value":"false"}]})").at("active"), "false");
  EXPECT_EQ(patch("Users/" + id, R"({"op":"Replace","value":{"active":true,"name":{"givenName":"Bob"},"displayName":"B"}})").at("displayName"), "B");
  EXPECT_EQ(call(DELETE, base + "Users/" + id, root).status, 204);
  EXPECT_EQ(call(GET, base + "Users/" + id, root).status, 404);
  EXPECT_EQ(call(DELETE, base + "Users/" + id, root).status, 404);
  EXPECT_EQ(audit("add").back().event.status, 409);
}

TEST_F(Scim, OnlyAccountAdminsReachTheAccountsDirectory) {
  for (const auto& a : {call(GET, base + "Users", ann), call(POST, base + "Users", ann, 0, R"({"userName":"x@y.z"})"),
                        call(GET, base + "Users/" + std::to_string(root), ann), call(GET, base + "Users/123", ann),
                        call(DELETE, base + "Users/" + std::to_string(root), ann), call(POST, base + "Groups", ann, 0, R"({"displayName":"g"})")}) {
    EXPECT_EQ(a.status, 403) << a.text;
    EXPECT_EQ(a.at("detail"), "This API is disabled for users without account admin status.");
  }
  EXPECT_EQ(audit("add").back().event.outcome, store::Outcome::denied);
  EXPECT_EQ(call(GET, base + "Users", 0).status, 401);
  EXPECT_EQ(call(GET, base + "Users/" + std::to_string(ann), ann).status, 200) << "itself";
  EXPECT_EQ(call(GET, base + "Me", ann).at("userName"), "ann@acme.example");
  EXPECT_EQ(call(GET, "/api/2.0/accounts/11111111-2222-3333-4444-555555555555/scim/v2/Users", root).status, 404);
  EXPECT_EQ(call(GET, "/api/2.1/accounts/" + kAccount + "/scim/v2/Users", root).status, 200);
}

TEST_F(Scim, GroupsHoldMembersByEveryFormOfPatch) {
  const auto g = make("Groups", R"({"displayName":"ai_engineer","members":[{"value":")" + std::to_string(ann) + R"("}]})");
  ASSERT_EQ(g.status, 201) << g.text;
  EXPECT_EQ(g.body.at("meta").at("resourceType").as_string(), "Group");
  const auto id = g.at("id"), a = std::to_string(ann), r = std::to_string(root);
  EXPECT_EQ(member_ids(g), std::set<std::string>{a});
  EXPECT_EQ(member_ids(patch("Groups/" + id, R"({"op":"add","path":"members","value":[{"value":")" + r + R"("}]})")), (std::set<std::string>{a, r}));
  EXPECT_EQ(member_ids(patch("Groups/" + id, R"({"op":"remove","path":"members[value eq \")" + a + R"(\"]"})")), std::set<std::string>{r});
  EXPECT_EQ(member_ids(patch("Groups/" + id, R"({"op":"add","value":{"members":[{"value":")" + a + R"("}]}})")), (std::set<std::string>{a, r}));
  EXPECT_EQ(member_ids(patch("Groups/" + id, R"({"op":"remove","path":"members","value":[{"value":")" + a + R"("}]})")), std::set<std::string>{r});
  EXPECT_EQ(member_ids(patch("Groups/" + id, R"({"op":"replace","path":"members","value":[{"value":")" + a + R"("}]})")), std::set<std::string>{a});
  const auto unknown = patch("Groups/" + id, R"({"op":"add","path":"members","value":[{"value":")" + r + R"("},{"value":"42"}]})");
  EXPECT_EQ(unknown.status, 400);
  EXPECT_EQ(member_ids(call(GET, base + "Groups/" + id, root)), std::set<std::string>{a}) << "nothing half-written";
  EXPECT_EQ(make("Groups", R"({"displayName":"AI_Engineer"})").at("detail"), "Group with name ai_engineer already exists.");
  EXPECT_EQ(member_ids(call(PUT, base + "Groups/" + id, root, 0, R"({"displayName":"renamed"})")), std::set<std::string>{});
  EXPECT_TRUE(directory.find_principal("renamed"));
  EXPECT_FALSE(directory.find_principal("ai_engineer"));
}

TEST_F(Scim, RingsOfGroupsAreRefused) {
  const auto a = make("Groups", R"({"displayName":"a"})").at("id"), b = make("Groups", R"({"displayName":"b"})").at("id"),
             c = make("Groups", R"({"displayName":"c"})").at("id");
  const auto put = [&](const std::string& g, const std::string& m) {
    return patch("Groups/" + g, R"({"op":"add","path":"members","value":[{"value":")" + m + R"("}]})");
  };
  EXPECT_EQ(put(a, b).status, 200);
  EXPECT_EQ(put(b, c).status, 200);
  for (const auto& ring : {put(c, a), put(b, a), put(a, a)}) {
    EXPECT_EQ(ring.status, 400);
    EXPECT_NE(ring.at("detail").find("cyclic membership"), std::string::npos) << ring.text;
  }
  EXPECT_EQ(call(GET, base + "Groups/" + c, root).body.at("groups").as_array().size(), 2u);
}

TEST_F(Scim, TheAccountAdminRoleIsGivenAndTakenButNeverTheLast) {
  const auto a = std::to_string(ann);
  EXPECT_EQ(patch("Users/" + a, R"({"op":"add","path":"roles","value":[{"value":"account_admin"}]})").status, 200);
  EXPECT_TRUE(directory.caller(ann, std::nullopt)->account_admin);
  EXPECT_EQ(patch("Users/" + a, R"({"op":"remove","path":"roles[value eq \"account_admin\"]"})").status, 200);
  EXPECT_FALSE(directory.caller(ann, std::nullopt)->account_admin);
  const auto r = std::to_string(root);
  EXPECT_EQ(patch("Users/" + r, R"({"op":"remove","path":"roles"})").status, 400);
  EXPECT_EQ(patch("Users/" + r, R"({"op":"replace","path":"active","value":false})").status, 400);
  EXPECT_EQ(call(DELETE, base + "Users/" + r, root).status, 400);
  EXPECT_TRUE(directory.caller(root, std::nullopt)->account_admin);
  const auto g = make("Groups", R"({"displayName":"admins of all","roles":[{"value":"account_admin"}],"members":[{"value":")" + a + R"("}]})");
  EXPECT_EQ(g.status, 201);
  EXPECT_TRUE(directory.caller(ann, std::nullopt)->account_admin) << "by group";
  EXPECT_EQ(patch("Users/" + a, R"({"op":"add","path":"roles","value":[{"value":"wizard"}]})").status, 400);
}

TEST_F(Scim, AGroupsManagerChangesItsMembersOnly) {
  const auto id = make("Groups", R"({"displayName":"g"})").at("id");
  store->write({}, [&](store::WriteTxn& t) {
    return kRuleSets.put(t, {.resource = std::stoll(id), .grants = {{roster::kGroupManager, {ann}}}}).has_value() && (roster::changed(t), true);
  });
  const auto me = std::to_string(ann);
  EXPECT_EQ(patch("Groups/" + id, R"({"op":"add","path":"members","value":[{"value":")" + me + R"("}]})", ann).status, 200);
  EXPECT_EQ(patch("Groups/" + id, R"({"op":"add","path":"roles","value":[{"value":"account_admin"}]})", ann).status, 403);
  EXPECT_EQ(call(GET, base + "Groups", ann).status, 403);
}

TEST_F(Scim, ServicePrincipalsGetAnApplicationIdAndAManager) {
  const auto made = make("ServicePrincipals", R"({"displayName":"robot","active":true})");
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_TRUE(is_uuid(made.at("applicationId")));
  const auto narrow = call(GET, base + "ServicePrincipals/" + made.at("id") + "?attributes=userName,active", root);
  EXPECT_EQ(narrow.at("applicationId"), made.at("applicationId")) << "as the provider asks";
  EXPECT_EQ(narrow.at("displayName"), "");
  EXPECT_EQ(call(GET, base + "ServicePrincipals?filter=applicationId%20eq%20%22" + made.at("applicationId") + "%22", root).at("totalResults"), "1");
  EXPECT_EQ(make("ServicePrincipals", R"({"applicationId":")" + made.at("applicationId") + R"("})").at("detail"),
            "Service principal with application ID " + made.at("applicationId") + " already exists.");
  EXPECT_EQ(make("ServicePrincipals", R"({"applicationId":"robot"})").status, 400);
  EXPECT_TRUE(store->read_as(
      [&](store::ReadTxn& t) { return roster::holds_role(t, std::stoll(made.at("id")), roster::kSecretManager, access::Caller{.id = root}); }));
  const auto wrong = patch("ServicePrincipals/" + made.at("id"), R"({"op":"replace","path":"entitlements","value":[{"value":"workspace-access"}]})");
  EXPECT_EQ(wrong.at("scimType") + " " + wrong.at("detail"), "invalidPath No such attribute with the name : entitlements in the current resource");
  EXPECT_EQ(call(GET, base + "Users/" + made.at("id"), root).status, 404) << "a service principal is no user";
}

TEST_F(Scim, ListsFilterSortAndPage) {
  for (int i = 0; i < 5; ++i) ASSERT_EQ(make("Groups", R"({"displayName":"team )" + std::to_string(i) + R"("})").status, 201);
  const auto page =
      call(GET, base + "Groups?filter=displayName%20sw%20%22team%22&sortBy=displayName&sortOrder=descending&startIndex=2&count=2", root);
  EXPECT_EQ(page.at("totalResults"), "5");
  EXPECT_EQ(page.at("startIndex"), "2");
  EXPECT_EQ(page.at("itemsPerPage"), "2");
  EXPECT_EQ(page.body.at("Resources").at(0).at("displayName").as_string(), "team 3");
  EXPECT_EQ(call(GET, base + "Groups?startIndex=99", root).body.at("Resources").as_array().size(), 0u);
  EXPECT_EQ(call(GET, base + "Groups?count=0", root).at("totalResults"), "5");
  for (const char* bad : {"Groups?filter=nosuch%20pr", "Groups?filter=%28", "Groups?count=x", "Groups?sortBy=nosuch", "Users?filter=members%20pr"})
    EXPECT_EQ(call(GET, base + bad, root).status, 400) << bad;
  EXPECT_EQ(call(GET, base + "Groups?filter=%28", root).at("scimType"), "invalidFilter");
}

TEST_F(Scim, MalformedBodiesNameTheField) {
  const auto refused = [&](const char* what, const std::string& body, const char* field) {
    const auto a = make(what, body);
    EXPECT_EQ(a.status, 400) << body;
    EXPECT_NE(a.at("detail").find(field), std::string::npos) << a.text;
  };
  refused("Users", "{", "JSON");
  refused("Users", "[]", "object");
  refused("Users", "{}", "userName");
  refused("Users", R"({"userName":7})", "userName");
  refused("Users", R"({"userName":"no-address"})", "userName");
  refused("Users", R"({"userName":"a@b.c\u001fx"})", "userName");
  refused("Users", R"({"userName":"a@b.c","active":"perhaps"})", "active");
  refused("Users", R"({"userName":"a@b.c","name":"x"})", "name");
  refused("Groups", "{}", "displayName");
  refused("Groups", R"({"displayName":"g","members":[{"value":"abc"}]})", "members.value");
  refused("Groups", R"({"displayName":"g","members":{}})", "members");
  refused("Groups", R"({"displayName":"users"})", "users");
  refused("Groups", R"({"displayName":")" + std::string(300, 'x') + R"("})", "displayName");
  const auto g = make("Groups", R"({"displayName":"quo\"te é"})");
  EXPECT_EQ(call(GET, base + "Groups?filter=displayName%20eq%20%22quo%5C%22te%20%C3%A9%22", root).at("totalResults"), "1");
  for (const char* bad : {R"({"op":"add"})", R"({"op":"remove"})", R"({"op":"jump","path":"x"})", R"({"op":"add","path":"nosuch","value":"x"})",
                          R"({"op":"add","path":"members[","value":"1"})", "7"})
    EXPECT_EQ(patch("Groups/" + g.at("id"), bad).status, 400) << bad;
  EXPECT_EQ(call(GET, base + "Groups/abc", root).status, 404);
}

TEST_F(Scim, AWorkspaceShowsWhoIsAssigned) {
  const auto id = std::to_string(ann);
  EXPECT_EQ(call(GET, here + "Users/" + id, root, kLanding).status, 404);
  const auto g = make("Groups", R"({"displayName":"ai_analyst","members":[{"value":")" + id + R"("}]})").at("id");
  assign(kLanding, std::stoll(g));
  EXPECT_EQ(call(GET, here + "Users/" + id, root, kLanding).status, 200) << "below an assigned group";
  EXPECT_EQ(call(GET, here + "Users?filter=userName%20eq%20%22ann@acme.example%22", root, kLanding).at("totalResults"), "1");
  const auto groups = call(GET, here + "Groups?sortBy=displayName", root, kLanding);
  EXPECT_EQ(groups.at("totalResults"), "3") << groups.text;
  std::map<std::string, std::string> types;
  for (const auto& v : groups.body.at("Resources").as_array())
    types[std::string(v.at("displayName").as_string())] = std::string(v.at("meta").at("resourceType").as_string());
  EXPECT_EQ(types, (std::map<std::string, std::string>{{"admins", "WorkspaceGroup"}, {"users", "WorkspaceGroup"}, {"ai_analyst", "Group"}}));
  const auto me = call(GET, here + "Me", ann, kLanding);
  EXPECT_EQ(me.at("userName"), "ann@acme.example");
  EXPECT_EQ(me.headers.at("X-Databricks-Org-Id"), std::to_string(kLanding));
  EXPECT_EQ(call(POST, here + "Users", ann, kLanding, R"({"userName":"x@y.z"})").status, 403);
  EXPECT_EQ(call(DELETE, here + "Users/" + id, root, kLanding).status, 400) << "it comes through the group";
}

TEST_F(Scim, AWorkspaceAdminBringsPeopleIn) {
  const auto wa = user("wa@acme.example");
  assign(kLanding, wa, true);
  const auto made = call(POST, here + "Users", wa, kLanding, R"({"userName":"new@acme.example","entitlements":[{"value":"allow-cluster-create"}]})");
  ASSERT_EQ(made.status, 201) << made.text;
  EXPECT_EQ(directory.find_principal("new@acme.example")->id, std::stoll(made.at("id"))) << "made in the account";
  EXPECT_TRUE(directory.caller(std::stoll(made.at("id")), kLanding)->entitlements.contains("allow-cluster-create"));
  const auto id = call(POST, here + "Users", wa, kLanding, R"({"userName":"ann@acme.example"})").at("id");
  EXPECT_EQ(id, std::to_string(ann)) << "found in the account and assigned";
  EXPECT_EQ(call(POST, here + "Users", wa, kLanding, R"({"userName":"ann@acme.example"})").at("detail"),
            "User with username ann@acme.example already exists.");
  EXPECT_EQ(patch("Users/" + id,
                  R"({"op":"replace","path":"entitlements","value":[{"value":"databricks-sql-access"},{"value":"allow-instance-pool-create"}]})", wa,
                  kLanding)
                .status,
            200);
  EXPECT_TRUE(directory.caller(ann, kLanding)->entitlements.contains("allow-instance-pool-create"));
  EXPECT_EQ(patch("Users/" + id, R"({"op":"replace","path":"entitlements","value":[{"value":""}]})", wa, kLanding).status, 200);
  EXPECT_FALSE(directory.caller(ann, kLanding)->entitlements.contains("allow-instance-pool-create"));
  EXPECT_EQ(patch("Users/" + id, R"({"op":"add","path":"entitlements","value":[{"value":"flying"}]})", wa, kLanding).status, 400);
  EXPECT_EQ(patch("Users/" + id, R"({"op":"replace","path":"displayName","value":"Anna"})", wa, kLanding).status, 403) << "the account's to change";
  EXPECT_EQ(patch("Users/" + id, R"({"op":"add","path":"roles","value":[{"value":"account_admin"}]})", wa, kLanding).status, 400);
  EXPECT_EQ(call(DELETE, here + "Users/" + id, wa, kLanding).status, 204);
  EXPECT_TRUE(directory.get_principal(ann)) << "it only left the workspace";
  EXPECT_FALSE(directory.caller(ann, kLanding));
}

TEST_F(Scim, LocalGroupsHoldNoCatalogGrantsAndAdminsMirrorsTheWorkspace) {
  assign(kLanding, ann);
  const auto g = make("Groups", R"({"displayName":"friends","members":[{"value":")" + std::to_string(ann) + R"("}]})", kLanding);
  ASSERT_EQ(g.status, 201) << g.text;
  EXPECT_EQ(g.body.at("meta").at("resourceType").as_string(), "WorkspaceGroup");
  EXPECT_FALSE(directory.find_principal("friends"));
  EXPECT_TRUE(directory.caller(ann, kLanding)->workspace_groups.contains("friends"));
  EXPECT_EQ(call(GET, base + "Groups/" + g.at("id"), root).status, 404);
  EXPECT_EQ(make("Groups", R"({"displayName":"admins"})", kLanding).status, 409);
  const auto admins =
      std::string(call(GET, here + "Groups?filter=displayName%20eq%20%22admins%22", root, kLanding).body.at("Resources").at(0).at("id").as_string());
  const auto users =
      std::string(call(GET, here + "Groups?filter=displayName%20eq%20%22users%22", root, kLanding).body.at("Resources").at(0).at("id").as_string());
  EXPECT_EQ(call(DELETE, here + "Groups/" + admins, root, kLanding).status, 403);
  EXPECT_FALSE(directory.caller(ann, kLanding)->workspace_admin);
  EXPECT_EQ(patch("Groups/" + admins, R"({"op":"add","path":"members","value":[{"value":")" + std::to_string(ann) + R"("}]})", root, kLanding).status,
            200);
  EXPECT_TRUE(directory.caller(ann, kLanding)->workspace_admin);
  EXPECT_EQ(member_ids(call(GET, here + "Groups/" + users, root, kLanding)), (std::set<std::string>{std::to_string(ann), std::to_string(root)}));
  EXPECT_EQ(patch("Groups/" + admins, R"({"op":"remove","path":"members[value eq \")" + std::to_string(ann) + R"(\"]"})", root, kLanding).status,
            200);
  EXPECT_FALSE(directory.caller(ann, kLanding)->workspace_admin);
  EXPECT_EQ(
      patch("Groups/" + users, R"({"op":"remove","path":"members","value":[{"value":")" + std::to_string(ann) + R"("}]})", root, kLanding).status,
      400);
  EXPECT_EQ(call(DELETE, here + "Groups/" + g.at("id"), root, kLanding).status, 204);
}

}  // namespace
}  // namespace tarn::identity::testing
