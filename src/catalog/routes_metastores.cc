// The workspace host's view of metastores and assignments.
#include "catalog/routes.h"

namespace tarn::catalog {
namespace {

using api::Method;
using api::Request;

struct AssignBody {
  std::string metastore_id;
  std::optional<std::string> default_catalog_name;
};
BOOST_DESCRIBE_STRUCT(AssignBody, (), (metastore_id, default_catalog_name))
struct AssignChange {
  std::optional<std::string> metastore_id, default_catalog_name;
};
BOOST_DESCRIBE_STRUCT(AssignChange, (), (metastore_id, default_catalog_name))

}  // namespace

void add_metastore_routes(std::vector<api::Route>& out, UnityCatalog& uc) {
  auto& m = uc.metastores();
  out.push_back(uc_row(Method::POST, "/metastores", "metastores", [&m](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<NewMetastore>(r));
    return answer(m.create(r.context, body));
  }));
  out.push_back(uc_row(Method::GET, "/metastores", "metastores", [&m](const Request& r) -> api::Result {
    const auto all = m.list(r.context);
    if (!all) return fail(wire(all.error()));
    return api::ok(json::value(json::object{{"metastores", json::encode(*all)}}));
  }));
  out.push_back(uc_row(Method::GET, "/metastores/{id}", "metastores", [&m](const Request& r) { return answer(m.get(r.context, r.capture("id"))); }));
  out.push_back(uc_row(Method::PATCH, "/metastores/{id}", "metastores", [&m](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<MetastoreChange>(r));
    return answer(m.update(r.context, r.capture("id"), body));
  }));
  out.push_back(uc_row(Method::DELETE, "/metastores/{id}", "metastores", [&m](const Request& r) -> api::Result {
    TARN_TRY(force, flag(r, "force"));
    return answer(m.remove(r.context, r.capture("id"), force));
  }));
  // The one system schema there is comes enabled and stays so.
  const std::string schemas = "/metastores/{id}/systemschemas";
  out.push_back(uc_row(Method::GET, schemas, "system-schemas", [&m](const Request& r) -> api::Result {
    const auto found = m.get(r.context, r.capture("id"));
    if (!found) return fail(wire(found.error()));
    return api::ok(json::value(json::object{{"schemas", json::array{json::object{{"schema", "access"}, {"state", "ENABLE_COMPLETED"}}}}}));
  }));
  for (const Method method : {Method::PUT, Method::DELETE})
    out.push_back(uc_row(method, schemas + "/{schema}", "system-schemas", [&m, method](const Request& r) -> api::Result {
      const auto found = m.get(r.context, r.capture("id"));
      if (!found) return fail(wire(found.error()));
      if (method == Method::PUT && r.capture("schema") == "access") return api::ok();
      return fail(api::not_enabled((method == Method::PUT ? "System schema '" : "Disabling system schema '") + r.capture("schema") + "'"));
    }));
  out.push_back(uc_row(Method::GET, "/metastore_summary", "metastores", [&m](const Request& r) { return answer(m.summary(r.context)); }));
  out.push_back(uc_row(Method::GET, "/current-metastore-assignment", "metastores",
                       [&m](const Request& r) { return answer(m.assignment(r.context, r.context.workspace_id.value_or(0))); }));
  out.push_back(uc_row(Method::PUT, "/workspaces/{workspace_id}/metastore", "metastores", [&m](const Request& r) -> api::Result {
    TARN_TRY(id, api::integer("workspace_id", r.capture("workspace_id")));
    TARN_TRY(body, api::body_of<AssignBody>(r));
    return answer(m.assign(r.context, id, body.metastore_id, body.default_catalog_name, true));
  }));
  out.push_back(uc_row(Method::PATCH, "/workspaces/{workspace_id}/metastore", "metastores", [&m](const Request& r) -> api::Result {
    TARN_TRY(id, api::integer("workspace_id", r.capture("workspace_id")));
    TARN_TRY(body, api::body_of<AssignChange>(r));
    return answer(m.update_assignment(r.context, id, body.metastore_id, body.default_catalog_name));
  }));
  out.push_back(uc_row(Method::DELETE, "/workspaces/{workspace_id}/metastore", "metastores", [&m](const Request& r) -> api::Result {
    TARN_TRY(id, api::integer("workspace_id", r.capture("workspace_id")));
    TARN_TRY(metastore_id, required(r, "metastore_id"));
    return answer(m.unassign(r.context, id, metastore_id));
  }));
}

}  // namespace tarn::catalog
