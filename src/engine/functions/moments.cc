// Statistics of one or two DOUBLE columns by the updates that Spark's reference implementation does, in its order, so that the last digit agrees
// where the rows come in one stream: correlation, covariance, linear regression, skewness, kurtosis. Rows with a NULL are left out.
#include "engine/functions/moments.h"

#include <cmath>

#include "engine/functions/aggregate_states.h"

namespace tarn::engine::functions {
namespace {

struct Pair {
  double n = 0, x = 0, y = 0, ck = 0, xmk = 0, ymk = 0, xm2 = 0, ym2 = 0;  // x, y: means

  void add(double a, double b) {
    const double next = n + 1, dx = a - x, dy = b - y, dxn = dx / next, dyn = dy / next;
    const double nx = x + dxn, ny = y + dyn;
    ck += dx * (b - ny);
    xmk += dx * (a - nx);
    ymk += dy * (b - ny);
    xm2 += dx * (dx - dxn);
    ym2 += dy * (dy - dyn);
    n = next, x = nx, y = ny;
  }
  void merge(const Pair& o) {
    const double all = n + o.n, dx = o.x - x, dy = o.y - y, dxn = all == 0 ? 0 : dx / all, dyn = all == 0 ? 0 : dy / all;
    ck = ck + o.ck + dx * dyn * n * o.n;
    xmk = xmk + o.xmk + dx * dxn * n * o.n;
    ymk = ymk + o.ymk + dy * dyn * n * o.n;
    xm2 = xm2 + o.xm2 + dx * dxn * n * o.n;
    ym2 = ym2 + o.ym2 + dy * dyn * n * o.n;
    x += dxn * o.n, y += dyn * o.n, n = all;
  }
};

struct Single {
  double n = 0, x = 0, m2 = 0, m3 = 0, m4 = 0;

