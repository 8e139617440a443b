#include "sql/secret_text.h"

#include <algorithm>
#include <cctype>

#include "base/text.h"

namespace tarn::sql {
namespace {

bool part_of_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }

bool has_word(std::string_view lowered, std::string_view word) {
  for (auto at = lowered.find(word); at != lowered.npos; at = lowered.find(word, at + 1)) {
    const auto end = at + word.size();
    if ((at == 0 || !part_of_word(lowered[at - 1])) && (end == lowered.size() || !part_of_word(lowered[end]))) return true;
  }
  return false;
}

/// One past a quoted text that begins at `at`; its end may be missing.
std::size_t end_of_quoted(std::string_view s, std::size_t at) {
  const char quote = s[at];
  for (std::size_t i = at + 1; i < s.size(); ++i) {
    if (s[i] == '\\' && quote != '`')
      ++i;
    else if (s[i] == quote && i + 1 < s.size() && s[i + 1] == quote)
      ++i;
    else if (s[i] == quote)
      return i + 1;
  }
  return s.size();
}

/// One past a comment that begins at `at`; comments nest.
std::size_t end_of_comment(std::string_view s, std::size_t at) {
  int depth = 0;
  while (at < s.size()) {
    const auto two = s.substr(at, 2);
    depth += two == "/*" ? 1 : two == "*/" ? -1 : 0;
    at += two == "/*" || two == "*/" ? 2 : 1;
    if (depth == 0) return at;
  }
  return s.size();
}

}  // namespace

std::string without_secrets(std::string_view statement) {
  const std::string lowered = lower(statement);
  if (!(has_word(lowered, "create") || has_word(lowered, "alter")) || !(has_word(lowered, "connection") || has_word(lowered, "server")) ||
      !has_word(lowered, "options"))
    return std::string(statement);
  constexpr std::string_view kLeftOut = "'[REDACTED]'";
  std::string out;
  for (std::size_t i = 0; i < statement.size();) {
    const char c = statement[i];
    // Comments go, too: they hide what begins a literal, and may say what it holds.
    if (statement.substr(i).starts_with("--")) {
      i = std::min(statement.find('\n', i), statement.size());
    } else if (statement.substr(i).starts_with("/*")) {
      i = end_of_comment(statement, i);
    } else if (c == '\'' || c == '"') {
      out += kLeftOut;
      i = end_of_quoted(statement, i);
    } else if (c == '`') {
      const auto end = end_of_quoted(statement, i);
      out += statement.substr(i, end - i);
      i = end;
    } else if (std::isdigit(static_cast<unsigned char>(c))) {
      out += kLeftOut;
      while (i < statement.size() && (part_of_word(statement[i]) || statement[i] == '.')) ++i;
    } else if (part_of_word(c)) {
      for (; i < statement.size() && part_of_word(statement[i]); ++i) out += statement[i];
    } else {
      out += c;
      ++i;
    }
  }
  return out;
}

}  // namespace tarn::sql
