#include "compute/pool_keeper.h"

#include "base/crypto.h"
#include "base/ids.h"
#include "base/log.h"
#include "compute/identity.h"

namespace tarn::compute {
namespace {

constexpr Millis kAfterFailure = 30'000;

std::string pool_key(std::int64_t workspace, const std::string& pool) { return store::key({store::sortable(workspace), pool}); }

bool preloads(const Pool& pool, const std::string& runtime) {
  return pool.preloaded_spark_versions.empty() || std::ranges::find(pool.preloaded_spark_versions, runtime) != pool.preloaded_spark_versions.end();
}

}  // namespace

std::optional<Instance> PoolKeeper::claim(store::WriteTxn& t, std::int64_t workspace_id, const Pool& pool, const std::string& runtime) {
  // A pool that preloads a runtime has its instances warm for that one only.
  if (!preloads(pool, runtime)) return std::nullopt;
  for (auto& w : waiting_table.scan_index(t, "pool", pool_key(workspace_id, pool.instance_pool_id))) {
    if (w.server_id != options_.server_id || w.instance.up_at == 0 || w.instance.lost_at != 0 || w.instance.node_type_id != pool.node_type_id)
      continue;
    waiting_table.erase(t, w.store_key());
    Instance out = w.instance;
    out.up_at = 0;
    out.ordered_at = clock_.now();
    out.assigned = true;
    return out;
  }
  return std::nullopt;
}

void PoolKeeper::give_back(store::WriteTxn& t, std::int64_t workspace_id, const std::string& pool_id, const std::string& node_type_id) {
  const auto pool = pools_.find(t, workspace_id, pool_id);
  if (!pool || pool->node_type_id != node_type_id) return;
  if (pool->idle_instance_autotermination_minutes == 0 && waiting(t, workspace_id, pool_id) >= pool->min_idle_instances) return;
  WaitingInstance w{.server_id = options_.server_id, .instance_pool_id = pool_id, .workspace_id = workspace_id, .idle_since = clock_.now()};
  w.instance.instance_id = "i-" + new_hex(8);
  w.instance.node_type_id = node_type_id;
  w.instance.instance_pool_id = pool_id;
  if (!waiting_table.insert(t, w)) throw std::logic_error("a fresh instance id is taken");
}

int PoolKeeper::waiting(store::ReadTxn& t, std::int64_t workspace_id, const std::string& pool_id) {
  return static_cast<int>(waiting_table.scan_index(t, "pool", pool_key(workspace_id, pool_id)).size());
}

int PoolKeeper::waiting_on(store::ReadTxn& t, const std::string& server_id) {
  return static_cast<int>(waiting_table.scan_index(t, "server", server_id).size());
}

bool PoolKeeper::change(const std::string& instance_id, const std::string& action, const std::function<bool(WaitingInstance&)>& body) {
  bool done = false;
  store_.write(access::system_context().event("instancePools", action, {{"instance_id", instance_id}}), [&](store::WriteTxn& t) {
    done = false;
    auto found = waiting_table.get(t, instance_id);
    if (!found || !body(found->value)) {
      t.audit().outcome = store::Outcome::failed;
      t.audit().error = "the step is no longer due";
      return false;
    }
    t.audit().workspace_id = found->value.workspace_id;
    t.audit().params["instance_pool_id"] = found->value.instance_pool_id;
    if (!waiting_table.update(t, found->value, found->version)) throw std::logic_error("an instance changed inside its transaction");
    return done = true;
  });
  return done;
}

bool PoolKeeper::admitted(const std::string& instance_id, const std::string& token, const std::string& lease) {
  const auto found = store_.read_as([&](store::ReadTxn& t) { return waiting_table.get(t, instance_id); });
  if (!found) return false;
  switch (judge_identity(found->value.instance, token, lease)) {
    case Identity::known:
      return true;
    case Identity::stranger:
      return false;
    case Identity::first_time:
      break;
  }
  return change(instance_id, "admit", [&](WaitingInstance& w) { return fix_lease(w.instance, lease); });
}

bool PoolKeeper::up(const std::string& instance_id, const json::value& isolation) {
  const auto found = store_.read_as([&](store::ReadTxn& t) { return waiting_table.get(t, instance_id); });
  if (!found) return false;
  if (found->value.instance.up_at != 0 && found->value.instance.lost_at == 0) return true;
  change(instance_id, "idle", [&](WaitingInstance& w) {
    if (w.instance.up_at == 0) {
      w.instance.up_at = clock_.now();
      w.instance.isolation = isolation;
      if (w.idle_since == 0) w.idle_since = clock_.now();
    }
    w.instance.lost_at = 0;
    return true;
  });
  return true;
}

bool PoolKeeper::lost(const std::string& instance_id, bool ended, const std::string& why) {
  const auto found = store_.read_as([&](store::ReadTxn& t) { return waiting_table.get(t, instance_id); });
  if (!found) return false;
  const auto& w = found->value;
  if (ended) {
    if (w.instance.up_at == 0) {
      spdlog::warn("pool {}: an instance could not start: {}", w.instance_pool_id, why);
      const std::lock_guard lock(mutex_);
      not_before_[w.instance_pool_id] = clock_.now() + kAfterFailure;
    }
    drop(w, why);
  } else if (w.instance.up_at != 0 && w.instance.lost_at == 0) {
    change(instance_id, "lost", [&](WaitingInstance& now) { return now.instance.lost_at = clock_.now(), true; });
  }
  return true;
}

void PoolKeeper::drop(const WaitingInstance& w, const std::string& why) {
  auto event = access::system_context().event("instancePools", "terminateInstance",
                                              {{"instance_id", w.instance.instance_id}, {"instance_pool_id", w.instance_pool_id}, {"reason", why}});
  event.workspace_id = w.workspace_id;
  store_.write(std::move(event), [&](store::WriteTxn& t) { return waiting_table.erase(t, w.store_key()); });
}

void PoolKeeper::recover() {
  for (const auto& w : store_.read_as([&](store::ReadTxn& t) { return waiting_table.scan_index(t, "server", options_.server_id); })) {
    if (w.instance.ordered_at == 0) continue;
    change(w.instance.instance_id, "recover", [&](WaitingInstance& now) {
      (now.instance.up_at ? now.instance.lost_at : now.instance.ordered_at) = clock_.now();
      return true;
    });
  }
}

bool PoolKeeper::launch(const WaitingInstance& w, const Pool& pool) {
  const auto* type = find_node_type(w.instance.node_type_id);
  NodeOrder order{.instance_id = w.instance.instance_id, .token = new_hex(32), .workspace_id = w.workspace_id, .role = NodeRole::waiting};
  order.share = share_of(*type, this_host());
  order.bootstrap_seconds = static_cast<int>(options_.bootstrap_timeout / 1000) + 30;
  if (!pool.preloaded_spark_versions.empty()) order.environment["TARN_NODE_PRELOADED"] = pool.preloaded_spark_versions.front();
  const bool ordered = change(w.instance.instance_id, "launch", [&](WaitingInstance& now) {
    if (now.instance.ordered_at != 0) return false;
    now.instance.ordered_at = clock_.now();
    now.instance.token_hash = hash_of_secret(order.token);
    return true;
  });
  if (!ordered) return false;
  auto launched = fleet_.launch(order);
  if (!launched) {
    lost(w.instance.instance_id, true, launched.error());
    return true;
  }
  if (!launched->address.empty())
    change(w.instance.instance_id, "place", [&](WaitingInstance& now) { return now.instance.address = launched->address, true; });
  return true;
}

/// One more instance for a pool that has fewer than its minimum.
bool PoolKeeper::fill(const Pool& pool) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto i = not_before_.find(pool.instance_pool_id); i != not_before_.end() && i->second > clock_.now()) return false;
  }
  const auto room = [&](store::ReadTxn& t) {
    const int wait = waiting(t, pool.workspace_id, pool.instance_pool_id);
    const int used = used_of_pool(t, pool.workspace_id, pool.instance_pool_id);
    return wait < pool.min_idle_instances && (!pool.max_capacity || wait + used < *pool.max_capacity) &&
           waiting_on(t, options_.server_id) + used_on_server(t, options_.server_id) < options_.most_instances;
  };
  const auto* type = find_node_type(pool.node_type_id);
  if (!type || type->num_gpus > 0 || !store_.read_as(room)) return false;
  bool made = false;
  auto event = access::system_context().event("instancePools", "keepIdle", {{"instance_pool_id", pool.instance_pool_id}});
  event.workspace_id = pool.workspace_id;
  store_.write(std::move(event), [&](store::WriteTxn& t) {
    made = false;
    if (!room(t)) return false;  // another server was first
    WaitingInstance w{.server_id = options_.server_id, .instance_pool_id = pool.instance_pool_id, .workspace_id = pool.workspace_id};
    w.instance.instance_id = "i-" + new_hex(8);
    w.instance.node_type_id = pool.node_type_id;
    w.instance.instance_pool_id = pool.instance_pool_id;
    return made = waiting_table.insert(t, w).has_value();
  });
  return made;
}

