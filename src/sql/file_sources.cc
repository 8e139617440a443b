#include "sql/file_sources.h"

#include <filesystem>

#include "base/text.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

constexpr std::size_t kMostFiles = 10'000;

Result<bool> boolean(const std::string& name, const std::string& text) {
  const auto t = lower(text);
  if (t == "true") return true;
  if (t == "false") return false;
  return refuse(Errc::invalid, "Option '" + name + "' must be true or false, got '" + text + "'");
}

/// The reader's call for a format: read_csv([...], …). Every option is known or refused.
Result<std::string> reader(const std::string& list, std::map<std::string, std::string> given, std::string& schema) {
  std::map<std::string, std::string> o;
  for (auto& [k, v] : given) o[lower(k)] = v;
  const auto take = [&](const char* name) -> std::optional<std::string> {
    const auto i = o.find(name);
    if (i == o.end()) return std::nullopt;
    auto v = i->second;
    o.erase(i);
    return v;
  };
  const auto format = lower(take("format").value_or(""));
  schema = take("schema").value_or("");
  std::string call;
  if (format == "csv") {
    call = "read_csv(" + list;
    TARN_TRY(header, boolean("header", take("header").value_or("false")));
    call += header ? ", header = true" : ", header = false";
    auto sep = take("sep");
    if (auto d = take("delimiter")) sep = d;
    call += ", delim = " + delta::sql_string(sep.value_or(","));
    call += ", quote = " + delta::sql_string(take("quote").value_or("\""));
    call += ", escape = " + delta::sql_string(take("escape").value_or("\""));
    const auto null = take("nullvalue");
    call += null && !null->empty() ? ", nullstr = [" + delta::sql_string(*null) + ", '']" : ", nullstr = ['']";
    TARN_TRY(infer, boolean("inferSchema", take("inferschema").value_or(take("infercolumntypes").value_or("true"))));
    call += infer ? ", sample_size = -1" : ", all_varchar = true";
    const auto mode = lower(take("mode").value_or("failfast"));
    if (mode != "failfast")
      return refuse(Errc::unsupported,
                    "[UNSUPPORTED_FEATURE] CSV mode '" + mode +
                        "' is not supported by this warehouse: rows that do not parse fail the statement (FAILFAST). SQLSTATE: 0A000");
    call += ")";
  } else if (format == "json") {
    call = "read_json(" + list + ", sample_size = -1)";
    take("multiline");
  } else if (format == "parquet") {
    call = "read_parquet(" + list + ", union_by_name = true)";
  } else if (format.empty()) {
    return refuse(Errc::invalid, "read_files needs the option format => 'csv', 'json' or 'parquet'");
  } else {
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] The file format '" + format +
                                         "' is not supported by this warehouse. Use csv, json or parquet. SQLSTATE: 0A000");
  }
  if (!o.empty())
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] The option '" + o.begin()->first + "' of format " + format +
                                         " is not supported by this warehouse. SQLSTATE: 0A000");
  return call;
}

/// `a INT, b STRING` -> columns; types hold no comma outside brackets.
Result<std::vector<RelationColumn>> parse_columns(const std::string& text) {
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
      end = word.find_first_of(" \t\n", begin);
      if (end == std::string::npos) return false;
      c.name = word.substr(begin, end - begin);
    }
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
      if (!flush()) return refuse(Errc::invalid, "Option 'schema' must list columns as NAME TYPE, ...; got '" + text + "'");
    } else {
      word += c;
    }
  }
  return out;
}

}  // namespace

