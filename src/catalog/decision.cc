#include "catalog/decision.h"

namespace tarn::catalog {

using enum Privilege;

namespace {

Denial lacks(Privilege p, const Level& level) {
  return {fmt::format("User does not have {} on {} '{}'.", spelled(p), label(level.type), level.name)};
}

bool container(SecurableType t) { return t == SecurableType::CATALOG || t == SecurableType::SCHEMA; }
Privilege use_of(SecurableType t) { return t == SecurableType::CATALOG ? USE_CATALOG : USE_SCHEMA; }

bool granted(const Level& level, const Subject& s, Privilege p) {
  for (const auto& g : level.access->grants) {
    if (!means(g.principal, s)) continue;
    for (const Privilege have : g.privileges)
      if (have == p || (have == ALL_PRIVILEGES && implied_by_all(p))) return true;
  }
  return false;
}

Path above(const Path& path, std::size_t from) { return {path.begin() + static_cast<std::ptrdiff_t>(from), path.end()}; }

/// The privileges that let somebody see a securable without BROWSE.
const std::vector<Privilege>& seeing(SecurableType t) {
  static const std::vector<Privilege> catalog{USE_CATALOG, MANAGE}, schema{USE_SCHEMA, MANAGE}, table{SELECT, MODIFY, MANAGE, REFRESH},
      volume{READ_VOLUME, WRITE_VOLUME, MANAGE}, function{EXECUTE, CREATE_MODEL_VERSION, MANAGE},
      connection{USE_CONNECTION, CREATE_FOREIGN_CATALOG, MANAGE},
      credential{CREATE_EXTERNAL_LOCATION, CREATE_EXTERNAL_TABLE, READ_FILES, WRITE_FILES, MANAGE},
      location{CREATE_EXTERNAL_TABLE, CREATE_EXTERNAL_VOLUME, CREATE_MANAGED_STORAGE, EXTERNAL_USE_LOCATION, READ_FILES, WRITE_FILES, MANAGE}, none;
  switch (t) {
    case SecurableType::CATALOG:
      return catalog;
    case SecurableType::SCHEMA:
      return schema;
    case SecurableType::TABLE:
      return table;
    case SecurableType::VOLUME:
      return volume;
    case SecurableType::FUNCTION:
      return function;
    case SecurableType::STORAGE_CREDENTIAL:
      return credential;
    case SecurableType::EXTERNAL_LOCATION:
      return location;
    case SecurableType::CONNECTION:
      return connection;
    case SecurableType::METASTORE:
    case SecurableType::SHARE:
    case SecurableType::RECIPIENT:
    case SecurableType::PROVIDER:
      return none;
  }
  return none;
}

bool owns_above(const Path& path, const Subject& s) {
  for (std::size_t i = 1; i + 1 < path.size(); ++i)
    if (owns(path[i], s) && !check_way(above(path, i), s)) return true;
  return false;
}

}  // namespace

bool means(const Principal& p, const Subject& s) {
  switch (p.kind) {
    case PrincipalKind::account:
      return p.id == s.caller.id || s.caller.group_ids.contains(p.id);
    case PrincipalKind::account_users:
      return true;
    case PrincipalKind::workspace_admins:
      return s.caller.workspace_admin && s.workspace_id == p.id;
    case PrincipalKind::workspace_users:
      return s.workspace_id == p.id;
    case PrincipalKind::system:
      return s.caller.id == 0 && s.caller.account_admin;  // the platform itself; no principal has id 0
  }
  return false;
}

bool owns(const Level& level, const Subject& s) { return means(level.access->owner, s); }
bool metastore_admin(const Path& path, const Subject& s) { return owns(path.back(), s); }

bool holds(const Path& path, const Subject& s, Privilege p) {
  const Level& self = path.front();
  if (owns(self, s) && implied_by_ownership(p)) return true;
  if (self.type == SecurableType::METASTORE) return granted(self, s, p);
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    if (granted(path[i], s, p)) return true;
    if (path[i].system && !writes(p) && implied_by_all(p) && (metastore_admin(path, s) || s.caller.account_admin)) return true;
    if (path[i].readable && !writes(p) && (p == USE_SCHEMA || p == SELECT)) return true;
  }
  return false;
}

