// Files as relations: what their columns are, and what becomes of a record that does not fit them.
#include "base/text.h"
#include "delta/data_files.h"
#include "sql/file_formats.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

using Kind = FileFormat::Kind;
using Columns = std::vector<RelationColumn>;

std::string quoted(const std::string& name) { return delta::sql_identifier(name); }

std::string duckdb_of(const std::string& type) {
  const auto known = delta::delta_type(type);
  return known ? delta::duckdb_type(*known) : "VARCHAR";
}

void add(FileShape& out, const std::string& value, RelationColumn column) {
  out.list += (out.list.empty() ? "" : ", ") + value + " AS " + quoted(column.name);
  out.columns.push_back(std::move(column));
}

/// `rows` behind a query in Databricks SQL over them.
Result<std::string> behind(Parser& parser, const std::string& sql, const Columns& columns, const std::string& rows) {
  TARN_TRY(rewritten, parser.rewrite({.sql = sql, .relations = {columns}, .kinds = {ReferenceKind::table}}));
  std::string out = "(";
  for (const auto& p : rewritten->query) out += p.kind == Piece::Kind::text ? p.text : rows;
  return out + ")";
}

/// The column for what did not fit: a JSON object of these members, each a DuckDB text or NULL, and of the file that they are from.
std::string rescued(const std::string& members) {
  return "CASE WHEN len(" + members + ") > 0 THEN '{' || array_to_string(" + members +
         ", ',') || ',\"_file_path\":' || CAST(to_json(m_.w) AS VARCHAR) || '}' END";
}

std::string only_there(const std::string& members) { return "list_filter([" + members + "], lambda x_: x_ IS NOT NULL)"; }

std::string member(const std::string& name, const std::string& when, const std::string& value) {
  const auto key = boost::json::serialize(boost::json::value(name)) + ":";
  return "CASE WHEN " + when + " THEN " + delta::sql_string(key) + " || " + value + " END";
}

constexpr const char* kMalformed =
    "error('[MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION] Malformed records are detected in record parsing: ' || {} || '. Parse Mode: FAILFAST. "
    "To "
    "process malformed records as null result, try setting the option ''mode'' as ''PERMISSIVE''. SQLSTATE: 22023')";

/// v0, v1, … (values) beside what says of each that it did not fit: as the mode has it.
void by_mode(FileShape& out, const FileFormat& format, const Columns& wanted, const std::vector<std::string>& unfit, const std::string& record) {
  const bool fails = format.mode == FileFormat::Mode::failfast && !format.rescued;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    auto value = fmt::format("v{}", i);
    if (fails && !unfit[i].empty())
      value = "CASE WHEN " + unfit[i] + " THEN CAST(" + fmt::format(fmt::runtime(kMalformed), record) + " AS " + duckdb_of(wanted[i].type) +
              ") ELSE " + value + " END";
    add(out, value, wanted[i]);
    if (format.mode == FileFormat::Mode::dropmalformed && !format.rescued && !unfit[i].empty())
      out.where += (out.where.empty() ? "" : " AND ") + ("NOT (" + unfit[i] + ")");
  }
}

/// Of whole numbers and truth values CSV takes fewer spellings than a cast does.
std::string value_of(std::size_t i, const std::string& type) {
  const auto r = fmt::format("r{}", i);
  if (type == "string") return r;
  const auto cast = fmt::format("try_cast({} AS {})", r, type);
  if (type == "tinyint" || type == "smallint" || type == "int" || type == "bigint")
    return "CASE WHEN " + r + " RLIKE '^[+-]?[0-9]+$' THEN " + cast + " END";
  if (type == "boolean") return "CASE WHEN lower(" + r + ") IN ('true', 'false') THEN " + cast + " END";
  return cast;
}

