// Tables that were dropped, for as long as their storage waits: what there is, and how one comes back. Nothing of it was taken apart but its name and
// its claim on a path, which another may have by now.
#include <algorithm>

#include "catalog/claims.h"
#include "catalog/drops.h"
#include "catalog/tables.h"

namespace tarn::catalog {
namespace {

/// The servers of a store have clocks of their own: what is about to be removed is not brought back any more.
constexpr Millis kMargin = 10LL * 60 * 1000;

bool waits(const DroppedTable& d, Millis now) { return d.dropped_at + kRetention - kMargin > now; }

/// The table where it was.
Place place_of(const Place& schema, const DroppedTable& d) {
  Place out = schema;
  out.type = SecurableType::TABLE;
  out.table = d.table;
  return out;
}

/// Of a schema, the last one first.
std::vector<DroppedTable> dropped_of(store::ReadTxn& t, const SchemaRecord& schema, Millis now) {
  auto all = kDropped.scan_index(t, "schema", schema.info.schema_id);
  std::erase_if(all, [&](const DroppedTable& d) { return !waits(d, now); });
  std::ranges::sort(all, std::ranges::greater{}, &DroppedTable::dropped_at);
  return all;
}

Error no_such(std::string_view what) {
  return {{Errc::not_found, fmt::format("No dropped table '{}' can be brought back.", what)}, SecurableType::TABLE};
}

/// Frees the table's storage of what waits for it, or claims its path again.
Result<void> take_storage(store::WriteTxn& t, const access::Context& ctx, const Place& place, const DroppedTable& d) {
  const auto& info = d.table.info;
  if (info.table_type == TableType::MANAGED) {
    if (!kRemovals.erase(t, d.removal_key)) return fail(no_such(info.name));  // its storage is being removed
    return {};
  }
  const auto& url = info.storage_location.value_or("");
  TARN_CHECK(location_for(t, ctx, place.metastore, url, Privilege::CREATE_EXTERNAL_TABLE));
  TARN_CHECK(check_free_for_data(t, ctx, place.metastore, url, "UndropTable"));
  claim(t, place.metastore.info.metastore_id, url, ClaimKind::table, info.table_id);
  return {};
}

}  // namespace

Result<std::vector<Tables::Dropped>> Tables::dropped(const access::Context& ctx, std::string_view catalog, std::string_view schema) {
  const std::string full = std::string(catalog) + "." + std::string(schema);
  Place parent;
  auto found = look(core_, ctx, "listDroppedTables", {{"catalog_name", std::string(catalog)}, {"schema_name", std::string(schema)}},
                    [&](store::ReadTxn& t) -> Result<std::vector<DroppedTable>> {
                      TARN_TRY(place, locate_to_see(t, ctx, SecurableType::SCHEMA, full));
                      auto all = dropped_of(t, *place.schema, core_.clock.now());
                      std::erase_if(all, [&](const DroppedTable& d) { return check_manage(place_of(place, d).path(), subject(ctx)).has_value(); });
                      parent = std::move(place);
                      return all;
                    });
  if (!found) return fail(found.error());
  std::vector<Dropped> out;
  for (const auto& d : *found) out.push_back({shown(core_, d.table, *parent.catalog, *parent.schema), d.dropped_at});
  return out;
}

Result<TableInfo> Tables::bring_back(const access::Context& ctx, const std::map<std::string, std::string>& params,
                                     const std::function<Result<DroppedTable>(store::ReadTxn&)>& find) {
  auto back = change(core_, ctx, "undropTable", params, [&](store::WriteTxn& t) -> Result<Place> {
    TARN_TRY(d, find(t));
    const auto schema = kSchemas.find(t, "id", d.table.schema_id);
    const auto catalog = schema ? kCatalogs.find(t, "id", schema->value.catalog_id) : std::nullopt;
    if (!catalog) return fail(no_such(d.table.info.name));
    TARN_TRY(place, locate_for(t, ctx, SecurableType::SCHEMA, catalog->value.info.name + "." + schema->value.info.name, Privilege::CREATE_TABLE));
    // An id may be of another metastore's schema, whose namesake is here.
    if (place.schema->info.schema_id != d.table.schema_id) return fail(no_such(d.table.info.table_id));
    const std::string called = place.full_name() + "." + d.table.info.name;
    place = place_of(place, d);
    TARN_CHECK(allowed(check_manage(place.path(), subject(ctx))));
    if (kTables.get(t, d.table.store_key())) return fail(exists_already(SecurableType::TABLE, called));
    if (kVolumes.get(t, d.table.store_key())) return fail(exists_already(SecurableType::VOLUME, called));
    TARN_CHECK(take_storage(t, ctx, place, d));
    kDropped.erase(t, d.store_key());
    stamp_change(place.table->info, core_, ctx);
    if (!kTables.insert(t, *place.table)) throw std::logic_error("a dropped table's id is in use");
    return std::move(place);
  });
  if (!back) return fail(back.error());
  return shown(core_, *back->table, *back->catalog, *back->schema);
}

Result<TableInfo> Tables::undrop(const access::Context& ctx, const TableName& name) {
  return bring_back(ctx, {{"full_name_arg", name.full()}}, [&](store::ReadTxn& t) -> Result<DroppedTable> {
    TARN_TRY(place, locate_for(t, ctx, SecurableType::SCHEMA, name.catalog + "." + name.schema, Privilege::USE_SCHEMA));
    for (auto& d : dropped_of(t, *place.schema, core_.clock.now()))
      if (d.table.info.name == name.table && !check_manage(place_of(place, d).path(), subject(ctx))) return std::move(d);
    return fail(no_such(name.full()));
  });
}

Result<TableInfo> Tables::undrop_id(const access::Context& ctx, std::string_view table_id) {
  return bring_back(ctx, {{"table_id", std::string(table_id)}}, [&](store::ReadTxn& t) -> Result<DroppedTable> {
    TARN_TRY(metastore, current_metastore(t, ctx));
    for (auto& d : kDropped.scan_index(t, "id", table_id))
      if (waits(d, core_.clock.now()) && d.table.info.metastore_id == metastore.info.metastore_id) return std::move(d);
    return fail(no_such(table_id));
  });
}

}  // namespace tarn::catalog
