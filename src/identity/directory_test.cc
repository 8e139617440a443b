#include "identity/fixtures.h"

namespace tarn::identity::testing {
namespace {

TEST_F(IdentityTest, FindsPrincipalsAsGrantsNameThem) {
  const auto ann = user("Ann@acme.example");
  const auto ml = group("ML Team", {ann});
  group("local", {}, kLanding);
  EXPECT_EQ(directory.find_principal("ann@ACME.example")->id, ann);
  EXPECT_EQ(directory.find_principal("ml team")->kind, Kind::group);
  EXPECT_EQ(directory.find_principal("ml team")->id, ml);
  EXPECT_EQ(directory.find_principal("Account Users")->kind, Kind::group);
  EXPECT_FALSE(directory.find_principal("local")) << "a workspace-local group can hold no catalog grant";
  EXPECT_FALSE(directory.find_principal("nobody"));
}

TEST_F(IdentityTest, ResolvesNestedGroupsAndTheirAssignments) {
  const auto ann = user("ann@acme.example");
  const auto inner = group("ai_engineer", {ann});
  const auto outer = group("all_engineers", {inner});
  workspace(kLanding, 0);
  EXPECT_FALSE(directory.caller(ann, kLanding)) << "not assigned";
  assign(kLanding, outer);
  const auto c = directory.caller(ann, kLanding);
  ASSERT_TRUE(c);
  EXPECT_EQ(c->group_names, (std::set<std::string>{"account users", "ai_engineer", "all_engineers"}));
  EXPECT_TRUE(c->group_ids.contains(inner) && c->group_ids.contains(outer));
  EXPECT_EQ(c->workspace_groups, std::set<std::string>{"users"});
  EXPECT_EQ(c->entitlements, (std::set<std::string>{"databricks-sql-access", "workspace-access"}));
  EXPECT_FALSE(c->workspace_admin);
  assign(kLanding, inner, true);
  EXPECT_TRUE(directory.caller(ann, kLanding)->workspace_admin) << "the strongest assignment counts";
  EXPECT_TRUE(directory.caller(ann, kLanding)->entitlements.contains("allow-cluster-create"));
  EXPECT_TRUE(directory.is_assigned(kLanding, ann));
  EXPECT_FALSE(directory.caller(ann, kPipeline));
}

TEST_F(IdentityTest, AWorkspaceStartsWithItsCreatorAsAdminAndEndsWithoutTraces) {
  const auto maker = sp("automation");
  workspace(kLanding, maker);
  workspace(kLanding, maker);  // a provisioning step that runs again changes nothing
  EXPECT_TRUE(directory.caller(maker, kLanding)->workspace_admin);
  store->write({}, [&](store::WriteTxn& t) { return directory.on_workspace_deleted(t, kLanding), true; });
  EXPECT_FALSE(directory.caller(maker, kLanding));
  EXPECT_FALSE(store->read_as([](store::ReadTxn& t) { return roster::workspace_exists(t, kLanding); }));
}

TEST_F(IdentityTest, LocalGroupsCountInTheirWorkspaceOnly) {
  const auto ann = user("ann@acme.example");
  group("friends", {group("inner", {ann})}, kLanding);
  workspace(kLanding, ann);
  workspace(kPipeline, ann);
  EXPECT_TRUE(directory.caller(ann, kLanding)->workspace_groups.contains("friends"));
  EXPECT_FALSE(directory.caller(ann, kPipeline)->workspace_groups.contains("friends"));
  EXPECT_FALSE(directory.caller(ann, kLanding)->group_names.contains("friends"));
}

TEST_F(IdentityTest, WritesOfOtherRoomsDoNotEmptyTheCache) {
  const auto ann = user("ann@acme.example", {"account_admin"});
  const auto token = *tokens.mint(access::system_context(), "ann@acme.example", std::nullopt);
  ASSERT_TRUE(directory.authenticate(token, std::nullopt));
  const auto before = directory.misses();
  store->write({.action = "createCatalog"}, [](store::WriteTxn&) { return true; });
  ASSERT_TRUE(directory.authenticate(token, std::nullopt));
  EXPECT_EQ(directory.misses(), before);
  group("new", {ann});
  EXPECT_TRUE(directory.authenticate(token, std::nullopt)->group_names.contains("new")) << "a change of identity holds at once";
  EXPECT_GT(directory.misses(), before);
}

TEST_F(IdentityTest, ADeactivatedPrincipalIsOutWithTheNextRequest) {
  const auto ann = user("ann@acme.example");
  const auto token = *tokens.mint(access::system_context(), "ann@acme.example", std::nullopt);
  ASSERT_TRUE(directory.authenticate(token, std::nullopt));
  store->write({}, [&](store::WriteTxn& t) {
    auto p = *roster::get(t, ann);
    p.active = false;
    return kPrincipals.update(t, p).has_value() && (roster::changed(t), true);
  });
  const auto refused = directory.authenticate(token, std::nullopt);
  ASSERT_FALSE(refused);
  EXPECT_FALSE(refused.error().known_but_not_here);
  EXPECT_FALSE(tokens.mint(access::system_context(), "ann@acme.example", std::nullopt));
}

TEST_F(IdentityTest, ErasingAPrincipalLeavesNothingThatSpeaksOfIt) {
  const auto ann = user("ann@acme.example"), bob = user("bob@acme.example");
  const auto g = group("g", {ann, bob});
  assign(kLanding, ann);
  store->write({}, [&](store::WriteTxn& t) {
    EXPECT_TRUE(kRuleSets.put(t, {.resource = g, .grants = {{roster::kGroupManager, {ann}}}}));
    roster::erase(t, *roster::get(t, ann));
    roster::changed(t);
    return true;
  });
  store->read([&](store::ReadTxn& t) {
    EXPECT_EQ(roster::members(t, g), std::vector<std::int64_t>{bob});
    EXPECT_TRUE(kRuleSets.get(t, store::sortable(g))->value.grants.empty());
    EXPECT_TRUE(kAssignments.scan(t).empty());
  });
  EXPECT_FALSE(directory.get_principal(ann));
}

}  // namespace
}  // namespace tarn::identity::testing
