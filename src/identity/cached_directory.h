#pragma once
// Directory and WorkspacePrincipals over the store, with a cache of what requests ask again and again.
//
// The cache is whole or gone: it holds answers of one epoch of identity's records. A request compares the store's generation (one
// atomic load); only if that moved is the epoch read, and only if the epoch moved are answers forgotten. So writes of other rooms
// cost one small read, and a revoked token or right is refused from the next request on, on every server of this store.
// Thread-safe; no lock is held while the store is asked.
#include <shared_mutex>
#include <unordered_map>

#include "identity/directory.h"
#include "identity/records.h"
#include "identity/token_rules.h"

namespace tarn::identity {

class CachedDirectory final : public Directory, public WorkspacePrincipals {
 public:
  /// Both must outlive this.
  CachedDirectory(store::Store& store, const Clock& clock) : store_(store), clock_(clock) {}
  /// At start-up: what personal access tokens must also pass. Must outlive this.
  void guard(const TokenRules& rules) { token_rules_ = &rules; }

  std::optional<PrincipalRef> find_principal(std::string_view name) override;
  std::optional<PrincipalRef> get_principal(std::int64_t id) override;
  std::optional<PrincipalRef> find_local_group(std::int64_t workspace_id, std::string_view name) override;
  std::optional<PrincipalRef> get_local_group(std::int64_t workspace_id, std::int64_t id) override;
  std::optional<access::Caller> caller(std::int64_t principal_id, std::optional<std::int64_t> workspace_id) override;
  Expected<access::Caller, Refusal> authenticate(std::string_view bearer, std::optional<std::int64_t> workspace_id) override;
  bool is_assigned(std::int64_t workspace_id, std::int64_t principal_id) override;
  bool holds_role(const access::Caller& caller, std::int64_t resource_id, std::string_view role) override;

  void on_workspace_created(store::WriteTxn& txn, std::int64_t workspace_id, std::int64_t creator_id) override;
  void on_workspace_deleted(store::WriteTxn& txn, std::int64_t workspace_id) override;

  /// How many answers came from the store rather than from the cache: for tests and metrics.
  std::int64_t misses() const { return misses_.load(std::memory_order_relaxed); }

 private:
  struct Login {
    std::shared_ptr<const access::Caller> caller;
    Millis expires_at = 0;      // 0: never
    std::int64_t token_of = 0;  // the workspace of a personal access token; 0: OAuth
  };
  template <class V>
  using Map = std::unordered_map<std::string, V>;
  struct Answers {
    std::int64_t epoch = -1;
    Map<Login> logins;                                   // token hash and workspace
    Map<std::shared_ptr<const access::Caller>> callers;  // principal and workspace; null: not a caller there
    Map<std::optional<PrincipalRef>> names;
  };

  std::optional<std::string> token_refusal(const Login& login) const;
  void refresh();
  /// A principal by a key of the names' cache; `look` finds it in the store.
  template <class F>
  std::optional<PrincipalRef> named(std::string key, F&& look);
  /// Keeps an answer that was read at `epoch`, unless the cache has moved on.
  template <class V>
  void keep(Map<V> Answers::*map, std::int64_t epoch, std::string key, V value);
  template <class V>
  std::optional<V> cached(Map<V> Answers::*map, const std::string& key);

  store::Store& store_;
  const Clock& clock_;
  const TokenRules* token_rules_ = nullptr;
  std::atomic<std::int64_t> seen_generation_{-1};
  std::atomic<std::int64_t> misses_{0};
  std::shared_mutex mutex_;
  Answers answers_;
};

}  // namespace tarn::identity
