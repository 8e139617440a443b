#include "account/workspace_service.h"

#include "account/records.h"
#include "account/validate.h"
#include "base/ids.h"
#include "doctor/edges.h"

namespace tarn::account {
namespace {

constexpr std::string_view kWorkspace = "Workspace";

auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }
auto failed_check(std::string_view what) { return refuse(Errc::malformed, fmt::format("Failed parameter validation checks: {}", what)); }
auto required(std::string_view field) { return refuse(Errc::invalid, fmt::format("Field '{}' is required", field)); }

Result<PricingTier> pricing_tier(const std::string& text) {
  std::string upper = text;
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  const auto tier = json::enum_of<PricingTier>(upper);
  if (!tier || *tier == PricingTier::UNKNOWN)
    return refuse(
        Errc::invalid,
        fmt::format("Field 'pricing_tier' must be one of STANDARD, PREMIUM, ENTERPRISE, DEDICATED, COMMUNITY_EDITION; got '{}'", text.substr(0, 80)));
  return *tier;
}

/// What is asked for but lies outside of what this account offers.
Result<void> check_offered(const CreateWorkspace& r) {
  if (r.cloud && *r.cloud != "aws")
    return refuse(Errc::invalid, fmt::format("Field 'cloud' must be 'aws' in this account, got '{}'", r.cloud->substr(0, 80)));
  if (r.location) return refuse(Errc::invalid, "Field 'location' is for Google Cloud; use aws_region");
  if (r.compute_mode && *r.compute_mode == "SERVERLESS") return refuse(Errc::not_enabled, "Serverless workspaces is not enabled in this account.");
  if (r.compute_mode && *r.compute_mode != "HYBRID")
    return refuse(Errc::invalid, fmt::format("Field 'compute_mode' must be one of HYBRID, SERVERLESS; got '{}'", r.compute_mode->substr(0, 80)));
  if (r.network_connectivity_config_id) return refuse(Errc::not_enabled, "Network connectivity configuration is not enabled in this account.");
  return {};
}

void provisioning(WorkspaceRecord& w) {
  w.workspace_status = WorkspaceStatus::PROVISIONING;
  w.workspace_status_message = w.came_up ? "Workspace resources are being updated." : "Workspace resources are being set up.";
  w.step = Step::storage;
  w.attempts = 0;
}

/// The members that a PATCH is about.
Result<std::set<std::string>> named(const UpdateWorkspace& request, const std::optional<std::string>& mask) {
  std::set<std::string> known, present, out;
  boost::mp11::mp_for_each<boost::describe::describe_members<UpdateWorkspace, boost::describe::mod_public>>([&](auto d) {
    known.insert(d.name);
    if (!(request.*d.pointer).absent()) present.insert(d.name);
  });
  if (!mask || mask->empty() || *mask == "*") return present;
  std::string_view rest = *mask;
  while (true) {
    const auto comma = rest.find(',');
    const std::string field(rest.substr(0, comma));
    // Client-owned or output members may be listed; they change nothing here.
    if (field != "expected_workspace_status") {
      if (!known.contains(field))
        return refuse(Errc::invalid,
                      fmt::format("Parameter 'update_mask' names '{}', which is not a field that can be updated", field.substr(0, 80)));
      out.insert(field);
    }
    if (comma == rest.npos) return out;
    rest.remove_prefix(comma + 1);
  }
}

/// Applies one member of a PATCH; answers whether it changed.
template <class Current>
Result<bool> set(std::string_view field, const json::Patch<std::string>& wanted, Current& current, bool allowed, std::string_view why) {
  if (!wanted.present() || wanted.content.empty()) return refuse(Errc::invalid, fmt::format("Field '{}' cannot be removed from a workspace", field));
  if (std::optional<std::string>(current) == wanted.content) return false;
  if (!allowed) return refuse(Errc::invalid, fmt::format("Field '{}' {}", field, why));
  current = wanted.content;
  return true;
}

}  // namespace

WorkspaceService::WorkspaceService(store::Store& store, const Clock& clock, Settings settings, Provisioner& provisioner)
    : store_(store), clock_(clock), settings_(std::move(settings)), provisioner_(provisioner) {}

