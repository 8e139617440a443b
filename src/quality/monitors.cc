#include "quality/monitors.h"

#include <charconv>

#include "base/cron.h"
#include "base/log.h"
#include "base/mail_address.h"
#include "quality/metrics.h"

namespace tarn::quality {
namespace {

using catalog::Privilege;
using catalog::SecurableType;
constexpr const char* kService = "lakehouseMonitoring";
constexpr std::size_t kMostSlices = 20, kMostColumns = 500, kMostAddresses = 5;
constexpr auto kLook = std::chrono::milliseconds(500);

std::string lower_case(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

std::optional<catalog::TableName> parts_of_name(const std::string& full) {
  const auto first = full.find('.'), second = first == full.npos ? first : full.find('.', first + 1);
  if (second == full.npos || full.find('.', second + 1) != full.npos || first == 0 || second == first + 1 || second + 1 == full.size())
    return std::nullopt;
  return catalog::TableName{lower_case(full.substr(0, first)), lower_case(full.substr(first + 1, second - first - 1)),
                            lower_case(full.substr(second + 1))};
}

std::string quoted_name(const std::string& dotted) {
  std::string out = "`";
  for (const char c : dotted) out += c == '.' ? std::string("`.`") : c == '`' ? std::string("``") : std::string(1, c);
  return out + "`";
}

Error catalog_refusal(const catalog::Error& e) {
  switch (e.code) {
    case catalog::Errc::permission_denied:
      return {Errc::permission_denied, e.message};
    case catalog::Errc::not_found:
    case catalog::Errc::no_metastore:
      return {Errc::not_found, e.message};
    default:
      return {Errc::invalid, e.message};
  }
}

Error no_monitor(const std::string& table) { return {Errc::not_found, "Table '" + table.substr(0, 300) + "' has no monitor."}; }

const catalog::ColumnInfo* column_of(const catalog::TableInfo& t, const std::string& name) {
  for (const auto& c : t.columns)
    if (lower_case(c.name) == lower_case(name)) return &c;
  return nullptr;
}

Result<void> must_have(const catalog::TableInfo& t, const std::string& field, const std::string& name) {
  if (name.empty()) return refuse(Errc::invalid, "Field '" + field + "' is required");
  if (!column_of(t, name)) return refuse(Errc::invalid, "Field '" + field + "': the table has no column '" + name.substr(0, 100) + "'");
  return {};
}

Result<void> check_windows(const catalog::TableInfo& t, const std::string& field, const std::string& timestamp,
                           const std::vector<std::string>& granularities) {
  TARN_CHECK(must_have(t, field + ".timestamp_col", timestamp));
  const auto& type = column_of(t, timestamp)->type_text;
  if (type != "timestamp" && type != "timestamp_ntz" && type != "date")
    return refuse(Errc::invalid, "Field '" + field + ".timestamp_col' must name a timestamp or date; '" + timestamp + "' is " + type);
  if (granularities.empty()) return refuse(Errc::invalid, "Field '" + field + ".granularities' is required");
  for (const auto& g : granularities)
    if (!known_granularity(g))
      return refuse(Errc::invalid, "Field '" + field +
                                       ".granularities' must hold '5 minutes', '30 minutes', '1 hour', '1 day', 'N week(s)', '1 month' or "
                                       "'1 year', got '" +
                                       g.substr(0, 50) + "'");
  return {};
}

/// The next time of a schedule; 0: never.
Result<Millis> next_of(const Definition& d, Millis now) {
  if (!d.schedule || !d.schedule->on()) return Millis(0);
  const auto cron = Cron::parse(d.schedule->quartz_cron_expression);
  if (!cron) return refuse(Errc::invalid, "Field 'schedule.quartz_cron_expression': " + cron.error());
  const auto zone = TimeZone::find(d.schedule->timezone_id);
  if (!zone) return refuse(Errc::invalid, "Field 'schedule.timezone_id': there is no time zone '" + d.schedule->timezone_id.substr(0, 60) + "'");
  return cron->next(now, *zone).value_or(0);
}

}  // namespace

Monitors::Monitors(store::Store& store, catalog::Catalog& catalog, identity::Directory& directory, const Clock& clock, Run run, Mail mail,
                   std::string server_id)
    : store_(store),
      catalog_(catalog),
      directory_(directory),
      clock_(clock),
      run_(std::move(run)),
      mail_(std::move(mail)),
      server_id_(std::move(server_id)) {}

Result<catalog::TableInfo> Monitors::table_of(const access::Context& ctx, const std::string& given, Privilege privilege) {
  const auto name = parts_of_name(given);
  if (!name) return refuse(Errc::invalid, "Field 'table_name' must be catalog.schema.table, got '" + given.substr(0, 200) + "'");
  if (auto may = catalog_.require(ctx, privilege, SecurableType::TABLE, name->full()); !may) return fail(catalog_refusal(may.error()));
  auto table = catalog_.table(ctx, *name);
  if (!table) return fail(catalog_refusal(table.error()));
  return *std::move(table);
}

Result<Monitor> Monitors::managed(const access::Context& ctx, const std::string& given, const char* action) {
  auto m = monitor_of(ctx, given, Privilege::MANAGE);
  if (!m) return fail(store_.refused(ctx.event(kService, action, {{"table_name", given.substr(0, 300)}}), m.error()));
  return m;
}

Result<Monitor> Monitors::monitor_of(const access::Context& ctx, const std::string& given, Privilege privilege) {
  TARN_TRY(table, table_of(ctx, given, privilege));
  const auto found = store_.read_as([&](store::ReadTxn& t) { return kMonitors.get(t, table.full_name); });
  if (!found || found->value.table_id != table.table_id) return fail(no_monitor(table.full_name));
  return found->value;
}

Result<void> Monitors::check(const access::Context& ctx, const catalog::TableInfo& table, const Definition& d) {
  if (table.table_type == catalog::TableType::VIEW || table.data_source_format.value_or("") != "DELTA")
    return refuse(Errc::invalid, "Only Delta tables can be monitored; '" + table.full_name + "' is none");
  if (table.columns.size() > kMostColumns) return refuse(Errc::invalid, fmt::format("A monitored table must have at most {} columns", kMostColumns));
  const int kinds = (d.inference_log ? 1 : 0) + (d.time_series ? 1 : 0) + (d.snapshot ? 1 : 0);
  if (kinds != 1) return refuse(Errc::invalid, "Exactly one of the fields 'snapshot', 'time_series' and 'inference_log' must be there");
  if (d.time_series) TARN_CHECK(check_windows(table, "time_series", d.time_series->timestamp_col, d.time_series->granularities));
  if (d.inference_log) {
    const auto& log = *d.inference_log;
    TARN_CHECK(check_windows(table, "inference_log", log.timestamp_col, log.granularities));
    TARN_CHECK(must_have(table, "inference_log.model_id_col", log.model_id_col));
    TARN_CHECK(must_have(table, "inference_log.prediction_col", log.prediction_col));
    if (log.label_col) TARN_CHECK(must_have(table, "inference_log.label_col", *log.label_col));
    if (log.prediction_proba_col) return refuse(Errc::not_enabled, "Metrics of probabilities (inference_log.prediction_proba_col)");
  }
  const auto dot = d.output_schema_name.find('.');
  if (dot == std::string::npos || d.output_schema_name.find('.', dot + 1) != std::string::npos)
    return refuse(Errc::invalid, "Field 'output_schema_name' must be catalog.schema, got '" + d.output_schema_name.substr(0, 200) + "'");
  if (auto may = catalog_.require(ctx, Privilege::CREATE_TABLE, SecurableType::SCHEMA, lower_case(d.output_schema_name)); !may)
    return fail(catalog_refusal(may.error()));
  if (d.baseline_table_name) {
    auto baseline = table_of(ctx, *d.baseline_table_name, Privilege::SELECT);
    if (!baseline) return refuse(baseline.error().code, "Field 'baseline_table_name': " + baseline.error().message);
  }
  if (d.slicing_exprs.size() > kMostSlices)
    return refuse(Errc::invalid, fmt::format("Field 'slicing_exprs' must have at most {} entries", kMostSlices));
  for (std::size_t i = 0; i < d.slicing_exprs.size(); ++i) {
    const auto tried = run_(ctx, "SELECT CAST((" + d.slicing_exprs[i] + "\n) AS STRING) FROM " + quoted_name(table.full_name) + " LIMIT 0", {});
    if (!tried) return refuse(Errc::invalid, fmt::format("Field 'slicing_exprs[{}]': {}", i, tried.error()));
  }
  TARN_CHECK(next_of(d, clock_.now()));
  if (d.notifications) {
    const auto& n = *d.notifications;
    if (n.on_new_classification_tag_detected && !n.on_new_classification_tag_detected->email_addresses.empty())
      return refuse(Errc::not_enabled, "Data classification by a monitor (notifications.on_new_classification_tag_detected)");
    if (n.on_failure && !n.on_failure->email_addresses.empty()) {
      if (!mail_) return refuse(Errc::not_enabled, "Mail from a monitor (notifications.on_failure), without a mail relay (tarn serve --smtp),");
      if (n.on_failure->email_addresses.size() > kMostAddresses)
        return refuse(Errc::invalid, fmt::format("Field 'notifications.on_failure.email_addresses' must have at most {} entries", kMostAddresses));
      for (const auto& address : n.on_failure->email_addresses)
        if (!is_mail_address(address))
          return refuse(Errc::invalid, "Field 'notifications.on_failure.email_addresses': '" + address.substr(0, 100) + "' is no e-mail address");
    }
  }
  return {};
}

Refresh Monitors::begin(store::WriteTxn& t, Monitor& m, RefreshTrigger trigger) {
  Refresh r{.table_id = m.table_id, .table_name = m.table_name, .server_id = server_id_, .refresh_id = ++m.last_refresh, .trigger = trigger};
  r.start_time_ms = clock_.now();
  if (!kRefreshes.insert(t, r)) throw std::logic_error("a refresh of this number is there already");
  if (m.last_refresh > static_cast<std::int64_t>(kKeptRefreshes))
    kRefreshes.erase(t, store::key({m.table_id, store::sortable(m.last_refresh - static_cast<std::int64_t>(kKeptRefreshes))}));
  return r;
}

Result<Monitor> Monitors::create(const access::Context& ctx, const std::string& given, const Definition& wanted) {
  const auto event = ctx.event(kService, "createMonitor", {{"table_name", given.substr(0, 300)}});
  const auto prepared = [&]() -> Result<catalog::TableInfo> {
    TARN_TRY(found, table_of(ctx, given, Privilege::MANAGE));
    if (!wanted.assets_dir) return refuse(Errc::invalid, "Field 'assets_dir' is required");
    TARN_CHECK(check(ctx, found, wanted));
    return found;
  }();
  if (!prepared) return fail(store_.refused(event, prepared.error()));
  const auto& table = *prepared;
  Monitor m;
  static_cast<Definition&>(m) = wanted;
  m.output_schema_name = lower_case(wanted.output_schema_name);
  m.table_name = table.full_name;
  m.table_id = table.table_id;
  m.workspace_id = ctx.workspace_id.value_or(0);
  m.creator_id = ctx.caller.id;
  m.created_at = clock_.now();
  TARN_TRY(next, next_of(m, clock_.now()));
  m.next_fire = next;
  auto out = store_.write_as(event, [&](store::WriteTxn& t) -> Result<Monitor> {
    if (const auto old = kMonitors.get(t, m.table_name)) {
      if (old->value.table_id == m.table_id) return refuse(Errc::already_exists, "Table '" + m.table_name + "' has a monitor already.");
      kMonitors.erase(t, m.table_name);  // of a table of this name that is gone
    }
    // The first metrics come by themselves.
    begin(t, m, RefreshTrigger::MANUAL);
    if (!kMonitors.insert(t, m)) throw std::logic_error("a monitor is there that was not");
    return m;
  });
  if (out) {
    std::lock_guard lock(mutex_);
    due_ = true;
    wake_.notify_all();
  }
  return out;
}

Result<Monitor> Monitors::get(const access::Context& ctx, const std::string& table) { return monitor_of(ctx, table, Privilege::SELECT); }

Result<Monitor> Monitors::update(const access::Context& ctx, const std::string& given, const Definition& wanted) {
  TARN_TRY(m, managed(ctx, given, "updateMonitor"));
  Definition next = wanted;
  next.assets_dir = m.assets_dir;
  next.output_schema_name = lower_case(next.output_schema_name);
  const auto prepared = [&]() -> Result<Millis> {
    TARN_TRY(table, table_of(ctx, given, Privilege::MANAGE));
    TARN_CHECK(check(ctx, table, next));
    return next_of(next, clock_.now());
  }();
  if (!prepared) return fail(store_.refused(ctx.event(kService, "updateMonitor", {{"table_name", m.table_name}}), prepared.error()));
  const Millis fires = *prepared;
  return store_.write_as(ctx.event(kService, "updateMonitor", {{"table_name", m.table_name}}), [&](store::WriteTxn& t) -> Result<Monitor> {
    auto found = kMonitors.get(t, m.table_name);
    if (!found || found->value.table_id != m.table_id) return fail(no_monitor(m.table_name));
    static_cast<Definition&>(found->value) = next;
    ++found->value.monitor_version;
    found->value.creator_id = ctx.caller.id;  // whose rights were asked
    found->value.workspace_id = ctx.workspace_id.value_or(0);
    found->value.next_fire = fires;
    if (!kMonitors.update(t, found->value)) throw std::logic_error("a monitor vanished inside its transaction");
    return found->value;
  });
}

Result<void> Monitors::remove(const access::Context& ctx, const std::string& given) {
  TARN_TRY(m, managed(ctx, given, "deleteMonitor"));
  return store_.write_as(ctx.event(kService, "deleteMonitor", {{"table_name", m.table_name}}), [&](store::WriteTxn& t) -> Result<void> {
    if (!kMonitors.erase(t, m.table_name)) return fail(no_monitor(m.table_name));
    for (const auto& r : kRefreshes.scan(t, store::prefix({m.table_id}))) kRefreshes.erase(t, r.store_key());
    return {};
  });
}

Result<Refresh> Monitors::refresh(const access::Context& ctx, const std::string& given) {
  TARN_TRY(m, managed(ctx, given, "runRefresh"));
  auto out = store_.write_as(ctx.event(kService, "runRefresh", {{"table_name", m.table_name}}), [&](store::WriteTxn& t) -> Result<Refresh> {
    auto found = kMonitors.get(t, m.table_name);
    if (!found || found->value.table_id != m.table_id) return fail(no_monitor(m.table_name));
    const auto r = begin(t, found->value, RefreshTrigger::MANUAL);
    if (!kMonitors.update(t, found->value)) throw std::logic_error("a monitor vanished inside its transaction");
    return r;
  });
  if (out) {
    std::lock_guard lock(mutex_);
    due_ = true;
    wake_.notify_all();
  }
  return out;
}

Result<std::vector<Refresh>> Monitors::refreshes(const access::Context& ctx, const std::string& given) {
  TARN_TRY(m, monitor_of(ctx, given, Privilege::SELECT));
  auto out = store_.read_as([&](store::ReadTxn& t) { return kRefreshes.scan(t, store::prefix({m.table_id})); });
  std::ranges::reverse(out);
  return out;
}

Result<Refresh> Monitors::refresh_of(const access::Context& ctx, const std::string& given, const std::string& id) {
  TARN_TRY(m, monitor_of(ctx, given, Privilege::SELECT));
  std::int64_t number = 0;
  const auto [end, bad] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (bad != std::errc() || end != id.data() + id.size())
    return refuse(Errc::invalid, "Field 'refresh_id' must be a number, got '" + id.substr(0, 50) + "'");
  const auto found = store_.read_as([&](store::ReadTxn& t) { return kRefreshes.get(t, store::key({m.table_id, store::sortable(number)})); });
  if (!found) return refuse(Errc::not_found, "The monitor of '" + m.table_name + "' has no refresh " + id + ".");
  return found->value;
}

Result<void> Monitors::cancel(const access::Context& ctx, const std::string& given, const std::string& id) {
  TARN_TRY(m, managed(ctx, given, "cancelRefresh"));
  TARN_TRY(r, refresh_of(ctx, given, id));
  auto done = store_.write_as(ctx.event(kService, "cancelRefresh", {{"table_name", m.table_name}, {"refresh_id", id}}),
                              [&](store::WriteTxn& t) -> Result<void> {
                                auto found = kRefreshes.get(t, r.store_key());
                                if (!found || found->value.over()) return {};
                                found->value.state = RefreshState::CANCELED;
                                found->value.end_time_ms = clock_.now();
                                found->value.message = "Canceled by " + ctx.caller.name;
                                if (!kRefreshes.update(t, found->value)) throw std::logic_error("a refresh vanished inside its transaction");
                                return {};
                              });
  if (!done) return done;
  std::lock_guard lock(mutex_);
  if (running_ == r.store_key()) under_way_.request_stop();
  return {};
}

void Monitors::start() {
  thread_ = std::jthread([this](std::stop_token stop) { keep(stop); });
}

void Monitors::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  {
    std::lock_guard lock(mutex_);
    under_way_.request_stop();
    wake_.notify_all();
  }
  thread_.join();
}

void Monitors::keep(std::stop_token stop) {
  while (!stop.stop_requested()) {
    try {
      fire_schedules();
      while (!stop.stop_requested()) {
        auto r = next();
        if (!r) break;
        perform(*r, stop);
      }
    } catch (const std::exception& e) {
      spdlog::warn("quality: refreshes cannot be read cause=\"{}\"", e.what());
    }
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, stop, kLook, [&] { return due_; });
    due_ = false;
  }
}

