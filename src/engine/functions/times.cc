#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "engine/functions/calendar.h"
#include "engine/functions/families.h"

namespace tarn::engine::functions {
namespace {

using Text = std::optional<std::string>;

[[noreturn]] void malformed_time(std::string_view s, std::string_view type) {
  raise("CAST_INVALID_INPUT",
        fmt::format("The value '{}' of the type \"STRING\" cannot be cast to \"{}\" because it is malformed. Correct the value as per the syntax, or "
                    "change its target type. "
                    "Use `try_cast` to tolerate malformed input and return NULL instead.",
                    s, type),
        "22018");
}
[[noreturn]] void bad_literal(std::string_view s, std::string_view type) {
  raise("INVALID_TYPED_LITERAL", fmt::format("The value of the typed literal \"{}\" is invalid: '{}'.", type, s), "42604");
}
[[noreturn]] void unknown_region(const std::string& zone) {
  raise("UNSUPPORTED_FEATURE", "The time zone '" + zone + "' inside a text is not supported by this warehouse. Write an offset.", "0A000");
}

bool region_like(const std::string& zone) {
  return zone.find('/') != std::string::npos || zone == "PST" || zone == "EST" || zone == "CST" || zone == "MST" || zone == "CET";
}

std::optional<Timestamp> timestamp_of(std::string_view s, std::string_view type) {
  const auto r = read_timestamp(s);
  if (!r) return {};
  const bool zoned = type == "TIMESTAMP";
  if (!r->days && !zoned) return {};
  const auto days =
      r->days ? *r->days
              : floor_div64(std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count(), kDay);
  std::int64_t offset = 0;
  if (!r->zone.empty()) {
    const auto o = read_offset(r->zone);
    if (!o && region_like(r->zone)) unknown_region(r->zone);
    if (!o) return {};
    if (zoned) offset = *o;
  }
  const __int128 total = static_cast<__int128>(days) * kDay + r->micros - offset;
  if (total > INT64_MAX - 1 || total < INT64_MIN + 2) return {};
  return Timestamp{static_cast<std::int64_t>(total)};
}

std::optional<Date> string_to_date(std::string_view s, bool attempt) {
  if (const auto d = read_date(s)) return Date{*d};
  if (attempt) return {};
  malformed_time(s, "DATE");
}
std::optional<Date> literal_date(std::string_view s, bool) {
  if (const auto d = read_date(s)) return Date{*d};
  bad_literal(s, "DATE");
}
std::optional<Timestamp> string_to_timestamp(std::string_view s, std::string_view type, bool attempt) {
  if (const auto t = timestamp_of(s, type)) return t;
  if (attempt) return {};
  malformed_time(s, type);
}
std::optional<Timestamp> literal_timestamp(std::string_view s, std::string_view type, bool) {
  if (const auto t = timestamp_of(s, type)) return t;
  bad_literal(s, type);
}

/// hh:mm[:ss[.ffffff]], with an optional T before and AM or PM behind.
std::optional<std::int64_t> time_of(std::string_view text) {
  std::string s(text);
  while (!s.empty() && static_cast<unsigned char>(s.back()) <= ' ') s.pop_back();
  std::size_t lead = 0;
  while (lead < s.size() && static_cast<unsigned char>(s[lead]) <= ' ') ++lead;
  s.erase(0, lead);
  int half = 0;
  if (s.size() > 2) {
    std::string tail = s.substr(s.size() - 2);
    for (auto& c : tail) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    if (tail == "AM" || tail == "PM") {
      half = tail == "AM" ? 1 : 2;
      s.resize(s.size() - 2);
      while (!s.empty() && s.back() == ' ') s.pop_back();
    }
  }
  const bool marked = s.starts_with('T');
  if (s.empty() || !(marked || std::isdigit(static_cast<unsigned char>(s[0])))) return {};
  const auto r = read_timestamp(marked ? s : "T" + s);
  if (!r || r->days || !r->zone.empty()) return {};
  auto micros = r->micros;
  if (half) {
    const auto hour = micros / kHour;
    if (hour < 1 || hour > 12) return {};
    micros = micros % kHour + (hour % 12 + (half == 2 ? 12 : 0)) * kHour;
  }
  return micros;
}
std::optional<std::int64_t> string_to_time(std::string_view s, std::string_view type, bool attempt) {
  if (const auto t = time_of(s)) return t;
  if (attempt) return {};
  malformed_time(s, type);
}
std::optional<std::int64_t> literal_time(std::string_view s, std::string_view, bool) {
  if (const auto t = time_of(s)) return t;
  bad_literal(s, "TIME");
}

Text date_to_string(Date d) { return date_text(d.days); }
Text timestamp_to_string(Timestamp t) { return timestamp_text(t.micros); }
Text time_to_string(std::int64_t micros) { return time_text(micros); }
std::optional<std::int64_t> time_of_day(Timestamp t) { return t.micros - floor_div64(t.micros, kDay) * kDay; }

std::optional<Date> date_add(Date d, std::int64_t n) {
  const auto v = d.days + n;
  if (v > INT32_MAX || v < INT32_MIN)
    raise("ARITHMETIC_OVERFLOW", "integer overflow. If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error.", "22003");
  return Date{static_cast<std::int32_t>(v)};
}

[[noreturn]] void out_of_bounds(std::string_view what, std::int64_t v, std::string_view range, bool suggest) {
  raise(suggest ? "DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION" : "DATETIME_FIELD_OUT_OF_BOUNDS.WITHOUT_SUGGESTION",
        fmt::format("Invalid value for {} (valid values {}): {}.", what, range, v), "22023");
}

void check_day(std::int32_t y, std::int32_t m, std::int32_t d) {
  if (m < 1 || m > 12) out_of_bounds("MonthOfYear", m, "1 - 12", true);
  if (d < 1 || d > 31) out_of_bounds("DayOfMonth", d, "1 - 28/31", true);
  if (!valid_day(y, m, d)) raise("DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION", fmt::format("Invalid date '{} {}'.", m, d), "22023");
}

std::optional<Date> make_date(std::int32_t y, std::int32_t m, std::int32_t d) {
  check_day(y, m, d);
  return Date{static_cast<std::int32_t>(days_from(y, m, d))};
}

std::optional<Timestamp> make_timestamp(std::int32_t y, std::int32_t mo, std::int32_t d, std::int32_t h, std::int32_t mi, std::int64_t micros,
                                        bool attempt) {
  const auto seconds = floor_div64(micros, kSecond);
  const bool sixty = seconds == 60;
  const bool good = mo >= 1 && mo <= 12 && valid_day(y, mo, d) && h >= 0 && h < 24 && mi >= 0 && mi < 60 && seconds >= 0 &&
                    (seconds < 60 || (sixty && micros == 60 * kSecond)) && y >= -999999 && y <= 999999;
  if (!good) {
    if (attempt) return {};
    if (sixty && micros != 60 * kSecond)
      raise(
          "INVALID_FRACTION_OF_SECOND",
          "The fraction of sec must be zero. Valid range is [0, 60]. If necessary set \"spark.sql.ansi.enabled\" to \"false\" to bypass this error.",
          "22023");
    check_day(y, mo, d);
    if (h < 0 || h > 23) out_of_bounds("HourOfDay", h, "0 - 23", true);
    if (mi < 0 || mi > 59) out_of_bounds("MinuteOfHour", mi, "0 - 59", true);
    out_of_bounds("SecondOfMinute", seconds, "0 - 59", true);
  }
  return Timestamp{days_from(y, mo, d) * kDay + h * kHour + mi * kMinute + micros};
}

std::optional<std::int64_t> make_time(std::int32_t h, std::int32_t m, std::int64_t micros) {
  if (h < 0 || h > 23) out_of_bounds("HourOfDay", h, "0 - 23", false);
  if (m < 0 || m > 59) out_of_bounds("MinuteOfHour", m, "0 - 59", false);
  if (micros < 0 || micros >= 60 * kSecond) out_of_bounds("SecondOfMinute", floor_div64(micros, kSecond), "0 - 59", false);
  return h * kHour + m * kMinute + micros;
}

std::optional<std::int64_t> check_time(__int128 micros, std::string_view unit) {
  if (micros < 0 || micros >= kDay)
    raise("DATETIME_FIELD_OUT_OF_BOUNDS.WITHOUT_SUGGESTION", fmt::format("Invalid value for {} of a day.", unit), "22023");
  return static_cast<std::int64_t>(micros);
}

std::string upper(std::string_view s) {
  std::string out(s);
  for (auto& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

std::int64_t unit_micros(std::string_view unit, std::string_view function) {
  const auto u = upper(unit);
  if (u == "HOUR") return kHour;
  if (u == "MINUTE") return kMinute;
  if (u == "SECOND") return kSecond;
  if (u == "MILLISECOND") return 1000;
  if (u == "MICROSECOND") return 1;
  raise("INVALID_PARAMETER_VALUE.TIME_UNIT",
        fmt::format("The value of parameter(s) `unit` in `{}` is invalid: expects one of the units 'HOUR', 'MINUTE', 'SECOND', 'MILLISECOND', "
                    "'MICROSECOND', but got '{}'.",
                    function, unit),
        "22023");
}
std::optional<std::int64_t> time_diff(std::string_view unit, std::int64_t a, std::int64_t b) { return (b - a) / unit_micros(unit, "time_diff"); }
std::optional<std::int64_t> time_trunc(std::string_view unit, std::int64_t t) {
  const auto size = unit_micros(unit, "time_trunc");
  return t / size * size;
}
std::optional<std::int64_t> time_add(std::int64_t t, std::int64_t by) {
  const __int128 v = static_cast<__int128>(t) + by;
  if (v < 0 || v >= kDay) raise("DATETIME_OVERFLOW", "Datetime operation overflow: add an interval to a time of day.", "22008");
  return static_cast<std::int64_t>(v);
}

std::optional<Timestamp> seconds_to_timestamp(double seconds) {
  if (std::isnan(seconds) || std::isinf(seconds))
    raise("CAST_INVALID_INPUT", fmt::format("The value {} of the type \"DOUBLE\" cannot be cast to \"TIMESTAMP\" because it is malformed.", seconds),
          "22018");
  const double micros = std::trunc(seconds * 1e6);
  if (micros >= 9223372036854775807.0 || micros <= -9223372036854775808.0)
    raise("CAST_OVERFLOW",
          fmt::format("The value {}D of the type \"DOUBLE\" cannot be cast to \"TIMESTAMP\" due to an overflow. Use `try_cast` to tolerate overflow "
                      "and return NULL instead.",
                      seconds),
          "22003");
  return Timestamp{static_cast<std::int64_t>(micros)};
}

std::optional<Date> next_day(Date d, std::string_view name) {
  static constexpr std::string_view names[] = {"TH", "FR", "SA", "SU", "MO", "TU", "WE"};
  static constexpr std::string_view full[] = {"THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY"};
  const auto n = upper(name);
  for (int i = 0; i < 7; ++i)
    if (n == names[i] || n == full[i] || n == full[i].substr(0, 3)) {
      const auto start = static_cast<std::int64_t>(d.days) + 1;
      const auto shift = ((i - start) % 7 + 7) % 7;
      return Date{static_cast<std::int32_t>(start + shift)};
    }
  raise("ILLEGAL_DAY_OF_WEEK", fmt::format("Illegal input for day of week: {}.", name), "22009");
}

std::int64_t truncated_days(std::string_view u, std::int64_t days, bool& known) {
  const auto d = ymd_from(days);
  known = true;
  if (u == "YEAR" || u == "YYYY" || u == "YY") return days_from(d.year, 1, 1);
  if (u == "QUARTER") return days_from(d.year, (d.month - 1) / 3 * 3 + 1, 1);
  if (u == "MONTH" || u == "MM" || u == "MON") return days_from(d.year, d.month, 1);
  if (u == "WEEK") return days - ((days + 3) % 7 + 7) % 7;
  known = false;
  return days;
}

std::optional<Date> trunc(Date d, std::string_view unit) {
  bool known = false;
  const auto v = truncated_days(upper(unit), d.days, known);
  if (!known) return {};
  return Date{static_cast<std::int32_t>(v)};
}

std::optional<Timestamp> date_trunc(std::string_view unit, Timestamp t) {
  const auto u = upper(unit);
  const auto cut = [&](std::int64_t size) { return Timestamp{floor_div64(t.micros, size) * size}; };
  if (u == "DAY" || u == "DD") return cut(kDay);
  if (u == "HOUR") return cut(kHour);
  if (u == "MINUTE") return cut(kMinute);
  if (u == "SECOND") return cut(kSecond);
  if (u == "MILLISECOND") return cut(1000);
  if (u == "MICROSECOND") return t;
  bool known = false;
  const auto days = truncated_days(u, floor_div64(t.micros, kDay), known);
  if (!known) return {};
  return Timestamp{days * kDay};
}

std::optional<std::int64_t> months_between_whole(Timestamp a, Timestamp b) {
  const auto da = floor_div64(a.micros, kDay), db = floor_div64(b.micros, kDay);
  const auto x = ymd_from(da), y = ymd_from(db);
  std::int64_t months = (y.year - x.year) * 12 + (y.month - x.month);
  const auto ra = x.day * kDay + (a.micros - da * kDay), rb = y.day * kDay + (b.micros - db * kDay);
  if (months > 0 && rb < ra) --months;
  if (months < 0 && rb > ra) ++months;
  return months;
}

std::optional<double> months_between(Timestamp a, Timestamp b, bool rounded) {
  const auto da = floor_div64(a.micros, kDay), db = floor_div64(b.micros, kDay);
  const auto x = ymd_from(da), y = ymd_from(db);
  const double months = static_cast<double>((x.year * 12 + x.month) - (y.year * 12 + y.month));
  const bool last = x.day == days_in_month(x.year, x.month) && y.day == days_in_month(y.year, y.month);
  if (x.day == y.day || last) return months;
  const auto sa = (a.micros - da * kDay) / kSecond, sb = (b.micros - db * kDay) / kSecond;
  const double seconds = static_cast<double>((x.day - y.day) * 86400 + sa - sb);
  const double diff = months + seconds / (31.0 * 86400.0);
  return rounded ? std::round(diff * 1e8) / 1e8 : diff;
}

/// Whether the text of a timestamp says which zone it is of.
std::optional<bool> names_zone(std::string_view s) {
  const auto r = read_timestamp(s);
  if (r && !r->days)
    raise("UNSUPPORTED_FEATURE", "A time without a date as a TIMESTAMP is not supported by this warehouse in a time zone other than UTC.", "0A000");
  return r && !r->zone.empty();
}

/// A zone's name as ICU knows it. Its names of offsets have the sign turned around.
Text zone_name(std::string_view zone) {
  if (const auto o = read_offset(zone)) {
    if (*o == 0) return "UTC";
    if (*o % kHour || *o > 14 * kHour || *o < -12 * kHour)
      raise("UNSUPPORTED_FEATURE", "An offset that is no whole number of hours is not supported by this warehouse.", "0A000");
    return fmt::format("Etc/GMT{}{}", *o < 0 ? '+' : '-', (*o < 0 ? -*o : *o) / kHour);
  }
  return std::string(zone);
}

constexpr Entry entries_of_times[] = {
    {"spark_string_to_date", Scalar<string_to_date>::make},
    {"spark_literal_date", Scalar<literal_date>::make},
    {"spark_string_to_timestamp", Scalar<string_to_timestamp>::make},
    {"spark_literal_timestamp", Scalar<literal_timestamp>::make},
    {"spark_string_to_time", Scalar<string_to_time>::make},
    {"spark_literal_time", Scalar<literal_time>::make},
    {"spark_date_to_string", Scalar<date_to_string>::make},
    {"spark_timestamp_to_string", Scalar<timestamp_to_string>::make},
    {"spark_time_to_string", Scalar<time_to_string>::make},
    {"spark_time_of", Scalar<time_of_day>::make},
    {"spark_date_add", Scalar<date_add>::make},
    {"spark_make_date", Scalar<make_date>::make},
    {"spark_make_timestamp", Scalar<make_timestamp>::make},
    {"spark_make_time", Scalar<make_time>::make},
    {"spark_check_time", Scalar<check_time>::make},
    {"spark_time_diff", Scalar<time_diff>::make},
    {"spark_time_trunc", Scalar<time_trunc>::make},
    {"spark_time_add", Scalar<time_add>::make},
    {"spark_seconds_to_timestamp_", Scalar<seconds_to_timestamp>::make},
    {"spark_next_day", Scalar<next_day>::make},
    {"spark_trunc", Scalar<trunc>::make},
    {"spark_date_trunc", Scalar<date_trunc>::make},
    {"spark_months_between_whole", Scalar<months_between_whole>::make},
    {"spark_months_between", Scalar<months_between>::make},
    {"spark_zone", Scalar<zone_name>::make},
    {"spark_names_zone", Scalar<names_zone>::make},
};

}  // namespace

std::span<const Entry> time_entries() { return entries_of_times; }

}  // namespace tarn::engine::functions
