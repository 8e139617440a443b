// Java's patterns of dates and times (DateTimeFormatter), as Spark uses them: date_format, to_timestamp, from_unixtime.
#include <fmt/format.h>

#include <array>

#include "engine/functions/calendar.h"
#include "engine/functions/families.h"

namespace tarn::engine::functions {
namespace {

using Text = std::optional<std::string>;

constexpr std::array<std::string_view, 12> kMonths{"January", "February", "March",     "April",   "May",      "June",
                                                   "July",    "August",   "September", "October", "November", "December"};
constexpr std::array<std::string_view, 7> kWeekdays{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};

struct Piece {
  char letter = 0;  // 0: text; '[' and ']': an optional part
  int count = 0;
  std::string text;
};

[[noreturn]] void unknown_pattern(std::string_view pattern) {
  raise("INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION",
        fmt::format("You may get a different result due to the upgrading to Spark >= 3.0: Fail to recognize '{}' pattern in the DateTimeFormatter.",
                    pattern),
        "42K0B");
}

/// A pattern that Spark's formatter refuses: by whether the formatter of old took it, which is what Spark tells of then.
[[noreturn]] void bad_pattern(std::string_view pattern, char c) {
  if (std::string_view("GyYMLwWDdFEuaHkKhmsSzZ").find(c) != std::string_view::npos) unknown_pattern(pattern);
  if (std::string_view("ABnNp").find(c) != std::string_view::npos)
    raise("INVALID_DATETIME_PATTERN.ILLEGAL_CHARACTER",
          fmt::format("Unrecognized datetime pattern: '{}'. Illegal pattern character found in datetime pattern: '{}'.", pattern, c), "22007");
  if (c == 'q' || c == 'Q')
    raise("INVALID_DATETIME_PATTERN.LENGTH",
          fmt::format("Unrecognized datetime pattern: '{}'. Too many letters in datetime pattern: '{}'. Please reduce pattern length.", pattern, c),
          "22007");
  raise("INVALID_DATETIME_PATTERN.WITH_SUGGESTION", fmt::format("Unrecognized datetime pattern: '{}'.", pattern), "22007");
}

std::vector<Piece> pieces_of(std::string_view pattern) {
  std::vector<Piece> out;
  const auto literal = [&](char c) {
    if (out.empty() || out.back().letter != 0) out.push_back({});
    out.back().text += c;
  };
  for (std::size_t i = 0; i < pattern.size();) {
    const char c = pattern[i];
    if (std::isalpha(static_cast<unsigned char>(c))) {
      std::size_t n = 1;
      while (i + n < pattern.size() && pattern[i + n] == c) ++n;
      if (std::string_view("YWwu").find(c) != std::string_view::npos) unknown_pattern(pattern);
      if (std::string_view("ec").find(c) != std::string_view::npos)
        raise("INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_WEEK_BASED_PATTERN",
              fmt::format("You may get a different result due to the upgrading to Spark >= 3.0: All week-based patterns are unsupported since Spark "
                          "3.0, detected week-based character: {}.",
                          c),
              "42K0B");
      static constexpr std::string_view known = "GyMLdQqDEFahHkKmsSVzOXxZ";
      if (known.find(c) == std::string_view::npos) bad_pattern(pattern, c);
      const auto most = c == 'y'                                                                           ? 6u
                        : c == 'D'                                                                         ? 3u
                        : c == 'S'                                                                         ? 9u
                        : c == 'M' || c == 'L' || c == 'E' || c == 'G' || c == 'q' || c == 'Q' || c == 'z' ? 4u
                        : c == 'X' || c == 'x' || c == 'Z'                                                 ? 5u
                        : c == 'F' || c == 'a'                                                             ? 1u
                        : c == 'V'                                                                         ? 2u
                        : c == 'O'                                                                         ? 4u
                                                                                                           : 2u;
      if (n > most || (c == 'V' && n != 2) || (c == 'O' && n != 1 && n != 4)) bad_pattern(pattern, c);
      out.push_back({c, static_cast<int>(n), {}});
      i += n;
    } else if (c == '\'') {
      if (i + 1 < pattern.size() && pattern[i + 1] == '\'') {
        literal('\'');
        i += 2;
        continue;
      }
      for (++i; i < pattern.size(); ++i) {
        if (pattern[i] != '\'') {
          literal(pattern[i]);
        } else if (i + 1 < pattern.size() && pattern[i + 1] == '\'') {
          literal('\'');
          ++i;
        } else {
          break;
        }
      }
      if (i >= pattern.size()) unknown_pattern(pattern);
      ++i;
    } else if (c == '[' || c == ']') {
      out.push_back({c, 1, {}});
      ++i;
    } else if (c == '{' || c == '}' || c == '#') {
      unknown_pattern(pattern);
    } else {
      literal(c);
      ++i;
    }
  }
  return out;
}

std::string zone_text(char letter, int n) {  // the session's zone is UTC
  switch (letter) {
    case 'V':
      return "UTC";
    case 'z':
      return n == 4 ? "Coordinated Universal Time" : "UTC";
    case 'O':
      return "GMT";
    case 'X':
      return "Z";
    case 'x':
      return n == 1 ? "+00" : n == 2 || n == 4 ? "+0000" : "+00:00";
    default:
      return n == 4 ? "GMT" : n == 5 ? "Z" : "+0000";
  }
}

std::string formatted(std::int64_t days, std::int64_t micros, std::string_view pattern, bool dated, bool zoned) {
  const auto d = ymd_from(days);
  const auto hour = micros / kHour;
  std::string out;
  for (const auto& p : pieces_of(pattern)) {
    const auto number = [&](std::int64_t v) { out += fmt::format("{:0{}}", v, p.count); };
    if (!dated && p.letter && std::string_view("ahHkKmsS[]").find(p.letter) == std::string_view::npos) unknown_pattern(pattern);
    if (!zoned && p.letter && std::string_view("VzOXxZ").find(p.letter) != std::string_view::npos)
      raise("UNSUPPORTED_FEATURE", "A pattern with a zone for a time without one is not supported by this warehouse.", "0A000");
    switch (p.letter) {
      case 0:
        out += p.text;
        break;
      case '[':
      case ']':
        break;
      case 'G':
        out += p.count == 4 ? (d.year > 0 ? "Anno Domini" : "Before Christ") : d.year > 0 ? "AD" : "BC";
        break;
      case 'y': {
        const auto era = d.year > 0 ? d.year : 1 - d.year;
        if (p.count == 2)
          out += fmt::format("{:02}", era % 100);
        else
          out += (p.count >= 4 && era >= 10000 && p.count < 5 ? "+" : "") + fmt::format("{:0{}}", era, p.count);
        break;
      }
      case 'M':
      case 'L':
        if (p.count <= 2)
          number(d.month);
        else
          out += p.count == 3 ? kMonths[static_cast<std::size_t>(d.month - 1)].substr(0, 3) : kMonths[static_cast<std::size_t>(d.month - 1)];
        break;
      case 'd':
        number(d.day);
        break;
      case 'Q':
      case 'q': {
        const auto q = (d.month - 1) / 3 + 1;
        if (p.count <= 2)
          number(q);
        else
          out += p.count == 3 ? fmt::format("Q{}", q) : fmt::format("{} quarter", q == 1 ? "1st" : q == 2 ? "2nd" : q == 3 ? "3rd" : "4th");
        break;
      }
      case 'D':
        number(days - days_from(d.year, 1, 1) + 1);
        break;
      case 'E': {
        const auto name = kWeekdays[static_cast<std::size_t>(((days + 3) % 7 + 7) % 7)];
        out += p.count == 4 ? name : name.substr(0, 3);
        break;
      }
      case 'F':
        number((d.day - 1) % 7 + 1);
        break;
      case 'a':
        out += hour < 12 ? "AM" : "PM";
        break;
      case 'h':
        number(hour % 12 == 0 ? 12 : hour % 12);
        break;
      case 'H':
        number(hour);
        break;
      case 'k':
        number(hour == 0 ? 24 : hour);
        break;
      case 'K':
        number(hour % 12);
        break;
      case 'm':
        number(micros / kMinute % 60);
        break;
      case 's':
        number(micros / kSecond % 60);
        break;
      case 'S': {
        auto f = fmt::format("{:06}000", micros % kSecond);
        f.resize(static_cast<std::size_t>(p.count));
        out += f;
        break;
      }
      default:
        out += zone_text(p.letter, p.count);
    }
  }
  return out;
}

Text date_format(Timestamp t, std::string_view pattern, bool) {
  const auto days = floor_div64(t.micros, kDay);
  return formatted(days, t.micros - days * kDay, pattern, true, true);
}
Text time_format(std::int64_t micros, std::string_view pattern) { return formatted(0, micros, pattern, false, false); }

struct Fields {
  std::optional<std::int64_t> year, month, day, day_of_year, hour, hour12, minute, second, micros, half, quarter, weekday, offset;
  bool reduced_year = false, before_christ = false;
};

bool same_letters(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::tolower(static_cast<unsigned char>(a[i])) != std::tolower(static_cast<unsigned char>(b[i]))) return false;
  return true;
}

template <class Names>
bool read_name(std::string_view& s, const Names& names, bool full, std::optional<std::int64_t>& out) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto name = full ? names[i] : names[i].substr(0, 3);
    if (s.size() >= name.size() && same_letters(s.substr(0, name.size()), name)) {
      out = static_cast<std::int64_t>(i) + 1;
      s.remove_prefix(name.size());
      return true;
    }
  }
  return false;
}

