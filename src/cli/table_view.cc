#include "cli/table_view.h"

#include <sys/ioctl.h>
#include <unistd.h>

namespace tarn::cli {
namespace {

/// At most `width` code points, the last one an ellipsis if something was cut; line breaks shown as ⏎.
std::string fitted(std::string_view text, std::size_t width) {
  std::string out;
  std::size_t used = 0, last = 0;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t n = 1;
    while (i + n < text.size() && (static_cast<unsigned char>(text[i + n]) & 0xc0) == 0x80) ++n;
    if (used == width) {
      out.resize(last);
      return out + "…";
    }
    last = out.size();
    out += text[i] == '\n' ? "⏎" : static_cast<unsigned char>(text[i]) < 0x20 ? " " : std::string(text.substr(i, n));
    ++used;
    i += n;
  }
  return out;
}

bool is_number(const std::string& type) {
  for (const char* t : {"INT", "DECIMAL", "DOUBLE", "FLOAT", "LONG", "SHORT", "BYTE"})
    if (type.find(t) != type.npos) return type.find('<') == type.npos;
  return false;
}

std::string repeat(const char* s, std::size_t n) {
  std::string out;
  while (n--) out += s;
  return out;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xc0) != 0x80; }));
}

std::size_t terminal_width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20) return size.ws_col;
  return 120;
}

std::string table_view(const client::ResultSet& r, std::size_t width) {
  if (r.columns.empty()) return "";
  const std::size_t n = r.columns.size();
  std::vector<std::size_t> w(n);
  for (std::size_t i = 0; i < n; ++i) w[i] = std::max<std::size_t>(1, display_width(r.columns[i]));
  for (const auto& row : r.rows)
    for (std::size_t i = 0; i < n && i < row.size(); ++i) w[i] = std::max(w[i], row[i] ? display_width(*row[i]) : 4);
  // Take from the widest until it fits; no column below 4.
  for (std::size_t total = 1;;) {
    total = 1;
    for (const auto x : w) total += x + 3;
    const auto widest = std::max_element(w.begin(), w.end());
    if (total <= width || *widest <= 4) break;
    --*widest;
  }
  const auto rule = [&](const char* left, const char* mid, const char* right) {
    std::string out = left;
    for (std::size_t i = 0; i < n; ++i) out += repeat("─", w[i] + 2) + (i + 1 < n ? mid : right);
    return out + "\n";
  };
  const auto cell = [&](std::string_view text, std::size_t i, bool right) {
    const std::string shown = fitted(text, w[i]);
    const std::string pad(w[i] - display_width(shown), ' ');
    return " " + (right ? pad + shown : shown + pad) + " ";
  };
  std::string out = rule("┌", "┬", "┐");
  for (std::size_t i = 0; i < n; ++i) out += "│" + cell(r.columns[i], i, false);
  out += "│\n" + rule("├", "┼", "┤");
  for (const auto& row : r.rows) {
    for (std::size_t i = 0; i < n; ++i)
      out += "│" + cell(i < row.size() && row[i] ? *row[i] : "NULL", i, i < r.types.size() && is_number(r.types[i]));
    out += "│\n";
  }
  return out + rule("└", "┴", "┘");
}

std::string csv_view(const client::ResultSet& r) {
  std::string out;
  const auto field = [&](std::string_view text) {
    if (text.find_first_of(",\"\r\n") == text.npos) return std::string(text);
    std::string quoted = "\"";
    for (char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    return quoted + "\"";
  };
  for (std::size_t i = 0; i < r.columns.size(); ++i) out += (i ? "," : "") + field(r.columns[i]);
  out += "\n";
  for (const auto& row : r.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) out += (i ? "," : "") + (row[i] ? field(*row[i]) : std::string());
    out += "\n";
  }
  return out;
}

std::string json_lines_view(const client::ResultSet& r) {
  std::string out;
  for (const auto& row : r.rows) {
    json::object o;
    for (std::size_t i = 0; i < row.size() && i < r.columns.size(); ++i) o[r.columns[i]] = row[i] ? json::value(*row[i]) : json::value(nullptr);
    out += boost::json::serialize(o) + "\n";
  }
  return out;
}

}  // namespace tarn::cli
