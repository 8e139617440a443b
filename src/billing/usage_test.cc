#include <gmock/gmock.h>

#include "billing/budget_watch.h"
#include "store/store_for_tests.h"

namespace tarn::billing {
namespace {

using ::testing::DoubleNear;
using ::testing::HasSubstr;

constexpr Millis kAnHour = 3'600'000;

struct Runs final : RunningUsage {
  std::vector<UsageRecord> rows;
  std::vector<UsageRecord> running_usage() override { return rows; }
};

struct UsageTest : ::testing::Test {
  FakeClock clock;
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  Budgets budgets{*store, clock, "acc"};
  Usage usage{*store};
  Runs runs;
  BudgetWatch watch{*store, budgets, usage, clock};
  access::Context admin = access::system_context();
  UsageTest() { usage.also(&runs); }

  static UsageRecord of(std::int64_t workspace, std::map<std::string, std::string> tags = {}) {
    return {.workspace_id = workspace,
            .cluster_id = "c",
            .sku_name = "PREMIUM_ALL_PURPOSE_COMPUTE",
            .node_type = "m6g.large",
            .custom_tags = std::move(tags)};
  }
  void add(const UsageRecord& u, Millis from, Millis to, double rate) {
    store->write({.service = "test", .action = "test", .principal = "test"}, [&](store::WriteTxn& t) {
      for (auto& one : by_hour(u, from, to, rate)) add_usage(t, one);
      return true;
    });
  }
  std::string budget(const std::string& threshold, const std::string& action, std::optional<std::int64_t> workspace, const std::string& tag = "") {
    Budget b;
    b.display_name = "b";
    AlertConfiguration a{.quantity_threshold = threshold,
                         .quantity_type = "LIST_PRICE_DOLLARS_USD",
                         .time_period = "MONTH",
                         .trigger_type = "CUMULATIVE_SPENDING_EXCEEDED"};
    if (!action.empty())
      a.action_configurations.push_back(
          {.action_type = action, .target = action == "BLOCK_USAGE" ? std::nullopt : std::optional<std::string>("a@b.example")});
    b.alert_configurations.push_back(a);
    b.filter.emplace();
    if (workspace) b.filter->workspace_id = WorkspaceClause{.operator_ = "IN", .values = {*workspace}};
    if (!tag.empty()) b.filter->tags.push_back({.key = "team", .value = TagClause{.operator_ = "IN", .values = {tag}}});
    auto made = budgets.create(admin, b);
    EXPECT_TRUE(made.has_value()) << (made ? "" : made.error().message);
    return made->store_key();
  }
  std::size_t alerts() {
    store->flush_audit();
    return store->audit_log({.action = "budgetThresholdExceeded"}, 100).size();
  }
};

TEST_F(UsageTest, HoursAreSplitAndAddedUp) {
  const Millis start = clock.now() / kAnHour * kAnHour;
  add(of(1), start + kAnHour / 2, start + 2 * kAnHour, 2.0);  // half an hour, then a whole one
  add(of(1), start, start + kAnHour / 2, 2.0);
  const auto rows = usage.rows(start, start + 10 * kAnHour);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_THAT(rows[0].dbus, DoubleNear(2.0, 1e-9));
  EXPECT_EQ(rows[0].start, start);
  EXPECT_EQ(rows[0].end, start + kAnHour);
  EXPECT_THAT(rows[1].dbus, DoubleNear(2.0, 1e-9));
  // What runs and is not written down yet counts too.
  for (auto& u : by_hour(of(1), start + 2 * kAnHour, start + 3 * kAnHour, 4.0)) runs.rows.push_back(u);
  EXPECT_EQ(usage.rows(start, start + 10 * kAnHour).size(), 3u);
  EXPECT_THAT(dollars(rows[0]), DoubleNear(1.1, 1e-9));
  EXPECT_TRUE(by_hour(of(1), start, start, 1).empty());
}

TEST_F(UsageTest, ABudgetAlertsOnceAndOneThatBlocksStopsWhatItCovers) {
  budget("1", "EMAIL_NOTIFICATION", 1);
  const auto hard = budget("2", "BLOCK_USAGE", 1, "ml");
  add(of(1, {{"team", "ml"}}), clock.now(), clock.now() + kAnHour, 3.0);  // $1.65
  add(of(2, {{"team", "ml"}}), clock.now(), clock.now() + kAnHour, 100.0);
  watch.look();
  watch.look();
  EXPECT_EQ(alerts(), 1u);
  EXPECT_FALSE(watch.blocked(1, {{"team", "ml"}}));
  add(of(1, {{"team", "ml"}}), clock.now(), clock.now() + kAnHour, 1.0);
  watch.look();
  EXPECT_EQ(alerts(), 2u);
  EXPECT_THAT(watch.blocked(1, {{"team", "ml"}}).value_or(""), HasSubstr("The budget 'b' is spent: $2.20 of $2"));
  EXPECT_FALSE(watch.blocked(1, {{"team", "bi"}}));
  EXPECT_FALSE(watch.blocked(2, {{"team", "ml"}}));
  // A month later it begins anew; a budget that goes blocks nothing.
  EXPECT_TRUE(budgets.remove(admin, hard).has_value());
  watch.look();
  EXPECT_FALSE(watch.blocked(1, {{"team", "ml"}}));
  budget("2", "BLOCK_USAGE", 1);
  watch.look();
  EXPECT_TRUE(watch.blocked(1, {}));
  clock.advance(Millis(32) * 24 * kAnHour);
  watch.look();
  EXPECT_FALSE(watch.blocked(1, {}));
}

TEST_F(UsageTest, AnAlertIsMailedOnceAndTriedAgainWhereItWasNotTaken) {
  std::vector<std::string> sent;
  bool away = true;
  BudgetWatch telling{*store, budgets, usage, clock, [&](const std::vector<std::string>& to, const std::string& subject, const std::string& text) {
                        EXPECT_THAT(text, HasSubstr("$1.65"));
                        if (away) return Expected<void, std::string>(fail(std::string("451 come again")));
                        sent.push_back(to.at(0) + ": " + subject);
                        return Expected<void, std::string>();
                      }};
  budget("1", "EMAIL_NOTIFICATION", 1);
  add(of(1), clock.now(), clock.now() + kAnHour, 3.0);
  telling.look();
  telling.tell();
  EXPECT_TRUE(sent.empty());
  away = false;
  telling.tell();
  EXPECT_TRUE(sent.empty());  // not at once
  clock.advance(60'000);
  telling.look();
  telling.tell();
  clock.advance(kAnHour);
  telling.look();
  telling.tell();
  EXPECT_EQ(sent, std::vector<std::string>{"a@b.example: Budget 'b' has passed $1"});
  EXPECT_EQ(alerts(), 1u);
}

TEST_F(UsageTest, AMailThatNobodyTakesIsGivenUp) {
  int tries = 0;
  BudgetWatch telling{*store, budgets, usage, clock, [&](const auto&, const auto&, const auto&) {
                        ++tries;
                        return Expected<void, std::string>(fail(std::string("550 no such mailbox")));
                      }};
  budget("1", "EMAIL_NOTIFICATION", 1);
  add(of(1), clock.now(), clock.now() + kAnHour, 3.0);
  telling.look();
  for (int i = 0; i < 20; ++i, clock.advance(5 * kAnHour)) telling.tell();
  EXPECT_EQ(tries, 8);
}

TEST_F(UsageTest, ATagMustHaveOneOfTheValues) {
  BudgetFilter f;
  EXPECT_TRUE(covers(f, 1, {}));
  f.tags.push_back({.key = "team", .value = TagClause{.operator_ = "IN", .values = {"a", "b"}}});
  EXPECT_TRUE(covers(f, 1, {{"team", "b"}}));
  EXPECT_FALSE(covers(f, 1, {{"team", "c"}}));
  EXPECT_FALSE(covers(f, 1, {}));
}

}  // namespace
}  // namespace tarn::billing
