#pragma once
// Delta tables as statements use them: a version to read as a DuckDB relation, and new versions from rows that the engine wrote.
// Every write is: data files into the table's folder, then one commit; files of a commit that did not happen are removed again.
#include "delta/data_files.h"
#include "delta/file_skipping.h"
#include "delta/log.h"
#include "objects/object_store.h"
#include "sql/analysis.h"
#include "sql/engine_port.h"
#include "sql/lru.h"

namespace tarn::sql {

/// Where a table's files are: its root, and the folder in which the engine finds it.
struct OpenPlace {
  objects::Url root;
  std::string directory;
};

/// One version of a table, ready to be read. Immutable, shared.
struct OpenTable {
  std::shared_ptr<const delta::Snapshot> snapshot;
  delta::DataFiles files;
  std::vector<RelationColumn> columns;
  std::string relation;   // DuckDB: a parenthesised SELECT
  std::string directory;  // local: the table's own, or where copies of its files are
  bool remote = false;    // its files must be held before they are read
  /// Its columns are more than those of its log (Tables::evolve): the next write commits them with its rows.
  bool evolved = false;
  objects::Url root;
  OpenPlace place() const { return {root, directory}; }
};

/// The features whose rules every write of this room sees to (delta::Commit::honours).
const std::vector<std::string>& honoured_features();

/// What a write did.
struct Written {
  std::int64_t version = 0;
  std::int64_t rows = 0;
};

/// What a table asks of rows before they are in it: `around` puts its rules around a query of its columns (and of `hidden` ones, passed through):
/// generated columns are computed or checked, identities given out, and a row that breaks NOT NULL, an invariant or a CHECK constraint is an error.
struct RowRules {
  std::function<Result<std::string>(const std::string& rows, const std::vector<RelationColumn>& hidden)> around;  // null: none
  std::vector<std::string> identities;                                                                            // columns that it gives values
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
  std::vector<MergeStep> steps;                       // in the order written: of its kind the first that applies wins
  std::vector<std::shared_ptr<const void>> held;      // as Compiled's
  std::vector<std::string> directories, read_tables;  // of what subqueries in its values read
  bool guarded = false;                               // one of these has a row filter or a column mask
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
  /// The table as it is once rows with these columns are in it (schema evolution); itself where it has them all. Nothing is written. Errors: invalid
  /// (types that do not go together, a name that a table cannot have), unsupported.
  Result<std::shared_ptr<const OpenTable>> evolve(std::shared_ptr<const OpenTable> table, const std::vector<RelationColumn>& given);
  /// The files of a remote table (these of them), on this machine for as long as the handle lives; of a local one nothing need be done. Error:
  /// unavailable.
  Result<std::shared_ptr<const void>> hold(const OpenTable& table, const std::optional<std::vector<std::size_t>>& files = {});
  /// Whether a Delta log is at the location.
  bool exists(const std::string& location);

