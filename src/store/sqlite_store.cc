#include "store/sqlite_store.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "store/migrations.h"
#include "store/sql_text.h"

namespace tarn::store {

/// One SQLite handle with its prepared statements. Used by one thread at a time.
class SqliteStore::Connection {
 public:
  Connection(const std::string& path, bool durable) {
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path.c_str(), &db_, flags, nullptr) != SQLITE_OK) {
      const std::string why = sqlite3_errmsg(db_);
      sqlite3_close(db_);
      throw StoreUnavailable("cannot open the store '" + path + "': " + why);
    }
    sqlite3_busy_timeout(db_, 10'000);
    run("PRAGMA journal_mode=WAL");
    run(durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF");
    run("PRAGMA foreign_keys=ON");
  }
  Connection(const Connection&) = delete;
  ~Connection() {
    for (auto& [sql, s] : statements_) sqlite3_finalize(s);
    sqlite3_close(db_);
  }

  void run(const char* sql) {
    char* message = nullptr;
    if (sqlite3_exec(db_, sql, nullptr, nullptr, &message) != SQLITE_OK) {
      std::string why = message ? message : "?";
      sqlite3_free(message);
      throw StoreUnavailable("store: " + why);
    }
  }

  /// A prepared statement bound to its arguments; steps through rows and resets itself.
  class Query {
   public:
    template <class... A>
    Query(Connection& c, const char* sql, const A&... args) : c_(c), s_(c.prepared(sql)) {
      int i = 0;
      (bind(++i, args), ...);
    }
    ~Query() {
      sqlite3_reset(s_);
      sqlite3_clear_bindings(s_);
    }
    bool next() {
      const int rc = sqlite3_step(s_);
      if (rc == SQLITE_ROW) return true;
      if (rc == SQLITE_DONE) return false;
      throw StoreUnavailable(std::string("store: ") + sqlite3_errmsg(c_.db_));
    }
    std::string text(int i) {
      return {reinterpret_cast<const char*>(sqlite3_column_text(s_, i)), static_cast<std::size_t>(sqlite3_column_bytes(s_, i))};
    }
    std::int64_t number(int i) { return sqlite3_column_int64(s_, i); }

   private:
    void bind(int i, std::string_view v) { sqlite3_bind_text64(s_, i, v.data() ? v.data() : "", v.size(), SQLITE_TRANSIENT, SQLITE_UTF8); }
    void bind(int i, std::int64_t v) { sqlite3_bind_int64(s_, i, v); }
    Connection& c_;
    sqlite3_stmt* s_;
  };

  template <class... A>
  void exec(const char* sql, const A&... args) {
    Query q(*this, sql, args...);
    while (q.next()) {
    }
  }
  int changes() { return sqlite3_changes(db_); }
  bool in_transaction() { return sqlite3_get_autocommit(db_) == 0; }

 private:
  sqlite3_stmt* prepared(const char* sql) {
    auto& s = statements_[sql];
    if (!s && sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, nullptr) != SQLITE_OK)
      throw StoreUnavailable(std::string("store: ") + sqlite3_errmsg(db_));
    return s;
  }
  sqlite3* db_ = nullptr;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;  // by the literal's address
};

namespace {

using Connection = SqliteStore::Connection;
using Query = Connection::Query;

void insert_audit(Connection& c, Millis at, const AuditEvent& e) {
  c.exec("INSERT INTO audit (at, service, action, principal, body) VALUES (?1, ?2, ?3, ?4, ?5)", at, std::string_view(e.service),
         std::string_view(e.action), std::string_view(e.principal), std::string_view(json::encode_text(e)));
}

class Txn final : public WriteTxn {
 public:
  Txn(Connection& c, AuditEvent event) : c_(c), event_(std::move(event)) {}

