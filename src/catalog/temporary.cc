#include "catalog/temporary.h"

#include "catalog/claims.h"
#include "catalog/names.h"
#include "catalog/tag_policies.h"

namespace tarn::catalog {
namespace {

constexpr Millis kLifetime = 3600 * 1000;

Result<void> external_access(const access::Context& ctx, const MetastoreRecord& m) {
  if (m.info.external_access_enabled) return {};
  return fail(Error{Errc::permission_denied, fmt::format("[RequestId={} ErrorClass=PERMISSION_DENIED.EXTERNAL_ACCESS_DISABLED_ON_METASTORE] "
                                                         "Credential vending is rejected for non Databricks Compute environment due to External Data "
                                                         "Access being disabled for metastore {}. Please contact your metastore admin to enable "
                                                         "'External Data Access' configuration on the metastore.",
                                                         ctx.request_id, m.info.metastore_id)});
}

/// The schema of a table or volume as a place of its own.
Path schema_path(const Place& place) {
  Path path = place.path();
  path.erase(path.begin());
  return path;
}

}  // namespace

Result<TemporaryCredentials> Temporary::vend(const access::Context& ctx, const Reach& reach, bool write) const {
  const objects::Scope scope{.prefixes = {reach.url + "/"},
                             .access = write ? objects::Access::read_write : objects::Access::read,
                             .principal = ctx.caller.name,
                             .role_arn = reach.role.role_arn,
                             .external_id = reach.role.external_id.value_or("")};
  // A remote token service is asked here: outside every transaction.
  const auto c = core_.vendor.vend(scope, kLifetime);
  if (!c) {
    if (c.error().code == objects::Errc::denied)
      return fail(Error{Errc::permission_denied, "The storage credential's role cannot be assumed: " + c.error().message});
    return fail(Error{Errc::storage_unavailable, "Temporary credentials cannot be had now: " + c.error().message});
  }
  return TemporaryCredentials{.aws_temp_credentials = AwsTempCredentials{c->access_key_id, c->secret_access_key, c->session_token},
                              .expiration_time = c->expires_at,
                              .url = reach.url};
}

Result<TemporaryCredentials> Temporary::for_table(const access::Context& ctx, std::string_view table_id, TableOperation operation, Holder holder) {
  const bool write = operation == TableOperation::READ_WRITE;
  auto reach = look(
      core_, ctx, "generateTemporaryTableCredential", {{"table_id", std::string(table_id)}, {"operation", std::string(json::name_of(operation))}},
      [&](store::ReadTxn& t) -> Result<Reach> {
        TARN_TRY(place, locate_table_id(t, ctx, table_id));
        const Subject who = subject(ctx);
        const Path path = place.path();
        TARN_CHECK(allowed(check(path, who, Privilege::SELECT)));
        if (write) TARN_CHECK(allowed(check(path, who, Privilege::MODIFY)));
        if (holder == Holder::external) {
          TARN_CHECK(external_access(ctx, place.metastore));
          TARN_CHECK(allowed(check(schema_path(place), who, Privilege::EXTERNAL_USE_SCHEMA)));
        }
        if (place.table->info.governed())
          return fail(Error{Errc::permission_denied,
                            fmt::format("Table '{}' has a row filter or column masks: its files are never handed out. Read it through a warehouse.",
                                        place.full_name())});
        if (under_policy(t, place))
          return fail(Error{Errc::permission_denied,
                            fmt::format("A policy over tags is in force on Table '{}': its files are never handed out. Read it through a warehouse.",
                                        place.full_name())});
        if (!place.table->info.storage_location)
          return fail(invalid(fmt::format("'{}' has no storage of its own (it is a {}): credentials are vended for tables only", place.full_name(),
                                          place.table->info.table_type == TableType::VIEW ? "view" : "system table")));
        return Reach{*place.table->info.storage_location, role_for(t, place.metastore, *place.table->info.storage_location)};
      });
  if (!reach) return fail(reach.error());
  return vend(ctx, *reach, write);
}

Result<TemporaryCredentials> Temporary::for_volume(const access::Context& ctx, std::string_view volume_id, VolumeOperation operation) {
  const bool write = operation == VolumeOperation::WRITE_VOLUME;
  auto reach =
      look(core_, ctx, "generateTemporaryVolumeCredential",
           {{"volume_id", std::string(volume_id)}, {"operation", std::string(json::name_of(operation))}}, [&](store::ReadTxn& t) -> Result<Reach> {
             TARN_TRY(place, locate_volume_id(t, ctx, volume_id));
             const Subject who = subject(ctx);
             TARN_CHECK(allowed(check(place.path(), who, Privilege::READ_VOLUME)));
             if (write) TARN_CHECK(allowed(check(place.path(), who, Privilege::WRITE_VOLUME)));
             TARN_CHECK(external_access(ctx, place.metastore));
             TARN_CHECK(allowed(check(schema_path(place), who, Privilege::EXTERNAL_USE_SCHEMA)));
             return Reach{place.volume->info.storage_location, role_for(t, place.metastore, place.volume->info.storage_location)};
           });
  if (!reach) return fail(reach.error());
  return vend(ctx, *reach, write);
}

Result<TemporaryCredentials> Temporary::for_path(const access::Context& ctx, std::string_view raw_url, PathOperation operation, bool dry_run,
                                                 Holder holder) {
  const bool write = operation != PathOperation::PATH_READ;
  const auto checked = checked_url(raw_url, "GenerateTemporaryPathCredential", "GenerateTemporaryPathCredential.url");
  auto reach =
      look(core_, ctx, "generateTemporaryPathCredential", {{"url", std::string(raw_url)}, {"operation", std::string(json::name_of(operation))}},
           [&](store::ReadTxn& t) -> Result<Reach> {
             if (!checked) return fail(checked.error());
             TARN_TRY(m, current_metastore(t, ctx));
             TARN_TRY(place, location_for(t, ctx, m, *checked,
                                          operation == PathOperation::PATH_CREATE_TABLE ? Privilege::CREATE_EXTERNAL_TABLE : Privilege::READ_FILES));
             if (operation == PathOperation::PATH_READ_WRITE) TARN_CHECK(location_for(t, ctx, m, *checked, Privilege::WRITE_FILES));
             if (holder == Holder::external) {
               TARN_CHECK(external_access(ctx, m));
               TARN_CHECK(allowed(check(place.path(), subject(ctx), Privilege::EXTERNAL_USE_LOCATION)));
             }
             TARN_CHECK(check_free_for_data(t, ctx, m, *checked, "GenerateTemporaryPathCredential"));
             return Reach{*checked, role_for(t, m, *checked)};
           });
  if (!reach) return fail(reach.error());
  if (dry_run) return TemporaryCredentials{.expiration_time = core_.clock.now() + kLifetime, .url = reach->url};
  return vend(ctx, *reach, write);
}

}  // namespace tarn::catalog
