#pragma once
// Sail, the second engine of queries: Spark SQL in, rows out as Parquet files in a folder of this machine. A process serves one principal and one set
// of folders and is never another's: Sail has one identity a process, no rights and no lock on paths (`text.`/etc/passwd`` is a table to it), so
// the process is confined before it starts: a network of its own with nothing but loopback, no file but the folders that it is given (Landlock), no
// capability, few system calls (seccomp). A machine that gives it no network of its own gets no Sail.
//
// Policy is not applied here: whoever calls gives a text whose relations are what the principal may read.
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/engine.h"

namespace tarn::sail {

/// sql: the statement or its data are wrong; message is Sail's own text. unsupported: a result that cannot be handed on, named. died: the process
/// ended under the statement. unavailable: no process could be had; message is for people.
enum class Errc { sql, unsupported, cancelled, timeout, died, storage, unavailable };
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

struct Scope {
  std::string principal;
  std::vector<std::string> directories;  // absolute, existing; read, everything below included
  engine::Share share{};                 // threads and memory; 0: as the pool's options have it
};

struct Request {
  /// One query in Spark SQL. Its session is in UTC: in others Sail's functions do not agree about a moment's hour.
  std::string sql;
  std::string directory;  // where the files go: a new folder below the lease's
  std::int64_t timeout_ms = 0;
};

struct Column {
  std::string name, type;  // Databricks SQL's spelling
};

/// Files hold the columns as c0, c1, …, NULL-typed ones as text, day-time intervals as microseconds.
struct Rows {
  std::vector<Column> columns;
  std::vector<std::string> files;  // relative to the request's folder, in the order of their rows
  std::int64_t rows = 0;
};

struct Options {
  std::string launcher;  // tarn-sail, beside tarn
  std::string spool;     // absolute; a folder a process is made below it, and what earlier servers left there goes
  int threads = 2;
  std::uint64_t memory_bytes = 2ull << 30;
  std::size_t most_processes = 4;
  std::int64_t idle_ms = 10 * 60 * 1000;      // a process that nobody used for this long ends with the next request
  std::function<void(int pid)> started = {};  // told of each, before its first order: to hold it to its part of the machine
};

/// The folders with what Sail needs, in the cache of pinned downloads.
std::vector<std::string> packages();

struct Stats {
  std::size_t processes = 0, busy = 0;
  std::uint64_t starts = 0, kills = 0;
};

class Pool;

/// A process in the hands of one statement. Used by one thread.
class Lease {
 public:
  ~Lease();
  Lease(const Lease&) = delete;
  /// The folder that all of these are in; the process has it as long as it lives.
  const std::string& home() const;
  /// A new folder that the process may read and write; it goes with the handle.
  Result<std::shared_ptr<const std::string>> folder();
  /// Runs a query; blocks. Cancelling or a timeout ends the process, and with it whatever it computes.
  Result<Rows> run(const Request& request, engine::CancelToken* cancel);

 private:
  friend class Pool;
  struct Impl;
  explicit Lease(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Thread-safe; calls block.
class Pool {
 public:
  explicit Pool(Options options);
  ~Pool();  // ends all processes; no lease may be held
  /// A process of this scope that nobody uses; where all are taken, waits for one to be given back, up to the timeout.
  Result<std::unique_ptr<Lease>> lease(const Scope& scope, engine::CancelToken* cancel, std::int64_t timeout_ms);
  Stats stats() const;

 private:
  friend class Lease;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tarn::sail
