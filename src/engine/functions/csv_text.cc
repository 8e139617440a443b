// One line of CSV as from_csv and to_csv mean it: no line ends, since the text is one record. What Spark reads out of quotes that do not close where
// a value ends depends on its parser's state, and is refused.
#include <algorithm>

#include "engine/functions/families.h"

namespace tarn::engine::functions {
namespace {

bool blank(char c) { return static_cast<unsigned char>(c) <= ' '; }

bool holds(std::string_view flags, char flag) { return flags.find(flag) != flags.npos; }

std::string_view trimmed(std::string_view s, bool leading, bool trailing) {
  while (leading && !s.empty() && blank(s.front())) s.remove_prefix(1);
  while (trailing && !s.empty() && blank(s.back())) s.remove_suffix(1);
  return s;
}

[[noreturn]] void unclear() {
  raise("UNSUPPORTED_FEATURE", "from_csv of a value with a quote that is neither escaped nor its end is not supported by this warehouse.", "0A000");
}

/// The values of one record, NULL where one is empty or `null_value`. `flags` holds l and t where blanks before and behind values are left out.
std::optional<Strings> csv_fields(std::string_view s, std::string_view separator, std::string_view quote, std::string_view escape,
                                  std::string_view null_value, std::string_view flags) {
  const bool leading = holds(flags, 'l'), trailing = holds(flags, 't');
  Strings out;
  for (std::size_t at = 0;;) {
    auto start = at;
    if (leading)
      while (start < s.size() && blank(s[start]) && !s.substr(start).starts_with(separator)) ++start;
    std::optional<std::string> value;
    if (!quote.empty() && start < s.size() && s[start] == quote[0]) {
      std::string text;
      bool closed = false;
      for (at = start + 1; at < s.size();) {
        const char c = s[at];
        const bool doubled = escape == quote;
        if (c == escape[0] && !doubled) {
          if (at + 1 >= s.size()) unclear();
          const char next = s[at + 1];
          if (next != quote[0] && next != c) text += c;
          text += next;
          at += 2;
        } else if (c == quote[0]) {
          if (doubled && at + 1 < s.size() && s[at + 1] == quote[0]) {
            text += c;
            at += 2;
            continue;
          }
          ++at;
          closed = true;
          break;
        } else {
          text += c;
          ++at;
        }
      }
      if (closed) {
        while (at < s.size() && blank(s[at]) && !s.substr(at).starts_with(separator)) ++at;
        if (at < s.size() && !s.substr(at).starts_with(separator)) unclear();
      }
      if (text != null_value) value = std::move(text);
    } else {
      const auto end = std::min(s.find(separator, at), s.size());
      const auto text = trimmed(s.substr(at, end - at), leading, trailing);
      if (text.empty() && end > at && !leading) raise("MALFORMED_CSV_RECORD", "Malformed CSV record: " + std::string(s), "KD000");
      if (!text.empty() && text != null_value) value = text;
      at = end;
    }
    out.push_back(std::move(value));
    if (at >= s.size()) return out;
    at += separator.size();
  }
}

/// A value as it stands in a record; `flags` also hold # for the first, which must not look like a comment.
std::optional<std::string> csv_value(std::string_view given, std::string_view separator, std::string_view quote, std::string_view escape,
                                     std::string_view empty, std::string_view flags) {
  const auto s = trimmed(given, holds(flags, 'l'), holds(flags, 't'));
  const auto before = given.substr(0, static_cast<std::size_t>(s.data() - given.data()));
  const auto behind = given.substr(before.size() + s.size());
  if (before.find(separator) != before.npos || behind.find(separator) != behind.npos || (!before.empty() && s.starts_with('#')))
    raise("UNSUPPORTED_FEATURE", "to_csv of a value with a separator or a # at its end is not supported by this warehouse.", "0A000");
  if (s.empty()) return std::string(empty);
  const bool marked = s.find(quote[0]) != s.npos;
  const bool quoted = marked || s.find(separator) != s.npos || given.find_first_of("\n\r") != given.npos || (holds(flags, '#') && s.starts_with('#'));
  if (!quoted) return std::string(s);
  std::string out(quote);
  for (const char c : s) {
    if (c == quote[0] || c == escape[0]) out += escape;
    out += c;
  }
  return out + std::string(quote);
}

constexpr Entry entries_of_csv[] = {
    {"spark_csv_fields", Scalar<csv_fields>::make},
    {"spark_csv_value", Scalar<csv_value>::make},
};

}  // namespace

std::span<const Entry> csv_entries() { return entries_of_csv; }

}  // namespace tarn::engine::functions
