#pragma once
// Budgets held against what was used: list prices of this month's usage that a budget's filter takes in. A threshold that is passed leaves its
// alert (an event in the audit log, accounts/budgetThresholdExceeded, once a month and threshold, over all servers); one with the action
// BLOCK_USAGE also stops what it covers until the month ends or the budget changes. No e-mail is sent: this platform has no mail server of
// its own, and the event names the addresses. look() is called from time to time by whoever owns a thread; the rest is thread-safe.
#include <mutex>
#include <optional>

#include "billing/budgets.h"
#include "billing/usage.h"

namespace tarn::billing {

class BudgetWatch {
 public:
  BudgetWatch(store::Store& store, Budgets& budgets, Usage& usage, const Clock& clock)
      : store_(store), budgets_(budgets), usage_(usage), clock_(clock) {}

  void look();
  /// Why what has these tags may not run in a workspace now; nothing if it may. As of the last look.
  std::optional<std::string> blocked(std::int64_t workspace_id, const std::map<std::string, std::string>& tags) const;

  struct Spent {
    std::string budget_id, name;
    double dollars = 0;
    bool blocks = false;
  };
  /// Of every budget, this month, as of the last look.
  std::vector<Spent> spent() const;

 private:
  struct Block {
    BudgetFilter filter;
    std::string message;
  };
  store::Store& store_;
  Budgets& budgets_;
  Usage& usage_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::vector<Block> blocks_;
  std::vector<Spent> spent_;
};

/// Whether a budget's filter takes in a workspace's thing with these tags. No filter takes in all.
bool covers(const BudgetFilter& filter, std::int64_t workspace_id, const std::map<std::string, std::string>& tags);

}  // namespace tarn::billing
