#include "ml/database.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include <charconv>
#include <cmath>
#include <filesystem>
#include <unordered_map>

#include "base/log.h"
#include "store/store.h"

namespace tarn::ml {
namespace {

using store::StoreUnavailable;
constexpr std::size_t kPrepared = 300;  // statements that a connection keeps
constexpr std::size_t kReaders = 8;     // idle connections kept
constexpr std::size_t kGroup = 256;     // writes that share a transaction
constexpr int kSyncs = 4;               // under way at a time
constexpr int kInFlight = 2;            // groups that are not on the disk yet: with more, each is small and costs as much
constexpr int kLogPages = 4000;         // of SQLite's log (16 MB), before they are moved into the database

std::string replaced(std::string text, const std::vector<std::pair<std::string, std::string>>& words) {
  for (const auto& [from, to] : words)
    for (auto at = text.find(from); at != text.npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
  return text;
}

class SqliteRow final : public Row {
 public:
  explicit SqliteRow(sqlite3_stmt* s) : s_(s) {}
  bool null(int c) const override { return sqlite3_column_type(s_, c) == SQLITE_NULL; }
  std::string text(int c) const override {
    const auto* p = reinterpret_cast<const char*>(sqlite3_column_text(s_, c));
    return p ? std::string(p, static_cast<std::size_t>(sqlite3_column_bytes(s_, c))) : std::string();
  }
  std::int64_t number(int c) const override { return sqlite3_column_int64(s_, c); }
  double real(int c) const override { return sqlite3_column_double(s_, c); }
  Value any(int c) const override {
    switch (sqlite3_column_type(s_, c)) {
      case SQLITE_NULL:
        return nullptr;
      case SQLITE_INTEGER:
        return number(c);
      case SQLITE_FLOAT:
        return real(c);
      default:
        return text(c);
    }
  }

 private:
  sqlite3_stmt* s_;
};

class SqliteConnection final : public Connection {
 public:
  SqliteConnection(const std::string& path, bool durable) {
    if (sqlite3_open_v2(path.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr) != SQLITE_OK) {
      const std::string why = sqlite3_errmsg(db_);
      sqlite3_close(db_);
      throw StoreUnavailable("cannot open the tracking database '" + path + "': " + why);
    }
    sqlite3_busy_timeout(db_, 10'000);
    run("PRAGMA journal_mode=WAL");
    run(durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF");
    run("PRAGMA case_sensitive_like=ON");
    run("PRAGMA cache_size=-65536");
    sqlite3_create_function_v2(db_, "ml_among", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY, nullptr, &is_among, nullptr, nullptr,
                               nullptr);
  }
  SqliteConnection(const SqliteConnection&) = delete;
  ~SqliteConnection() override {
    for (auto& [sql, s] : statements_) sqlite3_finalize(s);
    sqlite3_close(db_);
  }
  std::int64_t query(const std::string& sql, const std::vector<Value>& values, const std::function<void(const Row&)>& each) override {
    sqlite3_stmt* s = prepared(sql);
    const struct Reset {
      sqlite3_stmt* s;
      ~Reset() {
        sqlite3_reset(s);
        sqlite3_clear_bindings(s);
      }
    } reset{s};
    for (std::size_t i = 0; i < values.size(); ++i) bind(s, static_cast<int>(i) + 1, values[i]);
    const SqliteRow row(s);
    for (;;) {
      const int rc = sqlite3_step(s);
      if (rc == SQLITE_DONE) break;
      if (rc != SQLITE_ROW) throw StoreUnavailable(std::string("tracking database: ") + sqlite3_errmsg(db_));
      each(row);
    }
    return sqlite3_changes64(db_);
  }
  void run(const std::string& sql) override {
    char* message = nullptr;
    if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &message) == SQLITE_OK) return;
    const std::string why = message ? message : "?";
    sqlite3_free(message);
    throw StoreUnavailable("tracking database: " + why);
  }
  bool indexes_whole() const override { return true; }
  std::string among(const std::string& number, const std::string& parameter) const override { return "ml_among(" + number + ", " + parameter + ")"; }
  /// Commits do not sync the log, nor move it.
  void leave_log(std::atomic<int>& pages) {
    run("PRAGMA synchronous=NORMAL");
    const auto count = [](void* to, sqlite3*, const char*, int n) {
      static_cast<std::atomic<int>*>(to)->store(n);
      return SQLITE_OK;
    };
    sqlite3_wal_hook(db_, count, &pages);
  }
  std::string members(int parameter) const override { return fmt::format("SELECT value FROM json_each(${})", parameter); }
  std::string like(const std::string& left, const std::string& right) const override { return left + " LIKE " + right; }

 private:
  static void is_among(sqlite3_context* context, int, sqlite3_value** arguments) {
    const auto* bits = static_cast<const unsigned char*>(sqlite3_value_blob(arguments[1]));
    const auto n = sqlite3_value_int64(arguments[0]);
    const auto bytes = static_cast<std::int64_t>(sqlite3_value_bytes(arguments[1]));
    sqlite3_result_int(context, n >= 0 && n / 8 < bytes && (bits[n / 8] >> (n % 8) & 1));
  }
  /// A text stays the caller's, who keeps it until the statement is reset.
  static void bind(sqlite3_stmt* s, int i, const Value& v) {
    if (const auto* n = std::get_if<std::int64_t>(&v))
      sqlite3_bind_int64(s, i, *n);
    else if (const auto* d = std::get_if<double>(&v))
      sqlite3_bind_double(s, i, *d);
    else if (const auto* t = std::get_if<std::string>(&v))
      sqlite3_bind_text64(s, i, t->data(), t->size(), SQLITE_STATIC, SQLITE_UTF8);
    else
      sqlite3_bind_null(s, i);
  }
  sqlite3_stmt* prepared(const std::string& sql) {
    if (const auto it = statements_.find(sql); it != statements_.end()) return it->second;
    if (statements_.size() >= kPrepared) {
      for (auto& [text, s] : statements_) sqlite3_finalize(s);
      statements_.clear();
    }
    const std::string own = replaced(sql, {{"$", "?"}});
    sqlite3_stmt* s = nullptr;
    if (sqlite3_prepare_v3(db_, own.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &s, nullptr) != SQLITE_OK)
      throw std::logic_error(std::string("tracking database: ") + sqlite3_errmsg(db_) + " in " + sql);
    return statements_[sql] = s;
  }
  sqlite3* db_ = nullptr;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;
};

class PostgresRow final : public Row {
 public:
  PostgresRow(const PGresult* r, int row) : r_(r), row_(row) {}
  bool null(int c) const override { return PQgetisnull(r_, row_, c); }
  std::string text(int c) const override { return {PQgetvalue(r_, row_, c), static_cast<std::size_t>(PQgetlength(r_, row_, c))}; }
  std::int64_t number(int c) const override { return std::strtoll(PQgetvalue(r_, row_, c), nullptr, 10); }
  double real(int c) const override { return std::strtod(PQgetvalue(r_, row_, c), nullptr); }
  Value any(int c) const override { return null(c) ? Value(nullptr) : Value(text(c)); }

 private:
  const PGresult* r_;
  int row_;
};

class PostgresConnection final : public Connection {
 public:
  explicit PostgresConnection(const std::string& url) : c_(PQconnectdb(url.c_str())) {
    if (PQstatus(c_) == CONNECTION_OK) {
      run("SET client_min_messages TO warning");
      return;
    }
    const std::string why = PQerrorMessage(c_);
    PQfinish(c_);
    throw StoreUnavailable("cannot reach the tracking database: " + why);
  }
  PostgresConnection(const PostgresConnection&) = delete;
  ~PostgresConnection() override { PQfinish(c_); }
  std::int64_t query(const std::string& sql, const std::vector<Value>& values, const std::function<void(const Row&)>& each) override {
    const std::string& name = prepared(sql);
    std::vector<std::string> texts;
    std::vector<const char*> pointers;
    texts.reserve(values.size());
    for (const Value& v : values) texts.push_back(shown(v));
    for (std::size_t i = 0; i < values.size(); ++i)
      pointers.push_back(std::holds_alternative<std::nullptr_t>(values[i]) ? nullptr : texts[i].c_str());
    const auto r = checked(PQexecPrepared(c_, name.c_str(), static_cast<int>(values.size()), pointers.data(), nullptr, nullptr, 0));
    for (int i = 0; i < PQntuples(r.get()); ++i) each(PostgresRow(r.get(), i));
    return std::strtoll(PQcmdTuples(r.get()), nullptr, 10);
  }
  void run(const std::string& sql) override { checked(PQexec(c_, sql.c_str())); }
  std::string members(int parameter) const override {
    return fmt::format("SELECT value FROM json_array_elements_text(${}::json) AS t(value)", parameter);
  }
  std::string like(const std::string& left, const std::string& right) const override { return left + " LIKE " + right + " ESCAPE ''"; }

 private:
  struct Clear {
    void operator()(PGresult* r) const { PQclear(r); }
  };
  using Answer = std::unique_ptr<PGresult, Clear>;
  Answer checked(PGresult* result) {
    Answer r(result);
    const auto status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) return r;
    throw StoreUnavailable(std::string("tracking database: ") + PQerrorMessage(c_));
  }
  static std::string shown(const Value& v) {
    if (const auto* n = std::get_if<std::int64_t>(&v)) return std::to_string(*n);
    if (const auto* d = std::get_if<double>(&v)) return std::isinf(*d) ? (*d > 0 ? "Infinity" : "-Infinity") : fmt::format("{}", *d);
    if (const auto* t = std::get_if<std::string>(&v)) return *t;
    return {};
  }
  const std::string& prepared(const std::string& sql) {
    if (const auto it = statements_.find(sql); it != statements_.end()) return it->second;
    if (statements_.size() >= kPrepared) {
      run("DEALLOCATE ALL");
      statements_.clear();
    }
    const std::string name = fmt::format("s{}", ++serial_);
    checked(PQprepare(c_, name.c_str(), sql.c_str(), 0, nullptr));
    return statements_[sql] = name;
  }
  PGconn* c_;
  std::int64_t serial_ = 0;
  std::unordered_map<std::string, std::string> statements_;
};

}  // namespace

struct Database::Backend {
  bool postgres = false;
  std::string where;
  bool own_syncs() const { return !postgres && scratch.empty(); }
  std::string scratch;  // a folder of its own for an in-memory database

