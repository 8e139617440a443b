#include "catalog/metastores.h"

#include "base/ids.h"
#include "base/log.h"
#include "catalog/drops.h"
#include "catalog/names.h"
#include "doctor/edges.h"

namespace tarn::catalog {
namespace {

Error no_account_admin() { return {Errc::permission_denied, "This API is disabled for users without account admin status."}; }
Error no_metastore(std::string_view id) { return {{Errc::not_found, fmt::format("Metastore '{}' does not exist.", id)}, SecurableType::METASTORE}; }
Error no_assignment(std::int64_t workspace_id) {
  return {{Errc::no_metastore, fmt::format("No metastore assigned for workspace {}.", workspace_id)}, SecurableType::METASTORE};
}

Result<MetastoreRecord> find(store::ReadTxn& t, std::string_view id) {
  if (auto m = kMetastores.get(t, id)) return std::move(m->value);
  return fail(no_metastore(id));
}

bool governs(const MetastoreRecord& m, const access::Context& ctx) { return ctx.caller.account_admin || means(m.access.owner, subject(ctx)); }

Error not_owner(const MetastoreRecord& m) { return {Errc::permission_denied, fmt::format("User is not an owner of Metastore '{}'.", m.info.name)}; }

std::string global_id(const MetastoreInfo& info) { return "aws:" + info.region + ":" + info.metastore_id; }

/// What it still holds that somebody put there; the system catalog does not count.
std::optional<std::string> contents(store::ReadTxn& t, const MetastoreRecord& m) {
  const std::string below = store::prefix({m.info.metastore_id});
  std::size_t catalogs = 0;
  for (const auto& c : kCatalogs.scan(t, below)) catalogs += c.info.catalog_type != CatalogType::SYSTEM_CATALOG;
  const auto credentials = t.count(kCredentials.kind(), below), locations = t.count(kLocations.kind(), below);
  const auto workspaces = kAssignments.scan_index(t, "metastore", m.info.metastore_id).size();
  if (catalogs == 0 && credentials == 0 && locations == 0 && workspaces == 0) return std::nullopt;
  return fmt::format(
      "Metastore '{}' is not empty. The metastore has {} catalog(s), {} storage credential(s), {} external location(s) and {} assigned workspace(s); "
      "use force option to delete anyway",
      m.info.name, catalogs, credentials, locations, workspaces);
}

}  // namespace

Result<std::string> Metastores::region_of(const access::Context& ctx, const NewMetastore& request) const {
  std::string region = request.region.value_or("");
  if (region.empty() && ctx.workspace_id)
    if (const auto w = core_.workspaces.by_id(*ctx.workspace_id)) region = w->region.empty() ? core_.region : w->region;
  bool fine = !region.empty() && region.size() <= 40;
  for (const char c : region) fine = fine && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
  if (!fine)
    return fail(invalid(fmt::format(
        "Invalid input: RPC CreateMetastore Field managedcatalog.MetastoreInfo.region: region \"{}\" is not the name of a cloud region", region)));
  return region;
}

Result<MetastoreInfo> Metastores::create(const access::Context& ctx, const NewMetastore& request) {
  const std::map<std::string, std::string> params{
      {"name", request.name}, {"region", request.region.value_or("")}, {"storage_root", request.storage_root.value_or("")}};
  const auto name = checked_title(request.name, "CreateMetastore", "MetastoreInfo.name");
  const auto region = region_of(ctx, request);
  std::optional<std::string> root;
  std::optional<Error> problem;
  if (!ctx.caller.account_admin)
    problem = no_account_admin();
  else if (!name)
    problem = name.error();
  else if (!region)
    problem = region.error();
  else if (request.storage_root && !request.storage_root->empty()) {
    auto url = checked_url(*request.storage_root, "CreateMetastore", "MetastoreInfo.storage_root");
    if (url)
      root = *std::move(url);
    else
      problem = url.error();
  }
  if (problem) return refuse<MetastoreInfo>(core_, ctx, "createMetastore", params, *problem);
  auto made = change(core_, ctx, "createMetastore", params, [&](store::WriteTxn& t) -> Result<MetastoreRecord> {
    if (const auto taken = kMetastores.find(t, "region", *region)) {
      if (taken->value.appeared)
        doctor::log_edge(doctor::Edge::default_metastore,
                         fmt::format("region {}: {} ({})", *region, taken->value.info.name, taken->value.info.metastore_id));
      return fail(Error{Errc::limit_reached,
                        fmt::format("This account with id {} has reached the limit for metastores in region {}", core_.account_id, *region)});
    }
    if (kMetastores.find(t, "name", *name)) return fail(exists_already(SecurableType::METASTORE, *name));
    MetastoreRecord m;
    m.info.metastore_id = new_uuid();
    m.info.name = *name;
    m.info.region = *region;
    m.info.global_metastore_id = global_id(m.info);
    m.info.delta_sharing_scope = DeltaSharingScope::INTERNAL;
    m.info.external_access_enabled = request.external_access_enabled.value_or(false);
    stamp_new(m.info, core_, ctx);
    m.access.owner = principal_of(ctx);
    if (root) {
      m.info.storage_root = *root + "/" + m.info.metastore_id;
      const Claim claim{
          .metastore_id = m.info.metastore_id, .path = *m.info.storage_root + "/", .kind = ClaimKind::managed_root, .id = m.info.metastore_id};
      if (!kClaims.insert(t, claim)) throw std::logic_error("a new metastore has a claim already");
    }
    if (!kMetastores.insert(t, m)) throw std::logic_error("a metastore slipped past its checks");
    insert_system_catalog(t, m, provided_, core_.clock.now());
    t.audit().params["metastore_id"] = m.info.metastore_id;
    return m;
  });
  if (!made) return fail(made.error());
  return shown(core_, *made);
}

Result<MetastoreInfo> Metastores::get(const access::Context& ctx, std::string_view id) {
  auto found = look(core_, ctx, "getMetastore", {{"id", std::string(id)}}, [&](store::ReadTxn& t) -> Result<MetastoreRecord> {
    TARN_TRY(m, find(t, id));
    TARN_CHECK(allowed(check_see({{SecurableType::METASTORE, m.info.name, &m.access}}, subject(ctx), false)));
    return std::move(m);
  });
  if (!found) return fail(found.error());
  return shown(core_, *found);
}

Result<std::vector<MetastoreInfo>> Metastores::list(const access::Context& ctx) {
  auto found = look(core_, ctx, "listMetastores", {}, [&](store::ReadTxn& t) -> Result<std::vector<MetastoreRecord>> {
    if (ctx.caller.account_admin) return kMetastores.scan(t);
    std::vector<MetastoreRecord> out;
    if (auto m = current_metastore(t, ctx); m && !check_see({{SecurableType::METASTORE, m->info.name, &m->access}}, subject(ctx), false))
      out.push_back(*std::move(m));
    return out;
  });
  if (!found) return fail(found.error());
  std::vector<MetastoreInfo> out;
  for (const auto& m : *found) out.push_back(shown(core_, m));
  return out;
}

Result<MetastoreInfo> Metastores::summary(const access::Context& ctx) {
  auto found = look(core_, ctx, "getMetastoreSummary", {}, [&](store::ReadTxn& t) { return current_metastore(t, ctx); });
  if (!found) return fail(found.error());
  return shown(core_, *found);
}

Result<MetastoreInfo> Metastores::update(const access::Context& ctx, std::string_view id, const MetastoreChange& request) {
  const std::map<std::string, std::string> params{{"id", std::string(id)}, {"owner", request.owner.value_or("")}};
  // A metastore's name follows the rules of titles.
  auto [owner, new_name, problem] = check_change(core_, request.owner, std::nullopt, "UpdateMetastore", "MetastoreInfo.name");
  if (request.new_name) {
    if (auto n = checked_title(*request.new_name, "UpdateMetastore", "MetastoreInfo.name"))
      new_name = *std::move(n);
    else
      problem = n.error();
  }
  if (request.privilege_model_version && *request.privilege_model_version != "1.0")
    problem = invalid(fmt::format(
        "Invalid input: RPC UpdateMetastore Field managedcatalog.MetastoreInfo.privilege_model_version: \"{}\" is not supported, only 1.0 is",
        *request.privilege_model_version));
  if (request.delta_sharing_recipient_token_lifetime_in_seconds && *request.delta_sharing_recipient_token_lifetime_in_seconds < 0)
    problem = invalid(
        "Invalid input: RPC UpdateMetastore Field managedcatalog.MetastoreInfo.delta_sharing_recipient_token_lifetime_in_seconds: must not be "
        "negative");
  auto changed = change(core_, ctx, "updateMetastore", params, [&](store::WriteTxn& t) -> Result<MetastoreRecord> {
    TARN_TRY(m, find(t, id));
    if (!governs(m, ctx)) return fail(not_owner(m));
    if (problem) return fail(*problem);
    if (new_name) {
      if (const auto taken = kMetastores.find(t, "name", *new_name); taken && taken->value.info.metastore_id != id)
        return fail(exists_already(SecurableType::METASTORE, *new_name));
      m.info.name = *new_name;
    }
    if (request.storage_root_credential_id && !request.storage_root_credential_id->empty()) {
      auto credential = kCredentials.find(t, "id", *request.storage_root_credential_id);
      if (!credential || credential->value.info.metastore_id != id)
        return fail(does_not_exist(SecurableType::STORAGE_CREDENTIAL, *request.storage_root_credential_id));
      if (m.info.storage_root_credential_id && *m.info.storage_root_credential_id != credential->value.info.id)
        if (auto old = kCredentials.find(t, "id", *m.info.storage_root_credential_id)) {
          old->value.info.used_for_managed_storage = false;
          if (!kCredentials.update(t, old->value)) throw std::logic_error("a credential vanished");
        }
      credential->value.info.used_for_managed_storage = true;
      if (!kCredentials.update(t, credential->value)) throw std::logic_error("a credential vanished");
      m.info.storage_root_credential_id = m.info.default_data_access_config_id = credential->value.info.id;
      m.info.storage_root_credential_name = credential->value.info.name;
    }
    if (owner) m.access.owner = *owner;
    if (request.delta_sharing_organization_name) m.info.delta_sharing_organization_name = request.delta_sharing_organization_name;
    if (request.delta_sharing_scope) m.info.delta_sharing_scope = request.delta_sharing_scope;
    if (request.delta_sharing_recipient_token_lifetime_in_seconds)
      m.info.delta_sharing_recipient_token_lifetime_in_seconds = request.delta_sharing_recipient_token_lifetime_in_seconds;
    if (request.external_access_enabled) m.info.external_access_enabled = *request.external_access_enabled;
    stamp_change(m.info, core_, ctx);
    if (!kMetastores.update(t, m)) throw std::logic_error("a metastore vanished inside its transaction");
    return std::move(m);
  });
  if (!changed) return fail(changed.error());
  return shown(core_, *changed);
}

Result<void> Metastores::remove(const access::Context& ctx, std::string_view id, bool force) {
  return change(core_, ctx, "deleteMetastore", {{"id", std::string(id)}, {"force", force ? "true" : "false"}},
                [&](store::WriteTxn& t) -> Result<void> {
                  TARN_TRY(m, find(t, id));
                  if (!governs(m, ctx)) return fail(not_owner(m));
                  if (!force)
                    if (auto what = contents(t, m)) return fail(Error{Errc::not_empty, *std::move(what)});
                  drop_metastore_tree(t, core_, m);
                  return {};
                });
}

Result<void> Metastores::assign(const access::Context& ctx, std::int64_t workspace_id, std::string_view metastore_id,
                                std::optional<std::string> default_catalog, bool replace) {
  const std::map<std::string, std::string> params{{"workspace_id", std::to_string(workspace_id)},
                                                  {"metastore_id", std::string(metastore_id)},
                                                  {"default_catalog_name", default_catalog.value_or("")}};
  const auto workspace = core_.workspaces.by_id(workspace_id);
  return change(core_, ctx, "createMetastoreAssignment", params, [&](store::WriteTxn& t) -> Result<void> {
    if (!ctx.caller.account_admin) return fail(no_account_admin());
    if (!workspace) return fail(Error{Errc::not_found, fmt::format("Workspace {} does not exist.", workspace_id)});
    TARN_TRY(m, find(t, metastore_id));
    const std::string region = workspace->region.empty() ? core_.region : workspace->region;
    if (m.info.region != region)
      return fail(invalid(
          fmt::format("Workspace {} is in region {}, metastore '{}' in region {}: a workspace can only be assigned to the metastore of its region",
                      workspace_id, region, m.info.name, m.info.region)));
    const auto old = kAssignments.get(t, store::sortable(workspace_id));
    if (old && old->value.metastore_id != metastore_id && !replace)
      return fail(Error{Errc::conflict, fmt::format("Workspace {} is already assigned to metastore {}. Remove that assignment first.", workspace_id,
                                                    old->value.metastore_id)});
    Assignment a{.workspace_id = workspace_id, .metastore_id = std::string(metastore_id), .default_catalog_name = default_catalog};
    if (!kAssignments.put(t, a)) throw std::logic_error("an assignment has no unique index");
    return {};
  });
}

Result<void> Metastores::update_assignment(const access::Context& ctx, std::int64_t workspace_id, std::optional<std::string> metastore_id,
                                           std::optional<std::string> default_catalog) {
  const std::map<std::string, std::string> params{{"workspace_id", std::to_string(workspace_id)},
                                                  {"metastore_id", metastore_id.value_or("")},
                                                  {"default_catalog_name", default_catalog.value_or("")}};
  if (metastore_id && !metastore_id->empty()) {
    const auto now = core_.store.read_as([&](store::ReadTxn& t) { return kAssignments.get(t, store::sortable(workspace_id)); });
    if (!now || now->value.metastore_id != *metastore_id) return assign(ctx, workspace_id, *metastore_id, default_catalog, true);
  }
  return change(core_, ctx, "updateMetastoreAssignment", params, [&](store::WriteTxn& t) -> Result<void> {
    const bool workspace_admin = ctx.caller.workspace_admin && ctx.workspace_id == workspace_id;
    if (!ctx.caller.account_admin && !workspace_admin) return fail(no_account_admin());
    auto a = kAssignments.get(t, store::sortable(workspace_id));
    if (!a) return fail(no_assignment(workspace_id));
    if (default_catalog) a->value.default_catalog_name = default_catalog;
    if (!kAssignments.update(t, a->value)) throw std::logic_error("an assignment vanished inside its transaction");
    return {};
  });
}

Result<void> Metastores::unassign(const access::Context& ctx, std::int64_t workspace_id, std::string_view metastore_id) {
  return change(core_, ctx, "deleteMetastoreAssignment",
                {{"workspace_id", std::to_string(workspace_id)}, {"metastore_id", std::string(metastore_id)}},
                [&](store::WriteTxn& t) -> Result<void> {
                  if (!ctx.caller.account_admin) return fail(no_account_admin());
                  const auto a = kAssignments.get(t, store::sortable(workspace_id));
                  if (!a) return fail(no_assignment(workspace_id));
                  if (a->value.metastore_id != metastore_id)
                    return fail(Error{{Errc::not_found, fmt::format("Workspace {} is not assigned to metastore {}.", workspace_id, metastore_id)},
                                      SecurableType::METASTORE});
                  kAssignments.erase(t, store::sortable(workspace_id));
                  return {};
                });
}

Result<Assignment> Metastores::assignment(const access::Context& ctx, std::int64_t workspace_id) {
  return look(core_, ctx, "getMetastoreAssignment", {{"workspace_id", std::to_string(workspace_id)}}, [&](store::ReadTxn& t) -> Result<Assignment> {
    if (!ctx.caller.account_admin && ctx.workspace_id != workspace_id) return fail(no_account_admin());
    auto a = kAssignments.get(t, store::sortable(workspace_id));
    if (!a) {
      if (ctx.workspace_id == workspace_id) return fail(current_metastore(t, ctx).error());
      return fail(no_assignment(workspace_id));
    }
    return std::move(a->value);
  });
}

Result<std::vector<std::int64_t>> Metastores::workspaces(const access::Context& ctx, std::string_view metastore_id) {
  return look(core_, ctx, "listMetastoreAssignments", {{"metastore_id", std::string(metastore_id)}},
              [&](store::ReadTxn& t) -> Result<std::vector<std::int64_t>> {
                if (!ctx.caller.account_admin) return fail(no_account_admin());
                TARN_TRY(m, find(t, metastore_id));
                std::vector<std::int64_t> out;
                for (const auto& a : kAssignments.scan_index(t, "metastore", m.info.metastore_id)) out.push_back(a.workspace_id);
                return out;
              });
}

namespace {

/// A workspace's name as a catalog's: the vendor replaces what a name cannot hold.
std::string catalog_name_for(std::string_view workspace_name, std::int64_t workspace_id) {
  std::string name;
  for (const char c : folded(workspace_name))
    name += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80 ? c : '_';
  if (name.empty() || name == kSystemCatalog) name = "workspace_" + std::to_string(workspace_id);
  return name;
}

void insert_workspace_catalog(store::WriteTxn& t, const MetastoreRecord& m, std::int64_t workspace_id, std::string_view workspace_name, Millis now) {
  std::string name = catalog_name_for(workspace_name, workspace_id);
  if (kCatalogs.get(t, store::key({m.info.metastore_id, name}))) name += "_" + std::to_string(workspace_id);
  const Principal admins{PrincipalKind::workspace_admins, workspace_id, fmt::format("_workspace_admins_{}_{}", workspace_name, workspace_id)};
  const Principal users{PrincipalKind::workspace_users, workspace_id, fmt::format("_workspace_users_{}_{}", workspace_name, workspace_id)};
  CatalogRecord c;
  c.info.id = new_uuid();
  c.info.name = name;
  c.info.metastore_id = m.info.metastore_id;
  c.access = {admins, {{users, {Privilege::USE_CATALOG}}}};
  c.isolation = {true, {{workspace_id, BindingType::BINDING_TYPE_READ_WRITE}}};
  using enum Privilege;
  const Access default_schema{admins, {{users, {USE_SCHEMA, CREATE_TABLE, CREATE_VOLUME, CREATE_MODEL, CREATE_FUNCTION, CREATE_MATERIALIZED_VIEW}}}};
  insert_catalog(t, c, default_schema, system_principal(), now);
}

}  // namespace

void Metastores::on_workspace_running(store::WriteTxn& t, std::int64_t workspace_id, std::string_view workspace_name, std::string_view region) {
  if (kAssignments.get(t, store::sortable(workspace_id))) return;
  const Millis now = core_.clock.now();
  MetastoreRecord m;
  if (auto found = kMetastores.find(t, "region", region)) {
    if (!found->value.appeared) return;
    m = std::move(found->value);
  } else {
    m.appeared = true;
    m.info.metastore_id = new_uuid();
    m.info.name = "metastore_aws_" + std::string(region);
    for (char& c : m.info.name) c = c == '-' ? '_' : c;
    if (kMetastores.find(t, "name", m.info.name)) m.info.name += "_" + m.info.metastore_id.substr(0, 8);
    m.info.region = region;
    m.info.global_metastore_id = global_id(m.info);
    m.info.delta_sharing_scope = DeltaSharingScope::INTERNAL;
    m.info.created_at = m.info.updated_at = now;
    m.info.created_by = m.info.updated_by = "System-User";
    m.access.owner = {PrincipalKind::system, 0, "System-User"};
    if (!kMetastores.insert(t, m)) throw std::logic_error("the default metastore slipped past its checks");
    insert_system_catalog(t, m, provided_, now);
    store::AuditEvent event{.service = "unityCatalog",
                            .action = "createMetastore",
                            .principal = "System-User",
                            .params = {{"metastore_id", m.info.metastore_id}, {"name", m.info.name}, {"region", std::string(region)}}};
    t.audit_also(std::move(event));
    spdlog::warn("region {} had no metastore: the default metastore {} ({}) appeared with workspace {} and takes the region's only place", region,
                 m.info.name, m.info.metastore_id, workspace_id);
  }
  using enum Privilege;
  const Principal admins{PrincipalKind::workspace_admins, workspace_id, fmt::format("_workspace_admins_{}_{}", workspace_name, workspace_id)};
  m.access.grants.push_back({admins,
                             {CREATE_CATALOG, CREATE_CONNECTION, CREATE_EXTERNAL_LOCATION, CREATE_STORAGE_CREDENTIAL, CREATE_SERVICE_CREDENTIAL,
                              CREATE_SHARE, CREATE_RECIPIENT, CREATE_PROVIDER, CREATE_CLEAN_ROOM}});
  if (!kMetastores.update(t, m)) throw std::logic_error("a metastore vanished inside its transaction");
  insert_workspace_catalog(t, m, workspace_id, workspace_name, now);
  const Assignment a{
      .workspace_id = workspace_id, .metastore_id = m.info.metastore_id, .default_catalog_name = catalog_name_for(workspace_name, workspace_id)};
  if (!kAssignments.insert(t, a)) throw std::logic_error("a workspace was assigned twice");
}

void Metastores::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) { kAssignments.erase(t, store::sortable(workspace_id)); }

}  // namespace tarn::catalog
