#include "quality/metrics.h"

#include <charconv>
#include <set>

namespace tarn::quality {
namespace {

std::string lit(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}
std::string name(std::string_view text) {
  std::string out = "`";
  for (const char c : text) out += c == '`' ? std::string("``") : std::string(1, c);
  return out + "`";
}
std::string full(const std::string& dotted) {
  std::string out;
  for (std::size_t from = 0; from <= dotted.size();) {
    const auto to = std::min(dotted.find('.', from), dotted.size());
    out += (out.empty() ? "" : ".") + name(std::string_view(dotted).substr(from, to - from));
    from = to + 1;
  }
  return out;
}

bool is_number(const std::string& type) {
  static const std::set<std::string> plain{"tinyint", "smallint", "int", "bigint", "float", "double"};
  return plain.contains(type) || type.starts_with("decimal");
}

/// N of "N week" or "N weeks"; 0: something else.
int weeks_of(const std::string& text) {
  int n = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), n);
  const std::string rest(end, text.data() + text.size());
  return bad == std::errc() && n > 0 && n <= 520 && (rest == " week" || rest == " weeks") ? n : 0;
}

/// The window of a moment: first and last instant, as expressions over the column `ts_`.
std::pair<std::string, std::string> window_of(const std::string& g) {
  const auto seconds = [](int n) {
    const auto start = fmt::format("CAST(floor(unix_timestamp(ts_) / {0}) * {0} AS BIGINT)", n);
    return std::pair(fmt::format("timestamp_seconds({})", start), fmt::format("timestamp_seconds({} + {})", start, n));
  };
  if (g == "5 minutes") return seconds(300);
  if (g == "30 minutes") return seconds(1800);
  if (g == "1 hour") return seconds(3600);
  if (g == "1 day") return {"date_trunc('DAY', ts_)", "date_trunc('DAY', ts_) + INTERVAL '1' DAY"};
  if (g == "1 month") return {"date_trunc('MONTH', ts_)", "CAST(add_months(date_trunc('MONTH', ts_), 1) AS TIMESTAMP)"};
  if (g == "1 year") return {"date_trunc('YEAR', ts_)", "CAST(add_months(date_trunc('YEAR', ts_), 12) AS TIMESTAMP)"};
  // Weeks are counted from a Monday.
  const int n = weeks_of(g);
  const auto start = fmt::format("date_add(DATE'1970-01-05', CAST(floor(datediff(CAST(ts_ AS DATE), DATE'1970-01-05') / {0}) * {0} AS INT))", n * 7);
  return {"CAST(" + start + " AS TIMESTAMP)", fmt::format("CAST(date_add({}, {}) AS TIMESTAMP)", start, n * 7)};
}

constexpr const char* kBaseline = "TIMESTAMP'0001-01-01 00:00:00'";  // the window that stands for the baseline table

