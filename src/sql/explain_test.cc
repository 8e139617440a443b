// EXPLAIN in its forms: what a plan says, and what it does not.
#include <gmock/gmock.h>

#include "sql/testing.h"

namespace tarn::sql::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Explained : public ::testing::Test {
 protected:
  World world;
  void SetUp() override {
    world.state = nullptr;
    must("GRANT USE CATALOG, USE SCHEMA ON CATALOG main TO `account users`");
    must("CREATE TABLE t AS SELECT id, concat('word', id) AS word FROM range(1000)");
    must("CREATE TABLE pay AS SELECT id, CASE WHEN id % 2 = 0 THEN 'north' ELSE 'south' END AS region FROM range(1000)");
    must("CREATE FUNCTION north(r STRING) RETURNS BOOLEAN RETURN r = 'north'");
    must("ALTER TABLE pay SET ROW FILTER north ON (region)");
    must("GRANT SELECT, MODIFY ON TABLE pay TO `account users`");
  }
  void must(const std::string& sql) { (void)plan(sql); }
  std::string plan(const std::string& sql, const std::string& who = "automation") {
    Collector sink;
    const auto done = world.run(world.as(who), sql, sink);
    EXPECT_TRUE(done) << sql << "\n" << (done ? "" : done.error().message);
    return sink.rows.empty() ? "" : sink.rows[0];
  }
  std::string refusal(const std::string& sql, const std::string& who = "automation") {
    Collector sink;
    const auto done = world.run(world.as(who), sql, sink);
    EXPECT_FALSE(done) << sql;
    return done ? "" : done.error().message;
  }
};

TEST_F(Explained, AQueryInEveryForm) {
  EXPECT_THAT(plan("EXPLAIN SELECT word FROM t WHERE id > 7"), StartsWith("== Physical Plan ==\n"));
  EXPECT_THAT(plan("EXPLAIN FORMATTED SELECT word FROM t WHERE id > 7"), HasSubstr("READ_PARQUET"));
  EXPECT_THAT(plan("EXPLAIN COST SELECT word FROM t WHERE id > 7"), HasSubstr("READ_PARQUET"));
  EXPECT_EQ(plan("EXPLAIN CODEGEN SELECT word FROM t WHERE id > 7"), "Found 0 WholeStageCodegen subtrees.\n");
  const auto extended = plan("EXPLAIN EXTENDED SELECT id, word AS w FROM t");
  EXPECT_THAT(extended, StartsWith("== Parsed Logical Plan ==\nSELECT id, word AS w FROM t\n"));
  EXPECT_THAT(extended, HasSubstr("== Analyzed Logical Plan ==\nid: bigint, w: string\n\n== Physical Plan ==\n"));
  EXPECT_THAT(refusal("EXPLAIN CODEGEN SELECT nope FROM t"), HasSubstr("UNRESOLVED_COLUMN"));
  EXPECT_THAT(refusal("EXPLAIN LOGICAL SELECT 1"), HasSubstr("INVALID_STATEMENT_OR_CLAUSE"));
  EXPECT_THAT(refusal("EXPLAIN"), HasSubstr("PARSE_SYNTAX_ERROR"));
}

TEST_F(Explained, CommandsAreNotCarriedOut) {
  EXPECT_EQ(plan("EXPLAIN DESC EXTENDED t"), "== Physical Plan ==\nExecute DESCRIBE TABLE\n   +- `t`\n");
  EXPECT_EQ(plan("EXPLAIN DROP TABLE main.s.t"), "== Physical Plan ==\nExecute DROP TABLE\n   +- `main`.`s`.`t`\n");
  EXPECT_THAT(plan("EXPLAIN EXTENDED ALTER TABLE t RENAME TO u"), HasSubstr("Execute ALTER\n"));
  EXPECT_THAT(plan("EXPLAIN CREATE VIEW v AS SELECT id FROM t"), HasSubstr("Execute CREATE VIEW\n   +- `v`\n"));
  EXPECT_THAT(plan("EXPLAIN DESC QUERY SELECT id FROM t"), HasSubstr("Execute DESCRIBE QUERY\n"));
  EXPECT_THAT(plan("EXPLAIN CREATE TABLE c AS SELECT id FROM t"), HasSubstr("READ_PARQUET"));
  EXPECT_THAT(plan("EXPLAIN INSERT INTO t SELECT id, region FROM pay"), HasSubstr("Execute INSERT\n   +- `t`\n"));
  EXPECT_THAT(plan("EXPLAIN DELETE FROM t WHERE id = 5"), HasSubstr("READ_PARQUET"));
  EXPECT_THAT(plan("EXPLAIN UPDATE t SET word = 'x' WHERE id = 5"), HasSubstr("Execute UPDATE\n"));
  EXPECT_THAT(plan("EXPLAIN MERGE INTO t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN DELETE"), HasSubstr("Execute MERGE\n"));
  EXPECT_EQ(plan("SELECT count(*), min(word) FROM t"), "1000|word0");
  EXPECT_THAT(refusal("SELECT * FROM v"), HasSubstr("TABLE_OR_VIEW_NOT_FOUND"));
  EXPECT_THAT(refusal("EXPLAIN DESC nope"), HasSubstr("TABLE_OR_VIEW_NOT_FOUND"));
  EXPECT_THAT(refusal("EXPLAIN INSERT INTO nope SELECT 1"), HasSubstr("TABLE_OR_VIEW_NOT_FOUND"));
  EXPECT_THAT(refusal("EXPLAIN DELETE FROM t WHERE nope = 1"), HasSubstr("UNRESOLVED_COLUMN"));
}

TEST_F(Explained, NothingOfWhatIsHidden) {
  for (const std::string mode : {"", "EXTENDED ", "FORMATTED ", "COST ", "CODEGEN "})
    for (const std::string sql :
         {"SELECT count(*) FROM main.s.pay", "DELETE FROM main.s.pay WHERE id = 3", "UPDATE main.s.pay SET id = 0 WHERE id = 3",
          "INSERT INTO main.s.pay SELECT id + 1, region FROM main.s.pay", "DESCRIBE QUERY SELECT * FROM main.s.pay",
          "MERGE INTO main.s.pay p USING (SELECT * FROM main.s.pay) q ON p.id = q.id WHEN MATCHED THEN DELETE"}) {
      const auto text = plan("EXPLAIN " + mode + sql, "ana");
      for (const char* word : {"PARQUET", "parquet", "north", "500", "1000", "1,000", "region ="}) EXPECT_THAT(text, Not(HasSubstr(word))) << sql;
    }
  // Rights are those of the statement itself.
  for (const char* sql : {"SELECT id FROM main.s.t", "DELETE FROM main.s.t", "INSERT INTO main.s.t SELECT 1, 'x'", "DESC main.s.t",
                          "CREATE TABLE main.s.c AS SELECT * FROM main.s.t", "CREATE VIEW main.s.v AS SELECT * FROM main.s.t",
                          "INSERT INTO main.s.pay SELECT id, word FROM main.s.t", "DESCRIBE QUERY SELECT * FROM main.s.t",
                          "MERGE INTO main.s.pay p USING main.s.t q ON p.id = q.id WHEN MATCHED THEN DELETE"})
    EXPECT_THAT(refusal(std::string("EXPLAIN ") + sql, "ana"), HasSubstr("INSUFFICIENT_PERMISSIONS")) << sql;
}

}  // namespace
}  // namespace tarn::sql::testing
