#include "compute/cluster_logs.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "base/crypto.h"
#include "base/ids.h"
#include "compute/clusters_fixtures.h"

namespace tarn::compute::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

struct Shelf final : LogDestinations {
  std::map<std::string, std::string> files;
  std::string refuse_with;
  int tries = 0;
  Expected<void, std::string> put(const ClusterRecord&, const std::string& path, const std::string& file) override {
    ++tries;
    if (!refuse_with.empty()) return fail(refuse_with);
    std::ifstream in(file);
    files[path] = {std::istreambuf_iterator<char>(in), {}};
    return {};
  }
};

struct ClusterLogsTest : ClustersTest {
  const std::string folder = std::filesystem::temp_directory_path() / ("tarn-logs-" + new_hex(6));
  Shelf shelf;
  LogOptions options{.folder = folder, .most_file = 64, .most_cluster = 200};
  std::optional<ClusterLogs> logs;

  ClusterLogsTest() { fresh(); }
  ~ClusterLogsTest() override {
    logs.reset();
    std::filesystem::remove_all(folder);
  }
  void fresh() {
    logs.emplace(clusters, shelf, clock, options);
    clusters.logs_are(&*logs);
  }
  static constexpr const char* kConf = R"(,"cluster_log_conf":{"dbfs":{"destination":"dbfs:/logs"}})";
  std::string driver() { return fleet.orders.back().instance_id; }
  void prints(const std::string& instance, std::int64_t at, const std::string& text, const std::string& file = "stdout") {
    fleet.listener->node_said(instance, {{"type", "log"}, {"file", file}, {"at", at}, {"data", crypto::base64(text)}});
  }
  void five_minutes() {
    clock.advance(options.every);
    logs->step();
  }
  json::value status(const std::string& id) {
    const auto a = get(maker, id);
    const auto* s = a.body.as_object().if_contains("cluster_log_status");
    return s ? *s : json::value();
  }
};

TEST_F(ClusterLogsTest, WhatANodePrintsIsDeliveredEveryFiveMinutesAndOnlyIfItIsAskedFor) {
  const auto id = running(maker, kConf);
  EXPECT_EQ(fleet.orders.back().environment.at("TARN_NODE_LOGS"), "1");
  prints(driver(), 0, "one\n");
  logs->step();
  EXPECT_THAT(shelf.files, IsEmpty());
  EXPECT_TRUE(status(id).is_null());
  five_minutes();
  EXPECT_THAT(shelf.files, ElementsAre(Pair("driver/stdout", "one\n")));
  EXPECT_EQ(status(id).at("last_attempted").as_int64(), clock.now());
  EXPECT_FALSE(status(id).as_object().contains("last_exception"));
  const int before = shelf.tries;
  five_minutes();
  EXPECT_EQ(shelf.tries, before);  // nothing new
  prints(driver(), 4, "two\n");
  prints(driver(), 0, "E", "stderr");
  five_minutes();
  EXPECT_THAT(shelf.files, ElementsAre(Pair("driver/stderr", "E"), Pair("driver/stdout", "one\ntwo\n")));

  running(maker);
  EXPECT_FALSE(fleet.orders.back().environment.contains("TARN_NODE_LOGS"));
  shelf.files.clear();
  prints(driver(), 0, "nobody asked");
  five_minutes();
  EXPECT_THAT(shelf.files, IsEmpty());
}

TEST_F(ClusterLogsTest, BytesSaidTwiceAreKeptOnceAndLostOnesAreSaid) {
  running(maker, kConf);
  prints(driver(), 0, "abc");
  prints(driver(), 0, "abc");
  prints(driver(), 1, "bcde");
  prints(driver(), 9, "z");
  five_minutes();
  EXPECT_THAT(shelf.files, ElementsAre(Pair("driver/stdout", "abcde\n*** 4 bytes were lost on their way ***\nz")));
}

TEST_F(ClusterLogsTest, ANodeChoosesNoPath) {
  running(maker, kConf);
  for (const char* name : {"../../x", "/etc/passwd", "", "stdout/..", "other"}) prints(driver(), 0, "x", name);
  fleet.listener->node_said(driver(), {{"type", "log"}, {"file", "stdout"}, {"at", -1}, {"data", "eA=="}});
  fleet.listener->node_said(driver(), {{"type", "log"}, {"file", "stdout"}, {"at", 0}, {"data", "not base64!"}});
  five_minutes();
  EXPECT_THAT(shelf.files, IsEmpty());
}

TEST_F(ClusterLogsTest, AtTheEndNodesAreAskedForTheRestAndWaitedForOnlySoLong) {
  const auto id = running(maker, kConf);
  const auto node = driver();
  ASSERT_EQ(post(maker, "delete", id_body(id)).status, 200);
  settle();
  EXPECT_EQ(get(maker, id).text("state"), "TERMINATING");
  EXPECT_THAT(fleet.sent, ElementsAre(Pair(node, json::object{{"op", "send-logs"}})));
  EXPECT_THAT(fleet.ended, IsEmpty());
  prints(node, 0, "last words\n");
  fleet.listener->node_said(node, {{"type", "logs-sent"}});
  settle();
  EXPECT_EQ(get(maker, id).text("state"), "TERMINATED");
  EXPECT_THAT(fleet.ended, ElementsAre(node));
  logs->step();
  EXPECT_THAT(shelf.files, ElementsAre(Pair("driver/stdout", "last words\n")));
  EXPECT_TRUE(std::filesystem::is_empty(options.folder));

  const auto silent = running(maker, kConf);
  post(maker, "delete", id_body(silent));
  settle();
  EXPECT_EQ(get(maker, silent).text("state"), "TERMINATING");
  clock.advance(options.patience);
  settle();
  EXPECT_EQ(get(maker, silent).text("state"), "TERMINATED");
}

