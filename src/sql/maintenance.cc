// Statements about a table's files and versions rather than its rows: OPTIMIZE, VACUUM, RESTORE; and where a timestamp lies in its log.
#include <charconv>
#include <unordered_set>

#include "delta/actions.h"
#include "delta/change_feed.h"
#include "delta/clustering.h"
#include "delta/column_mapping.h"
#include "delta/paths.h"
#include "delta/protocol.h"
#include "delta/stats.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

constexpr std::uint64_t kSmall = 128u << 20;  // files below this are joined
constexpr const char* kClusterer = "tarn";    // clusteringProvider

/// `2024-01-31`, `2024-01-31 10:00[:00[.123456]]`, with T for the blank and an optional Z; in UTC, the session's zone.
std::optional<Millis> parse_moment(std::string text) {
  if (!text.empty() && (text.back() == 'Z' || text.back() == 'z')) text.pop_back();
  std::tm tm{};
  int seconds = 0, consumed = 0;
  double fraction = 0;
  char between = 0;
  if (std::sscanf(text.c_str(), "%4d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &consumed) != 3) return std::nullopt;
  if (const auto rest = text.substr(static_cast<std::size_t>(consumed)); !rest.empty()) {
    int more = 0;
    if (std::sscanf(rest.c_str(), "%c%2d:%2d%n", &between, &tm.tm_hour, &tm.tm_min, &more) != 3 || (between != ' ' && between != 'T'))
      return std::nullopt;
    if (const auto tail = rest.substr(static_cast<std::size_t>(more)); !tail.empty()) {
      int end = 0;
      if (std::sscanf(tail.c_str(), ":%2d%n", &seconds, &end) != 1) return std::nullopt;
      if (const auto dot = tail.substr(static_cast<std::size_t>(end)); !dot.empty()) {
        if (dot[0] != '.' || dot.size() < 2 || dot.find_first_not_of("0123456789", 1) != std::string::npos) return std::nullopt;
        fraction = std::strtod(("0" + dot).c_str(), nullptr);
      }
    }
  }
  if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || seconds > 59) return std::nullopt;
  const int day = tm.tm_mday;
  tm.tm_year -= 1900, tm.tm_mon -= 1, tm.tm_sec = seconds;
  const auto at = ::timegm(&tm);
  if (tm.tm_mday != day) return std::nullopt;  // 30 February
  return static_cast<Millis>(at) * 1000 + static_cast<Millis>(fraction * 1000);
}

}  // namespace

Result<std::int64_t> Tables::version_at(const std::string& location, const std::string& timestamp) {
  const auto at = parse_moment(timestamp);
  if (!at)
    return refuse(Errc::invalid, "[DELTA_TIMESTAMP_INVALID] The provided timestamp (" + timestamp +
                                     ") cannot be converted to a valid timestamp. "
                                     "SQLSTATE: 42816");
  TARN_TRY(commits, history(location, SIZE_MAX));
  if (commits.empty()) return refuse(Errc::not_found, "The table at '" + location + "' has no commits");
  if (*at > commits.front().timestamp)
    return refuse(Errc::invalid,
                  fmt::format("[DELTA_TIMESTAMP_GREATER_THAN_COMMIT] The provided timestamp ({}) is after the latest version available "
                              "to this table ({}). Please use a timestamp before or at {}. SQLSTATE: 42816",
                              timestamp, to_rfc3339(commits.front().timestamp), to_rfc3339(commits.front().timestamp)));
  for (const auto& c : commits)
    if (c.timestamp <= *at) return c.version;
  return refuse(Errc::invalid,
                fmt::format("[DELTA_TIMESTAMP_EARLIER_THAN_COMMIT_RETENTION] The provided timestamp ({}) is before the earliest version "
                            "available to this table ({}). Please use a timestamp after {}. SQLSTATE: 42816",
                            timestamp, to_rfc3339(commits.back().timestamp), to_rfc3339(commits.back().timestamp)));
}

Result<std::int64_t> Tables::version_from(const std::string& location, const std::string& timestamp) {
  const auto at = parse_moment(timestamp);
  if (!at)
    return refuse(Errc::invalid,
                  "[DELTA_TIMESTAMP_INVALID] The provided timestamp (" + timestamp + ") cannot be converted to a valid timestamp. SQLSTATE: 42816");
  TARN_TRY(commits, history(location, SIZE_MAX));
  std::int64_t out = commits.empty() ? 0 : commits.front().version + 1;
  for (const auto& c : commits)
    if (c.timestamp >= *at) out = c.version;
  return out;
}

