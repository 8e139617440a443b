#include "sql/types.h"

#include <gtest/gtest.h>

namespace tarn::sql {
namespace {

TEST(SqlType, NamesEachTypeAsDatabricksDoes) {
  const struct {
    const char *duckdb, *text, *name;
  } cases[] = {
      {"BIGINT", "bigint", "LONG"},
      {"INTEGER", "int", "INT"},
      {"VARCHAR", "string", "STRING"},
      {"DECIMAL(10,2)", "decimal(10,2)", "DECIMAL"},
      {"HUGEINT", "decimal(38,0)", "DECIMAL"},
      {"TIMESTAMP WITH TIME ZONE", "timestamp", "TIMESTAMP"},
      {"TIMESTAMP", "timestamp_ntz", "TIMESTAMP_NTZ"},
      {"VARCHAR[]", "array<string>", "ARRAY"},
      {"INTEGER[3][]", "array<array<int>>", "ARRAY"},
      {"MAP(VARCHAR, DATE)", "map<string,date>", "MAP"},
      {"STRUCT(a INTEGER, \"b c\" DECIMAL(3,1)[])", "struct<a:int,b c:array<decimal(3,1)>>", "STRUCT"},
      {"UUID", "string", "STRING"},
      {"\"NULL\"", "void", "NULL"},
  };
  for (const auto& c : cases) {
    const auto text = sql_type_of(c.duckdb);
    ASSERT_TRUE(text) << c.duckdb << ": " << text.error().message;
    EXPECT_EQ(*text, c.text) << c.duckdb;
    EXPECT_EQ(type_name(*text), c.name) << c.duckdb;
  }
  EXPECT_EQ(decimal_precision("decimal(10,2)")->precision, 10);
  EXPECT_EQ(decimal_precision("decimal(10,2)")->scale, 2);
  EXPECT_FALSE(decimal_precision("bigint"));
}

TEST(SqlType, RefusesByNameWhatDatabricksHasNot) {
  for (const char* text : {"BIT", "TIME", "UNION(a INTEGER)", "ENUM('a')", "", "INTEGER)"})
    EXPECT_EQ(sql_type_of(text).error().code, Errc::unsupported) << text;
  EXPECT_NE(sql_type_of("STRUCT(a TIME)[]").error().message.find("TIME"), std::string::npos);
}

}  // namespace
}  // namespace tarn::sql
