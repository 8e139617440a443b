#include "permissions/service.h"

#include <algorithm>

namespace tarn::permissions {

using access::ObjectKind;
using access::ObjectRef;
using access::Ownership;

namespace {

constexpr const char* kManage = "CAN_MANAGE";
constexpr const char* kOwner = "IS_OWNER";
constexpr const char* kAdmins = "admins";

/// Types of the vendor's Permissions API whose objects may not be here: what a client may rightly ask about.
constexpr std::array kVendorTypes{"alerts",
                                  "alertsv2",
                                  "apps",
                                  "authorization",
                                  "cluster-policies",
                                  "clusters",
                                  "dashboards",
                                  "dbsql-dashboards",
                                  "database-instances",
                                  "database-projects",
                                  "directories",
                                  "experiments",
                                  "files",
                                  "genie",
                                  "instance-pools",
                                  "jobs",
                                  "knowledge-assistants",
                                  "notebooks",
                                  "pipelines",
                                  "queries",
                                  "registered-models",
                                  "repos",
                                  "serving-endpoints",
                                  "supervisor-agents",
                                  "vector-search-endpoints",
                                  "warehouses",
                                  "sql/alerts",
                                  "sql/queries",
                                  "sql/dashboards",
                                  "sql/warehouses"};

/// Place in the kind's order; -1 for a level that it has not.
int rank(const ObjectKind& kind, std::string_view level) {
  const auto i = std::ranges::find(kind.levels, level, &access::ObjectLevel::name);
  return i == kind.levels.end() ? -1 : static_cast<int>(i - kind.levels.begin());
}

bool implies(const ObjectKind& kind, std::string_view held, std::string_view wanted) {
  const int have = rank(kind, held), want = rank(kind, wanted);
  if (have < 0 || want < 0) return false;
  if (have == want) return true;
  const auto& explicit_ones = kind.levels[static_cast<std::size_t>(have)].implies;
  return explicit_ones ? std::ranges::find(*explicit_ones, wanted) != explicit_ones->end() : want < have;
}

const std::string& type_shown(const ObjectKind& kind) { return kind.object_type.empty() ? kind.type : kind.object_type; }

/// "job" of jobs, "warehouse" of warehouses: how the vendor's texts name one.
std::string noun(const ObjectKind& kind) {
  std::string out = type_shown(kind);
  if (out.ends_with('s')) out.pop_back();
  return out;
}

std::string with_id(std::string text, const std::string& id) {
  if (const auto at = text.find("{}"); at != text.npos) text.replace(at, 2, id);
  return text;
}

Error denied(const access::Context& ctx, const char* what, const std::string& on) {
  return {Errc::permission_denied,
          fmt::format("{} does not have {} permissions on {}. Please contact the owner or an administrator for access.", ctx.caller.name, what, on)};
}

}  // namespace

void Service::add_kind(ObjectKind kind) {
  if (kind.type.empty() || kind.levels.empty() || kind_of(kind.type))
    throw std::logic_error("a kind of object without a type, or twice: " + kind.type);
  kinds_.push_back(std::make_unique<ObjectKind>(std::move(kind)));
}

const ObjectKind* Service::kind_of(std::string_view type) const {
  for (const auto& k : kinds_)
    if (k->type == type || std::ranges::find(k->aliases, type) != k->aliases.end()) return k.get();
  return nullptr;
}

Result<const ObjectKind*> Service::known(const std::string& type, const std::string& id) const {
  const auto* kind = kind_of(type);
  // Nobody signs in with a password here, so a list of who may would be a promise that nothing keeps.
  const bool passwords = type == "authorization" && id == "passwords";
  if (kind && !passwords) return kind;
  if (passwords || std::ranges::find(kVendorTypes, type) != kVendorTypes.end())
    return fail(Error{Errc::not_enabled, "Permissions of " + type + (passwords ? "/passwords" : "") + " is not enabled in this account."});
  return fail(Error{Errc::unknown_type, fmt::format("'{}' is not a type of object that has permissions", type)});
}

bool Service::is_root(const ObjectKind& kind, const std::string& id) { return std::ranges::find(kind.roots, id) != kind.roots.end(); }

std::optional<Service::Place> Service::place_of(const ObjectKind& kind, std::int64_t workspace, const std::string& id) const {
  Place out{.chain = {{kind.type, id}}, .shown = type_shown(kind) + " " + id};
  if (is_root(kind, id)) return out;
  auto found = kind.find ? kind.find(workspace, id) : std::nullopt;
  if (!found) return std::nullopt;
  bool rooted = false;
  for (auto& p : found->parents) {
    const auto* k = kind_of(p.type);
    if (!k) throw std::logic_error("an object inherits from a type that nobody declared: " + p.type);
    rooted = rooted || is_root(*k, p.id);
    out.chain.push_back({k->type, std::move(p.id)});
  }
  if (!rooted && !kind.roots.empty()) out.chain.push_back({kind.type, kind.roots.front()});
  if (!found->shown.empty()) out.shown = std::move(found->shown);
  return out;
}

std::vector<Entry> Service::defaults_of(const ObjectKind& kind, std::int64_t workspace) {
  std::vector<Entry> out;
  const auto add = [&](const std::string& group, const std::string& level) {
    if (const auto g = directory_.find_local_group(workspace, group)) out.push_back({g->id, true, level});
  };
  add(kAdmins, kind.admin_level);
  for (const auto& d : kind.root_defaults) add(d.group, d.level);
  return out;
}

std::vector<Entry> Service::entries_of(std::int64_t workspace, const ObjectRef& object) {
  if (const auto list = lists_.get(workspace, object)) return list->entries;
  const auto* kind = kind_of(object.type);
  return kind && is_root(*kind, object.id) ? defaults_of(*kind, workspace) : std::vector<Entry>{};
}

bool Service::names(const Entry& entry, const access::Context& ctx) {
  if (!entry.local) return entry.principal == ctx.caller.id || ctx.caller.group_ids.contains(entry.principal);
  const auto group = directory_.get_local_group(*ctx.workspace_id, entry.principal);
  return group && ctx.caller.workspace_groups.contains(group->name);
}

std::string Service::translated(const ObjectKind& kind, const ObjectRef& from, const std::string& level) const {
  if (rank(kind, level) >= 0) return level;
  const auto* source = kind_of(from.type);
  for (auto l = kind.levels.rbegin(); source && l != kind.levels.rend(); ++l)
    if (implies(*source, level, l->name)) return l->name;
  return {};
}

std::set<std::string> Service::held(const ObjectKind& kind, const Place& place, const access::Context& ctx) {
  std::set<std::string> out;
  for (const auto& object : place.chain)
    for (const auto& entry : entries_of(*ctx.workspace_id, object))
      if (names(entry, ctx)) out.insert(translated(kind, object, entry.level));
  out.erase("");
  return out;
}

bool Service::allows(const access::Context& ctx, const ObjectRef& object, std::string_view level) {
  const auto* kind = kind_of(object.type);
  if (!kind || !ctx.workspace_id || rank(*kind, level) < 0) return false;
  if (ctx.caller.workspace_admin) return true;
  const auto place = place_of(*kind, *ctx.workspace_id, object.id);
  if (!place) return false;
  const auto levels = held(*kind, *place, ctx);
  return std::ranges::any_of(levels, [&](const auto& have) { return implies(*kind, have, level); });
}

std::string Service::level_of(const access::Context& ctx, const ObjectRef& object) {
  const auto* kind = kind_of(object.type);
  if (!kind || !ctx.workspace_id) return {};
  if (ctx.caller.workspace_admin) return kind->levels.back().name;
  const auto place = place_of(*kind, *ctx.workspace_id, object.id);
  if (!place) return {};
  const auto levels = held(*kind, *place, ctx);
  for (auto l = kind->levels.rbegin(); l != kind->levels.rend(); ++l)
    if (levels.contains(l->name)) return l->name;
  return {};
}

std::string Service::owner_of(std::int64_t workspace, const ObjectRef& object) {
  const auto* kind = kind_of(object.type);
  if (!kind) return {};
  for (const auto& e : entries_of(workspace, {kind->type, object.id}))
    if (e.level == kOwner)
      if (const auto p = principal_of(workspace, e)) return p->name;
  return {};
}

void Service::on_created(store::WriteTxn& t, std::int64_t workspace, const ObjectRef& object, const access::Caller& creator) {
  const auto* kind = kind_of(object.type);
  if (!kind) throw std::logic_error("an object of a type that nobody declared: " + object.type);
  ListRecord list{.workspace_id = workspace, .type = kind->type, .id = object.id};
  // The platform itself is nobody that a list could name.
  if (!kind->creator_level.empty() && creator.id != 0) list.entries.push_back({creator.id, false, kind->creator_level});
  if (list.entries.empty()) return;
  if (!kLists.put(t, list)) throw std::logic_error("a list has no unique values");
  changed(t);
}

void Service::on_deleted(store::WriteTxn& t, std::int64_t workspace, const ObjectRef& object) {
  const auto* kind = kind_of(object.type);
  if (kind && kLists.erase(t, ListRecord::key_of(workspace, {kind->type, object.id}))) changed(t);
}

void Service::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace) {
  const auto all = kLists.scan(t, store::prefix({store::sortable(workspace)}));
  for (const auto& list : all) kLists.erase(t, list.store_key());
  if (!all.empty()) changed(t);
}

