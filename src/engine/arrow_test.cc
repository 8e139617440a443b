#include <gtest/gtest.h>

#include "engine/testing.h"

namespace tarn::engine {
namespace {

std::vector<std::string> streams(Fixture& f, const Request& request, Result<Summary>& last) {
  std::vector<std::string> out;
  Sink sink;
  sink.chunk = [&](std::string chunk, std::int64_t) {
    out.push_back(std::move(chunk));
    return true;
  };
  last = f.pool->run(f.scope(), request, sink);
  return out;
}

TEST(ArrowStream, EachChunkIsACompleteStreamThatPyarrowReads) {
  Fixture f;
  Request request;
  request.format = Format::arrow_stream;
  request.chunk_rows = 3000;
  request.sql =
      "SELECT i AS n, CASE WHEN i % 7 = 0 THEN NULL ELSE 'é' || i END AS s, (i / 4)::DECIMAL(12,2) AS d, TIMESTAMPTZ '2020-01-01 00:00:00.5+00' AS "
      "t, "
      "TIMESTAMP '2020-01-01 00:00:00' AS ntz, DATE '2020-02-29' AS day, i % 2 = 0 AS b, 'x'::BLOB AS raw, [i, NULL] AS l, {'a': i, 'b': ['x']} AS "
      "st, "
      "MAP {'k': i} AS m, 1::HUGEINT AS h, 1.5::FLOAT AS f, NULL AS nothing, INTERVAL '1 day' AS iv FROM range(10000) r(i)";
  Result<Summary> last;
  const auto chunks = streams(f, request, last);
  ASSERT_TRUE(last) << last.error().message;
  EXPECT_EQ(last->rows, 10'000);
  ASSERT_GT(chunks.size(), 1u);
  for (std::size_t i = 0; i < chunks.size(); ++i) f.write_file("chunk" + std::to_string(i), chunks[i]);
  const auto seen = f.python(R"(
import pyarrow as pa, sys, os
folder = sys.argv[1]
tables = []
for i in range(len([n for n in os.listdir(folder) if n.startswith('chunk')])):
    with pa.ipc.open_stream(os.path.join(folder, f'chunk{i}')) as r: tables.append(r.read_all())
t = pa.concat_tables(tables)
t.validate(full=True)
for f in t.schema: print(f.name, f.type)
print(t.num_rows, sum(t['n'].to_pylist()), t['s'].null_count, t['s'][8], t['d'][9].as_py(), t['t'][0].as_py().isoformat(), t['ntz'][0].as_py().isoformat(), t['day'][0].as_py(), t['raw'][0].as_py(), t['l'][5].as_py(), t['st'][5].as_py(), t['m'][5].as_py(), t['h'][0].as_py())
)");
  EXPECT_EQ(
      seen,
      "n int64\ns string\nd decimal128(12, 2)\nt timestamp[us, tz=UTC]\nntz timestamp[us]\nday date32[day]\nb bool\nraw binary\nl list<l: int64>\n"
      "st struct<a: int64, b: list<l: string>>\nm map<string, int64>\nh decimal128(38, 0)\nf float\nnothing int32\niv month_day_nano_interval\n"
      "10000 49995000 1429 é8 2.25 2020-01-01T00:00:00.500000+00:00 2020-01-01T00:00:00 2020-02-29 b'x' [5, None] {'a': 5, 'b': ['x']} [('k', 5)] "
      "1\n");
}

TEST(ArrowStream, HonoursTheRowLimit) {
  Fixture f;
  Request request;
  request.format = Format::arrow_stream;
  request.row_limit = 5;
  request.sql = "SELECT i, 'x' || i AS s FROM range(10000) r(i)";
  Result<Summary> last;
  const auto chunks = streams(f, request, last);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->rows, 5);
  EXPECT_TRUE(last->truncated);
  ASSERT_EQ(chunks.size(), 1u);
  f.write_file("chunk0", chunks[0]);
  EXPECT_EQ(f.python("import pyarrow as pa, sys\nprint(pa.ipc.open_stream(sys.argv[1] + '/chunk0').read_all().to_pydict())"),
            "{'i': [0, 1, 2, 3, 4], 's': ['x0', 'x1', 'x2', 'x3', 'x4']}\n");
}

TEST(ArrowStream, NamesAColumnThatHasNoArrowForm) {
  Fixture f;
  Request request;
  request.format = Format::arrow_stream;
  request.sql = "SELECT ['a'::ENUM('a','b')] AS e";
  Result<Summary> last;
  streams(f, request, last);
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code, Errc::sql);
  EXPECT_EQ(last.error().message, "Column 'e' has type ENUM('a', 'b'), which has no Arrow form: cast it to VARCHAR");
}

}  // namespace
}  // namespace tarn::engine
