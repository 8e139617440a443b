#include "delta/stats.h"

#include <gtest/gtest.h>

namespace tarn::delta {
namespace {

Metadata table(std::vector<std::pair<std::string, std::string>> columns) {
  Metadata m;
  for (auto& [name, type] : columns) m.schema.fields.push_back({name, *delta_type(type), true, {}});
  return m;
}

std::string bounds(const std::string& type, const std::string& min, const std::string& max) {
  return stats_json(table({{"c", type}}), 3, {{{"c"}, min, max, 1, false}});
}

TEST(Stats, EveryTypeIsWrittenAsTheProtocolSays) {
  const std::string head = R"({"numRecords":3,"minValues":{"c":)", mid = R"(},"maxValues":{"c":)", tail = R"(},"nullCount":{"c":1}})";
  auto expect = [&](const std::string& type, const std::string& min, const std::string& max, const std::string& low, const std::string& high) {
    EXPECT_EQ(bounds(type, min, max), head + low + mid + high + tail) << type;
  };
  expect("bigint", "-9223372036854775808", "9223372036854775807", "-9223372036854775808", "9223372036854775807");
  expect("decimal(38,2)", "-0.50", "123456789012345678901234567890123456.78", "-0.50", "123456789012345678901234567890123456.78");
  expect("double", "-1.5", "1e300", "-1.5E0", "1E300");
  expect("date", "2024-01-31", "2024-12-31", "\"2024-01-31\"", "\"2024-12-31\"");
  expect("timestamp", "2024-01-31 23:30:00.999999-01", "2024-02-01 10:00:00+00", "\"2024-02-01T00:30:00.999Z\"", "\"2024-02-01T10:00:00.000Z\"");
  expect("timestamp_ntz", "2024-01-31 10:00:00.1", "2024-01-31 10:00:00", "\"2024-01-31T10:00:00.100\"", "\"2024-01-31T10:00:00.000\"");
  expect("string", "a\"b", "z\n", "\"a\\\"b\"", "\"z\\n\"");
}

TEST(Stats, LongStringsAreCutAndStayBounds) {
  const std::string forty(40, 'x'), cut(32, 'x');
  EXPECT_EQ(bounds("string", forty, forty),
            R"({"numRecords":3,"minValues":{"c":")" + cut + R"("},"maxValues":{"c":")" + cut + "\x7f" + R"("},"nullCount":{"c":1}})");
  std::string umlauts;
  for (int i = 0; i < 33; ++i) umlauts += "ü";
  const std::string u32 = umlauts.substr(0, 64);
  EXPECT_EQ(bounds("string", umlauts, umlauts),
            R"({"numRecords":3,"minValues":{"c":")" + u32 + R"("},"maxValues":{"c":")" + u32 + "\xf4\x8f\xbf\xbf" + R"("},"nullCount":{"c":1}})");
  EXPECT_EQ(bounds("string", cut, cut),
            R"({"numRecords":3,"minValues":{"c":")" + cut + R"("},"maxValues":{"c":")" + cut + R"("},"nullCount":{"c":1}})");
}

TEST(Stats, WhatIsNoBoundIsLeftOut) {
  const std::string none = R"({"numRecords":3,"minValues":{},"maxValues":{},"nullCount":{"c":1}})";
  EXPECT_EQ(bounds("boolean", "0", "1"), none);
  EXPECT_EQ(bounds("binary", "00", "ff"), none);
  EXPECT_EQ(bounds("array<int>", "1", "2"), none);
  EXPECT_EQ(bounds("bigint", "1; DROP", "0x7"), none);
  EXPECT_EQ(bounds("double", "-inf", "inf"), none);
  EXPECT_EQ(bounds("date", "infinity", "2024-1-1"), none);
  EXPECT_EQ(bounds("timestamp", "2024-02-30 00:00:00", "2024-01-01 25:00:00"), none);
  EXPECT_EQ(bounds("string", "\xff\xfe", "\xc3"), none);
  EXPECT_EQ(stats_json(table({{"c", "double"}}), 3, {{{"c"}, "1.0", "2.0", 1, true}}), none) << "NaN has no place among bounds";
  EXPECT_EQ(stats_json(table({{"c", "int"}}), 3, {{{"other"}, "1", "2", 1, false}}),
            R"({"numRecords":3,"minValues":{},"maxValues":{},"nullCount":{}})");
}

TEST(Stats, NestedFieldsMirrorTheSchemaAndOnlyTheFirstColumnsCount) {
  Metadata m = table({{"s", "struct<a:int,b:struct<c:string>>"}, {"d", "int"}});
  const std::vector<ColumnStats> columns{{{"s", "a"}, "1", "2", 0, false}, {{"s", "b", "c"}, "x", "y", 1, false}, {{"d"}, "5", "6", 0, false}};
  EXPECT_EQ(
      stats_json(m, 2, columns),
      R"({"numRecords":2,"minValues":{"s":{"a":1,"b":{"c":"x"}},"d":5},"maxValues":{"s":{"a":2,"b":{"c":"y"}},"d":6},"nullCount":{"s":{"a":0,"b":{"c":1}},"d":0}})");
  m.configuration["delta.dataSkippingNumIndexedCols"] = "1";
  EXPECT_EQ(stats_json(m, 2, columns), R"({"numRecords":2,"minValues":{"s":{"a":1}},"maxValues":{"s":{"a":2}},"nullCount":{"s":{"a":0}}})");
}

TEST(Stats, DuckdbColumnNamesAreRead) {
  const Schema s = table({{"we\"ird.name", "int"}, {"s", "struct<p:double,q:array<int>>"}, {"m", "map<string,int>"}}).schema;
  EXPECT_EQ(stats_path(R"("we""ird.name")", s), std::vector<std::string>{"we\"ird.name"});
  EXPECT_EQ(stats_path(R"("s"."p")", s), (std::vector<std::string>{"s", "p"}));
  for (const char* none : {R"("s"."q"."element")", R"("m"."key")", R"("nope")", "\"s", "s", ""}) EXPECT_TRUE(stats_path(none, s).empty()) << none;
}

}  // namespace
}  // namespace tarn::delta
