#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "engine/child/text_values.h"
#include "engine/functions/calendar.h"
#include "engine/functions/families.h"

namespace tarn::engine::functions {
namespace {

using Text = std::optional<std::string>;

unsigned __int128 magnitude(std::int64_t v) {
  return v < 0 ? 0 - static_cast<unsigned __int128>(static_cast<__int128>(v)) : static_cast<unsigned __int128>(v);
}

std::string units_of(std::string_view first, std::string_view last) {
  std::string out(first);
  if (first != last) out += " TO " + std::string(last);
  for (auto& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

Text ym_shown(std::int32_t months) {
  const auto m = static_cast<std::uint64_t>(magnitude(months));
  return fmt::format("{}{}-{}", months < 0 ? "-" : "", m / 12, m % 12);
}

Text dt_shown(std::int64_t micros) {
  const auto m = static_cast<std::uint64_t>(magnitude(micros));
  return fmt::format("{}{} {:02}:{:02}:{:02}.{:06}000", micros < 0 ? "-" : "", m / kDay, m / kHour % 24, m / kMinute % 60, m / kSecond % 60,
                     m % kSecond);
}

Text ym_to_string(std::int32_t months, std::string_view first, std::string_view last) {
  const auto m = static_cast<std::uint64_t>(magnitude(months));
  const std::string sign = months < 0 ? "-" : "";
  const auto body = first == last ? fmt::format("{}{}", sign, first == "year" ? m / 12 : m) : fmt::format("{}{}-{}", sign, m / 12, m % 12);
  return fmt::format("INTERVAL '{}' {}", body, units_of(first, last));
}

std::string seconds_text(std::uint64_t micros, bool padded) {
  auto out = padded ? fmt::format("{:02}", micros / kSecond) : fmt::format("{}", micros / kSecond);
  if (const auto f = micros % kSecond) {
    out += fmt::format(".{:06}", f);
    while (out.back() == '0') out.pop_back();
  }
  return out;
}

Text dt_to_string(std::int64_t micros, std::string_view first, std::string_view last) {
  auto rest = static_cast<std::uint64_t>(magnitude(micros));
  std::string body = micros < 0 ? "-" : "";
  static constexpr std::string_view units[] = {"day", "hour", "minute", "second"};
  static constexpr std::int64_t sizes[] = {kDay, kHour, kMinute, kSecond};
  bool started = false;
  for (int i = 0; i < 4; ++i) {
    if (units[i] == first) {
      started = true;
      const auto n = rest / static_cast<std::uint64_t>(sizes[i]);
      if (i == 3) {
        body += seconds_text(rest, true);
      } else {
        body += i == 0 ? fmt::format("{}", n) : fmt::format("{:02}", n);
        rest %= static_cast<std::uint64_t>(sizes[i]);
      }
    } else if (started) {
      body += i == 1 ? " " : ":";
      if (i == 3) {
        body += seconds_text(rest, true);
      } else {
        body += fmt::format("{:02}", rest / static_cast<std::uint64_t>(sizes[i]));
        rest %= static_cast<std::uint64_t>(sizes[i]);
      }
    }
    if (units[i] == last) break;
  }
  return fmt::format("INTERVAL '{}' {}", body, units_of(first, last));
}

Text interval_to_string(Interval v) {
  std::string out;
  child::append_interval(out, v.months, v.days, v.micros);
  return out;
}

[[noreturn]] void interval_overflow(bool suggest) {
  raise(suggest ? "INTERVAL_ARITHMETIC_OVERFLOW.WITH_SUGGESTION" : "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION",
        "Integer overflow while operating with intervals. Try devising appropriate values for the interval parameters.", "22015");
}

std::optional<std::int64_t> fitted(__int128 v, std::string_view kind, bool attempt) {
  const bool small = kind == "ym";
  if (v > (small ? __int128{INT32_MAX} : __int128{INT64_MAX}) || v < (small ? __int128{INT32_MIN} : __int128{INT64_MIN})) {
    if (attempt) return {};
    interval_overflow(false);
  }
  return static_cast<std::int64_t>(v);
}

/// Rounded half away from zero.
__int128 divided(__int128 a, __int128 b) {
  const bool negative = (a < 0) != (b < 0);
  const auto x = a < 0 ? -a : a, y = b < 0 ? -b : b;
  auto q = x / y;
  if (x % y * 2 >= y) ++q;
  return negative ? -q : q;
}

std::optional<std::int64_t> times(std::int64_t v, std::int64_t n, std::string_view kind, bool attempt) {
  return fitted(static_cast<__int128>(v) * n, kind, attempt);
}

[[noreturn]] void by_zero() {
  raise("INTERVAL_DIVIDED_BY_ZERO", "Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead.", "22012");
}

std::optional<std::int64_t> over(std::int64_t v, std::int64_t n, std::string_view kind, bool attempt) {
  if (n == 0) {
    if (attempt) return {};
    by_zero();
  }
  const auto q = divided(v, n);
  if (!attempt && (q > INT64_MAX || q < INT64_MIN || (kind == "ym" && (q > INT32_MAX || q < INT32_MIN)))) interval_overflow(true);
  return fitted(q, kind, attempt);
}

std::optional<std::int64_t> rounded(long double v, std::string_view kind, bool attempt) {
  const auto r = std::roundl(v);
  if (std::isnan(r) || r >= 1e30L || r <= -1e30L) {
    if (attempt) return {};
    interval_overflow(false);
  }
  return fitted(static_cast<__int128>(r), kind, attempt);
}
std::optional<std::int64_t> times_double(std::int64_t v, double n, std::string_view kind, bool attempt) {
  return rounded(static_cast<double>(v) * n, kind, attempt);
}
std::optional<std::int64_t> over_double(std::int64_t v, double n, std::string_view kind, bool attempt) {
  if (n == 0) {
    if (attempt) return {};
    by_zero();
  }
  return rounded(static_cast<double>(v) / n, kind, attempt);
}

/// A decimal as digits and a power of ten, for products that fit 128 bits.
std::pair<__int128, __int128> fraction(std::string_view text) {
  __int128 n = 0, d = 1;
  bool negative = false, point = false;
  for (const char c : text) {
    if (c == '-') {
      negative = true;
    } else if (c == '.') {
      point = true;
    } else {
      if (n > static_cast<__int128>(1) << 60 || d > static_cast<__int128>(1) << 60)
        raise("UNSUPPORTED_FEATURE", "An interval times a decimal of so many digits is not supported by this warehouse.", "0A000");
      n = n * 10 + (c - '0');
      if (point) d *= 10;
    }
  }
  return {negative ? -n : n, d};
}
std::optional<std::int64_t> times_decimal(std::int64_t v, std::string_view text, std::string_view kind, bool attempt) {
  const auto [n, d] = fraction(text);
  return fitted(divided(static_cast<__int128>(v) * n, d), kind, attempt);
}
std::optional<std::int64_t> over_decimal(std::int64_t v, std::string_view text, std::string_view kind, bool attempt) {
  const auto [n, d] = fraction(text);
  if (n == 0) {
    if (attempt) return {};
    by_zero();
  }
  return fitted(divided(static_cast<__int128>(v) * d, n), kind, attempt);
}

std::optional<Interval> make_interval(std::int32_t y, std::int32_t m, std::int32_t w, std::int32_t d, std::int32_t h, std::int32_t mi,
                                      std::int64_t micros) {
  const auto months = static_cast<std::int64_t>(y) * 12 + m, days = static_cast<std::int64_t>(w) * 7 + d;
  const auto time = static_cast<__int128>(h) * kHour + static_cast<__int128>(mi) * kMinute + micros;
  if (months > INT32_MAX || months < INT32_MIN || days > INT32_MAX || days < INT32_MIN || time > INT64_MAX || time < INT64_MIN)
    interval_overflow(true);
  return Interval{static_cast<std::int32_t>(months), static_cast<std::int32_t>(days), static_cast<std::int64_t>(time)};
}

std::string_view trimmed_interval(std::string_view s) {
  while (!s.empty() && static_cast<unsigned char>(s.front()) <= ' ') s.remove_prefix(1);
  while (!s.empty() && static_cast<unsigned char>(s.back()) <= ' ') s.remove_suffix(1);
  return s;
}

/// "1 day -2 hours" as a calendar interval; nothing if it is none.
std::optional<Interval> read_units(std::string_view text) {
  std::string low(trimmed_interval(text));
  for (auto& c : low) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string_view s = low;
  if (s.starts_with("interval")) {
    s.remove_prefix(8);
    if (s.empty() || s[0] != ' ') return {};
  }
  __int128 months = 0, days = 0, micros = 0;
  bool any = false;
  for (s = trimmed_interval(s); !s.empty(); s = trimmed_interval(s)) {
    bool negative = false;
    if (s[0] == '-' || s[0] == '+') {
      negative = s[0] == '-';
      s = trimmed_interval(s.substr(1));
    }
    std::size_t n = 0;
    while (n < s.size() && s[n] >= '0' && s[n] <= '9') ++n;
    if (n > 18) return {};
    __int128 whole = 0, fraction_micros = 0;
    for (std::size_t i = 0; i < n; ++i) whole = whole * 10 + (s[i] - '0');
    const bool digits = n > 0;
    s.remove_prefix(n);
    bool point = false;
    if (s.starts_with('.')) {
      point = true;
      s.remove_prefix(1);
      n = 0;
      while (n < s.size() && s[n] >= '0' && s[n] <= '9') ++n;
      if (n > 9 || (n == 0 && !digits)) return {};
      for (std::size_t i = 0; i < 6; ++i) fraction_micros = fraction_micros * 10 + (i < n ? s[i] - '0' : 0);
      s.remove_prefix(n);
    } else if (!digits) {
      return {};
    }
    if (s.empty() || s[0] != ' ') return {};
    s = trimmed_interval(s);
    n = 0;
    while (n < s.size() && s[n] >= 'a' && s[n] <= 'z') ++n;
    std::string unit(s.substr(0, n));
    s.remove_prefix(n);
    if (unit.ends_with('s')) unit.pop_back();
    if (point && unit != "second") return {};
    const __int128 v = negative ? -whole : whole;
    if (unit == "year")
      months += v * 12;
    else if (unit == "month")
      months += v;
    else if (unit == "week")
      days += v * 7;
    else if (unit == "day")
      days += v;
    else if (unit == "hour")
      micros += v * kHour;
    else if (unit == "minute")
      micros += v * kMinute;
    else if (unit == "second")
      micros += v * kSecond + (negative ? -fraction_micros : fraction_micros);
    else if (unit == "millisecond")
      micros += v * 1000;
    else if (unit == "microsecond")
      micros += v;
    else
      return {};
    any = true;
  }
  if (!any || months > INT32_MAX || months < INT32_MIN || days > INT32_MAX || days < INT32_MIN || micros > INT64_MAX || micros < INT64_MIN) return {};
  return Interval{static_cast<std::int32_t>(months), static_cast<std::int32_t>(days), static_cast<std::int64_t>(micros)};
}
std::optional<Interval> string_to_interval(std::string_view s, bool) { return read_units(s); }

/// What stands in INTERVAL [+|-]'…' UNIT [TO UNIT], or the text itself.
bool unwrapped(std::string_view& s, bool& negative, std::string_view first, std::string_view last) {
  s = trimmed_interval(s);
  std::string up(s);
  for (auto& c : up) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (!up.starts_with("INTERVAL")) return true;
  const auto open = s.find('\''), close = s.rfind('\'');
  if (open == std::string_view::npos || close <= open) return false;
  const auto sign = trimmed_interval(s.substr(8, open - 8));
  if (sign == "-")
    negative = true;
  else if (!sign.empty() && sign != "+")
    return false;
  std::string units;
  for (const char c : trimmed_interval(std::string_view(up).substr(close + 1)))
    if (c != ' ' || (!units.empty() && units.back() != ' ')) units += c;
  if (units != units_of(first, last)) return false;
  s = trimmed_interval(s.substr(open + 1, close - open - 1));
  return true;
}

bool digits_at(std::string_view& s, __int128& out) {
  std::size_t n = 0;
  out = 0;
  while (n < s.size() && s[n] >= '0' && s[n] <= '9') out = out * 10 + (s[n++] - '0');
  if (n == 0 || n > 18) return false;
  s.remove_prefix(n);
  return true;
}

[[noreturn]] void unmatched(std::string_view s, std::string_view first, std::string_view last, std::string_view family) {
  raise("INVALID_INTERVAL_FORMAT.UNMATCHED_FORMAT_STRING",
        fmt::format("Error parsing '{}' to interval. Please ensure that the value provided is in a valid format for defining an interval. Interval "
                    "string does not match {} format when cast to INTERVAL {}.",
                    s, family, units_of(first, last)),
        "22006");
}

std::optional<std::int32_t> string_to_ym(std::string_view text, std::string_view first, std::string_view last, bool attempt) {
  auto s = text;
  bool negative = false;
  __int128 a = 0, b = 0;
  bool good = unwrapped(s, negative, first, last);
  if (good && !s.empty() && (s[0] == '-' || s[0] == '+')) negative ^= s[0] == '-', s.remove_prefix(1);
  good = good && digits_at(s, a);
  if (good && first != last) {
    good = s.starts_with('-');
    if (good) s.remove_prefix(1);
    good = good && digits_at(s, b) && b < 12;
  }
  if (!good || !s.empty()) {
    if (attempt) return {};
    unmatched(text, first, last, "year-month");
  }
  auto v = first == "year" ? a * 12 + b : a;
  if (negative) v = -v;
  if (v > INT32_MAX || v < INT32_MIN) {
    if (attempt) return {};
    raise("INVALID_INTERVAL_FORMAT.INTERVAL_PARSING", fmt::format("Error parsing '{}' to interval: integer overflow.", text), "22006");
  }
  return static_cast<std::int32_t>(v);
}

std::optional<std::int64_t> string_to_dt(std::string_view text, std::string_view first, std::string_view last, bool attempt) {
  static constexpr std::string_view units[] = {"day", "hour", "minute", "second"};
  static constexpr std::int64_t sizes[] = {kDay, kHour, kMinute, kSecond};
  static constexpr int limits[] = {0, 23, 59, 59};
  auto s = text;
  bool negative = false;
  bool good = unwrapped(s, negative, first, last);
  if (good && !s.empty() && (s[0] == '-' || s[0] == '+')) negative ^= s[0] == '-', s.remove_prefix(1);
  __int128 total = 0;
  bool started = false;
  for (int i = 0; good && i < 4; ++i) {
    if (units[i] == first || started) {
      if (started) {
        good = i == 1 ? s.starts_with(' ') : s.starts_with(':');
        while (good && !s.empty() && (i == 1 ? s[0] == ' ' : s[0] == ':')) {
          s.remove_prefix(1);
          if (i != 1) break;
        }
      }
      __int128 n = 0;
      good = good && digits_at(s, n) && (!started || n <= limits[i]);
      total += n * sizes[i];
      if (good && i == 3 && s.starts_with('.')) {
        s.remove_prefix(1);
        std::int64_t f = 0;
        std::size_t k = 0;
        while (k < s.size() && s[k] >= '0' && s[k] <= '9') ++k;
        for (std::size_t j = 0; j < 6; ++j) f = f * 10 + (j < k ? s[j] - '0' : 0);
        good = k > 0 && k <= 9;
        s.remove_prefix(k);
        total += f;
      }
      started = true;
    }
    if (units[i] == last) break;
  }
  if (!good || !s.empty()) {
    if (attempt) return {};
    unmatched(text, first, last, "day-time");
  }
  if (negative) total = -total;
  if (total > INT64_MAX || total < INT64_MIN) {
    if (attempt) return {};
    raise("INVALID_INTERVAL_FORMAT.INTERVAL_PARSING", fmt::format("Error parsing '{}' to interval: long overflow.", text), "22006");
  }
  return static_cast<std::int64_t>(total);
}

constexpr Entry entries_of_intervals[] = {
    {"spark_ym_shown", Scalar<ym_shown>::make},
    {"spark_dt_shown", Scalar<dt_shown>::make},
    {"spark_ym_to_string", Scalar<ym_to_string>::make},
    {"spark_dt_to_string", Scalar<dt_to_string>::make},
    {"spark_interval_to_string", Scalar<interval_to_string>::make},
    {"spark_interval_times", Scalar<times>::make},
    {"spark_interval_over", Scalar<over>::make},
    {"spark_interval_times_double", Scalar<times_double>::make},
    {"spark_interval_over_double", Scalar<over_double>::make},
    {"spark_interval_times_decimal", Scalar<times_decimal>::make},
    {"spark_interval_over_decimal", Scalar<over_decimal>::make},
    {"spark_make_interval", Scalar<make_interval>::make},
    {"spark_string_to_interval", Scalar<string_to_interval>::make},
    {"spark_string_to_ym", Scalar<string_to_ym>::make},
    {"spark_string_to_dt", Scalar<string_to_dt>::make},
};

}  // namespace

std::span<const Entry> interval_entries() { return entries_of_intervals; }

}  // namespace tarn::engine::functions
