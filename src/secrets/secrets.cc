#include "secrets/secrets.h"

#include <algorithm>

namespace tarn::secrets {
namespace {

struct ScopeRecord {
  std::int64_t workspace_id = 0;
  std::string name;
  std::string created_by;
  Millis created_at = 0;
  std::vector<AclItem> acl;
  std::string store_key() const { return store::key({store::sortable(workspace_id), name}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(ScopeRecord, (), (workspace_id, name, created_by, created_at, acl))
constexpr store::Collection<ScopeRecord> kScopes{"secrets.scope"};

struct SecretRecord {
  std::int64_t workspace_id = 0;
  std::string scope, key;
  Millis last_updated = 0;
  std::string store_key() const { return store::key({store::sortable(workspace_id), scope, key}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(SecretRecord, (), (workspace_id, scope, key, last_updated))
constexpr store::Collection<SecretRecord> kSecrets{"secrets.secret"};

std::string place(const access::Context& ctx) { return store::sortable(ctx.workspace_id.value_or(0)); }
std::string scope_key(const access::Context& ctx, const std::string& scope) { return store::key({place(ctx), scope}); }
std::string below(const std::string& workspace, const std::string& scope) { return store::prefix({workspace, scope}); }
std::string sealed_name(const std::string& workspace, const std::string& scope, const std::string& key) {
  return store::key({"secrets", workspace, scope, key});
}

auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }
Error no_scope(const std::string& scope) { return {Errc::not_found, "Scope " + scope + " does not exist!"}; }

bool named_well(std::string_view name, std::string_view extra) {
  return !name.empty() && name.size() <= 128 && std::ranges::all_of(name, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || extra.find(c) != extra.npos;
  });
}

/// Names are shown as a request wrote them, cut where they could fill a log.
std::string shown(std::string_view text) { return std::string(text.substr(0, 140)); }

/// What the caller holds, by its best entry; administrators manage every scope of their workspace.
std::optional<Permission> held(const access::Caller& who, const ScopeRecord& scope) {
  if (who.workspace_admin) return Permission::MANAGE;
  std::optional<Permission> best;
  for (const auto& item : scope.acl) {
    const bool mine = item.principal == who.name || who.group_names.contains(item.principal) || who.workspace_groups.contains(item.principal);
    if (mine && (!best || item.permission > *best)) best = item.permission;
  }
  return best;
}

Result<ScopeRecord> reach(store::ReadTxn& t, const access::Context& ctx, const std::string& name, Permission least) {
  auto found = kScopes.get(t, scope_key(ctx, name));
  if (!found) return fail(no_scope(shown(name)));
  const auto has = held(ctx.caller, found->value);
  if (!has || *has < least)
    return refuse(Errc::permission_denied,
                  fmt::format("User {} does not have {} permission on scope {}", ctx.caller.name, json::name_of(least), shown(name)));
  return std::move(found->value);
}

}  // namespace

Result<std::string> Scopes::principal(const access::Context& ctx, const std::string& name) {
  if (const auto local = directory_.find_local_group(ctx.workspace_id.value_or(0), name)) return local->name;
  if (!name.empty())
    if (const auto found = directory_.find_principal(name)) return found->name;
  return refuse(Errc::invalid, "User or Group " + shown(name) + " does not exist.");
}

Result<void> Scopes::create(const access::Context& ctx, const NewScope& request) {
  auto event = ctx.event("secrets", "createScope",
                         {{"scope", shown(request.scope)}, {"initialManagePrincipal", shown(request.initial_manage_principal.value_or(""))}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<void> {
    if (!named_well(request.scope, "-_@./"))
      return refuse(Errc::invalid,
                    "Field 'scope' must be 1 to 128 letters, digits, dashes, underscores, periods, @ or /; got '" + shown(request.scope) + "'");
    if (request.scope_backend_type == BackendType::AZURE_KEYVAULT || !request.backend_azure_keyvault.is_null())
      return refuse(Errc::invalid, "Azure Key Vault-backed secret scopes are only supported on Azure Databricks. Use scope_backend_type DATABRICKS.");
    const auto& manager = request.initial_manage_principal;
    if (manager && !manager->empty() && *manager != "users")
      return refuse(Errc::invalid, "Field 'initial_manage_principal' may only be 'users', got '" + shown(*manager) + "'");
    const auto all = kScopes.scan(t, store::prefix({place(ctx)}));
    const auto same = [](char a, char b) { return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b)); };
    for (const auto& other : all)
      if (std::ranges::equal(other.name, request.scope, same)) return refuse(Errc::already_exists, "Scope " + request.scope + " already exists!");
    if (all.size() >= kMostScopes)
      return refuse(Errc::limit_reached, fmt::format("The workspace has reached its limit of {} secret scopes.", kMostScopes));
    ScopeRecord scope{.workspace_id = ctx.workspace_id.value_or(0), .name = request.scope, .created_by = ctx.caller.name, .created_at = clock_.now()};
    scope.acl.push_back({manager && !manager->empty() ? "users" : ctx.caller.name, Permission::MANAGE});
    if (!kScopes.insert(t, scope)) throw std::logic_error("a scope slipped past its checks");
    return {};
  });
}

Result<void> Scopes::remove(const access::Context& ctx, const std::string& scope) {
  return store_.write_as(ctx.event("secrets", "deleteScope", {{"scope", shown(scope)}}), [&](store::WriteTxn& t) -> Result<void> {
    TARN_CHECK(reach(t, ctx, scope, Permission::MANAGE));
    for (const auto& s : kSecrets.scan(t, below(place(ctx), scope))) {
      sealed_.erase(t, sealed_name(place(ctx), scope, s.key));
      kSecrets.erase(t, s.store_key());
    }
    kScopes.erase(t, scope_key(ctx, scope));
    return {};
  });
}

std::vector<ScopeInfo> Scopes::list(const access::Context& ctx) {
  std::vector<ScopeInfo> out;
  for (const auto& s : store_.read_as([&](store::ReadTxn& t) { return kScopes.scan(t, store::prefix({place(ctx)})); }))
    if (held(ctx.caller, s)) out.push_back({.name = s.name});
  store_.audit_later(ctx.event("secrets", "listScopes"));
  return out;
}

Result<void> Scopes::put(const access::Context& ctx, const std::string& scope, const std::string& key, std::string_view value) {
  auto event = ctx.event("secrets", "putSecret", {{"scope", shown(scope)}, {"key", shown(key)}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<void> {
    TARN_CHECK(reach(t, ctx, scope, Permission::WRITE));
    if (!named_well(key, "-_."))
      return refuse(Errc::invalid, "Field 'key' must be 1 to 128 letters, digits, dashes, underscores or periods; got '" + shown(key) + "'");
    if (value.size() > kMostBytes)
      return refuse(Errc::value_too_large,
                    fmt::format("The secret value has {} bytes; the maximum allowed secret value size is {} bytes.", value.size(), kMostBytes));
    SecretRecord record{.workspace_id = ctx.workspace_id.value_or(0), .scope = scope, .key = key, .last_updated = clock_.now()};
    if (!kSecrets.get(t, record.store_key()) && t.count(kSecrets.kind(), below(place(ctx), scope)) >= static_cast<std::int64_t>(kMostSecrets))
      return refuse(Errc::limit_reached, fmt::format("The scope {} has reached its limit of {} secrets.", scope, kMostSecrets));
    if (!kSecrets.put(t, record)) throw std::logic_error("a secret has no unique values to lose");
    sealed_.put(t, sealed_name(place(ctx), scope, key), value);
    return {};
  });
}

Result<void> Scopes::remove_secret(const access::Context& ctx, const std::string& scope, const std::string& key) {
  auto event = ctx.event("secrets", "deleteSecret", {{"scope", shown(scope)}, {"key", shown(key)}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<void> {
    TARN_CHECK(reach(t, ctx, scope, Permission::WRITE));
    if (!kSecrets.erase(t, store::key({place(ctx), scope, key})))
      return refuse(Errc::not_found, "Secret with key " + shown(key) + " does not exist in scope " + shown(scope));
    sealed_.erase(t, sealed_name(place(ctx), scope, key));
    return {};
  });
}

Result<std::vector<SecretInfo>> Scopes::secrets(const access::Context& ctx, const std::string& scope) {
  auto event = ctx.event("secrets", "listSecrets", {{"scope", shown(scope)}});
  return store_.look_as(std::move(event), [&](store::ReadTxn& t) -> Result<std::vector<SecretInfo>> {
    TARN_CHECK(reach(t, ctx, scope, Permission::READ));
    std::vector<SecretInfo> out;
    for (auto& s : kSecrets.scan(t, below(place(ctx), scope))) out.push_back({std::move(s.key), s.last_updated});
    return out;
  });
}

Result<std::string> Scopes::get(const access::Context& ctx, const std::string& scope, const std::string& key) {
  auto event = ctx.event("secrets", "getSecret", {{"scope", shown(scope)}, {"key", shown(key)}});
  return store_.look_as(std::move(event), [&](store::ReadTxn& t) -> Result<std::string> {
    TARN_CHECK(reach(t, ctx, scope, Permission::READ));
    if (!kSecrets.get(t, store::key({place(ctx), scope, key})))
      return refuse(Errc::not_found, "Secret does not exist with scope: " + shown(scope) + " and key: " + shown(key));
    auto value = sealed_.get(t, sealed_name(place(ctx), scope, key));
    if (!value) throw std::logic_error("a secret without its value");
    return *std::move(value);
  });
}

Result<void> Scopes::put_acl(const access::Context& ctx, const std::string& scope, const AclItem& item) {
  auto event =
      ctx.event("secrets", "putAcl",
                {{"scope", shown(scope)}, {"principal", shown(item.principal)}, {"permission", std::string(json::name_of(item.permission))}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(record, reach(t, ctx, scope, Permission::MANAGE));
    TARN_TRY(name, principal(ctx, item.principal));
    const auto at = std::ranges::find(record.acl, name, &AclItem::principal);
    if (at != record.acl.end())
      at->permission = item.permission;
    else
      record.acl.push_back({name, item.permission});
    if (!kScopes.update(t, record)) throw std::logic_error("a scope vanished inside its transaction");
    return {};
  });
}

Result<void> Scopes::remove_acl(const access::Context& ctx, const std::string& scope, const std::string& principal) {
  auto event = ctx.event("secrets", "deleteAcl", {{"scope", shown(scope)}, {"principal", shown(principal)}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(record, reach(t, ctx, scope, Permission::MANAGE));
    if (std::erase_if(record.acl, [&](const AclItem& a) { return a.principal == principal; }) == 0)
      return refuse(Errc::not_found, "Permission for principal " + shown(principal) + " does not exist on scope " + shown(scope));
    if (!kScopes.update(t, record)) throw std::logic_error("a scope vanished inside its transaction");
    return {};
  });
}

Result<std::vector<AclItem>> Scopes::acls(const access::Context& ctx, const std::string& scope) {
  return store_.look_as(ctx.event("secrets", "listAcls", {{"scope", shown(scope)}}), [&](store::ReadTxn& t) -> Result<std::vector<AclItem>> {
    TARN_TRY(record, reach(t, ctx, scope, Permission::MANAGE));
    return record.acl;
  });
}

Result<AclItem> Scopes::acl(const access::Context& ctx, const std::string& scope, const std::string& principal) {
  auto event = ctx.event("secrets", "getAcl", {{"scope", shown(scope)}, {"principal", shown(principal)}});
  return store_.look_as(std::move(event), [&](store::ReadTxn& t) -> Result<AclItem> {
    TARN_TRY(record, reach(t, ctx, scope, Permission::MANAGE));
    for (const auto& a : record.acl)
      if (a.principal == principal) return a;
    return refuse(Errc::not_found, "Permission for principal " + shown(principal) + " does not exist on scope " + shown(scope));
  });
}

void Scopes::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) const {
  const auto workspace = store::sortable(workspace_id);
  for (const auto& s : kSecrets.scan(t, store::prefix({workspace}))) {
    sealed_.erase(t, sealed_name(workspace, s.scope, s.key));
    kSecrets.erase(t, s.store_key());
  }
  for (const auto& s : kScopes.scan(t, store::prefix({workspace}))) kScopes.erase(t, s.store_key());
}

}  // namespace tarn::secrets
