#include "identity/tokens.h"

#include "base/crypto.h"
#include "base/ids.h"
#include "identity/roster.h"

namespace tarn::identity {

using roster::change;
using store::sortable;

namespace {

std::string hash_of(std::string_view secret) { return crypto::to_hex(crypto::sha256(secret)); }

Result<PrincipalRecord> service_principal_of(store::ReadTxn& t, std::int64_t id) {
  auto p = roster::get(t, id);
  if (!p || p->kind != Kind::service_principal) return fail(Error{Errc::not_found, fmt::format("Service principal {} does not exist", id)});
  return *std::move(p);
}

/// Managing the secrets of a service principal is for account admins, its managers and itself.
Result<PrincipalRecord> managed(store::ReadTxn& t, const access::Caller& caller, std::int64_t id) {
  // Who may not look gets one answer for what is there and what is not.
  if (!caller.account_admin && caller.id != id && !roster::holds_role(t, id, roster::kSecretManager, caller)) return fail(account_admin_only());
  return service_principal_of(t, id);
}

}  // namespace

Result<Millis> Tokens::ends(std::string_view field, std::optional<std::int64_t> lifetime, std::int64_t longest) const {
  const auto seconds = lifetime.value_or(longest);
  if (seconds < 1 || seconds > longest)
    return fail(Error{Errc::invalid, fmt::format("Field '{}' must be between 1 and {} seconds, got {}", field, longest, seconds)});
  return clock_.now() + seconds * 1000;
}

Result<Millis> Tokens::token_ends(std::int64_t workspace, std::optional<std::int64_t> lifetime) const {
  const auto own = rules_ ? rules_->longest(workspace) : std::nullopt;
  return ends("lifetime_seconds", lifetime, std::min(own.value_or(kLongestSeconds), kLongestSeconds));
}

Secret Tokens::shown(const SecretRecord& r) const {
  return {.id = r.id,
          .secret_hash = r.hash,
          .status = clock_.now() < r.expires_at ? "ACTIVE" : "EXPIRED",
          .create_time = to_rfc3339(r.created_at),
          .update_time = to_rfc3339(r.created_at),
          .expire_time = to_rfc3339(r.expires_at)};
}

Result<Secret> Tokens::create_secret(const access::Context& ctx, std::int64_t sp, std::optional<std::int64_t> lifetime) {
  return change(
      store_, ctx.event("servicePrincipalCredentials", "create", {{"service_principal_id", std::to_string(sp)}}),
      [&](store::WriteTxn& t) -> Result<Secret> {
        TARN_TRY(p, managed(t, ctx.caller, sp));
        TARN_TRY(expires, ends("lifetime", lifetime));
        std::size_t live = 0;
        for (const auto& s : kSecrets.scan(t, store::prefix({sortable(sp)}))) live += clock_.now() < s.expires_at;
        if (live >= kMostSecrets)
          return fail(Error{Errc::quota_exceeded,
                            fmt::format("Service principal {} has {} secrets already, the most it may have: delete one first", p.name, live)});
        const std::string secret = "dose" + new_hex(32);
        const SecretRecord r{.principal = sp, .id = new_uuid(), .hash = hash_of(secret), .created_at = clock_.now(), .expires_at = expires};
        if (!kSecrets.insert(t, r)) throw std::logic_error("a new secret's id is taken");
        t.audit().params["secret_id"] = r.id;
        auto out = shown(r);
        out.secret = secret;
        return out;
      });
}

Result<std::vector<Secret>> Tokens::list_secrets(const access::Context& ctx, std::int64_t sp) {
  return store_.looked(ctx.event("servicePrincipalCredentials", "list", {{"service_principal_id", std::to_string(sp)}}),
                       store_.read_as([&](store::ReadTxn& t) -> Result<std::vector<Secret>> {
                         TARN_TRY(p, managed(t, ctx.caller, sp));
                         std::vector<Secret> out;
                         for (const auto& s : kSecrets.scan(t, store::prefix({sortable(p.id)}))) out.push_back(shown(s));
                         return out;
                       }));
}

Result<void> Tokens::delete_secret(const access::Context& ctx, std::int64_t sp, const std::string& secret_id) {
  return change(store_, ctx.event("servicePrincipalCredentials", "delete", {{"service_principal_id", std::to_string(sp)}, {"secret_id", secret_id}}),
                [&](store::WriteTxn& t) -> Result<void> {
                  TARN_TRY(p, managed(t, ctx.caller, sp));
                  if (!kSecrets.erase(t, store::key({sortable(p.id), secret_id})))
                    return fail(Error{Errc::not_found, fmt::format("Secret {} of service principal {} does not exist", secret_id, sp)});
                  for (const auto& k : kTokens.scan_index(t, "oauth", sortable(p.id)))
                    if (k.secret_id == secret_id) kTokens.erase(t, k.store_key());
                  return {};
                });
}

Result<std::string> Tokens::issue(store::WriteTxn& t, TokenRecord record, std::string_view prefix) {
  std::string token(prefix);
  token += new_hex(32);
  record.hash = hash_of(token);
  record.id = new_hex(32);
  record.created_at = clock_.now();
  // Spent OAuth tokens leave when the next one comes: nobody lists them.
  for (const auto& old : kTokens.scan_index(t, "oauth", sortable(record.principal)))
    if (old.expires_at != 0 && old.expires_at <= record.created_at) kTokens.erase(t, old.store_key());
  if (!kTokens.insert(t, record)) throw std::logic_error("a new token is taken");
  return token;
}

Expected<std::string, OAuthError> Tokens::exchange(const access::Context& ctx, std::string_view client_id, std::string_view client_secret,
                                                   std::optional<std::int64_t> workspace) {
  auto event = ctx.event("accounts", "mintOAuthToken", {{"client_id", std::string(client_id)}});
  event.principal = std::string(client_id);
  event.workspace_id = workspace;
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Expected<std::string, OAuthError> {
    const auto refuse = [&](int status, const char* error, std::string why) {
      t.audit().outcome = store::Outcome::denied;
      t.audit().status = status;
      return fail(OAuthError{status, error, std::move(why)});
    };
    const auto p = roster::by_name(t, Kind::service_principal, 0, client_id);
    std::optional<SecretRecord> matching;
    const auto offered = hash_of(client_secret);
    if (p)
      for (const auto& s : kSecrets.scan(t, store::prefix({sortable(p->id)})))
        if (crypto::equal(s.hash, offered) && clock_.now() < s.expires_at) matching = s;
    // One text for an unknown client, a wrong, expired or deleted secret, and a deactivated principal.
    if (!matching || !p->active) return refuse(401, "invalid_client", "Client authentication failed");
    if (workspace && !roster::caller(t, p->id, workspace))
      return refuse(400, "unauthorized_client", fmt::format("Service principal '{}' is not assigned to workspace {}", p->name, *workspace));
    auto token = issue(t,
                       {.kind = TokenKind::oauth,
                        .principal = p->id,
                        .workspace_id = workspace.value_or(0),
                        .created_by = p->id,
                        .secret_id = matching->id,
                        .expires_at = clock_.now() + kAccessTokenSeconds * 1000},
                       "tarn-oat-");
    return *std::move(token);
  });
}

