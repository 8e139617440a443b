#include "sql/statements.h"

#include "base/ids_in_time.h"
#include "base/log.h"
#include "sql/profile.h"
#include "sql/secret_text.h"
#include "sql/types.h"
#include "sql/wire.h"

namespace tarn::sql {
namespace {

constexpr std::size_t kMostInlineBytes = 26'214'400;
constexpr std::size_t kMostHistoryRows = 100'000;
constexpr Millis kForgetEvery = 3'600'000;
constexpr std::size_t kMostWaiting = 1'000;  // the vendor's limit on a warehouse's queue

Result<Millis> wait_of(const std::optional<std::string>& text) {
  if (!text) return 10'000;
  const auto bad = [&] { return refuse(Errc::invalid, "Field 'wait_timeout' must be 0s or between 5s and 50s, got '" + *text + "'"); };
  if (text->size() < 2 || text->size() > 4 || text->back() != 's') return bad();
  int n = 0;
  for (const char c : std::string_view(*text).substr(0, text->size() - 1)) {
    if (c < '0' || c > '9') return bad();
    n = n * 10 + (c - '0');
  }
  if (n != 0 && (n < 5 || n > 50)) return bad();
  return n * 1000;
}

}  // namespace

std::string statement_error_code(Errc code) {
  switch (code) {
    case Errc::parse:
    case Errc::unsupported:
    case Errc::unresolved:
    case Errc::permission_denied:
    case Errc::principal_not_found:
    case Errc::invalid:
    case Errc::conflict:
    case Errc::engine:
    case Errc::too_large:
      return "BAD_REQUEST";
    case Errc::not_found:
      return "NOT_FOUND";
    case Errc::already_exists:
      return "ALREADY_EXISTS";
    case Errc::cancelled:
      return "CANCELLED";
    case Errc::timeout:
      return "DEADLINE_EXCEEDED";
    case Errc::unavailable:
      return "TEMPORARILY_UNAVAILABLE";
  }
  throw std::logic_error("an error code without a meaning");
}

Statement::Snapshot Statement::snapshot() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

bool Statement::done() const {
  const std::lock_guard lock(mutex_);
  return now_.ended_at != 0;
}

void Statement::on_done(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (now_.ended_at == 0) {
      waiters_.push_back(std::move(callback));
      return;
    }
  }
  callback();
}

/// Collects a running statement's result; gives up where the client's or the vendor's limit is reached.
class Statements::Sink final : public ResultSink {
 public:
  Sink(Statements& owner, Statement& s) : owner_(owner), s_(s) {}
  void schema(std::vector<ResultColumn> columns) override {
    const std::lock_guard lock(s_.mutex_);
    s_.now_.columns = std::move(columns);
    s_.now_.has_schema = true;
  }
  bool chunk(std::string content, std::int64_t rows) override {
    if (s_.format == ResultFormat::CSV) content = csv_of(content, index_ == 0 ? &s_.now_.columns : nullptr);
    auto c = std::make_shared<Chunk>();
    c->bytes = content.size();
    c->rows = rows;
    c->row_offset = rows_;
    if (s_.disposition == Disposition::INLINE && bytes_ + c->bytes > kMostInlineBytes) {
      broken = Error{Errc::too_large, fmt::format("Inline byte limit exceeded. Statements executed with disposition=INLINE can have a result size of "
                                                  "at most {} bytes. Please execute the statement with "
                                                  "disposition=EXTERNAL_LINKS if you want to download the full result.",
                                                  kMostInlineBytes)};
      return false;
    }
    if (s_.byte_limit && bytes_ + c->bytes > static_cast<std::size_t>(*s_.byte_limit) && bytes_ > 0) return cut_short = true, false;
    if (s_.disposition == Disposition::EXTERNAL_LINKS) {
      const objects::Url url{owner_.options_.results_bucket, fmt::format("statements/{}/{:06}.{}", s_.id, index_,
                                                                         s_.format == ResultFormat::ARROW_STREAM ? "arrow"
                                                                         : s_.format == ResultFormat::CSV        ? "csv"
                                                                                                                 : "json")};
      if (auto put = owner_.objects_.put(url, content); !put) {
        broken = Error{Errc::unavailable, "The result cannot be stored: " + put.error().message};
        return false;
      }
      c->object = url;
    } else {
      c->content = std::move(content);
    }
    rows_ += rows;
    bytes_ += c->bytes;
    ++index_;
    const std::lock_guard lock(s_.mutex_);
    s_.now_.chunks.push_back(std::move(c));
    s_.now_.rows = rows_;
    if (s_.byte_limit && bytes_ >= static_cast<std::size_t>(*s_.byte_limit)) return cut_short = true, false;
    return true;
  }
  std::optional<Error> broken;
  bool cut_short = false;

