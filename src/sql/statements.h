#pragma once
// The Statement Execution API's statements: submitted, queued on their warehouse, run, waited for, read in chunks, cancelled, forgotten.
// A statement is held in memory from submission until an hour after its end (sooner when results outgrow their share); its outcome is in
// the store, so it survives a restart: what was running then answers FAILED with the reason. Thread-safe; nothing here blocks on a
// statement, callers wait through on_done. Source: REST API reference "Statement Execution", databricks-sdk-go service/sql.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>

#include "objects/object_store.h"
#include "sql/executor.h"
#include "sql/scheduler.h"
#include "sql/warehouses.h"

namespace tarn::sql {

enum class StatementState { PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED, CLOSED };
BOOST_DESCRIBE_ENUM(StatementState, PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED, CLOSED)
enum class Disposition { INLINE, EXTERNAL_LINKS };
BOOST_DESCRIBE_ENUM(Disposition, INLINE, EXTERNAL_LINKS)
enum class ResultFormat { JSON_ARRAY, ARROW_STREAM, CSV };
BOOST_DESCRIBE_ENUM(ResultFormat, JSON_ARRAY, ARROW_STREAM, CSV)
enum class OnWaitTimeout { CONTINUE, CANCEL };
BOOST_DESCRIBE_ENUM(OnWaitTimeout, CONTINUE, CANCEL)

struct StatementParameter {
  std::string name;
  std::optional<std::string> value, type;
};
BOOST_DESCRIBE_STRUCT(StatementParameter, (), (name, value, type))

struct StatementRequest {
  std::string statement, warehouse_id;
  std::optional<std::string> catalog, schema, wait_timeout, session_id;
  std::optional<OnWaitTimeout> on_wait_timeout;
  std::optional<Disposition> disposition;
  std::optional<ResultFormat> format;
  std::optional<std::int64_t> row_limit, byte_limit;
  std::vector<StatementParameter> parameters;
};
BOOST_DESCRIBE_STRUCT(StatementRequest, (),
                      (statement, warehouse_id, catalog, schema, wait_timeout, session_id, on_wait_timeout, disposition, format, row_limit,
                       byte_limit, parameters))

/// What the store keeps of a statement.
struct StatementRecord {
  std::string id;  // sorts by started_at
  std::int64_t workspace_id = 0;
  std::string warehouse_id, user_name, server_id, kind;
  std::int64_t user_id = 0;
  StatementState state = StatementState::PENDING;
  std::string error_code, error_message, text;  // text: only of what could be parsed
  Millis started_at = 0, ended_at = 0;
  std::int64_t rows = 0;
  std::int64_t queued_ms = 0, compile_ms = 0, execute_ms = 0, files = 0, bytes = 0;
  std::optional<std::int64_t> pruned_files, pruned_bytes, rows_read, bytes_read, task_ms, spilled_bytes, written_bytes;
  bool from_cache = false;
  std::string client;  // the request's user agent

  std::string store_key() const { return store::key({store::sortable(workspace_id), id}); }
  std::vector<store::IndexEntry> store_indexes() const {
    std::vector<store::IndexEntry> out;
    if (ended_at == 0) out.push_back({"running", server_id});
    return out;
  }
};
BOOST_DESCRIBE_STRUCT(StatementRecord, (),
                      (id, workspace_id, warehouse_id, user_name, server_id, kind, user_id, state, error_code, error_message, text, started_at,
                       ended_at, rows, queued_ms, compile_ms, execute_ms, files, bytes, pruned_files, pruned_bytes, rows_read, bytes_read, task_ms,
                       spilled_bytes, written_bytes, from_cache, client))

/// What a statement did, of those that took long enough (sql/profile.h). A record beside the history's, so that reading that stays cheap.
struct ProfileRecord {
  std::string id;
  std::int64_t workspace_id = 0;
  std::string profile;

