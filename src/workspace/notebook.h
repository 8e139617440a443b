#pragma once
// Notebooks in the formats that the vendor reads and writes: SOURCE (a script with marker comments), JUPYTER (.ipynb) and HTML (a page that
// carries the notebook inside). All go through one list of cells. Pure functions, thread-safe.
// Source: Databricks docs "Export and import Databricks notebooks" (markers), nbformat 4.
#include "workspace/types.h"

namespace tarn::workspace {

struct Cell {
  std::string text;  // as a person typed it; another language or markdown begins with its magic (%sql, %md)
  std::string title;
};

struct Notebook {
  Language language = Language::PYTHON;
  std::vector<Cell> cells;
};

/// The first line of SOURCE in a language.
std::string source_header(Language language);
/// The language that a file's name says, or nothing: .py, .sql, .scala, .r.
std::optional<Language> language_of_name(std::string_view name);
std::string extension_of(Language language);  // with the dot
/// Whether a file of this name and content is a notebook when nothing says so (format AUTO): by the header line, or .ipynb.
bool is_notebook(std::string_view name, std::string_view content);

Notebook from_source(std::string_view text, Language language);
std::string to_source(const Notebook& notebook);

/// Errors: invalid, naming what is wrong with the document. `language` overrides what the document says.
Result<Notebook> from_jupyter(std::string_view text, std::optional<Language> language);
std::string to_jupyter(const Notebook& notebook, std::string_view name);

/// Only pages that carry a notebook model, as exports do. Errors: invalid.
Result<Notebook> from_html(std::string_view text);
std::string to_html(const Notebook& notebook, std::string_view name);

}  // namespace tarn::workspace