  std::optional<Record> get(std::string_view kind, std::string_view key) override {
    Query q(c_, "SELECT key, version, body FROM record WHERE kind=?1 AND key=?2", kind, key);
    return q.next() ? std::optional(row(q)) : std::nullopt;
  }
  std::optional<Record> find(std::string_view kind, std::string_view index, std::string_view value) override {
    Query q(c_,
            "SELECT r.key, r.version, r.body FROM record_unique u JOIN record r ON r.kind=u.kind AND r.key=u.key "
            "WHERE u.kind=?1 AND u.name=?2 AND u.value=?3",
            kind, index, value);
    return q.next() ? std::optional(row(q)) : std::nullopt;
  }
  std::vector<Record> scan(std::string_view kind, std::string_view prefix, std::string_view after, std::size_t limit) override {
    const std::string end = prefix_end(prefix);
    std::vector<Record> out;
    const auto n = static_cast<std::int64_t>(limit);
    if (end.empty()) {
      Query q(c_, "SELECT key, version, body FROM record WHERE kind=?1 AND key>=?2 AND key>?3 ORDER BY key LIMIT ?4", kind, prefix, after, n);
      while (q.next()) out.push_back(row(q));
    } else {
      Query q(c_, "SELECT key, version, body FROM record WHERE kind=?1 AND key>=?2 AND key<?5 AND key>?3 ORDER BY key LIMIT ?4", kind, prefix, after,
              n, std::string_view(end));
      while (q.next()) out.push_back(row(q));
    }
    return out;
  }
  std::vector<Record> scan_index(std::string_view kind, std::string_view index, std::string_view value, std::string_view after,
                                 std::size_t limit) override {
    std::vector<Record> out;
    Query q(c_,
            "SELECT r.key, r.version, r.body FROM record_index i JOIN record r ON r.kind=i.kind AND r.key=i.key "
            "WHERE i.kind=?1 AND i.name=?2 AND i.value=?3 AND i.key>?4 ORDER BY i.key LIMIT ?5",
            kind, index, value, after, static_cast<std::int64_t>(limit));
    while (q.next()) out.push_back(row(q));
    return out;
  }
  std::int64_t count(std::string_view kind, std::string_view prefix) override {
    const std::string end = prefix_end(prefix);
    if (end.empty()) {
      Query q(c_, "SELECT count(*) FROM record WHERE kind=?1 AND key>=?2", kind, prefix);
      q.next();
      return q.number(0);
    }
    Query q(c_, "SELECT count(*) FROM record WHERE kind=?1 AND key>=?2 AND key<?3", kind, prefix, std::string_view(end));
    q.next();
    return q.number(0);
  }

  Expected<std::int64_t, PutError> insert(std::string_view kind, std::string_view key, std::string_view body,
                                          const std::vector<IndexEntry>& indexes) override {
    c_.exec("INSERT OR IGNORE INTO record (kind, key, version, body) VALUES (?1, ?2, 1, ?3)", kind, key, body);
    if (c_.changes() == 0) return fail(PutError::already_exists);
    if (!add_indexes(kind, key, indexes)) {
      erase(kind, key);
      return fail(PutError::unique_taken);
    }
    return 1;
  }
  Expected<std::int64_t, PutError> update(std::string_view kind, std::string_view key, std::string_view body, const std::vector<IndexEntry>& indexes,
                                          std::int64_t expected) override {
    const auto old = get(kind, key);
    if (!old) return fail(PutError::not_found);
    if (expected != 0 && old->version != expected) return fail(PutError::version_changed);
    for (const auto& e : indexes) {
      if (!e.unique) continue;
      Query q(c_, "SELECT key FROM record_unique WHERE kind=?1 AND name=?2 AND value=?3", kind, e.index, std::string_view(e.value));
      if (q.next() && q.text(0) != key) return fail(PutError::unique_taken);
    }
    drop_indexes(kind, key);
    c_.exec("UPDATE record SET version=version+1, body=?3 WHERE kind=?1 AND key=?2", kind, key, body);
    add_indexes(kind, key, indexes);
    return old->version + 1;
  }
  bool erase(std::string_view kind, std::string_view key) override {
    drop_indexes(kind, key);
    c_.exec("DELETE FROM record WHERE kind=?1 AND key=?2", kind, key);
    return c_.changes() > 0;
  }
  AuditEvent& audit() override { return event_; }
  void audit_also(AuditEvent event) override { also_.push_back(std::move(event)); }

  AuditEvent taken_event() { return std::move(event_); }
  const std::vector<AuditEvent>& also() const { return also_; }

  bool add_indexes(std::string_view kind, std::string_view key, const std::vector<IndexEntry>& indexes) {
    for (const auto& e : indexes) {
      const std::string_view value = e.value;
      if (e.unique) {
        c_.exec("INSERT OR IGNORE INTO record_unique (kind, name, value, key) VALUES (?1, ?2, ?3, ?4)", kind, e.index, value, key);
        if (c_.changes() == 0) return false;
      }
      c_.exec("INSERT OR IGNORE INTO record_index (kind, name, value, key) VALUES (?1, ?2, ?3, ?4)", kind, e.index, value, key);
    }
    return true;
  }

