#include "queries/objects_parts.h"

namespace tarn::queries {

Objects::Objects(store::Store& store, access::ObjectPermissions& permissions, identity::Directory& directory, workspace::Tree& tree,
                 const tarn::Clock& clock)
    : store_(store), permissions_(permissions), directory_(directory), tree_(tree), clock_(clock) {
  declare<Query>();
  declare<Alert>();
  declare<AlertV2>();
  declare<Dashboard>();
  tree_.watch(*this);
}

Result<std::string> Objects::principal(const access::Context& ctx, const std::string& name) {
  const auto found = directory_.find_principal(name);
  if (!found || found->kind == identity::Kind::group || !directory_.is_assigned(here(ctx), found->id))
    return refuse(Errc::invalid, "Field 'owner_user_name' names nobody of this workspace: " + name.substr(0, 100));
  return found->name;
}

// Fields that requests bring are checked the same way, when made and when changed.

Result<void> Objects::check(const access::Context& ctx, const QueryFields& f) {
  TARN_CHECK(some_text("display_name", f.display_name, 255));
  TARN_CHECK(short_text("query_text", f.query_text, kMostText));
  TARN_CHECK(short_text("description", f.description, 4096));
  for (const auto& [name, text] : {std::pair("warehouse_id", &f.warehouse_id), std::pair("catalog", &f.catalog), std::pair("schema", &f.schema)})
    TARN_CHECK(short_text(name, *text, 255));
  if (f.tags.size() > 100) return refuse(Errc::invalid, "Field 'tags' must have at most 100 entries");
  std::set<std::string> names;
  constexpr std::array values{"date_range_value", "date_value", "enum_value", "numeric_value", "query_backed_value", "text_value"};
  for (std::size_t i = 0; i < f.parameters.size(); ++i) {
    const auto* o = f.parameters[i].if_object();
    const auto field = fmt::format("parameters[{}]", i);
    if (!o) return refuse(Errc::invalid, "Field '" + field + "' must be an object");
    const auto* name = o->if_contains("name");
    if (!name || !name->is_string() || name->as_string().empty()) return refuse(Errc::invalid, "Field '" + field + ".name' is required");
    if (!names.insert(std::string(name->as_string())).second) return refuse(Errc::invalid, "Field '" + field + ".name' is there twice");
    const auto given = std::ranges::count_if(values, [&](const char* v) { return o->contains(v); });
    if (given > 1) return refuse(Errc::invalid, "Field '" + field + "' must have one value only");
  }
  if (f.owner_user_name) TARN_CHECK(principal(ctx, *f.owner_user_name));
  return {};
}

Result<void> Objects::check(const access::Context&, const DashboardFields& f) {
  TARN_CHECK(some_text("display_name", f.display_name, 255));
  if (f.display_name && f.display_name->find('/') != std::string::npos) return refuse(Errc::invalid, "Field 'display_name' must not hold a slash");
  TARN_CHECK(short_text("warehouse_id", f.warehouse_id, 255));
  TARN_CHECK(short_text("serialized_dashboard", f.serialized_dashboard, 10u << 20));
  if (f.serialized_dashboard && !f.serialized_dashboard->empty()) {
    const auto doc = json::parse(*f.serialized_dashboard);
    if (!doc || !doc->is_object()) return refuse(Errc::invalid, "Field 'serialized_dashboard' must be a JSON object in a string");
  }
  return {};
}

Result<Query> Objects::create_query(const access::Context& ctx, QueryFields f, bool resolve_name) {
  const auto parent = std::exchange(f.parent_path, std::nullopt);
  if (!f.run_as_mode) f.run_as_mode = RunAsMode::OWNER;
  f.owner_user_name.reset();
  Query q;
  q.fields = std::move(f);
  q.last_modifier = ctx.caller.name;
  return add(ctx, std::move(q), parent, resolve_name);
}
Result<Query> Objects::query(const access::Context& ctx, const std::string& id) { return reach<Query>(ctx, id, workspace::kCanRead); }
Page<Query> Objects::queries(const access::Context& ctx, const std::string& after, std::size_t limit) {
  return list<Query>(ctx, after, limit, false);
}
Result<Query> Objects::update_query(const access::Context& ctx, const std::string& id, const QueryFields& fields, const std::string& mask, bool) {
  TARN_CHECK(check(ctx, fields));
  const bool gives = fields.owner_user_name && mask.find("owner_user_name") != mask.npos;
  return change<Query>(ctx, id, "updateQuery", gives ? workspace::kCanManage : workspace::kCanEdit, [&](store::WriteTxn&, Query& q) -> Result<void> {
    TARN_CHECK(take(q.fields, fields, mask));
    if (!q.fields.display_name) return refuse(Errc::invalid, "Field 'display_name' must not be empty");
    if (const auto owner = std::exchange(q.fields.owner_user_name, std::nullopt)) q.owner_user_name = *owner;
    q.last_modifier = ctx.caller.name;
    return {};
  });
}
Result<void> Objects::trash_query(const access::Context& ctx, const std::string& id) {
  auto done = change<Query>(ctx, id, "trashQuery", workspace::kCanManage, [](store::WriteTxn&, Query& q) -> Result<void> {
    q.lifecycle_state = Lifecycle::TRASHED;
    return {};
  });
  if (!done) return fail(done.error());
  return {};
}

Result<Dashboard> Objects::create_dashboard(const access::Context& ctx, DashboardFields f) {
  const auto parent = std::exchange(f.parent_path, std::nullopt);
  f.etag.reset();
  Dashboard d;
  d.fields = std::move(f);
  return add(ctx, std::move(d), parent, false);
}
Result<Dashboard> Objects::dashboard(const access::Context& ctx, const std::string& id) { return reach<Dashboard>(ctx, id, workspace::kCanRead); }
Page<Dashboard> Objects::dashboards(const access::Context& ctx, const std::string& after, std::size_t limit, bool trashed) {
  return list<Dashboard>(ctx, after, limit, trashed);
}
Result<Dashboard> Objects::update_dashboard(const access::Context& ctx, const std::string& id, const DashboardFields& f) {
  TARN_CHECK(check(ctx, f));
  return change<Dashboard>(ctx, id, "updateDashboard", workspace::kCanEdit, [&](store::WriteTxn&, Dashboard& d) -> Result<void> {
    if (f.etag && !f.etag->empty() && *f.etag != std::to_string(d.revision))
      return refuse(Errc::conflict, "The dashboard was changed since it was read: etag " + f.etag->substr(0, 40) + " is not the latest.");
    if (f.display_name) d.fields.display_name = f.display_name;
    if (f.serialized_dashboard) d.fields.serialized_dashboard = f.serialized_dashboard;
    if (f.warehouse_id) d.fields.warehouse_id = f.warehouse_id;
    ++d.revision;
    return {};
  });
}
Result<void> Objects::trash_dashboard(const access::Context& ctx, const std::string& id) {
  auto done = change<Dashboard>(ctx, id, "trashDashboard", workspace::kCanManage, [](store::WriteTxn&, Dashboard& d) -> Result<void> {
    d.lifecycle_state = Lifecycle::TRASHED;
    d.published.reset();
    return {};
  });
  if (!done) return fail(done.error());
  return {};
}
Result<Published> Objects::publish(const access::Context& ctx, const std::string& id, std::optional<std::string> warehouse, bool embed_credentials) {
  TARN_CHECK(short_text("warehouse_id", warehouse, 255));
  auto done = change<Dashboard>(ctx, id, "publishDashboard", workspace::kCanManage, [&](store::WriteTxn&, Dashboard& d) -> Result<void> {
    d.published = Published{.display_name = d.fields.display_name.value_or(""),
                            .warehouse_id = warehouse && !warehouse->empty() ? *warehouse : d.fields.warehouse_id.value_or(""),
                            .embed_credentials = embed_credentials,
                            .revision_created = clock_.now()};
    return {};
  });
  if (!done) return fail(done.error());
  return *done->published;
}
Result<void> Objects::unpublish(const access::Context& ctx, const std::string& id) {
  auto done = change<Dashboard>(ctx, id, "unpublishDashboard", workspace::kCanManage, [&](store::WriteTxn&, Dashboard& d) -> Result<void> {
    if (!d.published) return refuse(Errc::not_found, "Unable to find published dashboard [" + id + "]");
    d.published.reset();
    return {};
  });
  if (!done) return fail(done.error());
  return {};
}
Result<Published> Objects::published(const access::Context& ctx, const std::string& id) {
  TARN_TRY(d, reach<Dashboard>(ctx, id, workspace::kCanRead));
  if (!d.published) return refuse(Errc::not_found, "Unable to find published dashboard [" + id + "]");
  return *d.published;
}

void Objects::on_removed(store::WriteTxn& t, const workspace::Node& node) {
  if (!node.is_folder()) return;
  const auto drop = [&]<class T>(Kind<T>) {
    for (const auto& o : Kind<T>::table.scan_index(t, "folder", store::key({store::sortable(node.workspace_id), node.path()}))) {
      permissions_.on_deleted(t, node.workspace_id, {Kind<T>::type, o.id});
      Kind<T>::table.erase(t, o.store_key());
    }
  };
  drop(Kind<Query>{}), drop(Kind<Alert>{}), drop(Kind<AlertV2>{}), drop(Kind<Dashboard>{});
}

void Objects::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace) const {
  const auto drop = [&]<class T>(Kind<T>) {
    for (const auto& o : Kind<T>::table.scan(t, store::prefix({store::sortable(workspace)}))) {
      permissions_.on_deleted(t, workspace, {Kind<T>::type, o.id});
      Kind<T>::table.erase(t, o.store_key());
    }
  };
  drop(Kind<Query>{}), drop(Kind<Alert>{}), drop(Kind<AlertV2>{}), drop(Kind<Dashboard>{});
}

bool Objects::holds(store::ReadTxn& t, const workspace::Node& folder) {
  const auto any = [&]<class T>(Kind<T>) {
    return std::ranges::any_of(Kind<T>::table.scan_index(t, "folder", store::key({store::sortable(folder.workspace_id), folder.path()})),
                               [](const T& o) { return o.lifecycle_state == Lifecycle::ACTIVE; });
  };
  return any(Kind<Query>{}) || any(Kind<Alert>{}) || any(Kind<AlertV2>{}) || any(Kind<Dashboard>{});
}

}  // namespace tarn::queries
