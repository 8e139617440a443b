// Catalogs, schemas and volumes.
#include "catalog/routes.h"

namespace tarn::catalog {
namespace {

using api::Method;
using api::Request;

}  // namespace

void add_namespace_routes(std::vector<api::Route>& out, UnityCatalog& uc) {
  auto& c = uc.catalog_service();
  auto& s = uc.schema_service();
  auto& v = uc.volumes();

  out.push_back(uc_row(Method::POST, "/catalogs", "catalogs", [&c](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<NewCatalog>(r));
    return answer(c.create(r.context, body));
  }));
  out.push_back(uc_row(Method::GET, "/catalogs", "catalogs", [&c](const Request& r) -> api::Result {
    TARN_TRY(page, page_request(r, "catalogs", 1000));
    TARN_TRY(browse, flag(r, "include_browse"));
    return paged("catalogs", "catalogs", c.list(r.context, page, browse));
  }));
  out.push_back(uc_row(Method::GET, "/catalogs/{name}", "catalogs", [&c](const Request& r) -> api::Result {
    TARN_TRY(browse, flag(r, "include_browse"));
    return answer(c.get(r.context, r.capture("name"), browse));
  }));
  out.push_back(uc_row(Method::PATCH, "/catalogs/{name}", "catalogs", [&c](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<CatalogChange>(r));
    return answer(c.update(r.context, r.capture("name"), body));
  }));
  out.push_back(uc_row(Method::DELETE, "/catalogs/{name}", "catalogs", [&c](const Request& r) -> api::Result {
    TARN_TRY(force, flag(r, "force"));
    return answer(c.remove(r.context, r.capture("name"), force));
  }));

  out.push_back(uc_row(Method::POST, "/schemas", "schemas", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<NewSchema>(r));
    return answer(s.create(r.context, body));
  }));
  out.push_back(uc_row(Method::GET, "/schemas", "schemas", [&s](const Request& r) -> api::Result {
    TARN_TRY(catalog, required(r, "catalog_name"));
    TARN_TRY(page, page_request(r, "schemas " + catalog, 1000));
    TARN_TRY(browse, flag(r, "include_browse"));
    return paged("schemas", "schemas " + catalog, s.list(r.context, catalog, page, browse));
  }));
  out.push_back(uc_row(Method::GET, "/schemas/{full_name}", "schemas", [&s](const Request& r) -> api::Result {
    TARN_TRY(browse, flag(r, "include_browse"));
    return answer(s.get(r.context, r.capture("full_name"), browse));
  }));
  out.push_back(uc_row(Method::PATCH, "/schemas/{full_name}", "schemas", [&s](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<SchemaChange>(r));
    return answer(s.update(r.context, r.capture("full_name"), body));
  }));
  out.push_back(uc_row(Method::DELETE, "/schemas/{full_name}", "schemas", [&s](const Request& r) -> api::Result {
    TARN_TRY(force, flag(r, "force"));
    return answer(s.remove(r.context, r.capture("full_name"), force));
  }));

  out.push_back(uc_row(Method::POST, "/volumes", "volumes", [&v](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<NewVolume>(r));
    return answer(v.create(r.context, body));
  }));
  out.push_back(uc_row(Method::GET, "/volumes", "volumes", [&v](const Request& r) -> api::Result {
    TARN_TRY(catalog, required(r, "catalog_name"));
    TARN_TRY(schema, required(r, "schema_name"));
    const std::string listing = "volumes " + catalog + "." + schema;
    TARN_TRY(page, page_request(r, listing, 1000));
    TARN_TRY(browse, flag(r, "include_browse"));
    return paged("volumes", listing, v.list(r.context, catalog, schema, page, browse));
  }));
  out.push_back(uc_row(Method::GET, "/volumes/{name}", "volumes", [&v](const Request& r) -> api::Result {
    TARN_TRY(browse, flag(r, "include_browse"));
    return answer(v.get(r.context, r.capture("name"), browse));
  }));
  out.push_back(uc_row(Method::PATCH, "/volumes/{name}", "volumes", [&v](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<VolumeChange>(r));
    return answer(v.update(r.context, r.capture("name"), body));
  }));
  out.push_back(
      uc_row(Method::DELETE, "/volumes/{name}", "volumes", [&v](const Request& r) { return answer(v.remove(r.context, r.capture("name"))); }));
}

}  // namespace tarn::catalog
