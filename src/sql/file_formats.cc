#include "sql/file_formats.h"

#include "base/text.h"
#include "delta/data_files.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

using Kind = FileFormat::Kind;

Result<bool> boolean(const std::string& name, const std::string& text) {
  const auto t = lower(text);
  if (t == "true") return true;
  if (t == "false") return false;
  return refuse(Errc::invalid, "Option '" + name + "' must be true or false, got '" + text + "'");
}

/// The options as they are asked for, one after the other; what is left over nobody knows.
class Options {
 public:
  explicit Options(const std::map<std::string, std::string>& given) {
    for (const auto& [k, v] : given) left_[lower(k)] = v;
  }
  std::optional<std::string> take(const char* name) {
    const auto i = left_.find(name);
    if (i == left_.end()) return std::nullopt;
    auto v = i->second;
    left_.erase(i);
    return v;
  }
  std::string take(const char* name, const char* otherwise) { return take(name).value_or(otherwise); }
  const std::string* unknown() const { return left_.empty() ? nullptr : &left_.begin()->first; }

 private:
  std::map<std::string, std::string> left_;
};

/// `a INT, b STRING` -> columns; types hold no comma outside brackets.
Result<std::vector<RelationColumn>> parse_columns(const char* option, const std::string& text) {
  std::vector<RelationColumn> out;
  std::string word;
  int depth = 0;
  const auto flush = [&]() -> bool {
    const auto begin = word.find_first_not_of(" \t\n");
    if (begin == std::string::npos) return false;
    std::size_t end;
    RelationColumn c;
    if (word[begin] == '`') {
      end = word.find('`', begin + 1);
      if (end == std::string::npos) return false;
      c.name = word.substr(begin + 1, end - begin - 1);
      ++end;
    } else {
      end = word.find_first_of(" \t\n:", begin);
      if (end == std::string::npos) return false;
      c.name = word.substr(begin, end - begin);
    }
    if (word[end] == ':') ++end;
    c.type = lower(word.substr(std::min(word.size(), word.find_first_not_of(" \t\n", end))));
    while (!c.type.empty() && std::isspace(static_cast<unsigned char>(c.type.back()))) c.type.pop_back();
    word.clear();
    if (c.name.empty() || c.type.empty()) return false;
    out.push_back(std::move(c));
    return true;
  };
  for (const char c : text + ",") {
    if (c == '(' || c == '<') ++depth;
    if (c == ')' || c == '>') --depth;
    if (c == ',' && depth == 0) {
      if (!flush()) return refuse(Errc::invalid, std::string("Option '") + option + "' must list columns as NAME TYPE, ...; got '" + text + "'");
    } else {
      word += c;
    }
  }
  return out;
}

std::optional<Kind> kind_of(const std::string& name) {
  static const std::map<std::string, Kind> known{
      {"csv", Kind::csv}, {"json", Kind::json}, {"parquet", Kind::parquet}, {"text", Kind::text}, {"binaryfile", Kind::binary}};
  const auto i = known.find(name);
  return i == known.end() ? std::nullopt : std::optional(i->second);
}

/// By how the files' names end, where they agree.
std::optional<Kind> kind_by(const std::vector<std::string>& names) {
  static const std::map<std::string, Kind> endings{{".csv", Kind::csv},    {".tsv", Kind::csv},     {".json", Kind::json},
                                                   {".jsonl", Kind::json}, {".ndjson", Kind::json}, {".parquet", Kind::parquet},
                                                   {".txt", Kind::text}};
  std::optional<Kind> out;
  for (auto name : names) {
    name = lower(name);
    if (name.ends_with(".gz")) name.resize(name.size() - 3);
    const auto dot = name.rfind('.');
    const auto i = dot == name.npos ? endings.end() : endings.find(name.substr(dot));
    if (i == endings.end() || (out && *out != i->second)) return std::nullopt;
    out = i->second;
  }
  return out;
}

