// The request write: Parquet data files with their statistics.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "engine/child/profiling.h"
#include "engine/child/questions.h"
#include "engine/child/requests.h"
#include "engine/child/statements.h"
#include "engine/child/type_text.h"

namespace tarn::engine::child {
namespace {

namespace fs = std::filesystem;

/// Why a Delta table cannot hold a column of this type; empty if it can.
std::string cure(duckdb_logical_type type) {
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_BOOLEAN:
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE:
    case DUCKDB_TYPE_DECIMAL:
    case DUCKDB_TYPE_VARCHAR:
    case DUCKDB_TYPE_ENUM:
    case DUCKDB_TYPE_BLOB:
    case DUCKDB_TYPE_DATE:
    case DUCKDB_TYPE_TIMESTAMP:
    case DUCKDB_TYPE_TIMESTAMP_TZ:
      return {};
    case DUCKDB_TYPE_LIST: {
      LogicalType item(duckdb_list_type_child_type(type));
      return cure(item.get());
    }
    case DUCKDB_TYPE_ARRAY: {
      LogicalType item(duckdb_array_type_child_type(type));
      return cure(item.get());
    }
    case DUCKDB_TYPE_MAP: {
      LogicalType key(duckdb_map_type_key_type(type)), value(duckdb_map_type_value_type(type));
      const auto first = cure(key.get());
      return first.empty() ? cure(value.get()) : first;
    }
    case DUCKDB_TYPE_STRUCT:
      for (idx_t i = 0, n = duckdb_struct_type_child_count(type); i < n; ++i) {
        LogicalType item(duckdb_struct_type_child_type(type, i));
        if (auto found = cure(item.get()); !found.empty()) return found;
      }
      return {};
    case DUCKDB_TYPE_UTINYINT:
      return "SMALLINT";
    case DUCKDB_TYPE_USMALLINT:
      return "INTEGER";
    case DUCKDB_TYPE_UINTEGER:
      return "BIGINT";
    case DUCKDB_TYPE_UBIGINT:
      return "DECIMAL(20,0)";
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
      return "DECIMAL(38,0)";
    case DUCKDB_TYPE_TIMESTAMP_S:
    case DUCKDB_TYPE_TIMESTAMP_MS:
    case DUCKDB_TYPE_TIMESTAMP_NS:
      return "TIMESTAMP";
    default:
      return "VARCHAR";
  }
}

/// A leaf's type by its path; empty when the path leads through a list or map.
std::string leaf_type(duckdb_logical_type type, const std::vector<std::string>& path, std::size_t at) {
  if (at == path.size()) return duckdb_get_type_id(type) == DUCKDB_TYPE_STRUCT ? std::string() : type_text(type);
  if (duckdb_get_type_id(type) != DUCKDB_TYPE_STRUCT) return {};
  for (idx_t i = 0, n = duckdb_struct_type_child_count(type); i < n; ++i)
    if (taken(duckdb_struct_type_child_name(type, i)) == path[at]) {
      LogicalType item(duckdb_struct_type_child_type(type, i));
      return leaf_type(item.get(), path, at + 1);
    }
  return {};
}

/// "a"."b""c" into its parts.
std::vector<std::string> path_parts(const std::string& quoted) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < quoted.size();) {
    std::string part;
    if (quoted[i] == '"') {
      for (++i; i < quoted.size(); ++i) {
        if (quoted[i] != '"') {
          part += quoted[i];
        } else if (i + 1 < quoted.size() && quoted[i + 1] == '"') {
          part += '"', ++i;
        } else {
          ++i;
          break;
        }
      }
    } else {
      while (i < quoted.size() && quoted[i] != '.') part += quoted[i++];
    }
    out.push_back(std::move(part));
    if (i < quoted.size() && quoted[i] == '.') ++i;
  }
  return out;
}

bool valid_at(duckdb_vector vector, std::uint64_t row) {
  auto* validity = duckdb_vector_get_validity(vector);
  return !validity || duckdb_validity_row_is_valid(validity, row);
}

std::string text_at(duckdb_vector vector, std::uint64_t row) {
  auto* s = static_cast<duckdb_string_t*>(duckdb_vector_get_data(vector)) + row;
  return {duckdb_string_t_data(s), duckdb_string_t_length(*s)};
}

