#pragma once
// Removing securables with everything that hangs on them, inside the caller's transaction: children, claims on storage, and for managed
// data a Removal that waits for the retention that the vendor promises (7 days).
#include "catalog/core.h"

namespace tarn::catalog {

inline constexpr Millis kRetention = 7LL * 24 * 3600 * 1000;

void drop_claims(store::WriteTxn& t, std::string_view holder_id);
/// `replaced`: another takes its place under its id, which keeps its tags and policies.
void drop_table(store::WriteTxn& t, const Core& core, const TableRecord& table, bool replaced = false);
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
