// A warehouse whose engine is Sail: the same rights, filters, masks and views, the same rows where Sail has the words, and names for what it has not.
#include <fstream>

#include "sql/testing.h"

namespace tarn::sql::testing {
namespace {

class OnSail : public ::testing::Test {
 protected:
  OnSail() {
    setup(
        "CREATE TABLE t (id INT, name STRING, price DECIMAL(10,2), at TIMESTAMP, day DATE, tags ARRAY<STRING>, who STRUCT<first: STRING, n: "
        "BIGINT>)");
    setup(
        "INSERT INTO t VALUES (1, 'one', 1.50, TIMESTAMP'2024-05-01 10:00:00', DATE'2024-05-01', array('a', 'b'), named_struct('first', 'x', 'n', "
        "7)), "
        "(2, 'it''s \\\\ two', 2.25, NULL, DATE'2024-05-02', array(), NULL), (3, NULL, NULL, TIMESTAMP'1969-12-31 23:59:59.5', NULL, NULL, NULL)");
    setup("CREATE TABLE parts (k INT, p STRING) PARTITIONED BY (p)");
    setup("INSERT INTO parts VALUES (1, 'a/b c'), (2, 'x'), (3, NULL)");
  }
  void setup(const std::string& sql) {
    world.on_sail(false);
    EXPECT_EQ(told("automation", sql), "") << sql;
    world.on_sail();
  }
  std::string rows(const std::string& as, const std::string& sql, std::map<std::string, Parameter> parameters = {}) {
    Collector sink;
    const auto done = world.run(world.as(as), sql, sink, std::move(parameters));
    if (!done) return "error: " + done.error().message;
    columns.clear();
    for (const auto& c : sink.columns) columns += c.name + ":" + c.type + " ";
    std::string out;
    for (const auto& r : sink.rows) out += (out.empty() ? "" : "\n") + r;
    return out;
  }
  std::string told(const std::string& as, const std::string& sql) {
    const auto said = rows(as, sql);
    return said.starts_with("error: ") ? said : "";
  }
  void same(const std::string& sql) {
    world.on_sail(false);
    const auto expected = rows("automation", sql), named = columns;
    world.on_sail();
    EXPECT_EQ(rows("automation", sql), expected) << sql;
    EXPECT_EQ(columns, named) << sql;
    EXPECT_FALSE(expected.starts_with("error")) << sql;
  }
  World world;
  std::string columns;
};

TEST_F(OnSail, AnswersAsTheOtherEngineDoes) {
  for (const char* sql : {
           "SELECT * FROM t ORDER BY id",
           "SELECT id, id AS id, 1 FROM t ORDER BY id",
           "SELECT main.s.t.id, s.t.name, t.who.n, who.first FROM main.s.t ORDER BY id",
           "SELECT x.id + y.k AS both FROM t x JOIN parts y ON x.id = y.k WHERE y.p IS NOT NULL ORDER BY 1",
           "SELECT p, count(*) AS n FROM parts GROUP BY p ORDER BY p",
           "WITH w AS (SELECT id FROM t WHERE id > 1) SELECT * FROM w UNION ALL SELECT k FROM parts WHERE k = 1 ORDER BY 1",
           "SELECT sum(price) AS s, avg(price) AS a, max(at) AS m, min(day) AS d FROM t",
           "SELECT transform(tags, v -> upper(v)) AS u FROM t WHERE id = 1",
           "SELECT tag FROM t LATERAL VIEW explode(tags) e AS tag ORDER BY tag",
           "SELECT current_user() AS u, is_account_group_member('engineers') AS e, current_schema() AS s",
           "SELECT INTERVAL '1 02:03:04' DAY TO SECOND AS i, NULL AS n, CAST(NULL AS DATE) AS d",
           "SELECT * FROM t WHERE false",
           "SELECT k FROM parts VERSION AS OF 0",
           "SELECT 'it''s' AS a, r'\\n' AS b, \"q\" AS c, 'tab\\tx' AS d",
           "VALUES (1, 'a'), (2, 'b')",
           "SELECT table_name FROM information_schema.tables WHERE table_schema = 's' ORDER BY 1",
           "SELECT (1 | 2) & 3 AS a, 1 | 2 & 4 AS b, 2 + 3 * 4 AS c, -(2 - 5) AS d, 7 DIV 2 AS e",
       })
    same(sql);
}

TEST_F(OnSail, TablesWithFeaturesItDoesNotKnowComeAsRows) {
  setup("CREATE TABLE marked (id INT, name STRING) TBLPROPERTIES ('delta.enableDeletionVectors' = 'true', 'delta.columnMapping.mode' = 'name')");
  setup("INSERT INTO marked VALUES (1, 'a'), (2, 'b'), (3, 'c')");
  setup("DELETE FROM marked WHERE id = 2");
  setup("ALTER TABLE marked RENAME COLUMN name TO called");
  same("SELECT id, called FROM marked ORDER BY id");
  setup("DELETE FROM marked");
  same("SELECT id, called FROM marked ORDER BY id");
}

TEST_F(OnSail, FilesComeAsRows) {
  const auto folder = world.folder / "objects" / "lake" / "data" / "in";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "a.csv") << "id,name\n1,one\n2,two\n";
  same("SELECT id, upper(name) AS n, _rescued_data FROM read_files('s3://lake/data/in', format => 'csv', header => true) ORDER BY id");
  EXPECT_NE(told("bob", "SELECT * FROM read_files('s3://lake/data/in', format => 'csv')").find("INSUFFICIENT_PERMISSIONS"), std::string::npos);
}

TEST_F(OnSail, RightsAreAsked) {
  EXPECT_NE(told("ana", "SELECT * FROM t").find("INSUFFICIENT_PERMISSIONS"), std::string::npos);
  for (const char* sql : {"GRANT USE CATALOG ON CATALOG main TO `ana@acme.test`", "GRANT USE SCHEMA ON SCHEMA main.s TO `ana@acme.test`",
                          "GRANT SELECT ON TABLE main.s.parts TO `ana@acme.test`"})
    setup(sql);
  EXPECT_EQ(rows("ana", "SELECT count(*) FROM parts"), "3");
  EXPECT_NE(told("ana", "SELECT * FROM parts JOIN t ON k = id").find("INSUFFICIENT_PERMISSIONS"), std::string::npos);
}

TEST_F(OnSail, FiltersMasksAndViewsHold) {
  setup("CREATE FUNCTION mine(w STRING) RETURNS BOOLEAN RETURN w = current_user() OR is_account_group_member('nobody')");
  setup("CREATE FUNCTION hidden(v INT) RETURNS INT RETURN CASE WHEN is_account_group_member('engineers') THEN v ELSE -1 END");
  setup("CREATE TABLE rights (owner STRING, salary INT MASK hidden) WITH ROW FILTER mine ON (owner)");
  setup("GRANT USE CATALOG ON CATALOG main TO `account users`");
  setup("GRANT USE SCHEMA, SELECT ON SCHEMA main.s TO `account users`");
  setup("CREATE TABLE plain (owner STRING, salary INT)");
  setup("INSERT INTO plain VALUES ('ana@acme.test', 10), ('bob@acme.test', 20)");
  setup("INSERT INTO rights SELECT * FROM plain");
  setup("CREATE VIEW seen AS SELECT owner, salary FROM plain WHERE owner = current_user()");
  EXPECT_EQ(rows("ana", "SELECT * FROM rights"), "ana@acme.test|-1");
  EXPECT_EQ(rows("bob", "SELECT * FROM rights"), "bob@acme.test|20");
  EXPECT_EQ(rows("bob", "SELECT r.salary FROM rights r JOIN plain p ON r.owner = p.owner"), "20");
  EXPECT_EQ(rows("ana", "SELECT * FROM seen"), "ana@acme.test|10");
  // A condition that fails on a hidden row must not tell that the row is there.
  EXPECT_EQ(rows("ana", "SELECT count(*) FROM rights WHERE 1 / (salary - 20) < 5"), "1");
}

TEST_F(OnSail, PlansAreSailsAndTellNoPlacesAndNoHiddenRows) {
  const auto plan = rows("automation", "EXPLAIN SELECT name FROM t WHERE id > 1");
  EXPECT_TRUE(plan.starts_with("== Physical Plan ==")) << plan;
  EXPECT_NE(plan.find("FilterExec"), std::string::npos) << plan;
  EXPECT_EQ(plan.find(world.folder.string().substr(1)), std::string::npos) << plan;
  setup("CREATE FUNCTION none(w STRING) RETURNS BOOLEAN RETURN w = 'secret word'");
  setup("CREATE TABLE closed (w STRING) WITH ROW FILTER none ON (w)");
  setup("INSERT INTO closed VALUES ('a'), ('b')");
  const auto behind = rows("automation", "EXPLAIN SELECT * FROM closed");
  EXPECT_TRUE(behind.starts_with("== Physical Plan ==")) << behind;
  EXPECT_EQ(behind.find("secret"), std::string::npos) << behind;
  EXPECT_EQ(behind.find("parquet"), std::string::npos) << behind;
}

TEST_F(OnSail, WhatItWritesIsATablesLikeAnother) {
  EXPECT_EQ(rows("automation", "CREATE TABLE made AS SELECT id, upper(name) AS name, price * 2 AS price, NULL AS nothing FROM t"), "3|3");
  EXPECT_EQ(rows("automation", "INSERT INTO made SELECT k, p, 1, 'x' FROM parts WHERE k = 2"), "1|1");
  EXPECT_EQ(rows("automation", "INSERT INTO made (id) VALUES (9)"), "1|1");
  EXPECT_EQ(rows("automation", "INSERT OVERWRITE parts SELECT k + 10, p FROM parts"), "3|3");
  same("SELECT * FROM made ORDER BY id, price");
  same("SELECT * FROM parts ORDER BY k");
}

TEST_F(OnSail, ParametersVariablesAndFunctionsOfTheCatalog) {
  EXPECT_EQ(
      rows("automation", "SELECT name FROM t WHERE id = :id AND :text = 'it\\'s \\\\'", {{"id", {"1", "INT"}}, {"text", {"it's \\", "STRING"}}}),
      "one");
  EXPECT_EQ(rows("automation", "SELECT :n IS NULL", {{"n", {std::nullopt, "INT"}}}), "true");
  setup("CREATE FUNCTION twice(x INT) RETURNS BIGINT RETURN x * 2");
  setup("CREATE FUNCTION four(x INT) RETURNS BIGINT RETURN twice(x) + main.s.twice(x)");
  EXPECT_EQ(rows("automation", "SELECT main.s.four(id), twice(3) FROM t WHERE id = 2"), "8|6");
  EXPECT_EQ(told("automation", "DECLARE OR REPLACE VARIABLE least INT DEFAULT 2"), "");
  EXPECT_EQ(rows("automation", "SELECT count(*) FROM t WHERE id >= least AND id >= session.least"), "2");
}

TEST_F(OnSail, FunctionsThatOnlyItKnowsAreItsOwn) {
  EXPECT_EQ(rows("automation", "SELECT nobody_knows(1) AS x").find("[UNRESOLVED_ROUTINE]"), 7u);
  same("SELECT soundex(name) AS s FROM t WHERE id = 1");
}

TEST_F(OnSail, WholeNumbersDoNotWrapAround) {
  setup("CREATE TABLE n (i INT, b BIGINT, s SMALLINT)");
  setup("INSERT INTO n VALUES (2147483647, 9223372036854775807, 32767), (-2147483648, -9223372036854775808, -32768), (1, 2, 3)");
  for (const char* over : {"i + 1", "i - 2", "i * 2", "-i", "b + 1L", "b - 2L", "b * b", "-b", "s * 2S", "transform(array(i), x -> x + 1)"})
    EXPECT_NE(told("automation", std::string("SELECT ") + over + " AS v FROM n").find("SQLSTATE: 22003"), std::string::npos) << over;
  EXPECT_NE(told("automation", "SELECT sum(b) AS v FROM n WHERE b > 0").find("SQLSTATE: 22003"), std::string::npos);
  same("SELECT i + b AS v, b * 3 AS w, i * i AS x, -i AS y, s + i AS z FROM n WHERE i = 1");
  same("SELECT sum(i) AS a, sum(b) AS b, sum(DISTINCT s) AS c, count(*) + 1 AS d FROM n");
  same("SELECT s, sum(i) + 1 AS v FROM n GROUP BY s HAVING sum(i) > 0 + 0 ORDER BY v");
  same("SELECT s, sum(i) + 1 AS v FROM n GROUP BY s ORDER BY sum(i) + 1");
  same("SELECT i, sum(i) OVER (PARTITION BY s * 2 ORDER BY i + b) AS v FROM n WHERE i = 1");
  EXPECT_NE(told("automation", "SELECT only_of_sail(i) + 1 FROM n").find("[UNSUPPORTED_FEATURE] Arithmetic over types"), std::string::npos);
}

TEST_F(OnSail, WhatItAnswersOtherwiseIsRefused) {
  for (const char* sql :
       {"SELECT mode(id) FROM t", "SELECT split('a', '')", "SELECT CAST(at AS STRING) FROM t",
        "SELECT * FROM t WHERE id NOT IN (SELECT k FROM parts)", "SELECT t.* FROM t JOIN parts USING (id)", "SELECT * FROM t WHERE price = '1.5'",
        "SELECT TIME'10:00:00' AS v", "SELECT user FROM (SELECT 1 AS user)", "SELECT id FROM t GROUP BY GROUPING SETS ((id), ())"}) {
    const auto said = told("automation", sql);
    EXPECT_TRUE(said.find("whose engine is Sail") != said.npos || said.find("UNRESOLVED_USING") != said.npos) << sql << ": " << said;
  }
}

TEST_F(OnSail, AColumnOfAnotherTypeIsNoAnswer) {
  const auto said = told("automation", "SELECT 10.0 / 3 AS third");
  EXPECT_NE(said.find("Sail gives the column `third` the type decimal(7,5) where it is decimal(8,6)"), std::string::npos) << said;
}

TEST_F(OnSail, NothingIsReachedButByTheCatalogsNames) {
  for (const char* sql : {"SELECT * FROM text.`/etc/passwd`", "SELECT * FROM delta.`/etc`", "SELECT * FROM parquet.`file:///etc/passwd`",
                          "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM `/etc/passwd`"}) {
    const auto said = rows("automation", sql);
    EXPECT_TRUE(said.starts_with("error: ")) << sql << " answered " << said;
    EXPECT_EQ(said.find("root:"), std::string::npos);
  }
}

TEST_F(OnSail, ErrorsHaveSparksClassesAndNoPlaces) {
  EXPECT_NE(told("automation", "SELECT 1 / (id - 1) FROM t").find("[DIVIDE_BY_ZERO]"), std::string::npos);
  EXPECT_NE(told("automation", "SELECT CAST(name AS INT) FROM t WHERE id = 1").find("[CAST_INVALID_INPUT]"), std::string::npos);
  EXPECT_NE(told("automation", "SELECT 1 % (id - 1) FROM t").find("[REMAINDER_BY_ZERO]"), std::string::npos);
  EXPECT_NE(told("automation", "SELECT CAST(id + 300 AS TINYINT) FROM t").find("[CAST_OVERFLOW]"), std::string::npos);
  EXPECT_NE(told("automation", "SELECT nothing FROM t").find("[UNRESOLVED_COLUMN"), std::string::npos);
  EXPECT_NE(told("automation", "SELECT * FROM nowhere").find("[TABLE_OR_VIEW_NOT_FOUND]"), std::string::npos);
  const auto refused = told("automation", "SELECT id FROM t QUALIFY row_number() OVER (ORDER BY id) = 1");
  EXPECT_NE(refused.find("[UNSUPPORTED_FEATURE] Sail does not take this statement"), std::string::npos) << refused;
  EXPECT_EQ(refused.find(world.folder.string()), std::string::npos) << refused;
}

TEST_F(OnSail, WhatItIsNotAskedIsRefusedByName) {
  for (const char* sql :
       {"DELETE FROM t WHERE id = 1", "UPDATE t SET id = 2", "MERGE INTO t USING parts ON id = k WHEN MATCHED THEN DELETE",
        "EXPLAIN INSERT INTO parts VALUES (1, 'a')", "FROM t |> SELECT id", "SELECT ai_query('e', name) FROM t", "SELECT INTERVAL '1' MONTH AS m"}) {
    const auto said = told("automation", sql);
    EXPECT_NE(said.find("[UNSUPPORTED_FEATURE]"), std::string::npos) << sql << ": " << said;
    EXPECT_NE(said.find("Use a warehouse of the default engine"), std::string::npos) << sql << ": " << said;
  }
  EXPECT_EQ(told("automation", "SET TIME ZONE 'America/New_York'"), "");
  EXPECT_NE(told("automation", "SELECT 1").find("[UNSUPPORTED_FEATURE] A query on a warehouse whose engine is Sail in the time zone"),
            std::string::npos);
  // The rest of a session is the platform's own.
  EXPECT_EQ(told("automation", "SET TIME ZONE 'UTC'"), "");
  EXPECT_EQ(told("automation", "DESCRIBE TABLE t"), "");
}

TEST_F(OnSail, PrincipalsHaveProcessesOfTheirOwn) {
  setup("GRANT USE CATALOG ON CATALOG main TO `account users`");
  setup("GRANT USE SCHEMA, SELECT ON SCHEMA main.s TO `account users`");
  for (const char* who : {"ana", "bob", "ana", "bob"}) EXPECT_EQ(rows(who, "SELECT count(*) FROM t"), "3");
  EXPECT_EQ(world.sail_pool->stats().starts, 2u);
  EXPECT_EQ(world.sail_pool->stats().busy, 0u);
}

class SailWarehouse : public WarehouseTest {};

TEST_F(SailWarehouse, IsChosenByItsTag) {
  const auto admin = world.as("automation");
  world.on_sail(false);  // there is a pool; whose statements use it their warehouse says
  const auto tags = [](const char* engine) {
    return json::value{
        {"custom_tags", json::array{json::object{{"key", "team"}, {"value", "a"}}, json::object{{"key", "tarn-engine"}, {"value", engine}}}}};
  };
  const auto wrong = warehouses.create(admin, {.name = "odd", .cluster_size = "2X-Small", .tags = tags("spark")});
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message, "The custom tag 'tarn-engine' must be duckdb or sail, got 'spark'");
  const auto made = warehouses.create(admin, {.name = "sailing", .cluster_size = "2X-Small", .tags = tags("sail")});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(told(statements, admin, {.statement = "SELECT 1 AS a", .warehouse_id = made->id}), "");
  EXPECT_EQ(world.sail_pool->stats().starts, 1u);
  EXPECT_EQ(told(statements, admin, {.statement = "SELECT 1 AS a", .warehouse_id = id}), "");
  EXPECT_EQ(world.sail_pool->stats().starts, 1u);
}

}  // namespace
}  // namespace tarn::sql::testing
