#pragma once
// One libpq connection with its prepared statements. Used by one thread at a time. Private to this room.
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/store.h"

struct pg_conn;
struct pg_result;

namespace tarn::store {

/// The server is gone or going: the connection is of no more use. (A StoreUnavailable, so that callers need not tell them apart.)
struct ConnectionLost : StoreUnavailable {
  using StoreUnavailable::StoreUnavailable;
};

class PostgresConnection {
 public:
  /// Throws StoreUnavailable.
  explicit PostgresConnection(const std::string& url);
  PostgresConnection(const PostgresConnection&) = delete;
  ~PostgresConnection();

  /// Statements without parameters or rows.
  void run(const std::string& sql);
  bool in_transaction() const;
  bool usable() const;

  /// A value of a statement's parameter.
  struct Value {
    Value(std::string_view text) : bytes(text) {}
    Value(const std::string& text) : bytes(text) {}
    Value(std::int64_t number);
    std::string bytes;
    bool number = false;
  };

  class Rows {
   public:
    explicit Rows(pg_result* r) : r_(r) {}
    Rows(Rows&& o) noexcept : r_(std::exchange(o.r_, nullptr)) {}
    ~Rows();
    int size() const;
    std::string text(int row, int column) const;
    std::int64_t number(int row, int column) const;
    std::int64_t affected() const;

   private:
    pg_result* r_;
  };

  /// Executes a prepared statement; `sql` must be a literal (statements are kept by its address).
  Rows query(const char* sql, const std::vector<Value>& values = {});

 private:
  [[noreturn]] void lost_or(const std::string& what, pg_result* r);
  pg_conn* c_ = nullptr;
  std::unordered_map<const char*, std::string> prepared_;
};

}  // namespace tarn::store