Result<std::string> WorkspaceService::deployment_name(store::ReadTxn& t, const std::optional<std::string>& requested) {
  const auto taken = [&](const std::string& name) { return workspaces_table.find(t, "deployment_name", name).has_value(); };
  if (!requested) {
    std::string name;
    do name = "dbc-" + new_hex(4) + "-" + new_hex(2);
    while (taken(name));
    return name;
  }
  const auto prefix = prefix_table.get(t, "prefix");
  if (!prefix)
    return refuse(Errc::prefix_missing,
                  "Failed parameter validation checks: Deployment name cannot be used until a deployment name prefix is defined. Please contact your "
                  "Databricks representative");
  std::string name = prefix->value.prefix;
  if (*requested != "EMPTY") {
    TARN_CHECK(validate::label("deployment_name", *requested));
    name += "-" + *requested;
    if (name.size() > 63)
      return refuse(Errc::invalid, fmt::format("Field 'deployment_name' must have at most {} characters after the prefix {}-, got {}",
                                               62 - prefix->value.prefix.size(), prefix->value.prefix, requested->size()));
  }
  if (settings_.reserved_deployment_names.contains(name)) return refuse(Errc::invalid, fmt::format("Field 'deployment_name': {} is reserved", name));
  if (taken(name)) return refuse(Errc::already_exists, fmt::format("Deployment name {} is already in use. Choose another deployment_name.", name));
  return name;
}

Result<void> WorkspaceService::check_parts(store::ReadTxn& t, const WorkspaceRecord& w) {
  if (!credentials_table.get(t, w.credentials_id)) return fail(not_found("Credentials", w.credentials_id, settings_));
  if (!storage_table.get(t, w.storage_configuration_id)) return fail(not_found("Storage configuration", w.storage_configuration_id, settings_));
  if (w.network_id) {
    const auto network = networks_table.get(t, *w.network_id);
    if (!network) return fail(not_found("Network", *w.network_id, settings_));
    const auto& n = network->value;
    if (n.workspace_id && *n.workspace_id != w.workspace_id)
      return failed_check(fmt::format("Network {} is already in use by workspace {}. A network configuration cannot be reused across workspaces.",
                                      n.network_id, *n.workspace_id));
    if (n.vpc_endpoints) {
      if (!w.private_access_settings_id)
        return failed_check(fmt::format("Network {} has VPC endpoints: private_access_settings_id is required.", n.network_id));
      const auto endpoint = endpoints_table.get(t, n.vpc_endpoints->rest_api.at(0));
      if (endpoint && endpoint->value.region != w.aws_region)
        return failed_check(fmt::format("Network {} is in region {}, the workspace is in {}.", n.network_id, endpoint->value.region, w.aws_region));
    }
  }
  if (w.private_access_settings_id) {
    const auto settings = private_access_table.get(t, *w.private_access_settings_id);
    if (!settings) return fail(not_found("Private access settings", *w.private_access_settings_id, settings_));
    if (settings->value.region != w.aws_region)
      return failed_check(fmt::format("Private access settings {} are in region {}, the workspace is in {}.", *w.private_access_settings_id,
                                      settings->value.region, w.aws_region));
  }
  for (const auto& [id, use] : {std::pair(w.managed_services_customer_managed_key_id, KeyUseCase::MANAGED_SERVICES),
                                std::pair(w.storage_customer_managed_key_id, KeyUseCase::STORAGE)}) {
    if (!id) continue;
    const auto key = keys_table.get(t, *id);
    if (!key) return fail(not_found("Customer managed key", *id, settings_));
    const auto& k = key->value;
    if (std::find(k.use_cases.begin(), k.use_cases.end(), use) == k.use_cases.end())
      return failed_check(fmt::format("Customer managed key {} does not have the use case {}.", *id, json::name_of(use)));
    if (k.aws_key_info.key_region != w.aws_region)
      return failed_check(
          fmt::format("Customer managed key {} is in region {}, the workspace is in {}.", *id, *k.aws_key_info.key_region, w.aws_region));
  }
  return {};
}

