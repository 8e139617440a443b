#pragma once
// Delta tables as statements use them: a version to read as a DuckDB relation, and new versions from rows that the engine wrote.
// Every write is: data files into the table's folder, then one commit; files of a commit that did not happen are removed again.
#include "delta/data_files.h"
#include "delta/log.h"
#include "objects/object_store.h"
#include "sql/analysis.h"
#include "sql/engine_port.h"
#include "sql/lru.h"

namespace tarn::sql {

/// One version of a table, ready to be read. Immutable, shared.
struct OpenTable {
  std::shared_ptr<const delta::Snapshot> snapshot;
  delta::DataFiles files;
  std::vector<RelationColumn> columns;
  std::string relation;   // DuckDB: a parenthesised SELECT
  std::string directory;  // local: the table's own, or where copies of its files are
  bool remote = false;    // its files must be held before they are read
  objects::Url root;
};

/// What a write did.
struct Written {
  std::int64_t version = 0;
  std::int64_t rows = 0;
};

/// A MERGE over two aliases, as DuckDB expressions.
struct MergeStep {
  MergeKind kind = MergeKind::matched;
  MergeAction action = MergeAction::update;
  std::string condition;                                    // empty: always
  std::vector<std::pair<std::string, std::string>> values;  // column, value
  std::vector<std::vector<std::string>> sources;            // as MergeClause's
};
struct MergePlan {
  std::string target_alias, source_alias, on;
  std::vector<MergeStep> steps;  // in the order written: of its kind the first that applies wins
};
struct Merged {
  std::int64_t version = 0, updated = 0, deleted = 0, inserted = 0;
};

class Tables {
 public:
  Tables(objects::ObjectStore& objects, delta::DeltaLog& log, Engine& engine)
      : objects_(objects), log_(log), engine_(engine), relations_(32u << 20) {}

  /// Errors: not_found (no table there, or no such version), unsupported (a reader feature, by name), unavailable.
  Result<std::shared_ptr<const OpenTable>> open(const std::string& location, std::optional<std::int64_t> version = {});
  /// The files of a remote table, on this machine for as long as the handle lives; of a local one nothing need be done. Error: unavailable.
  Result<std::shared_ptr<const void>> hold(const OpenTable& table);
  /// Whether a Delta log is at the location.
  bool exists(const std::string& location);

  /// Version 0 (or, with `replace` over an existing log, a new version that replaces everything). `query` yields exactly the metadata's
  /// columns, read from `sources`; empty: no rows.
  Result<Written> create(const std::string& location, const delta::Metadata& metadata, const std::string& query,
                         const std::vector<std::string>& sources, bool replace, const std::string& user, engine::CancelToken* cancel);
  /// Adds rows, or replaces all rows (`overwrite`). `transaction`: an idempotent writer's id.
  Result<Written> insert(const OpenTable& table, const std::string& query, const std::vector<std::string>& sources, bool overwrite,
                         std::optional<std::pair<std::string, std::int64_t>> transaction, const std::string& user, engine::CancelToken* cancel);
  /// Copy-on-write: rewrites the files in which `hit` (a query of file locations) finds rows; `rest` names the rows of one set of files that stay,
  /// as they shall be, given the relation of those files.
  Result<Written> rewrite(const OpenTable& table, const std::string& predicate, const std::string& alias,
                          const std::vector<std::pair<std::string, std::string>>& assignments, const std::vector<std::string>& sources,
                          const std::string& user, engine::CancelToken* cancel);
  /// MERGE INTO: `source` (a query over `sources`) is read once. Errors: invalid (a target row that several source rows would change), and
  /// as rewrite's.
  Result<Merged> merge(const OpenTable& table, const std::string& source, const std::vector<std::string>& sources, const MergePlan& plan,
                       const std::string& user, engine::CancelToken* cancel);
  /// A commit of changed metadata alone (columns, their comments).
  Result<void> change_metadata(const OpenTable& table, delta::Metadata metadata, std::map<std::string, std::string> parameters,
                               const std::string& user);
  /// Sets delta.* properties; nullopt unsets. Error: invalid for one that we do not know or cannot honour.
  Result<void> set_properties(const std::string& location, const std::map<std::string, std::optional<std::string>>& changes, const std::string& user);
  /// The version that was the newest at a time (a literal in UTC). Errors: invalid (no time, or outside the log's reach).
  Result<std::int64_t> version_at(const std::string& location, const std::string& timestamp);
  struct Restored {
    std::int64_t files = 0, removed = 0, restored = 0;
    std::uint64_t bytes = 0, removed_bytes = 0, restored_bytes = 0;
  };
  /// A new version with the files and the columns of an old one. Errors: not_found (no such version, or a file of it is gone), unsupported.
  Result<Restored> restore(const OpenTable& table, std::int64_t version, const std::string& user);
  struct Optimized {
    std::int64_t added = 0, removed = 0;
    std::uint64_t added_bytes = 0, removed_bytes = 0;
  };
  /// Joins small files of a partition; rows stay what they are.
  Result<Optimized> optimize(const OpenTable& table, const std::string& user, engine::CancelToken* cancel);
  /// Removes files that no version within the retention refers to; answers their URLs. Error: invalid (a retention below the table's own).
  Result<std::vector<std::string>> vacuum(const OpenTable& table, std::optional<double> hours, bool dry_run);
  Result<std::vector<delta::CommitInfo>> history(const std::string& location, std::size_t limit);

 private:
  Result<std::vector<delta::AddFile>> write_files(const objects::Url& root, const std::string& directory, const delta::Metadata& metadata,
                                                  const std::string& query, const std::vector<std::string>& sources, std::int64_t& rows,
                                                  engine::CancelToken* cancel);
  void discard(const objects::Url& root, const std::vector<delta::AddFile>& files);

  objects::ObjectStore& objects_;
  delta::DeltaLog& log_;
  Engine& engine_;
  Lru<OpenTable> relations_;
};

/// The room's error for one of Delta's.
Error from_delta(const delta::Error& e);
/// Delta's schema for columns with SQL types.
Result<delta::Schema> schema_of(const std::vector<ColumnClause>& columns);

}  // namespace tarn::sql
