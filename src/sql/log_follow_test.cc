// The table's log is the truth about its columns: whatever stopped the catalog from hearing of a commit, the next statement tells it.
#include "sql/tables.h"
#include "sql/testing.h"

namespace tarn::sql::testing {
namespace {

struct LogFollow : ::testing::Test {
  World world;
  void must(const std::string& sql) {
    Collector sink;
    const auto done = world.run(world.as("automation"), sql, sink);
    ASSERT_TRUE(done) << sql << ": " << done.error().message;
    rows = sink.rows;
  }
  std::vector<std::string> columns(const std::string& table) {
    const auto info = world.catalog->table(world.as("automation"), {"main", "s", table});
    std::vector<std::string> out;
    for (const auto& c : info->columns) out.push_back(c.name + " " + c.type_text);
    return out;
  }
  std::string location(const std::string& table) { return *world.catalog->table(world.as("automation"), {"main", "s", table})->storage_location; }
  std::vector<std::string> rows;
};

using Names = std::vector<std::string>;

TEST_F(LogFollow, AServerThatEndsInsideCreateOrReplaceLeavesNoStaleColumns) {
  must("CREATE TABLE t AS SELECT 1 AS id, 'a' AS name");
  const auto before = world.catalog->table(world.as("automation"), {"main", "s", "t"});
  // The first half of CREATE OR REPLACE TABLE t AS SELECT …, and then nothing more.
  Tables tables(*world.objects, *world.log, *world.engine);
  delta::Metadata metadata;
  metadata.schema = *schema_of({{"total", "decimal(10,2)", true, "what it sums to"}});
  ASSERT_TRUE(tables.create(location("t"), metadata, "SELECT CAST(5 AS DECIMAL(10,2)) AS total", {}, true, "ana", nullptr));
  EXPECT_EQ(columns("t"), (Names{"id int", "name string"}));
  must("SELECT * FROM t");
  EXPECT_EQ(rows, (Names{"5.00"}));
  EXPECT_EQ(columns("t"), (Names{"total decimal(10,2)"}));
  const auto after = world.catalog->table(world.as("automation"), {"main", "s", "t"});
  EXPECT_EQ(after->columns[0].comment, "what it sums to");
  EXPECT_EQ(after->table_id, before->table_id);
  EXPECT_EQ(after->owner, before->owner);
}

TEST_F(LogFollow, AnotherWritersColumnsAreSeen) {
  must("CREATE TABLE t (id BIGINT)");
  const auto root = *objects::Url::parse(location("t"));
  const auto snapshot = *world.log->snapshot(root);
  delta::Commit commit;
  commit.operation = delta::Operation::change_columns;
  commit.metadata = snapshot->metadata;
  commit.metadata->schema.fields.push_back({.name = "added", .type = "string"});
  ASSERT_TRUE(world.log->commit(root, snapshot->version, std::move(commit)));
  must("INSERT INTO t VALUES (1, 'x')");
  EXPECT_EQ(columns("t"), (Names{"id bigint", "added string"}));
  must("DESCRIBE t");
  EXPECT_EQ(rows, (Names{"id|bigint|NULL", "added|string|NULL"}));
}

TEST_F(LogFollow, AReaderMayBringItAboutAndAMaskStays) {
  must("CREATE TABLE t (id BIGINT, secret STRING)");
  must("GRANT USE CATALOG ON CATALOG main TO `ana@acme.test`");
  must("GRANT USE SCHEMA, SELECT ON SCHEMA main.s TO `ana@acme.test`");
  const auto root = *objects::Url::parse(location("t"));
  const auto snapshot = *world.log->snapshot(root);
  delta::Commit commit;
  commit.operation = delta::Operation::change_columns;
  commit.metadata = snapshot->metadata;
  commit.metadata->schema.fields.push_back({.name = "added", .type = "string"});
  ASSERT_TRUE(world.log->commit(root, snapshot->version, std::move(commit)));
  Collector sink;
  ASSERT_TRUE(world.run(world.as("ana"), "SELECT added FROM t", sink));
  EXPECT_EQ(columns("t").size(), 3u);
  must("INSERT INTO t VALUES (1, 'word', 'x')");
  must("CREATE FUNCTION hide(v STRING) RETURNS STRING RETURN '***'");
  must("ALTER TABLE t ALTER COLUMN secret SET MASK hide");
  const auto next = *world.log->snapshot(root);
  delta::Commit again;
  again.operation = delta::Operation::change_columns;
  again.metadata = next->metadata;
  again.metadata->schema.fields.push_back({.name = "more", .type = "string"});
  ASSERT_TRUE(world.log->commit(root, next->version, std::move(again)));
  Collector seen;
  ASSERT_TRUE(world.run(world.as("ana"), "SELECT secret, more FROM t", seen));
  EXPECT_EQ(seen.rows, std::vector<std::string>{"***|NULL"});
}

}  // namespace
}  // namespace tarn::sql::testing