void Monitors::fire_schedules() {
  const auto now = clock_.now();
  const auto all = store_.read_as([&](store::ReadTxn& t) { return kMonitors.scan(t); });
  for (const auto& m : all) {
    if (m.next_fire == 0 || m.next_fire > now) continue;
    store_.write(access::system_context().event(kService, "scheduleRefresh", {{"table_name", m.table_name}}), [&](store::WriteTxn& t) {
      auto found = kMonitors.get(t, m.table_name);
      if (!found || found->value.next_fire != m.next_fire) {
        t.audit().outcome = store::Outcome::failed;
        t.audit().status = 409;
        t.audit().error = "Another server was first.";
        return false;
      }
      found->value.next_fire = next_of(found->value, now).value_or(0);
      begin(t, found->value, RefreshTrigger::SCHEDULE);
      return static_cast<bool>(kMonitors.update(t, found->value));
    });
  }
}

std::optional<Refresh> Monitors::next() {
  return store_.read_as([&](store::ReadTxn& t) -> std::optional<Refresh> {
    for (const auto& m : kMonitors.scan(t))
      for (const auto& r : kRefreshes.scan(t, store::prefix({m.table_id})))
        if (r.server_id == server_id_ && !r.over()) return r;
    return std::nullopt;
  });
}

std::optional<Refresh> Monitors::move(const Refresh& r, const std::function<bool(Refresh&)>& change) {
  std::optional<Refresh> out;
  auto event =
      access::system_context().event(kService, "refreshMonitor", {{"table_name", r.table_name}, {"refresh_id", std::to_string(r.refresh_id)}});
  store_.write(std::move(event), [&](store::WriteTxn& t) {
    auto found = kRefreshes.get(t, r.store_key());
    if (!found || found->value.over() || !change(found->value)) {
      t.audit().outcome = store::Outcome::failed;
      t.audit().status = 409;
      t.audit().error = "The refresh is over.";
      return false;
    }
    if (!kRefreshes.update(t, found->value)) return false;
    if (auto m = kMonitors.get(t, r.table_name); m && m->value.table_id == r.table_id && found->value.over()) {
      const bool failed = found->value.state == RefreshState::FAILED;
      m->value.status = failed ? MonitorStatus::MONITOR_STATUS_ERROR : MonitorStatus::MONITOR_STATUS_ACTIVE;
      m->value.latest_monitor_failure_msg = failed ? std::optional(found->value.message) : std::nullopt;
      if (!kMonitors.update(t, m->value)) return false;
    }
    out = found->value;
    return true;
  });
  return out;
}