Result<std::string> Tokens::mint(const access::Context& ctx, std::string_view principal, std::optional<std::int64_t> workspace) {
  auto event = ctx.event("accounts", "mintOAuthToken", {{"target_user", std::string(principal)}});
  event.workspace_id = workspace;
  return change<false>(store_, std::move(event), [&](store::WriteTxn& t) -> Result<std::string> {
    const auto p = roster::by_grant_name(t, principal);
    if (!p || p->kind == Kind::group)
      return fail(Error{Errc::not_found, fmt::format("Could not find a user or service principal with name {}", principal)});
    if (!p->active) return fail(Error{Errc::invalid, fmt::format("'{}' is deactivated", p->name)});
    if (workspace && !roster::workspace_exists(t, *workspace))
      return fail(Error{Errc::not_found, fmt::format("Workspace {} does not exist", *workspace)});
    if (workspace && !roster::caller(t, p->id, workspace))
      return fail(Error{Errc::permission_denied,
                        fmt::format("'{}' is not assigned to workspace {}: assign it, or a group that holds it, first", p->name, *workspace)});
    return issue(t,
                 {.kind = TokenKind::oauth,
                  .principal = p->id,
                  .workspace_id = workspace.value_or(0),
                  .expires_at = clock_.now() + kAccessTokenSeconds * 1000},
                 "tarn-oat-");
  });
}

