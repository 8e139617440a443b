#pragma once
// The store on PostgreSQL (15 or newer), shared by any number of servers. A write transaction first locks the one row of `generation`:
// writers are serialised across servers, each sees what the one before it committed, and audit numbers appear in order. Reads run on
// one snapshot and never wait for writers. A connection that was lost is replaced on the next use: callers see StoreUnavailable
// while the server is away, and answers again once it is back. All connections of one store: at most 16.
#include <condition_variable>
#include <mutex>

#include "store/audit_queue.h"
#include "store/postgres_connection.h"
#include "store/store.h"

namespace tarn::store {

class PostgresStore final : public Store {
 public:
  /// `url` as libpq takes it: postgresql://USER@HOST:PORT/DATABASE?… Migrates under an advisory lock. Throws StoreUnavailable.
  PostgresStore(const std::string& url, const Clock& clock);
  ~PostgresStore() override;

  void read(const std::function<void(ReadTxn&)>& body) override;
  void write(AuditEvent event, const std::function<bool(WriteTxn&)>& body) override;
  std::int64_t generation() override;
  void audit_later(AuditEvent event) override { audit_.post(std::move(event)); }
  void flush_audit() override { audit_.flush(); }
  std::vector<AuditRecord> audit_log(const AuditFilter& filter, std::size_t limit) override;
  void dump(DumpSink& sink) override;
  void load(DumpSource& source) override;

 private:
  class Lease;
  /// Begins a transaction on a live connection: one that died in the pool is replaced once, before anything ran on it.
  Lease begin(const std::string& sql);
  std::unique_ptr<PostgresConnection> take();
  void give_back(std::unique_ptr<PostgresConnection> c);
  void migrate();

  const std::string url_;
  const Clock& clock_;
  std::mutex writer_mutex_;  // this server's writers queue here, not on connections
  std::mutex pool_mutex_;
  std::condition_variable pool_wake_;
  std::vector<std::unique_ptr<PostgresConnection>> idle_;
  int open_ = 0;
  AuditQueue audit_;  // last: its thread uses the pool
};

}  // namespace tarn::store
