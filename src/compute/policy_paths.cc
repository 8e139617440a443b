#include "compute/policy_paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "compute/node_types.h"

namespace tarn::compute {
namespace {

constexpr std::array<std::string_view, 3> kMaps{"spark_conf.", "custom_tags.", "spark_env_vars."};

const std::map<std::string_view, AttributeType, std::less<>>& attributes() {
  using enum AttributeType;
  static const std::map<std::string_view, AttributeType, std::less<>> all{
      {"autoscale.max_workers", number},
      {"autoscale.min_workers", number},
      {"autotermination_minutes", number},
      {"aws_attributes.availability", text},
      {"aws_attributes.ebs_volume_count", number},
      {"aws_attributes.ebs_volume_iops", number},
      {"aws_attributes.ebs_volume_size", number},
      {"aws_attributes.ebs_volume_throughput", number},
      {"aws_attributes.ebs_volume_type", text},
      {"aws_attributes.first_on_demand", number},
      {"aws_attributes.instance_profile_arn", text},
      {"aws_attributes.spot_bid_price_percent", number},
      {"aws_attributes.zone_id", text},
      {"cluster_log_conf.path", text},
      {"cluster_log_conf.region", text},
      {"cluster_log_conf.type", text},
      {"cluster_name", text},
      {"cluster_type", text},
      {"data_security_mode", text},
      {"dbus_per_hour", number},
      {"docker_image.basic_auth.password", text},
      {"docker_image.basic_auth.username", text},
      {"docker_image.url", text},
      {"driver_instance_pool_id", text},
      {"driver_node_type_id", text},
      {"enable_elastic_disk", boolean},
      {"enable_local_disk_encryption", boolean},
      {"instance_pool_id", text},
      {"is_single_node", boolean},
      {"kind", text},
      {"node_type_id", text},
      {"num_workers", number},
      {"remote_disk_throughput", number},
      {"runtime_engine", text},
      {"single_user_name", text},
      {"spark_version", text},
      {"total_initial_remote_disk_size", number},
      {"use_ml_runtime", boolean},
      {"workload_type.clients.jobs", boolean},
      {"workload_type.clients.notebooks", boolean},
  };
  return all;
}

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at <= path.size();) {
    const auto dot = std::min(path.find('.', at), path.size());
    out.push_back(path.substr(at, dot - at));
    at = dot + 1;
  }
  return out;
}

std::optional<std::size_t> index_of(std::string_view text) {
  std::size_t n = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || r.ec != std::errc() || r.ptr != text.data() + text.size() || n > 1000) return std::nullopt;
  return n;
}

bool is_index(std::string_view text) { return text == "*" || index_of(text); }

/// The steps of a path: a map's key is one step, whatever dots it has.
std::vector<std::string_view> steps(std::string_view path) {
  for (const auto map : kMaps)
    if (path.starts_with(map)) return {path.substr(0, map.size() - 1), path.substr(map.size())};
  return split(path);
}

/// cluster_log_conf as policies see it: {type, path, region} rather than the wire's {dbfs|s3|volumes: {destination, region}}.
std::optional<json::value> log_value(const json::object& spec, std::string_view what) {
  const auto* conf = spec.if_contains("cluster_log_conf");
  if (!conf || !conf->is_object()) return std::nullopt;
  for (const auto& [name, type] : {std::pair("dbfs", "DBFS"), std::pair("s3", "S3"), std::pair("volumes", "VOLUMES")}) {
    const auto* body = conf->as_object().if_contains(name);
    if (!body || !body->is_object()) continue;
    if (what == "type") return json::value(type);
    const auto* v = body->as_object().if_contains(what == "path" ? "destination" : what);
    return v ? std::optional(*v) : std::nullopt;
  }
  return std::nullopt;
}

}  // namespace

std::optional<AttributeType> attribute_type(std::string_view path) {
  if (const auto i = attributes().find(path); i != attributes().end()) return i->second;
  for (const auto map : kMaps)
    if (path.starts_with(map) && path.size() > map.size()) return AttributeType::text;
  const auto parts = split(path);
  if (parts.size() == 4 && parts[0] == "init_scripts" && is_index(parts[1])) {
    const bool kind =
        parts[2] == "workspace" || parts[2] == "volumes" || parts[2] == "s3" || parts[2] == "dbfs" || parts[2] == "file" || parts[2] == "abfss";
    if (kind && (parts[3] == "destination" || parts[3] == "region")) return AttributeType::text;
  }
  if (parts.size() == 2 && parts[0] == "ssh_public_keys" && is_index(parts[1])) return AttributeType::text;
  if (parts.size() == 3 && (parts[0] == "driver_node_type_flexibility" || parts[0] == "worker_node_type_flexibility") &&
      parts[1] == "alternate_node_type_ids" && is_index(parts[2]))
    return AttributeType::text;
  // Other clouds' attributes: a policy that travels between workspaces may name them; here they are never set.
  if (parts.size() == 2 && (parts[0] == "azure_attributes" || parts[0] == "gcp_attributes"))
    return parts[1] == "first_on_demand" || parts[1] == "spot_bid_max_price" || parts[1] == "local_ssd_count" || parts[1] == "boot_disk_size"
               ? AttributeType::number
           : parts[1] == "use_preemptible_executors" ? AttributeType::boolean
                                                     : AttributeType::text;
  return std::nullopt;
}

