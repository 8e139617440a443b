#include "queries/objects.h"

#include "base/ids.h"

namespace tarn::queries {
namespace {

constexpr Millis kTrash = 30ll * 24 * 3600 * 1000;  // after that, what was trashed is gone
constexpr std::size_t kMostText = 1u << 20;

std::int64_t here(const access::Context& ctx) { return ctx.workspace_id.value_or(0); }
std::string key_of(const access::Context& ctx, const std::string& id) { return store::key({store::sortable(here(ctx)), id}); }

Error lifted(const workspace::Error& e) {
  switch (e.code) {
    case workspace::Errc::not_found:
      return {Errc::not_found, e.message};
    case workspace::Errc::permission_denied:
      return {Errc::permission_denied, e.message};
    default:
      return {Errc::invalid, e.message};
  }
}

Result<void> short_text(const char* field, const std::optional<std::string>& text, std::size_t most) {
  if (text && text->size() > most)
    return refuse(Errc::invalid, fmt::format("Field '{}' must have at most {} bytes, got {}", field, most, text->size()));
  return {};
}
Result<void> some_text(const char* field, const std::optional<std::string>& text, std::size_t most) {
  if (text && text->find_first_not_of(" \t\n") == std::string::npos)
    return refuse(Errc::invalid, std::string("Field '") + field + "' must not be empty");
  return short_text(field, text, most);
}

/// Copies the members that a mask names; refuses one that names none.
template <class Fields>
Result<void> take(Fields& into, const Fields& from, const std::string& mask) {
  if (mask.empty()) return refuse(Errc::invalid, "Field 'update_mask' is required");
  std::string_view rest = mask;
  while (true) {
    const auto comma = rest.find(',');
    const auto name = rest.substr(0, comma);
    bool known = mask == "*";
    boost::mp11::mp_for_each<boost::describe::describe_members<Fields, boost::describe::mod_public>>([&](auto d) {
      if (mask != "*" && name != d.name && !(name.starts_with(d.name) && name[std::string_view(d.name).size()] == '.')) return;
      if (std::string_view(d.name) == "parent_path") return;  // nothing is moved by an update
      known = true;
      into.*d.pointer = from.*d.pointer;
    });
    if (!known) return refuse(Errc::invalid, "Field 'update_mask' names no field that can be updated: " + std::string(name.substr(0, 100)));
    if (comma == rest.npos) return {};
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace

template <>
struct Objects::Kind<Query> {
  static constexpr store::Collection<Query> table{"queries.query"};
  static constexpr const char *type = "queries", *alias = "sql/queries", *noun = "query", *shown = "Query";
};
template <>
struct Objects::Kind<Alert> {
  static constexpr store::Collection<Alert> table{"queries.alert"};
  static constexpr const char *type = "alerts", *alias = "sql/alerts", *noun = "alert", *shown = "Alert";
};
template <>
struct Objects::Kind<Dashboard> {
  static constexpr store::Collection<Dashboard> table{"queries.dashboard"};
  static constexpr const char *type = "dashboards", *alias = "", *noun = "dashboard", *shown = "Dashboard";
};

template <class T>
void Objects::declare() {
  using K = Kind<T>;
  access::ObjectKind k;
  k.type = K::type;
  if (*K::alias) k.aliases = {K::alias};
  const std::string noun = K::noun;
  k.levels = {{"CAN_READ", "Can view the " + noun},
              {"CAN_RUN", "Can run the " + noun},
              {"CAN_EDIT", "Can edit the " + noun},
              {"CAN_MANAGE", "Can manage the " + noun}};
  k.creator_level = "CAN_MANAGE";
  k.object_type = noun;
  k.find = [this](std::int64_t workspace, const std::string& id) -> std::optional<access::FoundObject> {
    const auto found = store_.read_as([&](store::ReadTxn& t) { return K::table.get(t, store::key({store::sortable(workspace), id})); });
    if (!found) return std::nullopt;
    access::FoundObject out;
    if (auto place = tree_.place(workspace, found->value.folder)) out.parents = std::move(place->chain);
    return out;
  };
  permissions_.add_kind(std::move(k));
}

Objects::Objects(store::Store& store, access::ObjectPermissions& permissions, identity::Directory& directory, workspace::Tree& tree,
                 const tarn::Clock& clock)
    : store_(store), permissions_(permissions), directory_(directory), tree_(tree), clock_(clock) {
  declare<Query>();
  declare<Alert>();
  declare<Dashboard>();
  tree_.watch(*this);
}

template <class T>
Result<T> Objects::reach(const access::Context& ctx, const std::string& id, std::string_view level) {
  const access::ObjectRef ref{Kind<T>::type, id};
  auto found = store_.read_as([&](store::ReadTxn& t) { return Kind<T>::table.get(t, key_of(ctx, id)); });
  const auto allowed = [&](std::string_view l) {
    return permissions_.allows(ctx, ref, l) || (found && workspace::within(found->value.folder, "/Shared"));
  };
  if (!found || !allowed(workspace::kCanRead))
    return refuse(Errc::not_found, fmt::format("{} with id {} does not exist or is not accessible to the user.", Kind<T>::shown, id.substr(0, 100)));
  if (!allowed(level))
    return refuse(Errc::permission_denied,
                  fmt::format("{} does not have {} permissions on {} {}. Please contact the owner or an administrator for access.", ctx.caller.name,
                              level == workspace::kCanManage ? "Manage" : "Edit", Kind<T>::noun, id));
  return std::move(found->value);
}

template <class T>
bool Objects::name_taken(store::ReadTxn& t, const T& object) const {
  for (const auto& other : Kind<T>::table.scan_index(t, "folder", store::key({store::sortable(object.workspace_id), object.folder})))
    if (other.id != object.id && other.lifecycle_state == Lifecycle::ACTIVE && other.fields.display_name == object.fields.display_name) return true;
  return false;
}

template <class T>
Result<T> Objects::add(const access::Context& ctx, T object, const std::optional<std::string>& parent, bool resolve_name) {
  using K = Kind<T>;
  auto event = ctx.event("databrickssql", std::string("create") + K::shown);
  const auto prepared = [&]() -> Result<void> {
    if (!object.fields.display_name) return refuse(Errc::invalid, "Field 'display_name' is required");
    TARN_CHECK(check(ctx, object.fields));
    auto folder = tree_.folder(ctx, parent && !parent->empty() ? *parent : "/Users/" + ctx.caller.name, workspace::kCanManage);
    if (!folder) return fail(lifted(folder.error()));
    object.folder = folder->path;
    return {};
  }();
  if (!prepared) return fail(store_.refused(std::move(event), prepared.error()));
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<T> {
    T o = object;
    o.workspace_id = here(ctx);
    o.id = std::is_same_v<T, Dashboard> ? new_hex(16) : new_uuid();
    o.owner_user_name = ctx.caller.name;
    o.created = o.updated = clock_.now();
    const auto name = *o.fields.display_name;
    for (int n = 1; name_taken(t, o); ++n) {
      if (!resolve_name) return refuse(Errc::already_exists, "Node named '" + name + "' already exists");
      o.fields.display_name = fmt::format("{} ({})", name, n);
    }
    for (const auto& old : K::table.scan(t, store::prefix({store::sortable(here(ctx))}))) {
      if (old.lifecycle_state == Lifecycle::ACTIVE || clock_.now() - old.updated < kTrash) continue;
      permissions_.on_deleted(t, here(ctx), {K::type, old.id});
      K::table.erase(t, old.store_key());
    }
    if (!K::table.insert(t, o)) throw std::logic_error("a fresh id is taken");
    permissions_.on_created(t, here(ctx), {K::type, o.id}, ctx.caller);
    t.audit().params["id"] = o.id;
    return o;
  });
}

template <class T, class F>
Result<T> Objects::change(const access::Context& ctx, const std::string& id, const char* action, std::string_view level, F&& body) {
  using K = Kind<T>;
  auto event = ctx.event("databrickssql", action, {{"id", id.substr(0, 100)}});
  const auto may = reach<T>(ctx, id, level);
  if (!may) return fail(store_.refused(std::move(event), may.error()));
  return store_.write_as(std::move(event), [&](store::WriteTxn& t) -> Result<T> {
    auto found = K::table.get(t, key_of(ctx, id));
    if (!found) return refuse(Errc::conflict, "The object was deleted while the request ran.");
    T& o = found->value;
    if (o.lifecycle_state == Lifecycle::TRASHED) return refuse(Errc::invalid, fmt::format("The {} is in the trash and cannot be changed.", K::noun));
    if (Result<void> fine = body(t, o); !fine) return fail(fine.error());
    if (name_taken(t, o) && o.lifecycle_state == Lifecycle::ACTIVE)
      return refuse(Errc::already_exists, "Node named '" + o.fields.display_name.value_or("") + "' already exists");
    o.updated = clock_.now();
    if (!K::table.update(t, o)) throw std::logic_error("an object vanished inside its transaction");
    return o;
  });
}

template <class T>
Page<T> Objects::list(const access::Context& ctx, const std::string& after, std::size_t limit, bool trashed) {
  using K = Kind<T>;
  Page<T> out;
  std::string from = after.empty() ? "" : key_of(ctx, after);
  while (out.items.size() <= limit) {
    const auto batch =
        store_.read_as([&](store::ReadTxn& t) { return K::table.scan(t, store::prefix({store::sortable(here(ctx))}), from, limit + 1); });
    for (const auto& o : batch) {
      from = o.store_key();
      if (o.lifecycle_state == Lifecycle::TRASHED && !trashed) continue;
      if (!workspace::within(o.folder, "/Shared") && !permissions_.allows(ctx, {K::type, o.id}, workspace::kCanRead)) continue;
      out.items.push_back(o);
      if (out.items.size() > limit) break;
    }
    if (batch.size() <= limit) break;
  }
  if (out.items.size() > limit) {
    out.items.resize(limit);
    out.next = out.items.back().id;
  }
  store_.audit_later(ctx.event("databrickssql", std::string("list") + K::shown + "s"));
  return out;
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

Result<void> Objects::check(const access::Context& ctx, const AlertFields& f) {
  TARN_CHECK(some_text("display_name", f.display_name, 255));
  TARN_CHECK(short_text("custom_body", f.custom_body, 65536));
  TARN_CHECK(short_text("custom_subject", f.custom_subject, 1024));
  if (f.seconds_to_retrigger && *f.seconds_to_retrigger < 0) return refuse(Errc::invalid, "Field 'seconds_to_retrigger' must not be negative");
  if (f.condition) {
    if (f.condition->operand.column.name.empty()) return refuse(Errc::invalid, "Field 'condition.operand.column.name' must not be empty");
    if (f.condition->threshold) {
      const auto& v = f.condition->threshold->value;
      if (v.string_value.has_value() + v.double_value.has_value() + v.bool_value.has_value() != 1)
        return refuse(Errc::invalid, "Field 'condition.threshold.value' must have exactly one of string_value, double_value and bool_value");
    } else if (f.condition->op != AlertOperator::IS_NULL) {
      return refuse(Errc::invalid, "Field 'condition.threshold' is required for this operator");
    }
  }
  if (f.query_id) {
    const auto q = reach<Query>(ctx, *f.query_id, workspace::kCanRead);
    if (!q) return fail(q.error());
    if (q->lifecycle_state == Lifecycle::TRASHED) return refuse(Errc::invalid, "Field 'query_id' names a query in the trash");
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

Result<Alert> Objects::create_alert(const access::Context& ctx, AlertFields f, bool resolve_name) {
  for (const auto& [name, there] : {std::pair("query_id", f.query_id.has_value()), std::pair("condition", f.condition.has_value())})
    if (!there) return refuse(Errc::invalid, std::string("Field '") + name + "' is required");
  const auto parent = std::exchange(f.parent_path, std::nullopt);
  f.owner_user_name.reset();
  Alert a;
  a.fields = std::move(f);
  return add(ctx, std::move(a), parent, resolve_name);
}
Result<Alert> Objects::alert(const access::Context& ctx, const std::string& id) { return reach<Alert>(ctx, id, workspace::kCanRead); }
Page<Alert> Objects::alerts(const access::Context& ctx, const std::string& after, std::size_t limit) { return list<Alert>(ctx, after, limit, false); }
Result<Alert> Objects::update_alert(const access::Context& ctx, const std::string& id, const AlertFields& fields, const std::string& mask, bool) {
  TARN_CHECK(check(ctx, fields));
  const bool gives = fields.owner_user_name && mask.find("owner_user_name") != mask.npos;
  return change<Alert>(ctx, id, "updateAlert", gives ? workspace::kCanManage : workspace::kCanEdit, [&](store::WriteTxn&, Alert& a) -> Result<void> {
    TARN_CHECK(take(a.fields, fields, mask));
    if (!a.fields.display_name || !a.fields.query_id || !a.fields.condition)
      return refuse(Errc::invalid, "Fields 'display_name', 'query_id' and 'condition' must be set");
    if (const auto owner = std::exchange(a.fields.owner_user_name, std::nullopt)) a.owner_user_name = *owner;
    return {};
  });
}
Result<void> Objects::trash_alert(const access::Context& ctx, const std::string& id) {
  auto done = change<Alert>(ctx, id, "trashAlert", workspace::kCanManage, [](store::WriteTxn&, Alert& a) -> Result<void> {
    a.lifecycle_state = Lifecycle::TRASHED;
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
  drop(Kind<Query>{}), drop(Kind<Alert>{}), drop(Kind<Dashboard>{});
}

void Objects::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace) const {
  const auto drop = [&]<class T>(Kind<T>) {
    for (const auto& o : Kind<T>::table.scan(t, store::prefix({store::sortable(workspace)}))) {
      permissions_.on_deleted(t, workspace, {Kind<T>::type, o.id});
      Kind<T>::table.erase(t, o.store_key());
    }
  };
  drop(Kind<Query>{}), drop(Kind<Alert>{}), drop(Kind<Dashboard>{});
}

bool Objects::holds(store::ReadTxn& t, const workspace::Node& folder) {
  const auto any = [&]<class T>(Kind<T>) {
    return std::ranges::any_of(Kind<T>::table.scan_index(t, "folder", store::key({store::sortable(folder.workspace_id), folder.path()})),
                               [](const T& o) { return o.lifecycle_state == Lifecycle::ACTIVE; });
  };
  return any(Kind<Query>{}) || any(Kind<Alert>{}) || any(Kind<Dashboard>{});
}

}  // namespace tarn::queries
