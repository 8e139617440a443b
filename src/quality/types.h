#pragma once
// A table's quality monitor as it is kept and as the API shows it. Source: REST API reference "Quality Monitors", databricks-sdk-go service/catalog
// (MonitorInfo, MonitorRefreshInfo).
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/refusal.h"
#include "base/result.h"
#include "store/store.h"

namespace tarn::quality {

enum class Errc {
  invalid,  // a field's value, by its name
  not_found,
  already_exists,
  permission_denied,
  not_enabled  // out of scope here
};
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::invalid:
      return refusals::invalid;
    case Errc::not_found:
      return refusals::not_found;
    case Errc::already_exists:
      return refusals::already_exists;
    case Errc::permission_denied:
      return refusals::denied;
    case Errc::not_enabled:
      return refusals::not_enabled;
  }
  return {};
}
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;
inline auto refuse(Errc code, std::string message) { return fail(Error{code, std::move(message)}); }

enum class ProblemType { PROBLEM_TYPE_CLASSIFICATION, PROBLEM_TYPE_REGRESSION };
BOOST_DESCRIBE_ENUM(ProblemType, PROBLEM_TYPE_CLASSIFICATION, PROBLEM_TYPE_REGRESSION)

struct TimeSeries {
  std::string timestamp_col;
  std::vector<std::string> granularities;
};
BOOST_DESCRIBE_STRUCT(TimeSeries, (), (timestamp_col, granularities))

struct InferenceLog {
  std::string timestamp_col;
  std::vector<std::string> granularities;
  std::string model_id_col, prediction_col;
  ProblemType problem_type = ProblemType::PROBLEM_TYPE_REGRESSION;
  std::optional<std::string> label_col, prediction_proba_col;
};
BOOST_DESCRIBE_STRUCT(InferenceLog, (), (timestamp_col, granularities, model_id_col, prediction_col, problem_type, label_col, prediction_proba_col))

struct Snapshot {};
BOOST_DESCRIBE_STRUCT(Snapshot, (), ())

enum class PauseStatus { UNPAUSED, PAUSED, UNSPECIFIED };
BOOST_DESCRIBE_ENUM(PauseStatus, UNPAUSED, PAUSED, UNSPECIFIED)
struct Schedule {
  std::string quartz_cron_expression, timezone_id;
  std::optional<PauseStatus> pause_status;
  bool on() const { return pause_status.value_or(PauseStatus::UNPAUSED) != PauseStatus::PAUSED; }
};
BOOST_DESCRIBE_STRUCT(Schedule, (), (quartz_cron_expression, timezone_id, pause_status))

struct Destination {
  std::vector<std::string> email_addresses;
};
BOOST_DESCRIBE_STRUCT(Destination, (), (email_addresses))
struct Notifications {
  std::optional<Destination> on_failure, on_new_classification_tag_detected;
};
BOOST_DESCRIBE_STRUCT(Notifications, (), (on_failure, on_new_classification_tag_detected))

enum class MonitorStatus { MONITOR_STATUS_ACTIVE, MONITOR_STATUS_ERROR, MONITOR_STATUS_PENDING };
BOOST_DESCRIBE_ENUM(MonitorStatus, MONITOR_STATUS_ACTIVE, MONITOR_STATUS_ERROR, MONITOR_STATUS_PENDING)

/// What is monitored, and how.
struct Definition {
  std::optional<std::string> assets_dir;  // required of a new one
  std::string output_schema_name;
  std::optional<std::string> baseline_table_name;
  std::vector<std::string> slicing_exprs;
  std::optional<InferenceLog> inference_log;
  std::optional<TimeSeries> time_series;
  std::optional<Snapshot> snapshot;
  std::optional<Schedule> schedule;
  std::optional<Notifications> notifications;

  const std::vector<std::string>& granularities() const {
    static const std::vector<std::string> none;
    return inference_log ? inference_log->granularities : time_series ? time_series->granularities : none;
  }
  std::string timestamp_col() const { return inference_log ? inference_log->timestamp_col : time_series ? time_series->timestamp_col : ""; }
};
BOOST_DESCRIBE_STRUCT(Definition, (),
                      (assets_dir, output_schema_name, baseline_table_name, slicing_exprs, inference_log, time_series, snapshot, schedule,
                       notifications))

struct Monitor : Definition {
  std::string table_name, table_id;  // of the table that it was made for: a namesake made later has none
  std::int64_t workspace_id = 0, creator_id = 0, monitor_version = 0, last_refresh = 0;
  Millis created_at = 0, next_fire = 0;
  MonitorStatus status = MonitorStatus::MONITOR_STATUS_ACTIVE;
  std::optional<std::string> latest_monitor_failure_msg;

  std::string profile_table() const { return metrics_table("profile"); }
  std::string drift_table() const { return metrics_table("drift"); }
  std::string store_key() const { return table_name; }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }

 private:
  std::string metrics_table(const char* kind) const {
    return output_schema_name + "." + table_name.substr(table_name.rfind('.') + 1) + "_" + kind + "_metrics";
  }
};
BOOST_DESCRIBE_STRUCT(Monitor, (Definition),
                      (table_name, table_id, workspace_id, creator_id, monitor_version, last_refresh, created_at, next_fire, status,
                       latest_monitor_failure_msg))

enum class RefreshState { PENDING, RUNNING, SUCCESS, FAILED, CANCELED };
BOOST_DESCRIBE_ENUM(RefreshState, PENDING, RUNNING, SUCCESS, FAILED, CANCELED)
enum class RefreshTrigger { MANUAL, SCHEDULE };
BOOST_DESCRIBE_ENUM(RefreshTrigger, MANUAL, SCHEDULE)

struct Refresh {
  std::string table_id, table_name, server_id;  // server_id: whose thread runs it
  std::int64_t refresh_id = 0;
  RefreshState state = RefreshState::PENDING;
  RefreshTrigger trigger = RefreshTrigger::MANUAL;
  Millis start_time_ms = 0, end_time_ms = 0;
  std::string message;
  bool over() const { return state != RefreshState::PENDING && state != RefreshState::RUNNING; }
  std::string store_key() const { return store::key({table_id, store::sortable(refresh_id)}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(Refresh, (), (table_id, table_name, server_id, refresh_id, state, trigger, start_time_ms, end_time_ms, message))

inline constexpr store::Collection<Monitor> kMonitors{"quality.monitor"};
inline constexpr store::Collection<Refresh> kRefreshes{"quality.refresh"};

}  // namespace tarn::quality
