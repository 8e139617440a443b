#pragma once
// What the services of the catalog share: the rooms they ask, names resolved to places in the tree, checked and audited reads and writes.
// Stateless and thread-safe. Functions that take a transaction never ask another room (its answers come from the store, which may be locked).
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "account/workspaces.h"
#include "catalog/decision.h"
#include "catalog/exchange.h"
#include "catalog/records.h"
#include "catalog/routines.h"
#include "identity/directory.h"
#include "objects/object_store.h"

namespace tarn::catalog {

struct Core {
  store::Store& store;
  identity::Directory& directory;
  account::WorkspaceDirectory& workspaces;
  objects::CredentialVendor& vendor;
  objects::ObjectStore& objects;
  const Clock& clock;
  std::string account_id;
  std::string region;  // of workspaces that do not say
};

inline constexpr std::string_view kSystemCatalog = "system";
inline constexpr std::string_view kInformationSchema = "information_schema";

inline Subject subject(const access::Context& ctx) { return {ctx.caller, ctx.workspace_id}; }
Principal principal_of(const access::Context& ctx);
inline Principal system_principal() { return {PrincipalKind::system, 0, "System-User"}; }

/// What a full name stands for. Where a level is missing, `missing` says so and the levels above it are filled.
struct Place {
  SecurableType type = SecurableType::METASTORE;
  MetastoreRecord metastore;
  std::optional<CatalogRecord> catalog;
  std::optional<SchemaRecord> schema;
  std::optional<TableRecord> table;
  std::optional<VolumeRecord> volume;
  std::optional<RoutineRecord> routine;
  std::optional<CredentialRecord> credential;
  std::optional<LocationRecord> location;
  std::optional<ExchangeRecord> exchange;
  std::optional<Error> missing;

