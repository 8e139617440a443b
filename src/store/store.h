#pragma once
// The metadata store: everything Tarn knows, as typed records in ordered collections, on SQLite (one server) or PostgreSQL (many).
//
// A record is (kind, key) -> body, where the body is the JSON of a described struct and the key sorts bytewise. A collection
// declares its indexes; unique ones refuse a second holder of a value. Every write is one transaction that also holds its
// audit event, so nothing changes without a trace and no trace speaks of what did not happen; a refused write leaves the
// refusal's event. Writers are serialised (by SQLite's one writer, by a row lock on PostgreSQL): a transaction body sees a
// stable state and runs once, or again from the start if the database asks for it, so it must have no effect outside.
//
// Infrastructure faults (disk full, connection lost) throw StoreUnavailable; what a caller can cause comes back as a value.
// All methods are thread-safe and block; call them on a worker thread, never while holding a lock of your own.
#include <fmt/format.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/refusal.h"

namespace tarn::store {

/// The store cannot answer now: the gateway maps it to 503 TEMPORARILY_UNAVAILABLE.
struct StoreUnavailable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Record {
  std::string key;
  std::int64_t version = 0;  // 1 when inserted, +1 with each change
  std::string body;
};

/// One entry that a record keeps in an index of its kind.
struct IndexEntry {
  std::string_view index;
  std::string value;
  bool unique = false;
};

enum class Outcome { success, denied, failed };
BOOST_DESCRIBE_ENUM(Outcome, success, denied, failed)

/// What the audit log keeps of one action (the vendor's system.access.audit columns, in our spelling).
struct AuditEvent {
  std::string service;                       // accounts, unityCatalog, databrickssql, …
  std::string action;                        // createCatalog, updatePermissions, …
  std::string principal;                     // user name or application id; empty for the unauthenticated
  std::optional<std::int64_t> workspace_id;  // absent: account level
  std::string request_id;
  std::string source_ip;
  std::string user_agent;
  std::map<std::string, std::string> params;  // what it was about (full_name_arg, …); never a secret
  Outcome outcome = Outcome::success;
  int status = 200;   // as the caller saw it
  std::string error;  // the message, when it was refused

