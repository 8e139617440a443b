#pragma once
#include <duckdb.h>

#include <string>

namespace tarn::engine::child {

/// A type in DuckDB's own spelling: BIGINT, DECIMAL(10,2), STRUCT(a INTEGER, "b c" VARCHAR[]), MAP(VARCHAR, DATE), ENUM('x', 'y').
std::string type_text(duckdb_logical_type type);

}  // namespace tarn::engine::child