  /// From the securable (or the lowest level that is there) up to the metastore; points into this place.
  Path path() const;
  std::string full_name() const;
  Access& access();  // of the securable itself
};

Error does_not_exist(SecurableType type, std::string_view full_name);
Error exists_already(SecurableType type, std::string_view full_name);
inline Error denied(const Denial& d) { return {Errc::permission_denied, d.text}; }
inline Error invalid(std::string message) { return {Errc::invalid, std::move(message)}; }
inline Result<void> allowed(const std::optional<Denial>& d) {
  if (d) return fail(denied(*d));
  return {};
}

/// The metastore of the request's workspace: no_metastore "No metastore assigned for the current workspace."
Result<MetastoreRecord> current_metastore(store::ReadTxn& t, const access::Context& ctx);

/// Resolves a name in the workspace's metastore. Fails for a malformed name or without a metastore; a missing level is Place::missing.
Result<Place> locate(store::ReadTxn& t, const access::Context& ctx, SecurableType type, std::string_view full_name);
/// The same from a table's or volume's id.
Result<Place> locate_table_id(store::ReadTxn& t, const access::Context& ctx, std::string_view table_id);
Result<Place> locate_volume_id(store::ReadTxn& t, const access::Context& ctx, std::string_view volume_id);

/// locate + what the caller must be allowed, top down: what is missing below a level that the caller may not use is told as that refusal.
Result<Place> locate_for(store::ReadTxn& t, const access::Context& ctx, SecurableType type, std::string_view full_name, Privilege p);
Result<Place> locate_to_see(store::ReadTxn& t, const access::Context& ctx, SecurableType type, std::string_view full_name, bool browse = false);
/// To grant, transfer, rename or drop. What lies in a catalog that this workspace may not use (or, to `write`, only read) is out of reach;
/// the catalog, locations and credentials themselves are not, so that their bindings can be mended from anywhere.
Result<Place> locate_to_manage(store::ReadTxn& t, const access::Context& ctx, SecurableType type, std::string_view full_name, bool write = true);

/// An account-level principal by name; principal_not_found "Could not find principal with name NAME". Asks the directory: outside transactions.
Result<Principal> find_principal(const Core& core, std::string_view name);

/// What every securable's update may ask for, checked before its transaction: the new owner and name, or what is wrong with them. An empty
/// owner is none. `rpc` and `field` are what the vendor's text names.
struct CheckedChange {
  std::optional<Principal> owner;
  std::optional<std::string> new_name;
  std::optional<Error> problem;
};
CheckedChange check_change(const Core& core, const std::optional<std::string>& owner, const std::optional<std::string>& new_name,
                           std::string_view rpc, std::string_view field);
/// How a principal is called now: renamed ones by their new name, deleted ones by the last one known. Outside transactions.
std::string name_of(const Core& core, const Principal& p);

/// A write: one transaction with its audit event (service unityCatalog), refusals recorded as such.
template <class F>
auto change(const Core& core, const access::Context& ctx, std::string action, std::map<std::string, std::string> params, F&& body) {
  return core.store.write_as(ctx.event("unityCatalog", std::move(action), std::move(params)), body);
}

/// A read on one snapshot, audited afterwards.
template <class F>
auto look(const Core& core, const access::Context& ctx, std::string action, std::map<std::string, std::string> params, F&& body) {
  return core.store.look_as(ctx.event("unityCatalog", std::move(action), std::move(params)), std::forward<F>(body));
}

/// A refusal that was found before any transaction.
template <class T>
Result<T> refuse(const Core& core, const access::Context& ctx, std::string action, std::map<std::string, std::string> params, Error error) {
  return fail(core.store.refused(ctx.event("unityCatalog", std::move(action), std::move(params)), std::move(error)));
}

/// Fills what a record does not keep: names of parents, the owner's present name.
CatalogInfo shown(const Core& core, const CatalogRecord& r);
SchemaInfo shown(const Core& core, const SchemaRecord& r, const CatalogRecord& parent);
TableInfo shown(const Core& core, const TableRecord& r, const CatalogRecord& catalog, const SchemaRecord& schema);
VolumeInfo shown(const Core& core, const VolumeRecord& r, const CatalogRecord& catalog, const SchemaRecord& schema);
MetastoreInfo shown(const Core& core, const MetastoreRecord& r);
CredentialInfo shown(const Core& core, const CredentialRecord& r);
LocationInfo shown(const Core& core, const LocationRecord& r);

/// Writes a place's securable back after its `access` or `info` changed.
void save(store::WriteTxn& t, const Place& place);

template <class Info>
void stamp_new(Info& info, const Core& core, const access::Context& ctx) {
  info.created_at = info.updated_at = core.clock.now();
  info.created_by = info.updated_by = ctx.caller.name;
}
template <class Info>
void stamp_change(Info& info, const Core& core, const access::Context& ctx) {
  info.updated_at = core.clock.now();
  info.updated_by = ctx.caller.name;
}

/// One page of a listing: `next` is where it goes on (a store key), empty at the end.
template <class T>
struct Page {
  std::vector<T> items;
  std::string next;
};

struct PageRequest {
  std::size_t limit = 0;  // 0: everything (the vendor's unpaged form)
  std::string after;
};

/// Walks records in key order, keeps what `keep` turns into a value, until the page is full. Keys come from store_key().
template <class Record, class T, class Keep>
Page<T> page_of(store::ReadTxn& t, const store::Collection<Record>& from, const std::string& prefix, const PageRequest& request, Keep&& keep) {
  Page<T> page;
  std::string after = request.after;
  const std::size_t want = request.limit ? request.limit : from.kAll;
  while (true) {
    const auto batch = from.scan(t, prefix, after, 500);
    for (const auto& r : batch) {
      if (page.items.size() == want) {
        page.next = after;
        return page;
      }
      after = r.store_key();
      if (std::optional<T> kept = keep(r)) page.items.push_back(*std::move(kept));
    }
    if (batch.size() < 500) return page;
  }
}

}  // namespace tarn::catalog
