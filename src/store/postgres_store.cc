#include "store/postgres_store.h"

#include "store/migrations.h"
#include "store/sql_text.h"

namespace tarn::store {
namespace {

constexpr int kMostConnections = 16;
constexpr const char* kLock = "SELECT value FROM generation FOR UPDATE";
using Connection = PostgresConnection;
using Rows = Connection::Rows;

void insert_audit(Connection& c, Millis at, const AuditEvent& e) {
  c.query("INSERT INTO audit (at, service, action, principal, body) VALUES ($1, $2, $3, $4, $5)",
          {at, e.service, e.action, e.principal, json::encode_text(e)});
}

/// An upper bound for keys with this prefix, where the next string is valid UTF-8 for sure; else one above all (no key holds U+10FFFF).
std::string upper_bound(std::string_view prefix) {
  if (!prefix.empty() && static_cast<unsigned char>(prefix.back()) < 0x7f) return prefix_end(prefix);
  return "\xf4\x8f\xbf\xbf";
}

class Txn final : public WriteTxn {
 public:
  Txn(Connection& c, AuditEvent event) : c_(c), event_(std::move(event)) {}

  std::optional<Record> get(std::string_view kind, std::string_view key) override {
    if (!valid_text(key)) return std::nullopt;
    return first(c_.query("SELECT key, version, body FROM record WHERE kind=$1 AND key=$2", {kind, key}));
  }
  std::optional<Record> find(std::string_view kind, std::string_view index, std::string_view value) override {
    if (!valid_text(value)) return std::nullopt;
    return first(
        c_.query("SELECT r.key, r.version, r.body FROM record_unique u JOIN record r ON r.kind=u.kind AND r.key=u.key WHERE u.kind=$1 AND u.name=$2 "
                 "AND u.value=$3",
                 {kind, index, value}));
  }
  std::vector<Record> scan(std::string_view kind, std::string_view prefix, std::string_view after, std::size_t limit) override {
    if (!valid_text(prefix) || !valid_text(after)) return {};
    return all(c_.query(
        "SELECT key, version, body FROM record WHERE kind=$1 AND key>=$2 AND key<$5 AND starts_with(key, $2) AND key>$3 ORDER BY key LIMIT $4",
        {kind, prefix, after, static_cast<std::int64_t>(limit), upper_bound(prefix)}));
  }
  std::vector<Record> scan_index(std::string_view kind, std::string_view index, std::string_view value, std::string_view after,
                                 std::size_t limit) override {
    if (!valid_text(value) || !valid_text(after)) return {};
    return all(
        c_.query("SELECT r.key, r.version, r.body FROM record_index i JOIN record r ON r.kind=i.kind AND r.key=i.key "
                 "WHERE i.kind=$1 AND i.name=$2 AND i.value=$3 AND i.key>$4 ORDER BY i.key LIMIT $5",
                 {kind, index, value, after, static_cast<std::int64_t>(limit)}));
  }
  std::int64_t count(std::string_view kind, std::string_view prefix) override {
    if (!valid_text(prefix)) return 0;
    return c_.query("SELECT count(*) FROM record WHERE kind=$1 AND key>=$2 AND key<$3 AND starts_with(key, $2)", {kind, prefix, upper_bound(prefix)})
        .number(0, 0);
  }

  Expected<std::int64_t, PutError> insert(std::string_view kind, std::string_view key, std::string_view body,
                                          const std::vector<IndexEntry>& indexes) override {
    if (c_.query("INSERT INTO record (kind, key, version, body) VALUES ($1, $2, 1, $3) ON CONFLICT DO NOTHING", {kind, key, body}).affected() == 0)
      return fail(PutError::already_exists);
    if (!add_indexes(kind, key, indexes)) {
      erase(kind, key);
      return fail(PutError::unique_taken);
    }
    return 1;
  }
  Expected<std::int64_t, PutError> update(std::string_view kind, std::string_view key, std::string_view body, const std::vector<IndexEntry>& indexes,
                                          std::int64_t expected) override {
    if (!valid_text(key)) return fail(PutError::not_found);
    const auto old = c_.query("SELECT version FROM record WHERE kind=$1 AND key=$2", {kind, key});
    if (old.size() == 0) return fail(PutError::not_found);
    const auto version = old.number(0, 0);
    if (expected != 0 && version != expected) return fail(PutError::version_changed);
    for (const auto& e : indexes) {
      if (!e.unique) continue;
      const auto holder = c_.query("SELECT key FROM record_unique WHERE kind=$1 AND name=$2 AND value=$3", {kind, e.index, e.value});
      if (holder.size() > 0 && holder.text(0, 0) != key) return fail(PutError::unique_taken);
    }
    drop_indexes(kind, key);
    c_.query("UPDATE record SET version=version+1, body=$3 WHERE kind=$1 AND key=$2", {kind, key, body});
    add_indexes(kind, key, indexes);
    return version + 1;
  }
  bool erase(std::string_view kind, std::string_view key) override {
    if (!valid_text(key)) return false;
    drop_indexes(kind, key);
    return c_.query("DELETE FROM record WHERE kind=$1 AND key=$2", {kind, key}).affected() > 0;
  }
  AuditEvent& audit() override { return event_; }
  void audit_also(AuditEvent event) override { also_.push_back(std::move(event)); }
  const std::vector<AuditEvent>& also() const { return also_; }

