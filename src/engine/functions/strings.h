#pragma once
// Text functions as Spark SQL defines them (Spark 4.2 SQL reference, "Built-in Functions"). Positions and lengths count characters where
// Spark counts them. nullopt is NULL.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tarn::engine::functions {

/// conv(num, from_base, to_base): digits of one base (2..36) in another, read as unsigned 64 bits; what follows the first wrong digit is ignored; too
/// large a number is the largest one. A negative to_base means signed output. NULL for a base out of range or an empty num.
std::optional<std::string> conv(std::string_view number, std::int32_t from_base, std::int32_t to_base);
/// crc32(expr) of the bytes.
std::optional<std::int64_t> crc32(std::string_view bytes);
/// find_in_set(str, list): the one-based place of str in a comma-separated list; 0 if absent or if str holds a comma.
std::optional<std::int32_t> find_in_set(std::string_view wanted, std::string_view list);
/// soundex(str): four characters; text that does not begin with a letter A-Z comes back as it is.
std::optional<std::string> soundex(std::string_view text);
/// substring_index(str, delim, count): what stands before count occurrences of delim, from the end if count is negative.
std::optional<std::string> substring_index(std::string_view text, std::string_view delimiter, std::int32_t count);
/// CAST(x AS STRING): 1.0, 1.0E10, NaN, Infinity.
std::optional<std::string> double_to_string(double value);
std::optional<std::string> float_to_string(float value);

}  // namespace tarn::engine::functions
