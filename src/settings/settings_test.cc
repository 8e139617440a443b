#include <gmock/gmock.h>

#include "settings/room.h"
#include "store/store_for_tests.h"

namespace tarn::settings {
namespace {

using api::Method;
using ::testing::HasSubstr;

constexpr std::int64_t kLanding = 1001, kPipeline = 1002;
const std::string kAccount = "8c2ab5d1-0f43-4b1e-9d5e-6f7a3c1b2d4e";

struct Settings : ::testing::Test {
  FakeClock clock;
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  Room room{*store, clock}, other{*store, clock};  // two servers on one store
  api::Router router;
  std::string source_ip = "10.0.0.7";
  Settings() { router.add(room.routes()); }

  struct Answer {
    int status = 0;
    json::value body;
    std::string text;
    std::string at(const char* field) const {
      const auto* v = body.is_object() ? body.as_object().if_contains(field) : nullptr;
      return !v ? "" : v->is_string() ? std::string(v->as_string()) : boost::json::serialize(*v);
    }
    std::string etag() const { return std::string(body.at("details").at(0).at("metadata").at("etag").as_string()); }
  };
  /// As an administrator of a workspace, or (0) of the account; `who` "user" is neither.
  Answer call(Method method, const std::string& target, std::int64_t workspace, const std::string& body = "", const std::string& who = "admin") {
    const auto question = target.find('?');
    auto m = router.match(method, workspace ? api::Surface::workspace : api::Surface::account, target.substr(0, question));
    if (!m.route) return {m.path_known ? 405 : 404, nullptr, "no route"};
    api::Request r;
    r.method = method;
    r.captures = m.captures;
    r.account_id = kAccount;
    r.body = body;
    r.context.caller = {.id = 7, .name = who + "@acme.example", .account_admin = who == "admin", .workspace_admin = who == "admin"};
    if (workspace) r.context.workspace_id = workspace;
    r.context.source_ip = source_ip;
    if (question != target.npos) r.query = api::parse_query(target.substr(question + 1));
    api::Result result;
    if (auto refused = api::authorise(m.route->auth, r.context.caller))
      result = fail(*refused);
    else
      result = std::get<api::Handler>(m.route->handler)(r);
    const auto text = result ? result->body : result.error().body();
    const auto parsed = json::parse(text);
    return {result ? result->status : result.error().status, parsed ? *parsed : json::value(nullptr), text};
  }
  std::string error(const Answer& a) { return std::to_string(a.status) + " " + a.at("error_code") + " " + a.at("message"); }
};

TEST_F(Settings, WorkspaceConfKeepsKnownKeysOfOneWorkspace) {
  EXPECT_EQ(call(Method::GET, "/api/2.0/workspace-conf?keys=enableTokensConfig,maxTokenLifetimeDays", kLanding).text,
            R"({"enableTokensConfig":"true","maxTokenLifetimeDays":null})");
  const auto set = call(Method::PATCH, "/api/2.0/workspace-conf", kLanding, R"({"maxTokenLifetimeDays":"90","enableWebTerminal":"true"})");
  EXPECT_EQ(set.status, 204) << set.text;
  EXPECT_EQ(call(Method::GET, "/api/2.0/workspace-conf?keys=maxTokenLifetimeDays,enableWebTerminal", kLanding).text,
            R"({"enableWebTerminal":"true","maxTokenLifetimeDays":"90"})");
  EXPECT_EQ(other.conf_number(kLanding, "maxTokenLifetimeDays"), 90);  // another server sees it with the next request
  EXPECT_EQ(other.conf_number(kPipeline, "maxTokenLifetimeDays"), std::nullopt);
  EXPECT_EQ(call(Method::PATCH, "/api/2.0/workspace-conf", kLanding, R"({"maxTokenLifetimeDays":""})").status, 204);
  EXPECT_EQ(other.conf(kLanding, "maxTokenLifetimeDays"), "");
  const auto events = store->audit_log({.action = "workspaceConfEdit"}, 10);
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].event.params.at("workspaceConfValues"), "true,90");
}

