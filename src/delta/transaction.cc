#include "delta/transaction.h"

#include <unordered_set>

#include "base/ids.h"
#include "delta/column_mapping.h"
#include "delta/features.h"
#include "delta/paths.h"
#include "delta/protocol.h"

namespace tarn::delta {
namespace {

using json::object;

Error invalid(std::string message) { return {Errc::invalid_request, std::move(message)}; }

WriteKind kind_of(const Commit& c) {
  WriteKind kind;
  kind.adds_data = std::any_of(c.add.begin(), c.add.end(), [](const AddFile& f) { return f.data_change; });
  kind.removes_data = std::any_of(c.remove.begin(), c.remove.end(), [](const RemoveFile& f) { return f.data_change; });
  kind.honours = &c.honours;
  return kind;
}

/// The count under stats.KEY.COLUMN, or stats.KEY.
std::optional<std::int64_t> stat(const object& stats, const char* key, const std::string* column = nullptr) {
  const auto* v = stats.if_contains(key);
  if (v && column) v = v->is_object() ? v->get_object().if_contains(*column) : nullptr;
  if (!v || !v->is_int64()) return std::nullopt;
  return v->get_int64();
}

Result<void> check_added(const AddFile& file, const Metadata& metadata) {
  for (const auto& column : metadata.partition_columns)
    if (!file.partition_values.contains(column))
      return fail(invalid(fmt::format("The added file '{}' has no value for the partition column {}", file.path, column)));
  if (file.partition_values.size() != metadata.partition_columns.size())
    return fail(invalid(fmt::format("The added file '{}' has {} partition values; the table has {} partition columns", file.path,
                                    file.partition_values.size(), metadata.partition_columns.size())));
  object stats;
  if (!file.stats.empty()) {
    auto parsed = json::parse(file.stats);
    if (!parsed || !parsed->is_object()) return fail(invalid("The statistics of the added file '" + file.path + "' are not a JSON object"));
    stats = std::move(parsed->get_object());
  }
  for (const auto& f : metadata.schema.fields) {
    if (f.nullable) continue;
    const auto partition = file.partition_values.find(f.name);
    const bool null_partition = partition != file.partition_values.end() && (!partition->second || partition->second->empty());
    const auto nulls = stat(stats, "nullCount", &f.name);
    if (null_partition || (nulls && *nulls > 0))
      return fail(Error{Errc::constraint, fmt::format("[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] NOT NULL constraint violated for column: {}.", f.name)});
  }
  return {};
}

/// A column of the version before: by its number where columns are mapped, for its name may change.
const Field* same_column(const Schema& old, const Field& f) {
  const auto id = column_id(f);
  if (id)
    for (const auto& o : old.fields)
      if (column_id(o) == id) return &o;
  const auto* named = old.find(f.name);
  return id && named && column_id(*named) ? nullptr : named;
}

/// Whether files with the old type can be read as the new one: the same, with new nullable fields, or (where the table allows it) a wider one.
bool fits(const json::value& old, const json::value& now, bool mapped, bool widening) {
  if (old.is_string() || now.is_string()) return old == now || (widening && widens(old, now));
  const auto &a = old.get_object(), &b = now.get_object();
  if (a.at("type") != b.at("type")) return false;
  for (const char* part : {"elementType", "keyType", "valueType"})
    if (a.contains(part) && !fits(a.at(part), b.at(part), mapped, widening)) return false;
  if (!a.contains("fields")) return true;
  Schema was, is;
  for (auto [from, to] : {std::pair(&a, &was), std::pair(&b, &is)})
    for (const auto& f : from->at("fields").get_array()) {
      const auto* m = f.get_object().if_contains("metadata");
      to->fields.push_back({std::string(f.at("name").get_string()), f.at("type"), f.at("nullable").is_bool() && f.at("nullable").get_bool(),
                            m && m->is_object() ? m->get_object() : json::object()});
    }
  for (const auto& f : is.fields) {
    const auto* before = same_column(was, f);
    if (before ? !fits(before->type, f.type, mapped, widening) || (before->nullable && !f.nullable) : !f.nullable) return false;
  }
  return mapped || std::ranges::all_of(was.fields, [&](const Field& f) { return is.find(f.name); });
}

/// What a change of metadata may not do in passing.
Result<void> check_metadata_change(const Commit& c, const Snapshot& before) {
  const Metadata& old = before.metadata;
  const Metadata& now = *c.metadata;
  if (now.id != old.id) return fail(invalid(fmt::format("A commit cannot change the table's id from {} to {}", old.id, now.id)));
  const bool replaces_all = c.remove.size() == before.files.size();
  if (physical_metadata(now).partition_columns != physical_metadata(old).partition_columns && !replaces_all)
    return fail(
        invalid(fmt::format("[DELTA_UNSUPPORTED_PARTITION_COLUMN_CHANGE] Cannot change partition columns during {} operation (old: {}, new: {}).",
                            operation_name(c), fmt::join(old.partition_columns, ", "), fmt::join(now.partition_columns, ", "))));
  TARN_CHECK(check_schema(now.schema, now.partition_columns, mapping_mode(now) != MappingMode::none));
  std::map<std::string, std::string> changed;
  for (const auto& [k, v] : now.configuration)
    if (const auto at = old.configuration.find(k); at == old.configuration.end() || at->second != v) changed.emplace(k, v);
  TARN_CHECK(check_properties(changed, SetBy::log));
  if (replaces_all) return {};
  for (const auto& f : now.schema.fields) {
    const Field* was = same_column(old.schema, f);
    if (was && !fits(was->type, f.type, mapping_mode(now) != MappingMode::none, property_is_true(now, "delta.enableTypeWidening")))
      return fail(invalid(
          fmt::format("Column {} cannot change its type from {} to {} while the table holds files", f.name, sql_type(was->type), sql_type(f.type))));
    if (was && was->nullable && !f.nullable && !std::ranges::count(c.honours, "invariants"))
      return fail(invalid(fmt::format("Column {} cannot become NOT NULL while the table holds files", f.name)));
    if (!was && !f.nullable) return fail(invalid(fmt::format("The new column {} must be nullable: existing files have no values for it", f.name)));
  }
  return {};
}

}  // namespace

bool reads_files(const Commit& c) { return !c.blind_append || !c.remove.empty() || c.read_whole_table || !c.read_files.empty(); }

bool changes_data(const Commit& c) {
  const WriteKind kind = kind_of(c);
  return kind.adds_data || kind.removes_data || (c.add.empty() && c.remove.empty());
}

std::string operation_name(const Commit& c) {
  switch (c.operation) {
    case Operation::create_table:
      return c.add.empty() ? "CREATE TABLE" : "CREATE TABLE AS SELECT";
    case Operation::write_append:
    case Operation::write_overwrite:
      return "WRITE";
    case Operation::delete_:
      return "DELETE";
    case Operation::update:
      return "UPDATE";
    case Operation::merge:
      return "MERGE";
    case Operation::set_properties:
      return "SET TBLPROPERTIES";
    case Operation::change_columns:
      return "CHANGE COLUMNS";
    case Operation::optimize:
      return "OPTIMIZE";
    case Operation::restore:
      return "RESTORE";
    case Operation::add_constraint:
      return "ADD CONSTRAINT";
    case Operation::drop_constraint:
      return "DROP CONSTRAINT";
    case Operation::cluster_by:
      return "CLUSTER BY";
    case Operation::rename_column:
      return "RENAME COLUMN";
    case Operation::drop_columns:
      return "DROP COLUMNS";
    case Operation::reorg:
      return "REORG";
  }
  return "Manual Update";
}

Result<void> check_request(const Commit& c, const objects::Url& root) {
  std::unordered_set<std::string_view> added, removed;
  for (const auto& f : c.add) {
    const auto path = decode_path(encode_path(f.path), root);
    if (!path || *path != f.path)
      return fail(invalid("The added file's path '" + f.path + "' must be relative to the table, without '..', '.' or empty segments"));
    if (f.path.starts_with("_delta_log/")) return fail(invalid("The added file's path '" + f.path + "' is inside the log"));
    if (!added.insert(f.path).second) return fail(invalid("The commit adds the file '" + f.path + "' twice"));
  }
  for (const auto& f : c.remove)
    if (!removed.insert(f.path).second) return fail(invalid("The commit removes the file '" + f.path + "' twice"));
  for (const auto& f : c.changes)
    if (!f.path.starts_with("_change_data/")) return fail(invalid("The file of changes '" + f.path + "' is not below _change_data"));
  return {};
}

Result<void> check_against(const Commit& c, const Snapshot& before, const objects::Url& root) {
  const std::string table = root.text();
  TARN_CHECK(check_writable(before.protocol, before.metadata, kind_of(c), table));
  const Metadata& metadata = c.metadata ? *c.metadata : before.metadata;
  if (c.protocol || c.metadata) TARN_CHECK(check_writable(c.protocol ? *c.protocol : before.protocol, metadata, kind_of(c), table));
  if (c.metadata) TARN_CHECK(check_metadata_change(c, before));
  if (!c.add.empty()) {
    const auto physical = physical_metadata(metadata);
    for (const auto& f : c.add) TARN_CHECK(check_added(f, physical));
  }
  if (c.add.empty() && c.remove.empty()) return {};
  std::unordered_set<std::size_t> named;
  for (const auto& f : c.add) named.insert(hash_of(f.path));
  for (const auto& f : c.remove) named.insert(hash_of(f.path));
  std::unordered_map<std::string_view, const AddFile*> live;
  for (const auto& e : before.files.entries)
    if (named.contains(e.hash) || !e.file->deletion_vector.is_null()) live.emplace(e.file->path, e.file.get());
  std::unordered_set<std::string_view> removed;
  for (const auto& f : c.remove) {
    removed.insert(f.path);
    if (!live.contains(f.path))
      return fail(invalid("The file '" + f.path + "' to remove is not in the table's version " + std::to_string(before.version)));
  }
  // The same file may come again with another deletion vector: then the version with the old one goes.
  for (const auto& f : c.add)
    if (const auto at = live.find(f.path); at != live.end() && (!removed.contains(f.path) || file_key(f) == file_key(*at->second)))
      return fail(invalid("The file '" + f.path + "' is already in the table"));
  return {};
}

void complete(Commit& c, const Snapshot& before, Millis now) {
  for (auto& f : c.add)
    if (f.modification_time == 0) f.modification_time = now;
  if (c.remove.empty()) return;
  std::unordered_map<std::string_view, RemoveFile*> wanted;
  for (auto& r : c.remove) wanted.emplace(r.path, &r);
  for (const auto& file : before.files) {
    const auto at = wanted.find(file.path);
    if (at == wanted.end()) continue;
    RemoveFile& r = *at->second;
    r.deletion_timestamp = now;
    r.uri = file.uri;
    object partitions;
    for (const auto& [k, v] : file.partition_values) partitions[k] = v ? json::value(*v) : json::value(nullptr);
    object extra{{"extendedFileMetadata", true}, {"partitionValues", std::move(partitions)}, {"size", file.size}};
    if (!file.deletion_vector.is_null()) extra["deletionVector"] = file.deletion_vector;
    if (const auto* o = file.extra.if_object())
      for (const char* key : {"tags", "baseRowId", "defaultRowCommitVersion"})
        if (const auto* v = o->if_contains(key)) extra[key] = *v;
    r.extra = std::move(extra);
  }
}

Result<void> number_rows(Commit& c, const Snapshot& before, const Protocol& protocol, const Metadata& metadata) {
  constexpr const char* domain = "delta.rowTracking";
  if (c.add.empty() || !supports(protocol, "rowTracking") || property_is_true(metadata, "delta.rowTrackingSuspended")) return {};
  std::int64_t last = -1;
  if (const auto at = before.domains.find(domain); at != before.domains.end()) {
    const auto* text = at->second.is_object() ? at->second.get_object().if_contains("configuration") : nullptr;
    const auto parsed = text && text->is_string() ? json::parse(text->get_string()) : json::Decoded<json::value>(json::value());
    const auto* mark = parsed && parsed->is_object() ? parsed->get_object().if_contains("rowIdHighWaterMark") : nullptr;
    if (!mark || !mark->is_int64()) return fail(corrupt("The table's log does not tell which row ids it has given out (delta.rowTracking)"));
    last = mark->get_int64();
  }
  const auto first = last;
  for (auto& f : c.add) {
    if (!f.extra.is_object()) f.extra = object{};
    auto& extra = f.extra.get_object();
    if (extra.contains("baseRowId")) continue;  // committed before
    const auto stats = json::parse(f.stats.empty() ? "{}" : f.stats);
    const auto rows = stats && stats->is_object() ? stat(stats->get_object(), "numRecords") : std::nullopt;
    if (!rows) return fail(invalid("The added file '" + f.path + "' does not say how many rows it has, which row tracking needs"));
    extra["baseRowId"] = last + 1;
    extra["defaultRowCommitVersion"] = before.version + 1;
    last += *rows;
  }
  if (last != first) c.domains[domain] = boost::json::serialize(object{{"rowIdHighWaterMark", last}, {"domainName", domain}});
  return {};
}

namespace {

object metrics_of(const Commit& c) {
  object out;
  std::uint64_t bytes = 0, removed_bytes = 0;
  std::int64_t rows = 0;
  bool rows_known = true;
  for (const auto& f : c.add) {
    bytes += f.size;
    auto parsed = json::parse(f.stats);
    const auto n = parsed && parsed->is_object() ? stat(parsed->get_object(), "numRecords") : std::nullopt;
    rows += n.value_or(0);
    rows_known = rows_known && n;
  }
  for (const auto& r : c.remove)
    if (const auto* size = extra_field(r.extra, "size"); size && size->is_number()) removed_bytes += size->to_number<std::uint64_t>();
  const bool writes = c.operation == Operation::write_append || c.operation == Operation::write_overwrite || c.operation == Operation::create_table;
  if (writes && (!c.add.empty() || c.operation != Operation::create_table)) {
    out["numFiles"] = std::to_string(c.add.size());
    out["numOutputBytes"] = std::to_string(bytes);
    if (rows_known) out["numOutputRows"] = std::to_string(rows);
  } else if (!c.add.empty() || !c.remove.empty()) {
    out["numAddedFiles"] = std::to_string(c.add.size());
    out["numAddedBytes"] = std::to_string(bytes);
  }
  if (!c.remove.empty()) {
    out["numRemovedFiles"] = std::to_string(c.remove.size());
    out["numRemovedBytes"] = std::to_string(removed_bytes);
  }
  for (const auto& [k, v] : c.operation_metrics) out[k] = v;
  return out;
}

object parameters_of(const Commit& c, const Metadata& metadata) {
  object out;
  if (c.operation == Operation::write_append || c.operation == Operation::write_overwrite) {
    out["mode"] = c.operation == Operation::write_append ? "Append" : "Overwrite";
    out["partitionBy"] = boost::json::serialize(json::encode(metadata.partition_columns));
  } else if (c.operation == Operation::create_table) {
    out["isManaged"] = "false";
    out["description"] = metadata.description.empty() ? json::value(nullptr) : json::value(metadata.description);
    out["partitionBy"] = boost::json::serialize(json::encode(metadata.partition_columns));
    out["properties"] = boost::json::serialize(json::encode(metadata.configuration));
  }
  for (const auto& [k, v] : c.operation_parameters) out[k] = v;
  return out;
}

}  // namespace

Publication publication(const Commit& c, const Snapshot* before, const Protocol& protocol, const Metadata& metadata, std::int64_t read_version,
                        Millis now) {
  Publication out;
  out.transaction_id = new_uuid();
  out.timestamp = now;
  object info;
  if (in_commit_timestamps(protocol, metadata)) {
    // "inCommitTimestamp must be larger than that of the previous commit"; commitInfo is the first action, as that feature wants it.
    out.timestamp = std::max(now, before ? before->timestamp + 1 : now);
    info["inCommitTimestamp"] = out.timestamp;
  }
  const bool blind = !reads_files(c) && std::all_of(c.add.begin(), c.add.end(), [](const AddFile& f) { return f.data_change; });
  info["timestamp"] = now;
  if (!c.user_name.empty()) info["userName"] = c.user_name;
  info["operation"] = operation_name(c);
  info["operationParameters"] = parameters_of(c, metadata);
  if (read_version >= 0) info["readVersion"] = read_version;
  info["isolationLevel"] = !changes_data(c) ? "SnapshotIsolation" : is_serializable(metadata) ? "Serializable" : "WriteSerializable";
  info["isBlindAppend"] = blind;
  if (supports(protocol, "rowTracking"))
    info["tags"] = object{{"delta.rowTracking.preserved", c.remove.empty() || c.row_ids_kept ? "true" : "false"}};
  info["operationMetrics"] = metrics_of(c);
  info["engineInfo"] = "Tarn/" TARN_VERSION;
  info["txnId"] = out.transaction_id;
  object first;
  first["commitInfo"] = std::move(info);
  out.text = boost::json::serialize(first) + "\n";
  if (c.protocol) out.text += print(*c.protocol) + "\n";
  if (c.metadata) out.text += print(*c.metadata) + "\n";
  for (const auto& [domain, configuration] : c.domains)
    out.text += print_domain(json::object{{"domain", domain}, {"configuration", configuration.value_or("")}, {"removed", !configuration}}) + "\n";
  if (c.transaction) out.text += print_txn(c.transaction->first, {c.transaction->second, now}) + "\n";
  for (const auto& f : c.remove) out.text += print(f) + "\n";
  for (const auto& f : c.add) out.text += print(f) + "\n";
  for (const auto& f : c.changes) out.text += print(f) + "\n";
  return out;
}

}  // namespace tarn::delta
