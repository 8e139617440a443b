#pragma once
// What a statement yields, and how it is asked for.
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

struct ResultOptions {
  engine::Format format = engine::Format::json_array;
  std::optional<std::int64_t> row_limit;
  std::size_t chunk_bytes = 4u << 20;
  std::int64_t timeout_ms = 0;
  bool use_cache = true;
};

/// What a statement cost, as far as this room knows. Files and bytes: of the versions of the tables that the engine was given; what it skipped of
/// them by their statistics is not known here.
struct Metrics {
  std::int64_t compile_ms = 0, execute_ms = 0, files = 0, bytes = 0;
  bool from_cache = false;
};

struct Done {
  StatementKind kind = StatementKind::query;
  bool truncated = false;
  Metrics metrics{};
};

}  // namespace tarn::sql