Result<Tables::Changes> Tables::changes(const std::string& location, const std::map<std::string, std::string>& range) {
  Changes out;
  TARN_TRY(table, open(location));
  out.table = table;
  const auto given = [&](const char* key) {
    const auto at = range.find(key);
    return at == range.end() ? std::optional<std::string>() : std::optional(at->second);
  };
  const auto whole = [](const std::string& text) -> Result<std::int64_t> {
    std::int64_t n = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (ec != std::errc() || end != text.data() + text.size())
      return refuse(Errc::invalid, "[INVALID_PARAMETER_VALUE] '" + text + "' is no version. SQLSTATE: 22023");
    return n;
  };
  std::int64_t first = 0, last = table->snapshot->version;
  if (const auto v = given("start_version")) {
    TARN_TRY(n, whole(*v));
    first = n;
  } else if (const auto t = given("start_timestamp")) {
    TARN_TRY(n, version_from(location, *t));
    first = n;
  }
  if (const auto v = given("end_version")) {
    TARN_TRY(n, whole(*v));
    last = n;
  } else if (const auto t = given("end_timestamp")) {
    TARN_TRY(n, version_at(location, *t));
    last = n;
  }
  auto done = log_.changes(table->root, first, last);
  if (!done) return fail(from_delta(done.error()));
  const auto& metadata = table->snapshot->metadata;
  auto relation = delta::changes_sql(*done, metadata, table->root, objects_);
  if (!relation) return fail(from_delta(relation.error()));
  out.relation = *std::move(relation);
  out.columns = table->columns;
  out.columns.push_back({"_change_type", "string"});
  out.columns.push_back({"_commit_version", "bigint"});
  out.columns.push_back({"_commit_timestamp", "timestamp"});
  if (table->remote) {
    std::vector<objects::ObjectStore::Wanted> wanted;
    for (const auto& c : *done) {
      for (const auto& f : c.files) wanted.push_back({delta::data_url(table->root, f.path), f.size, ""});
      for (const auto& f : c.added) wanted.push_back({delta::data_url(table->root, f->path), f->size, ""});
      for (const auto& f : c.removed) {
        const auto url = delta::data_url(table->root, f.path);
        auto head = objects_.head(url);
        if (!head) return refuse(Errc::unavailable, "A file of the table at '" + table->root.text() + "' cannot be read: " + head.error().message);
        wanted.push_back({url, head->size, ""});
      }
    }
    auto held = objects_.hold(wanted);
    if (!held) return refuse(Errc::unavailable, "A file of the table at '" + table->root.text() + "' cannot be read: " + held.error().message);
    out.held = *std::move(held);
  }
  return out;
}

