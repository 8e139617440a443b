#pragma once
// SQL engine processes: embedded DuckDB in a child of its own, spoken to over a socketpair. A child serves one set of locations; its DuckDB
// has extensions loaded first, then allowed_directories, external access off, configuration locked, memory and threads limited, in
// that order and for good; below that the kernel holds the same folders (Landlock) and no sockets or programs (seccomp), so that neither a
// parser's mistake nor an extension's own I/O reaches another file. The pool keeps children by location set (LRU) and restarts what died.
// A crash or a runaway statement costs its child, never the caller.
//
// Every request has a connection and a transaction of its own that ends with it: tables, views and macros that it makes are gone afterwards and
// were never seen by another. Statements that change the instance (SET, LOAD, ATTACH, PRAGMA, COPY, transactions, …) are refused.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/profile.h"

namespace tarn::engine {

/// sql: the statement is wrong or its data are; message is the engine's own text ("Parser Error: …", "Conversion Error: …").
/// died: the process ended while it ran the request. unavailable: no process could be had. too_large: a row, or the statement, over its limit.
enum class Errc { sql, cancelled, timeout, out_of_memory, died, unavailable, too_large };
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

/// The folders (absolute, local, existing) that the instance may touch, everything below included. Equal scopes share an instance. Empty: no
/// file at all. Every file that a statement names must be below one of them; symbolic links out of them lead nowhere.
struct Scope {
  std::vector<std::string> directories;  // read
  std::vector<std::string> writable;     // read and, through write_parquet only, written
  Share share{};                         // what the instance may take; instances of other shares are others
};

enum class Format { json_array, arrow_stream };

struct Request {
  std::string sql;  // one or more DuckDB statements; the last one's result is delivered
  Format format = Format::json_array;
  std::size_t chunk_rows = 100'000;  // a chunk ends at this many rows or about chunk_bytes
  std::size_t chunk_bytes = 4u << 20;
  std::optional<std::int64_t> row_limit;
  std::int64_t timeout_ms = 0;  // 0: none; start of a process and waiting for one included
  /// The statement reads nothing that changes in place (files of a Delta snapshot never do): its plan may serve the same text again.
  bool keep_plan = false;
  bool profile = false;  // the summary tells what it did
};

struct Column {
  std::string name;
  std::string type;  // DuckDB's spelling: BIGINT, DECIMAL(10,2), STRUCT(a INTEGER), …; see engine/types.h
};

/// Receives a result in order, on the calling thread.
struct Sink {
  std::function<void(const std::vector<Column>&)> schema;
  /// json_array: a JSON array of rows, each an array of strings or null, as the vendor's JSON_ARRAY format has it.
  /// arrow_stream: one complete Arrow IPC stream (schema, batches, end).
  /// Return false to stop (the limit of the caller is reached).
  std::function<bool(std::string chunk, std::int64_t rows)> chunk;
};

struct Summary {
  std::int64_t rows = 0;
  bool truncated = false;  // row_limit or the sink cut the result short
  double seconds = 0;
  std::optional<Profile> profile{};  // where it was asked for and the engine could tell
};

struct WriteRequest {
  std::string query;      // one SELECT; its column names and types become the files'
  std::string directory;  // absolute, within Scope::writable
  /// DuckDB reads a single file whose schema it is told with one thread, so a large table is several.
  std::int64_t most_rows_per_file = 500'000;
  std::vector<std::string> partition_by;  // columns of the query; they are not stored in the files
  std::string compression = "snappy";     // or zstd, uncompressed
  std::string mark;                       // put into the files' names before their extension; empty: nothing
  std::string field_ids;                  // Parquet field ids as COPY's FIELD_IDS takes them, {'a': 1, …}; empty: none
  std::int64_t timeout_ms = 0;
  bool profile = false;
};

/// Statistics of one leaf column in one file. min and max are DuckDB's text of the value (UTF-8, timestamps in UTC).
struct ColumnStatistics {
  std::vector<std::string> path;  // {"a"} or {"struct", "field"}
  std::string type;               // DuckDB's spelling
  std::optional<std::string> min, max;
  std::optional<std::int64_t> null_count;
  bool has_nan = false;
};

/// A finished data file, on disk (fsync) under its final name.
struct WrittenFile {
  std::string path;  // relative to WriteRequest::directory: [column=value/]part-00000-<uuid>-c000.snappy.parquet
  std::int64_t rows = 0;
  std::uint64_t bytes = 0;
  std::map<std::string, std::optional<std::string>> partition_values;
  std::vector<ColumnStatistics> columns;
};

/// Set from another thread to interrupt; the statement ends with Errc::cancelled, the child is killed if it does not within 1 s.
/// Must outlive the call that it was given to; one call at a time.
class CancelToken {
 public:
  CancelToken() = default;
  /// A token of one piece of work, which must outlive it: its requests get that work's share, and what they did is added to it.
  explicit CancelToken(Work* work) : work_(work) {}
  void cancel();
  bool cancelled() const;
  /// Null: none.
  Work* work() const { return work_; }

