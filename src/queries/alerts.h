#pragma once
// What an alert is: a query, a condition on its result, who is told. Two kinds, as the vendor has them: the older one stands on a saved query and is
// evaluated by a job's task (/api/2.0/sql/alerts); the newer one has its own text, warehouse and schedule (/api/2.0/alerts).
// Source: REST API reference "Alerts", "Alerts (v2)", databricks-sdk-go service/sql.
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace tarn::queries {

enum class AlertState { UNKNOWN, OK, TRIGGERED, ERROR };
BOOST_DESCRIBE_ENUM(AlertState, UNKNOWN, OK, TRIGGERED, ERROR)
enum class ComparisonOperator {
  GREATER_THAN,
  GREATER_THAN_OR_EQUAL,
  LESS_THAN,
  LESS_THAN_OR_EQUAL,
  EQUAL,
  NOT_EQUAL,
  IS_NULL,
  IS_NOT_NULL  // of the newer kind only
};
BOOST_DESCRIBE_ENUM(ComparisonOperator, GREATER_THAN, GREATER_THAN_OR_EQUAL, LESS_THAN, LESS_THAN_OR_EQUAL, EQUAL, NOT_EQUAL, IS_NULL, IS_NOT_NULL)
enum class Aggregation { SUM, COUNT, COUNT_DISTINCT, AVG, MEDIAN, MIN, MAX, STDDEV };
BOOST_DESCRIBE_ENUM(Aggregation, SUM, COUNT, COUNT_DISTINCT, AVG, MEDIAN, MIN, MAX, STDDEV)
enum class SchedulePause { UNPAUSED, PAUSED };
BOOST_DESCRIBE_ENUM(SchedulePause, UNPAUSED, PAUSED)

struct AlertValue {
  std::optional<std::string> string_value;
  std::optional<double> double_value;
  std::optional<bool> bool_value;
};
BOOST_DESCRIBE_STRUCT(AlertValue, (), (string_value, double_value, bool_value))

// The older kind.

struct AlertThreshold {
  AlertValue value;
};
BOOST_DESCRIBE_STRUCT(AlertThreshold, (), (value))
struct AlertColumn {
  std::string name;
};
BOOST_DESCRIBE_STRUCT(AlertColumn, (), (name))
struct AlertOperand {
  AlertColumn column;
};
BOOST_DESCRIBE_STRUCT(AlertOperand, (), (column))
struct AlertCondition {
  ComparisonOperator op = ComparisonOperator::EQUAL;
  AlertOperand operand;
  std::optional<AlertThreshold> threshold;
  std::optional<AlertState> empty_result_state;
};
BOOST_DESCRIBE_STRUCT(AlertCondition, (), (op, operand, threshold, empty_result_state))

struct AlertFields {
  std::optional<std::string> display_name, query_id, custom_body, custom_subject, owner_user_name, parent_path;
  std::optional<AlertCondition> condition;
  std::optional<bool> notify_on_ok;
  std::optional<std::int64_t> seconds_to_retrigger;
};
BOOST_DESCRIBE_STRUCT(AlertFields, (),
                      (display_name, query_id, custom_body, custom_subject, owner_user_name, parent_path, condition, notify_on_ok,
                       seconds_to_retrigger))

// The newer kind.

struct AlertSource {
  std::string name;
  std::optional<Aggregation> aggregation;  // none: the first row
  std::optional<std::string> display;
};
BOOST_DESCRIBE_STRUCT(AlertSource, (), (name, aggregation, display))
struct AlertBound {
  std::optional<AlertSource> column;
  std::optional<AlertValue> value;
};
BOOST_DESCRIBE_STRUCT(AlertBound, (), (column, value))
struct AlertSubscription {
  std::optional<std::string> user_email, destination_id;
};
BOOST_DESCRIBE_STRUCT(AlertSubscription, (), (user_email, destination_id))
struct AlertNotification {
  std::optional<bool> notify_on_ok;
  std::optional<std::int64_t> retrigger_seconds;  // 0 or none: told once until it was OK again
  std::vector<AlertSubscription> subscriptions;
};
BOOST_DESCRIBE_STRUCT(AlertNotification, (), (notify_on_ok, retrigger_seconds, subscriptions))
struct AlertEvaluation {
  AlertSource source;
  ComparisonOperator comparison_operator = ComparisonOperator::EQUAL;
  std::optional<AlertBound> threshold;
  std::optional<AlertState> empty_result_state;
  std::optional<AlertNotification> notification;
};
BOOST_DESCRIBE_STRUCT(AlertEvaluation, (), (source, comparison_operator, threshold, empty_result_state, notification))
struct AlertSchedule {
  std::string quartz_cron_schedule, timezone_id;
  std::optional<SchedulePause> pause_status;
};
BOOST_DESCRIBE_STRUCT(AlertSchedule, (), (quartz_cron_schedule, timezone_id, pause_status))
struct AlertRunAs {
  std::optional<std::string> user_name, service_principal_name;
};
BOOST_DESCRIBE_STRUCT(AlertRunAs, (), (user_name, service_principal_name))
struct AlertParameter {
  std::string name;
  std::optional<std::string> value, type;
};
BOOST_DESCRIBE_STRUCT(AlertParameter, (), (name, value, type))

struct AlertV2Fields {
  std::optional<std::string> display_name, query_text, warehouse_id, custom_summary, custom_description, parent_path;
  std::optional<AlertEvaluation> evaluation;
  std::optional<AlertSchedule> schedule;
  std::optional<AlertRunAs> run_as;
  std::vector<AlertParameter> parameters;
};
BOOST_DESCRIBE_STRUCT(AlertV2Fields, (),
                      (display_name, query_text, warehouse_id, custom_summary, custom_description, parent_path, evaluation, schedule, run_as,
                       parameters))

// Evaluating one. Pure.

/// A result as alerts see it. Values are texts as the JSON format of results has them; NULL is nothing.
struct AlertRows {
  std::string statement_id;
  std::vector<std::string> columns;
  std::vector<std::vector<std::optional<std::string>>> rows;
};
struct Judgement {
  AlertState state = AlertState::UNKNOWN;
  std::string value, threshold;  // what was compared, for people
  std::string error;             // of state ERROR
};
Judgement judge(const AlertEvaluation& evaluation, const AlertRows& rows);
AlertEvaluation evaluation_of(const AlertFields& older);

/// A template with {{ALERT_NAME}} and the like; what it does not know stays as it is.
struct AlertWords {
  std::string name, query_name, column, threshold, value;
  ComparisonOperator condition = ComparisonOperator::EQUAL;
  AlertState state = AlertState::UNKNOWN;
};
std::string filled(const std::string& text, const AlertWords& words);

/// Whether an evaluation is told: a change to TRIGGERED, again after `retrigger_seconds`, a change back to OK where that was asked for.
/// `before`: the last state that was no error; `told_at`: 0 if it was never told.
bool is_told(AlertState before, AlertState now, const AlertNotification& notification, Millis told_at, Millis at);

}  // namespace tarn::queries
