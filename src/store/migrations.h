#pragma once
// The numbered schema steps of each backend, compiled in from migrations/. Step N takes schema N-1 to N; steps are never edited once released.
#include <string_view>
#include <vector>

namespace tarn::store {

struct Migration {
  std::string_view name;  // 0001_records
  std::string_view sql;
};

const std::vector<Migration>& sqlite_migrations();
const std::vector<Migration>& postgres_migrations();

}  // namespace tarn::store
