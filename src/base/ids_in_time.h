#pragma once
// Identifiers that sort by their time, for what is listed by age: UUIDs of version 7 (RFC 9562 5.7: 48 bits of Unix milliseconds, then random ones).
#include <cstdint>
#include <string>

namespace tarn {

std::string new_uuid_at(std::int64_t unix_millis);
/// What all UUIDs made at that time or later are not below, as texts.
std::string first_uuid_at(std::int64_t unix_millis);

}  // namespace tarn
