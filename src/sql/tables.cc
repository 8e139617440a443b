#include "sql/tables.h"

#include <filesystem>
#include <iterator>

#include "base/ids.h"
#include "delta/paths.h"
#include "delta/stats.h"

namespace tarn::sql {
namespace {

Result<objects::Url> url_of(const std::string& location) {
  auto url = objects::Url::parse(location);
  if (!url) return refuse(Errc::invalid, "'" + location + "' is no storage location: " + url.error().message);
  while (!url->key.empty() && url->key.back() == '/') url->key.pop_back();
  return *std::move(url);
}

}  // namespace

Error from_delta(const delta::Error& e) {
  switch (e.code) {
    case delta::Errc::not_a_table:
    case delta::Errc::version_not_found:
      return {Errc::not_found, e.message};
    case delta::Errc::already_exists:
      return {Errc::already_exists, e.message};
    case delta::Errc::unsupported_feature:
      return {Errc::unsupported, "[DELTA_UNSUPPORTED_FEATURES] " + e.message};
    case delta::Errc::conflict:
      return {Errc::conflict, e.message};
    case delta::Errc::corrupt:
      return {Errc::engine, e.message};
    case delta::Errc::invalid_schema:
    case delta::Errc::invalid_request:
    case delta::Errc::constraint:
      return {Errc::invalid, e.message};
    case delta::Errc::storage:
      return {Errc::unavailable, e.message};
  }
  throw std::logic_error("a delta error code without a meaning");
}

Result<delta::Schema> schema_of(const std::vector<ColumnClause>& columns) {
  delta::Schema out;
  for (const auto& c : columns) {
    auto type = delta::delta_type(c.type);
    if (!type)
      return refuse(Errc::invalid,
                    fmt::format("[UNSUPPORTED_DATATYPE] Unsupported data type \"{}\" of column `{}`. SQLSTATE: 0A000", c.type, c.name));
    delta::Field f;
    f.name = c.name;
    f.type = *std::move(type);
    f.nullable = c.nullable;
    if (c.comment) f.metadata["comment"] = *c.comment;
    out.fields.push_back(std::move(f));
  }
  return out;
}

Result<std::shared_ptr<const OpenTable>> Tables::open(const std::string& location, std::optional<std::int64_t> version) {
  TARN_TRY(root, url_of(location));
  auto snapshot = log_.snapshot(root, version);
  if (!snapshot) return fail(from_delta(snapshot.error()));
  const std::string key = location + '\x1f' + std::to_string((*snapshot)->version);
  // A table that was dropped and made anew at the same place and version is another snapshot.
  if (auto hit = relations_.get(key); hit && hit->snapshot->metadata.id == (*snapshot)->metadata.id) return hit;
  auto files = delta::data_files(**snapshot, root, objects_);
  if (!files) return fail(from_delta(files.error()));
  auto relation = delta::relation_sql(*files);
  if (!relation) return fail(from_delta(relation.error()));
  auto directory = objects_.local_path(root);
  if (!directory) return refuse(Errc::unavailable, "'" + location + "' is not reached by this server's engine");
  const bool remote = objects_.is_remote(root.bucket);
  if (remote) {
    // A process is bound to folders that exist, though this one may hold no copy yet.
    std::error_code ec;
    std::filesystem::create_directories(*directory, ec);
    if (ec) return refuse(Errc::unavailable, "The folder for copies of '" + location + "' cannot be made: " + ec.message());
  }
  auto out = std::make_shared<OpenTable>();
  for (const auto& f : (*snapshot)->metadata.schema.fields) out->columns.push_back({f.name, delta::sql_type(f.type)});
  out->snapshot = *std::move(snapshot);
  out->files = *std::move(files);
  out->relation = *std::move(relation);
  out->directory = *std::move(directory);
  out->root = root;
  out->remote = remote;
  std::shared_ptr<const OpenTable> shared = out;
  relations_.put(key, shared, 512 + out->relation.size() * 2);
  return shared;
}

Result<std::shared_ptr<const void>> Tables::hold(const OpenTable& table) {
  if (!table.remote) return std::shared_ptr<const void>();
  std::vector<objects::ObjectStore::Wanted> wanted;
  if (table.files.plain()) {
    for (const auto& f : table.files.files) wanted.push_back({delta::data_url(table.root, f.path), f.size, ""});
  } else {
    // The delta reader opens the log, checkpoints and deletion vectors by itself.
    std::string after;
    for (bool more = true; more;) {
      auto page = objects_.list(table.root.bucket, table.root.key + "/", after, 1000);
      if (!page) return refuse(Errc::unavailable, page.error().message);
      for (const auto& o : page->objects) wanted.push_back({{table.root.bucket, o.key}, o.size, o.etag});
      more = page->truncated;
      after = page->next;
    }
  }
  auto held = objects_.hold(wanted);
  if (!held) return refuse(Errc::unavailable, "A file of the table at '" + table.root.text() + "' cannot be read: " + held.error().message);
  return *std::move(held);
}

bool Tables::exists(const std::string& location) {
  auto root = url_of(location);
  return root && log_.snapshot(*root).has_value();
}

void Tables::discard(const objects::Url& root, const std::vector<delta::AddFile>& files) {
  // What cannot be removed now is no part of any version.
  for (const auto& f : files) (void)objects_.remove(delta::data_url(root, f.path));
}

Result<std::vector<delta::AddFile>> Tables::write_files(const objects::Url& root, const std::string& directory, const delta::Metadata& metadata,
                                                        const std::string& query, const std::vector<std::string>& sources, std::int64_t& rows,
                                                        engine::CancelToken* cancel) {
  std::error_code ec;
  std::filesystem::create_directories(directory, ec);
  if (ec) return refuse(Errc::unavailable, "The table's folder cannot be made: " + ec.message());
  engine::Scope scope{.directories = sources, .writable = {directory}};
  std::erase(scope.directories, directory);
  engine::WriteRequest request;
  request.query = query;
  request.directory = directory;
  request.partition_by = metadata.partition_columns;
  TARN_TRY(written, engine_.write(scope, request, cancel));
  std::vector<delta::AddFile> out;
  rows = 0;
  for (const auto& w : written) {
    delta::AddFile add;
    add.path = w.path;
    add.partition_values = w.partition_values;
    add.size = w.bytes;
    add.modification_time = SystemClock().now();
    std::vector<delta::ColumnStats> stats;
    for (const auto& c : w.columns) stats.push_back({.path = c.path, .min = c.min, .max = c.max, .null_count = c.null_count, .has_nan = c.has_nan});
    add.stats = delta::stats_json(metadata, w.rows, stats);
    rows += w.rows;
    out.push_back(std::move(add));
  }
  for (const auto& f : out)
    if (auto sent = objects_.publish_file(delta::data_url(root, f.path)); !sent) {
      discard(root, out);
      return refuse(Errc::unavailable, "A data file of the table at '" + root.text() + "' cannot be written: " + sent.error().message);
    }
  return out;
}

Result<Written> Tables::create(const std::string& location, const delta::Metadata& metadata, const std::string& query,
                               const std::vector<std::string>& sources, bool replace, const std::string& user, engine::CancelToken* cancel) {
  TARN_TRY(root, url_of(location));
  if (auto ok = delta::check_schema(metadata.schema, metadata.partition_columns); !ok) return fail(from_delta(ok.error()));
  const auto directory = objects_.local_path(root);
  if (!directory) return refuse(Errc::unavailable, "'" + location + "' is not reached by this server's engine");
  auto before = log_.snapshot(root);
  if (!before && before.error().code != delta::Errc::not_a_table) return fail(from_delta(before.error()));
  if (before && !replace) return refuse(Errc::already_exists, "[DELTA_TABLE_ALREADY_EXISTS] There is a Delta table at '" + location + "' already");
  Written out;
  std::vector<delta::AddFile> files;
  if (!query.empty()) {
    TARN_TRY(written, write_files(root, *directory, metadata, query, sources, out.rows, cancel));
    files = std::move(written);
  }
  delta::Result<std::int64_t> version;
  if (!before) {
    version = log_.create(root, metadata, files, user);
  } else {
    delta::Commit commit;
    commit.operation = delta::Operation::write_overwrite;
    commit.operation_parameters = {{"mode", "Overwrite"}};
    commit.add = files;
    for (const auto& f : (*before)->files) {
      delta::RemoveFile gone;
      gone.path = f.path;
      gone.deletion_timestamp = SystemClock().now();
      commit.remove.push_back(std::move(gone));
    }
    commit.metadata = metadata;
    commit.metadata->id = (*before)->metadata.id;
    commit.metadata->created_at = (*before)->metadata.created_at;
    commit.blind_append = false;
    commit.read_whole_table = true;
    commit.user_name = user;
    version = log_.commit(root, (*before)->version, std::move(commit));
  }
  if (!version) {
    discard(root, files);
    return fail(from_delta(version.error()));
  }
  out.version = *version;
  return out;
}

Result<Written> Tables::insert(const OpenTable& table, const std::string& query, const std::vector<std::string>& sources, bool overwrite,
                               std::optional<std::pair<std::string, std::int64_t>> transaction, const std::string& user,
                               engine::CancelToken* cancel) {
  Written out;
  TARN_TRY(files, write_files(table.root, table.directory, table.snapshot->metadata, query, sources, out.rows, cancel));
  delta::Commit commit;
  commit.operation = overwrite ? delta::Operation::write_overwrite : delta::Operation::write_append;
  commit.operation_parameters = {{"mode", overwrite ? "Overwrite" : "Append"}};
  commit.add = files;
  if (overwrite) {
    for (const auto& f : table.snapshot->files) {
      delta::RemoveFile gone;
      gone.path = f.path;
      gone.deletion_timestamp = SystemClock().now();
      commit.remove.push_back(std::move(gone));
    }
    commit.read_whole_table = true;
  }
  commit.blind_append = !overwrite;
  commit.transaction = std::move(transaction);
  commit.user_name = user;
  auto version = log_.commit(table.root, table.snapshot->version, std::move(commit));
  if (!version) {
    discard(table.root, files);
    return fail(from_delta(version.error()));
  }
  out.version = *version;
  return out;
}

Result<Written> Tables::rewrite(const OpenTable& table, const std::string& predicate, const std::string& alias,
                                const std::vector<std::pair<std::string, std::string>>& assignments, const std::vector<std::string>& sources,
                                const std::string& user, engine::CancelToken* cancel) {
  if (!table.files.plain())
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] Changing rows of a table with " + table.files.needs_delta_scan +
                                         " is not supported by this warehouse. SQLSTATE: 0A000");
  const std::string file_column = "tarn_file_" + new_hex(4);
  auto with_file = delta::relation_sql(table.files, {.file_column = file_column});
  if (!with_file) return fail(from_delta(with_file.error()));
  const auto name = delta::sql_identifier(alias);
  TARN_TRY(held, hold(table));
  (void)held;
  engine::Scope scope{.directories = sources};
  scope.directories.push_back(table.directory);
  std::ranges::sort(scope.directories);
  scope.directories.erase(std::unique(scope.directories.begin(), scope.directories.end()), scope.directories.end());
  std::map<std::string, std::int64_t> hits;
  engine::Request request;
  request.sql =
      fmt::format("SELECT {0}.{1}, count(*) FROM {2} AS {0} WHERE {3} GROUP BY 1", name, delta::sql_identifier(file_column), *with_file, predicate);
  engine::Sink sink{.schema = [](const std::vector<engine::Column>&) {},
                    .chunk =
                        [&](std::string chunk, std::int64_t) {
                          auto v = json::parse(chunk);
                          if (!v) return false;
                          for (const auto& row : v->as_array())
                            hits[std::string(row.as_array().at(0).as_string())] = std::stoll(std::string(row.as_array().at(1).as_string()));
                          return true;
                        }};
  TARN_TRY(summary, engine_.run(scope, request, sink, cancel));
  (void)summary;
  Written out;
  out.version = table.snapshot->version;
  if (hits.empty()) return out;
  std::vector<std::size_t> places;
  delta::Commit commit;
  for (std::size_t i = 0; i < table.files.files.size(); ++i) {
    const auto& f = table.files.files[i];
    const auto hit = hits.find(f.location);
    if (hit == hits.end()) continue;
    places.push_back(i);
    out.rows += hit->second;
    delta::RemoveFile gone;
    gone.path = f.path;
    gone.deletion_timestamp = SystemClock().now();
    commit.remove.push_back(std::move(gone));
    commit.read_files.push_back(f.path);
  }
  if (places.size() != hits.size()) return refuse(Errc::engine, "The engine named a data file that the table does not have");
  auto touched = delta::relation_sql(table.files, {.files = places});
  if (!touched) return fail(from_delta(touched.error()));
  std::string columns;
  for (const auto& c : table.files.columns) {
    if (!columns.empty()) columns += ", ";
    const auto own = name + "." + delta::sql_identifier(c.name);
    const auto set = std::ranges::find_if(assignments, [&](const auto& a) { return a.first == c.name; });
    columns += set == assignments.end() ? own
                                        : fmt::format("CASE WHEN {} THEN CAST({} AS {}) ELSE {} END AS {}", predicate, set->second, c.duckdb, own,
                                                      delta::sql_identifier(c.name));
  }
  std::string query = fmt::format("SELECT {} FROM {} AS {}", columns, *touched, name);
  if (assignments.empty()) query += fmt::format(" WHERE NOT coalesce(({}), false)", predicate);
  std::int64_t kept = 0;
  TARN_TRY(files, write_files(table.root, table.directory, table.snapshot->metadata, query, scope.directories, kept, cancel));
  commit.operation = assignments.empty() ? delta::Operation::delete_ : delta::Operation::update;
  commit.add = files;
  commit.blind_append = false;
  commit.read_whole_table = true;
  commit.user_name = user;
  commit.operation_metrics = {{assignments.empty() ? "numDeletedRows" : "numUpdatedRows", std::to_string(out.rows)}};
  auto version = log_.commit(table.root, table.snapshot->version, std::move(commit));
  if (!version) {
    discard(table.root, files);
    return fail(from_delta(version.error()));
  }
  out.version = *version;
  return out;
}

Result<std::vector<delta::CommitInfo>> Tables::history(const std::string& location, std::size_t limit) {
  TARN_TRY(root, url_of(location));
  auto h = log_.history(root, limit);
  if (!h) return fail(from_delta(h.error()));
  return *std::move(h);
}

Result<void> Tables::change_metadata(const OpenTable& table, delta::Metadata metadata, std::map<std::string, std::string> parameters,
                                     const std::string& user) {
  if (auto ok = delta::check_schema(metadata.schema, metadata.partition_columns); !ok) return fail(from_delta(ok.error()));
  delta::Commit commit;
  commit.operation = delta::Operation::change_columns;
  commit.operation_parameters = std::move(parameters);
  commit.metadata = std::move(metadata);
  commit.user_name = user;
  auto version = log_.commit(table.root, table.snapshot->version, std::move(commit));
  if (!version) return fail(from_delta(version.error()));
  return {};
}

Result<void> Tables::set_properties(const std::string& location, const std::map<std::string, std::optional<std::string>>& changes,
                                    const std::string& user) {
  TARN_TRY(root, url_of(location));
  auto version = log_.set_properties(root, changes, user);
  if (!version) return fail(from_delta(version.error()));
  return {};
}

}  // namespace tarn::sql
