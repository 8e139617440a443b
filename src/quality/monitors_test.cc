// Monitors as they are kept: what a definition may say, whose rights it needs, refreshes in turn, schedules, mail. The warehouse is a stand-in that
// notes its statements.
#include "quality/monitors.h"

#include <gmock/gmock.h>

#include "catalog/testing.h"

namespace tarn::quality {
namespace {

using catalog::Privilege;
using catalog::SecurableType;
using ::testing::HasSubstr;
constexpr const char* kTable = "main.s.log";

class MonitorsTest : public catalog::testing::CatalogTest {
 protected:
  MonitorsTest() {
    own_catalog();
    ok(uc.schema_service().create(as(automation), {.name = "out", .catalog_name = "main"}));
    grant(SecurableType::CATALOG, "main", "analysts", {Privilege::USE_CATALOG, Privilege::USE_SCHEMA});
    for (const auto who : {ana, bob}) directory.join(who, analysts);
    make(kTable);
    make("main.s.base");
    grant(SecurableType::TABLE, kTable, "ana@acme.test", {Privilege::MANAGE, Privilege::SELECT});
    grant(SecurableType::TABLE, kTable, "bob@acme.test", {Privilege::SELECT});
    grant(SecurableType::SCHEMA, "main.out", "ana@acme.test", {Privilege::CREATE_TABLE});
  }
  ~MonitorsTest() override {
    release();
    monitors.stop();
  }
  void make(const std::string& name) {
    auto t = table_of(name);
    t.columns.clear();
    for (const auto& [column, type, type_name] : {std::tuple("at", "timestamp", "TIMESTAMP"), std::tuple("model", "string", "STRING"),
                                                  std::tuple("p", "double", "DOUBLE"), std::tuple("y", "double", "DOUBLE")})
      t.columns.push_back({.name = column, .type_text = type, .type_json = "", .type_name = type_name});
    auto location = uc.plan_table(as(automation), t);
    ok(location);
    ok(uc.create_table(as(automation), t, *location, false));
  }
  static Definition series() {
    Definition d;
    d.assets_dir = "/Workspace/x";
    d.output_schema_name = "main.out";
    d.time_series = TimeSeries{.timestamp_col = "at", .granularities = {"1 day"}};
    return d;
  }
  std::string told(const Definition& d, const std::string& table = kTable) {
    const auto m = monitors.create(as(ana), table, d);
    return m ? "" : m.error().message;
  }
  template <class T>
  static Errc code(const Result<T>& r) {
    EXPECT_FALSE(r);
    return r ? Errc::invalid : r.error().code;
  }
  /// The stand-in's answer: refreshes wait while `held`; a statement with `fails` in it fails.
  Expected<Rows, std::string> answer(const std::string& sql, const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    statements.push_back(sql);
    changed.notify_all();
    if (sql.starts_with("DESCRIBE HISTORY")) changed.wait(lock, stop, [&] { return !held; });
    if (stop.stop_requested()) return fail(std::string("canceled"));
    if (!fails.empty() && sql.find(fails) != sql.npos) return fail("the warehouse says no");
    if (sql.starts_with("DESCRIBE HISTORY")) return Rows{{"3"}, {"11"}, {"7"}};
    return Rows{};
  }
  void release() {
    std::lock_guard lock(mutex);
    held = false;
    changed.notify_all();
  }
  /// Waits until the stand-in has got a statement that begins so.
  bool asked(const std::string& begin) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(60),
                            [&] { return std::ranges::any_of(statements, [&](const auto& s) { return s.starts_with(begin); }); });
  }
  Refresh over(const std::string& id, const std::string& table = kTable) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    for (;;) {
      auto r = monitors.refresh_of(as(ana), table, id);
      EXPECT_TRUE(r) << (r ? "" : r.error().message);
      if (!r || r->over() || std::chrono::steady_clock::now() > until) return r ? *r : Refresh{};
      std::this_thread::yield();
    }
  }

  std::mutex mutex;
  std::condition_variable_any changed;
  std::vector<std::string> statements, mails;
  std::string fails;
  bool held = false;
  Monitors monitors{*store,
                    uc,
                    directory,
                    clock,
                    [this](const access::Context&, const std::string& sql, const std::stop_token& stop) { return answer(sql, stop); },
                    [this](const std::vector<std::string>& to, const std::string& subject, const std::string& text) -> Expected<void, std::string> {
                      std::lock_guard lock(mutex);
                      mails.push_back(to.at(0) + ": " + subject + ": " + text);
                      changed.notify_all();
                      return {};
                    },
                    "server-1"};
};

