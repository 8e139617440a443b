#pragma once
// Private to compute/: paths of a cluster's attributes as policies write them, and values found there.
#include "compute/policy_definition.h"

namespace tarn::compute {

/// What kind of value an attribute takes; nothing for a path that a policy cannot limit.
std::optional<AttributeType> attribute_type(std::string_view path);
/// dbus_per_hour, cluster_type.
bool is_virtual(std::string_view path);
/// ("custom_tags", "Team") for a path into a map of strings.
std::optional<std::pair<std::string, std::string>> map_entry(std::string_view path);

/// The value at a concrete path of an encoded ClusterSpec (cluster_log_conf.type and .path are derived). By value: some are made up.
std::optional<json::value> value_at(const json::object& spec, std::string_view path);
void set_value(json::object& spec, std::string_view path, const json::value& v);
/// Concrete paths that a path with one `*` (a list's index) stands for, with their values.
std::vector<std::pair<std::string, json::value>> matches(const json::object& spec, std::string_view path);

std::string text_of_value(const json::value& v);
std::string text_of_number(double n);
std::optional<double> number_of(const json::value& v);
/// The value in the attribute's own JSON type ("4" becomes 4 for a number, 4 becomes "4" for a string).
json::value typed_value(const json::value& v, AttributeType type);
bool same_value(const json::value& a, const json::value& b);

}  // namespace tarn::compute