bool read_number(std::string_view& s, std::size_t least, std::size_t most, std::optional<std::int64_t>& out) {
  std::size_t n = 0;
  std::int64_t v = 0;
  while (n < s.size() && n < most && s[n] >= '0' && s[n] <= '9') v = v * 10 + (s[n++] - '0');
  if (n < least) return false;
  if (out && *out != v) return false;
  out = v;
  s.remove_prefix(n);
  return true;
}

bool numeric_piece(const Piece& p) {
  return p.letter && (std::string_view("yDdhHkKmsSF").find(p.letter) != std::string_view::npos ||
                      ((p.letter == 'M' || p.letter == 'L' || p.letter == 'Q' || p.letter == 'q') && p.count <= 2));
}

bool read_piece(std::string_view& s, const Piece& p, const Piece* next, std::string_view whole, std::string_view pattern, Fields& f) {
  const auto n = static_cast<std::size_t>(p.count);
  const bool adjacent = next && numeric_piece(*next);
  const auto two = [&](std::optional<std::int64_t>& out) { return read_number(s, n, n == 1 && !adjacent ? 2 : n == 1 ? 1 : n, out); };
  switch (p.letter) {
    case 0:
      if (s.size() < p.text.size() || !same_letters(s.substr(0, p.text.size()), p.text)) return false;
      s.remove_prefix(p.text.size());
      return true;
    case 'G': {
      std::optional<std::int64_t> era;
      for (const auto* name : {"AD", "BC", "Anno Domini", "Before Christ"})
        if (const std::string_view v(name); s.size() >= v.size() && same_letters(s.substr(0, v.size()), v)) {
          f.before_christ = v[0] == 'B';
          s.remove_prefix(v.size());
          return true;
        }
      return false;
    }
    case 'y': {
      std::optional<std::int64_t> v;
      if (n == 2) {
        if (!read_number(s, 2, 2, v)) return false;
        f.year = 2000 + *v;
        return true;
      }
      const bool plus = s.starts_with('+');
      if (plus && n >= 4) s.remove_prefix(1);
      const std::size_t most = adjacent ? n : n == 4 ? (plus ? 7 : 4) : n > 4 ? n : 7;
      if (!read_number(s, n, most, v)) return false;
      f.year = v;
      return true;
    }
    case 'M':
    case 'L':
      if (p.count >= 3) return read_name(s, kMonths, p.count == 4, f.month);
      return two(f.month);
    case 'd':
      return two(f.day);
    case 'D':
      return read_number(s, n, adjacent ? n : 3, f.day_of_year);
    case 'Q':
    case 'q':
      if (p.count >= 3) raise("UNSUPPORTED_FEATURE", "Parsing the name of a quarter is not supported by this warehouse.", "0A000");
      return two(f.quarter);
    case 'E':
      return read_name(s, kWeekdays, p.count == 4, f.weekday);
    case 'a':
      if (s.size() < 2 || (!same_letters(s.substr(0, 2), "AM") && !same_letters(s.substr(0, 2), "PM"))) return false;
      f.half = std::tolower(static_cast<unsigned char>(s[0])) == 'p';
      s.remove_prefix(2);
      return true;
    case 'H': {
      return two(f.hour);
    }
    case 'k': {
      std::optional<std::int64_t> v;
      if (!two(v) || *v < 1 || *v > 24) return false;
      f.hour = *v % 24;
      return true;
    }
    case 'h': {
      std::optional<std::int64_t> v;
      if (!two(v) || *v < 1 || *v > 12) return false;
      f.hour12 = *v % 12;
      return true;
    }
    case 'K': {
      std::optional<std::int64_t> v;
      if (!two(v) || *v > 11) return false;
      f.hour12 = v;
      return true;
    }
    case 'm':
      return two(f.minute);
    case 's':
      return two(f.second);
    case 'S': {
      std::size_t k = 0;
      std::int64_t v = 0;
      while (k < s.size() && k < n && s[k] >= '0' && s[k] <= '9') ++k;
      if (k == 0) return false;
      for (std::size_t i = 0; i < 6; ++i) v = v * 10 + (i < k ? s[i] - '0' : 0);
      f.micros = v;
      s.remove_prefix(k);
      return true;
    }
    case 'F':
      raise("UNSUPPORTED_FEATURE", "Parsing with the pattern letter F is not supported by this warehouse.", "0A000");
    default: {  // zones
      std::size_t k = 0;
      while (k < s.size() && (std::isalnum(static_cast<unsigned char>(s[k])) || std::string_view("+-:/_").find(s[k]) != std::string_view::npos)) ++k;
      const std::string zone(s.substr(0, k));
      const auto o = read_offset(zone);
      if (!o) {
        if (zone.find('/') != std::string::npos || (!zone.empty() && std::isalpha(static_cast<unsigned char>(zone[0]))))
          raise("UNSUPPORTED_FEATURE", "The time zone '" + zone + "' inside a text is not supported by this warehouse. Write an offset.", "0A000");
        return false;
      }
      f.offset = *o;
      s.remove_prefix(k);
      (void)whole, (void)pattern;
      return true;
    }
  }
}

