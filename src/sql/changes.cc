// DELETE, UPDATE and what MERGE shares with them: which rows of which files change, and the commit that changes them.
//
// The short way writes the files with changed rows anew in one query. Where the table has deletion vectors, a change data feed or row tracking,
// the changed rows are staged first: read once, with what they were and what they become, so that the vectors, the change files and the data files
// all tell of the same rows, whatever the statement's expressions are.
#include <filesystem>

#include "base/ids.h"
#include "delta/actions.h"
#include "delta/column_mapping.h"
#include "delta/features.h"
#include "delta/protocol.h"
#include "sql/executor.h"
#include "sql/scratch.h"

namespace tarn::sql {
namespace {

/// Beyond this many changed rows files are written anew: the vectors would have to pass through this process.
constexpr std::int64_t kMostMarked = 4'000'000;

std::string quoted_columns(const std::vector<delta::DataColumn>& columns, const std::string& of = {}) {
  std::string out;
  for (const auto& c : columns) out += (out.empty() ? "" : ", ") + of + delta::sql_identifier(c.name);
  return out;
}

/// Bounds of a file some of whose rows are gone are no longer those of its rows.
std::string loosened(std::string stats) {
  for (const char* tight : {"\"tightBounds\":true", "\"tightBounds\": true"})
    if (const auto at = stats.find(tight); at != std::string::npos) return stats.replace(at, std::strlen(tight), "\"tightBounds\":false");
  if (stats.find("\"tightBounds\"") == std::string::npos && stats.ends_with('}')) stats.insert(stats.size() - 1, ",\"tightBounds\":false");
  return stats;
}

}  // namespace

bool Tables::is_staged(const OpenTable& table) {
  const auto& s = *table.snapshot;
  return delta::property_is_true(s.metadata, "delta.enableChangeDataFeed") || delta::property_is_true(s.metadata, "delta.enableRowTracking") ||
         (delta::property_is_true(s.metadata, "delta.enableDeletionVectors") && delta::supports(s.protocol, "deletionVectors"));
}

Result<Tables::Staged> Tables::stage(const OpenPlace& place, const std::string& query, std::vector<std::string> sources, const std::string& folder,
                                     engine::CancelToken* cancel) {
  std::error_code ec;
  std::filesystem::create_directories(folder, ec);
  if (ec) return refuse(Errc::unavailable, "The folder of a change cannot be made: " + ec.message());
  engine::WriteRequest copy;
  copy.query = query;
  copy.directory = folder;
  copy.compression = "uncompressed";
  // One scope for all of a statement, which is one process.
  std::erase(sources, place.directory);
  TARN_TRY(parts, engine_.write({.directories = sources, .writable = {place.directory}}, copy, cancel));
  Staged out;
  for (const auto& p : parts) out.rows += (out.rows.empty() ? "" : ", ") + delta::sql_string(folder + "/" + p.path);
  if (!out.rows.empty()) out.rows = "read_parquet([" + out.rows + "], hive_partitioning = false)";
  out.sources = std::move(sources);
  return out;
}

Result<Tables::Applied> Tables::apply(const OpenTable& table, const Staged& staged, const std::string& scratch, delta::Operation operation,
                                      const std::string& user, engine::CancelToken* cancel, const RowRules& rules) {
  Applied out{.version = table.snapshot->version};
  if (staged.rows.empty()) return out;
  const auto& snapshot = *table.snapshot;
  const auto& columns = table.files.columns;
  const auto& sources = staged.sources;
  const engine::Scope scope{.directories = sources, .writable = {table.directory}};

  // Which rows of which files.
  std::map<std::string, delta::RowNumbers> hits;
  engine::Request look;
  look.sql =
      "SELECT NULL AS f, count(*) FILTER (act = 'u') AS u, count(*) FILTER (act = 'd') AS d, count(*) FILTER (act = 'i') AS i FROM " + staged.rows;
  const auto rows_of = [&](const std::function<void(const json::array&)>& take) {
    return engine::Sink{.schema = [](const std::vector<engine::Column>&) {},
                        .chunk =
                            [take](std::string chunk, std::int64_t) {
                              const auto v = json::parse(chunk);
                              if (!v) return false;
                              for (const auto& r : v->as_array()) take(r.as_array());
                              return true;
                            }};
  };
  const auto number = [](const json::value& v) { return std::stoll(std::string(v.as_string())); };
  TARN_TRY(counted, engine_.run(scope, look, rows_of([&](const json::array& r) {
                                  out.updated = number(r[1]), out.deleted = number(r[2]), out.inserted = number(r[3]);
                                }),
                                cancel));
  (void)counted;
  const bool marks = delta::property_is_true(snapshot.metadata, "delta.enableDeletionVectors") &&
                     delta::supports(snapshot.protocol, "deletionVectors") && out.updated + out.deleted <= kMostMarked;
  look.sql = marks ? "SELECT f, r FROM " + staged.rows + " WHERE f IS NOT NULL ORDER BY f, r"
                   : "SELECT DISTINCT f FROM " + staged.rows + " WHERE f IS NOT NULL";
  TARN_TRY(found, engine_.run(scope, look, rows_of([&](const json::array& r) {
                                auto& rows = hits[std::string(r[0].as_string())];
                                if (marks) rows.push_back(static_cast<std::uint64_t>(number(r[1])));
                              }),
                              cancel));
  (void)found;

  delta::Commit commit;
  std::vector<std::size_t> rewritten;
  std::vector<delta::RowNumbers> vectors;
  std::vector<const delta::AddFile*> marked;
  std::size_t known = 0;
  for (std::size_t i = 0; i < table.files.files.size(); ++i) {
    const auto& f = table.files.files[i];
    const auto hit = hits.find(f.location);
    if (hit == hits.end()) continue;
    ++known;
    delta::RemoveFile gone;
    gone.path = f.path;
    gone.deletion_timestamp = SystemClock().now();
    commit.remove.push_back(std::move(gone));
    commit.read_files.push_back(f.path);
    if (!marks || !f.rows) {
      rewritten.push_back(i);
      continue;
    }
    delta::RowNumbers all;
    const delta::RowNumbers none;
    std::ranges::set_union(f.deleted ? *f.deleted : none, hit->second, std::back_inserter(all));
    if (static_cast<std::int64_t>(all.size()) >= *f.rows) continue;  // nothing of it is left
    vectors.push_back(std::move(all));
    marked.push_back(&snapshot.files[i]);
  }
  if (known != hits.size()) return refuse(Errc::engine, "The engine named a data file that the table does not have");

  // Rows that change their place keep their ids.
  const bool tracks = delta::property_is_true(snapshot.metadata, "delta.enableRowTracking") && !table.files.row_ids.empty() && !table.files.by_id;
  std::vector<std::pair<std::string, std::string>> hidden;
  if (tracks) hidden = {{"tarn_rid_", table.files.row_ids}, {"tarn_rver_", table.files.row_commit_versions}};
  const bool feeds = delta::property_is_true(snapshot.metadata, "delta.enableChangeDataFeed");

  std::string news;  // rows of the table's columns, and tarn_act_, tarn_rid_, tarn_rver_
  if (out.updated + out.inserted > 0) {
    std::string list;
    for (std::size_t i = 0; i < columns.size(); ++i) list += fmt::format("n{} AS {}, ", i, delta::sql_identifier(columns[i].name));
    news =
        "SELECT " + list + "act AS tarn_act_, rid AS tarn_rid_, CAST(NULL AS BIGINT) AS tarn_rver_ FROM " + staged.rows + " WHERE act IN ('u', 'i')";
    if (rules.around) {
      TARN_TRY(ruled, rules.around(news, {{"tarn_act_", "string"}, {"tarn_rid_", "bigint"}, {"tarn_rver_", "bigint"}}));
      news = std::move(ruled);
    }
    if (feeds) {  // written once, told twice
      TARN_TRY(kept, stage(table.place(), news, sources, scratch + "/news", cancel));
      news = "SELECT * FROM " + kept.rows;
    }
  }
  std::string query;
  const std::string tail = tracks ? ", tarn_rid_, tarn_rver_" : "";
  if (!news.empty()) query = "SELECT " + quoted_columns(columns) + tail + " FROM (" + news + ") AS news_";
  if (!rewritten.empty()) {
    delta::RelationOptions options{.file_column = "tarn_f_", .row_column = "tarn_r_", .files = rewritten};
    if (tracks) options.row_id_column = "tarn_rid_", options.row_version_column = "tarn_rver_";
    auto rest = delta::relation_sql(table.files, options);
    if (!rest) return fail(from_delta(rest.error()));
    query +=
        fmt::format("{}SELECT {}{} FROM {} AS rest_ WHERE NOT EXISTS (SELECT 1 FROM {} AS s_ WHERE s_.f = rest_.tarn_f_ AND s_.r = rest_.tarn_r_)",
                    query.empty() ? "" : " UNION ALL ", quoted_columns(columns), tail, *rest, staged.rows);
  }
  std::vector<delta::AddFile> files, changes;
  const auto undo = [&] { discard(table.root, files), discard(table.root, changes); };
  std::int64_t rows = 0;
  if (!query.empty()) {
    TARN_TRY(written, write_files(table.place(), snapshot.metadata, {.query = query, .sources = sources, .hidden = hidden}, rows, cancel));
    files = std::move(written);
  }
  if (feeds) {
    std::string told;
    const auto add = [&](const std::string& select) { told += (told.empty() ? "" : " UNION ALL ") + select; };
    std::string before;
    for (std::size_t i = 0; i < columns.size(); ++i) before += fmt::format("{}o{} AS {}", i ? ", " : "", i, delta::sql_identifier(columns[i].name));
    if (out.updated + out.deleted > 0)
      add("SELECT " + before + ", CASE act WHEN 'd' THEN 'delete' ELSE 'update_preimage' END AS tarn_change_ FROM " + staged.rows +
          " WHERE act IN ('u', 'd')");
    if (!news.empty())
      add("SELECT " + quoted_columns(columns) + ", CASE tarn_act_ WHEN 'i' THEN 'insert' ELSE 'update_postimage' END AS tarn_change_ FROM (" + news +
          ") AS news_");
    auto written = write_files(table.place(), snapshot.metadata,
                               {.query = told, .sources = sources, .hidden = {{"tarn_change_", "_change_type"}}, .change_data = true}, rows, cancel);
    if (!written) return undo(), fail(std::move(written).error());
    changes = *std::move(written);
    for (const auto& f : changes) commit.changes.push_back({f.path, f.partition_values, f.size});
  }
  auto made = delta::write_vectors(objects_, table.root, vectors);
  if (!made) return undo(), fail(from_delta(made.error()));
  commit.add = files;
  for (std::size_t i = 0; i < marked.size(); ++i) {
    delta::AddFile again = *marked[i];
    again.deletion_vector = std::move((*made)[i]);
    again.data_change = true;
    again.stats = loosened(std::move(again.stats));
    commit.add.push_back(std::move(again));
  }
  commit.operation = operation;
  commit.blind_append = false;
  commit.read_whole_table = true;
  commit.user_name = user;
  commit.honours = honoured_features();
  commit.row_ids_kept = tracks;
  carry(table, commit, files, out.inserted > 0 ? rules.identities : std::vector<std::string>());
  using delta::Operation;
  if (operation == Operation::merge)
    commit.operation_metrics = {{"numTargetRowsInserted", std::to_string(out.inserted)},
                                {"numTargetRowsUpdated", std::to_string(out.updated)},
                                {"numTargetRowsDeleted", std::to_string(out.deleted)}};
  else
    commit.operation_metrics = {{operation == Operation::update ? "numUpdatedRows" : "numDeletedRows", std::to_string(out.updated + out.deleted)}};
  if (!vectors.empty()) commit.operation_metrics["numDeletionVectorsAdded"] = std::to_string(vectors.size());
  if (!changes.empty()) commit.operation_metrics["numAddedChangeFiles"] = std::to_string(changes.size());
  auto version = log_.commit(table.root, snapshot.version, std::move(commit));
  if (!version) {
    undo();
    if (!made->empty())
      if (auto file = delta::vector_file((*made)[0], table.root); file && *file) (void)objects_.remove(**file);
    return fail(from_delta(version.error()));
  }
  out.version = *version;
  return out;
}

Result<Written> Tables::replace(const OpenTable& table, const std::string& query, const std::string& predicate, const std::string& alias,
                                const std::string& shown, const std::vector<std::string>& equal, const std::vector<std::string>& sources,
                                const std::string& user, engine::CancelToken* cancel, const RowRules& rules) {
  if (!table.files.plain())
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] Changing rows of a table with " + table.files.read_only +
                                         " is not supported by this warehouse. SQLSTATE: 0A000");
  const std::string file = "tarn_file_" + new_hex(4), row = file + "_row", id = file + "_id";
  delta::RelationOptions options{.file_column = file, .row_column = row};
  const bool tracks = !table.files.row_ids.empty();
  if (tracks) options.row_id_column = id;
  auto placed = delta::relation_sql(table.files, options);
  if (!placed) return fail(from_delta(placed.error()));
  TARN_TRY(held, hold(table));
  (void)held;
  std::vector<std::string> folders = sources;
  folders.push_back(table.directory);
  std::ranges::sort(folders);
  folders.erase(std::unique(folders.begin(), folders.end()), folders.end());
  const auto name = delta::sql_identifier(alias);
  const Scratch scratch(table.directory + "/_tarn_change_" + new_hex(8));
  std::string given = query, meets = predicate, act;
  if (equal.empty()) {
    const auto mismatch = "[DELTA_REPLACE_WHERE_MISMATCH] Written data does not conform with partial table overwrite condition or constraint '" +
                          shown + "'. SQLSTATE: 44000";
    act = fmt::format("CASE WHEN {} THEN 'i' ELSE error({}) END", predicate, delta::sql_string(mismatch));
  } else {  // the rows that come are read twice, so they are made once
    TARN_TRY(kept, stage(table.place(), query, folders, scratch.path + "/given", cancel));
    if (kept.rows.empty()) return Written{.version = table.snapshot->version};
    given = "SELECT * FROM " + kept.rows;
    meets.clear(), act = "'i'";
    for (const auto& c : equal)
      meets += fmt::format("{}s_.{} = {}.{}", meets.empty() ? "" : " AND ", delta::sql_identifier(c), name, delta::sql_identifier(c));
    meets = fmt::format("EXISTS (SELECT 1 FROM {} AS s_ WHERE {})", kept.rows, meets);
  }
  std::string gone, come;
  for (std::size_t i = 0; i < table.files.columns.size(); ++i) {
    const auto& c = table.files.columns[i];
    const auto own = name + "." + delta::sql_identifier(c.name), none = "CAST(NULL AS " + c.duckdb + ")";
    gone += fmt::format("{} AS o{}, {} AS n{}, ", own, i, none, i);
    come += fmt::format("{} AS o{}, {} AS n{}, ", none, i, own, i);
  }
  const auto staged = fmt::format(
      "SELECT {0}'d' AS act, {1}.{2} AS f, {1}.{3} AS r, {4} AS rid FROM {5} AS {1} WHERE {6} UNION ALL "
      "SELECT {7}{8}, CAST(NULL AS VARCHAR), CAST(NULL AS BIGINT), CAST(NULL AS BIGINT) FROM ({9}) AS {1}",
      gone, name, delta::sql_identifier(file), delta::sql_identifier(row),
      tracks ? name + "." + delta::sql_identifier(id) : std::string("CAST(NULL AS BIGINT)"), *placed, meets, come, act, given);
  TARN_TRY(rows, stage(table.place(), staged, folders, scratch.path + "/rows", cancel));
  TARN_TRY(done, apply(table, rows, scratch.path, delta::Operation::write_overwrite, user, cancel, rules));
  return Written{.version = done.version, .rows = done.inserted};
}

