#pragma once
// DuckDB 1.5.5's C API hands an aggregate's update one state for all rows as if it were one for each, where a window is the whole partition: what
// stands behind that one is other memory.
#include <duckdb.h>

#include <string>

namespace tarn::engine::functions {

/// Makes an aggregate that was registered on this connection's database see a state for each row. Error: what DuckDB says.
std::string with_state_per_row(duckdb_connection connection, const std::string& name);

}  // namespace tarn::engine::functions