bool is_virtual(std::string_view path) { return path == "dbus_per_hour" || path == "cluster_type"; }

std::optional<std::pair<std::string, std::string>> map_entry(std::string_view path) {
  for (const auto map : kMaps)
    if (path.starts_with(map)) return std::pair(std::string(map.substr(0, map.size() - 1)), std::string(path.substr(map.size())));
  return std::nullopt;
}

std::optional<json::value> value_at(const json::object& spec, std::string_view path) {
  if (path.starts_with("cluster_log_conf.")) return log_value(spec, path.substr(17));
  const json::value* here = nullptr;
  const json::object* object = &spec;
  for (const auto step : steps(path)) {
    if (here && here->is_array()) {
      const auto i = index_of(step);
      if (!i || *i >= here->as_array().size()) return std::nullopt;
      here = &here->as_array()[*i];
    } else {
      if (!object) return std::nullopt;
      here = object->if_contains(step);
    }
    if (!here || here->is_null()) return std::nullopt;
    object = here->if_object();
  }
  return here ? std::optional(*here) : std::nullopt;
}

void set_value(json::object& spec, std::string_view path, const json::value& v) {
  if (path.starts_with("cluster_log_conf.")) {
    const auto what = path.substr(17);
    auto& conf = spec["cluster_log_conf"];
    if (!conf.is_object()) conf = json::object{};
    auto& o = conf.as_object();
    if (what == "type") {
      std::string name = text_of_value(v);
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      if (name != "none" && !o.contains(name)) {
        json::value body = o.empty() ? json::value(json::object{}) : o.begin()->value();
        o.clear();
        o[name] = std::move(body);
      }
      if (name == "none") spec.erase("cluster_log_conf");
      return;
    }
    if (o.empty()) o["dbfs"] = json::object{};
    o.begin()->value().as_object()[what == "path" ? "destination" : what] = v;
    return;
  }
  const auto way = steps(path);
  json::value* here = nullptr;
  json::object* object = &spec;
  for (std::size_t i = 0; i < way.size(); ++i) {
    json::value* next = nullptr;
    if (here && here->is_array()) {
      const auto n = index_of(way[i]);
      if (!n || *n > here->as_array().size()) return;  // a gap in a list: the check will say what is missing
      if (*n == here->as_array().size()) here->as_array().emplace_back(nullptr);
      next = &here->as_array()[*n];
    } else {
      next = &(*object)[way[i]];
    }
    if (i + 1 == way.size()) {
      *next = v;
      return;
    }
    if (next->is_null()) *next = index_of(way[i + 1]) && object == &spec ? json::value(json::array{}) : json::value(json::object{});
    here = next;
    object = next->if_object();
    if (!object && !next->is_array()) return;
  }
}

std::vector<std::pair<std::string, json::value>> matches(const json::object& spec, std::string_view path) {
  std::vector<std::pair<std::string, json::value>> out;
  const auto star = path.find('*');
  const auto list = value_at(spec, path.substr(0, star - 1));
  if (!list || !list->is_array()) return out;
  for (std::size_t i = 0; i < list->as_array().size(); ++i) {
    std::string concrete = fmt::format("{}{}{}", path.substr(0, star), i, path.substr(star + 1));
    if (auto v = value_at(spec, concrete)) out.emplace_back(std::move(concrete), *std::move(v));
  }
  return out;
}

std::string text_of_number(double n) {
  if (std::floor(n) == n && std::abs(n) < 1e15) return std::to_string(static_cast<std::int64_t>(n));
  return fmt::format("{}", n);
}

std::string text_of_value(const json::value& v) {
  if (v.is_string()) return std::string(v.as_string());
  if (v.is_number()) return text_of_number(v.to_number<double>());
  return boost::json::serialize(v);
}

std::optional<double> number_of(const json::value& v) {
  if (v.is_number()) return v.to_number<double>();
  if (!v.is_string()) return std::nullopt;
  const std::string_view text = v.as_string();
  double n = 0;
  const auto r = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || r.ec != std::errc() || r.ptr != text.data() + text.size()) return std::nullopt;
  return n;
}

json::value typed_value(const json::value& v, AttributeType type) {
  switch (type) {
    case AttributeType::number: {
      const auto n = number_of(v);
      if (!n) return v;
      if (std::floor(*n) == *n && std::abs(*n) < 1e15) return json::value(static_cast<std::int64_t>(*n));
      return json::value(*n);
    }
    case AttributeType::boolean:
      return v.is_string() ? json::value(v.as_string() == "true") : v;
    case AttributeType::text:
      return json::value(text_of_value(v));
  }
  return v;
}

bool same_value(const json::value& a, const json::value& b) {
  return text_of_value(a) == text_of_value(b) || resolve_runtime(text_of_value(a)) == resolve_runtime(text_of_value(b));
}

}  // namespace tarn::compute