Result<Service::Target> Service::managed(const access::Context& ctx, const std::string& type, const std::string& id) {
  TARN_TRY(kind, known(type, id));
  auto place = place_of(*kind, ctx.workspace_id.value_or(0), id);
  if (!place) return fail(Error{Errc::not_found, with_id(kind->missing.empty() ? noun(*kind) + " {} does not exist." : kind->missing, id)});
  // A type that nobody but administrators manages has no CAN_MANAGE, so `allows` holds for them alone.
  if (!ctx.caller.workspace_admin && !allows(ctx, {kind->type, id}, kManage)) return fail(denied(ctx, "Manage", place->shown));
  return Target{*kind, {kind->type, id}, *std::move(place)};
}

Result<ObjectAccess> Service::get(const access::Context& ctx, const std::string& type, const std::string& id) {
  TARN_TRY(target, managed(ctx, type, id));
  return shown(ctx.workspace_id.value_or(0), target);
}

Result<std::vector<access::ObjectLevel>> Service::levels(const access::Context& ctx, const std::string& type, const std::string& id) {
  TARN_TRY(kind, known(type, id));
  const auto place = place_of(*kind, ctx.workspace_id.value_or(0), id);
  if (!place) return fail(Error{Errc::not_found, with_id(kind->missing.empty() ? noun(*kind) + " {} does not exist." : kind->missing, id)});
  if (level_of(ctx, {kind->type, id}).empty()) return fail(denied(ctx, "View", place->shown));
  return kind->levels;
}

