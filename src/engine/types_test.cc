#include "engine/types.h"

#include <gtest/gtest.h>

namespace tarn::engine {
namespace {

TEST(DatabricksType, NamesEachTypeAsTheApiDoes) {
  const struct {
    const char *duckdb, *name, *text;
  } cases[] = {
      {"BIGINT", "LONG", "BIGINT"},
      {"INTEGER", "INT", "INT"},
      {"VARCHAR", "STRING", "STRING"},
      {"DECIMAL(10,2)", "DECIMAL", "DECIMAL(10,2)"},
      {"HUGEINT", "DECIMAL", "DECIMAL(38,0)"},
      {"TIMESTAMP WITH TIME ZONE", "TIMESTAMP", "TIMESTAMP"},
      {"TIMESTAMP", "TIMESTAMP_NTZ", "TIMESTAMP_NTZ"},
      {"VARCHAR[]", "ARRAY", "ARRAY<STRING>"},
      {"INTEGER[3][]", "ARRAY", "ARRAY<ARRAY<INT>>"},
      {"MAP(VARCHAR, DATE)", "MAP", "MAP<STRING, DATE>"},
      {"STRUCT(a INTEGER, \"b \"\"c\" DECIMAL(3,1)[])", "STRUCT", "STRUCT<a: INT, `b \"c`: ARRAY<DECIMAL(3,1)>>"},
      {"ENUM('a', 'it''s, (b)')", "STRING", "STRING"},
      {"UUID", "STRING", "STRING"},
      {"NULL", "NULL", "VOID"},
  };
  for (const auto& c : cases) {
    const auto t = databricks_type(c.duckdb);
    EXPECT_EQ(t.type_name, c.name) << c.duckdb;
    EXPECT_EQ(t.type_text, c.text) << c.duckdb;
  }
  EXPECT_EQ(databricks_type("DECIMAL(10,2)").type_precision, 10);
  EXPECT_EQ(databricks_type("DECIMAL(10,2)").type_scale, 2);
  EXPECT_FALSE(databricks_type("BIGINT").type_precision);
}

TEST(DuckdbType, ReadsDatabricksTypes) {
  const std::pair<const char*, const char*> cases[] = {
      {"bigint", "BIGINT"},
      {"string", "VARCHAR"},
      {"decimal", "DECIMAL(10,0)"},
      {"DECIMAL( 38 , 18 )", "DECIMAL(38,18)"},
      {"timestamp", "TIMESTAMPTZ"},
      {"timestamp_ntz", "TIMESTAMP"},
      {"varchar(20)", "VARCHAR"},
      {"array<struct<a:int,`b c`:map<string,double>>>", "STRUCT(\"a\" INTEGER, \"b c\" MAP(VARCHAR, DOUBLE))[]"},
      {"struct<a: int NOT NULL COMMENT 'it''s'>", "STRUCT(\"a\" INTEGER)"},
  };
  for (const auto& [databricks, expected] : cases) {
    const auto t = duckdb_type(databricks);
    ASSERT_TRUE(t) << databricks << ": " << t.error();
    EXPECT_EQ(*t, expected);
  }
}

TEST(DuckdbType, RefusesWhatIsNoType) {
  for (const char* text : {"", "integre", "array", "array<", "array<int", "decimal(39,1)", "decimal(5,6)", "int x", "struct<>", "struct<a>",
                           "varchar", "map<int>", "int;drop"})
    EXPECT_FALSE(duckdb_type(text)) << text;
  EXPECT_EQ(duckdb_type("array<blub>").error(), "blub>");
  std::string deep;
  for (int i = 0; i < 10'000; ++i) deep += "array<";
  EXPECT_FALSE(duckdb_type(deep));
}

}  // namespace
}  // namespace tarn::engine
