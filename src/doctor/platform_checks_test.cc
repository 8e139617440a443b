#include "doctor/platform_checks.h"

#include <gtest/gtest.h>

namespace tarn::doctor {
namespace {

struct FakeProbe : Probe {
  std::map<std::string, Answer, std::less<>> answers;
  std::optional<std::optional<std::string>> prefix = std::optional<std::string>("acme");
  int asked = 0;
  Answer get(std::string_view path) override {
    ++asked;
    const auto i = answers.find(path);
    return i == answers.end() ? Answer{404, "NOT_FOUND", "no such path", nullptr} : i->second;
  }
  std::optional<std::optional<std::string>> deployment_prefix() override { return prefix; }
  std::optional<std::vector<RefusedGrant>> refused = std::vector<RefusedGrant>{};
  Answer get_in(std::string_view deployment, std::string_view path) override {
    const auto i = answers.find(std::string(deployment) + std::string(path.substr(0, path.find('?'))));
    return i == answers.end() ? Answer{404, "NOT_FOUND", "no such path", nullptr} : i->second;
  }
  std::optional<std::vector<RefusedGrant>> refused_grants() override { return refused; }
  std::optional<std::vector<BlockedWay>> blocked;
  std::optional<std::vector<BlockedWay>> blocked_ways() override { return blocked; }
  std::string principal() const override { return "automation"; }
  void set(std::string path, std::string_view body) { answers[std::move(path)] = {200, "", "", *json::parse(body)}; }
};

struct PlatformChecks : testing::Test {
  FakeProbe probe;
  PlatformChecks() {
    probe.set(
        "/workspaces",
        R"([{"workspace_id":1,"workspace_name":"landing","deployment_name":"acme-landing","aws_region":"us-east-1","workspace_status":"RUNNING"}])");
    probe.set("/metastores",
              R"({"metastores":[{"name":"main","region":"us-east-1","owner":"automation","storage_root":"s3://m","metastore_id":"m1"}]})");
    probe.set("/networks", R"([{"network_id":"n1","network_name":"landing","vpc_status":"VALID"}])");
  }
  Finding of(std::string_view check) {
    for (auto& f : check_platform(probe))
      if (f.check == check) return f;
    ADD_FAILURE() << "no finding of " << check;
    return {};
  }
};

TEST_F(PlatformChecks, ASoundPlatformHasNoProblem) {
  const auto all = check_platform(probe);
  EXPECT_TRUE(healthy(all)) << render(all);
  EXPECT_EQ(of("workspaces").summary, "1 of 1 running");
}

TEST_F(PlatformChecks, AnUnreachableServerIsSaidOnce) {
  probe.answers["/workspaces"] = {0, "", "accounts.tarn.localhost:443: connection refused", nullptr};
  const auto all = check_platform(probe);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].check, "server");
  EXPECT_NE(all[0].summary.find("connection refused"), std::string::npos);
  EXPECT_EQ(probe.asked, 1);
}

TEST_F(PlatformChecks, AWorkspaceAdminIsToldWhy) {
  probe.answers["/workspaces"] = {403, "PERMISSION_DENIED", "This API is disabled for users without account admin status.", nullptr};
  const auto f = of("account-admin");
  EXPECT_EQ(f.edge, "not_account_admin");
  EXPECT_NE(f.summary.find("This API is disabled"), std::string::npos);
  EXPECT_NE(f.cure.find("account admin"), std::string::npos);
}

TEST_F(PlatformChecks, ABadSecretIsNotTakenForAMissingRole) {
  probe.answers["/workspaces"] = {401, "UNAUTHENTICATED", "expired", nullptr};
  EXPECT_FALSE(of("credentials").edge);
}

TEST_F(PlatformChecks, AMissingPrefixIsAProblemOnlyWhereItIsKnown) {
  probe.prefix = std::optional<std::string>();
  EXPECT_EQ(of("deployment-prefix").edge, "deployment_prefix_missing");
  probe.prefix.reset();
  EXPECT_EQ(of("deployment-prefix").level, Level::ok) << "a chosen name proves a prefix";
  probe.set("/workspaces", R"([{"deployment_name":"dbc-12345678-1234"}])");
  EXPECT_EQ(of("deployment-prefix").level, Level::unknown);
}

TEST_F(PlatformChecks, AWayThatTheNetworkCutsIsAProblem) {
  for (const auto& f : check_platform(probe)) EXPECT_NE(f.check, "ways") << "nobody modelled the network";
  probe.blocked.emplace();
  EXPECT_EQ(of("ways").level, Level::ok);
  probe.blocked->push_back({"pipeline", "relay:443", "dropped", "firewall fw-1", "network.yaml:74", "It drops SYN.", "Allow it.", {"subnet-3"}});
  const auto f = of("ways");
  EXPECT_EQ(f.level, Level::problem);
  EXPECT_EQ(f.summary, "nodes of pipeline do not reach relay:443 (dropped) from subnet-3: firewall fw-1, network.yaml:74");
  EXPECT_EQ(f.cure, "Allow it.");
}

TEST_F(PlatformChecks, TheDefaultMetastoreIsFound) {
  probe.set("/metastores", R"({"metastores":[{"name":"metastore_aws_us_east_1","region":"us-east-1","owner":"System-User","metastore_id":"m0"}]})");
  const auto f = of("metastore");
  EXPECT_EQ(f.edge, "default_metastore");
  EXPECT_NE(f.summary.find("metastore_aws_us_east_1"), std::string::npos);
  EXPECT_NE(f.cure.find("force"), std::string::npos);
}

TEST_F(PlatformChecks, ARegionWithoutAMetastoreIsFound) {
  probe.set("/metastores", "{}");
  EXPECT_NE(of("metastore").summary.find("us-east-1"), std::string::npos);
  probe.set("/workspaces", "[]");
  EXPECT_EQ(of("metastore").level, Level::ok);
}

TEST_F(PlatformChecks, FailedWorkspacesAndBrokenNetworksSpeak) {
  probe.set("/workspaces",
            R"([{"workspace_id":1,"workspace_name":"landing","workspace_status":"FAILED","workspace_status_message":"Network n1 is BROKEN"}])");
  probe.set(
      "/networks",
      R"([{"network_id":"n1","network_name":"landing","vpc_status":"BROKEN","error_messages":[{"error_type":"vpc","error_message":"VPC vpc-1 was not found."}]},
                             {"network_id":"n2","network_name":"other","vpc_status":"WARNED","warning_messages":[{"warning_message":"shared"}]}])");
  EXPECT_EQ(of("workspaces").cause, "Network n1 is BROKEN");
  EXPECT_EQ(of("networks").cause, "VPC vpc-1 was not found.");
  const auto all = check_platform(probe);
  EXPECT_TRUE(std::any_of(all.begin(), all.end(), [](const Finding& f) { return f.check == "networks" && f.level == Level::warning; }));
  const auto shown = render(all);
  EXPECT_NE(shown.find("PROBLEM"), std::string::npos);
  EXPECT_NE(shown.find("cure:"), std::string::npos);
}

