#include "base/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <stdexcept>

namespace tarn::crypto {
namespace {

const unsigned char* u(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }
unsigned char* u(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }
void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string("OpenSSL: ") + what);
}

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;
constexpr std::size_t kKey = 32, kNonce = 12, kTag = 16, kId = 8;

// nonce | ciphertext | tag
std::string gcm_seal(std::string_view key, std::string_view plain, std::string_view aad) {
  std::string out = random_bytes(kNonce);
  out.resize(kNonce + plain.size() + kTag);
  Cipher c(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int n = 0;
  require(EVP_EncryptInit_ex(c.get(), EVP_aes_256_gcm(), nullptr, u(key), u(out)) == 1, "init");
  require(EVP_EncryptUpdate(c.get(), nullptr, &n, u(aad), static_cast<int>(aad.size())) == 1, "aad");
  require(EVP_EncryptUpdate(c.get(), u(out) + kNonce, &n, u(plain), static_cast<int>(plain.size())) == 1, "update");
  require(EVP_EncryptFinal_ex(c.get(), u(out) + kNonce + n, &n) == 1, "final");
  require(EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_GCM_GET_TAG, kTag, u(out) + kNonce + plain.size()) == 1, "tag");
  return out;
}

std::optional<std::string> gcm_open(std::string_view key, std::string_view sealed, std::string_view aad) {
  if (sealed.size() < kNonce + kTag) return std::nullopt;
  const std::size_t size = sealed.size() - kNonce - kTag;
  std::string plain(size, '\0'), tag(sealed.substr(kNonce + size));
  Cipher c(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free);
  int n = 0;
  require(EVP_DecryptInit_ex(c.get(), EVP_aes_256_gcm(), nullptr, u(key), u(sealed)) == 1, "init");
  require(EVP_DecryptUpdate(c.get(), nullptr, &n, u(aad), static_cast<int>(aad.size())) == 1, "aad");
  require(EVP_DecryptUpdate(c.get(), u(plain), &n, u(sealed) + kNonce, static_cast<int>(size)) == 1, "update");
  require(EVP_CIPHER_CTX_ctrl(c.get(), EVP_CTRL_GCM_SET_TAG, kTag, tag.data()) == 1, "tag");
  if (EVP_DecryptFinal_ex(c.get(), u(plain) + n, &n) != 1) return std::nullopt;
  return plain;
}

std::string key_id(std::string_view key) { return sha256(std::string("tarn-root-key:") + std::string(key)).substr(0, kId); }

// id of the root key | wrapped data key | ciphertext
constexpr std::size_t kWrapped = kNonce + kKey + kTag;
constexpr std::string_view kWrapPurpose = "tarn-data-key";

}  // namespace

std::string random_bytes(std::size_t count) {
  std::string out(count, '\0');
  require(RAND_bytes(u(out), static_cast<int>(count)) == 1, "random");
  return out;
}

std::string sha256(std::string_view data) {
  std::string out(32, '\0');
  require(EVP_Digest(data.data(), data.size(), u(out), nullptr, EVP_sha256(), nullptr) == 1, "sha256");
  return out;
}

std::string hmac_sha256(std::string_view key, std::string_view data) {
  std::string out(32, '\0');
  unsigned n = 0;
  require(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), u(data), data.size(), u(out), &n) != nullptr, "hmac");
  return out;
}

std::string to_hex(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (unsigned char c : bytes) {
    out += digits[c >> 4];
    out += digits[c & 15];
  }
  return out;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2) return std::nullopt;
  auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int hi = digit(text[i]), lo = digit(text[i + 1]);
    if (hi < 0 || lo < 0) return std::nullopt;
    out += static_cast<char>(hi << 4 | lo);
  }
  return out;
}

std::string base64(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4, '\0');
  EVP_EncodeBlock(u(out), u(bytes), static_cast<int>(bytes.size()));
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4) return std::nullopt;
  std::string out(text.size() / 4 * 3, '\0');
  const int n = EVP_DecodeBlock(u(out), u(text), static_cast<int>(text.size()));
  if (n < 0) return std::nullopt;
  std::size_t pad = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  out.resize(static_cast<std::size_t>(n) - pad);
  return out;
}

std::string base64url(std::string_view bytes) {
  std::string out = base64(bytes);
  while (out.ends_with('=')) out.pop_back();
  for (char& c : out) c = c == '+' ? '-' : c == '/' ? '_' : c;
  return out;
}

bool equal(std::string_view a, std::string_view b) { return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0; }

Keyring::Keyring(std::string current, std::vector<std::string> older) : shared_(std::make_shared<Shared>()) {
  older.insert(older.begin(), std::move(current));
  for (const auto& k : older)
    if (k.size() != kKey) throw std::invalid_argument("a root key has 32 bytes");
  shared_->keys = std::make_shared<const std::vector<std::string>>(std::move(older));
}

Keyring::Keys Keyring::keys() const {
  std::lock_guard lock(shared_->mutex);
  return shared_->keys;
}

void Keyring::adopt(const Keyring& other) {
  auto taken = other.keys();
  std::lock_guard lock(shared_->mutex);
  shared_->keys = std::move(taken);
}

std::string Keyring::seal(std::string_view plain, std::string_view purpose) const {
  const std::string data_key = random_bytes(kKey);
  const auto held = keys();
  return key_id(held->front()) + gcm_seal(held->front(), data_key, kWrapPurpose) + gcm_seal(data_key, plain, purpose);
}

std::optional<std::string> Keyring::open(std::string_view sealed, std::string_view purpose) const {
  if (sealed.size() < kId + kWrapped) return std::nullopt;
  const auto held = keys();
  for (const auto& key : *held) {
    if (key_id(key) != sealed.substr(0, kId)) continue;
    const auto data_key = gcm_open(key, sealed.substr(kId, kWrapped), kWrapPurpose);
    return data_key ? gcm_open(*data_key, sealed.substr(kId + kWrapped), purpose) : std::nullopt;
  }
  return std::nullopt;
}

std::optional<std::string> Keyring::rewrap(std::string_view sealed) const {
  if (sealed.size() < kId + kWrapped) return std::nullopt;
  const auto held = keys();
  for (const auto& key : *held) {
    if (key_id(key) != sealed.substr(0, kId)) continue;
    const auto data_key = gcm_open(key, sealed.substr(kId, kWrapped), kWrapPurpose);
    if (!data_key) return std::nullopt;
    return key_id(held->front()) + gcm_seal(held->front(), *data_key, kWrapPurpose) + std::string(sealed.substr(kId + kWrapped));
  }
  return std::nullopt;
}

bool Keyring::is_current(std::string_view sealed) const { return sealed.size() >= kId && sealed.substr(0, kId) == key_id(keys()->front()); }

}  // namespace tarn::crypto