void Tokens::end(const access::Context& ctx, std::string_view token) {
  (void)change(store_, ctx.event("accounts", "endOAuthToken"), [&](store::WriteTxn& t) -> Result<void> {
    if (const auto k = kTokens.get(t, hash_of(token))) kTokens.erase(t, k->value.store_key());
    return {};
  });
}

TokenInfo Tokens::shown(store::ReadTxn& t, const TokenRecord& r, bool full) {
  TokenInfo out{.token_id = r.id, .creation_time = r.created_at, .expiry_time = r.expires_at ? r.expires_at : -1, .comment = r.comment};
  if (!full) return out;
  out.created_by_id = r.created_by;
  if (const auto p = roster::get(t, r.created_by)) out.created_by_username = p->name;
  out.owner_id = r.principal;
  out.workspace_id = r.workspace_id;
  return out;
}

Result<NewToken> Tokens::personal(const access::Context& ctx, store::WriteTxn& t, const PrincipalRecord& owner, Millis expires,
                                  const std::string& comment) {
  const auto workspace = *ctx.workspace_id;
  const auto now = clock_.now();
  std::size_t live = 0;
  for (const auto& k : kTokens.scan_index(t, "personal", store::key({sortable(workspace), sortable(owner.id)})))
    live += k.expires_at == 0 || now < k.expires_at;
  if (live >= kMostTokens)
    return fail(
        Error{Errc::quota_exceeded,
              fmt::format("'{}' has {} personal access tokens in this workspace, the most it may have: revoke some first", owner.name, live)});
  TokenRecord r{.kind = TokenKind::personal,
                .principal = owner.id,
                .workspace_id = workspace,
                .created_by = ctx.caller.id,
                .comment = comment,
                .expires_at = expires};
  TARN_TRY(value, issue(t, r, "dapi"));
  const auto stored = kTokens.get(t, hash_of(value));
  t.audit().params["tokenId"] = stored->value.id;
  return NewToken{value, shown(t, stored->value, ctx.caller.id != owner.id)};
}

Result<NewToken> Tokens::create(const access::Context& ctx, std::optional<std::int64_t> lifetime, const std::string& comment) {
  // What other rooms answer is asked before the transaction.
  const auto refusal = rules_ ? rules_->refusal(ctx.caller, *ctx.workspace_id) : std::nullopt;
  return change<false>(store_, ctx.event("accounts", "generateDbToken"), [&](store::WriteTxn& t) -> Result<NewToken> {
    if (refusal) return fail(Error{Errc::permission_denied, *refusal});
    TARN_TRY(expires, token_ends(*ctx.workspace_id, lifetime));
    const auto owner = roster::get(t, ctx.caller.id);
    if (!owner) return fail(Error{Errc::not_found, fmt::format("Principal {} does not exist", ctx.caller.id)});
    return personal(ctx, t, *owner, expires, comment);
  });
}

std::vector<TokenInfo> Tokens::list(const access::Context& ctx) {
  store_.audit_later(ctx.event("accounts", "listTokens"));
  return store_.read_as([&](store::ReadTxn& t) {
    std::vector<TokenInfo> out;
    for (const auto& k : kTokens.scan_index(t, "personal", store::key({sortable(*ctx.workspace_id), sortable(ctx.caller.id)})))
      if (k.expires_at == 0 || clock_.now() < k.expires_at) out.push_back(shown(t, k, false));
    return out;
  });
}

namespace {

Result<TokenRecord> personal_token(store::ReadTxn& t, std::int64_t workspace, const std::string& id, std::optional<std::int64_t> owner) {
  const auto k = kTokens.find(t, "id", id);
  if (!k || k->value.kind != TokenKind::personal || k->value.workspace_id != workspace || (owner && k->value.principal != *owner))
    return fail(Error{Errc::not_found, fmt::format("Token with ID {} does not exist", id)});
  return k->value;
}

}  // namespace