void Monitors::perform(const Refresh& r, const std::stop_token& ends) {
  const auto begun = move(r, [](Refresh& now) {
    now.state = RefreshState::RUNNING;
    return true;
  });
  if (!begun) return;
  std::stop_token stop;
  {
    std::lock_guard lock(mutex_);
    running_ = r.store_key();
    under_way_ = std::stop_source();
    stop = under_way_.get_token();
    if (ends.stop_requested()) under_way_.request_stop();  // stop() may have looked before
  }
  const auto m = store_.read_as([&](store::ReadTxn& t) { return kMonitors.get(t, r.table_name); });
  Expected<void, std::string> made = fail(std::string("The monitor is gone."));
  try {
    if (m && m->value.table_id == r.table_id) made = make(m->value, stop);
  } catch (const std::exception& e) {
    made = fail(std::string("The refresh failed: ") + e.what());
  }
  {
    std::lock_guard lock(mutex_);
    running_.clear();
  }
  if (ends.stop_requested() && !made) return;  // begins again with the next start
  const auto done = move(r, [&](Refresh& now) {
    now.state = made ? RefreshState::SUCCESS : RefreshState::FAILED;
    now.message = made ? "" : made.error().substr(0, 4000);
    now.end_time_ms = clock_.now();
    return true;
  });
  if (done && !made && m) tell(m->value, *done);
}

