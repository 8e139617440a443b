#pragma once
// Delta Lake tables as their transaction log (protocol: delta-io/delta PROTOCOL.md). Owns: reading snapshots, building commits, put-if-absent
// publication, conflict rules ("Conflict resolution" as OSS Delta's ConflictChecker does it), bounded retries, checkpoints.
// Data files are written by the engine; this room only names them. Any foreign reader sees a valid table at every moment.
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/result.h"
#include "objects/object_store.h"

namespace tarn::delta {

/// `corrupt`: the log itself is damaged (a torn line, a missing version, a path that leaves the table); the message says where.
/// `constraint`: the data breaks NOT NULL, an append-only table or another rule that the table declares.
enum class Errc {
  not_a_table,
  already_exists,
  unsupported_feature,
  conflict,
  corrupt,
  invalid_schema,
  invalid_request,
  constraint,
  version_not_found,
  storage
};
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;
inline Error corrupt(std::string message) { return {Errc::corrupt, std::move(message)}; }

/// One column; `type` is the protocol's schema serialisation (a string such as "long", "decimal(10,2)", or an object for nested types).
struct Field {
  std::string name;
  json::value type;
  bool nullable = true;
  json::object metadata;  // comment, delta.columnMapping.*, …
};

struct Schema {
  std::vector<Field> fields;
  const Field* find(std::string_view name) const;  // names differ by more than case
};

struct Protocol {
  int min_reader = 1, min_writer = 2;
  std::vector<std::string> reader_features, writer_features;
  friend bool operator==(const Protocol&, const Protocol&) = default;
};

struct Metadata {
  std::string id;
  std::string name, description;
  Schema schema;
  std::vector<std::string> partition_columns;
  std::map<std::string, std::string> configuration;
  Millis created_at = 0;
};

/// A data file of the table. `path` is relative to the table root (decoded) or absolute.
struct AddFile {
  std::string path;
  std::map<std::string, std::optional<std::string>> partition_values;
  std::uint64_t size = 0;
  Millis modification_time = 0;
  bool data_change = true;
  std::string stats;  // JSON: numRecords, minValues, maxValues, nullCount
  json::value deletion_vector;
  json::value extra;  // tags, baseRowId, …: kept as found
  std::string uri;    // how the log spells the path, where we would have spelt it otherwise: who removes it must spell it so
};

/// The writer names the path; the log fills partition values, size and deletion vector from the file it removes.
struct RemoveFile {
  std::string path;
  Millis deletion_timestamp = 0;
  bool data_change = true;
  json::value extra;
  std::string uri;  // as AddFile's
};

/// A file of changed rows ("Add CDC File"): the table's columns and `_change_type`. In no snapshot.
struct ChangeFile {
  std::string path;  // below _change_data/
  std::map<std::string, std::optional<std::string>> partition_values;
  std::uint64_t size = 0;
};

/// The live files of a version, each shared with the versions around it: copying a set copies pointers.
class FileSet {
 public:
  struct Entry {
    std::size_t hash;  // of the file's identity: path and deletion vector
    std::shared_ptr<const AddFile> file;
  };
  class iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = AddFile;
    using difference_type = std::ptrdiff_t;
    using pointer = const AddFile*;
    using reference = const AddFile&;
    iterator() = default;
    explicit iterator(const Entry* at) : at_(at) {}
    reference operator*() const { return *at_->file; }
    pointer operator->() const { return at_->file.get(); }
    iterator& operator++() { return ++at_, *this; }
    iterator operator++(int) { return iterator(at_++); }
    friend bool operator==(const iterator&, const iterator&) = default;

   private:
    const Entry* at_ = nullptr;
  };
  iterator begin() const { return iterator(entries.data()); }
  iterator end() const { return iterator(entries.data() + entries.size()); }
  std::size_t size() const { return entries.size(); }
  bool empty() const { return entries.empty(); }
  const AddFile& operator[](std::size_t i) const { return *entries[i].file; }
  const AddFile* find(std::string_view path) const;  // linear

  std::vector<Entry> entries;
};

