#include "compute/libraries.h"

#include <gmock/gmock.h>

#include "compute/clusters_fixtures.h"

namespace tarn::compute::testing {
namespace {

using ::testing::HasSubstr;
using enum api::Method;

struct Shelf final : LibrarySource {
  std::map<std::string, std::string> files;
  std::set<std::string> refused;
  Expected<std::string, std::string> file(std::int64_t, std::int64_t, const std::string& path) override {
    const auto i = files.find(path);
    if (i == files.end()) return fail(path + " does not exist");
    return i->second;
  }
  std::optional<std::string> refused_index(const std::string& url) override {
    return refused.contains(url) ? std::optional("the address of " + url + " is inside this network") : std::nullopt;
  }
};

struct LibrariesTest : ClustersTest {
  Shelf shelf;
  Libraries libraries{*store, clusters, shelf, clock, {.index = "https://index.example/simple"}};
  LibrariesTest() { router.add(library_routes(libraries)); }

  Answer library(const std::string& verb, const std::string& cluster, const std::string& one, const access::Caller& who) {
    return call(who, POST, "/api/2.0/libraries/" + verb, R"({"cluster_id":")" + cluster + R"(","libraries":[)" + one + "]}");
  }
  Answer library(const std::string& verb, const std::string& cluster, const std::string& one) { return library(verb, cluster, one, maker); }
  void work() {
    while (libraries.step()) {
    }
  }
  json::array statuses(const std::string& cluster) {
    const auto a = call(maker, GET, "/api/2.0/libraries/cluster-status?cluster_id=" + cluster);
    const auto* l = a.body.as_object().if_contains("library_statuses");
    return l ? l->as_array() : json::array{};
  }
  std::string status(const std::string& cluster) { return std::string(statuses(cluster).at(0).at("status").as_string()); }
  std::vector<json::object> sent(const std::string& op) {
    std::vector<json::object> out;
    for (const auto& [id, m] : fleet.sent)
      if (m.at("op").as_string() == op) out.push_back(m);
    return out;
  }
};

TEST_F(LibrariesTest, APackageGoesToEveryNodeAndItsStateIsWhatTheySay) {
  const auto made = post(maker, "create", R"({"spark_version":"15.4.x-scala2.12","node_type_id":"m6g.large","num_workers":1})");
  const auto id = made.text("cluster_id");
  settle();
  EXPECT_EQ(library("install", id, R"({"pypi":{"package":"simplejson==3.19.1"}})").status, 200);
  EXPECT_EQ(status(id), "PENDING");
  fleet.up_all();
  work();
  const auto orders = sent("library");
  ASSERT_EQ(orders.size(), 2u);
  EXPECT_EQ(orders[0].at("package").as_string(), "simplejson==3.19.1");
  EXPECT_EQ(orders[0].at("index").as_string(), "https://index.example/simple");
  EXPECT_EQ(status(id), "INSTALLING");
  const auto key = std::string(orders[0].at("id").as_string());
  const auto nodes = clusters.find(id)->instances();
  fleet.listener->node_said(fleet.orders[0].instance_id, {{"type", "library"}, {"id", key}, {"status", "INSTALLED"}});
  EXPECT_EQ(status(id), "INSTALLING");
  fleet.listener->node_said(fleet.orders[1].instance_id, {{"type", "library"}, {"id", key}, {"status", "FAILED"}, {"message", "no such version"}});
  EXPECT_EQ(status(id), "FAILED");
  EXPECT_EQ(statuses(id).at(0).at("messages").as_array().at(0).as_string(), "no such version");
  // A restart installs anew; what was to go has gone.
  EXPECT_EQ(library("uninstall", id, R"({"pypi":{"package":"simplejson==3.19.1"}})").status, 200);
  EXPECT_EQ(status(id), "UNINSTALL_ON_RESTART");
  EXPECT_EQ(library("install", id, R"({"pypi":{"package":"six"}})").status, 200);
  work();
  EXPECT_EQ(post(maker, "restart", id_body(id)).status, 200);
  settle();
  ASSERT_EQ(statuses(id).size(), 1u);
  EXPECT_EQ(status(id), "PENDING");
  fleet.sent.clear();
  fleet.up_all();
  work();
  EXPECT_EQ(sent("library").size(), 2u);
  EXPECT_EQ(call(maker, GET, "/api/2.0/libraries/all-cluster-statuses").body.at("statuses").as_array().size(), 1u);
  (void)nodes;
}

TEST_F(LibrariesTest, AWheelIsSentInParts) {
  const auto id = running(maker);
  shelf.files["/Volumes/c/s/v/big-1.0-py3-none-any.whl"] = "PK" + std::string(2'500'000, 'x');
  EXPECT_EQ(library("install", id, R"({"whl":"/Volumes/c/s/v/big-1.0-py3-none-any.whl"})").status, 200);
  work();
  EXPECT_EQ(sent("library-part").size(), 3u);
  ASSERT_EQ(sent("library").size(), 1u);
  EXPECT_EQ(sent("library")[0].at("file").as_string(), "big-1.0-py3-none-any.whl");
  EXPECT_EQ(sent("library")[0].at("parts").to_number<int>(), 3);
}

TEST_F(LibrariesTest, WhatIsNoWheelOrNotThereSaysSo) {
  const auto id = running(maker);
  shelf.files["/Workspace/x/no.whl"] = "#!/bin/sh";
  EXPECT_EQ(library("install", id, R"({"whl":"/Workspace/x/no.whl"})").status, 200);
  work();
  EXPECT_EQ(status(id), "FAILED");
  EXPECT_THAT(statuses(id).at(0).at("messages").as_array().at(0).as_string(), HasSubstr("is not a wheel"));
  EXPECT_EQ(library("install", id, R"({"whl":"/Workspace/x/gone.whl"})").status, 200);
  work();
  EXPECT_EQ(statuses(id).at(1).at("messages").as_array().at(0).as_string(), "/Workspace/x/gone.whl does not exist");
  EXPECT_TRUE(sent("library").empty());
}

TEST_F(LibrariesTest, WhatCannotBeInstalledIsRefusedByName) {
  const auto id = running(maker);
  shelf.refused = {"http://127.0.0.1/simple"};
  const auto refused = [&](const std::string& one) {
    const auto a = library("install", id, one);
    EXPECT_GE(a.status, 400) << one;
    EXPECT_LT(a.status, 500) << one;
    return a.message();
  };
  EXPECT_THAT(refused(R"({"pypi":{"package":"x","repo":"http://127.0.0.1/simple"}})"), HasSubstr("inside this network"));
  EXPECT_THAT(refused(R"({"pypi":{"package":"--index-url=http://x y"}})"), HasSubstr("pypi.package"));
  EXPECT_THAT(refused(R"({"pypi":{"package":"git+https://x/y"}})"), HasSubstr("pypi.package"));
  EXPECT_THAT(refused(R"({"whl":"/etc/passwd"})"), HasSubstr("/etc/passwd"));
  EXPECT_THAT(refused(R"({"whl":"/Volumes/a/b/c/x.zip"})"), HasSubstr(".whl"));
  EXPECT_THAT(refused(R"({"egg":"/x.egg"})"), HasSubstr("eggs"));
  EXPECT_THAT(refused(R"({"jar":"/x.jar"})"), HasSubstr("JVM"));
  EXPECT_THAT(refused(R"({})"), HasSubstr("exactly one"));
  EXPECT_THAT(refused(R"({"jar":"a","egg":"b"})"), HasSubstr("exactly one"));
  EXPECT_EQ(library("install", id, R"({"pypi":{"package":"six"}})", nora).status, 403);
  EXPECT_EQ(library("install", "none", R"({"pypi":{"package":"six"}})").message(), "Cluster none does not exist");
  // Asked for again with an address that has moved inside: refused where it would be used.
  EXPECT_EQ(library("install", id, R"({"pypi":{"package":"six","repo":"https://moved.example/simple"}})").status, 200);
  shelf.refused.insert("https://moved.example/simple");
  work();
  EXPECT_EQ(status(id), "FAILED");
}

}  // namespace
}  // namespace tarn::compute::testing
