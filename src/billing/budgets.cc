#include "billing/budgets.h"

#include <algorithm>

#include "base/ids.h"
#include "base/mail_address.h"

namespace tarn::billing {
namespace {

constexpr store::Collection<Budget> kBudgets{"billing.budget"};

Error no_budget(const std::string& id) { return {Errc::not_found, "Budget with ID " + id + " does not exist."}; }

/// A decimal number above zero, as the vendor's API carries amounts.
bool is_amount(std::string_view text) {
  const auto dot = text.find('.');
  const auto digits = [](std::string_view t) { return !t.empty() && t.find_first_not_of("0123456789") == t.npos; };
  if (text.size() > 40 || !digits(text.substr(0, dot)) || (dot != text.npos && !digits(text.substr(dot + 1)))) return false;
  return text.find_first_not_of("0.") != text.npos;
}

Result<void> one_of(const std::string& field, const std::optional<std::string>& value, std::string_view only) {
  if (value == only) return {};
  return fail(Error{Errc::invalid, fmt::format("Field '{}' must be {}, got '{}'", field, only, value.value_or(""))});
}

}  // namespace

Result<Budget> Budgets::checked(Budget b, const Budget* before) const {
  if (!b.display_name || b.display_name->empty() || b.display_name->size() > 128)
    return invalid("Field 'budget.display_name' must have 1 to 128 characters");
  if (b.alert_configurations.size() > kMostAlerts)
    return invalid(fmt::format("Field 'budget.alert_configurations' may hold {} alerts, got {}", kMostAlerts, b.alert_configurations.size()));
  for (std::size_t i = 0; i < b.alert_configurations.size(); ++i) {
    auto& a = b.alert_configurations[i];
    const auto at = fmt::format("budget.alert_configurations[{}].", i);
    TARN_CHECK(one_of(at + "time_period", a.time_period, "MONTH"));
    TARN_CHECK(one_of(at + "trigger_type", a.trigger_type, "CUMULATIVE_SPENDING_EXCEEDED"));
    TARN_CHECK(one_of(at + "quantity_type", a.quantity_type, "LIST_PRICE_DOLLARS_USD"));
    if (a.scope_type) TARN_CHECK(one_of(at + "scope_type", a.scope_type, "ALERT_CONFIGURATION_SCOPE_TYPE_SHARED"));
    if (!a.quantity_threshold || !is_amount(*a.quantity_threshold))
      return invalid(
          fmt::format("Field '{}quantity_threshold' must be a decimal number above zero, got '{}'", at, a.quantity_threshold.value_or("")));
    const auto* old = [&]() -> const AlertConfiguration* {
      if (!before || !a.alert_configuration_id) return nullptr;
      const auto j = std::ranges::find(before->alert_configurations, a.alert_configuration_id, &AlertConfiguration::alert_configuration_id);
      return j == before->alert_configurations.end() ? nullptr : &*j;
    }();
    if (!old) a.alert_configuration_id = new_uuid();
    for (std::size_t k = 0; k < a.action_configurations.size(); ++k) {
      auto& action = a.action_configurations[k];
      const auto where = fmt::format("{}action_configurations[{}].", at, k);
      const bool blocks = action.action_type == "BLOCK_USAGE";
      if (!blocks) TARN_CHECK(one_of(where + "action_type", action.action_type, "EMAIL_NOTIFICATION"));
      if (blocks && action.target && !action.target->empty())
        return invalid(fmt::format("Field '{}target' does not belong to BLOCK_USAGE, got '{}'", where, *action.target));
      if (!blocks && !is_mail_address(action.target.value_or("")))
        return invalid(fmt::format("Field '{}target' must be an e-mail address, got '{}'", where, action.target.value_or("")));
      const bool known = old && action.action_configuration_id &&
                         std::ranges::find(old->action_configurations, action.action_configuration_id,
                                           &ActionConfiguration::action_configuration_id) != old->action_configurations.end();
      if (!known) action.action_configuration_id = new_uuid();
    }
  }
  if (b.filter) {
    for (std::size_t i = 0; i < b.filter->tags.size(); ++i) {
      const auto& t = b.filter->tags[i];
      const auto at = fmt::format("budget.filter.tags[{}].", i);
      if (!t.key || t.key->empty()) return invalid("Field '" + at + "key' is required");
      if (!t.value || t.value->values.empty()) return invalid("Field '" + at + "value.values' is required");
      TARN_CHECK(one_of(at + "value.operator", t.value->operator_, "IN"));
    }
    if (b.filter->workspace_id) TARN_CHECK(one_of("budget.filter.workspace_id.operator", b.filter->workspace_id->operator_, "IN"));
  }
  b.account_id = account_id_;
  return b;
}

Result<Budget> Budgets::create(const access::Context& ctx, Budget wanted) {
  return store_.write_as(ctx.event("accounts", "createBudget"), [&](store::WriteTxn& t) -> Result<Budget> {
    TARN_TRY(b, checked(wanted, nullptr));
    b.budget_configuration_id = new_uuid();
    b.create_time = b.update_time = clock_.now();
    t.audit().params["budget_configuration_id"] = *b.budget_configuration_id;
    if (!kBudgets.insert(t, b)) throw std::logic_error("a new budget's id is taken");
    return b;
  });
}

Result<Budget> Budgets::get(const std::string& id) {
  auto found = store_.read_as([&](store::ReadTxn& t) { return kBudgets.get(t, id); });
  if (!found) return fail(no_budget(id));
  return std::move(found->value);
}

std::vector<Budget> Budgets::list(const std::string& after, std::size_t limit) {
  return store_.read_as([&](store::ReadTxn& t) { return kBudgets.scan(t, {}, after, limit); });
}

Result<Budget> Budgets::update(const access::Context& ctx, const std::string& id, Budget wanted) {
  return store_.write_as(ctx.event("accounts", "updateBudget", {{"budget_configuration_id", id}}), [&](store::WriteTxn& t) -> Result<Budget> {
    const auto before = kBudgets.get(t, id);
    if (!before) return fail(no_budget(id));
    TARN_TRY(b, checked(wanted, &before->value));
    b.budget_configuration_id = id;
    b.create_time = before->value.create_time;
    b.update_time = clock_.now();
    if (!kBudgets.update(t, b)) throw std::logic_error("a budget that was read is gone");
    return b;
  });
}

Result<void> Budgets::remove(const access::Context& ctx, const std::string& id) {
  return store_.write_as(ctx.event("accounts", "deleteBudget", {{"budget_configuration_id", id}}), [&](store::WriteTxn& t) -> Result<void> {
    if (!kBudgets.erase(t, id)) return fail(no_budget(id));
    return {};
  });
}

}  // namespace tarn::billing
