// The network between the nodes of one Spark: which streams are carried, which are refused, and what every node is told.
#include "compute/spark_network.h"

#include <gmock/gmock.h>

#include "base/json_read.h"
#include "compute/clusters_fixtures.h"

namespace tarn::compute::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct SparkNetworkTest : ::testing::Test {
  std::vector<std::pair<std::string, json::object>> sent;
  std::set<std::string> away, stuck;  // not connected; taking no bulk
  SparkNetwork network{{.send =
                            [this](const std::string& to, const json::object& m) {
                              if (away.contains(to)) return false;
                              sent.emplace_back(to, m);
                              return true;
                            },
                        .carry =
                            [this](const std::string& to, const json::object& m) {
                              if (away.contains(to) || stuck.contains(to)) return false;
                              sent.emplace_back(to, m);
                              return true;
                            },
                        .runs = [](const std::string& cluster, const std::string& context) { return context.starts_with(cluster); }}};
  SparkNetworkTest() {
    network.keep({{"c1", {.driver = "i-d1", .workers = {"i-a", "i-b"}, .target = 2, .most = 2, .worker_memory = 5, .worker_cpus = 1}},
                  {"c2", {.driver = "i-d2", .workers = {"i-x"}, .target = 1, .most = 1}}});
    announce("i-d1", {"c1-one", "c1-two"});
    announce("i-d2", {"c2-one"});
    sent.clear();
  }
  void announce(const std::string& driver, const std::vector<std::string>& contexts) {
    json::object told;
    for (const auto& c : contexts) told[c] = {{"secret", "s"}};
    EXPECT_TRUE(network.said(driver, {{"type", "spark"}, {"contexts", told}}));
  }
  void open(const std::string& from, const std::string& id, const std::string& to, int port, const std::string& context = "c1-one") {
    EXPECT_TRUE(network.said(from, {{"type", "stream"}, {"open", id}, {"context", context}, {"to", to}, {"port", port}}));
  }
  void pass(const std::string& from, const std::string& id, const std::string& what, const json::value& value) {
    EXPECT_TRUE(network.said(from, {{"type", "stream"}, {"id", id}, {what, value}}));
  }
  /// What was sent since, as "to: what".
  std::vector<std::string> told() {
    std::vector<std::string> out;
    for (const auto& [to, m] : sent) {
      std::string text = to + ": ";
      for (const char* name : {"open", "data", "took", "fin", "reset"})
        if (const auto* v = m.if_contains(name)) text += std::string(name) + " " + boost::json::serialize(*v);
      out.push_back(text);
    }
    sent.clear();
    return out;
  }
  std::string refusal(const std::string& from, const std::string& to, int port, const std::string& context) {
    open(from, "s", to, port, context);
    const auto last = sent.empty() ? json::object{} : sent.back().second;
    EXPECT_TRUE(sent.size() == 1 && sent[0].first == from) << from << " -> " << to;
    sent.clear();
    return json::text_at(last, "reset");
  }
};

TEST_F(SparkNetworkTest, AStreamIsCarriedBothWaysUntilBothEndsHaveSaidAll) {
  open("i-a", "s", "", 7077);
  EXPECT_THAT(told(), ElementsAre("i-d1: open \"s\""));
  pass("i-a", "s", "data", "abc");
  pass("i-d1", "s", "took", 3);
  pass("i-a", "s", "fin", true);
  pass("i-d1", "s", "data", "def");
  pass("i-d1", "s", "fin", true);
  EXPECT_THAT(told(), ElementsAre("i-d1: data \"abc\"", "i-a: took 3", "i-d1: fin true", "i-a: data \"def\"", "i-a: fin true"));
  pass("i-a", "s", "took", 3);  // after its end: nobody's fault
  EXPECT_THAT(told(), IsEmpty());
  pass("i-a", "s", "data", "late");
  EXPECT_THAT(told(), ElementsAre("i-a: reset \"no such stream\""));
  open("i-d1", "w", "i-b", 7081);
  open("i-a", "x", "i-b", 7082);
  pass("i-b", "x", "reset", "refused");
  EXPECT_THAT(told(), ElementsAre("i-b: open \"w\"", "i-b: open \"x\"", "i-a: reset \"refused\""));
  EXPECT_EQ(network.figures().streams, 1);
  EXPECT_EQ(network.figures().opened, 3);
}