  std::string store_key() const { return store::key({store::sortable(workspace_id), id}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(ProfileRecord, (), (id, workspace_id, profile))

inline constexpr store::Collection<StatementRecord> statements_table{"sql.statement"};
inline constexpr store::Collection<ProfileRecord> profiles_table{"sql.profile"};
inline constexpr std::size_t kMostTextKept = 8'192;

/// One piece of a result.
struct Chunk {
  std::string content;  // empty once it lies in the object store
  std::optional<objects::Url> object;
  std::int64_t row_offset = 0, rows = 0;
  std::size_t bytes = 0;
};

/// A statement in memory. Fields above the mutex never change after submission.
class Statement {
 public:
  std::string id, warehouse_id, text;
  Session session;
  Disposition disposition = Disposition::INLINE;
  ResultFormat format = ResultFormat::JSON_ARRAY;
  std::optional<std::int64_t> row_limit, byte_limit;
  Millis wait = 0;
  OnWaitTimeout on_wait_timeout = OnWaitTimeout::CONTINUE;
  Millis started_at = 0, timeout = 0;
  bool use_cache = true;
  engine::Work work;
  engine::CancelToken cancel{&work};
  std::atomic<bool> timed_out{false};

  struct Snapshot {
    StatementState state = StatementState::PENDING;
    std::string error_code, error_message;
    std::vector<ResultColumn> columns;
    bool has_schema = false, truncated = false;
    std::vector<std::shared_ptr<const Chunk>> chunks;
    std::int64_t rows = 0;
    Millis ended_at = 0;
  };
  Snapshot snapshot() const;
  bool done() const;
  /// Calls `callback` once when the statement has ended, at once if it has; on the thread that ends it.
  void on_done(std::function<void()> callback);

 private:
  friend class Statements;
  mutable std::mutex mutex_;
  Snapshot now_;
  Metrics metrics_;
  Millis queued_ms_ = 0;
  std::chrono::steady_clock::time_point deadline_{};
  std::string kind_;
  std::vector<std::function<void()>> waiters_;
};

struct StatementOptions {
  std::string server_id = "local";  // stable for a data folder: whose unfinished statements a start fails
  std::string results_bucket = "tarn-results";
  std::size_t threads = 16;
  std::size_t most_result_bytes = 256u << 20;  // results in memory, all statements
  Millis retention = 3'600'000;
  Millis link_lifetime = 900'000;
  Millis history = Millis(30) * 24 * 3'600'000;  // how long a statement stays in the query history; the vendor's
  Millis statement_timeout = 4 * 3'600'000;
  /// The catalog of statements that name none, in the context's workspace; empty: names must then say theirs.
  std::function<std::string(const access::Context&)> default_catalog{};
  /// Whether the workspace's legacy access is off.
  std::function<bool(std::int64_t workspace_id)> legacy_access_off{};
};

/// What a history is asked for; empty members: everything.
struct HistoryFilter {
  std::vector<std::int64_t> user_ids;
  std::vector<std::string> warehouse_ids, statement_ids, statuses;  // statuses as the wire spells them
  Millis from = 0, until = 0;                                       // started
  std::size_t limit = 100;
  std::string after;  // HistoryPage::next
};
struct HistoryPage {
  std::vector<StatementRecord> records;  // newest first
  std::string next;                      // empty: no more
};

class Statements final : public WarehouseUse {
 public:
  Statements(Executor& executor, Warehouses& warehouses, store::Store& store, objects::ObjectStore& objects, objects::CredentialVendor& vendor,
             const Clock& clock, StatementOptions options = {});
  ~Statements();

  /// Fails what an earlier process of this server left unfinished. Call once before the first request.
  void recover();

  /// Opens a session on a warehouse that the caller may use; its id. Errors: invalid (a setting, by name), not_found, permission_denied.
  Result<std::string> open_session(const access::Context& ctx, const SessionRequest& request);
  /// The caller's own. Error: not_found.
  Result<void> close_session(const access::Context& ctx, const std::string& id);
  // Errors: invalid (a field, by name), not_found, permission_denied.
  Result<std::shared_ptr<Statement>> submit(const access::Context& ctx, const StatementRequest& request);
  /// The caller's own statement, or anybody's on a warehouse that he manages. Found only in the store: a statement without results.
  Result<std::shared_ptr<Statement>> find(const access::Context& ctx, const std::string& id);
  Result<void> cancel(const access::Context& ctx, const std::string& id);
  /// Makes a statement that goes on after its request durable; `then` runs when the store has it (on another thread).
  void hand_over(const std::shared_ptr<Statement>& statement, std::function<void()> then);
  /// A presigned URL for a chunk and when it ends.
  std::pair<std::string, Millis> link(const Chunk& chunk);
  /// The newest statements of the workspace that the caller may see: his own, and those on warehouses that he manages. Statements that
  /// wait or run are there too.
  HistoryPage history(const access::Context& ctx, const HistoryFilter& filter);
  /// What a statement that the caller may see in the history did in the engine, with its metrics. What its operators were told is for its own user
  /// alone: conditions hold values, and a view's are its owner's. Error: not_found, also for one that is no longer kept.
  Result<json::object> profile(const access::Context& ctx, const std::string& id);
  /// Removes from the history what is older than it reaches. The keeper does it every hour.
  void forget_history();
  /// Of every workspace, for system.query.history; who may see them is asked there.
  std::vector<StatementRecord> all_history(std::size_t limit);
  Load load(const std::string& warehouse_id) const override;
  void stop(const std::string& warehouse_id) override;
  Millis now() const { return clock_.now(); }

 private:
  class Sink;
  struct Write {
    StatementRecord record;
    std::function<void()> then;
    std::string profile{};  // empty: none to be kept
  };
  Result<std::shared_ptr<const Warehouse>> usable(const access::Context& ctx, const std::string& warehouse_id, const char* action);
  void run(const std::shared_ptr<Statement>& s);
  void finish(Statement& s, StatementState state, const std::optional<Error>& error, std::string kind, bool parsed);
  void keep_house();
  void end_late(std::unique_lock<std::mutex>& lock);
  void forget_old();
  std::vector<StatementRecord> started_between(store::ReadTxn& t, std::int64_t workspace_id, Millis from, Millis until) const;
  StatementRecord record_of(const Statement& s) const;
  /// Whether the caller sees the statement in the history.
  bool sees(const access::Context& ctx, const StatementRecord& record);
  /// Keys of what is beyond the newest profiles of each workspace.
  static std::vector<std::string> surplus_profiles(store::ReadTxn& t);

  Executor& executor_;
  Warehouses& warehouses_;
  store::Store& store_;
  objects::ObjectStore& objects_;
  objects::CredentialVendor& vendor_;
  const Clock& clock_;
  StatementOptions options_;
  Sessions sessions_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, std::shared_ptr<Statement>> live_;
  std::deque<std::string> ended_;  // oldest first
  std::size_t held_bytes_ = 0;
  std::vector<Write> writes_;
  std::map<std::pair<std::chrono::steady_clock::time_point, const Statement*>, std::weak_ptr<Statement>> deadlines_;  // of what has not ended
  bool urgent_ = false, stop_ = false;
  Millis history_forgotten_ = 0;  // the keeper's own
  std::thread keeper_;
  Scheduler scheduler_;  // last: its threads use the rest
};

/// The wire's status of a statement: QUEUED, RUNNING, FINISHED, FAILED, CANCELED.
std::string_view history_status(StatementState state);

/// A chunk of rows in the JSON_ARRAY format as CSV (RFC 4180); NULL is null. `header`: names first.
std::string csv_of(std::string_view json_rows, const std::vector<ResultColumn>* header);

/// The vendor's code for an error of a statement.
std::string statement_error_code(Errc code);

}  // namespace tarn::sql
