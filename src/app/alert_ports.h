#pragma once
// What alerts ask of other rooms, answered by those rooms: statements on warehouses, notices to destinations and people; and what jobs' tasks ask of
// alerts.
#include "jobs/notices.h"
#include "queries/alert_runs.h"
#include "sql/statements.h"

namespace tarn::app {

class AlertStatements final : public queries::AlertPorts {
 public:
  AlertStatements(sql::Statements& statements, const Clock& clock, std::string server_id)
      : statements_(statements), clock_(clock), server_id_(std::move(server_id)) {}
  Expected<std::string, std::string> start(const access::Context& ctx, const std::string& warehouse_id, const std::string& text,
                                           const std::vector<queries::AlertParameter>& parameters, Done done) override;
  void tell(store::WriteTxn& t, const queries::AlertNews& news) override;

 private:
  sql::Statements& statements_;
  const Clock& clock_;
  const std::string server_id_;  // whose notifier sends
};

class JobAlerts final : public jobs::AlertWork {
 public:
  explicit JobAlerts(queries::AlertRuns& runs) : runs_(runs) {}
  Expected<std::string, std::string> start(const access::Context& ctx, const std::string& warehouse_id, const jobs::SqlAlert& alert,
                                           jobs::Ended ended) override;

 private:
  queries::AlertRuns& runs_;
};

}  // namespace tarn::app
