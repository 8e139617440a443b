#include "catalog/grants.h"

#include "catalog/names.h"

namespace tarn::catalog {
namespace {

struct Resolved {
  std::string name;                    // as the request says it
  std::optional<Principal> principal;  // of the directory
  std::vector<Privilege> add, remove;
};

/// How the vendor calls a securable in the refusal of a privilege that does not apply.
std::string entity(const Place& place) {
  const auto kind = [&]() -> std::string {
    switch (place.type) {
      case SecurableType::METASTORE:
        return "METASTORE/METASTORE_STANDARD";
      case SecurableType::CATALOG:
        return "CATALOG/CATALOG_STANDARD";
      case SecurableType::SCHEMA:
        return "SCHEMA/SCHEMA_STANDARD";
      case SecurableType::TABLE:
        return place.table->info.table_type == TableType::VIEW ? "TABLE/TABLE_VIEW" : "TABLE/TABLE_STANDARD";
      case SecurableType::VOLUME:
        return "VOLUME/VOLUME_STANDARD";
      case SecurableType::FUNCTION:
        return place.routine && place.routine->model ? "FUNCTION/FUNCTION_REGISTERED_MODEL" : "FUNCTION/FUNCTION_STANDARD";
      case SecurableType::STORAGE_CREDENTIAL:
        return "STORAGE_CREDENTIAL/STORAGE_CREDENTIAL_AWS_IAM";
      case SecurableType::EXTERNAL_LOCATION:
        return "EXTERNAL_LOCATION/EXTERNAL_LOCATION_STANDARD";
      case SecurableType::CONNECTION:
      case SecurableType::SHARE:
      case SecurableType::RECIPIENT:
      case SecurableType::PROVIDER:
        return fmt::format("{0}/{0}_STANDARD", json::name_of(place.type));
    }
    return "";
  }();
  return place.full_name() + ":" + kind;
}

bool applies_here(Privilege p, const Place& place) {
  if (place.type == SecurableType::TABLE && place.table->info.table_type == TableType::VIEW && (p == Privilege::MODIFY || p == Privilege::REFRESH))
    return false;
  return applies(p, place.type);
}

Error not_applicable(std::string_view privilege, const Place& place) {
  return invalid(
      fmt::format("Privilege {} is not applicable to this entity [{}]. If this seems unexpected, please check the privilege version of the metastore "
                  "in use [{}].",
                  privilege, entity(place), place.metastore.info.privilege_model_version));
}

Result<void> may_grant(const Place& place, const access::Context& ctx, const std::vector<Resolved>& changes) {
  const Path path = place.path();
  const Subject who = subject(ctx);
  if (place.type == SecurableType::METASTORE && ctx.caller.account_admin) return {};
  TARN_CHECK(allowed(check_manage(path, who)));
  for (const auto& c : changes)
    for (const Privilege p : c.add) {
      if (p == Privilege::EXTERNAL_USE_SCHEMA && !owns(path[path.size() - 2], who))
        return fail(
            Error{Errc::permission_denied, fmt::format("Only the owner of Catalog '{}' can grant EXTERNAL USE SCHEMA.", path[path.size() - 2].name)});
      if (p == Privilege::EXTERNAL_USE_LOCATION && !owns(path.front(), who))
        return fail(Error{Errc::permission_denied,
                          fmt::format("Only the owner of External Location '{}' can grant EXTERNAL USE LOCATION.", path.front().name)});
    }
  return {};
}

Grant& grant_of(Access& access, const Principal& p) {
  for (auto& g : access.grants)
    if (g.principal.same(p)) return g;
  access.grants.push_back({p, {}});
  return access.grants.back();
}

/// Whom a change means: the directory's principal, or one that a grant here still names (deleted since, or a set made by rule).
std::optional<Principal> meant(const Resolved& r, const Access& access) {
  if (r.principal) return r.principal;
  for (const auto& g : access.grants)
    if (folded(g.principal.name) == folded(r.name)) return g.principal;
  return std::nullopt;
}

}  // namespace

Result<void> Grants::update(const access::Context& ctx, SecurableType type, std::string_view full_name,
                            const std::vector<PermissionsChange>& changes) {
  std::map<std::string, std::string> params{{"securable_type", std::string(json::name_of(type))}, {"securable_full_name", std::string(full_name)}};
  std::vector<Resolved> resolved;
  std::optional<Error> problem;
  json::array shown_changes;
  for (const auto& c : changes) {
    shown_changes.push_back(json::encode(c));
    Resolved r{.name = c.principal};
    if (auto p = find_principal(core_, c.principal)) r.principal = *std::move(p);
    const auto parse = [&](const std::vector<std::string>& names, std::vector<Privilege>& into) {
      for (const auto& n : names) {
        if (const auto p = parse_privilege(n))
          into.push_back(*p);
        else if (!problem)
          problem = invalid(fmt::format("Privilege {} is not known in this metastore", n));
      }
    };
    parse(c.add, r.add);
    parse(c.remove, r.remove);
    resolved.push_back(std::move(r));
  }
  params["changes"] = boost::json::serialize(shown_changes);
  return change(core_, ctx, "updatePermissions", params, [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(place, locate(t, ctx, type, full_name));
    if (place.missing || type != SecurableType::METASTORE) {
      TARN_TRY(checked, locate_to_manage(t, ctx, type, full_name, false));
      place = std::move(checked);
    }
    TARN_CHECK(may_grant(place, ctx, resolved));
    if (problem) return fail(*problem);
    Access& access = place.access();
    for (const auto& r : resolved) {
      for (const Privilege p : r.add)
        if (!applies_here(p, place)) return fail(not_applicable(spelled(p), place));
      const auto principal = meant(r, access);
      if (!principal || (!r.principal && !r.add.empty()))
        return fail(Error{Errc::principal_not_found, fmt::format("Could not find principal with name {}", r.name)});
      Grant& g = grant_of(access, *principal);
      if (r.principal) g.principal.name = r.principal->name;
      for (const Privilege p : r.remove) std::erase(g.privileges, p);
      for (const Privilege p : r.add)
        if (std::find(g.privileges.begin(), g.privileges.end(), p) == g.privileges.end()) g.privileges.push_back(p);
      std::sort(g.privileges.begin(), g.privileges.end(), [](Privilege a, Privilege b) { return json::name_of(a) < json::name_of(b); });
    }
    std::erase_if(access.grants, [](const Grant& g) { return g.privileges.empty(); });
    save(t, place);
    return {};
  });
}

Result<std::vector<GrantRow>> Grants::rows(const access::Context& ctx, SecurableType type, std::string_view full_name,
                                           const std::optional<std::string>& principal, bool inherited) {
  struct Held {
    Principal principal;
    Privilege privilege;
    std::optional<SecurableType> from_type;
    std::optional<std::string> from_name;
  };
  std::string name;
  auto found = look(core_, ctx, inherited ? "getEffectivePermissions" : "getPermissions",
                    {{"securable_type", std::string(json::name_of(type))}, {"securable_full_name", std::string(full_name)}},
                    [&](store::ReadTxn& t) -> Result<std::vector<Held>> {
                      const Subject who = subject(ctx);
                      // Whoever may see the securable, or use what is above it, may ask for their own grants on it.
                      TARN_TRY(place, locate(t, ctx, type, full_name));
                      if (place.missing) return fail(locate_to_see(t, ctx, type, full_name, true).error());
                      const Path path = place.path();
                      const bool manages = !check_manage(path, who) || (type == SecurableType::METASTORE && ctx.caller.account_admin);
                      if (path.size() > 2) TARN_CHECK(allowed(check_binding(path, who, false)));
                      name = place.type == SecurableType::METASTORE ? place.metastore.info.metastore_id : place.full_name();
                      std::vector<Held> out;
                      bool own = false;
                      const std::size_t levels = inherited && path.size() > 1 ? path.size() - 1 : 1;
                      for (std::size_t i = 0; i < levels; ++i)
                        for (const auto& g : path[i].access->grants) {
                          const bool mine = means(g.principal, who);
                          own = own || mine;
                          if (!manages && !mine) continue;
                          for (const Privilege p : g.privileges) {
                            Held h{.principal = g.principal, .privilege = p};
                            if (i > 0) h.from_type = path[i].type, h.from_name = path[i].name;
                            out.push_back(std::move(h));
                          }
                        }
                      if (!manages && !own)
                        if (auto d = check_see(path, who, true)) return fail(denied(*d));
                      return out;
                    });
  if (!found) return fail(found.error());
  std::optional<Principal> only;
  if (principal && !principal->empty()) {
    if (auto p = find_principal(core_, *principal))
      only = *std::move(p);
    else {
      for (const auto& h : *found)
        if (folded(h.principal.name) == folded(*principal)) only = h.principal;
      if (!only) return fail(p.error());
    }
  }
  std::vector<GrantRow> out;
  std::map<std::pair<int, std::int64_t>, std::string> names;
  for (const auto& h : *found) {
    if (only && !only->same(h.principal)) continue;
    auto& n = names[{static_cast<int>(h.principal.kind), h.principal.id}];
    if (n.empty()) n = name_of(core_, h.principal);
    out.push_back({.principal = n,
                   .privilege = h.privilege,
                   .securable_type = type,
                   .securable_name = name,
                   .inherited_from_type = h.from_type,
                   .inherited_from_name = h.from_name});
  }
  std::stable_sort(out.begin(), out.end(), [](const GrantRow& a, const GrantRow& b) { return a.principal < b.principal; });
  return out;
}

Result<std::vector<GrantRow>> Grants::direct(const access::Context& ctx, SecurableType type, std::string_view full_name,
                                             const std::optional<std::string>& principal) {
  return rows(ctx, type, full_name, principal, false);
}
Result<std::vector<GrantRow>> Grants::effective(const access::Context& ctx, SecurableType type, std::string_view full_name,
                                                const std::optional<std::string>& principal) {
  return rows(ctx, type, full_name, principal, true);
}

}  // namespace tarn::catalog