Result<void> csv(Options& o, FileReader reader, FileFormat& out) {
  TARN_TRY(header, boolean("header", o.take("header", "false")));
  out.header = header;
  auto& call = out.arguments;
  call = header ? ", header = true" : ", header = false";
  auto sep = o.take("sep");
  if (auto d = o.take("delimiter")) sep = d;
  if (sep == "\\t") sep = "\t";
  call += ", delim = " + delta::sql_string(sep.value_or(","));
  call += ", quote = " + delta::sql_string(o.take("quote", "\""));
  call += ", escape = " + delta::sql_string(o.take("escape", "\""));
  if (const auto comment = o.take("comment"); comment && !comment->empty()) call += ", comment = " + delta::sql_string(*comment);
  if (const auto rows = o.take("skiprows")) {
    if (rows->empty() || rows->size() > 9 || rows->find_first_not_of("0123456789") != rows->npos)
      return refuse(Errc::invalid, "Option 'skipRows' must be a number of rows, got '" + *rows + "'");
    call += ", skip = " + *rows;
  }
  const auto null = o.take("nullvalue");
  call += null && !null->empty() ? ", nullstr = [" + delta::sql_string(*null) + ", '']" : ", nullstr = ['']";
  const auto columns = o.take("infercolumntypes");
  TARN_TRY(infer, boolean("inferSchema", o.take("inferschema").value_or(columns.value_or(reader == FileReader::direct ? "false" : "true"))));
  out.infer = infer;
  o.take("multiline");  // quoted values may always hold ends of lines
  return {};
}

}  // namespace

Result<FileFormat> file_format(const std::map<std::string, std::string>& options, FileReader reader, const std::vector<std::string>& names) {
  Options o(options);
  FileFormat out;
  const auto format = lower(o.take("format", ""));
  auto kind = kind_of(format);
  if (format.empty()) kind = kind_by(names);
  if (!kind && format.empty())
    return refuse(Errc::invalid,
                  "read_files cannot tell the format by the names of these files. Give it the option format => 'csv', 'json', 'parquet', 'text' or "
                  "'binaryFile'");
  if (!kind)
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] The file format '" + format +
                                         "' is not supported by this warehouse. Use csv, json, parquet, text or binaryFile. SQLSTATE: 0A000");
  out.kind = *kind;
  const auto rows = out.kind == Kind::csv || out.kind == Kind::json || out.kind == Kind::parquet;
  if (rows) {
    if (const auto text = o.take("schema"); text && !text->empty()) {
      TARN_TRY(columns, parse_columns("schema", *text));
      out.schema = std::move(columns);
    }
    if (const auto text = o.take("schemahints"); text && !text->empty()) {
      TARN_TRY(columns, parse_columns("schemaHints", *text));
      out.hints = std::move(columns);
    }
    for (const auto* list : {&out.schema, &out.hints})
      for (const auto& c : *list)
        if (!delta::delta_type(c.type))
          return refuse(Errc::invalid, "[UNSUPPORTED_DATATYPE] Unsupported data type \"" + c.type + "\" of column `" + c.name + "`. SQLSTATE: 0A000");
    out.rescued = o.take("rescueddatacolumn");
    if (out.rescued && out.rescued->empty()) out.rescued.reset();
    // Where it finds out the columns itself, read_files has a place for what does not fit them.
    if (!out.rescued && out.schema.empty() && reader == FileReader::function) out.rescued = "_rescued_data";
    const auto mode = lower(o.take("mode", reader == FileReader::copy ? "failfast" : "permissive"));
    const auto known = json::enum_of<FileFormat::Mode>(mode);
    if (!known) return refuse(Errc::invalid, "Option 'mode' must be PERMISSIVE, DROPMALFORMED or FAILFAST, got '" + mode + "'");
    out.mode = *known;
  }
  if (out.kind == Kind::csv) TARN_CHECK(csv(o, reader, out));
  if (out.kind == Kind::json) o.take("multiline");
  if (out.kind == Kind::text) {
    TARN_TRY(whole, boolean("wholeText", o.take("wholetext", "false")));
    out.whole = whole;
  }
  if (reader != FileReader::copy) {  // which has PATTERN
    out.glob = o.take("pathglobfilter").value_or("");
    if (auto pattern = o.take("filenamepattern")) out.glob = *pattern;
  }
  if (const auto* name = o.unknown())
    return refuse(Errc::unsupported,
                  "[UNSUPPORTED_FEATURE] The option '" + *name + "' of these files is not supported by this warehouse. SQLSTATE: 0A000");
  return out;
}

}  // namespace tarn::sql
