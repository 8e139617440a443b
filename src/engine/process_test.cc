// Processes that are cancelled, killed, starved and crowded.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <thread>

#include "engine/testing.h"

namespace tarn::engine {
namespace {

constexpr const char* endless = "SELECT count(*) FROM range(1000000) a(i), range(1000000) b(j) WHERE (i * j) % 7 = 3";

/// Waits for a condition, at most 20 s.
template <class F>
bool eventually(F f) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!f()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

Result<Summary> run(Pool& pool, const Scope& scope, const std::string& sql, CancelToken* cancel = nullptr, std::int64_t timeout_ms = 0,
                    std::string* out = nullptr) {
  Request request;
  request.sql = sql;
  request.timeout_ms = timeout_ms;
  Sink sink;
  sink.chunk = [&](std::string chunk, std::int64_t) {
    if (out) *out += chunk;
    return true;
  };
  return pool.run(scope, request, sink, cancel);
}

TEST(Cancel, InterruptsALongJoin) {
  Fixture f;
  f.rows("SELECT 1");
  CancelToken token;
  std::thread canceller([&] {
    eventually([&] { return f.pool->stats().busy == 1; });
    token.cancel();
  });
  const auto result = run(*f.pool, f.scope(), endless, &token);
  canceller.join();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::cancelled);
  EXPECT_EQ(f.pool->stats().kills, 0u) << "an interrupt is enough";
  EXPECT_EQ(f.rows("SELECT 1"), R"([["1"]])");
  EXPECT_EQ(f.pool->stats().starts, 1u);
}

TEST(Cancel, BeforeTheStartMeansNothingRuns) {
  Fixture f;
  CancelToken token;
  token.cancel();
  const auto result = run(*f.pool, f.scope(), "SELECT 1", &token);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::cancelled);
}

TEST(Cancel, InterruptsAResultThatNobodyTakes) {
  Fixture f;
  CancelToken token;
  Request request;
  request.sql = "SELECT repeat('x', 1000) FROM range(1000000000)";
  Sink sink;
  sink.chunk = [&](std::string, std::int64_t) {
    token.cancel();
    return true;
  };
  const auto result = f.pool->run(f.scope(), request, sink, &token);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::cancelled);
}

TEST(Timeout, EndsTheStatement) {
  Fixture f;
  const auto result = run(*f.pool, f.scope(), endless, nullptr, 300);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::timeout);
  EXPECT_EQ(result.error().message, "The statement did not finish within 300 ms");
  EXPECT_EQ(f.rows("SELECT 1"), R"([["1"]])");
}

TEST(Death, OfTheProcessIsReportedAndTheNextRequestServed) {
  Fixture f;
  f.rows("SELECT 1");
  const auto pid = only_child();
  ASSERT_GT(pid, 0);
  std::thread killer([&] {
    eventually([&] { return f.pool->stats().busy == 1; });
    ::kill(pid, SIGKILL);
  });
  const auto result = run(*f.pool, f.scope(), endless);
  killer.join();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::died);
  EXPECT_EQ(f.rows("SELECT 1"), R"([["1"]])");
  EXPECT_EQ(f.pool->stats().deaths, 1u);
}

TEST(Death, WhileIdleIsNotNoticedByTheNextRequest) {
  Fixture f;
  f.rows("SELECT 1");
  const auto pid = only_child();
  ASSERT_GT(pid, 0);
  ::kill(pid, SIGKILL);
  ASSERT_TRUE(eventually([&] { return children().empty(); }));
  EXPECT_EQ(f.rows("SELECT 1"), R"([["1"]])");
}

TEST(Death, OfAStoppedNeighbourRunsTheOthersAgain) {
  Fixture f;
  f.rows("SELECT 1");
  const auto pid = only_child();
  ASSERT_GT(pid, 0);
  ::kill(pid, SIGSTOP);  // deaf to interrupts
  CancelToken token;
  std::string answer;
  std::thread neighbour([&] { EXPECT_TRUE(run(*f.pool, f.scope(), "SELECT 42", nullptr, 0, &answer)); });
  std::thread canceller([&] {
    eventually([&] { return f.pool->stats().busy == 2; });
    token.cancel();
  });
  const auto result = run(*f.pool, f.scope(), endless, &token);
  canceller.join();
  neighbour.join();
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::cancelled);
  EXPECT_EQ(answer, R"([["42"]])");
  EXPECT_EQ(f.pool->stats().kills, 1u);
  EXPECT_EQ(f.pool->stats().retries, 1u);
}

TEST(Start, FailureNamesTheCause) {
  {
    Fixture f([](Options& o) { o.binary = "/nowhere/tarn-engine"; });
    const auto result = run(*f.pool, f.scope(), "SELECT 1");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::unavailable);
    EXPECT_NE(result.error().message.find("/nowhere/tarn-engine"), std::string::npos);
  }
  {
    Fixture f([](Options& o) { o.extensions = {"/nowhere/x.duckdb_extension"}; });
    const auto result = run(*f.pool, f.scope(), "SELECT 1");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, Errc::unavailable);
    EXPECT_NE(result.error().message.find("/nowhere/x.duckdb_extension"), std::string::npos) << result.error().message;
  }
}

TEST(Children, EndWithThePool) {
  {
    Fixture f;
    f.rows("SELECT 1");
  }
  EXPECT_TRUE(children().empty());
}

