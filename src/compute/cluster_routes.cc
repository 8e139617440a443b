#include <charconv>

#include "base/json_read.h"
#include "compute/contexts.h"
#include "compute/route_rows.h"

namespace tarn::compute {
namespace {

using api::Auth;
using api::Method;
using api::Request;

struct ClusterId {
  std::string cluster_id;
};
BOOST_DESCRIBE_STRUCT(ClusterId, (), (cluster_id))
struct NewOwner {
  std::string cluster_id, owner_username;
};
BOOST_DESCRIBE_STRUCT(NewOwner, (), (cluster_id, owner_username))
struct Resize {
  std::string cluster_id;
  std::optional<int> num_workers;
  std::optional<AutoScale> autoscale;
};
BOOST_DESCRIBE_STRUCT(Resize, (), (cluster_id, num_workers, autoscale))
struct Update {
  std::string cluster_id, update_mask;
  json::value cluster;
};
BOOST_DESCRIBE_STRUCT(Update, (), (cluster_id, update_mask, cluster))

struct NewContext {
  std::string clusterId, language;
};
BOOST_DESCRIBE_STRUCT(NewContext, (), (clusterId, language))
struct OldContext {
  std::string clusterId, contextId;
};
BOOST_DESCRIBE_STRUCT(OldContext, (), (clusterId, contextId))
struct NewCommand {
  std::string clusterId, contextId, language, command;
};
BOOST_DESCRIBE_STRUCT(NewCommand, (), (clusterId, contextId, language, command))
struct OldCommand {
  std::string clusterId, contextId, commandId;
};
BOOST_DESCRIBE_STRUCT(OldCommand, (), (clusterId, contextId, commandId))

/// GET list: filters, sorting and pages as query parameters (filter_by.is_pinned=true).
api::Result listed(Clusters& c, const Request& r, bool paged) {
  auto all = c.list(r.context);
  const auto wanted = [&](const char* name) {
    std::set<std::string> out;
    for (auto [i, end] = r.query.equal_range(name); i != end; ++i)
      for (std::size_t at = 0; at <= i->second.size();) {
        const auto comma = std::min(i->second.find(',', at), i->second.size());
        out.insert(i->second.substr(at, comma - at));
        at = comma + 1;
      }
    return out;
  };
  const auto states = wanted("filter_by.cluster_states"), sources = wanted("filter_by.cluster_sources");
  const auto pinned = r.param("filter_by.is_pinned"), policy = r.param("filter_by.policy_id");
  std::erase_if(all, [&](const ClusterRecord& one) {
    return (!states.empty() && !states.contains(std::string(json::name_of(one.state)))) ||
           (!sources.empty() && !sources.contains(one.cluster_source)) || (pinned && one.pinned != (*pinned == "true")) ||
           (policy && one.spec.policy_id.value_or("") != *policy);
  });
  if (r.param("sort_by.field") == "CLUSTER_NAME")
    std::ranges::sort(all, [](const auto& a, const auto& b) {
      return std::tie(*a.spec.cluster_name, a.cluster_id) < std::tie(*b.spec.cluster_name, b.cluster_id);
    });
  if (r.param("sort_by.direction") == "ASC" && !r.param("sort_by.field")) std::ranges::reverse(all);
  std::size_t limit = all.size();
  if (paged) {
    std::int64_t size = 20;
    if (const auto given = r.param("page_size")) {
      TARN_TRY(n, api::integer("page_size", *given));
      if (n < 1 || n > 100) return fail(api::bad_request("Parameter 'page_size' must be between 1 and 100, got " + *given));
      size = n;
    }
    limit = static_cast<std::size_t>(size);
  }
  TARN_TRY(after, api::page_after("clusters", r.param("page_token")));
  std::size_t from = 0;
  if (!after.empty()) {
    const auto i = std::ranges::find(all, after, &ClusterRecord::cluster_id);
    from = i == all.end() ? 0 : static_cast<std::size_t>(i - all.begin()) + 1;
  }
  json::array list;
  for (auto i = from; i < all.size() && list.size() < limit; ++i) list.push_back(cluster_json(all[i]));
  json::object out;
  if (from + list.size() < all.size()) out["next_page_token"] = api::page_token("clusters", all[from + list.size() - 1].cluster_id);
  if (!list.empty()) out["clusters"] = std::move(list);
  return api::ok(json::value(std::move(out)));
}

api::Result events(Clusters& c, const Request& r) {
  TARN_TRY(q, api::body_of<EventsQuery>(r));
  if (q.page_token) {
    TARN_TRY(after, api::page_after("cluster-events", q.page_token));
    std::int64_t n = 0;
    std::from_chars(after.data(), after.data() + after.size(), n);
    q.offset = n;
  }
  auto page = c.events(r.context, q);
  if (!page) return fail(wire(page.error()));
  json::array list;
  for (const auto& e : page->events)
    list.push_back(json::object{{"cluster_id", e.cluster_id}, {"timestamp", e.timestamp}, {"type", e.type}, {"details", e.details}});
  json::object out{{"events", std::move(list)}, {"total_count", page->total}};
  if (page->next_offset) {
    json::object next = json::encode(q).as_object();
    next["offset"] = *page->next_offset;
    next.erase("page_token");
    out["next_page"] = std::move(next);
    out["next_page_token"] = api::page_token("cluster-events", std::to_string(*page->next_offset));
  }
  return api::ok(json::value(std::move(out)));
}

json::object violations_json(const std::vector<PolicyViolation>& all) {
  json::object out;
  for (const auto& v : all) out[v.path] = v.message;
  return out;
}

json::value made(const ClusterRecord& c) { return json::object{{"cluster_id", c.cluster_id}}; }
json::value none(const ClusterRecord&) { return json::object{}; }

void add_cluster_rows(std::vector<api::Route>& out, Clusters& c, const std::string& version) {
  const std::string base = "/api/" + version + "/clusters", group = "clusters";
  out.push_back(row(Method::POST, base + "/create", group, [&c](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<ClusterSpec>(r));
    return answered(c.create(r.context, body), made);
  }));
  out.push_back(row(Method::POST, base + "/edit", group, [&c](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<ClusterEdit>(r));
    return answered(c.edit(r.context, body.cluster_id, body), none);
  }));
  out.push_back(row(Method::POST, base + "/update", group, [&c](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<Update>(r));
    return answered(c.update(r.context, body.cluster_id, body.cluster.is_object() ? body.cluster.as_object() : json::object{}, body.update_mask),
                    none);
  }));
  out.push_back(row(Method::GET, base + "/get", group,
                    [&c](const Request& r) -> api::Result { return answered(c.get(r.context, r.param("cluster_id").value_or("")), cluster_json); }));
  out.push_back(row(Method::GET, base + "/list", group, [&c, version](const Request& r) { return listed(c, r, version != "2.0"); }));
  out.push_back(row(Method::POST, base + "/events", group, [&c](const Request& r) { return events(c, r); }));
  const auto by_id = [&](const std::string& verb, auto method, Auth auth = Auth::authenticated) {
    out.push_back(row(
        Method::POST, base + "/" + verb, group,
        [method](const Request& r) -> api::Result {
          TARN_TRY(body, api::body_of<ClusterId>(r));
          return nothing(method(r.context, body.cluster_id));
        },
        auth));
  };
  using access::Context;
  by_id("start", [&c](const Context& ctx, const std::string& id) { return c.start(ctx, id); });
  by_id("restart", [&c](const Context& ctx, const std::string& id) { return c.restart(ctx, id); });
  by_id("delete", [&c](const Context& ctx, const std::string& id) { return c.terminate(ctx, id); });
  by_id("permanent-delete", [&c](const Context& ctx, const std::string& id) { return c.permanent_delete(ctx, id); });
  by_id(
      "pin", [&c](const Context& ctx, const std::string& id) { return c.pin(ctx, id, true); }, Auth::workspace_admin);
  by_id(
      "unpin", [&c](const Context& ctx, const std::string& id) { return c.pin(ctx, id, false); }, Auth::workspace_admin);
  out.push_back(row(
      Method::POST, base + "/change-owner", group,
      [&c](const Request& r) -> api::Result {
        TARN_TRY(body, api::body_of<NewOwner>(r));
        return nothing(c.change_owner(r.context, body.cluster_id, body.owner_username));
      },
      Auth::workspace_admin));
  out.push_back(row(Method::POST, base + "/resize", group, [&c](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<Resize>(r));
    return nothing(c.resize(r.context, body.cluster_id, body.num_workers, body.autoscale));
  }));
}

