#include "store/postgres_connection.h"

#include <libpq-fe.h>

#include <charconv>

namespace tarn::store {
namespace {

constexpr Oid kText = 25, kInt8 = 20;

std::string trimmed(const char* text) {
  std::string out(text ? text : "");
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
  return out;
}

}  // namespace

PostgresConnection::Value::Value(std::int64_t n) : number(true) {
  for (int shift = 56; shift >= 0; shift -= 8) bytes += static_cast<char>(static_cast<std::uint64_t>(n) >> shift);
}

PostgresConnection::Rows::~Rows() { PQclear(r_); }
int PostgresConnection::Rows::size() const { return PQntuples(r_); }
std::string PostgresConnection::Rows::text(int row, int column) const {
  return {PQgetvalue(r_, row, column), static_cast<std::size_t>(PQgetlength(r_, row, column))};
}
std::int64_t PostgresConnection::Rows::number(int row, int column) const {
  const std::string t = text(row, column);
  std::int64_t n = 0;
  std::from_chars(t.data(), t.data() + t.size(), n);
  return n;
}
std::int64_t PostgresConnection::Rows::affected() const { return std::atoll(PQcmdTuples(r_)); }

PostgresConnection::PostgresConnection(const std::string& url) {
  // The URL may say otherwise: its own parameters win over these.
  const char* names[] = {"connect_timeout", "fallback_application_name", "keepalives_idle", "client_encoding", "dbname", nullptr};
  const char* values[] = {"5", "tarn", "30", "UTF8", url.c_str(), nullptr};
  c_ = PQconnectdbParams(names, values, 1);
  if (PQstatus(c_) != CONNECTION_OK) {
    const std::string why = trimmed(PQerrorMessage(c_));
    PQfinish(c_);
    throw ConnectionLost("cannot reach the store: " + why);
  }
  PQsetNoticeProcessor(
      c_, [](void*, const char*) {}, nullptr);
  try {
    // A server that stops inside its transaction must not keep all others waiting for ever.
    run("SET idle_in_transaction_session_timeout = '60s'; SET lock_timeout = '30s'; SET synchronous_commit = on");
  } catch (...) {
    PQfinish(c_);
    throw;
  }
}

PostgresConnection::~PostgresConnection() { PQfinish(c_); }

bool PostgresConnection::in_transaction() const {
  const auto s = PQtransactionStatus(c_);
  return s == PQTRANS_INTRANS || s == PQTRANS_INERROR || s == PQTRANS_ACTIVE;
}

bool PostgresConnection::usable() const { return PQstatus(c_) == CONNECTION_OK && PQtransactionStatus(c_) == PQTRANS_IDLE; }

void PostgresConnection::lost_or(const std::string& what, PGresult* r) {
  const char* state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : nullptr;
  const std::string code = state ? state : "", why = trimmed(r ? PQresultErrorMessage(r) : PQerrorMessage(c_));
  PQclear(r);
  // 57P: the server is shutting down or starting.
  if (PQstatus(c_) != CONNECTION_OK || code.starts_with("57P") || code.starts_with("08")) throw ConnectionLost("store: " + what + ": " + why);
  throw StoreUnavailable("store: " + what + ": " + why);
}

void PostgresConnection::run(const std::string& sql) {
  PGresult* r = PQexec(c_, sql.c_str());
  const auto status = PQresultStatus(r);
  // A COMMIT of a transaction that had failed answers ROLLBACK: that is no commit.
  if ((status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) || (sql == "COMMIT" && std::string_view(PQcmdStatus(r)) != "COMMIT"))
    lost_or(sql.substr(0, 60), r);
  PQclear(r);
}

PostgresConnection::Rows PostgresConnection::query(const char* sql, const std::vector<Value>& values) {
  auto [it, fresh] = prepared_.try_emplace(sql);
  if (fresh) {
    it->second = "s" + std::to_string(prepared_.size());
    std::vector<Oid> types;
    for (const auto& v : values) types.push_back(v.number ? kInt8 : kText);
    PGresult* r = PQprepare(c_, it->second.c_str(), sql, static_cast<int>(types.size()), types.data());
    if (PQresultStatus(r) != PGRES_COMMAND_OK) {
      prepared_.erase(it);
      lost_or("prepare", r);
    }
    PQclear(r);
  }
  std::vector<const char*> data;
  std::vector<int> lengths, formats(values.size(), 1);
  for (const auto& v : values) {
    data.push_back(v.bytes.data());
    lengths.push_back(static_cast<int>(v.bytes.size()));
  }
  PGresult* r = PQexecPrepared(c_, it->second.c_str(), static_cast<int>(values.size()), data.data(), lengths.data(), formats.data(), 0);
  const auto status = PQresultStatus(r);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) lost_or("query", r);
  return Rows(r);
}

}  // namespace tarn::store