void Monitors::tell(const Monitor& m, const Refresh& r) {
  if (!mail_ || !m.notifications || !m.notifications->on_failure || m.notifications->on_failure->email_addresses.empty()) return;
  const auto sent = mail_(m.notifications->on_failure->email_addresses, "Monitor of " + m.table_name + " failed",
                          fmt::format("Refresh {} of the quality monitor of {} failed:\n\n{}\n", r.refresh_id, m.table_name, r.message));
  auto event = access::system_context().event(kService, "notify", {{"table_name", m.table_name}, {"refresh_id", std::to_string(r.refresh_id)}});
  if (!sent) {
    event.outcome = store::Outcome::failed;
    event.status = 502;
    event.error = sent.error();
  }
  store_.write(std::move(event), [](store::WriteTxn&) { return true; });
}

Expected<void, std::string> Monitors::make(const Monitor& m, std::stop_token stop) {
  const auto caller = directory_.caller(m.creator_id, m.workspace_id);
  if (!caller) return fail(std::string("Whose rights the monitor is refreshed with is gone: update the monitor as somebody else."));
  access::Context ctx;
  ctx.caller = *caller;
  ctx.workspace_id = m.workspace_id;
  ctx.request_id = "quality-monitor-" + m.table_id;
  const auto table = catalog_.table(ctx, *parts_of_name(m.table_name));
  if (!table) return fail(table.error().message);
  MetricsInput in{.monitor = m, .pinned = !table->governed(), .now = clock_.now()};
  for (const auto& c : table->columns) in.columns.push_back({c.name, c.type_text});
  if (m.baseline_table_name) {
    const auto baseline = catalog_.table(ctx, *parts_of_name(*m.baseline_table_name));
    if (!baseline) return fail(baseline.error().message);
    for (const auto& c : in.columns)
      if (const auto* there = column_of(*baseline, c.name); there && there->type_text == c.type) in.baseline_columns.push_back(c.name);
    if (in.baseline_columns.empty()) return fail("The baseline table '" + *m.baseline_table_name + "' has no column of the monitored table.");
  }
  TARN_TRY(history, run_(ctx, "DESCRIBE HISTORY " + quoted_name(m.table_name), stop));  // the version is its first column
  for (const auto& row : history)
    if (!row.empty() && row[0]) in.version = std::max<std::int64_t>(in.version, std::atoll(row[0]->c_str()));
  TARN_CHECK(run_(ctx, profile_sql(in), stop));
  TARN_CHECK(run_(ctx, drift_sql(in), stop));
  return {};
}

}  // namespace tarn::quality