  /// Becomes the event of a refusal, as its caller sees it. E: a room's error, whose code has a refusal_of().
  template <class E>
  void refused(const E& e) {
    status = refusal_of(e.code).status;
    outcome = status == 403 ? Outcome::denied : Outcome::failed;
    error = e.message;
  }
};
BOOST_DESCRIBE_STRUCT(AuditEvent, (), (service, action, principal, workspace_id, request_id, source_ip, user_agent, params, outcome, status, error))

struct AuditRecord {
  std::int64_t sequence = 0;
  Millis at = 0;
  AuditEvent event;
};

enum class PutError { already_exists, unique_taken, version_changed, not_found };

/// What a transaction body can read. `after` is exclusive and empty at the start; limits are at least 1 (keyset pagination).
class ReadTxn {
 public:
  virtual ~ReadTxn() = default;
  virtual std::optional<Record> get(std::string_view kind, std::string_view key) = 0;
  /// The record that holds a unique value.
  virtual std::optional<Record> find(std::string_view kind, std::string_view index, std::string_view value) = 0;
  /// Records whose key starts with `prefix`, in key order, after key `after`.
  virtual std::vector<Record> scan(std::string_view kind, std::string_view prefix, std::string_view after, std::size_t limit) = 0;
  /// Records with this value in a (unique or plain) index, in key order, after key `after`.
  virtual std::vector<Record> scan_index(std::string_view kind, std::string_view index, std::string_view value, std::string_view after,
                                         std::size_t limit) = 0;
  virtual std::int64_t count(std::string_view kind, std::string_view prefix) = 0;
};

class WriteTxn : public ReadTxn {
 public:
  /// Fails with already_exists or unique_taken.
  virtual Expected<std::int64_t, PutError> insert(std::string_view kind, std::string_view key, std::string_view body,
                                                  const std::vector<IndexEntry>& indexes) = 0;
  /// Replaces an existing record and its index entries. `expected_version` 0 means any. Fails with not_found, version_changed, unique_taken.
  virtual Expected<std::int64_t, PutError> update(std::string_view kind, std::string_view key, std::string_view body,
                                                  const std::vector<IndexEntry>& indexes, std::int64_t expected_version = 0) = 0;
  virtual bool erase(std::string_view kind, std::string_view key) = 0;
  /// The event that will be committed with this transaction; the body may add parameters.
  virtual AuditEvent& audit() = 0;
  /// A further event of the same commit (one action that touches many objects).
  virtual void audit_also(AuditEvent event) = 0;
};

/// Narrows an audit query; all conditions must hold.
struct AuditFilter {
  std::optional<std::int64_t> after_sequence;
  std::optional<Millis> from, until;
  std::optional<std::string> principal, service, action;
};

/// One record as a backup holds it: any backend's records load into any other.
struct DumpedIndex {
  std::string index, value;
  bool unique = false;
};
BOOST_DESCRIBE_STRUCT(DumpedIndex, (), (index, value, unique))
struct DumpedRecord {
  std::string kind, key;
  std::int64_t version = 0;
  std::string body;
  std::vector<DumpedIndex> indexes;
  std::vector<IndexEntry> entries() const {
    std::vector<IndexEntry> out;
    for (const auto& i : indexes) out.push_back({i.index, i.value, i.unique});
    return out;
  }
};
BOOST_DESCRIBE_STRUCT(DumpedRecord, (), (kind, key, version, body, indexes))

/// Receives a dump: all records, then all audit records, then the generation.
class DumpSink {
 public:
  virtual ~DumpSink() = default;
  virtual void record(const DumpedRecord& r) = 0;
  virtual void audit(const AuditRecord& r) = 0;
  virtual void generation(std::int64_t value) = 0;
};
/// Gives one back in the same order.
class DumpSource {
 public:
  virtual ~DumpSource() = default;
  virtual std::optional<DumpedRecord> record() = 0;
  virtual std::optional<AuditRecord> audit() = 0;
  virtual std::int64_t generation() = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  /// Runs `body` on one consistent snapshot.
  virtual void read(const std::function<void(ReadTxn&)>& body) = 0;
  /// Runs `body` in a serialised transaction. It commits, with the event, if `body` returns true; otherwise everything is rolled
  /// back and the event alone is recorded as a refusal (body sets outcome, status and error on txn.audit()).
  virtual void write(AuditEvent event, const std::function<bool(WriteTxn&)>& body) = 0;
  /// Changes with every committed write of any server on this store: what caches compare against. Cheap.
  virtual std::int64_t generation() = 0;
  /// The same where it costs nothing to know: never asks another process, for threads that must not wait. Nothing where it would have to.
  virtual std::optional<std::int64_t> generation_at_hand() { return std::nullopt; }
  /// Records an event by group commit within 100 ms (allowed reads); does not move the generation. flush_audit waits for it.
  virtual void audit_later(AuditEvent event) = 0;
  virtual void flush_audit() = 0;
  /// Audit records in sequence order.
  virtual std::vector<AuditRecord> audit_log(const AuditFilter& filter, std::size_t limit) = 0;

  /// The whole store as of one moment, while it serves (see backup.h).
  virtual void dump(DumpSink& sink) = 0;
  /// Fills an empty store in one transaction; throws StoreUnavailable if it is not empty. The generation moves past the dump's.
  virtual void load(DumpSource& source) = 0;