Result<Tables::Restored> Tables::restore(const OpenTable& table, std::int64_t version, const std::string& user) {
  const auto& now = *table.snapshot;
  auto then = log_.snapshot(table.root, version);
  if (!then) return fail(from_delta(then.error()));
  Restored out;
  delta::Commit commit;
  commit.operation = delta::Operation::restore;
  commit.operation_parameters = {{"version", std::to_string(version)}};
  // The same file with another deletion vector is another file of the table.
  std::unordered_set<std::string> live, wanted;
  for (const auto& f : now.files) live.insert(delta::file_key(f));
  const auto there = [&](const objects::Url& url) -> Result<void> {
    if (objects_.head(url)) return {};
    return refuse(Errc::not_found, "[DELTA_MISSING_FILES_UNEXPECTED_VERSION] Version " + std::to_string(version) + " cannot be restored: its file " +
                                       url.text() + " is gone (VACUUM removes files that no version of the retention needs). SQLSTATE: 42KD6");
  };
  for (const auto& f : (*then)->files) {
    const auto key = delta::file_key(f);
    wanted.insert(key);
    out.files += 1, out.bytes += f.size;
    if (live.contains(key)) continue;
    TARN_CHECK(there(delta::data_url(table.root, f.path)));
    if (!f.deletion_vector.is_null()) {
      auto vector = delta::vector_file(f.deletion_vector, table.root);
      if (!vector) return fail(from_delta(vector.error()));
      if (*vector) TARN_CHECK(there(**vector));
    }
    out.restored += 1, out.restored_bytes += f.size;
    commit.add.push_back(f);
    commit.add.back().data_change = true;
  }
  for (const auto& f : now.files) {
    if (wanted.contains(delta::file_key(f))) continue;
    delta::RemoveFile gone;
    gone.path = f.path;
    gone.deletion_timestamp = SystemClock().now();
    out.removed += 1, out.removed_bytes += f.size;
    commit.remove.push_back(std::move(gone));
  }
  const auto& old = (*then)->metadata;
  if (delta::schema_string(old.schema) != delta::schema_string(now.metadata.schema) || old.configuration != now.metadata.configuration ||
      old.partition_columns != now.metadata.partition_columns) {
    commit.metadata = old;
    // What only ever grows does not go back: no number of a column and no generated value is given out twice.
    if (const auto at = now.metadata.configuration.find("delta.columnMapping.maxColumnId"); at != now.metadata.configuration.end())
      commit.metadata->configuration[at->first] = at->second;
    for (auto& f : commit.metadata->schema.fields)
      if (const auto* same = now.metadata.schema.find(f.name); same && same->metadata.contains("delta.identity.highWaterMark"))
        f.metadata["delta.identity.highWaterMark"] = same->metadata.at("delta.identity.highWaterMark");
  }
  commit.blind_append = false;
  commit.read_whole_table = true;
  commit.honours = honoured_features();
  commit.row_ids_kept = true;
  commit.user_name = user;
  auto made = log_.commit(table.root, now.version, std::move(commit));
  if (!made) return fail(from_delta(made.error()));
  return out;
}

Result<Tables::Optimized> Tables::optimize(const OpenTable& table, const OptimizeOptions& how, const std::string& user, engine::CancelToken* cancel) {
  if (!table.files.plain())
    return refuse(Errc::unsupported,
                  "[UNSUPPORTED_FEATURE] OPTIMIZE of a table with " + table.files.read_only + " is not supported by this warehouse. SQLSTATE: 0A000");
  const auto& metadata = table.snapshot->metadata;
  auto by = delta::clustering_columns(*table.snapshot);
  const bool clustered = !by.empty();
  if (clustered && !how.z_order.empty())
    return refuse(Errc::invalid,
                  fmt::format("[DELTA_CLUSTERING_WITH_ZORDER_BY] OPTIMIZE command for Delta table with clustering cannot specify ZORDER BY. "
                              "Please remove ZORDER BY ({}). SQLSTATE: 42613",
                              fmt::join(how.z_order, ", ")));
  for (const auto& name : how.z_order) {
    const auto* f = metadata.schema.find(name);
    if (!f)
      return refuse(Errc::invalid,
                    "[DELTA_ZORDERING_COLUMN_DOES_NOT_EXIST] Z-Ordering column " + name + " does not exist in data schema. SQLSTATE: 42703");
    if (std::ranges::find(metadata.partition_columns, f->name) != metadata.partition_columns.end())
      return refuse(Errc::invalid, "[DELTA_ZORDERING_ON_PARTITION_COLUMN] " + name +
                                       " is a partition column. Z-Ordering can only be performed on data columns. SQLSTATE: 42P10");
    if (!delta::has_bounds(metadata, *f))
      return refuse(Errc::invalid, "[DELTA_ZORDERING_ON_COLUMN_WITHOUT_STATS] Z-Ordering on [" + name +
                                       "] will be ineffective, because we currently do not collect stats for these columns. SQLSTATE: KD00D");
    by.push_back(f->name);
  }
  std::map<std::map<std::string, std::optional<std::string>>, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < table.files.files.size(); ++i) {
    const auto& f = table.files.files[i];
    const auto* provider = delta::extra_field(table.snapshot->files[i].extra, "clusteringProvider");
    // "must only recluster files that have the field clusteringProvider set to the name of the same clustering implementation"
    const bool ours = provider && *provider == kClusterer;
    const bool wanted = how.purge    ? f.deleted != nullptr
                        : clustered  ? provider == nullptr || (ours && (how.full || f.deleted))
                        : by.empty() ? f.size < kSmall || f.deleted
                                     : true;
    if (wanted) groups[f.partition_values].push_back(i);
  }
  Optimized out;
  std::vector<std::size_t> places;
  for (const auto& [values, members] : groups)
    if (members.size() > 1 || !by.empty() || how.purge || table.files.files[members[0]].deleted)
      places.insert(places.end(), members.begin(), members.end());
  if (places.empty()) return out;
  TARN_TRY(held, hold(table));
  (void)held;
  std::ranges::sort(places);
  // Rows that move keep their ids.
  const bool tracks = delta::property_is_true(metadata, "delta.enableRowTracking") && !table.files.row_ids.empty() && !table.files.by_id;
  delta::RelationOptions options{.files = places};
  Output output{.sources = {table.directory}};
  if (tracks) {
    options.row_id_column = "tarn_rid_", options.row_version_column = "tarn_rver_";
    output.hidden = {{"tarn_rid_", table.files.row_ids}, {"tarn_rver_", table.files.row_commit_versions}};
  }
  auto relation = delta::relation_sql(table.files, options);
  if (!relation) return fail(from_delta(relation.error()));
  output.query = by.empty() ? "SELECT * FROM " + *relation : delta::z_ordered(*relation, by);
  delta::Commit commit;
  commit.operation = how.purge ? delta::Operation::reorg : delta::Operation::optimize;
  commit.operation_parameters = {{"predicate", "[]"}, {"zOrderBy", boost::json::serialize(json::encode(how.z_order))}};
  if (clustered) commit.operation_parameters["clusterBy"] = boost::json::serialize(json::encode(by));
  for (const auto i : places) {
    delta::RemoveFile gone;
    gone.path = table.files.files[i].path;
    gone.deletion_timestamp = SystemClock().now();
    gone.data_change = false;
    out.removed_bytes += table.files.files[i].size;
    commit.remove.push_back(std::move(gone));
    commit.read_files.push_back(table.files.files[i].path);
  }
  std::int64_t rows = 0;
  TARN_TRY(files, write_files(table.place(), metadata, output, rows, cancel));
  for (auto& f : files) {
    f.data_change = false, out.added_bytes += f.size;
    if (clustered) f.extra = json::object{{"clusteringProvider", kClusterer}};
  }
  out.added = static_cast<std::int64_t>(files.size());
  out.removed = static_cast<std::int64_t>(places.size());
  commit.add = files;
  commit.blind_append = false;
  commit.row_ids_kept = tracks;
  TARN_CHECK(this->commit(table, std::move(commit), user));
  return out;
}

