#pragma once
// Removing securables with everything that hangs on them, inside the caller's transaction: children, claims on storage, and for managed
// data a Removal that waits for the retention that the vendor promises (7 days). A dropped table keeps its record for as long, so that it can be
// brought back as it was (undrop.cc); its tags and policies stay where they are, under its id, which nothing else has.
#include "catalog/core.h"

namespace tarn::catalog {

inline constexpr Millis kRetention = 7LL * 24 * 3600 * 1000;

void drop_claims(store::WriteTxn& t, std::string_view holder_id);
/// A table that was dropped, with what it takes to bring it back.
struct DroppedTable {
  TableRecord table;
  Millis dropped_at = 0;
  std::string removal_key;  // of its storage's Removal; empty: not managed
  std::string store_key() const { return store::key({store::sortable(dropped_at), table.info.table_id}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", table.info.table_id, false}, {"schema", table.schema_id, false}}; }
};
BOOST_DESCRIBE_STRUCT(DroppedTable, (), (table, dropped_at, removal_key))
inline constexpr store::Collection<DroppedTable> kDropped{"uc_dropped_table"};

/// `replaced`: another takes its place under its id, which keeps its tags and policies.
void drop_table(store::WriteTxn& t, const Core& core, const TableRecord& table, bool replaced = false);
/// The record of a dropped table with all that still hangs on its id.
void forget_dropped(store::WriteTxn& t, const DroppedTable& dropped);
void drop_volume(store::WriteTxn& t, const Core& core, const VolumeRecord& volume);
/// A function, or a model with its versions.
void drop_routine(store::WriteTxn& t, const Core& core, const RoutineRecord& routine);
void drop_version(store::WriteTxn& t, const Core& core, const VersionRecord& version);
void drop_schema_tree(store::WriteTxn& t, const Core& core, const SchemaRecord& schema);
void drop_catalog_tree(store::WriteTxn& t, const Core& core, const CatalogRecord& catalog);
void drop_metastore_tree(store::WriteTxn& t, const Core& core, const MetastoreRecord& metastore);

/// What a schema still holds.
struct Contents {
  std::int64_t tables = 0, volumes = 0, routines = 0;
};
Contents contents_of(store::ReadTxn& t, const SchemaRecord& schema);

}  // namespace tarn::catalog