 private:
  static Record row(Query& q) { return {q.text(0), q.number(1), q.text(2)}; }
  void drop_indexes(std::string_view kind, std::string_view key) {
    c_.exec("DELETE FROM record_unique WHERE kind=?1 AND key=?2", kind, key);
    c_.exec("DELETE FROM record_index WHERE kind=?1 AND key=?2", kind, key);
  }
  Connection& c_;
  AuditEvent event_;
  std::vector<AuditEvent> also_;
};

void migrate(Connection& c, const std::string& path) {
  c.run("BEGIN IMMEDIATE");
  std::int64_t have = 0;
  {
    Query q(c, "PRAGMA user_version");
    q.next();
    have = q.number(0);
  }
  const auto& all = sqlite_migrations();
  if (have > static_cast<std::int64_t>(all.size())) {
    c.run("ROLLBACK");
    throw StoreUnavailable(fmt::format("the store '{}' has schema {}, this program knows {}: use a newer tarn", path, have, all.size()));
  }
  for (std::size_t i = static_cast<std::size_t>(have); i < all.size(); ++i) c.run(std::string(all[i].sql).c_str());
  c.run(fmt::format("PRAGMA user_version={}", all.size()).c_str());
  c.run("COMMIT");
}

/// Rolls back unless told otherwise.
struct Transaction {
  Transaction(Connection& c, const char* begin) : c(c) { c.run(begin); }
  ~Transaction() {
    if (c.in_transaction()) try {
        c.run("ROLLBACK");
      } catch (const StoreUnavailable&) {  // the connection is gone; so is the transaction
      }
  }
  Connection& c;
};

/// SQLite's own shared memory mode locks whole tables against readers; a scratch file (in memory where /dev/shm is) behaves as production does.
std::string scratch_folder() {
  std::string shm = "/dev/shm/tarn-XXXXXX", tmp = (std::filesystem::temp_directory_path() / "tarn-XXXXXX").string();
  if (::mkdtemp(shm.data())) return shm;
  if (::mkdtemp(tmp.data())) return tmp;
  throw StoreUnavailable("no folder for an in-memory store");
}

}  // namespace

SqliteStore::SqliteStore(const std::string& path, const Clock& clock)
    : scratch_{path == ":memory:" ? scratch_folder() : ""},
      path_(scratch_.path.empty() ? path : scratch_.path + "/store.db"),
      clock_(clock),
      audit_(clock, [this](const auto& events) {
        std::lock_guard lock(writer_mutex_);
        Transaction txn(*writer_, "BEGIN IMMEDIATE");
        for (const auto& [at, e] : events) insert_audit(*writer_, at, e);
        writer_->run("COMMIT");
      }) {
  if (scratch_.path.empty()) {
    lock_fd_ = ::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock_fd_ < 0 || ::flock(lock_fd_, LOCK_EX | LOCK_NB) != 0) {
      if (lock_fd_ >= 0) ::close(lock_fd_);
      throw StoreUnavailable("the store '" + path + "' is in use by another server (or its folder cannot be written)");
    }
  }
  writer_ = std::make_unique<Connection>(path_, scratch_.path.empty());
  migrate(*writer_, path);
  Query q(*writer_, "SELECT value FROM generation");
  q.next();
  generation_ = q.number(0);
}

SqliteStore::Scratch::~Scratch() {
  std::error_code ignored;
  if (!path.empty()) std::filesystem::remove_all(path, ignored);
}

