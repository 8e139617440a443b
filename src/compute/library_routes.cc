#include "compute/libraries.h"
#include "compute/route_rows.h"

namespace tarn::compute {
namespace {

using api::Method;
using api::Request;

struct LibrariesBody {
  std::string cluster_id;
  std::vector<Library> libraries;
};
BOOST_DESCRIBE_STRUCT(LibrariesBody, (), (cluster_id, libraries))

json::object statuses_json(const std::string& cluster_id, const std::vector<LibraryStatus>& all) {
  json::object out{{"cluster_id", cluster_id}};
  json::array list;
  for (const auto& s : all) {
    json::object one{{"library", json::encode(s.library)}, {"status", json::name_of(s.status)}, {"is_library_for_all_clusters", false}};
    if (!s.messages.empty()) one["messages"] = json::encode(s.messages);
    list.push_back(std::move(one));
  }
  if (!list.empty()) out["library_statuses"] = std::move(list);
  return out;
}

}  // namespace

std::vector<api::Route> library_routes(Libraries& libraries) {
  std::vector<api::Route> out;
  const std::string base = "/api/2.0/libraries/", group = "libraries";
  out.push_back(row(Method::GET, base + "cluster-status", group, [&libraries](const Request& r) -> api::Result {
    const auto id = r.param("cluster_id").value_or("");
    return answered(libraries.status(r.context, id), [&](const auto& all) { return statuses_json(id, all); });
  }));
  out.push_back(row(Method::GET, base + "all-cluster-statuses", group, [&libraries](const Request& r) -> api::Result {
    json::object body;
    json::array list;
    for (const auto& [id, all] : libraries.all(r.context)) list.push_back(statuses_json(id, all));
    if (!list.empty()) body["statuses"] = std::move(list);
    return api::ok(json::value(std::move(body)));
  }));
  out.push_back(row(Method::POST, base + "install", group, [&libraries](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<LibrariesBody>(r));
    return nothing(libraries.install(r.context, body.cluster_id, body.libraries));
  }));
  out.push_back(row(Method::POST, base + "uninstall", group, [&libraries](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<LibrariesBody>(r));
    return nothing(libraries.uninstall(r.context, body.cluster_id, body.libraries));
  }));
  return out;
}

}  // namespace tarn::compute