TEST_F(SparkNetworkTest, NoStreamLeavesItsClusterItsContextOrSparksPorts) {
  EXPECT_THAT(refusal("i-a", "i-x", 7082, "c1-one"), HasSubstr("not another node of this cluster"));
  EXPECT_THAT(refusal("i-a", "i-d2", 7077, "c1-one"), HasSubstr("not another node of this cluster"));
  EXPECT_THAT(refusal("i-a", "i-a", 7082, "c1-one"), HasSubstr("not another node of this cluster"));
  EXPECT_THAT(refusal("i-a", "", 7077, "c2-one"), HasSubstr("not a context of this cluster"));
  EXPECT_THAT(refusal("i-d1", "i-a", 7081, "c1-three"), HasSubstr("not a context of this cluster"));
  EXPECT_THAT(refusal("i-a", "", 22, "c1-one"), HasSubstr("not a port"));
  EXPECT_THAT(refusal("i-a", "", 7082, "c1-one"), HasSubstr("not a port"));
  EXPECT_THAT(refusal("i-a", "i-b", 7077, "c1-one"), HasSubstr("not a port"));
  EXPECT_THAT(refusal("i-nobody", "", 7077, "c1-one"), HasSubstr("belongs to no cluster"));
  EXPECT_EQ(network.figures().refused, 9);
  // A driver that claims another cluster's context opens nothing in it and starts nothing.
  announce("i-d1", {"c1-one", "c2-one"});
  for (const auto& [to, m] : sent) {
    EXPECT_NE(to, "i-x");
    EXPECT_FALSE(m.at("contexts").as_object().contains("c2-one"));
  }
  sent.clear();
  EXPECT_THAT(refusal("i-d1", "i-x", 7081, "c2-one"), HasSubstr("not a context of this cluster"));
  // And a worker announces nothing.
  announce("i-a", {"c1-one", "c1-evil"});
  EXPECT_THAT(told(), IsEmpty());
  EXPECT_THAT(refusal("i-a", "i-b", 7082, "c1-evil"), HasSubstr("not a context of this cluster"));
}

TEST_F(SparkNetworkTest, AStrangerNeitherSpeaksInAStreamNorEndsIt) {
  open("i-a", "s", "i-b", 7082);
  sent.clear();
  for (const char* who : {"i-x", "i-d1", "i-nobody"}) {
    pass(who, "s", "data", "forged");
    pass(who, "s", "reset", "forged");
    pass(who, "s", "fin", true);
  }
  for (const auto& [to, m] : sent) EXPECT_TRUE(to != "i-a" && to != "i-b") << to;
  sent.clear();
  open("i-x", "s", "", 7077, "c2-one");  // a name that is taken
  EXPECT_THAT(told(), ElementsAre("i-x: reset \"not a new stream\""));
  pass("i-b", "s", "data", "true");
  EXPECT_THAT(told(), ElementsAre("i-a: data \"true\""));
}

TEST_F(SparkNetworkTest, WhatANodeLeavesBehindEnds) {
  open("i-a", "s", "i-b", 7082);
  open("i-b", "t", "", 7078);
  open("i-a", "u", "", 7078);
  sent.clear();
  network.lost("i-b");
  EXPECT_THAT(told(), ElementsAre("i-a: reset \"the other node is gone\"", "i-d1: reset \"the other node is gone\""));
  network.up("i-a");  // it dialled in again: what it had is gone, and it is told what it is to run
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].first, "i-d1");
  EXPECT_EQ(sent[1].second.at("contexts").as_object().size(), 2u);
  sent.clear();
  // One that takes nothing more loses the stream, not the connection; both ends hear it.
  open("i-a", "v", "i-b", 7082);
  stuck.insert("i-b");
  sent.clear();
  pass("i-a", "v", "data", "abc");
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_THAT(json::text_at(sent[0].second, "reset"), HasSubstr("does not take"));
  sent.clear();
  open("i-a", "w", "i-b", 7082);
  EXPECT_THAT(told(), ElementsAre("i-a: reset \"that node is not connected\""));
  EXPECT_EQ(network.figures().streams, 0);
}

