// With real packets: needs root, iproute2 and nftables. Where this process may not make namespaces the tests say so and are skipped.
#include "network/namespaces.h"

#include <gmock/gmock.h>
#include <net/if.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "network/probe.h"
#include "network/testing.h"

namespace tarn::network {
namespace {

using namespace std::chrono_literals;

int host_interfaces() {
  int n = 0;
  if (auto* all = ::if_nameindex()) {
    while (all[n].if_index) ++n;
    ::if_freenameindex(all);
  }
  return n;
}

struct Realised : ::testing::Test {
  std::string run = std::filesystem::temp_directory_path() / ("tarn-network-test-" + std::to_string(::getpid()));
  Namespaces network{"t" + std::to_string(::getpid() % 1'000'000), run};
  const int interfaces = host_interfaces();

  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
  }
  void TearDown() override {
    if (::geteuid() != 0) return;
    const auto down = network.down();
    EXPECT_TRUE(down) << down.error();
    EXPECT_EQ(network.status().state, State::down);
    EXPECT_TRUE(network.status().namespaces.empty());
    EXPECT_EQ(host_interfaces(), interfaces) << "the host's own namespace is as it was";
    std::filesystem::remove_all(run);
  }
  void up(const Topology& t) {
    const auto built = network.up(realise(t));
    ASSERT_TRUE(built) << built.error();
  }
  Outcome connect(const Topology& t, std::string_view from, std::string_view to, std::uint16_t port) {
    const int s = t.subnet(from);
    const auto tried = probe(t, network, {{s, resolve(t, s, to)->address, port}}, 1200ms);
    EXPECT_TRUE(tried) << tried.error();
    return tried ? tried->front().outcome : Outcome::forbidden;
  }
};

TEST_F(Realised, TheArticlesStoryWithPackets) {
  auto m = testing::article_model();
  auto t = testing::built(m);
  up(t);
  EXPECT_EQ(connect(t, "old-a", "relay", 443), Outcome::connected);
  EXPECT_EQ(connect(t, "new-a", "s3", 443), Outcome::connected);
  EXPECT_EQ(connect(t, "new-a", "sts", 443), Outcome::connected);
  EXPECT_EQ(connect(t, "new-a", "relay", 443), Outcome::dropped) << "SYN of the new range";
  testing::add_private_endpoints(m);
  t = testing::built(m);
  up(t);
  EXPECT_EQ(connect(t, "new-a", "relay", 443), Outcome::connected) << "by the private endpoint";
  EXPECT_EQ(connect(t, "new-a", "203.0.113.20", 443), Outcome::dropped) << "the firewall still drops";
}

TEST_F(Realised, UpAgainChangesNothingAndDownTwiceIsFine) {
  const auto plan = realise(testing::built(testing::article_model()));
  EXPECT_EQ(network.up(plan).value(), true);
  EXPECT_EQ(network.status().state, State::up);
  EXPECT_EQ(network.up(plan).value(), false);
  auto other = testing::article_model();
  other.vpcs[1].firewalls[0].default_ = FirewallAction::allow;
  EXPECT_EQ(network.up(realise(testing::built(other))).value(), true) << "another plan is built anew";
  EXPECT_EQ(network.down().value(), static_cast<int>(plan.namespaces.size()));
  EXPECT_EQ(network.down().value(), 0);
}

TEST_F(Realised, AKilledUpIsClearedAway) {
  const auto plan = realise(testing::built(testing::article_model()));
  const auto begun = std::chrono::steady_clock::now();
  ASSERT_TRUE(network.up(plan));
  const auto whole = std::chrono::steady_clock::now() - begun;
  ASSERT_TRUE(network.down());
  int partial = 0;
  for (int tenth = 1; tenth <= 9; tenth += 2) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(network.up(plan) ? 0 : 1);
    const auto until = std::chrono::steady_clock::now() + whole * tenth / 10;
    while (std::chrono::steady_clock::now() < until) ::usleep(500);
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    partial += network.status().state == State::partial;
    if (tenth == 5) {
      // A command that the killed one had started may still be at work; who builds anew clears after it.
      const auto again = network.up(plan);
      ASSERT_TRUE(again) << again.error();
      EXPECT_EQ(network.status().state, State::up);
    }
    ASSERT_TRUE(network.down());
    EXPECT_TRUE(network.status().namespaces.empty()) << tenth;
  }
  EXPECT_GT(partial, 0) << "none was killed halfway";
}

