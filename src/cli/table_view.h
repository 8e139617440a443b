#pragma once
// A result as a table that fits the terminal, as CSV, or as JSON lines.
#include <string>

#include "client/statements.h"

namespace tarn::cli {

/// Box-drawn; columns shrink (with …) to `width` characters; numbers are right-aligned.
std::string table_view(const client::ResultSet& rows, std::size_t width);
std::string csv_view(const client::ResultSet& rows);         // RFC 4180, with a header
std::string json_lines_view(const client::ResultSet& rows);  // one object a row; every value a string or null, as the API gives them
std::size_t terminal_width();

/// How many columns a text takes on a terminal (UTF-8 code points; wide characters count one).
std::size_t display_width(std::string_view text);

}  // namespace tarn::cli
