#include <gmock/gmock.h>

#include "queries/alert_runs.h"
#include "queries/routes.h"
#include "workspace/routes.h"
#include "workspace/testing.h"

namespace tarn::queries {
namespace {

using enum api::Method;

// Judging: pure.

AlertEvaluation when(const std::string& column, ComparisonOperator op, AlertValue bound, std::optional<Aggregation> how = {}) {
  return {.source = {.name = column, .aggregation = how}, .comparison_operator = op, .threshold = AlertBound{.value = std::move(bound)}};
}
AlertRows column(std::vector<std::optional<std::string>> values, const std::string& name = "n") {
  AlertRows out{.columns = {name}};
  for (auto& v : values) out.rows.push_back({std::move(v)});
  return out;
}
std::string told(const AlertEvaluation& e, const AlertRows& rows) {
  const auto j = judge(e, rows);
  return std::string(json::name_of(j.state)) + (j.error.empty() ? "" : ": " + j.error);
}

TEST(AlertJudge, ComparesTheFirstRowWithItsThreshold) {
  using enum ComparisonOperator;
  const AlertValue ten{.double_value = 10};
  EXPECT_EQ(told(when("n", GREATER_THAN, ten), column({"11", "1"})), "TRIGGERED");
  EXPECT_EQ(told(when("N", GREATER_THAN, ten), column({"10"})), "OK") << "names compare without case";
  EXPECT_EQ(told(when("n", GREATER_THAN_OR_EQUAL, ten), column({"10.0"})), "TRIGGERED");
  EXPECT_EQ(told(when("n", LESS_THAN, ten), column({"9"})), "TRIGGERED") << "as numbers, not as text";
  EXPECT_EQ(told(when("n", LESS_THAN_OR_EQUAL, ten), column({"10"})), "TRIGGERED");
  EXPECT_EQ(told(when("n", EQUAL, ten), column({"1e1"})), "TRIGGERED");
  EXPECT_EQ(told(when("n", NOT_EQUAL, ten), column({"10"})), "OK");
  EXPECT_EQ(told(when("n", EQUAL, {.string_value = "late"}), column({"late"})), "TRIGGERED");
  EXPECT_EQ(told(when("n", EQUAL, {.bool_value = true}), column({"true"})), "TRIGGERED");
  EXPECT_EQ(told(when("n", GREATER_THAN, ten), column({std::nullopt})), "OK") << "NULL compares with nothing";
  EXPECT_EQ(told({.source = {.name = "n"}, .comparison_operator = IS_NULL}, column({std::nullopt})), "TRIGGERED");
  EXPECT_EQ(told({.source = {.name = "n"}, .comparison_operator = IS_NOT_NULL}, column({std::nullopt})), "OK");
  EXPECT_EQ(told(when("m", GREATER_THAN, ten), column({"11"})), "ERROR: the query's result has no column 'm'");
  EXPECT_EQ(told(when("n", GREATER_THAN, ten), column({"eleven"})), "ERROR: the value 'eleven' is no number and cannot be compared with 10");
}

TEST(AlertJudge, AggregatesAllRows) {
  using enum Aggregation;
  const auto rows = column({"1", "2", "2", "7", std::nullopt});
  const std::pair<Aggregation, double> known[]{{SUM, 12}, {COUNT, 4}, {COUNT_DISTINCT, 3}, {AVG, 3}, {MEDIAN, 2}, {MIN, 1}, {MAX, 7}};
  for (const auto& [how, value] : known)
    EXPECT_EQ(told(when("n", ComparisonOperator::EQUAL, {.double_value = value}, how), rows), "TRIGGERED") << json::name_of(how);
  const auto deviation = judge(when("n", ComparisonOperator::GREATER_THAN, {.double_value = 2.708}, STDDEV), rows);
  EXPECT_EQ(deviation.state, AlertState::TRIGGERED) << deviation.value;
  EXPECT_EQ(told(when("n", ComparisonOperator::GREATER_THAN, {.double_value = 2.709}, STDDEV), rows), "OK");
  EXPECT_EQ(told(when("n", ComparisonOperator::EQUAL, {.double_value = 0}, COUNT), column({std::nullopt})), "TRIGGERED");
  EXPECT_EQ(told(when("n", ComparisonOperator::EQUAL, {.double_value = 0}, SUM), column({"x"})),
            "ERROR: column 'n' holds 'x', which is no number, so it has no SUM");
  AlertEvaluation columns{.source = {.name = "a"}, .comparison_operator = ComparisonOperator::GREATER_THAN};
  columns.threshold = AlertBound{.column = AlertSource{.name = "b", .aggregation = MAX}};
  EXPECT_EQ(told(columns, {.columns = {"a", "b"}, .rows = {{"5", "1"}, {"0", "4"}}}), "TRIGGERED") << "against another column";
}

TEST(AlertJudge, AnEmptyResultIsWhatItsSettingSays) {
  auto e = when("n", ComparisonOperator::EQUAL, {.double_value = 0});
  EXPECT_EQ(told(e, column({})), "UNKNOWN");
  e.empty_result_state = AlertState::TRIGGERED;
  EXPECT_EQ(told(e, column({})), "TRIGGERED");
}

TEST(AlertJudge, IsToldOnChangesAndAgainOnlyWhereAsked) {
  using enum AlertState;
  const AlertNotification plain, again{.retrigger_seconds = 60}, back{.notify_on_ok = true};
  EXPECT_TRUE(is_told(UNKNOWN, TRIGGERED, plain, 0, 1000));
  EXPECT_FALSE(is_told(TRIGGERED, TRIGGERED, plain, 1000, 10'000'000));
  EXPECT_FALSE(is_told(TRIGGERED, TRIGGERED, again, 1000, 60'999));
  EXPECT_TRUE(is_told(TRIGGERED, TRIGGERED, again, 1000, 61'000));
  EXPECT_FALSE(is_told(TRIGGERED, OK, plain, 1000, 2000));
  EXPECT_TRUE(is_told(TRIGGERED, OK, back, 1000, 2000));
  EXPECT_FALSE(is_told(OK, OK, back, 1000, 2000));
  EXPECT_FALSE(is_told(TRIGGERED, ERROR, back, 1000, 2000));
}

TEST(AlertJudge, TemplatesAreFilledOnce) {
  const AlertWords w{.name = "late",
                     .column = "n",
                     .threshold = "10",
                     .value = "{{ALERT_NAME}}",
                     .condition = ComparisonOperator::GREATER_THAN,
                     .state = AlertState::TRIGGERED};
  EXPECT_EQ(filled("{{ALERT_NAME}} {{ALERT_STATUS}}: {{QUERY_RESULT_VALUE}} {{ALERT_CONDITION}} {{ALERT_THRESHOLD}} {{OTHER}} {{", w),
            "late TRIGGERED: {{ALERT_NAME}} > 10 {{OTHER}} {{");
}

// Alerts with schedules, on a store, with statements that answer as they are told.

struct AlertsTest : workspace::testing::TreeTest, AlertPorts {
  Objects objects_{*store, permissions, directory, tree, clock};
  AlertRuns runs{{.store = *store, .objects = objects_, .directory = directory, .ports = *this, .clock = clock, .server_id = "s1"}};
  struct Asked {
    std::string who, warehouse, text;
    Done done;
  };
  std::vector<Asked> asked;
  std::vector<AlertNews> news;

  AlertsTest() {
    router.add(routes(objects_));
    router.add(workspace::routes(tree));
    objects_.destinations([](std::int64_t, const std::string& id) { return id == "hook"; });
  }
  Expected<std::string, std::string> start(const access::Context& ctx, const std::string& warehouse, const std::string& text,
                                           const std::vector<AlertParameter>&, Done done) override {
    if (warehouse == "gone") return fail(std::string("The SQL warehouse with the ID 'gone' does not exist in this workspace"));
    asked.push_back({ctx.caller.name, warehouse, text, std::move(done)});
    return "statement-" + std::to_string(asked.size());
  }
  void tell(store::WriteTxn&, const AlertNews& n) override { news.push_back(n); }

  static std::string body(const std::string& more = "", const std::string& warehouse = "w") {
    return R"({"display_name":"late","query_text":"SELECT 1 AS n","warehouse_id":")" + warehouse +
           R"(","evaluation":{"source":{"name":"n"},"comparison_operator":"GREATER_THAN","threshold":{"value":{"double_value":10}},)"
           R"("notification":{"notify_on_ok":true,"subscriptions":[{"destination_id":"hook"},{"user_email":"ann@acme.example"}]}},)"
           R"("schedule":{"quartz_cron_schedule":"0 0 * * * ?","timezone_id":"UTC"})" +
           more + "}";
  }
  void settle() {
    int turns = 0;
    while (runs.step()) ASSERT_LT(++turns, 100);
  }
  void answer(Expected<AlertRows, std::string> rows) {
    asked.back().done(std::move(rows));
    settle();
  }
  void hour() {
    clock.advance(3'600'000);
    settle();
  }
  std::string state(const std::string& id) { return call(GET, "alerts/" + id).at({"evaluation", "state"}); }
};

TEST_F(AlertsTest, AScheduleEvaluatesTellsAndRemembers) {
  const auto made = call(POST, "alerts", body());
  ASSERT_EQ(made.status, 200) << made.text;
  EXPECT_EQ(made.at({"evaluation", "state"}), "UNKNOWN");
  EXPECT_EQ(made.at({"effective_run_as", "user_name"}), kAnn);
  EXPECT_EQ(made.at("lifecycle_state"), "ACTIVE");
  const auto id = made.at("id");
  settle();
  EXPECT_TRUE(asked.empty()) << "not before its time";
  hour();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(asked[0].who, kAnn);
  EXPECT_EQ(asked[0].warehouse + " " + asked[0].text, "w SELECT 1 AS n");
  answer(column({"11"}));
  EXPECT_EQ(state(id), "TRIGGERED");
  EXPECT_NE(call(GET, "alerts/" + id).at({"evaluation", "last_evaluated_at"}), "");
  ASSERT_EQ(news.size(), 2u);
  EXPECT_EQ(news[0].destination_id + news[1].user_email, "hookann@acme.example");
  EXPECT_EQ(news[0].subject, "Alert late is TRIGGERED");
  EXPECT_EQ(news[0].text, "n is 11; the condition is n > 10");
  hour();
  answer(column({"12"}));
  EXPECT_EQ(news.size(), 2u) << "told once";
  hour();
  answer(fail(std::string("no such table")));
  EXPECT_EQ(state(id), "ERROR");
  hour();
  answer(column({"1"}));
  EXPECT_EQ(state(id), "OK");
  ASSERT_EQ(news.size(), 4u) << "and when it is well again";
  EXPECT_EQ(news[2].event, "ok");
}

TEST_F(AlertsTest, WhatAKillCutIsEvaluatedAnewAndSlowOnesAreNotDoubled) {
  const auto id = call(POST, "alerts", body()).at("id");
  hour();
  ASSERT_EQ(asked.size(), 1u);
  hour();
  EXPECT_EQ(asked.size(), 1u) << "the evaluation before still runs";
  AlertRuns after{{.store = *store, .objects = objects_, .directory = directory, .ports = *this, .clock = clock, .server_id = "s1"}};
  after.recover();
  while (after.step()) {
  }
  ASSERT_EQ(asked.size(), 2u);
  asked[1].done(column({"11"}));
  while (after.step()) {
  }
  EXPECT_EQ(state(id), "TRIGGERED");
  // Another server of the store leaves it alone.
  AlertRuns other{{.store = *store, .objects = objects_, .directory = directory, .ports = *this, .clock = clock, .server_id = "s2"}};
  other.recover();
  while (other.step()) {
  }
  EXPECT_EQ(asked.size(), 2u);
}

TEST_F(AlertsTest, PausedTrashedAndChangedOnesFollowTheirSettings) {
  const auto id = call(POST, "alerts", body()).at("id");
  const std::string one = "alerts/" + id;
  const auto schedule = [&](const char* status) {
    return call(PATCH, one + "?update_mask=schedule",
                std::string(R"({"schedule":{"quartz_cron_schedule":"0 0 * * * ?","timezone_id":"UTC","pause_status":")") + status + "\"}}");
  };
  ASSERT_EQ(schedule("PAUSED").status, 200);
  hour();
  EXPECT_TRUE(asked.empty());
  ASSERT_EQ(schedule("UNPAUSED").status, 200);
  hour();
  EXPECT_EQ(asked.size(), 1u);
  EXPECT_EQ(call(DELETE, one).status, 200);
  answer(column({"11"}));
  EXPECT_TRUE(news.empty()) << "a trashed alert tells nobody";
  EXPECT_EQ(call(GET, one).at("lifecycle_state"), "DELETED");
  EXPECT_EQ(call(GET, "alerts").text, "{}");
  hour();
  EXPECT_EQ(asked.size(), 1u);
  const auto next = call(POST, "alerts", body()).at("id");
  EXPECT_EQ(call(DELETE, "alerts/" + next + "?purge=true").status, 200);
  EXPECT_EQ(call(GET, "alerts/" + next).status, 404);
}

TEST_F(AlertsTest, NobodyReadsWithAnothersRights) {
  const auto id = call(POST, "alerts", body()).at("id");
  const std::string one = "alerts/" + id;
  EXPECT_EQ(call(GET, one, "", kBob).status, 404);
  grant("alertsv2", id, kBob, "CAN_EDIT");
  EXPECT_EQ(call(PATCH, one + "?update_mask=display_name", R"({"display_name":"later"})", kBob).at("display_name"), "later");
  const auto stolen = call(PATCH, one + "?update_mask=query_text", R"({"query_text":"SELECT * FROM secrets"})", kBob);
  EXPECT_EQ(stolen.status, 403) << stolen.text;
  EXPECT_EQ(call(PATCH, one + "?update_mask=query_text", R"({"query_text":"SELECT 2"})").status, 200) << "its own identity may";
  const auto taken =
      call(PATCH, one + "?update_mask=query_text,run_as", R"({"query_text":"SELECT 3","run_as":{"user_name":"bob@acme.example"}})", kBob);
  EXPECT_EQ(taken.at({"effective_run_as", "user_name"}), kBob) << taken.text;
  EXPECT_EQ(call(POST, "alerts", body(R"(,"run_as":{"user_name":"bob@acme.example"})")).status, 403);
  EXPECT_EQ(call(POST, "alerts", body(R"(,"run_as":{"user_name":"nobody"})")).status, 400);
  hour();
  EXPECT_EQ(asked.back().who, kBob);
}

TEST_F(AlertsTest, WhatCannotBeIsRefusedByItsField) {
  const auto refused = [&](std::string from, const std::string& to) {
    auto text = body();
    const auto at = text.find(from);
    if (at == text.npos) ADD_FAILURE() << from;
    const auto a = call(POST, "alerts", text.replace(at, from.size(), to));
    EXPECT_EQ(a.status, 400) << to << a.text;
    return a.message();
  };
  using ::testing::HasSubstr;
  EXPECT_THAT(refused("0 0 * * * ?", "every hour"), HasSubstr("schedule.quartz_cron_schedule"));
  EXPECT_THAT(refused("0 0 * * * ?", "0 0 0 1 1 ? 1999"), HasSubstr("never fires"));
  EXPECT_THAT(refused("UTC", "Mars/Olympus"), HasSubstr("schedule.timezone_id"));
  EXPECT_THAT(refused(R"("threshold":{"value":{"double_value":10}})", R"("threshold":{})"), HasSubstr("exactly one of column and value"));
  EXPECT_THAT(refused(R"("threshold":{"value":{"double_value":10}},)", ""), HasSubstr("evaluation.threshold"));
  EXPECT_THAT(refused("hook", "none"), HasSubstr("Notification destination none does not exist"));
  EXPECT_THAT(refused("ann@acme.example", "ann@acme.example,x@y"), HasSubstr("user_email"));
  EXPECT_THAT(refused("GREATER_THAN", "ALMOST"), HasSubstr("comparison_operator"));
  EXPECT_THAT(refused(R"("warehouse_id":"w",)", ""), HasSubstr("warehouse_id"));
  const auto gone = call(POST, "alerts", body("", "gone")).at("id");
  hour();
  EXPECT_EQ(state(gone), "ERROR") << "a warehouse that is not there";
  EXPECT_EQ(call(PATCH, "alerts/" + gone, R"({"display_name":"x"})").status, 400) << "without a mask";
}

TEST_F(AlertsTest, AnOlderAlertIsEvaluatedByAJobsTask) {
  const auto query = call(POST, "sql/queries", R"({"query":{"display_name":"q","query_text":"SELECT 1 AS n","warehouse_id":"w"}})").at("id");
  const auto id =
      call(POST, "sql/alerts",
           R"({"alert":{"display_name":"a","query_id":")" + query +
               R"(","custom_subject":"{{QUERY_NAME}} {{ALERT_STATUS}}","condition":{"op":"GREATER_THAN","operand":{"column":{"name":"n"}},)"
               R"("threshold":{"value":{"double_value":1}}}}})")
          .at("id");
  std::vector<std::string> ends;
  const auto run = [&](const char* who, bool quiet, Expected<AlertRows, std::string> rows) {
    auto handle =
        runs.evaluate(directory.as(who), {.alert_id = id, .warehouse_id = "w2", .subscriptions = {{.user_email = "x@y.example"}}, .told = !quiet},
                      [&](Expected<AlertRuns::OlderEnd, std::string> e) {
                        ends.push_back(e ? std::string(json::name_of(e->state)) + " " + e->query_text : e.error());
                      });
    if (!handle) return handle.error();
    answer(std::move(rows));
    return ends.empty() ? std::string("nothing") : ends.back();
  };
  EXPECT_THAT(run(kBob, false, column({})), ::testing::HasSubstr("does not exist or is not accessible"));
  grant("alerts", id, kBob, "CAN_RUN");
  EXPECT_THAT(run(kBob, false, column({})), ::testing::HasSubstr("does not exist or is not accessible")) << "its query is not his to run";
  EXPECT_EQ(run(kAnn, true, column({"5"})), "TRIGGERED SELECT 1 AS n");
  EXPECT_TRUE(news.empty());
  EXPECT_EQ(call(GET, "sql/alerts/" + id).at("state"), "TRIGGERED");
  EXPECT_NE(call(GET, "sql/alerts/" + id).at("trigger_time"), "");
  EXPECT_EQ(run(kAnn, false, column({"0"})), "OK SELECT 1 AS n");
  EXPECT_EQ(run(kAnn, false, column({"7"})), "TRIGGERED SELECT 1 AS n");
  ASSERT_EQ(news.size(), 1u);
  EXPECT_EQ(news[0].subject, "q TRIGGERED");
  EXPECT_EQ(run(kAnn, false, fail(std::string("no such table"))), "no such table");
  EXPECT_EQ(run(kAnn, false, column({"x"})), "the value 'x' is no number and cannot be compared with 1");
  EXPECT_EQ(call(GET, "sql/alerts/" + id).at("state"), "UNKNOWN");
}

}  // namespace
}  // namespace tarn::queries
