#include "sql/result_cache.h"

#include "base/crypto.h"

namespace tarn::sql {

bool ResultCache::repeatable(std::string_view sql) {
  if (sql.size() > (512u << 10)) return false;
  std::string text(sql);
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  // The barrier of governed.cc takes all rows.
  constexpr std::string_view all = "using sample 100 percent (system)";
  for (auto at = text.find(all); at != text.npos; at = text.find(all, at)) text.erase(at, all.size());
  // Also where one of these is only part of a name: then the result is computed, which is never wrong.
  for (const char* word :
       {"now(", "rand", "uuid", "current_", "today", "shuffle", "monoton", "sample", "nextval", "local_time", "clock", "transaction_timestamp"})
    if (text.find(word) != text.npos) return false;
  return true;
}

std::string ResultCache::key(std::string_view sql, const ResultOptions& options) {
  std::string text(sql);
  text += fmt::format("\x1e{} {} {}", static_cast<int>(options.format), options.row_limit.value_or(-1), options.chunk_bytes);
  return crypto::sha256(text);
}

std::shared_ptr<const CachedResult> ResultCache::get(const std::string& key, Millis now) {
  auto found = results_.get(key);
  return found && now - found->made_at < kLifetime ? found : nullptr;
}

void ResultCache::put(const std::string& key, std::shared_ptr<const CachedResult> result) {
  std::size_t bytes = sizeof(CachedResult);
  for (const auto& c : result->columns) bytes += c.name.size() + c.type.size() + sizeof c;
  for (const auto& [content, rows] : result->chunks) bytes += content.size() + sizeof rows;
  results_.put(key, std::move(result), bytes);
}

}  // namespace tarn::sql
