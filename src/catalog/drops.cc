#include "catalog/drops.h"

#include "base/ids.h"
#include "catalog/tag_policies.h"
#include "catalog/tags.h"

namespace tarn::catalog {
namespace {

/// The key of what waits.
std::string remove_later(store::WriteTxn& t, const Core& core, const std::string& url) {
  const Removal removal{.id = new_uuid(), .url = url, .due_at = core.clock.now() + kRetention};
  if (!kRemovals.insert(t, removal)) throw std::logic_error("two removals with one id");
  return removal.store_key();
}

}  // namespace

void drop_claims(store::WriteTxn& t, std::string_view holder_id) {
  for (const auto& c : kClaims.scan_index(t, "holder", holder_id)) kClaims.erase(t, c.store_key());
}

void drop_table(store::WriteTxn& t, const Core& core, const TableRecord& table, bool replaced) {
  DroppedTable dropped{.table = table, .dropped_at = core.clock.now()};
  if (table.info.table_type == TableType::MANAGED && table.info.storage_location)
    dropped.removal_key = remove_later(t, core, *table.info.storage_location);
  drop_claims(t, table.info.table_id);
  kTables.erase(t, table.store_key());
  if (replaced) return;
  if (table.info.table_type == TableType::VIEW) {
    drop_tags(t, table.info.table_id);
    drop_tag_policies(t, table.info.table_id);
  } else if (!kDropped.put(t, dropped)) {
    throw std::logic_error("dropped tables have no unique index");
  }
}

void forget_dropped(store::WriteTxn& t, const DroppedTable& dropped) {
  drop_tags(t, dropped.table.info.table_id);
  drop_tag_policies(t, dropped.table.info.table_id);
  kDropped.erase(t, dropped.store_key());
}

void drop_volume(store::WriteTxn& t, const Core& core, const VolumeRecord& volume) {
  if (volume.info.volume_type == VolumeType::MANAGED) remove_later(t, core, volume.info.storage_location);
  drop_claims(t, volume.info.volume_id);
  drop_tags(t, volume.info.volume_id);
  kVolumes.erase(t, volume.store_key());
}

void drop_version(store::WriteTxn& t, const Core& core, const VersionRecord& version) {
  remove_later(t, core, version.storage_location);
  kVersions.erase(t, version.store_key());
}

void drop_routine(store::WriteTxn& t, const Core& core, const RoutineRecord& routine) {
  for (const auto& v : kVersions.scan(t, store::prefix({routine.id}))) drop_version(t, core, v);
  drop_claims(t, routine.id);
  kRoutines.erase(t, routine.store_key());
}

void drop_schema_tree(store::WriteTxn& t, const Core& core, const SchemaRecord& schema) {
  for (const auto& routine : kRoutines.scan(t, store::prefix({schema.info.schema_id}))) drop_routine(t, core, routine);
  for (const auto& table : kTables.scan(t, store::prefix({schema.info.schema_id}))) drop_table(t, core, table);
  for (const auto& volume : kVolumes.scan(t, store::prefix({schema.info.schema_id}))) drop_volume(t, core, volume);
  // No table comes back without its schema.
  for (const auto& dropped : kDropped.scan_index(t, "schema", schema.info.schema_id)) forget_dropped(t, dropped);
  drop_claims(t, schema.info.schema_id);
  drop_tags(t, schema.info.schema_id);
  drop_tag_policies(t, schema.info.schema_id);
  kSchemas.erase(t, schema.store_key());
}

void drop_catalog_tree(store::WriteTxn& t, const Core& core, const CatalogRecord& catalog) {
  for (const auto& schema : kSchemas.scan(t, store::prefix({catalog.info.id}))) drop_schema_tree(t, core, schema);
  drop_claims(t, catalog.info.id);
  drop_tags(t, catalog.info.id);
  drop_tag_policies(t, catalog.info.id);
  kCatalogs.erase(t, catalog.store_key());
}

void drop_metastore_tree(store::WriteTxn& t, const Core& core, const MetastoreRecord& metastore) {
  const std::string& id = metastore.info.metastore_id;
  const std::string below = store::prefix({id});
  for (const auto& catalog : kCatalogs.scan(t, below)) drop_catalog_tree(t, core, catalog);
  for (const auto& x : kExchange.scan(t, below)) kExchange.erase(t, x.store_key());
  for (const auto& location : kLocations.scan(t, below)) kLocations.erase(t, location.store_key());
  for (const auto& credential : kCredentials.scan(t, below)) kCredentials.erase(t, credential.store_key());
  for (const auto& claim : kClaims.scan(t, below)) kClaims.erase(t, claim.store_key());
  for (const auto& edge : kLineage.scan(t, below)) kLineage.erase(t, edge.store_key());
  for (const auto& a : kAssignments.scan_index(t, "metastore", id)) kAssignments.erase(t, a.store_key());
  kMetastores.erase(t, id);
}

Contents contents_of(store::ReadTxn& t, const SchemaRecord& schema) {
  const std::string below = store::prefix({schema.info.schema_id});
  return {t.count(kTables.kind(), below), t.count(kVolumes.kind(), below), t.count(kRoutines.kind(), below)};
}

}  // namespace tarn::catalog
