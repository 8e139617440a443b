#pragma once
// Unity Catalog over HTTP: the declared rows and the one mapping from the room's errors to the wire.
#include "api/answers.h"
#include "catalog/service.h"

namespace tarn::catalog {

using api::answer;

/// All rows: account host (metastores, assignments, credentials) and workspace host (everything else).
std::vector<api::Route> routes(UnityCatalog& uc);

api::WireError wire(const Error& error);

// One file a concern.
void add_account_routes(std::vector<api::Route>& out, UnityCatalog& uc);
void add_metastore_routes(std::vector<api::Route>& out, UnityCatalog& uc);
void add_storage_routes(std::vector<api::Route>& out, UnityCatalog& uc);
void add_namespace_routes(std::vector<api::Route>& out, UnityCatalog& uc);
void add_model_routes(std::vector<api::Route>& out, UnityCatalog& uc);     // /api/2.1/unity-catalog/models, functions
void add_registry_routes(std::vector<api::Route>& out, UnityCatalog& uc);  // /api/2.0/mlflow/unity-catalog, as MLflow's client speaks
void add_exchange_routes(std::vector<api::Route>& out, UnityCatalog& uc);
void add_table_routes(std::vector<api::Route>& out, UnityCatalog& uc);
void add_tag_routes(std::vector<api::Route>& out, UnityCatalog& uc);
void add_policy_routes(std::vector<api::Route>& out, UnityCatalog& uc);
void add_grant_routes(std::vector<api::Route>& out, UnityCatalog& uc);
void add_lineage_routes(std::vector<api::Route>& out, UnityCatalog& uc);

/// A workspace row under /api/2.1/unity-catalog for any assigned principal.
api::Route uc_row(api::Method method, const std::string& path, const std::string& group, api::Handler handler);

/// A boolean query parameter; absent is false.
Expected<bool, api::WireError> flag(const api::Request& r, const std::string& name);
std::string text(const api::Request& r, const std::string& name);
/// A parameter that must be there.
Expected<std::string, api::WireError> required(const api::Request& r, const std::string& name);

/// max_results and page_token of a listing: absent means everything at once, 0 the server's page, more than `most` that many.
Expected<PageRequest, api::WireError> page_request(const api::Request& r, const std::string& listing, std::int64_t most, std::int64_t least = 0);

/// {"<field>": [...], "next_page_token": …}, as the vendor leaves out what is empty.
template <class T>
api::Result paged(const std::string& field, const std::string& listing, const Result<Page<T>>& page) {
  if (!page) return fail(wire(page.error()));
  json::object body;
  if (!page->items.empty()) body[field] = json::encode(page->items);
  if (!page->next.empty()) body["next_page_token"] = api::page_token(listing, page->next);
  return api::ok(json::value(std::move(body)));
}

}  // namespace tarn::catalog
