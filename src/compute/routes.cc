#include "compute/routes.h"

#include "base/json_read.h"
#include "compute/node_types.h"
#include "compute/route_rows.h"

namespace tarn::compute {
namespace {

using api::Auth;
using api::Method;
using api::Request;

struct PoolId {
  std::string instance_pool_id;
};
BOOST_DESCRIBE_STRUCT(PoolId, (), (instance_pool_id))
struct PolicyId {
  std::string policy_id;
};
BOOST_DESCRIBE_STRUCT(PolicyId, (), (policy_id))
struct ProfileArn {
  std::string instance_profile_arn;
};
BOOST_DESCRIBE_STRUCT(ProfileArn, (), (instance_profile_arn))

void pool_rows(std::vector<api::Route>& out, Pools& p) {
  const std::string base = "/api/2.0/instance-pools", group = "instance-pools";
  out.push_back(row(Method::POST, base + "/create", group, [&p](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<PoolRequest>(r));
    return answered(p.create(r.context, body), [](const Pool& one) { return json::object{{"instance_pool_id", one.instance_pool_id}}; });
  }));
  out.push_back(row(Method::POST, base + "/edit", group, [&p](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<PoolRequest>(r));
    return answered(p.edit(r.context, body), [](const Pool&) { return json::object{}; });
  }));
  out.push_back(row(Method::GET, base + "/get", group, [&p](const Request& r) -> api::Result {
    return answered(p.get(r.context, r.param("instance_pool_id").value_or("")), [&](const Pool& one) { return pool_json(one, p.stats(one)); });
  }));
  out.push_back(row(Method::GET, base + "/list", group, [&p](const Request& r) -> api::Result {
    json::array list;
    for (const auto& one : p.list(r.context)) list.push_back(pool_json(one, p.stats(one)));
    return api::ok(json::value(json::object{{"instance_pools", std::move(list)}}));
  }));
  out.push_back(row(Method::POST, base + "/delete", group, [&p](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<PoolId>(r));
    return nothing(p.remove(r.context, body.instance_pool_id));
  }));
}

api::Result listed_policies(Policies& p, const Request& r) {
  const auto column = r.param("sort_column").value_or("POLICY_CREATION_TIME");
  const auto order = r.param("sort_order").value_or("DESC");
  if (column != "POLICY_CREATION_TIME" && column != "POLICY_NAME")
    return fail(api::bad_request("Parameter 'sort_column' must be POLICY_CREATION_TIME or POLICY_NAME, got '" + column + "'"));
  if (order != "ASC" && order != "DESC") return fail(api::bad_request("Parameter 'sort_order' must be ASC or DESC, got '" + order + "'"));
  json::array list;
  const auto all = p.list(r.context, column == "POLICY_NAME", order == "ASC");
  for (const auto& one : all) list.push_back(policy_json(one));
  return api::ok(json::value(json::object{{"policies", std::move(list)}, {"total_count", all.size()}}));
}