 private:
  Statements& owner_;
  Statement& s_;
  std::int64_t rows_ = 0;
  std::size_t bytes_ = 0;
  int index_ = 0;
};

Statements::Statements(Executor& executor, Warehouses& warehouses, store::Store& store, objects::ObjectStore& objects,
                       objects::CredentialVendor& vendor, const Clock& clock, StatementOptions options)
    : executor_(executor),
      warehouses_(warehouses),
      store_(store),
      objects_(objects),
      vendor_(vendor),
      clock_(clock),
      options_(std::move(options)),
      sessions_(clock),
      keeper_([this] { keep_house(); }),
      scheduler_(options_.threads) {
  warehouses_.set_use(this);
  executor_.set_history([this] {
    std::vector<HistoryRow> out;
    for (const auto& r : all_history(kMostHistoryRows))
      out.push_back({.statement_id = r.id,
                     .status = std::string(history_status(r.state)),
                     .warehouse_id = r.warehouse_id,
                     .user_name = r.user_name,
                     .text = r.text,
                     .type = r.kind.empty() ? "" : statement_type(r.kind),
                     .error = r.error_message,
                     .client = r.client,
                     .workspace_id = r.workspace_id,
                     .user_id = r.user_id,
                     .started_at = r.started_at,
                     .ended_at = r.ended_at,
                     .queued_ms = r.queued_ms,
                     .compile_ms = r.compile_ms,
                     .execute_ms = r.execute_ms,
                     .files = r.files,
                     .bytes = r.bytes,
                     .rows = r.rows,
                     .task_ms = r.task_ms,
                     .pruned_files = r.pruned_files,
                     .rows_read = r.rows_read,
                     .spilled_bytes = r.spilled_bytes,
                     .written_bytes = r.written_bytes,
                     .from_cache = r.from_cache});
    return out;
  });
}

Statements::~Statements() {
  warehouses_.set_use(nullptr);
  executor_.set_history({});
  std::vector<std::shared_ptr<Statement>> running;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [id, s] : live_) running.push_back(s);
  }
  for (auto& s : running)
    if (!s->done()) s->cancel.cancel();
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  keeper_.join();
}

void Statements::recover() {
  (void)objects_.create_bucket(options_.results_bucket);
  const auto lost = store_.read_as([&](store::ReadTxn& t) { return statements_table.scan_index(t, "running", options_.server_id); });
  if (lost.empty()) return;
  const auto now = clock_.now();
  store_.write(
      access::system_context().event("databrickssql", "failLostStatements", {{"count", std::to_string(lost.size())}}), [&](store::WriteTxn& t) {
        for (auto r : lost) {
          r.state = StatementState::FAILED;
          r.error_code = "ABORTED";
          r.error_message = "The control plane was restarted while the statement ran; what it had not committed was discarded. Run it again.";
          r.ended_at = now;
          (void)statements_table.update(t, r);
        }
        return true;
      });
}

Result<std::shared_ptr<const Warehouse>> Statements::usable(const access::Context& ctx, const std::string& warehouse_id, const char* action) {
  auto w = warehouses_.use(ctx, warehouse_id);
  if (!w && w.error().code == Errc::permission_denied) store_.refused(ctx.event("databrickssql", action, {{"warehouseId", warehouse_id}}), w.error());
  return w;
}

