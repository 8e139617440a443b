// Expected values: the examples of Spark's SQL reference, and its definitions at their edges.
#include <gtest/gtest.h>

#include "engine/testing.h"

namespace tarn::engine {
namespace {

TEST(Functions, AnswerAsSparkDoes) {
  Fixture f;
  const std::pair<const char*, const char*> cases[] = {
      {"spark_conv('100', 2, 10)", R"("4")"},
      {"spark_conv('-10', 16, -10)", R"("-16")"},
      {"spark_conv('-10', 16, 10)", R"("18446744073709551600")"},
      {"spark_conv('11abc', 10, 16)", R"("B")"},
      {"spark_conv('zz', 36, 10)", R"("1295")"},
      {"spark_conv('18446744073709551615', 10, 16)", R"("FFFFFFFFFFFFFFFF")"},
      {"spark_conv('', 10, 16)", "null"},
      {"spark_conv('1', 1, 16)", "null"},
      {"spark_conv('1', 10, -2147483648)", "null"},
      {"spark_crc32('Spark')", R"("1557323817")"},
      {"spark_crc32('')", R"("0")"},
      {"spark_find_in_set('ab', 'abc,b,ab,c,def')", R"("3")"},
      {"spark_find_in_set('c,d', 'abc,b,ab,c,def')", R"("0")"},
      {"spark_find_in_set('', 'a,,b')", R"("2")"},
      {"spark_find_in_set('x', '')", R"("0")"},
      {"spark_find_in_set('', '')", R"("1")"},
      {"spark_soundex('Miller')", R"("M460")"},
      {"spark_soundex('Tymczak')", R"("T522")"},
      {"spark_soundex('Ashcraft')", R"("A261")"},
      {"spark_soundex('Pfister')", R"("P236")"},
      {"spark_soundex('')", R"("")"},
      {"spark_soundex('1a')", R"("1a")"},
      {"spark_substring_index('www.apache.org', '.', 2)", R"("www.apache")"},
      {"spark_substring_index('www.apache.org', '.', -2)", R"("apache.org")"},
      {"spark_substring_index('www.apache.org', '.', 9)", R"("www.apache.org")"},
      {"spark_substring_index('www.apache.org', '.', -9)", R"("www.apache.org")"},
      {"spark_substring_index('www.apache.org', '.', 0)", R"("")"},
      {"spark_substring_index('.a', '.', -1)", R"("a")"},
      {"spark_substring_index('.a', '.', 1)", R"("")"},
      {"spark_substring_index('é||b||c', '||', -2147483648)", R"("é||b||c")"},
      {"spark_to_string(1e10::DOUBLE)", R"("1.0E10")"},
      {"spark_to_string(0.1::FLOAT)", R"("0.1")"},
      {"spark_to_string('-inf'::DOUBLE)", R"("-Infinity")"},
      {"spark_to_string(4.9e-324::DOUBLE)", R"("4.9E-324")"},
      {"spark_to_string(NULL::DOUBLE)", "null"},
      {"spark_find_in_set(NULL, 'a')", "null"},
  };
  for (const auto& [expression, expected] : cases) EXPECT_EQ(f.value(expression), expected) << expression;
}

TEST(Functions, ReadAndPrintDatesAndTimes) {
  Fixture f;
  const std::pair<const char*, const char*> cases[] = {
      {"spark_timestamp_to_string(spark_string_to_timestamp(' 2020-1-2T3:4:5.6789 ', 'TIMESTAMP', false))", R"("2020-01-02 03:04:05.6789")"},
      {"spark_timestamp_to_string(spark_string_to_timestamp('2020-01-02 03:04:05+01:30', 'TIMESTAMP', false))", R"("2020-01-02 01:34:05")"},
      {"spark_timestamp_to_string(spark_string_to_timestamp('2020-01-02 03:04:05+01:30', 'TIMESTAMP_NTZ', false))", R"("2020-01-02 03:04:05")"},
      {"spark_string_to_timestamp('2020-02-30', 'TIMESTAMP', true)", "null"},
      {"spark_date_to_string(spark_string_to_date('2020-2', false))", R"("2020-02-01")"},
      {"spark_string_to_date('20-02-01', true)", "null"},
      {"spark_date_format(TIMESTAMP '2020-01-02 13:04:05.678', 'EEE, d MMM yyyy hh:mm:ss.SS a', true)", R"("Thu, 2 Jan 2020 01:04:05.67 PM")"},
      {"spark_date_format(TIMESTAMP '2020-01-02 13:04:05', 'yyyyMMdd''T''HHmmss[XXX]', false)", R"("20200102T130405Z")"},
      {"spark_timestamp_to_string(spark_parse_timestamp('12/31/2015 11 PM', 'MM/dd/yyyy hh a', false, false))", R"("2015-12-31 23:00:00")"},
      {"spark_timestamp_to_string(spark_parse_timestamp('20201230', 'yyyyMMdd', false, false))", R"("2020-12-30 00:00:00")"},
      {"spark_parse_timestamp('2020-13-01', 'yyyy-MM-dd', false, true)", "null"},
      {"spark_date_to_string(spark_next_day(DATE '2015-01-14', 'TU'))", R"("2015-01-20")"},
      {"spark_months_between(TIMESTAMP '1997-02-28 10:30:00', TIMESTAMP '1996-10-30 00:00:00', true)", R"("3.94959677")"},
      {"spark_time_to_string(spark_string_to_time('1:2:3.5 PM', 'TIME(6)', false))", R"("13:02:03.5")"},
  };
  for (const auto& [expression, expected] : cases) EXPECT_EQ(f.value(expression), expected) << expression;
}

TEST(Functions, KeepIntervalsAsNumbersAndShowThemAsSpark) {
  Fixture f;
  const std::pair<const char*, const char*> cases[] = {
      {"spark_ym_to_string(-25, 'year', 'month')", R"("INTERVAL '-2-1' YEAR TO MONTH")"},
      {"spark_dt_to_string(93784005006, 'day', 'second')", R"("INTERVAL '1 02:03:04.005006' DAY TO SECOND")"},
      {"spark_dt_shown(-1000000)", R"("-0 00:00:01.000000000")"},
      {"spark_string_to_ym('1-2', 'year', 'month', false)", R"("14")"},
      {"spark_string_to_dt('INTERVAL -''1 2'' DAY TO HOUR', 'day', 'hour', false)", R"("-93600000000")"},
      {"spark_string_to_dt('1 25', 'day', 'hour', true)", "null"},
      {"spark_interval_to_string(spark_string_to_interval('1 year -2 days 3.5 seconds', false))", R"("1 years -2 days 3.5 seconds")"},
      {"spark_interval_over(7, 2, 'ym', false)", R"("4")"},
      {"spark_interval_times(2147483647, 2, 'ym', true)", "null"},
  };
  for (const auto& [expression, expected] : cases) EXPECT_EQ(f.value(expression), expected) << expression;
}

TEST(Functions, CountExactly) {
  Fixture f;
  const std::pair<const char*, const char*> cases[] = {
      {"spark_decimal_math('/', '1', '3', 6)", R"("0.333333")"},
      {"spark_decimal_math('/', '2', '3', 0)", R"("1")"},
      {"spark_decimal_math('/', '-5', '10', 0)", R"("-1")"},
      {"spark_decimal_math('*', '12345678901234567890.12', '98765432109876543210.98', 4)", R"("1219326311370217952261414418287658588617.5176")"},
      {"spark_decimal_math('-', '1', '1.001', 3)", R"("-0.001")"},
      {"spark_decimal_math('b', '2.5', '', 0)", R"("2")"},
      {"spark_decimal_math('r', '-1550', '', -2)", R"("-1600")"},
      {"spark_decimal_text(' 1.255e1 ', 'DECIMAL(4,1)', false)", R"("12.6")"},
      {"spark_string_to_integral(' +12 ', 'TINYINT', false)", R"("12")"},
      {"spark_string_to_integral('128', 'TINYINT', true)", "null"},
      {"spark_string_to_integral('1.0', 'INT', true)", "null"},
      {"spark_string_to_double('-Infinity', 'DOUBLE', false)", R"("-Infinity")"},
      {"spark_rand(0)", R"("0.7604953758285915")"},
      {"spark_randstr(5, 0)", R"("ceV0P")"},
      {"spark_round_double(1.005, 2, false)", R"("1.01")"},
      {"spark_width_bucket(5.35, 0.024, 10.06, 5)", R"("3")"},
  };
  for (const auto& [expression, expected] : cases) EXPECT_EQ(f.value(expression), expected) << expression;
}

TEST(Functions, ReadJsonAsItIsWritten) {
  Fixture f;
  const std::pair<const char*, const char*> cases[] = {
      {R"(spark_get_json_object('{"a": [1, {"b": 1.50}]}', '$.a[1].b'))", R"("1.50")"},
      {R"(spark_get_json_object('{"a": [1, {"b": "x\u00e9"}]}', '$.a[1]'))", R"("{\"b\":\"xé\"}")"},
      {R"(spark_get_json_object('{"a": 1', '$.a'))", "null"},
      {R"(spark_get_json_object('{"a": 1}', 'a'))", "null"},
      {R"(spark_json_array_length('[1,2,{"a":[3]}]'))", R"("3")"},
      {R"(spark_json_array_length('[1,2'))", "null"},
      {R"(spark_schema_of_json('[{"b":1,"a":"x"}]'))", R"("ARRAY<STRUCT<a: STRING, b: BIGINT>>")"},
      {R"(spark_json_quote('a"b'))", R"("\"a\\\"b\"")"},
  };
  for (const auto& [expression, expected] : cases) EXPECT_EQ(f.value(expression), expected) << expression;
}

TEST(Functions, KeepNullsApartInAColumn) {
  Fixture f;
  EXPECT_EQ(f.rows("SELECT spark_find_in_set(CASE WHEN i % 2 = 0 THEN 'b' END, 'a,b') FROM range(4) r(i)"), R"([["2"],[null],["2"],[null]])");
  EXPECT_EQ(f.value("count(*), count(x) FROM (SELECT spark_to_string(CASE WHEN i % 3 > 0 THEN i::DOUBLE END) AS x FROM range(9000) r(i))"),
            R"("9000","6000")");
}

}  // namespace
}  // namespace tarn::engine