std::optional<identity::PrincipalRef> Service::principal_of(std::int64_t workspace, const Entry& entry) {
  return entry.local ? directory_.get_local_group(workspace, entry.principal) : directory_.get_principal(entry.principal);
}

Result<Entry> Service::resolved(const access::Context& ctx, const ObjectKind& kind, const AccessRequest& line) {
  if (line.user_name.has_value() + line.group_name.has_value() + line.service_principal_name.has_value() != 1)
    return fail(Error{Errc::invalid, "Each entry of 'access_control_list' must name exactly one of user_name, group_name or service_principal_name"});
  if (!line.permission_level) return fail(Error{Errc::invalid, "Field 'access_control_list.permission_level' is required"});
  if (rank(kind, *line.permission_level) < 0) {
    std::string all;
    for (const auto& l : kind.levels) all += (all.empty() ? "" : ", ") + l.name;
    return fail(Error{Errc::invalid, fmt::format("Field 'access_control_list.permission_level' must be one of {} for {}; got '{}'", all,
                                                 type_shown(kind), *line.permission_level)});
  }
  const auto workspace = *ctx.workspace_id;
  if (line.group_name) {
    if (const auto g = directory_.find_local_group(workspace, *line.group_name)) return Entry{g->id, true, *line.permission_level};
    const auto g = directory_.find_principal(*line.group_name);
    if (g && g->kind == identity::Kind::group && directory_.is_assigned(workspace, g->id)) return Entry{g->id, false, *line.permission_level};
    return fail(Error{Errc::principal_not_found, fmt::format("Principal: GroupName({}) does not exist", *line.group_name)});
  }
  const auto& name = line.user_name ? *line.user_name : *line.service_principal_name;
  const auto p = directory_.find_principal(name);
  const bool fits = p && (p->kind == identity::Kind::service_principal || (line.user_name && p->kind == identity::Kind::user));
  // Account admins act in every workspace, so lists may name them in each.
  if (fits && (directory_.is_assigned(workspace, p->id) || directory_.caller(p->id, workspace))) return Entry{p->id, false, *line.permission_level};
  return fail(
      Error{Errc::principal_not_found, fmt::format("Principal: {}({}) does not exist", line.user_name ? "UserName" : "ServicePrincipalName", name)});
}

