#pragma once
// Rows of DuckDB chunks as JSON_ARRAY text (Databricks Statement Execution API): each value a JSON string or null. Arrays, structs and
// maps are JSON text inside that string, their leaves strings again, as the vendor's are.
#include <duckdb.h>

#include <memory>
#include <string>
#include <vector>

namespace tarn::engine::child {

class JsonRows {
 public:
  /// Columns of one result. `unsupported()` names the first column whose type has no text form, empty if all have.
  JsonRows(const std::vector<std::string>& names, const std::vector<duckdb_logical_type>& types);
  ~JsonRows();
  const std::string& unsupported() const { return unsupported_; }

  /// Binds the chunk whose rows append() writes next; it must outlive those calls.
  void bind(duckdb_data_chunk chunk);
  /// Appends row `row` as ["a",null,…].
  void append(std::string& out, std::uint64_t row);

  struct Column;

 private:
  std::vector<std::unique_ptr<Column>> columns_;
  std::string unsupported_;
  std::string scratch_;
};

}  // namespace tarn::engine::child
