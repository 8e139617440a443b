// Spark's two hash functions, each over one value and the hash of those before it, which NULL leaves as it is: Murmur3 for hash(), XXH64 for
// xxhash64(). The last bytes of a text go into Murmur3 one by one, as Spark does it, unlike the published function.
#include <bit>
#include <cmath>
#include <cstring>

#include "engine/functions/families.h"

namespace tarn::engine::functions {
namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

u32 mixed(u32 hash, u32 word) {
  word = std::rotl(word * 0xcc9e2d51U, 15) * 0x1b873593U;
  return std::rotl(hash ^ word, 13) * 5 + 0xe6546b64U;
}

std::int32_t finished(u32 hash, u32 length) {
  hash ^= length;
  hash = (hash ^ (hash >> 16)) * 0x85ebca6bU;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35U;
  return static_cast<std::int32_t>(hash ^ (hash >> 16));
}

std::optional<std::int32_t> murmur3_int(std::optional<std::int32_t> value, std::int32_t seed) {
  return value ? finished(mixed(static_cast<u32>(seed), static_cast<u32>(*value)), 4) : seed;
}

std::optional<std::int32_t> murmur3_long(std::optional<std::int64_t> value, std::int32_t seed) {
  if (!value) return seed;
  const auto bits = static_cast<u64>(*value);
  return finished(mixed(mixed(static_cast<u32>(seed), static_cast<u32>(bits)), static_cast<u32>(bits >> 32)), 8);
}

template <class Word>
Word word_at(std::string_view s, std::size_t at) {
  Word out;
  std::memcpy(&out, s.data() + at, sizeof out);
  return out;
}

std::int32_t murmur3(std::string_view s, std::int32_t seed) {
  auto hash = static_cast<u32>(seed);
  std::size_t at = 0;
  for (; at + 4 <= s.size(); at += 4) hash = mixed(hash, word_at<u32>(s, at));
  for (; at < s.size(); ++at) hash = mixed(hash, static_cast<u32>(static_cast<std::int32_t>(static_cast<signed char>(s[at]))));
  return finished(hash, static_cast<u32>(s.size()));
}

std::optional<std::int32_t> murmur3_bytes(std::optional<BlobView> value, std::int32_t seed) { return value ? murmur3(value->bytes, seed) : seed; }

/// A whole number's fewest bytes in two's complement, the highest first.
std::string bytes_of(__int128 value) {
  std::string out;
  for (int shift = 120; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  std::size_t skipped = 0;
  while (skipped + 1 < out.size()) {
    const bool negative = (out[skipped + 1] & 0x80) != 0;
    if (out[skipped] != static_cast<char>(negative ? 0xFF : 0)) break;
    ++skipped;
  }
  return out.substr(skipped);
}

std::optional<std::int32_t> murmur3_big(std::optional<__int128> value, std::int32_t seed) { return value ? murmur3(bytes_of(*value), seed) : seed; }

constexpr u64 kOne = 0x9E3779B185EBCA87ULL, kTwo = 0xC2B2AE3D27D4EB4FULL, kThree = 0x165667B19E3779F9ULL, kFour = 0x85EBCA77C2B2AE63ULL,
              kFive = 0x27D4EB2F165667C5ULL;

std::int64_t finished(u64 hash) {
  hash = (hash ^ (hash >> 33)) * kTwo;
  hash = (hash ^ (hash >> 29)) * kThree;
  return static_cast<std::int64_t>(hash ^ (hash >> 32));
}

u64 with_long(u64 hash, u64 word) { return std::rotl(hash ^ (std::rotl(word * kTwo, 31) * kOne), 27) * kOne + kFour; }
u64 with_int(u64 hash, u32 word) { return std::rotl(hash ^ (word * kOne), 23) * kTwo + kThree; }

std::optional<std::int64_t> xxhash64_int(std::optional<std::int32_t> value, std::int64_t seed) {
  return value ? finished(with_int(static_cast<u64>(seed) + kFive + 4, static_cast<u32>(*value))) : seed;
}

std::optional<std::int64_t> xxhash64_long(std::optional<std::int64_t> value, std::int64_t seed) {
  return value ? finished(with_long(static_cast<u64>(seed) + kFive + 8, static_cast<u64>(*value))) : seed;
}

std::int64_t xxhash64(std::string_view s, std::int64_t given) {
  const auto seed = static_cast<u64>(given);
  std::size_t at = 0;
  u64 hash = seed + kFive;
  if (s.size() >= 32) {
    u64 lanes[] = {seed + kOne + kTwo, seed + kTwo, seed, seed - kOne};
    for (; at + 32 <= s.size(); at += 32)
      for (std::size_t i = 0; i < 4; ++i) lanes[i] = std::rotl(lanes[i] + word_at<u64>(s, at + 8 * i) * kTwo, 31) * kOne;
    hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
    for (const auto lane : lanes) hash = (hash ^ (std::rotl(lane * kTwo, 31) * kOne)) * kOne + kFour;
  }
  hash += s.size();
  for (; at + 8 <= s.size(); at += 8) hash = with_long(hash, word_at<u64>(s, at));
  for (; at + 4 <= s.size(); at += 4) hash = with_int(hash, word_at<u32>(s, at));
  for (; at < s.size(); ++at) hash = std::rotl(hash ^ (static_cast<unsigned char>(s[at]) * kFive), 11) * kOne;
  return finished(hash);
}

std::optional<std::int64_t> xxhash64_bytes(std::optional<BlobView> value, std::int64_t seed) { return value ? xxhash64(value->bytes, seed) : seed; }
std::optional<std::int64_t> xxhash64_big(std::optional<__int128> value, std::int64_t seed) { return value ? xxhash64(bytes_of(*value), seed) : seed; }

/// The bits of a number, where 0.0 is -0.0 and one NaN is as good as another.
std::optional<std::int64_t> double_bits(double value) {
  if (value == 0) return 0;
  return std::isnan(value) ? 0x7ff8000000000000LL : std::bit_cast<std::int64_t>(value);
}
std::optional<std::int32_t> float_bits(float value) {
  if (value == 0) return 0;
  return std::isnan(value) ? 0x7fc00000 : std::bit_cast<std::int32_t>(value);
}

// Overloads of a name stand together.
constexpr Entry entries_of_hashes[] = {
    {"spark_bits", Scalar<double_bits>::make},
    {"spark_bits", Scalar<float_bits>::make},
    {"spark_hash_int", Scalar<murmur3_int>::make},
    {"spark_hash_long", Scalar<murmur3_long>::make},
    {"spark_hash_bytes", Scalar<murmur3_bytes>::make},
    {"spark_hash_big", Scalar<murmur3_big>::make},
    {"spark_xxhash64_int", Scalar<xxhash64_int>::make},
    {"spark_xxhash64_long", Scalar<xxhash64_long>::make},
    {"spark_xxhash64_bytes", Scalar<xxhash64_bytes>::make},
    {"spark_xxhash64_big", Scalar<xxhash64_big>::make},
};

}  // namespace

std::span<const Entry> hash_entries() { return entries_of_hashes; }

}  // namespace tarn::engine::functions
