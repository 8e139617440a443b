#include "catalog/credentials.h"

#include "base/ids.h"
#include "catalog/claims.h"
#include "catalog/names.h"
#include "catalog/storage_check.h"

namespace tarn::catalog {
namespace {

constexpr std::string_view kMasterRole = "arn:aws:iam::414351767826:role/unity-catalog-prod-UCMasterRole-14S5ZJVKOTYTL";

Result<void> check_arn(std::string_view arn, std::string_view rpc) {
  // arn:PARTITION:iam::ACCOUNT:role/NAME
  std::vector<std::string_view> parts;
  std::string_view rest = arn;
  for (int i = 0; i < 5 && rest.find(':') != rest.npos; ++i) {
    parts.push_back(rest.substr(0, rest.find(':')));
    rest.remove_prefix(parts.back().size() + 1);
  }
  bool fine = parts.size() == 5 && parts[0] == "arn" && parts[1].starts_with("aws") && parts[2] == "iam" && parts[3].empty() &&
              parts[4].size() == 12 && parts[4].find_first_not_of("0123456789") == parts[4].npos && rest.starts_with("role/") && rest.size() > 5 &&
              arn.size() <= 2048;
  for (const char c : rest) fine = fine && static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7f;
  if (fine) return {};
  return fail(invalid(fmt::format(
      "Invalid input: RPC {} Field managedcatalog.AwsIamRoleRequest.role_arn: \"{}\" is not the ARN of an IAM role (arn:aws:iam::ACCOUNT:role/NAME)",
      rpc, arn)));
}

/// The metastore that the request means, with the right to be there.
Result<MetastoreRecord> metastore_for(store::ReadTxn& t, const access::Context& ctx, const std::optional<std::string>& id) {
  if (!id) return current_metastore(t, ctx);
  if (!ctx.caller.account_admin) return fail(Error{Errc::permission_denied, "This API is disabled for users without account admin status."});
  auto m = kMetastores.get(t, *id);
  if (!m) return fail(does_not_exist(SecurableType::METASTORE, *id));
  return std::move(m->value);
}

Result<Place> find(store::ReadTxn& t, const access::Context& ctx, const std::optional<std::string>& metastore_id, std::string_view name) {
  TARN_TRY(m, metastore_for(t, ctx, metastore_id));
  auto c = kCredentials.get(t, store::key({m.info.metastore_id, folded(name)}));
  if (!c) return fail(does_not_exist(SecurableType::STORAGE_CREDENTIAL, name));
  Place place{.type = SecurableType::STORAGE_CREDENTIAL, .metastore = std::move(m)};
  place.credential = std::move(c->value);
  return place;
}

Result<void> may_manage(const Place& place, const access::Context& ctx, const std::optional<std::string>& metastore_id) {
  if (metastore_id) return {};  // account admins, checked above
  return allowed(check_manage(place.path(), subject(ctx)));
}

AwsIamRole role_of(const Core& core, const AwsIamRoleRequest& r) {
  return {.role_arn = r.role_arn, .unity_catalog_iam_arn = std::string(kMasterRole), .external_id = core.account_id};
}

}  // namespace

Result<CredentialInfo> Credentials::create(const access::Context& ctx, const std::optional<std::string>& metastore_id, const NewCredential& request) {
  const std::map<std::string, std::string> params{{"name", request.name}};
  const auto name = checked_name(request.name, "CreateStorageCredential", "StorageCredentialInfo.name");
  std::optional<Error> problem;
  if (!name)
    problem = name.error();
  else if (request.azure_managed_identity || request.azure_service_principal || request.cloudflare_api_token ||
           request.databricks_gcp_service_account)
    problem = Error{Errc::unsupported,
                    "Invalid input: RPC CreateStorageCredential: this metastore is on aws, only aws_iam_role credentials can be used in it"};
  else if (!request.aws_iam_role)
    problem =
        invalid("Invalid input: RPC CreateStorageCredential Field managedcatalog.StorageCredentialInfo.aws_iam_role: a credential must be given");
  else if (auto arn = check_arn(request.aws_iam_role->role_arn, "CreateStorageCredential"); !arn)
    problem = arn.error();
  auto made = change(core_, ctx, "createStorageCredential", params, [&](store::WriteTxn& t) -> Result<CredentialRecord> {
    TARN_TRY(m, metastore_for(t, ctx, metastore_id));
    if (!metastore_id) {
      const Place here{.metastore = m};
      TARN_CHECK(allowed(check(here.path(), subject(ctx), Privilege::CREATE_STORAGE_CREDENTIAL)));
    }
    if (problem) return fail(*problem);
    CredentialRecord c;
    c.info.id = new_uuid();
    c.info.name = *name;
    c.info.metastore_id = m.info.metastore_id;
    c.info.aws_iam_role = role_of(core_, *request.aws_iam_role);
    c.info.comment = request.comment;
    c.info.read_only = request.read_only.value_or(false);
    stamp_new(c.info, core_, ctx);
    c.access.owner = principal_of(ctx);
    if (!kCredentials.insert(t, c)) return fail(exists_already(SecurableType::STORAGE_CREDENTIAL, *name));
    return c;
  });
  if (!made) return fail(made.error());
  return shown(core_, *made);
}

Result<CredentialInfo> Credentials::get(const access::Context& ctx, const std::optional<std::string>& metastore_id, std::string_view name) {
  auto found = look(core_, ctx, "getStorageCredential", {{"name", std::string(name)}}, [&](store::ReadTxn& t) -> Result<CredentialRecord> {
    TARN_TRY(place, find(t, ctx, metastore_id, name));
    if (!metastore_id) TARN_CHECK(allowed(check_see(place.path(), subject(ctx), false)));
    return *std::move(place.credential);
  });
  if (!found) return fail(found.error());
  return shown(core_, *found);
}

Result<Page<CredentialInfo>> Credentials::list(const access::Context& ctx, const std::optional<std::string>& metastore_id,
                                               const PageRequest& request) {
  auto found = look(core_, ctx, "listStorageCredentials", {}, [&](store::ReadTxn& t) -> Result<Page<CredentialRecord>> {
    TARN_TRY(m, metastore_for(t, ctx, metastore_id));
    return page_of<CredentialRecord, CredentialRecord>(t, kCredentials, store::prefix({m.info.metastore_id}), request,
                                                       [&](const CredentialRecord& c) -> std::optional<CredentialRecord> {
                                                         Place place{.type = SecurableType::STORAGE_CREDENTIAL, .metastore = m};
                                                         place.credential = c;
                                                         if (!metastore_id && check_see(place.path(), subject(ctx), false)) return std::nullopt;
                                                         return c;
                                                       });
  });
  if (!found) return fail(found.error());
  Page<CredentialInfo> out{.next = found->next};
  for (const auto& c : found->items) out.items.push_back(shown(core_, c));
  return out;
}

Result<CredentialInfo> Credentials::update(const access::Context& ctx, const std::optional<std::string>& metastore_id, std::string_view name,
                                           const CredentialChange& request) {
  const std::map<std::string, std::string> params{
      {"name", std::string(name)}, {"new_name", request.new_name.value_or("")}, {"owner", request.owner.value_or("")}};
  auto [owner, new_name, problem] = check_change(core_, request.owner, request.new_name, "UpdateStorageCredential", "StorageCredentialInfo.name");
  if (request.aws_iam_role)
    if (auto arn = check_arn(request.aws_iam_role->role_arn, "UpdateStorageCredential"); !arn) problem = arn.error();
  auto changed = change(core_, ctx, "updateStorageCredential", params, [&](store::WriteTxn& t) -> Result<CredentialRecord> {
    TARN_TRY(place, find(t, ctx, metastore_id, name));
    TARN_CHECK(may_manage(place, ctx, metastore_id));
    if (problem) return fail(*problem);
    CredentialRecord& c = *place.credential;
    const std::string old_key = c.store_key();
    if (owner) c.access.owner = *owner;
    if (request.aws_iam_role) c.info.aws_iam_role = role_of(core_, *request.aws_iam_role);
    if (request.comment.present()) c.info.comment = request.comment.content;
    if (request.comment.null()) c.info.comment.reset();
    if (request.read_only) c.info.read_only = *request.read_only;
    if (request.isolation_mode) c.isolation.isolated = *request.isolation_mode == IsolationMode::ISOLATION_MODE_ISOLATED;
    stamp_change(c.info, core_, ctx);
    if (!new_name || *new_name == c.info.name) {
      save(t, place);
      return c;
    }
    if (kCredentials.get(t, store::key({c.info.metastore_id, *new_name}))) return fail(exists_already(SecurableType::STORAGE_CREDENTIAL, *new_name));
    kCredentials.erase(t, old_key);
    c.info.name = *new_name;
    if (!kCredentials.insert(t, c)) throw std::logic_error("a renamed credential met another");
    for (auto l : kLocations.scan_index(t, "credential", c.info.id)) {
      l.info.credential_name = *new_name;
      if (!kLocations.update(t, l)) throw std::logic_error("a location vanished inside its transaction");
    }
    return c;
  });
  if (!changed) return fail(changed.error());
  return shown(core_, *changed);
}

Result<void> Credentials::remove(const access::Context& ctx, const std::optional<std::string>& metastore_id, std::string_view name, bool force) {
  return change(
      core_, ctx, "deleteStorageCredential", {{"name", std::string(name)}, {"force", force ? "true" : "false"}},
      [&](store::WriteTxn& t) -> Result<void> {
        TARN_TRY(place, find(t, ctx, metastore_id, name));
        TARN_CHECK(may_manage(place, ctx, metastore_id));
        const CredentialRecord& c = *place.credential;
        // Force does not help here, as the vendor has it: the credential goes with its metastore.
        if (place.metastore.info.storage_root_credential_id == c.info.id)
          return fail(Error{Errc::conflict, fmt::format("Storage credential '{}' cannot be deleted because it is configured as this metastore's "
                                                        "root credential. Please update the metastore's root credential before attempting "
                                                        "deletion.",
                                                        c.info.name)});
        if (!force && (c.info.used_for_managed_storage || !kLocations.scan_index(t, "credential", c.info.id, {}, 1).empty()))
          return fail(
              Error{Errc::not_empty,
                    fmt::format("Storage Credential '{}' has dependent external locations or managed storage; use force option to delete anyway",
                                c.info.name)});
        kCredentials.erase(t, c.store_key());
        return {};
      });
}

Result<ValidationAnswer> Credentials::validate(const access::Context& ctx, const Validation& request) {
  struct Found {
    std::string url;
    bool read_only = false;
  };
  auto found =
      look(core_, ctx, "validateStorageCredential", {{"name", request.storage_credential_name.value_or("")}, {"url", request.url.value_or("")}},
           [&](store::ReadTxn& t) -> Result<Found> {
             Found out{.read_only = request.read_only.value_or(false)};
             TARN_TRY(m, current_metastore(t, ctx));
             const Place here{.metastore = m};
             if (request.storage_credential_name) {
               TARN_TRY(place, find(t, ctx, std::nullopt, *request.storage_credential_name));
               TARN_CHECK(allowed(check(place.path(), subject(ctx), Privilege::CREATE_EXTERNAL_LOCATION)));
               out.read_only = out.read_only || place.credential->info.read_only;
             } else if (request.aws_iam_role) {
               TARN_CHECK(check_arn(request.aws_iam_role->role_arn, "ValidateStorageCredential"));
               TARN_CHECK(allowed(check(here.path(), subject(ctx), Privilege::CREATE_STORAGE_CREDENTIAL)));
             } else {
               return fail(invalid("Invalid input: RPC ValidateStorageCredential: either storage_credential_name or aws_iam_role must be given"));
             }
             if (request.external_location_name) {
               TARN_TRY(place, locate_to_see(t, ctx, SecurableType::EXTERNAL_LOCATION, *request.external_location_name));
               out.url = bare(place.location->info.url);
               out.read_only = out.read_only || place.location->info.read_only;
             } else {
               TARN_TRY(url, checked_url(request.url.value_or(""), "ValidateStorageCredential", "ValidateStorageCredential.url"));
               // A trial write must not touch what tables, volumes or managed storage hold.
               out.read_only = out.read_only || !check_free_for_data(t, ctx, m, url, "ValidateStorageCredential");
               out.url = url;
             }
             return out;
           });
  if (!found) return fail(found.error());
  return try_storage(core_.objects, found->url, found->read_only);
}

}  // namespace tarn::catalog
