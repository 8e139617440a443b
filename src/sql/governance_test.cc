// What a reader of a governed table could learn besides its rows: plans, messages, results kept for another.
#include <gmock/gmock.h>

#include "sql/testing.h"

namespace tarn::sql::testing {
namespace {

class Governed : public ::testing::Test {
 protected:
  World world;
  void SetUp() override {
    must("GRANT USE CATALOG, USE SCHEMA ON CATALOG main TO `account users`");
    must("CREATE TABLE pay (id BIGINT, region STRING, secret STRING)");
    must("INSERT INTO pay SELECT id, CASE WHEN id % 2 = 0 THEN 'north' ELSE 'south' END, concat('hidden', id) FROM range(1000)");
    must("CREATE FUNCTION north(r STRING) RETURNS BOOLEAN RETURN r = 'north' OR is_account_group_member('engineers')");
    must("CREATE FUNCTION hide(v STRING) RETURNS STRING RETURN CASE WHEN is_account_group_member('engineers') THEN v ELSE 'x' END");
    must("ALTER TABLE pay SET ROW FILTER north ON (region)");
    must("ALTER TABLE pay ALTER COLUMN secret SET MASK hide");
    must("GRANT SELECT ON TABLE pay TO `account users`");
  }
  void must(const std::string& sql, const std::string& who = "automation") { (void)rows(sql, who); }
  std::vector<std::string> rows(const std::string& sql, const std::string& who) {
    Collector sink;
    const auto done = world.run(world.as(who), sql, sink);
    EXPECT_TRUE(done) << sql << "\n" << (done ? "" : done.error().message);
    return sink.rows;
  }
  std::string refusal(const std::string& sql, const std::string& who) {
    Collector sink;
    const auto done = world.run(world.as(who), sql, sink);
    EXPECT_FALSE(done) << sql;
    return done ? "" : done.error().message;
  }
};

TEST_F(Governed, APlanTellsNothingOfWhatIsBehind) {
  for (const char* sql :
       {"EXPLAIN SELECT count(*) FROM main.s.pay WHERE id > 7", "EXPLAIN SELECT p.id, q.id FROM main.s.pay p JOIN main.s.pay q ON p.id = q.id + 1",
        "EXPLAIN WITH a AS (SELECT * FROM main.s.pay) SELECT * FROM a UNION ALL SELECT * FROM a"}) {
    const auto plan = rows(sql, "ana").at(0);
    EXPECT_THAT(plan, ::testing::HasSubstr("SAMPLE")) << plan;
    for (const char* word : {"READ_PARQUET", "parquet", "north", "hidden", "500", "1,000", "region ="})
      EXPECT_THAT(plan, ::testing::Not(::testing::HasSubstr(word))) << plan;
  }
  // A view of what its reader may not read himself is as closed; who may read its tables sees his plan.
  must("CREATE TABLE plain AS SELECT id, id % 7 AS week FROM range(1000)");
  must("CREATE VIEW some AS SELECT id FROM plain WHERE week = 3");
  must("GRANT SELECT ON VIEW some TO `account users`");
  must("GRANT SELECT ON TABLE plain TO engineers");
  EXPECT_THAT(rows("EXPLAIN SELECT * FROM main.s.some", "ana").at(0), ::testing::Not(::testing::HasSubstr("READ_PARQUET")));
  EXPECT_THAT(rows("EXPLAIN SELECT * FROM main.s.some", "bob").at(0), ::testing::HasSubstr("READ_PARQUET"));
}

TEST_F(Governed, MessagesDoNotQuoteHiddenValues) {
  must("CREATE FUNCTION number(v STRING) RETURNS STRING RETURN CAST(CAST(v AS INT) AS STRING)");
  must("ALTER TABLE pay ALTER COLUMN secret SET MASK number");
  // The mask itself fails on a value that its reader must not see.
  const auto message = refusal("SELECT secret FROM main.s.pay", "ana");
  EXPECT_THAT(message, ::testing::HasSubstr("withheld"));
  EXPECT_THAT(message, ::testing::Not(::testing::HasSubstr("hidden")));
  EXPECT_THAT(refusal("CREATE TABLE main.s.copy AS SELECT secret FROM main.s.pay", "automation"), ::testing::Not(::testing::HasSubstr("hidden")));
}

TEST_F(Governed, WhatFailsIsAskedOnlyOfRowsThatAreSeen) {
  must("CREATE TABLE few AS SELECT 0 AS id");
  must("GRANT SELECT ON TABLE few TO `account users`");
  // Row 7 is in the south. Each of these would raise on it, wherever the optimizer can move the condition to.
  const std::string trap = "CASE WHEN p.id = 7 THEN CAST(concat('h', p.region) AS INT) > 0 ELSE true END";
  for (const std::string& sql :
       {"SELECT count(*) FROM main.s.pay p WHERE " + trap, "SELECT count(*) FROM main.s.pay p JOIN main.s.few f ON f.id <= p.id WHERE " + trap,
        "SELECT count(*) FROM main.s.pay p LEFT JOIN main.s.few f ON f.id = p.id AND " + trap + " WHERE p.id >= 0",
        "SELECT count(*) FROM main.s.pay p WHERE p.id IN (SELECT p.id FROM main.s.pay p WHERE " + trap + ")",
        "SELECT count(*) FROM (SELECT p.id, p.region, row_number() OVER (ORDER BY p.id) AS n FROM main.s.pay p) p WHERE " + trap,
        "SELECT sum(c) FROM (SELECT p.id, p.region, count(*) AS c FROM main.s.pay p GROUP BY p.id, p.region HAVING " + trap + ")",
        "WITH p AS (SELECT * FROM main.s.pay) SELECT count(*) FROM p WHERE " + trap + " AND p.id < 5000",
        "SELECT count(*) FROM main.s.pay p WHERE 1 / (p.id - 7) < 2 AND " + trap})
    EXPECT_EQ(rows(sql, "ana"), std::vector<std::string>{"500"}) << sql;
  EXPECT_THAT(refusal("SELECT count(*) FROM main.s.pay p WHERE " + trap, "bob"), ::testing::HasSubstr("withheld"));
}

TEST_F(Governed, AKeptResultIsForWhoWouldGetTheSame) {
  const std::string sql = "SELECT count(*), max(secret) FROM main.s.pay";
  const auto cached = [&](const std::string& who) {
    Collector sink;
    const auto done = world.run(world.as(who), sql, sink);
    EXPECT_TRUE(done);
    return std::pair(sink.rows.at(0), done && done->metrics.from_cache);
  };
  EXPECT_EQ(cached("ana"), std::pair(std::string("500|x"), false));
  EXPECT_EQ(cached("ana"), std::pair(std::string("500|x"), true));
  EXPECT_EQ(cached("eve"), std::pair(std::string("500|x"), true));  // the same rows, after the same checks
  EXPECT_EQ(cached("bob"), std::pair(std::string("1000|hidden999"), false));
  must("INSERT INTO pay VALUES (1000, 'north', 'late')");
  EXPECT_EQ(cached("ana"), std::pair(std::string("501|x"), false));  // a commit
  must("CREATE OR REPLACE FUNCTION hide(v STRING) RETURNS STRING RETURN 'y'");
  EXPECT_EQ(cached("ana"), std::pair(std::string("501|y"), false));  // a policy
  EXPECT_EQ(cached("ana"), std::pair(std::string("501|y"), true));
  must("REVOKE SELECT ON TABLE pay FROM `account users`");
  EXPECT_THAT(refusal(sql, "ana"), ::testing::HasSubstr("INSUFFICIENT_PERMISSIONS"));  // a grant
  must("GRANT SELECT ON TABLE pay TO `ana@acme.test`");
  EXPECT_EQ(cached("ana"), std::pair(std::string("501|y"), true));
  for (const char* changing : {"SELECT now() > DATE'2020-01-01' AS a", "SELECT rand() >= 0 AS a", "SELECT uuid() IS NOT NULL AS a",
                               "SELECT current_date() > DATE'2020-01-01' AS a"})
    for (int i = 0; i < 2; ++i) {
      Collector sink;
      const auto done = world.run(world.as("ana"), changing, sink);
      ASSERT_TRUE(done) << done.error().message;
      EXPECT_FALSE(done->metrics.from_cache) << changing;
    }
}

TEST_F(Governed, AnOwnersLossOfExecuteClosesTheTable) {
  must("ALTER TABLE pay OWNER TO `ana@acme.test`");
  EXPECT_THAT(refusal("SELECT count(*) FROM main.s.pay", "eve"), ::testing::HasSubstr("cannot be read"));
  must("GRANT EXECUTE ON FUNCTION north TO `ana@acme.test`");
  must("GRANT EXECUTE ON FUNCTION hide TO `ana@acme.test`");
  EXPECT_EQ(rows("SELECT count(*) FROM main.s.pay", "eve"), std::vector<std::string>{"500"});
  must("REVOKE EXECUTE ON FUNCTION hide FROM `ana@acme.test`");
  const auto message = refusal("SELECT count(*) FROM main.s.pay", "eve");
  EXPECT_THAT(message, ::testing::HasSubstr("cannot be read"));
}

}  // namespace
}  // namespace tarn::sql::testing