  ~Backend() {
    std::error_code ignored;
    if (!scratch.empty()) std::filesystem::remove_all(scratch, ignored);
  }
  std::unique_ptr<Connection> open() const {
    if (postgres) return std::make_unique<PostgresConnection>(where);
    return std::make_unique<SqliteConnection>(where, scratch.empty());
  }
  /// The leader's. Where the log is synced apart from commits, its pages are counted, and moved by the keeper.
  std::unique_ptr<Connection> open_writer(std::atomic<int>& log_pages) const {
    if (!own_syncs()) return open();
    auto c = std::make_unique<SqliteConnection>(where, true);
    c->leave_log(log_pages);
    return c;
  }
  /// What was committed is on the disk. A log that is gone was moved into the database, with a sync, when its last connection closed.
  void sync() const {
    if (!own_syncs()) return;
    const int fd = ::open((where + "-wal").c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return;
    const bool done = fd >= 0 && ::fdatasync(fd) == 0;
    const int why = errno;
    if (fd >= 0) ::close(fd);
    if (!done) throw StoreUnavailable(fmt::format("the tracking database's log cannot be synced: {}", std::strerror(why)));
  }
  std::string in_words_of_its_own(const std::string& schema) const {
    return postgres ? replaced(schema, {{"{text}", "TEXT COLLATE \"C\""},
                                        {"{real}", "DOUBLE PRECISION"},
                                        {"{serial}", "BIGSERIAL PRIMARY KEY"},
                                        {"{compact}", ""},
                                        {"{indexed}", "substr(value, 1, 200)"}})
                    : replaced(schema, {{"{text}", "TEXT"},
                                        {"{real}", "REAL"},
                                        {"{serial}", "INTEGER PRIMARY KEY"},
                                        {"{compact}", " WITHOUT ROWID"},
                                        {"{indexed}", "value"}});
  }
  const char* begin_read() const { return postgres ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN"; }
  const char* begin_write() const { return postgres ? "BEGIN" : "BEGIN IMMEDIATE"; }
};

Database::Database(const std::string& url) : backend_(std::make_unique<Backend>()) {
  if (url == "sqlite::memory:") {
    std::string folder = std::filesystem::is_directory("/dev/shm") ? "/dev/shm/tarn-ml-XXXXXX" : "/tmp/tarn-ml-XXXXXX";
    if (!::mkdtemp(folder.data())) throw StoreUnavailable("no folder for an in-memory database");
    backend_->scratch = folder;
    backend_->where = folder + "/tracking.db";
  } else if (url.starts_with("sqlite:")) {
    backend_->where = url.substr(7);
  } else {
    backend_->postgres = true;
    backend_->where = url;
  }
  writer_ = backend_->open();
  Connection& c = *writer_;
  c.run(backend_->begin_write());
  if (backend_->postgres) c.run("SELECT pg_advisory_xact_lock(7241871)");  // servers that start at once migrate in turn
  c.run("CREATE TABLE IF NOT EXISTS ml_schema (version BIGINT NOT NULL)");
  std::int64_t have = -1;
  c.query("SELECT version FROM ml_schema", {}, [&](const Row& r) { have = r.number(0); });
  if (have < 0) {
    c.run("INSERT INTO ml_schema (version) VALUES (0)");
    have = 0;
  }
  const auto& steps = tracking_schema();
  if (have > static_cast<std::int64_t>(steps.size()))
    throw StoreUnavailable(fmt::format("the tracking database has schema {}, this program knows {}: use a newer tarn", have, steps.size()));
  for (auto i = static_cast<std::size_t>(have); i < steps.size(); ++i) c.run(backend_->in_words_of_its_own(steps[i]));
  c.run(fmt::format("UPDATE ml_schema SET version={}", steps.size()));
  c.run("COMMIT");
  if (!backend_->own_syncs()) return;
  writer_ = backend_->open_writer(log_pages_);
  keeper_ = std::jthread([this](const std::stop_token& stop) { keep(stop); });
}

Database::~Database() {
  if (keeper_.joinable()) keeper_.request_stop(), keeper_.join();
  writer_.reset();
  readers_.clear();
}

std::unique_ptr<Connection> Database::take_reader() {
  {
    std::lock_guard lock(readers_mutex_);
    if (!readers_.empty()) {
      auto c = std::move(readers_.back());
      readers_.pop_back();
      return c;
    }
  }
  return backend_->open();
}

void Database::read(const std::function<void(Connection&)>& body) {
  auto c = take_reader();  // dropped, not given back, if anything below throws
  c->run(backend_->begin_read());
  body(*c);
  c->run("COMMIT");
  std::lock_guard lock(readers_mutex_);
  if (readers_.size() < kReaders) readers_.push_back(std::move(c));
}

Result<void> Database::write(const std::function<Result<void>(Connection&)>& body) {
  Waiting mine{.body = &body};
  std::unique_lock lock(mutex_);
  queue_.push_back(&mine);
  // The first to come leads: it writes for all who wait. While its transaction goes to the disk the next to come leads.
  while (!mine.done) {
    if (leading_ || mine.taken || in_flight_ >= kInFlight)
      turned_.wait(lock, [&] { return mine.done || (!leading_ && !mine.taken && in_flight_ < kInFlight); });
    else
      lead(lock);
  }
  if (mine.lost) std::rethrow_exception(mine.lost);
  return std::move(mine.result);
}

void Database::lead(std::unique_lock<std::mutex>& lock) {
  leading_ = true;
  ++in_flight_;
  const std::size_t n = std::min(queue_.size(), kGroup);
  std::vector<Waiting*> group(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(n));
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(n));
  for (Waiting* w : group) w->taken = true;
  lock.unlock();
  std::exception_ptr lost;
  std::int64_t commit = 0;
  try {
    if (!writer_) writer_ = backend_->open_writer(log_pages_);
    run_group(group);
    std::lock_guard disk(disk_mutex_);
    commit = ++committed_;
  } catch (...) {
    lost = std::current_exception();
    writer_.reset();  // its transaction ends with it; the next group gets a new one
  }
  lock.lock();
  leading_ = false;
  const int pages = log_pages_;
  if (pages < std::exchange(seen_pages_, pages)) wanted_pages_ = 0;  // it began anew
  if (pages >= std::max(kLogPages, wanted_pages_)) long_log_.notify_one();
  turned_.notify_all();
  lock.unlock();
  try {
    if (!lost) await_disk(commit);
  } catch (...) {
    lost = std::current_exception();
  }
  lock.lock();
  --in_flight_;
  for (Waiting* w : group) {
    w->lost = lost;
    w->done = true;
  }
  turned_.notify_all();
}

void Database::await_disk(std::int64_t commit) {
  std::unique_lock lock(disk_mutex_);
  while (on_disk_ < commit) {
    if (syncing_ == kSyncs) {
      disk_turned_.wait(lock);
      continue;
    }
    const auto upto = committed_;
    ++syncing_;
    lock.unlock();
    std::exception_ptr failed;
    try {
      backend_->sync();
    } catch (...) {
      failed = std::current_exception();
    }
    lock.lock();
    --syncing_;
    if (!failed) on_disk_ = std::max(on_disk_, upto);
    disk_turned_.notify_all();
    if (failed) std::rethrow_exception(failed);
  }
}

void Database::keep(const std::stop_token& stop) {
  std::unique_ptr<Connection> c;
  std::unique_lock lock(mutex_);
  while (long_log_.wait(lock, stop, [&] { return log_pages_ >= std::max(kLogPages, wanted_pages_); })) {
    wanted_pages_ = log_pages_ + kLogPages;  // of a log that does not begin anew, for somebody reads it
    lock.unlock();
    try {
      if (!c) c = backend_->open();
      c->run("PRAGMA wal_checkpoint(PASSIVE)");
      // What came meanwhile is little. With writers held back for that, the next of them begins the log anew.
      lock.lock();
      turned_.wait(lock, [&] { return !leading_; });
      leading_ = true;
      lock.unlock();
      const struct Leave {
        Database& d;
        ~Leave() {
          std::lock_guard lock(d.mutex_);
          d.leading_ = false;
          d.turned_.notify_all();
        }
      } leave{*this};
      c->run("PRAGMA wal_checkpoint(PASSIVE)");
    } catch (const std::exception& e) {
      spdlog::warn("tracking: the log cannot be moved into the database cause=\"{}\"", e.what());
      c.reset();
    }
    lock.lock();
  }
}

void Database::run_group(const std::vector<Waiting*>& group) {
  Connection& c = *writer_;
  c.run(backend_->begin_write());
  for (Waiting* w : group) {
    c.run("SAVEPOINT one");
    w->result = (*w->body)(c);
    c.run(w->result ? "RELEASE SAVEPOINT one" : "ROLLBACK TO SAVEPOINT one; RELEASE SAVEPOINT one");
  }
  c.run("COMMIT");
}

namespace {

void copy_tables(Connection& from, Connection& to) {
  for (const Table& t : tracking_tables()) {
    std::string names, marks;
    for (std::size_t i = 0; i < t.columns.size(); ++i) {
      names += (i ? ", " : "") + t.columns[i];
      marks += fmt::format("{}${}", i ? ", " : "", i + 1);
    }
    const std::string insert = "INSERT INTO " + t.name + " (" + names + ") VALUES (" + marks + ")";
    from.query("SELECT " + names + " FROM " + t.name, {}, [&](const Row& row) {
      std::vector<Value> values;
      for (int i = 0; i < static_cast<int>(t.columns.size()); ++i) values.push_back(row.any(i));
      to.change(insert, values);
    });
  }
}

}  // namespace

void Database::copy_to(const std::string& path) {
  Database target("sqlite:" + path);
  read([&](Connection& from) {
    Connection& to = *target.writer_;
    to.run("BEGIN IMMEDIATE");
    copy_tables(from, to);
    to.run("COMMIT");
    to.run("PRAGMA journal_mode=DELETE");  // one file, whole
  });
}

void Database::copy_from(const std::string& path) {
  Database source("sqlite:" + path);
  std::int64_t runs = 0;
  auto to = backend_->open();
  to->run(backend_->begin_write());
  to->query("SELECT count(*) FROM ml_run", {}, [&](const Row& r) { runs = r.number(0); });
  if (runs != 0) throw StoreUnavailable("a backup is restored into an empty tracking database only");
  source.read([&](Connection& from) { copy_tables(from, *to); });
  if (backend_->postgres) to->run("SELECT setval('ml_run_rid_seq', (SELECT coalesce(max(rid), 0) + 1 FROM ml_run), false)");
  to->run("COMMIT");
}

}  // namespace tarn::ml
