#include "engine/functions/calendar.h"

#include <fmt/format.h>

#include <charconv>

namespace tarn::engine::functions {
namespace {

std::string_view without_blanks(std::string_view s) {
  while (!s.empty() && static_cast<unsigned char>(s.front()) <= ' ') s.remove_prefix(1);
  while (!s.empty() && static_cast<unsigned char>(s.back()) <= ' ') s.remove_suffix(1);
  return s;
}

bool digit(char c) { return c >= '0' && c <= '9'; }

/// A run of `least` to `most` digits; the text moves on.
std::optional<std::int64_t> number(std::string_view& s, std::size_t least, std::size_t most) {
  std::size_t n = 0;
  while (n < s.size() && digit(s[n])) ++n;
  if (n < least || n > most) return {};
  std::int64_t v = 0;
  std::from_chars(s.data(), s.data() + n, v);
  s.remove_prefix(n);
  return v;
}

bool take(std::string_view& s, char c) {
  if (!s.starts_with(c)) return false;
  s.remove_prefix(1);
  return true;
}

/// y[-m[-d]]
std::optional<std::int64_t> day_at(std::string_view& s, std::size_t longest_year) {
  const bool negative = s.starts_with('-');
  if (negative || s.starts_with('+')) s.remove_prefix(1);
  auto year = number(s, 4, longest_year);
  if (!year) return {};
  if (negative) *year = -*year;
  std::int64_t month = 1, day = 1;
  if (take(s, '-')) {
    const auto m = number(s, 1, 2);
    if (!m) return {};
    month = *m;
    if (take(s, '-')) {
      const auto d = number(s, 1, 2);
      if (!d) return {};
      day = *d;
    }
  }
  if (!valid_day(*year, month, day)) return {};
  return days_from(*year, static_cast<int>(month), static_cast<int>(day));
}

}  // namespace

std::int64_t floor_div64(std::int64_t a, std::int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

std::int64_t days_from(std::int64_t y, int m, int d) {
  y -= m <= 2;
  const auto era = floor_div64(y, 400);
  const auto yoe = y - era * 400;
  const auto doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

Ymd ymd_from(std::int64_t days) {
  days += 719468;
  const auto era = floor_div64(days, 146097);
  const auto doe = days - era * 146097;
  const auto yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
  const auto doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  const auto mp = (5 * doy + 2) / 153;
  const int month = static_cast<int>(mp < 10 ? mp + 3 : mp - 9);
  return {yoe + era * 400 + (month <= 2 ? 1 : 0), month, static_cast<int>(doy - (153 * mp + 2) / 5 + 1)};
}

int days_in_month(std::int64_t year, int month) {
  if (month == 2) return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

bool valid_day(std::int64_t year, std::int64_t month, std::int64_t day) {
  return month >= 1 && month <= 12 && day >= 1 && day <= days_in_month(year, static_cast<int>(month));
}

std::string date_text(std::int64_t days) {
  const auto d = ymd_from(days);
  return fmt::format("{}{:04}-{:02}-{:02}", d.year < 0 ? "-" : d.year > 9999 ? "+" : "", d.year < 0 ? -d.year : d.year, d.month, d.day);
}

std::string time_text(std::int64_t micros) {
  auto out = fmt::format("{:02}:{:02}:{:02}", micros / kHour, micros / kMinute % 60, micros / kSecond % 60);
  if (const auto fraction = micros % kSecond) {
    out += fmt::format(".{:06}", fraction);
    while (out.back() == '0') out.pop_back();
  }
  return out;
}

std::string timestamp_text(std::int64_t micros) {
  const auto days = floor_div64(micros, kDay);
  return date_text(days) + " " + time_text(micros - days * kDay);
}

std::optional<std::int32_t> read_date(std::string_view text) {
  auto s = without_blanks(text);
  const auto day = day_at(s, 7);
  if (!day || (!s.empty() && s[0] != ' ' && s[0] != 'T')) return {};
  // What follows counts only behind a whole date.
  if (!s.empty() && text.find('-', 1) == std::string_view::npos) return {};
  if (*day > INT32_MAX - 1 || *day < INT32_MIN + 2) return {};
  return static_cast<std::int32_t>(*day);
}

std::optional<ReadTime> read_timestamp(std::string_view text) {
  auto s = without_blanks(text);
  if (s.empty()) return {};
  ReadTime out;
  const bool time_only = s[0] == 'T' || (s.find(':') != std::string_view::npos && s.find(':') <= 2 && digit(s[0]));
  if (!time_only) {
    const auto day = day_at(s, 6);
    if (!day) return {};
    out.days = *day;
    if (s.empty()) return out;
    if (s[0] != ' ' && s[0] != 'T') return {};
  }
  if (s[0] == ' ' || s[0] == 'T') s.remove_prefix(1);
  const auto hour = number(s, 1, 2);
  if (!hour) return {};
  std::int64_t minute = 0, second = 0, fraction = 0;
  if (take(s, ':')) {
    const auto m = number(s, 1, 2);
    if (!m) return {};
    minute = *m;
    if (take(s, ':')) {
      const auto sec = number(s, 1, 2);
      if (!sec) return {};
      second = *sec;
      if (take(s, '.')) {
        std::size_t n = 0;
        while (n < s.size() && digit(s[n])) ++n;
        for (std::size_t i = 0; i < 6; ++i) fraction = fraction * 10 + (i < n ? s[i] - '0' : 0);
        s.remove_prefix(n);
      }
    }
  } else if (time_only) {
    return {};
  }
  if (*hour > 23 || minute > 59 || second > 59) return {};
  out.micros = *hour * kHour + minute * kMinute + second * kSecond + fraction;
  out.zone = std::string(without_blanks(s));
  return out;
}

std::optional<std::int64_t> read_offset(std::string_view zone) {
  auto s = without_blanks(zone);
  if (s == "Z" || s == "z" || s == "UTC" || s == "GMT" || s == "UT" || s == "Zulu" || s == "Etc/UTC") return 0;
  for (const auto* prefix : {"UTC", "GMT", "UT"})
    if (s.starts_with(prefix) && s.size() > std::string_view(prefix).size()) {
      s.remove_prefix(std::string_view(prefix).size());
      break;
    }
  if (s.empty() || (s[0] != '+' && s[0] != '-')) return {};
  const bool west = s[0] == '-';
  s.remove_prefix(1);
  std::int64_t h = 0, m = 0, sec = 0;
  if (s.find(':') != std::string_view::npos) {
    const auto a = number(s, 1, 2);
    if (!a || !take(s, ':')) return {};
    const auto b = number(s, 1, 2);
    if (!b) return {};
    h = *a, m = *b;
    if (take(s, ':')) {
      const auto c = number(s, 2, 2);
      if (!c) return {};
      sec = *c;
    }
  } else {
    const auto n = s.size();
    const auto all = number(s, 1, 6);
    if (!all || n == 5) return {};
    h = n <= 2 ? *all : n <= 4 ? *all / 100 : *all / 10000;
    m = n <= 2 ? 0 : n <= 4 ? *all % 100 : *all / 100 % 100;
    sec = n == 6 ? *all % 100 : 0;
  }
  if (!s.empty() || h > 18 || m > 59 || sec > 59 || (h == 18 && (m || sec))) return {};
  const auto v = h * kHour + m * kMinute + sec * kSecond;
  return west ? -v : v;
}

}  // namespace tarn::engine::functions
