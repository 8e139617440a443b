#include "store/postgres_store.h"
#include "store/sqlite_store.h"

namespace tarn::store {

std::unique_ptr<Store> open_store(const std::string& url, const Clock& clock) {
  if (url.starts_with("sqlite:")) return std::make_unique<SqliteStore>(url.substr(7), clock);
  if (url.starts_with("postgresql://") || url.starts_with("postgres://")) return std::make_unique<PostgresStore>(url, clock);
  throw StoreUnavailable("unknown store '" + url + "': want sqlite:PATH or postgresql://USER@HOST/DATABASE");
}

}  // namespace tarn::store