void add_compliance_rows(std::vector<api::Route>& out, Clusters& c) {
  const std::string base = "/api/2.0/policies/clusters";
  out.push_back(row(Method::GET, base + "/get-compliance", "cluster-policies", [&c](const Request& r) -> api::Result {
    return answered(c.compliance(r.context, r.param("cluster_id").value_or("")), [](const std::vector<PolicyViolation>& all) {
      json::object o{{"is_compliant", all.empty()}};
      if (!all.empty()) o["violations"] = violations_json(all);
      return o;
    });
  }));
  out.push_back(row(Method::GET, base + "/list-compliance", "cluster-policies", [&c](const Request& r) -> api::Result {
    const auto policy = r.param("policy_id").value_or("");
    if (policy.empty()) return fail(api::bad_request("Parameter 'policy_id' is required"));
    json::array list;
    for (const auto& one : c.with_policy(r.context, policy)) {
      auto v = c.compliance(r.context, one.cluster_id);
      if (!v) continue;
      json::object o{{"cluster_id", one.cluster_id}, {"is_compliant", v->empty()}};
      if (!v->empty()) o["violations"] = violations_json(*v);
      list.push_back(std::move(o));
    }
    return api::ok(json::value(json::object{{"clusters", std::move(list)}}));
  }));
}

