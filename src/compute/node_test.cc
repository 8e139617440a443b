// Real nodes: processes, control groups where this user may, kernels that run Python.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/json_read.h"
#include "base/resources.h"
#include "compute/contexts.h"
#include "compute/fixtures.h"
#include "compute/local_fleet.h"
#include "compute/tls_for_tests.h"

namespace tarn::compute::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

bool within(int seconds, const std::function<bool()>& holds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
    ::usleep(20'000);
  }
  return true;
}

struct NodeTest : CatalogueTest {
  fs::path folder = fs::temp_directory_path() / ("tarn-node-test-" + std::to_string(::getpid()));
  SystemClock real;
  TestAuthority authority{"relay.test"};
  NodePlaces* places = nullptr;
  Millis bootstrap_timeout = 60'000;
  std::unique_ptr<LocalFleet> fleet;
  std::unique_ptr<Clusters> clusters;
  std::unique_ptr<Contexts> contexts;
  access::Context pat = context_of(person("pat@acme.example", {"allow-cluster-create"}));

  void SetUp() override {
    if (const char* store_kind = std::getenv("TARN_TEST_STORE"); store_kind && std::string_view(store_kind) != "sqlite")
      GTEST_SKIP() << "processes do not depend on the store; the life cycle's tests run on it";
    fs::create_directories(folder);
    begin();
  }
  void begin() {
    permissions.forget_kind("clusters");
    fleet = std::make_unique<LocalFleet>(LocalFleetOptions{.binary = TARN_TEST_NODE,
                                                           .relay = {.port_file = (folder / "relay.port").string()},
                                                           .tls = authority.server(),
                                                           .authority = authority.pem,
                                                           .relay_name = "relay.test",
                                                           .homes = (folder / "nodes").string(),
                                                           .driver = resources::shipped("src/compute/node/driver.py").string(),
                                                           .packages = resources::cache().string(),
                                                           .lease_seconds = 5,
                                                           .metrics_seconds = 1});
    fleet->place_with(places);
    clusters = std::make_unique<Clusters>(*store, permissions, pools, policies, profiles, *fleet, real,
                                          ClusterOptions{.bootstrap_timeout = bootstrap_timeout, .lease = 5'000});
    contexts = std::make_unique<Contexts>(*clusters, *store, real);
    clusters->recover();
    fleet->start();
    clusters->start_driving();
  }
  void stop() {
    fleet->stop();
    clusters->stop();
  }
  void TearDown() override {
    if (!clusters) return;
    for (const auto& c : clusters->list(context_of(ada)))
      if (c.active()) (void)clusters->terminate(context_of(ada), c.cluster_id);
    within(10, [&] { return std::ranges::none_of(clusters->list(context_of(ada)), &ClusterRecord::active); });
    // Nothing is left: no process, no folder, no control group.
    EXPECT_TRUE(within(15, [&] { return fs::is_empty(folder / "nodes"); }));
    stop();
    fs::remove_all(folder);
  }
  std::string running() {
    ClusterSpec s;
    s.spark_version = "15.4.x-scala2.12";
    s.node_type_id = "m6g.large";
    auto made = clusters->create(pat, s);
    EXPECT_TRUE(made.has_value());
    EXPECT_TRUE(within(60, [&] { return clusters->find(made->cluster_id)->state != State::PENDING; }));
    const auto c = *clusters->find(made->cluster_id);
    EXPECT_EQ(c.state, State::RUNNING) << c.state_message;
    return c.cluster_id;
  }
  Command done(const std::string& cluster, const std::string& context, const std::string& code) {
    auto id = contexts->execute(pat, cluster, context, code);
    EXPECT_TRUE(id.has_value()) << (id ? "" : id.error().message);
    return finished(cluster, context, *id);
  }
  Command finished(const std::string& cluster, const std::string& context, const std::string& id) {
    EXPECT_TRUE(within(60, [&] { return contexts->command(pat, cluster, context, id)->ended(); }));
    return *contexts->command(pat, cluster, context, id);
  }
  static std::string text(const Command& c, const char* field = "data") { return json::text_at(c.results, {field}); }
};

TEST_F(NodeTest, PythonRunsKeepsItsStateAndFailsWithItsTraceback) {
  const auto cluster = running();
  const auto context = *contexts->create(pat, cluster, "python");
  EXPECT_EQ(text(done(cluster, context, "x = 20 + 1\nprint('hello')\nx * 2")), "hello\n42\n");
  EXPECT_EQ(text(done(cluster, context, "x")), "21");
  const auto failed = done(cluster, context, "1/0");
  EXPECT_EQ(failed.status, CommandStatus::Finished);
  EXPECT_EQ(text(failed, "resultType"), "error");
  EXPECT_THAT(text(failed, "summary"), HasSubstr("ZeroDivisionError: division by zero"));
  // Another context is another interpreter.
  const auto other = *contexts->create(pat, cluster, "python");
  EXPECT_THAT(text(done(cluster, other, "x"), "summary"), HasSubstr("NameError"));
}

TEST_F(NodeTest, OutputIsBoundedAndACommandCanBeCancelled) {
  const auto cluster = running();
  const auto context = *contexts->create(pat, cluster, "python");
  const auto loud = done(cluster, context, "for i in range(200): print('x' * 100_000)");
  EXPECT_LT(text(loud).size(), 6u << 20);
  EXPECT_TRUE(loud.results.at("truncated").as_bool());
  const auto endless = *contexts->execute(pat, cluster, context, "import time\nwhile True: time.sleep(0.1)");
  EXPECT_TRUE(within(30, [&] { return contexts->command(pat, cluster, context, endless)->status == CommandStatus::Running; }));
  ASSERT_TRUE(contexts->cancel(pat, cluster, context, endless).has_value());
  EXPECT_EQ(finished(cluster, context, endless).status, CommandStatus::Cancelled);
  EXPECT_EQ(text(done(cluster, context, "1 + 1")), "2");
}

TEST_F(NodeTest, ANodeSurvivesItsControlPlaneWithWhatItHolds) {
  const auto cluster = running();
  const auto context = *contexts->create(pat, cluster, "python");
  EXPECT_EQ(text(done(cluster, context, "kept = 'across'")), "");
  const auto node = clusters->find(cluster)->instance->instance_id;
  stop();
  contexts.reset();
  clusters.reset();
  fleet.reset();
  begin();
  EXPECT_TRUE(within(20, [&] {
    const auto c = clusters->find(cluster);
    return c->state == State::RUNNING && c->instance->lost_at == 0 && contexts->status(pat, cluster, context).has_value();
  }));
  EXPECT_EQ(clusters->find(cluster)->instance->instance_id, node);
  EXPECT_EQ(text(done(cluster, context, "kept")), "'across'");
}

TEST_F(NodeTest, AnInstanceIsWhatItSaysItIsAndSeesNobodyElse) {
  const auto cluster = running();
  const auto c = *clusters->find(cluster);
  const auto context = *contexts->create(pat, cluster, "python");
  const auto uid = text(done(cluster, context, "import os; os.getuid()"));
  if (::geteuid() != 0) {
    EXPECT_EQ(json::text_at(c.instance->isolation, {"summary"}), "not isolated");
    return;
  }
  EXPECT_EQ(json::text_at(c.instance->isolation, {"summary"}), "isolated") << c.instance->isolation;
  EXPECT_GT(std::stoll(uid), 1'000'000'000);
  EXPECT_EQ(text(done(cluster, context, "open('" + (folder / "nodes").string() + "/x', 'w')"), "resultType"), "error");
  EXPECT_EQ(text(done(cluster, context, "len([p for p in os.listdir('/proc') if p.isdigit()]) < 10")), "True");
  // More than its share of memory ends the interpreter, not the node's neighbours.
  const auto greedy = done(cluster, context, "x = bytearray(8 << 30)");
  EXPECT_EQ(text(greedy, "resultType"), "error");
  // A process storm stops at its limit.
  EXPECT_EQ(clusters->find(cluster)->state, State::RUNNING);
}

/// A namespace with one address, joined to this machine by a veth pair.
struct OneNamespace final : NodePlaces {
  std::string name = fmt::format("tarnt{}", ::getpid() % 100'000), here, there;
  std::set<std::string> in;
  std::mutex mutex;
  explicit OneNamespace(int net) : here(fmt::format("10.203.{}.1", net)), there(fmt::format("10.203.{}.2", net)) {
    for (const auto& c : {"ip netns add " + name, fmt::format("ip link add {0}h type veth peer name {0}n netns {0}", name),
                          fmt::format("ip addr add {}/30 dev {}h", here, name), fmt::format("ip link set {}h up", name),
                          fmt::format("ip -n {0} addr add {1}/30 dev {0}n", name, there), fmt::format("ip -n {0} link set {0}n up", name)})
      ready = ready && std::system((c + " 2>/dev/null").c_str()) == 0;
  }
  ~OneNamespace() override {
    for (const auto& c : {fmt::format("ip link del {}h", name), "ip netns del " + name})
      [[maybe_unused]] const int rc = std::system((c + " 2>/dev/null").c_str());
  }
  Expected<NodePlace, std::string> place(const NodeOrder& order) override {
    const std::lock_guard lock(mutex);
    in.insert(order.instance_id);
    return NodePlace{.netns = name, .relay = relay, .address = there};
  }
  void leave(const std::string& id) override {
    const std::lock_guard lock(mutex);
    in.erase(id);
  }
  bool empty() {
    const std::lock_guard lock(mutex);
    return in.empty();
  }
  bool ready = true;
  std::string relay;
};

TEST_F(NodeTest, ANodeInANetworkOfItsOwnDialsOutAndOneThatCannotTimesOut) {
  if (::geteuid() != 0) GTEST_SKIP() << "not root: no network namespaces";
  OneNamespace net(::getpid() % 250);
  ASSERT_TRUE(net.ready);
  stop();
  contexts.reset(), clusters.reset(), fleet.reset();
  places = &net;
  bootstrap_timeout = 8'000;
  begin();
  ASSERT_TRUE(fleet->relay().also_listen(net.here).has_value());
  net.relay = net.here + fleet->relay().address().substr(fleet->relay().address().rfind(':'));
  bootstrap_timeout = 8'000;
  const auto cluster = running();
  EXPECT_EQ(clusters->find(cluster)->instance->address, net.there);
  EXPECT_THAT(boost::json::serialize(clusters->find(cluster)->instance->isolation), HasSubstr("network namespace " + net.name));
  const auto context = *contexts->create(pat, cluster, "python");
  const auto interfaces = text(done(cluster, context, "open('/proc/net/dev').read()"));
  EXPECT_THAT(interfaces, HasSubstr(net.name + "n"));
  ASSERT_TRUE(clusters->terminate(pat, cluster).has_value());
  EXPECT_TRUE(within(15, [&] { return net.empty(); }));
  // The way to the control plane is gone: the instance is well, and never arrives.
  ASSERT_EQ(std::system(fmt::format("ip link set {}h down", net.name).c_str()), 0);
  ClusterSpec s;
  s.spark_version = "15.4.x-scala2.12";
  s.node_type_id = "m6g.large";
  const auto made = clusters->create(pat, s);
  EXPECT_TRUE(within(30, [&] { return clusters->find(made->cluster_id)->state == State::TERMINATED; }));
  EXPECT_EQ(clusters->find(made->cluster_id)->termination_reason->code, "BOOTSTRAP_TIMEOUT");
  EXPECT_TRUE(within(15, [&] { return net.empty(); }));
}

TEST_F(NodeTest, TheRelayStopsListeningWhereItIsTold) {
  auto& relay = fleet->relay();
  const auto connects = [&] {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{.sin_family = AF_INET,
                   .sin_port = ::htons(static_cast<std::uint16_t>(std::stoi(relay.address().substr(relay.address().rfind(':') + 1))))};
    ::inet_pton(AF_INET, "127.0.0.9", &to.sin_addr);
    const bool yes = ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
    ::close(fd);
    return yes;
  };
  EXPECT_FALSE(connects());
  ASSERT_TRUE(relay.also_listen("127.0.0.9").has_value());
  EXPECT_TRUE(connects());
  relay.stop_listening("127.0.0.9");
  EXPECT_TRUE(within(5, [&] { return !connects(); }));
  relay.stop_listening("127.0.0.9");
  EXPECT_TRUE(relay.also_listen("127.0.0.9").has_value()) << "and may begin again";
}

TEST_F(NodeTest, AnotherMachinesNodeNeedsItsOrderOnly) {
  stop();
  contexts.reset(), clusters.reset();
  permissions.forget_kind("clusters");
  // As `ssh HOST tarn node` would: nothing of this side's folders or programs is in the order.
  fleet = std::make_unique<LocalFleet>(
      LocalFleetOptions{.tls = authority.server(),
                        .authority = authority.pem,
                        .relay_name = "relay.test",
                        .homes = (folder / "nodes").string(),
                        .lease_seconds = 5,
                        .launcher = {"env", "TARN_HOME=" TARN_SOURCE_DIR, "TARN_CACHE=" + resources::cache().string(), "HOME=/", TARN_TEST_NODE}});
  clusters = std::make_unique<Clusters>(*store, permissions, pools, policies, profiles, *fleet, real, ClusterOptions{.lease = 5'000});
  contexts = std::make_unique<Contexts>(*clusters, *store, real);
  clusters->recover();
  fleet->start();
  clusters->start_driving();
  const auto cluster = running();
  const auto context = *contexts->create(pat, cluster, "python");
  EXPECT_EQ(text(done(cluster, context, "6 * 7")), "42");
}

/// Processes that this one started and that run `tarn node`.
std::vector<pid_t> agents_here() {
  std::vector<pid_t> out;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
    std::ifstream in(entry.path() / "stat");
    std::string pid, name, state;
    pid_t parent = 0;
    if (in >> pid >> name >> state >> parent && parent == ::getpid() && name.starts_with("(compute_test") && state != "Z")
      out.push_back(std::stoi(pid));
  }
  return out;
}

/// Control groups of an instance, in any hierarchy.
int groups_of(const std::string& instance_id) {
  int out = fs::exists("/sys/fs/cgroup/tarn-" + instance_id);
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/sys/fs/cgroup", ignored)) out += fs::exists(entry.path() / ("tarn-" + instance_id));
  return out;
}

TEST_F(NodeTest, AnAgentThatIsKilledLeavesNothingAndItsClusterSaysSo) {
  const auto cluster = running();
  const auto node = clusters->find(cluster)->instance->instance_id;
  const auto agents = agents_here();
  ASSERT_EQ(agents.size(), 1u);
  EXPECT_EQ(groups_of(node) > 0, ::geteuid() == 0);
  ASSERT_EQ(::kill(agents[0], SIGKILL), 0);
  EXPECT_TRUE(within(20, [&] { return clusters->find(cluster)->state == State::TERMINATED; }));
  EXPECT_EQ(clusters->find(cluster)->termination_reason->code, "DRIVER_UNREACHABLE");
  EXPECT_TRUE(within(10, [&] { return groups_of(node) == 0 && !fs::exists(folder / "nodes" / node); }));
  EXPECT_TRUE(agents_here().empty());
  EXPECT_EQ(fleet->relay().figures().connections, 0);
}

struct GivenScripts final : InitScripts {
  std::vector<InitScriptText> all;
  Expected<std::vector<InitScriptText>, std::string> scripts(const ClusterRecord&) override { return all; }
};

TEST_F(NodeTest, InitScriptsRunFirstAndOneThatFailsEndsTheCluster) {
  GivenScripts given;
  clusters->scripts_from(&given);
  given.all = {{.name = "first", .content = "echo one > made-by-script", .global = true},
               {.name = "second", .content = "echo two >> made-by-script"}};
  const auto cluster = running();
  const auto context = *contexts->create(pat, cluster, "python");
  EXPECT_EQ(text(done(cluster, context, "print(open('made-by-script').read().split())")), "['one', 'two']");
  const auto scripts_of = [&](const std::string& id, const std::string& type) {
    json::value out;
    const auto page = clusters->events(pat, {.cluster_id = id});
    for (const auto& e : page->events)
      if (e.type == type) out = e.details.at("init_scripts");
    return out;
  };
  EXPECT_EQ(json::text_at(scripts_of(cluster, "INIT_SCRIPTS_STARTED"), {"reported_for_node"}), clusters->find(cluster)->instance->instance_id);
  const auto finished = scripts_of(cluster, "INIT_SCRIPTS_FINISHED");
  EXPECT_EQ(json::text_at(finished.at("global").at(0), {"status"}), "SUCCEEDED");
  EXPECT_EQ(json::text_at(finished.at("cluster").at(0), {"workspace", "destination"}), "second");
  given.all = {{.name = "broken", .content = "echo out of luck; exit 7", .global = true}, {.name = "after", .content = "true"}};
  ClusterSpec s;
  s.spark_version = "15.4.x-scala2.12";
  s.node_type_id = "m6g.large";
  const auto made = clusters->create(pat, s);
  ASSERT_TRUE(made.has_value());
  EXPECT_TRUE(within(60, [&] { return clusters->find(made->cluster_id)->state == State::TERMINATED; }));
  const auto c = *clusters->find(made->cluster_id);
  EXPECT_EQ(c.termination_reason->code, "GLOBAL_INIT_SCRIPT_FAILURE");
  EXPECT_THAT(c.state_message, HasSubstr("the init script broken ended with 7: out of luck"));
  EXPECT_EQ(c.state_message.find('\x1f'), std::string::npos);
  const auto failed = scripts_of(made->cluster_id, "INIT_SCRIPTS_FINISHED");
  EXPECT_EQ(json::text_at(failed.at("global").at(0), {"status"}), "FAILED_EXECUTION");
  EXPECT_EQ(json::text_at(failed.at("global").at(0), {"error_message"}), "ended with 7: out of luck");
  EXPECT_EQ(json::text_at(failed.at("cluster").at(0), {"status"}), "NOT_EXECUTED");
  clusters->scripts_from(nullptr);
}

TEST_F(NodeTest, AKilledInterpreterIsSaid) {
  const auto cluster = running();
  const auto context = *contexts->create(pat, cluster, "python");
  const auto killed = done(cluster, context, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)");
  EXPECT_THAT(text(killed, "cause"), HasSubstr("exited unexpectedly"));
  EXPECT_TRUE(within(10, [&] { return contexts->status(pat, cluster, context) == ContextStatus::Error; }));
}

}  // namespace
}  // namespace tarn::compute::testing