Result<void> Service::check_owner(const access::Context& ctx, const Target& target, const std::vector<Entry>& before,
                                  const std::vector<Entry>& after) {
  const auto& kind = target.kind;
  const auto owner_in = [](const std::vector<Entry>& list) {
    const auto i = std::ranges::find(list, kOwner, &Entry::level);
    return i == list.end() ? std::nullopt : std::optional(*i);
  };
  const auto owners = std::ranges::count(after, kOwner, &Entry::level);
  if (owners > 1 || (owners == 0 && kind.ownership == Ownership::exactly_one))
    return fail(Error{Errc::invalid, "The " + noun(kind) + " must have exactly one owner."});
  const auto next = owner_in(after);
  if (!next || next == owner_in(before)) return {};
  const auto p = principal_of(*ctx.workspace_id, *next);
  if (!p || p->kind == identity::Kind::group)
    return fail(Error{Errc::invalid, fmt::format("A group cannot own a {}: {} must go to a user or a service principal", noun(kind), kOwner)});
  if (kind.ownership == Ownership::exactly_one && !ctx.caller.workspace_admin)
    return fail(Error{Errc::permission_denied, fmt::format("{} cannot change the owner of {}. Only workspace administrators can change the owner.",
                                                           ctx.caller.name, target.place.shown)});
  if (!kind.refuse_owner) return {};
  const auto who = directory_.caller(p->id, ctx.workspace_id);
  if (const auto why = kind.refuse_owner(who.value_or(access::Caller{.id = p->id, .name = p->name}))) return fail(Error{Errc::invalid, *why});
  return {};
}

Result<std::vector<Entry>> Service::merged(const access::Context& ctx, const Target& target, std::vector<Entry> before, std::vector<Entry> wanted,
                                           Change change) {
  const auto& kind = target.kind;
  const auto same = [](const Entry& a) { return [&a](const Entry& b) { return a.principal == b.principal && a.local == b.local; }; };
  // Whom nobody knows any more holds nothing, and keeps nothing.
  std::erase_if(before, [&](const Entry& e) { return !principal_of(*ctx.workspace_id, e); });

  std::vector<Entry> lines;
  for (auto& w : wanted) {  // one a principal: the strongest, as clients that add the caller twice expect
    const auto i = std::ranges::find_if(lines, same(w));
    if (i == lines.end())
      lines.push_back(std::move(w));
    else if (rank(kind, w.level) > rank(kind, i->level))
      i->level = std::move(w.level);
  }
  const bool names_owner = std::ranges::find(lines, kOwner, &Entry::level) != lines.end();
  const auto owner = std::ranges::find(before, kOwner, &Entry::level);
  if (kind.ownership == Ownership::kept && !names_owner) {
    if (owner == before.end() && change == Change::replace)
      return fail(
          Error{Errc::invalid, fmt::format("PUT requests for {} {} with no existing owner must provide a new owner.", noun(kind), target.object.id)});
    if (owner != before.end()) {
      std::erase_if(lines, same(*owner));
      lines.insert(lines.begin(), *owner);
    }
  }
  std::vector<Entry> after;
  if (change == Change::add) {
    after = before;
    if (kind.ownership == Ownership::kept && names_owner) std::erase_if(after, [](const Entry& e) { return e.level == kOwner; });
    for (auto& l : lines) {
      const auto i = std::ranges::find_if(after, same(l));
      if (i == after.end())
        after.push_back(std::move(l));
      else
        i->level = std::move(l.level);
    }
  } else {
    after = std::move(lines);
  }

  const auto admins = directory_.find_local_group(*ctx.workspace_id, kAdmins);
  const auto theirs = std::ranges::find_if(after, [&](const Entry& e) { return admins && e.local && e.principal == admins->id; });
  const bool root = is_root(kind, target.object.id);
  if (theirs == after.end() ? root : !implies(kind, theirs->level, kind.admin_level))
    return fail(Error{Errc::invalid,
                      root && kind.type != "authorization"
                          ? fmt::format("Cannot remove admins's {} permission on {}", kind.admin_level, target.object.id)
                          : fmt::format("Cannot change permissions for group 'admins' to {}.", theirs == after.end() ? "None" : theirs->level)});
  TARN_CHECK(check_owner(ctx, target, before, after));
  return after;
}

