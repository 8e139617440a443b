#include "billing/budget_watch.h"

#include "base/log.h"

namespace tarn::billing {
namespace {

constexpr std::chrono::seconds kLookEvery{10};
constexpr Millis kMailAgain = 60'000;  // doubled with each try
constexpr int kMailTries = 8;

struct AlertRecord {
  std::string budget_id, alert_id, month, threshold, name;
  double spent = 0;
  Millis at = 0;
  std::vector<std::string> untold;  // addresses
  int tries = 0;
  Millis next_try = 0;
  std::string store_key() const { return store::key({budget_id, alert_id, month, threshold}); }
  std::vector<store::IndexEntry> store_indexes() const {
    if (untold.empty()) return {};
    return {{"untold", "mail"}};
  }
};
BOOST_DESCRIBE_STRUCT(AlertRecord, (), (budget_id, alert_id, month, threshold, name, spent, at, untold, tries, next_try))

constexpr store::Collection<AlertRecord> budget_alerts{"billing.budget_alert"};

}  // namespace

bool covers(const BudgetFilter& filter, std::int64_t workspace_id, const std::map<std::string, std::string>& tags) {
  if (filter.workspace_id && std::ranges::find(filter.workspace_id->values, workspace_id) == filter.workspace_id->values.end()) return false;
  return std::ranges::all_of(filter.tags, [&](const TagFilter& f) {
    const auto tag = tags.find(f.key.value_or(""));
    return tag != tags.end() && f.value && std::ranges::find(f.value->values, tag->second) != f.value->values.end();
  });
}

void BudgetWatch::look() {
  const auto month = month_at(clock_.now());
  const auto rows = usage_.rows(month.from, month.to);
  std::vector<Block> blocks;
  std::vector<Spent> spent;
  std::string after;
  for (auto page = budgets_.list(after, 100); !page.empty(); page = budgets_.list(after, 100)) {
    for (const auto& b : page) {
      const auto filter = b.filter.value_or(BudgetFilter{});
      double sum = 0;
      for (const auto& u : rows)
        if (covers(filter, u.workspace_id, u.custom_tags)) sum += dollars(u);
      Spent now{.budget_id = b.store_key(), .name = b.display_name.value_or(""), .dollars = sum};
      for (const auto& a : b.alert_configurations) {
        if (sum < std::strtod(a.quantity_threshold.value_or("0").c_str(), nullptr)) continue;
        std::string told;
        std::vector<std::string> untold;
        for (const auto& action : a.action_configurations) {
          if (action.action_type == "BLOCK_USAGE") {
            now.blocks = true;
            blocks.push_back({filter, fmt::format("The budget '{}' is spent: ${:.2f} of ${} in {}. Raise the budget, or wait for the next month.",
                                                  now.name, sum, *a.quantity_threshold, month.name)});
          } else {
            told += (told.empty() ? "" : ",") + action.target.value_or("");
            if (mail_) untold.push_back(action.target.value_or(""));
          }
        }
        const AlertRecord alert{.budget_id = b.store_key(),
                                .alert_id = a.alert_configuration_id.value_or(""),
                                .month = month.name,
                                .threshold = *a.quantity_threshold,
                                .name = now.name,
                                .spent = sum,
                                .at = clock_.now(),
                                .untold = untold};
        if (store_.read_as([&](store::ReadTxn& t) { return budget_alerts.get(t, alert.store_key()).has_value(); })) continue;
        store_.write(access::system_context().event("accounts", "budgetThresholdExceeded",
                                                    {{"budget_configuration_id", alert.budget_id},
                                                     {"display_name", now.name},
                                                     {"month", month.name},
                                                     {"quantity_threshold", alert.threshold},
                                                     {"spent", fmt::format("{:.4f}", sum)},
                                                     {"targets", told}}),
                     [&](store::WriteTxn& t) { return budget_alerts.insert(t, alert).has_value(); });
        spdlog::warn("budget '{}': ${:.2f} spent in {}, beyond its threshold of ${}", now.name, sum, month.name, alert.threshold);
      }
      spent.push_back(std::move(now));
    }
    after = page.back().store_key();
  }
  const std::lock_guard lock(mutex_);
  blocks_ = std::move(blocks);
  spent_ = std::move(spent);
}

void BudgetWatch::tell() {
  if (!mail_) return;
  for (auto alert : store_.read_as([&](store::ReadTxn& t) { return budget_alerts.scan_index(t, "untold", "mail"); })) {
    if (alert.next_try > clock_.now()) continue;
    const auto write = [&](const char* action, const std::function<void(AlertRecord&)>& body) {
      bool done = false;
      store_.write(access::system_context().event("accounts", action, {{"budget_configuration_id", alert.budget_id}}), [&](store::WriteTxn& t) {
        auto found = budget_alerts.get(t, alert.store_key());
        if (!found || found->value.tries != alert.tries) return false;
        body(found->value);
        return done = budget_alerts.update(t, found->value, found->version).has_value();
      });
      return done;
    };
    // Taken before it is sent: another server of the store sends another one.
    if (!write("takeBudgetMail", [&](AlertRecord& r) {
          r.next_try = clock_.now() + (kMailAgain << r.tries);
          ++r.tries;
        }))
      continue;
    ++alert.tries;
    const auto text = fmt::format(
        "The budget '{}' has passed a threshold.\n\nSpent in {}: ${:.2f}\nThreshold: ${}\n\nThe sum is that of list prices, over what the budget's "
        "filter takes in.\n",
        alert.name, alert.month, alert.spent, alert.threshold);
    std::vector<std::string> left;
    for (const auto& to : alert.untold) {
      const auto sent = mail_({to}, fmt::format("Budget '{}' has passed ${}", alert.name, alert.threshold), text);
      if (sent) continue;
      left.push_back(to);
      spdlog::warn("the mail of budget '{}' to {} was not taken (try {} of {}): {}", alert.name, to, alert.tries, kMailTries, sent.error());
    }
    if (alert.tries >= kMailTries) left.clear();
    if (left.size() != alert.untold.size()) write("sentBudgetMail", [&](AlertRecord& r) { r.untold = left; });
  }
}

void BudgetWatch::start() {
  turns_.start("budgets", kLookEvery, [this](const std::stop_token&) {
    look();
    tell();
  });
}

std::optional<std::string> BudgetWatch::blocked(std::int64_t workspace_id, const std::map<std::string, std::string>& tags) const {
  const std::lock_guard lock(mutex_);
  for (const auto& b : blocks_)
    if (covers(b.filter, workspace_id, tags)) return b.message;
  return std::nullopt;
}

std::vector<BudgetWatch::Spent> BudgetWatch::spent() const {
  const std::lock_guard lock(mutex_);
  return spent_;
}

}  // namespace tarn::billing
