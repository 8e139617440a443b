#include "compute/policy_definition.h"

#include <fmt/format.h>

#include <set>

#include "compute/policy_paths.h"

namespace tarn::compute {
namespace {

using Problems = std::vector<std::string>;

bool right_type(const json::value& v, AttributeType want) {
  switch (want) {
    case AttributeType::text:
      return v.is_string() || v.is_number() || v.is_bool();  // the vendor takes 4 for "4" in tags and Spark settings
    case AttributeType::number:
      return v.is_number() || (v.is_string() && number_of(v));
    case AttributeType::boolean:
      return v.is_bool() || (v.is_string() && (v.as_string() == "true" || v.as_string() == "false"));
  }
  return false;
}

std::string_view name_of(AttributeType t) {
  return t == AttributeType::number ? "a number" : t == AttributeType::boolean ? "true or false" : "a string";
}

std::string joined(const std::vector<json::value>& values) {
  std::string out;
  for (const auto& v : values) out += (out.empty() ? "" : ", ") + text_of_value(v);
  return out;
}

bool lists(const std::vector<json::value>& values, const json::value& v) {
  return std::ranges::any_of(values, [&](const json::value& one) { return same_value(one, v); });
}

/// What a value breaks of a rule that limits values; nothing if it may stand.
std::optional<std::string> objection(const PolicyRule& rule, const json::value& v) {
  switch (rule.type) {
    case RuleType::fixed:
      if (!same_value(rule.value, v)) return "must be " + text_of_value(rule.value);
      return std::nullopt;
    case RuleType::forbidden:
      return "must not be present";
    case RuleType::allowlist:
      if (!lists(rule.values, v)) return "must be one of " + joined(rule.values);
      return std::nullopt;
    case RuleType::blocklist:
      if (lists(rule.values, v)) return "must not be one of " + joined(rule.values);
      return std::nullopt;
    case RuleType::regex:
      if (!std::regex_match(text_of_value(v), *rule.compiled)) return "must match regular expression " + rule.pattern;
      return std::nullopt;
    case RuleType::range: {
      const auto n = number_of(v);
      if (!n) return "must be a number";
      if (rule.min_value && *n < *rule.min_value) return "cannot be less than " + text_of_number(*rule.min_value);
      if (rule.max_value && *n > *rule.max_value) return "cannot be greater than " + text_of_number(*rule.max_value);
      return std::nullopt;
    }
    case RuleType::unlimited:
      return std::nullopt;
  }
  return std::nullopt;
}

const std::set<std::string_view> kKnownKeys{"type", "value", "values", "pattern", "minValue", "maxValue", "defaultValue", "isOptional", "hidden"};

struct Reader {
  const std::string& path;
  const json::object& body;
  Problems& problems;

