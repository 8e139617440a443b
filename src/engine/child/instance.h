#pragma once
// The process's one DuckDB: opened with everything that must be loaded, then bound to a scope and locked for good.
#include <duckdb.h>

#include <mutex>
#include <string>
#include <vector>

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
  /// A connection without state: a fresh one, or one that has only read. Empty if DuckDB gives none.
  Connection connect();
  /// Takes one back that is still as connect() gave it.
  void reuse(Connection connection);
  const Settings& settings() const { return settings_; }
  const Scope& scope() const { return scope_; }

 private:
  std::string execute(const std::string& sql);
  Settings settings_;
  Scope scope_;
  duckdb_database database_ = nullptr;
  duckdb_connection control_ = nullptr;
  std::mutex mutex_;
  std::vector<Connection> clean_;
};

/// A connection for one request. Throws Refused if there is none.
class Borrowed {
 public:
  explicit Borrowed(Instance& instance);
  Borrowed(const Borrowed&) = delete;
  ~Borrowed() {
    if (keep_) instance_.reuse(std::move(connection_));
  }
  duckdb_connection get() const { return connection_.get(); }
  /// The request has only read: another may have the connection afterwards.
  void keep() { keep_ = true; }

 private:
  Instance& instance_;
  Connection connection_;
  bool keep_ = false;
};

/// A SQL string literal.
std::string literal(const std::string& text);
/// A quoted identifier.
std::string identifier(const std::string& text);

}  // namespace tarn::engine::child
