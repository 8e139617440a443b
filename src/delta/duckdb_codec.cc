// Parquet for checkpoints through an in-process DuckDB. It only runs the statements below, on files that we name, with no extension
// beyond those compiled in and a bounded memory.
#include <duckdb.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>

#include "base/ids.h"
#include "delta/data_files.h"
#include "delta/log_files.h"

namespace tarn::delta {
namespace {

Error storage(std::string message) { return {Errc::storage, std::move(message)}; }

/// A folder that nobody else may enter.
class ScratchFolder {
 public:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {
    namespace fs = std::filesystem;
    if (!path_.empty()) {
      fs::remove_all(path_);
      fs::create_directories(path_);
      fs::permissions(path_, fs::perms::owner_all);
      return;
    }
    path_ = (fs::temp_directory_path() / "tarn-checkpoints-XXXXXX").string();
    if (!::mkdtemp(path_.data())) throw std::system_error(errno, std::generic_category(), "no temporary folder for checkpoints");
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// A file there, removed with the object.
class TemporaryFile {
 public:
  TemporaryFile(const ScratchFolder& folder, std::string_view suffix) : path_(folder.path() + "/" + new_uuid() + std::string(suffix)) {}
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }
  bool write(const std::function<void(std::ofstream&)>& fill) const {
    std::ofstream out(path_, std::ios::binary);
    fill(out);
    return static_cast<bool>(out.flush());
  }

 private:
  std::string path_;
};

class Connection {
 public:
  explicit Connection(duckdb_database db) { ok_ = duckdb_connect(db, &handle_) == DuckDBSuccess; }
  ~Connection() {
    if (ok_) duckdb_disconnect(&handle_);
  }
  Connection(const Connection&) = delete;

  /// The first `columns` columns of the result, all of them VARCHAR; the engine's text on failure.
  Expected<std::vector<std::vector<std::string>>, std::string> query(const std::string& sql, std::size_t columns) {
    if (!ok_) return fail(std::string("DuckDB gave no connection"));
    std::vector<std::vector<std::string>> out(columns);
    duckdb_result result;
    if (duckdb_query(handle_, sql.c_str(), &result) != DuckDBSuccess) {
      const char* text = duckdb_result_error(&result);
      std::string message = text ? text : "unknown error";
      duckdb_destroy_result(&result);
      return fail(std::move(message));
    }
    while (duckdb_data_chunk chunk = duckdb_fetch_chunk(result)) {
      const idx_t rows = duckdb_data_chunk_get_size(chunk);
      for (std::size_t c = 0; c < columns; ++c) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, c);
        auto* data = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector));
        std::uint64_t* validity = duckdb_vector_get_validity(vector);
        for (idx_t r = 0; r < rows; ++r) {
          if (validity && !duckdb_validity_row_is_valid(validity, r))
            out[c].emplace_back();
          else
            out[c].emplace_back(duckdb_string_t_data(&data[r]), duckdb_string_t_length(data[r]));
        }
      }
      duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&result);
    return out;
  }

 private:
  duckdb_connection handle_ = nullptr;
  bool ok_ = false;
};

constexpr std::string_view kVector =
    R"(STRUCT("storageType" VARCHAR, "pathOrInlineDv" VARCHAR, "offset" INTEGER, "sizeInBytes" INTEGER, "cardinality" BIGINT, "maxRowIndex" BIGINT))";
