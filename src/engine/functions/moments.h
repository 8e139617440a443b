#pragma once
// Aggregate functions of statistics (moments.cc), by Spark's own updates.
#include <duckdb.h>

#include <string>

namespace tarn::engine::functions {

/// Empty on success, else the name of the one that DuckDB refused.
std::string register_moments(duckdb_connection connection);

}  // namespace tarn::engine::functions
