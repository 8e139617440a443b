#include "engine/functions/registry.h"

namespace tarn::engine::functions {

std::string register_all(duckdb_connection) { return {}; }

}  // namespace tarn::engine::functions
