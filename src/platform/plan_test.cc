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
  std::vector<Resource> desired = expand(loaded);

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

const char* kPrivate = R"(
account: {region: eu-central-1}
credentials: [{name: c, role_arn: arn}]
storage: [{name: s, bucket: b}]
vpc_endpoints:
  - {name: rest, aws_vpc_endpoint_id: vpce-1}
  - {name: relay, aws_vpc_endpoint_id: vpce-2}
private_access: [{name: private, level: ENDPOINT, allowed_endpoints: [rest]}]
networks: [{name: n, vpc_id: v, subnet_ids: [a, b], security_group_ids: [g], rest_endpoints: [rest], relay_endpoints: [relay]}]
workspaces: [{name: landing, credentials: c, storage: s, network: n, private_access: private}]
groups: [{name: ai_engineer, workspaces: {landing: USER}}]
entitlements: [{group: ai_engineer, workspace: landing, allow: [workspace-access, databricks-sql-access]}]
pools: [{name: ip_cpu_small, workspace: landing, node_type: m6g.large, max_capacity: 10, tags: {team: ai}}]
policies:
  - name: small
    workspace: landing
    max_clusters_per_user: 2
    definition: {instance_pool_id: {type: fixed, value: "pool:ip_cpu_small"}, num_workers: {type: range, maxValue: 4}}
)";

TEST(Expand, PrivateAccessAndWhatLivesInAWorkspaceHaveTheirPlaceInTheOrder) {
  const auto loaded = load_texts({{"p.yaml", kPrivate}});
  ASSERT_TRUE(loaded.ok()) << loaded.problems.front().text();
  const auto desired = expand(loaded);
  Texts order;
  for (const auto& r : desired) order.push_back(r.address());
  EXPECT_EQ(order, (Texts{"credentials.c", "storage.s", "vpc_endpoint.rest", "vpc_endpoint.relay", "private_access.private", "network.n",
                          "workspace.landing", "group.ai_engineer", "workspace_assignment.landing/ai_engineer", "entitlements.landing/ai_engineer",
                          "pool.landing/ip_cpu_small", "policy.landing/small"}));
  EXPECT_EQ(boost::json::serialize(desired[10].attributes),
            R"({"node_type":"m6g.large","min_idle":0,"idle_minutes":10,"tags":{"team":"ai"},"max_capacity":10})");
}

TEST(Load, SaysWhatAWorkspacesObjectsReferToInVain) {
  const auto problem = [](std::string from, const std::string& to) {
    std::string text = kPrivate;
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    const auto loaded = load_texts({{"p.yaml", text}});
    return loaded.problems.size() == 1 ? loaded.problems[0].message : std::to_string(loaded.problems.size()) + " problems";
  };
  EXPECT_EQ(problem("pool:ip_cpu_small", "pool:ip_cpu_smal"), "pool 'ip_cpu_smal' is not defined; did you mean 'ip_cpu_small'?");
  EXPECT_EQ(problem("rest_endpoints: [rest], ", ""), "network 'n' needs both rest_endpoints and relay_endpoints, or neither");
  EXPECT_EQ(problem("level: ENDPOINT, ", ""), "private access 'private' names allowed_endpoints if, and only if, its level is ENDPOINT");
  EXPECT_EQ(problem("[workspace-access, ", "[workspaces-access, "),
            "entitlement 'workspaces-access' is not defined; did you mean 'workspace-access'?");
  EXPECT_EQ(problem(", workspaces: {landing: USER}", ""),
            "group 'ai_engineer' is not assigned to workspace 'landing': it can have no entitlements there");
  EXPECT_EQ(problem("max_capacity: 10", "min_idle: 11, max_capacity: 10"),
            "pool 'ip_cpu_small' keeps more instances idle (11) than it may have (10)");
  EXPECT_EQ(problem("{type: fixed, value: \"pool:ip_cpu_small\"}", "fixed"),
            "rule 'instance_pool_id' of policy 'small' must be a mapping (type, value, …)");
}

TEST(Expand, ClustersAndBudgetsAreCheckedAgainstWhatTheyName) {
  const std::string base = std::string(kPrivate) + R"(
clusters:
  - {name: shared, workspace: landing, runtime: 15.4.x-scala2.12, pool: ip_cpu_small, allow: {ai_engineer: CAN_RESTART}}
budgets: [{name: landing, workspace: landing, limit: 20}]
)";
  const auto problem = [&](const std::string& from, const std::string& to) {
    auto text = base;
    text.replace(text.find(from), from.size(), to);
    const auto loaded = load_texts({{"p.yaml", text}});
    return loaded.problems.size() == 1 ? loaded.problems[0].message : std::to_string(loaded.problems.size()) + " problems";
  };
  EXPECT_EQ(problem("limit: 20", "limit: 20.5"), "0 problems");
  EXPECT_EQ(problem("limit: 20", "limit: 0"), "budget 'landing' needs a 'limit' in dollars, above zero");
  EXPECT_EQ(problem("pool: ip_cpu_small, allow", "allow"), "cluster 'shared' needs exactly one of 'pool' and 'node_type'");
  EXPECT_EQ(problem("pool: ip_cpu_small, allow", "pool: ip_cpu_smal, allow"), "pool 'ip_cpu_smal' is not defined; did you mean 'ip_cpu_small'?");
  EXPECT_EQ(problem("{ai_engineer: CAN_RESTART}", "{ai_enginer: CAN_RESTART}"), "group 'ai_enginer' is not defined; did you mean 'ai_engineer'?");
  EXPECT_EQ(problem("CAN_RESTART", "RESTART"), "'RESTART' is no permission level: CAN_USE, CAN_ATTACH_TO, CAN_RESTART, CAN_MANAGE");
}

}  // namespace
}  // namespace tarn::platform
