#include "compute/pools.h"

#include "base/ids.h"
#include "compute/common.h"
#include "compute/node_types.h"

namespace tarn::compute {
namespace {

constexpr store::Collection<Pool> table{"compute.pool"};
constexpr const char* kType = "instance-pools";

std::string key_of(std::int64_t workspace, std::string_view id) { return store::key({store::sortable(workspace), id}); }
Error missing(const std::string& id) { return {Errc::not_found, "Can't find an instance pool with id: " + id + "."}; }

Result<void> within(const char* field, int value, int low, int high) {
  if (value < low || value > high) return refuse(Errc::invalid, fmt::format("Field '{}' must be between {} and {}, got {}", field, low, high, value));
  return {};
}

Result<void> tags_fit(const std::map<std::string, std::string>& tags) {
  if (tags.size() > 45) return refuse(Errc::invalid, fmt::format("Field 'custom_tags' must have at most 45 tags, got {}", tags.size()));
  for (const auto& [name, value] : tags)
    if (name.empty() || name.size() > 127 || value.size() > 255)
      return refuse(Errc::invalid, fmt::format("Field 'custom_tags' has a tag that is empty or too long: '{}'", name.substr(0, 127)));
  return {};
}

/// What a create and an edit share.
Result<void> apply(Pool& p, const PoolRequest& r) {
  if (r.instance_pool_name) p.instance_pool_name = *r.instance_pool_name;
  p.min_idle_instances = r.min_idle_instances.value_or(0);
  p.max_capacity = r.max_capacity.value_or(0) == 0 ? std::nullopt : r.max_capacity;
  p.idle_instance_autotermination_minutes = r.idle_instance_autotermination_minutes.value_or(60);
  p.custom_tags = r.custom_tags;
  TARN_CHECK(name_fits("instance_pool_name", p.instance_pool_name));
  TARN_CHECK(within("min_idle_instances", p.min_idle_instances, 0, 100'000));
  TARN_CHECK(within("idle_instance_autotermination_minutes", p.idle_instance_autotermination_minutes, 0, 10'000));
  if (p.max_capacity) {
    TARN_CHECK(within("max_capacity", *p.max_capacity, 1, 100'000));
    if (p.min_idle_instances > *p.max_capacity)
      return refuse(Errc::invalid,
                    fmt::format("Field 'min_idle_instances' must not be above 'max_capacity', got {} and {}", p.min_idle_instances, *p.max_capacity));
  }
  return tags_fit(p.custom_tags);
}

Result<void> apply_fixed(Pool& p, const PoolRequest& r) {
  if (!r.azure_attributes.is_null() || !r.gcp_attributes.is_null())
    return refuse(Errc::invalid, "Fields 'azure_attributes' and 'gcp_attributes' do not belong to a workspace on AWS");
  if (!r.preloaded_docker_images.is_null() && !(r.preloaded_docker_images.is_array() && r.preloaded_docker_images.as_array().empty()))
    return refuse(Errc::not_enabled, "Databricks Container Services is not enabled in this workspace: 'preloaded_docker_images' cannot be used");
  if (!r.node_type_id || r.node_type_id->empty()) return refuse(Errc::invalid, "Field 'node_type_id' is required");
  if (!find_node_type(*r.node_type_id))
    return refuse(Errc::invalid, fmt::format("Node type {} is not supported. Supported node types: see clusters/list-node-types", *r.node_type_id));
  p.node_type_id = *r.node_type_id;
  if (r.aws_attributes) p.aws_attributes = *r.aws_attributes;
  auto& aws = p.aws_attributes;
  if (aws.availability == AwsAvailability::SPOT_WITH_FALLBACK)
    return refuse(Errc::invalid, "Field 'aws_attributes.availability' must be SPOT or ON_DEMAND for an instance pool, got SPOT_WITH_FALLBACK");
  if (!aws.availability) aws.availability = AwsAvailability::SPOT;
  if (!aws.spot_bid_price_percent) aws.spot_bid_price_percent = 100;
  TARN_CHECK(within("aws_attributes.spot_bid_price_percent", *aws.spot_bid_price_percent, 1, 10'000));
  p.enable_elastic_disk = r.enable_elastic_disk.value_or(false);
  p.disk_spec = r.disk_spec;
  if (p.disk_spec) {
    TARN_CHECK(within("disk_spec.disk_count", p.disk_spec->disk_count.value_or(0), 0, 10));
    TARN_CHECK(within("disk_spec.disk_size", p.disk_spec->disk_size.value_or(0), 0, 4096));
  }
  if (r.preloaded_spark_versions.size() > 1) return refuse(Errc::invalid, "Field 'preloaded_spark_versions' must have at most 1 entry");
  for (const auto& v : r.preloaded_spark_versions)
    if (!find_runtime(v)) return refuse(Errc::invalid, "Spark version " + v + " is not supported: see clusters/spark-versions");
  p.preloaded_spark_versions = r.preloaded_spark_versions;
  p.node_type_flexibility = r.node_type_flexibility;
  p.remote_disk_throughput = r.remote_disk_throughput;
  p.total_initial_remote_disk_size = r.total_initial_remote_disk_size;
  return {};
}

}  // namespace

Pools::Pools(store::Store& store, access::ObjectPermissions& permissions, InstanceProfiles& profiles, const Clock& clock)
    : store_(store), permissions_(permissions), profiles_(profiles), clock_(clock) {
  permissions_.add_kind({.type = kType,
                         .levels = {{"CAN_ATTACH_TO", "Can attach to instance pool"}, {"CAN_MANAGE", "Can manage instance pool"}},
                         .creator_level = "CAN_MANAGE",
                         .find = [this](std::int64_t workspace, const std::string& id) -> std::optional<access::FoundObject> {
                           if (!find(workspace, id)) return std::nullopt;
                           return access::FoundObject{};
                         },
                         .object_type = "instance-pool",
                         .missing = "Can't find an instance pool with id: {}.",
                         .audit_service = "instancePools",
                         .audit_action = "changeInstancePoolAcl"});
}

Result<Pool> Pools::create(const access::Context& ctx, const PoolRequest& request) {
  auto event = ctx.event("instancePools", "create", {{"instance_pool_name", request.instance_pool_name.value_or("")}});
  if (!entitled(ctx, "allow-instance-pool-create"))
    return denied(store_, std::move(event), "You are not authorized to create instance pools. Please contact your administrator.");
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<Pool> {
    Pool p;
    if (!request.instance_pool_name) return refuse(Errc::invalid, "Field 'instance_pool_name' is required");
    TARN_CHECK(apply(p, request));
    TARN_CHECK(apply_fixed(p, request));
    p.workspace_id = workspace_of(ctx);
    if (p.aws_attributes.instance_profile_arn && !p.aws_attributes.instance_profile_arn->empty() &&
        !profiles_.registered(t, p.workspace_id, *p.aws_attributes.instance_profile_arn))
      return refuse(Errc::invalid, "The instance profile " + *p.aws_attributes.instance_profile_arn + " is not registered in this workspace");
    p.instance_pool_id =
        fmt::format("{:04d}-{:06d}-{}-pool-{}", clock_.now() / 86'400'000 % 10'000, clock_.now() / 1000 % 1'000'000, new_hex(3), new_hex(4));
    p.creator_id = ctx.caller.id;
    p.created_at = clock_.now();
    if (!table.insert(t, p)) return refuse(Errc::already_exists, "An instance pool with the name '" + p.instance_pool_name + "' already exists");
    permissions_.on_created(t, p.workspace_id, {kType, p.instance_pool_id}, ctx.caller);
    t.audit().params["instance_pool_id"] = p.instance_pool_id;
    return p;
  });
}

Result<Pool> Pools::edit(const access::Context& ctx, const PoolRequest& request) {
  const std::string id = request.instance_pool_id.value_or("");
  auto event = ctx.event("instancePools", "edit", {{"instance_pool_id", id}});
  if (id.empty()) return refuse(Errc::invalid, "Field 'instance_pool_id' is required");
  if (!find(workspace_of(ctx), id)) return fail(missing(id));
  if (!permissions_.allows(ctx, {kType, id}, "CAN_MANAGE")) return denied(store_, std::move(event), lacks(ctx, "Manage", "Instance Pool", id));
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<Pool> {
    auto found = table.get(t, key_of(workspace_of(ctx), id));
    if (!found) return fail(missing(id));
    auto& p = found->value;
    if (request.node_type_id && *request.node_type_id != p.node_type_id)
      return refuse(Errc::invalid,
                    fmt::format("Field 'node_type_id' of an instance pool cannot change: it is {}, got {}", p.node_type_id, *request.node_type_id));
    TARN_CHECK(apply(p, request));
    if (!table.update(t, p)) return refuse(Errc::already_exists, "An instance pool with the name '" + p.instance_pool_name + "' already exists");
    return p;
  });
}

std::optional<Pool> Pools::find(std::int64_t workspace_id, const std::string& id) {
  return store_.read_as([&](store::ReadTxn& t) { return find(t, workspace_id, id); });
}

std::optional<Pool> Pools::find(store::ReadTxn& t, std::int64_t workspace_id, const std::string& id) {
  auto found = table.get(t, key_of(workspace_id, id));
  return found ? std::optional(std::move(found->value)) : std::nullopt;
}

std::vector<Pool> Pools::with_minimum() {
  auto all = store_.read_as([&](store::ReadTxn& t) { return table.scan(t); });
  std::erase_if(all, [](const Pool& p) { return p.min_idle_instances == 0; });
  return all;
}

void Pools::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) {
  for (const auto& p : table.scan(t, store::prefix({store::sortable(workspace_id)}))) table.erase(t, p.store_key());
}

Result<Pool> Pools::attach(const access::Context& ctx, const std::string& id) {
  auto p = find(workspace_of(ctx), id);
  if (!p) return fail(missing(id));
  if (!permissions_.allows(ctx, {kType, id}, "CAN_ATTACH_TO")) return refuse(Errc::permission_denied, lacks(ctx, "Attach", "Instance Pool", id));
  return *std::move(p);
}

Result<Pool> Pools::get(const access::Context& ctx, const std::string& id) {
  if (id.empty()) return refuse(Errc::invalid, "Parameter 'instance_pool_id' is required");
  return attach(ctx, id);
}

std::vector<Pool> Pools::list(const access::Context& ctx) {
  auto all = store_.read_as([&](store::ReadTxn& t) { return table.scan(t, store::prefix({store::sortable(workspace_of(ctx))})); });
  std::erase_if(all, [&](const Pool& p) { return !permissions_.allows(ctx, {kType, p.instance_pool_id}, "CAN_ATTACH_TO"); });
  return all;
}

Result<void> Pools::remove(const access::Context& ctx, const std::string& id) {
  auto event = ctx.event("instancePools", "delete", {{"instance_pool_id", id}});
  const auto p = find(workspace_of(ctx), id);
  if (!p) return fail(missing(id));
  if (!permissions_.allows(ctx, {kType, id}, "CAN_MANAGE")) return denied(store_, std::move(event), lacks(ctx, "Manage", "Instance Pool", id));
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<void> {
    if (!table.erase(t, p->store_key())) return fail(missing(id));
    permissions_.on_deleted(t, p->workspace_id, {kType, id});
    return {};
  });
}

PoolStats Pools::stats(const Pool& pool) { return usage_ ? usage_->stats(pool.workspace_id, pool.instance_pool_id) : PoolStats{}; }

json::value pool_json(const Pool& p, const PoolStats& stats) {
  json::object out{{"instance_pool_id", p.instance_pool_id},
                   {"instance_pool_name", p.instance_pool_name},
                   {"min_idle_instances", p.min_idle_instances},
                   {"node_type_id", p.node_type_id},
                   {"idle_instance_autotermination_minutes", p.idle_instance_autotermination_minutes},
                   {"enable_elastic_disk", p.enable_elastic_disk},
                   {"aws_attributes", json::encode(p.aws_attributes)},
                   {"state", "ACTIVE"},
                   {"stats", json::encode(stats)},
                   {"status", json::object{}},
                   {"default_tags",
                    {{"Vendor", "Databricks"},
                     {"DatabricksInstancePoolCreatorId", std::to_string(p.creator_id)},
                     {"DatabricksInstancePoolId", p.instance_pool_id}}}};
  if (p.max_capacity) out["max_capacity"] = *p.max_capacity;
  if (!p.custom_tags.empty()) out["custom_tags"] = json::encode(p.custom_tags);
  if (p.disk_spec) out["disk_spec"] = json::encode(*p.disk_spec);
  if (!p.preloaded_spark_versions.empty()) out["preloaded_spark_versions"] = json::encode(p.preloaded_spark_versions);
  if (p.node_type_flexibility) out["node_type_flexibility"] = json::encode(*p.node_type_flexibility);
  if (p.remote_disk_throughput) out["remote_disk_throughput"] = *p.remote_disk_throughput;
  if (p.total_initial_remote_disk_size) out["total_initial_remote_disk_size"] = *p.total_initial_remote_disk_size;
  return out;
}

}  // namespace tarn::compute
