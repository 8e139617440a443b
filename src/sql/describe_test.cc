// SHOW and DESCRIBE whose answers hold times, or text of several lines.
#include <gmock/gmock.h>

#include "sql/testing.h"

namespace tarn::sql::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kOwner = "11111111-2222-3333-4444-555555555555";  // automation's application id

class Described : public ::testing::Test {
 protected:
  World world;
  std::vector<std::string> rows(const std::string& sql, const std::string& who = "automation") {
    Collector sink;
    const auto done = world.run(world.as(who), sql, sink);
    EXPECT_TRUE(done) << sql << "\n" << (done ? "" : done.error().message);
    return sink.rows;
  }
  json::object document(const std::string& sql, const std::string& who = "automation") {
    const auto found = rows(sql, who);
    return found.size() == 1 ? boost::json::parse(found[0]).as_object() : json::object{};
  }
};

TEST_F(Described, ATableAsJson) {
  rows(
      "CREATE TABLE t (i INT COMMENT 'first', n STRUCT<x: BIGINT, y: ARRAY<STRING>>, m MAP<STRING, DECIMAL(10,2)>, v VARCHAR(5), ts TIMESTAMP NOT "
      "NULL, "
      "p STRING, k INT DEFAULT 5) PARTITIONED BY (p) COMMENT 'all kinds' TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported', "
      "'password' = 'x')");
  const auto doc = document("DESCRIBE EXTENDED t AS JSON");
  EXPECT_EQ(doc.at("table_name"), "t");
  EXPECT_EQ(doc.at("catalog_name"), "main");
  EXPECT_EQ(doc.at("schema_name"), "s");
  EXPECT_EQ(doc.at("namespace"), boost::json::parse(R"(["s"])"));
  EXPECT_EQ(doc.at("columns"), boost::json::parse(R"([
    {"name": "i", "type": {"name": "int"}, "comment": "first", "nullable": true},
    {"name": "n", "type": {"name": "struct", "fields": [
      {"name": "x", "type": {"name": "bigint"}, "nullable": true},
      {"name": "y", "type": {"name": "array", "element_type": {"name": "string", "collation": "UTF8_BINARY"}, "element_nullable": true}, "nullable": true}]},
     "nullable": true},
    {"name": "m", "type": {"name": "map", "key_type": {"name": "string", "collation": "UTF8_BINARY"},
     "value_type": {"name": "decimal", "precision": 10, "scale": 2}, "value_nullable": true}, "nullable": true},
    {"name": "v", "type": {"name": "varchar", "length": 5}, "nullable": true},
    {"name": "ts", "type": {"name": "timestamp_ltz"}, "nullable": false},
    {"name": "p", "type": {"name": "string", "collation": "UTF8_BINARY"}, "nullable": true},
    {"name": "k", "type": {"name": "int"}, "nullable": true, "default": "5"}])"));
  EXPECT_EQ(doc.at("type"), "MANAGED");
  EXPECT_EQ(doc.at("provider"), "delta");
  EXPECT_EQ(doc.at("comment"), "all kinds");
  EXPECT_EQ(doc.at("owner"), kOwner);
  EXPECT_EQ(doc.at("partition_columns"), boost::json::parse(R"(["p"])"));
  EXPECT_EQ(doc.at("table_properties").at("password"), "*********(redacted)");
  EXPECT_THAT(std::string(doc.at("created_time").as_string()), ::testing::MatchesRegex("....-..-..T..:..:..Z"));
  EXPECT_FALSE(doc.contains("partition_values"));
  rows("INSERT INTO t (ts, p) VALUES (TIMESTAMP'2020-01-01 00:00:00', 'one')");
  EXPECT_EQ(document("DESC EXTENDED t PARTITION (p = 'one') AS JSON").at("partition_values"), boost::json::parse(R"({"p": "one"})"));
}

TEST_F(Described, AViewAsJson) {
  rows("CREATE VIEW v (n COMMENT 'a number') AS SELECT 1 AS one");
  const auto doc = document("DESCRIBE TABLE EXTENDED v AS JSON");
  EXPECT_EQ(doc.at("type"), "VIEW");
  EXPECT_EQ(doc.at("view_text"), "SELECT 1 AS one");
  EXPECT_EQ(doc.at("view_catalog_and_namespace"), "main.s");
  EXPECT_FALSE(doc.contains("provider"));
  rows("CREATE TEMPORARY VIEW own AS SELECT INTERVAL '1' DAY AS d");
  const auto own = document("DESCRIBE EXTENDED own AS JSON");
  EXPECT_FALSE(own.contains("catalog_name"));
  EXPECT_EQ(own.at("columns").at(0).at("type"), boost::json::parse(R"({"name": "interval", "start_unit": "day", "end_unit": "day"})"));
}

