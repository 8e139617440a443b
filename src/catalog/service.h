#pragma once
// Unity Catalog whole: the contract that other rooms use, over the services that the routes use. Owns them; lives as long as the server.
#include "catalog/bindings.h"
#include "catalog/cache.h"
#include "catalog/catalogs.h"
#include "catalog/credentials.h"
#include "catalog/exchange_service.h"
#include "catalog/functions.h"
#include "catalog/grants.h"
#include "catalog/lineage.h"
#include "catalog/locations.h"
#include "catalog/metastores.h"
#include "catalog/models.h"
#include "catalog/schemas.h"
#include "catalog/tables.h"
#include "catalog/tag_policies.h"
#include "catalog/tags.h"
#include "catalog/temporary.h"
#include "catalog/volumes.h"

namespace tarn::catalog {

class UnityCatalog final : public Catalog {
 public:
  UnityCatalog(store::Store& store, identity::Directory& directory, objects::CredentialVendor& vendor, objects::ObjectStore& objects,
               account::WorkspaceDirectory& workspaces, const Clock& clock, std::string account_id, std::string region)
      : core_{store, directory, workspaces, vendor, objects, clock, std::move(account_id), std::move(region)} {}

  Metastores& metastores() { return metastores_; }  // also account's RegionMetastore
  Credentials& credentials() { return credentials_; }
  Locations& locations() { return locations_; }
  Catalogs& catalog_service() { return catalogs_; }
  Schemas& schema_service() { return schemas_; }
  Tables& table_service() { return tables_; }
  Volumes& volumes() { return volumes_; }
  Models& models() { return models_; }
  Functions& functions() { return functions_; }
  Tags& tag_service() { return tags_; }
  TagPolicies& tag_policies() { return tag_policies_; }
  Exchange& exchange() { return exchange_; }
  Grants& grant_service() { return grants_; }
  Bindings& bindings() { return bindings_; }
  Temporary& temporary() { return temporary_; }
  Lineage& lineage() { return lineage_; }
  const Core& core() const { return core_; }

  /// Removes the storage of managed tables and volumes whose retention is over, at most `limit` of them; answers how many are gone. For a
  /// background worker; blocks on the object store. What cannot be removed now stays for the next call.
  std::size_t remove_expired_storage(std::size_t limit = 100);

