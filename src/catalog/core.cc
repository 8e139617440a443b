#include "catalog/core.h"

#include "catalog/names.h"

namespace tarn::catalog {

Principal principal_of(const access::Context& ctx) {
  if (ctx.caller.id == 0) return system_principal();
  return {PrincipalKind::account, ctx.caller.id, ctx.caller.name};
}

std::string Place::full_name() const {
  if (table) return catalog->info.name + "." + schema->info.name + "." + table->info.name;
  if (volume) return catalog->info.name + "." + schema->info.name + "." + volume->info.name;
  if (routine) return catalog->info.name + "." + schema->info.name + "." + routine->name;
  if (schema) return catalog->info.name + "." + schema->info.name;
  if (catalog) return catalog->info.name;
  if (credential) return credential->info.name;
  if (location) return location->info.name;
  if (exchange) return exchange->name;
  return metastore.info.name;
}

Path Place::path() const {
  Path path;
  const std::string schema_name = schema ? catalog->info.name + "." + schema->info.name : "";
  if (table) path.push_back({SecurableType::TABLE, schema_name + "." + table->info.name, &table->access});
  if (volume) path.push_back({SecurableType::VOLUME, schema_name + "." + volume->info.name, &volume->access});
  if (routine) path.push_back({SecurableType::FUNCTION, schema_name + "." + routine->name, &routine->access});
  if (schema) path.push_back({SecurableType::SCHEMA, schema_name, &schema->access, nullptr, false, schema->info.name == kInformationSchema});
  if (catalog)
    path.push_back({SecurableType::CATALOG, catalog->info.name, &catalog->access, &catalog->isolation,
                    catalog->info.catalog_type == CatalogType::SYSTEM_CATALOG});
  if (credential) path.push_back({SecurableType::STORAGE_CREDENTIAL, credential->info.name, &credential->access, &credential->isolation});
  if (location) path.push_back({SecurableType::EXTERNAL_LOCATION, location->info.name, &location->access, &location->isolation});
  if (exchange) path.push_back({exchange->type, exchange->name, &exchange->access});
  path.push_back({SecurableType::METASTORE, metastore.info.name, &metastore.access});
  return path;
}

Access& Place::access() {
  if (table) return table->access;
  if (volume) return volume->access;
  if (routine) return routine->access;
  if (schema) return schema->access;
  if (catalog) return catalog->access;
  if (credential) return credential->access;
  if (location) return location->access;
  if (exchange) return exchange->access;
  return metastore.access;
}

Error does_not_exist(SecurableType type, std::string_view full_name) {
  return {{Errc::not_found, fmt::format("{} '{}' does not exist.", label(type), full_name)}, type};
}
Error exists_already(SecurableType type, std::string_view full_name) {
  return {{Errc::already_exists, fmt::format("{} '{}' already exists", label(type), full_name)}, type};
}

Result<MetastoreRecord> current_metastore(store::ReadTxn& t, const access::Context& ctx) {
  if (ctx.workspace_id)
    if (const auto a = kAssignments.get(t, store::sortable(*ctx.workspace_id)))
      if (auto m = kMetastores.get(t, a->value.metastore_id)) return std::move(m->value);
  return fail(Error{{Errc::no_metastore, "No metastore assigned for the current workspace."}, SecurableType::METASTORE});
}

namespace {

void locate_below_schema(store::ReadTxn& t, Place& place, SecurableType type, const std::string& name) {
  const std::string key = store::key({place.schema->info.schema_id, name});
  if (type == SecurableType::TABLE) {
    if (auto r = kTables.get(t, key)) place.table = std::move(r->value);
  } else if (type == SecurableType::VOLUME) {
    if (auto r = kVolumes.get(t, key)) place.volume = std::move(r->value);
  } else if (type == SecurableType::FUNCTION) {
    if (auto r = kRoutines.get(t, key)) place.routine = std::move(r->value);
  }
  if (!place.table && !place.volume && !place.routine) place.missing = does_not_exist(type, place.full_name() + "." + name);
}

}  // namespace

Result<Place> locate(store::ReadTxn& t, const access::Context& ctx, SecurableType type, std::string_view full_name) {
  TARN_TRY(metastore, current_metastore(t, ctx));
  Place place{.type = type, .metastore = std::move(metastore)};
  const std::string& id = place.metastore.info.metastore_id;
  switch (type) {
    case SecurableType::METASTORE:
      // The API names it by id, SQL not at all.
      if (!full_name.empty() && full_name != id && full_name != place.metastore.info.name) return fail(does_not_exist(type, full_name));
      return place;
    case SecurableType::STORAGE_CREDENTIAL: {
      const std::string name = folded(full_name);
      if (auto r = kCredentials.get(t, store::key({id, name})))
        place.credential = std::move(r->value);
      else
        place.missing = does_not_exist(type, full_name);
      return place;
    }
    case SecurableType::EXTERNAL_LOCATION: {
      const std::string name = folded(full_name);
      if (auto r = kLocations.get(t, store::key({id, name})))
        place.location = std::move(r->value);
      else
        place.missing = does_not_exist(type, full_name);
      return place;
    }
    case SecurableType::CONNECTION:
    case SecurableType::SHARE:
    case SecurableType::RECIPIENT:
    case SecurableType::PROVIDER:
      if (auto r = kExchange.get(t, store::key({id, json::name_of(type), folded(full_name)})))
        place.exchange = std::move(r->value);
      else
        place.missing = does_not_exist(type, full_name);
      return place;
    default:
      break;
  }
  const std::size_t depth = type == SecurableType::CATALOG ? 1 : type == SecurableType::SCHEMA ? 2 : 3;
  TARN_TRY(parts, split_name(full_name, depth, label(type)));
  auto catalog = kCatalogs.get(t, store::key({id, parts[0]}));
  if (!catalog) {
    place.missing = does_not_exist(SecurableType::CATALOG, parts[0]);
    return place;
  }
  place.catalog = std::move(catalog->value);
  if (depth == 1) return place;
  auto schema = kSchemas.get(t, store::key({place.catalog->info.id, parts[1]}));
  if (!schema) {
    place.missing = does_not_exist(SecurableType::SCHEMA, parts[0] + "." + parts[1]);
    return place;
  }
  place.schema = std::move(schema->value);
  if (depth == 3) locate_below_schema(t, place, type, parts[2]);
  return place;
}

namespace {

Result<Place> parents_of(store::ReadTxn& t, const access::Context& ctx, SecurableType type, std::string_view catalog_id, std::string_view schema_id) {
  TARN_TRY(metastore, current_metastore(t, ctx));
  Place place{.type = type, .metastore = std::move(metastore)};
  auto catalog = kCatalogs.find(t, "id", catalog_id);
  auto schema = kSchemas.find(t, "id", schema_id);
  if (!catalog || !schema || catalog->value.info.metastore_id != place.metastore.info.metastore_id) return place;
  place.catalog = std::move(catalog->value);
  place.schema = std::move(schema->value);
  return place;
}

}  // namespace

Result<Place> locate_table_id(store::ReadTxn& t, const access::Context& ctx, std::string_view table_id) {
  auto r = kTables.find(t, "id", table_id);
  if (!r) return fail(does_not_exist(SecurableType::TABLE, table_id));
  TARN_TRY(place, parents_of(t, ctx, SecurableType::TABLE, r->value.catalog_id, r->value.schema_id));
  if (!place.schema) return fail(does_not_exist(SecurableType::TABLE, table_id));
  place.table = std::move(r->value);
  return std::move(place);
}

Result<Place> locate_volume_id(store::ReadTxn& t, const access::Context& ctx, std::string_view volume_id) {
  auto r = kVolumes.find(t, "id", volume_id);
  if (!r) return fail(does_not_exist(SecurableType::VOLUME, volume_id));
  TARN_TRY(place, parents_of(t, ctx, SecurableType::VOLUME, r->value.catalog_id, r->value.schema_id));
  if (!place.schema) return fail(does_not_exist(SecurableType::VOLUME, volume_id));
  place.volume = std::move(r->value);
  return std::move(place);
}

namespace {

/// A level is missing: the caller hears so only if it may use (or manages) what is above.
Error told(const Place& place, const Subject& who) {
  const Path path = place.path();
  if (path.front().type == SecurableType::METASTORE || !check_manage(path, who)) return *place.missing;
  const Privilege use = path.front().type == SecurableType::CATALOG ? Privilege::USE_CATALOG : Privilege::USE_SCHEMA;
  if (const auto d = check(path, who, use)) return denied(*d);
  return *place.missing;
}

template <class Check>
Result<Place> locate_checked(store::ReadTxn& t, const access::Context& ctx, SecurableType type, std::string_view full_name, Check&& check) {
  TARN_TRY(place, locate(t, ctx, type, full_name));
  if (place.missing) return fail(told(place, subject(ctx)));
  TARN_CHECK(allowed(check(place.path())));
  return std::move(place);
}

}  // namespace

Result<Place> locate_for(store::ReadTxn& t, const access::Context& ctx, SecurableType type, std::string_view full_name, Privilege p) {
  return locate_checked(t, ctx, type, full_name, [&](const Path& path) { return check(path, subject(ctx), p); });
}
Result<Place> locate_to_see(store::ReadTxn& t, const access::Context& ctx, SecurableType type, std::string_view full_name, bool browse) {
  return locate_checked(t, ctx, type, full_name, [&](const Path& path) { return check_see(path, subject(ctx), browse); });
}
Result<Place> locate_to_manage(store::ReadTxn& t, const access::Context& ctx, SecurableType type, std::string_view full_name, bool write) {
  return locate_checked(t, ctx, type, full_name, [&](const Path& path) -> std::optional<Denial> {
    if (path.size() > 2)
      if (auto d = check_binding(path, subject(ctx), write)) return d;
    return check_manage(path, subject(ctx));
  });
}

Result<Principal> find_principal(const Core& core, std::string_view name) {
  if (folded(name) == "account users") return Principal{PrincipalKind::account_users, 0, "account users"};
  if (const auto p = core.directory.find_principal(name)) return Principal{PrincipalKind::account, p->id, p->name};
  return fail(Error{Errc::principal_not_found, fmt::format("Could not find principal with name {}", name)});
}

std::string name_of(const Core& core, const Principal& p) {
  if (p.kind == PrincipalKind::account)
    if (const auto found = core.directory.get_principal(p.id)) return found->name;
  return p.name;
}

void save(store::WriteTxn& t, const Place& place) {
  Expected<std::int64_t, store::PutError> done = place.table        ? kTables.update(t, *place.table)
                                                 : place.volume     ? kVolumes.update(t, *place.volume)
                                                 : place.routine    ? kRoutines.update(t, *place.routine)
                                                 : place.exchange   ? kExchange.update(t, *place.exchange)
                                                 : place.schema     ? kSchemas.update(t, *place.schema)
                                                 : place.catalog    ? kCatalogs.update(t, *place.catalog)
                                                 : place.credential ? kCredentials.update(t, *place.credential)
                                                 : place.location   ? kLocations.update(t, *place.location)
                                                                    : kMetastores.update(t, place.metastore);
  if (!done) throw std::logic_error("a securable vanished inside its transaction");
}

MetastoreInfo shown(const Core& core, const MetastoreRecord& r) {
  MetastoreInfo info = r.info;
  info.owner = name_of(core, r.access.owner);
  return info;
}
CredentialInfo shown(const Core& core, const CredentialRecord& r) {
  CredentialInfo info = r.info;
  info.full_name = info.name;
  info.owner = name_of(core, r.access.owner);
  info.isolation_mode = r.isolation.isolated ? IsolationMode::ISOLATION_MODE_ISOLATED : IsolationMode::ISOLATION_MODE_OPEN;
  return info;
}
LocationInfo shown(const Core& core, const LocationRecord& r) {
  LocationInfo info = r.info;
  info.owner = name_of(core, r.access.owner);
  info.isolation_mode = r.isolation.isolated ? IsolationMode::ISOLATION_MODE_ISOLATED : IsolationMode::ISOLATION_MODE_OPEN;
  return info;
}
CatalogInfo shown(const Core& core, const CatalogRecord& r) {
  CatalogInfo info = r.info;
  info.full_name = info.name;
  info.owner = name_of(core, r.access.owner);
  info.isolation_mode = r.isolation.isolated ? CatalogIsolation::ISOLATED : CatalogIsolation::OPEN;
  return info;
}
SchemaInfo shown(const Core& core, const SchemaRecord& r, const CatalogRecord& parent) {
  SchemaInfo info = r.info;
  info.catalog_name = parent.info.name;
  info.catalog_type = parent.info.catalog_type;
  info.full_name = parent.info.name + "." + info.name;
  info.owner = name_of(core, r.access.owner);
  return info;
}
TableInfo shown(const Core& core, const TableRecord& r, const CatalogRecord& catalog, const SchemaRecord& schema) {
  TableInfo info = r.info;
  info.catalog_name = catalog.info.name;
  info.schema_name = schema.info.name;
  info.full_name = catalog.info.name + "." + schema.info.name + "." + info.name;
  info.owner = name_of(core, r.access.owner);
  return info;
}
VolumeInfo shown(const Core& core, const VolumeRecord& r, const CatalogRecord& catalog, const SchemaRecord& schema) {
  VolumeInfo info = r.info;
  info.catalog_name = catalog.info.name;
  info.schema_name = schema.info.name;
  info.full_name = catalog.info.name + "." + schema.info.name + "." + info.name;
  info.owner = name_of(core, r.access.owner);
  return info;
}

CheckedChange check_change(const Core& core, const std::optional<std::string>& owner, const std::optional<std::string>& new_name,
                           std::string_view rpc, std::string_view field) {
  CheckedChange out;
  if (owner && !owner->empty()) {
    if (auto p = find_principal(core, *owner))
      out.owner = *std::move(p);
    else
      out.problem = p.error();
  }
  if (new_name) {
    if (auto n = checked_name(*new_name, rpc, field))
      out.new_name = *std::move(n);
    else
      out.problem = n.error();
  }
  return out;
}

}  // namespace tarn::catalog
