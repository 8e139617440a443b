#pragma once
// Policies over tags (ABAC): a row filter or column mask on a catalog, schema or table that takes effect on every table below whose tags, and whose
// columns' tags, meet its conditions, for the principals that it names. Kept under the securable's id. Which of them apply to a reader is decided
// here and nowhere else; they are run where names become data (sql/governed.cc), and a table under one is never vended (temporary.cc). Sources:
// Databricks docs, "CREATE POLICY", "Policy evaluation and runtime behavior"; REST API reference "ABAC Policies".
#include "catalog/core.h"

namespace tarn::catalog {

struct PolicyArgumentRecord {
  std::optional<std::string> alias, constant;  // one of the two
};
BOOST_DESCRIBE_STRUCT(PolicyArgumentRecord, (), (alias, constant))

struct TagPolicyRecord {
  std::string securable_id, id, name;
  std::optional<std::string> comment, when_condition;
  PolicyType type = PolicyType::POLICY_TYPE_ROW_FILTER;
  std::vector<Principal> to, except;
  std::vector<MatchColumn> match_columns;
  std::string function_name, function_id;
  std::string on_column;  // a mask's alias
  std::vector<PolicyArgumentRecord> arguments;
  Principal definer;  // in whose name the function is run: who said it last
  Millis created_at = 0, updated_at = 0;
  std::string created_by, updated_by;
  std::string store_key() const { return store::key({securable_id, name}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(TagPolicyRecord, (),
                      (securable_id, id, name, comment, when_condition, type, to, except, match_columns, function_name, function_id, on_column,
                       arguments, definer, created_at, updated_at, created_by, updated_by))
inline constexpr store::Collection<TagPolicyRecord> kTagPolicies{"uc_tag_policy"};

void drop_tag_policies(store::WriteTxn& t, std::string_view securable_id);

/// Whether any policy is in force on the table at this place, for whomever.
bool under_policy(store::ReadTxn& t, const Place& table);

/// What applies to a reader, with principals not yet named (that asks another room).
struct Effect {
  struct One {
    Principal definer;
    EffectivePolicy policy;
  };
  std::vector<One> policies;
  bool conflict = false;
};
Effect effect(store::ReadTxn& t, const Place& table, const Subject& reader);

class TagPolicies {
 public:
  explicit TagPolicies(const Core& core) : core_(core) {}

  // All need MANAGE on the securable or its ownership; creating and changing also EXECUTE on the function.
  Result<PolicyInfo> create(const access::Context& ctx, const PolicyInfo& policy, bool replace);
  Result<PolicyInfo> get(const access::Context& ctx, std::string_view type, std::string_view securable, std::string_view name);
  /// `inherited`: also those of the schema and catalog above that the caller manages. Not paged in parts: a securable has at most 100.
  Result<std::vector<PolicyInfo>> list(const access::Context& ctx, std::string_view type, std::string_view securable, bool inherited);
  /// `fields`: of `change`, by their wire names; the others stay.
  Result<PolicyInfo> update(const access::Context& ctx, std::string_view type, std::string_view securable, std::string_view name,
                            const PolicyInfo& change, const std::vector<std::string>& fields);
  Result<void> remove(const access::Context& ctx, std::string_view type, std::string_view securable, std::string_view name);
  /// Of a catalog and of all in it, where the caller manages.
  Result<std::vector<PolicyInfo>> all(const access::Context& ctx, std::string_view catalog);

 private:
  PolicyInfo shown(const TagPolicyRecord& r, SecurableType type, const std::string& full_name) const;
  const Core& core_;
};

}  // namespace tarn::catalog