  /// Version 0 (or, with `replace` over an existing log, a new version that replaces everything). `query` yields exactly the metadata's
  /// columns, read from `sources`; empty: no rows.
  Result<Written> create(const std::string& location, const delta::Metadata& metadata, const std::string& query,
                         const std::vector<std::string>& sources, bool replace, const std::string& user, engine::CancelToken* cancel,
                         const RowRules& rules = {}, const std::vector<std::string>& clustered_by = {});
  /// Adds rows, or replaces all rows (`overwrite`). `transaction`: an idempotent writer's id.
  Result<Written> insert(const OpenTable& table, const std::string& query, const std::vector<std::string>& sources, bool overwrite,
                         std::optional<std::pair<std::string, std::int64_t>> transaction, const std::string& user, engine::CancelToken* cancel,
                         const RowRules& rules = {});
  /// INSERT ... REPLACE WHERE: in one commit the rows that meet the predicate go and the query's come, each of which must meet it, too. `shown`: the
  /// predicate as it was written. REPLACE USING (`equal`: columns, the predicate is not asked): the rows go that equal one of the query's in these; a
  /// NULL equals nothing. Errors as rewrite's; engine for a new row that does not meet the predicate.
  Result<Written> replace(const OpenTable& table, const std::string& query, const std::string& predicate, const std::string& alias,
                          const std::string& shown, const std::vector<std::string>& equal, const std::vector<std::string>& sources,
                          const std::string& user, engine::CancelToken* cancel, const RowRules& rules = {});
  /// DELETE (no assignments) and UPDATE of the rows that meet the predicate. Rows are marked by deletion vectors where the table has them enabled,
  /// else their files are written anew.
  struct RowChange {
    std::string predicate, alias;
    std::vector<std::pair<std::string, std::string>> assignments;
    std::vector<std::string> sources;          // folders that they read
    std::vector<delta::ColumnBound> bounds{};  // what a row must meet to be changed: files that cannot hold one are not read
  };
  Result<Written> rewrite(const OpenTable& table, const RowChange& change, const std::string& user, engine::CancelToken* cancel,
                          const RowRules& rules = {});
  /// MERGE INTO: `source` (a query over `sources`) is read once. Errors: invalid (a target row that several source rows would change), and
  /// as rewrite's.
  Result<Merged> merge(const OpenTable& table, const std::string& source, const std::vector<std::string>& sources, const MergePlan& plan,
                       const std::string& user, engine::CancelToken* cancel, const RowRules& rules = {});
  /// A commit of the writer's own making, on top of the version opened; the version it became. Where it does not come about, the files that it adds
  /// are removed: they are new, and nobody else's.
  Result<std::int64_t> commit(const OpenTable& table, delta::Commit commit, const std::string& user);
  /// Sets delta.* properties; nullopt unsets. Error: invalid for one that we do not know or cannot honour.
  Result<void> set_properties(const std::string& location, const std::map<std::string, std::optional<std::string>>& changes, const std::string& user);
  /// The version that was the newest at a time (a literal in UTC). Errors: invalid (no time, or outside the log's reach).
  Result<std::int64_t> version_at(const std::string& location, const std::string& timestamp);
  /// The first version at or after a time; one past the last if there is none.
  Result<std::int64_t> version_from(const std::string& location, const std::string& timestamp);
  /// The newest version's columns and what the commits of the range did to its rows. `until`: a version may lie after the last one. Errors as
  /// DeltaLog::changes and version_at.
  struct Changes {
    std::shared_ptr<const OpenTable> table;
    std::string relation;
    std::vector<RelationColumn> columns;
    std::shared_ptr<const void> held;
  };
  Result<Changes> changes(const std::string& location, const std::map<std::string, std::string>& range);
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
  struct OptimizeOptions {
    std::vector<std::string> z_order;  // columns
    bool full = false;                 // of a clustered table: what is clustered already, too
    bool purge = false;                // only files with deletion vectors (REORG TABLE … APPLY (PURGE))
  };
  /// Joins small files of a partition, and writes those with deletion vectors anew; of a clustered table, or with z_order, rows that lie together
  /// in these columns come to lie together in files. Rows stay what they are. Errors: invalid (z_order), unsupported.
  Result<Optimized> optimize(const OpenTable& table, const OptimizeOptions& how, const std::string& user, engine::CancelToken* cancel);
  /// Removes files that no version within the retention refers to; answers their URLs. Error: invalid (a retention below the table's own).
  Result<std::vector<std::string>> vacuum(const OpenTable& table, std::optional<double> hours, bool dry_run);
  Result<std::vector<delta::CommitInfo>> history(const std::string& location, std::size_t limit);

 private:
  /// Rows to be written as files of a table.
  struct Output {
    std::string query;                                        // the table's columns by name, and hidden ones
    std::vector<std::string> sources;                         // folders that it reads
    std::vector<std::pair<std::string, std::string>> hidden;  // columns beside the table's, and what they are called in the files
    bool change_data = false;                                 // files of the change data feed
  };
  Result<std::vector<delta::AddFile>> write_files(const OpenPlace& place, const delta::Metadata& metadata, const Output& output, std::int64_t& rows,
                                                  engine::CancelToken* cancel);
  /// A row that a statement changes, with what it was and what it becomes, as Parquet files of the statement's own (changes.cc).
  struct Staged {
    std::string rows;                  // a relation: o0, o1, … (what it was), n0, n1, … (what it becomes), act, f, r, rid; empty: no row
    std::vector<std::string> sources;  // folders of the scope that it was made under
  };
  struct Applied {
    std::int64_t version = 0, updated = 0, deleted = 0, inserted = 0;
  };
  /// Whether changes of the table's rows go through staged rows: deletion vectors, change data feed, row tracking.
  static bool is_staged(const OpenTable& table);
  Result<Applied> apply(const OpenTable& table, const Staged& staged, const std::string& scratch, delta::Operation operation, const std::string& user,
                        engine::CancelToken* cancel, const RowRules& rules);
  Result<Staged> stage(const OpenPlace& place, const std::string& query, std::vector<std::string> sources, const std::string& folder,
                       engine::CancelToken* cancel);
  /// What a commit of rows to this table says of its columns: new ones, and the high water marks of identity columns, which the files tell.
  static void carry(const OpenTable& table, delta::Commit& commit, const std::vector<delta::AddFile>& files,
                    const std::vector<std::string>& identities);
  /// Sets the high water marks of identity columns to what the files hold.
  static void advance_identities(delta::Metadata& metadata, const std::vector<delta::AddFile>& files, const std::vector<std::string>& columns);
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
