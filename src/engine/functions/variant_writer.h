#pragma once
// Values of VARIANT as bytes: a dictionary of names and the value behind it, written as Spark writes them.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tarn::engine::functions {

/// Spark's parse_json: the text's first value; nothing if there is none, or if an object has a name twice. Whole numbers take the fewest bytes that
/// hold them, numbers without an exponent of up to 38 digits are decimals with the scale that they were written with.
std::optional<std::string> variant_of_json(std::string_view text);

std::string variant_of_boolean(bool value);
std::string variant_of_whole(std::int64_t value);
std::string variant_of_double(double value);
std::string variant_of_float(float value);
std::string variant_of_text(std::string_view value);
std::string variant_of_binary(std::string_view value);
/// From its digits, as 12.50, of which there are at most 38.
std::string variant_of_decimal(std::string_view digits);
std::string variant_of_date(std::int32_t days);
/// Microseconds since 1970; `instant`: TIMESTAMP, else TIMESTAMP_NTZ.
std::string variant_of_moment(std::int64_t micros, bool instant);

/// A JSON string with its quotes, escaped as Spark escapes it.
std::string json_quoted(std::string_view text);

}  // namespace tarn::engine::functions