TEST_F(MonitorsTest, ADefinitionSaysWhatIsWrongWithIt) {
  auto d = series();
  d.assets_dir.reset();
  EXPECT_EQ(told(d), "Field 'assets_dir' is required");
  EXPECT_THAT(told(series(), "log"), HasSubstr("must be catalog.schema.table, got 'log'"));
  d = series();
  d.snapshot.emplace();
  EXPECT_THAT(told(d), HasSubstr("Exactly one of the fields"));
  d.snapshot.reset(), d.time_series.reset();
  EXPECT_THAT(told(d), HasSubstr("Exactly one of the fields"));
  d = series();
  d.time_series->timestamp_col = "when";
  EXPECT_THAT(told(d), HasSubstr("time_series.timestamp_col': the table has no column 'when'"));
  d.time_series->timestamp_col = "p";
  EXPECT_THAT(told(d), HasSubstr("must name a timestamp or date; 'p' is double"));
  d = series();
  d.time_series->granularities = {};
  EXPECT_THAT(told(d), HasSubstr("granularities' is required"));
  d.time_series->granularities = {"1 day", "3 days"};
  EXPECT_THAT(told(d), HasSubstr("got '3 days'"));
  d = series();
  d.time_series.reset();
  d.inference_log = InferenceLog{.timestamp_col = "at", .granularities = {"1 day"}, .model_id_col = "model", .prediction_col = "p", .label_col = "z"};
  EXPECT_THAT(told(d), HasSubstr("inference_log.label_col': the table has no column 'z'"));
  d.inference_log->label_col = "y";
  d.inference_log->prediction_proba_col = "p";
  EXPECT_THAT(told(d), HasSubstr("prediction_proba_col"));
  d = series();
  d.output_schema_name = "out";
  EXPECT_THAT(told(d), HasSubstr("'output_schema_name' must be catalog.schema"));
  d = series();
  d.schedule = Schedule{.quartz_cron_expression = "every day", .timezone_id = "UTC"};
  EXPECT_THAT(told(d), HasSubstr("schedule.quartz_cron_expression"));
  d.schedule = Schedule{.quartz_cron_expression = "0 0 6 * * ?", .timezone_id = "Mars/Olympus"};
  EXPECT_THAT(told(d), HasSubstr("there is no time zone 'Mars/Olympus'"));
  d = series();
  d.notifications = Notifications{.on_failure = Destination{{"nobody"}}};
  EXPECT_THAT(told(d), HasSubstr("'nobody' is no e-mail address"));
  fails = "nonsense";
  d = series();
  d.slicing_exprs = {"p > 1", "nonsense("};
  EXPECT_EQ(told(d), "Field 'slicing_exprs[1]': the warehouse says no");
}

TEST_F(MonitorsTest, MakingNeedsTheTableTheSchemaAndTheBaseline) {
  EXPECT_EQ(code(monitors.create(as(bob), kTable, series())), Errc::permission_denied);
  EXPECT_EQ(code(monitors.create(as(eve), kTable, series())), Errc::permission_denied);
  auto d = series();
  d.output_schema_name = "main.s";
  EXPECT_EQ(code(monitors.create(as(ana), kTable, d)), Errc::permission_denied);
  d = series();
  d.baseline_table_name = "main.s.base";
  EXPECT_THAT(told(d), HasSubstr("Field 'baseline_table_name'"));
  grant(SecurableType::TABLE, "main.s.base", "ana@acme.test", {Privilege::SELECT});
  EXPECT_EQ(told(d), "");
  EXPECT_EQ(code(monitors.create(as(ana), kTable, series())), Errc::already_exists);
  EXPECT_TRUE(monitors.get(as(bob), kTable)) << "who may select may look";
  EXPECT_EQ(code(monitors.update(as(bob), kTable, series())), Errc::permission_denied);
  EXPECT_EQ(code(monitors.refresh(as(bob), kTable)), Errc::permission_denied);
  EXPECT_EQ(code(monitors.remove(as(bob), kTable)), Errc::permission_denied);
  EXPECT_TRUE(monitors.remove(as(ana), kTable));
  EXPECT_EQ(code(monitors.get(as(ana), kTable)), Errc::not_found);
}

TEST_F(MonitorsTest, AnUpdateKeepsTheFolderAndCountsItsVersions) {
  ASSERT_EQ(told(series()), "");
  auto d = series();
  d.assets_dir = "/elsewhere";
  d.slicing_exprs = {"p > 1"};
  const auto m = monitors.update(as(ana), kTable, d);
  ASSERT_TRUE(m) << m.error().message;
  EXPECT_EQ(m->assets_dir, "/Workspace/x");
  EXPECT_EQ(m->monitor_version, 1);
  EXPECT_EQ(m->slicing_exprs.size(), 1u);
  d.time_series->granularities = {"never"};
  EXPECT_EQ(code(monitors.update(as(ana), kTable, d)), Errc::invalid);
  EXPECT_EQ(monitors.get(as(ana), kTable)->monitor_version, 1);
}

