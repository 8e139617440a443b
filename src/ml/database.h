#pragma once
// The tables that hold what runs log, on SQLite (a file of its own beside the store) or PostgreSQL (the store's database).
//
// The metadata store keeps whole records under one writer, each with an audit event and a new generation; a training loop's metrics are
// none of that: millions of tiny rows that nobody's rights depend on. They live in plain tables here, with group commit: writers that wait
// share one transaction, so a flood of log-metric calls costs one commit for many. A write has returned only when it is durable: SQLite's log is
// synced by those who wait for it, so that the next group is written while the disk is at the last one's (a reader may see what was committed
// some milliseconds before that), and moved into the database by a thread of its own, so that no write waits for the checkpoint.
//
// One SQL text serves both backends: parameters are $1, $2, …; {text}, {real}, {serial}, {compact} and {indexed} in a schema are what each calls
// them. All methods are thread-safe and block. Throws store::StoreUnavailable when the database is gone.
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "ml/errors.h"

namespace tarn::ml {

using Value = std::variant<std::nullptr_t, std::int64_t, double, std::string>;

/// One row of an answer; valid during the call that it is passed to.
class Row {
 public:
  virtual ~Row() = default;
  virtual bool null(int column) const = 0;
  virtual std::string text(int column) const = 0;
  virtual std::int64_t number(int column) const = 0;
  virtual double real(int column) const = 0;
  virtual Value any(int column) const = 0;  // without loss, for copies
  std::optional<std::string> maybe_text(int column) const { return null(column) ? std::nullopt : std::optional(text(column)); }
  std::optional<std::int64_t> maybe_number(int column) const { return null(column) ? std::nullopt : std::optional(number(column)); }
};

/// One connection inside a transaction.
class Connection {
 public:
  virtual ~Connection() = default;
  /// Executes one statement (kept prepared by its text); `each` sees every row. Returns how many rows it changed.
  virtual std::int64_t query(const std::string& sql, const std::vector<Value>& values, const std::function<void(const Row&)>& each) = 0;
  std::int64_t change(const std::string& sql, const std::vector<Value>& values) {
    return query(sql, values, [](const Row&) {});
  }
  /// Statements without parameters or rows.
  virtual void run(const std::string& sql) = 0;
  /// The members of a JSON array of strings, given as parameter `$n`, as rows of one column `value`.
  virtual std::string members(int parameter) const = 0;
  /// "LIKE" as MLflow means it: case counts, no escape character.
  virtual std::string like(const std::string& left, const std::string& right) const = 0;
  /// Whether the index of params by value holds whole values (and answers alone), rather than their first 200 characters.
  virtual bool indexes_whole() const { return false; }
  /// Whether a number is of a set (add_to() in sql_pieces.h) that is given as parameter, without a look at any table. Empty: not here.
  virtual std::string among(const std::string& /*number*/, const std::string& /*parameter*/) const { return ""; }
};

class Database {
 public:
  /// Opens `sqlite:PATH` (or `sqlite::memory:`) or `postgresql://…` and brings the schema up to date.
  explicit Database(const std::string& url);
  ~Database();

  /// Runs `body` on one snapshot.
  void read(const std::function<void(Connection&)>& body);
  /// Runs `body` within a transaction that others may share; it commits if `body` succeeds and undoes only its own part if not. Returns when
  /// it is durable. `body` must have no effect outside.
  Result<void> write(const std::function<Result<void>(Connection&)>& body);

  /// All tables as one SQLite file, and back into an empty database, whatever the backends.
  void copy_to(const std::string& path);
  void copy_from(const std::string& path);

  struct Backend;  // opens connections: one of two

 private:
  struct Waiting {
    const std::function<Result<void>(Connection&)>* body;
    Result<void> result{};
    std::exception_ptr lost{};
    bool taken = false;  // by a leader
    bool done = false;
  };
  void lead(std::unique_lock<std::mutex>& lock);
  void run_group(const std::vector<Waiting*>& group);
  void await_disk(std::int64_t commit);  // returns once this commit is on the disk
  void keep(const std::stop_token& stop);
  std::unique_ptr<Connection> take_reader();

  std::unique_ptr<Backend> backend_;
  std::mutex mutex_;  // the queue
  std::condition_variable turned_;
  std::vector<Waiting*> queue_;
  int in_flight_ = 0;  // groups that are not on the disk yet
  bool leading_ = false;
  std::unique_ptr<Connection> writer_;  // the leader's
  std::atomic<int> log_pages_{0};       // of SQLite's log, as of the last commit
  int seen_pages_ = 0, wanted_pages_ = 0;
  std::condition_variable_any long_log_;
  std::mutex disk_mutex_;
  std::condition_variable disk_turned_;
  std::int64_t committed_ = 0, on_disk_ = 0;
  int syncing_ = 0;
  std::mutex readers_mutex_;
  std::vector<std::unique_ptr<Connection>> readers_;
  std::jthread keeper_;
};

/// The schema's steps, oldest first; step n brings a database from version n to n + 1. A step is never changed once released.
const std::vector<std::string>& tracking_schema();
/// Every table with its columns, parents first: what copies move.
struct Table {
  std::string name;
  std::vector<std::string> columns;
};
const std::vector<Table>& tracking_tables();

}  // namespace tarn::ml
