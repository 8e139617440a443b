#pragma once
// What a request did inside the engine, operator by operator, and what it took of its process. Plain values: they cross the socket with the end of
// a request.
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tarn::engine {

/// The part of the machine that an engine process may take. A member that is 0: as the pool's options have it.
struct Share {
  int threads = 0;
  std::uint64_t memory_bytes = 0, spill_bytes = 0;
  bool operator==(const Share&) const = default;
};

/// One operator of a plan as it ran.
struct Operator {
  std::string name;         // DuckDB's: HASH_JOIN, READ_PARQUET, …
  std::uint32_t depth = 0;  // 0: the root. A list of operators is a tree in preorder
  double seconds = 0;       // its own, over all threads
  std::int64_t rows = 0;    // that it handed on
  /// Of a scan of a table's files: those that the planner left in it, those that were opened, and one of them (a path as the request had it).
  std::optional<std::int64_t> files_planned, files_opened;
  std::string file;
  /// What the operator was told (Filters, Projections, Conditions, …). Expressions and values: not for everybody who may see the rest.
  std::vector<std::pair<std::string, std::string>> details;
};

/// One request. Counts are sums over its operators.
struct Profile {
  double seconds = 0, cpu_seconds = 0;
  std::int64_t rows = 0;        // that the plan's root handed on
  std::int64_t rows_read = 0;   // that scans of files handed on, after the conditions that they were given
  std::int64_t bytes_read = 0;  // that came from files; what the process still had in memory is not among them
  /// Files that the plan reads and their sizes. Nothing: not known (delta_scan, or more files than are looked at one by one).
  std::optional<std::int64_t> files, file_bytes;
  /// The process's files for what does not fit into memory, at their highest; nothing where another request has a part in them: one
  /// that ran meanwhile, or one before whose files are still there.
  std::optional<std::int64_t> spilled_bytes;
  std::vector<Operator> operators;
  std::int64_t operators_left_out = 0;  // beyond the most that are kept
};

/// What the requests of one piece of work (a statement) have in common: their share of the machine, and what they did. Used by one thread.
struct Work {
  Share share;
  bool profiled = true;  // false: what its requests do is not asked for
  std::vector<Profile> profiles{};
  std::int64_t written_bytes = 0;  // of data files that became a table's; counted by whoever commits them
};

}  // namespace tarn::engine