TEST_F(MonitorsTest, ARefreshReadsTheNewestVersionAndWritesBothTables) {
  ASSERT_EQ(told(series()), "");
  monitors.start();
  const auto r = over("1");
  EXPECT_EQ(r.state, RefreshState::SUCCESS) << r.message;
  std::lock_guard lock(mutex);
  const auto n = statements.size();
  ASSERT_GE(n, 3u);
  EXPECT_THAT(statements[n - 2], HasSubstr("`log_profile_metrics`"));
  EXPECT_THAT(statements[n - 2], HasSubstr("VERSION AS OF 11"));
  EXPECT_THAT(statements[n - 1], HasSubstr("`log_drift_metrics`"));
}

TEST_F(MonitorsTest, AFailedRefreshIsToldAndTheNextOneMendsIt) {
  auto d = series();
  d.notifications = Notifications{.on_failure = Destination{{"ops@acme.test"}}};
  fails = "log_drift_metrics";
  ASSERT_EQ(told(d), "");
  monitors.start();
  EXPECT_EQ(over("1").state, RefreshState::FAILED);
  EXPECT_EQ(monitors.get(as(ana), kTable)->status, MonitorStatus::MONITOR_STATUS_ERROR);
  EXPECT_EQ(monitors.get(as(ana), kTable)->latest_monitor_failure_msg, "the warehouse says no");
  {
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(60), [&] { return !mails.empty(); }));
    EXPECT_THAT(mails[0], HasSubstr("ops@acme.test: Monitor of main.s.log failed: Refresh 1"));
    fails.clear();
  }
  ASSERT_TRUE(monitors.refresh(as(ana), kTable));
  EXPECT_EQ(over("2").state, RefreshState::SUCCESS);
  EXPECT_EQ(monitors.get(as(ana), kTable)->status, MonitorStatus::MONITOR_STATUS_ACTIVE);
  EXPECT_FALSE(monitors.get(as(ana), kTable)->latest_monitor_failure_msg);
  const auto all = monitors.refreshes(as(bob), kTable);
  ASSERT_TRUE(all);
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ(all->front().refresh_id, 2) << "newest first";
  EXPECT_EQ(code(monitors.refresh_of(as(ana), kTable, "3")), Errc::not_found);
  EXPECT_EQ(code(monitors.refresh_of(as(ana), kTable, "x")), Errc::invalid);
}

TEST_F(MonitorsTest, ARefreshUnderWayIsCanceled) {
  held = true;
  ASSERT_EQ(told(series()), "");
  monitors.start();
  ASSERT_TRUE(asked("DESCRIBE HISTORY"));
  ASSERT_TRUE(monitors.cancel(as(ana), kTable, "1"));
  const auto r = over("1");
  EXPECT_EQ(r.state, RefreshState::CANCELED);
  EXPECT_EQ(r.message, "Canceled by ana@acme.test");
  release();
  ASSERT_TRUE(monitors.refresh(as(ana), kTable));
  EXPECT_EQ(over("2").state, RefreshState::SUCCESS) << "the thread goes on";
  ASSERT_TRUE(monitors.cancel(as(ana), kTable, "2"));
  EXPECT_EQ(over("2").state, RefreshState::SUCCESS) << "what is over stays as it is";
}

TEST_F(MonitorsTest, ARefreshThatAnEndCutOffBeginsAgain) {
  held = true;
  ASSERT_EQ(told(series()), "");
  monitors.start();
  ASSERT_TRUE(asked("DESCRIBE HISTORY"));
  monitors.stop();
  EXPECT_EQ(monitors.refresh_of(as(ana), kTable, "1")->state, RefreshState::RUNNING);
  release();
  monitors.start();
  EXPECT_EQ(over("1").state, RefreshState::SUCCESS);
}

TEST_F(MonitorsTest, ASchedulesTimeFiresOnceAndNotWhilePaused) {
  auto d = series();
  d.schedule = Schedule{.quartz_cron_expression = "0 0 6 * * ?", .timezone_id = "UTC"};
  ASSERT_EQ(told(d), "");
  const auto first = monitors.get(as(ana), kTable)->next_fire;
  ASSERT_GT(first, clock.now());
  clock.advance(first - clock.now());
  monitors.start();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (monitors.refreshes(as(ana), kTable)->size() < 2 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  const auto r = over("2");
  EXPECT_EQ(r.trigger, RefreshTrigger::SCHEDULE);
  EXPECT_EQ(r.state, RefreshState::SUCCESS);
  EXPECT_EQ(monitors.get(as(ana), kTable)->next_fire, first + 86'400'000);
  d.schedule->pause_status = PauseStatus::PAUSED;
  EXPECT_EQ(monitors.update(as(ana), kTable, d)->next_fire, 0);
}

TEST_F(MonitorsTest, ATableMadeAnewHasNoMonitor) {
  ASSERT_EQ(told(series()), "");
  ok(uc.drop_table(as(automation), {"main", "s", "log"}, false, false));
  make(kTable);
  grant(SecurableType::TABLE, kTable, "ana@acme.test", {Privilege::MANAGE, Privilege::SELECT});
  EXPECT_EQ(code(monitors.get(as(ana), kTable)), Errc::not_found);
  EXPECT_EQ(told(series()), "");
}

}  // namespace
}  // namespace tarn::quality
