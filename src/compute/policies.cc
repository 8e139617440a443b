#include "compute/policies.h"

#include "base/crypto.h"
#include "base/ids.h"
#include "compute/common.h"

namespace tarn::compute {
namespace {

constexpr store::Collection<Policy> table{"compute.policy"};
constexpr const char* kType = "cluster-policies";

std::string key_of(std::int64_t workspace, std::string_view id) { return store::key({store::sortable(workspace), id}); }
Error missing(const std::string& id) { return {Errc::not_found, "Can't find a cluster policy with id: " + id + "."}; }

std::string upper(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

/// A built-in policy's id: the same on every server, different in every workspace.
std::string built_in_id(std::int64_t workspace, const PolicyFamily& f) {
  return upper(crypto::to_hex(crypto::sha256(fmt::format("policy/{}/{}", workspace, f.policy_family_id))).substr(0, 16));
}

Policy built_in(std::int64_t workspace, const PolicyFamily& f) {
  Policy p;
  p.policy_id = built_in_id(workspace, f);
  p.name = f.name;
  p.workspace_id = workspace;
  p.description = f.description;
  p.policy_family_id = f.policy_family_id;
  p.definition = f.definition;
  p.is_default = true;
  return p;
}

std::optional<Policy> built_in_with(std::int64_t workspace, std::string_view id) {
  for (const auto& f : policy_families())
    if (built_in_id(workspace, f) == id) return built_in(workspace, f);
  return std::nullopt;
}

std::string listed(const std::vector<std::string>& problems) {
  std::string out;
  for (const auto& p : problems) out += (out.empty() ? "" : "; ") + p;
  return out;
}

Result<void> libraries_fit(const json::value& v) {
  if (v.is_null()) return {};
  if (!v.is_array()) return refuse(Errc::invalid, "Field 'libraries' must be an array");
  if (v.as_array().size() > 500) return refuse(Errc::invalid, "Field 'libraries' must have at most 500 libraries");
  for (const auto& one : v.as_array()) {
    const auto* o = one.if_object();
    const bool known = o && o->size() == 1 &&
                       (o->contains("pypi") || o->contains("whl") || o->contains("jar") || o->contains("maven") || o->contains("cran") ||
                        o->contains("egg") || o->contains("requirements"));
    if (!known) return refuse(Errc::invalid, "Field 'libraries' must hold objects with one of pypi, whl, jar, maven, cran, egg, requirements");
  }
  return {};
}

/// What a request makes of a policy; the definition is parsed, so that what is stored can be enforced.
Result<void> apply(Policy& p, const PolicyRequest& r) {
  if (r.name) p.name = *r.name;
  TARN_CHECK(name_fits("name", p.name));
  p.description = r.description;
  if (p.description && p.description->size() > 1000) return refuse(Errc::invalid, "Field 'description' must have at most 1000 characters");
  p.max_clusters_per_user = r.max_clusters_per_user;
  if (p.max_clusters_per_user && *p.max_clusters_per_user <= 0) return refuse(Errc::invalid, "max_clusters_per_user must be greater than 0");
  TARN_CHECK(libraries_fit(r.libraries));
  p.libraries = r.libraries;
  const bool family = r.policy_family_id && !r.policy_family_id->empty();
  const bool overrides = r.policy_family_definition_overrides && !r.policy_family_definition_overrides->empty();
  if (family && r.definition && !r.definition->empty())
    return refuse(
        Errc::invalid,
        "Field 'definition' cannot be used with 'policy_family_id': use 'policy_family_definition_overrides' to customize the family's definition");
  if (overrides && !family) return refuse(Errc::invalid, "Field 'policy_family_definition_overrides' needs 'policy_family_id'");
  p.policy_family_id.reset();
  p.policy_family_definition_overrides.reset();
  if (family) {
    const auto* f = find_policy_family(*r.policy_family_id);
    if (!f) return refuse(Errc::not_found, "Can't find a policy family with id: " + *r.policy_family_id + ".");
    p.policy_family_id = r.policy_family_id;
    p.definition = f->definition;
    if (overrides) {
      p.policy_family_definition_overrides = r.policy_family_definition_overrides;
      if (auto parsed = PolicyDefinition::parse(*r.policy_family_definition_overrides); !parsed)
        return refuse(Errc::invalid, "Invalid cluster policy definition: " + listed(parsed.error()));
      p.definition = PolicyDefinition::merged(f->definition, *r.policy_family_definition_overrides);
    }
  } else {
    if (!r.definition || r.definition->empty()) return refuse(Errc::invalid, "Field 'definition' is required");
    p.definition = *r.definition;
  }
  if (p.definition.size() > 100'000) return refuse(Errc::invalid, "Field 'definition' must have at most 100000 characters");
  if (auto parsed = PolicyDefinition::parse(p.definition); !parsed)
    return refuse(Errc::invalid, "Invalid cluster policy definition: " + listed(parsed.error()));
  return {};
}

Error taken(const std::string& name) { return {Errc::already_exists, "A cluster policy with the name '" + name + "' already exists"}; }

bool clashes(store::ReadTxn& t, const Policy& p) {
  for (const auto& f : policy_families())
    if (f.name == p.name && built_in_id(p.workspace_id, f) != p.policy_id && !table.get(t, key_of(p.workspace_id, built_in_id(p.workspace_id, f))))
      return true;
  return false;
}

}  // namespace

Policies::Policies(store::Store& store, access::ObjectPermissions& permissions, const Clock& clock)
    : store_(store), permissions_(permissions), clock_(clock) {
  permissions_.add_kind({.type = kType,
                         .levels = {{"CAN_USE", "Can use the policy"}},
                         .creator_level = "",
                         .admin_level = "CAN_USE",
                         .find = [this](std::int64_t workspace, const std::string& id) -> std::optional<access::FoundObject> {
                           if (!find(workspace, id)) return std::nullopt;
                           return access::FoundObject{};
                         },
                         .object_type = "cluster-policy",
                         .missing = "Can't find a cluster policy with id: {}.",
                         .audit_service = "clusterPolicies",
                         .audit_action = "changeClusterPolicyAcl"});
}

Result<Policy> Policies::create(const access::Context& ctx, const PolicyRequest& request) {
  return store_.write_as(ctx.event("clusterPolicies", "create", {{"name", request.name.value_or("")}}), [&](store::WriteTxn& t) -> Result<Policy> {
    Policy p;
    if (!request.name) return refuse(Errc::invalid, "Field 'name' is required");
    p.workspace_id = workspace_of(ctx);
    TARN_CHECK(apply(p, request));
    p.policy_id = upper(new_hex(8));
    p.creator_user_name = ctx.caller.name;
    p.created_at_timestamp = clock_.now();
    if (clashes(t, p) || !table.insert(t, p)) return fail(taken(p.name));
    permissions_.on_created(t, p.workspace_id, {kType, p.policy_id}, ctx.caller);
    t.audit().params["policy_id"] = p.policy_id;
    return p;
  });
}

void Policies::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) {
  for (const auto& p : table.scan(t, store::prefix({store::sortable(workspace_id)}))) table.erase(t, p.store_key());
}

Result<void> Policies::edit(const access::Context& ctx, const PolicyRequest& request) {
  const std::string id = request.policy_id.value_or("");
  if (id.empty()) return refuse(Errc::invalid, "Field 'policy_id' is required");
  return store_.write_as(ctx.event("clusterPolicies", "edit", {{"policy_id", id}}), [&](store::WriteTxn& t) -> Result<void> {
    auto found = table.get(t, key_of(workspace_of(ctx), id));
    auto p = found ? std::optional(found->value) : built_in_with(workspace_of(ctx), id);
    if (!p) return fail(missing(id));
    if (p->is_default) {
      const bool same_name = !request.name || *request.name == p->name;
      const bool same_family = request.policy_family_id.value_or(*p->policy_family_id) == *p->policy_family_id;
      if (!same_name || !same_family || (request.definition && !request.definition->empty()))
        return refuse(Errc::invalid, "The name, family and definition of a built-in policy cannot change: use 'policy_family_definition_overrides'");
      auto kept = request;
      kept.policy_family_id = p->policy_family_id;
      TARN_CHECK(apply(*p, kept));
    } else {
      TARN_CHECK(apply(*p, request));
    }
    if (clashes(t, *p) || !table.put(t, *p)) return fail(taken(p->name));
    return {};
  });
}

Result<void> Policies::remove(const access::Context& ctx, const std::string& id) {
  return store_.write_as(ctx.event("clusterPolicies", "delete", {{"policy_id", id}}), [&](store::WriteTxn& t) -> Result<void> {
    if (built_in_with(workspace_of(ctx), id)) return refuse(Errc::invalid, "A built-in cluster policy cannot be deleted");
    if (!table.erase(t, key_of(workspace_of(ctx), id))) return fail(missing(id));
    permissions_.on_deleted(t, workspace_of(ctx), {kType, id});
    return {};
  });
}

std::optional<Policy> Policies::find(std::int64_t workspace_id, const std::string& id) {
  auto found = store_.read_as([&](store::ReadTxn& t) { return table.get(t, key_of(workspace_id, id)); });
  return found ? std::optional(std::move(found->value)) : built_in_with(workspace_id, id);
}

Result<Policy> Policies::get(const access::Context& ctx, const std::string& id) {
  if (id.empty()) return refuse(Errc::invalid, "Parameter 'policy_id' is required");
  auto p = find(workspace_of(ctx), id);
  if (!p) return fail(missing(id));
  if (!permissions_.allows(ctx, {kType, id}, "CAN_USE")) return refuse(Errc::permission_denied, lacks(ctx, "Use", "Cluster Policy", id));
  return *std::move(p);
}

std::vector<Policy> Policies::list(const access::Context& ctx, bool by_name, bool ascending) {
  const auto workspace = workspace_of(ctx);
  auto all = store_.read_as([&](store::ReadTxn& t) { return table.scan(t, store::prefix({store::sortable(workspace)})); });
  for (const auto& f : policy_families())
    if (const auto id = built_in_id(workspace, f); std::ranges::find(all, id, &Policy::policy_id) == all.end()) all.push_back(built_in(workspace, f));
  std::erase_if(all, [&](const Policy& p) { return !permissions_.allows(ctx, {kType, p.policy_id}, "CAN_USE"); });
  std::ranges::sort(all, [&](const Policy& a, const Policy& b) {
    const bool less = by_name ? std::tie(a.name, a.policy_id) < std::tie(b.name, b.policy_id)
                              : std::tie(a.created_at_timestamp, a.name) < std::tie(b.created_at_timestamp, b.name);
    return ascending ? less : (by_name ? a.name > b.name : std::tie(a.created_at_timestamp, a.name) > std::tie(b.created_at_timestamp, b.name));
  });
  return all;
}

json::value policy_json(const Policy& p) {
  json::object out{{"policy_id", p.policy_id},
                   {"name", p.name},
                   {"definition", p.definition},
                   {"created_at_timestamp", p.created_at_timestamp},
                   {"is_default", p.is_default}};
  if (p.creator_user_name) out["creator_user_name"] = *p.creator_user_name;
  if (p.description && !p.description->empty()) out["description"] = *p.description;
  if (p.policy_family_id) out["policy_family_id"] = *p.policy_family_id;
  if (p.policy_family_definition_overrides) out["policy_family_definition_overrides"] = *p.policy_family_definition_overrides;
  if (p.max_clusters_per_user) out["max_clusters_per_user"] = *p.max_clusters_per_user;
  if (!p.libraries.is_null()) out["libraries"] = p.libraries;
  return out;
}

}  // namespace tarn::compute
