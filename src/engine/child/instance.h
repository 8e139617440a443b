#pragma once
// The process's one DuckDB: opened with everything that must be loaded, then bound to a scope and locked for good.
#include <duckdb.h>

#include <atomic>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/child/handles.h"
#include "engine/messages.h"

namespace tarn::engine::child {

/// A connection and the plans that it keeps, by their text. The plans of one connection serve one request at a time.
struct Session {
  static constexpr std::size_t most_plans = 32, longest_text = 16u << 10;
  Connection connection;
  std::vector<std::pair<std::string, Prepared>> plans;  // the one that was used last is the last; destroyed before the connection

  /// Takes the plan of a text out, empty if there is none.
  Prepared take(std::string_view sql);
  void put(std::string sql, Prepared plan);
};

class Instance {
 public:
  ~Instance();
  /// Opens in memory, single-threaded, and loads extensions and functions. Empty on success, else what went wrong.
  std::string open(const Settings& settings);
  /// Limits, allowed directories, external access off, lock; only then the worker threads. Empty on success.
  std::string bind(const Scope& scope);
  /// A connection without state: a fresh one, or one that has only read, best one with a plan of `sql`. Empty if DuckDB gives none.
  Session connect(std::string_view sql);
  /// Takes one back that is still as connect() gave it.
  void reuse(Session session);
  /// Takes one that is to be closed, perhaps with a statement unfinished in it. Closing has to wait: while an exception unwinds the stack, DuckDB
  /// (1.5.5, ~ClientContext) leaves the statement's tasks with its workers, which then work on freed memory.
  void retire(Session session);
  /// Closes what was retired, by whatever thread. Not to be called while an exception unwinds the stack.
  void close_retired();
  /// Whether a request is the only one of its time: made when it begins, asked when it ends.
  class Company {
   public:
    explicit Company(Instance& instance) : instance_(instance), alone_(++instance.running_ == 1), begun_(++instance.begun_) {}
    Company(const Company&) = delete;
    ~Company() { --instance_.running_; }
    bool alone() const { return alone_ && instance_.begun_ == begun_; }

   private:
    Instance& instance_;
    const bool alone_;
    const std::uint64_t begun_;
  };
  const Settings& settings() const { return settings_; }
  const Scope& scope() const { return scope_; }

 private:
  std::string execute(const std::string& sql);
  Settings settings_;
  Scope scope_;
  duckdb_database database_ = nullptr;
  duckdb_connection control_ = nullptr;
  std::mutex mutex_;
  std::vector<Session> clean_;  // the one that was used last is the last
  std::vector<Session> retired_;
  std::atomic<std::uint64_t> running_{0}, begun_{0};
};

/// A connection for one request, best one that keeps a plan of `sql`. Throws Refused if there is none. One that is not kept is retired: its owner
/// calls Instance::close_retired() once no exception is on its way.
class Borrowed {
 public:
  explicit Borrowed(Instance& instance, std::string_view sql = {});
  Borrowed(const Borrowed&) = delete;
  ~Borrowed() { keep_ ? instance_.reuse(std::move(session_)) : instance_.retire(std::move(session_)); }
  duckdb_connection get() const { return session_.connection.get(); }
  Session& session() { return session_; }
  /// The request has only read: another may have the connection afterwards.
  void keep() { keep_ = true; }
  /// Whether the process did nothing else since this request began.
  bool alone() const { return company_.alone(); }
  const Scope& scope() const { return instance_.scope(); }

 private:
  Instance::Company company_;
  Instance& instance_;
  Session session_;
  bool keep_ = false;
};

/// A SQL string literal.
std::string literal(const std::string& text);
/// A quoted identifier.
std::string identifier(const std::string& text);

}  // namespace tarn::engine::child
