#pragma once
// The store on one SQLite file in WAL mode: one writer, a pool of readers, every commit synced (a kill or a power cut loses nothing
// that was acknowledged). The file belongs to one server; a second one is refused at open by an exclusive lock beside it.
#include <condition_variable>
#include <mutex>

#include "store/audit_queue.h"
#include "store/store.h"

struct sqlite3;

namespace tarn::store {

class SqliteStore final : public Store {
 public:
  /// `path` may be ":memory:" for tests: a scratch file that goes with the store. Throws StoreUnavailable.
  SqliteStore(const std::string& path, const Clock& clock);
  ~SqliteStore() override;

  void read(const std::function<void(ReadTxn&)>& body) override;
  void write(AuditEvent event, const std::function<bool(WriteTxn&)>& body) override;
  std::int64_t generation() override { return generation_.load(std::memory_order_acquire); }
  std::optional<std::int64_t> generation_at_hand() override { return generation(); }
  void audit_later(AuditEvent event) override { audit_.post(std::move(event)); }
  void flush_audit() override { audit_.flush(); }
  std::vector<AuditRecord> audit_log(const AuditFilter& filter, std::size_t limit) override;
  void dump(DumpSink& sink) override;
  void load(DumpSource& source) override;

  class Connection;

 private:
  std::unique_ptr<Connection> take_reader();
  void give_back(std::unique_ptr<Connection> c);

  struct Scratch {
    std::string path;
    ~Scratch();
  } scratch_;  // first: the files go after the connections
  std::string path_;
  const Clock& clock_;
  int lock_fd_ = -1;
  std::mutex writer_mutex_, readers_mutex_;
  std::unique_ptr<Connection> writer_;
  std::vector<std::unique_ptr<Connection>> readers_;
  std::atomic<std::int64_t> generation_{0};
  AuditQueue audit_;  // last: its thread uses the writer
};

}  // namespace tarn::store
