// Endpoints as they are kept: what a configuration may say, whose rights it needs, how an update ends, what a rolled-back canary leaves.
#include "serving/endpoints.h"

#include <gmock/gmock.h>

#include "access/testing.h"
#include "catalog/testing.h"

namespace tarn::serving {
namespace {

using catalog::Privilege;
using catalog::SecurableType;
using ::testing::HasSubstr;

class EndpointsTest : public catalog::testing::CatalogTest {
 protected:
  EndpointsTest() {
    own_catalog();
    grant(SecurableType::CATALOG, "main", "analysts", {Privilege::USE_CATALOG, Privilege::USE_SCHEMA, Privilege::EXECUTE});
    directory.join(ana, analysts);
    directory.join(bob, analysts);
    ok(uc.models().create(as(automation), {.name = "delay", .catalog_name = "main", .schema_name = "s"}));
    for (int i = 0; i < 2; ++i) {
      auto v = uc.models().create_version(as(automation), {.full_name = "main.s.delay", .source = "runs:/x/model", .logged_model_id = "m-1"});
      ok(v);
      objects.contents[v->storage_location + "/MLmodel"] =
          "flavors:\n  sklearn: {}\nsignature:\n  inputs: '[{\"type\": \"double\"}]'\n  outputs: '[{\"type\": \"double\"}]'\n  params: null\n";
      if (i == 0) ok(uc.models().finalize(as(automation), "main.s.delay", v->version));
    }
    endpoints.on_change([this] { ++changes; });
  }
  static ServedEntity entity(const std::string& name = "one", const std::string& version = "1") {
    return {.name = name, .entity_name = "main.s.delay", .entity_version = version};
  }
  static NewConfig config(std::vector<ServedEntity> served = {entity()}, std::vector<TrafficRoute> routes = {}) {
    return {.served_entities = std::move(served), .routes = std::move(routes)};
  }
  /// The refusal of a configuration that Ana wants; empty if it is taken.
  std::string told(const NewConfig& c) {
    const auto made = endpoints.create(as(ana), {.name = fmt::format("e{}", ++number), .config = c});
    return made ? "" : made.error().message;
  }
  Endpoint made(const NewConfig& c, const std::string& name = "e") {
    auto e = endpoints.create(as(ana), {.name = name, .config = c});
    EXPECT_TRUE(e) << (e ? "" : e.error().message);
    endpoints.promote(1, name, 1);
    return *endpoints.get(as(ana), name);
  }
  template <class T>
  static Errc code(const Result<T>& r) {
    EXPECT_FALSE(r);
    return r ? Errc::invalid : r.error().code;
  }

