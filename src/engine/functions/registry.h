#pragma once
// The C++ function library: Spark's semantics where DuckDB lacks a function or answers differently. Each file here adds a family; the names
// carry the prefix spark_ so that nothing of DuckDB's is shadowed and the dialect decides when to use one.
#include <duckdb.h>

#include <string>

namespace tarn::engine::functions {

/// Registers every function. Empty on success, else the name of the one that DuckDB refused.
std::string register_all(duckdb_connection connection);

}  // namespace tarn::engine::functions
