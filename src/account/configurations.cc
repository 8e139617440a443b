#include "account/configurations.h"

#include "account/records.h"
#include "account/validate.h"
#include "base/ids.h"

namespace tarn::account {
namespace {

constexpr std::string_view kCredentials = "Credentials", kStorage = "Storage configuration", kKey = "Customer managed key";

/// Deletes what no workspace refers to through `index`.
template <class Wire, class Record>
Result<Wire> remove(store::Store& s, const store::Collection<Record>& table, store::AuditEvent event, std::string_view label, std::string_view index,
                    const std::string& id, const Settings& settings) {
  return s.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<Wire> {
    const auto found = table.get(t, id);
    if (!found) return fail(not_found(label, id, settings));
    const auto users = workspaces_table.scan_index(t, index, id, {}, 1);
    if (!users.empty()) return fail(used_by_workspace(label, users.front().workspace_id));
    table.erase(t, id);
    return Wire(found->value);
  });
}

}  // namespace

Configurations::Configurations(store::Store& store, const Clock& clock, Settings settings)
    : store_(store), clock_(clock), settings_(std::move(settings)) {}

Result<Credential> Configurations::create_credential(const access::Context& ctx, const CreateCredential& request) {
  auto event = ctx.event(kAuditService, "createCredentialsConfiguration",
                         {{"credentials_name", request.credentials_name}, {"role_arn", request.aws_credentials.sts_role.role_arn}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<Credential> {
    TARN_CHECK(validate::name("credentials_name", request.credentials_name));
    TARN_CHECK(validate::role_arn("aws_credentials.sts_role.role_arn", request.aws_credentials.sts_role.role_arn));
    CredentialRecord record;
    record.account_id = settings_.account_id;
    record.credentials_id = new_uuid();
    record.credentials_name = request.credentials_name;
    record.aws_credentials.sts_role = {request.aws_credentials.sts_role.role_arn, settings_.account_id};
    record.creation_time = clock_.now();
    if (!credentials_table.insert(t, record)) return fail(name_taken("Credential configuration", request.credentials_name));
    t.audit().params["credentials_id"] = record.credentials_id;
    return Credential(record);
  });
}

Result<Credential> Configurations::get_credential(const access::Context& ctx, const std::string& id) {
  return read_one<Credential>(store_, credentials_table, ctx, kCredentials, "getCredentialsConfiguration", "credentials_id", id, settings_);
}
std::vector<Credential> Configurations::list_credentials(const access::Context& ctx) {
  return read_all<Credential>(store_, credentials_table, ctx, "listCredentialsConfigurations");
}
Result<Credential> Configurations::delete_credential(const access::Context& ctx, const std::string& id) {
  return remove<Credential>(store_, credentials_table, ctx.event(kAuditService, "deleteCredentialsConfiguration", {{"credentials_id", id}}),
                            kCredentials, "credentials_id", id, settings_);
}

Result<StorageConfiguration> Configurations::create_storage(const access::Context& ctx, const CreateStorage& request) {
  auto event = ctx.event(kAuditService, "createStorageConfiguration",
                         {{"storage_configuration_name", request.storage_configuration_name}, {"bucket_name", request.root_bucket_info.bucket_name}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<StorageConfiguration> {
    TARN_CHECK(validate::name("storage_configuration_name", request.storage_configuration_name));
    TARN_CHECK(validate::bucket("root_bucket_info.bucket_name", request.root_bucket_info.bucket_name));
    if (request.role_arn) TARN_CHECK(validate::role_arn("role_arn", *request.role_arn));
    StorageRecord record;
    record.account_id = settings_.account_id;
    record.storage_configuration_id = new_uuid();
    record.storage_configuration_name = request.storage_configuration_name;
    record.root_bucket_info = request.root_bucket_info;
    record.role_arn = request.role_arn;
    record.creation_time = clock_.now();
    if (!storage_table.insert(t, record)) return fail(name_taken(kStorage, request.storage_configuration_name));
    t.audit().params["storage_configuration_id"] = record.storage_configuration_id;
    return StorageConfiguration(record);
  });
}

Result<StorageConfiguration> Configurations::get_storage(const access::Context& ctx, const std::string& id) {
  return read_one<StorageConfiguration>(store_, storage_table, ctx, kStorage, "getStorageConfiguration", "storage_configuration_id", id, settings_);
}
std::vector<StorageConfiguration> Configurations::list_storage(const access::Context& ctx) {
  return read_all<StorageConfiguration>(store_, storage_table, ctx, "listStorageConfigurations");
}
Result<StorageConfiguration> Configurations::delete_storage(const access::Context& ctx, const std::string& id) {
  return remove<StorageConfiguration>(store_, storage_table,
                                      ctx.event(kAuditService, "deleteStorageConfiguration", {{"storage_configuration_id", id}}), kStorage,
                                      "storage_configuration_id", id, settings_);
}

Result<CustomerManagedKey> Configurations::create_key(const access::Context& ctx, const CreateKey& request) {
  auto event = ctx.event(kAuditService, "createCustomerManagedKeyConfiguration", {{"key_arn", request.aws_key_info.key_arn}});
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<CustomerManagedKey> {
    const auto& info = request.aws_key_info;
    TARN_TRY(region, validate::key_arn("aws_key_info.key_arn", info.key_arn));
    TARN_CHECK(validate::region("aws_key_info.key_arn", region, settings_));
    if (info.key_region && *info.key_region != region)
      return fail(
          Error{Errc::invalid, fmt::format("Field 'aws_key_info.key_region' must be the region of key_arn, {}; got '{}'", region, *info.key_region)});
    if (info.key_alias && (!info.key_alias->starts_with("alias/") || info.key_alias->size() == 6 || info.key_alias->size() > 256))
      return fail(
          Error{Errc::invalid, fmt::format("Field 'aws_key_info.key_alias' must start with 'alias/'; got '{}'", info.key_alias->substr(0, 80))});
    if (request.use_cases.empty()) return fail(Error{Errc::invalid, "Field 'use_cases' must have at least 1 entry: MANAGED_SERVICES, STORAGE"});
    if (std::set<KeyUseCase>(request.use_cases.begin(), request.use_cases.end()).size() != request.use_cases.size())
      return fail(Error{Errc::invalid, "Field 'use_cases' must not name a use case twice"});
    KeyRecord record;
    record.account_id = settings_.account_id;
    record.customer_managed_key_id = new_uuid();
    record.aws_key_info = info;
    record.aws_key_info.key_region = region;
    record.use_cases = request.use_cases;
    record.creation_time = clock_.now();
    if (!keys_table.insert(t, record)) throw std::logic_error("a fresh UUID is taken");
    t.audit().params["customer_managed_key_id"] = record.customer_managed_key_id;
    return CustomerManagedKey(record);
  });
}

Result<CustomerManagedKey> Configurations::get_key(const access::Context& ctx, const std::string& id) {
  return read_one<CustomerManagedKey>(store_, keys_table, ctx, kKey, "getCustomerManagedKeyConfiguration", "customer_managed_key_id", id, settings_);
}
std::vector<CustomerManagedKey> Configurations::list_keys(const access::Context& ctx) {
  return read_all<CustomerManagedKey>(store_, keys_table, ctx, "listCustomerManagedKeyConfigurations");
}
Result<CustomerManagedKey> Configurations::delete_key(const access::Context& ctx, const std::string& id) {
  return remove<CustomerManagedKey>(store_, keys_table,
                                    ctx.event(kAuditService, "deleteCustomerManagedKeyConfiguration", {{"customer_managed_key_id", id}}), kKey,
                                    "customer_managed_key_id", id, settings_);
}

}  // namespace tarn::account
