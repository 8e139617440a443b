#pragma once
// What a statement says of files: the options of read_files() and of COPY INTO's FORMAT_OPTIONS, as the vendor's manual has them (read_files, CSV,
// JSON, Parquet, text and binary file options). Every option is known or refused by name.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "sql/analysis.h"

namespace tarn::sql {

/// Who reads: read_files() finds out columns and types and keeps what does not fit; format.`path` takes CSV as texts; COPY INTO has its table's.
enum class FileReader { function, direct, copy };

struct FileFormat {
  enum class Kind { csv, json, parquet, text, binary };
  /// Of a record that does not fit: NULL for the value, the record left out, the statement failed.
  enum class Mode { permissive, dropmalformed, failfast };
  BOOST_DESCRIBE_NESTED_ENUM(Mode, permissive, dropmalformed, failfast)
  Kind kind = Kind::csv;
  std::vector<RelationColumn> schema;  // given; empty: found out
  std::vector<RelationColumn> hints;   // types of columns that are found out
  std::optional<std::string> rescued;  // the column for what does not fit
  Mode mode = Mode::permissive;
  bool header = false;
  bool infer = true;      // of CSV: types, too
  bool whole = false;     // of text: a file is one value
  std::string arguments;  // of DuckDB's reader of CSV, after the list of files
  std::string glob;       // names of files must match; empty: any
};

/// `names`: of the files, by whose endings a format that is not given is found. Errors: unsupported (an option or a format, by name), invalid.
Result<FileFormat> file_format(const std::map<std::string, std::string>& options, FileReader reader, const std::vector<std::string>& names);

/// Files as a relation of the first engine: SELECT list FROM from AS f_ [WHERE where].
struct FileShape {
  std::vector<RelationColumn> columns;
  std::string list, from, where;
  std::string file;          // the column of `from` with the file that a row is from
  bool knows_files = false;  // the list uses m_, the files as FileSources knows them: l (that name), p, n, s, t, w (the path as the statement has it)
};

/// `files`: a list of DuckDB's SQL. `describe`: the columns of a query. Errors: describe's, and the parser's for types that no text converts to.
Result<FileShape> shape_of(const FileFormat& format, const std::string& files, Parser& parser,
                           const std::function<Result<std::vector<engine::Column>>(const std::string& sql)>& describe);

}  // namespace tarn::sql