bool PoolKeeper::step() {
  const auto now = clock_.now();
  bool any = false;
  std::map<std::string, int> ready;  // by pool: how many stay, whatever their age
  for (const auto& w : store_.read_as([&](store::ReadTxn& t) { return waiting_table.scan_index(t, "server", options_.server_id); })) {
    const auto pool = pools_.find(w.workspace_id, w.instance_pool_id);
    const auto end = [&](const std::string& why) {
      fleet_.end(w.instance.instance_id);
      drop(w, why);
      any = true;
    };
    if (!pool || pool->node_type_id != w.instance.node_type_id) {
      end("its pool is gone");
    } else if (w.instance.ordered_at == 0) {
      any = launch(w, *pool) || any;
    } else if (w.instance.lost_at != 0 && now - w.instance.lost_at > options_.lease) {
      end("it was lost and did not come back");
    } else if (w.instance.up_at == 0 && now - w.instance.ordered_at > options_.bootstrap_timeout) {
      {
        const std::lock_guard lock(mutex_);
        not_before_[w.instance_pool_id] = now + kAfterFailure;
      }
      end("BOOTSTRAP_TIMEOUT");
    } else if (w.instance.up_at != 0 && ++ready[w.instance_pool_id] > pool->min_idle_instances &&
               now - w.idle_since > Millis(pool->idle_instance_autotermination_minutes) * 60'000) {
      end("idle for " + std::to_string(pool->idle_instance_autotermination_minutes) + " minutes");
    }
  }
  for (const auto& pool : pools_.with_minimum()) any = fill(pool) || any;
  return any;
}

PoolKeeper::Counts PoolKeeper::counts(std::int64_t workspace_id, const std::string& pool_id) {
  Counts out;
  for (const auto& w : store_.read_as([&](store::ReadTxn& t) { return waiting_table.scan_index(t, "pool", pool_key(workspace_id, pool_id)); }))
    (w.instance.up_at != 0 ? out.idle : out.pending) += 1;
  return out;
}

}  // namespace tarn::compute
