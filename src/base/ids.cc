#include "base/ids.h"

#include "base/crypto.h"
#include "base/ids_in_time.h"

namespace tarn {

namespace {

std::string text_of(std::string b, int version) {
  b[6] = static_cast<char>((b[6] & 0x0f) | (version << 4));
  b[8] = static_cast<char>((b[8] & 0x3f) | 0x80);
  const std::string h = crypto::to_hex(b);
  return h.substr(0, 8) + '-' + h.substr(8, 4) + '-' + h.substr(12, 4) + '-' + h.substr(16, 4) + '-' + h.substr(20);
}

std::string with_time(std::string b, std::int64_t unix_millis) {
  for (std::size_t i = 0; i < 6; ++i) b[i] = static_cast<char>((unix_millis >> (8 * (5 - i))) & 0xff);
  return text_of(std::move(b), 7);
}

}  // namespace

std::string new_uuid() { return text_of(crypto::random_bytes(16), 4); }
std::string new_uuid_at(std::int64_t unix_millis) { return with_time(crypto::random_bytes(16), unix_millis); }
std::string first_uuid_at(std::int64_t unix_millis) { return with_time(std::string(16, '\0'), unix_millis); }

std::int64_t new_numeric_id() {
  constexpr std::uint64_t low = 100'000'000'000'000, high = 9'007'199'254'740'991;
  const auto b = crypto::random_bytes(8);
  std::uint64_t v;
  std::memcpy(&v, b.data(), sizeof v);
  return static_cast<std::int64_t>(low + v % (high - low));
}

std::string new_hex(std::size_t bytes) { return crypto::to_hex(crypto::random_bytes(bytes)); }

bool is_uuid(std::string_view t) {
  if (t.size() != 36) return false;
  for (std::size_t i = 0; i < t.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? t[i] != '-' : !std::isxdigit(static_cast<unsigned char>(t[i]))) return false;
  }
  return true;
}

}  // namespace tarn
