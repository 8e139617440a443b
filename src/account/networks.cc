#include "account/networks.h"

#include "account/records.h"
#include "account/validate.h"
#include "base/ids.h"

namespace tarn::account {
namespace {

constexpr std::string_view kNetwork = "Network", kEndpoint = "VPC endpoint", kPrivateAccess = "Private access settings";

bool serves(EndpointUseCase actual, EndpointUseCase wanted) {
  const bool relay = wanted == EndpointUseCase::DATAPLANE_RELAY_ACCESS;
  return relay == (actual == EndpointUseCase::DATAPLANE_RELAY_ACCESS);  // GENERAL_ACCESS is the older name of WORKSPACE_ACCESS
}

/// Checks the endpoints that a network names for one purpose; an endpoint without a known use takes this one.
Result<void> take_endpoints(store::WriteTxn& t, const Settings& settings, std::string_view field, const std::vector<std::string>& ids,
                            EndpointUseCase wanted, std::set<std::string>& regions) {
  if (ids.size() != 1) return fail(Error{Errc::invalid, fmt::format("Field '{}' must have exactly 1 entry, got {}", field, ids.size())});
  const auto& id = ids.front();
  auto found = endpoints_table.get(t, id);
  if (!found) return fail(not_found(kEndpoint, id, settings));
  auto& endpoint = found->value;
  if (endpoint.use_case && !serves(*endpoint.use_case, wanted))
    return fail(Error{Errc::malformed, fmt::format("Failed network validation checks: VPC endpoint {} of field '{}' has use case {}, not {}", id,
                                                   field, json::name_of(*endpoint.use_case), json::name_of(wanted))});
  regions.insert(endpoint.region);
  if (!endpoint.use_case) {
    endpoint.use_case = wanted;
    if (!endpoints_table.update(t, endpoint, found->version)) throw std::logic_error("a record read in this transaction changed");
  }
  return {};
}

}  // namespace

Networks::Networks(store::Store& store, const Clock& clock, Settings settings, VpcInventory* inventory)
    : store_(store), clock_(clock), settings_(std::move(settings)), inventory_(inventory) {}

Result<Network> Networks::create(const access::Context& ctx, const CreateNetwork& request) {
  auto event = ctx.event(kAuditService, "createNetworkConfiguration", {{"network_name", request.network_name}, {"vpc_id", request.vpc_id}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<Network> {
    TARN_CHECK(validate::name("network_name", request.network_name));
    TARN_CHECK(validate::cloud_id("vpc_id", request.vpc_id, "vpc-"));
    TARN_CHECK(validate::cloud_ids("subnet_ids", request.subnet_ids, "subnet-", 2, 100));
    TARN_CHECK(validate::cloud_ids("security_group_ids", request.security_group_ids, "sg-", 1, 5));
    for (const auto& id : request.subnet_ids)
      if (const auto other = networks_table.find(t, "subnet_id", id))
        return fail(Error{Errc::already_exists,
                          fmt::format("Field 'subnet_ids': subnet {} is already part of network {} ({}). Networks may share a VPC, not a subnet.", id,
                                      other->value.network_id, other->value.network_name)});
    if (request.vpc_endpoints) {
      std::set<std::string> regions;
      TARN_CHECK(take_endpoints(t, settings_, "vpc_endpoints.rest_api", request.vpc_endpoints->rest_api, EndpointUseCase::WORKSPACE_ACCESS, regions));
      TARN_CHECK(take_endpoints(t, settings_, "vpc_endpoints.dataplane_relay", request.vpc_endpoints->dataplane_relay,
                                EndpointUseCase::DATAPLANE_RELAY_ACCESS, regions));
      if (regions.size() != 1)
        return fail(Error{
            Errc::malformed,
            fmt::format("Failed network validation checks: the VPC endpoints of a network must be in one region, got {}", fmt::join(regions, ", "))});
    }
    NetworkRecord record;
    record.account_id = settings_.account_id;
    record.network_id = new_uuid();
    record.network_name = request.network_name;
    record.vpc_id = request.vpc_id;
    record.subnet_ids = request.subnet_ids;
    record.security_group_ids = request.security_group_ids;
    record.vpc_endpoints = request.vpc_endpoints;
    record.creation_time = clock_.now();
    if (!networks_table.insert(t, record)) return fail(name_taken("Network configuration", request.network_name));
    t.audit().params["network_id"] = record.network_id;
    return Network(record);
  });
}

Result<Network> Networks::get(const access::Context& ctx, const std::string& id) {
  return read_one<Network>(store_, networks_table, ctx, kNetwork, "getNetworkConfiguration", "network_id", id, settings_);
}
std::vector<Network> Networks::list(const access::Context& ctx) {
  return read_all<Network>(store_, networks_table, ctx, "listNetworkConfigurations");
}

Result<Network> Networks::remove(const access::Context& ctx, const std::string& id) {
  return store_.write_as(ctx.event(kAuditService, "deleteNetworkConfiguration", {{"network_id", id}}), [&](store::WriteTxn& t) -> Result<Network> {
    const auto found = networks_table.get(t, id);
    if (!found) return fail(not_found(kNetwork, id, settings_));
    if (const auto user = workspaces_table.find(t, "network_id", id)) return fail(used_by_workspace(kNetwork, user->value.workspace_id));
    networks_table.erase(t, id);
    return Network(found->value);
  });
}

std::vector<std::string> Networks::subnets_of(std::int64_t workspace_id) {
  return store_.read_as([&](store::ReadTxn& t) -> std::vector<std::string> {
    const auto workspace = workspaces_table.get(t, store::sortable(workspace_id));
    if (!workspace || !workspace->value.network_id) return {};
    const auto network = networks_table.get(t, *workspace->value.network_id);
    return network ? network->value.subnet_ids : std::vector<std::string>{};
  });
}

Result<VpcEndpoint> Networks::create_endpoint(const access::Context& ctx, const CreateVpcEndpoint& request) {
  auto event =
      ctx.event(kAuditService, "createVpcEndpoint",
                {{"vpc_endpoint_name", request.vpc_endpoint_name}, {"aws_vpc_endpoint_id", request.aws_vpc_endpoint_id}, {"region", request.region}});
  const auto facts = inventory_ ? inventory_->endpoint(request.aws_vpc_endpoint_id, request.region) : std::nullopt;
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<VpcEndpoint> {
    TARN_CHECK(validate::name("vpc_endpoint_name", request.vpc_endpoint_name));
    TARN_CHECK(validate::cloud_id("aws_vpc_endpoint_id", request.aws_vpc_endpoint_id, "vpce-"));
    TARN_CHECK(validate::region("region", request.region, settings_));
    if (inventory_ && !facts)
      return fail(Error{Errc::invalid,
                        fmt::format("Field 'aws_vpc_endpoint_id': there is no VPC endpoint {} in {}", request.aws_vpc_endpoint_id, request.region)});
    if (const auto other = endpoints_table.find(t, "aws_vpc_endpoint_id", request.aws_vpc_endpoint_id))
      return fail(Error{Errc::already_exists, fmt::format("VPC endpoint {} is already registered as {} ({})", request.aws_vpc_endpoint_id,
                                                          other->value.vpc_endpoint_id, other->value.vpc_endpoint_name)});
    VpcEndpointRecord record;
    record.account_id = settings_.account_id;
    record.vpc_endpoint_id = new_uuid();
    record.vpc_endpoint_name = request.vpc_endpoint_name;
    record.aws_vpc_endpoint_id = request.aws_vpc_endpoint_id;
    record.region = request.region;
    record.state = "available";
    if (facts) {
      if (!facts->aws_account_id.empty()) record.aws_account_id = facts->aws_account_id;
      if (!facts->service_id.empty()) record.aws_endpoint_service_id = facts->service_id;
      record.use_case = facts->use_case;
      record.state = facts->state;
    }
    if (!endpoints_table.insert(t, record)) return fail(name_taken(kEndpoint, request.vpc_endpoint_name));
    t.audit().params["vpc_endpoint_id"] = record.vpc_endpoint_id;
    return VpcEndpoint(record);
  });
}

Result<VpcEndpoint> Networks::get_endpoint(const access::Context& ctx, const std::string& id) {
  return read_one<VpcEndpoint>(store_, endpoints_table, ctx, kEndpoint, "getVpcEndpoint", "vpc_endpoint_id", id, settings_);
}
std::vector<VpcEndpoint> Networks::list_endpoints(const access::Context& ctx) {
  return read_all<VpcEndpoint>(store_, endpoints_table, ctx, "listVpcEndpoints");
}

Result<VpcEndpoint> Networks::delete_endpoint(const access::Context& ctx, const std::string& id) {
  return store_.write_as(ctx.event(kAuditService, "deleteVpcEndpoint", {{"vpc_endpoint_id", id}}), [&](store::WriteTxn& t) -> Result<VpcEndpoint> {
    const auto found = endpoints_table.get(t, id);
    if (!found) return fail(not_found(kEndpoint, id, settings_));
    if (const auto networks = networks_table.scan_index(t, "vpc_endpoint_id", id, {}, 1); !networks.empty())
      return fail(Error{Errc::in_use, fmt::format("Unable to delete, {} is being used by network {}", kEndpoint, networks.front().network_id)});
    if (const auto settings = private_access_table.scan_index(t, "vpc_endpoint_id", id, {}, 1); !settings.empty())
      return fail(Error{Errc::in_use, fmt::format("Unable to delete, {} is being used by private access settings {}", kEndpoint,
                                                  settings.front().private_access_settings_id)});
    endpoints_table.erase(t, id);
    return VpcEndpoint(found->value);
  });
}

Result<void> Networks::fill(store::ReadTxn& t, PrivateAccessSettings& out, const CreatePrivateAccess& request) {
  TARN_CHECK(validate::name("private_access_settings_name", request.private_access_settings_name));
  TARN_CHECK(validate::region("region", request.region, settings_));
  const auto level = request.private_access_level.value_or(PrivateAccessLevel::ACCOUNT);
  const auto& allowed = request.allowed_vpc_endpoint_ids;
  if (level == PrivateAccessLevel::ACCOUNT && !allowed.empty())
    return fail(Error{Errc::invalid, "Field 'allowed_vpc_endpoint_ids' may be set only with private_access_level ENDPOINT"});
  for (const auto& id : allowed) {
    const auto endpoint = endpoints_table.get(t, id);
    if (!endpoint) return fail(not_found(kEndpoint, id, settings_));
    if (endpoint->value.region != request.region)
      return fail(Error{Errc::invalid, fmt::format("Field 'allowed_vpc_endpoint_ids': VPC endpoint {} is in {}, not in {}", id,
                                                   endpoint->value.region, request.region)});
    if (std::count(allowed.begin(), allowed.end(), id) > 1)
      return fail(Error{Errc::invalid, fmt::format("Field 'allowed_vpc_endpoint_ids' must not name '{}' twice", id)});
  }
  out.private_access_settings_name = request.private_access_settings_name;
  out.region = request.region;
  out.public_access_enabled = request.public_access_enabled.value_or(false);
  out.private_access_level = level;
  out.allowed_vpc_endpoint_ids = allowed;
  return {};
}

Result<PrivateAccessSettings> Networks::create_private_access(const access::Context& ctx, const CreatePrivateAccess& request) {
  auto event = ctx.event(kAuditService, "createPrivateAccessSettings",
                         {{"private_access_settings_name", request.private_access_settings_name}, {"region", request.region}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<PrivateAccessSettings> {
    PrivateAccessRecord record;
    TARN_CHECK(fill(t, record, request));
    record.account_id = settings_.account_id;
    record.private_access_settings_id = new_uuid();
    if (!private_access_table.insert(t, record)) return fail(name_taken(kPrivateAccess, request.private_access_settings_name));
    t.audit().params["private_access_settings_id"] = record.private_access_settings_id;
    return PrivateAccessSettings(record);
  });
}

Result<PrivateAccessSettings> Networks::get_private_access(const access::Context& ctx, const std::string& id) {
  return read_one<PrivateAccessSettings>(store_, private_access_table, ctx, kPrivateAccess, "getPrivateAccessSettings", "private_access_settings_id",
                                         id, settings_);
}
std::vector<PrivateAccessSettings> Networks::list_private_access(const access::Context& ctx) {
  return read_all<PrivateAccessSettings>(store_, private_access_table, ctx, "listPrivateAccessSettings");
}

Result<PrivateAccessSettings> Networks::replace_private_access(const access::Context& ctx, const std::string& id,
                                                               const CreatePrivateAccess& request) {
  auto event = ctx.event(kAuditService, "replacePrivateAccessSettings", {{"private_access_settings_id", id}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<PrivateAccessSettings> {
    auto found = private_access_table.get(t, id);
    if (!found) return fail(not_found(kPrivateAccess, id, settings_));
    PrivateAccessRecord& record = found->value;
    const std::string old_region = record.region;
    TARN_CHECK(fill(t, record, request));
    const auto users = workspaces_table.scan_index(t, "private_access_settings_id", id, {}, 1);
    if (old_region != record.region && !users.empty())
      return fail(Error{Errc::invalid, fmt::format("Field 'region' cannot change from {} to {} while workspace {} uses these settings", old_region,
                                                   record.region, users.front().workspace_id)});
    if (!private_access_table.update(t, record, found->version)) return fail(name_taken(kPrivateAccess, request.private_access_settings_name));
    return PrivateAccessSettings(record);
  });
}

Result<PrivateAccessSettings> Networks::delete_private_access(const access::Context& ctx, const std::string& id) {
  auto event = ctx.event(kAuditService, "deletePrivateAccessSettings", {{"private_access_settings_id", id}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<PrivateAccessSettings> {
    const auto found = private_access_table.get(t, id);
    if (!found) return fail(not_found(kPrivateAccess, id, settings_));
    const auto users = workspaces_table.scan_index(t, "private_access_settings_id", id, {}, 1);
    if (!users.empty()) return fail(used_by_workspace(kPrivateAccess, users.front().workspace_id));
    private_access_table.erase(t, id);
    return PrivateAccessSettings(found->value);
  });
}

}  // namespace tarn::account