  void add(double a, double = 0) {
    const double next = n + 1, d = a - x, dn = d / next, d2 = d * d, dn2 = dn * dn;
    const double n2 = m2 + d * (d - dn);
    const double n3 = m3 - 3.0 * dn * n2 + d * (d2 - dn2);
    m4 = m4 - 4.0 * dn * n3 - 6.0 * dn2 * n2 + d * (d * d2 - dn * dn2);
    m3 = n3, m2 = n2, x += dn, n = next;
  }
  void merge(const Single& o) {
    const double all = n + o.n, d = o.x - x, dn = all == 0 ? 0 : d / all;
    const double n4 = m4 + o.m4 + dn * dn * dn * d * n * o.n * (n * n - n * o.n + o.n * o.n) + dn * dn * 6.0 * (n * n * o.m2 + o.n * o.n * m2) +
                      4.0 * dn * (n * o.m3 - o.n * m3);
    const double n3 = m3 + o.m3 + dn * dn * d * n * o.n * (n - o.n) + 3.0 * dn * (n * o.m2 - o.n * m2);
    m2 = m2 + o.m2 + d * dn * n * o.n;
    m3 = n3, m4 = n4, x += dn * o.n, n = all;
  }
};

using Answer = std::optional<double>;
template <class S>
using Finish = Answer (*)(const S&);

Answer where(bool known, double value) { return known ? Answer(value) : std::nullopt; }

// The first argument of these is x, the second y; regr_* are called (y, x) and turn them round where they are used.
Answer corr(const Pair& p) { return where(p.n > 1, p.ck / std::sqrt(p.xmk * p.ymk)); }
Answer covar_pop(const Pair& p) { return where(p.n > 0, p.ck / p.n); }
Answer covar_samp(const Pair& p) { return where(p.n > 1, p.ck / (p.n - 1)); }
Answer regr_slope(const Pair& p) { return where(p.n > 0 && p.xm2 != 0, p.ck / p.xm2); }
Answer regr_intercept(const Pair& p) { return where(p.n > 0 && p.xm2 != 0, p.y - p.ck / p.xm2 * p.x); }
Answer regr_r2(const Pair& p) {
  if (p.n == 0 || p.xmk == 0) return {};
  if (p.ymk == 0) return 1.0;
  const double r = p.ck / std::sqrt(p.xmk * p.ymk);
  return r * r;
}
Answer regr_sxx(const Pair& p) { return where(p.n > 0, p.xm2); }
Answer regr_syy(const Pair& p) { return where(p.n > 0, p.ym2); }
Answer regr_sxy(const Pair& p) { return where(p.n > 0, p.ck); }
Answer var_pop(const Single& s) { return where(s.n > 0, s.m2 / s.n); }
Answer var_samp(const Single& s) { return where(s.n > 1, s.m2 / (s.n - 1.0)); }
Answer stddev_pop(const Single& s) { return where(s.n > 0, std::sqrt(s.m2 / s.n)); }
Answer stddev_samp(const Single& s) { return where(s.n > 1, std::sqrt(s.m2 / (s.n - 1.0))); }
Answer skewness(const Single& s) { return where(s.n > 0 && s.m2 != 0, std::sqrt(s.n) * s.m3 / std::sqrt(s.m2 * s.m2 * s.m2)); }
Answer kurtosis(const Single& s) { return where(s.n > 0 && s.m2 != 0, s.n * s.m4 / (s.m2 * s.m2) - 3.0); }

template <class S>
S& state_of(duckdb_aggregate_state state) {
  return *reinterpret_cast<S*>(state);
}

template <class S, std::size_t kArguments, Finish<S> kFinish>
std::string add_aggregate(duckdb_connection connection, const char* name) {
  auto function = duckdb_create_aggregate_function();
  duckdb_aggregate_function_set_name(function, name);
  auto type = duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
  for (std::size_t i = 0; i < kArguments; ++i) duckdb_aggregate_function_add_parameter(function, type);
  duckdb_aggregate_function_set_return_type(function, type);
  duckdb_destroy_logical_type(&type);
  duckdb_aggregate_function_set_special_handling(function);
  duckdb_aggregate_function_set_functions(
      function, [](duckdb_function_info) -> idx_t { return sizeof(S); },
      [](duckdb_function_info, duckdb_aggregate_state state) { new (static_cast<void*>(state)) S(); },
      [](duckdb_function_info, duckdb_data_chunk input, duckdb_aggregate_state* states) {
        const double* data[kArguments];
        std::uint64_t* valid[kArguments];
        for (std::size_t c = 0; c < kArguments; ++c) {
          const auto vector = duckdb_data_chunk_get_vector(input, c);
          data[c] = static_cast<const double*>(duckdb_vector_get_data(vector));
          valid[c] = duckdb_vector_get_validity(vector);
        }
        const auto rows = duckdb_data_chunk_get_size(input);
        for (idx_t i = 0; i < rows; ++i) {
          bool whole = true;
          for (std::size_t c = 0; c < kArguments; ++c) whole = whole && duckdb_validity_row_is_valid(valid[c], i);
          if (whole) state_of<S>(states[i]).add(data[0][i], data[kArguments - 1][i]);
        }
      },
      [](duckdb_function_info, duckdb_aggregate_state* from, duckdb_aggregate_state* to, idx_t count) {
        for (idx_t i = 0; i < count; ++i) state_of<S>(to[i]).merge(state_of<S>(from[i]));
      },
      [](duckdb_function_info, duckdb_aggregate_state* states, duckdb_vector result, idx_t count, idx_t offset) {
        auto* out = static_cast<double*>(duckdb_vector_get_data(result));
        for (idx_t i = 0; i < count; ++i) {
          // Spark joins what it has with nothing before it answers, and a mean may lose a digit there.
          S whole;
          whole.merge(state_of<S>(states[i]));
          if (const auto answer = kFinish(whole)) {
            out[offset + i] = *answer;
          } else {
            duckdb_vector_ensure_validity_writable(result);
            duckdb_validity_set_row_invalid(duckdb_vector_get_validity(result), offset + i);
          }
        }
      });
  const bool good = duckdb_register_aggregate_function(connection, function) == DuckDBSuccess;
  duckdb_destroy_aggregate_function(&function);
  return good ? with_state_per_row(connection, name) : "DuckDB refuses the function " + std::string(name);
}

}  // namespace

std::string register_moments(duckdb_connection connection) {
  using Add = std::string (*)(duckdb_connection, const char*);
  constexpr std::pair<const char*, Add> all[] = {
      {"spark_corr", add_aggregate<Pair, 2, corr>},
      {"spark_covar_pop", add_aggregate<Pair, 2, covar_pop>},
      {"spark_covar_samp", add_aggregate<Pair, 2, covar_samp>},
      {"spark_regr_slope", add_aggregate<Pair, 2, regr_slope>},
      {"spark_regr_intercept", add_aggregate<Pair, 2, regr_intercept>},
      {"spark_regr_r2", add_aggregate<Pair, 2, regr_r2>},
      {"spark_regr_sxx", add_aggregate<Pair, 2, regr_sxx>},
      {"spark_regr_syy", add_aggregate<Pair, 2, regr_syy>},
      {"spark_regr_sxy", add_aggregate<Pair, 2, regr_sxy>},
      {"spark_var_pop", add_aggregate<Single, 1, var_pop>},
      {"spark_var_samp", add_aggregate<Single, 1, var_samp>},
      {"spark_stddev_pop", add_aggregate<Single, 1, stddev_pop>},
      {"spark_stddev_samp", add_aggregate<Single, 1, stddev_samp>},
      {"spark_skewness", add_aggregate<Single, 1, skewness>},
      {"spark_kurtosis", add_aggregate<Single, 1, kurtosis>},
  };
  for (const auto& [name, add] : all)
    if (auto failure = add(connection, name); !failure.empty()) return failure;
  return {};
}

}  // namespace tarn::engine::functions
