#pragma once
// Values as Databricks prints them in JSON_ARRAY results, appended to a buffer. Ranges: any value DuckDB can hold.
#include <cstdint>
#include <string>
#include <string_view>

namespace tarn::engine::child {

/// Java's Double.toString and Float.toString: 1.0, 1.0E10, NaN, -Infinity; the shortest digits that read back the same.
void append_double(std::string& out, double value);
void append_float(std::string& out, float value);
/// A 128-bit integer given as its halves; `scale` digits after the point.
void append_decimal(std::string& out, __int128 value, unsigned scale);
void append_unsigned128(std::string& out, unsigned __int128 value);
/// Days since 1970-01-01 as 2020-01-31.
void append_date(std::string& out, std::int32_t days);
/// Microseconds since the epoch as 2020-01-31T12:00:00.000; `utc` adds the Z. Milliseconds, as the vendor prints them.
void append_timestamp(std::string& out, std::int64_t micros, bool utc);
/// Nanoseconds of a day as 12:34:56.
void append_time(std::string& out, std::int64_t nanos);
/// Spark's CalendarInterval text: 1 years 2 months 3 days 4 hours 5.5 seconds.
void append_interval(std::string& out, std::int32_t months, std::int32_t days, std::int64_t micros);
void append_uuid(std::string& out, unsigned __int128 value);
void append_base64(std::string& out, std::string_view bytes);

/// A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that the text is always valid JSON.
void append_json_string(std::string& out, std::string_view text);

}  // namespace tarn::engine::child
