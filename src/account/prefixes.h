#pragma once
// Deployment name prefixes: the one thing of an account that only the vendor decides. No REST route and no principal of the platform leads
// here; the control socket (`tarn vendor register-prefix`) does, for the data folder's owner. Thread-safe.
#include <optional>
#include <string>

#include "account/settings.h"
#include "store/store.h"

namespace tarn::account {

/// Who acts as the vendor, for the audit log. Not an access::Context on purpose: no request of the gateway can be turned into one.
struct VendorContext {
  std::string operator_name;  // the operating system user behind the control socket
  std::string request_id;
};

class DeploymentPrefixes {
 public:
  DeploymentPrefixes(store::Store& store, const Clock& clock, Settings settings);

  /// Registers or replaces the account's prefix; existing workspaces keep their names. Errors: invalid. Idempotent.
  Result<void> register_prefix(const VendorContext& vendor, const std::string& prefix);
  std::optional<std::string> current();

 private:
  store::Store& store_;
  const Clock& clock_;
  const Settings settings_;
};

}  // namespace tarn::account
