#include "identity/rule_sets.h"

#include <charconv>

#include "base/crypto.h"
#include "identity/roster.h"

namespace tarn::identity {
namespace {

std::string etag_of(std::string_view name, std::int64_t revision) {
  return crypto::base64(crypto::sha256(fmt::format("{}\n{}", name, revision)).substr(0, 18));
}

std::string named(const PrincipalRecord& p) {
  return (p.kind == Kind::user ? "users/" : p.kind == Kind::group ? "groups/" : "servicePrincipals/") + p.name;
}

Result<std::int64_t> principal_of(store::ReadTxn& t, const std::string& text) {
  const auto slash = text.find('/');
  const auto head = text.substr(0, slash), name = slash == text.npos ? "" : text.substr(slash + 1);
  std::optional<PrincipalRecord> p;
  if (head == "users")
    p = roster::by_name(t, Kind::user, 0, name);
  else if (head == "servicePrincipals")
    p = roster::by_name(t, Kind::service_principal, 0, name);
  else if (head == "groups")
    p = folded(name) == roster::kAccountUsersName ? roster::get(t, roster::kAccountUsers) : roster::by_name(t, Kind::group, 0, name);
  else
    return invalid("Principal '{}' must be users/NAME, groups/NAME or servicePrincipals/APPLICATION_ID", text);
  if (!p) return invalid("Principal '{}' does not exist in this account", text);
  return p->id;
}

}  // namespace

Result<RuleSets::Resource> RuleSets::resolve(store::ReadTxn& t, std::string_view name, bool rule_set) const {
  constexpr std::string_view kEnd = "/ruleSets/default";
  const auto full = name;
  if (name.ends_with(kEnd))
    name.remove_suffix(kEnd.size());
  else if (rule_set)
    return invalid("Field 'name' must end in {}, got '{}'", kEnd, full);
  const auto root = "accounts/" + account_id_;
  if (!name.starts_with(root) || (name.size() > root.size() && name[root.size()] != '/'))
    return invalid("Field 'name' must begin with {}, got '{}'", root, full);
  name.remove_prefix(root.size());
  if (name.empty()) return Resource{0, {"roles/billing.admin", "roles/marketplace.admin"}};
  constexpr std::string_view kServicePrincipals = "/servicePrincipals/", kGroups = "/groups/";
  if (name.starts_with(kServicePrincipals)) {
    const auto p = roster::by_name(t, Kind::service_principal, 0, name.substr(kServicePrincipals.size()));
    if (!p) return fail(Error{Errc::not_found, fmt::format("Service principal {} does not exist", name.substr(kServicePrincipals.size()))});
    return Resource{p->id, {roster::kSecretManager, "roles/servicePrincipal.user"}};
  }
  if (name.starts_with(kGroups)) {
    const auto text = name.substr(kGroups.size());
    std::int64_t id = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), id);
    const auto p = ec == std::errc() && end == text.data() + text.size() ? roster::get(t, id) : std::nullopt;
    if (!p || p->kind != Kind::group || p->workspace_id != 0) return fail(Error{Errc::not_found, fmt::format("Group {} does not exist", text)});
    return Resource{p->id, {roster::kGroupManager}};
  }
  return invalid("Rule sets exist for the account, its service principals and its groups; '{}' is none of them", full);
}

Result<RuleSets::Resource> RuleSets::managed(store::ReadTxn& t, const access::Context& ctx, std::string_view name, bool rule_set) const {
  auto r = resolve(t, name, rule_set);
  if (ctx.caller.account_admin) return r;
  // Who may not look gets one answer for what is there and what is not.
  if (!r || r->id == 0 || !roster::holds_role(t, r->id, r->roles.front(), ctx.caller))
    return fail(Error{Errc::permission_denied, fmt::format("'{}' may not manage the access rules of {}", ctx.caller.name, name)});
  return r;
}

RuleSet RuleSets::shown(store::ReadTxn& t, const std::string& name, std::int64_t resource) const {
  RuleSet out{.name = name};
  const auto r = kRuleSets.get(t, store::sortable(resource));
  out.etag = etag_of(name, r ? r->value.revision : 0);
  if (!r) return out;
  for (const auto& g : r->value.grants) {
    GrantRule rule{.role = g.role};
    for (const auto id : g.principals)
      if (const auto p = roster::get(t, id)) rule.principals.push_back(named(*p));
    out.grant_rules.push_back(std::move(rule));
  }
  return out;
}

Result<RuleSet> RuleSets::get(const access::Context& ctx, const std::string& name) {
  return store_.looked(ctx.event("accountsAccessControl", "getRuleSet", {{"ruleset_name", name}}),
                       store_.read_as([&](store::ReadTxn& t) -> Result<RuleSet> {
                         TARN_TRY(resource, managed(t, ctx, name, true));
                         return shown(t, name, resource.id);
                       }));
}

Result<RuleSet> RuleSets::put(const access::Context& ctx, const std::string& name, const RuleSet& wanted) {
  return roster::change(
      store_, ctx.event("accountsAccessControl", "updateRuleSet", {{"ruleset_name", name}}), [&](store::WriteTxn& t) -> Result<RuleSet> {
        TARN_TRY(resource, managed(t, ctx, name, true));
        if (!wanted.name.empty() && wanted.name != name)
          return invalid("Field 'rule_set.name' must be '{}' as 'name' says, got '{}'", name, wanted.name);
        const auto old = kRuleSets.get(t, store::sortable(resource.id));
        RuleSetRecord r{.resource = resource.id, .revision = old ? old->value.revision : 0};
        if (wanted.etag != etag_of(name, r.revision))
          return fail(Error{Errc::conflict,
                            fmt::format("Etag '{}' of rule set '{}' is not the current one: it was changed in between. Read it again, then update.",
                                        wanted.etag, name)});
        ++r.revision;
        std::map<std::string, std::set<std::int64_t>> grants;
        for (const auto& rule : wanted.grant_rules) {
          if (std::find(resource.roles.begin(), resource.roles.end(), rule.role) == resource.roles.end())
            return invalid("Role '{}' cannot be given here: use one of {}", rule.role, fmt::join(resource.roles, ", "));
          for (const auto& p : rule.principals) {
            TARN_TRY(id, principal_of(t, p));
            grants[rule.role].insert(id);
          }
        }
        for (const auto& [role, ids] : grants) r.grants.push_back({role, {ids.begin(), ids.end()}});
        if (!kRuleSets.put(t, r)) throw std::logic_error("a rule set has no unique values");
        return shown(t, name, resource.id);
      });
}

Result<std::vector<std::string>> RuleSets::assignable_roles(const access::Context& ctx, const std::string& resource) {
  return store_.read_as([&](store::ReadTxn& t) -> Result<std::vector<std::string>> {
    TARN_TRY(r, managed(t, ctx, resource, false));
    return r.roles;
  });
}

}  // namespace tarn::identity