  Result<TableInfo> table(const access::Context& ctx, const TableName& name) override;
  Result<std::vector<std::string>> catalogs(const access::Context& ctx) override;
  Result<std::vector<std::string>> schemas(const access::Context& ctx, std::string_view catalog) override;
  Result<std::vector<TableInfo>> tables(const access::Context& ctx, std::string_view catalog, std::string_view schema) override;
  Result<void> require(const access::Context& ctx, Privilege privilege, SecurableType type, std::string_view full_name) override;
  Result<void> require_as_owner(const access::Context& ctx, std::string_view owner, Privilege privilege, SecurableType type,
                                std::string_view full_name) override;
  Result<TableInfo> table_as_owner(const access::Context& ctx, std::string_view owner, const TableName& name) override;
  Result<FunctionInfo> function(const access::Context& ctx, std::string_view full_name) override;
  Result<FunctionInfo> function_as_owner(const access::Context& ctx, std::string_view owner, std::string_view full_name) override;
  Result<void> require_path(const access::Context& ctx, std::string_view url, bool write) override;
  Result<std::string> volume_location(const access::Context& ctx, std::string_view full_name, bool write) override;
  Result<void> create_catalog(const access::Context& ctx, std::string_view name, std::optional<std::string> comment,
                              std::optional<std::string> managed_location, bool if_not_exists) override;
  Result<void> drop_catalog(const access::Context& ctx, std::string_view name, bool cascade, bool if_exists) override;
  Result<void> create_schema(const access::Context& ctx, std::string_view catalog, std::string_view name, std::optional<std::string> comment,
                             std::optional<std::string> managed_location, bool if_not_exists) override;
  Result<void> drop_schema(const access::Context& ctx, std::string_view catalog, std::string_view name, bool cascade, bool if_exists) override;
  Result<std::string> plan_table(const access::Context& ctx, const NewTable& table) override;
  Result<TableInfo> create_table(const access::Context& ctx, const NewTable& table, const std::string& location, bool replace) override;
  Result<void> update_columns(const access::Context& ctx, const TableName& name, const std::vector<ColumnInfo>& columns) override;
  Result<void> follow_log(const access::Context& ctx, const TableName& name, std::string_view table_id,
                          const std::vector<ColumnInfo>& columns) override;
  Result<void> alter_table(const access::Context& ctx, const TableName& name, const TableChange& change) override;
  Result<void> set_owner(const access::Context& ctx, SecurableType type, std::string_view full_name, std::string_view owner) override;
  Result<void> set_comment(const access::Context& ctx, SecurableType type, std::string_view full_name, std::string_view comment) override;
  Result<void> drop_table(const access::Context& ctx, const TableName& name, bool view, bool if_exists) override;
  Result<void> set_row_filter(const access::Context& ctx, const TableName& name, const std::optional<RowFilter>& filter) override;
  Result<void> set_column_mask(const access::Context& ctx, const TableName& name, std::string_view column,
                               const std::optional<ColumnMask>& mask) override;
  Result<void> create_function(const access::Context& ctx, const NewFunction& function, bool replace) override;
  Result<void> drop_function(const access::Context& ctx, std::string_view full_name, bool if_exists) override;
  Result<void> grant(const access::Context& ctx, SecurableType type, std::string_view full_name, std::string_view principal,
                     const std::vector<Privilege>& privileges) override;
  Result<void> revoke(const access::Context& ctx, SecurableType type, std::string_view full_name, std::string_view principal,
                      const std::vector<Privilege>& privileges) override;
  Result<std::vector<GrantRow>> grants(const access::Context& ctx, SecurableType type, std::string_view full_name,
                                       std::optional<std::string> principal) override;
  Result<void> set_tags(const access::Context& ctx, std::string_view entity_type, std::string_view full_name,
                        const std::map<std::string, std::optional<std::string>>& changes) override {
    return tags_.set(ctx, entity_type, full_name, changes);
  }
  Result<std::vector<TagRow>> tags(const access::Context& ctx, std::string_view catalog) override { return tags_.all(ctx, catalog); }
  Result<PolicyInfo> create_policy(const access::Context& ctx, const PolicyInfo& policy, bool replace) override {
    return tag_policies_.create(ctx, policy, replace);
  }
  Result<void> drop_policy(const access::Context& ctx, SecurableType type, std::string_view full_name, std::string_view name) override {
    return tag_policies_.remove(ctx, json::name_of(type), full_name, name);
  }
  Result<std::vector<PolicyInfo>> policies(const access::Context& ctx, SecurableType type, std::string_view full_name, bool inherited) override {
    return tag_policies_.list(ctx, json::name_of(type), full_name, inherited);
  }
  Result<std::vector<PolicyInfo>> all_policies(const access::Context& ctx, std::string_view catalog) override {
    return tag_policies_.all(ctx, catalog);
  }
  void record_lineage(const access::Context& ctx, const LineageRecord& record) override;
  Result<std::vector<LineageRow>> lineage_rows(const access::Context& ctx, bool column_level) override;
  Result<std::vector<store::AuditRecord>> audit_rows(const access::Context& ctx, const store::AuditFilter& filter, std::size_t limit) override;

 private:
  /// The context of a view's owner in the caller's workspace; nothing if that principal is gone.
  std::optional<access::Context> owner_context(const access::Context& ctx, std::string_view owner);
  /// A table's filter and masks run in its owner's name: who may not EXECUTE the function could never read the table again.
  Result<void> owner_may_run(const access::Context& ctx, const TableName& name, std::string_view function);
  /// A table as `as` may see it, with the policies over tags that apply to the person who asks.
  Result<TableInfo> table_seen(const access::Context& as, const access::Context& asker, const TableName& name);
  Core core_;
  Metastores metastores_{core_};
  Credentials credentials_{core_};
  Locations locations_{core_};
  Catalogs catalogs_{core_};
  Schemas schemas_{core_};
  Tables tables_{core_};
  Volumes volumes_{core_};
  Models models_{core_};
  Functions functions_{core_};
  Tags tags_{core_};
  TagPolicies tag_policies_{core_};
  Exchange exchange_{core_};
  Grants grants_{core_};
  Bindings bindings_{core_};
  Temporary temporary_{core_};
  Lineage lineage_{core_};
  GenerationCache<Result<std::shared_ptr<const TableInfo>>> table_cache_;
  GenerationCache<Result<std::shared_ptr<const FunctionInfo>>> function_cache_;
  GenerationCache<Result<void>> decision_cache_;
};

}  // namespace tarn::catalog