Result<ObjectAccess> Service::set(const access::Context& ctx, const std::string& type, const std::string& id,
                                  const std::vector<AccessRequest>& wanted, Change change) {
  const auto workspace = ctx.workspace_id.value_or(0);
  const auto* kind = kind_of(type);
  struct Planned {
    Target target;
    std::int64_t version = 0;  // of the list that it replaces; 0: there was none
    std::vector<Entry> after;
    std::string said;
  };
  // Everything that other rooms answer is asked before the transaction, which then only sees whether the list is still the same.
  const auto plan = [&]() -> Result<Planned> {
    TARN_TRY(target, managed(ctx, type, id));
    std::vector<Entry> lines;
    for (const auto& w : wanted) {
      TARN_TRY(line, resolved(ctx, target.kind, w));
      lines.push_back(std::move(line));
    }
    auto kept = store_.read_as([&](store::ReadTxn& t) { return kLists.get(t, ListRecord::key_of(workspace, target.object)); });
    auto before = kept ? std::move(kept->value.entries) : is_root(target.kind, id) ? defaults_of(target.kind, workspace) : std::vector<Entry>{};
    TARN_TRY(after, merged(ctx, target, std::move(before), std::move(lines), change));
    std::string said;
    for (const auto& e : after)
      if (const auto p = principal_of(workspace, e)) said += (said.empty() ? "" : ", ") + p->name + ":" + e.level;
    return Planned{std::move(target), kept ? kept->version : 0, std::move(after), std::move(said)};
  };
  const auto event = ctx.event(kind ? kind->audit_service : "workspace", kind ? kind->audit_action : "changeWorkspaceAcl",
                               {{"resourceId", "/" + (kind ? kind->type : type) + "/" + id}});
  for (;;) {  // again if somebody else changed the list in between; each turn means that another writer got through
    const auto planned = plan();
    bool lost = false;
    const auto done = store_.write_as(event, [&](store::WriteTxn& t) -> Result<void> {
      if (!planned) return fail(planned.error());
      const ListRecord list{workspace, planned->target.object.type, planned->target.object.id, planned->after};
      const auto now = kLists.get(t, list.store_key());
      lost = (now ? now->version : 0) != planned->version;
      if (lost) {
        t.audit().status = 409;
        return fail(Error{Errc::invalid, "the list changed meanwhile; read again"});
      }
      t.audit().params["aclPermissionSet"] = planned->said;
      if (!kLists.put(t, list)) throw std::logic_error("a list has no unique values");
      changed(t);
      return {};
    });
    if (done) return shown(workspace, planned->target);
    if (!lost) return fail(done.error());
  }
}

ObjectAccess Service::shown(std::int64_t workspace, const Target& target) {
  const auto spelled = [&](const ObjectRef& o) {
    const auto* k = kind_of(o.type);
    return "/" + o.type + "/" + (k && is_root(*k, o.id) ? "" : o.id);
  };
  struct Row {
    Entry who;
    AccessControl control;
  };
  std::vector<Row> rows;
  bool rooted = false;
  for (const auto& object : target.place.chain) {
    const bool own = object == target.object;
    const auto* k = kind_of(object.type);
    rooted = rooted || (k && is_root(*k, object.id));
    for (const auto& entry : entries_of(workspace, object)) {
      const auto level = translated(target.kind, object, entry.level);
      const auto p = principal_of(workspace, entry);
      if (!p || level.empty()) continue;
      auto row = std::ranges::find_if(rows, [&](const Row& r) { return r.who.principal == entry.principal && r.who.local == entry.local; });
      if (row == rows.end()) {
        row = rows.insert(rows.end(), {entry, {}});
        auto& c = row->control;
        (p->kind == identity::Kind::user ? c.user_name : p->kind == identity::Kind::group ? c.group_name : c.service_principal_name) = p->name;
        if (p->kind != identity::Kind::group && !p->display_name.empty()) c.display_name = p->display_name;
      }
      auto& all = row->control.all_permissions;
      if (own) {
        all.push_back({.permission_level = level});
        continue;
      }
      const auto known = std::ranges::find_if(all, [&](const Permission& q) { return q.inherited && q.permission_level == level; });
      if (known == all.end())
        all.push_back({level, true, {spelled(object)}});
      else
        known->inherited_from_object.push_back(spelled(object));
    }
  }
  ObjectAccess out{.object_id = "/" + target.object.type + "/" + target.object.id, .object_type = type_shown(target.kind)};
  for (auto& r : rows) out.access_control_list.push_back(std::move(r.control));
  if (!rooted) {
    const Permission inherited{target.kind.admin_level, true, {"/" + target.object.type + "/"}};
    const auto admins = std::ranges::find_if(out.access_control_list, [](const AccessControl& c) { return c.group_name == kAdmins; });
    if (admins == out.access_control_list.end())
      out.access_control_list.push_back({.group_name = kAdmins, .all_permissions = {inherited}});
    else
      admins->all_permissions.push_back(inherited);
  }
  return out;
}

}  // namespace tarn::permissions
