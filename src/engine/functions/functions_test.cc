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
      {"spark_conv('99999999999999999999', 10, 16)", R"("FFFFFFFFFFFFFFFF")"},
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

TEST(Functions, KeepNullsApartInAColumn) {
  Fixture f;
  EXPECT_EQ(f.rows("SELECT spark_find_in_set(CASE WHEN i % 2 = 0 THEN 'b' END, 'a,b') FROM range(4) r(i)"), R"([["2"],[null],["2"],[null]])");
  EXPECT_EQ(f.value("count(*), count(x) FROM (SELECT spark_to_string(CASE WHEN i % 3 > 0 THEN i::DOUBLE END) AS x FROM range(9000) r(i))"),
            R"("9000","6000")");
}

}  // namespace
}  // namespace tarn::engine
