#pragma once
// Budgets held against what was used: list prices of this month's usage that a budget's filter takes in. A threshold that is passed leaves its
// alert (an event in the audit log, accounts/budgetThresholdExceeded, once a month and threshold, over all servers) and, where the operator has
// a mail relay, a mail to each address of the alert, tried again for some hours; one with the action BLOCK_USAGE also stops what it covers until
// the month ends or the budget changes. A thread of its own looks and tells. Thread-safe.
#include <mutex>
#include <optional>

#include "base/repeating.h"
#include "billing/budgets.h"
#include "billing/usage.h"

namespace tarn::billing {

class BudgetWatch {
 public:
  /// Hands a message to a mail relay; the error is for the log.
  using Mail = std::function<Expected<void, std::string>(const std::vector<std::string>& to, const std::string& subject, const std::string& text)>;
  /// Without `mail` addresses stand in the event only.
  BudgetWatch(store::Store& store, Budgets& budgets, Usage& usage, const Clock& clock, Mail mail = {})
      : store_(store), budgets_(budgets), usage_(usage), clock_(clock), mail_(std::move(mail)) {}

  void start();
  void stop() { turns_.stop(); }
  void look();
  /// Sends the mails that are due on the calling thread.
  void tell();
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
  const Mail mail_;
  mutable std::mutex mutex_;
  std::vector<Block> blocks_;
  std::vector<Spent> spent_;
  Repeating turns_;  // last: it uses all of the above
};

/// Whether a budget's filter takes in a workspace's thing with these tags. No filter takes in all.
bool covers(const BudgetFilter& filter, std::int64_t workspace_id, const std::map<std::string, std::string>& tags);

}  // namespace tarn::billing
