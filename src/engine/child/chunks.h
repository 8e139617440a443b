#pragma once
// Results cut into chunks of one format.
#include <memory>
#include <string>
#include <vector>

#include "engine/child/handles.h"
#include "engine/messages.h"

namespace tarn::engine::child {

class Chunks {
 public:
  virtual ~Chunks() = default;
  /// Takes rows of the DuckDB chunk from `from` on, at most until full() by bytes or `rows` rows; returns how many (all, for formats that
  /// cannot split one). Throws Refused.
  virtual std::uint64_t add(duckdb_data_chunk chunk, std::uint64_t from, std::uint64_t rows) = 0;
  virtual std::uint64_t bytes() const = 0;
  /// Ends the chunk and starts the next.
  virtual std::string take() = 0;
};

struct ResultShape {
  std::vector<std::string> names;
  std::vector<LogicalType> types;
};

std::unique_ptr<Chunks> json_chunks(const ResultShape& shape, std::uint64_t chunk_bytes, std::uint64_t most_row_bytes);
std::unique_ptr<Chunks> arrow_chunks(const ResultShape& shape, duckdb_connection connection);

}  // namespace tarn::engine::child
