// What a request did, as it is told with its end; and the share of the machine that work brings with it.
#include <algorithm>

#include "engine/testing.h"

namespace tarn::engine {
namespace {

constexpr const char* kFiles = "read_parquet(['{}/one.parquet', '{}/two.parquet'])";

/// Two files of 1,000 rows each.
void write_files(Fixture& f) {
  f.python(R"(
import sys, pyarrow as pa, pyarrow.parquet as pq
for name, start in (("one", 0), ("two", 1000)):
    pq.write_table(pa.table({"id": range(start, start + 1000), "kind": ["k%d" % (i % 7) for i in range(1000)]}), sys.argv[1] + "/data/" + name + ".parquet")
)");
}

std::string files(const Fixture& f) { return fmt::format(fmt::runtime(kFiles), f.folder / "data", f.folder / "data"); }

const Operator* find(const Profile& p, std::string_view name) {
  const auto at = std::ranges::find_if(p.operators, [&](const Operator& o) { return o.name == name; });
  return at == p.operators.end() ? nullptr : &*at;
}

std::string detail(const Operator& o, std::string_view key) {
  for (const auto& [k, v] : o.details)
    if (k == key) return v;
  return {};
}

Profile profile_of(Fixture& f, const std::string& sql) {
  Request request;
  request.sql = sql;
  request.profile = true;
  const auto rows = f.rows(request);
  EXPECT_TRUE(f.last) << rows;
  EXPECT_TRUE(f.last && f.last->profile) << "no profile";
  return f.last && f.last->profile ? *f.last->profile : Profile{};
}

TEST(EngineProfile, TellsOperatorsRowsFilesAndWhatWasPushedDown) {
  Fixture f;
  write_files(f);
  const auto p = profile_of(f, "SELECT kind, count(*) AS n FROM " + files(f) + " WHERE id >= 500 GROUP BY kind ORDER BY n");
  EXPECT_EQ(p.rows, 7);
  EXPECT_EQ(p.rows_read, 1500);
  EXPECT_EQ(p.files, 2);
  EXPECT_GT(p.file_bytes.value_or(0), 1'000);
  EXPECT_GT(p.bytes_read, 0);
  EXPECT_GT(p.seconds, 0);
  EXPECT_EQ(p.spilled_bytes, 0);
  ASSERT_FALSE(p.operators.empty());
  EXPECT_EQ(p.operators[0].depth, 0u);
  const auto* scan = find(p, "READ_PARQUET");
  ASSERT_NE(scan, nullptr);
  EXPECT_GT(scan->depth, 0u);
  EXPECT_EQ(scan->rows, 1500);
  EXPECT_EQ(scan->files_planned, 2);
  EXPECT_EQ(scan->files_opened, 2);
  EXPECT_EQ(scan->file, f.folder / "data/one.parquet");
  EXPECT_EQ(detail(*scan, "Filters"), "id>=500");
  // Where files lie is no caller's business.
  for (const auto& o : p.operators)
    for (const auto& [key, value] : o.details) EXPECT_EQ(value.find(f.folder.text()), std::string::npos) << key << ": " << value;
  EXPECT_NE(find(p, "HASH_GROUP_BY"), nullptr);
}

TEST(EngineProfile, IsTheSameForAPlanThatIsKept) {
  Fixture f;
  write_files(f);
  Request request;
  request.sql = "SELECT count(*) FROM " + files(f) + " WHERE kind = 'k1'";
  request.keep_plan = request.profile = true;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(f.rows(request), R"([["286"]])");
    ASSERT_TRUE(f.last && f.last->profile) << i;
    EXPECT_EQ(f.last->profile->rows_read, 286) << i;
    EXPECT_EQ(f.last->profile->files, 2) << i;
  }
  // And not asked for, it is not there, on the same connection.
  request.profile = false;
  EXPECT_EQ(f.rows(request), R"([["286"]])");
  EXPECT_FALSE(f.last->profile);
  request.profile = true;
  EXPECT_EQ(f.rows(request), R"([["286"]])");
  EXPECT_TRUE(f.last->profile);
}

TEST(EngineProfile, OfAResultThatIsCutShortIsThere) {
  Fixture f;
  write_files(f);
  Request request;
  request.sql = "SELECT id FROM " + files(f) + " ORDER BY id DESC";
  request.row_limit = 3;
  request.profile = true;
  EXPECT_EQ(f.rows(request), R"([["1999"],["1998"],["1997"]])");
  ASSERT_TRUE(f.last && f.last->profile);
  EXPECT_TRUE(f.last->truncated);
  EXPECT_FALSE(f.last->profile->operators.empty());
}

TEST(EngineProfile, BelongsToTheWorkBehindATokenAlsoForWrites) {
  Fixture f;
  write_files(f);
  Work work;
  CancelToken token(&work);
  Request request;
  request.sql = "SELECT max(id) FROM " + files(f);
  EXPECT_EQ(f.rows(request, &token), R"([["1999"]])");
  ASSERT_EQ(work.profiles.size(), 1u);
  WriteRequest write;
  write.query = "SELECT id FROM " + files(f) + " WHERE id < 10";
  write.directory = f.folder / "data/out";
  std::filesystem::create_directories(write.directory);
  const auto written = f.pool->write_parquet(f.scope(), write, &token);
  ASSERT_TRUE(written) << written.error().message;
  ASSERT_EQ(work.profiles.size(), 2u);
  EXPECT_EQ(work.profiles[1].rows_read, 10);
  EXPECT_NE(find(work.profiles[1], "COPY_TO_FILE"), nullptr);
  work.profiled = false;
  EXPECT_EQ(f.rows(request, &token), R"([["1999"]])");
  EXPECT_EQ(work.profiles.size(), 2u);
}

TEST(EngineShares, DecideThreadsMemoryAndSpillingOfTheirProcess) {
  Fixture f;
  const std::string settings = "SELECT current_setting('threads'), current_setting('memory_limit'), current_setting('max_temp_directory_size')";
  Request request;
  request.sql = settings;
  EXPECT_EQ(f.rows(request), R"([["2","512.0 MiB","8.0 GiB"]])");
  Work small{.share = {.threads = 1, .memory_bytes = 64u << 20, .spill_bytes = 128u << 20}};
  CancelToken token(&small);
  EXPECT_EQ(f.rows(request, &token), R"([["1","64.0 MiB","128.0 MiB"]])");
  EXPECT_EQ(f.pool->stats().children, 2u);
  Work same = small;
  CancelToken other(&same);
  EXPECT_EQ(f.rows(request, &other), R"([["1","64.0 MiB","128.0 MiB"]])");
  EXPECT_EQ(f.pool->stats().children, 2u) << "equal shares have one process";
}

TEST(EngineShares, AStatementThatASmallOneCannotHoldRunsInALargerOne) {
  Fixture f;
  // One value that cannot be spilled.
  Request request;
  request.sql = "SELECT length(string_agg(repeat('x', 1000), '')) FROM range(60000)";
  Work small{.share = {.threads = 1, .memory_bytes = 32u << 20, .spill_bytes = 1u << 30}};
  CancelToken token(&small);
  EXPECT_NE(f.rows(request, &token).find("Out of Memory Error"), std::string::npos);
  EXPECT_FALSE(f.last);
  Work large{.share = {.threads = 1, .memory_bytes = 512u << 20, .spill_bytes = 1u << 30}};
  CancelToken room(&large);
  EXPECT_EQ(f.rows(request, &room), R"([["60000000"]])");
}

TEST(EngineShares, ASortThatDoesNotFitSpillsAndSaysHowMuch) {
  Fixture f;
  Request request;
  request.sql = "SELECT count(*) FROM (SELECT i, hash(i) AS h, repeat('y', 100) AS t FROM range(1000000) r(i) ORDER BY h, t OFFSET 1)";
  request.profile = true;
  Work small{.share = {.threads = 1, .memory_bytes = 64u << 20, .spill_bytes = 4ull << 30}};
  CancelToken token(&small);
  EXPECT_EQ(f.rows(request, &token), R"([["999999"]])");
  ASSERT_EQ(small.profiles.size(), 1u);
  EXPECT_GT(small.profiles[0].spilled_bytes.value_or(-1), 1 << 20);
  // Of the next one, on the same connection, it is not told what this one did.
  request.sql = "SELECT count(*) FROM range(10)";
  EXPECT_EQ(f.rows(request, &token), R"([["10"]])");
  ASSERT_EQ(small.profiles.size(), 2u);
  EXPECT_EQ(small.profiles[1].spilled_bytes.value_or(0), 0);
}

}  // namespace
}  // namespace tarn::engine
