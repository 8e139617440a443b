#pragma once
// Credential, storage and encryption-key configurations: what workspaces are made of besides a network. Objects are immutable; one that
// a workspace uses cannot be deleted. Thread-safe; callers are account admins (the routes say so).
// Source: REST reference "Account API 2.0": credentials, storage-configurations, customer-managed-keys.
#include "access/caller.h"
#include "account/settings.h"
#include "store/store.h"

namespace tarn::account {

class Configurations {
 public:
  /// `store` and `clock` must outlive this.
  Configurations(store::Store& store, const Clock& clock, Settings settings);

  /// invalid, already_exists (the name). The role must trust the account id as external id.
  Result<Credential> create_credential(const access::Context& ctx, const CreateCredential& request);
  Result<Credential> get_credential(const access::Context& ctx, const std::string& id);  // not_found
  std::vector<Credential> list_credentials(const access::Context& ctx);
  Result<Credential> delete_credential(const access::Context& ctx, const std::string& id);  // not_found, in_use

  /// invalid, already_exists (the name). Several configurations may name one bucket.
  Result<StorageConfiguration> create_storage(const access::Context& ctx, const CreateStorage& request);
  Result<StorageConfiguration> get_storage(const access::Context& ctx, const std::string& id);
  std::vector<StorageConfiguration> list_storage(const access::Context& ctx);
  Result<StorageConfiguration> delete_storage(const access::Context& ctx, const std::string& id);

  /// invalid. The region is the one that the key's ARN names.
  Result<CustomerManagedKey> create_key(const access::Context& ctx, const CreateKey& request);
  Result<CustomerManagedKey> get_key(const access::Context& ctx, const std::string& id);
  std::vector<CustomerManagedKey> list_keys(const access::Context& ctx);
  Result<CustomerManagedKey> delete_key(const access::Context& ctx, const std::string& id);

 private:
  store::Store& store_;
  const Clock& clock_;
  const Settings settings_;
};

}  // namespace tarn::account
