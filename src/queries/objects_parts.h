#pragma once
// Private to the room: what its kinds of objects have in common, for objects.cc and alerts.cc.
#include "base/ids.h"
#include "queries/objects.h"

namespace tarn::queries {

inline constexpr Millis kTrash = 30ll * 24 * 3600 * 1000;  // after that, what was trashed is gone
inline constexpr std::size_t kMostText = 1u << 20;

inline std::int64_t here(const access::Context& ctx) { return ctx.workspace_id.value_or(0); }
inline std::string key_of(const access::Context& ctx, const std::string& id) { return store::key({store::sortable(here(ctx)), id}); }
inline Error lifted(const workspace::Error& e) {
  switch (e.code) {
    case workspace::Errc::not_found:
      return {Errc::not_found, e.message};
    case workspace::Errc::permission_denied:
      return {Errc::permission_denied, e.message};
    default:
      return {Errc::invalid, e.message};
  }
}

inline Result<void> short_text(const char* field, const std::optional<std::string>& text, std::size_t most) {
  if (text && text->size() > most)
    return refuse(Errc::invalid, fmt::format("Field '{}' must have at most {} bytes, got {}", field, most, text->size()));
  return {};
}
inline Result<void> some_text(const char* field, const std::optional<std::string>& text, std::size_t most) {
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
      if (std::string_view(d.name) == "parent_path") {  // nothing is moved by an update
        if constexpr (std::is_same_v<Fields, AlertV2Fields>) known = true;
        return;
      }
      known = true;
      into.*d.pointer = from.*d.pointer;
    });
    if (!known) return refuse(Errc::invalid, "Field 'update_mask' names no field that can be updated: " + std::string(name.substr(0, 100)));
    if (comma == rest.npos) return {};
    rest.remove_prefix(comma + 1);
  }
}

template <>
struct Objects::Kind<Query> {
  static constexpr store::Collection<Query> table{"queries.query"};
  static constexpr const char *type = "queries", *alias = "sql/queries", *noun = "query", *shown = "Query";
};
template <>
struct Objects::Kind<Alert> {
  static constexpr auto table = alerts_table;
  static constexpr const char *type = "alerts", *alias = "sql/alerts", *noun = "alert", *shown = "Alert";
};
template <>
struct Objects::Kind<AlertV2> {
  static constexpr auto table = alerts_v2_table;
  static constexpr const char *type = "alertsv2", *alias = "", *noun = "alert", *shown = "Alert";
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
  k.object_type = std::is_same_v<T, AlertV2> ? "alertv2" : noun;
  k.find = [this](std::int64_t workspace, const std::string& id) -> std::optional<access::FoundObject> {
    const auto found = store_.read_as([&](store::ReadTxn& t) { return K::table.get(t, store::key({store::sortable(workspace), id})); });
    if (!found) return std::nullopt;
    access::FoundObject out;
    if (auto place = tree_.place(workspace, found->value.folder)) out.parents = std::move(place->chain);
    return out;
  };
  permissions_.add_kind(std::move(k));
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

}  // namespace tarn::queries