bool read_all(std::string_view& s, std::span<const Piece> pieces, std::string_view whole, std::string_view pattern, Fields& f) {
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].letter == ']') continue;
    if (pieces[i].letter == '[') {
      std::size_t end = i + 1;
      for (int depth = 1; end < pieces.size(); ++end) {
        depth += pieces[end].letter == '[' ? 1 : pieces[end].letter == ']' ? -1 : 0;
        if (depth == 0) break;
      }
      auto saved = s;
      auto kept = f;
      if (!read_all(s, pieces.subspan(i + 1, end - i - 1), whole, pattern, f)) s = saved, f = kept;
      i = end;
      continue;
    }
    if (!read_piece(s, pieces[i], i + 1 < pieces.size() ? &pieces[i + 1] : nullptr, whole, pattern, f)) return false;
  }
  return true;
}

std::optional<std::int64_t> clock_of(Fields& f) {
  if (f.hour12) {
    const auto h = *f.hour12 + (f.half && *f.half ? 12 : 0);
    if (f.hour && *f.hour != h) return {};
    f.hour = h;
  }
  const auto h = f.hour.value_or(0), m = f.minute.value_or(0), s = f.second.value_or(0);
  if (h > 23 || m > 59 || s > 59) return {};
  return h * kHour + m * kMinute + s * kSecond + f.micros.value_or(0);
}