TEST_F(Described, TablesInBulk) {
  rows("CREATE TABLE one (a INT NOT NULL, n STRUCT<x: ARRAY<INT>, y: MAP<STRING, BIGINT>>, p STRING) PARTITIONED BY (p)");
  rows("CREATE VIEW two AS SELECT a FROM one");
  rows("CREATE TEMPORARY VIEW three AS SELECT 1 AS e");
  rows("INSERT INTO one VALUES (1, NULL, 'x')");
  const auto all = rows("SHOW TABLE EXTENDED IN main.s LIKE '*'");
  ASSERT_EQ(all.size(), 3u);
  EXPECT_THAT(all[0], ::testing::StartsWith(
                          "s|one|false|Catalog: main\nDatabase: s\nTable: one\nOwner: 11111111-2222-3333-4444-555555555555\nCreated Time: "));
  EXPECT_THAT(all[0], HasSubstr("\nType: MANAGED\nProvider: delta\nLocation: s3://"));
  EXPECT_THAT(all[0], ::testing::EndsWith("\nPartition Columns: [`p`]\nSchema: root\n"
                                          " |-- a: integer (nullable = false)\n"
                                          " |-- n: struct (nullable = true)\n"
                                          " |    |-- x: array (nullable = true)\n"
                                          " |    |    |-- element: integer (containsNull = true)\n"
                                          " |    |-- y: map (nullable = true)\n"
                                          " |    |    |-- key: string\n"
                                          " |    |    |-- value: long (valueContainsNull = true)\n"
                                          " |-- p: string (nullable = true)\n"));
  EXPECT_THAT(all[1], HasSubstr("View Text: SELECT a FROM one\n"));
  EXPECT_THAT(all[2], ::testing::StartsWith("|three|true|Table: three\n"));
  EXPECT_EQ(rows("SHOW TABLE EXTENDED LIKE 'one|nothing'").size(), 1u);
  EXPECT_EQ(rows("SHOW TABLE EXTENDED LIKE 'one' PARTITION (p = 'x')"), std::vector<std::string>{"s|one|false|Partition Values: [p=x]\n"});
}

TEST_F(Described, TablesInBulkAreThoseThatTheCallerSees) {
  world.state = nullptr;
  rows("CREATE TABLE hidden (a INT)");
  rows("CREATE TABLE seen (a INT)");
  rows("GRANT USE CATALOG, USE SCHEMA ON CATALOG main TO `ana@acme.test`");
  rows("GRANT SELECT ON TABLE seen TO `ana@acme.test`");
  const auto all = rows("SHOW TABLE EXTENDED IN main.s LIKE '*'", "ana");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_THAT(all[0], ::testing::StartsWith("s|seen|"));
  // By BROWSE she sees that the other is there, and not where.
  rows("CREATE VIEW closed AS SELECT a FROM hidden");
  rows("GRANT BROWSE ON CATALOG main TO `ana@acme.test`");
  for (const auto& row : rows("SHOW TABLE EXTENDED IN main.s LIKE 'hidden|closed'", "ana")) {
    EXPECT_THAT(row, Not(HasSubstr("Location"))) << row;
    EXPECT_THAT(row, Not(HasSubstr("View Text"))) << row;
  }
}

TEST_F(Described, TheStatementThatMakesATableAgain) {
  rows("CREATE FUNCTION only(p STRING) RETURNS BOOLEAN RETURN p = 'x'");
  rows("CREATE FUNCTION hide(v STRING, i BIGINT) RETURNS STRING RETURN CASE WHEN i > 0 THEN v END");
  rows(
      "CREATE TABLE t (i BIGINT GENERATED BY DEFAULT AS IDENTITY (START WITH 5 INCREMENT BY 2), `ab` INT NOT NULL COMMENT 'it\\'s', "
      "g BIGINT GENERATED ALWAYS AS (i * 2), v STRING MASK hide USING COLUMNS (i), k INT DEFAULT 5, p STRING) PARTITIONED BY (p) COMMENT 'c:\\\\d' "
      "TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported') WITH ROW FILTER only ON (p)");
  const auto text = rows("SHOW CREATE TABLE t").at(0);
  EXPECT_EQ(text,
            "CREATE TABLE `main`.`s`.`t` (\n"
            "  `i` bigint GENERATED BY DEFAULT AS IDENTITY (START WITH 5 INCREMENT BY 2),\n"
            "  `ab` int NOT NULL COMMENT 'it\\'s',\n"
            "  `g` bigint GENERATED ALWAYS AS (i * 2),\n"
            "  `v` string MASK `main`.`s`.`hide` USING COLUMNS (`i`),\n"
            "  `k` int DEFAULT 5,\n"
            "  `p` string)\n"
            "USING delta\n"
            "PARTITIONED BY (`p`)\n"
            "COMMENT 'c:\\\\d'\n"
            "TBLPROPERTIES (\n"
            "  'delta.feature.allowColumnDefaults' = 'supported')\n"
            "WITH ROW FILTER `main`.`s`.`only` ON (`p`)\n");
  rows("DROP TABLE t");
  rows(text);
  EXPECT_EQ(rows("SHOW CREATE TABLE t").at(0), text);
  rows("CREATE TABLE k (a INT, b INT) CLUSTER BY (b, a)");
  EXPECT_THAT(rows("SHOW CREATE TABLE k").at(0), HasSubstr("CLUSTER BY (`b`, `a`)\n"));
  rows("CREATE VIEW v (n COMMENT 'one') COMMENT 'a view' AS SELECT a FROM k");
  EXPECT_EQ(rows("SHOW CREATE TABLE v").at(0), "CREATE VIEW `main`.`s`.`v` (\n  `n` COMMENT 'one')\nCOMMENT 'a view'\nAS SELECT a FROM k\n");
}

TEST_F(Described, ACatalogInFull) {
  const auto all = rows("DESCRIBE CATALOG EXTENDED main");
  EXPECT_THAT(all, ::testing::Contains(std::string("Created By|") + kOwner));
  EXPECT_THAT(all, ::testing::Contains(::testing::StartsWith("Updated At|20")));
}

}  // namespace
}  // namespace tarn::sql::testing
