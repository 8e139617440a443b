#pragma once
// A snapshot as the SQL engine reads it: its data files, its columns, and a relation in DuckDB's SQL that yields exactly the table.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "delta/deletion_vector.h"
#include "delta/log.h"

namespace tarn::delta {

struct DataFile {
  std::string path;      // as in the log: what a RemoveFile names
  std::string location;  // absolute local path, or an s3:// URL where the store is remote
  std::map<std::string, std::optional<std::string>> partition_values;
  std::uint64_t size = 0;
  std::optional<std::int64_t> rows;  // from its statistics, those of its deletion vector included
  /// The rows that its deletion vector takes out of the table; null: none. `only`: these rows are what is asked for instead.
  std::shared_ptr<const RowNumbers> deleted;
  bool only = false;
  /// VARIANT columns whose values its statistics count: how many of them are NULL. By their names in files.
  std::map<std::string, std::int64_t> nulls;
  std::optional<std::int64_t> base_row_id, commit_version;  // row tracking: of its first row, and of all that have none of their own
};

struct DataColumn {
  std::string name;
  json::value type;    // Delta's
  std::string duckdb;  // DuckDB's spelling of it
  bool nullable = true;
  bool partition = false;
  std::string physical;  // its name in files and partition values
  std::optional<std::int64_t> id;
  std::string stored;  // DuckDB's spelling of its type in files
  int filled = 0;      // of CHAR(n), n: what a writer left shorter is filled up with blanks; else 0
};

struct DataFiles {
  std::int64_t version = -1;
  std::string root;  // the table's folder or s3:// URL, without a trailing slash
  std::vector<DataFile> files;
  std::vector<DataColumn> columns;           // in the table's order
  bool by_id = false;                        // columns are found in files by their numbers
  std::string row_ids, row_commit_versions;  // the hidden columns that row tracking keeps them in; empty: none
  /// Empty: files can be written anew from what is read of them. Else why not (a VARIANT inside another type); such columns are refused where they
  /// are used.
  std::string read_only;
  bool plain() const { return read_only.empty(); }
};

/// Reads deletion vectors. Errors: corrupt (a partition value that does not fit its column's type is found only when it is read), storage.
Result<DataFiles> data_files(const Snapshot& snapshot, const objects::Url& root, objects::ObjectStore& objects);

struct RelationOptions {
  /// Adds these columns, to find a row's file and place again for a rewrite: `file_column` holds DataFile::location,
  /// `row_column` the row's number in the file . Empty: not added.
  std::string file_column, row_column;
  /// Likewise the row's stable id and the version that last changed it, NULL where row tracking has none. Empty: not added.
  std::string row_id_column, row_version_column;
  /// Only these columns, in this order; empty: all.
  std::vector<std::string> columns;
  /// Only the files at these places of DataFiles::files; nothing: all.
  std::optional<std::vector<std::size_t>> files;
};

/// A parenthesised SELECT for a FROM clause: `(SELECT … FROM read_parquet([…], …))`, with every column of the table in order, cast to its
/// type; columns that older files lack are NULL, partition columns come from the log. A table without files yields no rows.
/// The engine must run with TimeZone = 'UTC'. Errors: invalid_request for a column that the table does not have.
Result<std::string> relation_sql(const DataFiles& table, const RelationOptions& options = {});

/// What the names of files have in them whose VARIANT columns are the two columns of bytes without Parquet's mark for variants: those that the engine
/// wrote. DuckDB gives the bytes of such columns as they are; marked ones it turns into its own VARIANT, which takes the null inside a variant for
/// NULL.
inline constexpr std::string_view kBareVariants = "bare-variants";
/// Whether one of a table's columns is a VARIANT.
bool has_variants(const Metadata& metadata);

/// The columns of a table as its files have them.
std::vector<DataColumn> data_columns(const Metadata& metadata);
/// A file of the table as the engine reads it.
Result<DataFile> data_file(const AddFile& file, const objects::Url& root, objects::ObjectStore& objects);

/// A file's name as DuckDB's readers take it, which take names for patterns: a bracket makes a special character plain.
std::string no_pattern(std::string_view path);
/// A literal and an identifier of DuckDB's SQL.
std::string sql_string(std::string_view text);
std::string sql_identifier(std::string_view name);

}  // namespace tarn::delta
