#include "catalog/temporary.h"

#include "catalog/claims.h"
#include "catalog/names.h"

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

TemporaryCredentials Temporary::vend(const access::Context& ctx, const std::string& url, bool write) const {
  const objects::Scope scope{
      .prefixes = {url + "/"}, .access = write ? objects::Access::read_write : objects::Access::read, .principal = ctx.caller.name};
  const auto c = core_.vendor.vend(scope, kLifetime);
  return {
      .aws_temp_credentials = AwsTempCredentials{c.access_key_id, c.secret_access_key, c.session_token}, .expiration_time = c.expires_at, .url = url};
}

Result<TemporaryCredentials> Temporary::for_table(const access::Context& ctx, std::string_view table_id, TableOperation operation) {
  const bool write = operation == TableOperation::READ_WRITE;
  auto url = look(
      core_, ctx, "generateTemporaryTableCredential", {{"table_id", std::string(table_id)}, {"operation", std::string(json::name_of(operation))}},
      [&](store::ReadTxn& t) -> Result<std::string> {
        TARN_TRY(place, locate_table_id(t, ctx, table_id));
        const Subject who = subject(ctx);
        const Path path = place.path();
        TARN_CHECK(allowed(check(path, who, Privilege::SELECT)));
        if (write) TARN_CHECK(allowed(check(path, who, Privilege::MODIFY)));
        TARN_CHECK(external_access(ctx, place.metastore));
        TARN_CHECK(allowed(check(schema_path(place), who, Privilege::EXTERNAL_USE_SCHEMA)));
        const auto& columns = place.table->info.columns;
        const bool masked = std::any_of(columns.begin(), columns.end(), [](const ColumnInfo& c) { return c.mask.has_value(); });
        if (place.table->info.row_filter_function || masked)
          return fail(Error{Errc::permission_denied,
                            fmt::format("Table '{}' has a row filter or column masks: its files are never handed out. Read it through a warehouse.",
                                        place.full_name())});
        if (!place.table->info.storage_location)
          return fail(invalid(fmt::format("'{}' has no storage of its own (it is a {}): credentials are vended for tables only", place.full_name(),
                                          place.table->info.table_type == TableType::VIEW ? "view" : "system table")));
        return *place.table->info.storage_location;
      });
  if (!url) return fail(url.error());
  return vend(ctx, *url, write);
}

Result<TemporaryCredentials> Temporary::for_volume(const access::Context& ctx, std::string_view volume_id, VolumeOperation operation) {
  const bool write = operation == VolumeOperation::WRITE_VOLUME;
  auto url = look(core_, ctx, "generateTemporaryVolumeCredential",
                  {{"volume_id", std::string(volume_id)}, {"operation", std::string(json::name_of(operation))}},
                  [&](store::ReadTxn& t) -> Result<std::string> {
                    TARN_TRY(place, locate_volume_id(t, ctx, volume_id));
                    const Subject who = subject(ctx);
                    TARN_CHECK(allowed(check(place.path(), who, Privilege::READ_VOLUME)));
                    if (write) TARN_CHECK(allowed(check(place.path(), who, Privilege::WRITE_VOLUME)));
                    TARN_CHECK(external_access(ctx, place.metastore));
                    TARN_CHECK(allowed(check(schema_path(place), who, Privilege::EXTERNAL_USE_SCHEMA)));
                    return place.volume->info.storage_location;
                  });
  if (!url) return fail(url.error());
  return vend(ctx, *url, write);
}

Result<TemporaryCredentials> Temporary::for_path(const access::Context& ctx, std::string_view raw_url, PathOperation operation, bool dry_run) {
  const bool write = operation != PathOperation::PATH_READ;
  const auto checked = checked_url(raw_url, "GenerateTemporaryPathCredential", "GenerateTemporaryPathCredential.url");
  auto url =
      look(core_, ctx, "generateTemporaryPathCredential", {{"url", std::string(raw_url)}, {"operation", std::string(json::name_of(operation))}},
           [&](store::ReadTxn& t) -> Result<std::string> {
             if (!checked) return fail(checked.error());
             TARN_TRY(m, current_metastore(t, ctx));
             TARN_TRY(place, location_for(t, ctx, m, *checked,
                                          operation == PathOperation::PATH_CREATE_TABLE ? Privilege::CREATE_EXTERNAL_TABLE : Privilege::READ_FILES));
             if (operation == PathOperation::PATH_READ_WRITE) TARN_CHECK(location_for(t, ctx, m, *checked, Privilege::WRITE_FILES));
             TARN_CHECK(external_access(ctx, m));
             TARN_CHECK(allowed(check(place.path(), subject(ctx), Privilege::EXTERNAL_USE_LOCATION)));
             TARN_CHECK(check_free_for_data(t, ctx, m, *checked, "GenerateTemporaryPathCredential"));
             return *checked;
           });
  if (!url) return fail(url.error());
  if (dry_run) return TemporaryCredentials{.expiration_time = core_.clock.now() + kLifetime, .url = *url};
  return vend(ctx, *url, write);
}

}  // namespace tarn::catalog
