#pragma once
// Private to compute's tests: clusters on a fleet that does as it is told, and people who may.
#include "compute/contexts.h"
#include "compute/fixtures.h"

namespace tarn::compute::testing {

struct FakeFleet final : Fleet {
  FleetListener* listener = nullptr;
  std::vector<NodeOrder> orders;
  std::vector<std::string> ended;
  std::vector<std::pair<std::string, json::object>> sent;
  std::string refuse_with;
  std::set<std::string> connected;
  void listen(FleetListener* l) override { listener = l; }
  Expected<NodePlace, std::string> launch(const NodeOrder& order) override {
    if (!refuse_with.empty()) return fail(refuse_with);
    orders.push_back(order);
    return NodePlace{};
  }
  bool send(const std::string& id, const json::object& message) override {
    if (!connected.contains(id)) return false;
    sent.emplace_back(id, message);
    return true;
  }
  bool carry(const std::string& id, const json::object& message) override { return send(id, message); }
  void end(const std::string& id) override { ended.push_back(id), connected.erase(id); }
  /// The node of the latest order dials in.
  void up() { up(orders.back()); }
  void up(const NodeOrder& o) { up(o.instance_id, o.cluster_id); }
  void up(const std::string& id, const std::string& cluster) {
    connected.insert(id);
    listener->node_up(id, {{"isolation", {{"summary", "fake"}}}, {"cluster_id", cluster}});
  }
  /// All that are not connected and not ended.
  void up_all() {
    for (std::size_t i = 0; i < orders.size(); ++i)
      if (!connected.contains(orders[i].instance_id) && std::ranges::find(ended, orders[i].instance_id) == ended.end()) up(orders[i]);
  }
};

struct ClustersTest : CatalogueTest {
  FakeFleet fleet;
  Clusters clusters{*store,   permissions, pools, policies,
                    profiles, fleet,       clock, {.region = "eu-central-1", .bootstrap_timeout = 700'000, .lease = 30'000}};
  Contexts contexts{clusters, *store, clock};
  access::Caller maker = person("pat@acme.example", {"allow-cluster-create"});
  static constexpr const char* kSpec = R"({"cluster_name":"c","spark_version":"15.4.x-scala2.12","node_type_id":"m6g.large","num_workers":0)";

  ClustersTest() { router.add(cluster_routes(clusters, contexts)); }
  Answer post(const access::Caller& who, const std::string& verb, const std::string& body) {
    return call(who, api::Method::POST, "/api/2.1/clusters/" + verb, body);
  }
  Answer get(const access::Caller& who, const std::string& id) { return call(who, api::Method::GET, "/api/2.1/clusters/get?cluster_id=" + id); }
  static std::string id_body(const std::string& id) { return R"({"cluster_id":")" + id + "\"}"; }
  void settle() {
    while (clusters.step()) {
    }
  }
  std::string make(const access::Caller& who, const std::string& more = "") {
    const auto a = post(who, "create", std::string(kSpec) + more + "}");
    EXPECT_EQ(a.status, 200) << a.body;
    return a.text("cluster_id");
  }
  std::string running(const access::Caller& who, const std::string& more = "") {
    const auto id = make(who, more);
    settle();
    fleet.up();
    EXPECT_EQ(get(who, id).text("state"), "RUNNING");
    return id;
  }
  std::vector<std::string> events(const std::string& id) {
    std::vector<std::string> out;
    const auto a = post(ada, "events", R"({"cluster_id":")" + id + R"(","order":"ASC"})");
    for (const auto& e : a.body.at("events").as_array()) out.emplace_back(e.at("type").as_string());
    return out;
  }
  std::string reason(const std::string& id) { return std::string(get(ada, id).body.at("termination_reason").at("code").as_string()); }
};

}  // namespace tarn::compute::testing
