#include "identity/scim.h"

#include "base/ids.h"
#include "identity/roster.h"
#include "identity/scim_edit.h"

namespace tarn::identity::scim {

using roster::change;
using store::sortable;

namespace {

std::int64_t view(const access::Context& ctx) { return ctx.workspace_id.value_or(0); }

const char* noun(Kind kind) { return kind == Kind::user ? "User" : kind == Kind::group ? "Group" : "Service principal"; }

store::AuditEvent event(const access::Context& ctx, Kind kind, std::string_view verb, std::string id, std::string name = {}) {
  const bool group = kind == Kind::group;
  std::string action = verb == "create"   ? (group ? "createGroup" : "add")
                       : verb == "delete" ? (group ? "removeGroup" : "delete")
                       : verb == "get"    ? (group ? "getGroup" : "getUser")
                       : verb == "list"   ? (group ? "listGroups" : "listUsers")
                                          : (group ? "updateGroup" : "updateUser");
  std::map<std::string, std::string> params;
  if (!id.empty()) params[group ? "targetGroupId" : "targetUserId"] = std::move(id);
  if (!name.empty()) params[group ? "targetGroupName" : "targetUserName"] = std::move(name);
  return ctx.event("accounts", std::move(action), std::move(params));
}

Error missing(Kind kind, std::int64_t id) { return {Errc::not_found, fmt::format("{} with id {} not found.", noun(kind), id)}; }

Resource load(store::ReadTxn& t, std::int64_t workspace, PrincipalRecord p, bool with_members = true, bool with_groups = true) {
  Resource r;
  const auto reference = [&](std::int64_t id, bool direct) -> std::optional<Reference> {
    const auto other = roster::get(t, id);
    if (!other || (other->workspace_id != 0 && other->workspace_id != workspace)) return std::nullopt;
    return Reference{id, other->kind, other->display_name.empty() ? other->name : other->display_name, direct};
  };
  if (p.kind == Kind::group && with_members)
    for (const auto id : members_of(t, p))
      if (auto m = reference(id, true)) r.members.push_back(*std::move(m));
  if (with_groups) {
    const auto direct = roster::direct_groups(t, p.id);
    for (const auto id : roster::closure(t, p.id))
      if (auto g = reference(id, std::find(direct.begin(), direct.end(), id) != direct.end())) r.groups.push_back(*std::move(g));
    if (workspace != 0 && p.workspace_id == 0)
      for (const char* name : {"users", "admins"}) {
        const auto g = roster::by_name(t, Kind::group, workspace, name);
        if (!g) continue;
        const auto held = members_of(t, *g);
        if (std::find(held.begin(), held.end(), p.id) != held.end()) r.groups.push_back({g->id, Kind::group, g->name, true});
      }
  }
  if (workspace != 0) r.entitlements = roster::entitlements(t, workspace, p.id);
  r.principal = std::move(p);
  return r;
}

/// A principal that the view shows, of the kind that the path names.
Result<PrincipalRecord> seen(store::ReadTxn& t, std::int64_t workspace, Kind kind, std::int64_t id) {
  auto p = roster::get(t, id);
  if (!p || p->kind != kind || id == roster::kAccountUsers || !shows(t, workspace, *p)) return fail(missing(kind, id));
  return *std::move(p);
}

bool manages(store::ReadTxn& t, const access::Context& ctx, Kind kind, std::int64_t id) {
  return kind == Kind::group && roster::holds_role(t, id, roster::kGroupManager, ctx.caller);
}

Result<void> may_read(store::ReadTxn& t, const access::Context& ctx, Kind kind, std::int64_t id) {
  if (view(ctx) != 0 || ctx.caller.account_admin || ctx.caller.id == id || manages(t, ctx, kind, id)) return {};
  return fail(account_admin_only());
}

Result<void> may_write(store::ReadTxn& t, const access::Context& ctx, Kind kind, std::int64_t id) {
  if (ctx.caller.account_admin || (id != 0 && manages(t, ctx, kind, id))) return {};
  if (view(ctx) == 0) return fail(account_admin_only());
  if (ctx.caller.workspace_admin) return {};
  return fail(Error{Errc::permission_denied, "Only workspace administrators can perform this operation."});
}

std::vector<std::string> values_of(const Resource& r, std::string_view attribute) {
  const auto& p = r.principal;
  const auto dot = attribute.find('.');
  const auto head = attribute.substr(0, dot), part = dot == attribute.npos ? std::string_view() : attribute.substr(dot + 1);
  const auto references = [&](const std::vector<Reference>& all) {
    std::vector<std::string> out;
    for (const auto& m : all) out.push_back(part == "display" ? m.display : std::to_string(m.id));
    return out;
  };
  if (head == "id") return {std::to_string(p.id)};
  if (head == "username" || head == "applicationid") return {p.name};
  if (head == "displayname") return {p.display_name};
  if (head == "externalid") return {p.external_id};
  if (head == "active") return {p.active ? "true" : "false"};
  if (head == "name") {
    if (part == "givenname") return {p.given_name};
    if (part == "familyname") return {p.family_name};
    return {p.given_name, p.family_name};
  }
  if (head == "members") return references(r.members);
  if (head == "groups") return references(r.groups);
  if (head == "roles") return p.roles;
  if (head == "entitlements") return {r.entitlements.begin(), r.entitlements.end()};
  if (head == "meta") return {p.workspace_id ? "WorkspaceGroup" : noun(p.kind)};
  if (head == "emails") {
    std::vector<std::string> out;
    for (const auto& e : p.emails) out.push_back(part == "type" ? e.type : part == "primary" ? (e.primary ? "true" : "false") : e.value);
    return out;
  }
  return {};
}

std::vector<Values> elements_of(const Resource& r, std::string_view attribute) {
  std::vector<Values> out;
  const auto add = [&](const std::vector<Reference>& all) {
    for (const auto& m : all)
      out.push_back([&m](std::string_view part) { return std::vector<std::string>{part == "display" ? m.display : std::to_string(m.id)}; });
  };
  if (attribute == "members") add(r.members);
  if (attribute == "groups") add(r.groups);
  if (attribute == "emails")
    for (const auto& e : r.principal.emails)
      out.push_back([&e](std::string_view part) {
        return std::vector<std::string>{part == "type" ? e.type : part == "primary" ? (e.primary ? "true" : "false") : e.value};
      });
  if (attribute == "roles")
    for (const auto& v : r.principal.roles) out.push_back([&v](std::string_view) { return std::vector<std::string>{v}; });
  if (attribute == "entitlements")
    for (const auto& v : r.entitlements) out.push_back([&v](std::string_view) { return std::vector<std::string>{v}; });
  return out;
}

bool known_attribute(Kind kind, std::string_view attribute) {
  static const std::set<std::string, std::less<>> common{
      "id",          "displayname",  "externalid",         "groups",           "groups.value", "groups.display", "roles",
      "roles.value", "entitlements", "entitlements.value", "meta.resourcetype"};
  static const std::set<std::string, std::less<>> people{"active", "username",     "name",        "name.givenname", "name.familyname",
                                                         "emails", "emails.value", "emails.type", "emails.primary"};
  if (common.contains(attribute)) return true;
  if (kind == Kind::group) return attribute == "members" || attribute == "members.value" || attribute == "members.display";
  return people.contains(attribute) || (kind == Kind::service_principal && attribute == "applicationid");
}

bool mentions(const Filter& f, std::string_view attribute) {
  return f.attribute.starts_with(attribute) || std::any_of(f.parts.begin(), f.parts.end(), [&](const Filter& p) { return mentions(p, attribute); });
}

/// The candidates of a listing: by index where the filter allows, else all that the view shows, by id.
std::vector<PrincipalRecord> candidates(store::ReadTxn& t, std::int64_t workspace, Kind kind, const std::optional<Filter>& filter) {
  std::vector<PrincipalRecord> out;
  const auto level = [&](std::int64_t at) { return kPrincipals.scan_index(t, "level", PrincipalRecord::level_value(kind, at)); };
  if (filter) {
    const char* key = kind == Kind::user ? "username" : kind == Kind::service_principal ? "applicationid" : "displayname";
    if (const auto name = only_equals(*filter, key)) {
      for (const auto at : std::set<std::int64_t>{0, workspace})
        if (auto p = roster::by_name(t, kind, at, *name); p && shows(t, workspace, *p)) out.push_back(*std::move(p));
      return out;
    }
    if (const auto external = only_equals(*filter, "externalid"); external && !external->empty()) {
      for (auto& p : kPrincipals.scan_index(t, "external_id", *external))
        if (p.kind == kind && shows(t, workspace, p)) out.push_back(std::move(p));
      return out;
    }
  }
  if (workspace == 0) return level(0);
  for (const auto id : roster::visible(t, workspace))
    if (auto p = roster::get(t, id); p && p->kind == kind) out.push_back(*std::move(p));
  if (kind == Kind::group)
    for (auto& g : level(workspace)) out.push_back(std::move(g));
  return out;
}

/// Refuses a change that would leave the account without an admin.
Result<void> still_governed(store::ReadTxn& t, std::size_t before) {
  if (before > 0 && roster::account_admins(t) == 0)
    return fail(Error{Errc::invalid, "The last account admin cannot be removed or deactivated: make another one first"});
  return {};
}

Result<void> store_changed(store::WriteTxn& t, PrincipalRecord& p, Millis now) {
  p.updated_at = now;
  if (!kPrincipals.update(t, p)) return fail(Error{Errc::already_exists, fmt::format("{} with name {} already exists.", noun(p.kind), p.name)});
  return {};
}

}  // namespace

Result<Page> Service::list(const access::Context& ctx, Kind kind, const Query& query) {
  const auto workspace = view(ctx);
  if (workspace == 0 && !ctx.caller.account_admin) return store_.looked(event(ctx, kind, "list", ""), Result<Page>(fail(account_admin_only())));
  std::optional<Filter> filter;
  const std::function<bool(std::string_view)> known = [kind](std::string_view a) { return known_attribute(kind, a); };
  if (!query.filter.empty()) {
    TARN_TRY(parsed, parse_filter(query.filter, known));
    filter = std::move(parsed);
  }
  if (!query.sort_by.empty() && !known(folded(query.sort_by)))
    return fail(Error{Errc::invalid, fmt::format("Parameter 'sortBy' must be an attribute, got '{}'", query.sort_by)});
  auto page = store_.read_as([&](store::ReadTxn& t) -> Result<Page> {
    Page page{.start_index = std::max<std::int64_t>(query.start_index, 1)};
    std::vector<Resource> all;
    const bool members = filter && mentions(*filter, "members"), groups = filter && mentions(*filter, "groups");
    for (auto& p : candidates(t, workspace, kind, filter)) {
      auto r = load(t, workspace, std::move(p), members, groups);
      if (filter && !matches(
                        *filter, [&](std::string_view a) { return values_of(r, a); }, [&](std::string_view a) { return elements_of(r, a); }))
        continue;
      all.push_back(std::move(r));
    }
    if (!query.sort_by.empty()) {
      const auto by = folded(query.sort_by);
      const auto value = [&](const Resource& r) {
        auto v = values_of(r, by);
        return v.empty() ? std::string() : folded(v.front());
      };
      std::stable_sort(all.begin(), all.end(),
                       [&](const Resource& a, const Resource& b) { return query.descending ? value(b) < value(a) : value(a) < value(b); });
    }
    page.total = static_cast<std::int64_t>(all.size());
    const auto count = std::clamp<std::int64_t>(query.count, 0, kMostInPage);
    for (auto i = page.start_index - 1; i < page.total && i < page.start_index - 1 + count; ++i)
      page.resources.push_back(load(t, workspace, std::move(all[static_cast<std::size_t>(i)].principal), query.with_members, query.with_groups));
    return page;
  });
  return store_.looked(event(ctx, kind, "list", ""), std::move(page));
}

Result<Resource> Service::get(const access::Context& ctx, Kind kind, std::int64_t id) {
  return store_.looked(event(ctx, kind, "get", std::to_string(id)), store_.read_as([&](store::ReadTxn& t) -> Result<Resource> {
    TARN_CHECK(may_read(t, ctx, kind, id));
    TARN_TRY(p, seen(t, view(ctx), kind, id));
    return load(t, view(ctx), std::move(p));
  }));
}

Result<Resource> Service::me(const access::Context& ctx) {
  return store_.read_as([&](store::ReadTxn& t) -> Result<Resource> {
    auto p = roster::get(t, ctx.caller.id);
    if (!p) return fail(missing(Kind::user, ctx.caller.id));
    return load(t, view(ctx), *std::move(p));
  });
}

Result<Resource> Service::create(const access::Context& ctx, Kind kind, const Draft& d) {
  const auto workspace = view(ctx);
  const auto shown_name = kind == Kind::user    ? d.user_name
                          : kind == Kind::group ? d.display_name
                          : d.application_id    ? d.application_id
                                                : d.display_name;
  return change(store_, event(ctx, kind, "create", "", shown_name.value_or("")), [&](store::WriteTxn& t) -> Result<Resource> {
    TARN_CHECK(may_write(t, ctx, kind, 0));
    const auto now = clock_.now();
    PrincipalRecord p{.id = new_numeric_id(), .kind = kind, .active = d.active.value_or(true), .created_at = now, .updated_at = now};
    Change c{t, ctx, workspace, now, p};
    if (d.external_id) {
      TARN_CHECK(valid_text("externalId", *d.external_id));
      p.external_id = *d.external_id;
    }
    std::optional<PrincipalRecord> there;
    if (kind == Kind::group) {
      p.workspace_id = workspace;
      if (workspace != 0)
        if (const auto g = roster::by_name(t, Kind::group, 0, d.display_name.value_or("")); g && shows(t, workspace, *g))
          return fail(Error{Errc::already_exists, fmt::format("Group with name {} already exists.", g->name)});
      if (const auto g = roster::by_name(t, Kind::group, workspace, d.display_name.value_or("")))
        return fail(Error{Errc::already_exists, fmt::format("Group with name {} already exists.", g->name)});
      TARN_CHECK(set_name(c, d.display_name.value_or("")));
      if (p.name.empty()) return fail(Error{Errc::invalid, "Field 'displayName' is required"});
    } else if (kind == Kind::user) {
      if (!d.user_name) return fail(Error{Errc::invalid, "Field 'userName' is required"});
      TARN_CHECK(valid_user_name(*d.user_name));
      p.name = *d.user_name;
      p.display_name = d.display_name.value_or("");
      p.given_name = d.given_name.value_or("");
      p.family_name = d.family_name.value_or("");
      if (p.display_name.empty() && !(p.given_name + p.family_name).empty())
        p.display_name = p.given_name + (p.given_name.empty() || p.family_name.empty() ? "" : " ") + p.family_name;
      if (p.display_name.empty()) p.display_name = p.name;
      p.emails = d.emails.value_or(std::vector<Email>{});
      if (p.emails.empty()) p.emails.push_back({p.name, "work", true});
      there = roster::by_name(t, kind, 0, p.name);
      if (there && (workspace == 0 || shows(t, workspace, *there)))
        return fail(Error{Errc::already_exists, workspace ? fmt::format("User with username {} already exists.", p.name)
                                                          : fmt::format("User with email {} already exists in this account", p.name)});
    } else {
      if (d.application_id && !d.application_id->empty() && !is_uuid(folded(*d.application_id)))
        return fail(Error{Errc::invalid, fmt::format("Field 'applicationId' must be a UUID, got '{}'", *d.application_id)});
      p.name = d.application_id && !d.application_id->empty() ? folded(*d.application_id) : new_uuid();
      p.display_name = d.display_name.value_or(p.name);
      there = roster::by_name(t, kind, 0, p.name);
      if (there && (workspace == 0 || shows(t, workspace, *there)))
        return fail(Error{Errc::already_exists, fmt::format("Service principal with application ID {} already exists.", p.name)});
    }
    for (const auto& [field, value] :
         {std::pair{"displayName", &p.display_name}, {"name.givenName", &p.given_name}, {"name.familyName", &p.family_name}})
      TARN_CHECK(valid_text(field, *value));
    if (there)
      p = *there;
    else if (!kPrincipals.insert(t, p))
      throw std::logic_error("a new principal's id is taken");
    if (d.roles && !there) TARN_CHECK(set_roles(c, *d.roles, Edit::Op::add));
    if (d.members && kind == Kind::group) TARN_CHECK(set_members(c, *d.members));
    if (!there) TARN_CHECK(store_changed(t, p, now));
    if (workspace != 0) {
      if (p.workspace_id == 0 && !kAssignments.put(t, {workspace, p.id, false})) throw std::logic_error("an assignment has no unique values");
      if (d.entitlements) TARN_CHECK(set_entitlements(c, *d.entitlements, Edit::Op::replace));
    }
    if (kind == Kind::service_principal && !there) {
      // Who makes a service principal manages it (vendor's documentation of the Service Principal Manager role).
      if (ctx.caller.id != 0 && !kRuleSets.put(t, {.resource = p.id, .grants = {{roster::kSecretManager, {ctx.caller.id}}}, .revision = 1}))
        throw std::logic_error("a rule set has no unique values");
    }
    t.audit().params[kind == Kind::group ? "targetGroupId" : "targetUserId"] = std::to_string(p.id);
    return load(t, workspace, p);
  });
}

Result<Resource> Service::replace(const access::Context& ctx, Kind kind, std::int64_t id, const Draft& d) {
  const auto workspace = view(ctx);
  return change(store_, event(ctx, kind, "update", std::to_string(id)), [&](store::WriteTxn& t) -> Result<Resource> {
    TARN_CHECK(may_write(t, ctx, kind, id));
    TARN_TRY(p, seen(t, workspace, kind, id));
    const auto before = roster::account_admins(t);
    Change c{t, ctx, workspace, clock_.now(), p};
    const auto put = [&](const char* attribute, const char* part, std::vector<std::string> values) {
      return apply(c, {Edit::Op::replace, {attribute, {}, part}, std::move(values)});
    };
    // Seen from a workspace, what a client leaves out of an account-level principal is not its to clear.
    const bool clears = workspace == 0 || p.workspace_id != 0;
    if (d.display_name || kind == Kind::group) TARN_CHECK(put("displayname", "", {d.display_name.value_or("")}));
    if (d.external_id || clears) TARN_CHECK(put("externalid", "", {d.external_id.value_or("")}));
    if (kind == Kind::user) {
      if (d.given_name || clears) TARN_CHECK(put("name", "givenname", {d.given_name.value_or("")}));
      if (d.family_name || clears) TARN_CHECK(put("name", "familyname", {d.family_name.value_or("")}));
    }
    if (d.active && kind != Kind::group) TARN_CHECK(put("active", "", {*d.active ? "true" : "false"}));
    if (kind == Kind::group && (d.members || clears) && !(p.system && !d.members)) {
      std::vector<std::string> ids;
      for (const auto m : d.members.value_or(std::vector<std::int64_t>{})) ids.push_back(std::to_string(m));
      const auto have = members_of(t, p);
      if (std::set<std::int64_t>(have.begin(), have.end()) !=
          (d.members ? std::set<std::int64_t>(d.members->begin(), d.members->end()) : std::set<std::int64_t>()))
        TARN_CHECK(put("members", "", std::move(ids)));
    }
    if (d.roles) TARN_CHECK(set_roles(c, *d.roles, Edit::Op::replace));
    if (d.entitlements && workspace != 0) TARN_CHECK(set_entitlements(c, *d.entitlements, Edit::Op::replace));
    TARN_CHECK(store_changed(t, p, c.now));
    TARN_CHECK(still_governed(t, before));
    return load(t, workspace, p);
  });
}

Result<Resource> Service::patch(const access::Context& ctx, Kind kind, std::int64_t id, const std::vector<Edit>& edits) {
  const auto workspace = view(ctx);
  return change(store_, event(ctx, kind, "update", std::to_string(id)), [&](store::WriteTxn& t) -> Result<Resource> {
    TARN_CHECK(may_write(t, ctx, kind, id));
    TARN_TRY(p, seen(t, workspace, kind, id));
    const auto before = roster::account_admins(t);
    Change c{t, ctx, workspace, clock_.now(), p};
    for (const auto& e : edits) TARN_CHECK(apply(c, e));
    TARN_CHECK(store_changed(t, p, c.now));
    TARN_CHECK(still_governed(t, before));
    return load(t, workspace, p);
  });
}

Result<void> Service::remove(const access::Context& ctx, Kind kind, std::int64_t id) {
  const auto workspace = view(ctx);
  return change(store_, event(ctx, kind, "delete", std::to_string(id)), [&](store::WriteTxn& t) -> Result<void> {
    TARN_CHECK(may_write(t, ctx, kind, id));
    TARN_TRY(p, seen(t, workspace, kind, id));
    if (p.system) return fail(Error{Errc::permission_denied, fmt::format("Group '{}' cannot be deleted", p.name)});
    t.audit().params[kind == Kind::group ? "targetGroupName" : "targetUserName"] = p.name;
    if (p.workspace_id == workspace) {
      const auto before = roster::account_admins(t);
      roster::erase(t, p);
      return still_governed(t, before);
    }
    if (!ctx.caller.account_admin && !ctx.caller.workspace_admin)
      return fail(Error{Errc::permission_denied, "Only workspace administrators can perform this operation."});
    // Seen from a workspace, an account-level principal only leaves the workspace.
    if (!kAssignments.erase(t, store::key({sortable(workspace), sortable(id)})))
      return fail(
          Error{Errc::invalid, fmt::format("'{}' reaches this workspace through a group: take it out of the group, or unassign the group", p.name)});
    kEntitlements.erase(t, store::key({sortable(workspace), sortable(id)}));
    for (const auto& k : kTokens.scan_index(t, "personal", store::key({sortable(workspace), sortable(id)}))) kTokens.erase(t, k.store_key());
    return {};
  });
}

}  // namespace tarn::identity::scim
