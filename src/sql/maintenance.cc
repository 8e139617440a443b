// Statements about a table's files and versions rather than its rows: OPTIMIZE, VACUUM, RESTORE; and where a timestamp lies in its log.
#include <unordered_set>

#include "delta/paths.h"
#include "delta/protocol.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

constexpr std::uint64_t kSmall = 128u << 20;  // files below this are joined

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

Result<Tables::Restored> Tables::restore(const OpenTable& table, std::int64_t version, const std::string& user) {
  const auto& now = *table.snapshot;
  auto then = log_.snapshot(table.root, version);
  if (!then) return fail(from_delta(then.error()));
  if (now.has_deletion_vectors() || (*then)->has_deletion_vectors())
    return refuse(Errc::unsupported,
                  "[UNSUPPORTED_FEATURE] RESTORE of a table with deletion vectors is not supported by this warehouse. SQLSTATE: 0A000");
  Restored out;
  delta::Commit commit;
  commit.operation = delta::Operation::restore;
  commit.operation_parameters = {{"version", std::to_string(version)}};
  std::unordered_set<std::string_view> live, wanted;
  for (const auto& f : now.files) live.insert(f.path);
  for (const auto& f : (*then)->files) {
    wanted.insert(f.path);
    out.files += 1, out.bytes += f.size;
    if (live.contains(f.path)) continue;
    if (auto there = objects_.head(delta::data_url(table.root, f.path)); !there)
      return refuse(Errc::not_found, "[DELTA_MISSING_FILES_UNEXPECTED_VERSION] Version " + std::to_string(version) +
                                         " cannot be restored: its file " + f.path +
                                         " is gone (VACUUM removes files that no version of the retention needs). SQLSTATE: 42KD6");
    out.restored += 1, out.restored_bytes += f.size;
    commit.add.push_back(f);
    commit.add.back().data_change = true;
  }
  for (const auto& f : now.files) {
    if (wanted.contains(f.path)) continue;
    delta::RemoveFile gone;
    gone.path = f.path;
    gone.deletion_timestamp = SystemClock().now();
    out.removed += 1, out.removed_bytes += f.size;
    commit.remove.push_back(std::move(gone));
  }
  const auto& old = (*then)->metadata;
  if (delta::schema_string(old.schema) != delta::schema_string(now.metadata.schema) || old.configuration != now.metadata.configuration ||
      old.partition_columns != now.metadata.partition_columns)
    commit.metadata = old;
  commit.blind_append = false;
  commit.read_whole_table = true;
  commit.user_name = user;
  auto made = log_.commit(table.root, now.version, std::move(commit));
  if (!made) return fail(from_delta(made.error()));
  return out;
}

Result<Tables::Optimized> Tables::optimize(const OpenTable& table, const std::string& user, engine::CancelToken* cancel) {
  if (!table.files.plain())
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] OPTIMIZE of a table with " + table.files.needs_delta_scan +
                                         " is not supported by this warehouse. SQLSTATE: 0A000");
  std::map<std::map<std::string, std::optional<std::string>>, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < table.files.files.size(); ++i)
    if (table.files.files[i].size < kSmall) groups[table.files.files[i].partition_values].push_back(i);
  Optimized out;
  std::vector<std::size_t> places;
  for (const auto& [values, members] : groups)
    if (members.size() > 1) places.insert(places.end(), members.begin(), members.end());
  if (places.empty()) return out;
  TARN_TRY(held, hold(table));
  (void)held;
  std::ranges::sort(places);
  auto relation = delta::relation_sql(table.files, {.files = places});
  if (!relation) return fail(from_delta(relation.error()));
  delta::Commit commit;
  commit.operation = delta::Operation::optimize;
  commit.operation_parameters = {{"predicate", "[]"}, {"zOrderBy", "[]"}};
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
  TARN_TRY(files, write_files(table.root, table.directory, table.snapshot->metadata, "SELECT * FROM " + *relation, {table.directory}, rows, cancel));
  for (auto& f : files) f.data_change = false, out.added_bytes += f.size;
  out.added = static_cast<std::int64_t>(files.size());
  out.removed = static_cast<std::int64_t>(places.size());
  commit.add = files;
  commit.blind_append = false;
  commit.user_name = user;
  auto version = log_.commit(table.root, table.snapshot->version, std::move(commit));
  if (!version) {
    discard(table.root, files);
    return fail(from_delta(version.error()));
  }
  return out;
}

Result<std::vector<std::string>> Tables::vacuum(const OpenTable& table, std::optional<double> hours, bool dry_run) {
  const auto& s = *table.snapshot;
  if (s.has_deletion_vectors())
    return refuse(Errc::unsupported,
                  "[UNSUPPORTED_FEATURE] VACUUM of a table with deletion vectors is not supported by this warehouse. SQLSTATE: 0A000");
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
  for (const auto& f : s.files) keep.insert(delta::data_url(table.root, f.path).key);
  for (const auto& t : s.tombstones)
    if (t.file->deletion_timestamp > cutoff) keep.insert(delta::data_url(table.root, t.file->path).key);
  std::vector<std::string> out;
  const std::string prefix = table.root.key + "/";
  std::string after;
  for (bool more = true; more;) {
    auto page = objects_.list(table.root.bucket, prefix, after, 1000);
    if (!page) return refuse(Errc::unavailable, page.error().message);
    for (const auto& o : page->objects) {
      // Names that begin with `_` or `.` are the log's or other tools'; a partition folder that begins with `_` has a `=`.
      bool hidden = false;
      for (std::size_t i = prefix.size(); i < o.key.size() && !hidden;) {
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
    TARN_TRY(done, tables_.optimize(*target.table, user, c.session.cancel));
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
