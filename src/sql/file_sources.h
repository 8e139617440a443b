#pragma once
// Files outside tables: read_files(), COPY INTO, LIST and csv.`…`, by an s3:// URL or by a volume's path, /Volumes/… or dbfs:/Volumes/…. Paths are
// authorised by the catalog (a volume by its own privileges alone, never by those of the location it lies in), listed through the object store, and
// handed to the engine as an explicit list.
#include "catalog/catalog.h"
#include "objects/object_store.h"
#include "sql/engine_port.h"
#include "sql/file_formats.h"
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
  std::string shown;  // as the statement may know it: s3://… or dbfs:/Volumes/…
  std::uint64_t size = 0;
  Millis modified = 0;
};

/// What lies immediately in a folder, as LIST shows it.
struct ListedEntry {
  std::string path, name;
  std::uint64_t size = 0;
  Millis modified = 0;  // of a folder none
};

class FileSources {
 public:
  FileSources(catalog::Catalog& catalog, objects::ObjectStore& objects, Engine& engine, Parser& parser)
      : catalog_(catalog), objects_(objects), engine_(engine), parser_(parser) {}

  /// read_files(path, options…) with the options of file_formats.h, or format.`path` (`direct`).
  /// Errors: permission_denied, not_found (no files), unsupported (an option, by name), invalid.
  /// `metadata`: with the hidden column _metadata, where no column of the files has this name.
  Result<FileRelation> open(const Session& session, const std::string& path, const std::map<std::string, std::string>& options, bool direct,
                            bool metadata);
  /// The data files at a path (one object, or everything below it), in key order; names that begin with `_` or `.` are skipped. `pattern`: the path
  /// may be one (globs.h). Errors: permission_denied, not_found (no such volume, no file), invalid, unsupported, too_large.
  Result<std::vector<SourceFile>> list(const Session& session, const std::string& path, bool pattern);
  /// Files and folders immediately at a path, by name, at most `limit`; of a file itself. Errors as list's.
  Result<std::vector<ListedEntry>> entries(const Session& session, const std::string& path, std::size_t limit);
  /// A relation over these very files.
  Result<FileRelation> relation(const Session& session, const std::vector<SourceFile>& files, const FileFormat& format, bool metadata = false);

 private:
  /// Where a path leads whose use was allowed.
  struct Place {
    objects::Url url;
    std::string shown;     // what names the folder that keys below are shown from
    std::size_t root = 0;  // that folder's own key is this long
    std::string name(const std::string& key) const { return shown + (key.size() > root && key[root] != '/' ? "/" : "") + key.substr(root); }
  };
  /// `wanted`: the path, or of a pattern its folder.
  Result<Place> place(const Session& session, const std::string& path, const std::string& wanted);
  Result<SourceFile> file(const Place& place, const objects::ObjectInfo& o);

  catalog::Catalog& catalog_;
  objects::ObjectStore& objects_;
  Engine& engine_;
  Parser& parser_;
};

}  // namespace tarn::sql