Result<std::vector<std::string>> Tables::vacuum(const OpenTable& table, std::optional<double> hours, bool dry_run) {
  const auto& s = *table.snapshot;
  // Whoever removes files must know what may name them ("VACUUM Protocol Check").
  if (auto known = delta::check_writable(s.protocol, s.metadata, {}, table.root.text()); !known) return fail(from_delta(known.error()));
  const auto configured = delta::deleted_file_retention(s.metadata);
  const auto retention = hours ? static_cast<Millis>(*hours * 3'600'000.0) : configured;
  if (retention < configured)
    return refuse(
        Errc::invalid,
        fmt::format("[DELTA_VACUUM_RETENTION_PERIOD_TOO_SHORT] Are you sure you would like to vacuum files with such a low retention period? If "
                    "you have\nwriters that are currently writing to this table, there is a risk that you may corrupt the\nstate of your Delta "
                    "table. Use a value of at least {} hours, or set delta.deletedFileRetentionDuration. SQLSTATE: 22003",
                    configured / 3'600'000));
  const auto cutoff = SystemClock().now() - retention;
  std::unordered_set<std::string> keep;
  const auto keeps = [&](const std::string& path, const json::value* vector) -> Result<void> {
    keep.insert(delta::data_url(table.root, path).key);
    if (!vector || vector->is_null()) return {};
    auto file = delta::vector_file(*vector, table.root);
    if (!file) return fail(from_delta(file.error()));
    if (*file) keep.insert((*file)->key);
    return {};
  };
  for (const auto& f : s.files) TARN_CHECK(keeps(f.path, &f.deletion_vector));
  for (const auto& t : s.tombstones)
    if (t.file->deletion_timestamp > cutoff) TARN_CHECK(keeps(t.file->path, delta::extra_field(t.file->extra, "deletionVector")));
  std::vector<std::string> out;
  const std::string prefix = table.root.key + "/";
  std::string after;
  for (bool more = true; more;) {
    auto page = objects_.list(table.root.bucket, prefix, after, 1000);
    if (!page) return refuse(Errc::unavailable, page.error().message);
    for (const auto& o : page->objects) {
      // Names that begin with `_` or `.` are the log's or other tools'; a partition folder that begins with `_` has a `=`. Files of the change data
      // feed are in no version: they go with their age.
      bool hidden = false;
      const bool change = o.key.compare(prefix.size(), 13, "_change_data/") == 0;
      for (std::size_t i = prefix.size() + (change ? 13 : 0); i < o.key.size() && !hidden;) {
        const auto end = std::min(o.key.find('/', i), o.key.size());
        hidden = (o.key[i] == '_' || o.key[i] == '.') && o.key.substr(i, end - i).find('=') == std::string::npos;
        i = end + 1;
      }
      if (hidden || keep.contains(o.key) || o.modified > cutoff) continue;
      out.push_back(objects::Url{table.root.bucket, o.key}.text());
    }
    more = page->truncated;
    after = page->next;
  }
  if (dry_run) return out;
  for (const auto& path : out)
    if (auto url = objects::Url::parse(path))
      if (auto gone = objects_.remove(*url); !gone) return refuse(Errc::unavailable, "'" + path + "' cannot be removed: " + gone.error().message);
  return out;
}