TEST(Children, EndWhenTheParentIsKilled) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    Fixture f;
    f.rows("SELECT 1");
    const int pid = only_child();
    [[maybe_unused]] auto n = ::write(ends[1], &pid, sizeof pid);
    for (;;) ::pause();
  }
  int pid = 0;
  ASSERT_EQ(::read(ends[0], &pid, sizeof pid), static_cast<ssize_t>(sizeof pid));
  ASSERT_GT(pid, 0);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  EXPECT_TRUE(eventually([&] {
    const auto status = slurp("/proc/" + std::to_string(pid) + "/status");
    return status.empty() || status.find("State:\tZ") != std::string::npos;
  }));
  ::close(ends[0]), ::close(ends[1]);
}

TEST(Children, AreKeptByScopeAndTheOldestIdleOneGoes) {
  Fixture f([](Options& o) { o.most_children = 2; });
  std::vector<Scope> scopes;
  for (const char* name : {"a", "b", "c"}) {
    std::filesystem::create_directories(f.folder / name);
    scopes.push_back({{f.folder / name}, {}});
  }
  ASSERT_TRUE(run(*f.pool, scopes[0], "SELECT 1"));
  ASSERT_TRUE(run(*f.pool, scopes[1], "SELECT 1"));
  ASSERT_TRUE(run(*f.pool, scopes[0], "SELECT 1"));
  EXPECT_EQ(f.pool->stats().starts, 2u);
  ASSERT_TRUE(run(*f.pool, scopes[2], "SELECT 1"));
  EXPECT_EQ(f.pool->stats().evictions, 1u);
  EXPECT_EQ(f.pool->stats().children, 2u);
  ASSERT_TRUE(run(*f.pool, scopes[0], "SELECT 1"));
  EXPECT_EQ(f.pool->stats().starts, 3u) << "b was the oldest";
}

TEST(Children, ARequestWaitsForAPlaceAndCanBeCancelledThere) {
  Fixture f([](Options& o) { o.most_children = 1; });
  std::filesystem::create_directories(f.folder / "a");
  CancelToken busy, waiting;
  Result<Summary> first, second;
  std::thread runner([&] { first = run(*f.pool, f.scope(), endless, &busy); });
  ASSERT_TRUE(eventually([&] { return f.pool->stats().busy == 1; }));
  std::thread waiter([&] { second = run(*f.pool, {{f.folder / "a"}, {}}, "SELECT 1", &waiting); });
  const auto third = run(*f.pool, {{f.folder / "a"}, {}}, "SELECT 1", nullptr, 50);
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, Errc::timeout);
  waiting.cancel();
  waiter.join();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Errc::cancelled);
  busy.cancel();
  runner.join();
  EXPECT_TRUE(run(*f.pool, {{f.folder / "a"}, {}}, "SELECT 1"));
}

TEST(Children, ASpareIsReadyForANewScope) {
  Fixture f([](Options& o) { o.spares = 1; });
  ASSERT_TRUE(run(*f.pool, f.scope(), "SELECT 1"));
  ASSERT_TRUE(eventually([&] { return f.pool->stats().starts == 2; }));
  EXPECT_EQ(f.pool->stats().children, 1u);
}

TEST(Start, AnExtensionThatIsTamperedWithIsNeverLoaded) {
  const Folder extensions;
  const auto copy = extensions / "delta.duckdb_extension";
  std::filesystem::copy_file(default_extensions().at(0), copy);
  Fixture f([&](Options& o) { o.extensions = {copy}; });
  ASSERT_TRUE(run(*f.pool, f.scope(), "SELECT 1"));
  std::filesystem::create_directories(f.folder / "a");
  ASSERT_TRUE(run(*f.pool, {{f.folder / "a"}, {}}, "SELECT 1")) << "the second process loads the same file";
  {
    std::fstream file(copy, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1 << 20);
    file << "tampered";
  }
  std::filesystem::create_directories(f.folder / "b");
  const auto result = run(*f.pool, {{f.folder / "b"}, {}}, "SELECT 1");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::unavailable);
  EXPECT_NE(result.error().message.find("signature"), std::string::npos) << result.error().message;
}

TEST(Memory, TheLimitIsAnErrorNotADeath) {
  Fixture f([](Options& o) {
    o.memory_bytes = 128u << 20;
    o.spill_bytes = 1u << 20;
  });
  const auto result = run(*f.pool, f.scope(), "SELECT count(DISTINCT hash(i, 'x') || repeat('y', 100)) FROM range(20000000) r(i)");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, Errc::out_of_memory) << result.error().message;
  EXPECT_EQ(f.rows("SELECT 1"), R"([["1"]])");
  EXPECT_EQ(f.pool->stats().starts, 1u);
}

TEST(Concurrency, EightThreadsShareOneProcess) {
  Fixture f;
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        std::string out;
        const auto n = std::to_string(t * 1000 + i);
        if (i % 10 == 9) {
          const auto failed = run(*f.pool, f.scope(), "SELECT nothing_" + n);
          good += !failed && failed.error().message.find("nothing_" + n) != std::string::npos;
        } else {
          good +=
              run(*f.pool, f.scope(), "SELECT " + n + ", sum(i) FROM range(1000) r(i)", nullptr, 0, &out) && out == "[[\"" + n + "\",\"499500\"]]";
        }
      }
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(good, 400);
  EXPECT_EQ(f.pool->stats().starts, 1u);
  EXPECT_EQ(f.pool->stats().busy, 0u);
}

}  // namespace
}  // namespace tarn::engine