 private:
  friend class Wakeup;
  mutable std::mutex mutex_;
  bool cancelled_ = false;
  std::function<void()> wake_;
  Work* const work_ = nullptr;
};

/// Has a token call `wake` (at once if it is cancelled already) for as long as this lives; one at a time. `wake` runs on the
/// canceller's thread, under the token's lock.
class Wakeup {
 public:
  Wakeup(CancelToken* token, std::function<void()> wake);
  Wakeup(const Wakeup&) = delete;
  ~Wakeup();

 private:
  CancelToken* token_;
};

/// What a statement that calls tarn_ask(TOKEN, NAME, INPUT) asks; tarn_ask_each() sets `each`.
struct Question {
  std::string token, name;
  bool each = false;  // an answer may be `failed`
  std::vector<std::string> inputs;
};
struct Answer {
  enum class Kind : std::uint8_t { null, value, failed } kind = Kind::null;
  std::string text;
};
/// One answer an input, or a text for people, which becomes the statement's error. Called on the thread that runs the request; blocks, and asks
/// `ends` while it waits: true once nobody will hear the answers.
using Answerer = std::function<Expected<std::vector<Answer>, std::string>(const Question& question, const std::function<bool()>& ends)>;

struct Options {
  std::string binary;  // the engine program (tarn-engine, beside tarn)
  int threads = 2;
  std::uint64_t memory_bytes = 2ull << 30;
  std::string spill_directory;  // absolute; empty: no spilling
  std::uint64_t spill_bytes = 8ull << 30;
  std::size_t most_children = 8;
  int spares = 1;                       // started children kept in hand, so that a new scope need not wait for one
  std::vector<std::string> extensions;  // .duckdb_extension files to load; see default_extensions()
  std::uint64_t most_row_bytes = 64u << 20;
  std::optional<unsigned> run_as_uid;         // root only: the child's user; every folder of a scope must be readable by it
  std::function<void(int pid)> started = {};  // told of each child, before it gets its first order: to hold it to its part of the machine
  Answerer answer = {};                       // none: statements that ask fail
};

/// The pinned extensions of the cache that Tarn's SQL needs (delta), by path.
std::vector<std::string> default_extensions();

struct Stats {
  std::size_t children = 0;  // bound to a scope, alive
  std::size_t busy = 0;      // requests running now
  std::uint64_t starts = 0, deaths = 0, kills = 0, evictions = 0, retries = 0;
};

/// Thread-safe. Blocking calls: give them a thread of their own. A request that fails only because its child was killed for another's
/// sake is run once more if it had delivered nothing.
class Pool {
 public:
  explicit Pool(Options options);
  ~Pool();  // ends all children; no call may be running
  /// Runs a request in the child of this scope; blocks. Concurrent requests of one scope run on one child's connections in parallel.
  /// A token with work behind it decides the share, whatever the scope says.
  Result<Summary> run(const Scope& scope, const Request& request, const Sink& sink, CancelToken* cancel = nullptr);
  /// Writes a query's rows as Parquet data files that any Delta reader understands (timestamps as microseconds, adjusted to UTC for
  /// TIMESTAMP WITH TIME ZONE). No rows: no files. On any error no file is left. Errors: sql also for a column type that Delta has not.
  Result<std::vector<WrittenFile>> write_parquet(const Scope& scope, const WriteRequest& request, CancelToken* cancel = nullptr);
  /// The columns of a query without running it.
  Result<std::vector<Column>> describe(const Scope& scope, const std::string& sql, CancelToken* cancel = nullptr);
  Stats stats() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// `tarn engine`: replaces this process by the engine program beside it. Returns only on failure.
int engine_main(int argc, char** argv);

}  // namespace tarn::engine