Result<std::shared_ptr<Statement>> Statements::submit(const access::Context& ctx, const StatementRequest& r) {
  auto s = std::make_shared<Statement>();
  TARN_TRY(wait, wait_of(r.wait_timeout));
  s->wait = wait;
  s->on_wait_timeout = r.on_wait_timeout.value_or(OnWaitTimeout::CONTINUE);
  s->disposition = r.disposition.value_or(Disposition::INLINE);
  s->format = r.format.value_or(ResultFormat::JSON_ARRAY);
  if (r.statement.empty()) return refuse(Errc::invalid, "Field 'statement' is required and must not be empty");
  if (r.warehouse_id.empty()) return refuse(Errc::invalid, "Field 'warehouse_id' is required and must not be empty");
  if (wait == 0 && s->on_wait_timeout == OnWaitTimeout::CANCEL)
    return refuse(Errc::invalid, "Field 'on_wait_timeout' cannot be CANCEL when wait_timeout is 0s: the statement would never run");
  if (s->format != ResultFormat::JSON_ARRAY && s->disposition == Disposition::INLINE)
    return refuse(Errc::invalid, fmt::format("Format {} is only supported with disposition EXTERNAL_LINKS", json::name_of(s->format)));
  if (r.row_limit && *r.row_limit < 0) return refuse(Errc::invalid, "Field 'row_limit' must not be negative, got " + std::to_string(*r.row_limit));
  if (r.byte_limit && *r.byte_limit < 1) return refuse(Errc::invalid, "Field 'byte_limit' must be positive, got " + std::to_string(*r.byte_limit));
  s->row_limit = r.row_limit;
  s->byte_limit = r.byte_limit;
  for (const auto& p : r.parameters) {
    if (p.name.empty()) return refuse(Errc::invalid, "Field 'parameters' holds an entry without a name");
    if (!s->session.parameters.emplace(p.name, Parameter{p.value, p.type.value_or("STRING")}).second)
      return refuse(Errc::invalid, "Field 'parameters' names '" + p.name + "' twice");
  }
  TARN_TRY(w, usable(ctx, r.warehouse_id, "commandSubmit"));
  if (r.session_id) {
    TARN_TRY(state, sessions_.find(ctx, *r.session_id, r.warehouse_id));
    s->session.state = std::move(state);
  }
  s->started_at = clock_.now();
  s->id = new_uuid_at(s->started_at);
  s->warehouse_id = r.warehouse_id;
  s->text = r.statement;
  s->session.ctx = ctx;
  const auto lasting = s->session.state ? s->session.state->defaults() : SessionState::Defaults{};
  s->session.catalog = r.catalog.value_or(lasting.catalog);
  if (s->session.catalog.empty() && options_.default_catalog) s->session.catalog = options_.default_catalog(ctx);
  s->session.schema = r.schema.value_or(s->session.catalog.empty() ? "" : !r.catalog && !lasting.schema.empty() ? lasting.schema : "default");
  s->session.statement_id = s->id;
  s->session.legacy_access_off = options_.legacy_access_off && options_.legacy_access_off(ctx.workspace_id.value_or(0));
  s->session.cancel = &s->cancel;
  s->session.sail = engine_of(*w).value_or(QueryEngine::duckdb) == QueryEngine::sail;  // it was checked when it was set
  s->work.share = share_of(w->cluster_size, warehouses_.sizes());
  const auto config = warehouses_.config_of(ctx.workspace_id.value_or(0));
  s->session.statement_timeout = config.statement_timeout.value_or(options_.statement_timeout);
  s->session.use_cached_result = config.use_cached_result;
  const auto seconds = std::stoll(Executor::setting(s->session, "STATEMENT_TIMEOUT"));
  s->timeout = seconds > 0 ? seconds * 1000 : options_.statement_timeout;
  s->use_cache = Executor::setting(s->session, "USE_CACHED_RESULT") == "true";
  if (scheduler_.load(w->id).waiting >= kMostWaiting)
    return refuse(Errc::unavailable,
                  fmt::format("The queue of SQL warehouse '{}' is full: {} statements wait. Try again later.", w->name, kMostWaiting));
  {
    const std::lock_guard lock(mutex_);
    if (stop_) return refuse(Errc::unavailable, "The server is shutting down");
    live_.emplace(s->id, s);
    s->deadline_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(s->timeout);
    if (s->timeout > 0) deadlines_.emplace(std::pair(s->deadline_, s.get()), s);
  }
  if (s->timeout > 0) wake_.notify_one();
  scheduler_.post(w->id, std::to_string(ctx.caller.id), w->most_statements(), [this, s] { run(s); });
  return s;
}

