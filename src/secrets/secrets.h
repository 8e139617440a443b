#pragma once
// Secret scopes of workspaces: named sealed values and the lists of who may read, write and manage them. Values are sealed under the root key
// (store/secrets.h) and leave only through get(). Rules and limits are the vendor's: 1,000 scopes a workspace, 1,000 secrets a scope, 128 KB a
// value. Scopes have lists of their own, not object permissions. Thread-safe; methods block on the store.
// Source: REST API reference "Secrets", databricks-sdk-go service/workspace (SecretsInterface).
#include "access/caller.h"
#include "base/clock.h"
#include "base/refusal.h"
#include "identity/directory.h"
#include "store/secrets.h"
#include "store/store.h"

namespace tarn::secrets {

enum class Errc { invalid, not_found, already_exists, permission_denied, limit_reached, value_too_large };
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return refusals::invalid;
    case Errc::not_found:
      return refusals::not_found;
    case Errc::already_exists:
      return refusals::already_exists;
    case Errc::permission_denied:
      return refusals::denied;
    case Errc::limit_reached:
      return refusals::limit_exceeded;
    case Errc::value_too_large:
      return Refusal{400, "MAX_SECRET_SIZE_EXCEEDED"};
  }
  return {};
}
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

/// Each implies those before it.
enum class Permission { READ, WRITE, MANAGE };
BOOST_DESCRIBE_ENUM(Permission, READ, WRITE, MANAGE)

enum class BackendType { DATABRICKS, AZURE_KEYVAULT };
BOOST_DESCRIBE_ENUM(BackendType, DATABRICKS, AZURE_KEYVAULT)

struct AclItem {
  std::string principal;  // a user name, an application id or a group's name
  Permission permission = Permission::READ;
};
BOOST_DESCRIBE_STRUCT(AclItem, (), (principal, permission))

struct NewScope {
  std::string scope;
  std::optional<std::string> initial_manage_principal;  // `users` or nothing: then the creator manages it
  std::optional<BackendType> scope_backend_type;
  json::value backend_azure_keyvault;
};
BOOST_DESCRIBE_STRUCT(NewScope, (), (scope, initial_manage_principal, scope_backend_type, backend_azure_keyvault))

struct ScopeInfo {
  std::string name;
  BackendType backend_type = BackendType::DATABRICKS;
};
BOOST_DESCRIBE_STRUCT(ScopeInfo, (), (name, backend_type))

struct SecretInfo {
  std::string key;
  Millis last_updated_timestamp = 0;
};
BOOST_DESCRIBE_STRUCT(SecretInfo, (), (key, last_updated_timestamp))

class Scopes {
 public:
  static constexpr std::size_t kMostScopes = 1000, kMostSecrets = 1000, kMostBytes = 128 * 1024;

  Scopes(store::Store& store, identity::Directory& directory, const crypto::Keyring& keys, const Clock& clock)
      : store_(store), directory_(directory), sealed_(keys), clock_(clock) {}

  /// Any principal of the workspace. invalid (name, backend, principal), already_exists, limit_reached.
  Result<void> create(const access::Context& ctx, const NewScope& request);
  /// Needs MANAGE; its secrets go with it.
  Result<void> remove(const access::Context& ctx, const std::string& scope);
  /// Those that the caller has any permission on, by name.
  std::vector<ScopeInfo> list(const access::Context& ctx);

  /// Needs WRITE. Replaces an existing value. invalid, limit_reached, value_too_large.
  Result<void> put(const access::Context& ctx, const std::string& scope, const std::string& key, std::string_view value);
  Result<void> remove_secret(const access::Context& ctx, const std::string& scope, const std::string& key);  // WRITE
  Result<std::vector<SecretInfo>> secrets(const access::Context& ctx, const std::string& scope);             // READ
  /// Needs READ. The plain bytes; audited by name, allowed or not.
  Result<std::string> get(const access::Context& ctx, const std::string& scope, const std::string& key);

  // All need MANAGE.
  Result<void> put_acl(const access::Context& ctx, const std::string& scope, const AclItem& item);
  Result<void> remove_acl(const access::Context& ctx, const std::string& scope, const std::string& principal);
  Result<std::vector<AclItem>> acls(const access::Context& ctx, const std::string& scope);
  Result<AclItem> acl(const access::Context& ctx, const std::string& scope, const std::string& principal);

  /// A deleted workspace's scopes, within the transaction that deletes it.
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) const;

 private:
  Result<std::string> principal(const access::Context& ctx, const std::string& name);

  store::Store& store_;
  identity::Directory& directory_;
  const store::Secrets sealed_;
  const Clock& clock_;
};

}  // namespace tarn::secrets
