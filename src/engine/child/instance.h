#pragma once
// The process's one DuckDB: opened with everything that must be loaded, then bound to a scope and locked for good.
#include <string>
#include <vector>

#include <duckdb.h>

#include "engine/child/handles.h"
#include "engine/messages.h"

namespace tarn::engine::child {

class Instance {
 public:
  ~Instance();
  /// Opens in memory, single-threaded, and loads extensions and functions. Empty on success, else what went wrong.
  std::string open(const Settings& settings);
  /// Limits, allowed directories, external access off, lock; only then the worker threads. Empty on success.
  std::string bind(const Scope& scope);
  /// Starts DuckDB's own threads. They inherit what the calling thread may do.
  Connection connect() const;
  const Settings& settings() const { return settings_; }
  const Scope& scope() const { return scope_; }

 private:
  std::string execute(const std::string& sql);
  Settings settings_;
  Scope scope_;
  duckdb_database database_ = nullptr;
  duckdb_connection control_ = nullptr;
};

/// A SQL string literal.
std::string literal(const std::string& text);
/// A quoted identifier.
std::string identifier(const std::string& text);

}  // namespace tarn::engine::child
