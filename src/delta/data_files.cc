#include "delta/data_files.h"

#include <boost/algorithm/string/predicate.hpp>
#include <charconv>

#include "base/crypto.h"
#include "delta/column_mapping.h"
#include "delta/declared_types.h"
#include "delta/features.h"
#include "delta/paths.h"
#include "delta/protocol.h"

namespace tarn::delta {
namespace {

/// Up to this many distinct partitions each get a scan of their own, whose partition columns are constants the planner can prune by;
/// beyond, one scan is joined with a table of the files' values.
constexpr std::size_t kPartitionScans = 64;
/// Up to this many deleted rows are listed; beyond, they are a string of bits.
constexpr std::size_t kListedRows = 200;

std::string trimmed(std::string text) {
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

/// The value a file gives a partition column; the empty string is null for every type ("Partition Value Serialization").
std::string partition_literal(const DataFile& file, const DataColumn& column) {
  const auto at = file.partition_values.find(column.physical);
  if (at == file.partition_values.end() || !at->second || at->second->empty()) return "NULL";
  return sql_string(*at->second);
}

std::string partition_expression(const DataColumn& column, const std::string& text) {
  if (text == "NULL") return "CAST(NULL AS " + column.duckdb + ")";
  if (column.type == "binary") return "CAST(encode(" + text + ") AS BLOB)";
  return "CAST(" + text + " AS " + column.duckdb + ")";
}

struct Plan {
  std::vector<const DataColumn*> wanted;  // output
  const RelationOptions& options;
};

bool is_variant(const DataColumn& c) { return c.type == "variant"; }
/// Arrays, maps and structs with a VARIANT inside.
bool hides_variant(const DataColumn& c) { return !is_variant(c) && mentions_type(c.type, "variant"); }
bool has_bare_variants(const DataFile& f) { return f.path.find(kBareVariants) != std::string::npos; }

std::string parquet_scan(const DataFiles& t, const std::vector<const DataFile*>& files, const Plan& plan, bool file_names);

/// A VARIANT's bytes, as a file has them. DuckDB shows the null inside a variant as NULL; which of the two a NULL of a marked file is, its statistics
/// say: where none of its rows is NULL, where all are, or where as many are NULL as are shown so. Otherwise it cannot be known, and is an error.
std::string variant_bytes(const DataFiles& t, const DataColumn& c, const Plan& plan, const DataFile& file) {
  const auto own = "d." + sql_identifier(c.name);
  if (has_bare_variants(file)) return fmt::format("CASE WHEN {0} IS NOT NULL THEN spark_variant_joined({0}.metadata, {0}.\"value\") END", own);
  const auto known = file.nulls.find(c.physical);
  std::string otherwise = "NULL";
  const auto null_inside = "spark_parse_json('null', false)";
  const auto refused = fmt::format(
      "CAST(spark_variant_refused(NULL, {}) AS BLOB)",
      sql_string("[UNSUPPORTED_FEATURE] A NULL of the VARIANT column `" + c.name + "` in the file '" + file.path +
                 "', which is NULL or the null inside a variant, cannot be told from its statistics by this warehouse. Write the table anew "
                 "with this warehouse, or one of the two only. SQLSTATE: 0A000"));
  if (known == file.nulls.end()) {
    otherwise = refused;
  } else if (known->second == 0) {
    otherwise = null_inside;
  } else if (known->second != file.rows) {
    otherwise = fmt::format("CASE WHEN (SELECT count(*) FROM {} AS n_ WHERE n_.{} IS NULL) = {} THEN NULL ELSE {} END",
                            parquet_scan(t, {&file}, plan, false), sql_identifier(c.name), known->second, refused);
  }
  const auto parts = "CAST(variant_to_parquet_variant(" + own + ") AS STRUCT(metadata BLOB, \"value\" BLOB))";
  return fmt::format("CASE WHEN {0} IS NOT NULL THEN spark_variant_joined(({1}).metadata, ({1}).\"value\") ELSE {2} END", own, parts, otherwise);
}

/// read_parquet over some files, with the schema of the data columns given: files are not opened to find it.
std::string parquet_scan(const DataFiles& t, const std::vector<const DataFile*>& files, const Plan& plan, bool file_names) {
  std::string list;
  for (const auto* f : files) list += (list.empty() ? "" : ", ") + sql_string(no_pattern(f->location));
  std::string schema;
  const bool bare = !files.empty() && has_bare_variants(*files.front());  // all of a scan are, or none
  const auto add = [&](const std::string& key, const std::string& name, const std::string& type) {
    schema += (schema.empty() ? "" : ", ") + key + ": {name: " + sql_string(name) + ", type: " + sql_string(type) + ", default_value: NULL}";
  };
  for (const auto& c : t.columns) {
    if (c.partition || c.type == "void" || hides_variant(c)) continue;
    // A column of a mapped table that has no number is in no file.
    add(t.by_id ? std::to_string(c.id.value_or(-1)) : sql_string(c.physical), c.name,
        !is_variant(c) ? c.stored
        : bare         ? "STRUCT(\"value\" BLOB, metadata BLOB)"
                       : "VARIANT");
  }
  if (!t.by_id && !plan.options.row_id_column.empty() && !t.row_ids.empty()) add(sql_string(t.row_ids), "__row_id", "BIGINT");
  if (!t.by_id && !plan.options.row_version_column.empty() && !t.row_commit_versions.empty())
    add(sql_string(t.row_commit_versions), "__row_version", "BIGINT");
  std::string out = "read_parquet([" + list + "], hive_partitioning = false, schema = MAP {" + schema + "}";
  if (file_names) out += ", filename = '__file'";
  // With its schema given no file is opened while the plan is made, and the order of joins is guessed without a number of rows.
  std::int64_t rows = 0;
  for (const auto* f : files) rows = f->rows && rows >= 0 ? rows + *f->rows : -1;
  if (rows > 0) out += fmt::format(", explicit_cardinality = {}", rows);
  return out + ")";
}

/// A value of CHAR(n) as readers know it. (The engine's rpad would also cut what is longer.)
std::string filled(const std::string& value, int n) {
  return fmt::format("CASE WHEN length({0}) < {1} THEN rpad({0}, {1}, ' ') ELSE {0} END", value, n);
}

/// Of the rows of one file (`only`), or of several that differ in nothing but their partition, of which `like` is one.
std::string output_list(const DataFiles& t, const Plan& plan, const DataFile* only, const DataFile& like,
                        const std::function<std::string(const DataColumn&)>& partition) {
  std::string out;
  auto add = [&](std::string text) { out += (out.empty() ? "" : ", ") + std::move(text); };
  for (const auto* c : plan.wanted) {
    const auto own = "d." + sql_identifier(c->name);
    if (c->filled > 0)
      add(filled(c->partition ? partition(*c) : own, c->filled) + " AS " + sql_identifier(c->name));
    else if (c->partition)
      add(partition(*c) + " AS " + sql_identifier(c->name));
    else if (hides_variant(*c))
      add(fmt::format("CAST(CAST(spark_variant_refused(NULL, {}) AS BLOB) AS {}) AS {}",
                      sql_string("[UNSUPPORTED_FEATURE] Column `" + c->name +
                                 "`, whose type has a VARIANT inside an array, a map or a struct, is not supported by this warehouse. "
                                 "Leave it out of the statement. SQLSTATE: 0A000"),
                      c->duckdb, sql_identifier(c->name)));
    else if (is_variant(*c))
      add(variant_bytes(t, *c, plan, like) + " AS " + sql_identifier(c->name));
    else if (c->type == "void")
      add("CAST(NULL AS " + c->duckdb + ") AS " + sql_identifier(c->name));
    else if (c->stored != c->duckdb)
      add(to_logical(c->type, own) + " AS " + sql_identifier(c->name));
    else
      add(own);
  }
  if (!plan.options.file_column.empty()) add("d.\"__file\" AS " + sql_identifier(plan.options.file_column));
  if (!plan.options.row_column.empty()) add("d.file_row_number AS " + sql_identifier(plan.options.row_column));
  const auto number = [](std::optional<std::int64_t> n) { return n ? fmt::format("{}::BIGINT", *n) : std::string("NULL::BIGINT"); };
  const auto tracked = [&](const std::string& hidden, const char* column, const std::string& otherwise) {
    return hidden.empty() || t.by_id ? otherwise : fmt::format("coalesce(d.\"{}\", {})", column, otherwise);
  };
  if (!plan.options.row_id_column.empty())
    add(tracked(t.row_ids, "__row_id", "(" + number(only ? only->base_row_id : std::nullopt) + " + d.file_row_number)") + " AS " +
        sql_identifier(plan.options.row_id_column));
  if (!plan.options.row_version_column.empty())
    add(tracked(t.row_commit_versions, "__row_version", number(only ? only->commit_version : std::nullopt)) + " AS " +
        sql_identifier(plan.options.row_version_column));
  return out;
}

std::string no_rows(const Plan& plan) {
  std::string out;
  for (const auto* c : plan.wanted) out += (out.empty() ? "" : ", ") + ("CAST(NULL AS " + c->duckdb + ") AS ") + sql_identifier(c->name);
  if (!plan.options.file_column.empty()) out += ", CAST(NULL AS VARCHAR) AS " + sql_identifier(plan.options.file_column);
  for (const auto& name : {plan.options.row_column, plan.options.row_id_column, plan.options.row_version_column})
    if (!name.empty()) out += ", CAST(NULL AS BIGINT) AS " + sql_identifier(name);
  return "(SELECT " + out + " WHERE false)";
}

/// The condition that leaves a file's rows without those that its deletion vector names, or only these.
std::string kept_rows(const DataFile& f) {
  const auto& rows = *f.deleted;
  if (rows.empty()) return f.only ? "FALSE" : "TRUE";
  if (rows.size() <= kListedRows || rows.back() > (1u << 30)) {
    std::string list;
    for (const auto r : rows) list += (list.empty() ? "" : ", ") + std::to_string(r);
    return fmt::format("d.file_row_number {}IN ({})", f.only ? "" : "NOT ", list);
  }
  std::string bits(rows.back() / 8 + 1, '\0');
  for (const auto r : rows) bits[r / 8] = static_cast<char>(static_cast<unsigned char>(bits[r / 8]) | 0x80u >> (r % 8));
  return fmt::format(
      "CASE WHEN d.file_row_number < {} THEN get_bit(CAST(from_base64('{}') AS BIT), CAST(d.file_row_number AS INTEGER)) = {} ELSE {} END",
      bits.size() * 8, crypto::base64(bits), f.only ? 1 : 0, f.only ? "FALSE" : "TRUE");
}

std::string plain_relation(const DataFiles& t, const Plan& plan, const std::vector<const DataFile*>& files) {
  const bool names = !plan.options.file_column.empty();
  std::vector<const DataColumn*> partitions;
  for (const auto& c : t.columns)
    if (c.partition) partitions.push_back(&c);
  auto position = [&](const DataColumn& c) {
    return static_cast<std::size_t>(std::find(partitions.begin(), partitions.end(), &c) - partitions.begin());
  };
  std::string out;
  const auto scan = [&](const std::vector<std::string>& key, const std::vector<const DataFile*>& members, const DataFile* only) {
    out += out.empty() ? "(" : " UNION ALL ";
    out += "SELECT " + output_list(t, plan, only, *members.front(), [&](const DataColumn& c) { return partition_expression(c, key[position(c)]); }) +
           " FROM " + parquet_scan(t, members, plan, names) + " AS d";
    if (only && only->deleted) out += " WHERE " + kept_rows(*only);
  };
  // Files whose rows differ by more than their partition's values are scans of their own.
  const bool tracks = !plan.options.row_id_column.empty() || !plan.options.row_version_column.empty();
  const bool variants = std::any_of(t.columns.begin(), t.columns.end(), is_variant);
  std::map<std::vector<std::string>, std::vector<const DataFile*>> groups;
  std::vector<const DataFile*> rest;
  for (const auto* f : files) {
    std::vector<std::string> key;
    for (const auto* c : partitions) key.push_back(partition_literal(*f, *c));
    if (f->deleted || tracks || (variants && !has_bare_variants(*f))) {
      scan(key, {f}, f);
      continue;
    }
    rest.push_back(f);
    groups[std::move(key)].push_back(f);
  }
  if (groups.size() <= kPartitionScans) {
    for (const auto& [key, members] : groups) scan(key, members, nullptr);
    return out + ")";
  }
  std::string values;
  for (const auto* f : rest) {
    values += (values.empty() ? "(" : ", (") + sql_string(f->location);
    for (const auto* c : partitions) values += ", " + partition_literal(*f, *c);
    values += ")";
  }
  std::string columns = "\"__path\"";
  for (std::size_t i = 0; i < partitions.size(); ++i) columns += fmt::format(", \"__p{}\"", i);
  return (out.empty() ? "(" : out + " UNION ALL ") + "SELECT " +
         output_list(t, plan, nullptr, *rest.front(),
                     [&](const DataColumn& c) { return partition_expression(c, fmt::format("p.\"__p{}\"", position(c))); }) +
         " FROM " + parquet_scan(t, rest, plan, true) + " AS d JOIN (VALUES " + values + ") AS p(" + columns + ") ON d.\"__file\" = p.\"__path\")";
}

}  // namespace

std::string no_pattern(std::string_view path) {
  std::string out;
  for (char c : path) {
    if (c == '*' || c == '?' || c == '[')
      out += std::string("[") + c + "]";
    else
      out += c;
  }
  return out;
}

std::string sql_string(std::string_view text) {
  std::string out = "'";
  for (char c : text) out.append(c == '\'' ? 2 : 1, c);
  return out + "'";
}

std::string sql_identifier(std::string_view name) {
  std::string out = "\"";
  for (char c : name) out.append(c == '"' ? 2 : 1, c);
  return out + "\"";
}

std::vector<DataColumn> data_columns(const Metadata& m) {
  const bool mapped = mapping_mode(m) != MappingMode::none;
  std::vector<DataColumn> out;
  for (const auto& f : m.schema.fields) {
    DataColumn c{f.name, f.type, duckdb_type(f.type), f.nullable, false, f.name, std::nullopt, {}};
    c.partition = std::find(m.partition_columns.begin(), m.partition_columns.end(), f.name) != m.partition_columns.end();
    if (mapped) c.physical = physical_name(f), c.id = column_id(f);
    c.stored = mapped ? duckdb_type(physical_type(f.type)) : c.duckdb;
    if (f.type == "string") c.filled = char_length(f);
    out.push_back(std::move(c));
  }
  return out;
}

static std::string location_of(const objects::Url& url, objects::ObjectStore& objects) {
  auto local = objects.local_path(url);
  return local ? *std::move(local) : url.text();
}

Result<DataFile> data_file(const AddFile& f, const objects::Url& root, objects::ObjectStore& objects) {
  DataFile file;
  file.path = f.path;
  file.location = location_of(data_url(root, f.path), objects);
  file.partition_values = f.partition_values;
  file.size = f.size;
  // The number alone, without parsing the bounds of 10,000 files: stats begin with it in every writer's output.
  constexpr std::string_view key = "\"numRecords\":";
  if (const auto at = f.stats.find(key); at != std::string::npos && at < 64) {
    std::int64_t n = 0;
    const char* from = f.stats.data() + at + key.size();
    if (std::from_chars(from, f.stats.data() + f.stats.size(), n).ec == std::errc()) file.rows = n;
  }
  if (const auto* o = f.extra.if_object()) {
    if (const auto* n = o->if_contains("baseRowId"); n && n->is_int64()) file.base_row_id = n->get_int64();
    if (const auto* n = o->if_contains("defaultRowCommitVersion"); n && n->is_int64()) file.commit_version = n->get_int64();
  }
  if (!f.deletion_vector.is_null()) {
    TARN_TRY(rows, read_vector(objects, root, f.deletion_vector));
    file.deleted = std::make_shared<const RowNumbers>(std::move(rows));
  }
  return file;
}

/// What statistics say of NULLs in VARIANT columns.
static std::map<std::string, std::int64_t> null_counts(const std::string& stats, const std::vector<DataColumn>& columns) {
  std::map<std::string, std::int64_t> out;
  const auto parsed = json::parse(stats);
  const auto* o = parsed ? parsed->if_object() : nullptr;
  const auto* counts = o && o->contains("nullCount") ? o->at("nullCount").if_object() : nullptr;
  for (const auto& c : columns)
    if (const auto* n = counts && is_variant(c) ? counts->if_contains(c.physical) : nullptr; n && n->is_int64()) out[c.physical] = n->get_int64();
  return out;
}

bool has_variants(const Metadata& m) {
  return std::any_of(m.schema.fields.begin(), m.schema.fields.end(), [](const Field& f) { return f.type == "variant"; });
}

Result<DataFiles> data_files(const Snapshot& s, const objects::Url& root, objects::ObjectStore& objects) {
  DataFiles out;
  out.version = s.version;
  out.root = trimmed(location_of(root, objects));
  out.columns = data_columns(s.metadata);
  out.by_id = mapping_mode(s.metadata) == MappingMode::id;
  for (const auto& c : out.columns)
    if (hides_variant(c)) out.read_only = "a VARIANT inside an array, a map or a struct (column `" + c.name + "`)";
  const bool variants = std::any_of(out.columns.begin(), out.columns.end(), is_variant);
  if (const auto name = property(s.metadata, "delta.rowTracking.materializedRowIdColumnName")) out.row_ids = *name;
  if (const auto name = property(s.metadata, "delta.rowTracking.materializedRowCommitVersionColumnName")) out.row_commit_versions = *name;
  out.files.reserve(s.files.size());
  for (const auto& f : s.files) {
    TARN_TRY(file, data_file(f, root, objects));
    if (variants && !has_bare_variants(file)) file.nulls = null_counts(f.stats, out.columns);
    out.files.push_back(std::move(file));
  }
  return out;
}

Result<std::string> relation_sql(const DataFiles& t, const RelationOptions& options) {
  Plan plan{{}, options};
  for (const auto& name : options.columns) {
    const auto at = std::find_if(t.columns.begin(), t.columns.end(), [&](const DataColumn& c) { return c.name == name; });
    if (at == t.columns.end()) return fail(Error{Errc::invalid_request, "The table at " + t.root + " has no column '" + name + "'"});
    plan.wanted.push_back(&*at);
  }
  if (options.columns.empty())
    for (const auto& c : t.columns) plan.wanted.push_back(&c);
  // The row's number is a virtual column of read_parquet (its option of that name fails together with a given schema).
  if (!options.row_column.empty() &&
      std::any_of(t.columns.begin(), t.columns.end(), [](const DataColumn& c) { return boost::algorithm::iequals(c.name, "file_row_number"); }))
    return fail(Error{Errc::invalid_request, "Rows of the table at " + t.root + " cannot be numbered: it has a column named file_row_number"});
  std::vector<const DataFile*> files;
  if (options.files) {
    for (const auto i : *options.files) {
      if (i >= t.files.size())
        return fail(Error{Errc::invalid_request, fmt::format("The table at {} has {} files; there is no file {}", t.root, t.files.size(), i)});
      files.push_back(&t.files[i]);
    }
  } else {
    for (const auto& f : t.files) files.push_back(&f);
  }
  if (files.empty()) return no_rows(plan);
  return plain_relation(t, plan, files);
}

}  // namespace tarn::delta