/// "Checkpoint Schema", in Spark's order.
const std::vector<std::pair<std::string, std::string>>& checkpoint_columns() {
  static const std::vector<std::pair<std::string, std::string>> columns{
      {"txn", R"(STRUCT("appId" VARCHAR, "version" BIGINT, "lastUpdated" BIGINT))"},
      {"add",
       fmt::format(
           R"(STRUCT("path" VARCHAR, "partitionValues" MAP(VARCHAR, VARCHAR), "size" BIGINT, "modificationTime" BIGINT, "dataChange" BOOLEAN, "stats" VARCHAR, "tags" MAP(VARCHAR, VARCHAR), )"
           R"("deletionVector" {}, "baseRowId" BIGINT, "defaultRowCommitVersion" BIGINT, "clusteringProvider" VARCHAR))",
           kVector)},
      {"remove",
       fmt::format(
           R"(STRUCT("path" VARCHAR, "deletionTimestamp" BIGINT, "dataChange" BOOLEAN, "extendedFileMetadata" BOOLEAN, "partitionValues" MAP(VARCHAR, VARCHAR), "size" BIGINT, )"
           R"("deletionVector" {}, "baseRowId" BIGINT, "defaultRowCommitVersion" BIGINT))",
           kVector)},
      {"metaData",
       R"(STRUCT("id" VARCHAR, "name" VARCHAR, "description" VARCHAR, "format" STRUCT("provider" VARCHAR, "options" MAP(VARCHAR, VARCHAR)), "schemaString" VARCHAR, )"
       R"("partitionColumns" VARCHAR[], "configuration" MAP(VARCHAR, VARCHAR), "createdTime" BIGINT))"},
      {"protocol", R"(STRUCT("minReaderVersion" INTEGER, "minWriterVersion" INTEGER, "readerFeatures" VARCHAR[], "writerFeatures" VARCHAR[]))"},
      {"domainMetadata", R"(STRUCT("domain" VARCHAR, "configuration" VARCHAR, "removed" BOOLEAN))"},
  };
  return columns;
}

class DuckdbCodec final : public ParquetCodec {
 public:
  DuckdbCodec(objects::ObjectStore& objects, const std::string& scratch) : objects_(objects), scratch_(scratch) {}
  ~DuckdbCodec() override {
    if (database_) duckdb_close(&database_);
  }

  Result<std::vector<std::string>> read_actions(const objects::Url& file) override {
    TARN_CHECK(open());
    auto local = objects_.local_path(file);
    TemporaryFile copy(scratch_, ".parquet");
    // DuckDB takes *, ? and [ in a name for a pattern.
    if (!local || local->find_first_of("*?[{") != std::string::npos) {
      auto content = objects_.get(file);
      if (!content) return fail(storage_error(content.error()));
      if (!copy.write([&](std::ofstream& out) { out << *content; })) return fail(storage("Could not write " + copy.path()));
      local = copy.path();
    }
    Connection connection(database_);
    const std::string table = "read_parquet([" + sql_string(*local) + "], hive_partitioning = false)";
    TARN_TRY(columns, action_columns(connection, *local, file));
    std::string cases;
    for (const auto& [name, fields] : columns) {
      static constexpr std::string_view known[] = {"txn", "add", "remove", "metaData", "protocol", "domainMetadata", "sidecar", "checkpointMetadata"};
      if (std::find(std::begin(known), std::end(known), name) == std::end(known)) continue;
      const bool has_stats = std::find(fields.begin(), fields.end(), "stats") != fields.end();
      std::string body;
      for (const auto& field : fields) {
        if (field == "partitionValues_parsed" || (field == "stats_parsed" && has_stats)) continue;
        const std::string column = sql_identifier(name) + "." + sql_identifier(field);
        body += body.empty() ? "" : ", ";
        if (field == "stats_parsed")
          body += "\"stats\" := CAST(to_json(" + column + ") AS VARCHAR)";  // delta.checkpoint.writeStatsAsJson = false
        else
          body += sql_identifier(field) + " := " + column;
      }
      if (body.empty()) return fail(unreadable(file, "column " + name + " is not a struct"));
      cases += " WHEN " + sql_identifier(name) + " IS NOT NULL THEN CAST(to_json(struct_pack(" + sql_identifier(name) + " := struct_pack(" + body +
               "))) AS VARCHAR)";
    }
    if (cases.empty()) return fail(unreadable(file, "it has no column of a checkpoint"));
    auto lines = connection.query("SELECT line FROM (SELECT CASE" + cases + " END AS line FROM " + table + ") WHERE line IS NOT NULL", 1);
    if (!lines) return fail(unreadable(file, lines.error()));
    return std::move((*lines)[0]);
  }

