#pragma once
// Hashing, random bytes, text encodings and envelope encryption, over OpenSSL. Byte strings are std::string.
// All functions are thread-safe; a failure of the library itself throws std::runtime_error (a broken invariant).
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::crypto {

std::string random_bytes(std::size_t count);
std::string sha256(std::string_view data);                             // 32 raw bytes
std::string hmac_sha256(std::string_view key, std::string_view data);  // 32 raw bytes
std::string to_hex(std::string_view bytes);                            // lower case
std::optional<std::string> from_hex(std::string_view text);
std::string base64(std::string_view bytes);  // with padding
std::optional<std::string> from_base64(std::string_view text);
std::string base64url(std::string_view bytes);  // without padding
/// Compares in time that depends on the lengths only.
bool equal(std::string_view a, std::string_view b);

/// Seals secrets under a root key by envelope encryption: every secret has a data key of its own (AES-256-GCM), wrapped by
/// the root key. Rotation adds a root key and re-wraps; secrets sealed under an older root key stay readable until then.
/// Copies share their keys: what one adopts, all have.
class Keyring {
 public:
  /// `current` seals; `older` only open. Keys are 32 bytes. Throws std::invalid_argument for another length.
  explicit Keyring(std::string current, std::vector<std::string> older = {});
  /// `purpose` binds the ciphertext to its use (associated data): a blob moved to another record does not open.
  std::string seal(std::string_view plain, std::string_view purpose) const;
  /// Nothing when the blob is not ours, was changed, or belongs to another purpose or unknown key.
  std::optional<std::string> open(std::string_view sealed, std::string_view purpose) const;
  /// The same secret wrapped under the current root key; the data key and ciphertext stay. Nothing if it does not open.
  std::optional<std::string> rewrap(std::string_view sealed) const;
  bool is_current(std::string_view sealed) const;
  /// Takes over the keys of another ring (rotation); what runs at the moment ends with the old ones.
  void adopt(const Keyring& other);

 private:
  using Keys = std::shared_ptr<const std::vector<std::string>>;  // [0] is current
  struct Shared {
    std::mutex mutex;
    Keys keys;
  };
  Keys keys() const;
  std::shared_ptr<Shared> shared_;
};

}  // namespace tarn::crypto