void Statements::run(const std::shared_ptr<Statement>& s) {
  const Error late{Errc::timeout, fmt::format("[QUERY_EXECUTION_TIMEOUT_EXCEEDED] Query execution timeout exceeded: queries running with the current "
                                              "configuration must complete within {} seconds. SQLSTATE: 57KD0",
                                              s->timeout / 1000)};
  if (s->timed_out) return finish(*s, StatementState::FAILED, late, "", false);
  if (s->cancel.cancelled()) return finish(*s, StatementState::CANCELED, std::nullopt, "", false);
  {
    const std::lock_guard lock(s->mutex_);
    s->now_.state = StatementState::RUNNING;
    s->queued_ms_ = clock_.now() - s->started_at;
  }
  ResultOptions o;
  o.format = s->format == ResultFormat::ARROW_STREAM ? engine::Format::arrow_stream : engine::Format::json_array;
  o.row_limit = s->row_limit;
  o.timeout_ms = s->timeout;
  o.use_cache = s->use_cache;
  if (s->byte_limit) o.chunk_bytes = std::min<std::size_t>(o.chunk_bytes, static_cast<std::size_t>(*s->byte_limit));
  Sink sink(*this, *s);
  std::optional<Error> error;
  std::string kind;
  bool parsed = false;
  try {
    auto done = executor_.run(s->session, s->text, o, sink);
    if (done) {
      kind = json::name_of(done->kind);
      const std::lock_guard lock(s->mutex_);
      s->metrics_ = done->metrics;
      s->now_.truncated = done->truncated || sink.cut_short;
    } else {
      error = done.error();
    }
    parsed = done || (error->code != Errc::parse && error->code != Errc::unsupported && error->code != Errc::too_large);
  } catch (const std::exception& e) {
    // Nothing of the platform's own inside reaches the user; the log has it under the statement's id.
    spdlog::error("a statement broke statement_id={} error={}", s->id, e.what());
    error = Error{Errc::unavailable, "The statement failed inside the platform; its id is " + s->id};
  }
  if (sink.broken) error = sink.broken;
  if (error && s->timed_out) error = late;
  const bool cancelled = s->cancel.cancelled() && error && !s->timed_out;
  finish(*s,
         cancelled ? StatementState::CANCELED
         : error   ? StatementState::FAILED
                   : StatementState::SUCCEEDED,
         cancelled ? std::nullopt : error, kind, parsed);
}

void Statements::finish(Statement& s, StatementState state, const std::optional<Error>& error, std::string kind, bool parsed) {
  std::vector<std::function<void()>> waiters;
  std::size_t bytes = 0;
  auto event = s.session.ctx.event(
      "databrickssql", "commandFinish",
      {{"statementId", s.id}, {"warehouseId", s.warehouse_id}, {"statementType", kind}, {"state", std::string(json::name_of(state))}});
  if (error) event.refused(*error);
  store_.audit_later(std::move(event));
  warehouses_.touch(s.warehouse_id);
  {
    const std::lock_guard lock(s.mutex_);
    if (state != StatementState::SUCCEEDED) s.now_.chunks.clear(), s.now_.has_schema = false, s.now_.columns.clear(), s.now_.rows = 0;
    s.now_.state = state;
    if (error) s.now_.error_code = statement_error_code(error->code), s.now_.error_message = error->message;
    s.kind_ = std::move(kind);
    s.now_.ended_at = std::max<Millis>(1, clock_.now());
    for (const auto& c : s.now_.chunks) bytes += c->content.size();
    bytes += s.metrics_.profile.size();
    waiters.swap(s.waiters_);
  }
  auto record = record_of(s);
  // Without the lock: nothing changes what was measured any more.
  auto profile = record.execute_ms >= kProfileKeptFromMs ? s.metrics_.profile : std::string();
  record.text = parsed ? without_secrets(s.text).substr(0, kMostTextKept) : "";
  {
    const std::lock_guard lock(mutex_);
    held_bytes_ += bytes;
    deadlines_.erase(std::pair(s.deadline_, &s));
    ended_.push_back(s.id);
    writes_.push_back({std::move(record), {}, std::move(profile)});
  }
  wake_.notify_one();
  for (auto& w : waiters) w();
}

