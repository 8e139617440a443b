#include "identity/cached_directory.h"

#include "base/crypto.h"
#include "base/ids.h"
#include "identity/roster.h"

namespace tarn::identity {
namespace {

constexpr std::size_t kMostAnswers = 65'536;  // of one kind; a full cache starts again

std::string scope(std::int64_t principal, std::optional<std::int64_t> workspace) { return fmt::format("{}@{}", principal, workspace.value_or(0)); }

}  // namespace

void CachedDirectory::refresh() {
  const auto generation = store_.generation();
  if (seen_generation_.load(std::memory_order_acquire) == generation) return;
  const auto epoch = store_.read_as([](store::ReadTxn& t) { return roster::epoch(t); });
  std::unique_lock lock(mutex_);
  if (epoch > answers_.epoch) answers_ = Answers{.epoch = epoch};
  // A slower thread may come last with an older generation: the next request just looks again.
  seen_generation_.store(generation, std::memory_order_release);
}

template <class V>
void CachedDirectory::keep(Map<V> Answers::*map, std::int64_t epoch, std::string key, V value) {
  std::unique_lock lock(mutex_);
  if (answers_.epoch != epoch) return;
  auto& m = answers_.*map;
  if (m.size() >= kMostAnswers) m.clear();
  m.insert_or_assign(std::move(key), std::move(value));
}

template <class V>
std::optional<V> CachedDirectory::cached(Map<V> Answers::*map, const std::string& key) {
  {
    std::shared_lock lock(mutex_);
    const auto& m = answers_.*map;
    if (const auto i = m.find(key); i != m.end()) return i->second;
  }
  misses_.fetch_add(1, std::memory_order_relaxed);
  return std::nullopt;
}

template <class F>
std::optional<PrincipalRef> CachedDirectory::named(std::string key, F&& look) {
  refresh();
  if (auto known = cached(&Answers::names, key)) return *std::move(known);
  const auto [epoch, found] = store_.read_as([&](store::ReadTxn& t) {
    const std::optional<PrincipalRecord> p = look(t);
    return std::pair(roster::epoch(t), p ? std::optional(roster::ref(*p)) : std::nullopt);
  });
  keep(&Answers::names, epoch, std::move(key), found);
  return found;
}

std::optional<PrincipalRef> CachedDirectory::find_principal(std::string_view name) {
  return named("n" + folded(name), [&](store::ReadTxn& t) { return roster::by_grant_name(t, name); });
}

std::optional<PrincipalRef> CachedDirectory::get_principal(std::int64_t id) {
  return named("i" + std::to_string(id), [&](store::ReadTxn& t) {
    auto p = roster::get(t, id);
    return p && p->workspace_id == 0 ? p : std::nullopt;
  });
}

std::optional<PrincipalRef> CachedDirectory::find_local_group(std::int64_t workspace_id, std::string_view name) {
  return named(fmt::format("g{}:{}", workspace_id, folded(name)),
               [&](store::ReadTxn& t) { return roster::by_name(t, Kind::group, workspace_id, name); });
}

std::optional<PrincipalRef> CachedDirectory::get_local_group(std::int64_t workspace_id, std::int64_t id) {
  return named(fmt::format("l{}:{}", workspace_id, id), [&](store::ReadTxn& t) {
    auto p = roster::get(t, id);
    return p && p->workspace_id == workspace_id ? p : std::nullopt;
  });
}

std::optional<access::Caller> CachedDirectory::caller(std::int64_t principal_id, std::optional<std::int64_t> workspace_id) {
  refresh();
  auto key = scope(principal_id, workspace_id);
  if (auto known = cached(&Answers::callers, key)) return *known ? std::optional(**known) : std::nullopt;
  auto [epoch, found] = store_.read_as([&](store::ReadTxn& t) { return std::pair(roster::epoch(t), roster::caller(t, principal_id, workspace_id)); });
  keep(&Answers::callers, epoch, std::move(key), found ? std::make_shared<const access::Caller>(*found) : nullptr);
  return std::move(found);
}

std::optional<std::string> CachedDirectory::token_refusal(const Login& login) const {
  // Who may use tokens is not identity's to cache: the list has a cache of its own.
  return login.token_of && token_rules_ ? token_rules_->refusal(*login.caller, login.token_of) : std::nullopt;
}

bool CachedDirectory::holds_role(const access::Caller& caller, std::int64_t resource_id, std::string_view role) {
  return store_.read_as([&](store::ReadTxn& t) { return roster::holds_role(t, resource_id, role, caller); });
}

Expected<access::Caller, Directory::Refusal> CachedDirectory::authenticate(std::string_view bearer, std::optional<std::int64_t> workspace_id) {
  refresh();
  // Looking up the hash tells an attacker's clock nothing about the tokens that exist.
  const std::string hash = crypto::sha256(bearer);
  std::string key = hash;
  key += scope(0, workspace_id);
  if (const auto known = cached(&Answers::logins, key)) {
    if (known->expires_at != 0 && clock_.now() >= known->expires_at) return fail(Refusal{false, "Access token expired"});
    if (auto why = token_refusal(*known)) return fail(Refusal{true, *std::move(why)});
    return *known->caller;
  }
  struct Answer {
    std::int64_t epoch = 0;
    std::optional<TokenRecord> token;
    std::optional<access::Caller> caller;
    bool lives = false;
    std::string name;
  };
  auto answer = store_.read_as([&](store::ReadTxn& t) {
    Answer a{.epoch = roster::epoch(t)};
    const auto token = kTokens.get(t, crypto::to_hex(hash));
    if (!token) return a;
    a.token = token->value;
    if (a.token->workspace_id != 0 && workspace_id != a.token->workspace_id) return a;
    const auto p = roster::get(t, a.token->principal);
    a.lives = p && p->active;
    if (a.lives) a.name = p->name;
    a.caller = roster::caller(t, a.token->principal, workspace_id);
    return a;
  });
  if (!answer.token) return fail(Refusal{false, "Invalid access token."});
  if (answer.token->workspace_id != 0 && workspace_id != answer.token->workspace_id)
    return fail(Refusal{false, "Invalid access token: it was issued for another workspace."});
  if (answer.token->expires_at != 0 && clock_.now() >= answer.token->expires_at) return fail(Refusal{false, "Access token expired"});
  if (!answer.lives) return fail(Refusal{false, "Invalid access token: its principal is gone or deactivated."});
  if (!answer.caller)
    return fail(
        Refusal{true, fmt::format("Unauthorized access to Org: {}. '{}' is not assigned to this workspace.", workspace_id.value_or(0), answer.name)});
  const Login login{std::make_shared<const access::Caller>(*answer.caller), answer.token->expires_at,
                    answer.token->kind == TokenKind::personal ? answer.token->workspace_id : 0};
  keep(&Answers::logins, answer.epoch, std::move(key), login);
  if (auto why = token_refusal(login)) return fail(Refusal{true, *std::move(why)});
  return *std::move(answer.caller);
}

bool CachedDirectory::is_assigned(std::int64_t workspace_id, std::int64_t principal_id) {
  return store_.read_as([&](store::ReadTxn& t) {
    auto groups = roster::closure(t, principal_id);
    return roster::place(t, workspace_id, principal_id, groups) != roster::Place::none;
  });
}

void CachedDirectory::on_workspace_created(store::WriteTxn& t, std::int64_t workspace_id, std::int64_t creator_id) {
  const auto make = [&](const char* name, std::vector<std::string> entitlements) {
    if (roster::by_name(t, Kind::group, workspace_id, name)) return;  // a provisioning step that runs again
    const PrincipalRecord g{.id = new_numeric_id(),
                            .kind = Kind::group,
                            .name = name,
                            .display_name = name,
                            .workspace_id = workspace_id,
                            .system = true,
                            .created_at = clock_.now(),
                            .updated_at = clock_.now()};
    if (!kPrincipals.insert(t, g) || !kEntitlements.put(t, {workspace_id, g.id, std::move(entitlements)}))
      throw std::logic_error("the new workspace's groups are taken");
  };
  make("admins", {"workspace-access", "databricks-sql-access", "allow-cluster-create", "allow-instance-pool-create"});
  make("users", {"workspace-access", "databricks-sql-access"});
  if (kPrincipals.get(t, store::sortable(creator_id)) && !kAssignments.put(t, {workspace_id, creator_id, true}))
    throw std::logic_error("an assignment has no unique values");
  roster::changed(t);
}

void CachedDirectory::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) {
  const auto all = store::prefix({store::sortable(workspace_id)});
  for (const auto& a : kAssignments.scan(t, all)) kAssignments.erase(t, a.store_key());
  for (const auto& e : kEntitlements.scan(t, all)) kEntitlements.erase(t, e.store_key());
  for (const auto& k : kTokens.scan_index(t, "workspace", store::sortable(workspace_id))) kTokens.erase(t, k.store_key());
  for (const auto& g : kPrincipals.scan_index(t, "level", PrincipalRecord::level_value(Kind::group, workspace_id))) roster::erase(t, g);
  roster::changed(t);
}

}  // namespace tarn::identity
