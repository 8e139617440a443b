#pragma once
// Git credentials: how a principal signs in at a Git provider. Each is its owner's; workspace administrators may manage those of service principals.
// Tokens are sealed and never shown. Thread-safe; methods block on the store. Source: REST API reference "Git Credentials".
#include "identity/directory.h"
#include "repos/git.h"
#include "store/secrets.h"

namespace tarn::repos {

struct CredentialInfo {
  std::int64_t credential_id = 0;
  std::string git_provider;
  std::optional<std::string> git_username, git_email, name;
  bool is_default_for_provider = false;
};
BOOST_DESCRIBE_STRUCT(CredentialInfo, (), (credential_id, git_provider, git_username, git_email, name, is_default_for_provider))

struct CredentialRequest {
  std::string git_provider;
  std::optional<std::string> git_username, git_email, name, personal_access_token;
  std::optional<bool> is_default_for_provider;
  std::optional<std::int64_t> principal_id;
};
BOOST_DESCRIBE_STRUCT(CredentialRequest, (),
                      (git_provider, git_username, git_email, name, personal_access_token, is_default_for_provider, principal_id))

class Credentials {
 public:
  Credentials(store::Store& store, identity::Directory& directory, const crypto::Keyring& keys)
      : store_(store), directory_(directory), sealed_(keys) {}

  // `principal`: whose, if not the caller's. not_found, permission_denied, invalid; conflict for a second one of a service principal's provider.
  Result<CredentialInfo> create(const access::Context& ctx, const CredentialRequest& request);
  Result<CredentialInfo> get(const access::Context& ctx, std::int64_t id, std::optional<std::int64_t> principal);
  Result<std::vector<CredentialInfo>> list(const access::Context& ctx, std::optional<std::int64_t> principal);
  Result<void> update(const access::Context& ctx, std::int64_t id, const CredentialRequest& request);
  Result<void> remove(const access::Context& ctx, std::int64_t id, std::optional<std::int64_t> principal);

  /// What the caller signs in with at a provider: the credential asked for (not_found if it is not the caller's), or its default one, or nothing.
  Result<std::optional<GitLogin>> login(const access::Context& ctx, const std::string& provider, std::optional<std::int64_t> id);

  /// A deleted workspace's records, within the transaction that deletes it.
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) const;

 private:
  Result<std::int64_t> owner(const access::Context& ctx, std::optional<std::int64_t> principal);
  store::Store& store_;
  identity::Directory& directory_;
  const store::Secrets sealed_;
};

}  // namespace tarn::repos