TEST_F(Settings, WorkspaceConfRefusesAsTheProviderReadsIt) {
  EXPECT_EQ(error(call(Method::GET, "/api/2.0/workspace-conf?keys=x,enableGp3,y", kLanding)), R"(400 BAD_REQUEST Invalid keys: ["x","y"])");
  EXPECT_EQ(error(call(Method::PATCH, "/api/2.0/workspace-conf", kLanding, R"({"x":"true","enableGp3":"true"})")),
            R"(400 BAD_REQUEST Invalid keys: ["x"])");
  EXPECT_EQ(other.conf(kLanding, "enableGp3"), "");  // nothing half-written
  EXPECT_EQ(
      error(call(Method::PATCH, "/api/2.0/workspace-conf", kLanding, R"({"enableGp3":"","enableIpAccessLists":"","maxTokenLifetimeDays":"false"})")),
      R"(400 BAD_REQUEST Some values are not allowed: {"enableGp3":"","enableIpAccessLists":"","maxTokenLifetimeDays":"false"})");
  EXPECT_EQ(call(Method::PATCH, "/api/2.0/workspace-conf", kLanding, R"({"enableGp3":7})").status, 400);
  EXPECT_EQ(call(Method::PATCH, "/api/2.0/workspace-conf", kLanding, "[").status, 400);
  EXPECT_EQ(call(Method::GET, "/api/2.0/workspace-conf", kLanding).status, 400);
  EXPECT_EQ(call(Method::GET, "/api/2.0/workspace-conf?keys=enableGp3", kLanding, "", "user").status, 403);
}

const std::string kLists = "/api/2.0/ip-access-lists";

TEST_F(Settings, IpAccessListsAdmitOnceTheyAreSwitchedOn) {
  const auto office = call(Method::POST, kLists, kLanding, R"({"label":"office","list_type":"ALLOW","ip_addresses":["10.0.0.0/24"]})");
  ASSERT_EQ(office.status, 200) << office.text;
  const auto& made = office.body.at("ip_access_list");
  EXPECT_EQ(made.at("address_count").as_int64(), 1);
  EXPECT_EQ(made.at("created_by").as_int64(), 7);
  EXPECT_TRUE(made.at("enabled").as_bool());
  EXPECT_FALSE(other.refusal(kLanding, "203.0.113.9"));  // off
  ASSERT_EQ(call(Method::PATCH, "/api/2.0/workspace-conf", kLanding, R"({"enableIpAccessLists":"true"})").status, 204);
  const auto refused = other.refusal(kLanding, "203.0.113.9");
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 403);
  EXPECT_EQ(refused->message, "Source IP address: 203.0.113.9 is blocked by Databricks IP ACL for workspace: 1001");
  EXPECT_FALSE(other.refusal(kLanding, "10.0.0.7"));
  EXPECT_TRUE(other.refusal(kLanding, "::1"));
  EXPECT_FALSE(other.refusal(kPipeline, "203.0.113.9"));
  EXPECT_FALSE(other.refusal(std::nullopt, "203.0.113.9"));
  // A block list wins over an allow list.
  ASSERT_EQ(call(Method::POST, kLists, kLanding, R"({"label":"one","list_type":"BLOCK","ip_addresses":["10.0.0.9"]})").status, 200);
  EXPECT_TRUE(other.refusal(kLanding, "10.0.0.9"));
  EXPECT_FALSE(other.refusal(kLanding, "10.0.0.8"));
}

