#pragma once
// Log delivery: the account's audit log (JSON lines) and billable usage (CSV) as files in a bucket of its own. deliver() does what is due and
// is called from time to time by whoever owns a thread.
//
// A batch of audit events is first claimed in the store, then written to objects whose names and content follow from the claim alone, then
// marked as delivered: a crash or a second server in between writes the same files again, so each event is there exactly once.
// Files are PREFIX/workspaceId=ID/date=YYYY-MM-DD/auditlogs_SEQUENCE.json (workspace 0: the account's own events) and
// PREFIX/billable-usage/csv/workspaceId=ID-usageMonth=YYYY-MM.csv, written anew when an hour has ended in which something was used.
// Configurations are never deleted, only disabled. For account admins (routes see to that). Thread-safe.
// Source: REST API reference, account "Log delivery"; provider docs/resources/mws_log_delivery.md.
#include <functional>

#include "access/caller.h"
#include "account/workspaces.h"
#include "base/clock.h"
#include "billing/errors.h"
#include "billing/usage.h"
#include "objects/object_store.h"

namespace tarn::billing {

struct LogDeliveryRequest {
  std::optional<std::string> account_id, config_name, credentials_id, storage_configuration_id, delivery_path_prefix, delivery_start_time, log_type,
      output_format, status;
  std::vector<std::int64_t> workspace_ids_filter;
};
BOOST_DESCRIBE_STRUCT(LogDeliveryRequest, (),
                      (account_id, config_name, credentials_id, storage_configuration_id, delivery_path_prefix, delivery_start_time, log_type,
                       output_format, status, workspace_ids_filter))

struct LogDeliveryStatus {
  std::string status = "CREATED", message;
  std::optional<std::string> last_attempt_time, last_successful_attempt_time;
};
BOOST_DESCRIBE_STRUCT(LogDeliveryStatus, (), (status, message, last_attempt_time, last_successful_attempt_time))

struct LogDeliveryConfiguration {
  std::string account_id, config_id, config_name, credentials_id, storage_configuration_id, delivery_path_prefix, delivery_start_time, log_type,
      output_format, status = "ENABLED";
  std::vector<std::int64_t> workspace_ids_filter;
  Millis creation_time = 0, update_time = 0;
  LogDeliveryStatus log_delivery_status;
};
BOOST_DESCRIBE_STRUCT(LogDeliveryConfiguration, (),
                      (account_id, config_id, config_name, credentials_id, storage_configuration_id, workspace_ids_filter, delivery_path_prefix,
                       delivery_start_time, log_type, output_format, status, creation_time, update_time, log_delivery_status))

class LogDelivery {
 public:
  static constexpr std::size_t kMostEnabled = 2;  // of a log type: for the account, and for each workspace in a filter

  /// What account/ keeps, as this asks it: whether a credential is there, and the bucket of a storage configuration.
  struct Parts {
    std::function<bool(const std::string& credentials_id)> has_credentials;
    std::function<std::optional<std::string>(const std::string& storage_configuration_id)> bucket_of;
    /// Rows of usage of the hours that begin within [from, to). Without it usage files have their header only.
    std::function<std::vector<UsageRecord>(Millis from, Millis to)> usage = {};
  };
  /// All must outlive this.
  LogDelivery(store::Store& store, objects::ObjectStore& objects, account::WorkspaceDirectory& workspaces, const Clock& clock, std::string account_id,
              Parts parts)
      : store_(store), objects_(objects), workspaces_(workspaces), clock_(clock), account_id_(std::move(account_id)), parts_(std::move(parts)) {}

  // invalid names the field; not_found; limit_exceeded.
  Result<LogDeliveryConfiguration> create(const access::Context& ctx, const LogDeliveryRequest& request);
  Result<LogDeliveryConfiguration> get(const std::string& config_id);
  std::vector<LogDeliveryConfiguration> list();
  Result<void> set_status(const access::Context& ctx, const std::string& config_id, const std::string& status);

  /// Writes what is due of every enabled configuration. A configuration whose bucket refuses says so in its status and does not hold up others.
  void deliver();

 private:
  void deliver_audit(const std::string& config_id);
  void deliver_usage(const std::string& config_id);
  void finished(const std::string& config_id, const std::string& problem, std::optional<std::int64_t> delivered);

  store::Store& store_;
  objects::ObjectStore& objects_;
  account::WorkspaceDirectory& workspaces_;
  const Clock& clock_;
  const std::string account_id_;
  const Parts parts_;
  std::map<std::string, std::size_t> written_;  // by usage file: hash of what it holds; deliver()'s thread only
};

}  // namespace tarn::billing
