// COPY INTO: each file is loaded once. What was loaded is in the table's own log (one application transaction a file), so it holds for every
// server and goes with the table.
#include "base/crypto.h"
#include "base/text.h"
#include "sql/executor.h"

namespace tarn::sql {
Result<Done> Executor::copy_into(const Call& c) {
  const auto& a = c.analysis;
  bool force = false;
  for (const auto& [k, v] : a.copy_options) {
    if (lower(k) == "force")
      force = lower(v) == "true";
    else if (lower(k) != "mergeschema" || lower(v) != "false")
      return refuse(Errc::unsupported,
                    "[UNSUPPORTED_FEATURE] The copy option '" + k + "' = '" + v + "' is not supported by this warehouse. SQLSTATE: 0A000");
  }
  TARN_TRY(target, writable(c.session, a.target));
  std::vector<SourceFile> found;
  if (a.files.empty()) {
    TARN_TRY(listed, files_.list(c.session, a.source, true));
    found = std::move(listed);
  } else {
    for (const auto& f : a.files) {
      TARN_TRY(listed, files_.list(c.session, (a.source.ends_with('/') ? a.source : a.source + "/") + f, false));
      found.insert(found.end(), listed.begin(), listed.end());
    }
  }
  auto options = a.options;
  options["format"] = a.file_format;
  TARN_TRY(format, file_format(options, FileReader::copy, {}));
  std::int64_t rows = 0;
  for (const auto& file : found) {
    // The same name with other content is another file.
    const auto app = "copy-into-" + crypto::to_hex(crypto::sha256(file.url + "\n" + file.etag)).substr(0, 32);
    TARN_TRY(table, tables_.open(*target.info.storage_location));
    if (!force && table->snapshot->transactions.contains(app)) continue;
    TARN_TRY(source, files_.relation(c.session, {file}, format));
    Compiled query{.sql = "SELECT * FROM " + source.sql + " AS files_", .directories = source.directories};
    for (const auto& col : source.columns) query.columns.push_back(col.name);
    std::vector<std::optional<std::size_t>> places;
    // Columns go by name where the files have names, by place otherwise.
    const bool named = a.file_format != "csv" || lower(a.options.contains("header") ? a.options.at("header") : "false") == "true";
    TARN_TRY(text, shaped(c.session, *table, query, {}, named, "`" + target.name.full() + "`", places));
    std::vector<std::string> provided;
    for (std::size_t i = 0; i < places.size(); ++i)
      if (places[i]) provided.push_back(table->columns[i].name);
    TARN_TRY(ruled, rules(c.session, table->snapshot->metadata, provided, true));
    const auto transaction = force ? std::nullopt : std::optional(std::pair{app, std::int64_t{1}});
    TARN_TRY(written, tables_.insert(*table, text, query.directories, false, transaction, c.session.ctx.caller.name, c.session.cancel, ruled));
    rows += written.rows;
  }
  catalog_.record_lineage(c.session.ctx, {.statement_id = c.session.statement_id, .read_tables = {}, .written_table = target.name.full()});
  const auto n = std::to_string(rows);
  return deliver(c, {{"num_affected_rows", "bigint"}, {"num_inserted_rows", "bigint"}, {"num_skipped_corrupt_files", "bigint"}}, {{n, n, "0"}});
}

Result<Done> Executor::list_files(const Call& c) {
  constexpr std::size_t kMost = 1001;  // the vendor's own limit
  std::size_t limit = kMost;
  if (const auto given = c.analysis.options.find("limit"); given != c.analysis.options.end()) {
    limit = given->second.size() > 4 ? 0 : std::stoul(given->second);
    if (limit < 1 || limit > kMost)
      return refuse(Errc::invalid, "[INVALID_LIMIT_LIKE_EXPRESSION] LIST takes a LIMIT from 1 to 1001, got " + given->second);
  }
  TARN_TRY(found, files_.entries(c.session, c.analysis.source, limit));
  Rows rows;
  for (const auto& e : found) rows.push_back({e.path, e.name, std::to_string(e.size), std::to_string(e.modified)});
  return deliver(c, {{"path", "string"}, {"name", "string"}, {"size", "bigint"}, {"modification_time", "bigint"}}, rows);
}

}  // namespace tarn::sql
