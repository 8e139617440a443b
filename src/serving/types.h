#pragma once
// An endpoint as it is kept and as the API shows it. Source: REST API reference "Serving endpoints", databricks-sdk-go service/serving.
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "serving/errors.h"
#include "store/store.h"

namespace tarn::serving {

struct Tag {
  std::string key;
  std::optional<std::string> value;
};
BOOST_DESCRIBE_STRUCT(Tag, (), (key, value))

/// One model version that an endpoint serves, with whose rights it is loaded.
struct ServedEntity {
  std::string name, entity_name, entity_version, workload_size, creator;
  std::int64_t creator_id = 0;
  Millis creation_timestamp = 0;
  bool scale_to_zero_enabled = false;
  std::map<std::string, std::string> environment_vars;
  std::optional<std::int64_t> max_provisioned_concurrency;

  /// What a running scorer is for: entities that agree in it share it from one configuration to the next.
  std::string identity() const {
    std::string out = fmt::format("{}\x1f{}\x1f{}\x1f{}\x1f{}\x1f{}", name, entity_name, entity_version, workload_size, creator_id,
                                  max_provisioned_concurrency.value_or(0));
    for (const auto& [k, v] : environment_vars) out += "\x1f" + k + "=" + v;
    return out;
  }
};
BOOST_DESCRIBE_STRUCT(ServedEntity, (),
                      (name, entity_name, entity_version, workload_size, creator, creator_id, creation_timestamp, scale_to_zero_enabled,
                       environment_vars, max_provisioned_concurrency))

struct TrafficRoute {
  std::string served_model_name;
  int traffic_percentage = 0;
};
BOOST_DESCRIBE_STRUCT(TrafficRoute, (), (served_model_name, traffic_percentage))

/// A served entity on probation (Tarn's own; the vendor has nothing of the kind): when it breaks a bound, its traffic goes back to the others.
struct Canary {
  std::string served_model_name;
  std::optional<double> max_error_percentage, max_p95_latency_ms;
  std::int64_t min_requests = 20;  // before that it is not judged
};
BOOST_DESCRIBE_STRUCT(Canary, (), (served_model_name, max_error_percentage, max_p95_latency_ms, min_requests))

/// Requests and answers go into CATALOG.SCHEMA.PREFIX_payload.
struct Capture {
  std::string catalog_name, schema_name, table_name_prefix;
  bool enabled = true;
  double sampling_fraction = 1;
  std::string table() const { return table_name_prefix + "_payload"; }
};
BOOST_DESCRIBE_STRUCT(Capture, (), (catalog_name, schema_name, table_name_prefix, enabled, sampling_fraction))

struct Config {
  std::int64_t config_version = 0;
  std::vector<ServedEntity> served_entities;
  std::vector<TrafficRoute> routes;
  std::optional<Canary> canary;
  std::optional<Capture> capture;
  Millis start_time = 0;
};
BOOST_DESCRIBE_STRUCT(Config, (), (config_version, served_entities, routes, canary, capture, start_time))

enum class LimitKey { user, endpoint, user_group, service_principal };
BOOST_DESCRIBE_ENUM(LimitKey, user, endpoint, user_group, service_principal)
struct RateLimit {
  std::int64_t calls = 0;  // a minute
  LimitKey key = LimitKey::endpoint;
  std::optional<std::string> principal;
};
BOOST_DESCRIBE_STRUCT(RateLimit, (), (calls, key, principal))

struct Endpoint {
  std::int64_t workspace_id = 0;
  std::string id, name, creator;
  std::int64_t creator_id = 0;
  std::optional<std::string> description;
  Millis creation_timestamp = 0, last_updated_timestamp = 0;
  std::vector<Tag> tags;
  std::vector<RateLimit> rate_limits;
  std::optional<Capture> gateway_capture;  // of the AI gateway's configuration
  std::optional<Config> active, pending;
  bool update_failed = false;  // of `pending`, which stays to be looked at
  std::string update_message;
  std::int64_t last_version = 0;
  std::vector<std::string> events;  // what happened to it by itself, newest last

  const std::optional<Capture>& capture() const {
    static const std::optional<Capture> none;
    if (gateway_capture && gateway_capture->enabled) return gateway_capture;
    return active ? active->capture : none;
  }
  bool updating() const { return pending && !update_failed; }
  std::string store_key() const { return store::key({store::sortable(workspace_id), name}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", id, true}}; }
};
BOOST_DESCRIBE_STRUCT(Endpoint, (),
                      (workspace_id, id, name, creator, creator_id, description, creation_timestamp, last_updated_timestamp, tags, rate_limits,
                       gateway_capture, active, pending, update_failed, update_message, last_version, events))

inline constexpr store::Collection<Endpoint> kEndpoints{"serving.endpoint"};
inline constexpr const char* kPermissionType = "serving-endpoints";

}  // namespace tarn::serving