  access::testing::FakePermissions permissions;
  Endpoints endpoints{*store, permissions, uc.models(), uc, clock};
  int changes = 0, number = 0;
};

TEST_F(EndpointsTest, AConfigurationSaysWhatIsWrongWithIt) {
  EXPECT_EQ(told(config()), "");
  EXPECT_THAT(told(config({})), HasSubstr("'served_entities' must have at least one entry"));
  EXPECT_THAT(told(config({{.name = "one", .entity_name = "delay", .entity_version = "1"}})),
              HasSubstr("served_entities[0].entity_name' must name a model of Unity Catalog"));
  EXPECT_THAT(told(config({entity("one", "latest")})), HasSubstr("entity_version' must be a version's number, got 'latest'"));
  EXPECT_THAT(told(config({entity("one", "2")})), HasSubstr("version 2 of 'main.s.delay' is PENDING_REGISTRATION"));
  EXPECT_NE(told(config({entity("one", "9")})), "");
  auto e = entity();
  e.workload_size = "Huge";
  EXPECT_THAT(told(config({e})), HasSubstr("workload_size' must be one of Small, Medium, Large"));
  for (const char* variable : {"LD_PRELOAD", "PATH", "PYTHONPATH"}) {
    e = entity();
    e.environment_vars = {{variable, "x"}};
    EXPECT_THAT(told(config({e})), HasSubstr(std::string("must not set ") + variable));
  }
  e.environment_vars = {{"A-B", "x"}};
  EXPECT_THAT(told(config({e})), HasSubstr("a name that no variable can have"));
  e.environment_vars = {{"KEY", "{{secrets/a/b}}"}};
  EXPECT_THAT(told(config({e})), HasSubstr("are not built"));
  EXPECT_THAT(told(config({entity("one"), entity("one")}, {{"one", 100}})), HasSubstr("the name 'one' is there twice"));
  e = entity();
  e.max_provisioned_concurrency = 0;
  EXPECT_THAT(told(config({e})), HasSubstr("between 1 and 1024"));
}

TEST_F(EndpointsTest, SharesOfTheTrafficSumToAHundred) {
  const std::vector<ServedEntity> two{entity("a"), entity("b")};
  EXPECT_THAT(told(config(two)), HasSubstr("'traffic_config.routes' is required"));
  EXPECT_THAT(told(config(two, {{"a", 60}, {"b", 30}})), HasSubstr("must sum to 100, got 90"));
  EXPECT_THAT(told(config(two, {{"a", 150}, {"b", -50}})), HasSubstr("between 0 and 100, got 150"));
  EXPECT_THAT(told(config(two, {{"a", 50}, {"a", 50}})), HasSubstr("names 'a' twice"));
  EXPECT_THAT(told(config(two, {{"a", 50}, {"c", 50}})), HasSubstr("names 'c', which is no served entity"));
  EXPECT_EQ(told(config(two, {{"a", 100}, {"b", 0}})), "");
  const auto alone = made(config());
  ASSERT_EQ(alone.active->routes.size(), 1u);
  EXPECT_EQ(alone.active->routes[0].traffic_percentage, 100);
}

TEST_F(EndpointsTest, ACanaryIsOneOfSeveralRoutesAndHasABound) {
  auto c = config({entity("a"), entity("b")}, {{"a", 90}, {"b", 10}});
  c.canary = Canary{.served_model_name = "c", .max_error_percentage = 5};
  EXPECT_THAT(told(c), HasSubstr("must name one of several routes"));
  c.canary = Canary{.served_model_name = "b"};
  EXPECT_THAT(told(c), HasSubstr("must have max_error_percentage or max_p95_latency_ms"));
  c.canary = Canary{.served_model_name = "b", .max_error_percentage = 5, .min_requests = 0};
  EXPECT_THAT(told(c), HasSubstr("min_requests' must be at least 1"));
  c.canary->min_requests = 1;
  EXPECT_EQ(told(c), "");
}

TEST_F(EndpointsTest, ARolledBackCanaryLeavesItsShareToTheOthersInProportion) {
  auto c = config({entity("a"), entity("b"), entity("new")}, {{"a", 45}, {"b", 25}, {"new", 30}});
  c.canary = Canary{.served_model_name = "new", .max_error_percentage = 5};
  const auto e = made(c);
  endpoints.roll_back(1, "e", e.active->config_version + 1, "of another configuration");
  EXPECT_EQ(endpoints.get(as(ana), "e")->active->routes[2].traffic_percentage, 30);
  endpoints.roll_back(1, "e", e.active->config_version, "it failed");
  const auto after = *endpoints.get(as(ana), "e");
  std::map<std::string, int> shares;
  for (const auto& r : after.active->routes) shares[r.served_model_name] = r.traffic_percentage;
  EXPECT_EQ(shares, (std::map<std::string, int>{{"a", 65}, {"b", 35}, {"new", 0}}));
  EXPECT_EQ(after.active->config_version, 2);
  EXPECT_THAT(after.events.back(), HasSubstr("canary new rolled back: it failed"));
  endpoints.roll_back(1, "e", 2, "again");
  EXPECT_EQ(endpoints.get(as(ana), "e")->active->config_version, 2) << "there is nothing left to take away";
}

TEST_F(EndpointsTest, ACanaryWithAllTheTrafficLeavesItToTheFirstOther) {
  auto c = config({entity("a"), entity("b"), entity("new")}, {{"a", 0}, {"b", 0}, {"new", 100}});
  c.canary = Canary{.served_model_name = "new", .max_error_percentage = 5};
  made(c);
  endpoints.roll_back(1, "e", 1, "it failed");
  const auto after = *endpoints.get(as(ana), "e");
  EXPECT_EQ(after.active->routes[0].traffic_percentage, 100);
  EXPECT_EQ(after.active->routes[2].traffic_percentage, 0);
}

TEST_F(EndpointsTest, AnUpdateEndsOnceAndAFailedOneLeavesWhatServes) {
  made(config());
  ASSERT_TRUE(endpoints.update_config(as(ana), "e", config({entity("two")})));
  EXPECT_EQ(code(endpoints.update_config(as(ana), "e", config())), Errc::invalid_state);
  endpoints.update_failed(1, "e", 2, "no memory");
  auto e = *endpoints.get(as(ana), "e");
  EXPECT_TRUE(e.update_failed && !e.updating());
  EXPECT_EQ(e.active->served_entities[0].name, "one");
  EXPECT_EQ(e.update_message, "no memory");
  endpoints.promote(1, "e", 2);
  EXPECT_EQ(endpoints.get(as(ana), "e")->active->config_version, 1) << "what failed is not taken into service after all";
  ASSERT_TRUE(endpoints.update_config(as(ana), "e", config({entity("three")})));
  endpoints.promote(1, "e", 3);
  e = *endpoints.get(as(ana), "e");
  EXPECT_EQ(e.active->served_entities[0].name, "three");
  EXPECT_FALSE(e.pending);
}

TEST_F(EndpointsTest, WhoChangesAConfigurationServesWhatChangedWithRightsOfTheirOwn) {
  const auto e = made(config({entity("a"), entity("b")}, {{"a", 50}, {"b", 50}}));
  permissions.grant(1, {kPermissionType, e.id}, "bob@acme.test", "CAN_MANAGE");
  auto changed = entity("b");
  changed.workload_size = "Large";
  ASSERT_TRUE(endpoints.update_config(as(bob), "e", config({entity("a"), changed}, {{"a", 50}, {"b", 50}})));
  const Config pending = *endpoints.get(as(bob), "e")->pending;
  EXPECT_EQ(pending.served_entities[0].creator, "ana@acme.test");
  EXPECT_EQ(pending.served_entities[1].creator, "bob@acme.test");
  permissions.grant(1, {kPermissionType, e.id}, "eve@acme.test", "CAN_MANAGE");
  EXPECT_FALSE(endpoints.update_config(as(eve), "e", config())) << "she may not use the model";
}

TEST_F(EndpointsTest, LevelsShowOrHideAnEndpoint) {
  const auto e = made(config());
  EXPECT_EQ(code(endpoints.get(as(bob), "e")), Errc::not_found);
  EXPECT_TRUE(endpoints.list(as(bob)).empty());
  permissions.grant(1, {kPermissionType, e.id}, "bob@acme.test", "CAN_VIEW");
  EXPECT_EQ(endpoints.list(as(bob)).size(), 1u);
  EXPECT_EQ(code(endpoints.get(as(bob), "e", "CAN_QUERY")), Errc::permission_denied);
  EXPECT_EQ(code(endpoints.remove(as(bob), "e")), Errc::permission_denied);
  EXPECT_EQ(code(endpoints.get(as(ana, 2), "e")), Errc::not_found) << "of another workspace";
  const auto before = changes;
  ASSERT_TRUE(endpoints.remove(as(ana), "e"));
  EXPECT_EQ(changes, before + 1);
  EXPECT_EQ(code(endpoints.get(as(ana), "e")), Errc::not_found);
}

TEST_F(EndpointsTest, TagsAndLimitsAreChecked) {
  made(config());
  ASSERT_TRUE(endpoints.set_tags(as(ana), "e", {{"a", "1"}, {"b", std::nullopt}}, {}));
  const auto tags = endpoints.set_tags(as(ana), "e", {{"a", "2"}}, {"b"});
  ASSERT_TRUE(tags);
  ASSERT_EQ(tags->tags.size(), 1u);
  EXPECT_EQ(tags->tags[0].value, "2");
  EXPECT_EQ(code(endpoints.set_tags(as(ana), "e", {{"", "1"}}, {})), Errc::invalid);
  EXPECT_EQ(endpoints.get(as(ana), "e")->tags.size(), 1u);
  EXPECT_EQ(code(endpoints.set_limits(as(ana), "e", {{.calls = -1}})), Errc::invalid);
  EXPECT_EQ(code(endpoints.set_limits(as(ana), "e", {{.calls = 1, .key = LimitKey::user_group}})), Errc::invalid);
  EXPECT_TRUE(endpoints.set_limits(as(ana), "e", {{.calls = 1, .key = LimitKey::user_group, .principal = "ops"}}));
}

TEST_F(EndpointsTest, AnInferenceTableNeedsARightInItsSchema) {
  auto c = config();
  c.capture = Capture{.catalog_name = "main", .schema_name = "s", .table_name_prefix = "asked"};
  EXPECT_NE(told(c), "");
  grant(SecurableType::SCHEMA, "main.s", "analysts", {Privilege::CREATE_TABLE});
  EXPECT_EQ(told(c), "");
  c.capture->sampling_fraction = 0;
  EXPECT_THAT(told(c), HasSubstr("sampling_fraction' must be above 0"));
  c.capture->sampling_fraction = 1;
  c.capture->table_name_prefix = "a.b";
  EXPECT_THAT(told(c), HasSubstr("table_name_prefix' must be a plain name"));
}

}  // namespace
}  // namespace tarn::serving
