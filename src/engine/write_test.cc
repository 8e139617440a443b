#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "engine/testing.h"

namespace tarn::engine {
namespace {

namespace fs = std::filesystem;

struct Writing : ::testing::Test {
  Fixture f;
  const std::string table = f.folder / "data/table";
  WriteRequest request(const std::string& query) const {
    WriteRequest w;
    w.query = query;
    w.directory = table;
    return w;
  }
  /// Everything below the table's folder, hidden things too.
  std::vector<std::string> found() const {
    std::vector<std::string> out;
    if (fs::exists(table))
      for (const auto& entry : fs::recursive_directory_iterator(table))
        if (!entry.is_directory()) out.push_back(entry.path().lexically_relative(table).string());
    for (const auto& entry : fs::directory_iterator(fs::exists(table) ? table : f.folder.text()))
      if (entry.path().filename().string().starts_with(".tarn-")) out.push_back(entry.path().string());
    return out;
  }
  template <class F>
  static bool eventually(F condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
  }
};

TEST_F(Writing, TypesAreThoseThatSparkReads) {
  const auto files = f.pool->write_parquet(f.scope(), request("SELECT 1::TINYINT AS b, 2::SMALLINT AS s, 3::INTEGER AS i, 4::BIGINT AS l, 1.5::FLOAT "
                                                              "AS f, 2.5::DOUBLE AS d, 1.25::DECIMAL(9,2) AS c, 1.25::DECIMAL(38,2) AS wide, "
                                                              "TIMESTAMPTZ '2020-01-01 00:00:00+00' AS t, TIMESTAMP '2020-01-01 00:00:00' AS ntz, "
                                                              "DATE '2020-01-01' AS day, 'x' AS str, 'x'::BLOB AS raw, true AS ok, "
                                                              "[1] AS list, {'a': 1} AS st, MAP {'k': 1} AS m"));
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_EQ(f.python(R"(
import pyarrow.parquet as pq, sys, glob
p = pq.ParquetFile(glob.glob(sys.argv[1] + '/data/table/*.parquet')[0])
print([str(x.type) for x in p.schema_arrow])
names = [p.schema.column(i) for i in range(len(p.schema))]
print(names[8].logical_type, names[8].physical_type)
print(names[9].logical_type)
print(p.metadata.row_group(0).column(0).compression)
)"),
            "['int8', 'int16', 'int32', 'int64', 'float', 'double', 'decimal128(9, 2)', 'decimal128(38, 2)', 'timestamp[us, tz=UTC]', "
            "'timestamp[us]', 'date32[day]', 'string', "
            "'binary', 'bool', 'list<element: int32>', 'struct<a: int32>', \"map<string, int32 ('m')>\"]\n"
            "Timestamp(isAdjustedToUTC=true, timeUnit=microseconds, is_from_converted_type=false, force_set_converted_type=false) INT64\n"
            "Timestamp(isAdjustedToUTC=false, timeUnit=microseconds, is_from_converted_type=false, force_set_converted_type=false)\nSNAPPY\n");
}

TEST_F(Writing, TypesThatDeltaHasNotAreRefusedWithTheCure) {
  for (const auto& [expression, type, to] :
       {std::tuple{"1::HUGEINT", "HUGEINT", "DECIMAL(38,0)"}, std::tuple{"1::UINTEGER", "UINTEGER", "BIGINT"},
        std::tuple{"TIMESTAMP_NS '2020-01-01'", "TIMESTAMP_NS", "TIMESTAMP"}, std::tuple{"INTERVAL '1 day'", "INTERVAL", "VARCHAR"},
        std::tuple{"[{'a': 1::UTINYINT}]", "STRUCT(a UTINYINT)[]", "SMALLINT"}}) {
    const auto files = f.pool->write_parquet(f.scope(), request(std::string("SELECT ") + expression + " AS x"));
    ASSERT_FALSE(files) << expression;
    EXPECT_EQ(files.error().code, Errc::sql);
    EXPECT_EQ(files.error().message,
              std::string("Binder Error: column 'x' has type ") + type + ", which a Delta table cannot hold: cast it to " + to);
  }
  EXPECT_EQ(found(), std::vector<std::string>{});
}

TEST_F(Writing, FilesEndAtTheirRows) {
  auto w = request("SELECT i FROM range(1000000) r(i)");
  w.most_rows_per_file = 250'000;
  w.compression = "zstd";
  const auto files = f.pool->write_parquet(f.scope(), w);
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_GE(files->size(), 4u);
  std::int64_t rows = 0;
  std::vector<std::string> names;
  for (const auto& file : *files) {
    rows += file.rows;
    EXPECT_LE(file.rows, 300'000);
    EXPECT_TRUE(file.path.ends_with("-c000.zstd.parquet")) << file.path;
    names.push_back(file.path);
    ASSERT_EQ(file.columns.size(), 1u);
    EXPECT_EQ(f.rows("SELECT count(*), min(i), max(i) FROM read_parquet('" + table + "/" + file.path + "')"),
              "[[\"" + std::to_string(file.rows) + "\",\"" + *file.columns[0].min + "\",\"" + *file.columns[0].max + "\"]]");
  }
  EXPECT_EQ(rows, 1'000'000);
  auto there = found();
  std::sort(there.begin(), there.end()), std::sort(names.begin(), names.end());
  EXPECT_EQ(there, names);
}

TEST_F(Writing, NoRowsNoFiles) {
  const auto files = f.pool->write_parquet(f.scope(), request("SELECT 1 AS a WHERE false"));
  ASSERT_TRUE(files) << files.error().message;
  EXPECT_TRUE(files->empty());
  EXPECT_EQ(found(), std::vector<std::string>{});
}

TEST_F(Writing, PartitionsHaveTheirValues) {
  auto w = request(
      "SELECT i, CASE i % 3 WHEN 0 THEN 'a b/c=d%' WHEN 1 THEN NULL ELSE 'é' END AS p, DATE '2020-01-01' + (i % 2)::INTEGER AS day FROM range(12) "
      "r(i)");
  w.partition_by = {"p", "day"};
  const auto files = f.pool->write_parquet(f.scope(), w);
  ASSERT_TRUE(files) << files.error().message;
  ASSERT_EQ(files->size(), 6u);
  std::set<std::pair<std::optional<std::string>, std::optional<std::string>>> values;
  for (const auto& file : *files) {
    EXPECT_EQ(file.rows, 2);
    EXPECT_TRUE(fs::exists(table + "/" + file.path)) << file.path;
    values.insert({file.partition_values.at("p"), file.partition_values.at("day")});
    for (const auto& c : file.columns) EXPECT_EQ(c.path, std::vector<std::string>{"i"});
  }
  using V = std::optional<std::string>;
  EXPECT_EQ(values, (std::set<std::pair<V, V>>{{"a b/c=d%", "2020-01-01"},
                                               {"a b/c=d%", "2020-01-02"},
                                               {V(), "2020-01-01"},
                                               {V(), "2020-01-02"},
                                               {"é", "2020-01-01"},
                                               {"é", "2020-01-02"}}));
}

TEST_F(Writing, AFailureLeavesNothing) {
  const auto files =
      f.pool->write_parquet(f.scope(), request("SELECT CASE WHEN i = 900000 THEN 'x' ELSE '1' END::INTEGER AS a FROM range(1000000) r(i)"));
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code, Errc::sql);
  EXPECT_TRUE(files.error().message.starts_with("Conversion Error")) << files.error().message;
  EXPECT_EQ(found(), std::vector<std::string>{});
}

TEST_F(Writing, ACancelLeavesNothing) {
  CancelToken token;
  std::thread canceller([&] {
    eventually([&] { return !found().empty(); });
    token.cancel();
  });
  const auto files = f.pool->write_parquet(f.scope(), request("SELECT i, i * 31 % 1000003 AS h FROM range(10000000000) r(i)"), &token);
  canceller.join();
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code, Errc::cancelled);
  EXPECT_EQ(found(), std::vector<std::string>{});
}

TEST_F(Writing, AKilledProcessLeavesNothing) {
  f.rows("SELECT 1");
  const auto pid = only_child();
  ASSERT_GT(pid, 0);
  std::thread killer([&] {
    eventually([&] { return !found().empty(); });
    ::kill(pid, SIGKILL);
  });
  const auto files = f.pool->write_parquet(f.scope(), request("SELECT i, i * 31 % 1000003 AS h FROM range(10000000000) r(i)"));
  killer.join();
  ASSERT_FALSE(files);
  EXPECT_EQ(files.error().code, Errc::died);
  EXPECT_EQ(found(), std::vector<std::string>{});
}

}  // namespace
}  // namespace tarn::engine