std::optional<std::int64_t> instant_of(Fields f) {
  const auto clock = clock_of(f);
  if (!clock) return {};
  auto year = f.year.value_or(1970);
  if (f.before_christ) year = 1 - year;
  std::int64_t days = 0;
  if (f.day_of_year) {
    const auto most = days_in_month(year, 2) == 29 ? 366 : 365;
    if (*f.day_of_year < 1 || *f.day_of_year > most) return {};
    days = days_from(year, 1, 1) + *f.day_of_year - 1;
    const auto d = ymd_from(days);
    if ((f.month && *f.month != d.month) || (f.day && *f.day != d.day)) return {};
  } else {
    if (f.quarter && !f.month) f.month = (*f.quarter - 1) * 3 + 1;
    const auto month = f.month.value_or(1), day = f.day.value_or(1);
    if (!valid_day(year, month, day)) return {};
    days = days_from(year, static_cast<int>(month), static_cast<int>(day));
  }
  if (f.weekday && ((days + 3) % 7 + 7) % 7 != *f.weekday - 1) return {};
  return days * kDay + *clock - f.offset.value_or(0);
}

[[noreturn]] void cannot_parse(std::string_view text) {
  raise("CANNOT_PARSE_TIMESTAMP",
        fmt::format("Text '{}' could not be parsed. Use `try_to_timestamp` to tolerate invalid input string and return NULL instead.", text),
        "22007");
}