json::value command_json(const Command& c) {
  json::object o{{"id", c.id}, {"status", json::name_of(c.status)}};
  o["results"] = c.results;
  return o;
}

void add_context_rows(std::vector<api::Route>& out, Contexts& x) {
  const std::string group = "command-execution";
  const auto id = [](const std::string& one) { return json::object{{"id", one}}; };
  out.push_back(row(Method::POST, "/api/1.2/contexts/create", group, [&x, id](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<NewContext>(r));
    return answered(x.create(r.context, body.clusterId, body.language), id);
  }));
  out.push_back(row(Method::GET, "/api/1.2/contexts/status", group, [&x](const Request& r) -> api::Result {
    const auto context = r.param("contextId").value_or("");
    return answered(x.status(r.context, r.param("clusterId").value_or(""), context), [&](ContextStatus s) {
      return json::object{{"id", context}, {"status", json::name_of(s)}};
    });
  }));
  out.push_back(row(Method::POST, "/api/1.2/contexts/destroy", group, [&x](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<OldContext>(r));
    auto done = x.destroy(r.context, body.clusterId, body.contextId);
    if (!done) return fail(wire(done.error()));
    return api::ok(json::value(json::object{{"id", body.contextId}}));
  }));
  out.push_back(row(Method::POST, "/api/1.2/commands/execute", group, [&x, id](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<NewCommand>(r));
    if (body.language.empty()) return fail(api::bad_request("Field 'language' is required"));
    return answered(x.execute(r.context, body.clusterId, body.contextId, body.command, body.language), id);
  }));
  out.push_back(row(Method::GET, "/api/1.2/commands/status", group, [&x](const Request& r) -> api::Result {
    return answered(x.command(r.context, r.param("clusterId").value_or(""), r.param("contextId").value_or(""), r.param("commandId").value_or("")),
                    command_json);
  }));
  out.push_back(row(Method::POST, "/api/1.2/commands/cancel", group, [&x](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<OldCommand>(r));
    auto done = x.cancel(r.context, body.clusterId, body.contextId, body.commandId);
    if (!done) return fail(wire(done.error()));
    return api::ok(json::value(json::object{{"id", body.commandId}}));
  }));
}

}  // namespace

std::vector<api::Route> cluster_routes(Clusters& clusters, Contexts& contexts) {
  std::vector<api::Route> out;
  for (const std::string version : {"2.0", "2.1"}) add_cluster_rows(out, clusters, version);
  add_compliance_rows(out, clusters);
  add_context_rows(out, contexts);
  return out;
}

}  // namespace tarn::compute