TEST_F(Realised, WhoLivesThereIsListed) {
  const auto t = testing::built(testing::article_model());
  up(t);
  const auto home = network.full(subnet_namespace(t, 0));
  pid_t child = -1;
  ASSERT_TRUE(in_namespace(home, [&] {
    child = ::fork();
    if (child == 0) {
      ::pause();
      ::_exit(0);
    }
  }));
  const auto residents = network.status().residents;
  ASSERT_EQ(residents.size(), 1u);
  EXPECT_EQ(residents[0].pid, child);
  EXPECT_EQ(residents[0].name, home);
  ASSERT_TRUE(network.down()) << "it goes although somebody lives there";
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST_F(Realised, AWrongNameIsRefused) {
  for (const char* bad : {"", "a-b", "a/b", "UPPER", "much-too-long-a-name"}) EXPECT_FALSE(Namespaces(bad, run).down()) << bad;
}

/// What one random network was asked, and where the model and the packets differ.
struct Compared {
  std::map<Outcome, int> seen;
  std::vector<std::string> differences;
};

Compared compare(unsigned seed, Namespaces& network) {
  Compared out;
  std::mt19937 random(seed);
  const auto t = testing::built(testing::random_model(random));
  const auto all = testing::questions(t, random, 40);
  std::vector<Probe> probes;
  for (const auto& q : all) probes.push_back({q.from, q.to.address, q.port});
  const auto up = network.up(realise(t));
  Expected<std::vector<Probed>, std::string> tried;
  if (up)
    tried = probe(t, network, probes, 300ms);
  else
    tried = fail(up.error());
  // A busy machine may be slow to answer: where the model expects an answer and none came, there is a second, long wait.
  if (tried) {
    std::vector<std::size_t> late;
    std::vector<Probe> again;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (tried->at(i).outcome == Outcome::dropped && trace(t, all[i].from, all[i].to, all[i].port).outcome != Outcome::dropped)
        late.push_back(i), again.push_back(probes[i]);
    const auto second = again.empty() ? tried : probe(t, network, again, 5s);
    for (std::size_t k = 0; second && k < late.size(); ++k) tried->at(late[k]) = second->at(k);
  }
  if (!tried) {
    out.differences.push_back(fmt::format("TARN_NETWORK_SEED={}: {}", seed, tried.error()));
    return out;
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto said = trace(t, all[i].from, all[i].to, all[i].port);
    ++out.seen[said.outcome];
    if (tried->at(i).outcome != said.outcome)
      out.differences.push_back(fmt::format("TARN_NETWORK_SEED={}: {} to {}: the model says {} ({}), packets say {} ({})", seed, said.from, said.to,
                                            json::name_of(said.outcome), said.cause, json::name_of(tried->at(i).outcome), tried->at(i).detail));
  }
  return out;
}

/// The model's word against the kernel's, on networks that nobody designed. The seed of a network that they disagree on is printed.
TEST_F(Realised, TraceAndPacketsAgreeOnThirtyRandomNetworks) {
  const char* given = std::getenv("TARN_NETWORK_SEED");
  const unsigned first = given ? static_cast<unsigned>(std::atoi(given)) : 1;
  Namespaces second("u" + std::to_string(::getpid() % 1'000'000), run);
  std::map<Outcome, int> seen;
  std::mutex mutex;
  const auto half = [&](unsigned from, Namespaces& on) {
    for (unsigned seed = from; seed < first + 30; seed += 2) {
      const auto one = compare(seed, on);
      const std::lock_guard lock(mutex);
      for (const auto& [outcome, n] : one.seen) seen[outcome] += n;
      for (const auto& d : one.differences) ADD_FAILURE() << d;
    }
  };
  {
    const std::jthread other([&] { half(first + 1, second); });
    half(first, network);
  }
  EXPECT_TRUE(second.down());
  std::cout << "seeds " << first << " to " << first + 29;
  for (const auto& [outcome, n] : seen) std::cout << ", " << n << " " << json::name_of(outcome);
  std::cout << std::endl;
  for (const auto o : {Outcome::connected, Outcome::rejected, Outcome::dropped})
    EXPECT_GT(seen[o], 20) << json::name_of(o) << ": too few to mean something";
}

}  // namespace
}  // namespace tarn::network
