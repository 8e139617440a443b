#include "billing/log_delivery.h"

#include <algorithm>

#include "base/ids.h"
#include "base/log.h"

namespace tarn::billing {
namespace {

constexpr std::size_t kBatch = 10'000;  // audit events at once
constexpr const char* kAudit = "AUDIT_LOGS";
constexpr const char* kUsage = "BILLABLE_USAGE";
constexpr const char* kDelivered = "deliverAuditLogs";
constexpr const char* kUsageHeader =
    "workspaceId,timestamp,clusterId,clusterName,clusterNodeType,clusterOwnerUserId,clusterCustomTags,sku,dbus,machineHours,"
    "clusterOwnerUserName,tags\n";

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == text.npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string usage_line(const UsageRecord& u) {
  const auto tags = u.custom_tags.empty() ? std::string() : boost::json::serialize(json::encode(u.custom_tags));
  return fmt::format("{},{},{},,{},,{},{},{:.6f},{:.6f},{},{}\n", u.workspace_id, to_rfc3339(u.end), u.cluster_id, u.node_type, csv_field(tags),
                     u.sku_name, u.dbus, u.node_hours, csv_field(u.run_as), csv_field(tags));
}

struct ConfigurationRecord : LogDeliveryConfiguration {
  std::string store_key() const { return config_id; }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(ConfigurationRecord, (LogDeliveryConfiguration), ())

/// How far a configuration is: audit events up to `delivered` are in files; those up to `claimed` are being written.
struct CursorRecord {
  std::string config_id;
  std::int64_t delivered = 0, claimed = 0;
  std::string store_key() const { return config_id; }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(CursorRecord, (), (config_id, delivered, claimed))

constexpr store::Collection<ConfigurationRecord> kConfigurations{"billing.log_delivery"};
constexpr store::Collection<CursorRecord> kCursors{"billing.log_delivery_cursor"};

Error no_configuration(const std::string& id) { return {Errc::not_found, "Log delivery configuration with ID " + id + " does not exist."}; }

/// The vendor's limits, over what is enabled with `c`.
Result<void> within_limits(store::ReadTxn& t, const LogDeliveryConfiguration& c) {
  if (c.status != "ENABLED") return {};
  std::size_t account = 0;
  std::map<std::int64_t, std::size_t> workspaces;
  for (const auto& other : kConfigurations.scan(t)) {
    if (other.config_id == c.config_id || other.status != "ENABLED" || other.log_type != c.log_type) continue;
    account += other.workspace_ids_filter.empty();
    for (const auto w : other.workspace_ids_filter) ++workspaces[w];
  }
  if (c.workspace_ids_filter.empty() && account >= LogDelivery::kMostEnabled)
    return fail(Error{Errc::limit_exceeded, fmt::format("Only {} enabled account-level log delivery configurations of type {} are allowed",
                                                        LogDelivery::kMostEnabled, c.log_type)});
  for (const auto w : c.workspace_ids_filter)
    if (workspaces[w] >= LogDelivery::kMostEnabled)
      return fail(Error{Errc::limit_exceeded, fmt::format("Only {} enabled log delivery configurations of type {} are allowed for workspace {}",
                                                          LogDelivery::kMostEnabled, c.log_type, w)});
  return {};
}

bool is_month(std::string_view text) {
  return text.size() == 7 && text[4] == '-' && text.substr(0, 4).find_first_not_of("0123456789") == text.npos && text.substr(5) >= "01" &&
         text.substr(5) <= "12";
}

/// One line of the vendor's audit log files.
std::string line(const store::AuditRecord& r, const std::string& account_id) {
  const auto& e = r.event;
  json::object params;
  for (const auto& [k, v] : e.params) params[k] = v;
  return boost::json::serialize(json::object{
             {"version", "2.0"},
             {"auditLevel", e.workspace_id ? "WORKSPACE_LEVEL" : "ACCOUNT_LEVEL"},
             {"timestamp", r.at},
             {"accountId", account_id},
             {"workspaceId", std::to_string(e.workspace_id.value_or(0))},
             {"sourceIPAddress", e.source_ip},
             {"userAgent", e.user_agent},
             {"sessionId", nullptr},
             {"userIdentity", json::object{{"email", e.principal}}},
             {"serviceName", e.service},
             {"actionName", e.action},
             {"requestId", e.request_id},
             {"requestParams", std::move(params)},
             {"response",
              json::object{
                  {"statusCode", e.status}, {"errorMessage", e.error.empty() ? json::value(nullptr) : json::value(e.error)}, {"result", nullptr}}}}) +
         "\n";
}

std::string folder(const std::string& prefix) { return prefix.empty() ? "" : prefix + "/"; }

}  // namespace

Result<LogDeliveryConfiguration> LogDelivery::create(const access::Context& ctx, const LogDeliveryRequest& q) {
  // What account/ answers is asked before the transaction.
  const bool credentials = q.credentials_id && parts_.has_credentials(*q.credentials_id);
  const auto bucket = q.storage_configuration_id ? parts_.bucket_of(*q.storage_configuration_id) : std::nullopt;
  const bool usable = bucket && objects_.provide_bucket(*bucket);
  return store_.write_as(ctx.event("accounts", "createLogDelivery"), [&](store::WriteTxn& t) -> Result<LogDeliveryConfiguration> {
    const auto type = q.log_type.value_or(""), format = q.output_format.value_or("");
    if (type != kAudit && type != kUsage)
      return invalid("Field 'log_delivery_configuration.log_type' must be AUDIT_LOGS or BILLABLE_USAGE, got '" + type + "'");
    if (format != (type == kAudit ? "JSON" : "CSV"))
      return invalid(
          fmt::format("Field 'log_delivery_configuration.output_format' must be {} for {}, got '{}'", type == kAudit ? "JSON" : "CSV", type, format));
    if (!q.credentials_id) return invalid("Field 'log_delivery_configuration.credentials_id' is required");
    if (!q.storage_configuration_id) return invalid("Field 'log_delivery_configuration.storage_configuration_id' is required");
    if (!credentials) return fail(Error{Errc::not_found, "Credentials with ID " + *q.credentials_id + " do not exist."});
    if (!bucket) return fail(Error{Errc::not_found, "Storage configuration with ID " + *q.storage_configuration_id + " does not exist."});
    if (!usable) return invalid("Bucket '" + *bucket + "' of the storage configuration does not exist");
    if (q.config_name && q.config_name->size() > 255)
      return invalid("Field 'log_delivery_configuration.config_name' must have at most 255 characters");
    if (q.delivery_start_time && !q.delivery_start_time->empty() && !is_month(*q.delivery_start_time))
      return invalid("Field 'log_delivery_configuration.delivery_start_time' must be a month such as 2026-01, got '" + *q.delivery_start_time + "'");
    const auto prefix = q.delivery_path_prefix.value_or("");
    if (prefix.starts_with('/') || prefix.ends_with('/') || !objects::Url::parse("s3://bucket/" + prefix))
      return invalid("Field 'log_delivery_configuration.delivery_path_prefix' must be a path without slashes at its ends, got '" + prefix + "'");
    const auto status = q.status.value_or("ENABLED");
    if (status != "ENABLED" && status != "DISABLED")
      return invalid("Field 'log_delivery_configuration.status' must be ENABLED or DISABLED, got '" + status + "'");
    for (const auto w : q.workspace_ids_filter)
      if (w <= 0) return invalid(fmt::format("Field 'log_delivery_configuration.workspace_ids_filter' must hold workspace ids, got {}", w));
    ConfigurationRecord c;
    c.account_id = account_id_;
    c.config_id = new_uuid();
    c.config_name = q.config_name.value_or("");
    c.credentials_id = *q.credentials_id;
    c.storage_configuration_id = *q.storage_configuration_id;
    c.delivery_path_prefix = prefix;
    c.creation_time = c.update_time = clock_.now();
    c.delivery_start_time =
        q.delivery_start_time && !q.delivery_start_time->empty() ? *q.delivery_start_time : to_rfc3339(c.creation_time).substr(0, 7);
    c.log_type = type;
    c.output_format = format;
    c.status = status;
    c.workspace_ids_filter = q.workspace_ids_filter;
    c.log_delivery_status.message = "Log Delivery Configuration is successfully created. Status will be updated after the first delivery attempt.";
    TARN_CHECK(within_limits(t, c));
    t.audit().params["config_id"] = c.config_id;
    if (!kConfigurations.insert(t, c) || !kCursors.insert(t, {.config_id = c.config_id})) throw std::logic_error("a new id is taken");
    return LogDeliveryConfiguration(c);
  });
}

Result<LogDeliveryConfiguration> LogDelivery::get(const std::string& config_id) {
  const auto found = store_.read_as([&](store::ReadTxn& t) { return kConfigurations.get(t, config_id); });
  if (!found) return fail(no_configuration(config_id));
  return LogDeliveryConfiguration(found->value);
}

std::vector<LogDeliveryConfiguration> LogDelivery::list() {
  const auto all = store_.read_as([&](store::ReadTxn& t) { return kConfigurations.scan(t); });
  return {all.begin(), all.end()};
}

Result<void> LogDelivery::set_status(const access::Context& ctx, const std::string& config_id, const std::string& status) {
  return store_.write_as(ctx.event("accounts", "updateLogDelivery", {{"config_id", config_id}, {"status", status}}),
                         [&](store::WriteTxn& t) -> Result<void> {
                           auto found = kConfigurations.get(t, config_id);
                           if (!found) return fail(no_configuration(config_id));
                           if (status != "ENABLED" && status != "DISABLED")
                             return invalid("Field 'status' must be ENABLED or DISABLED, got '" + status + "'");
                           found->value.status = status;
                           found->value.update_time = clock_.now();
                           TARN_CHECK(within_limits(t, found->value));
                           if (!kConfigurations.update(t, found->value)) throw std::logic_error("a configuration that was read is gone");
                           return {};
                         });
}

void LogDelivery::finished(const std::string& config_id, const std::string& problem, std::optional<std::int64_t> delivered) {
  store::AuditEvent event{.service = "accounts", .action = kDelivered, .principal = "System-User", .params = {{"config_id", config_id}}};
  if (!problem.empty()) event.outcome = store::Outcome::failed, event.status = 400, event.error = problem;
  store_.write(std::move(event), [&](store::WriteTxn& t) {
    auto c = kConfigurations.get(t, config_id);
    if (!c) return false;
    auto& s = c->value.log_delivery_status;
    s.last_attempt_time = to_rfc3339(clock_.now());
    if (problem.empty()) {
      s.status = "SUCCEEDED";
      s.message = "Log Delivery Configuration is successfully delivered.";
      s.last_successful_attempt_time = s.last_attempt_time;
    } else {
      s.status = "USER_FAILURE";
      s.message = problem;
    }
    if (delivered)
      if (auto cursor = kCursors.get(t, config_id); cursor && cursor->value.delivered < *delivered) {
        cursor->value.delivered = *delivered;
        if (!kCursors.update(t, cursor->value)) throw std::logic_error("a cursor that was read is gone");
      }
    return kConfigurations.update(t, c->value).has_value();
  });
}

void LogDelivery::deliver_audit(const std::string& config_id) {
  const auto [c, cursor] =
      store_.read_as([&](store::ReadTxn& t) { return std::pair(kConfigurations.get(t, config_id), kCursors.get(t, config_id)); });
  if (!c || !cursor) return;
  const auto& filter = c->value.workspace_ids_filter;
  // An account-level configuration takes every event, one with a filter those of its workspaces. Deliveries do not report themselves.
  const auto wanted = [&](const store::AuditRecord& r) {
    if (r.event.action == kDelivered && r.event.principal == "System-User") return false;
    return filter.empty() || (r.event.workspace_id && std::ranges::find(filter, *r.event.workspace_id) != filter.end());
  };
  auto events = store_.audit_log({.after_sequence = cursor->value.delivered, .from = c->value.creation_time}, kBatch);
  auto until = cursor->value.claimed;
  if (until <= cursor->value.delivered) {
    if (std::ranges::none_of(events, wanted)) return;
    until = events.back().sequence;
    bool claimed = false;
    store_.write({.service = "accounts", .action = kDelivered, .principal = "System-User", .params = {{"config_id", config_id}}},
                 [&](store::WriteTxn& t) {
                   auto now = kCursors.get(t, config_id);
                   if (!now || now->value.claimed > cursor->value.delivered || now->value.delivered != cursor->value.delivered) return false;
                   now->value.claimed = until;
                   return claimed = kCursors.update(t, now->value).has_value();
                 });
    if (!claimed) return;  // another server did
  }
  const auto bucket = parts_.bucket_of(c->value.storage_configuration_id);
  if (!bucket) return finished(config_id, "The storage configuration is gone.", std::nullopt);
  std::map<std::string, std::string> files;
  for (const auto& r : events)
    if (r.sequence <= until && wanted(r))
      files[fmt::format("{}workspaceId={}/date={}/auditlogs_{:019}.json", folder(c->value.delivery_path_prefix), r.event.workspace_id.value_or(0),
                        to_rfc3339(r.at).substr(0, 10), until)] += line(r, account_id_);
  for (const auto& [key, content] : files)
    if (const auto put = objects_.put({*bucket, key}, content); !put) return finished(config_id, put.error().message, std::nullopt);
  finished(config_id, "", until);
}

void LogDelivery::deliver_usage(const std::string& config_id) {
  const auto c = store_.read_as([&](store::ReadTxn& t) { return kConfigurations.get(t, config_id); });
  if (!c) return;
  const auto bucket = parts_.bucket_of(c->value.storage_configuration_id);
  const auto month = to_rfc3339(clock_.now()).substr(0, 7);
  if (month < c->value.delivery_start_time) return;
  const auto span = month_at(clock_.now());
  // Hours that have ended do not change any more, so a file is written at most once an hour.
  const auto rows = parts_.usage ? parts_.usage(span.from, clock_.now() / 3'600'000 * 3'600'000) : std::vector<UsageRecord>{};
  bool wrote = false;
  for (const auto& w : workspaces_.all()) {
    const auto& filter = c->value.workspace_ids_filter;
    if (!filter.empty() && std::ranges::find(filter, w.id) == filter.end()) continue;
    if (!bucket) return finished(config_id, "The storage configuration is gone.", std::nullopt);
    const objects::Url file{*bucket,
                            fmt::format("{}billable-usage/csv/workspaceId={}-usageMonth={}.csv", folder(c->value.delivery_path_prefix), w.id, month)};
    std::string text = kUsageHeader;
    for (const auto& u : rows)
      if (u.workspace_id == w.id) text += usage_line(u);
    const auto hash = std::hash<std::string>{}(text);
    const std::string name = file.bucket + "/" + file.key;
    if (const auto known = written_.find(name); known != written_.end() && known->second == hash) continue;
    const bool empty = text == kUsageHeader;
    const auto put = objects_.put(file, text, empty);
    if (!put && put.error().code != objects::Errc::already_exists) {
      if (c->value.log_delivery_status.message != put.error().message) finished(config_id, put.error().message, std::nullopt);
      return;
    }
    written_[name] = hash;
    wrote = wrote || put.has_value();
  }
  if (wrote) finished(config_id, "", std::nullopt);
}

void LogDelivery::deliver() {
  for (const auto& c : list()) {
    if (c.status != "ENABLED") continue;
    try {
      c.log_type == kAudit ? deliver_audit(c.config_id) : deliver_usage(c.config_id);
    } catch (const std::exception& e) {
      spdlog::warn("log delivery {}: {}", c.config_id, e.what());
    }
  }
}

}  // namespace tarn::billing