/// Rows of a table as one row a granularity, slice and column.
std::string long_rows(const MetricsInput& in, const std::string& table, bool baseline) {
  const auto& m = in.monitor;
  const std::string at = m.timestamp_col();
  const std::string now = fmt::format("timestamp_millis({})", in.now);
  std::string windows, slices = "struct(CAST(NULL AS STRING) AS slice_key, CAST(NULL AS STRING) AS slice_value)", columns;
  auto kinds = m.granularities();
  if (kinds.empty()) kinds.push_back("");
  for (const auto& g : kinds) {
    const auto [start, end] = baseline ? std::pair<std::string, std::string>(kBaseline, kBaseline) : g.empty() ? std::pair(now, now) : window_of(g);
    windows += fmt::format("{}struct({} AS granularity, {} AS start_, {} AS end_)", windows.empty() ? "" : ", ",
                           g.empty() ? "CAST(NULL AS STRING)" : lit(g), start, end);
  }
  auto exprs = m.slicing_exprs;
  if (m.inference_log) exprs.push_back(name(m.inference_log->model_id_col));
  for (const auto& e : exprs) {
    const bool model = m.inference_log && e == name(m.inference_log->model_id_col);
    slices += fmt::format(", struct({} AS slice_key, CAST(({}) AS STRING) AS slice_value)", lit(model ? m.inference_log->model_id_col : e), e);
  }
  for (const auto& c : in.columns) {
    if (baseline && std::ranges::find(in.baseline_columns, c.name) == in.baseline_columns.end()) continue;
    const auto x = is_number(c.type) ? fmt::format("CAST({} AS DOUBLE)", name(c.name)) : std::string("CAST(NULL AS DOUBLE)");
    columns +=
        fmt::format("struct({} AS column_name, {} AS data_type, {} AS x, CAST({} AS STRING) AS s), ", lit(c.name), lit(c.type), x, name(c.name));
  }
  columns += "struct(':table' AS column_name, CAST(NULL AS STRING) AS data_type, CAST(NULL AS DOUBLE) AS x, CAST('1' AS STRING) AS s)";
  const bool timed = !baseline && !at.empty();
  const std::string from = timed ? fmt::format("(SELECT *, CAST({0} AS TIMESTAMP) AS ts_ FROM {1} WHERE {0} IS NOT NULL)", name(at), table)
                                 : "(SELECT * FROM " + table + ")";
  return fmt::format(
      "SELECT granularity, start_, end_, slice_key, slice_value, column_name, data_type, CASE WHEN isnan(x) THEN NULL ELSE x END AS x, isnan(x) AS "
      "nan_, s, "
      "concat_ws('\\u0001', coalesce(granularity, ''), coalesce(slice_key, ''), coalesce(slice_value, '\\u0002'), column_name) AS k "
      "FROM {} AS t_ LATERAL VIEW inline(array({})) g_ AS granularity, start_, end_ LATERAL VIEW inline(array({})) s_ AS slice_key, slice_value "
      "LATERAL VIEW inline(array({})) c_ AS column_name, data_type, x, s WHERE slice_key IS NULL OR slice_value IS NOT NULL",
      from, windows, slices, columns);
}

std::string source(const MetricsInput& in) { return full(in.monitor.table_name) + (in.pinned ? fmt::format(" VERSION AS OF {}", in.version) : ""); }

std::string all_rows(const MetricsInput& in) {
  std::string out = "rows_ AS (" + long_rows(in, source(in), false);
  if (!in.baseline_columns.empty()) out += " UNION ALL " + long_rows(in, full(*in.monitor.baseline_table_name), true);
  return out + ")";
}

/// Measures of each window, slice and column.
std::string measured() {
  return "stats_ AS (SELECT granularity, start_, end_, slice_key, slice_value, column_name, data_type, k, count(s) AS count, count_if(s IS NULL) AS "
         "num_nulls, "
         "count(*) AS n_, avg(x) AS avg, min(x) AS min, max(x) AS max, stddev(x) AS stddev, count_if(x = 0) AS num_zeros, count_if(nan_) AS num_nan, "
         "count(DISTINCT s) AS distinct_count, 100.0D * count_if(s IS NULL) / count(*) AS percent_null, 100.0D * count_if(x = 0) / count(*) AS "
         "percent_zeros, "
         "100.0D * count_if(nan_) / count(*) AS percent_nan, 100.0D * count(DISTINCT s) / count(*) AS percent_distinct, "
         "CASE WHEN data_type = 'string' THEN min(length(s)) END AS min_length, CASE WHEN data_type = 'string' THEN max(length(s)) END AS "
         "max_length, "
         "CASE WHEN data_type = 'string' THEN avg(length(s)) END AS avg_length FROM rows_ "
         "GROUP BY granularity, start_, end_, slice_key, slice_value, column_name, data_type, k)";
}

