// The SQL of a refresh as far as a text can be judged: names and values that people chose cannot break out of it, and it reads what it is to read.
// What the numbers are is proven on a warehouse (tests/clients/test_quality.py).
#include "quality/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tarn::quality {
namespace {

using testing::HasSubstr;
using testing::Not;

Monitor monitor() {
  Monitor m;
  m.table_name = "main.s.log";
  m.output_schema_name = "main.out";
  m.monitor_version = 4;
  return m;
}
std::string profile(const Monitor& m, std::vector<MonitoredColumn> columns, std::vector<std::string> baseline = {}, bool pinned = true) {
  return profile_sql(
      {.monitor = m, .columns = std::move(columns), .baseline_columns = std::move(baseline), .version = 12, .pinned = pinned, .now = 5000});
}

TEST(Granularities, AreTheVendorsAndWeeksOfAnyNumber) {
  for (const char* good : {"5 minutes", "30 minutes", "1 hour", "1 day", "1 week", "2 weeks", "520 weeks", "1 month", "1 year"})
    EXPECT_TRUE(known_granularity(good)) << good;
  for (const char* bad :
       {"", "0 weeks", "-1 weeks", "521 weeks", "1 weekend", " 1 week", "1.5 weeks", "99999999999 weeks", "2 days", "1 Day", "week"})
    EXPECT_FALSE(known_granularity(bad)) << bad;
}

TEST(MetricsSql, WritesTheMonitorsTablesFromTheVersionThatIsRead) {
  auto m = monitor();
  m.snapshot.emplace();
  EXPECT_EQ(m.profile_table(), "main.out.log_profile_metrics");
  EXPECT_EQ(m.drift_table(), "main.out.log_drift_metrics");
  const auto sql = profile(m, {{"a", "bigint"}});
  EXPECT_THAT(sql, HasSubstr("CREATE OR REPLACE TABLE `main`.`out`.`log_profile_metrics`"));
  EXPECT_THAT(sql, HasSubstr("FROM `main`.`s`.`log` VERSION AS OF 12)"));
  EXPECT_THAT(sql, HasSubstr("CAST(12 AS BIGINT) AS logging_table_commit_version"));
  EXPECT_THAT(sql, HasSubstr("timestamp_millis(5000) AS start_")) << "a snapshot's window is the refresh itself";
  EXPECT_THAT(profile(m, {{"a", "bigint"}}, {}, false), Not(HasSubstr("VERSION AS OF"))) << "a table with filters has no time travel";
}

TEST(MetricsSql, QuotesWhatPeopleNamed) {
  auto m = monitor();
  m.table_name = "main.s.it`s";
  m.time_series = TimeSeries{.timestamp_col = "at`; DROP TABLE x; --", .granularities = {"1 day"}};
  m.slicing_exprs = {"kind = 'a'"};
  const auto sql = profile(m, {{"o'clock\\", "string"}, {"tick`", "double"}});
  EXPECT_THAT(sql, HasSubstr("`s`.`it``s`"));
  EXPECT_THAT(sql, HasSubstr("`at``; DROP TABLE x; --` IS NOT NULL"));
  EXPECT_THAT(sql, HasSubstr("'o\\'clock\\\\' AS column_name"));
  EXPECT_THAT(sql, HasSubstr("CAST(`tick``` AS DOUBLE)"));
  EXPECT_THAT(sql, HasSubstr("struct('kind = \\'a\\'' AS slice_key, CAST((kind = 'a') AS STRING) AS slice_value)"));
}

TEST(MetricsSql, HasAWindowEachGranularityAndNumbersOfNumericColumnsOnly) {
  auto m = monitor();
  m.time_series = TimeSeries{.timestamp_col = "at", .granularities = {"30 minutes", "2 weeks"}};
  const auto sql = profile(m, {{"n", "decimal(10,2)"}, {"s", "string"}});
  EXPECT_THAT(sql, HasSubstr("struct('30 minutes' AS granularity, timestamp_seconds(CAST(floor(unix_timestamp(ts_) / 1800) * 1800 AS BIGINT))"));
  EXPECT_THAT(sql, HasSubstr("datediff(CAST(ts_ AS DATE), DATE'1970-01-05') / 14) * 14")) << "weeks are counted from a Monday";
  EXPECT_THAT(sql, HasSubstr("'decimal(10,2)' AS data_type, CAST(`n` AS DOUBLE) AS x"));
  EXPECT_THAT(sql, HasSubstr("'string' AS data_type, CAST(NULL AS DOUBLE) AS x"));
}

TEST(MetricsSql, ReadsOfTheBaselineWhatBothTablesHave) {
  auto m = monitor();
  m.snapshot.emplace();
  m.baseline_table_name = "main.s.base";
  const auto with = profile(m, {{"a", "bigint"}, {"new", "bigint"}}, {"a"});
  const auto at = with.find("`main`.`s`.`base`");
  ASSERT_NE(at, with.npos);
  const auto of_baseline = with.substr(with.find("UNION ALL"));
  EXPECT_THAT(of_baseline, HasSubstr("struct('a' AS column_name"));
  EXPECT_THAT(of_baseline.substr(0, of_baseline.find("stats_ AS")), Not(HasSubstr("'new' AS column_name")));
  EXPECT_THAT(profile(m, {{"a", "bigint"}}), Not(HasSubstr("`base`"))) << "a baseline without a column in common is not read";
}

TEST(MetricsSql, HoldsPredictionsAgainstLabelsWhereThereAreAny) {
  auto m = monitor();
  m.inference_log = InferenceLog{.timestamp_col = "at", .granularities = {"1 day"}, .model_id_col = "model", .prediction_col = "p"};
  EXPECT_THAT(profile(m, {{"p", "double"}}), Not(HasSubstr("root_mean_squared_error")));
  EXPECT_THAT(profile(m, {{"p", "double"}}), HasSubstr("struct('model' AS slice_key")) << "a model is a slice";
  m.inference_log->label_col = "y";
  EXPECT_THAT(profile(m, {{"p", "double"}}), HasSubstr("AS root_mean_squared_error"));
  m.inference_log->problem_type = ProblemType::PROBLEM_TYPE_CLASSIFICATION;
  const auto sql = profile(m, {{"p", "string"}});
  EXPECT_THAT(sql, HasSubstr("AS accuracy_score"));
  EXPECT_THAT(sql, Not(HasSubstr("AS root_mean_squared_error")));
  const auto drift = drift_sql({.monitor = m, .columns = {{"p", "string"}}, .version = 12});
  EXPECT_THAT(drift, HasSubstr("accuracy_score_delta"));
  EXPECT_THAT(drift, HasSubstr("CREATE OR REPLACE TABLE `main`.`out`.`log_drift_metrics`"));
}

}  // namespace
}  // namespace tarn::quality