StatementRecord Statements::record_of(const Statement& s) const {
  const std::lock_guard lock(s.mutex_);
  StatementRecord r;
  r.id = s.id;
  r.workspace_id = s.session.ctx.workspace_id.value_or(0);
  r.warehouse_id = s.warehouse_id;
  r.user_name = s.session.ctx.caller.name;
  r.user_id = s.session.ctx.caller.id;
  r.server_id = options_.server_id;
  r.kind = s.kind_;
  r.state = s.now_.state;
  r.error_code = s.now_.error_code;
  r.error_message = s.now_.error_message;
  r.started_at = s.started_at;
  r.ended_at = s.now_.ended_at;
  r.rows = s.now_.rows;
  r.queued_ms = s.queued_ms_;
  r.compile_ms = s.metrics_.compile_ms, r.execute_ms = s.metrics_.execute_ms;
  r.files = s.metrics_.files, r.bytes = s.metrics_.bytes;
  r.pruned_files = s.metrics_.pruned_files, r.pruned_bytes = s.metrics_.pruned_bytes;
  r.rows_read = s.metrics_.rows_read, r.bytes_read = s.metrics_.bytes_read;
  r.task_ms = s.metrics_.task_ms;
  r.spilled_bytes = s.metrics_.spilled_bytes;
  if (s.metrics_.written_bytes > 0) r.written_bytes = s.metrics_.written_bytes;
  r.from_cache = s.metrics_.from_cache;
  r.client = s.session.ctx.user_agent;
  return r;
}

void Statements::hand_over(const std::shared_ptr<Statement>& statement, std::function<void()> then) {
  auto record = record_of(*statement);
  {
    const std::lock_guard lock(mutex_);
    writes_.push_back({std::move(record), std::move(then), {}});
    urgent_ = true;
  }
  wake_.notify_one();
}

void Statements::keep_house() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto awake = [&] { return stop_ || !writes_.empty(); };
    if (deadlines_.empty()) {
      wake_.wait(lock, [&] { return awake() || !deadlines_.empty(); });
    } else {
      // A copy: wait_until keeps a reference, and the statement may end meanwhile.
      const auto first = deadlines_.begin()->first.first;
      wake_.wait_until(lock, first, [&] { return awake() || deadlines_.empty() || deadlines_.begin()->first.first < first; });
    }
    end_late(lock);
    if (!awake()) continue;
    // Ends are collected for a second, so that a busy server writes few transactions; what a client was promised goes at once.
    if (!stop_ && !urgent_) wake_.wait_for(lock, std::chrono::seconds(1), [&] { return stop_ || urgent_; });
    if (writes_.empty() && stop_) return;
    urgent_ = false;
    auto batch = std::exchange(writes_, {});
    lock.unlock();
    try {
      store_.write(access::system_context().event("databrickssql", "recordStatements", {{"count", std::to_string(batch.size())}}),
                   [&](store::WriteTxn& t) {
                     for (const auto& w : batch) {
                       // A statement that ended while its hand-over waited must not be seen as running again.
                       const auto old = statements_table.get(t, w.record.store_key());
                       if (!old || old->value.ended_at == 0) (void)statements_table.put(t, w.record);
                       if (!w.profile.empty()) (void)profiles_table.put(t, {w.record.id, w.record.workspace_id, w.profile});
                     }
                     return true;
                   });
    } catch (const std::exception& e) {
      spdlog::error("statements cannot be recorded count={} error={}", batch.size(), e.what());
    }
    for (auto& w : batch)
      if (w.then) w.then();
    forget_old();
    if (clock_.now() - history_forgotten_ > kForgetEvery) {
      history_forgotten_ = clock_.now();
      forget_history();
    }
    lock.lock();
  }
}

