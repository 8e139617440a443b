#include "account/routes.h"

#include "account/fixtures.h"

namespace tarn::account::testing {
namespace {

struct AccountRoutes : AccountTest {
  api::Router router;
  AccountRoutes() { router.add(routes(room.configurations, room.networks, room.workspaces)); }

  struct Answer {
    int status = 0;
    json::value body;
    std::string code() const { return std::string(body.at("error_code").as_string()); }
    std::string message() const { return std::string(body.at("message").as_string()); }
  };
  static Answer refused(const api::WireError& e) { return {e.status, *json::parse(e.body())}; }

  /// As the gateway does it: match, authorise, handle.
  Answer call(api::Method method, const std::string& path, const std::string& body = "",
              std::optional<access::Caller> caller = admin_context().caller, const std::string& account = kAccount) {
    const auto question = path.find('?');
    auto m = router.match(method, api::Surface::account, "/api/2.0/accounts/" + account + path.substr(0, question));
    if (!m.route) {
      ADD_FAILURE() << "no route for " << path;
      return {};
    }
    if (auto e = api::authorise(m.route->auth, caller)) return refused(*e);
    api::Request r;
    r.method = method;
    r.captures = m.captures;
    r.account_id = kAccount;
    r.body = body;
    r.context.caller = *caller;
    if (question != path.npos) r.query = api::parse_query(path.substr(question + 1));
    auto result = std::get<api::Handler>(m.route->handler)(r);
    if (!result) return refused(result.error());
    return {result->status, *json::parse(result->body)};
  }
  std::string id_of(const Answer& a, const char* field) { return std::string(a.body.at(field).as_string()); }
};

using enum api::Method;

TEST_F(AccountRoutes, OnlyAccountAdminsPassAnyOfThem) {
  access::Caller workspace_admin{.id = 2, .name = "wa", .workspace_admin = true};
  for (const auto& route : router.routes()) {
    EXPECT_EQ(route->surface, api::Surface::account) << route->pattern;
    EXPECT_EQ(api::authorise(route->auth, std::nullopt)->status, 401) << route->pattern;
    EXPECT_EQ(api::authorise(route->auth, workspace_admin)->message, "This API is disabled for users without account admin status.")
        << route->pattern;
  }
  EXPECT_EQ(call(GET, "/workspaces", "", workspace_admin).status, 403);
}

TEST_F(AccountRoutes, AnotherAccountIsNotFound) {
  EXPECT_EQ(call(GET, "/workspaces", "", admin_context().caller, "11111111-2222-3333-4444-555555555555").status, 404);
}

TEST_F(AccountRoutes, ListsAreBareArrays) {
  for (const auto* path : {"/credentials", "/storage-configurations", "/networks", "/vpc-endpoints", "/private-access-settings",
                           "/customer-managed-keys", "/workspaces"}) {
    const auto a = call(GET, path);
    EXPECT_EQ(a.status, 200) << path;
    ASSERT_TRUE(a.body.is_array()) << path;
    EXPECT_TRUE(a.body.as_array().empty()) << path;
  }
}

TEST_F(AccountRoutes, AWorkspaceIsMadeAsTheProviderMakesIt) {
  prefix();
  const auto c =
      call(POST, "/credentials", R"({"credentials_name":"c","aws_credentials":{"sts_role":{"role_arn":"arn:aws:iam::123456789012:role/x"}}})");
  ASSERT_EQ(c.status, 200) << c.body;
  EXPECT_EQ(c.body.at("aws_credentials").at("sts_role").at("external_id").as_string(), kAccount);
  const auto s = call(POST, "/storage-configurations", R"({"storage_configuration_name":"root","root_bucket_info":{"bucket_name":"acme-root"}})");
  ASSERT_EQ(s.status, 200) << s.body;
  const auto n =
      call(POST, "/networks",
           R"({"account_id":"x","network_name":"landing","vpc_id":"vpc-0a","subnet_ids":["subnet-1","subnet-2"],"security_group_ids":["sg-1"]})");
  ASSERT_EQ(n.status, 200) << n.body;
  EXPECT_EQ(n.body.at("vpc_status").as_string(), "UNATTACHED");
  EXPECT_FALSE(n.body.as_object().contains("workspace_id"));

  json::object request{{"account_id", kAccount},
                       {"workspace_name", "landing"},
                       {"deployment_name", "landing"},
                       {"aws_region", "us-east-1"},
                       {"credentials_id", id_of(c, "credentials_id")},
                       {"storage_configuration_id", id_of(s, "storage_configuration_id")},
                       {"network_id", id_of(n, "network_id")},
                       {"is_no_public_ip_enabled", true},
                       {"effective_compute_mode", ""}};
  const auto w = call(POST, "/workspaces", boost::json::serialize(request));
  ASSERT_EQ(w.status, 200) << w.body;
  EXPECT_EQ(w.body.at("workspace_status").as_string(), "PROVISIONING");
  EXPECT_EQ(w.body.at("deployment_name").as_string(), "acme-landing");
  EXPECT_FALSE(w.body.as_object().contains("step")) << "what only the provisioner needs stays inside";
  EXPECT_FALSE(w.body.as_object().contains("creator_id"));
  const auto path = "/workspaces/" + std::to_string(w.body.at("workspace_id").as_int64());
  room.settle();
  EXPECT_EQ(call(GET, path).body.at("workspace_status").as_string(), "RUNNING");
  EXPECT_EQ(call(GET, "/networks/" + id_of(n, "network_id")).body.at("vpc_status").as_string(), "VALID");
  const auto in_use = call(DELETE, "/networks/" + id_of(n, "network_id"));
  EXPECT_EQ(in_use.status, 409);
  EXPECT_EQ(in_use.code(), "INVALID_STATE");

  const auto tagged = call(PATCH, path + "?update_mask=custom_tags", R"({"custom_tags":{"team":"data"}})");
  ASSERT_EQ(tagged.status, 200) << tagged.body;
  EXPECT_EQ(tagged.body.at("custom_tags").at("team").as_string(), "data");

  EXPECT_EQ(call(DELETE, path).status, 200);
  room.settle();
  const auto gone = call(GET, path);
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.code(), "RESOURCE_DOES_NOT_EXIST");
}

TEST_F(AccountRoutes, TheMissingPrefixIsSaidInTheVendorsWordsWithTheCureBeside) {
  const auto request = workspace_request();
  json::object body = json::encode(request).as_object();
  body["deployment_name"] = "landing";
  const auto a = call(POST, "/workspaces", boost::json::serialize(body));
  EXPECT_EQ(a.status, 400);
  EXPECT_EQ(a.code(), "MALFORMED_REQUEST");
  EXPECT_EQ(a.message(),
            "Failed parameter validation checks: Deployment name cannot be used until a deployment name prefix is defined. Please contact your "
            "Databricks representative");
  EXPECT_EQ(a.body.at("details").at(0).at("reason").as_string(), "deployment_prefix_missing");
  EXPECT_FALSE(a.body.at("details").at(0).at("metadata").at("cure").as_string().empty());
}

TEST_F(AccountRoutes, BadInputNamesTheField) {
  const auto missing = call(POST, "/credentials", R"({"credentials_name":"c"})");
  EXPECT_EQ(missing.status, 400);
  EXPECT_EQ(missing.code(), "INVALID_PARAMETER_VALUE");
  EXPECT_NE(missing.message().find("aws_credentials"), std::string::npos);
  EXPECT_EQ(call(POST, "/credentials", "{not json").code(), "MALFORMED_REQUEST");
  EXPECT_NE(call(POST, "/networks", R"({"network_name":"x","vpc_id":"vpc-1","subnet_ids":"subnet-1"})").message().find("subnet_ids"),
            std::string::npos);
  EXPECT_NE(call(POST, "/workspaces", R"({"workspace_name":7})").message().find("workspace_name"), std::string::npos);
  EXPECT_EQ(call(GET, "/workspaces/abc").status, 400);
  EXPECT_EQ(call(GET, "/workspaces/12").status, 404);
  EXPECT_EQ(call(PATCH, "/workspaces/12", R"({"custom_tags":{"a":1}})").status, 400);
  EXPECT_EQ(call(DELETE, "/workspaces/12").status, 404);
  for (const auto* path :
       {"/credentials/x", "/storage-configurations/x", "/networks/x", "/vpc-endpoints/x", "/private-access-settings/x", "/customer-managed-keys/x"}) {
    EXPECT_EQ(call(GET, path).code(), "RESOURCE_DOES_NOT_EXIST") << path;
    EXPECT_EQ(call(DELETE, path).status, 404) << path;
  }
}

TEST_F(AccountRoutes, PrivateAccessIsPut) {
  const auto made =
      call(POST, "/private-access-settings", R"({"private_access_settings_name":"p","region":"us-east-1","public_access_enabled":false})");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.body.at("private_access_level").as_string(), "ACCOUNT");
  EXPECT_FALSE(made.body.at("public_access_enabled").as_bool()) << "false is sent, not left out";
  const auto put = call(PUT, "/private-access-settings/" + id_of(made, "private_access_settings_id"),
                        R"({"private_access_settings_name":"p","region":"us-east-1","public_access_enabled":true})");
  EXPECT_EQ(put.status, 200);
  EXPECT_TRUE(put.body.at("public_access_enabled").as_bool());
  EXPECT_EQ(call(PUT, "/private-access-settings/x", R"({"private_access_settings_name":"p","region":"us-east-1"})").status, 404);
}