/// A removed file whose object a reader of an older version may still need.
struct Tombstone {
  std::size_t hash;
  std::shared_ptr<const RemoveFile> file;
};

struct AppTransaction {
  std::int64_t version = 0;
  std::optional<Millis> last_updated;
};

/// An immutable view of one version.
struct Snapshot {
  std::int64_t version = -1;
  Millis timestamp = 0;  // of the commit: inCommitTimestamp where the table has it, else the log file's modification time
  Protocol protocol;
  Metadata metadata;
  FileSet files;
  std::map<std::string, AppTransaction> transactions;  // appId -> last version
  std::map<std::string, json::value> domains;          // domainMetadata by domain, as found
  std::vector<Tombstone> tombstones;                   // removed files not yet past delta.deletedFileRetentionDuration
  bool has_deletion_vectors() const;                   // a live file has one
  bool has_column_mapping() const;                     // delta.columnMapping.mode is id or name
  bool has_type_widening() const;                      // a column's type was widened since older files were written
  std::uint64_t size_in_bytes() const;
};

enum class Operation {
  create_table,
  write_append,
  write_overwrite,
  delete_,
  update,
  merge,
  set_properties,
  change_columns,
  optimize,
  restore,
  add_constraint,
  drop_constraint,
  cluster_by,
  rename_column,
  drop_columns,
  reorg
};

/// What a writer read and wants to do, against the snapshot it read.
struct Commit {
  Operation operation = Operation::write_append;
  std::map<std::string, std::string> operation_parameters;
  std::vector<AddFile> add;
  std::vector<RemoveFile> remove;
  /// Where the table is to have a change data feed and rows are rewritten: what became of them.
  std::vector<ChangeFile> changes;
  std::optional<Metadata> metadata;                           // what it needs of the protocol is added to it (features.h, settle)
  std::optional<Protocol> protocol;                           // at least this
  std::map<std::string, std::optional<std::string>> domains;  // domainMetadata: configuration by domain; nothing removes it
  /// Features whose rules the writer saw to itself: its rows meet the CHECK constraints, its generated columns are computed, … A table that uses
  /// one of these refuses any other commit.
  std::vector<std::string> honours;
  /// Rows that were copied or updated kept their row ids (in the columns that row tracking hides).
  bool row_ids_kept = false;
  /// Reads nothing of the table: only metadata, protocol and same-application changes conflict. Ignored when files are removed.
  bool blind_append = true;
  /// Otherwise: what was read. The whole table, or the partitions that match one of these values (none: any file could have mattered).
  bool read_whole_table = false;
  std::vector<std::map<std::string, std::optional<std::string>>> read_partitions;
  std::vector<std::string> read_files;                              // data files whose rows were read, removed ones included
  std::optional<std::pair<std::string, std::int64_t>> transaction;  // idempotent writer
  std::string user_name;                                            // for DESCRIBE HISTORY
  std::map<std::string, std::string> operation_metrics;  // beside those the log counts itself (numFiles, numOutputBytes, numOutputRows, …)
};

/// One line of DESCRIBE HISTORY.
struct CommitInfo {
  std::int64_t version = 0;
  Millis timestamp = 0;
  std::string operation, user_name;
  json::object operation_parameters, operation_metrics;
  std::string engine_info, isolation_level, transaction_id;
  std::optional<std::int64_t> read_version;
  std::optional<bool> blind_append;
};

struct RowChanges;  // change_feed.h

/// Reads and writes Parquet for checkpoints; implemented over DuckDB. Thread-safe.
class ParquetCodec {
 public:
  virtual ~ParquetCodec() = default;
  /// Action lines (one JSON object each, as in a commit file) of a checkpoint or sidecar Parquet file.
  virtual Result<std::vector<std::string>> read_actions(const objects::Url& file) = 0;
  /// Writes action lines as a checkpoint Parquet file with the protocol's schema, replacing `file` at once. Returns its size in bytes.
  virtual Result<std::uint64_t> write_checkpoint(const std::vector<std::string>& action_lines, const objects::Url& file) = 0;
};
/// One in-process DuckDB, opened at the first use, that only ever sees files of ours. What it works on, which holds values of tables, lies in a
/// folder that only the server's user may enter: `scratch`, which is emptied first of what a killed server left; empty: one of its own among the
/// system's temporary files, removed with the codec.
std::unique_ptr<ParquetCodec> duckdb_parquet_codec(objects::ObjectStore& objects, const std::string& scratch = {});

