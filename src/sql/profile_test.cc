// What a statement did: for whom it is told, what of it, how long it is kept.
#include "sql/profile.h"

#include <gmock/gmock.h>

#include "access/testing.h"
#include "base/ids_in_time.h"
#include "sql/testing.h"
#include "sql/wire.h"

namespace tarn::sql::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Profiles : public WarehouseTest {
 protected:
  void SetUp() override {
    WarehouseTest::SetUp();
    for (const auto* who : {"users", "engineers"}) permissions.grant(1, {"sql/warehouses", id}, who, "CAN_USE");
    must("GRANT USE CATALOG, USE SCHEMA ON CATALOG main TO `account users`");
    must("CREATE TABLE main.s.parts (id BIGINT, kind STRING) PARTITIONED BY (kind)");
    must("INSERT INTO main.s.parts SELECT id, concat('kind', CAST(id % 4 AS STRING)) FROM range(4000)");
    must("GRANT SELECT ON TABLE main.s.parts TO `account users`");
  }
  std::shared_ptr<Statement> run(const std::string& sql, const std::string& who = "automation", const std::string& on = {}) {
    return finished(statements, world.as(who), {.statement = sql, .warehouse_id = on.empty() ? id : on});
  }
  void must(const std::string& sql) { EXPECT_EQ(run(sql)->snapshot().error_message, "") << sql; }
  json::object profile(const std::string& statement, const std::string& who) {
    const auto found = statements.profile(world.as(who), statement);
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : json::object{};
  }
  json::object metrics(const std::string& statement, const std::string& who) {
    HistoryFilter filter;
    filter.statement_ids = {statement};
    const auto page = statements.history(world.as(who), filter);
    EXPECT_EQ(page.records.size(), 1u);
    return page.records.empty() ? json::object{} : metrics_json(page.records[0]);
  }
};

TEST_F(Profiles, FilesThatTheirStatisticsRuleOutAreNotOpened) {
  must("CREATE TABLE main.s.steps (id BIGINT, name STRING)");
  for (int i = 0; i < 5; ++i) must(fmt::format("INSERT INTO main.s.steps SELECT id + {}, concat('n', id) FROM range(100)", i * 100));
  const auto left_out = [&](const std::string& sql) {
    const auto m = metrics(run(sql)->id, "automation");
    EXPECT_EQ(m.at("read_files_count").as_int64() + m.at("pruned_files_count").as_int64(), 5) << sql;
    EXPECT_GT(m.at("pruned_bytes").as_int64(), 0) << sql;
    return m.at("pruned_files_count").as_int64();
  };
  EXPECT_EQ(left_out("SELECT name FROM main.s.steps WHERE id = 250"), 4);
  EXPECT_EQ(left_out("SELECT count(*) FROM main.s.steps WHERE id >= 400"), 4);
  EXPECT_EQ(left_out("SELECT name FROM main.s.steps WHERE id IN (1, 499)"), 3);
  EXPECT_EQ(left_out("SELECT name FROM main.s.steps WHERE id = 5000"), 5);
  const auto by_parameter = finished(statements, world.as("automation"),
                                     {.statement = "SELECT name FROM main.s.steps WHERE id < :most",
                                      .warehouse_id = id,
                                      .parameters = {{.name = "most", .value = "150", .type = "BIGINT"}}});
  EXPECT_EQ(metrics(by_parameter->id, "automation").at("pruned_files_count"), 3);
  // What a closed view left out would tell of what is behind it.
  must("CREATE VIEW main.s.last AS SELECT name FROM main.s.steps WHERE id >= 400");
  must("GRANT SELECT ON TABLE main.s.last TO `account users`");
  const auto seen = metrics(run("SELECT count(*) FROM main.s.last", "ana")->id, "ana");
  EXPECT_EQ(seen.at("read_files_count"), 5);
  EXPECT_FALSE(seen.contains("pruned_files_count"));
}

TEST_F(Profiles, AQueryTellsWhatItReadAndWhatItLeftOut) {
  const auto all = metrics(run("SELECT count(DISTINCT id) FROM main.s.parts")->id, "automation");
  EXPECT_EQ(all.at("read_files_count"), 4);
  EXPECT_EQ(all.at("pruned_files_count"), 0);
  EXPECT_EQ(all.at("pruned_bytes"), 0);
  EXPECT_EQ(all.at("rows_read_count"), 4000);
  const auto one = run("SELECT id FROM main.s.parts WHERE kind = 'kind1' AND id < 100 ORDER BY id");
  const auto some = metrics(one->id, "automation");
  EXPECT_EQ(some.at("read_files_count"), 1);
  EXPECT_EQ(some.at("pruned_files_count"), 3);
  EXPECT_EQ(some.at("rows_produced_count"), 25);
  EXPECT_EQ(some.at("rows_read_count"), 25);
  EXPECT_EQ(some.at("read_files_bytes").as_int64() + some.at("pruned_bytes").as_int64(), all.at("read_files_bytes").as_int64());
  const auto shown = boost::json::serialize(profile(one->id, "automation"));
  for (const auto* word : {"\"name\":\"ORDER_BY\"", "\"name\":\"READ_PARQUET\"", "\"table\":\"main.s.parts\"", "id<100", "\"rows\":25"})
    EXPECT_THAT(shown, HasSubstr(word));
  EXPECT_THAT(shown, Not(HasSubstr(world.folder.string()))) << "where files lie is nobody's business";
}