/// How well predictions met labels, a row a window and slice; empty where there is nothing to hold them against.
std::string model_quality(const MetricsInput& in) {
  const auto& log = in.monitor.inference_log;
  if (!log || !log->label_col) return "";
  // The rows of the prediction and the label meet in their row's own number, which the long form does not keep: so from the table itself.
  MetricsInput pairs{in.monitor, {}, {}, in.version, in.pinned, in.now};
  auto wide = long_rows(pairs, source(in), false);
  const std::string carried = fmt::format(", {} AS p_, {} AS y_ FROM ", name(log->prediction_col), name(*log->label_col));
  wide.replace(wide.find(" FROM "), 6, carried);
  const std::string base = "scored_ AS (SELECT * FROM (" + wide + ") WHERE p_ IS NOT NULL AND y_ IS NOT NULL)";
  if (log->problem_type == ProblemType::PROBLEM_TYPE_REGRESSION)
    return base +
           ", quality_ AS (SELECT k, start_, avg((p_ - y_) * (p_ - y_)) AS mean_squared_error, sqrt(avg((p_ - y_) * (p_ - y_))) AS "
           "root_mean_squared_error, "
           "avg(abs(p_ - y_)) AS mean_average_error, avg(CASE WHEN y_ <> 0 THEN abs((p_ - y_) / y_) END) AS mean_absolute_percentage_error, "
           "CASE WHEN var_pop(y_) > 0 THEN 1 - avg((p_ - y_) * (p_ - y_)) / var_pop(y_) END AS r2_score FROM scored_ GROUP BY k, start_)";
  return base +
         ", labels_ AS (SELECT k, start_, c_, sum(CASE WHEN p_ = c_ AND y_ = c_ THEN 1 ELSE 0 END) AS tp_, sum(CASE WHEN p_ = c_ THEN 1 ELSE 0 END) "
         "AS said_, "
         "sum(CASE WHEN y_ = c_ THEN 1 ELSE 0 END) AS is_ FROM (SELECT k, start_, CAST(p_ AS STRING) AS p_, CAST(y_ AS STRING) AS y_ FROM scored_) "
         "LATERAL VIEW explode(array_distinct(array(p_, y_))) l_ AS c_ GROUP BY k, start_, c_), "
         "classes_ AS (SELECT *, CASE WHEN said_ > 0 THEN tp_ / said_ ELSE 0D END AS precision_, CASE WHEN is_ > 0 THEN tp_ / is_ ELSE 0D END AS "
         "recall_, "
         "CASE WHEN said_ + is_ > 0 THEN 2D * tp_ / (said_ + is_) ELSE 0D END AS f1_ FROM labels_), "
         "quality_ AS (SELECT k, start_, sum(tp_) / sum(is_) AS accuracy_score, "
         "named_struct('macro', avg(precision_), 'weighted', sum(precision_ * is_) / sum(is_)) AS precision, "
         "named_struct('macro', avg(recall_), 'weighted', sum(recall_ * is_) / sum(is_)) AS recall, "
         "named_struct('macro', avg(f1_), 'weighted', sum(f1_ * is_) / sum(is_)) AS f1_score FROM classes_ GROUP BY k, start_)";
}

std::vector<std::string> quality_columns(const MetricsInput& in) {
  const auto& log = in.monitor.inference_log;
  if (!log || !log->label_col) return {};
  if (log->problem_type == ProblemType::PROBLEM_TYPE_REGRESSION)
    return {"mean_squared_error", "root_mean_squared_error", "mean_average_error", "mean_absolute_percentage_error", "r2_score"};
  return {"accuracy_score", "precision", "recall", "f1_score"};
}

/// The normal distribution's upper tail at `z`, by Abramowitz and Stegun 26.2.17 (1e-7).
std::string upper_tail(const std::string& z) {
  const std::string t = fmt::format("(1D / (1D + 0.2316419D * abs({})))", z);
  const std::string tail = fmt::format(
      "(0.3989422804014327D * exp(-({0}) * ({0}) / 2D) * {1} * (0.319381530D + {1} * (-0.356563782D + {1} * (1.781477937D + {1} * (-1.821255978D + "
      "{1} * "
      "1.330274429D)))))",
      z, t);
  return fmt::format("CASE WHEN ({}) >= 0 THEN {} ELSE 1D - {} END", z, tail, tail);
}