TEST_F(Settings, NobodyLocksItselfOut) {
  ASSERT_EQ(call(Method::PATCH, "/api/2.0/workspace-conf", kLanding, R"({"enableIpAccessLists":"true"})").status, 204);
  const std::string text = "400 INVALID_STATE Your current IP 10.0.0.7 will not be allowed to access the workspace under current configuration";
  EXPECT_EQ(error(call(Method::POST, kLists, kLanding, R"({"label":"a","list_type":"BLOCK","ip_addresses":["10.0.0.7"]})")), text);
  EXPECT_EQ(error(call(Method::POST, kLists, kLanding, R"({"label":"a","list_type":"ALLOW","ip_addresses":["203.0.113.0/24"]})")), text);
  EXPECT_EQ(call(Method::GET, kLists, kLanding).text, "{}");
  const auto office = call(Method::POST, kLists, kLanding, R"({"label":"office","list_type":"ALLOW","ip_addresses":["10.0.0.0/24"]})");
  const auto away = call(Method::POST, kLists, kLanding, R"({"label":"away","list_type":"ALLOW","ip_addresses":["203.0.113.0/24"]})");
  const auto id = std::string(office.body.at("ip_access_list").at("list_id").as_string());
  EXPECT_EQ(error(call(Method::DELETE, kLists + "/" + id, kLanding)), text);
  EXPECT_EQ(error(call(Method::PATCH, kLists + "/" + id, kLanding, R"({"enabled":false})")), text);
  EXPECT_EQ(error(call(Method::PATCH, kLists + "/" + id, kLanding, R"({"list_type":"BLOCK"})")), text);
  source_ip = "203.0.113.9";
  EXPECT_EQ(call(Method::DELETE, kLists + "/" + id, kLanding).status, 200);
  source_ip = "10.0.0.7";
  ASSERT_EQ(call(Method::PATCH, "/api/2.0/workspace-conf", kLanding, R"({"enableIpAccessLists":"false"})").status, 204);
  EXPECT_EQ(error(call(Method::PATCH, "/api/2.0/workspace-conf", kLanding, R"({"enableIpAccessLists":"true"})")), text);
}

TEST_F(Settings, IpAccessListsRefuseWhatTheyCannotHold) {
  const auto post = [&](const std::string& body) { return error(call(Method::POST, kLists, kLanding, body)); };
  EXPECT_THAT(post(R"({"list_type":"ALLOW","ip_addresses":[]})"), HasSubstr("400 INVALID_PARAMETER_VALUE Field 'label' is required"));
  EXPECT_THAT(post(R"({"label":"a","ip_addresses":[]})"), HasSubstr("Field 'list_type' is required"));
  EXPECT_THAT(post(R"({"label":"a","list_type":"DENY"})"), HasSubstr("must be ALLOW or BLOCK, got 'DENY'"));
  EXPECT_THAT(post(R"({"label":"a","list_type":"ALLOW","ip_addresses":["10.0.0.300"]})"), HasSubstr("got '10.0.0.300'"));
  EXPECT_THAT(post(R"({"label":"a","list_type":"ALLOW","ip_addresses":"10.0.0.3"})"), HasSubstr("400 INVALID_PARAMETER_VALUE Field 'ip_addresses'"));
  ASSERT_EQ(call(Method::POST, kLists, kLanding, R"({"label":"a","list_type":"BLOCK","ip_addresses":["10.9.0.0/16"]})").status, 200);
  EXPECT_EQ(post(R"({"label":"a","list_type":"BLOCK","ip_addresses":["10.9.0.0/16"]})"),
            "400 RESOURCE_ALREADY_EXISTS IP access list with type (BLOCK) and label (a) already exists");
  std::string many;
  for (int i = 0; i < 1000; ++i) many += (i ? "," : "") + fmt::format("\"10.8.{}.{}\"", i / 250, i % 250);
  EXPECT_THAT(post(R"({"label":"many","list_type":"BLOCK","ip_addresses":[)" + many + "]}"), HasSubstr("400 QUOTA_EXCEEDED"));
  EXPECT_THAT(error(call(Method::GET, kLists + "/none", kLanding)), HasSubstr("404 RESOURCE_DOES_NOT_EXIST"));
  EXPECT_THAT(error(call(Method::PATCH, kLists + "/none", kLanding, "{}")), HasSubstr("404"));
  EXPECT_THAT(error(call(Method::DELETE, kLists + "/none", kLanding)), HasSubstr("404"));
  EXPECT_EQ(call(Method::GET, kLists, kLanding, "", "user").status, 403);
}

