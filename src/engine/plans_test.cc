// Plans that are kept: the same text answered again, from one connection or several.
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "engine/testing.h"

namespace tarn::engine {
namespace {

Request kept(std::string sql) {
  Request request;
  request.sql = std::move(sql);
  request.keep_plan = true;
  return request;
}

TEST(Plans, ServeTheSameTextAgain) {
  Fixture f;
  f.rows("SELECT 1");  // what one request made, no other sees: only files are shared
  for (int i = 0; i < 3; ++i) EXPECT_EQ(f.rows(kept("SELECT i, i * 2 FROM range(3) r(i) ORDER BY 1 DESC")), R"([["2","4"],["1","2"],["0","0"]])");
}

TEST(Plans, KeepNoValueThatAnExecutionMakes) {
  Fixture f;
  const auto first = f.rows(kept("SELECT random(), uuid(), now()"));
  EXPECT_NE(f.rows(kept("SELECT random(), uuid(), now()")), first);
  const auto then = f.rows(kept("SELECT epoch_us(now())"));
  EXPECT_NE(f.rows(kept("SELECT epoch_us(now())")), then);
}

TEST(Plans, SurviveAnErrorAndALimit) {
  Fixture f;
  const auto failing = kept("SELECT CASE WHEN i = 2 THEN 'x' ELSE '1' END::INTEGER FROM range(4) r(i)");
  for (int i = 0; i < 2; ++i) {
    f.rows(failing);
    ASSERT_FALSE(f.last);
    EXPECT_TRUE(f.last.error().message.starts_with("Conversion Error")) << f.last.error().message;
  }
  auto limited = kept("SELECT i FROM range(10) r(i)");
  EXPECT_EQ(f.rows(limited), R"([["0"],["1"],["2"],["3"],["4"],["5"],["6"],["7"],["8"],["9"]])");
  limited.row_limit = 1;
  EXPECT_EQ(f.rows(limited), R"([["0"]])");
  limited.row_limit = {};
  EXPECT_EQ(f.rows(limited), R"([["0"],["1"],["2"],["3"],["4"],["5"],["6"],["7"],["8"],["9"]])");
}

TEST(Plans, AreNotSharedByTwoAtOnce) {
  Fixture f;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int t = 0; t < 8; ++t)
    callers.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        // Some texts are the same for all callers, some are a caller's own.
        const auto n = i % 3 ? 100 : 100 + t;
        std::string got;
        Sink sink;
        sink.chunk = [&](std::string chunk, std::int64_t) {
          got += chunk;
          return true;
        };
        const auto done = f.pool->run(f.scope(), kept(fmt::format("SELECT sum(i) FROM range({}) r(i)", n)), sink);
        if (!done || got != fmt::format(R"([["{}"]])", n * (n - 1) / 2)) ++wrong;
      }
    });
  for (auto& c : callers) c.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Plans, OfMoreTextsThanAreKept) {
  Fixture f;
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 80; ++i) EXPECT_EQ(f.rows(kept(fmt::format("SELECT {}", i))), fmt::format(R"([["{}"]])", i));
  const std::string text(200'000, 'x');
  for (int i = 0; i < 2; ++i) EXPECT_EQ(f.rows(kept(fmt::format("SELECT length('{}')", text))), R"([["200000"]])");
}

TEST(Plans, OutliveManyCancelsAtOnce) {
  Fixture f;
  for (int round = 0; round < 10; ++round) {
    // The plans that are kept while others are cancelled.
    for (int i = 0; i < 8; ++i) EXPECT_EQ(f.rows(kept(fmt::format("SELECT {} + {}", round, i))), fmt::format(R"([["{}"]])", round + i));
    std::array<CancelToken, 12> tokens;
    std::vector<std::thread> callers;
    std::atomic<int> cancelled = 0;
    for (auto& token : tokens)
      callers.emplace_back([&] {
        const auto done = f.pool->run(
            f.scope(), Request{.sql = "SELECT count(*) FROM range(1000000) a(i), range(1000000) b(j) WHERE (i * j) % 7 = 3"}, Sink{}, &token);
        if (!done && done.error().code == Errc::cancelled) ++cancelled;
      });
    f.rows(kept("SELECT 1"));
    for (auto& token : tokens) token.cancel();
    for (auto& c : callers) c.join();
    EXPECT_EQ(cancelled, 12);
  }
  EXPECT_EQ(f.pool->stats().starts, 1u) << "an engine has died on the way";
}

}  // namespace
}  // namespace tarn::engine