std::string kolmogorov(const std::string& l) {
  std::string sum;
  for (int i = 1; i <= 8; ++i) sum += fmt::format("{} exp({}D * {} * {})", i == 1 ? "" : i % 2 ? " +" : " -", -2 * i * i, l, l);
  return fmt::format("CASE WHEN {} < 0.2D THEN 1D ELSE greatest(0D, least(1D, 2D * ({}))) END", l, sum);
}

std::string target(const std::string& table, const std::string& what, const Monitor& m) {
  return fmt::format("CREATE OR REPLACE TABLE {} COMMENT {} AS WITH ", full(table), lit(what + " metrics of the monitor of " + m.table_name));
}

}  // namespace

bool known_granularity(const std::string& text) {
  static const std::set<std::string> plain{"5 minutes", "30 minutes", "1 hour", "1 day", "1 month", "1 year"};
  return plain.contains(text) || weeks_of(text) > 0;
}

std::string profile_sql(const MetricsInput& in) {
  const auto quality = model_quality(in);
  std::string points;
  for (int i = 0; i <= 100; ++i) points += fmt::format("{}{}D", i ? ", " : "", i / 100.0);
  std::string out =
      target(in.monitor.profile_table(), "Profile", in.monitor) + all_rows(in) + ", " + measured() +
      ", quantiles_ AS (SELECT k, start_, percentile_approx(x, array(" + points +
      ")) AS quantiles FROM rows_ WHERE x IS NOT NULL GROUP BY k, start_), "
      "items_ AS (SELECT k, start_, s, count(*) AS n_, row_number() OVER (PARTITION BY k, start_ ORDER BY count(*) DESC, s) AS place_ FROM rows_ "
      "WHERE s IS NOT NULL AND column_name <> ':table' GROUP BY k, start_, s), "
      "frequent_ AS (SELECT k, start_, collect_list(named_struct('item', s, 'count', n_)) AS frequent_items FROM "
      "(SELECT * FROM items_ WHERE place_ <= 100 ORDER BY place_) GROUP BY k, start_)" +
      (quality.empty() ? "" : ", " + quality);
  std::string judged;
  for (const auto& c : quality_columns(in)) judged += fmt::format(", CASE WHEN a.column_name = ':table' THEN q.{0} END AS {0}", c);
  // What prediction and label say of a slice stands beside its `:table` row, whose key ends alike.
  return out + fmt::format(
                   " SELECT CASE WHEN a.start_ = {0} THEN NULL ELSE named_struct('start', a.start_, 'end', a.end_) END AS window, "
                   "CASE WHEN a.start_ = {0} THEN 'BASELINE' ELSE 'INPUT' END AS log_type, CAST({1} AS BIGINT) AS logging_table_commit_version, "
                   "CAST({2} AS BIGINT) AS monitor_version, a.granularity, a.slice_key, a.slice_value, a.column_name, a.data_type, a.count, "
                   "a.num_nulls, a.avg, u.quantiles, "
                   "a.min, a.max, a.stddev, a.num_zeros, a.num_nan, a.min_length, a.max_length, a.avg_length, a.distinct_count, f.frequent_items, "
                   "a.percent_null, "
                   "a.percent_zeros, a.percent_nan, a.percent_distinct{3} FROM stats_ a LEFT JOIN quantiles_ u ON u.k = a.k AND u.start_ = a.start_ "
                   "LEFT JOIN frequent_ f ON f.k = a.k AND f.start_ = a.start_{4}",
                   kBaseline, in.version, in.monitor.monitor_version, judged,
                   quality.empty() ? "" : " LEFT JOIN quality_ q ON q.k = a.k AND q.start_ = a.start_");
}