void Statements::end_late(std::unique_lock<std::mutex>& lock) {
  std::vector<std::shared_ptr<Statement>> late;
  while (!deadlines_.empty() && deadlines_.begin()->first.first <= std::chrono::steady_clock::now()) {
    if (auto s = deadlines_.begin()->second.lock()) late.push_back(std::move(s));
    deadlines_.erase(deadlines_.begin());
  }
  if (late.empty()) return;
  lock.unlock();
  for (const auto& s : late) {
    s->timed_out = true;
    s->cancel.cancel();
  }
  lock.lock();
}

WarehouseUse::Load Statements::load(const std::string& warehouse_id) const {
  const auto l = scheduler_.load(warehouse_id);
  return {l.running, l.waiting};
}

void Statements::stop(const std::string& warehouse_id) {
  std::vector<std::shared_ptr<Statement>> running;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, s] : live_)
      if (s->warehouse_id == warehouse_id) running.push_back(s);
  }
  for (const auto& s : running)
    if (!s->done()) s->cancel.cancel();
}

void Statements::forget_old() {
  std::vector<std::shared_ptr<Statement>> gone;
  {
    const std::lock_guard lock(mutex_);
    while (!ended_.empty()) {
      const auto i = live_.find(ended_.front());
      if (i == live_.end()) {
        ended_.pop_front();
        continue;
      }
      const auto now = i->second->snapshot();
      if (held_bytes_ <= options_.most_result_bytes && clock_.now() - now.ended_at < options_.retention && ended_.size() < 50'000) break;
      for (const auto& c : now.chunks) held_bytes_ -= c->content.size();
      held_bytes_ -= i->second->metrics_.profile.size();
      gone.push_back(i->second);
      live_.erase(i);
      ended_.pop_front();
    }
  }
  for (const auto& s : gone)
    if (s->disposition == Disposition::EXTERNAL_LINKS) (void)objects_.remove_all(objects::Url{options_.results_bucket, "statements/" + s->id + "/"});
}

Result<std::shared_ptr<Statement>> Statements::find(const access::Context& ctx, const std::string& id) {
  const auto missing = [&] {
    return refuse(Errc::not_found,
                  "The statement " + id + " was not found. It may have expired: results are kept for one hour after the statement ended");
  };
  std::shared_ptr<Statement> s;
  {
    const std::lock_guard lock(mutex_);
    if (const auto i = live_.find(id); i != live_.end()) s = i->second;
  }
  if (s) {
    if (s->session.ctx.workspace_id != ctx.workspace_id) return missing();
    if (s->session.ctx.caller.id != ctx.caller.id && !warehouses_.manages(ctx, s->warehouse_id)) return missing();
    if (const auto now = s->snapshot(); now.ended_at != 0 && clock_.now() - now.ended_at >= options_.retention) return missing();
    return s;
  }
  const auto r = store_.read_as([&](store::ReadTxn& t) {
    return statements_table.get(t, store::key({store::sortable(ctx.workspace_id.value_or(0)), id}));
  });
  if (!r || (r->value.user_id != ctx.caller.id && !warehouses_.manages(ctx, r->value.warehouse_id))) return missing();
  if (r->value.ended_at != 0 && clock_.now() - r->value.ended_at >= options_.retention) return missing();
  auto out = std::make_shared<Statement>();
  out->id = r->value.id;
  out->warehouse_id = r->value.warehouse_id;
  out->session.ctx = ctx;
  out->now_.state = r->value.state == StatementState::SUCCEEDED ? StatementState::CLOSED : r->value.state;
  out->now_.error_code = r->value.error_code;
  out->now_.error_message = r->value.error_message;
  out->now_.ended_at = std::max<Millis>(1, r->value.ended_at);
  return out;
}

Result<void> Statements::cancel(const access::Context& ctx, const std::string& id) {
  TARN_TRY(s, find(ctx, id));
  s->cancel.cancel();
  store_.audit_later(ctx.event("databrickssql", "cancelStatement", {{"statementId", id}, {"warehouseId", s->warehouse_id}}));
  return {};
}

std::pair<std::string, Millis> Statements::link(const Chunk& chunk) {
  return {vendor_.presign("GET", *chunk.object, options_.link_lifetime), clock_.now() + options_.link_lifetime};
}

}  // namespace tarn::sql
