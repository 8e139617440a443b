// Permissions, effective permissions and workspace bindings.
#include "catalog/names.h"
#include "catalog/routes.h"

namespace tarn::catalog {
namespace {

using api::Method;
using api::Request;

struct PermissionsBody {
  std::vector<PermissionsChange> changes;
  std::optional<bool> omit_permissions_in_response;
};
BOOST_DESCRIBE_STRUCT(PermissionsBody, (), (changes, omit_permissions_in_response))
struct BindingsBody {
  std::vector<Binding> add, remove;
};
BOOST_DESCRIBE_STRUCT(BindingsBody, (), (add, remove))
struct LegacyBindingsBody {
  std::vector<std::int64_t> assign_workspaces, unassign_workspaces;
};
BOOST_DESCRIBE_STRUCT(LegacyBindingsBody, (), (assign_workspaces, unassign_workspaces))

Expected<SecurableType, api::WireError> type_of(const Request& r) {
  const auto text = r.capture("securable_type");
  const auto t = parse_securable_type(text);
  if (t && *t != SecurableType::SHARE && *t != SecurableType::RECIPIENT && *t != SecurableType::PROVIDER) return *t;
  return fail(api::bad_request("'" + text +
                               "' is not a securable type that can be granted on here: metastore, catalog, schema, table, volume, function, "
                               "storage_credential, external_location and connection are"));
}

/// Rows, sorted by principal, as the wire groups them: one assignment a principal; whole principals to a page of at most `limit` privileges.
json::value grouped(const std::vector<GrantRow>& rows, bool effective, const PageRequest& page, const std::string& listing) {
  json::array assignments;
  std::size_t count = 0;
  std::string last;
  json::object body;
  for (std::size_t i = 0; i < rows.size();) {
    const std::string& principal = rows[i].principal;
    std::size_t end = i;
    while (end < rows.size() && rows[end].principal == principal) ++end;
    if (!page.after.empty() && principal <= page.after) {
      i = end;
      continue;
    }
    if (page.limit && count > 0 && count + (end - i) > page.limit) {
      body["next_page_token"] = api::page_token(listing, last);
      break;
    }
    count += end - i;
    last = principal;
    json::array privileges;
    for (; i < end; ++i) {
      const auto& row = rows[i];
      if (!effective) {
        privileges.push_back(json::value(json::name_of(row.privilege)));
        continue;
      }
      json::object p{{"privilege", json::name_of(row.privilege)}};
      if (row.inherited_from_type)
        p["inherited_from_type"] = json::name_of(*row.inherited_from_type), p["inherited_from_name"] = *row.inherited_from_name;
      privileges.push_back(std::move(p));
    }
    assignments.push_back(json::object{{"principal", principal}, {"privileges", std::move(privileges)}});
  }
  if (!assignments.empty()) body["privilege_assignments"] = std::move(assignments);
  return body;
}

api::Result permissions(Grants& g, const Request& r, bool effective) {
  TARN_TRY(type, type_of(r));
  const std::string listing = std::string(effective ? "effective " : "permissions ") + r.capture("securable_type") + " " + r.capture("full_name");
  TARN_TRY(page, page_request(r, listing, 10000, 150));
  const auto rows = effective ? g.effective(r.context, type, r.capture("full_name"), r.param("principal"))
                              : g.direct(r.context, type, r.capture("full_name"), r.param("principal"));
  if (!rows) return fail(wire(rows.error()));
  return api::ok(grouped(*rows, effective, page, listing));
}

json::value bindings_body(const std::vector<Binding>& bindings) {
  json::object body;
  if (!bindings.empty()) body["bindings"] = json::encode(bindings);
  return body;
}

json::value legacy_body(const std::vector<Binding>& bindings) {
  json::array ids;
  for (const auto& b : bindings) ids.push_back(b.workspace_id);
  return json::object{{"workspaces", std::move(ids)}};
}

}  // namespace

void add_grant_routes(std::vector<api::Route>& out, UnityCatalog& uc) {
  auto& g = uc.grant_service();
  auto& b = uc.bindings();
  out.push_back(
      uc_row(Method::GET, "/permissions/{securable_type}/{full_name}", "grants", [&g](const Request& r) { return permissions(g, r, false); }));
  out.push_back(uc_row(Method::GET, "/effective-permissions/{securable_type}/{full_name}", "grants",
                       [&g](const Request& r) { return permissions(g, r, true); }));
  out.push_back(uc_row(Method::PATCH, "/permissions/{securable_type}/{full_name}", "grants", [&g](const Request& r) -> api::Result {
    TARN_TRY(type, type_of(r));
    TARN_TRY(body, api::body_of<PermissionsBody>(r));
    const auto done = g.update(r.context, type, r.capture("full_name"), body.changes);
    if (!done) return fail(wire(done.error()));
    if (body.omit_permissions_in_response.value_or(false)) return api::ok();
    const auto rows = g.direct(r.context, type, r.capture("full_name"), std::nullopt);
    if (!rows) return api::ok();  // the caller may just have given away the right to see them
    return api::ok(grouped(*rows, false, {}, ""));
  }));

  out.push_back(uc_row(Method::GET, "/bindings/{securable_type}/{securable_name}", "workspace-bindings", [&b](const Request& r) -> api::Result {
    TARN_TRY(type, type_of(r));
    const auto found = b.get(r.context, type, r.capture("securable_name"));
    if (!found) return fail(wire(found.error()));
    return api::ok(bindings_body(*found));
  }));
  out.push_back(uc_row(Method::PATCH, "/bindings/{securable_type}/{securable_name}", "workspace-bindings", [&b](const Request& r) -> api::Result {
    TARN_TRY(type, type_of(r));
    TARN_TRY(body, api::body_of<BindingsBody>(r));
    const auto now = b.update(r.context, type, r.capture("securable_name"), body.add, body.remove);
    if (!now) return fail(wire(now.error()));
    return api::ok(bindings_body(*now));
  }));
  out.push_back(uc_row(Method::GET, "/workspace-bindings/catalogs/{name}", "workspace-bindings", [&b](const Request& r) -> api::Result {
    const auto found = b.get(r.context, SecurableType::CATALOG, r.capture("name"));
    if (!found) return fail(wire(found.error()));
    return api::ok(legacy_body(*found));
  }));
  out.push_back(uc_row(Method::PATCH, "/workspace-bindings/catalogs/{name}", "workspace-bindings", [&b](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<LegacyBindingsBody>(r));
    std::vector<Binding> add, remove;
    for (const auto id : body.assign_workspaces) add.push_back({.workspace_id = id});
    for (const auto id : body.unassign_workspaces) remove.push_back({.workspace_id = id});
    const auto now = b.update(r.context, SecurableType::CATALOG, r.capture("name"), add, remove);
    if (!now) return fail(wire(now.error()));
    return api::ok(legacy_body(*now));
  }));
}

}  // namespace tarn::catalog
