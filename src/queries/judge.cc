#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "queries/alerts.h"

namespace tarn::queries {
namespace {

struct NoAnswer {
  std::string why;
};
/// A value of the comparison: NULL, a number or a text.
struct Operand {
  bool null = true;
  std::optional<double> number;
  std::string text;
};

std::optional<double> number_of(const std::string& text) {
  if (text.empty() || std::isspace(static_cast<unsigned char>(text.front()))) return std::nullopt;
  char* end = nullptr;
  const double n = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size()) return std::nullopt;
  return n;
}

std::string shown_number(double n) {
  if (std::isfinite(n) && n == std::trunc(n) && std::abs(n) < 1e15) return fmt::format("{:.0f}", n);
  return fmt::format("{}", n);
}

Operand from_text(const std::string& text) { return {.null = false, .number = number_of(text), .text = text}; }
Operand from_number(double n) { return {.null = false, .number = n, .text = shown_number(n)}; }

bool less(const Operand& a, const Operand& b) { return a.number && b.number ? *a.number < *b.number : a.text < b.text; }

/// NULLs do not count, as in SQL.
Operand aggregated(Aggregation how, const std::string& column, const std::vector<Operand>& all) {
  std::vector<Operand> there;
  std::ranges::copy_if(all, std::back_inserter(there), [](const Operand& o) { return !o.null; });
  if (how == Aggregation::COUNT) return from_number(static_cast<double>(there.size()));
  if (how == Aggregation::COUNT_DISTINCT) {
    std::set<std::string> different;
    for (const auto& o : there) different.insert(o.text);
    return from_number(static_cast<double>(different.size()));
  }
  if (there.empty()) return {};
  if (how == Aggregation::MIN) return *std::ranges::min_element(there, less);
  if (how == Aggregation::MAX) return *std::ranges::max_element(there, less);
  std::vector<double> numbers;
  for (const auto& o : there) {
    if (!o.number)
      throw NoAnswer{fmt::format("column '{}' holds '{}', which is no number, so it has no {}", column, o.text.substr(0, 60), json::name_of(how))};
    numbers.push_back(*o.number);
  }
  const auto n = static_cast<double>(numbers.size());
  double sum = 0;
  for (const double x : numbers) sum += x;
  if (how == Aggregation::SUM) return from_number(sum);
  if (how == Aggregation::AVG) return from_number(sum / n);
  if (how == Aggregation::MEDIAN) {
    std::ranges::sort(numbers);
    const auto middle = numbers.size() / 2;
    return from_number(numbers.size() % 2 ? numbers[middle] : (numbers[middle - 1] + numbers[middle]) / 2);
  }
  if (numbers.size() < 2) return {};  // the deviation of a sample of one is not defined
  double squares = 0;
  for (const double x : numbers) squares += (x - sum / n) * (x - sum / n);
  return from_number(std::sqrt(squares / (n - 1)));
}

Operand read_column(const AlertSource& source, const AlertRows& rows) {
  const auto same = [&](const std::string& name) {
    return std::ranges::equal(name, source.name, [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
  };
  const auto column = std::ranges::find_if(rows.columns, same);
  if (column == rows.columns.end()) throw NoAnswer{fmt::format("the query's result has no column '{}'", source.name)};
  const auto at = static_cast<std::size_t>(column - rows.columns.begin());
  std::vector<Operand> all;
  for (const auto& row : rows.rows) {
    all.push_back(row[at] ? from_text(*row[at]) : Operand{});
    if (!source.aggregation) break;
  }
  return source.aggregation ? aggregated(*source.aggregation, source.name, all) : all.front();
}

bool compared(ComparisonOperator op, const Operand& value, const Operand& bound) {
  if (op == ComparisonOperator::IS_NULL) return value.null;
  if (op == ComparisonOperator::IS_NOT_NULL) return !value.null;
  if (value.null || bound.null) return false;  // NULL compares with nothing
  if (bound.number && !value.number)
    throw NoAnswer{fmt::format("the value '{}' is no number and cannot be compared with {}", value.text.substr(0, 60), bound.text)};
  switch (op) {
    case ComparisonOperator::GREATER_THAN:
      return less(bound, value);
    case ComparisonOperator::GREATER_THAN_OR_EQUAL:
      return !less(value, bound);
    case ComparisonOperator::LESS_THAN:
      return less(value, bound);
    case ComparisonOperator::LESS_THAN_OR_EQUAL:
      return !less(bound, value);
    case ComparisonOperator::EQUAL:
      return !less(bound, value) && !less(value, bound);
    default:
      return less(bound, value) || less(value, bound);
  }
}

const char* symbol(ComparisonOperator op) {
  switch (op) {
    case ComparisonOperator::GREATER_THAN:
      return ">";
    case ComparisonOperator::GREATER_THAN_OR_EQUAL:
      return ">=";
    case ComparisonOperator::LESS_THAN:
      return "<";
    case ComparisonOperator::LESS_THAN_OR_EQUAL:
      return "<=";
    case ComparisonOperator::EQUAL:
      return "=";
    case ComparisonOperator::NOT_EQUAL:
      return "!=";
    case ComparisonOperator::IS_NULL:
      return "is null";
    case ComparisonOperator::IS_NOT_NULL:
      return "is not null";
  }
  return "";
}

}  // namespace

Judgement judge(const AlertEvaluation& e, const AlertRows& rows) {
  if (rows.rows.empty()) return {.state = e.empty_result_state.value_or(AlertState::UNKNOWN)};
  try {
    const auto value = read_column(e.source, rows);
    Operand bound;
    if (e.threshold && e.threshold->column) {
      bound = read_column(*e.threshold->column, rows);
    } else if (e.threshold && e.threshold->value) {
      const auto& v = *e.threshold->value;
      if (v.double_value)
        bound = from_number(*v.double_value);
      else if (v.bool_value)
        bound = {.null = false, .number = {}, .text = *v.bool_value ? "true" : "false"};
      else
        bound = {.null = false, .number = {}, .text = v.string_value.value_or("")};
    }
    const bool holds = compared(e.comparison_operator, value, bound);
    return {.state = holds ? AlertState::TRIGGERED : AlertState::OK,
            .value = value.null ? "null" : value.text,
            .threshold = bound.null ? "" : bound.text};
  } catch (const NoAnswer& none) {
    return {.state = AlertState::ERROR, .error = none.why};
  }
}

AlertEvaluation evaluation_of(const AlertFields& a) {
  const auto c = a.condition.value_or(AlertCondition{});
  AlertEvaluation out{.source = {.name = c.operand.column.name}, .comparison_operator = c.op, .empty_result_state = c.empty_result_state};
  if (c.threshold) out.threshold = AlertBound{.value = c.threshold->value};
  out.notification = AlertNotification{.notify_on_ok = a.notify_on_ok, .retrigger_seconds = a.seconds_to_retrigger};
  return out;
}

std::string filled(const std::string& text, const AlertWords& w) {
  const std::pair<std::string_view, std::string> words[]{{"{{ALERT_NAME}}", w.name},
                                                         {"{{ALERT_STATUS}}", std::string(json::name_of(w.state))},
                                                         {"{{ALERT_CONDITION}}", symbol(w.condition)},
                                                         {"{{ALERT_THRESHOLD}}", w.threshold},
                                                         {"{{ALERT_COLUMN}}", w.column},
                                                         {"{{QUERY_NAME}}", w.query_name},
                                                         {"{{QUERY_RESULT_VALUE}}", w.value}};
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto word = std::ranges::find_if(words, [&](const auto& one) { return std::string_view(text).substr(at).starts_with(one.first); });
    if (word == std::end(words)) {
      out += text[at++];
      continue;
    }
    out += word->second;  // what a value holds is not filled in again
    at += word->first.size();
  }
  return out;
}

bool is_told(AlertState before, AlertState now, const AlertNotification& n, Millis told_at, Millis at) {
  if (now == AlertState::OK) return before == AlertState::TRIGGERED && n.notify_on_ok.value_or(false);
  if (now != AlertState::TRIGGERED) return false;
  if (before != AlertState::TRIGGERED || told_at == 0) return true;
  const auto again = n.retrigger_seconds.value_or(0);
  return again > 0 && at - told_at >= again * 1000;
}

}  // namespace tarn::queries
