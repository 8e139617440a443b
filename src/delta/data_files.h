#pragma once
// A snapshot as the SQL engine reads it: its data files, its columns, and a relation in DuckDB's SQL that yields exactly the table.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "delta/log.h"

namespace tarn::delta {

struct DataFile {
  std::string path;      // as in the log: what a RemoveFile names
  std::string location;  // absolute local path, or an s3:// URL where the store is remote
  std::map<std::string, std::optional<std::string>> partition_values;
  std::uint64_t size = 0;
  std::optional<std::int64_t> rows;  // from its statistics
};

struct DataColumn {
  std::string name;
  json::value type;    // Delta's
  std::string duckdb;  // DuckDB's spelling of it
  bool nullable = true;
  bool partition = false;
};

struct DataFiles {
  std::int64_t version = -1;
  std::string root;  // the table's folder or s3:// URL, without a trailing slash
  std::vector<DataFile> files;
  std::vector<DataColumn> columns;  // in the table's order
  /// Empty: the Parquet files can be read as they are. Else why not (deletion vectors, column mapping, type widening, variant), and
  /// delta_scan must do it.
  std::string needs_delta_scan;
  bool plain() const { return needs_delta_scan.empty(); }
};

/// Errors: corrupt (a partition value that does not fit its column's type is found only when it is read).
Result<DataFiles> data_files(const Snapshot& snapshot, const objects::Url& root, objects::ObjectStore& objects);

struct RelationOptions {
  /// Adds these columns, to find a row's file and place again for a rewrite: `file_column` holds DataFile::location,
  /// `row_column` the row's number in the file (only where plain()). Empty: not added.
  std::string file_column, row_column;
  /// Only these columns, in this order; empty: all.
  std::vector<std::string> columns;
  /// Only the files at these places of DataFiles::files; nothing: all. Not for delta_scan.
  std::optional<std::vector<std::size_t>> files;
};

/// A parenthesised SELECT for a FROM clause: `(SELECT … FROM read_parquet([…], …))`, with every column of the table in order, cast to its
/// type; columns that older files lack are NULL, partition columns come from the log. A table without files yields no rows.
/// The engine must run with TimeZone = 'UTC'. Errors: invalid_request for a column that the table does not have, or files with delta_scan.
Result<std::string> relation_sql(const DataFiles& table, const RelationOptions& options = {});

/// A literal and an identifier of DuckDB's SQL.
std::string sql_string(std::string_view text);
std::string sql_identifier(std::string_view name);

}  // namespace tarn::delta