template <class F>
void each_entry(duckdb_vector map, std::uint64_t row, F f) {
  if (!valid_at(map, row)) return;
  const auto entry = static_cast<duckdb_list_entry*>(duckdb_vector_get_data(map))[row];
  const auto entries = duckdb_list_vector_get_child(map);
  const auto keys = duckdb_struct_vector_get_child(entries, 0), values = duckdb_struct_vector_get_child(entries, 1);
  for (auto i = entry.offset; i < entry.offset + entry.length; ++i) f(text_at(keys, i), values, i);
}

void sync_path(const fs::path& path, bool directory) {
  const int fd = ::open(path.c_str(), (directory ? O_RDONLY | O_DIRECTORY : O_RDONLY) | O_CLOEXEC);
  const bool bad = fd < 0 || ::fsync(fd) != 0;
  const int why = errno;
  if (fd >= 0) ::close(fd);
  if (bad) throw std::system_error(why, std::generic_category(), "fsync " + path.string());
}

/// The scratch folder, removed with what it still holds.
class Scratch {
 public:
  explicit Scratch(fs::path at) : at_(std::move(at)) {}
  Scratch(const Scratch&) = delete;
  ~Scratch() { clear(); }
  void clear() {
    std::error_code ignored;
    fs::remove_all(at_, ignored);
  }
  const fs::path& path() const { return at_; }

 private:
  fs::path at_;
};

bool within(const std::vector<std::string>& directories, const fs::path& path) {
  if (!path.is_absolute() || path != path.lexically_normal()) return false;
  const auto text = path.string() + '/';
  for (auto directory : directories) {
    if (!directory.ends_with('/')) directory += '/';
    if (text.starts_with(directory)) return true;
  }
  return false;
}

std::string copy_statement(const WriteRequest& r, const fs::path& scratch) {
  constexpr std::int64_t group = 122'880;  // DuckDB's own row group
  const auto group_rows = std::clamp<std::int64_t>(r.most_rows_per_file, 2048, group);
  std::string sql = "COPY (" + r.query + "\n) TO " + literal(scratch.string());
  sql += fmt::format(" (FORMAT parquet, RETURN_STATS, COMPRESSION {}, ROW_GROUP_SIZE {}", r.compression, group_rows);
  if (!r.field_ids.empty()) sql += ", FIELD_IDS " + r.field_ids;
  if (r.partition_by.empty()) {
    sql += fmt::format(", ROW_GROUPS_PER_FILE {})", std::max<std::int64_t>(1, r.most_rows_per_file / group_rows));
  } else {
    sql += ", PARTITION_BY (";
    for (std::size_t i = 0; i < r.partition_by.size(); ++i) sql += (i ? ", " : "") + identifier(r.partition_by[i]);
    sql += "))";
  }
  return sql;
}

struct Leaf {
  std::string name;
  LogicalType type;
};

WrittenFile read_row(duckdb_data_chunk chunk, std::uint64_t row, const std::vector<Leaf>& columns) {
  WrittenFile file;
  file.path = text_at(duckdb_data_chunk_get_vector(chunk, 0), row);
  file.rows = static_cast<std::int64_t>(static_cast<std::uint64_t*>(duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 1)))[row]);
  file.bytes = static_cast<std::uint64_t*>(duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 2)))[row];
  each_entry(duckdb_data_chunk_get_vector(chunk, 4), row, [&](const std::string& name, duckdb_vector values, std::uint64_t at) {
    ColumnStatistics s;
    s.path = path_parts(name);
    for (const auto& c : columns)
      if (!s.path.empty() && c.name == s.path[0]) s.type = leaf_type(c.type.get(), s.path, 1);
    if (s.type.empty()) return;
    each_entry(values, at, [&](const std::string& key, duckdb_vector texts, std::uint64_t i) {
      if (!valid_at(texts, i)) return;
      const auto value = text_at(texts, i);
      if (key == "min") s.min = value;
      if (key == "max") s.max = value;
      if (key == "null_count") s.null_count = std::stoll(value);
      if (key == "has_nan") s.has_nan = value == "true";
    });
    file.columns.push_back(std::move(s));
  });
  each_entry(duckdb_data_chunk_get_vector(chunk, 5), row, [&](const std::string& name, duckdb_vector values, std::uint64_t at) {
    file.partition_values[name] = valid_at(values, at) ? std::optional(text_at(values, at)) : std::nullopt;
  });
  return file;
}

}  // namespace