Result<Written> Tables::rewrite(const OpenTable& table, const RowChange& change, const std::string& user, engine::CancelToken* cancel,
                                const RowRules& rules) {
  const auto& [predicate, alias, assignments, sources, bounds] = change;
  if (!table.files.plain())
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] Changing rows of a table with " + table.files.read_only +
                                         " is not supported by this warehouse. SQLSTATE: 0A000");
  const std::string file_column = "tarn_file_" + new_hex(4);
  const auto files = delta::files_that_may_hold(*table.snapshot, table.files, bounds);
  auto with_file = delta::relation_sql(table.files, {.file_column = file_column, .files = files});
  if (!with_file) return fail(from_delta(with_file.error()));
  const auto name = delta::sql_identifier(alias);
  TARN_TRY(held, hold(table, files));
  (void)held;
  engine::Scope scope{.directories = sources};
  scope.directories.push_back(table.directory);
  std::ranges::sort(scope.directories);
  scope.directories.erase(std::unique(scope.directories.begin(), scope.directories.end()), scope.directories.end());
  if (is_staged(table)) {
    const Scratch scratch(table.directory + "/_tarn_change_" + new_hex(8));
    const auto& unique = file_column;
    delta::RelationOptions options{.file_column = unique, .row_column = unique + "_row", .files = files};
    const bool tracks = !table.files.row_ids.empty();
    if (tracks) options.row_id_column = unique + "_id";
    auto placed = delta::relation_sql(table.files, options);
    if (!placed) return fail(from_delta(placed.error()));
    std::string list;
    for (std::size_t i = 0; i < table.files.columns.size(); ++i) {
      const auto& c = table.files.columns[i];
      const auto own = name + "." + delta::sql_identifier(c.name);
      const auto set = std::ranges::find_if(assignments, [&](const auto& a) { return a.first == c.name; });
      list += fmt::format("{} AS o{}, ", own, i);
      if (!assignments.empty())
        list += fmt::format("{} AS n{}, ", set == assignments.end() ? own : "CAST((" + set->second + ") AS " + c.duckdb + ")", i);
    }
    list += fmt::format("'{}' AS act, {}.{} AS f, {}.{} AS r, ", assignments.empty() ? "d" : "u", name, delta::sql_identifier(unique), name,
                        delta::sql_identifier(unique + "_row"));
    list += (tracks ? name + "." + delta::sql_identifier(unique + "_id") : std::string("CAST(NULL AS BIGINT)")) + " AS rid";
    TARN_TRY(staged, stage(table.place(), fmt::format("SELECT {} FROM {} AS {} WHERE {}", list, *placed, name, predicate), scope.directories,
                           scratch.path + "/rows", cancel));
    TARN_TRY(done,
             apply(table, staged, scratch.path, assignments.empty() ? delta::Operation::delete_ : delta::Operation::update, user, cancel, rules));
    return Written{.version = done.version, .rows = done.updated + done.deleted};
  }
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
  if (rules.around) {
    TARN_TRY(ruled, rules.around(query, {}));
    query = std::move(ruled);
  }
  std::int64_t kept = 0;
  TARN_TRY(rewritten, write_files(table.place(), table.snapshot->metadata, {.query = query, .sources = scope.directories}, kept, cancel));
  commit.operation = assignments.empty() ? delta::Operation::delete_ : delta::Operation::update;
  commit.add = rewritten;
  commit.blind_append = false;
  commit.read_whole_table = true;
  commit.honours = honoured_features();
  commit.operation_metrics = {{assignments.empty() ? "numDeletedRows" : "numUpdatedRows", std::to_string(out.rows)}};
  TARN_TRY(version, this->commit(table, std::move(commit), user));
  out.version = version;
  return out;
}

}  // namespace tarn::sql