Result<void> Tokens::revoke(const access::Context& ctx, const std::string& token_id) {
  return change(store_, ctx.event("accounts", "revokeDbToken", {{"tokenId", token_id}}), [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(k, personal_token(t, *ctx.workspace_id, token_id, ctx.caller.id));
    kTokens.erase(t, k.store_key());
    return {};
  });
}

Result<TokenInfo> Tokens::comment(const access::Context& ctx, const std::string& token_id, const std::string& text, bool any) {
  return change<false>(store_, ctx.event("accounts", "updateDbToken", {{"tokenId", token_id}}), [&](store::WriteTxn& t) -> Result<TokenInfo> {
    TARN_TRY(k, personal_token(t, *ctx.workspace_id, token_id, any ? std::nullopt : std::optional(ctx.caller.id)));
    k.comment = text;
    if (!kTokens.update(t, k)) throw std::logic_error("a token that was read is gone");
    return shown(t, k, any);
  });
}

Result<std::vector<TokenInfo>> Tokens::all(const access::Context& ctx, std::optional<std::int64_t> created_by,
                                           std::optional<std::string> created_by_name) {
  return store_.looked(ctx.event("accounts", "listTokens"), store_.read_as([&](store::ReadTxn& t) -> Result<std::vector<TokenInfo>> {
    if (created_by && created_by_name) return fail(Error{Errc::invalid, "Parameters 'created_by_id' and 'created_by_username' exclude each other"});
    std::vector<TokenInfo> out;
    for (const auto& k : kTokens.scan_index(t, "workspace", sortable(*ctx.workspace_id))) {
      if (k.kind != TokenKind::personal || (created_by && k.created_by != *created_by)) continue;
      auto info = shown(t, k, true);
      if (!created_by_name || folded(info.created_by_username.value_or("")) == folded(*created_by_name)) out.push_back(std::move(info));
    }
    return out;
  }));
}

Result<TokenInfo> Tokens::get(const access::Context& ctx, const std::string& token_id) {
  return store_.looked(ctx.event("accounts", "getToken", {{"tokenId", token_id}}), store_.read_as([&](store::ReadTxn& t) -> Result<TokenInfo> {
    TARN_TRY(k, personal_token(t, *ctx.workspace_id, token_id, std::nullopt));
    return shown(t, k, true);
  }));
}

Result<void> Tokens::revoke_any(const access::Context& ctx, const std::string& token_id) {
  return change(store_, ctx.event("accounts", "revokeDbToken", {{"tokenId", token_id}}), [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(k, personal_token(t, *ctx.workspace_id, token_id, std::nullopt));
    kTokens.erase(t, k.store_key());
    return {};
  });
}

Result<NewToken> Tokens::create_on_behalf(const access::Context& ctx, const std::string& application_id, std::optional<std::int64_t> lifetime,
                                          const std::string& comment) {
  const auto workspace = *ctx.workspace_id;
  const auto there = store_.read_as([&](store::ReadTxn& t) {
    const auto p = roster::by_name(t, Kind::service_principal, 0, application_id);
    return p ? roster::caller(t, p->id, workspace) : std::nullopt;
  });
  const auto refusal = there && rules_ ? rules_->refusal(*there, workspace) : std::nullopt;
  const bool restricted = rules_ && rules_->restricts_admins(workspace);
  return change<false>(
      store_, ctx.event("accounts", "generateDbToken", {{"application_id", application_id}}), [&](store::WriteTxn& t) -> Result<NewToken> {
        const auto p = there ? roster::get(t, there->id) : std::nullopt;
        if (!p) return fail(Error{Errc::not_found, fmt::format("Service principal {} does not exist in this workspace", application_id)});
        if (restricted && !roster::holds_role(t, p->id, roster::kServicePrincipalUser, ctx.caller))
          return fail(Error{Errc::permission_denied,
                            fmt::format("'{}' needs {} on service principal {} to make tokens for it: workspace admins are restricted here",
                                        ctx.caller.name, roster::kServicePrincipalUser, application_id)});
        if (refusal) return fail(Error{Errc::permission_denied, *refusal});
        TARN_TRY(expires, token_ends(workspace, lifetime));
        return personal(ctx, t, *p, expires, comment);
      });
}

}  // namespace tarn::identity
