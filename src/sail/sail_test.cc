// A real Sail in its confinement: what it answers, what it cannot reach, and how it ends.
#include "sail/sail.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "base/ids.h"

namespace tarn::sail {
namespace {

namespace fs = std::filesystem;

class SailTest : public ::testing::Test {
 protected:
  SailTest() {
    folder = (fs::temp_directory_path() / ("tarn-sail-test-" + new_hex(6))).string();
    for (const char* name : {"spool", "data", "other"}) fs::create_directories(folder + "/" + name);
    std::ofstream(folder + "/data/inside.csv") << "a\n1\n";
    std::ofstream(folder + "/other/outside.csv") << "a\n1\n";
  }
  ~SailTest() override {
    pool.reset();
    fs::remove_all(folder);
  }
  Pool& with(const std::function<void(Options&)>& change = {}) {
    Options o{.launcher = TARN_SAIL_PROGRAM, .spool = folder + "/spool"};
    if (change) change(o);
    pool = std::make_unique<Pool>(std::move(o));
    return *pool;
  }
  std::unique_ptr<Lease> lease(const std::string& principal = "ana") {
    if (!pool) with();
    auto out = pool->lease({.principal = principal, .directories = {folder + "/data"}}, nullptr, 60'000);
    if (!out) throw std::runtime_error(out.error().message);
    return *std::move(out);
  }
  Result<Rows> run(Lease& on, const std::string& sql, std::int64_t timeout = 60'000, engine::CancelToken* cancel = nullptr) {
    auto out = on.folder();
    if (!out) return fail(out.error());
    return on.run({.sql = sql, .directory = **out, .timeout_ms = timeout}, cancel);
  }
  std::string folder;
  std::unique_ptr<Pool> pool;
};

TEST_F(SailTest, TypesAreSpelledAsTheyAreHere) {
  const auto on = lease();
  const auto rows = run(*on,
                        "SELECT 1 AS a, 1 AS a, 2L AS b, 1.50 AS c, 'x' AS d, DATE'2024-01-01' AS e, TIMESTAMP'2024-01-01 00:00:00' AS f, "
                        "array(1) AS g, map('k', 1.5D) AS h, named_struct('x y', true) AS i, NULL AS j, INTERVAL '1 02:03:04' DAY TO SECOND AS k");
  ASSERT_TRUE(rows) << rows.error().message;
  std::string types;
  for (const auto& c : rows->columns) types += c.name + ":" + c.type + " ";
  EXPECT_EQ(types,
            "a:int a:int b:bigint c:decimal(3,2) d:string e:date f:timestamp g:array<int> h:map<string,double> i:struct<`x y`:boolean> j:void "
            "k:interval day to second ");
  EXPECT_EQ(rows->rows, 1);
  EXPECT_EQ(rows->files.size(), 1u);
}

TEST_F(SailTest, ManyRowsAreSeveralFilesAndNoRowsNone) {
  const auto on = lease();
  const auto many = run(*on, "SELECT id FROM range(2500000)"), none = run(*on, "SELECT 1 AS a WHERE false");
  ASSERT_TRUE(many && none);
  EXPECT_EQ(many->rows, 2'500'000);
  EXPECT_GE(many->files.size(), 2u);
  EXPECT_TRUE(none->files.empty());
  EXPECT_EQ(none->columns.at(0).type, "int");
}

TEST_F(SailTest, ErrorsOfAStatementLeaveItsProcess) {
  const auto on = lease();
  const auto wrong = run(*on, "SELECT 1/0"), fine = run(*on, "SELECT 1 AS a"), months = run(*on, "SELECT INTERVAL '1' MONTH AS m");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Errc::sql);
  EXPECT_TRUE(fine);
  ASSERT_FALSE(months);
  EXPECT_EQ(months.error().code, Errc::unsupported);
  EXPECT_NE(months.error().message.find("`m`"), std::string::npos) << months.error().message;
}

TEST_F(SailTest, TimesAreInUtc) {
  const auto on = lease();
  const auto rows = run(*on, "SELECT 1 AS a WHERE hour(timestamp_micros(1704110400000000)) = 12 AND current_timezone() = 'UTC'");
  ASSERT_TRUE(rows) << rows.error().message;
  EXPECT_EQ(rows->rows, 1);
}

TEST_F(SailTest, NothingOfAStatementLastsIntoTheNext) {
  const auto on = lease();
  (void)run(*on, "CREATE TEMPORARY VIEW seen AS SELECT 1 AS a");
  EXPECT_FALSE(run(*on, "SELECT * FROM seen"));
}

TEST_F(SailTest, FilesElsewhereAreOutOfReach) {
  const auto on = lease();
  const auto inside = run(*on, "SELECT * FROM csv.`" + folder + "/data/inside.csv`");
  ASSERT_TRUE(inside) << inside.error().message;
  for (const std::string& path : {folder + "/other/outside.csv", std::string("/etc/passwd"), std::string("/proc/self/environ"),
                                  std::string("/proc/1/environ"), folder + "/data/../other/outside.csv"})
    EXPECT_FALSE(run(*on, "SELECT * FROM text.`" + path + "`") && run(*on, "SELECT * FROM text.`" + path + "`")->rows > 0) << path;
  EXPECT_FALSE(run(*on, "CREATE TABLE t USING delta LOCATION '" + folder + "/data/t' AS SELECT 1 AS a") && fs::exists(folder + "/data/t"));
  EXPECT_FALSE(fs::exists(folder + "/data/t"));
  EXPECT_FALSE(run(*on, "SELECT * FROM csv.`http://127.0.0.1:1/x.csv`"));
}

TEST_F(SailTest, PrincipalsDoNotShareAProcess) {
  const auto first = lease("ana");
  { const auto again = lease("bob"); }
  const auto third = lease("bob");
  EXPECT_EQ(pool->stats().starts, 2u);
  EXPECT_EQ(pool->stats().processes, 2u);
}

TEST_F(SailTest, TheLongestUnusedProcessMakesRoom) {
  with([](Options& o) { o.most_processes = 1; });
  { const auto first = lease("ana"); }
  { const auto second = lease("bob"); }
  EXPECT_EQ(pool->stats().starts, 2u);
  EXPECT_EQ(pool->stats().processes, 1u);
  const auto held = lease("bob");
  const auto none = pool->lease({.principal = "eve"}, nullptr, 50);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::timeout);
}

TEST_F(SailTest, CancellingEndsAtOnceAndTheNextGetsAnother) {
  auto on = lease();
  engine::CancelToken cancel;
  auto running = std::async(std::launch::async, [&] {
    return run(*on, "SELECT count(*) FROM range(1000000000) a JOIN range(1000000) b ON a.id % 7 = b.id % 11", 0, &cancel);
  });
  EXPECT_EQ(running.wait_for(std::chrono::milliseconds(300)), std::future_status::timeout);
  cancel.cancel();
  const auto ended = running.get();
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, Errc::cancelled);
  on.reset();
  EXPECT_EQ(pool->stats().kills, 1u);
  EXPECT_TRUE(run(*lease(), "SELECT 1 AS a"));
}

TEST_F(SailTest, ATimeoutEndsTheStatement) {
  const auto on = lease();
  const auto late = run(*on, "SELECT count(*) FROM range(1000000000) a JOIN range(1000000) b ON a.id % 7 = b.id % 11", 300);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Errc::timeout);
}

TEST_F(SailTest, WhatCannotBeStartedSaysWhy) {
  with([](Options& o) { o.launcher = "/nowhere/tarn-sail"; });
  const auto none = pool->lease({.principal = "ana"}, nullptr, 1000);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::unavailable);
  EXPECT_NE(none.error().message.find("/nowhere/tarn-sail"), std::string::npos) << none.error().message;
  EXPECT_EQ(pool->stats().processes, 0u);
}

}  // namespace
}  // namespace tarn::sail
