#include "catalog/tag_policies.h"

#include <set>

#include "base/ids.h"
#include "catalog/names.h"
#include "catalog/tag_conditions.h"
#include "catalog/tags.h"

namespace tarn::catalog {
namespace {

// Databricks docs, "ABAC requirements, quotas, and limitations".
constexpr std::size_t kMostPoliciesAbove = 100, kMostPoliciesOfTable = 50, kMostPrincipals = 20, kMostFilterColumns = 6, kMostMaskColumns = 3;

Result<SecurableType> policy_place(std::string_view type) {
  const auto word = folded(type);
  if (word == "catalog") return SecurableType::CATALOG;
  if (word == "schema") return SecurableType::SCHEMA;
  if (word == "table") return SecurableType::TABLE;
  return fail(invalid(fmt::format("[POLICY_ON_SECURABLE_TYPE_NOT_SUPPORTED] Policies are for a CATALOG, SCHEMA or TABLE; got '{}'", type)));
}

const std::string& policy_bearer(const Place& p) {
  return p.type == SecurableType::TABLE ? p.table->info.table_id : p.type == SecurableType::SCHEMA ? p.schema->info.schema_id : p.catalog->info.id;
}

/// Where a policy is or goes, for who manages that.
Result<Place> policy_home(store::ReadTxn& t, const access::Context& ctx, SecurableType type, std::string_view full_name, bool write) {
  TARN_TRY(place, locate_to_manage(t, ctx, type, full_name, write));
  if (place.catalog->info.catalog_type == CatalogType::SYSTEM_CATALOG)
    return fail(Error{Errc::unsupported, fmt::format("'{}' is the platform's: it cannot be changed.", place.full_name())});
  if (type == SecurableType::TABLE && place.table->info.table_type == TableType::VIEW)
    return fail(invalid(fmt::format("'{}' is a view: a policy is for its tables", place.full_name())));
  return std::move(place);
}

Error no_such_policy(std::string_view name, std::string_view on) {
  return {Errc::not_found, fmt::format("[POLICY_NOT_FOUND] Policy '{}' does not exist on '{}'", name, on)};
}

/// A reader's tags on a table: the nearest value of each key.
std::map<std::string, std::string> table_tags(store::ReadTxn& t, const Place& table) {
  std::map<std::string, std::string> out;
  for (const auto& id : {table.catalog->info.id, table.schema->info.schema_id, table.table->info.table_id})
    for (const auto& r : kTags.scan(t, store::prefix({id})))
      if (r.column.empty()) out[r.key] = r.value;
  return out;
}

/// A policy that is in force on a table, with the columns that each of its conditions found.
struct InForce {
  TagPolicyRecord policy;
  std::vector<std::vector<std::string>> found;  // as match_columns
};

std::vector<InForce> in_force(store::ReadTxn& t, const Place& table) {
  std::vector<InForce> out;
  std::vector<TagPolicyRecord> all;
  for (const auto& id : {table.catalog->info.id, table.schema->info.schema_id, table.table->info.table_id})
    for (auto& p : kTagPolicies.scan(t, store::prefix({id}))) all.push_back(std::move(p));
  if (all.empty() || table.table->info.table_type == TableType::VIEW) return out;
  const auto tags = table_tags(t, table);
  std::map<std::string, std::map<std::string, std::string>> of_columns;
  for (const auto& r : kTags.scan(t, store::prefix({table.table->info.table_id})))
    if (!r.column.empty()) of_columns[r.column][r.key] = r.value;
  // A condition was read before it was kept; one that cannot be read any more counts as met.
  const auto met = [](std::string_view text, const std::map<std::string, std::string>& of) {
    const auto condition = tag_condition(text);
    return !condition || holds(*condition, of);
  };
  for (auto& p : all) {
    if (p.when_condition && !met(*p.when_condition, tags)) continue;
    InForce one{.policy = std::move(p), .found = {}};
    bool every = true;
    for (const auto& m : one.policy.match_columns) {
      auto& columns = one.found.emplace_back();
      for (const auto& c : table.table->info.columns)
        if (met(m.condition, of_columns[c.name])) columns.push_back(c.name);
      every = every && !columns.empty();
    }
    if (every) out.push_back(std::move(one));
  }
  return out;
}

bool names_reader(const std::vector<Principal>& principals, const Subject& reader) {
  return std::ranges::any_of(principals, [&](const Principal& p) { return means(p, reader); });
}

/// The columns that an alias stands for.
const std::vector<std::string>* columns_of_alias(const InForce& p, std::string_view alias) {
  for (std::size_t i = 0; i < p.policy.match_columns.size(); ++i)
    if (p.policy.match_columns[i].alias && folded(*p.policy.match_columns[i].alias) == folded(alias)) return &p.found[i];
  return nullptr;
}

std::map<std::string, std::string> policy_params(std::string_view type, std::string_view securable, std::string_view name = {}) {
  return {{"on_securable_type", std::string(type)}, {"on_securable_fullname", std::string(securable)}, {"name", std::string(name)}};
}

/// The principals of a policy, asked of the directory before the transaction.
struct NamedPrincipals {
  std::vector<Principal> to, except;
};
Result<NamedPrincipals> named_principals(const Core& core, const PolicyInfo& p) {
  NamedPrincipals out;
  if (p.to_principals.empty()) return fail(invalid("Field 'to_principals' is required: name at least one principal"));
  if (p.to_principals.size() > kMostPrincipals || p.except_principals.size() > kMostPrincipals)
    return fail(invalid(fmt::format("A policy may name at most {} principals, and except as many", kMostPrincipals)));
  for (const auto& [from, to] : {std::pair{&p.to_principals, &out.to}, std::pair{&p.except_principals, &out.except}})
    for (const auto& name : *from) {
      TARN_TRY(found, find_principal(core, name));
      to->push_back(std::move(found));
    }
  return out;
}

/// What a policy says, checked; all but its place, name and stamps.
Result<void> describe_policy(store::ReadTxn& t, const access::Context& ctx, const PolicyInfo& p, NamedPrincipals principals, TagPolicyRecord& r) {
  if (!p.policy_type) return fail(invalid("Field 'policy_type' must be POLICY_TYPE_ROW_FILTER or POLICY_TYPE_COLUMN_MASK"));
  if (folded(p.for_securable_type.value_or("")) != "table") return fail(invalid("Field 'for_securable_type' must be TABLE"));
  const bool filter = *p.policy_type == PolicyType::POLICY_TYPE_ROW_FILTER;
  if (filter ? !p.row_filter || p.column_mask : !p.column_mask || p.row_filter)
    return fail(
        invalid(fmt::format("A policy of type {} has '{}' and nothing else", json::name_of(*p.policy_type), filter ? "row_filter" : "column_mask")));
  const auto& given = filter ? p.row_filter->using_ : p.column_mask->using_;
  r.type = *p.policy_type;
  r.comment = p.comment && !p.comment->empty() ? p.comment : std::nullopt;
  r.when_condition = p.when_condition && !p.when_condition->empty() ? p.when_condition : std::nullopt;
  if (r.when_condition) TARN_CHECK(tag_condition(*r.when_condition));
  const auto most = filter ? kMostFilterColumns : kMostMaskColumns;
  if (p.match_columns.size() > most) return fail(invalid(fmt::format("A policy of this type may match columns by at most {} conditions", most)));
  std::set<std::string> aliases;
  for (const auto& m : p.match_columns) {
    TARN_CHECK(tag_condition(m.condition));
    if (!m.alias) continue;
    if (m.alias->empty() || m.alias->size() > 255) return fail(invalid("An alias of a matched column has 1 to 255 characters"));
    if (!aliases.insert(folded(*m.alias)).second) return fail(invalid(fmt::format("Two matched columns are called '{}'", *m.alias)));
  }
  r.match_columns = p.match_columns;
  r.on_column = filter ? std::string() : p.column_mask->on_column;
  if (!filter && !aliases.contains(folded(r.on_column)))
    return fail(invalid(fmt::format("The masked column '{}' is not the alias of a matched column", r.on_column)));
  r.arguments.clear();
  for (const auto& a : given) {
    if (a.alias.has_value() == a.constant.has_value()) return fail(invalid("An argument of a policy's function is an alias or a constant"));
    if (a.alias && !aliases.contains(folded(*a.alias)))
      return fail(invalid(fmt::format("The argument '{}' is not the alias of a matched column", *a.alias)));
    r.arguments.push_back({a.alias, a.constant});
  }
  const std::string& name = filter ? p.row_filter->function_name : p.column_mask->function_name;
  TARN_TRY(place, locate_for(t, ctx, SecurableType::FUNCTION, name, Privilege::EXECUTE));
  if (place.routine->model) return fail(does_not_exist(SecurableType::FUNCTION, name));
  const auto& f = place.routine->function.as_object();
  std::size_t takes = 0;
  if (const auto* input = f.if_contains("input_params"); input && input->is_object())
    if (const auto* list = input->as_object().if_contains("parameters"); list && list->is_array()) takes = list->as_array().size();
  const std::size_t gets = given.size() + (filter ? 0 : 1);
  if (takes != gets)
    return fail(invalid(fmt::format("Function '{}' takes {} parameters, and the policy gives it {}", place.full_name(), takes, gets)));
  if (filter) {
    const auto* type = f.if_contains("full_data_type");
    if (!type || !type->is_string() || folded(std::string_view(type->as_string())) != "boolean")
      return fail(invalid(fmt::format("Function '{}' cannot filter rows: it must return BOOLEAN", place.full_name())));
  }
  r.function_name = place.full_name();
  r.function_id = place.routine->id;
  r.to = std::move(principals.to);
  r.except = std::move(principals.except);
  r.definer = principal_of(ctx);
  return {};
}

}  // namespace

void drop_tag_policies(store::WriteTxn& t, std::string_view securable_id) {
  for (const auto& r : kTagPolicies.scan(t, store::prefix({securable_id}))) kTagPolicies.erase(t, r.store_key());
}

bool under_policy(store::ReadTxn& t, const Place& table) { return !in_force(t, table).empty(); }

Effect effect(store::ReadTxn& t, const Place& table, const Subject& reader) {
  Effect out;
  // One function over a table's rows, and one over each column: the same one twice is one.
  const auto add = [&](const InForce& p, const std::string& column) {
    EffectivePolicy one{
        .function_name = p.policy.function_name, .function_id = p.policy.function_id, .definer = {}, .column = column, .arguments = {}};
    for (const auto& a : p.policy.arguments) {
      if (a.constant) {
        one.arguments.push_back({true, *a.constant});
        continue;
      }
      const auto* found = columns_of_alias(p, *a.alias);
      if (!column.empty() && folded(*a.alias) == folded(p.policy.on_column)) {
        one.arguments.push_back({false, column});
      } else if (!found || found->size() != 1) {
        out.conflict = true;  // which of several columns is meant, nothing says
        return;
      } else {
        one.arguments.push_back({false, found->front()});
      }
    }
    const auto other = std::ranges::find_if(out.policies, [&](const Effect::One& o) { return o.policy.column == column; });
    if (other != out.policies.end()) {
      if (other->policy.function_id != one.function_id || other->policy.arguments != one.arguments) out.conflict = true;
      return;
    }
    out.policies.push_back({p.policy.definer, std::move(one)});
  };
  for (const auto& p : in_force(t, table)) {
    if (!names_reader(p.policy.to, reader) || names_reader(p.policy.except, reader)) continue;
    if (p.policy.type == PolicyType::POLICY_TYPE_ROW_FILTER) {
      add(p, {});
      continue;
    }
    const auto* columns = columns_of_alias(p, p.policy.on_column);
    if (!columns) out.conflict = true;
    for (const auto& c : columns ? *columns : std::vector<std::string>{}) add(p, c);
  }
  // The table's own filter or mask beside a policy's: only where they are the same.
  const auto same = [&](const EffectivePolicy& p, const std::string& function_id, const std::vector<std::string>& columns) {
    return p.function_id == function_id &&
           std::ranges::equal(p.arguments, columns, [](const auto& a, const auto& c) { return !a.constant && a.text == c; });
  };
  const auto& info = table.table->info;
  for (const auto& o : out.policies) {
    if (o.policy.column.empty()) {
      if (info.row_filter && !same(o.policy, info.row_filter->function_id, info.row_filter->input_column_names)) out.conflict = true;
      continue;
    }
    const auto own = std::ranges::find_if(info.columns, [&](const ColumnInfo& c) { return c.name == o.policy.column; });
    if (own != info.columns.end() && own->mask && !same(o.policy, own->mask->function_id, own->mask->using_column_names)) out.conflict = true;
  }
  return out;
}

PolicyInfo TagPolicies::shown(const TagPolicyRecord& r, SecurableType type, const std::string& full_name) const {
  PolicyInfo out{.id = r.id, .name = r.name, .comment = r.comment};
  out.on_securable_type = json::name_of(type);
  out.on_securable_fullname = full_name;
  out.for_securable_type = "TABLE";
  out.when_condition = r.when_condition;
  out.policy_type = r.type;
  for (const auto& p : r.to) out.to_principals.push_back(name_of(core_, p));
  for (const auto& p : r.except) out.except_principals.push_back(name_of(core_, p));
  out.match_columns = r.match_columns;
  std::vector<PolicyArgument> arguments;
  for (const auto& a : r.arguments) arguments.push_back({a.alias, a.constant});
  if (r.type == PolicyType::POLICY_TYPE_ROW_FILTER)
    out.row_filter = RowFilterOptions{r.function_name, std::move(arguments)};
  else
    out.column_mask = ColumnMaskOptions{r.function_name, r.on_column, std::move(arguments)};
  out.created_at = r.created_at, out.updated_at = r.updated_at;
  out.created_by = r.created_by, out.updated_by = r.updated_by;
  return out;
}

Result<PolicyInfo> TagPolicies::create(const access::Context& ctx, const PolicyInfo& policy, bool replace) {
  const auto securable = policy.on_securable_fullname.value_or("");
  const auto params = policy_params(policy.on_securable_type.value_or(""), securable, policy.name);
  const auto type = policy_place(policy.on_securable_type.value_or(""));
  if (!type) return refuse<PolicyInfo>(core_, ctx, "createPolicy", params, type.error());
  const auto name = checked_name(policy.name, "CreatePolicy", "PolicyInfo.name");
  auto principals = named_principals(core_, policy);
  std::string full_name;
  const auto made = change(core_, ctx, "createPolicy", params, [&](store::WriteTxn& t) -> Result<TagPolicyRecord> {
    TARN_TRY(place, policy_home(t, ctx, *type, securable, true));
    if (!name) return fail(name.error());
    if (!principals) return fail(principals.error());
    full_name = place.full_name();
    TagPolicyRecord r{.securable_id = policy_bearer(place), .id = new_uuid(), .name = *name};
    stamp_new(r, core_, ctx);
    if (auto old = kTagPolicies.get(t, r.store_key())) {
      if (!replace)
        return fail(Error{Errc::already_exists, fmt::format("[POLICY_ALREADY_EXISTS] Policy '{}' already exists on '{}'", *name, full_name)});
      r = std::move(old->value);
      stamp_change(r, core_, ctx);
    } else if (const auto most = *type == SecurableType::TABLE ? kMostPoliciesOfTable : kMostPoliciesAbove;
               kTagPolicies.scan(t, store::prefix({r.securable_id})).size() >= most) {
      return fail(Error{Errc::limit_reached, fmt::format("'{}' has {} policies already: no more can be added", full_name, most)});
    }
    TARN_CHECK(describe_policy(t, ctx, policy, *principals, r));
    (void)kTagPolicies.put(t, r);
    return r;
  });
  if (!made) return fail(made.error());
  return shown(*made, *type, full_name);
}

Result<PolicyInfo> TagPolicies::get(const access::Context& ctx, std::string_view type, std::string_view securable, std::string_view name) {
  std::string full_name;
  const auto kind = policy_place(type);
  const auto found = look(core_, ctx, "getPolicy", policy_params(type, securable, name), [&](store::ReadTxn& t) -> Result<TagPolicyRecord> {
    if (!kind) return fail(kind.error());
    TARN_TRY(place, policy_home(t, ctx, *kind, securable, false));
    full_name = place.full_name();
    const auto r = kTagPolicies.get(t, store::key({policy_bearer(place), folded(name)}));
    if (!r) return fail(no_such_policy(name, full_name));
    return r->value;
  });
  if (!found) return fail(found.error());
  return shown(*found, *kind, full_name);
}

Result<std::vector<PolicyInfo>> TagPolicies::list(const access::Context& ctx, std::string_view type, std::string_view securable, bool inherited) {
  struct Found {
    TagPolicyRecord record;
    SecurableType type;
    std::string on;
  };
  const auto kind = policy_place(type);
  const auto found = look(core_, ctx, "listPolicies", policy_params(type, securable), [&](store::ReadTxn& t) -> Result<std::vector<Found>> {
    if (!kind) return fail(kind.error());
    TARN_TRY(place, policy_home(t, ctx, *kind, securable, false));
    std::vector<Found> out;
    for (const auto level : {SecurableType::TABLE, SecurableType::SCHEMA, SecurableType::CATALOG}) {
      Place at = place;
      if (level != *kind) {
        if (!inherited || (level == SecurableType::TABLE) || (level == SecurableType::SCHEMA && *kind == SecurableType::CATALOG)) continue;
        at.type = level;
        at.table.reset();
        if (level == SecurableType::CATALOG) at.schema.reset();
        if (check_manage(at.path(), subject(ctx))) continue;
      }
      for (auto& r : kTagPolicies.scan(t, store::prefix({policy_bearer(at)}))) out.push_back({std::move(r), level, at.full_name()});
    }
    return out;
  });
  if (!found) return fail(found.error());
  std::vector<PolicyInfo> out;
  for (const auto& f : *found) out.push_back(shown(f.record, f.type, f.on));
  return out;
}

Result<PolicyInfo> TagPolicies::update(const access::Context& ctx, std::string_view type, std::string_view securable, std::string_view name,
                                       const PolicyInfo& change_to, const std::vector<std::string>& fields) {
  const auto kind = policy_place(type);
  const auto params = policy_params(type, securable, name);
  // What stays is taken from what is there, so that the whole is checked again, principals among it.
  auto now = get(ctx, type, securable, name);
  if (!now) return refuse<PolicyInfo>(core_, ctx, "updatePolicy", params, now.error());
  PolicyInfo wanted = *now;
  for (const auto& f : fields) {
    if (f == "name")
      wanted.name = change_to.name;
    else if (f == "comment")
      wanted.comment = change_to.comment;
    else if (f == "to_principals")
      wanted.to_principals = change_to.to_principals;
    else if (f == "except_principals")
      wanted.except_principals = change_to.except_principals;
    else if (f == "for_securable_type")
      wanted.for_securable_type = change_to.for_securable_type;
    else if (f == "when_condition")
      wanted.when_condition = change_to.when_condition;
    else if (f == "policy_type")
      wanted.policy_type = change_to.policy_type;
    else if (f == "match_columns")
      wanted.match_columns = change_to.match_columns;
    else if (f == "row_filter")
      wanted.row_filter = change_to.row_filter;
    else if (f == "column_mask")
      wanted.column_mask = change_to.column_mask;
    else
      return refuse<PolicyInfo>(core_, ctx, "updatePolicy", params,
                                invalid(fmt::format("Parameter 'update_mask' names '{}', which cannot be changed", f)));
  }
  const auto new_name = checked_name(wanted.name, "UpdatePolicy", "PolicyInfo.name");
  auto principals = named_principals(core_, wanted);
  std::string full_name;
  const auto made = change(core_, ctx, "updatePolicy", params, [&](store::WriteTxn& t) -> Result<TagPolicyRecord> {
    TARN_TRY(place, policy_home(t, ctx, *kind, securable, true));
    full_name = place.full_name();
    auto old = kTagPolicies.get(t, store::key({policy_bearer(place), folded(name)}));
    if (!old) return fail(no_such_policy(name, full_name));
    if (old->value.updated_at != *now->updated_at || old->value.id != *now->id)
      return fail(Error{Errc::conflict, fmt::format("Policy '{}' was changed meanwhile: read it again", name)});
    if (!new_name) return fail(new_name.error());
    if (!principals) return fail(principals.error());
    TagPolicyRecord r = old->value;
    r.name = *new_name;
    stamp_change(r, core_, ctx);
    TARN_CHECK(describe_policy(t, ctx, wanted, *principals, r));
    if (r.name != old->value.name) {
      if (kTagPolicies.get(t, r.store_key()))
        return fail(Error{Errc::already_exists, fmt::format("[POLICY_ALREADY_EXISTS] Policy '{}' already exists on '{}'", r.name, full_name)});
      kTagPolicies.erase(t, old->value.store_key());
    }
    (void)kTagPolicies.put(t, r);
    return r;
  });
  if (!made) return fail(made.error());
  return shown(*made, *kind, full_name);
}

Result<void> TagPolicies::remove(const access::Context& ctx, std::string_view type, std::string_view securable, std::string_view name) {
  const auto kind = policy_place(type);
  return change(core_, ctx, "deletePolicy", policy_params(type, securable, name), [&](store::WriteTxn& t) -> Result<void> {
    if (!kind) return fail(kind.error());
    TARN_TRY(place, policy_home(t, ctx, *kind, securable, true));
    if (!kTagPolicies.erase(t, store::key({policy_bearer(place), folded(name)}))) return fail(no_such_policy(name, place.full_name()));
    return {};
  });
}

Result<std::vector<PolicyInfo>> TagPolicies::all(const access::Context& ctx, std::string_view catalog) {
  struct Found {
    TagPolicyRecord record;
    SecurableType type;
    std::string on;
  };
  const auto found = core_.store.read_as([&](store::ReadTxn& t) -> Result<std::vector<Found>> {
    TARN_TRY(place, locate_to_see(t, ctx, SecurableType::CATALOG, catalog, true));
    std::vector<Found> out;
    const auto add = [&](SecurableType type, const std::string& id) {
      auto policies = kTagPolicies.scan(t, store::prefix({id}));
      if (policies.empty()) return;
      place.type = type;
      if (check_manage(place.path(), subject(ctx))) return;
      for (auto& r : policies) out.push_back({std::move(r), type, place.full_name()});
    };
    add(SecurableType::CATALOG, place.catalog->info.id);
    for (const auto& s : kSchemas.scan(t, store::prefix({place.catalog->info.id}))) {
      place.schema = s;
      place.table.reset();
      add(SecurableType::SCHEMA, s.info.schema_id);
      for (const auto& r : kTables.scan(t, store::prefix({s.info.schema_id}))) {
        place.table = r;
        add(SecurableType::TABLE, r.info.table_id);
      }
    }
    return out;
  });
  if (!found) return fail(found.error());
  std::vector<PolicyInfo> out;
  for (const auto& f : *found) out.push_back(shown(f.record, f.type, f.on));
  return out;
}

}  // namespace tarn::catalog
