#include "identity/roster.h"

namespace tarn::identity::roster {

using store::ReadTxn;
using store::sortable;
using store::WriteTxn;

std::optional<PrincipalRecord> get(ReadTxn& t, std::int64_t id) {
  if (id == kAccountUsers)
    return PrincipalRecord{.id = id, .kind = Kind::group, .name = kAccountUsersName, .display_name = kAccountUsersName, .system = true};
  auto p = kPrincipals.get(t, sortable(id));
  return p ? std::optional(std::move(p->value)) : std::nullopt;
}

std::optional<PrincipalRecord> by_name(ReadTxn& t, Kind kind, std::int64_t workspace, std::string_view name) {
  auto p = kPrincipals.find(t, "name", PrincipalRecord::name_value(kind, workspace, name));
  return p ? std::optional(std::move(p->value)) : std::nullopt;
}

std::optional<PrincipalRecord> by_grant_name(ReadTxn& t, std::string_view name) {
  if (folded(name) == kAccountUsersName) return get(t, kAccountUsers);
  for (const auto kind : {Kind::user, Kind::service_principal, Kind::group})
    if (auto p = by_name(t, kind, 0, name)) return p;
  return std::nullopt;
}

PrincipalRef ref(const PrincipalRecord& p) { return {p.id, p.kind, p.name, p.display_name, p.active}; }

std::vector<std::int64_t> members(ReadTxn& t, std::int64_t group) {
  std::vector<std::int64_t> out;
  for (const auto& m : kMembers.scan(t, store::prefix({sortable(group)}))) out.push_back(m.member);
  return out;
}

std::vector<std::int64_t> direct_groups(ReadTxn& t, std::int64_t member) {
  std::vector<std::int64_t> out;
  for (const auto& m : kMembers.scan_index(t, "member", sortable(member))) out.push_back(m.group);
  return out;
}

std::set<std::int64_t> closure(ReadTxn& t, std::int64_t principal) {
  std::set<std::int64_t> seen;
  std::vector<std::int64_t> open{principal};
  while (!open.empty()) {
    const auto next = open.back();
    open.pop_back();
    for (const auto g : direct_groups(t, next))
      if (seen.insert(g).second) open.push_back(g);
  }
  return seen;
}

std::set<std::int64_t> leaves(ReadTxn& t, std::int64_t group) {
  std::set<std::int64_t> seen{group}, out;
  std::vector<std::int64_t> open{group};
  while (!open.empty()) {
    const auto next = open.back();
    open.pop_back();
    for (const auto m : members(t, next)) {
      if (!seen.insert(m).second) continue;
      open.push_back(m);
      out.insert(m);
    }
  }
  return out;
}

bool would_cycle(ReadTxn& t, std::int64_t group, std::int64_t member) { return group == member || closure(t, group).contains(member); }

Place place(ReadTxn& t, std::int64_t workspace, std::int64_t principal, const std::set<std::int64_t>& groups) {
  auto out = Place::none;
  const auto look = [&](std::int64_t id) {
    if (const auto a = kAssignments.get(t, store::key({sortable(workspace), sortable(id)})))
      out = std::max(out, a->value.admin ? Place::admin : Place::user);
  };
  look(principal);
  for (const auto g : groups) look(g);
  return out;
}

bool workspace_exists(ReadTxn& t, std::int64_t workspace) { return by_name(t, Kind::group, workspace, "admins").has_value(); }

std::set<std::int64_t> visible(ReadTxn& t, std::int64_t workspace) {
  std::set<std::int64_t> out;
  for (const auto& a : kAssignments.scan(t, store::prefix({sortable(workspace)}))) {
    out.insert(a.principal);
    const auto p = get(t, a.principal);
    if (!p || p->kind != Kind::group) continue;
    // Nested groups are not themselves of the workspace; their people are.
    for (const auto below : leaves(t, a.principal))
      if (const auto b = get(t, below); b && b->kind != Kind::group) out.insert(below);
  }
  return out;
}

std::set<std::string> entitlements(ReadTxn& t, std::int64_t workspace, std::int64_t principal) {
  const auto e = kEntitlements.get(t, store::key({sortable(workspace), sortable(principal)}));
  return e ? std::set<std::string>(e->value.entitlements.begin(), e->value.entitlements.end()) : std::set<std::string>();
}

bool holds_role(ReadTxn& t, std::int64_t resource, std::string_view role, const access::Caller& caller) {
  const auto rules = kRuleSets.get(t, sortable(resource));
  if (!rules) return false;
  for (const auto& g : rules->value.grants) {
    if (g.role != role) continue;
    for (const auto p : g.principals)
      if (p == caller.id || caller.group_ids.contains(p)) return true;
  }
  return false;
}

std::optional<access::Caller> caller(ReadTxn& t, std::int64_t principal, std::optional<std::int64_t> workspace) {
  const auto p = get(t, principal);
  if (!p || p->kind == Kind::group || !p->active) return std::nullopt;
  access::Caller c{.id = p->id,
                   .kind = p->kind == Kind::user ? access::PrincipalKind::user : access::PrincipalKind::service_principal,
                   .name = p->name,
                   .display_name = p->display_name};
  const auto is_admin = [](const PrincipalRecord& r) { return std::find(r.roles.begin(), r.roles.end(), kAccountAdmin) != r.roles.end(); };
  c.account_admin = is_admin(*p);
  c.group_ids.insert(kAccountUsers);
  c.group_names.insert(kAccountUsersName);
  const auto above = closure(t, principal);
  std::vector<PrincipalRecord> local;
  for (const auto id : above) {
    auto g = get(t, id);
    if (!g) continue;
    if (g->workspace_id != 0) {
      if (workspace && g->workspace_id == *workspace) local.push_back(*std::move(g));
      continue;
    }
    c.group_ids.insert(id);
    c.group_names.insert(g->name);
    c.account_admin = c.account_admin || is_admin(*g);
  }
  if (!workspace) return c;
  const auto where = place(t, *workspace, principal, c.group_ids);
  if (where == Place::none && !c.account_admin) return std::nullopt;
  // An account admin could assign itself at any moment, so a workspace does not hide from it.
  c.workspace_admin = where == Place::admin || c.account_admin;
  for (const auto& g : local) {
    c.workspace_groups.insert(g.name);
    c.entitlements.merge(entitlements(t, *workspace, g.id));
  }
  for (const auto id : c.group_ids) c.entitlements.merge(entitlements(t, *workspace, id));
  c.entitlements.merge(entitlements(t, *workspace, principal));
  const auto system_group = [&](const char* name) {
    c.workspace_groups.insert(name);
    if (const auto g = by_name(t, Kind::group, *workspace, name)) c.entitlements.merge(entitlements(t, *workspace, g->id));
  };
  system_group("users");
  if (c.workspace_admin) system_group("admins");
  return c;
}

std::int64_t epoch(ReadTxn& t) {
  const auto e = kEpoch.get(t, "epoch");
  return e ? e->value.value : 0;
}

void changed(WriteTxn& t) {
  if (!kEpoch.put(t, {epoch(t) + 1})) throw std::logic_error("identity's epoch is not unique");
}

void put_member(WriteTxn& t, std::int64_t group, std::int64_t member) {
  if (!kMembers.put(t, {group, member})) throw std::logic_error("a membership has no unique values");
}

void erase(WriteTxn& t, const PrincipalRecord& p) {
  const auto id = sortable(p.id);
  for (const auto& m : kMembers.scan(t, store::prefix({id}))) kMembers.erase(t, m.store_key());
  for (const auto& m : kMembers.scan_index(t, "member", id)) kMembers.erase(t, m.store_key());
  for (const auto& a : kAssignments.scan_index(t, "principal", id)) kAssignments.erase(t, a.store_key());
  for (const auto& e : kEntitlements.scan_index(t, "principal", id)) kEntitlements.erase(t, e.store_key());
  for (const auto& s : kSecrets.scan(t, store::prefix({id}))) kSecrets.erase(t, s.store_key());
  for (const auto& k : kTokens.scan_index(t, "principal", id)) kTokens.erase(t, k.store_key());
  kRuleSets.erase(t, id);
  for (auto rules : kRuleSets.scan(t)) {
    bool held = false;
    for (auto& g : rules.grants) held = std::erase(g.principals, p.id) > 0 || held;
    std::erase_if(rules.grants, [](const Grant& g) { return g.principals.empty(); });
    if (held) ++rules.revision;
    if (held && !kRuleSets.put(t, rules)) throw std::logic_error("a rule set has no unique values");
  }
  kPrincipals.erase(t, p.store_key());
}

std::size_t account_admins(ReadTxn& t) {
  std::set<std::int64_t> admins;
  for (const auto& p : kPrincipals.scan_index(t, "role", kAccountAdmin)) {
    if (p.kind != Kind::group)
      admins.insert(p.id);
    else
      admins.merge(leaves(t, p.id));
  }
  std::size_t live = 0;
  for (const auto id : admins) {
    const auto p = get(t, id);
    live += p && p->kind != Kind::group && p->active;
  }
  return live;
}

}  // namespace tarn::identity::roster