  // Typed conveniences. F: (ReadTxn&) -> R, and (WriteTxn&) -> Expected<T, E>.
  template <class F>
  auto read_as(F&& f) {
    using R = std::invoke_result_t<F, ReadTxn&>;
    std::optional<R> out;
    read([&](ReadTxn& t) { out.emplace(f(t)); });
    return *std::move(out);
  }
  template <class F>
  auto write_as(AuditEvent event, F&& f) {
    using R = std::invoke_result_t<F, WriteTxn&>;
    std::optional<R> out;
    write(std::move(event), [&](WriteTxn& t) {
      out.emplace(f(t));
      if (*out) return true;
      auto& a = t.audit();
      if (a.status < 400) {
        if constexpr (requires { refusal_of(out->error().code); }) {
          a.refused(out->error());
        } else {
          a.status = 400;
          if (a.outcome == Outcome::success) a.outcome = Outcome::failed;
        }
      }
      if (a.error.empty()) a.error = out->error().message;
      return false;
    });
    return *std::move(out);
  }
  /// Records a refusal that no transaction has seen, and hands it on.
  template <class E>
  E refused(AuditEvent event, E error) {
    event.refused(error);
    audit_later(std::move(event));
    return error;
  }
  /// Records a look with its outcome (by group commit: a read waits for nothing) and hands the answer on. R: a room's Result.
  template <class R>
  R looked(AuditEvent event, R answer) {
    if (!answer) event.refused(answer.error());
    audit_later(std::move(event));
    return answer;
  }
  /// A look on one snapshot.
  template <class F>
  auto look_as(AuditEvent event, F&& f) {
    return looked(std::move(event), read_as(std::forward<F>(f)));
  }
};

/// Opens (and migrates) `sqlite:PATH` or `postgresql://…`. Throws StoreUnavailable if it cannot, with a text for people.
std::unique_ptr<Store> open_store(const std::string& url, const Clock& clock);

/// Joins key parts with a separator that no part contains (0x1f); parts with it are refused upstream by name rules.
inline std::string key(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const auto& p : parts) {
    if (&p != parts.begin()) out += '\x1f';
    out += p;
  }
  return out;
}
/// The same with a closing separator: the prefix of all keys below these parts.
inline std::string prefix(std::initializer_list<std::string_view> parts) { return key(parts) + '\x1f'; }
/// A numeric key part that sorts as the number does.
inline std::string sortable(std::int64_t n) { return fmt::format("{:019}", n); }

template <class T>
struct Stored {
  T value;
  std::int64_t version = 0;
};

/// A typed collection of records. T is a described struct with `std::string store_key() const` and
/// `std::vector<IndexEntry> store_indexes() const`; renaming a member is a migration, adding one is not.
template <class T>
class Collection {
 public:
  explicit constexpr Collection(std::string_view kind) : kind_(kind) {}
  std::string_view kind() const { return kind_; }

  std::optional<Stored<T>> get(ReadTxn& t, std::string_view key) const { return typed(t.get(kind_, key)); }
  std::optional<Stored<T>> find(ReadTxn& t, std::string_view index, std::string_view value) const { return typed(t.find(kind_, index, value)); }
  std::vector<T> scan(ReadTxn& t, std::string_view prefix = {}, std::string_view after = {}, std::size_t limit = kAll) const {
    return typed(t.scan(kind_, prefix, after, limit));
  }
  std::vector<T> scan_index(ReadTxn& t, std::string_view index, std::string_view value, std::string_view after = {}, std::size_t limit = kAll) const {
    return typed(t.scan_index(kind_, index, value, after, limit));
  }
  Expected<std::int64_t, PutError> insert(WriteTxn& t, const T& v) const {
    return t.insert(kind_, v.store_key(), json::encode_text(v), v.store_indexes());
  }
  Expected<std::int64_t, PutError> update(WriteTxn& t, const T& v, std::int64_t expected_version = 0) const {
    return t.update(kind_, v.store_key(), json::encode_text(v), v.store_indexes(), expected_version);
  }
  /// Insert or replace. Fails only with unique_taken.
  Expected<std::int64_t, PutError> put(WriteTxn& t, const T& v) const { return t.get(kind_, v.store_key()) ? update(t, v) : insert(t, v); }
  bool erase(WriteTxn& t, std::string_view key) const { return t.erase(kind_, key); }

  static constexpr std::size_t kAll = 1'000'000'000;

 private:
  static T decode(const Record& r) {
    auto v = json::decode_text<T>(r.body, {.absent = json::Absent::keep});
    if (!v) throw std::logic_error("a stored record does not decode: " + v.error().message());
    return *std::move(v);
  }
  static std::optional<Stored<T>> typed(std::optional<Record> r) {
    if (!r) return std::nullopt;
    return Stored<T>{decode(*r), r->version};
  }
  static std::vector<T> typed(const std::vector<Record>& rows) {
    std::vector<T> out;
    out.reserve(rows.size());
    for (const auto& r : rows) out.push_back(decode(r));
    return out;
  }
  std::string_view kind_;
};

}  // namespace tarn::store
