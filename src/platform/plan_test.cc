#include "platform/plan.h"

#include <gtest/gtest.h>

namespace tarn::platform {
namespace {

const char* kYaml = R"(
account: {region: eu-central-1}
credentials: [{name: c, role_arn: arn}]
storage: [{name: s, bucket: b}]
workspaces: [{name: landing, deployment_name: landing, credentials: c, storage: s}]
metastore: {name: m, storage_root: "s3://b/m", workspaces: [landing], evict_default: true}
catalogs:
  - {name: gold, schemas: [{name: flights}]}
users: [{name: ada@x}]
groups:
  - {name: gold_read, members: [ai_analyst]}
  - {name: ai_analyst, members: [ada@x], workspaces: {landing: USER}}
grants:
  - {on: catalog gold, to: gold_read, allow: [use catalog, SELECT]}
)";

struct PlanTest : testing::Test {
  Loaded loaded = load_texts({{"p.yaml", kYaml}});
  std::vector<Diagnostic> problems;
  std::vector<Resource> desired = expand(loaded, problems);

  std::vector<std::string> lines(const Plan& plan) {
    std::vector<std::string> out;
    for (const auto& c : plan.changes) out.push_back(std::string(json::name_of(c.action)) + " " + c.address());
    return out;
  }
};
using Texts = std::vector<std::string>;

TEST_F(PlanTest, CreatesInTheFixedOrderMembersBeforeGroups) {
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(lines(make_plan(desired, {}, "acc")), (Texts{"create credentials.c", "create storage.s", "create workspace.landing", "create metastore.m",
                                                         "create metastore_assignment.landing", "create catalog.gold", "create schema.gold.flights",
                                                         "create user.ada@x", "create group.ai_analyst", "create group.gold_read",
                                                         "create workspace_assignment.landing/ai_analyst", "create grants.catalog gold"}));
}

TEST_F(PlanTest, IsCleanWhenAllHoldsAndTheDeploymentCarriesThePrefix) {
  auto observed = desired;
  for (auto& r : observed)
    if (r.kind == Kind::workspace) r.attributes["deployment_name"] = "acme-landing";
  EXPECT_TRUE(make_plan(desired, observed, "acc").clean());
}

TEST_F(PlanTest, SeesAClickedGrantAndAStrangeGroup) {
  auto observed = desired;
  for (auto& r : observed)
    if (r.name == "catalog gold") r.attributes["account users"] = json::array{"SELECT"};
  observed.push_back({Kind::group, "shadow", {{"members", json::array{}}}});
  EXPECT_EQ(lines(make_plan(desired, observed, "acc")), (Texts{"update grants.catalog gold"}));
  EXPECT_EQ(lines(make_plan(desired, observed, "acc", true)), (Texts{"update grants.catalog gold", "unmanaged group.shadow"}));
}

TEST_F(PlanTest, DeletesWhatIsOursAndGoneFromTheYamlBackwards) {
  auto observed = desired;
  observed.push_back({Kind::catalog, "old", {}, "", true});
  observed.push_back({Kind::schema, "old.s", {}, "", true});
  EXPECT_EQ(lines(make_plan(desired, observed, "acc")), (Texts{"delete schema.old.s", "delete catalog.old"}));
}

TEST_F(PlanTest, DestroysBackwardsOnlyWhatIsThere) {
  std::vector<Resource> some{desired[0], desired[5]};
  EXPECT_EQ(lines(make_destroy_plan(desired, some, "acc")), (Texts{"delete catalog.gold", "delete credentials.c"}));
}

TEST_F(PlanTest, SurvivesItsJson) {
  const Plan plan = make_plan(desired, {}, "acc");
  const auto again = json::decode_text<Plan>(json::encode_text(plan), {.absent = json::Absent::keep});
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(json::encode_text(*again), json::encode_text(plan));
}

TEST(Expand, NamesWhatThisVersionCannotApply) {
  const auto loaded = load_texts({{"p.yaml", "pools:\n  - {name: p, workspace: w, node_type: m6g.large}\n"}});
  std::vector<Diagnostic> problems;
  expand(loaded, problems);
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].line, 1);
}

}  // namespace
}  // namespace tarn::platform
