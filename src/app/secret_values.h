#pragma once
// What SQL's secret(scope, key) gives: the caller's own reading of a secret scope, audited there by its name. Reads the store by itself: statements
// may ask until the last of them has ended, when the room that serves scopes is gone.
#include "secrets/secrets.h"
#include "sql/sharing.h"

namespace tarn::app {

class SecretValues final : public sql::SecretValues {
 public:
  SecretValues(store::Store& store, identity::Directory& directory, const crypto::Keyring& keys, const Clock& clock)
      : scopes_(store, directory, keys, clock) {}

  Expected<std::string, std::string> get(const access::Context& ctx, const std::string& scope, const std::string& key) override {
    auto found = scopes_.get(ctx, scope, key);
    if (!found) return fail(found.error().message);
    return *std::move(found);
  }

 private:
  secrets::Scopes scopes_;
};

}  // namespace tarn::app