TEST_F(Settings, AccountHasListsOfItsOwn) {
  const std::string base = "/api/2.0/accounts/" + kAccount, setting = base + "/settings/types/acct_ip_acl_enable/names/default";
  ASSERT_EQ(call(Method::POST, base + "/ip-access-lists", 0, R"({"label":"office","list_type":"ALLOW","ip_addresses":["10.0.0.0/24"]})").status, 200);
  EXPECT_FALSE(room.refusal(std::nullopt, "203.0.113.9"));
  const auto unset = call(Method::GET, setting, 0);
  EXPECT_EQ(unset.status, 404);
  const auto body = [](const std::string& etag, bool on) {
    return fmt::format(
        R"({{"allow_missing":true,"field_mask":"acct_ip_acl_enable.value","setting":{{"etag":"{}","acct_ip_acl_enable":{{"value":{}}}}}}})", etag,
        on);
  };
  ASSERT_EQ(call(Method::PATCH, setting, 0, body(unset.etag(), true)).status, 200);
  EXPECT_EQ(room.refusal(std::nullopt, "203.0.113.9")->message, "Source IP address: 203.0.113.9 is blocked by Databricks IP ACL for account");
  EXPECT_FALSE(room.refusal(kLanding, "203.0.113.9"));  // a workspace has its own
  EXPECT_EQ(call(Method::GET, base + "/ip-access-lists", 0, "", "user").status, 403);
  EXPECT_EQ(call(Method::GET, "/api/2.0/accounts/0/ip-access-lists", 0).status, 404);
}

TEST_F(Settings, SettingIsWrittenWithTheEtagOfWhatWasRead) {
  const std::string path = "/api/2.0/settings/types/default_namespace_ws/names/default";
  const auto body = [](const std::string& etag, const std::string& catalog) {
    return fmt::format(
        R"({{"allow_missing":true,"field_mask":"namespace.value","setting":{{"etag":"{}","setting_name":"default","namespace":{{"value":"{}"}}}}}})",
        etag, catalog);
  };
  const auto first = call(Method::PATCH, path, kLanding, body("", "landing_raw"));
  EXPECT_EQ(first.status, 404);  // the provider takes the etag from here and tries again
  const auto set = call(Method::PATCH, path, kLanding, body(first.etag(), "landing_raw"));
  ASSERT_EQ(set.status, 200) << set.text;
  EXPECT_EQ(set.at("setting_name"), "default");
  EXPECT_EQ(other.setting(kLanding, "default_namespace_ws").at("namespace").at("value").as_string(), "landing_raw");
  EXPECT_TRUE(other.setting(kPipeline, "default_namespace_ws").is_null());
  EXPECT_EQ(call(Method::GET, path, kLanding).at("etag"), set.at("etag"));
  const auto late = call(Method::PATCH, path, kLanding, body(first.etag(), "other"));
  EXPECT_EQ(late.status, 409);
  EXPECT_EQ(late.at("error_code"), "RESOURCE_CONFLICT");
  EXPECT_EQ(late.etag(), set.at("etag"));
  EXPECT_EQ(call(Method::DELETE, path + "?etag=stale", kLanding).status, 409);
  const auto gone = call(Method::DELETE, path + "?etag=" + set.at("etag"), kLanding);
  EXPECT_EQ(gone.status, 200);
  EXPECT_NE(gone.at("etag"), first.etag());  // an etag never comes back
  EXPECT_EQ(call(Method::GET, path, kLanding).status, 404);
  EXPECT_TRUE(other.setting(kLanding, "default_namespace_ws").is_null());
}

