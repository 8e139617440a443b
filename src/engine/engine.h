#pragma once
// SQL engine processes: embedded DuckDB in a child of its own (`tarn engine`, spoken to over a socketpair). A child serves one set of
// locations; its DuckDB has extensions loaded first, then allowed_directories, external access off, configuration locked, memory and
// threads limited, in that order and for good. The pool keeps children by location set (LRU) and restarts what died.
// A crash or a runaway statement costs its child, never the caller.
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tarn::engine {

enum class Errc { sql, cancelled, timeout, out_of_memory, died, unavailable, too_large };
using Error = RoomError<Errc>;  // message: the engine's own text
template <class T>
using Result = Expected<T, Error>;

/// The folders (absolute, local) that the instance may touch. Equal scopes share an instance. Empty: no file at all.
struct Scope {
  std::vector<std::string> directories;
};

enum class Format { json_array, arrow_stream };

struct Request {
  std::string sql;                     // one or more DuckDB statements; the last one's result is delivered
  std::vector<std::string> files;      // further single files the statement reads (external links are never given here)
  Format format = Format::json_array;
  std::size_t chunk_rows = 100'000;    // a chunk ends at this many rows or about chunk_bytes
  std::size_t chunk_bytes = 4u << 20;
  std::optional<std::int64_t> row_limit;
  std::int64_t timeout_ms = 0;         // 0: none
};

struct Column {
  std::string name;
  std::string type;                    // DuckDB's spelling: BIGINT, DECIMAL(10,2), STRUCT(a INTEGER), …
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
  bool truncated = false;
  double seconds = 0;
};

/// Set from another thread to interrupt; the statement ends with Errc::cancelled, the child is killed if it does not within 1 s.
class CancelToken {
 public:
  void cancel();
  bool cancelled() const { return cancelled_.load(); }

 private:
  friend class Pool;
  std::atomic<bool> cancelled_{false};
  std::atomic<int> wake_fd_{-1};
};

struct Options {
  std::string binary;                  // the tarn program; run as `BINARY engine`
  int threads = 2;
  std::uint64_t memory_bytes = 2ull << 30;
  std::string spill_directory;
  std::size_t most_children = 8;
};

class Pool {
 public:
  explicit Pool(Options options);
  ~Pool();  // ends all children
  /// Runs a request in the child of this scope; blocks. Concurrent requests of one scope run on one child's connections in parallel.
  Result<Summary> run(const Scope& scope, const Request& request, const Sink& sink, CancelToken* cancel = nullptr);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The child's main (`tarn engine`): serves its socket (fd given by the parent) until it closes. Returns the exit code.
int engine_main(int argc, char** argv);

}  // namespace tarn::engine