  bool add_indexes(std::string_view kind, std::string_view key, const std::vector<IndexEntry>& indexes) {
    for (const auto& e : indexes) {
      if (e.unique &&
          c_.query("INSERT INTO record_unique (kind, name, value, key) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", {kind, e.index, e.value, key})
                  .affected() == 0)
        return false;
      c_.query("INSERT INTO record_index (kind, name, value, key) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING", {kind, e.index, e.value, key});
    }
    return true;
  }

 private:
  static Record row(const Rows& r, int i) { return {r.text(i, 0), r.number(i, 1), r.text(i, 2)}; }
  static std::optional<Record> first(const Rows& r) { return r.size() > 0 ? std::optional(row(r, 0)) : std::nullopt; }
  static std::vector<Record> all(const Rows& r) {
    std::vector<Record> out;
    out.reserve(static_cast<std::size_t>(r.size()));
    for (int i = 0; i < r.size(); ++i) out.push_back(row(r, i));
    return out;
  }
  void drop_indexes(std::string_view kind, std::string_view key) {
    c_.query("DELETE FROM record_unique WHERE kind=$1 AND key=$2", {kind, key});
    c_.query("DELETE FROM record_index WHERE kind=$1 AND key=$2", {kind, key});
  }
  Connection& c_;
  AuditEvent event_;
  std::vector<AuditEvent> also_;
};

}  // namespace

/// A connection with an open transaction: rolled back unless committed, and given back.
class PostgresStore::Lease {
 public:
  Lease(PostgresStore& store, std::unique_ptr<Connection> c) : store_(store), c_(std::move(c)) {}
  Lease(Lease&& o) noexcept : store_(o.store_), c_(std::move(o.c_)) {}
  ~Lease() {
    if (!c_) return;
    if (c_->in_transaction()) try {
        c_->run("ROLLBACK");
      } catch (const StoreUnavailable&) {  // the connection is gone; so is the transaction
      }
    store_.give_back(std::move(c_));
  }
  Connection& operator*() { return *c_; }
  Connection* operator->() { return c_.get(); }
  void commit() { c_->run("COMMIT"); }

