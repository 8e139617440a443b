#pragma once
// Temporary storage credentials without a table of them: the session token is the grant itself, sealed under the root key, so every
// server that shares the key can check it, and nobody else can make or read one. Thread-safe.
#include <mutex>

#include "base/crypto.h"
#include "objects/object_store.h"

namespace tarn::objects {

/// What a session token says.
struct Session {
  std::string access_key_id, secret_access_key;
  std::vector<std::string> prefixes;
  Access access = Access::read;
  std::string principal;
  Millis expires_at = 0;
};

class SessionCredentials final : public CredentialVendor {
 public:
  /// `keys` and `clock` must outlive this.
  SessionCredentials(const crypto::Keyring& keys, const Clock& clock, std::string region);

  /// Where presigned URLs point, e.g. https://s3.tarn.localhost:8443 (path style); set once the server listens.
  void set_endpoint(std::string endpoint);

  /// Lifetimes are cut to 12 hours. Prefixes must parse as storage URLs; others throw std::invalid_argument (a caller's mistake).
  Result<Credentials> vend(const Scope& scope, Millis lifetime) override;
  /// Cut to 7 days. The URL carries a session of its own that covers this one object.
  std::string presign(std::string_view method, const Url& url, Millis lifetime) override;

  /// The session of a token, expired or not; nothing if it is not ours or was changed.
  std::optional<Session> open(std::string_view token) const;

  const std::string& region() const { return region_; }

 private:
  Credentials make(const Scope& scope, Millis lifetime);
  const crypto::Keyring& keys_;
  const Clock& clock_;
  std::string region_;
  mutable std::mutex mutex_;
  std::string endpoint_;
};

}  // namespace tarn::objects
