#pragma once
// Private to account/: its stored records and what its services share.
#include "access/caller.h"
#include "account/settings.h"
#include "store/store.h"

namespace tarn::account {

/// The vendor's audit service name of the account API's configuration actions.
inline constexpr const char* kAuditService = "accountsManager";

struct CredentialRecord : Credential {
  std::string store_key() const { return credentials_id; }
  std::vector<store::IndexEntry> store_indexes() const { return {{"name", credentials_name, true}}; }
};
BOOST_DESCRIBE_STRUCT(CredentialRecord, (Credential), ())

struct StorageRecord : StorageConfiguration {
  std::string store_key() const { return storage_configuration_id; }
  std::vector<store::IndexEntry> store_indexes() const { return {{"name", storage_configuration_name, true}}; }
};
BOOST_DESCRIBE_STRUCT(StorageRecord, (StorageConfiguration), ())

struct KeyRecord : CustomerManagedKey {
  std::string store_key() const { return customer_managed_key_id; }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(KeyRecord, (CustomerManagedKey), ())

struct NetworkRecord : Network {
  std::string store_key() const { return network_id; }
  std::vector<store::IndexEntry> store_indexes() const {
    std::vector<store::IndexEntry> out{{"name", network_name, true}};
    for (const auto& id : subnet_ids) out.push_back({"subnet_id", id, true});
    for (const auto& id : security_group_ids) out.push_back({"security_group_id", id});
    if (vpc_endpoints) {
      for (const auto& id : vpc_endpoints->rest_api) out.push_back({"vpc_endpoint_id", id});
      for (const auto& id : vpc_endpoints->dataplane_relay) out.push_back({"vpc_endpoint_id", id});
    }
    return out;
  }
};
BOOST_DESCRIBE_STRUCT(NetworkRecord, (Network), ())

struct VpcEndpointRecord : VpcEndpoint {
  std::string store_key() const { return vpc_endpoint_id; }
  std::vector<store::IndexEntry> store_indexes() const {
    return {{"name", vpc_endpoint_name, true}, {"aws_vpc_endpoint_id", aws_vpc_endpoint_id, true}};
  }
};
BOOST_DESCRIBE_STRUCT(VpcEndpointRecord, (VpcEndpoint), ())

struct PrivateAccessRecord : PrivateAccessSettings {
  std::string store_key() const { return private_access_settings_id; }
  std::vector<store::IndexEntry> store_indexes() const {
    std::vector<store::IndexEntry> out{{"name", private_access_settings_name, true}};
    for (const auto& id : allowed_vpc_endpoint_ids) out.push_back({"vpc_endpoint_id", id});
    return out;
  }
};
BOOST_DESCRIBE_STRUCT(PrivateAccessRecord, (PrivateAccessSettings), ())

/// What the provisioner does next with a workspace; each step is one transaction.
enum class Step { none, storage, network, launch, release };
BOOST_DESCRIBE_ENUM(Step, none, storage, network, launch, release)

struct WorkspaceRecord : Workspace {
  std::int64_t creator_id = 0;
  std::string creator_name;
  Step step = Step::none;
  bool came_up = false;  // was RUNNING once: its groups and metastore hooks have run, and it keeps answering during updates
  int attempts = 0;      // unexpected failures of the present step

  std::string store_key() const { return store::sortable(workspace_id); }
  std::vector<store::IndexEntry> store_indexes() const {
    std::vector<store::IndexEntry> out{{"deployment_name", deployment_name, true},
                                       {"credentials_id", credentials_id},
                                       {"storage_configuration_id", storage_configuration_id},
                                       {"pending", step == Step::none ? "no" : "yes"}};
    if (network_id) out.push_back({"network_id", *network_id, true});
    if (private_access_settings_id) out.push_back({"private_access_settings_id", *private_access_settings_id});
    if (managed_services_customer_managed_key_id) out.push_back({"customer_managed_key_id", *managed_services_customer_managed_key_id});
    if (storage_customer_managed_key_id) out.push_back({"customer_managed_key_id", *storage_customer_managed_key_id});
    return out;
  }
};
BOOST_DESCRIBE_STRUCT(WorkspaceRecord, (Workspace), (creator_id, creator_name, step, came_up, attempts))

struct PrefixRecord {
  std::string prefix;
  Millis registered_at = 0;
  std::string registered_by;
  std::string store_key() const { return "prefix"; }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(PrefixRecord, (), (prefix, registered_at, registered_by))

inline constexpr store::Collection<CredentialRecord> credentials_table{"account.credentials"};
inline constexpr store::Collection<StorageRecord> storage_table{"account.storage"};
inline constexpr store::Collection<KeyRecord> keys_table{"account.keys"};
inline constexpr store::Collection<NetworkRecord> networks_table{"account.networks"};
inline constexpr store::Collection<VpcEndpointRecord> endpoints_table{"account.vpc_endpoints"};
inline constexpr store::Collection<PrivateAccessRecord> private_access_table{"account.private_access"};
inline constexpr store::Collection<WorkspaceRecord> workspaces_table{"account.workspaces"};
inline constexpr store::Collection<PrefixRecord> prefix_table{"account.deployment_prefix"};

inline Error not_found(std::string_view label, std::string_view id, const Settings& settings) {
  return {Errc::not_found, fmt::format("{} {} could not be found in account {}", label, id, settings.account_id)};
}
inline Error name_taken(std::string_view label, std::string_view name) {
  return {Errc::already_exists, fmt::format("{} name {} already exists in this account. Try again with a unique name.", label, name)};
}
inline Error used_by_workspace(std::string_view label, std::int64_t workspace_id) {
  return {Errc::in_use, fmt::format("Unable to delete, {} is being used by active workspace {}", label, workspace_id)};
}

/// Ties a network to a workspace, or frees it: UNATTACHED again, without the verdict of the last attachment. The network must exist.
inline void set_network_user(store::WriteTxn& t, const std::string& network_id, std::optional<std::int64_t> workspace_id) {
  auto network = networks_table.get(t, network_id);
  if (!network) throw std::logic_error("a workspace refers to a network that is gone");
  auto& n = network->value;
  n.workspace_id = workspace_id;
  n.vpc_status = VpcStatus::UNATTACHED;
  n.error_messages.clear();
  n.warning_messages.clear();
  if (!networks_table.update(t, n, network->version)) throw std::logic_error("a network record changed inside a transaction");
}

/// Get and list of one table, for all services alike.
template <class Wire, class Record>
Result<Wire> read_one(store::Store& s, const store::Collection<Record>& table, const access::Context& ctx, std::string_view label,
                      std::string_view action, std::string_view field, const std::string& id, const Settings& settings) {
  auto event = ctx.event(kAuditService, std::string(action), {{std::string(field), id}});
  auto found = s.read_as([&](store::ReadTxn& t) { return table.get(t, id); });
  if (!found) {
    return fail(s.refused(std::move(event), not_found(label, id, settings)));
  }
  s.audit_later(std::move(event));
  return Wire(found->value);
}

template <class Wire, class Record>
std::vector<Wire> read_all(store::Store& s, const store::Collection<Record>& table, const access::Context& ctx, std::string_view action) {
  auto records = s.read_as([&](store::ReadTxn& t) { return table.scan(t); });
  s.audit_later(ctx.event(kAuditService, std::string(action)));
  return {records.begin(), records.end()};
}

}  // namespace tarn::account
