#pragma once
// The cluster policy language: a JSON object that limits attributes of clusters by their path. Parsed once into rules; a definition that is
// not one, or that no cluster could ever satisfy, is refused here, with every problem named. Pure values, thread-safe.
//
//   {"node_type_id": {"type": "allowlist", "values": ["m6g.large"], "defaultValue": "m6g.large"}, "dbus_per_hour": {"type": "range", "maxValue": 10}}
//
// Types: fixed, forbidden, allowlist, blocklist, regex, range, unlimited; hidden, isOptional, defaultValue. Paths: dotted, maps keep the rest
// of the path as the key (spark_conf.a.b.c), lists take an index or `*` for all entries without a rule of their own. Virtual: dbus_per_hour,
// cluster_type. Source: vendor documentation "Compute policy reference"; messages as recorded in the provider's issue 403.
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace tarn::compute {

enum class RuleType { fixed, forbidden, allowlist, blocklist, regex, range, unlimited };
BOOST_DESCRIBE_ENUM(RuleType, fixed, forbidden, allowlist, blocklist, regex, range, unlimited)

enum class AttributeType { text, number, boolean };

struct PolicyRule {
  std::string path;
  RuleType type = RuleType::unlimited;
  AttributeType attribute = AttributeType::text;
  json::value value;                // fixed
  std::vector<json::value> values;  // allowlist, blocklist
  std::string pattern;
  std::shared_ptr<const std::regex> compiled;
  std::optional<double> min_value, max_value;
  json::value default_value;  // null: none
  bool is_optional = false, hidden = false;
};

struct PolicyViolation {
  std::string path;
  std::string message;  // the vendor's sentence: Validation failed for …
};

/// What is not in the request but limited like it.
struct VirtualAttributes {
  double dbus_per_hour = 0;
  std::string cluster_type = "all-purpose";  // all-purpose, job, dlt
};

class PolicyDefinition {
 public:
  /// All problems, each naming its path. An empty text is a policy without rules.
  static Expected<PolicyDefinition, std::vector<std::string>> parse(std::string_view text);
  /// A family's definition with overrides merged over it, path by path; both must be JSON objects (as parse says).
  static std::string merged(std::string_view family, std::string_view overrides);

  /// The request with fixed values supplied where it says nothing, and, if `defaults`, default values too.
  json::object completed(json::object spec, bool defaults) const;
  /// What the request violates; empty if it complies.
  std::vector<PolicyViolation> check(const json::object& spec, const VirtualAttributes& virtuals) const;
  const std::vector<PolicyRule>& rules() const { return rules_; }

 private:
  std::vector<PolicyRule> rules_;
};

/// "Cluster validation error: Validation failed for …; Validation failed for …"
std::string violations_text(const std::vector<PolicyViolation>& violations);

}  // namespace tarn::compute