  void bad(const std::string& what) const { problems.push_back(path + ": " + what); }
  bool flag(std::string_view name) const {
    const auto* v = body.if_contains(name);
    if (!v) return false;
    if (!v->is_bool()) return bad(fmt::format("'{}' must be true or false", name)), false;
    return v->as_bool();
  }
  void only(std::string_view name, bool allowed, RuleType type) const {
    if (!allowed && body.contains(name)) bad(fmt::format("'{}' does not belong to type '{}'", name, json::name_of(type)));
  }
  std::optional<double> bound(std::string_view name) const {
    const auto* v = body.if_contains(name);
    if (!v) return std::nullopt;
    const auto n = number_of(*v);
    if (!n) bad(fmt::format("'{}' must be a number", name));
    return n;
  }
};

void read_limits(PolicyRule& rule, const Reader& in) {
  const auto* values = in.body.if_contains("values");
  switch (rule.type) {
    case RuleType::fixed: {
      const auto* v = in.body.if_contains("value");
      if (!v || v->is_null()) return in.bad("type 'fixed' needs a 'value'");
      if (!right_type(*v, rule.attribute))
        return in.bad(fmt::format("'value' must be {}, got {}", name_of(rule.attribute), boost::json::serialize(*v)));
      rule.value = typed_value(*v, rule.attribute);
      break;
    }
    case RuleType::allowlist:
    case RuleType::blocklist:
      if (!values || !values->is_array() || values->as_array().empty())
        return in.bad(fmt::format("type '{}' needs 'values', a list with at least one entry", json::name_of(rule.type)));
      for (const auto& v : values->as_array()) {
        if (!right_type(v, rule.attribute))
          return in.bad(fmt::format("'values' must hold {}, got {}", name_of(rule.attribute), boost::json::serialize(v)));
        rule.values.push_back(typed_value(v, rule.attribute));
      }
      break;
    case RuleType::regex: {
      const auto* v = in.body.if_contains("pattern");
      if (!v || !v->is_string()) return in.bad("type 'regex' needs a 'pattern'");
      rule.pattern = std::string(v->as_string());
      if (rule.pattern.size() > 1000) return in.bad("'pattern' must have at most 1000 characters");
      try {
        // Breadth first: no pattern of an admin and no value of a user makes the matching exponential or deep (no back references then).
        rule.compiled = std::make_shared<const std::regex>(rule.pattern, std::regex_constants::ECMAScript | std::regex_constants::__polynomial);
      } catch (const std::regex_error& e) {
        return in.bad(fmt::format("'pattern' is not a regular expression: {}", e.what()));
      }
      break;
    }
    case RuleType::range:
      rule.min_value = in.bound("minValue");
      rule.max_value = in.bound("maxValue");
      if (rule.attribute != AttributeType::number) return in.bad("type 'range' limits numbers only");
      if (!rule.min_value && !rule.max_value) return in.bad("type 'range' needs 'minValue' or 'maxValue'");
      if (rule.min_value && rule.max_value && *rule.min_value > *rule.max_value)
        return in.bad(fmt::format("'minValue' {} is above 'maxValue' {}", text_of_number(*rule.min_value), text_of_number(*rule.max_value)));
      break;
    case RuleType::forbidden:
    case RuleType::unlimited:
      break;
  }
}

void read_rule(const std::string& path, const json::value& body, std::vector<PolicyRule>& rules, Problems& problems) {
  const auto attribute = attribute_type(path);
  if (!attribute) return problems.push_back(path + ": is not an attribute that a policy can limit");
  if (!body.is_object()) return problems.push_back(path + ": must be an object with a 'type'");
  const Reader in{path, body.as_object(), problems};
  const std::size_t before = problems.size();
  const auto* type = in.body.if_contains("type");
  const auto known = type && type->is_string() ? json::enum_of<RuleType>(std::string_view(type->as_string())) : std::nullopt;
  if (!known)
    return in.bad(type ? "'type' must be one of fixed, forbidden, allowlist, blocklist, regex, range, unlimited; got " + boost::json::serialize(*type)
                       : "'type' is required: one of fixed, forbidden, allowlist, blocklist, regex, range, unlimited");
  PolicyRule rule{.path = path, .type = *known, .attribute = *attribute};
  for (const auto& kv : in.body)
    if (!kKnownKeys.contains(std::string_view(kv.key()))) in.bad(fmt::format("'{}' is not part of a policy rule", std::string_view(kv.key())));
  in.only("value", rule.type == RuleType::fixed, rule.type);
  in.only("values", rule.type == RuleType::allowlist || rule.type == RuleType::blocklist, rule.type);
  in.only("pattern", rule.type == RuleType::regex, rule.type);
  in.only("minValue", rule.type == RuleType::range, rule.type);
  in.only("maxValue", rule.type == RuleType::range, rule.type);
  in.only("defaultValue", rule.type != RuleType::fixed && rule.type != RuleType::forbidden, rule.type);
  rule.hidden = in.flag("hidden");
  rule.is_optional = in.flag("isOptional");
  read_limits(rule, in);
  if (const auto* d = in.body.if_contains("defaultValue"); d && !d->is_null() && problems.size() == before) {
    if (!right_type(*d, rule.attribute))
      in.bad(fmt::format("'defaultValue' must be {}, got {}", name_of(rule.attribute), boost::json::serialize(*d)));
    else if (const auto why = objection(rule, *d))
      in.bad(fmt::format("contradicts itself: 'defaultValue' {} {}", text_of_value(*d), *why));
    else
      rule.default_value = typed_value(*d, rule.attribute);
  }
  if (problems.size() == before) rules.push_back(std::move(rule));
}

/// Whether a request must say something about the path (or the policy says it).
bool demands(const PolicyRule& r) {
  return r.type == RuleType::fixed || (r.type != RuleType::forbidden && r.type != RuleType::blocklist && !r.is_optional);
}

/// Two rules that no cluster satisfies together.
void read_contradictions(const std::vector<PolicyRule>& rules, Problems& problems) {
  const auto find = [&](std::string_view path) -> const PolicyRule* {
    const auto i = std::ranges::find(rules, path, &PolicyRule::path);
    return i == rules.end() ? nullptr : &*i;
  };
  const auto exclude = [&](std::string_view a, std::string_view b, std::string_view why) {
    const auto *x = find(a), *y = find(b);
    if (x && y && demands(*x) && demands(*y)) problems.push_back(fmt::format("{} and {} contradict each other: {}", a, b, why));
  };
  exclude("instance_pool_id", "node_type_id", "a cluster on a pool takes the pool's node type");
  exclude("driver_instance_pool_id", "driver_node_type_id", "a driver on a pool takes the pool's node type");
  exclude("num_workers", "autoscale.max_workers", "a cluster has a number of workers or a range, not both");
  exclude("num_workers", "autoscale.min_workers", "a cluster has a number of workers or a range, not both");
  const auto least = [](const PolicyRule& r) -> std::optional<double> { return r.type == RuleType::fixed ? number_of(r.value) : r.min_value; };
  const auto most = [](const PolicyRule& r) -> std::optional<double> { return r.type == RuleType::fixed ? number_of(r.value) : r.max_value; };
  if (const auto* low = find("autoscale.min_workers"), *high = find("autoscale.max_workers"); low && high)
    if (const auto a = least(*low), b = most(*high); a && b && *a > *b)
      problems.push_back(fmt::format("autoscale.min_workers and autoscale.max_workers contradict each other: at least {} but at most {}",
                                     text_of_number(*a), text_of_number(*b)));
  if (const auto* dbu = find("dbus_per_hour"); dbu && dbu->max_value && *dbu->max_value < 0)
    problems.push_back("dbus_per_hour: 'maxValue' must not be negative");
  if (const auto* kind = find("cluster_type"); kind && kind->type == RuleType::fixed) {
    const auto v = text_of_value(kind->value);
    if (v != "all-purpose" && v != "job" && v != "dlt") problems.push_back("cluster_type: 'value' must be all-purpose, job or dlt; got " + v);
  }
}

/// "custom_tags, Team" for a map's entry, the path itself otherwise; and how its sentence goes on.
std::string subject(const std::string& path) {
  const auto key = map_entry(path);
  return key ? fmt::format("Validation failed for {}, {} ", key->first, key->second) : fmt::format("Validation failed for {}, the value ", path);
}

}  // namespace

Expected<PolicyDefinition, std::vector<std::string>> PolicyDefinition::parse(std::string_view text) {
  PolicyDefinition out;
  if (text.find_first_not_of(" \t\r\n") == text.npos) return out;
  auto parsed = json::parse(text);
  if (!parsed) return fail(Problems{"the definition is not JSON: " + parsed.error().message()});
  if (!parsed->is_object()) return fail(Problems{"the definition must be a JSON object of attribute paths and rules"});
  Problems problems;
  for (const auto& kv : parsed->as_object()) read_rule(std::string(kv.key()), kv.value(), out.rules_, problems);
  read_contradictions(out.rules_, problems);
  if (!problems.empty()) return fail(std::move(problems));
  return out;
}

std::string PolicyDefinition::merged(std::string_view family, std::string_view overrides) {
  json::object out;
  for (const auto text : {family, overrides}) {
    if (text.find_first_not_of(" \t\r\n") == text.npos) continue;
    const auto parsed = json::parse(text);
    if (!parsed || !parsed->is_object()) continue;
    for (const auto& kv : parsed->as_object()) out[kv.key()] = kv.value();
  }
  return boost::json::serialize(out);
}

json::object PolicyDefinition::completed(json::object spec, bool defaults) const {
  for (const auto& rule : rules_) {
    if (is_virtual(rule.path) || rule.path.find('*') != rule.path.npos) continue;
    const json::value* supply = rule.type == RuleType::fixed                ? &rule.value
                                : defaults && !rule.default_value.is_null() ? &rule.default_value
                                                                            : nullptr;
    if (supply && !value_at(spec, rule.path)) set_value(spec, rule.path, *supply);
  }
  return spec;
}

std::vector<PolicyViolation> PolicyDefinition::check(const json::object& spec, const VirtualAttributes& virtuals) const {
  std::vector<PolicyViolation> out;
  std::set<std::string> own;  // paths with a rule of their own, which a `*` leaves alone
  for (const auto& r : rules_) own.insert(r.path);
  const auto judge = [&](const PolicyRule& rule, const std::string& path, const json::value* v) {
    if (!v) {
      if (demands(rule)) out.push_back({path, subject(path) + "must be present"});
      return;
    }
    if (const auto why = objection(rule, *v)) out.push_back({path, fmt::format("{}{} (is \"{}\")", subject(path), *why, text_of_value(*v))});
  };
  for (const auto& rule : rules_) {
    if (rule.path == "dbus_per_hour") {
      const json::value v = virtuals.dbus_per_hour;
      judge(rule, rule.path, &v);
    } else if (rule.path == "cluster_type") {
      const json::value v = json::value(virtuals.cluster_type);
      judge(rule, rule.path, &v);
    } else if (rule.path.find('*') != rule.path.npos) {
      for (const auto& [path, v] : matches(spec, rule.path))
        if (!own.contains(path)) judge(rule, path, &v);
    } else {
      const auto v = value_at(spec, rule.path);
      judge(rule, rule.path, v ? &*v : nullptr);
    }
  }
  return out;
}

std::string violations_text(const std::vector<PolicyViolation>& violations) {
  std::string out = "Cluster validation error: ";
  for (std::size_t i = 0; i < violations.size(); ++i) out += (i ? "; " : "") + violations[i].message;
  return out;
}

}  // namespace tarn::compute