std::optional<Denial> check_binding(const Path& path, const Subject& s, bool write) {
  for (const Level& level : path) {
    if (!level.isolation || !level.isolation->isolated) continue;
    const Binding* bound = nullptr;
    for (const auto& b : level.isolation->bindings)
      if (s.workspace_id == b.workspace_id) bound = &b;
    if (!bound) return Denial{fmt::format("{} '{}' is not accessible in current workspace", label(level.type), level.name)};
    if (write && bound->binding_type == BindingType::BINDING_TYPE_READ_ONLY)
      return Denial{
          fmt::format("{} '{}' is bound to the current workspace for reading only: it cannot be changed from here", label(level.type), level.name)};
  }
  return std::nullopt;
}

std::optional<Denial> check_way(const Path& path, const Subject& s) {
  for (std::size_t i = path.size(); i-- > 1;)
    if (container(path[i].type) && !holds(above(path, i), s, use_of(path[i].type))) return lacks(use_of(path[i].type), path[i]);
  return std::nullopt;
}

std::optional<Denial> check(const Path& path, const Subject& s, Privilege p) {
  if (p == MANAGE) return check_manage(path, s);
  if (auto d = check_binding(path, s, writes(p))) return d;
  if (auto d = check_way(path, s)) return d;
  const Level& self = path.front();
  if (container(self.type) && p != use_of(self.type) && !holds(path, s, use_of(self.type))) return lacks(use_of(self.type), self);
  if (!holds(path, s, p)) return lacks(p, self);
  return std::nullopt;
}

std::optional<Denial> check_manage(const Path& path, const Subject& s) {
  const Level& self = path.front();
  if (self.type == SecurableType::METASTORE) {
    if (owns(self, s)) return std::nullopt;
    return Denial{fmt::format("User is not an owner of Metastore '{}'.", self.name)};
  }
  // A metastore or catalog owner may always reach for what is below; where the catalog may be used from is another question (bindings).
  if (metastore_admin(path, s) || owns_above(path, s)) return std::nullopt;
  const auto way = check_way(path, s);
  if (!way && (owns(self, s) || holds(path, s, MANAGE))) return std::nullopt;
  if (way) return way;
  return lacks(MANAGE, self);
}

std::optional<Denial> check_see(const Path& path, const Subject& s, bool browse) {
  const Level& self = path.front();
  if (self.type == SecurableType::METASTORE) {
    if (owns(self, s) || s.caller.account_admin) return std::nullopt;
    for (const auto& g : self.access->grants)
      if (means(g.principal, s)) return std::nullopt;
    return Denial{fmt::format("User is not an owner of Metastore '{}'.", self.name)};
  }
  if (auto d = check_binding(path, s, false)) {
    // Whoever manages a location or credential must be able to see it to bind it again; a catalog's bindings have an API of their own.
    const bool infrastructure = self.type == SecurableType::STORAGE_CREDENTIAL || self.type == SecurableType::EXTERNAL_LOCATION;
    if (!infrastructure || check_manage(path, s)) return d;
  }
  if (metastore_admin(path, s) || owns_above(path, s)) return std::nullopt;
  const auto way = check_way(path, s);
  if (!way) {
    if (owns(self, s)) return std::nullopt;
    for (const Privilege p : seeing(self.type))
      if (holds(path, s, p)) return std::nullopt;
  }
  if (browse && holds(path, s, BROWSE)) return std::nullopt;
  if (way) return way;
  // The metastore's USE privileges open all of a kind.
  const auto on_metastore = [&](Privilege p) { return granted(path.back(), s, p); };
  if ((self.type == SecurableType::SHARE && on_metastore(USE_SHARE)) || (self.type == SecurableType::RECIPIENT && on_metastore(USE_RECIPIENT)) ||
      (self.type == SecurableType::PROVIDER && on_metastore(USE_PROVIDER)))
    return std::nullopt;
  if (path.size() == 2 && self.type != SecurableType::CATALOG)
    return Denial{fmt::format("User does not have any privileges on {} '{}'.", label(self.type), self.name)};
  return lacks(seeing(self.type).front(), self);
}

bool browse_only(const Path& path, const Subject& s) { return check_see(path, s, false).has_value() && !check_see(path, s, true).has_value(); }

}  // namespace tarn::catalog