 private:
  PostgresStore& store_;
  std::unique_ptr<Connection> c_;
};

std::unique_ptr<Connection> PostgresStore::take() {
  {
    std::unique_lock lock(pool_mutex_);
    pool_wake_.wait(lock, [&] { return !idle_.empty() || open_ < kMostConnections; });
    if (!idle_.empty()) {
      auto c = std::move(idle_.back());
      idle_.pop_back();
      return c;
    }
    ++open_;
  }
  try {
    return std::make_unique<Connection>(url_);
  } catch (...) {
    give_back(nullptr);
    throw;
  }
}

void PostgresStore::give_back(std::unique_ptr<Connection> c) {
  std::lock_guard lock(pool_mutex_);
  if (c && c->usable())
    idle_.push_back(std::move(c));
  else
    --open_;
  pool_wake_.notify_one();
}

PostgresStore::Lease PostgresStore::begin(const std::string& sql) {
  for (int attempt = 0;; ++attempt) {
    Lease lease(*this, take());
    try {
      lease->run(sql);
      return lease;
    } catch (const ConnectionLost&) {
      if (attempt == kMostConnections) throw;  // every pooled connection was dead, and a new one died at once
    }
  }
}

PostgresStore::PostgresStore(const std::string& url, const Clock& clock)
    : url_(url), clock_(clock), audit_(clock, [this](const auto& events) {
        auto c = begin("BEGIN");
        c->query(kLock);
        for (const auto& [at, e] : events) insert_audit(*c, at, e);
        c.commit();
      }) {
  migrate();
}

PostgresStore::~PostgresStore() = default;

void PostgresStore::migrate() {
  auto c = begin("BEGIN");
  c->run("SELECT pg_advisory_xact_lock(7305804403216482)");  // servers that start together migrate one after another
  c->run("CREATE TABLE IF NOT EXISTS schema_version (value BIGINT NOT NULL)");
  const auto rows = c->query("SELECT value FROM schema_version");
  const auto have = rows.size() > 0 ? rows.number(0, 0) : 0;
  const auto& all = postgres_migrations();
  const auto know = static_cast<std::int64_t>(all.size());
  if (have > know) throw StoreUnavailable(fmt::format("the store has schema {}, this program knows {}: use a newer tarn", have, know));
  for (auto i = static_cast<std::size_t>(have); i < all.size(); ++i) c->run(std::string(all[i].sql));
  if (rows.size() == 0)
    c->query("INSERT INTO schema_version VALUES ($1)", {know});
  else
    c->query("UPDATE schema_version SET value=$1", {know});
  c.commit();
}

void PostgresStore::read(const std::function<void(ReadTxn&)>& body) {
  auto c = begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  Txn t(*c, {});
  body(t);
  c.commit();
}

void PostgresStore::write(AuditEvent event, const std::function<bool(WriteTxn&)>& body) {
  std::lock_guard lock(writer_mutex_);
  std::optional<AuditEvent> refusal;
  {
    auto c = begin("BEGIN");
    c->query(kLock);
    Txn t(*c, std::move(event));
    if (body(t)) {
      const Millis now = clock_.now();
      insert_audit(*c, now, t.audit());
      for (const auto& e : t.also()) insert_audit(*c, now, e);
      c->query("UPDATE generation SET value=value+1");
      c.commit();
      return;
    }
    refusal = std::move(t.audit());
  }
  auto c = begin("BEGIN");
  c->query(kLock);
  insert_audit(*c, clock_.now(), *refusal);
  c.commit();
}

std::int64_t PostgresStore::generation() {
  for (int attempt = 0;; ++attempt) {
    Lease c(*this, take());
    try {
      return c->query("SELECT value FROM generation").number(0, 0);
    } catch (const ConnectionLost&) {
      if (attempt == kMostConnections) throw;
    }
  }
}

std::vector<AuditRecord> PostgresStore::audit_log(const AuditFilter& f, std::size_t limit) {
  auto c = begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  const auto rows = c->query(
      "SELECT sequence, at, body FROM audit WHERE sequence>$1 AND at>=$2 AND at<=$3 AND ($4='' OR principal=$4) AND ($5='' OR service=$5) "
      "AND ($6='' OR action=$6) ORDER BY sequence LIMIT $7",
      {f.after_sequence.value_or(0), f.from.value_or(0), f.until.value_or(std::numeric_limits<std::int64_t>::max()), f.principal.value_or(""),
       f.service.value_or(""), f.action.value_or(""), static_cast<std::int64_t>(limit)});
  std::vector<AuditRecord> out;
  for (int i = 0; i < rows.size(); ++i) out.push_back({rows.number(i, 0), rows.number(i, 1), audit_event(rows.text(i, 2))});
  return out;
}

void PostgresStore::dump(DumpSink& sink) {
  audit_.flush();
  auto c = begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
  // In pages, so that a large store is not held in memory.
  constexpr std::int64_t kPage = 1000;
  for (std::string kind, key;;) {
    const auto rows =
        c->query("SELECT kind, key, version, body FROM record WHERE (kind, key) > ($1, $2) ORDER BY kind, key LIMIT $3", {kind, key, kPage});
    for (int i = 0; i < rows.size(); ++i) {
      DumpedRecord r{rows.text(i, 0), rows.text(i, 1), rows.number(i, 2), rows.text(i, 3), {}};
      const auto indexes = c->query(
          "SELECT i.name, i.value, CASE WHEN EXISTS (SELECT 1 FROM record_unique u WHERE u.kind=i.kind AND u.name=i.name AND u.value=i.value AND "
          "u.key=i.key) THEN 1 ELSE 0 END "
          "FROM record_index i WHERE i.kind=$1 AND i.key=$2 ORDER BY i.name, i.value",
          {r.kind, r.key});
      for (int k = 0; k < indexes.size(); ++k) r.indexes.push_back({indexes.text(k, 0), indexes.text(k, 1), indexes.number(k, 2) != 0});
      sink.record(r);
      kind = r.kind;
      key = r.key;
    }
    if (rows.size() < kPage) break;
  }
  for (std::int64_t after = 0;;) {
    const auto rows = c->query("SELECT sequence, at, body FROM audit WHERE sequence>$1 ORDER BY sequence LIMIT $2", {after, kPage});
    for (int i = 0; i < rows.size(); ++i) sink.audit({after = rows.number(i, 0), rows.number(i, 1), audit_event(rows.text(i, 2))});
    if (rows.size() < kPage) break;
  }
  sink.generation(c->query("SELECT value FROM generation").number(0, 0));
  c.commit();
}

void PostgresStore::load(DumpSource& source) {
  std::lock_guard lock(writer_mutex_);
  auto c = begin("BEGIN");
  c->query(kLock);
  if (c->query("SELECT (SELECT count(*) FROM record) + (SELECT count(*) FROM audit)").number(0, 0) != 0)
    throw StoreUnavailable("a backup is restored into an empty store only; this database has records");
  Txn t(*c, {});
  while (const auto r = source.record()) {
    c->query("INSERT INTO record (kind, key, version, body) VALUES ($1, $2, $3, $4)", {r->kind, r->key, r->version, r->body});
    if (!t.add_indexes(r->kind, r->key, r->entries())) throw StoreUnavailable("the backup holds one unique value twice: " + r->kind + " " + r->key);
  }
  while (const auto a = source.audit())
    c->query("INSERT INTO audit (sequence, at, service, action, principal, body) VALUES ($1, $2, $3, $4, $5, $6)",
             {a->sequence, a->at, a->event.service, a->event.action, a->event.principal, json::encode_text(a->event)});
  c->run("SELECT setval(pg_get_serial_sequence('audit', 'sequence'), (SELECT coalesce(max(sequence), 0) + 1 FROM audit), false)");
  c->query("UPDATE generation SET value=$1", {source.generation() + 1});
  c.commit();
}

}  // namespace tarn::store
