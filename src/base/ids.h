#pragma once
// Identifiers. The vendor's ids are either UUIDs or positive decimal numbers that fit a double exactly (below 2^53).
#include <cstdint>
#include <string>
#include <string_view>

namespace tarn {

/// A random (version 4) UUID in lower case, from the operating system's generator.
std::string new_uuid();

/// A random positive number of 15 or 16 digits, below 2^53: the shape of the vendor's workspace, user and group ids.
std::int64_t new_numeric_id();

/// A lower-case hexadecimal string of 2*bytes random digits.
std::string new_hex(std::size_t bytes);

bool is_uuid(std::string_view text);

}  // namespace tarn
