#include "engine/child/statements.h"

#include <fmt/format.h>

#include <cctype>

#include "engine/child/type_text.h"

namespace tarn::engine::child {
namespace {

/// The name of a statement that a request may not use, null if it may.
const char* refused_kind(duckdb_statement_type type) {
  switch (type) {
    case DUCKDB_STATEMENT_TYPE_SELECT:
    case DUCKDB_STATEMENT_TYPE_INSERT:
    case DUCKDB_STATEMENT_TYPE_UPDATE:
    case DUCKDB_STATEMENT_TYPE_DELETE:
    case DUCKDB_STATEMENT_TYPE_MERGE_INTO:
    case DUCKDB_STATEMENT_TYPE_EXPLAIN:
    case DUCKDB_STATEMENT_TYPE_CREATE:
    case DUCKDB_STATEMENT_TYPE_CREATE_FUNC:
    case DUCKDB_STATEMENT_TYPE_ALTER:
    case DUCKDB_STATEMENT_TYPE_DROP:
    case DUCKDB_STATEMENT_TYPE_RELATION:
    case DUCKDB_STATEMENT_TYPE_LOGICAL_PLAN:
      return nullptr;
    case DUCKDB_STATEMENT_TYPE_COPY:
      return "COPY";
    case DUCKDB_STATEMENT_TYPE_ATTACH:
      return "ATTACH";
    case DUCKDB_STATEMENT_TYPE_DETACH:
      return "DETACH";
    case DUCKDB_STATEMENT_TYPE_LOAD:
      return "LOAD and INSTALL";
    case DUCKDB_STATEMENT_TYPE_SET:
      return "SET";
    case DUCKDB_STATEMENT_TYPE_VARIABLE_SET:
      return "SET VARIABLE";
    case DUCKDB_STATEMENT_TYPE_PRAGMA:
      return "PRAGMA";
    case DUCKDB_STATEMENT_TYPE_CALL:
      return "CALL";
    case DUCKDB_STATEMENT_TYPE_TRANSACTION:
      return "Transaction";
    case DUCKDB_STATEMENT_TYPE_EXPORT:
      return "EXPORT";
    case DUCKDB_STATEMENT_TYPE_PREPARE:
    case DUCKDB_STATEMENT_TYPE_EXECUTE:
      return "PREPARE and EXECUTE";
    default:
      return "Such";
  }
}

/// The second word of a statement, in upper case; comments before it end the search with nothing.
std::string second_word(const std::string& sql) {
  std::size_t at = 0;
  std::string word;
  for (int i = 0; i < 2; ++i) {
    word.clear();
    while (at < sql.size() && std::isspace(static_cast<unsigned char>(sql[at]))) ++at;
    while (at < sql.size() && std::isalpha(static_cast<unsigned char>(sql[at])))
      word += static_cast<char>(std::toupper(static_cast<unsigned char>(sql[at++])));
  }
  return word;
}

/// Whether an EXPLAIN cannot be one with ANALYZE, which runs what it explains, a COPY too.
bool only_explains(const std::string& sql) {
  const auto word = second_word(sql);
  return word == "SELECT" || word == "WITH" || word == "FROM" || word == "VALUES";
}

[[noreturn]] void refuse(const Task& task, const char* message) { throw Refused{classify(task, message ? message : "unknown error")}; }

void begin_transaction(const Task& task, duckdb_connection connection) {
  ResultSet begun;
  if (duckdb_query(connection, "BEGIN TRANSACTION", &begun.result) != DuckDBSuccess) refuse(task, duckdb_result_error(&begun.result));
}

}  // namespace

bool fatal(const std::string& message) { return message.starts_with("FATAL Error") || message.starts_with("INTERNAL Error"); }

Error classify(const Task& task, std::string message) {
  if (task.cancelled()) return {Errc::cancelled, "The statement was cancelled"};
  if (message.starts_with("Out of Memory Error") || message.starts_with("TransactionContext Error: Failed to commit: Out of Memory"))
    return {Errc::out_of_memory, std::move(message)};
  return {Errc::sql, std::move(message)};
}

Prepared prepare_last(const Task& task, duckdb_connection connection, const std::string& sql, bool* pure) {
  if (sql.find('\0') != std::string::npos) refuse(task, "Parser Error: the statement contains a NUL character");
  Extracted statements;
  const auto count = duckdb_extract_statements(connection, sql.c_str(), statements.out());
  if (count == 0) {
    const char* error = duckdb_extract_statements_error(statements.get());
    refuse(task, error && *error ? error : "Parser Error: no statement");
  }
  if (count > 1) begin_transaction(task, connection);
  for (idx_t i = 0; i < count; ++i) {
    if (task.cancelled()) refuse(task, "");
    Prepared prepared;
    if (duckdb_prepare_extracted_statement(connection, statements.get(), i, prepared.out()) != DuckDBSuccess)
      refuse(task, duckdb_prepare_error(prepared.get()));
    const auto type = duckdb_prepared_statement_type(prepared.get());
    const char* kind = refused_kind(type);
    if (type == DUCKDB_STATEMENT_TYPE_EXPLAIN && (count > 1 || !only_explains(sql))) kind = "EXPLAIN of other than one query and EXPLAIN ANALYZE";
    if (kind) throw Refused{{Errc::sql, fmt::format("Permission Error: {} statements are not accepted by the engine", kind)}};
    // Left to itself a statement would commit what it makes.
    if (count == 1 && type != DUCKDB_STATEMENT_TYPE_SELECT && type != DUCKDB_STATEMENT_TYPE_EXPLAIN) begin_transaction(task, connection);
    if (pure) *pure = count == 1 && type == DUCKDB_STATEMENT_TYPE_SELECT;
    if (i + 1 == count) return prepared;
    ResultSet ignored;
    start(task, prepared.get(), ignored);
    while (fetch(task, ignored)) {
    }
  }
  refuse(task, "Parser Error: no statement");
}

void start(const Task& task, duckdb_prepared_statement statement, ResultSet& out, const std::function<void()>& planned) {
  Pending pending;
  if (duckdb_pending_prepared_streaming(statement, pending.out()) != DuckDBSuccess) refuse(task, duckdb_pending_error(pending.get()));
  if (planned) planned();
  if (task.cancelled()) refuse(task, "");
  if (duckdb_execute_pending(pending.get(), &out.result) != DuckDBSuccess) refuse(task, duckdb_result_error(&out.result));
}

DataChunk fetch(const Task& task, ResultSet& result) {
  for (;;) {
    if (task.cancelled()) refuse(task, "");
    DataChunk chunk(duckdb_fetch_chunk(result.result));
    if (chunk && duckdb_data_chunk_get_size(chunk.get()) == 0) continue;
    if (!chunk)
      if (const char* error = duckdb_result_error(&result.result)) refuse(task, error);
    return chunk;
  }
}

std::vector<Column> columns_of(duckdb_prepared_statement statement) {
  std::vector<Column> out;
  for (idx_t i = 0, n = duckdb_prepared_statement_column_count(statement); i < n; ++i) {
    LogicalType type(duckdb_prepared_statement_column_logical_type(statement, i));
    out.push_back({taken(const_cast<char*>(duckdb_prepared_statement_column_name(statement, i))), type_text(type.get())});
  }
  return out;
}

}  // namespace tarn::engine::child
