#pragma once
// Results of queries that were run before. The key is the engine's own text of the query: it names the data files of the tables' versions, and holds
// the caller's name and groups where the query, a filter or a mask asks for them, as literals. So another version, another policy or another reader
// is another key, and nobody is answered before the statement was resolved and authorised anew. Thread-safe.
#include <string_view>

#include "base/clock.h"
#include "sql/executor_types.h"
#include "sql/lru.h"

namespace tarn::sql {

struct CachedResult {
  std::vector<ResultColumn> columns;
  std::vector<std::pair<std::string, std::int64_t>> chunks;  // content, rows
  bool truncated = false;
  Millis made_at = 0;
};

class ResultCache {
 public:
  explicit ResultCache(std::size_t bytes = 64u << 20) : results_(bytes) {}
  static constexpr std::size_t kMostBytes = 2u << 20;  // of one result
  static constexpr Millis kLifetime = 24 * 3'600'000;

  /// Whether the engine's text means the same each time: it asks for no time, chance or file outside tables.
  static bool repeatable(std::string_view sql);
  static std::string key(std::string_view sql, const ResultOptions& options);
  std::shared_ptr<const CachedResult> get(const std::string& key, Millis now);
  void put(const std::string& key, std::shared_ptr<const CachedResult> result);

 private:
  Lru<CachedResult> results_;
};

}  // namespace tarn::sql
