#include "sql/tables.h"

#include <filesystem>
#include <iterator>

#include "base/ids.h"
#include "delta/clustering.h"
#include "delta/column_mapping.h"
#include "delta/declared_types.h"
#include "delta/features.h"
#include "delta/paths.h"
#include "delta/protocol.h"
#include "delta/schema_evolution.h"
#include "delta/stats.h"

namespace tarn::sql {
namespace {

Result<objects::Url> url_of(const std::string& location) {
  auto url = objects::Url::parse(location);
  if (!url) return refuse(Errc::invalid, "'" + location + "' is no storage location: " + url.error().message);
  while (!url->key.empty() && url->key.back() == '/') url->key.pop_back();
  return *std::move(url);
}

std::vector<RelationColumn> columns_of(const delta::Schema& schema) {
  std::vector<RelationColumn> out;
  for (const auto& f : schema.fields) out.push_back({f.name, delta::sql_type(f.type), f.type == "string" ? delta::bounded_type(f) : std::string()});
  return out;
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
      return {Errc::unsupported, e.message.starts_with("[") ? e.message : "[DELTA_UNSUPPORTED_FEATURES] " + e.message};
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
    if (f.type != "variant" && delta::mentions_type(f.type, "variant"))
      return refuse(Errc::unsupported,
                    fmt::format("[UNSUPPORTED_FEATURE] Column `{}` of type {}: a VARIANT inside an array, a map or a struct is not supported by this "
                                "warehouse. Make the whole column a VARIANT. SQLSTATE: 0A000",
                                c.name, c.type));
    f.nullable = c.nullable;
    if (c.comment) f.metadata["comment"] = *c.comment;
    if (c.type.starts_with("varchar(") || c.type.starts_with("char(")) f.metadata["__CHAR_VARCHAR_TYPE_STRING"] = c.type;
    if (c.generated) f.metadata["delta.generationExpression"] = *c.generated;
    if (c.default_value) f.metadata["CURRENT_DEFAULT"] = *c.default_value;
    if (c.identity) {
      f.metadata["delta.identity.start"] = c.identity->start;
      f.metadata["delta.identity.step"] = c.identity->step;
      f.metadata["delta.identity.allowExplicitInsert"] = !c.identity->always;
    }
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
  out->columns = columns_of((*snapshot)->metadata.schema);
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

Result<std::shared_ptr<const OpenTable>> Tables::evolve(std::shared_ptr<const OpenTable> table, const std::vector<RelationColumn>& given) {
  const auto& before = table->snapshot->metadata;
  std::vector<ColumnClause> columns;
  for (const auto& c : given) columns.push_back({.name = c.name, .type = c.type});
  TARN_TRY(wanted, schema_of(columns));
  auto schema = delta::evolved(before, wanted);
  if (!schema) return fail(from_delta(schema.error()));
  if (delta::schema_string(*schema) == delta::schema_string(before.schema)) return table;
  auto snapshot = std::make_shared<delta::Snapshot>(*table->snapshot);
  snapshot->metadata.schema = *std::move(schema);
  auto protocol = delta::settle(snapshot->metadata, &before, table->snapshot->protocol, !snapshot->files.empty());
  if (!protocol) return fail(from_delta(protocol.error()));
  snapshot->protocol = *std::move(protocol);
  if (auto ok = delta::check_schema(snapshot->metadata.schema, before.partition_columns, delta::mapping_mode(before) != delta::MappingMode::none);
      !ok)
    return fail(from_delta(ok.error()));
  auto files = delta::data_files(*snapshot, table->root, objects_);
  if (!files) return fail(from_delta(files.error()));
  auto relation = delta::relation_sql(*files);
  if (!relation) return fail(from_delta(relation.error()));
  auto out = std::make_shared<OpenTable>(*table);
  out->columns = columns_of(snapshot->metadata.schema);
  out->snapshot = std::move(snapshot);
  out->files = *std::move(files);
  out->relation = *std::move(relation);
  out->evolved = true;
  return std::shared_ptr<const OpenTable>(std::move(out));
}

Result<std::shared_ptr<const void>> Tables::hold(const OpenTable& table, const std::optional<std::vector<std::size_t>>& files) {
  if (!table.remote) return std::shared_ptr<const void>();
  std::vector<objects::ObjectStore::Wanted> wanted;
  const auto want = [&](const delta::DataFile& f) { wanted.push_back({delta::data_url(table.root, f.path), f.size, ""}); };
  if (files)
    for (const auto i : *files) want(table.files.files.at(i));
  else
    std::ranges::for_each(table.files.files, want);
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

const std::vector<std::string>& honoured_features() {
  static const std::vector<std::string> features{"invariants",      "checkConstraints",    "generatedColumns",
                                                 "identityColumns", "allowColumnDefaults", "changeDataFeed"};
  return features;
}

Result<std::vector<delta::AddFile>> Tables::write_files(const OpenPlace& place, const delta::Metadata& metadata, const Output& output,
                                                        std::int64_t& rows, engine::CancelToken* cancel) {
  const auto directory = place.directory + (output.change_data ? "/_change_data" : "");
  std::error_code ec;
  std::filesystem::create_directories(directory, ec);
  if (ec) return refuse(Errc::unavailable, "The table's folder cannot be made: " + ec.message());
  engine::Scope scope{.directories = output.sources, .writable = {place.directory}};
  std::erase(scope.directories, place.directory);
  const auto physical = delta::physical_metadata(metadata);
  engine::WriteRequest request;
  request.query = output.query;
  request.directory = directory;
  request.partition_by = physical.partition_columns;
  request.field_ids = delta::field_ids(metadata);
  const bool variants = delta::has_variants(metadata);
  if (variants) request.mark = delta::kBareVariants;
  const auto columns = delta::data_columns(metadata);
  if (!output.hidden.empty() || variants ||
      std::ranges::any_of(columns, [](const auto& c) { return c.physical != c.name || c.stored != c.duckdb || c.type == "void"; })) {
    std::string list;
    for (const auto& c : columns)
      if (c.type == "variant")
        list += fmt::format(
            "{0}CASE WHEN src_.{1} IS NOT NULL THEN struct_pack(\"value\" := spark_variant_value(src_.{1}), metadata := "
            "spark_variant_dictionary(src_.{1})) END AS {2}",
            list.empty() ? "" : ", ", delta::sql_identifier(c.name), delta::sql_identifier(c.physical));
      else if (c.type != "void")
        list += (list.empty() ? "" : ", ") + delta::to_physical(c.type, "src_." + delta::sql_identifier(c.name)) + " AS " +
                delta::sql_identifier(c.physical);
    for (const auto& [from, to] : output.hidden) list += ", src_." + delta::sql_identifier(from) + " AS " + delta::sql_identifier(to);
    request.query = "SELECT " + list + " FROM (" + output.query + ") AS src_";
  }
  TARN_TRY(written, engine_.write(scope, request, cancel));
  std::vector<delta::AddFile> out;
  rows = 0;
  for (const auto& w : written) {
    delta::AddFile add;
    add.path = (output.change_data ? "_change_data/" : "") + w.path;
    add.partition_values = w.partition_values;
    add.size = w.bytes;
    add.modification_time = SystemClock().now();
    std::vector<delta::ColumnStats> stats;
    for (const auto& c : w.columns) {
      auto path = c.path;
      if (const auto* f = variants && path.size() == 2 ? physical.schema.find(path[0]) : nullptr; f && f->type == "variant") {
        if (path[1] == "value") stats.push_back({.path = {path[0]}, .null_count = c.null_count});
        continue;
      }
      stats.push_back({.path = std::move(path), .min = c.min, .max = c.max, .null_count = c.null_count, .has_nan = c.has_nan});
    }
    add.stats = delta::stats_json(physical, w.rows, stats);
    rows += w.rows;
    if (cancel && cancel->work()) cancel->work()->written_bytes += static_cast<std::int64_t>(w.bytes);
    out.push_back(std::move(add));
  }
  for (const auto& f : out)
    if (auto sent = objects_.publish_file(delta::data_url(place.root, f.path)); !sent) {
      discard(place.root, out);
      return refuse(Errc::unavailable, "A data file of the table at '" + place.root.text() + "' cannot be written: " + sent.error().message);
    }
  return out;
}

void Tables::carry(const OpenTable& table, delta::Commit& commit, const std::vector<delta::AddFile>& files,
                   const std::vector<std::string>& identities) {
  if (!table.evolved && identities.empty()) return;
  commit.metadata = table.snapshot->metadata;
  advance_identities(*commit.metadata, files, identities);
}

void Tables::advance_identities(delta::Metadata& metadata, const std::vector<delta::AddFile>& files, const std::vector<std::string>& columns) {
  for (auto& f : metadata.schema.fields) {
    if (std::ranges::find(columns, f.name) == columns.end()) continue;
    const auto number = [&](const char* key) { return f.metadata.at(key).to_number<std::int64_t>(); };
    const auto start = number("delta.identity.start"), step = number("delta.identity.step");
    std::optional<std::int64_t> mark;
    if (const auto* m = f.metadata.if_contains("delta.identity.highWaterMark"); m && m->is_int64()) mark = m->get_int64();
    const auto physical = delta::physical_name(f);
    for (const auto& file : files) {
      const auto stats = json::parse(file.stats);
      const auto* side = stats ? stats->as_object().if_contains(step > 0 ? "maxValues" : "minValues") : nullptr;
      const auto* v = side && side->is_object() ? side->get_object().if_contains(physical) : nullptr;
      if (!v || !v->is_int64()) continue;
      // A value that a user gave may lie between those that the column gives out.
      const auto steps = static_cast<std::int64_t>((static_cast<__int128>(v->get_int64()) - start) / step);
      const auto reached = static_cast<std::int64_t>(start + static_cast<__int128>(steps) * step);
      if (!mark || (step > 0 ? reached > *mark : reached < *mark)) mark = reached;
    }
    if (mark) f.metadata["delta.identity.highWaterMark"] = *mark;
  }
}

Result<Written> Tables::create(const std::string& location, const delta::Metadata& wanted, const std::string& query,
                               const std::vector<std::string>& sources, bool replace, const std::string& user, engine::CancelToken* cancel,
                               const RowRules& rules, const std::vector<std::string>& clustered_by) {
  TARN_TRY(root, url_of(location));
  const auto directory = objects_.local_path(root);
  if (!directory) return refuse(Errc::unavailable, "'" + location + "' is not reached by this server's engine");
  auto before = log_.snapshot(root);
  if (!before && before.error().code != delta::Errc::not_a_table) return fail(from_delta(before.error()));
  if (before && !replace) return refuse(Errc::already_exists, "[DELTA_TABLE_ALREADY_EXISTS] There is a Delta table at '" + location + "' already");
  delta::Commit commit;
  commit.operation = before ? delta::Operation::write_overwrite : delta::Operation::create_table;
  commit.metadata = wanted;
  if (before) {
    // A table that maps its columns goes on doing so: its old files are named by numbers that are never given out again.
    const auto& old = (*before)->metadata;
    commit.metadata->id = old.id;
    commit.metadata->created_at = old.created_at;
    if (delta::mapping_mode(old) != delta::MappingMode::none && !commit.metadata->configuration.contains("delta.columnMapping.mode"))
      for (const char* key : {"delta.columnMapping.mode", "delta.columnMapping.maxColumnId"})
        if (const auto at = old.configuration.find(key); at != old.configuration.end()) commit.metadata->configuration[key] = at->second;
  }
  auto protocol = delta::settle(*commit.metadata, before ? &(*before)->metadata : nullptr, before ? (*before)->protocol : delta::Protocol{}, false);
  if (!protocol) return fail(from_delta(protocol.error()));
  commit.protocol = *std::move(protocol);
  const auto& metadata = *commit.metadata;
  if (auto ok = delta::check_schema(metadata.schema, metadata.partition_columns, delta::mapping_mode(metadata) != delta::MappingMode::none); !ok)
    return fail(from_delta(ok.error()));
  if (!clustered_by.empty()) {
    auto domain = delta::clustering_domain(metadata, clustered_by);
    if (!domain) return fail(from_delta(domain.error()));
    commit.domains["delta.clustering"] = *std::move(domain);
  } else if (before && (*before)->domains.contains("delta.clustering")) {
    commit.domains["delta.clustering"] = std::nullopt;
  }
  Written out;
  if (!query.empty()) {
    Output output{.query = query, .sources = sources};
    if (rules.around) {
      TARN_TRY(ruled, rules.around(query, {}));
      output.query = std::move(ruled);
    }
    TARN_TRY(written, write_files({root, *directory}, metadata, output, out.rows, cancel));
    commit.add = std::move(written);
    if (!rules.identities.empty()) advance_identities(*commit.metadata, commit.add, rules.identities);
  }
  const auto files = commit.add;
  commit.honours = honoured_features();
  commit.user_name = user;
  delta::Result<std::int64_t> version;
  if (!before) {
    version = log_.create(root, std::move(commit));
  } else {
    commit.operation_parameters = {{"mode", "Overwrite"}};
    for (const auto& f : (*before)->files) {
      delta::RemoveFile gone;
      gone.path = f.path;
      gone.deletion_timestamp = SystemClock().now();
      commit.remove.push_back(std::move(gone));
    }
    commit.blind_append = false;
    commit.read_whole_table = true;
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
                               std::optional<std::pair<std::string, std::int64_t>> transaction, const std::string& user, engine::CancelToken* cancel,
                               const RowRules& rules) {
  Written out;
  Output output{.query = query, .sources = sources};
  if (rules.around) {
    TARN_TRY(ruled, rules.around(query, {}));
    output.query = std::move(ruled);
  }
  TARN_TRY(files, write_files(table.place(), table.snapshot->metadata, output, out.rows, cancel));
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
  carry(table, commit, files, files.empty() ? std::vector<std::string>() : rules.identities);
  commit.blind_append = !overwrite;
  commit.transaction = std::move(transaction);
  commit.honours = honoured_features();
  TARN_TRY(version, this->commit(table, std::move(commit), user));
  out.version = version;
  return out;
}

Result<std::vector<delta::CommitInfo>> Tables::history(const std::string& location, std::size_t limit) {
  TARN_TRY(root, url_of(location));
  auto h = log_.history(root, limit);
  if (!h) return fail(from_delta(h.error()));
  return *std::move(h);
}

Result<std::int64_t> Tables::commit(const OpenTable& table, delta::Commit commit, const std::string& user) {
  commit.user_name = user;
  const auto written = commit.add;
  auto version = log_.commit(table.root, table.snapshot->version, std::move(commit));
  if (version) return *version;
  discard(table.root, written);
  return fail(from_delta(version.error()));
}

Result<void> Tables::set_properties(const std::string& location, const std::map<std::string, std::optional<std::string>>& changes,
                                    const std::string& user) {
  TARN_TRY(root, url_of(location));
  auto version = log_.set_properties(root, changes, user);
  if (!version) return fail(from_delta(version.error()));
  return {};
}

}  // namespace tarn::sql
