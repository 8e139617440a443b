#pragma once
// DuckDB's C handles with owners.
#include <duckdb.h>

#include <string>
#include <utility>

namespace tarn::engine::child {

template <class H, void (*Destroy)(H*)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(H h) : h_(h) {}
  Handle(Handle&& other) noexcept : h_(std::exchange(other.h_, H{})) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(h_, other.h_);
    return *this;
  }
  ~Handle() { Destroy(&h_); }
  H get() const { return h_; }
  H* out() { return &h_; }
  explicit operator bool() const { return h_ != H{}; }

 private:
  H h_{};
};

using LogicalType = Handle<duckdb_logical_type, duckdb_destroy_logical_type>;
using DataChunk = Handle<duckdb_data_chunk, duckdb_destroy_data_chunk>;
using Connection = Handle<duckdb_connection, duckdb_disconnect>;
using Extracted = Handle<duckdb_extracted_statements, duckdb_destroy_extracted>;
using Prepared = Handle<duckdb_prepared_statement, duckdb_destroy_prepare>;
using Pending = Handle<duckdb_pending_result, duckdb_destroy_pending>;
using ArrowOptions = Handle<duckdb_arrow_options, duckdb_destroy_arrow_options>;
using ErrorData = Handle<duckdb_error_data, duckdb_destroy_error_data>;

/// A result; results are structs, not pointers.
class ResultSet {
 public:
  ResultSet() = default;
  ResultSet(const ResultSet&) = delete;
  ResultSet& operator=(const ResultSet&) = delete;
  ~ResultSet() { duckdb_destroy_result(&result); }
  duckdb_result result{};
};

/// Takes a string that DuckDB allocated.
inline std::string taken(char* text) {
  std::string out(text ? text : "");
  duckdb_free(text);
  return out;
}

}  // namespace tarn::engine::child
