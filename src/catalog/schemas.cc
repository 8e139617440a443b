#include "catalog/schemas.h"

#include "base/ids.h"
#include "catalog/catalogs.h"
#include "catalog/claims.h"
#include "catalog/drops.h"
#include "catalog/names.h"

namespace tarn::catalog {
namespace {

Error untouchable(std::string_view full_name) {
  return {Errc::unsupported, fmt::format("Schema '{}' is the platform's: it cannot be changed or deleted.", full_name)};
}

bool of_platform(const Place& p) { return p.schema->info.name == kInformationSchema || p.catalog->info.catalog_type == CatalogType::SYSTEM_CATALOG; }

}  // namespace

Result<SchemaInfo> Schemas::create(const access::Context& ctx, const NewSchema& request, bool if_not_exists) {
  const std::map<std::string, std::string> params{
      {"name", request.name}, {"catalog_name", request.catalog_name}, {"storage_root", request.storage_root.value_or("")}};
  const auto name = checked_name(request.name, "CreateSchema", "SchemaInfo.name");
  std::optional<std::string> root;
  std::optional<Error> problem;
  if (!name)
    problem = name.error();
  else if (request.storage_root && !request.storage_root->empty()) {
    auto url = checked_url(*request.storage_root, "CreateSchema", "SchemaInfo.storage_root");
    if (url)
      root = *std::move(url);
    else
      problem = url.error();
  }
  std::optional<CatalogRecord> parent;
  auto made = change(core_, ctx, "createSchema", params, [&](store::WriteTxn& t) -> Result<SchemaRecord> {
    if (if_not_exists && name) {
      TARN_TRY(place, locate(t, ctx, SecurableType::CATALOG, request.catalog_name));
      if (place.catalog && !check(place.path(), subject(ctx), Privilege::USE_CATALOG))
        if (auto there = kSchemas.get(t, store::key({place.catalog->info.id, *name}))) {
          parent = *place.catalog;
          return std::move(there->value);
        }
    }
    TARN_TRY(place, locate_for(t, ctx, SecurableType::CATALOG, request.catalog_name, Privilege::CREATE_SCHEMA));
    if (problem) return fail(*problem);
    parent = *place.catalog;
    if (place.catalog->info.catalog_type == CatalogType::SYSTEM_CATALOG) return fail(untouchable(parent->info.name + "." + *name));
    if (kSchemas.get(t, store::key({parent->info.id, *name}))) return fail(exists_already(SecurableType::SCHEMA, parent->info.name + "." + *name));
    SchemaRecord s;
    s.info.schema_id = new_uuid();
    s.info.name = *name;
    s.info.metastore_id = place.metastore.info.metastore_id;
    s.info.comment = request.comment;
    s.info.properties = request.properties;
    stamp_new(s.info, core_, ctx);
    s.catalog_id = parent->info.id;
    s.access.owner = principal_of(ctx);
    if (root) {
      TARN_CHECK(check_storage_root(t, ctx, place.metastore, *root, "CreateSchema"));
      s.info.storage_root = as_written(*root, *request.storage_root);
      s.info.storage_location = *root + "/__unitystorage/schemas/" + s.info.schema_id;
      claim(t, s.info.metastore_id, *root, ClaimKind::managed_root, s.info.schema_id);
    }
    if (!kSchemas.insert(t, s)) throw std::logic_error("a schema slipped past its checks");
    return s;
  });
  if (!made) return fail(made.error());
  return shown(core_, *made, *parent);
}

Result<SchemaInfo> Schemas::get(const access::Context& ctx, std::string_view full_name, bool browse) {
  bool only = false;
  auto found = look(core_, ctx, "getSchema", {{"full_name_arg", std::string(full_name)}}, [&](store::ReadTxn& t) -> Result<Place> {
    TARN_TRY(place, locate_to_see(t, ctx, SecurableType::SCHEMA, full_name, browse));
    only = browse && browse_only(place.path(), subject(ctx));
    return std::move(place);
  });
  if (!found) return fail(found.error());
  auto info = shown(core_, *found->schema, *found->catalog);
  if (only) info.browse_only = true;
  return info;
}

Result<Page<SchemaInfo>> Schemas::list(const access::Context& ctx, std::string_view catalog, const PageRequest& request, bool browse) {
  std::optional<CatalogRecord> parent;
  auto found = look(core_, ctx, "listSchemas", {{"catalog_name", std::string(catalog)}}, [&](store::ReadTxn& t) -> Result<Page<SchemaRecord>> {
    TARN_TRY(place, locate_to_see(t, ctx, SecurableType::CATALOG, catalog, browse));
    parent = *place.catalog;
    return page_of<SchemaRecord, SchemaRecord>(t, kSchemas, store::prefix({parent->info.id}), request,
                                               [&](const SchemaRecord& s) -> std::optional<SchemaRecord> {
                                                 place.schema = s;
                                                 if (check_see(place.path(), subject(ctx), browse)) return std::nullopt;
                                                 return s;
                                               });
  });
  if (!found) return fail(found.error());
  Page<SchemaInfo> out{.next = found->next};
  for (const auto& s : found->items) out.items.push_back(shown(core_, s, *parent));
  return out;
}

Result<SchemaInfo> Schemas::update(const access::Context& ctx, std::string_view full_name, const SchemaChange& request) {
  const std::map<std::string, std::string> params{
      {"full_name_arg", std::string(full_name)}, {"new_name", request.new_name.value_or("")}, {"owner", request.owner.value_or("")}};
  const auto [owner, new_name, problem] = check_change(core_, request.owner, request.new_name, "UpdateSchema", "SchemaInfo.name");
  auto changed = change(core_, ctx, "updateSchema", params, [&](store::WriteTxn& t) -> Result<Place> {
    TARN_TRY(place, locate_to_manage(t, ctx, SecurableType::SCHEMA, full_name));
    if (problem) return fail(*problem);
    if (of_platform(place)) return fail(untouchable(place.full_name()));
    SchemaRecord& s = *place.schema;
    const std::string old_key = s.store_key();
    if (owner) s.access.owner = *owner;
    if (request.comment.present()) s.info.comment = request.comment.content;
    if (request.comment.null()) s.info.comment.reset();
    if (request.properties) s.info.properties = *request.properties;
    if (request.enable_predictive_optimization) s.info.enable_predictive_optimization = request.enable_predictive_optimization;
    stamp_change(s.info, core_, ctx);
    if (!new_name || *new_name == s.info.name) {
      save(t, place);
      return std::move(place);
    }
    if (kSchemas.get(t, store::key({s.catalog_id, *new_name})))
      return fail(exists_already(SecurableType::SCHEMA, place.catalog->info.name + "." + *new_name));
    kSchemas.erase(t, old_key);
    s.info.name = *new_name;
    if (!kSchemas.insert(t, s)) throw std::logic_error("a renamed schema met another");
    return std::move(place);
  });
  if (!changed) return fail(changed.error());
  return shown(core_, *changed->schema, *changed->catalog);
}

Result<void> Schemas::remove(const access::Context& ctx, std::string_view full_name, bool force, bool if_exists) {
  return change(
      core_, ctx, "deleteSchema", {{"full_name_arg", std::string(full_name)}, {"force", force ? "true" : "false"}},
      [&](store::WriteTxn& t) -> Result<void> {
        auto place = locate_to_manage(t, ctx, SecurableType::SCHEMA, full_name);
        if (!place && place.error().code == Errc::not_found && if_exists) return {};
        if (!place) return fail(place.error());
        if (of_platform(*place)) return fail(untouchable(place->full_name()));
        if (const auto c = contents_of(t, *place->schema); !force && c.tables + c.volumes + c.routines > 0)
          return fail(Error{Errc::not_empty, fmt::format("Schema '{}' is not empty. The schema has {} tables(s), {} functions(s), {} volumes(s)",
                                                         place->full_name(), c.tables, c.routines, c.volumes)});
        drop_schema_tree(t, core_, *place->schema);
        return {};
      });
}

}  // namespace tarn::catalog
