#pragma once
// The store of a room's tests: SQLite in memory, or, when TARN_TEST_STORE=postgresql, a schema of its own on the test program's PostgreSQL.
// A room with ON_EACH_STORE in its CMakeLists is tested on both.
#include <cstdlib>

#include "store/postgres_for_tests.h"
#include "store/store.h"

namespace tarn::store {

inline std::string url_for_tests() {
  const char* wanted = std::getenv("TARN_TEST_STORE");
  const std::string_view backend = wanted ? wanted : "sqlite";
  if (backend == "sqlite") return "sqlite::memory:";
  if (backend == "postgresql") return postgres_for_tests().fresh_url();
  throw std::runtime_error("TARN_TEST_STORE is '" + std::string(backend) + "': want sqlite or postgresql");
}

inline std::unique_ptr<Store> store_for_tests(const Clock& clock) { return open_store(url_for_tests(), clock); }

}  // namespace tarn::store
