#include <gmock/gmock.h>

#include "compute/clusters_fixtures.h"

namespace tarn::compute::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using enum api::Method;

TEST_F(ClustersTest, AClusterIsRunningOnlyWhenItsNodeIs) {
  const auto id = make(maker);
  EXPECT_EQ(get(maker, id).text("state"), "PENDING");
  settle();
  ASSERT_EQ(fleet.orders.size(), 1u);
  EXPECT_EQ(get(maker, id).text("state"), "PENDING");
  fleet.up();
  const auto c = get(maker, id);
  EXPECT_EQ(c.text("state"), "RUNNING");
  EXPECT_EQ(c.body.at("driver").at("instance_id").as_string(), fleet.orders[0].instance_id);
  EXPECT_EQ(c.body.at("isolation").at("summary").as_string(), "fake");
  EXPECT_EQ(c.text("driver_node_type_id"), "m6g.large");
  EXPECT_EQ(c.body.at("default_tags").at("ClusterName").as_string(), "c");
  EXPECT_THAT(events(id), ElementsAre("CREATING", "RUNNING", "DRIVER_HEALTHY"));
}

TEST_F(ClustersTest, TerminationRestartAndTheEndOfAll) {
  const auto id = running(maker);
  const auto first = fleet.orders.back().instance_id;
  EXPECT_EQ(post(maker, "restart", id_body(id)).status, 200);
  EXPECT_EQ(get(maker, id).text("state"), "RESTARTING");
  settle();
  EXPECT_THAT(fleet.ended, ElementsAre(first));
  ASSERT_EQ(fleet.orders.size(), 2u);
  fleet.listener->node_lost(first, true, "ended");  // the old one's end is no news
  EXPECT_EQ(get(maker, id).text("state"), "RESTARTING");
  fleet.up();
  EXPECT_EQ(get(maker, id).text("state"), "RUNNING");
  EXPECT_EQ(post(maker, "delete", id_body(id)).status, 200);
  EXPECT_EQ(get(maker, id).text("state"), "TERMINATING");
  settle();
  EXPECT_EQ(get(maker, id).text("state"), "TERMINATED");
  EXPECT_EQ(reason(id), "USER_REQUEST");
  EXPECT_EQ(post(maker, "delete", id_body(id)).status, 200);
  const auto not_running = post(maker, "restart", id_body(id));
  EXPECT_EQ(not_running.code(), "INVALID_STATE");
  EXPECT_EQ(post(maker, "start", id_body(id)).status, 200);
  settle();
  fleet.up();
  EXPECT_EQ(get(maker, id).text("state"), "RUNNING");
  EXPECT_THAT(events(id), ElementsAre("CREATING", "RUNNING", "DRIVER_HEALTHY", "RESTARTING", "RUNNING", "DRIVER_HEALTHY", "TERMINATING", "STARTING",
                                      "RUNNING", "DRIVER_HEALTHY"));
  EXPECT_EQ(post(ada, "pin", id_body(id)).status, 200);
  EXPECT_THAT(post(maker, "permanent-delete", id_body(id)).message(), HasSubstr("unpin the cluster first"));
  EXPECT_EQ(post(ada, "unpin", id_body(id)).status, 200);
  EXPECT_EQ(post(maker, "permanent-delete", id_body(id)).status, 200);
  const auto gone = get(maker, id);
  EXPECT_EQ(gone.code(), "INVALID_PARAMETER_VALUE");
  EXPECT_EQ(gone.message(), "Cluster " + id + " does not exist");
}