TEST_F(AccountRoutes, KeysAndEndpointsHaveTheSdksShape) {
  const auto key = call(POST, "/customer-managed-keys",
                        R"({"aws_key_info":{"key_arn":"arn:aws:kms:us-east-1:123456789012:key/12ab"},"use_cases":["STORAGE","MANAGED_SERVICES"]})");
  ASSERT_EQ(key.status, 200) << key.body;
  EXPECT_EQ(key.body.at("aws_key_info").at("key_region").as_string(), "us-east-1");
  EXPECT_EQ(call(POST, "/customer-managed-keys", R"({"aws_key_info":{"key_arn":"x"},"use_cases":["TEA"]})").status, 400);
  const auto endpoint = call(POST, "/vpc-endpoints", R"({"vpc_endpoint_name":"rest","aws_vpc_endpoint_id":"vpce-1","region":"us-east-1"})");
  ASSERT_EQ(endpoint.status, 200) << endpoint.body;
  EXPECT_EQ(endpoint.body.at("state").as_string(), "available");
}

TEST_F(AccountRoutes, NoRouteLeadsToThePrefixes) {
  for (const auto& route : router.routes()) EXPECT_EQ(route->pattern.find("prefix"), std::string::npos) << route->pattern;
}

}  // namespace
}  // namespace tarn::account::testing
