#pragma once
// The proleptic Gregorian calendar, and how Spark reads and prints dates and times as text.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tarn::engine::functions {

inline constexpr std::int64_t kDay = 86'400'000'000, kHour = 3'600'000'000, kMinute = 60'000'000, kSecond = 1'000'000;

struct Ymd {
  std::int64_t year = 1970;
  int month = 1, day = 1;
};

std::int64_t floor_div64(std::int64_t a, std::int64_t b);
std::int64_t days_from(std::int64_t year, int month, int day);
Ymd ymd_from(std::int64_t days);
int days_in_month(std::int64_t year, int month);
bool valid_day(std::int64_t year, std::int64_t month, std::int64_t day);

std::string date_text(std::int64_t days);
/// 2020-01-31 12:00:00[.ffffff]: trailing zeros of the fraction are left out.
std::string timestamp_text(std::int64_t micros);
/// 12:00:00[.ffffff]
std::string time_text(std::int64_t micros);

/// [+-]y…[-m[-d[ …]]]; nothing if it is no date.
std::optional<std::int32_t> read_date(std::string_view text);
struct ReadTime {
  std::optional<std::int64_t> days;  // nothing: a time of day alone
  std::int64_t micros = 0;           // of the day
  std::string zone;                  // as written; empty: none
};
std::optional<ReadTime> read_timestamp(std::string_view text);
/// Microseconds east of UTC of Z, UTC, GMT, UTC+1, +01:30…; nothing for names of regions and for what is none.
std::optional<std::int64_t> read_offset(std::string_view zone);

}  // namespace tarn::engine::functions