SqliteStore::~SqliteStore() {
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

std::unique_ptr<Connection> SqliteStore::take_reader() {
  {
    std::lock_guard lock(readers_mutex_);
    if (!readers_.empty()) {
      auto c = std::move(readers_.back());
      readers_.pop_back();
      return c;
    }
  }
  return std::make_unique<Connection>(path_, scratch_.path.empty());
}

void SqliteStore::give_back(std::unique_ptr<Connection> c) {
  std::lock_guard lock(readers_mutex_);
  if (readers_.size() < 8) readers_.push_back(std::move(c));
}

void SqliteStore::read(const std::function<void(ReadTxn&)>& body) {
  auto c = take_reader();
  {
    Transaction txn(*c, "BEGIN");
    Txn t(*c, {});
    body(t);
    c->run("COMMIT");
  }
  give_back(std::move(c));
}

void SqliteStore::write(AuditEvent event, const std::function<bool(WriteTxn&)>& body) {
  std::lock_guard lock(writer_mutex_);
  std::optional<AuditEvent> refusal;
  {
    Transaction txn(*writer_, "BEGIN IMMEDIATE");
    Txn t(*writer_, std::move(event));
    if (body(t)) {
      const Millis now = clock_.now();
      insert_audit(*writer_, now, t.audit());
      for (const auto& e : t.also()) insert_audit(*writer_, now, e);
      writer_->run("UPDATE generation SET value=value+1");
      writer_->run("COMMIT");
      generation_.fetch_add(1, std::memory_order_release);
      return;
    }
    refusal = t.taken_event();
  }
  Transaction txn(*writer_, "BEGIN IMMEDIATE");
  insert_audit(*writer_, clock_.now(), *refusal);
  writer_->run("COMMIT");
}

void SqliteStore::dump(DumpSink& sink) {
  audit_.flush();
  auto c = take_reader();
  {
    Transaction txn(*c, "BEGIN");
    Query records(*c, "SELECT kind, key, version, body FROM record ORDER BY kind, key");
    while (records.next()) {
      DumpedRecord r{records.text(0), records.text(1), records.number(2), records.text(3), {}};
      Query indexes(
          *c,
          "SELECT i.name, i.value, EXISTS (SELECT 1 FROM record_unique u WHERE u.kind=i.kind AND u.name=i.name AND u.value=i.value AND u.key=i.key) "
          "FROM record_index i WHERE i.kind=?1 AND i.key=?2 ORDER BY i.name, i.value",
          std::string_view(r.kind), std::string_view(r.key));
      while (indexes.next()) r.indexes.push_back({indexes.text(0), indexes.text(1), indexes.number(2) != 0});
      sink.record(r);
    }
    Query audit(*c, "SELECT sequence, at, body FROM audit ORDER BY sequence");
    while (audit.next()) sink.audit({audit.number(0), audit.number(1), audit_event(audit.text(2))});
    Query generation(*c, "SELECT value FROM generation");
    generation.next();
    sink.generation(generation.number(0));
  }
  give_back(std::move(c));
}

void SqliteStore::load(DumpSource& source) {
  std::lock_guard lock(writer_mutex_);
  Transaction txn(*writer_, "BEGIN IMMEDIATE");
  {
    Query q(*writer_, "SELECT (SELECT count(*) FROM record) + (SELECT count(*) FROM audit)");
    q.next();
    if (q.number(0) != 0) throw StoreUnavailable("a backup is restored into an empty store only; '" + path_ + "' has records");
  }
  Txn t(*writer_, {});
  while (const auto r = source.record()) {
    writer_->exec("INSERT INTO record (kind, key, version, body) VALUES (?1, ?2, ?3, ?4)", std::string_view(r->kind), std::string_view(r->key),
                  r->version, std::string_view(r->body));
    if (!t.add_indexes(r->kind, r->key, r->entries())) throw StoreUnavailable("the backup holds one unique value twice: " + r->kind + " " + r->key);
  }
  while (const auto a = source.audit())
    writer_->exec("INSERT INTO audit (sequence, at, service, action, principal, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)", a->sequence, a->at,
                  std::string_view(a->event.service), std::string_view(a->event.action), std::string_view(a->event.principal),
                  std::string_view(json::encode_text(a->event)));
  const auto generation = source.generation() + 1;
  writer_->exec("UPDATE generation SET value=?1", generation);
  writer_->run("COMMIT");
  generation_.store(generation, std::memory_order_release);
}

std::vector<AuditRecord> SqliteStore::audit_log(const AuditFilter& f, std::size_t limit) {
  std::vector<AuditRecord> out;
  auto c = take_reader();
  {
    Query q(*c,
            "SELECT sequence, at, body FROM audit WHERE sequence>?1 AND at>=?2 AND at<=?3 AND (?4='' OR principal=?4) AND (?5='' OR service=?5) "
            "AND (?6='' OR action=?6) ORDER BY sequence LIMIT ?7",
            f.after_sequence.value_or(0), f.from.value_or(0), f.until.value_or(std::numeric_limits<std::int64_t>::max()),
            std::string_view(f.principal ? *f.principal : ""), std::string_view(f.service ? *f.service : ""),
            std::string_view(f.action ? *f.action : ""), static_cast<std::int64_t>(limit));
    while (q.next()) {
      out.push_back({q.number(0), q.number(1), audit_event(q.text(2))});
    }
  }
  give_back(std::move(c));
  return out;
}

}  // namespace tarn::store
