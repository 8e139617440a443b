#pragma once
// Delta Lake tables as their transaction log (protocol: delta-io/delta PROTOCOL.md). Owns: reading snapshots, building commits, put-if-absent
// publication, conflict rules ("Conflict resolution" as OSS Delta's ConflictChecker does it), bounded retries, checkpoints.
// Data files are written by the engine; this room only names them. Any foreign reader sees a valid table at every moment.
#include <functional>
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

enum class Errc { not_a_table, already_exists, unsupported_feature, conflict, corrupt, invalid_schema, invalid_request, version_not_found, storage };
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

/// One column; `type` is the protocol's schema serialisation (a string such as "long", "decimal(10,2)", or an object for nested types).
struct Field {
  std::string name;
  json::value type;
  bool nullable = true;
  json::object metadata;  // comment, delta.columnMapping.*, …
};

struct Schema {
  std::vector<Field> fields;
};

struct Protocol {
  int min_reader = 1, min_writer = 2;
  std::vector<std::string> reader_features, writer_features;
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
};

struct RemoveFile {
  std::string path;
  Millis deletion_timestamp = 0;
  bool data_change = true;
  json::value extra;
};

/// An immutable view of one version.
struct Snapshot {
  std::int64_t version = -1;
  Millis timestamp = 0;
  Protocol protocol;
  Metadata metadata;
  std::vector<AddFile> files;
  std::map<std::string, std::int64_t> transactions;  // appId -> last version
  bool has_deletion_vectors() const;
  bool has_column_mapping() const;
};

enum class Operation { create_table, write_append, write_overwrite, delete_, update, merge, set_properties, optimize };

/// What a writer read and wants to do, against the snapshot it read.
struct Commit {
  Operation operation = Operation::write_append;
  std::map<std::string, std::string> operation_parameters;
  std::vector<AddFile> add;
  std::vector<RemoveFile> remove;
  std::optional<Metadata> metadata;
  std::optional<Protocol> protocol;
  bool blind_append = true;    // read nothing of the table: only metadata and protocol changes conflict
  bool read_whole_table = false;
  std::optional<std::pair<std::string, std::int64_t>> transaction;  // idempotent writer
  std::string user_name;       // for DESCRIBE HISTORY
};

struct CommitInfo {
  std::int64_t version = 0;
  Millis timestamp = 0;
  std::string operation, user_name;
  json::object operation_parameters, operation_metrics;
};

/// Reads and writes Parquet for checkpoints; implemented over DuckDB.
class ParquetCodec {
 public:
  virtual ~ParquetCodec() = default;
  /// Action lines (one JSON object each, as in a commit file) of a checkpoint or sidecar Parquet file.
  virtual Result<std::vector<std::string>> read_actions(const objects::Url& file) = 0;
  /// Writes action lines as a checkpoint Parquet file with the protocol's schema.
  virtual Result<std::uint64_t> write_checkpoint(const std::vector<std::string>& action_lines, const objects::Url& file) = 0;
};
std::unique_ptr<ParquetCodec> duckdb_parquet_codec(objects::ObjectStore& objects);

/// Tables by their root URL. Thread-safe; keeps a small cache of snapshots, always checked against the log's newest version.
class DeltaLog {
 public:
  DeltaLog(objects::ObjectStore& objects, ParquetCodec& parquet, const Clock& clock);
  ~DeltaLog();

  /// The newest version, or the given one. Errors: not_a_table, version_not_found, unsupported_feature (an unknown reader feature, named), corrupt.
  Result<std::shared_ptr<const Snapshot>> snapshot(const objects::Url& root, std::optional<std::int64_t> version = {});
  /// Version 0 with protocol, metadata and, for CTAS, the first files. Errors: already_exists, invalid_schema.
  Result<std::int64_t> create(const objects::Url& root, const Metadata& metadata, std::vector<AddFile> files, const std::string& user_name);
  /// Publishes after `read_version`, rebasing over commits that do not conflict, at most 20 times. Errors: conflict (the vendor's
  /// ConcurrentAppend/DeleteRead/… text), unsupported_feature (unknown writer feature, by name), storage. Writes a checkpoint every 10 versions
  /// (delta.checkpointInterval). Returns the new version.
  Result<std::int64_t> commit(const objects::Url& root, std::int64_t read_version, Commit commit);
  Result<std::vector<CommitInfo>> history(const objects::Url& root, std::size_t limit);
  Result<void> checkpoint(const objects::Url& root);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The schema's JSON as the protocol writes it, and back.
std::string schema_string(const Schema& schema);
Result<Schema> parse_schema(std::string_view json_text);
/// A Delta type as Databricks SQL spells it (`bigint`, `array<string>`, `struct<a:int>`), and from SQL type text.
std::string sql_type(const json::value& delta_type);
Result<json::value> delta_type(std::string_view sql_type);

}  // namespace tarn::delta
