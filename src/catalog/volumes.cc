#include "catalog/volumes.h"

#include "base/ids.h"
#include "catalog/claims.h"
#include "catalog/drops.h"
#include "catalog/names.h"
#include "catalog/tables.h"

namespace tarn::catalog {

Result<VolumeInfo> Volumes::create(const access::Context& ctx, const NewVolume& request) {
  const std::map<std::string, std::string> params{{"name", request.name},
                                                  {"catalog_name", request.catalog_name},
                                                  {"schema_name", request.schema_name},
                                                  {"volume_type", std::string(json::name_of(request.volume_type))}};
  const auto name = checked_name(request.name, "CreateVolume", "VolumeInfo.name");
  std::optional<std::string> url;
  std::optional<Error> problem;
  if (!name)
    problem = name.error();
  else if (request.volume_type == VolumeType::MANAGED && request.storage_location && !request.storage_location->empty())
    problem =
        invalid("Invalid input: RPC CreateVolume Field managedcatalog.VolumeInfo.storage_location: a MANAGED volume has no location of its own");
  else if (request.volume_type == VolumeType::EXTERNAL) {
    auto u = checked_url(request.storage_location.value_or(""), "CreateVolume", "VolumeInfo.storage_location");
    if (u)
      url = *std::move(u);
    else
      problem = u.error();
  }
  std::optional<Place> parent;
  auto made = change(core_, ctx, "createVolume", params, [&](store::WriteTxn& t) -> Result<VolumeRecord> {
    TARN_TRY(place, locate_for(t, ctx, SecurableType::SCHEMA, request.catalog_name + "." + request.schema_name, Privilege::CREATE_VOLUME));
    if (problem) return fail(*problem);
    if (place.schema->info.name == kInformationSchema || place.catalog->info.catalog_type == CatalogType::SYSTEM_CATALOG)
      return fail(Error{Errc::unsupported, fmt::format("Schema '{}' is the platform's: nothing can be created in it.", place.full_name())});
    parent = place;
    const std::string key = store::key({place.schema->info.schema_id, *name});
    if (kVolumes.get(t, key)) return fail(exists_already(SecurableType::VOLUME, place.full_name() + "." + *name));
    if (kTables.get(t, key)) return fail(exists_already(SecurableType::TABLE, place.full_name() + "." + *name));
    VolumeRecord v;
    v.info.volume_id = new_uuid();
    v.info.name = *name;
    v.info.volume_type = request.volume_type;
    v.info.metastore_id = place.metastore.info.metastore_id;
    v.info.comment = request.comment;
    stamp_new(v.info, core_, ctx);
    v.catalog_id = place.catalog->info.id;
    v.schema_id = place.schema->info.schema_id;
    v.access.owner = principal_of(ctx);
    if (url) {
      TARN_CHECK(location_for(t, ctx, place.metastore, *url, Privilege::CREATE_EXTERNAL_VOLUME));
      TARN_CHECK(check_free_for_data(t, ctx, place.metastore, *url, "CreateVolume"));
      v.info.storage_location = *url;
    } else {
      TARN_TRY(root, managed_root(place));
      v.info.storage_location = root + "/volumes/" + v.info.volume_id;
    }
    if (!kVolumes.insert(t, v)) throw std::logic_error("a volume slipped past its checks");
    claim(t, v.info.metastore_id, v.info.storage_location, ClaimKind::volume, v.info.volume_id);
    return v;
  });
  if (!made) return fail(made.error());
  return shown(core_, *made, *parent->catalog, *parent->schema);
}

Result<VolumeInfo> Volumes::get(const access::Context& ctx, std::string_view full_name, bool browse) {
  bool only = false;
  auto found = look(core_, ctx, "getVolume", {{"volume_full_name", std::string(full_name)}}, [&](store::ReadTxn& t) -> Result<Place> {
    TARN_TRY(place, locate_to_see(t, ctx, SecurableType::VOLUME, full_name, browse));
    only = browse && browse_only(place.path(), subject(ctx));
    return std::move(place);
  });
  if (!found) return fail(found.error());
  auto info = shown(core_, *found->volume, *found->catalog, *found->schema);
  if (only) info.browse_only = true;
  return info;
}

Result<Page<VolumeInfo>> Volumes::list(const access::Context& ctx, std::string_view catalog, std::string_view schema, const PageRequest& request,
                                       bool browse) {
  Place parent;
  auto found = look(core_, ctx, "listVolumes", {{"catalog_name", std::string(catalog)}, {"schema_name", std::string(schema)}},
                    [&](store::ReadTxn& t) -> Result<Page<VolumeRecord>> {
                      TARN_TRY(place, locate_to_see(t, ctx, SecurableType::SCHEMA, std::string(catalog) + "." + std::string(schema), browse));
                      parent = place;
                      return page_of<VolumeRecord, VolumeRecord>(t, kVolumes, store::prefix({place.schema->info.schema_id}), request,
                                                                 [&](const VolumeRecord& v) -> std::optional<VolumeRecord> {
                                                                   place.volume = v;
                                                                   if (check_see(place.path(), subject(ctx), browse)) return std::nullopt;
                                                                   return v;
                                                                 });
                    });
  if (!found) return fail(found.error());
  Page<VolumeInfo> out{.next = found->next};
  for (const auto& v : found->items) out.items.push_back(shown(core_, v, *parent.catalog, *parent.schema));
  return out;
}

Result<VolumeInfo> Volumes::update(const access::Context& ctx, std::string_view full_name, const VolumeChange& request) {
  const auto [owner, new_name, problem] = check_change(core_, request.owner, request.new_name, "UpdateVolume", "VolumeInfo.name");
  auto changed =
      change(core_, ctx, "updateVolume",
             {{"volume_full_name", std::string(full_name)}, {"owner", request.owner.value_or("")}, {"new_name", request.new_name.value_or("")}},
             [&](store::WriteTxn& t) -> Result<Place> {
               TARN_TRY(place, locate_to_manage(t, ctx, SecurableType::VOLUME, full_name));
               if (problem) return fail(*problem);
               VolumeRecord& v = *place.volume;
               const std::string old_key = v.store_key();
               if (owner) v.access.owner = *owner;
               if (request.comment.present()) v.info.comment = request.comment.content;
               if (request.comment.null()) v.info.comment.reset();
               stamp_change(v.info, core_, ctx);
               if (!new_name || *new_name == v.info.name) {
                 save(t, place);
                 return std::move(place);
               }
               const std::string key = store::key({v.schema_id, *new_name});
               if (kVolumes.get(t, key) || kTables.get(t, key))
                 return fail(exists_already(SecurableType::VOLUME, place.catalog->info.name + "." + place.schema->info.name + "." + *new_name));
               kVolumes.erase(t, old_key);
               v.info.name = *new_name;
               if (!kVolumes.insert(t, v)) throw std::logic_error("a renamed volume met another");
               return std::move(place);
             });
  if (!changed) return fail(changed.error());
  return shown(core_, *changed->volume, *changed->catalog, *changed->schema);
}

Result<void> Volumes::remove(const access::Context& ctx, std::string_view full_name) {
  return change(core_, ctx, "deleteVolume", {{"volume_full_name", std::string(full_name)}}, [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(place, locate_to_manage(t, ctx, SecurableType::VOLUME, full_name));
    drop_volume(t, core_, *place.volume);
    return {};
  });
}

}  // namespace tarn::catalog