TEST_F(Profiles, AreForTheUserAndForWhoMonitorsTheWarehouse) {
  const auto s = run("SELECT max(id) FROM main.s.parts WHERE id < 77", "ana");
  EXPECT_THAT(boost::json::serialize(profile(s->id, "ana")), HasSubstr("id<77"));
  const auto other = statements.profile(world.as("bob"), s->id);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::not_found);
  EXPECT_EQ(statements.profile(world.as("ana", 2), s->id).error().code, Errc::not_found);
  // Who monitors sees operators and numbers, and none of what they were told.
  permissions.grant(1, {"sql/warehouses", id}, "bob@acme.test", "CAN_MONITOR");
  const auto seen = boost::json::serialize(profile(s->id, "bob"));
  EXPECT_THAT(seen, HasSubstr("READ_PARQUET"));
  for (const auto* word : {"id<77", "details", "main.s.parts"}) EXPECT_THAT(seen, Not(HasSubstr(word)));
  HistoryFilter filter;
  filter.statement_ids = {s->id};
  EXPECT_EQ(statements.history(world.as("bob"), filter).records.size(), 1u);
}

TEST_F(Profiles, OfAGovernedTableTellNothingOfWhatIsBehind) {
  must("CREATE FUNCTION main.s.few(v BIGINT) RETURNS BOOLEAN RETURN v % 100 = 7");
  must("ALTER TABLE main.s.parts SET ROW FILTER main.s.few ON (id)");
  for (const auto* sql : {"SELECT count(*) FROM main.s.parts", "WITH a AS (SELECT * FROM main.s.parts) SELECT * FROM a UNION ALL SELECT * FROM a",
                          "SELECT count(*) FROM main.s.parts WHERE kind = 'kind1'"}) {
    const auto s = run(sql, "ana");
    const auto shown = boost::json::serialize(profile(s->id, "ana"));
    EXPECT_THAT(shown, HasSubstr("withheld")) << sql;
    for (const auto* word : {"READ_PARQUET", "\"requests\"", "\"operators\"", "main.s", "rows_read", "pruned", "read_bytes", "spill"})
      EXPECT_THAT(shown, Not(HasSubstr(word))) << sql;
    const auto m = metrics(s->id, "ana");
    EXPECT_EQ(m.at("read_files_count"), 4) << "as before: what the engine was given";
    EXPECT_FALSE(m.contains("rows_read_count"));
  }
  const auto change = run("DELETE FROM main.s.parts WHERE id = 7");
  EXPECT_EQ(change->snapshot().error_message, "");
  EXPECT_THAT(boost::json::serialize(profile(change->id, "automation")), Not(HasSubstr("READ_PARQUET")));
}

TEST_F(Profiles, OfWritesHaveTheirRequestsAndNoConditions) {
  const auto s = run("INSERT INTO main.s.parts SELECT id + 10000, kind FROM main.s.parts WHERE id < 123");
  EXPECT_EQ(s->snapshot().error_message, "");
  const auto shown = boost::json::serialize(profile(s->id, "automation"));
  EXPECT_THAT(shown, HasSubstr("COPY_TO_FILE"));
  EXPECT_THAT(shown, Not(HasSubstr("id<123")));
  const auto m = metrics(s->id, "automation");
  EXPECT_EQ(m.at("rows_read_count"), 123);
  EXPECT_GT(m.at("write_remote_bytes").as_int64(), 100);
}

TEST_F(Profiles, SayWhyThereIsNone) {
  const std::string text = "SELECT sum(id) FROM main.s.parts";
  run(text);
  const auto again = run(text);
  EXPECT_THAT(boost::json::serialize(profile(again->id, "automation")), HasSubstr("came from the cache"));
  EXPECT_THAT(boost::json::serialize(profile(run("SELECT 1")->id, "automation")), HasSubstr("read no table"));
  EXPECT_THAT(boost::json::serialize(profile(run("SELECT nothing")->id, "automation")), HasSubstr("did not succeed"));
  EXPECT_EQ(statements.profile(world.as("automation"), "01ef0000-0000-1000-8000-000000000000").error().code, Errc::not_found);
}

TEST_F(Profiles, LieInTheStoreAsLongAsTheStatement) {
  const auto admin = world.as("automation");
  const auto now = world.clock.now();
  constexpr Millis kDay = 24 * 3'600'000;
  std::vector<std::string> ids;
  world.store->write({.service = "test", .action = "test", .principal = "test"}, [&](store::WriteTxn& t) {
    for (const Millis age : {kDay, 31 * kDay}) {
      const StatementRecord r{.id = new_uuid_at(now - age),
                              .workspace_id = *admin.workspace_id,
                              .warehouse_id = id,
                              .user_id = admin.caller.id,
                              .state = StatementState::SUCCEEDED,
                              .started_at = now - age,
                              .ended_at = now - age + 500};
      EXPECT_TRUE(statements_table.insert(t, r).has_value());
      EXPECT_TRUE(profiles_table.insert(t, {r.id, r.workspace_id, R"({"requests":[{"operators":[{"name":"X","details":{"a":"b"}}]}]})"}).has_value());
      ids.push_back(r.id);
    }
    return true;
  });
  EXPECT_THAT(boost::json::serialize(profile(ids[0], "automation")), HasSubstr("\"details\""));
  statements.forget_history();
  EXPECT_TRUE(statements.profile(admin, ids[0]));
  EXPECT_FALSE(statements.profile(admin, ids[1]));
  EXPECT_EQ(world.store->read_as([&](store::ReadTxn& t) { return profiles_table.scan(t).size(); }), 1u);
}

}  // namespace
}  // namespace tarn::sql::testing
