#pragma once
// Credentials: service principals' client secrets, the OAuth access tokens that they buy, and personal access tokens.
//
// All are random (256 bits), shown once, and kept as SHA-256. Lifetimes are in seconds. Thread-safe; each method is one transaction
// with its audit event. Sources: REST reference "Service Principal Secrets", "Token", "Token management"; RFC 6749 section 4.4.
#include "identity/errors.h"
#include "identity/records.h"
#include "identity/token_rules.h"

namespace tarn::identity {

struct Secret {
  std::string id, secret_hash, status, create_time, update_time, expire_time;
  std::optional<std::string> secret;  // only in the answer to its creation
};
BOOST_DESCRIBE_STRUCT(Secret, (), (id, secret, secret_hash, status, create_time, update_time, expire_time))

struct TokenInfo {
  std::string token_id;
  std::int64_t creation_time = 0;
  std::int64_t expiry_time = -1;
  std::string comment;
  std::optional<std::int64_t> created_by_id, owner_id, workspace_id;  // in the admins' view
  std::optional<std::string> created_by_username;
};
BOOST_DESCRIBE_STRUCT(TokenInfo, (), (token_id, creation_time, expiry_time, comment, created_by_id, created_by_username, owner_id, workspace_id))

struct NewToken {
  std::string token_value;
  TokenInfo token_info;
};
BOOST_DESCRIBE_STRUCT(NewToken, (), (token_value, token_info))

/// Why a token request is refused (RFC 6749 section 5.2: invalid_client, unauthorized_client).
struct OAuthError {
  int status = 400;
  std::string error;
  std::string message;
};

class Tokens {
 public:
  static constexpr std::int64_t kAccessTokenSeconds = 3600;
  static constexpr std::int64_t kLongestSeconds = 730LL * 24 * 3600;  // also the default of secrets and personal tokens
  static constexpr std::size_t kMostSecrets = 5;                      // of one service principal
  static constexpr std::size_t kMostTokens = 600;                     // personal, of one principal in one workspace

  /// Both must outlive this.
  Tokens(store::Store& store, const Clock& clock) : store_(store), clock_(clock) {}
  /// At start-up: what workspaces' administrators say about personal access tokens. Must outlive this.
  void guard(const TokenRules& rules) { rules_ = &rules; }

  /// Secrets of a service principal. By account admins, its managers and itself. not_found, account_admin_only, quota_exceeded (five
  /// live ones), invalid (lifetime outside 1 second to 730 days).
  Result<Secret> create_secret(const access::Context& ctx, std::int64_t service_principal, std::optional<std::int64_t> lifetime);
  Result<std::vector<Secret>> list_secrets(const access::Context& ctx, std::int64_t service_principal);
  /// Access tokens that the secret bought end with it.
  Result<void> delete_secret(const access::Context& ctx, std::int64_t service_principal, const std::string& secret_id);

  /// The client credentials grant. `workspace`: the token is for it alone; without, for the account and all its workspaces.
  Expected<std::string, OAuthError> exchange(const access::Context& ctx, std::string_view client_id, std::string_view client_secret,
                                             std::optional<std::int64_t> workspace);
  /// A token of this kind for a principal, without a credential: what the data folder's owner may do.
  Result<std::string> mint(const access::Context& ctx, std::string_view principal, std::optional<std::int64_t> workspace);
  /// Ends a token that was issued, by its value; one that is gone already is no error.
  void end(const access::Context& ctx, std::string_view token);

  /// Personal access tokens of the caller in its workspace. permission_denied without CAN_USE or where tokens are disabled, invalid (a life
  /// beyond maxTokenLifetimeDays, which is also the default where it is set), quota_exceeded, not_found.
  Result<NewToken> create(const access::Context& ctx, std::optional<std::int64_t> lifetime, const std::string& comment);
  std::vector<TokenInfo> list(const access::Context& ctx);
  Result<void> revoke(const access::Context& ctx, const std::string& token_id);
  /// Another comment; `any` is the admins' form, for everybody's tokens of the workspace.
  Result<TokenInfo> comment(const access::Context& ctx, const std::string& token_id, const std::string& text, bool any);

  /// The workspace admins' view; the caller is one. `owner` narrows.
  Result<std::vector<TokenInfo>> all(const access::Context& ctx, std::optional<std::int64_t> created_by, std::optional<std::string> created_by_name);
  Result<TokenInfo> get(const access::Context& ctx, const std::string& token_id);
  Result<void> revoke_any(const access::Context& ctx, const std::string& token_id);
  /// Also permission_denied for a service principal without CAN_USE, and, under restrict_workspace_admins, for an administrator without
  /// roles/servicePrincipal.user on it.
  Result<NewToken> create_on_behalf(const access::Context& ctx, const std::string& application_id, std::optional<std::int64_t> lifetime,
                                    const std::string& comment);

 private:
  Result<Millis> ends(std::string_view field, std::optional<std::int64_t> lifetime, std::int64_t longest = kLongestSeconds) const;
  /// When a new personal access token of a workspace ends.
  Result<Millis> token_ends(std::int64_t workspace, std::optional<std::int64_t> lifetime) const;
  Result<std::string> issue(store::WriteTxn& t, TokenRecord record, std::string_view prefix);
  Result<NewToken> personal(const access::Context& ctx, store::WriteTxn& t, const PrincipalRecord& owner, Millis expires, const std::string& comment);
  TokenInfo shown(store::ReadTxn& t, const TokenRecord& r, bool full);
  Secret shown(const SecretRecord& r) const;

  store::Store& store_;
  const Clock& clock_;
  const TokenRules* rules_ = nullptr;
};

}  // namespace tarn::identity