Result<std::vector<SourceFile>> FileSources::list(const Session& session, const std::string& path) {
  if (path.starts_with("/Volumes/") || path.starts_with("dbfs:"))
    return refuse(
        Errc::unsupported,
        "[UNSUPPORTED_FEATURE] Paths below /Volumes are not supported by this warehouse yet: use the volume's s3:// location. SQLSTATE: 0A000");
  const auto url = objects::Url::parse(path);
  if (!url) return refuse(Errc::invalid, "[PATH_INVALID] '" + path + "' is no storage path: " + url.error().message);
  if (auto ok = catalog_.require_path(session.ctx, path, false); !ok) return fail(Resolver::catalog_error(ok.error()));
  std::vector<SourceFile> out;
  const auto add = [&](const objects::ObjectInfo& o) -> Result<void> {
    const objects::Url at{url->bucket, o.key};
    auto local = objects_.local_path(at);
    if (!local) return refuse(Errc::unavailable, "'" + at.text() + "' is not reached by this server's engine");
    out.push_back({at.text(), *std::move(local), o.etag, o.size});
    return {};
  };
  if (!url->key.empty() && url->key.back() != '/') {
    if (auto one = objects_.head(*url)) {
      TARN_CHECK(add(*one));
      return out;
    }
  }
  std::string prefix = url->key;
  if (!prefix.empty() && prefix.back() != '/') prefix += '/';
  std::string after;
  for (;;) {
    auto page = objects_.list(url->bucket, prefix, after, 1000);
    if (!page) return refuse(Errc::not_found, "[PATH_NOT_FOUND] Path does not exist: " + path + ". SQLSTATE: 42K03");
    for (const auto& o : page->objects) {
      bool hidden = o.key.ends_with('/');
      for (std::size_t i = prefix.size(); i < o.key.size(); i = std::min(o.key.find('/', i), o.key.size()) + 1)
        hidden = hidden || o.key[i] == '_' || o.key[i] == '.';
      if (!hidden) TARN_CHECK(add(o));
    }
    if (out.size() > kMostFiles) return refuse(Errc::too_large, fmt::format("'{}' holds more than {} files: name a narrower path", path, kMostFiles));
    if (!page->truncated) break;
    after = page->next;
  }
  if (out.empty()) return refuse(Errc::not_found, "[PATH_NOT_FOUND] Path does not exist: " + path + ". SQLSTATE: 42K03");
  return out;
}

Result<FileRelation> FileSources::open(const Session& session, const std::string& path, const std::map<std::string, std::string>& options) {
  TARN_TRY(files, list(session, path));
  return relation(session, files, options);
}

Result<FileRelation> FileSources::relation(const Session& session, const std::vector<SourceFile>& files,
                                           const std::map<std::string, std::string>& options) {
  std::string names = "[";
  std::set<std::string> folders;
  for (const auto& f : files) {
    names += (names.size() > 1 ? ", " : "") + delta::sql_string(f.local);
    folders.insert(std::filesystem::path(f.local).parent_path().string());
  }
  names += "]";
  std::string schema;
  TARN_TRY(call, reader(names, options, schema));
  FileRelation out;
  std::vector<objects::ObjectStore::Wanted> copies;
  for (const auto& f : files)
    if (auto url = objects::Url::parse(f.url)) copies.push_back({*std::move(url), f.size, f.etag});
  auto held = objects_.hold(copies);
  if (!held) return refuse(Errc::unavailable, "A file cannot be read: " + held.error().message);
  out.held = *std::move(held);
  out.directories.assign(folders.begin(), folders.end());
  TARN_TRY(found, engine_.describe(engine::Scope{.directories = out.directories}, "SELECT * FROM " + call, session.cancel));
  std::vector<RelationColumn> wanted;
  if (!schema.empty()) {
    TARN_TRY(parsed, parse_columns(schema));
    if (parsed.size() != found.size())
      return refuse(Errc::invalid, fmt::format("The schema names {} columns, the files have {}", parsed.size(), found.size()));
    wanted = std::move(parsed);
  }
  std::string list;
  for (std::size_t i = 0; i < found.size(); ++i) {
    RelationColumn c;
    if (!wanted.empty()) {
      c = wanted[i];
    } else {
      TARN_TRY(type, sql_type_of(found[i].type));
      // What looks like a time is a point in time, read in the session's zone (UTC), as Spark does.
      c = {found[i].name, type == "timestamp_ntz" ? "timestamp" : type == "void" ? "string" : type};
    }
    auto delta_type = delta::delta_type(c.type);
    if (!delta_type)
      return refuse(Errc::invalid, "[UNSUPPORTED_DATATYPE] Unsupported data type \"" + c.type + "\" of column `" + c.name + "`. SQLSTATE: 0A000");
    list += fmt::format("{}CAST({} AS {}) AS {}", list.empty() ? "" : ", ", delta::sql_identifier(found[i].name), delta::duckdb_type(*delta_type),
                        delta::sql_identifier(c.name));
    out.columns.push_back(std::move(c));
  }
  out.sql = "(SELECT " + list + " FROM " + call + ")";
  return out;
}

}  // namespace tarn::sql