TEST_F(Settings, SettingsThatAreNotThereSaySo) {
  const auto at = [&](const std::string& type) { return error(call(Method::GET, "/api/2.0/settings/types/" + type + "/names/default", kLanding)); };
  EXPECT_THAT(at("shield_csp_enablement_ws_db"), HasSubstr("404 FEATURE_DISABLED"));
  EXPECT_EQ(call(Method::GET, "/api/2.0/settings/types/dreams/names/default", kLanding).status, 404);
  EXPECT_EQ(call(Method::GET, "/api/2.0/settings/types/acct_ip_acl_enable/names/default", kLanding).status, 404);  // the account's
  EXPECT_EQ(call(Method::GET, "/api/2.0/settings/types/default_namespace_ws/names/mine", kLanding).status, 404);
  const std::string path = "/api/2.0/settings/types/restrict_workspace_admins/names/default";
  EXPECT_THAT(error(call(Method::PATCH, path, kLanding, R"({"setting":{"restrict_workspace_admins":{"status":"NONE"}}})")),
              HasSubstr("400 INVALID_PARAMETER_VALUE Field 'setting.restrict_workspace_admins.status'"));
  EXPECT_THAT(error(call(Method::PATCH, path, kLanding, "{}")), HasSubstr("Field 'setting.restrict_workspace_admins' is required"));
  EXPECT_EQ(call(Method::PATCH, path, kLanding, R"({"setting":[]})").status, 400);
  EXPECT_EQ(call(Method::PATCH, path, kLanding, "{", "user").status, 403);
}

TEST_F(Settings, WorkspacesMadeWhileLegacyFeaturesAreOffBeginWithoutThem) {
  const auto begin = [&](std::int64_t workspace) {
    store->write({}, [&](store::WriteTxn& t) { return room.on_workspace_created(t, workspace), true; });
  };
  const auto shut = [&](std::int64_t workspace) {
    return std::tuple(other.legacy_access_off(workspace), other.legacy_dbfs_off(workspace), other.clusters_must_isolate(workspace));
  };
  begin(kLanding);
  const std::string types = "/settings/types/", path = "/api/2.0/accounts/" + kAccount + types + "disable_legacy_features/names/default";
  const auto first = call(Method::GET, path, 0).etag();
  ASSERT_EQ(call(Method::PATCH, path, 0, R"({"setting":{"etag":")" + first + R"(","disable_legacy_features":{"value":true}}})").status, 200);
  begin(kPipeline);
  EXPECT_EQ(shut(kLanding), std::tuple(false, false, false)) << "what was there before keeps what it had";
  EXPECT_EQ(shut(kPipeline), std::tuple(true, true, true));
  // The workspace's own administrators see and change the two that are theirs.
  const std::string dbfs = "/api/2.0/settings/types/disable_legacy_dbfs/names/default";
  const auto seen = call(Method::GET, dbfs, kPipeline);
  EXPECT_THAT(seen.text, HasSubstr(R"("disable_legacy_dbfs":{"value":true})"));
  ASSERT_EQ(call(Method::PATCH, dbfs, kPipeline, R"({"setting":{"etag":")" + seen.at("etag") + R"(","disable_legacy_dbfs":{"value":false}}})").status,
            200);
  EXPECT_EQ(shut(kPipeline), std::tuple(true, false, true));
  EXPECT_EQ(call(Method::GET, "/api/2.0" + types + "disable_legacy_features/names/default", kPipeline).status, 404)
      << "the account's setting is not a workspace's";
}

TEST_F(Settings, ADeletedWorkspaceTakesWhatWasSetInItAlong) {
  for (const auto workspace : {kLanding, kPipeline})
    ASSERT_EQ(call(Method::PATCH, "/api/2.0/workspace-conf", workspace, R"({"maxTokenLifetimeDays":"90"})").status, 204);
  store->write({}, [&](store::WriteTxn& t) { return room.on_workspace_deleted(t, kLanding), true; });
  EXPECT_EQ(other.conf_number(kLanding, "maxTokenLifetimeDays"), std::nullopt);
  EXPECT_EQ(other.conf_number(kPipeline, "maxTokenLifetimeDays"), 90);
}

}  // namespace
}  // namespace tarn::settings