TEST_F(PlatformChecks, WhatCannotBeAskedIsUnknown) {
  probe.answers.erase("/metastores");
  EXPECT_EQ(of("metastore").level, Level::unknown);
}

TEST_F(PlatformChecks, AGrantThatWaitsForItsGroupIsNamed) {
  probe.refused = std::vector{Probe::RefusedGrant{"gold_read", "catalog pipeline_gold"}};
  const auto f = of("grants");
  EXPECT_EQ(f.edge, "grant_before_group");
  EXPECT_EQ(f.summary, "a grant on catalog pipeline_gold to 'gold_read' was refused: the account has no principal of that name");
  EXPECT_NE(f.cure.find("groups, grants"), std::string::npos);
}

TEST_F(PlatformChecks, AGroupOfOneWorkspaceCannotHoldGrants) {
  probe.set("acme-landing/api/2.0/preview/scim/v2/Groups",
            R"({"Resources":[{"displayName":"admins","meta":{"resourceType":"WorkspaceGroup"}},
                             {"displayName":"ml","meta":{"resourceType":"WorkspaceGroup"}},
                             {"displayName":"ai_analyst","meta":{"resourceType":"Group"}}]})");
  EXPECT_EQ(of("groups").level, Level::warning);
  EXPECT_EQ(of("groups").summary, "group 'ml' is local to workspace landing");
  EXPECT_TRUE(healthy(check_platform(probe)));
  probe.refused = std::vector{Probe::RefusedGrant{"ml", "schema main.s"}, Probe::RefusedGrant{"admins", "schema main.s"}};
  EXPECT_EQ(of("grants").edge, "workspace_local_group");
  EXPECT_EQ(of("grants").summary, "a grant on schema main.s to 'ml' was refused: that group is local to workspace landing");
  EXPECT_FALSE(healthy(check_platform(probe)));
}

}  // namespace
}  // namespace tarn::doctor
