#include <gmock/gmock.h>

#include <future>

#include "access/testing.h"
#include "base/ids_in_time.h"
#include "sql/routes.h"
#include "sql/testing.h"
#include "sql/wire.h"

namespace tarn::sql::testing {
namespace {

Errc code(const auto& r) {
  EXPECT_FALSE(r.has_value());
  return r ? Errc::unavailable : r.error().code;
}

TEST(Parser, RefusesWhatWouldBreakIt) {
  auto& p = shared_parser();
  EXPECT_EQ(code(p.analyze("SELECT " + std::string(10'000, '(') + "1" + std::string(10'000, ')'))), Errc::parse);
  std::string minus = "SELECT ";
  for (int i = 0; i < 10'000; ++i) minus += "- ";
  EXPECT_EQ(code(p.analyze(minus + "1")), Errc::parse);
  EXPECT_EQ(code(p.analyze("SELECT --1")), Errc::parse);
  EXPECT_EQ(code(p.analyze(std::string("SELECT '\0'", 10))), Errc::parse);
  EXPECT_EQ(code(p.analyze("SELECT '" + std::string(10u << 20, 'x') + "'")), Errc::too_large);
  EXPECT_EQ(code(p.analyze("")), Errc::parse);
  EXPECT_EQ(code(p.analyze("SELECT 'open")), Errc::parse);
  EXPECT_TRUE(p.analyze("SELECT 1 AS `a``b`, 'ü'"));
}

TEST(Parser, AnswersAgainAfterAStatementOverranItsTime) {
  SidecarParser p({.processes = 1, .request_timeout = 1, .start_timeout = 0});
  const auto late = p.analyze("SELECT 1");  // starting Python alone takes longer
  EXPECT_EQ(code(late), Errc::timeout);
  EXPECT_EQ(p.starts(), 1u);
  EXPECT_EQ(code(p.analyze("SELECT 1")), Errc::timeout);
  EXPECT_EQ(p.starts(), 2u);
}

TEST(Parser, AStatementIsNotToBlameForTheStart) {
  SidecarParser p({.processes = 1, .request_timeout = 1});
  EXPECT_TRUE(p.analyze("SELECT 1"));
}

TEST(Scheduler, KeepsEachQueuesLimitAndOrder) {
  std::mutex m;
  std::string order;
  std::promise<void> open, last;
  auto gate = open.get_future().share();
  {
    Scheduler s(1);
    const auto mark = [&](char c) {
      return [&, c] {
        const std::lock_guard lock(m);
        order += c;
      };
    };
    s.post("x", "u", 1, [gate] { gate.wait(); });
    for (const char c : std::string("abc")) s.post("busy", "u", 1, mark(c));
    s.post("quiet", "u", 1, mark('!'));
    s.post("zlast", "u", 1, [] {});
    EXPECT_EQ(s.load("busy").waiting, 3u);
    open.set_value();
    s.post("busy", "u", 1, [&] { last.set_value(); });
    last.get_future().wait();
  }
  EXPECT_EQ(order, "a!bc");  // the flooded queue waits its turn
}

TEST(Scheduler, UsersOfOneQueueTakeTurns) {
  std::mutex m;
  std::string order;
  std::promise<void> started, open, last;
  auto gate = open.get_future().share();
  {
    Scheduler s(1);
    const auto mark = [&](char c) {
      return [&, c] {
        const std::lock_guard lock(m);
        order += c;
      };
    };
    s.post("w", "greedy", 1, [&, gate] { started.set_value(), gate.wait(); });
    started.get_future().wait();
    for (const char c : std::string("1234")) s.post("w", "greedy", 1, mark(c));
    for (const char c : std::string("ab")) s.post("w", "ana", 1, mark(c));
    s.post("w", "bob", 1, mark('x'));
    s.post("w", "zoe", 1, [] {});
    open.set_value();
    s.post("w", "greedy", 1, [&] { last.set_value(); });
    last.get_future().wait();
  }
  EXPECT_EQ(order, "1ax2b34");  // who came with four waits behind himself alone
}

class Services : public WarehouseTest {
 protected:
  std::shared_ptr<Statement> finished(const access::Context& ctx, StatementRequest r) {
    r.warehouse_id = id;
    return testing::finished(statements, ctx, std::move(r));
  }
  json::object body(const Statement& s) { return boost::json::parse(statement_body(s, statements)).as_object(); }
};

TEST_F(Services, WarehouseIsItsManagersAndItsUsers) {
  EXPECT_EQ(code(warehouses.create(world.as("ana"), {.name = "mine", .cluster_size = "Small"})), Errc::permission_denied);
  EXPECT_EQ(code(warehouses.create(world.as("automation"), {.name = "shared", .cluster_size = "Small"})), Errc::already_exists);
  EXPECT_EQ(code(warehouses.create(world.as("automation"), {.name = "x", .cluster_size = "Huge"})), Errc::invalid);
  EXPECT_EQ(code(warehouses.create(world.as("automation"), {.name = "x", .cluster_size = "Small", .auto_stop_mins = 3})), Errc::invalid);
  EXPECT_EQ(code(warehouses.get(world.as("ana"), id)), Errc::permission_denied);
  EXPECT_TRUE(warehouses.list(world.as("ana"))->empty());
  EXPECT_EQ(permissions.owner_of(1, {"sql/warehouses", id}), world.as("automation").caller.name);
  permissions.grant(1, {"sql/warehouses", id}, "engineers", "CAN_USE");
  permissions.grant(1, {"sql/warehouses", id}, "ana@acme.test", "CAN_VIEW");
  EXPECT_TRUE(warehouses.get(world.as("ana"), id));
  EXPECT_TRUE(warehouses.use(world.as("bob"), id));
  EXPECT_EQ(code(warehouses.stop(world.as("bob"), id)), Errc::permission_denied);
  EXPECT_EQ(code(warehouses.use(world.as("ana"), id)), Errc::permission_denied);
  EXPECT_EQ(code(warehouses.use(world.as("bob", 2), id)), Errc::not_found);  // it belongs to its workspace
  auto without = world.as("bob");
  without.caller.entitlements.clear();
  EXPECT_EQ(code(warehouses.use(without, id)), Errc::permission_denied);
  ASSERT_TRUE(warehouses.stop(world.as("automation"), id));
  EXPECT_EQ(warehouses.get(world.as("bob"), id)->state, WarehouseState::STOPPED);
  EXPECT_TRUE(warehouses.use(world.as("bob"), id));  // a statement starts it
  EXPECT_EQ(warehouses.get(world.as("bob"), id)->state, WarehouseState::RUNNING);
  EXPECT_TRUE(warehouses.remove(world.as("automation"), id));
  EXPECT_EQ(code(warehouses.get(world.as("automation"), id)), Errc::not_found);
  EXPECT_FALSE(permissions.has_list(1, {"sql/warehouses", id}));
}

TEST_F(Services, TheLegacyMetastoreSaysThatItWasTurnedOff) {
  bool off = false;
  Statements here(*world.executor, warehouses, *world.store, *world.objects, world.vendor, world.clock,
                  {.server_id = "legacy",
                   .default_catalog = [](const access::Context&) { return std::string("hive_metastore"); },
                   .legacy_access_off = [&](std::int64_t) { return off; }});
  const auto told = [&](const std::string& text) { return testing::told(here, world.as("automation"), {.statement = text, .warehouse_id = id}); };
  EXPECT_THAT(told("SELECT * FROM hive_metastore.default.t"), ::testing::HasSubstr("[TABLE_OR_VIEW_NOT_FOUND]"));
  off = true;
  for (const auto* text : {"SELECT * FROM hive_metastore.default.t", "SELECT * FROM t", "CREATE TABLE Hive_Metastore.default.t (a INT)"})
    EXPECT_THAT(told(text), ::testing::StartsWith("[UC_HIVE_METASTORE_DISABLED_EXCEPTION]")) << text;
  EXPECT_EQ(told("SELECT 1"), "");
}

TEST_F(Services, ADeletedWorkspaceTakesItsWarehousesAndTheirConfiguration) {
  ASSERT_TRUE(warehouses.create(world.as("automation", 2), {.name = "shared", .cluster_size = "Small"}));
  for (const std::int64_t workspace : {1, 2})
    ASSERT_TRUE(warehouses.set_config(world.as("automation", workspace), {.parameters = {{"STATEMENT_TIMEOUT", "60"}}}));
  permissions.grant(1, {"sql/warehouses", id}, "engineers", "CAN_USE");
  world.store->write({}, [&](store::WriteTxn& t) { return warehouses.on_workspace_deleted(t, 1), true; });
  EXPECT_TRUE(warehouses.list(world.as("automation"))->empty());
  EXPECT_FALSE(permissions.has_list(1, {"sql/warehouses", id}));
  EXPECT_FALSE(warehouses.config_of(1).statement_timeout);
  EXPECT_EQ(warehouses.list(world.as("automation", 2))->size(), 1u);
  EXPECT_TRUE(warehouses.config_of(2).statement_timeout);
}

TEST_F(Services, StatementAnswersAsTheSdkReadsIt) {
  const auto s = finished(world.as("automation"),
                          {.statement = "SELECT id, CAST(:d AS DECIMAL(10,2)) AS d FROM range(2)", .parameters = {{"d", "1.5", "DECIMAL(10,2)"}}});
  const auto b = body(*s);
  EXPECT_EQ(boost::json::serialize(b.at("status")), R"({"state":"SUCCEEDED"})");
  const auto& columns = b.at("manifest").at("schema").at("columns").as_array();
  EXPECT_EQ(boost::json::serialize(columns[0]), R"({"name":"id","type_text":"BIGINT","type_name":"LONG","position":0})");
  EXPECT_EQ(boost::json::serialize(columns[1]),
            R"j({"name":"d","type_text":"DECIMAL(10,2)","type_name":"DECIMAL","position":1,"type_precision":10,"type_scale":2})j");
  EXPECT_EQ(boost::json::serialize(b.at("result").at("data_array")), R"([["0","1.50"],["1","1.50"]])");
  EXPECT_EQ(b.at("manifest").at("total_row_count").to_number<int>(), 2);
  EXPECT_FALSE(chunk_body(*s, statements, 1));
}

TEST_F(Services, LimitsAndFailuresAreShown) {
  const auto cut = body(*finished(world.as("automation"), {.statement = "SELECT * FROM range(100)", .row_limit = 3}));
  EXPECT_TRUE(cut.at("manifest").at("truncated").as_bool());
  EXPECT_EQ(cut.at("manifest").at("total_row_count").to_number<int>(), 3);
  const auto failed = body(*finished(world.as("automation"), {.statement = "SELECT * FROM main.s.nothing"}));
  EXPECT_EQ(failed.at("status").at("state").as_string(), "FAILED");
  EXPECT_EQ(failed.at("status").at("error").at("error_code").as_string(), "NOT_FOUND");
  for (auto [field, r] :
       std::vector<std::pair<std::string, StatementRequest>>{{"statement", {}},
                                                             {"wait_timeout", {.statement = "SELECT 1", .wait_timeout = "3s"}},
                                                             {"wait_timeout", {.statement = "SELECT 1", .wait_timeout = "x"}},
                                                             {"row_limit", {.statement = "SELECT 1", .row_limit = -1}},
                                                             {"ARROW_STREAM", {.statement = "SELECT 1", .format = ResultFormat::ARROW_STREAM}}}) {
    r.warehouse_id = id;
    const auto refused = statements.submit(world.as("automation"), r);
    ASSERT_FALSE(refused) << field;
    EXPECT_THAT(refused.error().message, ::testing::HasSubstr(field));
  }
}

TEST_F(Services, ExternalLinksNameObjectsThatHoldTheChunks) {
  const auto s = finished(world.as("automation"), {.statement = "SELECT 'x' AS a", .disposition = Disposition::EXTERNAL_LINKS});
  const auto b = body(*s);
  const auto& link = b.at("result").at("external_links").as_array().at(0);
  const auto url = objects::Url::parse(std::string(link.at("external_link").as_string()));  // the model signs nothing
  ASSERT_TRUE(url);
  EXPECT_EQ(*world.objects->get(*url), R"([["x"]])");
  const auto arrow = finished(world.as("automation"),
                              {.statement = "SELECT 1 AS a", .disposition = Disposition::EXTERNAL_LINKS, .format = ResultFormat::ARROW_STREAM});
  const auto at = arrow->snapshot().chunks.at(0)->object;
  EXPECT_GT(world.objects->get(*at)->size(), 100u);
}

TEST_F(Services, CsvIsAsTheVendorDescribesIt) {
  const auto csv = finished(world.as("automation"), {.statement = "SELECT concat('id-', id) AS strCol, id AS intCol, NULL AS nullCol FROM range(2)",
                                                     .disposition = Disposition::EXTERNAL_LINKS,
                                                     .format = ResultFormat::CSV});
  const auto now = csv->snapshot();
  ASSERT_EQ(now.chunks.size(), 1u) << now.error_message;
  EXPECT_EQ(*world.objects->get(*now.chunks[0]->object), "strCol,intCol,nullCol\r\nid-0,0,null\r\nid-1,1,null\r\n");
  EXPECT_EQ(now.chunks[0]->object->key.substr(now.chunks[0]->object->key.size() - 4), ".csv");
  const std::vector<ResultColumn> columns{{"a,b", "string"}, {"c", "string"}};
  EXPECT_EQ(csv_of(R"([["say \"x\"","two\nlines"],[null,"plain"]])", &columns), "\"a,b\",c\r\n\"say \"\"x\"\"\",\"two\nlines\"\r\nnull,plain\r\n");
  EXPECT_EQ(csv_of("[]", nullptr), "");
  const auto r = statements.submit(world.as("automation"), {.statement = "SELECT 1", .warehouse_id = id, .format = ResultFormat::CSV});
  EXPECT_EQ(code(r), Errc::invalid);
}

constexpr const char* kSlow = "SELECT count(*) FROM range(100000000) a CROSS JOIN range(100000) b";

TEST_F(Services, AWorkspacesTimeoutEndsItsStatements) {
  EXPECT_EQ(code(warehouses.set_config(world.as("ana"), {})), Errc::permission_denied);
  EXPECT_EQ(code(warehouses.config(world.as("ana"))), Errc::permission_denied);
  for (const auto& [key, value] : std::vector<std::pair<std::string, std::string>>{
           {"STATEMENT_TIMEOUT", "soon"}, {"STATEMENT_TIMEOUT", "172801"}, {"ANSI_MODE", "false"}, {"TIMEZONE", "CET"}, {"spark.foo", "1"}})
    EXPECT_EQ(code(warehouses.set_config(world.as("automation"), {.parameters = {{key, value}}})), Errc::invalid) << key;
  EXPECT_EQ(code(warehouses.set_config(world.as("automation"), {.security_policy = "NONE"})), Errc::invalid);
  ASSERT_TRUE(warehouses.set_config(world.as("automation"), {.parameters = {{"STATEMENT_TIMEOUT", "1"}, {"USE_CACHED_RESULT", "false"}}}));
  EXPECT_EQ(warehouses.config(world.as("automation"))->parameters.at("STATEMENT_TIMEOUT"), "1");
  const auto s = finished(world.as("automation"), {.statement = kSlow});
  EXPECT_EQ(s->snapshot().state, StatementState::FAILED);
  EXPECT_EQ(s->snapshot().error_code, "DEADLINE_EXCEEDED");
  EXPECT_THAT(s->snapshot().error_message, ::testing::HasSubstr("must complete within 1 seconds"));
  // Also what only writes.
  const auto w =
      finished(world.as("automation"),
               {.statement = std::string("CREATE TABLE main.s.late AS SELECT count(*) AS n FROM range(100000000) a CROSS JOIN range(100000) b")});
  EXPECT_EQ(w->snapshot().error_code, "DEADLINE_EXCEEDED") << w->snapshot().error_message;
  for (int i = 0; i < 2; ++i)
    EXPECT_FALSE(statements.history(world.as("automation"), {.statement_ids = {finished(world.as("automation"), {.statement = "SELECT 7"})->id}})
                     .records.at(0)
                     .from_cache);
}

TEST_F(Services, StoppingAWarehouseEndsWhatRunsThere) {
  auto r = StatementRequest{.statement = kSlow, .warehouse_id = id};
  std::vector<std::shared_ptr<Statement>> all;
  std::vector<std::promise<void>> ended(12);
  for (auto& e : ended) {
    auto s = statements.submit(world.as("automation"), r);
    ASSERT_TRUE(s);
    (*s)->on_done([&e] { e.set_value(); });
    all.push_back(*s);
  }
  const auto load = warehouses.load(id);
  EXPECT_EQ(load.running + load.waiting, 12u);
  auto w = *warehouses.get(world.as("automation"), id);
  EXPECT_EQ(warehouses.clusters(w), 1);
  w.max_num_clusters = 5;
  EXPECT_EQ(warehouses.clusters(w), 2);  // ten statements a cluster
  w.min_num_clusters = 4;
  EXPECT_EQ(warehouses.clusters(w), 4);
  ASSERT_TRUE(warehouses.stop(world.as("automation"), id));
  for (auto& e : ended) ASSERT_EQ(e.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  for (const auto& s : all) EXPECT_EQ(s->snapshot().state, StatementState::CANCELED);
  EXPECT_EQ(warehouses.get(world.as("automation"), id)->state, WarehouseState::STOPPED);
  w.state = WarehouseState::STOPPED;
  EXPECT_EQ(warehouses.clusters(w), 0);
}

TEST_F(Services, HistoryIsReadByWindowsOfTimeAndEnds) {
  const auto admin = world.as("automation");
  const auto now = world.clock.now();
  constexpr Millis kHour = 3'600'000, kDay = 24 * kHour;
  std::vector<std::string> wanted;  // newest first
  store::Store& s = *world.store;
  s.write({.service = "test", .action = "test", .principal = "test"}, [&](store::WriteTxn& t) {
    for (const Millis age : {kHour / 100, kHour / 100, kHour / 2, kHour, 5 * kHour, kDay, 9 * kDay, 29 * kDay, 31 * kDay, 400 * kDay}) {
      const StatementRecord r{.id = new_uuid_at(now - age),
                              .workspace_id = *admin.workspace_id,
                              .warehouse_id = id,
                              .user_id = admin.caller.id,
                              .state = StatementState::SUCCEEDED,
                              .started_at = now - age,
                              .ended_at = now - age + 1};
      EXPECT_TRUE(statements_table.insert(t, r).has_value());
      auto other = r;
      other.workspace_id = 77;
      EXPECT_TRUE(statements_table.insert(t, other).has_value());
      if (age < 30 * kDay) wanted.push_back(r.id);
    }
    return true;
  });
  if (wanted[0] < wanted[1]) std::swap(wanted[0], wanted[1]);
  for (const std::size_t limit : {1u, 3u, 8u, 100u}) {
    std::vector<std::string> seen;
    HistoryFilter page{.limit = limit};
    for (std::size_t i = 0; i < 20; ++i) {
      const auto p = statements.history(admin, page);
      for (const auto& r : p.records) seen.push_back(r.id);
      page.after = p.next;
      if (p.next.empty()) break;
    }
    EXPECT_EQ(seen, wanted) << limit;
  }
  EXPECT_EQ(statements.history(admin, {.from = now - 2 * kDay, .until = now - kHour}).records.size(), 3u);
  EXPECT_EQ(statements.history(admin, {.from = now - 20 * kDay, .until = now - 8 * kDay}).records.size(), 1u);
  EXPECT_EQ(statements.all_history(1000).size(), 16u);
  const auto three = statements.all_history(3);
  ASSERT_EQ(three.size(), 3u);
  EXPECT_GE(three[2].started_at, now - kHour / 50);
  const auto stored = [&] { return s.read_as([&](store::ReadTxn& t) { return statements_table.scan(t).size(); }); };
  EXPECT_EQ(stored(), 20u);
  statements.forget_history();
  EXPECT_EQ(stored(), 16u);
}

TEST_F(Services, HistoryIsFilteredPagedAndMeasured) {
  permissions.grant(1, {"sql/warehouses", id}, "users", "CAN_USE");
  const auto admin = world.as("automation");
  (void)finished(admin, {.statement = "CREATE TABLE main.s.h AS SELECT id FROM range(10)"});
  const auto first = finished(admin, {.statement = "SELECT sum(id) FROM main.s.h"});
  const auto second = finished(admin, {.statement = "SELECT sum(id) FROM main.s.h"});
  (void)finished(admin, {.statement = "SELECT * FROM main.s.nothing"});
  const auto hers = finished(world.as("ana"), {.statement = "SELECT 'hers' AS a"});
  EXPECT_EQ(statements.history(admin, {}).records.size(), 5u);
  const auto own = statements.history(world.as("ana"), {}).records;
  ASSERT_EQ(own.size(), 1u);  // she manages no warehouse
  EXPECT_EQ(own[0].id, hers->id);
  EXPECT_EQ(statements.history(admin, {.statuses = {"FAILED"}}).records.size(), 1u);
  EXPECT_EQ(statements.history(admin, {.user_ids = {world.ids.at("ana")}}).records.size(), 1u);
  EXPECT_EQ(statements.history(admin, {.warehouse_ids = {"none"}}).records.size(), 0u);
  std::vector<std::string> seen;
  HistoryFilter page{.limit = 2};
  for (int i = 0; i < 5; ++i) {
    const auto p = statements.history(admin, page);
    for (const auto& r : p.records) seen.push_back(r.id);
    page.after = p.next;
    if (p.next.empty()) break;
  }
  EXPECT_EQ(std::set<std::string>(seen.begin(), seen.end()).size(), 5u);
  EXPECT_EQ(seen.size(), 5u);
  const auto one = statements.history(admin, {.statement_ids = {first->id}}).records.at(0),
             again = statements.history(admin, {.statement_ids = {second->id}}).records.at(0);
  EXPECT_EQ(one.files, 1);
  EXPECT_GT(one.bytes, 0);
  EXPECT_FALSE(one.from_cache);
  EXPECT_TRUE(again.from_cache);
  EXPECT_EQ(one.rows, 1);
  const auto json = history_json({{again}, ""}, true);
  EXPECT_EQ(json.at("res").at(0).at("metrics").at("result_from_cache"), true);
  EXPECT_EQ(json.at("res").at(0).at("statement_type"), "SELECT");
  EXPECT_EQ(json.at("res").at(0).at("status"), "FINISHED");
  // The same as a table, for who may read it. Ends reach the store within a second or two.
  const auto mine = statement_body(*finished(world.as("ana"), {.statement = "SELECT * FROM system.query.history"}), statements);
  EXPECT_THAT(mine, ::testing::HasSubstr("INSUFFICIENT_PERMISSIONS"));
  std::promise<void> stored;
  statements.hand_over(hers, [&] { stored.set_value(); });
  stored.get_future().wait();
  const auto rows =
      finished(admin, {.statement = "SELECT executed_by FROM system.query.history WHERE statement_text LIKE '%hers%' AND statement_type = 'SELECT' "
                                    "AND execution_status = 'FINISHED'"});
  EXPECT_THAT(statement_body(*rows, statements), ::testing::HasSubstr(R"([["ana@acme.test"]])"));
}

TEST_F(Services, StatementIsItsOwnersAndCancelEndsIt) {
  permissions.grant(1, {"sql/warehouses", id}, "users", "CAN_USE");
  const auto s = finished(world.as("ana"), {.statement = "SELECT current_user() AS u"});
  EXPECT_TRUE(statements.find(world.as("ana"), s->id));
  EXPECT_TRUE(statements.find(world.as("automation"), s->id));  // manages the warehouse
  EXPECT_EQ(code(statements.find(world.as("bob"), s->id)), Errc::not_found);
  EXPECT_EQ(code(statements.find(world.as("ana", 2), s->id)), Errc::not_found);
  EXPECT_EQ(code(statements.find(world.as("ana"), "no-such-statement")), Errc::not_found);
  auto r = StatementRequest{.statement = "SELECT count(*) FROM range(100000000) a CROSS JOIN range(100000) b", .warehouse_id = id};
  auto slow = statements.submit(world.as("ana"), r);
  ASSERT_TRUE(slow);
  std::promise<void> ended, stored;
  (*slow)->on_done([&] { ended.set_value(); });
  statements.hand_over(*slow, [&] { stored.set_value(); });
  stored.get_future().wait();
  ASSERT_TRUE(statements.cancel(world.as("ana"), (*slow)->id));
  ASSERT_EQ(ended.get_future().wait_for(std::chrono::seconds(60)), std::future_status::ready);
  EXPECT_EQ((*slow)->snapshot().state, StatementState::CANCELED);
}

TEST_F(Services, ASessionLastsFromOneStatementToTheNextAndIsItsOwners) {
  permissions.grant(1, {"sql/warehouses", id}, "users", "CAN_USE");
  const auto ana = world.as("ana");
  const auto first = [&](const access::Context& ctx, const std::string& text, std::optional<std::string> session,
                         std::optional<std::string> catalog = {}) {
    const auto b = body(*finished(ctx, {.statement = text, .catalog = std::move(catalog), .session_id = std::move(session)}));
    const auto* result = b.if_contains("result");
    if (!result) return std::string(b.at("status").at("error").at("message").as_string());
    const auto* rows = result->as_object().if_contains("data_array");
    return rows && !rows->as_array().empty() ? boost::json::serialize(rows->as_array()[0]) : std::string();
  };
  for (const char* make : {"CREATE SCHEMA main.other", "GRANT USE CATALOG, USE SCHEMA ON CATALOG main TO `account users`"})
    first(world.as("automation"), make, {});
  const auto one = statements.open_session(ana, {.warehouse_id = id, .catalog = "main", .schema = "s"});
  const auto two = statements.open_session(ana, {.warehouse_id = id});
  ASSERT_TRUE(one && two) << one.error().message;
  EXPECT_NE(*one, *two);
  first(ana, "DECLARE n INT = 1", *one);
  first(ana, "SET VAR n = n + 41", *one);
  EXPECT_EQ(first(ana, "SELECT n, current_schema()", *one), R"(["42","s"])");
  first(ana, "USE main.other", *one);
  EXPECT_EQ(first(ana, "SELECT current_catalog(), current_schema()", *one), R"(["main","other"])");
  EXPECT_EQ(first(ana, "SELECT current_schema()", *one, "main"), R"(["default"])") << "a statement's own catalog comes with its own schema";
  // Without a session, and in another, there is nothing of it.
  EXPECT_THAT(first(ana, "SELECT n", {}), ::testing::HasSubstr("UNRESOLVED_COLUMN"));
  EXPECT_THAT(first(ana, "SELECT n", *two), ::testing::HasSubstr("UNRESOLVED_COLUMN"));
  EXPECT_EQ(first(ana, "DECLARE alone = 1 + 1", {}), "") << "legal, and ends with the statement";
  EXPECT_THAT(first(ana, "SET VAR alone = 1", {}), ::testing::HasSubstr("UNRESOLVED_VARIABLE"));

  const auto submitted = [&](const access::Context& ctx, const std::string& session, const std::string& warehouse) {
    return code(statements.submit(ctx, {.statement = "SELECT n", .warehouse_id = warehouse, .session_id = session}));
  };
  EXPECT_EQ(submitted(world.as("bob"), *one, id), Errc::not_found);
  EXPECT_EQ(submitted(world.as("automation"), *one, id), Errc::not_found) << "not even its warehouse's manager";
  EXPECT_EQ(submitted(ana, "no-such-session", id), Errc::not_found);
  const auto more = warehouses.create(world.as("automation"), {.name = "more", .cluster_size = "2X-Small"});
  ASSERT_TRUE(more);
  permissions.grant(1, {"sql/warehouses", more->id}, "users", "CAN_USE");
  EXPECT_EQ(submitted(ana, *one, more->id), Errc::invalid);
  EXPECT_EQ(code(statements.close_session(world.as("bob"), *one)), Errc::not_found);
  ASSERT_TRUE(statements.close_session(ana, *one));
  EXPECT_EQ(code(statements.close_session(ana, *one)), Errc::not_found);
  EXPECT_EQ(submitted(ana, *one, id), Errc::not_found);
  EXPECT_EQ(code(statements.open_session(ana, {.warehouse_id = "nowhere"})), Errc::not_found);
  const auto zoned = statements.open_session(ana, {.warehouse_id = id, .session_confs = {{"timezone", "Europe/Berlin"}, {"ANSI_MODE", "true"}}});
  ASSERT_TRUE(zoned) << zoned.error().message;
  EXPECT_EQ(first(ana, "SELECT current_timezone(), CAST(TIMESTAMP '2024-07-01 12:00:00Z' AS STRING)", *zoned),
            R"(["Europe/Berlin","2024-07-01 14:00:00"])");
  EXPECT_EQ(first(ana, "SELECT current_timezone()", {}), R"(["UTC"])");
  const auto refused = statements.open_session(ana, {.warehouse_id = id, .session_confs = {{"ansi_mode", "false"}}});
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, ::testing::HasSubstr("ansi_mode"));
}

TEST_F(Services, ASessionsSettingsHoldForItsStatements) {
  const auto session = statements.open_session(world.as("automation"), {.warehouse_id = id, .session_confs = {{"statement_timeout", "2"}}});
  ASSERT_TRUE(session) << session.error().message;
  const auto run = [&](const std::string& text, std::optional<std::string> of) {
    return finished(world.as("automation"), {.statement = text, .session_id = std::move(of)});
  };
  EXPECT_EQ(boost::json::serialize(body(*run("SET STATEMENT_TIMEOUT", *session)).at("result").at("data_array")), R"([["STATEMENT_TIMEOUT","2"]])");
  const auto late = run(kSlow, *session);
  EXPECT_EQ(late->snapshot().error_code, "DEADLINE_EXCEEDED");
  EXPECT_THAT(late->snapshot().error_message, ::testing::HasSubstr("must complete within 2 seconds"));
  run("RESET STATEMENT_TIMEOUT", *session);
  const auto cached = [&](std::optional<std::string> of) {
    return statements.history(world.as("automation"), {.statement_ids = {run("SELECT 11", std::move(of))->id}}).records.at(0).from_cache;
  };
  cached({});
  EXPECT_TRUE(cached(*session));
  run("SET USE_CACHED_RESULT = false", *session);
  EXPECT_FALSE(cached(*session));
  EXPECT_TRUE(cached({})) << "another session's";
  run("RESET", *session);
  EXPECT_TRUE(cached(*session));
}

TEST_F(Services, RestartFailsWhatItFindsUnfinished) {
  auto r = StatementRequest{.statement = "SELECT count(*) FROM range(100000000) a CROSS JOIN range(100000) b", .warehouse_id = id};
  auto slow = statements.submit(world.as("automation"), r);
  ASSERT_TRUE(slow);
  std::promise<void> stored;
  statements.hand_over(*slow, [&] { stored.set_value(); });
  stored.get_future().wait();
  Statements next(*world.executor, warehouses, *world.store, *world.objects, world.vendor, world.clock);
  next.recover();
  const auto found = next.find(world.as("automation"), (*slow)->id);
  ASSERT_TRUE(found);
  EXPECT_EQ((*found)->snapshot().state, StatementState::FAILED);
  EXPECT_THAT((*found)->snapshot().error_message, ::testing::HasSubstr("restarted"));
}

TEST(Lineage, NamesTheColumnsThatACopyCameFrom) {
  World world;
  Collector sink;
  const auto admin = world.as("automation");
  ASSERT_TRUE(world.run(admin, "CREATE TABLE bronze AS SELECT 1 AS id, 'a' AS word", sink));
  ASSERT_TRUE(world.run(
      admin, "CREATE TABLE gold AS WITH x AS (SELECT id * 2 AS twice, word FROM bronze) SELECT max(twice) AS top, word FROM x GROUP BY word", sink));
  Collector rows;
  const auto read = world.run(admin,
                              "SELECT source_table_name, source_column_name, target_column_name FROM system.access.column_lineage WHERE "
                              "target_table_name = 'gold' ORDER BY 2",
                              rows);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_THAT(rows.rows, ::testing::ElementsAre("bronze|id|top", "bronze|word|word"));
}

}  // namespace
}  // namespace tarn::sql::testing
