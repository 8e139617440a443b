#include "engine/functions/registry.h"

#include <span>

#include "engine/functions/fallible.h"
#include "engine/functions/families.h"
#include "engine/functions/moments.h"
#include "engine/functions/strings.h"
#include "engine/functions/vectors.h"

namespace tarn::engine::functions {
namespace {

// Overloads of a name stand together.
constexpr Entry entries[] = {
    {"spark_conv", Scalar<conv>::make},
    {"spark_crc32", Scalar<crc32>::make},
    {"spark_find_in_set", Scalar<find_in_set>::make},
    {"spark_soundex", Scalar<soundex>::make},
    {"spark_substring_index", Scalar<substring_index>::make},
    {"spark_to_string", Scalar<double_to_string>::make},
    {"spark_to_string", Scalar<float_to_string>::make},
};

}  // namespace

static std::string register_family(duckdb_connection connection, std::span<const Entry> entries) {
  for (std::size_t i = 0; i < entries.size();) {
    const std::string name = entries[i].name;
    auto set = duckdb_create_scalar_function_set(name.c_str());
    bool good = true;
    for (; i < entries.size() && name == entries[i].name; ++i) {
      auto function = entries[i].make(name.c_str());
      good = good && duckdb_add_scalar_function_to_set(set, function) == DuckDBSuccess;
      duckdb_destroy_scalar_function(&function);
    }
    good = good && duckdb_register_scalar_function_set(connection, set) == DuckDBSuccess;
    duckdb_destroy_scalar_function_set(&set);
    if (!good) return "DuckDB refuses the function " + name;
    if (auto failure = mark_fallible(connection, name); !failure.empty()) return failure;
  }
  return {};
}

std::string register_all(duckdb_connection connection) {
  for (const auto family : {std::span<const Entry>(entries), text_entries(), format_entries(), number_entries(), time_entries(), pattern_entries(),
                            interval_entries(), json_entries(), csv_entries(), hash_entries(), variant_entries(), theta_entries(), tuple_entries(),
                            hll_entries(), kll_entries(), geo_entries(), histogram_entries(), vector_entries()})
    if (auto failure = register_family(connection, family); !failure.empty()) return failure;
  for (const auto aggregates : {register_moments, register_theta_aggregates, register_tuple_aggregates, register_hll_aggregates,
                                register_kll_aggregates, register_histogram_aggregates, register_vector_aggregates})
    if (auto failure = aggregates(connection); !failure.empty()) return failure;
  return {};
}

}  // namespace tarn::engine::functions