Result<FileShape> csv_by_schema(const FileFormat& format, const std::string& call, Parser& parser, const std::vector<engine::Column>& found,
                                const Columns& wanted, const std::vector<std::optional<std::size_t>>& sources) {
  FileShape out{.file = "file_"};
  Columns raw;
  std::string texts, values;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    texts += fmt::format("{} AS r{}, ", sources[i] ? "f_." + quoted(found[*sources[i]].name) : "CAST(NULL AS VARCHAR)", i);
    values += fmt::format("{} AS v{}, r{}, ", value_of(i, wanted[i].type), i, i);
    raw.push_back({fmt::format("r{}", i), "string"});
  }
  std::vector<std::size_t> others;  // columns of the files that the schema does not have
  for (std::size_t k = 0; k < found.size(); ++k)
    if (std::ranges::find(sources, std::optional(k)) == sources.end()) others.push_back(k);
  for (std::size_t n = 0; n < others.size(); ++n) {
    texts += fmt::format("f_.{} AS e{}, ", quoted(found[others[n]].name), n);
    values += fmt::format("e{}, ", n);
    raw.push_back({fmt::format("e{}", n), "string"});
  }
  raw.push_back({"file_", "string"});
  auto named = call;
  named.insert(named.size() - 1, ", filename = 'file_'");
  TARN_TRY(rows, behind(parser, "SELECT " + values + "file_ FROM rows_", raw, "(SELECT " + texts + "f_.file_ FROM " + named + " AS f_)"));
  out.from = std::move(rows);
  std::vector<std::string> unfit(wanted.size());
  std::string members, record;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    record += fmt::format("{}coalesce(r{}, 'null')", i ? " || ',' || " : "", i);
    if (wanted[i].type == "string" || !sources[i]) continue;
    unfit[i] = fmt::format("r{0} IS NOT NULL AND v{0} IS NULL", i);
    members += (members.empty() ? "" : ", ") + member(wanted[i].name, unfit[i], fmt::format("CAST(to_json(r{}) AS VARCHAR)", i));
  }
  for (std::size_t n = 0; n < others.size(); ++n)
    members += (members.empty() ? "" : ", ") + member(format.header ? found[others[n]].name : fmt::format("_c{}", others[n]),
                                                      fmt::format("e{} IS NOT NULL", n), fmt::format("CAST(to_json(e{}) AS VARCHAR)", n));
  by_mode(out, format, wanted, unfit, record);
  if (format.rescued) {
    out.knows_files = !members.empty();
    add(out, members.empty() ? "CAST(NULL AS VARCHAR)" : rescued(only_there(members)), {*format.rescued, "string"});
  }
  return out;
}

Result<FileShape> json_by_schema(const FileFormat& format, const std::string& files, Parser& parser, const Columns& wanted) {
  FileShape out{.file = "file_"};
  std::string schema, values, members, names;
  std::vector<std::string> unfit;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    schema += (i ? ", " : "") + backticked(wanted[i].name) + " " + wanted[i].type;
    values += fmt::format("s_.{} AS v{}, ", backticked(wanted[i].name), i);
    const auto key = delta::sql_string("$." + boost::json::serialize(boost::json::value(wanted[i].name)));
    unfit.push_back(fmt::format("v{0} IS NULL AND coalesce(json_type(j_, {1}), 'NULL') <> 'NULL'", i, key));
    members += (members.empty() ? "" : ", ") + member(wanted[i].name, unfit.back(), "CAST(json_extract(j_, " + key + ") AS VARCHAR)");
    names += (i ? ", " : "") + delta::sql_string(wanted[i].name);
  }
  std::string literal;
  for (const char ch : schema) literal += ch == '\'' || ch == '\\' ? std::string("\\") + ch : std::string(1, ch);
  TARN_TRY(rows, behind(parser, "SELECT " + values + "j_, file_ FROM (SELECT from_json(j_, '" + literal + "') AS s_, j_, file_ FROM rows_)",
                        {{"j_", "string"}, {"file_", "string"}},
                        "(SELECT CAST(json AS VARCHAR) AS j_, file_ FROM read_json_objects(" + files + ", filename = 'file_'))"));
  out.from = std::move(rows);
  by_mode(out, format, wanted, unfit, "j_");
  if (format.rescued) {
    out.knows_files = true;
    const auto rest =
        "list_transform(list_filter(json_keys(j_), lambda k_: k_ NOT IN (" + names +
        ")), lambda k_: CAST(to_json(k_) AS VARCHAR) || ':' || CAST(json_extract(j_, '$.' || CAST(to_json(k_) AS VARCHAR)) AS VARCHAR))";
    add(out, rescued("list_concat(" + only_there(members) + ", " + rest + ")"), {*format.rescued, "string"});
  }
  return out;
}

/// What DuckDB finds in JSON as Spark would: texts are texts, whatever they look like. The type's own spelling, in which a field's name stands before
/// its type.
std::string without_times(const std::string& type) {
  std::string out;
  for (std::size_t i = 0; i < type.size();) {
    const auto end = type[i] == '"' ? std::min(type.find('"', i + 1), type.size() - 1) + 1
                                    : std::max(i + 1, std::min(type.find_first_of(",()[] \"", i), type.size()));
    auto word = type.substr(i, end - i);
    std::string_view rest = std::string_view(type).substr(end);
    if (rest.starts_with(" WITH TIME ZONE")) rest.remove_prefix(15);
    const bool is_type = rest.empty() || rest[0] == ',' || rest[0] == ')' || rest[0] == '[';
    const bool time = is_type && (word == "DATE" || word == "TIME" || word == "UUID" || word.starts_with("TIMESTAMP"));
    out += time ? "VARCHAR" : word;
    i = time ? type.size() - rest.size() : end;
  }
  return out;
}

