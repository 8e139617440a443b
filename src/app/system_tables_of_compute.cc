#include "app/system_tables_of_compute.h"

namespace tarn::app {
namespace {

constexpr Millis kKept = Millis(400) * 24 * 3'600'000;  // how far back usage is shown
constexpr std::size_t kMostRows = 100'000;

json::value or_null(const std::string& s) { return s.empty() ? json::value(nullptr) : json::value(s); }

json::array usage_rows(billing::Usage& usage, const Clock& clock, const std::string& account_id) {
  json::array out;
  for (const auto& u : usage.rows(clock.now() - kKept, clock.now() + 3'600'000, kMostRows))
    out.push_back({{"record_id", fmt::format("{}-{}-{}", u.cluster_id, u.hour, u.node_type)},
                   {"account_id", account_id},
                   {"workspace_id", std::to_string(u.workspace_id)},
                   {"sku_name", u.sku_name},
                   {"cloud", "AWS"},
                   {"usage_start_time", to_rfc3339(u.start)},
                   {"usage_end_time", to_rfc3339(u.end)},
                   {"usage_date", to_rfc3339(u.hour).substr(0, 10)},
                   {"custom_tags", json::encode(u.custom_tags)},
                   {"usage_unit", "DBU"},
                   {"usage_quantity", u.dbus},
                   {"usage_metadata", {{"cluster_id", u.cluster_id}, {"instance_pool_id", or_null(u.instance_pool_id)}, {"node_type", u.node_type}}},
                   {"identity_metadata", {{"run_as", u.run_as}}},
                   {"record_type", "ORIGINAL"},
                   {"billing_origin_product", u.product},
                   {"usage_type", "COMPUTE_TIME"}});
  return out;
}

json::array price_rows(const std::string& account_id) {
  json::array out;
  for (const auto& p : billing::list_prices())
    out.push_back({{"price_start_time", "2024-01-01T00:00:00Z"},
                   {"price_end_time", nullptr},
                   {"account_id", account_id},
                   {"sku_name", p.sku_name},
                   {"cloud", "AWS"},
                   {"currency_code", "USD"},
                   {"usage_unit", "DBU"},
                   {"pricing", {{"default", p.dollars_per_dbu}}}});
  return out;
}

json::array node_type_rows(const std::string& account_id) {
  json::array out;
  for (const auto& n : compute::node_types())
    out.push_back({{"account_id", account_id},
                   {"node_type", n.node_type_id},
                   {"core_count", n.num_cores},
                   {"memory_mb", n.memory_mb},
                   {"gpu_count", n.num_gpus}});
  return out;
}

json::array with_account(json::array rows, const std::string& account_id) {
  for (auto& r : rows) r.as_object()["account_id"] = account_id;
  return rows;
}

std::vector<sql::RelationColumn> columns_of(std::initializer_list<std::pair<const char*, const char*>> all) {
  std::vector<sql::RelationColumn> out;
  for (const auto& [name, type] : all) out.push_back({name, type});
  return out;
}

}  // namespace

std::vector<sql::RoomTable> compute_tables(compute::Clusters& clusters, billing::Usage& usage, const Clock& clock, const std::string& account_id) {
  using access::Context;
  return {
      {"billing", "usage",
       columns_of({{"record_id", "string"},
                   {"account_id", "string"},
                   {"workspace_id", "string"},
                   {"sku_name", "string"},
                   {"cloud", "string"},
                   {"usage_start_time", "timestamp"},
                   {"usage_end_time", "timestamp"},
                   {"usage_date", "date"},
                   {"custom_tags", "map<string,string>"},
                   {"usage_unit", "string"},
                   {"usage_quantity", "double"},
                   {"usage_metadata", "struct<cluster_id:string,instance_pool_id:string,node_type:string>"},
                   {"identity_metadata", "struct<run_as:string>"},
                   {"record_type", "string"},
                   {"billing_origin_product", "string"},
                   {"usage_type", "string"}}),
       [&usage, &clock, account_id](const Context&) { return usage_rows(usage, clock, account_id); }},
      {"billing", "list_prices",
       columns_of({{"price_start_time", "timestamp"},
                   {"price_end_time", "timestamp"},
                   {"account_id", "string"},
                   {"sku_name", "string"},
                   {"cloud", "string"},
                   {"currency_code", "string"},
                   {"usage_unit", "string"},
                   {"pricing", "struct<default:double>"}}),
       [account_id](const Context&) { return price_rows(account_id); }},
      {"compute", "clusters",
       columns_of({{"account_id", "string"},
                   {"workspace_id", "string"},
                   {"cluster_id", "string"},
                   {"cluster_name", "string"},
                   {"owned_by", "string"},
                   {"create_time", "timestamp"},
                   {"delete_time", "timestamp"},
                   {"driver_node_type", "string"},
                   {"worker_node_type", "string"},
                   {"worker_count", "bigint"},
                   {"min_autoscale_workers", "bigint"},
                   {"max_autoscale_workers", "bigint"},
                   {"auto_termination_minutes", "bigint"},
                   {"enable_elastic_disk", "boolean"},
                   {"tags", "map<string,string>"},
                   {"cluster_source", "string"},
                   {"dbr_version", "string"},
                   {"change_time", "timestamp"},
                   {"data_security_mode", "string"},
                   {"policy_id", "string"},
                   {"worker_instance_pool_id", "string"},
                   {"driver_instance_pool_id", "string"}}),
       [&clusters, account_id](const Context&) { return with_account(clusters.clusters_table_rows(), account_id); }},
      {"compute", "node_types",
       columns_of({{"account_id", "string"}, {"node_type", "string"}, {"core_count", "double"}, {"memory_mb", "bigint"}, {"gpu_count", "bigint"}}),
       [account_id](const Context&) { return node_type_rows(account_id); }},
      {"compute", "node_timeline",
       columns_of({{"account_id", "string"},
                   {"workspace_id", "string"},
                   {"cluster_id", "string"},
                   {"instance_id", "string"},
                   {"start_time", "timestamp"},
                   {"end_time", "timestamp"},
                   {"driver", "boolean"},
                   {"cpu_user_percent", "double"},
                   {"mem_used_percent", "double"},
                   {"mem_peak_percent", "double"},
                   {"node_type", "string"}}),
       [&clusters, account_id](const Context&) { return with_account(clusters.node_timeline_rows(), account_id); }},
  };
}

}  // namespace tarn::app