Result<Workspace> WorkspaceService::create(const access::Context& ctx, const CreateWorkspace& r) {
  auto event = ctx.event(kAuditService, "createWorkspaceConfiguration", {{"workspace_name", r.workspace_name}});
  if (r.deployment_name) event.params["deployment_name"] = *r.deployment_name;
  if (r.aws_region) event.params["aws_region"] = *r.aws_region;
  auto out = store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<Workspace> {
    TARN_CHECK(validate::name("workspace_name", r.workspace_name));
    TARN_CHECK(check_offered(r));
    if (!r.aws_region) return required("aws_region");
    TARN_CHECK(validate::region("aws_region", *r.aws_region, settings_));
    if (!r.credentials_id) return required("credentials_id");
    if (!r.storage_configuration_id) return required("storage_configuration_id");
    TARN_CHECK(validate::tags("custom_tags", r.custom_tags));
    WorkspaceRecord w;
    w.account_id = settings_.account_id;
    w.pricing_tier = settings_.default_pricing_tier;
    if (r.pricing_tier) {
      TARN_TRY(tier, pricing_tier(*r.pricing_tier));
      w.pricing_tier = tier;
    }
    TARN_TRY(name, deployment_name(t, r.deployment_name));
    do w.workspace_id = new_numeric_id();
    while (workspaces_table.get(t, w.store_key()));
    w.workspace_name = r.workspace_name;
    w.deployment_name = name;
    w.aws_region = *r.aws_region;
    w.credentials_id = *r.credentials_id;
    w.storage_configuration_id = *r.storage_configuration_id;
    w.network_id = r.network_id;
    w.private_access_settings_id = r.private_access_settings_id;
    w.managed_services_customer_managed_key_id = r.managed_services_customer_managed_key_id;
    w.storage_customer_managed_key_id = r.storage_customer_managed_key_id;
    w.custom_tags = r.custom_tags;
    w.creation_time = clock_.now();
    w.creator_id = ctx.caller.id;
    w.creator_name = ctx.caller.name;
    TARN_CHECK(check_parts(t, w));
    if (w.network_id) set_network_user(t, *w.network_id, w.workspace_id);
    provisioning(w);
    if (!workspaces_table.insert(t, w)) throw std::logic_error("a workspace's unique values were free a moment ago in this transaction");
    t.audit().params["workspace_id"] = std::to_string(w.workspace_id);
    t.audit().params["deployment_name"] = w.deployment_name;
    return Workspace(w);
  });
  if (out)
    provisioner_.wake();
  else if (out.error().code == Errc::prefix_missing)
    doctor::log_edge(doctor::Edge::deployment_prefix_missing, "deployment_name " + *r.deployment_name);
  return out;
}

Result<Workspace> WorkspaceService::get(const access::Context& ctx, std::int64_t id) {
  auto event = ctx.event(kAuditService, "getWorkspaceConfiguration", {{"workspace_id", std::to_string(id)}});
  auto found = store_.read_as([&](store::ReadTxn& t) { return workspaces_table.get(t, store::sortable(id)); });
  if (!found) {
    return fail(store_.refused(std::move(event), not_found(kWorkspace, std::to_string(id), settings_)));
  }
  store_.audit_later(std::move(event));
  return Workspace(found->value);
}

std::vector<Workspace> WorkspaceService::list(const access::Context& ctx) {
  return read_all<Workspace>(store_, workspaces_table, ctx, "listWorkspaceConfigurations");
}

