#pragma once
// What DuckDB's C API cannot say of a function: that it may raise. A function that is taken for one that cannot is computed ahead of other
// conditions, also for rows that these leave out (DuckDB 1.5.5 registers every function of the C API so).
#include <duckdb.h>

#include <string>

namespace tarn::engine::functions {

/// Marks every overload of a function that was registered on this connection's database. Error: what DuckDB says.
std::string mark_fallible(duckdb_connection connection, const std::string& name);

}  // namespace tarn::engine::functions
