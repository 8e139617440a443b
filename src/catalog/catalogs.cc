#include "catalog/catalogs.h"

#include "base/ids.h"
#include "catalog/claims.h"
#include "catalog/drops.h"
#include "catalog/metastores.h"
#include "catalog/names.h"

namespace tarn::catalog {

Result<void> check_storage_root(store::ReadTxn& t, const access::Context& ctx, const MetastoreRecord& m, std::string_view url,
                                std::string_view call) {
  TARN_CHECK(location_for(t, ctx, m, url, Privilege::CREATE_MANAGED_STORAGE));
  return check_free_for_managed(t, ctx, m, url, call);
}

void insert_catalog(store::WriteTxn& t, const CatalogRecord& from, const Access& default_schema, const Principal& creator, Millis now) {
  CatalogRecord catalog = from;
  if (catalog.info.created_at == 0) {
    catalog.info.created_at = catalog.info.updated_at = now;
    catalog.info.created_by = catalog.info.updated_by = creator.name;
  }
  if (!kCatalogs.insert(t, catalog)) throw std::logic_error("a catalog slipped past its checks");
  const auto add = [&](std::string_view name, const Access& access, std::optional<std::string> comment) {
    SchemaRecord s;
    s.info.schema_id = new_uuid();
    s.info.name = name;
    s.info.metastore_id = catalog.info.metastore_id;
    s.info.comment = std::move(comment);
    s.info.created_at = s.info.updated_at = now;
    s.info.created_by = s.info.updated_by = creator.name;
    s.catalog_id = catalog.info.id;
    s.access = access;
    if (!kSchemas.insert(t, s)) throw std::logic_error("a new catalog holds a schema already");
  };
  add(kInformationSchema, {system_principal(), {}}, "Information schema (auto-created)");
  if (catalog.info.catalog_type == CatalogType::MANAGED_CATALOG) add("default", default_schema, "Default schema (auto-created)");
}

Result<CatalogInfo> Catalogs::create(const access::Context& ctx, const NewCatalog& request, bool if_not_exists) {
  const std::map<std::string, std::string> params{
      {"name", request.name}, {"comment", request.comment.value_or("")}, {"storage_root", request.storage_root.value_or("")}};
  const auto name = checked_name(request.name, "CreateCatalog", "CatalogInfo.name");
  std::optional<std::string> root;
  std::optional<Error> problem;
  if (!name)
    problem = name.error();
  else if (request.provider_name || request.share_name)
    problem = Error{Errc::not_enabled, "Delta Sharing catalogs are not enabled in this account."};
  else if (request.connection_name)
    problem = Error{Errc::not_enabled, "Foreign catalogs are not enabled in this account."};
  else if (request.storage_root && !request.storage_root->empty()) {
    auto url = checked_url(*request.storage_root, "CreateCatalog", "CatalogInfo.storage_root");
    if (url)
      root = *std::move(url);
    else
      problem = url.error();
  }
  auto made = change(core_, ctx, "createCatalog", params, [&](store::WriteTxn& t) -> Result<CatalogRecord> {
    TARN_TRY(m, current_metastore(t, ctx));
    const Place here{.metastore = m};
    if (if_not_exists && name)
      if (auto there = kCatalogs.get(t, store::key({m.info.metastore_id, *name}))) return std::move(there->value);
    TARN_CHECK(allowed(check(here.path(), subject(ctx), Privilege::CREATE_CATALOG)));
    if (problem) return fail(*problem);
    if (kCatalogs.get(t, store::key({m.info.metastore_id, *name})) || *name == "hive_metastore")
      return fail(exists_already(SecurableType::CATALOG, *name));
    CatalogRecord c;
    c.info.id = new_uuid();
    c.info.name = *name;
    c.info.metastore_id = m.info.metastore_id;
    c.info.comment = request.comment;
    c.info.properties = request.properties;
    c.info.options = request.options;
    stamp_new(c.info, core_, ctx);
    c.access.owner = principal_of(ctx);
    if (root) {
      TARN_CHECK(check_storage_root(t, ctx, m, *root, "CreateCatalog"));
      c.info.storage_root = as_written(*root, *request.storage_root);
      c.info.storage_location = *root + "/__unitystorage/catalogs/" + c.info.id;
      claim(t, m.info.metastore_id, *root, ClaimKind::managed_root, c.info.id);
    } else if (!m.info.storage_root) {
      return fail(Error{Errc::conflict,
                        "Metastore storage root URL does not exist. Please provide a storage location for the catalog (for example 'CREATE CATALOG "
                        "myCatalog MANAGED LOCATION "
                        "'<location-path>'). Alternatively set up a metastore root storage location to provide a storage location for all catalogs "
                        "in the metastore."});
    }
    insert_catalog(t, c, {c.access.owner, {}}, principal_of(ctx), core_.clock.now());
    return c;
  });
  if (!made) return fail(made.error());
  return shown(core_, *made);
}

Result<CatalogInfo> Catalogs::get(const access::Context& ctx, std::string_view name, bool browse) {
  bool only = false;
  auto found = look(core_, ctx, "getCatalog", {{"name_arg", std::string(name)}}, [&](store::ReadTxn& t) -> Result<CatalogRecord> {
    TARN_TRY(place, locate_to_see(t, ctx, SecurableType::CATALOG, name, browse));
    only = browse && browse_only(place.path(), subject(ctx));
    return *std::move(place.catalog);
  });
  if (!found) return fail(found.error());
  auto info = shown(core_, *found);
  if (only) info.browse_only = true;
  return info;
}

Result<Page<CatalogInfo>> Catalogs::list(const access::Context& ctx, const PageRequest& request, bool browse) {
  auto found = look(core_, ctx, "listCatalogs", {}, [&](store::ReadTxn& t) -> Result<Page<CatalogRecord>> {
    TARN_TRY(m, current_metastore(t, ctx));
    return page_of<CatalogRecord, CatalogRecord>(t, kCatalogs, store::prefix({m.info.metastore_id}), request,
                                                 [&](const CatalogRecord& c) -> std::optional<CatalogRecord> {
                                                   Place place{.type = SecurableType::CATALOG, .metastore = m};
                                                   place.catalog = c;
                                                   if (check_see(place.path(), subject(ctx), browse)) return std::nullopt;
                                                   return c;
                                                 });
  });
  if (!found) return fail(found.error());
  Page<CatalogInfo> out{.next = found->next};
  for (const auto& c : found->items) out.items.push_back(shown(core_, c));
  return out;
}

Result<CatalogInfo> Catalogs::update(const access::Context& ctx, std::string_view name, const CatalogChange& request) {
  const std::map<std::string, std::string> params{
      {"name_arg", std::string(name)},
      {"new_name", request.new_name.value_or("")},
      {"owner", request.owner.value_or("")},
      {"isolation_mode", request.isolation_mode ? std::string(json::name_of(*request.isolation_mode)) : ""}};
  const auto [owner, new_name, problem] = check_change(core_, request.owner, request.new_name, "UpdateCatalog", "CatalogInfo.name");
  auto changed = change(core_, ctx, "updateCatalog", params, [&](store::WriteTxn& t) -> Result<CatalogRecord> {
    TARN_TRY(place, locate_to_manage(t, ctx, SecurableType::CATALOG, name));
    if (problem) return fail(*problem);
    CatalogRecord& c = *place.catalog;
    if (c.info.catalog_type == CatalogType::SYSTEM_CATALOG)
      return fail(Error{Errc::unsupported, "Catalog 'system' is the platform's: it cannot be changed."});
    const std::string old_key = c.store_key();
    if (owner) c.access.owner = *owner;
    if (request.comment.present()) c.info.comment = request.comment.content;
    if (request.comment.null()) c.info.comment.reset();
    if (request.properties) c.info.properties = *request.properties;
    if (request.options) c.info.options = *request.options;
    if (request.enable_predictive_optimization) c.info.enable_predictive_optimization = request.enable_predictive_optimization;
    if (request.isolation_mode) c.isolation.isolated = *request.isolation_mode == CatalogIsolation::ISOLATED;
    stamp_change(c.info, core_, ctx);
    if (!new_name || *new_name == c.info.name) {
      save(t, place);
      return c;
    }
    if (kCatalogs.get(t, store::key({c.info.metastore_id, *new_name}))) return fail(exists_already(SecurableType::CATALOG, *new_name));
    kCatalogs.erase(t, old_key);
    c.info.name = *new_name;
    if (!kCatalogs.insert(t, c)) throw std::logic_error("a renamed catalog met another");
    return c;
  });
  if (!changed) return fail(changed.error());
  return shown(core_, *changed);
}

Result<void> Catalogs::remove(const access::Context& ctx, std::string_view name, bool force, bool if_exists) {
  return change(
      core_, ctx, "deleteCatalog", {{"name_arg", std::string(name)}, {"force", force ? "true" : "false"}}, [&](store::WriteTxn& t) -> Result<void> {
        TARN_TRY(there, locate(t, ctx, SecurableType::CATALOG, name));
        if (there.missing && if_exists) return {};
        TARN_TRY(place, locate_to_manage(t, ctx, SecurableType::CATALOG, name));
        const CatalogRecord& c = *place.catalog;
        if (c.info.catalog_type == CatalogType::SYSTEM_CATALOG)
          return fail(Error{Errc::unsupported, "Catalog 'system' is the platform's: it cannot be deleted."});
        TARN_CHECK(allowed(check_binding(place.path(), subject(ctx), true)));
        if (!force) {
          std::size_t schemas = 0;
          for (const auto& s : kSchemas.scan(t, store::prefix({c.info.id}))) {
            if (s.info.name == kInformationSchema) continue;
            const auto holds = contents_of(t, s);
            schemas += s.info.name != "default" || holds.tables + holds.volumes + holds.routines > 0;
          }
          if (schemas > 0)
            return fail(Error{Errc::not_empty, fmt::format("Catalog '{}' is not empty. The catalog has {} schemas(s)", c.info.name, schemas)});
        }
        drop_catalog_tree(t, core_, c);
        return {};
      });
}

}  // namespace tarn::catalog
