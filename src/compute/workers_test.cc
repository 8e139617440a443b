// Workers, autoscaling, pools that keep instances ready, what is metered.
#include <gmock/gmock.h>

#include "compute/clusters_fixtures.h"

namespace tarn::compute::testing {
namespace {

using ::testing::Contains;
using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using enum api::Method;

struct WorkersTest : ClustersTest {
  billing::Usage usage{*store};
  WorkersTest() { usage.also(&clusters); }

  static std::string spec(const std::string& size, const std::string& more = "") {
    return R"({"cluster_name":"c","spark_version":"15.4.x-scala2.12","node_type_id":"m6g.large",)" + size + more + "}";
  }
  std::string with(const std::string& size, const std::string& more = "") {
    const auto a = post(maker, "create", spec(size, more));
    EXPECT_EQ(a.status, 200) << a.body;
    settle();
    return a.text("cluster_id");
  }
  std::string up_with(const std::string& size, const std::string& more = "") {
    const auto id = with(size, more);
    fleet.up_all();
    EXPECT_EQ(get(maker, id).text("state"), "RUNNING");
    return id;
  }
  std::size_t executors(const std::string& id) {
    const auto c = get(maker, id);
    const auto* e = c.body.as_object().if_contains("executors");
    return e ? e->as_array().size() : 0;
  }
  /// Every node of the cluster says that it uses this many cores, in two reports ten seconds apart.
  void load(const std::string& id, double cores) {
    const auto c = *clusters.find(id);
    for (int i = 0; i < 2; ++i) {
      cpu += static_cast<std::int64_t>(cores * 10'000'000);
      for (const auto* n : c.instances())
        fleet.listener->node_said(n->instance_id, {{"type", "metrics"}, {"memory_bytes", 1 << 20}, {"cpu_micros", cpu}, {"processes", 3}});
      if (i == 0) clock.advance(10'000);
    }
  }
  std::int64_t cpu = 0;
  std::string pool(const std::string& more) {
    const auto a = call(ada, POST, "/api/2.0/instance-pools/create",
                        R"({"instance_pool_name":"p","node_type_id":"m6g.large","idle_instance_autotermination_minutes":10)" + more + "}");
    EXPECT_EQ(a.status, 200) << a.body;
    permissions.grant(kWorkspace, {"instance-pools", a.text("instance_pool_id")}, maker.name, "CAN_ATTACH_TO");
    return a.text("instance_pool_id");
  }
  PoolStats stats(const std::string& id) { return pools.stats(*pools.find(kWorkspace, id)); }
  std::string on(const std::string& pool_id, const std::string& workers = "0", const std::string& more = "") {
    const auto a = post(maker, "create",
                        R"({"spark_version":"15.4.x-scala2.12","num_workers":)" + workers + R"(,"instance_pool_id":")" + pool_id + "\"" + more + "}");
    EXPECT_EQ(a.status, 200) << a.body;
    settle();
    return a.text("cluster_id");
  }
};

TEST_F(WorkersTest, AClusterIsUpWhenAllItsNodesAre) {
  const auto id = with(R"("num_workers":2)");
  ASSERT_EQ(fleet.orders.size(), 3u);
  EXPECT_EQ(fleet.orders[0].role, NodeRole::driver);
  EXPECT_EQ(fleet.orders[1].role, NodeRole::worker);
  fleet.up(fleet.orders[0]);
  fleet.up(fleet.orders[1]);
  EXPECT_EQ(get(maker, id).text("state"), "PENDING");
  fleet.up(fleet.orders[2]);
  EXPECT_EQ(get(maker, id).text("state"), "RUNNING");
  EXPECT_EQ(executors(id), 2u);
  EXPECT_DOUBLE_EQ(get(maker, id).body.at("cluster_cores").to_number<double>(), 6);
  EXPECT_EQ(post(maker, "delete", id_body(id)).status, 200);
  settle();
  EXPECT_EQ(fleet.ended.size(), 3u);
  EXPECT_TRUE(clusters.find(id)->old_instances.empty());
}

TEST_F(WorkersTest, ALostWorkerIsReplacedAndThreeFailuresEndTheTry) {
  const auto id = up_with(R"("num_workers":1)");
  const auto worker = clusters.find(id)->workers[0].instance_id;
  fleet.listener->node_lost(worker, true, "killed");
  settle();
  EXPECT_THAT(events(id), Contains("NODES_LOST"));
  ASSERT_EQ(fleet.orders.size(), 3u);
  EXPECT_EQ(get(maker, id).text("state"), "RUNNING");  // its driver works on
  fleet.up_all();
  EXPECT_EQ(executors(id), 1u);
  // One whose connection is gone for longer than its lease is lost too.
  fleet.listener->node_lost(clusters.find(id)->workers[0].instance_id, false, "connection");
  clock.advance(31'000);
  settle();
  ASSERT_EQ(fleet.orders.size(), 4u);
  for (int i = 0; i < 3; ++i) {
    fleet.listener->node_lost(fleet.orders.back().instance_id, true, "no memory");
    clock.advance(60'000);
    settle();
  }
  EXPECT_THAT(events(id), Contains("ADD_NODES_FAILED"));
  EXPECT_EQ(fleet.orders.size(), 6u);
  EXPECT_EQ(get(maker, id).text("state"), "RUNNING");
}

TEST_F(WorkersTest, AWorkerThatNeverStartsEndsTheStart) {
  const auto id = with(R"("num_workers":1)");
  fleet.up(fleet.orders[0]);
  for (int i = 0; i < 3; ++i) {
    fleet.listener->node_lost(fleet.orders.back().instance_id, true, "no memory");
    clock.advance(60'000);
    settle();
  }
  EXPECT_EQ(get(maker, id).text("state"), "TERMINATED");
  EXPECT_EQ(reason(id), "SELF_BOOTSTRAP_FAILURE");
  const auto late = with(R"("num_workers":1)");
  fleet.up(fleet.orders[fleet.orders.size() - 2]);
  clock.advance(701'000);
  settle();
  EXPECT_EQ(reason(late), "BOOTSTRAP_TIMEOUT");
}

TEST_F(WorkersTest, AResizeIsRunWhileTheClusterWorks) {
  const auto id = up_with(R"("num_workers":0)");
  EXPECT_EQ(post(maker, "resize", R"({"cluster_id":")" + id + R"(","num_workers":2})").status, 200);
  EXPECT_EQ(get(maker, id).text("state"), "RESIZING");
  settle();
  ASSERT_EQ(fleet.orders.size(), 3u);
  // Code goes on meanwhile.
  EXPECT_EQ(call(maker, POST, "/api/1.2/contexts/create", R"({"clusterId":")" + id + R"(","language":"python"})").status, 200);
  fleet.up_all();
  EXPECT_EQ(get(maker, id).text("state"), "RUNNING");
  EXPECT_EQ(executors(id), 2u);
  const auto keeps = clusters.find(id)->workers[0].instance_id;
  EXPECT_EQ(post(maker, "resize", R"({"cluster_id":")" + id + R"(","num_workers":1})").status, 200);
  settle();
  EXPECT_EQ(get(maker, id).text("state"), "RUNNING");
  EXPECT_EQ(clusters.find(id)->workers[0].instance_id, keeps);
  EXPECT_EQ(fleet.ended.size(), 1u);
  EXPECT_THAT(events(id), Contains("UPSIZE_COMPLETED"));
}

TEST_F(WorkersTest, AutoscalingFollowsTheLoadWithinItsBounds) {
  const auto id = up_with(R"("autoscale":{"min_workers":1,"max_workers":3})");
  EXPECT_EQ(executors(id), 1u);
  load(id, 50);
  settle();
  EXPECT_EQ(clusters.find(id)->target_workers, 3);  // never beyond its most
  EXPECT_EQ(get(maker, id).text("state"), "RESIZING");
  fleet.up_all();
  EXPECT_EQ(get(maker, id).text("state"), "RUNNING");
  EXPECT_THAT(events(id), Contains("AUTOSCALING_STATS_REPORT"));
  // It shrinks when the load was low for a while, not at once.
  load(id, 0);
  settle();
  EXPECT_EQ(clusters.find(id)->target_workers, 3);
  for (int i = 0; i < 17; ++i) {
    load(id, 0);
    settle();
  }
  EXPECT_EQ(clusters.find(id)->target_workers, 1);
  EXPECT_EQ(fleet.ended.size(), 2u);
}

TEST_F(WorkersTest, CommandsThatWaitAreLoadAndKeepAClusterAwake) {
  const auto id = up_with(R"("autoscale":{"min_workers":0,"max_workers":2})", R"(,"autotermination_minutes":10)");
  const auto context = call(maker, POST, "/api/1.2/contexts/create", R"({"clusterId":")" + id + R"(","language":"python"})").text("id");
  const auto run = [&] {
    return call(maker, POST, "/api/1.2/commands/execute",
                R"({"clusterId":")" + id + R"(","contextId":")" + context + R"(","language":"python","command":"1"})")
        .text("id");
  };
  const auto first = run();
  run();
  clock.advance(20'000);
  settle();
  EXPECT_EQ(clusters.find(id)->target_workers, 1);
  fleet.up_all();
  clock.advance(11 * 60'000);
  settle();
  EXPECT_EQ(get(maker, id).text("state"), "RUNNING");  // nobody asks, and code runs
  const auto node = clusters.find(id)->instance->instance_id;
  for (const auto& c : {first}) fleet.listener->node_said(node, {{"type", "command"}, {"context", context}, {"id", c}, {"status", "Finished"}});
  EXPECT_EQ(contexts.busy(id), 1);
}

TEST_F(WorkersTest, APoolKeepsInstancesReadyAndHandsThemOut) {
  const auto id = pool(R"(,"min_idle_instances":2,"max_capacity":4,"preloaded_spark_versions":["15.4.x-scala2.12"])");
  settle();
  ASSERT_EQ(fleet.orders.size(), 2u);
  EXPECT_EQ(fleet.orders[0].role, NodeRole::waiting);
  EXPECT_EQ(fleet.orders[0].environment.at("TARN_NODE_PRELOADED"), "15.4.x-scala2.12");
  EXPECT_EQ(stats(id).pending_idle_count, 2);
  fleet.up_all();
  EXPECT_EQ(stats(id).idle_count, 2);
  // It takes a waiting one: nothing is launched for it, and another comes to wait.
  const auto cluster = on(id, "0", R"(,"spark_env_vars":{"A":"b"})");
  const auto node = clusters.find(cluster)->instance->instance_id;
  EXPECT_TRUE(node == fleet.orders[0].instance_id || node == fleet.orders[1].instance_id);
  const auto& told = fleet.sent.back();
  EXPECT_EQ(told.first, node);
  EXPECT_EQ(told.second.at("op").as_string(), "assign");
  EXPECT_EQ(told.second.at("environment").at("A").as_string(), "b");
  fleet.up(node, "");  // it dialled in before it heard: not yet
  EXPECT_EQ(get(maker, cluster).text("state"), "PENDING");
  fleet.up(node, cluster);
  EXPECT_EQ(get(maker, cluster).text("state"), "RUNNING");
  EXPECT_EQ(stats(id).used_count, 1);
  settle();
  EXPECT_EQ(fleet.orders.size(), 3u);
  // Another runtime than the preloaded one starts from nothing.
  const auto other =
      post(maker, "create", R"({"spark_version":"17.3.x-scala2.13","num_workers":0,"instance_pool_id":")" + id + "\"}").text("cluster_id");
  settle();
  ASSERT_EQ(fleet.orders.size(), 4u);
  EXPECT_EQ(fleet.orders[3].role, NodeRole::driver);
  // Full now: two used, two waiting.
  const auto none =
      post(maker, "create", R"({"spark_version":"17.3.x-scala2.13","num_workers":0,"instance_pool_id":")" + id + "\"}").text("cluster_id");
  settle();
  EXPECT_EQ(reason(none), "INSTANCE_POOL_MAX_CAPACITY_REACHED");
  (void)other;
}

TEST_F(WorkersTest, AUsedInstanceIsReplacedByAFreshOneThatWaitsItsTime) {
  const auto id = pool("");
  const auto cluster = on(id);
  fleet.up_all();
  const auto used = clusters.find(cluster)->instance->instance_id;
  EXPECT_EQ(post(maker, "delete", id_body(cluster)).status, 200);
  settle();
  EXPECT_THAT(fleet.ended, ElementsAre(used));
  ASSERT_EQ(fleet.orders.size(), 2u);
  EXPECT_EQ(fleet.orders[1].role, NodeRole::waiting);
  fleet.up(fleet.orders[1]);
  EXPECT_EQ(stats(id).idle_count, 1);
  clock.advance(9 * 60'000);
  settle();
  EXPECT_EQ(stats(id).idle_count, 1);
  clock.advance(2 * 60'000);
  settle();
  EXPECT_EQ(stats(id).idle_count, 0);
  EXPECT_THAT(fleet.ended, ElementsAre(used, fleet.orders[1].instance_id));
}

TEST_F(WorkersTest, WaitingInstancesHaveTokensLeasesAndAnEnd) {
  const auto id = pool(R"(,"min_idle_instances":1)");
  settle();
  const auto order = fleet.orders.at(0);
  const std::string lease(64, 'l');
  EXPECT_FALSE(clusters.node_admitted(order.instance_id, "x", lease));
  EXPECT_TRUE(clusters.node_admitted(order.instance_id, order.token, lease));
  EXPECT_FALSE(clusters.node_admitted(order.instance_id, order.token, std::string(64, 'm')));
  fleet.up_all();
  fleet.listener->node_lost(order.instance_id, false, "connection");
  clock.advance(31'000);
  settle();
  EXPECT_THAT(fleet.ended, Contains(order.instance_id));
  settle();
  ASSERT_EQ(fleet.orders.size(), 2u);  // another waits in its place
  // One that cannot start is not tried again at once.
  fleet.listener->node_lost(fleet.orders[1].instance_id, true, "no memory");
  settle();
  EXPECT_EQ(fleet.orders.size(), 2u);
  clock.advance(31'000);
  settle();
  EXPECT_EQ(fleet.orders.size(), 3u);
  fleet.up_all();
  EXPECT_EQ(call(ada, POST, "/api/2.0/instance-pools/delete", R"({"instance_pool_id":")" + id + "\"}").status, 200);
  settle();
  EXPECT_THAT(fleet.ended, Contains(fleet.orders[2].instance_id));
}

TEST_F(WorkersTest, WhatRunsIsMeteredByNodeTypeAndHour) {
  const Millis hour = 3'600'000;
  clock.advance(hour - clock.now() % hour);
  const Millis began = clock.now();
  const auto id = up_with(R"("num_workers":1)");
  clock.advance(hour / 2);
  const auto so_far = usage.rows(began, began + 10 * hour);  // not written down yet
  ASSERT_EQ(so_far.size(), 1u);
  EXPECT_THAT(so_far[0].dbus, DoubleNear(0.36, 1e-6));  // two m6g.large for half an hour
  EXPECT_EQ(so_far[0].sku_name, "PREMIUM_ALL_PURPOSE_COMPUTE");
  EXPECT_EQ(post(maker, "resize", R"({"cluster_id":")" + id + R"(","num_workers":0})").status, 200);
  clock.advance(hour);
  settle();
  const auto later = usage.rows(began, began + 10 * hour);
  ASSERT_EQ(later.size(), 2u);
  EXPECT_THAT(later[0].dbus, DoubleNear(0.36 + 0.18, 1e-6));
  EXPECT_THAT(later[1].dbus, DoubleNear(0.18, 1e-6));
  EXPECT_EQ(post(maker, "delete", id_body(id)).status, 200);
  settle();
  clock.advance(5 * hour);
  settle();
  const auto last = usage.rows(began, began + 10 * hour);
  ASSERT_EQ(last.size(), 2u);
  EXPECT_THAT(last[0].dbus + last[1].dbus, DoubleNear(0.72, 1e-6));
}

TEST_F(WorkersTest, AServerThatWasAwayForADayDoesNotCountTheDay) {
  const Millis hour = 3'600'000;
  clock.advance(hour - clock.now() % hour);
  const Millis began = clock.now();
  const auto id = up_with(R"("num_workers":0)");
  clock.advance(hour / 2);
  settle();
  clock.advance(24 * hour);
  Clusters after(*store, permissions, pools, policies, profiles, fleet, clock, {.lease = 30'000});
  after.recover();
  after.start_driving();
  after.stop();
  clock.advance(31'000);
  while (after.step()) {
  }
  EXPECT_EQ(after.find(id)->termination_reason->code, "COMMUNICATION_LOST");
  double sum = 0;
  for (const auto& u : billing::Usage(*store).rows(began, began + 100 * hour)) sum += u.dbus;
  EXPECT_THAT(sum, DoubleNear(0.18, 0.36 / 60 * 2));  // half an hour of m6g.large, to the minute
}

TEST_F(WorkersTest, ASpentBudgetStopsWhatItCoversAndStartsNothing) {
  const auto id = up_with(R"("num_workers":0)", R"(,"custom_tags":{"team":"ml"})");
  const auto other = up_with(R"("num_workers":0)");
  clusters.blocked_by([](std::int64_t, const std::map<std::string, std::string>& tags) -> std::optional<std::string> {
    if (!tags.contains("team")) return std::nullopt;
    return "The budget 'b' is spent";
  });
  settle();
  EXPECT_EQ(get(maker, id).text("state"), "TERMINATED");
  EXPECT_EQ(reason(id), "BUDGET_POLICY_LIMIT_ENFORCEMENT_ACTIVATED");
  EXPECT_EQ(get(maker, id).text("state_message"), "The budget 'b' is spent");
  EXPECT_EQ(get(maker, other).text("state"), "RUNNING");
  EXPECT_EQ(post(maker, "start", id_body(id)).code(), "QUOTA_EXCEEDED");
  EXPECT_EQ(post(maker, "create", spec(R"("num_workers":0)", R"(,"custom_tags":{"team":"ml"})")).message(), "The budget 'b' is spent");
}

TEST_F(WorkersTest, MinutesOfNodesAreKept) {
  const auto id = up_with(R"("num_workers":0)");
  clock.advance(60'000 - clock.now() % 60'000);
  load(id, 0.5);
  settle();
  clock.advance(60'000);
  settle();
  const auto minutes = store->read_as([&](store::ReadTxn& t) { return minutes_table.scan(t); });
  ASSERT_EQ(minutes.size(), 1u);
  EXPECT_EQ(minutes[0].cluster_id, id);
  EXPECT_TRUE(minutes[0].driver);
  EXPECT_GT(minutes[0].cpu_percent, 0);
  EXPECT_LE(minutes[0].cpu_percent, 100);
}

TEST_F(WorkersTest, AKilledControlPlaneFindsWorkersAndWaitingInstances) {
  const auto id = up_with(R"("num_workers":1)");
  const auto p = pool(R"(,"min_idle_instances":1)");
  settle();
  fleet.up_all();
  Clusters after(*store, permissions, pools, policies, profiles, fleet, clock, {.bootstrap_timeout = 700'000, .lease = 30'000});
  after.recover();
  after.start_driving();
  after.stop();
  for (const auto& o : fleet.orders) fleet.listener->node_up(o.instance_id, {{"cluster_id", o.cluster_id}});
  clock.advance(31'000);
  while (after.step()) {
  }
  EXPECT_EQ(after.find(id)->state, State::RUNNING);
  EXPECT_EQ(after.find(id)->workers[0].lost_at, 0);
  EXPECT_EQ(after.stats(kWorkspace, p).idle_count, 1);
  EXPECT_TRUE(fleet.ended.empty());
}

}  // namespace
}  // namespace tarn::compute::testing