TEST_F(SparkNetworkTest, EveryNodeIsToldWhoIsThereAndWhatItIsToRun) {
  network.keep({{"c1", {.driver = "i-d1", .workers = {"i-a"}, .target = 2, .most = 2, .worker_memory = 5, .worker_cpus = 1}}});
  ASSERT_EQ(sent.size(), 2u);  // nothing of the other cluster's, which is gone
  EXPECT_EQ(sent[0].first, "i-d1");
  EXPECT_EQ(boost::json::serialize(sent[0].second.at("workers")), R"(["i-a"])");
  EXPECT_EQ(sent[0].second.at("memory_bytes").as_int64(), 5);
  EXPECT_FALSE(sent[0].second.contains("contexts"));
  EXPECT_EQ(sent[1].first, "i-a");
  EXPECT_EQ(sent[1].second.at("me").as_string(), "i-a");
  sent.clear();
  network.said("i-a", {{"type", "spark"}, {"context", "c1-one"}, {"status", "failed"}, {"message", "no memory"}});
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_EQ(sent[0].first, "i-d1");
  EXPECT_EQ(sent[0].second.at("message").as_string(), "no memory");
  sent.clear();
  // A driver that has not said what it has ends nothing on the workers.
  network.lost("i-d1");
  network.up("i-a");
  EXPECT_THAT(sent, IsEmpty());
  announce("i-d1", {});
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_TRUE(sent[0].second.at("contexts").as_object().empty());
  EXPECT_FALSE(network.said("i-a", {{"type", "command"}}));
}

/// The same of a cluster's life: who is told when.
struct SparkOfClustersTest : ClustersTest {
  std::vector<json::object> told(const std::string& instance) {
    std::vector<json::object> out;
    for (const auto& [to, m] : fleet.sent)
      if (to == instance && json::text_at(m, "op") == "spark") out.push_back(m);
    return out;
  }
  std::string up_with(const std::string& size) {
    const auto a =
        post(maker, "create", R"({"cluster_name":"c","spark_version":"apache-spark-4.2.x-scala2.13","node_type_id":"m6g.large",)" + size + "}");
    EXPECT_EQ(a.status, 200) << a.body;
    settle();
    fleet.up_all();
    settle();
    return a.text("cluster_id");
  }
};

TEST_F(SparkOfClustersTest, WorkersThatComeAndGoAreInTheNetwork) {
  const auto id = up_with(R"("num_workers":1)");
  const auto c = *clusters.find(id);
  const auto driver = c.instance->instance_id, worker = c.workers[0].instance_id;
  EXPECT_EQ(fleet.orders[0].environment.at("TARN_SPARK_WORKERS"), "1");
  EXPECT_EQ(told(driver).back().at("target").as_int64(), 1);
  EXPECT_THAT(told(worker), IsEmpty());
  const auto context = call(maker, api::Method::POST, "/api/1.2/contexts/create", R"({"clusterId":")" + id + R"(","language":"python"})").text("id");
  fleet.listener->node_said(driver, {{"type", "spark"}, {"contexts", {{context, {{"secret", "s"}}}, {"another", {{"secret", "s"}}}}}});
  ASSERT_EQ(told(worker).size(), 1u);
  EXPECT_EQ(told(worker)[0].at("contexts").as_object().size(), 1u);
  EXPECT_EQ(post(maker, "resize", R"({"cluster_id":")" + id + R"(","num_workers":2})").status, 200);
  settle();
  fleet.up_all();
  settle();
  const auto later = clusters.find(id)->workers[1].instance_id;
  EXPECT_EQ(told(later).back().at("contexts").as_object().size(), 1u);
  EXPECT_EQ(told(worker).back().at("workers").as_array().size(), 2u);
  fleet.listener->node_lost(worker, true, "killed");
  settle();
  EXPECT_EQ(boost::json::serialize(told(driver).back().at("workers")), "[\"" + later + "\"]");
}

TEST_F(SparkOfClustersTest, OneCommandIsAWorkersLoadWhereTheDriverRunsNoTasks) {
  const auto id = up_with(R"("autoscale":{"min_workers":0,"max_workers":2})");
  EXPECT_EQ(clusters.find(id)->target_workers, 0);
  const auto context = call(maker, api::Method::POST, "/api/1.2/contexts/create", R"({"clusterId":")" + id + R"(","language":"python"})").text("id");
  call(maker, api::Method::POST, "/api/1.2/commands/execute",
       R"({"clusterId":")" + id + R"(","contextId":")" + context + R"(","language":"python","command":"1"})");
  clock.advance(20'000);
  settle();
  EXPECT_EQ(clusters.find(id)->target_workers, 1);
}

}  // namespace
}  // namespace tarn::compute::testing
