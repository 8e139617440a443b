#include "identity/scim_edit.h"

#include <charconv>

namespace tarn::identity::scim {

using store::sortable;

namespace {

auto no_attribute(std::string_view name) {
  return fail(Error{Errc::invalid_path, fmt::format("No such attribute with the name : {} in the current resource", name)});
}

/// What belongs to the account is changed by its admins, from wherever they look.
bool of_account(const Change& c) { return c.workspace != 0 && c.p.workspace_id == 0; }
Result<void> account_field(const Change& c, std::string_view field) {
  if (!of_account(c) || c.ctx.caller.account_admin) return {};
  return fail(Error{Errc::permission_denied,
                    fmt::format("'{}' of '{}' is managed at account level and cannot be changed through a workspace: ask an account admin", field,
                                c.p.display_name)});
}

Result<void> may_hold(Change& c, std::int64_t member) {
  const auto m = roster::get(c.t, member);
  if (!m || m->id == roster::kAccountUsers || (m->workspace_id != 0 && m->workspace_id != c.p.workspace_id))
    return invalid("Principal {} does not exist{}", member, c.p.workspace_id ? " in this workspace" : " in this account");
  if (m->system) return invalid("Group '{}' of the workspace cannot be a member of another group", m->name);
  if (c.p.workspace_id != 0 && !shows(c.t, c.p.workspace_id, *m)) return invalid("Principal {} is not assigned to this workspace", member);
  if (m->kind == Kind::group && roster::would_cycle(c.t, c.p.id, member))
    return invalid(
        "Group '{}' cannot be a member of group '{}': '{}' is itself a member of '{}', directly or through other groups (cyclic membership)", m->name,
        c.p.name, c.p.name, m->name);
  return {};
}

Result<void> add_member(Change& c, std::int64_t member) {
  if (c.p.system) {
    if (c.p.name != "admins")
      return invalid("Members of '{}' are the principals that are assigned to the workspace: use permission assignments", c.p.name);
    const auto m = roster::get(c.t, member);
    if (!m || m->workspace_id != 0 || m->id == roster::kAccountUsers) return invalid("Principal {} does not exist in this account", member);
    if (!kAssignments.put(c.t, {c.p.workspace_id, member, true})) throw std::logic_error("an assignment has no unique values");
    return {};
  }
  TARN_CHECK(may_hold(c, member));
  roster::put_member(c.t, c.p.id, member);
  return {};
}

Result<void> remove_member(Change& c, std::int64_t member) {
  if (!c.p.system) {
    kMembers.erase(c.t, store::key({sortable(c.p.id), sortable(member)}));
    return {};
  }
  if (c.p.name != "admins")
    return invalid("Members of '{}' are the principals that are assigned to the workspace: use permission assignments", c.p.name);
  const auto a = kAssignments.get(c.t, store::key({sortable(c.p.workspace_id), sortable(member)}));
  if (a && a->value.admin && !kAssignments.put(c.t, {c.p.workspace_id, member, false})) throw std::logic_error("an assignment has no unique values");
  return {};
}

Result<std::vector<std::int64_t>> ids_of(const std::vector<std::string>& values) {
  std::vector<std::int64_t> out;
  for (const auto& v : values) {
    std::int64_t id = 0;
    const auto [end, ec] = std::from_chars(v.data(), v.data() + v.size(), id);
    if (ec != std::errc() || end != v.data() + v.size() || id <= 0)
      return invalid("Field 'members.value' must be the id of a principal, got '{}'", v);
    out.push_back(id);
  }
  return out;
}

Result<void> edit_members(Change& c, const Edit& e) {
  if (c.p.kind != Kind::group) return no_attribute("members");
  if (of_account(c) && !c.ctx.caller.account_admin && !roster::holds_role(c.t, c.p.id, roster::kGroupManager, c.ctx.caller))
    TARN_CHECK(account_field(c, "members"));
  TARN_TRY(ids, ids_of(e.values));
  if (e.path.selector) {
    if (e.op != Edit::Op::remove) return fail(Error{Errc::invalid_path, "members[…] can only be removed; add members by 'members' alone"});
    if (const auto one = only_equals(*e.path.selector, "value")) {
      TARN_TRY(id, ids_of({*one}));
      return remove_member(c, id.front());
    }
    for (const auto id : members_of(c.t, c.p)) {
      const auto m = roster::get(c.t, id);
      const Values values = [&](std::string_view part) -> std::vector<std::string> {
        if (part == "value") return {std::to_string(id)};
        if (part == "display" && m) return {m->display_name};
        if (part == "type" && m) return {m->kind == Kind::group ? "Group" : m->kind == Kind::user ? "User" : "ServicePrincipal"};
        return {};
      };
      if (matches(*e.path.selector, values, [](std::string_view) { return std::vector<Values>(); })) TARN_CHECK(remove_member(c, id));
    }
    return {};
  }
  switch (e.op) {
    case Edit::Op::add:
      for (const auto id : ids) TARN_CHECK(add_member(c, id));
      return {};
    case Edit::Op::remove:
      for (const auto id : ids.empty() ? members_of(c.t, c.p) : ids) TARN_CHECK(remove_member(c, id));
      return {};
    case Edit::Op::replace:
      return set_members(c, ids);
  }
  return {};
}

Result<void> edit_text(Change& c, const Edit& e, std::string& field, std::string_view name) {
  const std::string value = e.op == Edit::Op::remove || e.values.empty() ? "" : e.values.front();
  if (value == field) return {};
  TARN_CHECK(account_field(c, name));
  if (!value.empty()) TARN_CHECK(valid_text(name, value));
  field = value;
  return {};
}

/// The values of roles[value eq "x"] and entitlements[value eq "x"] that a removal means.
std::vector<std::string> selected(const Edit& e, const std::vector<std::string>& have) {
  if (!e.path.selector) return e.values;
  std::vector<std::string> out;
  for (const auto& v : have) {
    const Values values = [&](std::string_view part) { return part == "value" ? std::vector<std::string>{v} : std::vector<std::string>{}; };
    if (matches(*e.path.selector, values, [](std::string_view) { return std::vector<Values>(); })) out.push_back(v);
  }
  return out;
}

template <class Set>
void merge(Set& have, const std::vector<std::string>& values, Edit::Op op) {
  if (op == Edit::Op::replace || (op == Edit::Op::remove && values.empty())) have.clear();
  for (const auto& v : values) {
    if (op == Edit::Op::remove)
      have.erase(v);
    else
      have.insert(v);
  }
}

}  // namespace

Result<void> valid_text(std::string_view field, std::string_view value) {
  if (value.size() > 255) return invalid("Field '{}' must be at most 255 bytes, got {}", field, value.size());
  for (const unsigned char ch : value)
    if (ch < 0x20 || ch == 0x7f) return invalid("Field '{}' must not hold control characters", field);
  if (!value.empty() && (value.front() == ' ' || value.back() == ' '))
    return invalid("Field '{}' must not begin or end with a blank, got '{}'", field, value);
  return {};
}

Result<void> valid_user_name(std::string_view name) {
  TARN_CHECK(valid_text("userName", name));
  const auto at = name.find('@');
  if (at == name.npos || at == 0 || at + 1 == name.size() || name.find('@', at + 1) != name.npos || name.find(' ') != name.npos)
    return invalid("Field 'userName' must be an e-mail address, got '{}'", name);
  return {};
}

std::vector<std::int64_t> members_of(store::ReadTxn& t, const PrincipalRecord& g) {
  if (!g.system) return roster::members(t, g.id);
  std::vector<std::int64_t> out;
  for (const auto& a : kAssignments.scan(t, store::prefix({sortable(g.workspace_id)})))
    if (a.admin || g.name == "users") out.push_back(a.principal);
  return out;
}

bool shows(store::ReadTxn& t, std::int64_t workspace, const PrincipalRecord& p) {
  if (p.workspace_id != 0 || workspace == 0) return p.workspace_id == workspace;
  const auto above = p.kind == Kind::group ? std::set<std::int64_t>() : roster::closure(t, p.id);
  return roster::place(t, workspace, p.id, above) != roster::Place::none;
}

Result<void> set_name(Change& c, const std::string& name) {
  if (name == c.p.name) return {};
  if (c.p.system) return fail(Error{Errc::permission_denied, fmt::format("Group '{}' cannot be renamed", c.p.name)});
  TARN_CHECK(account_field(c, "displayName"));
  if (name.empty()) return invalid("Field 'displayName' is required");
  TARN_CHECK(valid_text("displayName", name));
  const auto f = folded(name);
  if (f == roster::kAccountUsersName || f == "admins" || f == "users") return invalid("Group name '{}' is reserved", name);
  const auto other = roster::by_name(c.t, Kind::group, c.p.workspace_id, name);
  if (other && other->id != c.p.id) return fail(Error{Errc::already_exists, fmt::format("Group with name {} already exists.", name)});
  c.p.name = c.p.display_name = name;
  return {};
}

Result<void> set_members(Change& c, const std::vector<std::int64_t>& wanted) {
  const std::set<std::int64_t> want(wanted.begin(), wanted.end());
  const auto have = members_of(c.t, c.p);
  for (const auto id : have)
    if (!want.contains(id)) TARN_CHECK(remove_member(c, id));
  const std::set<std::int64_t> held(have.begin(), have.end());
  for (const auto id : want)
    if (!held.contains(id)) TARN_CHECK(add_member(c, id));
  return {};
}

Result<void> set_entitlements(Change& c, const std::vector<std::string>& values, Edit::Op op) {
  auto have = roster::entitlements(c.t, c.workspace, c.p.id);
  for (const auto& v : values)
    if (std::find(roster::kKnownEntitlements.begin(), roster::kKnownEntitlements.end(), v) == roster::kKnownEntitlements.end())
      return invalid("Entitlement '{}' does not exist: use one of {}", v, fmt::join(roster::kKnownEntitlements, ", "));
  merge(have, values, op);
  const EntitlementRecord r{c.workspace, c.p.id, {have.begin(), have.end()}};
  if (have.empty())
    kEntitlements.erase(c.t, r.store_key());
  else if (!kEntitlements.put(c.t, r))
    throw std::logic_error("entitlements have no unique values");
  return {};
}

Result<void> set_roles(Change& c, const std::vector<std::string>& values, Edit::Op op) {
  std::set<std::string> have(c.p.roles.begin(), c.p.roles.end());
  merge(have, values, op);
  if (std::vector<std::string>(have.begin(), have.end()) == c.p.roles) return {};
  if (c.workspace != 0)
    return invalid("Roles of a workspace are instance profiles, which this platform does not have; account roles are given through the account");
  if (!c.ctx.caller.account_admin) return fail(account_admin_only());
  for (const auto& v : have)
    if (v != roster::kAccountAdmin) return invalid("Role '{}' does not exist: use {}; other roles are given by rule sets", v, roster::kAccountAdmin);
  c.p.roles.assign(have.begin(), have.end());
  return {};
}

Result<void> apply(Change& c, const Edit& e) {
  const auto& a = e.path.attribute;
  const bool group = c.p.kind == Kind::group;
  if (a == "members") return edit_members(c, e);
  if (a == "displayname") {
    if (group) return set_name(c, e.op == Edit::Op::remove || e.values.empty() ? "" : e.values.front());
    return edit_text(c, e, c.p.display_name, "displayName");
  }
  if (a == "externalid") return edit_text(c, e, c.p.external_id, "externalId");
  if (a == "roles") return set_roles(c, selected(e, c.p.roles), e.op);
  if (a == "entitlements") {
    if (c.workspace == 0) return no_attribute("entitlements");
    const auto have = roster::entitlements(c.t, c.workspace, c.p.id);
    const auto values = selected(e, {have.begin(), have.end()});
    if (e.path.selector && values.empty()) return {};
    return set_entitlements(c, values, e.op);
  }
  if (a == "groups") return invalid("'groups' is read-only: change the members of the group");
  if (a == "id" || a == "meta" || a == "schemas") return {};
  if (group) return no_attribute(a);
  if (a == "active") {
    const auto value = e.values.empty() ? std::string() : folded(e.values.front());
    if (e.op == Edit::Op::remove || (value != "true" && value != "false")) return invalid("Field 'active' must be true or false, got '{}'", value);
    if (c.p.active != (value == "true")) TARN_CHECK(account_field(c, "active"));
    c.p.active = value == "true";
    return {};
  }
  if (a == "name" && c.p.kind == Kind::user) {
    if (e.path.part == "givenname") return edit_text(c, e, c.p.given_name, "name.givenName");
    if (e.path.part == "familyname") return edit_text(c, e, c.p.family_name, "name.familyName");
    return no_attribute("name" + (e.path.part.empty() ? "" : "." + e.path.part));
  }
  // The vendor ignores changes of what a person is known by.
  if (((a == "username" || a == "emails") && c.p.kind == Kind::user) || (a == "applicationid" && c.p.kind == Kind::service_principal)) return {};
  return no_attribute(a);
}

}  // namespace tarn::identity::scim
