#include "permissions/routes.h"

#include "api/answers.h"

namespace tarn::permissions {
namespace {

using api::answer;
using api::Method;
using api::Request;

struct Body {
  std::vector<AccessRequest> access_control_list;
};
BOOST_DESCRIBE_STRUCT(Body, (), (access_control_list))

api::Result levels(Service& service, const Request& r, const std::string& type) {
  const auto all = service.levels(r.context, type, r.capture("object_id"));
  if (!all) return fail(wire(all.error()));
  json::array out;
  for (const auto& l : *all) out.push_back(json::object{{"permission_level", l.name}, {"description", l.description}});
  return api::ok(json::value(json::object{{"permission_levels", std::move(out)}}));
}

}  // namespace

std::vector<api::Route> routes(Service& service) {
  std::vector<api::Route> out;
  // "sql/warehouses" and its like are types of two segments.
  for (const std::string base : {"/api/2.0/permissions", "/api/2.0/preview/permissions"})
    for (const std::string prefix : {"", "sql/"}) {
      const auto add = [&](Method method, const char* path, auto act) {
        out.push_back(
            {.method = method,
             .pattern = base + "/" + prefix + "{object_type}/{object_id}" + path,
             .surface = api::Surface::workspace,
             .auth = api::Auth::authenticated,
             .group = "permissions",
             .handler = api::Handler([prefix, act](const Request& r) -> api::Result { return act(r, prefix + r.capture("object_type")); })});
      };
      add(Method::GET, "",
          [&service](const Request& r, const std::string& type) { return answer(service.get(r.context, type, r.capture("object_id"))); });
      add(Method::GET, "/permissionLevels", [&service](const Request& r, const std::string& type) { return levels(service, r, type); });
      for (const auto method : {Method::PUT, Method::PATCH})
        add(method, "", [&service, method](const Request& r, const std::string& type) -> api::Result {
          TARN_TRY(body, api::body_of<Body>(r));
          return answer(
              service.set(r.context, type, r.capture("object_id"), body.access_control_list, method == Method::PUT ? Change::replace : Change::add));
        });
    }
  return out;
}

}  // namespace tarn::permissions
