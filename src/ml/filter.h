#pragma once
// The language of `filter` and `order_by` in MLflow's searches: comparisons joined by AND, over attributes, metrics, params, tags and
// datasets. Pure functions; refusals carry the texts of MLflow's own parser (mlflow/utils/search_utils.py), which its users know.
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ml/errors.h"

namespace tarn::ml {

enum class Entity { attribute, metric, param, tag, dataset };
enum class Comparator { eq, ne, lt, le, gt, ge, like, ilike, in, not_in, is_null, is_not_null };
std::string_view spelled(Comparator c);

struct Condition {
  Entity entity = Entity::attribute;
  std::string key;
  Comparator comparator = Comparator::eq;
  std::variant<std::string, double, std::vector<std::string>> value;  // text, number, or the list of IN
  const std::string& text() const { return std::get<std::string>(value); }
  double number() const { return std::get<double>(value); }
  const std::vector<std::string>& list() const { return std::get<std::vector<std::string>>(value); }
};

struct OrderTerm {
  Entity entity = Entity::attribute;
  std::string key;
  bool ascending = true;
};

/// What one kind of search knows.
struct Grammar {
  std::set<std::string> attributes;                            // in filters and orders, by their canonical names
  std::set<std::string> numeric_attributes;                    // of those
  std::set<std::string> list_attributes;                       // those that IN may ask of
  std::set<Entity> entities;                                   // beside attributes
  std::vector<std::pair<std::string, std::string>> aliases{};  // other names of attributes
};
const Grammar& run_grammar();
const Grammar& experiment_grammar();
const Grammar& logged_model_grammar();
const Grammar& registered_model_grammar();
const Grammar& model_version_grammar();

/// An empty text has no conditions.
Result<std::vector<Condition>> parse_filter(std::string_view text, const Grammar& grammar);
/// "metrics.rmse DESC", "start_time"; ascending unless it says otherwise.
Result<OrderTerm> parse_order(std::string_view text, const Grammar& grammar);

/// Whether a value that is there satisfies a condition (for searches over records in memory).
bool matches(const Condition& c, const std::string& value);
bool matches(const Condition& c, double value);

}  // namespace tarn::ml