Result<FileShape> text_of(const FileFormat& format, const std::string& files) {
  FileShape out{.file = "file_"};
  const auto rows = "SELECT filename AS file_, content AS c_ FROM read_text(" + files + ")";
  out.from = format.whole ? "(" + rows + ")"
                          : "(SELECT file_, unnest(string_split(replace(CASE WHEN ends_with(c_, chr(10)) THEN left(c_, len(c_) - 1) ELSE c_ END, "
                            "chr(13) || chr(10), chr(10)), "
                            "chr(10))) AS c_ FROM (" +
                                rows + ") WHERE c_ <> '')";
  add(out, "c_", {"value", "string"});
  return out;
}

FileShape binary_of(const std::string& files) {
  FileShape out{.file = "file_", .knows_files = true};
  out.from = "(SELECT filename AS file_, content AS c_ FROM read_blob(" + files + "))";
  add(out, "m_.w", {"path", "string"});
  add(out, "m_.t", {"modificationTime", "timestamp"});
  add(out, "CAST(m_.s AS BIGINT)", {"length", "bigint"});
  add(out, "c_", {"content", "binary"});
  return out;
}

}  // namespace

Result<FileShape> shape_of(const FileFormat& format, const std::string& files, Parser& parser,
                           const std::function<Result<std::vector<engine::Column>>(const std::string& sql)>& describe) {
  if (format.kind == Kind::text) return text_of(format, files);
  if (format.kind == Kind::binary) return binary_of(files);
  if (format.kind == Kind::json && !format.schema.empty()) return json_by_schema(format, files, parser, format.schema);
  const bool csv = format.kind == Kind::csv;
  const bool texts = csv && (!format.schema.empty() || !format.hints.empty() || !format.infer);
  const auto call = [&](bool as_text) {
    if (csv) return "read_csv(" + files + format.arguments + (as_text ? ", all_varchar = true, null_padding = true)" : ", sample_size = -1)");
    return (format.kind == Kind::json ? "read_json(" + files + ", sample_size = -1)" : "read_parquet(" + files + ", union_by_name = true)");
  };
  TARN_TRY(found, describe("SELECT * FROM " + call(csv && (!format.schema.empty() || !format.infer))));
  std::string json_columns;
  if (format.kind == Kind::json) {
    std::ranges::sort(found, {}, &engine::Column::name);  // as Spark finds them
    for (auto& column : found) {
      column.type = without_times(column.type);
      json_columns += (json_columns.empty() ? "" : ", ") + (delta::sql_string(column.name) + ": " + delta::sql_string(column.type));
    }
  }
  const auto name_of = [&](std::size_t k) { return csv && !format.header ? fmt::format("_c{}", k) : found[k].name; };
  const auto place = [&](const std::string& name) -> std::optional<std::size_t> {
    for (std::size_t k = 0; k < found.size(); ++k)
      if (lower(name_of(k)) == lower(name)) return k;
    return std::nullopt;
  };
  Columns wanted = format.schema;
  std::vector<std::optional<std::size_t>> sources;
  if (!wanted.empty()) {
    // Without a place for what does not fit, CSV goes by the order of its columns, whatever the header says.
    const bool by_place = csv && !(format.header && format.rescued);
    for (std::size_t i = 0; i < wanted.size(); ++i)
      sources.push_back(!by_place ? place(wanted[i].name) : i < found.size() ? std::optional(i) : std::nullopt);
  } else {
    for (std::size_t k = 0; k < found.size(); ++k) {
      TARN_TRY(type, sql_type_of(found[k].type));
      // What looks like a time is a point in time, read in the session's zone (UTC), as Spark does.
      wanted.push_back({name_of(k), type == "timestamp_ntz" ? "timestamp" : type == "void" ? "string" : type});
      sources.emplace_back(k);
    }
    for (const auto& hint : format.hints) {
      const auto at = std::ranges::find_if(wanted, [&](const auto& c) { return lower(c.name) == lower(hint.name); });
      if (at != wanted.end()) {
        at->type = hint.type;
        continue;
      }
      wanted.push_back(hint);
      sources.emplace_back(std::nullopt);
    }
  }
  if (format.kind == Kind::json && !format.hints.empty()) return json_by_schema(format, files, parser, wanted);
  if (texts) return csv_by_schema(format, call(true), parser, found, wanted, sources);
  FileShape out{.file = "file_"};
  const auto taken = [&](const engine::Column& c) { return lower(c.name) == out.file; };
  while (std::ranges::any_of(found, taken)) out.file += '_';
  out.from = json_columns.empty() ? call(false) : "read_json(" + files + ", columns = {" + json_columns + "})";
  out.from.insert(out.from.size() - 1, ", filename = " + delta::sql_string(out.file));
  for (std::size_t i = 0; i < wanted.size(); ++i)
    add(out, fmt::format("CAST({} AS {})", sources[i] ? "f_." + quoted(found[*sources[i]].name) : "NULL", duckdb_of(wanted[i].type)), wanted[i]);
  // All files were looked at: nothing is left over.
  if (format.rescued) add(out, "CAST(NULL AS VARCHAR)", {*format.rescued, "string"});
  return out;
}

}  // namespace tarn::sql