void policy_rows(std::vector<api::Route>& out, Policies& p) {
  const std::string base = "/api/2.0/policies/clusters", group = "cluster-policies";
  out.push_back(row(
      Method::POST, base + "/create", group,
      [&p](const Request& r) -> api::Result {
        TARN_TRY(body, api::body_of<PolicyRequest>(r));
        return answered(p.create(r.context, body), [](const Policy& one) { return json::object{{"policy_id", one.policy_id}}; });
      },
      Auth::workspace_admin));
  out.push_back(row(
      Method::POST, base + "/edit", group,
      [&p](const Request& r) -> api::Result {
        TARN_TRY(body, api::body_of<PolicyRequest>(r));
        return nothing(p.edit(r.context, body));
      },
      Auth::workspace_admin));
  out.push_back(row(
      Method::POST, base + "/delete", group,
      [&p](const Request& r) -> api::Result {
        TARN_TRY(body, api::body_of<PolicyId>(r));
        return nothing(p.remove(r.context, body.policy_id));
      },
      Auth::workspace_admin));
  out.push_back(row(Method::GET, base + "/get", group,
                    [&p](const Request& r) -> api::Result { return answered(p.get(r.context, r.param("policy_id").value_or("")), policy_json); }));
  out.push_back(row(Method::GET, base + "/list", group, [&p](const Request& r) { return listed_policies(p, r); }));
  out.push_back(row(Method::GET, "/api/2.0/policy-families", "policy-families", [](const Request& r) -> api::Result {
    TARN_TRY(after, api::page_after("policy-families", r.param("page_token")));
    std::int64_t limit = 100;
    if (const auto given = r.param("max_results")) {
      TARN_TRY(n, api::integer("max_results", *given));
      if (n < 1) return fail(api::bad_request("Parameter 'max_results' must be at least 1, got " + *given));
      limit = n;
    }
    json::array list;
    json::object out;
    bool begun = after.empty();
    for (const auto& f : policy_families()) {
      if (!begun) {
        begun = f.policy_family_id == after;
        continue;
      }
      if (static_cast<std::int64_t>(list.size()) == limit) {
        out["next_page_token"] = api::page_token("policy-families", json::text_at(list.back().as_object(), "policy_family_id"));
        break;
      }
      list.push_back(json::encode(f));
    }
    out["policy_families"] = std::move(list);
    return api::ok(json::value(std::move(out)));
  }));
  out.push_back(row(Method::GET, "/api/2.0/policy-families/{policy_family_id}", "policy-families", [](const Request& r) -> api::Result {
    const auto* f = find_policy_family(r.capture("policy_family_id"));
    if (!f) return fail(api::not_found("Can't find a policy family with id: " + r.capture("policy_family_id") + "."));
    return api::ok(*f);
  }));
}

void profile_rows(std::vector<api::Route>& out, InstanceProfiles& p) {
  const std::string base = "/api/2.0/instance-profiles", group = "instance-profiles";
  for (const bool add : {true, false})
    out.push_back(row(
        Method::POST, base + (add ? "/add" : "/edit"), group,
        [&p, add](const Request& r) -> api::Result {
          TARN_TRY(body, api::body_of<AddInstanceProfile>(r));
          return nothing(add ? p.add(r.context, body) : p.edit(r.context, body));
        },
        Auth::workspace_admin));
  out.push_back(row(
      Method::POST, base + "/remove", group,
      [&p](const Request& r) -> api::Result {
        TARN_TRY(body, api::body_of<ProfileArn>(r));
        return nothing(p.remove(r.context, body.instance_profile_arn));
      },
      Auth::workspace_admin));
  out.push_back(row(Method::GET, base + "/list", group, [&p](const Request& r) -> api::Result {
    return api::ok(json::value(json::object{{"instance_profiles", json::encode(p.list(r.context))}}));
  }));
}

}  // namespace

std::vector<api::Route> catalogue_routes(Pools& pools, Policies& policies, InstanceProfiles& profiles, account::WorkspaceDirectory& workspaces) {
  std::vector<api::Route> out;
  pool_rows(out, pools);
  policy_rows(out, policies);
  profile_rows(out, profiles);
  for (const std::string version : {"2.0", "2.1"}) {
    const std::string base = "/api/" + version + "/clusters";
    out.push_back(row(Method::GET, base + "/list-node-types", "clusters", [](const Request&) -> api::Result { return api::ok(node_types_json()); }));
    out.push_back(row(Method::GET, base + "/spark-versions", "clusters", [](const Request&) -> api::Result {
      json::array list;
      for (const auto& v : runtimes()) list.push_back({{"key", v.key}, {"name", v.name}});
      return api::ok(json::value(json::object{{"versions", std::move(list)}}));
    }));
    out.push_back(row(Method::GET, base + "/list-zones", "clusters", [&workspaces](const Request& r) -> api::Result {
      const auto w = workspaces.by_id(workspace_of(r.context));
      const auto all = zones(w ? w->region : "");
      return api::ok(json::value(json::object{{"zones", json::encode(all)}, {"default_zone", all.front()}}));
    }));
  }
  return out;
}

}  // namespace tarn::compute
