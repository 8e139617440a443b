#include "workspace/notebook.h"

#include "api/api.h"
#include "base/crypto.h"
#include "base/json_read.h"

namespace tarn::workspace {
namespace {

std::string_view comment_of(Language l) {
  switch (l) {
    case Language::SQL:
      return "--";
    case Language::SCALA:
      return "//";
    case Language::PYTHON:
    case Language::R:
      return "#";
  }
  return "#";
}

std::string lower_name(Language l) {
  std::string out(json::name_of(l));
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

std::optional<Language> language_named(std::string_view name) {
  std::string upper(name);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return json::enum_of<Language>(upper);
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (true) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    out.push_back(line);
    if (end == text.npos) return out;
    text.remove_prefix(end + 1);
  }
}

bool blank(std::string_view s) { return s.find_first_not_of(" \t\r\n") == s.npos; }

std::string joined(std::vector<std::string_view> lines) {
  while (!lines.empty() && blank(lines.front())) lines.erase(lines.begin());
  while (!lines.empty() && blank(lines.back())) lines.pop_back();
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) out.append(i ? "\n" : "").append(lines[i]);
  return out;
}

/// Whether a cell is written with a MAGIC prefix on each line: anything but plain code of the notebook's language.
bool is_magic(std::string_view text) {
  const auto at = text.find_first_not_of(" \t\n");
  return at != text.npos && text[at] == '%' && at + 1 < text.size() && std::isalpha(static_cast<unsigned char>(text[at + 1]));
}

Cell cell_of(std::vector<std::string_view> lines, std::string_view comment) {
  Cell out;
  const std::string magic = std::string(comment) + " MAGIC", title = std::string(comment) + " DBTITLE ";
  std::vector<std::string_view> kept;
  for (auto line : lines) {
    if (kept.empty() && blank(line)) continue;
    if (out.title.empty() && kept.empty() && line.starts_with(title)) {
      const auto comma = line.find(',');
      if (comma != line.npos) out.title = line.substr(comma + 1);
      continue;
    }
    if (line.starts_with(magic)) {
      line.remove_prefix(magic.size());
      if (line.starts_with(' ')) line.remove_prefix(1);
    }
    kept.push_back(line);
  }
  out.text = joined(std::move(kept));
  return out;
}

std::string text_of_source(const json::value* source) {
  if (!source) return "";
  if (source->is_string()) return std::string(source->as_string());
  std::string out;
  if (const auto* lines = source->if_array())
    for (const auto& line : *lines)
      if (line.is_string()) out += line.as_string();
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

constexpr std::string_view kModel = "__DATABRICKS_NOTEBOOK_MODEL = '";

}  // namespace

std::string source_header(Language language) { return std::string(comment_of(language)) + " Databricks notebook source"; }

std::optional<Language> language_of_name(std::string_view name) {
  const auto dot = name.rfind('.');
  if (dot == name.npos || dot == 0) return std::nullopt;
  const auto ext = name.substr(dot);
  if (ext == ".py") return Language::PYTHON;
  if (ext == ".sql") return Language::SQL;
  if (ext == ".scala") return Language::SCALA;
  if (ext == ".r" || ext == ".R") return Language::R;
  return std::nullopt;
}

std::string extension_of(Language language) {
  switch (language) {
    case Language::PYTHON:
      return ".py";
    case Language::SQL:
      return ".sql";
    case Language::SCALA:
      return ".scala";
    case Language::R:
      return ".r";
  }
  return "";
}

bool is_notebook(std::string_view name, std::string_view content) {
  if (name.ends_with(".ipynb")) return true;
  const auto language = language_of_name(name);
  return language && lines_of(content.substr(0, 200)).front() == source_header(*language);
}

Notebook from_source(std::string_view text, Language language) {
  Notebook out{.language = language};
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  auto lines = lines_of(text);
  if (lines.front() == source_header(language)) lines.erase(lines.begin());
  const std::string separator = std::string(comment_of(language)) + " COMMAND ----------";
  std::vector<std::string_view> cell;
  for (const auto line : lines) {
    if (line != separator) {
      cell.push_back(line);
      continue;
    }
    out.cells.push_back(cell_of(std::move(cell), comment_of(language)));
    cell.clear();
  }
  out.cells.push_back(cell_of(std::move(cell), comment_of(language)));
  return out;
}

std::string to_source(const Notebook& n) {
  const std::string comment(comment_of(n.language));
  std::string out = source_header(n.language) + "\n";
  for (std::size_t i = 0; i < n.cells.size(); ++i) {
    if (i) out += "\n\n" + comment + " COMMAND ----------\n\n";
    const Cell& cell = n.cells[i];
    if (!cell.title.empty()) out += comment + " DBTITLE 1," + cell.title + "\n";
    if (!is_magic(cell.text)) {
      out += cell.text;
      continue;
    }
    bool first = true;
    for (const auto line : lines_of(cell.text)) {
      out += (first ? "" : "\n") + comment + " MAGIC" + (line.empty() ? "" : " ") + std::string(line);
      first = false;
    }
  }
  return out;
}

Result<Notebook> from_jupyter(std::string_view text, std::optional<Language> language) {
  const auto doc = json::parse(text);
  if (!doc || !doc->is_object()) return refuse(Errc::invalid, "The content is not a Jupyter notebook: it must be a JSON object");
  const auto* cells = json::find(*doc, {"cells"});
  if (!cells || !cells->is_array()) return refuse(Errc::invalid, "The content is not a Jupyter notebook of nbformat 4: 'cells' is missing");
  Notebook out;
  std::string said = json::text_at(*doc, {"metadata", "application/vnd.databricks.v1+notebook", "language"});
  if (said.empty()) said = json::text_at(*doc, {"metadata", "language_info", "name"});
  if (said.empty()) said = json::text_at(*doc, {"metadata", "kernelspec", "language"});
  out.language = language.value_or(language_named(said).value_or(Language::PYTHON));
  for (const auto& c : cells->as_array()) {
    if (!c.is_object()) return refuse(Errc::invalid, "The content is not a Jupyter notebook: an entry of 'cells' is not an object");
    Cell cell{.text = text_of_source(json::find(c, {"source"})),
              .title = json::text_at(c, {"metadata", "application/vnd.databricks.v1+cell", "title"})};
    const auto type = json::text_at(c, {"cell_type"});
    if (type == "markdown") cell.text = "%md\n" + cell.text;
    if (type == "raw") cell.text = "%raw\n" + cell.text;
    out.cells.push_back(std::move(cell));
  }
  return out;
}

std::string to_jupyter(const Notebook& n, std::string_view name) {
  json::array cells;
  for (const auto& cell : n.cells) {
    std::string_view text = cell.text;
    const bool markdown = text.starts_with("%md") && (text.size() == 3 || text[3] == '\n' || text[3] == ' ');
    if (markdown) text.remove_prefix(std::min<std::size_t>(4, text.size()));
    json::array source;
    while (!text.empty()) {
      const auto end = text.find('\n');
      const auto line = text.substr(0, end == text.npos ? end : end + 1);
      source.push_back(json::value(line));
      text.remove_prefix(line.size());
    }
    json::object about{{"inputWidgets", json::object{}}, {"nuid", ""}, {"showTitle", !cell.title.empty()}, {"title", cell.title}};
    json::object one{{"cell_type", markdown ? "markdown" : "code"},
                     {"metadata", json::object{{"application/vnd.databricks.v1+cell", std::move(about)}}},
                     {"source", std::move(source)}};
    if (!markdown) one["execution_count"] = nullptr, one["outputs"] = json::array{};
    cells.push_back(std::move(one));
  }
  const auto language = lower_name(n.language);
  return boost::json::serialize(json::object{
      {"cells", std::move(cells)},
      {"metadata",
       json::object{{"application/vnd.databricks.v1+notebook",
                     json::object{{"dashboards", json::array{}}, {"language", language}, {"notebookName", name}, {"widgets", json::object{}}}},
                    {"language_info", json::object{{"name", language}}}}},
      {"nbformat", 4},
      {"nbformat_minor", 0}});
}

Result<Notebook> from_html(std::string_view text) {
  const auto begin = text.find(kModel);
  if (begin == text.npos)
    return refuse(Errc::invalid, "The HTML content does not carry a Databricks notebook: only exported notebooks can be imported");
  text.remove_prefix(begin + kModel.size());
  const auto bytes = crypto::from_base64(text.substr(0, text.find('\'')));
  const auto decoded = bytes ? api::percent_decode(*bytes) : std::nullopt;
  const auto model = decoded ? json::parse(*decoded) : json::Decoded<json::value>(fail(json::DecodeError{}));
  const auto* commands = model ? json::find(*model, {"commands"}) : nullptr;
  const auto language = model ? language_named(json::text_at(*model, {"language"})) : std::nullopt;
  if (!commands || !commands->is_array() || !language) return refuse(Errc::invalid, "The notebook that the HTML content carries cannot be read");
  Notebook out{.language = *language};
  for (const auto& c : commands->as_array()) out.cells.push_back({json::text_at(c, {"command"}), json::text_at(c, {"commandTitle"})});
  return out;
}

std::string to_html(const Notebook& n, std::string_view name) {
  json::array commands;
  std::string shown;
  double position = 1;
  for (const auto& cell : n.cells) {
    commands.push_back(json::object{{"version", "CommandV1"},
                                    {"command", cell.text},
                                    {"commandType", "auto"},
                                    {"commandTitle", cell.title},
                                    {"showCommandTitle", !cell.title.empty()},
                                    {"position", position++}});
    if (!cell.title.empty()) shown += "<h4>" + escaped(cell.title) + "</h4>\n";
    shown += "<pre>" + escaped(cell.text) + "</pre>\n";
  }
  const json::object model{{"version", "NotebookV1"}, {"name", name}, {"language", lower_name(n.language)}, {"commands", std::move(commands)}};
  const auto packed = crypto::base64(api::percent_encode(boost::json::serialize(model)));
  return "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<title>" + escaped(name) + "</title>\n<script>window." + std::string(kModel) +
         packed + "';</script>\n</head>\n<body>\n<h1>" + escaped(name) + "</h1>\n" + shown + "</body>\n</html>\n";
}

}  // namespace tarn::workspace
