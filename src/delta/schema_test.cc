#include <gtest/gtest.h>

#include "delta/log.h"

namespace tarn::delta {
namespace {

TEST(Schema, IsWrittenAsTheProtocolSaysAndReadBack) {
  Schema s;
  s.fields.push_back({"id", "long", false, {}});
  s.fields.push_back({"näme", "string", true, {{"comment", "who's \"it\""}}});
  s.fields.push_back({"tags", *delta_type("array<struct<k:string,v:decimal(10,2)>>"), true, {}});
  const std::string text = schema_string(s);
  EXPECT_EQ(text.substr(0, 71), R"({"type":"struct","fields":[{"name":"id","type":"long","nullable":false,)");
  const auto back = parse_schema(text);
  ASSERT_TRUE(back) << back.error().message;
  ASSERT_EQ(back->fields.size(), 3u);
  EXPECT_FALSE(back->fields[0].nullable);
  EXPECT_EQ(back->fields[1].metadata.at("comment"), "who's \"it\"");
  EXPECT_EQ(schema_string(*back), text);
}

TEST(Schema, SqlTypesRoundTrip) {
  for (const char* sql : {"bigint", "int", "smallint", "tinyint", "float", "double", "boolean", "binary", "date", "timestamp", "timestamp_ntz",
                          "string", "decimal(38,18)", "array<int>", "map<string,array<double>>", "struct<a:int,b:struct<`x y`:string>>", "variant"}) {
    const auto type = delta_type(sql);
    ASSERT_TRUE(type) << sql;
    EXPECT_EQ(sql_type(*type), sql);
  }
  EXPECT_EQ(sql_type(*delta_type("LONG")), "bigint");
  EXPECT_EQ(sql_type(*delta_type(" ARRAY < Integer > ")), "array<int>");
  EXPECT_EQ(sql_type(*delta_type("varchar(20)")), "string");
  EXPECT_EQ(sql_type(*delta_type("decimal")), "decimal(10,0)");
  EXPECT_EQ(sql_type(*delta_type("decimal(5)")), "decimal(5,0)");
}

TEST(Schema, TypesThatMakeNoSenseAreRefusedWithTheirText) {
  for (const char* sql :
       {"", "bigin", "array<int", "array<>", "map<int>", "decimal(39,2)", "decimal(5,6)", "struct<a int,>", "int int", "struct<`a:int>"}) {
    const auto type = delta_type(sql);
    ASSERT_FALSE(type) << sql;
    EXPECT_EQ(type.error().code, Errc::invalid_schema);
    EXPECT_NE(type.error().message.find("'" + std::string(sql) + "'"), std::string::npos) << type.error().message;
  }
  std::string deep = "int";
  for (int i = 0; i < 200; ++i) deep = "array<" + deep + ">";
  EXPECT_FALSE(delta_type(deep));
}

TEST(Schema, DuckdbSpellings) {
  EXPECT_EQ(duckdb_type(*delta_type("struct<a:int,b:array<timestamp>,c:map<string,decimal(9,1)>>")),
            "STRUCT(\"a\" INTEGER, \"b\" TIMESTAMP WITH TIME ZONE[], \"c\" MAP(VARCHAR, DECIMAL(9,1)))");
  EXPECT_EQ(duckdb_type("timestamp_ntz"), "TIMESTAMP");
}

TEST(Schema, OfATableIsCheckedBeforeItIsCreated) {
  auto check = [](std::vector<Field> fields, std::vector<std::string> partitions = {}) {
    const auto r = check_schema(Schema{std::move(fields)}, partitions);
    return r ? std::string("ok") : r.error().message;
  };
  EXPECT_EQ(check({{"a", "long"}, {"b", "string"}}, {"b"}), "ok");
  EXPECT_NE(check({}).find("DELTA_EMPTY_DATA"), std::string::npos);
  EXPECT_NE(check({{"a", "long"}, {"A", "long"}}).find("DELTA_DUPLICATE_COLUMNS_FOUND"), std::string::npos);
  EXPECT_NE(check({{"a b", "long"}}).find("DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES"), std::string::npos);
  EXPECT_NE(check({{"a", "long"}}, {"z"}).find("DELTA_MISSING_PARTITION_COLUMN"), std::string::npos);
  EXPECT_NE(check({{"a", "long"}}, {"a"}).find("DELTA_NON_PARTITION_COLUMN_ABSENT"), std::string::npos);
  EXPECT_NE(check({{"a", "long"}, {"m", *delta_type("map<int,int>")}}, {"m"}).find("DELTA_INVALID_PARTITION_COLUMN_TYPE"), std::string::npos);
  EXPECT_NE(check({{"a", "longer"}}).find("unknown type 'longer'"), std::string::npos);
}

TEST(Schema, DamagedSchemaTextIsRefused) {
  for (const char* text : {"", "[]", "{}", R"({"type":"struct"})", R"({"type":"struct","fields":[{"name":1,"type":"long"}]})",
                           R"({"type":"struct","fields":[{"name":"a","type":{"type":"array"}}]})"})
    EXPECT_FALSE(parse_schema(text)) << text;
}

}  // namespace
}  // namespace tarn::delta