void write(Instance& instance, Task& task, FrameWriter& out) {
  WriteOrder order;
  if (!decode(task.payload, order)) throw Refused{{Errc::unavailable, "malformed request"}};
  task.payload = {};
  const auto& request = order.request;
  const Asking asking(task, out, request.query);
  const fs::path directory(request.directory);
  if (!within(instance.scope().writable, directory))
    throw Refused{{Errc::sql, "Permission Error: '" + request.directory + "' is not below a writable folder of the scope"}};
  if (request.compression != "snappy" && request.compression != "zstd" && request.compression != "uncompressed")
    throw Refused{{Errc::sql, "Invalid Input Error: compression '" + request.compression + "' must be snappy, zstd or uncompressed"}};

  Borrowed connection(instance);
  Attached attached(task, connection.get());
  // The query alone first: it must be one SELECT, so that it cannot end the parenthesis that it is put in.
  std::vector<Leaf> columns;
  {
    Extracted extracted;
    if (duckdb_extract_statements(connection.get(), request.query.c_str(), extracted.out()) > 1)
      throw Refused{{Errc::sql, "Parser Error: a query to be written must be a single SELECT"}};
    const auto query = prepare_last(task, connection.get(), request.query);
    if (duckdb_prepared_statement_type(query.get()) != DUCKDB_STATEMENT_TYPE_SELECT)
      throw Refused{{Errc::sql, "Parser Error: a query to be written must be a single SELECT"}};
    for (idx_t i = 0, n = duckdb_prepared_statement_column_count(query.get()); i < n; ++i) {
      Leaf c{taken(const_cast<char*>(duckdb_prepared_statement_column_name(query.get(), i))),
             LogicalType(duckdb_prepared_statement_column_logical_type(query.get(), i))};
      if (const auto to = cure(c.type.get()); !to.empty())
        throw Refused{{Errc::sql, fmt::format("Binder Error: column '{}' has type {}, which a Delta table cannot hold: cast it to {}", c.name,
                                              type_text(c.type.get()), to)}};
      columns.push_back(std::move(c));
    }
  }

  Scratch scratch(directory / (".tarn-" + order.token));
  std::error_code failure;
  if (!fs::create_directories(scratch.path(), failure) && failure)
    throw Refused{{Errc::sql, "IO Error: " + scratch.path().string() + ": " + failure.message()}};
  Prepared statement;
  const auto sql = copy_statement(request, scratch.path());
  if (duckdb_prepare(connection.get(), sql.c_str(), statement.out()) != DuckDBSuccess)
    throw Refused{classify(task, duckdb_prepare_error(statement.get()))};
  Profiling profiling(connection, request.profile);
  ResultSet result;
  start(task, statement.get(), result, [&] { profiling.planned(); });
  std::vector<WrittenFile> files;
  for (auto chunk = fetch(task, result); chunk; chunk = fetch(task, result))
    for (idx_t row = 0, n = duckdb_data_chunk_get_size(chunk.get()); row < n; ++row) {
      auto file = read_row(chunk.get(), row, columns);
      if (file.rows > 0) files.push_back(std::move(file));
    }
  if (task.cancelled()) throw Refused{classify(task, {})};

  // Durable under their final names, or not there at all.
  std::vector<fs::path> placed;
  try {
    for (std::size_t i = 0; i < files.size(); ++i) {
      const fs::path from = files[i].path;
      sync_path(from, false);
      const auto extension = request.compression == "uncompressed" ? std::string() : "." + request.compression;
      const auto mark = request.mark.empty() ? std::string() : "." + request.mark;
      const auto folder = from.parent_path().lexically_relative(scratch.path());
      const auto name = (folder == "." ? fs::path() : folder) / fmt::format("part-{:05}-{}-c000{}{}.parquet", i, order.token, mark, extension);
      const auto to = directory / name;
      fs::create_directories(to.parent_path());
      fs::rename(from, to);
      placed.push_back(to);
      sync_path(to.parent_path(), true);
      files[i].path = name.string();
    }
    if (!placed.empty()) sync_path(directory, true);
  } catch (const std::exception& e) {
    for (const auto& path : placed) {
      std::error_code ignored;
      fs::remove(path, ignored);
    }
    throw Refused{{Errc::sql, std::string("IO Error: ") + e.what()}};
  }
  scratch.clear();
  out.send(FrameType::written, task.id, encode(files));
  Summary summary;
  summary.profile = profiling.taken();
  out.send(FrameType::done, task.id, encode(summary));
}

}  // namespace tarn::engine::child
