#pragma once
// Conditions over tags, as policies say them: has_tag('key'), has_tag_value('key', 'value'), AND, OR, NOT, parentheses, TRUE and FALSE. Pure.
// Source: Databricks docs, "CREATE POLICY" and "Core concepts for ABAC" (hasTag and hasTagValue are the older spelling).
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"

namespace tarn::catalog {

struct TagCondition {
  enum class Op { always, never, has, has_value, both, either, negated } op = Op::always;
  std::string key, value;
  std::vector<TagCondition> parts;
};

/// invalid: what it cannot be read as. At most 4,000 bytes and 32 levels.
Result<TagCondition> tag_condition(std::string_view text);

/// Keys with their values; keys are told apart by case, as tags are.
bool holds(const TagCondition& condition, const std::map<std::string, std::string>& tags);

}  // namespace tarn::catalog
