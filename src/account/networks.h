#pragma once
// Network registrations: a VPC that somebody else owns, made known to the account; VPC endpoints; private access settings.
// A network is registered UNATTACHED. Attaching a workspace judges it: VALID, WARNED or BROKEN (network_check.h). One network serves one
// workspace; networks may share a VPC, never a subnet. Thread-safe; callers are account admins (the routes say so).
// Source: REST reference "Account API 2.0": networks, vpc-endpoints, private-access-settings; docs "Customer-managed VPC", "PrivateLink".
#include "access/caller.h"
#include "account/settings.h"
#include "store/store.h"

namespace tarn::account {

class Networks {
 public:
  /// `store`, `clock` and `inventory` (may be null) must outlive this.
  Networks(store::Store& store, const Clock& clock, Settings settings, VpcInventory* inventory = nullptr);

  /// invalid, not_found (a VPC endpoint), already_exists (the name, a subnet), malformed (an endpoint of the wrong use).
  Result<Network> create(const access::Context& ctx, const CreateNetwork& request);
  Result<Network> get(const access::Context& ctx, const std::string& id);  // not_found
  std::vector<Network> list(const access::Context& ctx);
  Result<Network> remove(const access::Context& ctx, const std::string& id);  // not_found, in_use

  /// The subnets of the network that a workspace is attached to; empty: it has none of its own. Not an API: where its instances stand.
  std::vector<std::string> subnets_of(std::int64_t workspace_id);

  /// invalid (also: the cloud has no such endpoint), already_exists. The endpoint is accepted at once: `available` unless the cloud says otherwise.
  Result<VpcEndpoint> create_endpoint(const access::Context& ctx, const CreateVpcEndpoint& request);
  Result<VpcEndpoint> get_endpoint(const access::Context& ctx, const std::string& id);
  std::vector<VpcEndpoint> list_endpoints(const access::Context& ctx);
  Result<VpcEndpoint> delete_endpoint(const access::Context& ctx, const std::string& id);  // not_found, in_use (by a network or settings)

  /// invalid, not_found (an allowed endpoint), already_exists (the name).
  Result<PrivateAccessSettings> create_private_access(const access::Context& ctx, const CreatePrivateAccess& request);
  Result<PrivateAccessSettings> get_private_access(const access::Context& ctx, const std::string& id);
  std::vector<PrivateAccessSettings> list_private_access(const access::Context& ctx);
  /// Overwrites the whole object; its region can change only while no workspace uses it.
  Result<PrivateAccessSettings> replace_private_access(const access::Context& ctx, const std::string& id, const CreatePrivateAccess& request);
  Result<PrivateAccessSettings> delete_private_access(const access::Context& ctx, const std::string& id);  // not_found, in_use

 private:
  Result<void> fill(store::ReadTxn& t, PrivateAccessSettings& out, const CreatePrivateAccess& request);

  store::Store& store_;
  const Clock& clock_;
  const Settings settings_;
  VpcInventory* inventory_;
};

}  // namespace tarn::account
