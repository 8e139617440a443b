#pragma once
// Private to compute/: who an instance is when it dials in, and how many instances there are.
#include "base/crypto.h"
#include "compute/cluster_records.h"

namespace tarn::compute {

enum class Identity { stranger, first_time, known };

inline std::string hash_of_secret(const std::string& secret) { return crypto::to_hex(crypto::sha256(secret)); }

/// Its lease decides once it has one, its order's token before.
inline Identity judge_identity(const Instance& i, const std::string& token, const std::string& lease) {
  if (lease.size() < 32 || lease.size() > 128) return Identity::stranger;
  if (!i.lease_hash.empty()) return crypto::equal(i.lease_hash, hash_of_secret(lease)) ? Identity::known : Identity::stranger;
  return crypto::equal(i.token_hash, hash_of_secret(token)) ? Identity::first_time : Identity::stranger;
}

/// Inside a transaction: the token is used up. False: another was first.
inline bool fix_lease(Instance& i, const std::string& lease) {
  if (!i.lease_hash.empty()) return false;
  i.lease_hash = hash_of_secret(lease);
  i.token_hash.clear();
  return true;
}

/// Instances of a pool that clusters have, over all servers.
inline int used_of_pool(store::ReadTxn& t, std::int64_t workspace_id, const std::string& pool_id) {
  int out = 0;
  for (const auto& c : clusters_table.scan_index(t, "pool", store::key({store::sortable(workspace_id), pool_id})))
    for (const auto* i : c.instances()) out += i->instance_pool_id == pool_id;
  return out;
}

inline int used_on_server(store::ReadTxn& t, const std::string& server_id) {
  int out = 0;
  for (const auto& c : clusters_table.scan_index(t, "active", server_id)) out += static_cast<int>(c.instances().size());
  return out;
}

}  // namespace tarn::compute
