// The workspace's model registry: names, versions, stages, requests, rights.
#include "ml/registry.h"

#include <gtest/gtest.h>

#include "access/testing.h"
#include "store/store_for_tests.h"

namespace tarn::ml {
namespace {

class RegistryTest : public ::testing::Test {
 protected:
  FakeClock clock;
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  access::testing::FakePermissions permissions;
  Database db{store::url_for_tests()};
  TrackingStore tracking{db, clock};
  Experiments experiments{*store, permissions, clock};
  Runs runs{experiments, tracking, *store, clock};
  Registry registry{*store, permissions, runs, clock};
  access::Context ana{.caller = {.id = 1, .name = "ana@acme.test"}, .workspace_id = 7},
      eve{.caller = {.id = 2, .name = "eve@acme.test"}, .workspace_id = 7};

  void SetUp() override { ASSERT_TRUE(registry.create(ana, "delay", "d", {{"a", "b"}})); }
  std::int64_t version() { return registry.create_version(ana, {.name = "delay", .source = "dbfs:/x"})->version; }
  void let(const std::string& who, const std::string& level) {
    permissions.grant(7, {"registered-models", registry.get(ana, "delay")->model.id}, who, level);
  }
};

TEST_F(RegistryTest, NamesAreChecked) {
  EXPECT_EQ(registry.create(ana, "delay", {}, {}).error().message, "Registered Model (name=delay) already exists.");
  EXPECT_EQ(registry.create(ana, "a/b", {}, {}).error().code, Errc::invalid);
  EXPECT_EQ(registry.create(ana, "", {}, {}).error().code, Errc::invalid);
  EXPECT_EQ(registry.get(ana, "none").error().message, "Registered Model with name=none not found");
  version();
  ASSERT_TRUE(registry.rename(ana, "delay", "late"));
  EXPECT_EQ(registry.get(ana, "delay").error().code, Errc::not_found);
  EXPECT_EQ(registry.version(ana, "late", 1)->name, "late");
}

TEST_F(RegistryTest, StagesMoveByRightAndArchive) {
  version(), version();
  EXPECT_EQ(registry.get(eve, "delay").error().code, Errc::permission_denied);
  let("eve@acme.test", "CAN_MANAGE_STAGING_VERSIONS");
  ASSERT_TRUE(registry.transition(eve, "delay", 1, "staging", false));
  EXPECT_EQ(registry.transition(eve, "delay", 1, "Production", false).error().code, Errc::permission_denied);
  ASSERT_TRUE(registry.transition(ana, "delay", 1, "Production", false));
  EXPECT_EQ(registry.transition(eve, "delay", 1, "Archived", false).error().code, Errc::permission_denied);  // out of Production
  ASSERT_TRUE(registry.transition(ana, "delay", 2, "Production", true));
  EXPECT_EQ(registry.version(ana, "delay", 1)->current_stage, Stage::Archived);
  EXPECT_EQ(registry.transition(ana, "delay", 2, "Live", false).error().code, Errc::invalid);
  EXPECT_EQ(registry.latest_versions(ana, "delay", {"Production"})->at(0).version, 2);
  EXPECT_EQ(registry.remove(ana, "delay").error().code, Errc::invalid);
  EXPECT_EQ(registry.remove_version(ana, "delay", 2).error().code, Errc::invalid);
  ASSERT_TRUE(registry.transition(ana, "delay", 2, "None", false));
  ASSERT_TRUE(registry.remove_version(ana, "delay", 2));
  EXPECT_EQ(registry.version(ana, "delay", 2).error().message, "Model Version (name=delay, version=2) not found");
  EXPECT_EQ(version(), 3);
  ASSERT_TRUE(registry.remove(ana, "delay"));
}

TEST_F(RegistryTest, TransitionsAreRequestedAndDecided) {
  version();
  let("eve@acme.test", "CAN_READ");
  ASSERT_TRUE(registry.request(eve, "delay", 1, "Production", "please"));
  EXPECT_EQ(registry.request(eve, "delay", 1, "Production", {}).error().code, Errc::already_exists);
  EXPECT_EQ(registry.decide(eve, "delay", 1, "Production", true, false).error().code, Errc::permission_denied);
  EXPECT_EQ(registry.requests(ana, "delay", 1)->size(), 1u);
  EXPECT_EQ(registry.withdraw(ana, "delay", 1, "Production", "eve@acme.test").error().code, Errc::permission_denied);
  ASSERT_TRUE(registry.decide(ana, "delay", 1, "Production", true, false));
  EXPECT_EQ(registry.version(ana, "delay", 1)->current_stage, Stage::Production);
  EXPECT_EQ(registry.decide(ana, "delay", 1, "Staging", false, false).error().code, Errc::not_found);
}

TEST_F(RegistryTest, AVersionsRunMustBeReadable) {
  EXPECT_EQ(registry.create_version(ana, {.name = "delay", .source = "x", .run_id = "nope"}).error().code, Errc::not_found);
  EXPECT_EQ(registry.create_version(ana, {.name = "delay", .source = ""}).error().code, Errc::invalid);
  EXPECT_EQ(registry.create_version(eve, {.name = "delay", .source = "x"}).error().code, Errc::permission_denied);
}

TEST_F(RegistryTest, SearchesSeeWhatMayBeRead) {
  ASSERT_TRUE(registry.create(ana, "other", {}, {}));
  version();
  EXPECT_EQ(registry.search(ana, "name LIKE 'd%'", {}, 10, "")->items.size(), 1u);
  EXPECT_EQ(registry.search(ana, "tags.a = 'b'", {"name DESC"}, 10, "")->items.at(0).model.name, "delay");
  EXPECT_EQ(registry.search(eve, "", {}, 10, "")->items.size(), 0u);
  const auto first = registry.search(ana, "", {"name DESC"}, 1, "");
  EXPECT_EQ(first->items.at(0).model.name, "other");
  EXPECT_EQ(registry.search(ana, "", {"name DESC"}, 1, first->next)->items.at(0).model.name, "delay");
  EXPECT_EQ(registry.search_versions(ana, "name='delay'", 10, "")->items.size(), 1u);
  EXPECT_EQ(registry.search_versions(eve, "name='delay'", 10, "")->items.size(), 0u);
  EXPECT_EQ(registry.search_versions(ana, "stage='x'", 10, "").error().code, Errc::invalid);
}

}  // namespace
}  // namespace tarn::ml
