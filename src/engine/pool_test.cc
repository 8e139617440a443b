#include <gtest/gtest.h>

#include <filesystem>

#include "engine/engine.h"
#include "engine/testing.h"

namespace tarn::engine {
namespace {

TEST(PoolRun, DeliversAResultAsJsonArray) {
  Fixture f;
  const auto rows = f.rows("SELECT concat('id-', i) AS a, i AS b, NULL AS c FROM range(3) t(i)");
  EXPECT_EQ(rows, R"([["id-0","0",null],["id-1","1",null],["id-2","2",null]])");
  ASSERT_EQ(f.columns.size(), 3u);
  EXPECT_EQ(f.columns[1].type, "BIGINT");
  ASSERT_TRUE(f.last);
  EXPECT_EQ(f.last->rows, 3);
  EXPECT_FALSE(f.last->truncated);
}

TEST(PoolRun, PrintsEachTypeAsTheVendorDoes) {
  Fixture f;
  const std::pair<const char*, const char*> cases[] = {
      {"true", R"("true")"},
      {"(-128)::TINYINT", R"("-128")"},
      {"170141183460469231731687303715884105727::HUGEINT", R"("170141183460469231731687303715884105727")"},
      {"1.5::DECIMAL(10,2)", R"("1.50")"},
      {"-0.05::DECIMAL(38,2)", R"("-0.05")"},
      {"1::DOUBLE", R"("1.0")"},
      {"1e10::DOUBLE", R"("1.0E10")"},
      {"1234567.0::DOUBLE", R"("1234567.0")"},
      {"12345678.9::DOUBLE", R"("1.23456789E7")"},
      {"0.001::DOUBLE", R"("0.001")"},
      {"0.0001::DOUBLE", R"("1.0E-4")"},
      {"0.1::FLOAT", R"("0.1")"},
      {"'-0'::DOUBLE", R"("-0.0")"},
      {"'nan'::DOUBLE", R"("NaN")"},
      {"'-inf'::DOUBLE", R"("-Infinity")"},
      {"DATE '2020-02-29'", R"("2020-02-29")"},
      {"DATE '0044-03-15'", R"("0044-03-15")"},
      {"TIMESTAMPTZ '2020-01-01 00:00:00+00'", R"("2020-01-01T00:00:00.000Z")"},
      {"TIMESTAMPTZ '2020-01-01 01:30:00.123456+01'", R"("2020-01-01T00:30:00.123Z")"},
      {"TIMESTAMP '1969-12-31 23:59:59.999'", R"("1969-12-31T23:59:59.999")"},
      {"TIMESTAMP_NS '2020-01-01 00:00:00.123456789'", R"("2020-01-01T00:00:00.123")"},
      {"'\\x00\\xFFab'::BLOB", R"("AP9hYg==")"},
      {"'q\"\\'||chr(10)||chr(1)||'é'", R"("q\"\\\n\u0001é")"},
      {"[1, NULL, 3]", R"("[\"1\",null,\"3\"]")"},
      {"{'a': 1, 'b': ['x']}", R"("{\"a\":\"1\",\"b\":[\"x\"]}")"},
      {"MAP {'k': 1.5}", R"("{\"k\":\"1.5\"}")"},
      {"[1,2]::INTEGER[2]", R"("[\"1\",\"2\"]")"},
      {"INTERVAL '1 year 2 days 3.5 seconds'", R"("1 years 2 days 3.5 seconds")"},
      {"TIME '12:34:56.7'", R"("12:34:56.7")"},
      {"UUID '00112233-4455-6677-8899-aabbccddeeff'", R"("00112233-4455-6677-8899-aabbccddeeff")"},
      {"'101'::BIT", R"("101")"},
      {"'b'::ENUM('a','b')", R"("b")"},
      {"'x'::UNION(n INTEGER, s VARCHAR)", R"("x")"},
      {"NULL", "null"},
      {"NULL::INTEGER[]", "null"},
  };
  for (const auto& [expression, expected] : cases) EXPECT_EQ(f.value(expression), expected) << expression;
}

TEST(PoolWriteParquet, WritesFilesWithStatistics) {
  Fixture f;
  WriteRequest w;
  w.query =
      "SELECT i AS n, 's' || i AS s, (i * 1.25)::DECIMAL(10,2) AS d, TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_seconds(i) AS t, "
      "CASE WHEN i < 2 THEN NULL ELSE i::DOUBLE END AS x, {'a': i, 'b c': DATE '2020-01-01'} AS st, [i] AS l FROM range(10) r(i)";
  w.directory = f.folder / "data/table";
  const auto files = f.pool->write_parquet(f.scope(), w);
  ASSERT_TRUE(files) << files.error().message;
  ASSERT_EQ(files->size(), 1u);
  const auto& file = files->front();
  EXPECT_EQ(file.rows, 10);
  EXPECT_EQ(std::filesystem::file_size(w.directory + "/" + file.path), file.bytes);
  std::map<std::string, ColumnStatistics> by_path;
  for (const auto& c : file.columns) {
    std::string path;
    for (const auto& part : c.path) path += (path.empty() ? "" : "/") + part;
    by_path[path] = c;
  }
  EXPECT_EQ(by_path["n"].min, "0");
  EXPECT_EQ(by_path["n"].max, "9");
  EXPECT_EQ(by_path["d"].max, "11.25");
  EXPECT_EQ(by_path["d"].type, "DECIMAL(10,2)");
  EXPECT_EQ(by_path["t"].min, "2020-01-01 00:00:00+00");
  EXPECT_EQ(by_path["x"].null_count, 2);
  EXPECT_EQ(by_path["st/b c"].type, "DATE");
  EXPECT_EQ(by_path.count("l"), 0u) << "the protocol has no statistics for lists";
  EXPECT_EQ(f.rows("SELECT count(*), sum(n), typeof(any_value(t)) FROM read_parquet('" + w.directory + "/*.parquet')"),
            R"([["10","45","TIMESTAMP WITH TIME ZONE"]])");
}

}  // namespace
}  // namespace tarn::engine
