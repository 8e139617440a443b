#include "objects/checksum.h"

#include <openssl/evp.h>

#include <stdexcept>

namespace tarn::objects {
namespace {

// Reflected CRCs, eight bytes a step (slicing-by-8).
template <class T>
struct CrcTables {
  std::array<std::array<T, 256>, 8> t{};
  explicit constexpr CrcTables(T polynomial) {
    for (unsigned i = 0; i < 256; ++i) {
      T c = i;
      for (int k = 0; k < 8; ++k) c = c & 1 ? (c >> 1) ^ polynomial : c >> 1;
      t[0][i] = c;
    }
    for (unsigned i = 0; i < 256; ++i)
      for (unsigned k = 1; k < 8; ++k) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xff];
  }
  T update(T crc, std::string_view data) const {
    auto p = reinterpret_cast<const unsigned char*>(data.data());
    std::size_t n = data.size();
    for (; n >= 8; n -= 8, p += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, p, 8);
      word ^= crc;
      T next = 0;
      for (unsigned k = 0; k < 8; ++k) next ^= t[7 - k][(word >> (8 * k)) & 0xff];
      crc = next;
    }
    for (; n > 0; --n, ++p) crc = static_cast<T>(crc >> 8) ^ t[0][(crc ^ *p) & 0xff];
    return crc;
  }
};

const CrcTables<std::uint32_t>& crc32_tables() {
  static const CrcTables<std::uint32_t> t(0xEDB88320u);
  return t;
}
const CrcTables<std::uint32_t>& crc32c_tables() {
  static const CrcTables<std::uint32_t> t(0x82F63B78u);
  return t;
}
const CrcTables<std::uint64_t>& crc64_tables() {
  static const CrcTables<std::uint64_t> t(0x9A6C9329AC4BC9B5ull);
  return t;
}

const EVP_MD* hash_of(Algorithm a) {
  switch (a) {
    case Algorithm::md5:
      return EVP_md5();
    case Algorithm::sha1:
      return EVP_sha1();
    case Algorithm::sha256:
      return EVP_sha256();
    case Algorithm::crc32:
    case Algorithm::crc32c:
    case Algorithm::crc64nvme:
      return nullptr;
  }
  return nullptr;
}

std::string big_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
  return out;
}

}  // namespace

Digest::Digest(Algorithm algorithm) : algorithm_(algorithm) {
  if (const EVP_MD* md = hash_of(algorithm)) {
    auto* c = EVP_MD_CTX_new();
    context_ = c;
    if (!c || EVP_DigestInit_ex(c, md, nullptr) != 1) throw std::runtime_error("OpenSSL: digest");
  } else {
    crc_ = ~std::uint64_t{0};
  }
}

Digest::Digest(Digest&& other) noexcept : algorithm_(other.algorithm_), context_(std::exchange(other.context_, nullptr)), crc_(other.crc_) {}

Digest::~Digest() { EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context_)); }

void Digest::update(std::string_view data) {
  switch (algorithm_) {
    case Algorithm::crc32:
      crc_ = crc32_tables().update(static_cast<std::uint32_t>(crc_), data);
      break;
    case Algorithm::crc32c:
      crc_ = crc32c_tables().update(static_cast<std::uint32_t>(crc_), data);
      break;
    case Algorithm::crc64nvme:
      crc_ = crc64_tables().update(crc_, data);
      break;
    case Algorithm::md5:
    case Algorithm::sha1:
    case Algorithm::sha256:
      if (EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_), data.data(), data.size()) != 1) throw std::runtime_error("OpenSSL: digest");
  }
}

std::string Digest::finish() {
  if (algorithm_ == Algorithm::crc64nvme) return big_endian(~crc_, 8);
  if (!context_) return big_endian(~static_cast<std::uint32_t>(crc_), 4);
  std::string out(EVP_MAX_MD_SIZE, '\0');
  unsigned n = 0;
  if (EVP_DigestFinal_ex(static_cast<EVP_MD_CTX*>(context_), reinterpret_cast<unsigned char*>(out.data()), &n) != 1)
    throw std::runtime_error("OpenSSL: digest");
  out.resize(n);
  return out;
}

std::string digest_of(Algorithm algorithm, std::string_view data) {
  Digest d(algorithm);
  d.update(data);
  return d.finish();
}

}  // namespace tarn::objects