std::string drift_sql(const MetricsInput& in) {
  const auto quality = model_quality(in);
  std::string out = target(in.monitor.drift_table(), "Drift", in.monitor) + all_rows(in) + ", " + measured();
  out += fmt::format(
      ", windows_ AS (SELECT *, lag(start_) OVER (PARTITION BY k ORDER BY start_) AS before_, lag(end_) OVER (PARTITION BY k ORDER BY start_) AS "
      "before_end_ "
      "FROM stats_ WHERE start_ <> {0}), "
      "pairs_ AS (SELECT k, start_, end_, 'CONSECUTIVE' AS drift_type, before_ AS cmp_, before_end_ AS cmp_end_ FROM windows_ WHERE before_ IS NOT "
      "NULL "
      "UNION ALL SELECT w.k, w.start_, w.end_, 'BASELINE', b.start_, b.end_ FROM windows_ w JOIN stats_ b ON b.k = w.k AND b.start_ = {0}), "
      "values_ AS (SELECT k, start_, s, x, count(*) AS n_ FROM rows_ WHERE s IS NOT NULL AND NOT nan_ OR s IS NOT NULL AND nan_ IS NULL GROUP BY k, "
      "start_, s, x), "
      "sides_ AS (SELECT p.k, p.start_, p.drift_type, v.s, v.x, v.n_ AS a_, 0L AS b_ FROM pairs_ p JOIN values_ v ON v.k = p.k AND v.start_ = "
      "p.start_ "
      "UNION ALL SELECT p.k, p.start_, p.drift_type, v.s, v.x, 0L, v.n_ FROM pairs_ p JOIN values_ v ON v.k = p.k AND v.start_ = p.cmp_), "
      "both_ AS (SELECT k, start_, drift_type, s, x, sum(a_) AS a_, sum(b_) AS b_ FROM sides_ GROUP BY k, start_, drift_type, s, x), "
      "sized_ AS (SELECT *, CAST(sum(a_) OVER (PARTITION BY k, start_, drift_type) AS DOUBLE) AS na_, CAST(sum(b_) OVER (PARTITION BY k, start_, "
      "drift_type) AS "
      "DOUBLE) AS nb_ FROM both_), "
      // Values that are not numbers, and those that are.
      "shares_ AS (SELECT *, a_ / na_ AS p_, b_ / nb_ AS q_, (a_ + b_) * na_ / (na_ + nb_) AS ea_, (a_ + b_) * nb_ / (na_ + nb_) AS eb_ FROM sized_ "
      "WHERE x IS NULL AND na_ > 0 AND nb_ > 0), "
      "kinds_ AS (SELECT k, start_, drift_type, 0.5D * sum(abs(p_ - q_)) AS tv_, max(abs(p_ - q_)) AS linf_, "
      "sqrt(greatest(0D, 0.5D * sum(CASE WHEN p_ > 0 THEN p_ * ln(2D * p_ / (p_ + q_)) ELSE 0D END + CASE WHEN q_ > 0 THEN q_ * ln(2D * q_ / (p_ + "
      "q_)) ELSE 0D END))) AS js_, "
      "sum((a_ - ea_) * (a_ - ea_) / ea_ + (b_ - eb_) * (b_ - eb_) / eb_) AS chi_, CAST(count(*) - 1 AS DOUBLE) AS free_ FROM shares_ GROUP BY k, "
      "start_, drift_type), "
      "summed_ AS (SELECT *, sum(a_) OVER w_ / na_ AS fa_, sum(b_) OVER w_ / nb_ AS fb_, lead(x) OVER w_ AS next_ FROM sized_ WHERE x IS NOT NULL "
      "AND na_ > 0 AND nb_ > 0 "
      "WINDOW w_ AS (PARTITION BY k, start_, drift_type ORDER BY x, s)), "
      "numbers_ AS (SELECT k, start_, drift_type, max(CASE WHEN next_ IS NULL OR next_ > x THEN abs(fa_ - fb_) END) AS ks_, sum(coalesce(abs(fa_ - "
      "fb_) * (next_ - x), 0D)) AS ws_, "
      "max(na_ * nb_ / (na_ + nb_)) AS ne_ FROM summed_ GROUP BY k, start_, drift_type), "
      "bins_ AS (SELECT k, start_, drift_type, greatest(sum(a_ / na_), 0.0001D) AS p_, greatest(sum(b_ / nb_), 0.0001D) AS q_ FROM summed_ "
      "GROUP BY k, start_, drift_type, least(9, floor(10D * greatest(0D, fb_ - b_ / nb_) + 0.000000001D))), "
      "index_ AS (SELECT k, start_, drift_type, sum((p_ - q_) * ln(p_ / q_)) AS psi_ FROM bins_ GROUP BY k, start_, drift_type), "
      "tests_ AS (SELECT k, start_, drift_type, chi_, free_, CASE WHEN free_ > 0 THEN (power(chi_ / free_, 1D / 3D) - (1D - 2D / (9D * free_))) / "
      "sqrt(2D / (9D * free_)) END AS z_ FROM kinds_), "
      "steps_ AS (SELECT *, (sqrt(ne_) + 0.12D + 0.11D / sqrt(ne_)) * ks_ AS l_ FROM numbers_)",
      kBaseline);
  if (!quality.empty()) out += ", " + quality;
  std::string judged;
  for (const auto& c : quality_columns(in))
    if (c != "precision" && c != "recall" && c != "f1_score")
      judged += fmt::format(", CASE WHEN a.column_name = ':table' THEN q.{0} - r.{0} END AS {0}_delta", c);
  return out +
         fmt::format(
             " SELECT named_struct('start', p.start_, 'end', p.end_) AS window, CASE WHEN p.drift_type = 'CONSECUTIVE' THEN named_struct('start', "
             "p.cmp_, 'end', p.cmp_end_) END AS "
             "window_cmp, p.drift_type, CAST({0} AS BIGINT) AS monitor_version, a.granularity, a.slice_key, a.slice_value, a.column_name, "
             "a.data_type, a.count - b.count AS count_delta, "
             "a.avg - b.avg AS avg_delta, a.percent_null - b.percent_null AS percent_null_delta, a.percent_zeros - b.percent_zeros AS "
             "percent_zeros_delta, "
             "a.percent_distinct - b.percent_distinct AS percent_distinct_delta, "
             "CASE WHEN s.ks_ IS NOT NULL THEN named_struct('statistic', s.ks_, 'pvalue', {1}) END AS ks_test, s.ws_ AS wasserstein_distance, i.psi_ "
             "AS population_stability_index, "
             "CASE WHEN t.free_ IS NOT NULL AND a.column_name <> ':table' THEN named_struct('statistic', t.chi_, 'pvalue', CASE WHEN t.z_ IS NULL "
             "THEN 1D ELSE {2} END) END AS chi_squared_test, "
             "CASE WHEN a.column_name <> ':table' THEN c.tv_ END AS tv_distance, CASE WHEN a.column_name <> ':table' THEN c.linf_ END AS "
             "l_infinity_distance, "
             "CASE WHEN a.column_name <> ':table' THEN c.js_ END AS js_distance{3} FROM pairs_ p JOIN stats_ a ON a.k = p.k AND a.start_ = p.start_ "
             "JOIN stats_ b ON b.k = p.k AND b.start_ = p.cmp_ LEFT JOIN kinds_ c ON c.k = p.k AND c.start_ = p.start_ AND c.drift_type = "
             "p.drift_type "
             "LEFT JOIN tests_ t ON t.k = p.k AND t.start_ = p.start_ AND t.drift_type = p.drift_type LEFT JOIN steps_ s ON s.k = p.k AND s.start_ = "
             "p.start_ AND "
             "s.drift_type = p.drift_type LEFT JOIN index_ i ON i.k = p.k AND i.start_ = p.start_ AND i.drift_type = p.drift_type{4}",
             in.monitor.monitor_version, kolmogorov("s.l_"), upper_tail("t.z_"), judged,
             quality.empty() ? ""
                             : " LEFT JOIN quality_ q ON q.k = p.k AND q.start_ = p.start_ LEFT JOIN quality_ r ON r.k = p.k AND r.start_ = p.cmp_");
}

}  // namespace tarn::quality
