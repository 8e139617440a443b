#pragma once
// Files outside tables: read_files(), COPY INTO and csv.`s3://…`. Paths are authorised by the catalog, listed through the object store, and
// handed to the engine as an explicit list.
#include "catalog/catalog.h"
#include "objects/object_store.h"
#include "sql/engine_port.h"
#include "sql/resolver.h"

namespace tarn::sql {

struct FileRelation {
  std::vector<RelationColumn> columns;
  std::string sql;  // DuckDB: a parenthesised SELECT with Databricks' types
  std::vector<std::string> directories;
  std::shared_ptr<const void> held;  // copies of remote files, while the relation lives
};

struct SourceFile {
  std::string url, local, etag;
  std::uint64_t size = 0;
};

class FileSources {
 public:
  FileSources(catalog::Catalog& catalog, objects::ObjectStore& objects, Engine& engine) : catalog_(catalog), objects_(objects), engine_(engine) {}

  /// read_files(path, options…): format (required for now: csv, json, parquet), header, sep/delimiter, quote, escape, nullValue, schema.
  /// Errors: permission_denied, not_found (no files), unsupported (an option, by name), invalid.
  Result<FileRelation> open(const Session& session, const std::string& path, const std::map<std::string, std::string>& options);
  /// The data files at a path (one object, or everything below it), in key order; names that begin with `_` or `.` are skipped.
  Result<std::vector<SourceFile>> list(const Session& session, const std::string& path);
  /// A relation over these very files.
  Result<FileRelation> relation(const Session& session, const std::vector<SourceFile>& files, const std::map<std::string, std::string>& options);

 private:
  catalog::Catalog& catalog_;
  objects::ObjectStore& objects_;
  Engine& engine_;
};

}  // namespace tarn::sql
