#include "catalog/locations.h"

#include "base/ids.h"
#include "catalog/claims.h"
#include "catalog/drops.h"
#include "catalog/names.h"
#include "catalog/storage_check.h"

namespace tarn::catalog {
namespace {

bool has_dependents(store::ReadTxn& t, const LocationRecord& l) {
  for (const ClaimKind kind : {ClaimKind::managed_root, ClaimKind::table, ClaimKind::volume})
    for (const auto& c : overlapping(t, l.info.metastore_id, bare(l.info.url), kind))
      if (contains(l.info.url, c.path)) return true;
  return false;
}

/// The credential by name, with the right to make locations by it.
Result<CredentialRecord> usable_credential(store::ReadTxn& t, const access::Context& ctx, std::string_view name) {
  TARN_TRY(place, locate(t, ctx, SecurableType::STORAGE_CREDENTIAL, name));
  if (place.missing) return fail(*place.missing);
  TARN_CHECK(allowed(check(place.path(), subject(ctx), Privilege::CREATE_EXTERNAL_LOCATION)));
  return *std::move(place.credential);
}

}  // namespace

Result<LocationInfo> Locations::create(const access::Context& ctx, const NewLocation& request) {
  const std::map<std::string, std::string> params{{"name", request.name}, {"url", request.url}, {"credential_name", request.credential_name}};
  const auto name = checked_name(request.name, "CreateExternalLocation", "ExternalLocationInfo.name");
  const auto url = checked_url(request.url, "CreateExternalLocation", "ExternalLocationInfo.url");
  std::optional<Error> problem;
  if (!name)
    problem = name.error();
  else if (!url)
    problem = url.error();
  std::optional<Error> unreachable;
  if (!problem && !request.skip_validation.value_or(false))
    if (auto r = check_reachable(core_.objects, *url); !r) unreachable = r.error();
  auto made = change(core_, ctx, "createExternalLocation", params, [&](store::WriteTxn& t) -> Result<LocationRecord> {
    TARN_TRY(m, current_metastore(t, ctx));
    const Place here{.metastore = m};
    TARN_CHECK(allowed(check(here.path(), subject(ctx), Privilege::CREATE_EXTERNAL_LOCATION)));
    if (problem) return fail(*problem);
    TARN_TRY(credential, usable_credential(t, ctx, request.credential_name));
    if (kLocations.get(t, store::key({m.info.metastore_id, *name}))) return fail(exists_already(SecurableType::EXTERNAL_LOCATION, *name));
    TARN_CHECK(check_free_for_location(t, ctx, m, *url, "CreateExternalLocation"));
    if (unreachable) return fail(*unreachable);
    LocationRecord l;
    l.info.id = new_uuid();
    l.info.name = *name;
    l.info.url = as_written(*url, request.url);
    l.info.credential_name = credential.info.name;
    l.info.credential_id = credential.info.id;
    l.info.metastore_id = m.info.metastore_id;
    l.info.comment = request.comment;
    l.info.read_only = request.read_only.value_or(false);
    l.info.fallback = request.fallback.value_or(false);
    l.info.enable_file_events = request.enable_file_events;
    stamp_new(l.info, core_, ctx);
    l.access.owner = principal_of(ctx);
    if (!kLocations.insert(t, l)) throw std::logic_error("a location slipped past its checks");
    claim(t, m.info.metastore_id, *url, ClaimKind::external_location, l.info.id);
    return l;
  });
  if (!made) return fail(made.error());
  return shown(core_, *made);
}

Result<LocationInfo> Locations::get(const access::Context& ctx, std::string_view name, bool browse) {
  bool only = false;
  auto found = look(core_, ctx, "getExternalLocation", {{"name_arg", std::string(name)}}, [&](store::ReadTxn& t) -> Result<LocationRecord> {
    TARN_TRY(place, locate_to_see(t, ctx, SecurableType::EXTERNAL_LOCATION, name, browse));
    only = browse && browse_only(place.path(), subject(ctx));
    return *std::move(place.location);
  });
  if (!found) return fail(found.error());
  auto info = shown(core_, *found);
  if (only) info.browse_only = true;
  return info;
}

Result<Page<LocationInfo>> Locations::list(const access::Context& ctx, const PageRequest& request, bool browse) {
  auto found = look(core_, ctx, "listExternalLocations", {}, [&](store::ReadTxn& t) -> Result<Page<LocationRecord>> {
    TARN_TRY(m, current_metastore(t, ctx));
    return page_of<LocationRecord, LocationRecord>(t, kLocations, store::prefix({m.info.metastore_id}), request,
                                                   [&](const LocationRecord& l) -> std::optional<LocationRecord> {
                                                     Place place{.type = SecurableType::EXTERNAL_LOCATION, .metastore = m};
                                                     place.location = l;
                                                     if (check_see(place.path(), subject(ctx), browse)) return std::nullopt;
                                                     return l;
                                                   });
  });
  if (!found) return fail(found.error());
  Page<LocationInfo> out{.next = found->next};
  for (const auto& l : found->items) out.items.push_back(shown(core_, l));
  return out;
}

Result<LocationInfo> Locations::update(const access::Context& ctx, std::string_view name, const LocationChange& request) {
  const std::map<std::string, std::string> params{
      {"name_arg", std::string(name)}, {"url", request.url.value_or("")}, {"owner", request.owner.value_or("")}};
  auto [owner, new_name, problem] = check_change(core_, request.owner, request.new_name, "UpdateExternalLocation", "ExternalLocationInfo.name");
  std::optional<std::string> url;
  if (request.url) {
    if (auto u = checked_url(*request.url, "UpdateExternalLocation", "ExternalLocationInfo.url"))
      url = *std::move(u);
    else
      problem = u.error();
  }
  std::optional<Error> unreachable;
  if (url && !request.skip_validation.value_or(false))
    if (auto r = check_reachable(core_.objects, *url); !r) unreachable = r.error();
  auto changed = change(core_, ctx, "updateExternalLocation", params, [&](store::WriteTxn& t) -> Result<LocationRecord> {
    TARN_TRY(place, locate_to_manage(t, ctx, SecurableType::EXTERNAL_LOCATION, name));
    if (problem) return fail(*problem);
    LocationRecord& l = *place.location;
    const std::string old_key = l.store_key();
    if (url && *url != bare(l.info.url)) {
      if (!request.force.value_or(false) && has_dependents(t, l))
        return fail(
            Error{Errc::not_empty,
                  "External Location has dependent catalogs, schemas, managed or external tables/volumes; use force option to update url anyway"});
      TARN_CHECK(check_free_for_location(t, ctx, place.metastore, *url, "UpdateExternalLocation", l.info.id));
      if (unreachable) return fail(*unreachable);
      drop_claims(t, l.info.id);
      l.info.url = as_written(*url, *request.url);
      claim(t, l.info.metastore_id, *url, ClaimKind::external_location, l.info.id);
    }
    if (request.credential_name && folded(*request.credential_name) != l.info.credential_name) {
      TARN_TRY(credential, usable_credential(t, ctx, *request.credential_name));
      l.info.credential_name = credential.info.name;
      l.info.credential_id = credential.info.id;
    }
    if (owner) l.access.owner = *owner;
    if (request.comment.present()) l.info.comment = request.comment.content;
    if (request.comment.null()) l.info.comment.reset();
    if (request.read_only) l.info.read_only = *request.read_only;
    if (request.fallback) l.info.fallback = *request.fallback;
    if (request.enable_file_events) l.info.enable_file_events = request.enable_file_events;
    if (request.isolation_mode) l.isolation.isolated = *request.isolation_mode == IsolationMode::ISOLATION_MODE_ISOLATED;
    stamp_change(l.info, core_, ctx);
    if (!new_name || *new_name == l.info.name) {
      save(t, place);
      return l;
    }
    if (kLocations.get(t, store::key({l.info.metastore_id, *new_name}))) return fail(exists_already(SecurableType::EXTERNAL_LOCATION, *new_name));
    kLocations.erase(t, old_key);
    l.info.name = *new_name;
    if (!kLocations.insert(t, l)) throw std::logic_error("a renamed location met another");
    return l;
  });
  if (!changed) return fail(changed.error());
  return shown(core_, *changed);
}

Result<void> Locations::remove(const access::Context& ctx, std::string_view name, bool force) {
  return change(core_, ctx, "deleteExternalLocation", {{"name_arg", std::string(name)}, {"force", force ? "true" : "false"}},
                [&](store::WriteTxn& t) -> Result<void> {
                  TARN_TRY(place, locate_to_manage(t, ctx, SecurableType::EXTERNAL_LOCATION, name));
                  const LocationRecord& l = *place.location;
                  if (!force && has_dependents(t, l))
                    return fail(Error{
                        Errc::not_empty,
                        "External Location has dependent catalogs, schemas, managed or external tables/volumes; use force option to delete anyway"});
                  drop_claims(t, l.info.id);
                  kLocations.erase(t, l.store_key());
                  return {};
                });
}

}  // namespace tarn::catalog