TEST_F(ClustersTest, ANodeThatNeverDialsInIsABootstrapTimeout) {
  const auto id = make(maker);
  settle();
  clock.advance(704'524);
  settle();
  EXPECT_EQ(get(maker, id).text("state"), "TERMINATED");
  EXPECT_EQ(reason(id), "BOOTSTRAP_TIMEOUT");
  EXPECT_THAT(get(maker, id).text("state_message"), HasSubstr("timed out after 704524 milliseconds"));
  EXPECT_THAT(fleet.ended, ElementsAre(fleet.orders[0].instance_id));
}

TEST_F(ClustersTest, ALostNodeHasItsLeaseToComeBack) {
  const auto id = running(maker);
  const auto node = fleet.orders.back().instance_id;
  fleet.listener->node_lost(node, false, "connection");
  clock.advance(20'000);
  settle();
  EXPECT_EQ(get(maker, id).text("state"), "RUNNING");
  fleet.up();
  clock.advance(40'000);
  settle();
  EXPECT_EQ(get(maker, id).text("state"), "RUNNING");
  fleet.listener->node_lost(node, false, "connection");
  clock.advance(31'000);
  settle();
  EXPECT_EQ(get(maker, id).text("state"), "TERMINATED");
  EXPECT_EQ(reason(id), "COMMUNICATION_LOST");
}

TEST_F(ClustersTest, ANodeThatEndsEndsItsClusterWithItsWords) {
  const auto id = make(maker);
  settle();
  fleet.listener->node_lost(fleet.orders[0].instance_id, true, "the interpreter ended with 1");
  EXPECT_EQ(reason(id), "SELF_BOOTSTRAP_FAILURE");
  EXPECT_THAT(get(maker, id).text("state_message"), HasSubstr("the interpreter ended with 1"));
  const auto second = running(maker);
  fleet.listener->node_lost(fleet.orders.back().instance_id, true, "killed");
  EXPECT_EQ(reason(second), "DRIVER_UNREACHABLE");
}

TEST_F(ClustersTest, AnotherServerOfTheFolderFindsItsClustersOrReportsThemLost) {
  const auto id = running(maker);
  Clusters after(*store, permissions, pools, policies, profiles, fleet, clock, {.lease = 30'000});
  after.recover();
  after.start_driving();
  after.stop();
  EXPECT_EQ(after.find(id)->state, State::RUNNING);
  clock.advance(31'000);
  while (after.step()) {
  }
  EXPECT_EQ(after.find(id)->termination_reason->code, "COMMUNICATION_LOST");
}

TEST_F(ClustersTest, ANodeThatDialsInBeforeClustersAreDrivenIsNotLost) {
  const auto id = running(maker);
  Clusters after(*store, permissions, pools, policies, profiles, fleet, clock, {.lease = 30'000});
  after.recover();
  after.node_up(fleet.orders.back().instance_id, {{"cluster_id", id}});
  after.start_driving();
  after.stop();
  clock.advance(31'000);
  while (after.step()) {
  }
  EXPECT_EQ(after.find(id)->state, State::RUNNING);
}

TEST_F(ClustersTest, AnInstanceIsKnownByItsTokenOnly) {
  make(maker);
  settle();
  const auto& order = fleet.orders[0];
  const std::string lease(64, 'a'), other(64, 'b');
  EXPECT_FALSE(clusters.node_admitted(order.instance_id, std::string(64, '0'), lease));
  EXPECT_FALSE(clusters.node_admitted("i-nobody", order.token, lease));
  EXPECT_FALSE(clusters.node_admitted(order.instance_id, order.token, "short"));
  EXPECT_TRUE(clusters.node_admitted(order.instance_id, order.token, lease));
  // The token is used up: who has it now opens nothing; the lease that it fixed does.
  EXPECT_FALSE(clusters.node_admitted(order.instance_id, order.token, other));
  EXPECT_TRUE(clusters.node_admitted(order.instance_id, "", lease));
}

TEST_F(ClustersTest, IdleClustersEndAndBusyOnesDoNot) {
  const auto id = running(maker, R"(,"autotermination_minutes":10)");
  clock.advance(9 * 60'000);
  clusters.touched(id);
  clock.advance(2 * 60'000);
  settle();
  EXPECT_EQ(get(maker, id).text("state"), "RUNNING");
  clock.advance(9 * 60'000);
  settle();
  EXPECT_EQ(get(maker, id).text("state"), "TERMINATED");
  EXPECT_EQ(reason(id), "INACTIVITY");
}

TEST_F(ClustersTest, OnlyThoseWhoMayCreateDoAndWithoutAPolicyNobodyElse) {
  const auto refused = post(nora, "create", std::string(kSpec) + "}");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.message(), "You are not authorized to create clusters. Please contact your administrator.");
  const auto policy = call(ada, POST, "/api/2.0/policies/clusters/create",
                           R"({"name":"p","max_clusters_per_user":1,"definition":"{\"num_workers\":{\"type\":\"range\",\"maxValue\":2},)"
                           R"(\"custom_tags.team\":{\"type\":\"fixed\",\"value\":\"ml\"},\"dbus_per_hour\":{\"type\":\"range\",\"maxValue\":1}}"})")
                          .text("policy_id");
  const auto with = [&](const std::string& workers) {
    return R"({"spark_version":"15.4.x-scala2.12","node_type_id":"m6g.large","num_workers":)" + workers + R"(,"policy_id":")" + policy + "\"}";
  };
  EXPECT_EQ(post(nora, "create", with("1")).status, 403);  // not hers to use
  permissions.grant(kWorkspace, {"cluster-policies", policy}, nora.name, "CAN_USE");
  EXPECT_EQ(post(nora, "create", with("3")).message(),
            "Cluster validation error: Validation failed for num_workers, the value cannot be greater than 2 (is \"3\"); "
            "Validation failed for dbus_per_hour, the value cannot be greater than 1 (is \"1.44\")");
  const auto made = post(nora, "create", with("1"));
  EXPECT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(get(nora, made.text("cluster_id")).body.at("custom_tags").at("team").as_string(), "ml");
  EXPECT_EQ(post(nora, "create", with("1")).code(), "QUOTA_EXCEEDED");
  EXPECT_TRUE(call(nora, GET, "/api/2.0/policies/clusters/get-compliance?cluster_id=" + made.text("cluster_id")).body.at("is_compliant").as_bool());
  EXPECT_EQ(call(ada, POST, "/api/2.0/policies/clusters/edit",
                 R"({"policy_id":")" + policy + R"(","name":"p","definition":"{\"num_workers\":{\"type\":\"fixed\",\"value\":0}}"})")
                .status,
            200);
  const auto now = call(nora, GET, "/api/2.0/policies/clusters/get-compliance?cluster_id=" + made.text("cluster_id"));
  EXPECT_FALSE(now.body.at("is_compliant").as_bool());
  EXPECT_THAT(now.body.at("violations").at("num_workers").as_string(), HasSubstr("must be 0"));
  EXPECT_EQ(call(ada, GET, "/api/2.0/policies/clusters/list-compliance?policy_id=" + policy).body.at("clusters").as_array().size(), 1u);
}

TEST_F(ClustersTest, ListsAndLevelsAreObeyed) {
  const auto id = running(maker);
  EXPECT_EQ(get(nora, id).status, 403);
  EXPECT_FALSE(call(nora, GET, "/api/2.1/clusters/list").body.as_object().contains("clusters"));
  permissions.grant(kWorkspace, {"clusters", id}, nora.name, "CAN_ATTACH_TO");
  EXPECT_EQ(get(nora, id).status, 200);
  EXPECT_EQ(post(nora, "restart", id_body(id)).status, 403);
  permissions.grant(kWorkspace, {"clusters", id}, nora.name, "CAN_RESTART");
  EXPECT_EQ(post(nora, "restart", id_body(id)).status, 200);
  EXPECT_EQ(post(nora, "permanent-delete", id_body(id)).status, 403);
  EXPECT_EQ(post(nora, "pin", id_body(id)).status, 403);
  EXPECT_EQ(post(nora, "edit", std::string(kSpec) + R"(,"cluster_id":")" + id + "\"}").status, 403);
}

TEST_F(ClustersTest, APoolCapsItsInstances) {
  const auto pool = call(ada, POST, "/api/2.0/instance-pools/create", R"({"instance_pool_name":"p","node_type_id":"m6g.xlarge","max_capacity":1})")
                        .text("instance_pool_id");
  const std::string body = R"({"spark_version":"15.4.x-scala2.12","num_workers":0,"instance_pool_id":")" + pool + "\"}";
  const auto first = post(ada, "create", body).text("cluster_id");
  settle();
  fleet.up();
  EXPECT_EQ(get(ada, first).text("node_type_id"), "m6g.xlarge");
  EXPECT_EQ(call(ada, GET, "/api/2.0/instance-pools/get?instance_pool_id=" + pool).body.at("stats").at("used_count").to_number<int>(), 1);
  const auto second = post(ada, "create", body).text("cluster_id");
  settle();
  EXPECT_EQ(reason(second), "INSTANCE_POOL_MAX_CAPACITY_REACHED");
  EXPECT_EQ(
      post(ada, "create", R"({"spark_version":"15.4.x-scala2.12","node_type_id":"m5.large","num_workers":0,"instance_pool_id":")" + pool + "\"}")
          .message(),
      "The field 'node_type_id' cannot be supplied when an instance pool ID is provided.");
  const auto stranger = post(maker, "create", body);
  EXPECT_EQ(stranger.status, 403);
}

TEST_F(ClustersTest, WhatThisMachineDoesNotHaveEndsWithTheVendorsReason) {
  const auto gpu =
      post(maker, "create", R"({"spark_version":"15.4.x-gpu-ml-scala2.12","node_type_id":"g5.xlarge","num_workers":0})").text("cluster_id");
  settle();
  EXPECT_EQ(reason(gpu), "AWS_INSUFFICIENT_INSTANCE_CAPACITY_FAILURE");
  const auto scripts = post(maker, "create", std::string(kSpec) + R"(,"init_scripts":[{"workspace":{"destination":"/x.sh"}}]})").text("cluster_id");
  settle();
  EXPECT_EQ(reason(scripts), "INIT_SCRIPT_FAILURE");
  fleet.refuse_with = "no processes left";
  const auto none = make(maker);
  settle();
  EXPECT_EQ(reason(none), "CLOUD_PROVIDER_LAUNCH_FAILURE");
}

TEST_F(ClustersTest, ARequestThatCannotBeIsRefusedByItsField) {
  const auto refused = [&](const std::string& body) {
    const auto a = post(maker, "create", body);
    EXPECT_GE(a.status, 400) << body;
    EXPECT_LT(a.status, 500) << body;
    return a.message();
  };
  EXPECT_THAT(refused("{}"), HasSubstr("spark_version"));
  EXPECT_THAT(refused(R"({"spark_version":"1.0"})"), HasSubstr("1.0"));
  EXPECT_THAT(refused(R"({"spark_version":"15.4.x-scala2.12"})"), HasSubstr("node_type_id"));
  EXPECT_THAT(refused(R"({"spark_version":"15.4.x-scala2.12","node_type_id":"z.z"})"), HasSubstr("z.z"));
  EXPECT_THAT(refused(std::string(kSpec) + R"(,"autotermination_minutes":5})"), HasSubstr("autotermination_minutes"));
  EXPECT_THAT(refused(std::string(kSpec) + R"(,"autoscale":{"min_workers":5,"max_workers":2}})"), HasSubstr("autoscale.min_workers"));
  EXPECT_THAT(refused(std::string(kSpec) + R"(,"policy_id":"none"})"), HasSubstr("Can't find a cluster policy with id: none"));
  EXPECT_THAT(refused(std::string(kSpec) + R"(,"instance_pool_id":"none"})"), HasSubstr("Can't find an instance pool with id: none"));
  EXPECT_THAT(refused(std::string(kSpec) + R"(,"data_security_mode":"ODD"})"), HasSubstr("data_security_mode"));
  EXPECT_THAT(refused(std::string(kSpec) + R"(,"docker_image":{"url":"x"}})"), HasSubstr("docker_image"));
  EXPECT_THAT(refused(std::string(kSpec) + R"(,"spark_env_vars":{"A=B":"c"}})"), HasSubstr("spark_env_vars"));
  EXPECT_THAT(refused(R"({"spark_version":"15.4.x-scala2.12","node_type_id":"m6g.large","num_workers":-1})"), HasSubstr("num_workers"));
}

TEST_F(ClustersTest, WhereLegacyFeaturesAreOffAClusterMustIsolateItsUsers) {
  clusters.must_isolate([](std::int64_t) { return true; });
  for (const auto* mode : {"", R"(,"data_security_mode":"NONE")"}) {
    const auto a = post(maker, "create", std::string(kSpec) + mode + "}");
    EXPECT_EQ(a.status, 400) << mode;
    EXPECT_THAT(a.message(), HasSubstr("data_security_mode"));
  }
  EXPECT_EQ(post(maker, "create", std::string(kSpec) + R"(,"data_security_mode":"USER_ISOLATION"})").status, 200);
}

TEST_F(ClustersTest, EditUpdateResizeAndPages) {
  const auto id = running(maker);
  EXPECT_EQ(
      post(maker, "edit", R"({"cluster_id":")" + id + R"(","spark_version":"15.4.x-scala2.12","node_type_id":"m6g.xlarge","num_workers":0})").status,
      200);
  EXPECT_EQ(get(maker, id).text("state"), "RESTARTING");
  EXPECT_EQ(
      post(maker, "edit", R"({"cluster_id":")" + id + R"(","spark_version":"15.4.x-scala2.12","node_type_id":"m6g.large","num_workers":0})").code(),
      "INVALID_STATE");
  settle();
  fleet.up();
  EXPECT_EQ(get(maker, id).text("node_type_id"), "m6g.xlarge");
  EXPECT_EQ(post(maker, "update",
                 R"({"cluster_id":")" + id +
                     R"(","update_mask":"autotermination_minutes,cluster_name","cluster":{"autotermination_minutes":30,"cluster_name":"n"}})")
                .status,
            200);
  settle();
  fleet.up();
  EXPECT_EQ(get(maker, id).text("cluster_name"), "n");
  EXPECT_EQ(get(maker, id).body.at("autotermination_minutes").to_number<int>(), 30);
  EXPECT_THAT(post(maker, "update", R"({"cluster_id":")" + id + R"(","update_mask":"nonsense","cluster":{}})").message(), HasSubstr("nonsense"));
  EXPECT_EQ(post(maker, "resize", R"({"cluster_id":")" + id + R"(","num_workers":2})").status, 200);
  EXPECT_EQ(get(maker, id).body.at("num_workers").to_number<int>(), 2);
  settle();
  fleet.up_all();
  for (int i = 0; i < 4; ++i) make(maker);
  std::set<std::string> seen;
  std::string token;
  do {
    const auto page = call(maker, GET, "/api/2.1/clusters/list?page_size=2" + (token.empty() ? "" : "&page_token=" + api::percent_encode(token)));
    for (const auto& c : page.body.at("clusters").as_array()) seen.insert(std::string(c.at("cluster_id").as_string()));
    token = page.text("next_page_token");
  } while (!token.empty());
  EXPECT_EQ(seen.size(), 5u);
  EXPECT_EQ(call(maker, GET, "/api/2.1/clusters/list?filter_by.cluster_states=RUNNING").body.at("clusters").as_array().size(), 1u);
  const auto some = post(maker, "events", R"({"cluster_id":")" + id + R"(","limit":2})");
  EXPECT_EQ(some.body.at("events").as_array().size(), 2u);
  EXPECT_TRUE(some.body.as_object().contains("next_page"));
}

TEST_F(ClustersTest, ContextsBelongToTheirMakerAndCommandsEndOnce) {
  const auto id = running(maker);
  const auto body = R"({"clusterId":")" + id + R"(","language":"python"})";
  EXPECT_EQ(call(nora, POST, "/api/1.2/contexts/create", body).status, 403);
  EXPECT_EQ(call(maker, POST, "/api/1.2/contexts/create", R"({"clusterId":")" + id + R"(","language":"scala"})").status, 404);
  const auto context = call(maker, POST, "/api/1.2/contexts/create", body).text("id");
  EXPECT_EQ(fleet.sent.back().second.at("op").as_string(), "context");
  const auto node = fleet.orders.back().instance_id;
  const std::string where = "clusterId=" + id + "&contextId=" + context;
  EXPECT_EQ(call(maker, GET, "/api/1.2/contexts/status?" + where).text("status"), "Pending");
  fleet.listener->node_said(node, {{"type", "context"}, {"id", context}, {"status", "Running"}});
  EXPECT_EQ(call(maker, GET, "/api/1.2/contexts/status?" + where).text("status"), "Running");
  EXPECT_EQ(call(ada, GET, "/api/1.2/contexts/status?" + where).status, 404);
  const auto command = call(maker, POST, "/api/1.2/commands/execute",
                            R"({"clusterId":")" + id + R"(","contextId":")" + context + R"(","language":"python","command":"1+1"})")
                           .text("id");
  fleet.listener->node_said(
      node,
      {{"type", "command"}, {"context", context}, {"id", command}, {"status", "Finished"}, {"results", {{"resultType", "text"}, {"data", "2"}}}});
  fleet.listener->node_said(node, {{"type", "command"}, {"context", context}, {"id", command}, {"status", "Error"}});
  const auto done = call(maker, GET, "/api/1.2/commands/status?" + where + "&commandId=" + command);
  EXPECT_EQ(done.text("status"), "Finished");
  EXPECT_EQ(done.body.at("results").at("data").as_string(), "2");
  EXPECT_EQ(call(maker, POST, "/api/1.2/contexts/destroy", R"({"clusterId":")" + id + R"(","contextId":")" + context + "\"}").status, 200);
  EXPECT_EQ(call(maker, GET, "/api/1.2/contexts/status?" + where).status, 404);
}

TEST_F(ClustersTest, AClusterThatIsolatesItsUsersTakesOneAtATime) {
  const auto context_on = [&](const std::string& id, const access::Caller& who) {
    return call(who, POST, "/api/1.2/contexts/create", R"({"clusterId":")" + id + R"(","language":"python"})");
  };
  const auto id = running(maker, R"(,"data_security_mode":"USER_ISOLATION")");
  const auto mine = context_on(id, maker);
  EXPECT_EQ(mine.status, 200);
  EXPECT_EQ(context_on(id, maker).status, 200);
  EXPECT_THAT(context_on(id, ada).message(), HasSubstr("isolates its users"));
  const auto shared = running(maker, R"(,"data_security_mode":"NONE")");
  EXPECT_EQ(context_on(shared, maker).status, 200);
  EXPECT_EQ(context_on(shared, ada).status, 200);
}

TEST_F(ClustersTest, ASingleUsersClusterIsHisAlone) {
  const auto id = running(maker, R"(,"data_security_mode":"SINGLE_USER")");
  EXPECT_EQ(get(maker, id).text("single_user_name"), maker.name);
  const auto refused = call(ada, POST, "/api/1.2/contexts/create", R"({"clusterId":")" + id + R"(","language":"python"})");
  EXPECT_EQ(refused.status, 403);
  EXPECT_THAT(refused.message(), HasSubstr("Single-user check failed"));
}

}  // namespace
}  // namespace tarn::compute::testing
