#pragma once
// Rule sets: who holds which role on a service principal, a group or the account (REST reference "Account Access Control").
// Names are accounts/ID/ruleSets/default, accounts/ID/servicePrincipals/APPLICATION_ID/ruleSets/default and
// accounts/ID/groups/GROUP_ID/ruleSets/default. Thread-safe; a change is one transaction with its audit event.
#include "identity/errors.h"
#include "identity/records.h"

namespace tarn::identity {

struct GrantRule {
  std::string role;
  std::vector<std::string> principals;  // users/NAME, groups/NAME, servicePrincipals/APPLICATION_ID
};
BOOST_DESCRIBE_STRUCT(GrantRule, (), (role, principals))

struct RuleSet {
  std::string name;
  std::string etag;
  std::vector<GrantRule> grant_rules;
};
BOOST_DESCRIBE_STRUCT(RuleSet, (), (name, etag, grant_rules))

class RuleSets {
 public:
  /// The store must outlive this.
  RuleSets(store::Store& store, std::string account_id) : store_(store), account_id_(std::move(account_id)) {}

  // By account admins and those who manage the resource. not_found, permission_denied, invalid (name, role, principal).
  Result<RuleSet> get(const access::Context& ctx, const std::string& name);
  /// Replaces all rules. conflict if `etag` is not the current one: read again, then write.
  Result<RuleSet> put(const access::Context& ctx, const std::string& name, const RuleSet& wanted);
  /// What can be given on a resource (a rule set's name without /ruleSets/default, as the vendor takes it; the whole name is taken too).
  Result<std::vector<std::string>> assignable_roles(const access::Context& ctx, const std::string& resource);

 private:
  struct Resource {
    std::int64_t id = 0;  // 0: the account
    std::vector<std::string> roles;
  };
  Result<Resource> resolve(store::ReadTxn& t, std::string_view name, bool rule_set) const;
  Result<Resource> managed(store::ReadTxn& t, const access::Context& ctx, std::string_view name, bool rule_set) const;
  RuleSet shown(store::ReadTxn& t, const std::string& name, std::int64_t resource) const;

  store::Store& store_;
  std::string account_id_;
};

}  // namespace tarn::identity
