#include "delta/data_files.h"

#include <boost/algorithm/string/predicate.hpp>
#include <charconv>

#include "delta/paths.h"

namespace tarn::delta {
namespace {

/// Up to this many distinct partitions each get a scan of their own, whose partition columns are constants the planner can prune by;
/// beyond, one scan is joined with a table of the files' values.
constexpr std::size_t kPartitionScans = 64;

std::string trimmed(std::string text) {
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

bool mentions_variant(const json::value& type) { return boost::json::serialize(type).find("\"variant\"") != std::string::npos; }

/// DuckDB takes file names for patterns; a bracket makes a special character plain.
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

/// The value a file gives a partition column; the empty string is null for every type ("Partition Value Serialization").
std::string partition_literal(const DataFile& file, const DataColumn& column) {
  const auto at = file.partition_values.find(column.name);
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

/// read_parquet over some files, with the schema of the data columns given: files are not opened to find it.
std::string parquet_scan(const DataFiles& t, const std::vector<const DataFile*>& files, bool file_names) {
  std::string list;
  for (const auto* f : files) list += (list.empty() ? "" : ", ") + sql_string(no_pattern(f->location));
  std::string schema;
  for (const auto& c : t.columns) {
    if (c.partition || c.type == "void") continue;
    schema += (schema.empty() ? "" : ", ") + sql_string(c.name) + ": {name: " + sql_string(c.name) + ", type: " + sql_string(c.duckdb) +
              ", default_value: NULL}";
  }
  std::string out = "read_parquet([" + list + "], hive_partitioning = false, schema = MAP {" + schema + "}";
  if (file_names) out += ", filename = '__file'";
  return out + ")";
}

std::string output_list(const Plan& plan, const std::function<std::string(const DataColumn&)>& partition) {
  std::string out;
  auto add = [&](std::string text) { out += (out.empty() ? "" : ", ") + std::move(text); };
  for (const auto* c : plan.wanted) {
    if (c->partition)
      add(partition(*c) + " AS " + sql_identifier(c->name));
    else if (c->type == "void")
      add("CAST(NULL AS " + c->duckdb + ") AS " + sql_identifier(c->name));
    else
      add("d." + sql_identifier(c->name));
  }
  if (!plan.options.file_column.empty()) add("d.\"__file\" AS " + sql_identifier(plan.options.file_column));
  if (!plan.options.row_column.empty()) add("d.file_row_number AS " + sql_identifier(plan.options.row_column));
  return out;
}

std::string no_rows(const Plan& plan) {
  std::string out;
  for (const auto* c : plan.wanted) out += (out.empty() ? "" : ", ") + ("CAST(NULL AS " + c->duckdb + ") AS ") + sql_identifier(c->name);
  if (!plan.options.file_column.empty()) out += ", CAST(NULL AS VARCHAR) AS " + sql_identifier(plan.options.file_column);
  if (!plan.options.row_column.empty()) out += ", CAST(NULL AS BIGINT) AS " + sql_identifier(plan.options.row_column);
  return "(SELECT " + out + " WHERE false)";
}

std::string plain_relation(const DataFiles& t, const Plan& plan, const std::vector<const DataFile*>& files) {
  const bool names = !plan.options.file_column.empty();
  std::vector<const DataColumn*> partitions;
  for (const auto& c : t.columns)
    if (c.partition) partitions.push_back(&c);
  if (partitions.empty()) return "(SELECT " + output_list(plan, {}) + " FROM " + parquet_scan(t, files, names) + " AS d)";

  std::map<std::vector<std::string>, std::vector<const DataFile*>> groups;
  for (const auto* f : files) {
    std::vector<std::string> key;
    for (const auto* c : partitions) key.push_back(partition_literal(*f, *c));
    groups[std::move(key)].push_back(f);
  }
  auto position = [&](const DataColumn& c) {
    return static_cast<std::size_t>(std::find(partitions.begin(), partitions.end(), &c) - partitions.begin());
  };
  if (groups.size() <= kPartitionScans) {
    std::string out;
    for (const auto& [key, members] : groups) {
      out += out.empty() ? "(" : " UNION ALL ";
      out += "SELECT " + output_list(plan, [&](const DataColumn& c) { return partition_expression(c, key[position(c)]); }) + " FROM " +
             parquet_scan(t, members, names) + " AS d";
    }
    return out + ")";
  }
  std::string values;
  for (const auto* f : files) {
    values += (values.empty() ? "(" : ", (") + sql_string(f->location);
    for (const auto* c : partitions) values += ", " + partition_literal(*f, *c);
    values += ")";
  }
  std::string columns = "\"__path\"";
  for (std::size_t i = 0; i < partitions.size(); ++i) columns += fmt::format(", \"__p{}\"", i);
  return "(SELECT " + output_list(plan, [&](const DataColumn& c) { return partition_expression(c, fmt::format("p.\"__p{}\"", position(c))); }) +
         " FROM " + parquet_scan(t, files, true) + " AS d JOIN (VALUES " + values + ") AS p(" + columns + ") ON d.\"__file\" = p.\"__path\")";
}

}  // namespace

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

Result<DataFiles> data_files(const Snapshot& s, const objects::Url& root, objects::ObjectStore& objects) {
  DataFiles out;
  out.version = s.version;
  auto location = [&](const objects::Url& url) {
    auto local = objects.local_path(url);
    return local ? *std::move(local) : url.text();
  };
  out.root = trimmed(location(root));
  for (const auto& f : s.metadata.schema.fields) {
    const bool partition =
        std::find(s.metadata.partition_columns.begin(), s.metadata.partition_columns.end(), f.name) != s.metadata.partition_columns.end();
    out.columns.push_back({f.name, f.type, duckdb_type(f.type), f.nullable, partition});
    if (mentions_variant(f.type)) out.needs_delta_scan = "variant columns";
  }
  if (s.has_deletion_vectors())
    out.needs_delta_scan = "deletion vectors";
  else if (s.has_column_mapping())
    out.needs_delta_scan = "column mapping";
  else if (s.has_type_widening())
    out.needs_delta_scan = "type widening";
  out.files.reserve(s.files.size());
  for (const auto& f : s.files) {
    DataFile file{f.path, location(data_url(root, f.path)), f.partition_values, f.size, std::nullopt};
    // The number alone, without parsing the bounds of 10,000 files: stats begin with it in every writer's output.
    constexpr std::string_view key = "\"numRecords\":";
    if (const auto at = f.stats.find(key); at != std::string::npos && at < 64) {
      std::int64_t n = 0;
      const char* from = f.stats.data() + at + key.size();
      if (std::from_chars(from, f.stats.data() + f.stats.size(), n).ec == std::errc()) file.rows = n;
    }
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
  if (!t.plain()) {
    if (options.files || !options.row_column.empty())
      return fail(Error{Errc::invalid_request, "Files of the table at " + t.root + " cannot be read one by one: it has " + t.needs_delta_scan});
    std::string list;
    for (const auto* c : plan.wanted)
      list += (list.empty() ? "" : ", ") + ("CAST(" + sql_identifier(c->name) + " AS " + c->duckdb + ") AS ") + sql_identifier(c->name);
    if (!options.file_column.empty()) list += ", filename AS " + sql_identifier(options.file_column);
    return "(SELECT " + list + fmt::format(" FROM delta_scan({}, version = {}))", sql_string(t.root), t.version);
  }
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