Result<Done> Executor::maintain(const Call& c) {
  const auto& a = c.analysis;
  TARN_TRY(target, writable(c.session, a.target));
  const auto full = target.name.full();
  if (auto ok = catalog_.require(c.session.ctx, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, full); !ok)
    return fail(Resolver::table_error(ok.error(), target.name));
  const auto& user = c.session.ctx.caller.name;
  const auto& location = *target.info.storage_location;
  const auto n = [](auto v) { return std::to_string(v); };
  if (a.kind == StatementKind::restore) {
    // An old version may bring back columns that have no mask now.
    if (target.info.governed())
      return refuse(Errc::unsupported,
                    "[UNSUPPORTED_FEATURE] RESTORE of table '" + full + "' is not supported: it has a row filter or column masks. SQLSTATE: 0A000");
    std::int64_t version = a.version.value_or(-1);
    if (a.timestamp) {
      TARN_TRY(at, tables_.version_at(location, *a.timestamp));
      version = at;
    }
    TARN_TRY(done, tables_.restore(*target.table, version, user));
    TARN_TRY(now, tables_.open(location));
    TARN_CHECK(resolver_.follow_log(c.session, target.info, *now));
    return deliver(c,
                   {{"table_size_after_restore", "bigint"},
                    {"num_of_files_after_restore", "bigint"},
                    {"num_removed_files", "bigint"},
                    {"num_restored_files", "bigint"},
                    {"removed_files_size", "bigint"},
                    {"restored_files_size", "bigint"}},
                   {{n(done.bytes), n(done.files), n(done.removed), n(done.restored), n(done.removed_bytes), n(done.restored_bytes)}});
  }
  if (a.kind == StatementKind::optimize) {
    Tables::OptimizeOptions how{.z_order = a.insert_columns, .full = a.options.contains("full"), .purge = a.options.contains("purge")};
    TARN_TRY(done, tables_.optimize(*target.table, how, user, c.session.cancel));
    return deliver(
        c, {{"path", "string"}, {"metrics", "struct<numFilesAdded:bigint,numFilesRemoved:bigint,filesAddedBytes:bigint,filesRemovedBytes:bigint>"}},
        {{location, boost::json::serialize(json::object{{"numFilesAdded", done.added},
                                                        {"numFilesRemoved", done.removed},
                                                        {"filesAddedBytes", done.added_bytes},
                                                        {"filesRemovedBytes", done.removed_bytes}})}});
  }
  std::optional<double> hours;
  if (const auto i = a.options.find("retain"); i != a.options.end()) hours = std::strtod(i->second.c_str(), nullptr);
  const bool dry_run = a.options.contains("dry_run");
  TARN_TRY(gone, tables_.vacuum(*target.table, hours, dry_run));
  Rows rows;
  if (dry_run)
    for (auto& path : gone) rows.push_back({std::move(path)});
  else
    rows.push_back({location});
  return deliver(c, {{"path", "string"}}, rows);
}

}  // namespace tarn::sql