Result<Workspace> WorkspaceService::update(const access::Context& ctx, std::int64_t id, const UpdateWorkspace& r,
                                           const std::optional<std::string>& update_mask) {
  auto event = ctx.event(kAuditService, "updateWorkspaceConfiguration", {{"workspace_id", std::to_string(id)}});
  auto out = store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<Workspace> {
    auto found = workspaces_table.get(t, store::sortable(id));
    if (!found) return fail(not_found(kWorkspace, std::to_string(id), settings_));
    WorkspaceRecord& w = found->value;
    TARN_TRY(fields, named(r, update_mask));
    t.audit().params["update_mask"] = fmt::format("{}", fmt::join(fields, ","));
    const bool was_failed = w.workspace_status == WorkspaceStatus::FAILED;
    if (!was_failed && w.workspace_status != WorkspaceStatus::RUNNING)
      return refuse(Errc::invalid_state,
                    fmt::format("Workspace {} is {}: it can be updated when it is RUNNING or FAILED", id, json::name_of(w.workspace_status)));
    constexpr std::string_view kFixed = "cannot be changed after the workspace is created";
    constexpr std::string_view kFailedOnly = "can be changed only while the workspace is FAILED and never ran";
    const bool never_ran = was_failed && !w.came_up;
    const auto old_network = w.network_id;
    bool rebuild = false, changed = false;
    std::string tier(json::name_of(w.pricing_tier));
    for (const auto& field : fields) {
      Result<bool> one = false;
      if (field == "workspace_name") one = set(field, r.workspace_name, w.workspace_name, false, kFixed);
      if (field == "deployment_name") one = set(field, r.deployment_name, w.deployment_name, false, kFixed);
      if (field == "pricing_tier") one = set(field, r.pricing_tier, tier, false, kFixed);
      if (field == "aws_region") one = set(field, r.aws_region, w.aws_region, never_ran, kFailedOnly);
      if (field == "storage_configuration_id") one = set(field, r.storage_configuration_id, w.storage_configuration_id, never_ran, kFailedOnly);
      if (field == "credentials_id") one = set(field, r.credentials_id, w.credentials_id, true, {});
      if (field == "network_id")
        one = set(field, r.network_id, w.network_id, old_network.has_value() || never_ran,
                  "can be set only for a workspace that was created with a network: a Databricks-managed VPC cannot become a customer-managed one");
      if (field == "private_access_settings_id") one = set(field, r.private_access_settings_id, w.private_access_settings_id, true, {});
      if (field == "managed_services_customer_managed_key_id")
        one = set(field, r.managed_services_customer_managed_key_id, w.managed_services_customer_managed_key_id, true, {});
      if (field == "storage_customer_managed_key_id")
        one = set(field, r.storage_customer_managed_key_id, w.storage_customer_managed_key_id, true, {});
      if (field == "network_connectivity_config_id")
        return refuse(Errc::not_enabled, "Network connectivity configuration is not enabled in this account.");
      if (field == "custom_tags") {
        TARN_CHECK(validate::tags("custom_tags", r.custom_tags.content));
        changed = changed || w.custom_tags != r.custom_tags.content;
        w.custom_tags = r.custom_tags.content;
      }
      if (!one) return fail(std::move(one).error());
      // Naming a part of a FAILED workspace again asks for another try: what failed may have been cured outside.
      rebuild = rebuild || *one || (was_failed && field != "custom_tags");
    }
    TARN_CHECK(validate::region("aws_region", w.aws_region, settings_));
    if (rebuild) {
      TARN_CHECK(check_parts(t, w));
      if (w.network_id != old_network) {
        if (old_network) set_network_user(t, *old_network, std::nullopt);
        set_network_user(t, *w.network_id, id);
      }
      provisioning(w);
    }
    if (!rebuild && !changed) return Workspace(w);
    if (!workspaces_table.update(t, w, found->version)) throw std::logic_error("a workspace record changed inside its transaction");
    return Workspace(w);
  });
  if (out) provisioner_.wake();
  return out;
}

Result<Workspace> WorkspaceService::remove(const access::Context& ctx, std::int64_t id) {
  auto event = ctx.event(kAuditService, "deleteWorkspaceConfiguration", {{"workspace_id", std::to_string(id)}});
  auto out = store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<Workspace> {
    auto found = workspaces_table.get(t, store::sortable(id));
    if (!found) return fail(not_found(kWorkspace, std::to_string(id), settings_));
    WorkspaceRecord& w = found->value;
    if (w.workspace_status == WorkspaceStatus::CANCELLING)
      return refuse(Errc::invalid_state, fmt::format("Workspace {} is being deleted already", id));
    w.workspace_status = WorkspaceStatus::CANCELLING;
    w.workspace_status_message = "Workspace is being deleted.";
    w.step = Step::release;
    w.attempts = 0;
    if (!workspaces_table.update(t, w, found->version)) throw std::logic_error("a workspace record changed inside its transaction");
    t.audit().params["workspace_name"] = w.workspace_name;
    return Workspace(w);
  });
  if (out) provisioner_.wake();
  return out;
}

}  // namespace tarn::account
