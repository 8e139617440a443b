#include "sql/globs.h"

namespace tarn::sql {
namespace {

constexpr std::size_t kMostAlternatives = 1000;

auto malformed(std::string_view pattern, const char* why) {
  return refuse(Errc::invalid, "[PATH_INVALID] The pattern '" + std::string(pattern.substr(0, 300)) + "' cannot be read: " + why);
}

/// Where the bracket or brace at `at` closes, escapes skipped and (braces) nested ones counted; npos: nowhere.
std::size_t closing(std::string_view p, std::size_t at) {
  const bool brace = p[at] == '{';
  int depth = 0;
  for (std::size_t i = at; i < p.size(); ++i) {
    if (p[i] == '\\')
      ++i;
    else if (brace && p[i] == '{')
      ++depth;
    else if (brace && p[i] == '}' && --depth == 0)
      return i;
    else if (!brace && p[i] == ']' && i > at + (p.substr(at + 1).starts_with('^') ? 2 : 1))
      return i;
  }
  return p.npos;
}

/// Every text that the braces make.
Result<std::vector<std::string>> expanded(std::string_view whole, std::string_view p) {
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (p[i] == '\\') {
      if (++i == p.size()) return malformed(whole, "nothing follows the last backslash");
      continue;
    }
    if (p[i] == '[') {
      if ((i = closing(p, i)) == p.npos) return malformed(whole, "a '[' is never closed");
      continue;
    }
    if (p[i] != '{') continue;
    const auto end = closing(p, i);
    if (end == p.npos) return malformed(whole, "a '{' is never closed");
    std::vector<std::string> out;
    std::size_t from = i + 1;
    int depth = 0;
    for (std::size_t k = i + 1; k <= end; ++k) {
      if (p[k] == '\\') {
        ++k;
        continue;
      }
      if (p[k] == '{') ++depth;
      if (k < end && p[k] == '}') --depth;
      if (k != end && (p[k] != ',' || depth != 0)) continue;
      TARN_TRY(more, expanded(whole, std::string(p.substr(0, i)).append(p.substr(from, k - from)).append(p.substr(end + 1))));
      out.insert(out.end(), more.begin(), more.end());
      if (out.size() > kMostAlternatives) return malformed(whole, "its braces name more than 1000 alternatives");
      from = k + 1;
    }
    return out;
  }
  return std::vector{std::string(p)};
}

/// Bytes of the character at `at`.
std::size_t character(std::string_view s, std::size_t at) {
  const auto c = static_cast<unsigned char>(s[at]);
  return std::min(s.size() - at, c < 0x80 ? std::size_t{1} : c < 0xe0 ? std::size_t{2} : c < 0xf0 ? std::size_t{3} : std::size_t{4});
}

/// Whether a character is in the set `[…]` whose inside this is. Characters are compared as their bytes, whose order is that of their code points.
bool in_set(std::string_view set, std::string_view c) {
  const bool without = set.starts_with('^');
  if (without) set.remove_prefix(1);
  const auto next = [&set]() {
    if (set.size() > 1 && set[0] == '\\') set.remove_prefix(1);
    const auto one = set.substr(0, character(set, 0));
    set.remove_prefix(one.size());
    return one;
  };
  bool found = false;
  while (!set.empty()) {
    const auto low = next();
    auto high = low;
    if (set.size() > 1 && set[0] == '-') {
      set.remove_prefix(1);
      high = next();
    }
    found = found || (low <= c && c <= high);
  }
  return found != without;
}

bool matches(std::string_view p, std::string_view text) {
  std::size_t i = 0, k = 0, star = p.npos, mark = 0;
  while (true) {
    if (i < p.size() && p[i] == '*') {
      star = i++;
      mark = k;
      continue;
    }
    if (k == text.size()) {
      while (i < p.size() && p[i] == '*') ++i;
      return i == p.size();
    }
    const auto c = text.substr(k, character(text, k));
    std::size_t used = 0;  // bytes of the pattern that stand for this character
    if (i < p.size()) {
      if (p[i] == '?') {
        used = 1;
      } else if (p[i] == '[') {
        const auto end = closing(p, i);
        if (in_set(p.substr(i + 1, end - i - 1), c)) used = end - i + 1;
      } else {
        const std::size_t escape = p[i] == '\\' ? 1 : 0;
        if (p.substr(i + escape).starts_with(c)) used = escape + c.size();
      }
    }
    if (used > 0) {
      i += used, k += c.size();
    } else if (star == p.npos) {
      return false;
    } else {
      i = star + 1;
      mark += character(text, mark);
      k = mark;
    }
  }
}

std::vector<std::string> segments(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    const auto slash = path.find('/');
    if (slash != 0) out.emplace_back(path.substr(0, slash));
    path = slash == path.npos ? std::string_view() : path.substr(slash + 1);
  }
  return out;
}

}  // namespace

Result<Glob> Glob::parse(std::string_view pattern) {
  TARN_TRY(texts, expanded(pattern, pattern));
  Glob out;
  for (const auto& t : texts) out.alternatives_.push_back(segments(t));
  const auto special = pattern.find_first_of("*?[{\\");
  if (const auto slash = pattern.substr(0, special).rfind('/'); slash != pattern.npos) out.folder_ = pattern.substr(0, slash);
  return out;
}

bool Glob::covers(std::string_view path) const {
  const auto parts = segments(path);
  for (const auto& wanted : alternatives_) {
    if (wanted.size() > parts.size()) continue;
    bool all = true;
    for (std::size_t i = 0; i < wanted.size() && all; ++i) all = matches(wanted[i], parts[i]);
    if (all) return true;
  }
  return false;
}

}  // namespace tarn::sql
