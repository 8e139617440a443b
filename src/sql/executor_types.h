#pragma once
// What a statement yields, and how it is asked for.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "sql/analysis.h"

namespace tarn::sql {

struct ResultColumn {
  std::string name;
  std::string type;  // Databricks SQL's spelling, lower case
};

/// Receives one statement's result in order, on the thread that runs it.
class ResultSink {
 public:
  virtual ~ResultSink() = default;
  virtual void schema(std::vector<ResultColumn> columns) = 0;
  /// A JSON array of rows, or one Arrow IPC stream. False: stop, enough.
  virtual bool chunk(std::string content, std::int64_t rows) = 0;
};

/// The rows that a statement about securables tells, all of them.
struct Told {
  std::vector<ResultColumn> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;
};

struct ResultOptions {
  engine::Format format = engine::Format::json_array;
  std::optional<std::int64_t> row_limit;
  std::size_t chunk_bytes = 4u << 20;
  std::int64_t timeout_ms = 0;
  bool use_cache = true;
};

/// What a statement cost. Nothing where it is not known: the engine could not tell, or telling would tell of rows that its user may not see.
struct Metrics {
  std::int64_t compile_ms = 0, execute_ms = 0;
  /// Files that were left to read after pruning, and their sizes; where that is not known, those of the tables' versions.
  std::int64_t files = 0, bytes = 0;
  std::optional<std::int64_t> pruned_files, pruned_bytes;
  std::int64_t skipped = 0;                   // of these files, those that the engine was not even given
  std::optional<std::int64_t> rows_read;      // that scans handed on, after the conditions that were pushed into them
  std::optional<std::int64_t> bytes_read;     // that came from files; what the engine had in memory did not
  std::optional<std::int64_t> task_ms;        // of operators, over all threads
  std::optional<std::int64_t> spilled_bytes;  // at its highest
  std::int64_t written_bytes = 0;
  bool from_cache = false;
  std::string profile{};                        // JSON, as shown_profile() takes it; empty: none
  std::map<std::string, std::string> places{};  // a table's name by its folder
};

struct Done {
  StatementKind kind = StatementKind::query;
  bool truncated = false;
  Metrics metrics{};
};

}  // namespace tarn::sql