std::optional<Timestamp> parse_timestamp(std::string_view text, std::string_view pattern, bool local, bool attempt) {
  const auto pieces = pieces_of(pattern);
  Fields f;
  auto s = text;
  const bool read = read_all(s, pieces, text, pattern, f) && s.empty();
  if (local) f.offset.reset();
  const auto t = read ? instant_of(f) : std::nullopt;
  if (!t) {
    if (attempt) return {};
    cannot_parse(text);
  }
  return Timestamp{*t};
}

std::optional<std::int64_t> parse_time(std::string_view text, std::string_view pattern, bool attempt) {
  std::optional<std::int64_t> out;
  if (pattern.empty()) {
    const auto r = read_timestamp(text.starts_with('T') ? std::string(text) : "T" + std::string(text));
    if (r && !r->days && r->zone.empty()) out = r->micros;
  } else {
    Fields f;
    auto s = text;
    const auto pieces = pieces_of(pattern);
    for (const auto& p : pieces)
      if (p.letter && std::string_view("ahHkKmsS[]").find(p.letter) == std::string_view::npos) unknown_pattern(pattern);
    if (read_all(s, pieces, text, pattern, f) && s.empty()) out = clock_of(f);
  }
  if (!out && !attempt)
    raise("CANNOT_PARSE_TIME",
          fmt::format("The input string '{}' cannot be parsed to a TIME value because it does not match to the datetime format '{}'.", text,
                      pattern.empty() ? "HH:mm:ss.SSSSSS" : pattern),
          "22010");
  return out;
}

constexpr Entry entries_of_patterns[] = {
    {"spark_date_format", Scalar<date_format>::make},
    {"spark_time_format", Scalar<time_format>::make},
    {"spark_parse_timestamp", Scalar<parse_timestamp>::make},
    {"spark_parse_time", Scalar<parse_time>::make},
};

}  // namespace

std::span<const Entry> pattern_entries() { return entries_of_patterns; }

}  // namespace tarn::engine::functions