  Result<std::uint64_t> write_checkpoint(const std::vector<std::string>& lines, const objects::Url& file) override {
    TARN_CHECK(open());
    TemporaryFile rows(scratch_, ".ndjson"), parquet(scratch_, ".parquet");
    std::size_t longest = 0;
    const bool written = rows.write([&](std::ofstream& out) {
      for (const auto& line : lines) {
        longest = std::max(longest, line.size());
        out << line << '\n';
      }
    });
    if (!written) return fail(storage("Could not write " + rows.path()));
    std::string columns;
    for (const auto& [name, type] : checkpoint_columns()) columns += (columns.empty() ? "" : ", ") + sql_string(name) + ": " + sql_string(type);
    Connection connection(database_);
    auto done =
        connection.query(fmt::format("COPY (SELECT * FROM read_json({}, format = 'newline_delimited', maximum_object_size = {}, columns = {{{}}})) "
                                     "TO {} (FORMAT parquet, COMPRESSION snappy)",
                                     sql_string(rows.path()), std::max<std::size_t>(longest + 1024, 16u << 20), columns, sql_string(parquet.path())),
                         0);
    if (!done) return fail(storage("DuckDB could not write the checkpoint " + file.text() + ": " + done.error()));
    std::ifstream in(parquet.path(), std::ios::binary);
    std::string content((std::istreambuf_iterator<char>(in)), {});
    if (content.size() < 12) return fail(storage("Could not read back " + parquet.path()));
    auto stored = objects_.put(file, content);
    if (!stored) return fail(storage_error(stored.error()));
    return content.size();
  }

 private:
  /// The file's top-level columns with their fields, from its schema listed depth first.
  static Result<std::vector<std::pair<std::string, std::vector<std::string>>>> action_columns(Connection& connection, const std::string& local,
                                                                                              const objects::Url& file) {
    auto schema = connection.query("SELECT name, CAST(coalesce(num_children, 0) AS VARCHAR) FROM parquet_schema(" + sql_string(local) + ")", 2);
    if (!schema) return fail(unreadable(file, schema.error()));
    std::vector<std::pair<std::string, std::vector<std::string>>> out;
    std::vector<int> open;  // children still to come, by depth
    for (std::size_t i = 0; i < (*schema)[0].size(); ++i) {
      while (!open.empty() && open.back() == 0) open.pop_back();
      if (!open.empty()) --open.back();
      if (open.size() == 1) out.push_back({(*schema)[0][i], {}});
      if (open.size() == 2) out.back().second.push_back((*schema)[0][i]);
      open.push_back(std::atoi((*schema)[1][i].c_str()));
    }
    return out;
  }

  static Error unreadable(const objects::Url& file, std::string_view why) {
    return corrupt(fmt::format("cannot be read: {} ({})", why.substr(0, why.find('\n')), file.text()));
  }

  Result<void> open() {
    std::lock_guard lock(mutex_);
    if (database_) return {};
    duckdb_config config = nullptr;
    if (duckdb_create_config(&config) != DuckDBSuccess) return fail(storage("DuckDB gave no configuration"));
    for (const auto& [name, setting] :
         {std::pair("threads", "2"), std::pair("memory_limit", "1GB"), std::pair("autoinstall_known_extensions", "false"),
          std::pair("autoload_known_extensions", "false"), std::pair("preserve_insertion_order", "true")})
      duckdb_set_config(config, name, setting);
    char* error = nullptr;
    const bool opened = duckdb_open_ext(":memory:", &database_, config, &error) == DuckDBSuccess;
    duckdb_destroy_config(&config);
    if (opened) return {};
    database_ = nullptr;
    std::string message = error ? error : "unknown error";
    duckdb_free(error);
    return fail(storage("DuckDB does not open: " + message));
  }

  objects::ObjectStore& objects_;
  ScratchFolder scratch_;
  std::mutex mutex_;  // guards opening only
  duckdb_database database_ = nullptr;
};

}  // namespace

std::unique_ptr<ParquetCodec> duckdb_parquet_codec(objects::ObjectStore& objects, const std::string& scratch) {
  return std::make_unique<DuckdbCodec>(objects, scratch);
}

}  // namespace tarn::delta