/// Tables by their root URL. Thread-safe; keeps a small cache of snapshots, always checked against the log's newest version.
/// `objects`, `parquet` and `clock` must outlive it. Checkpoints are written by one thread of its own, joined on destruction.
class DeltaLog {
 public:
  DeltaLog(objects::ObjectStore& objects, ParquetCodec& parquet, const Clock& clock);
  ~DeltaLog();

  /// The newest version, or the given one. Costs two HEAD requests when nothing changed, and one GET for each new commit.
  /// Errors: not_a_table, version_not_found, unsupported_feature (an unknown reader feature, named), corrupt, storage.
  Result<std::shared_ptr<const Snapshot>> snapshot(const objects::Url& root, std::optional<std::int64_t> version = {});
  /// Version 0 with protocol, metadata and, for CTAS, the first files. An empty id gets a new one. Errors: already_exists, invalid_schema,
  /// invalid_request, unsupported_feature, constraint, storage.
  Result<std::int64_t> create(const objects::Url& root, const Metadata& metadata, std::vector<AddFile> files, const std::string& user_name);
  /// The same from a commit with metadata: `protocol`, `domains` and `honours` are taken from it too.
  Result<std::int64_t> create(const objects::Url& root, Commit commit);
  /// Publishes after `read_version`, rebasing over commits that do not conflict, at most 20 times. Errors: conflict (the vendor's
  /// ConcurrentAppend/DeleteRead/… text), unsupported_feature (unknown writer feature, by name), constraint, invalid_request, storage. Writes a
  /// checkpoint every 10 versions (delta.checkpointInterval). Returns the new version; for a `transaction` that the table has
  /// already seen, the version at which it is known, and nothing is written.
  Result<std::int64_t> commit(const objects::Url& root, std::int64_t read_version, Commit commit);
  /// Sets table properties (nullopt unsets). Errors: invalid_request for a property that we do not know or cannot honour.
  Result<std::int64_t> set_properties(const objects::Url& root, const std::map<std::string, std::optional<std::string>>& changes,
                                      const std::string& user_name);
  /// The newest `limit` commits, newest first, as far back as the log still has them.
  Result<std::vector<CommitInfo>> history(const objects::Url& root, std::size_t limit);
  /// What the commits from `first` to `last` did to rows, oldest first. Errors: version_not_found (a commit is gone), invalid_request (the table had
  /// no change data feed then).
  Result<std::vector<RowChanges>> changes(const objects::Url& root, std::int64_t first, std::int64_t last);
  /// Writes a checkpoint of the newest version now.
  Result<void> checkpoint(const objects::Url& root);
  /// Waits until the checkpoints that commits asked for are written.
  void drain();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The schema's JSON as the protocol writes it, and back.
std::string schema_string(const Schema& schema);
Result<Schema> parse_schema(std::string_view json_text);
/// What a table may be created with: names unique whatever their case and without ` ,;{}()\n\t=`, known types, partition columns that exist,
/// are of a primitive type and leave at least one data column. Error: invalid_schema.
/// Column mapping (`mapped`) lifts the rule on characters.
Result<void> check_schema(const Schema& schema, const std::vector<std::string>& partition_columns, bool mapped = false);
/// Whether type widening allows this change of a primitive type.
bool widens(const json::value& from, const json::value& to);
/// A Delta type as Databricks SQL spells it (`bigint`, `array<string>`, `struct<a:int>`), and from SQL type text.
std::string sql_type(const json::value& delta_type);
Result<json::value> delta_type(std::string_view sql_type);
/// The same as DuckDB spells it (`BIGINT`, `VARCHAR[]`, `STRUCT("a" INTEGER)`).
std::string duckdb_type(const json::value& delta_type);

}  // namespace tarn::delta
