// CREATE, DROP, SHOW and DESCRIBE POLICY: what the catalog keeps of policies over tags. They are applied in governed.cc.
#include "sql/executor.h"

namespace tarn::sql {
namespace {

/// What the statement says, as the catalog takes it.
catalog::PolicyInfo policy_of_statement(const Analysis& a, const PolicyDefinition& p, std::string on, std::string function) {
  catalog::PolicyInfo out{.id = {}, .name = a.name, .comment = a.comment};
  out.on_securable_type = a.securable_type;
  out.on_securable_fullname = std::move(on);
  out.for_securable_type = "TABLE";
  if (!p.when.empty()) out.when_condition = p.when;
  out.to_principals = p.to;
  out.except_principals = p.except;
  for (const auto& m : p.match) out.match_columns.push_back({m.alias.empty() ? std::nullopt : std::optional(m.alias), m.condition});
  std::vector<catalog::PolicyArgument> arguments;
  for (const auto& argument : p.arguments) {
    auto& one = arguments.emplace_back();
    (argument.constant ? one.constant : one.alias) = argument.text;
  }
  if (p.mask) {
    out.policy_type = catalog::PolicyType::POLICY_TYPE_COLUMN_MASK;
    out.column_mask = catalog::ColumnMaskOptions{std::move(function), p.on_column, std::move(arguments)};
  } else {
    out.policy_type = catalog::PolicyType::POLICY_TYPE_ROW_FILTER;
    out.row_filter = catalog::RowFilterOptions{std::move(function), std::move(arguments)};
  }
  return out;
}

std::string type_shown(const catalog::PolicyInfo& p) {
  return p.policy_type == catalog::PolicyType::POLICY_TYPE_COLUMN_MASK ? "COLUMN_MASK" : "ROW_FILTER";
}

std::string listed(const std::vector<std::string>& names) { return fmt::format("{}", fmt::join(names, ", ")); }

std::string matches_shown(const catalog::PolicyInfo& p) {
  std::string out;
  for (const auto& m : p.match_columns) out += (out.empty() ? "" : ", ") + m.condition + (m.alias ? " AS " + *m.alias : "");
  return out;
}

std::string arguments_shown(const std::vector<catalog::PolicyArgument>& arguments) {
  std::string out;
  for (const auto& a : arguments) out += (out.empty() ? "" : ", ") + (a.alias ? *a.alias : delta::sql_string(a.constant.value_or("")));
  return out;
}

Error policy_error(const catalog::Error& e) {
  auto out = Resolver::catalog_error(e);
  if (e.message.starts_with("[POLICY_")) {
    out.message = e.message;
    out.message += e.code == catalog::Errc::not_found        ? " SQLSTATE: 42704"
                   : e.code == catalog::Errc::already_exists ? " SQLSTATE: 42710"
                                                             : " SQLSTATE: 42000";
  }
  return out;
}

}  // namespace

Result<Done> Executor::policies(const Call& c) {
  const auto& a = c.analysis;
  const auto& ctx = c.session.ctx;
  const auto type = json::enum_of<catalog::SecurableType>(a.securable_type);
  if (!type) throw std::logic_error("the SQL parser named a securable that there is not");
  std::string on;
  if (*type == catalog::SecurableType::TABLE) {
    TARN_TRY(name, resolver_.qualify(c.session, a.target));
    on = name.full();
  } else if (*type == catalog::SecurableType::SCHEMA) {
    TARN_TRY(name, resolver_.qualify_schema(c.session, a.target));
    on = name.first + "." + name.second;
  } else {
    on = a.target.at(0);
  }
  if (a.kind == StatementKind::create_policy) {
    TARN_TRY(function, resolver_.qualify(c.session, a.policy->function));
    if (auto made = catalog_.create_policy(ctx, policy_of_statement(a, *a.policy, on, function.full()), a.or_replace); !made)
      return fail(policy_error(made.error()));
    return deliver(c, {}, {});
  }
  if (a.kind == StatementKind::drop_policy) {
    if (auto gone = catalog_.drop_policy(ctx, *type, on, a.name); !gone) return fail(policy_error(gone.error()));
    return deliver(c, {}, {});
  }
  auto found = catalog_.policies(ctx, *type, on, a.extended);
  if (!found) return fail(policy_error(found.error()));
  Rows rows;
  if (a.kind == StatementKind::show_policies) {
    for (const auto& p : *found) rows.push_back({p.name, type_shown(p), p.on_securable_type, p.on_securable_fullname, p.comment});
    return deliver(
        c, {{"name", "string"}, {"policy_type", "string"}, {"on_securable_type", "string"}, {"on_securable", "string"}, {"comment", "string"}}, rows);
  }
  const auto same = [&](const catalog::PolicyInfo& p) { return like(a.name, p.name) && a.name.find_first_of("*|") == a.name.npos; };
  const auto one = std::ranges::find_if(*found, same);
  if (one == found->end())
    return refuse(Errc::not_found, "[POLICY_NOT_FOUND] Policy '" + a.name + "' does not exist on '" + on + "' SQLSTATE: 42704");
  const auto add = [&](const char* key, std::string value) {
    if (!value.empty()) rows.push_back({key, std::move(value)});
  };
  add("Name", one->name);
  add("On Securable Type", one->on_securable_type.value_or(""));
  add("On Securable", one->on_securable_fullname.value_or(""));
  add("Comment", one->comment.value_or(""));
  add("To Principals", listed(one->to_principals));
  add("Except Principals", listed(one->except_principals));
  add("For Securable Type", one->for_securable_type.value_or(""));
  add("When Condition", one->when_condition.value_or(""));
  add("Match Columns", matches_shown(*one));
  add("Policy Type", type_shown(*one));
  add("Function Name", one->row_filter ? one->row_filter->function_name : one->column_mask->function_name);
  add("On Column", one->column_mask ? one->column_mask->on_column : "");
  add("Using Columns", arguments_shown(one->row_filter ? one->row_filter->using_ : one->column_mask->using_));
  add("Created By", one->created_by.value_or(""));
  add("Created At", to_rfc3339(one->created_at.value_or(0)));
  add("Updated By", one->updated_by.value_or(""));
  add("Updated At", to_rfc3339(one->updated_at.value_or(0)));
  return deliver(c, {{"info_name", "string"}, {"info_value", "string"}}, rows);
}

}  // namespace tarn::sql
