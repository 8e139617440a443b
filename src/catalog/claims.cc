#include "catalog/claims.h"

#include "catalog/names.h"

namespace tarn::catalog {
namespace {

/// s3://bucket/, s3://bucket/a/, s3://bucket/a/b/ for s3://bucket/a/b: every path that could contain it, itself last.
std::vector<std::string> steps(std::string_view url) {
  std::vector<std::string> out;
  for (std::size_t at = url.find('/', 5); at != url.npos; at = url.find('/', at + 1)) out.emplace_back(url.substr(0, at + 1));
  out.push_back(std::string(url) + "/");
  return out;
}

std::string holder_name(store::ReadTxn& t, const Claim& c) {
  const auto in_schema = [&](const std::string& schema_id, const std::string& name) {
    const auto schema = kSchemas.find(t, "id", schema_id);
    if (!schema) return name;
    const auto catalog = kCatalogs.find(t, "id", schema->value.catalog_id);
    return (catalog ? catalog->value.info.name + "." : "") + schema->value.info.name + "." + name;
  };
  switch (c.kind) {
    case ClaimKind::external_location:
      if (const auto l = kLocations.find(t, "id", c.id)) return l->value.info.name;
      break;
    case ClaimKind::table:
      if (const auto r = kTables.find(t, "id", c.id)) return in_schema(r->value.schema_id, r->value.info.name);
      break;
    case ClaimKind::volume:
      if (const auto r = kVolumes.find(t, "id", c.id)) return in_schema(r->value.schema_id, r->value.info.name);
      break;
    case ClaimKind::managed_root:
      break;
  }
  return c.id;
}

Error overlap(const access::Context& ctx, std::string_view url, std::string_view with, std::string_view call, std::string_view conflict) {
  return {Errc::location_overlap,
          fmt::format("[RequestId={} ErrorClass=INVALID_PARAMETER_VALUE.LOCATION_OVERLAP] Input path url '{}' overlaps with {} within '{}' call.{}{}",
                      ctx.request_id, url, with, call, conflict.empty() ? "" : " ", conflict)};
}

bool own(const Claim& c, std::string_view except_id) { return !except_id.empty() && c.id == except_id; }

}  // namespace

std::vector<Claim> containing(store::ReadTxn& t, std::string_view metastore_id, std::string_view url, ClaimKind kind) {
  std::vector<Claim> out;
  for (const auto& path : steps(url))
    for (auto& c : kClaims.scan(t, store::prefix({metastore_id, path})))
      if (c.kind == kind) out.push_back(std::move(c));
  return out;
}

std::vector<Claim> overlapping(store::ReadTxn& t, std::string_view metastore_id, std::string_view url, ClaimKind kind, std::size_t limit) {
  auto out = containing(t, metastore_id, url, kind);
  const std::string below = store::key({metastore_id, std::string(url) + "/"});
  std::string after;
  while (out.size() < limit) {
    const auto batch = kClaims.scan(t, below, after, 200);
    for (const auto& c : batch) {
      after = c.store_key();
      if (c.kind == kind && c.path.size() > url.size() + 1 && out.size() < limit) out.push_back(c);
    }
    if (batch.size() < 200) break;
  }
  return out;
}

void claim(store::WriteTxn& t, std::string_view metastore_id, std::string_view url, ClaimKind kind, std::string_view holder_id) {
  const Claim c{.metastore_id = std::string(metastore_id), .path = std::string(url) + "/", .kind = kind, .id = std::string(holder_id)};
  if (!kClaims.put(t, c)) throw std::logic_error("claims have no unique index");
}

Result<void> check_free_for_location(store::ReadTxn& t, const access::Context& ctx, const MetastoreRecord& m, std::string_view url,
                                     std::string_view call, std::string_view except_id) {
  for (const auto& c : overlapping(t, m.info.metastore_id, url, ClaimKind::external_location, 2))
    if (!own(c, except_id))
      return fail(overlap(ctx, url, "an existing external location", call, fmt::format("Conflicting location: {}.", holder_name(t, c))));
  if (m.info.storage_root && (contains(*m.info.storage_root, url) || contains(url, *m.info.storage_root)))
    return fail(overlap(ctx, url, "managed storage", call, ""));
  return {};
}

Result<void> check_free_for_data(store::ReadTxn& t, const access::Context& ctx, const MetastoreRecord& m, std::string_view url,
                                 std::string_view call) {
  for (const ClaimKind kind : {ClaimKind::table, ClaimKind::volume})
    for (const auto& c : overlapping(t, m.info.metastore_id, url, kind))
      return fail(overlap(ctx, url, "other external tables or volumes", call, fmt::format("Conflicting tables/volumes: {}.", holder_name(t, c))));
  if (!overlapping(t, m.info.metastore_id, url, ClaimKind::managed_root).empty()) return fail(overlap(ctx, url, "managed storage", call, ""));
  return {};
}

Result<void> check_free_for_managed(store::ReadTxn& t, const access::Context& ctx, const MetastoreRecord& m, std::string_view url,
                                    std::string_view call) {
  // Managed volumes lie inside managed storage and are no conflict; what was there before and is not managed is.
  for (const ClaimKind kind : {ClaimKind::table, ClaimKind::volume})
    for (const auto& c : overlapping(t, m.info.metastore_id, url, kind, kClaims.kAll)) {
      if (c.path.find("/__unitystorage/") != c.path.npos) continue;
      return fail(overlap(ctx, url, "other external tables or volumes", call, fmt::format("Conflicting tables/volumes: {}.", holder_name(t, c))));
    }
  return {};
}

Result<Place> location_for(store::ReadTxn& t, const access::Context& ctx, const MetastoreRecord& m, std::string_view url, Privilege p) {
  const auto holders = containing(t, m.info.metastore_id, url, ClaimKind::external_location);
  auto location = holders.empty() ? std::nullopt : kLocations.find(t, "id", holders.back().id);
  if (!location)
    return fail(
        Error{Errc::permission_denied, fmt::format("No external location covers '{}': create one, or name a path below an existing one.", url)});
  Place place{.type = SecurableType::EXTERNAL_LOCATION, .metastore = m};
  place.location = std::move(location->value);
  TARN_CHECK(allowed(check(place.path(), subject(ctx), p)));
  if (!writes(p)) return place;
  if (place.location->info.read_only)
    return fail(Error{Errc::permission_denied,
                      fmt::format("External Location '{}' is read only: {} is not possible on it.", place.location->info.name, spelled(p))});
  const auto credential = kCredentials.find(t, "id", place.location->info.credential_id);
  if (credential && credential->value.info.read_only)
    return fail(Error{Errc::permission_denied,
                      fmt::format("Storage Credential '{}' is read only: {} is not possible with it.", credential->value.info.name, spelled(p))});
  return place;
}

AwsIamRole role_for(store::ReadTxn& t, const MetastoreRecord& m, std::string_view url) {
  std::optional<std::string> id;
  if (const auto holders = containing(t, m.info.metastore_id, url, ClaimKind::external_location); !holders.empty())
    if (const auto location = kLocations.find(t, "id", holders.back().id)) id = location->value.info.credential_id;
  if (!id && m.info.storage_root && contains(*m.info.storage_root, url)) id = m.info.storage_root_credential_id;
  if (!id) return {};
  const auto credential = kCredentials.find(t, "id", *id);
  return credential ? credential->value.info.aws_iam_role.value_or(AwsIamRole{}) : AwsIamRole{};
}

Result<void> check_path(store::ReadTxn& t, const access::Context& ctx, std::string_view url, bool write, std::string_view call) {
  TARN_TRY(m, current_metastore(t, ctx));
  const std::string& id = m.info.metastore_id;
  if (const auto volumes = containing(t, id, url, ClaimKind::volume); !volumes.empty()) {
    TARN_TRY(place, locate_volume_id(t, ctx, volumes.back().id));
    return allowed(check(place.path(), subject(ctx), write ? Privilege::WRITE_VOLUME : Privilege::READ_VOLUME));
  }
  TARN_CHECK(check_free_for_data(t, ctx, m, url, call));
  TARN_CHECK(location_for(t, ctx, m, url, write ? Privilege::WRITE_FILES : Privilege::READ_FILES));
  return {};
}

}  // namespace tarn::catalog
