#include "base/sql_script.h"

namespace tarn {

std::vector<std::string> split_script(std::string_view text) {
  std::vector<std::string> out;
  std::string now;
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const char next = i + 1 < text.size() ? text[i + 1] : 0;
    if (quote) {
      now += c;
      if (c == '\\' && quote != '`' && next)
        now += text[++i];
      else if (c == quote)
        quote = 0;
    } else if (c == '\'' || c == '"' || c == '`') {
      quote = c;
      now += c;
    } else if (c == '-' && next == '-') {
      while (i < text.size() && text[i] != '\n') ++i;
      now += '\n';
    } else if (c == '/' && next == '*') {
      const auto end = text.find("*/", i + 2);
      i = end == text.npos ? text.size() : end + 1;
      now += ' ';
    } else if (c == ';') {
      out.push_back(std::exchange(now, {}));
    } else {
      now += c;
    }
  }
  out.push_back(now);
  std::erase_if(out, [](const std::string& s) { return s.find_first_not_of(" \t\r\n") == s.npos; });
  return out;
}

}  // namespace tarn