TEST_F(ClusterLogsTest, ARestartClosesFilesUnderTheirTime) {
  const auto id = running(maker, kConf);
  const auto first = driver();
  prints(first, 0, "before\n");
  ASSERT_EQ(post(maker, "restart", id_body(id)).status, 200);
  settle();
  fleet.listener->node_said(first, {{"type", "logs-sent"}});
  settle();
  ASSERT_EQ(fleet.orders.size(), 2u);
  fleet.up();
  prints(driver(), 0, "after\n");
  five_minutes();
  ASSERT_EQ(shelf.files.size(), 2u);
  EXPECT_EQ(shelf.files.at("driver/stdout"), "after\n");
  EXPECT_THAT(shelf.files.rbegin()->first, HasSubstr("driver/stdout--"));
  EXPECT_EQ(shelf.files.rbegin()->second, "before\n");
}

TEST_F(ClusterLogsTest, LargeFilesAreClosedAndWhatCannotBeDeliveredHasABound) {
  const auto id = running(maker, kConf);
  shelf.refuse_with = "User does not have WRITE VOLUME";
  std::int64_t at = 0;
  for (int i = 0; i < 10; ++i, at += 50) prints(driver(), at, std::string(50, char('a' + i)));
  five_minutes();
  EXPECT_EQ(status(id).at("last_exception").as_string(), "User does not have WRITE VOLUME");
  shelf.refuse_with.clear();
  five_minutes();
  std::size_t bytes = 0;
  for (const auto& [path, text] : shelf.files) bytes += text.size();
  EXPECT_EQ(bytes, 200u);
  EXPECT_GE(shelf.files.size(), 2u);
  EXPECT_THAT(std::string(status(id).at("last_exception").as_string()), HasSubstr("300 bytes of logs were dropped"));
}

TEST_F(ClusterLogsTest, AKilledControlPlaneDeliversWhatItHadAndGivesUpSomeTimeAfterTheEnd) {
  const auto id = running(maker, kConf);
  prints(driver(), 0, "kept\n");
  logs.reset();
  fresh();
  logs->step();
  EXPECT_THAT(shelf.files, ElementsAre(Pair("driver/stdout", "kept\n")));

  prints(driver(), 5, "more\n");
  shelf.refuse_with = "away";
  post(maker, "delete", id_body(id));
  settle();
  clock.advance(options.patience);
  settle();
  for (int i = 0; i < options.tries; ++i) {
    logs->step();
    EXPECT_EQ(std::filesystem::is_empty(options.folder), i + 1 == options.tries) << i;
    clock.advance(options.again);
  }
  EXPECT_THAT(std::string(status(id).at("last_exception").as_string()), HasSubstr("away (given up"));
}

TEST_F(ClusterLogsTest, InitScriptsHaveLogsAlsoTheOneThatFailed) {
  const auto id = make(maker, kConf);
  settle();
  fleet.listener->node_lost(driver(), true,
                            "INIT_SCRIPT_FAILURE: the init script /a/setup.sh ended with 3\x1f"
                            R"([{"name":"/a/setup.sh","status":"FAILED_EXECUTION","printed":"no such package\n"}])");
  logs->step();
  ASSERT_EQ(shelf.files.size(), 1u);
  EXPECT_THAT(shelf.files.begin()->first, ::testing::MatchesRegex("init_scripts/" + id + "_i-[0-9a-f]+/[-0-9]+_00_setup\\.sh\\.log"));
  EXPECT_EQ(shelf.files.begin()->second, "no such package\n");
}

TEST_F(ClusterLogsTest, ADestinationIsOneOfThreeAndHasItsForm) {
  const auto refused = [&](const std::string& conf) {
    const auto a = post(maker, "create", std::string(kSpec) + R"(,"cluster_log_conf":)" + conf + "}");
    EXPECT_EQ(a.status, 400) << conf;
    return a.message();
  };
  EXPECT_THAT(refused("{}"), HasSubstr("exactly one of"));
  EXPECT_THAT(refused(R"({"dbfs":{"destination":"dbfs:/a"},"s3":{"destination":"s3://b"}})"), HasSubstr("exactly one of"));
  EXPECT_THAT(refused(R"({"dbfs":{"destination":"/a"}})"), HasSubstr("cluster_log_conf.dbfs.destination' must begin with dbfs:/, got '/a'"));
  EXPECT_THAT(refused(R"({"s3":{}})"), HasSubstr("must begin with s3://"));
  EXPECT_THAT(refused(R"({"volumes":{"destination":"Volumes/a"}})"), HasSubstr("must begin with /Volumes/"));
}

}  // namespace
}  // namespace tarn::compute::testing
