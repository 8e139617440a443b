#pragma once
// Writing checkpoints, apart from commits: a thread of its own takes them from a queue, so that no writer waits for one.
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "delta/log.h"

namespace tarn::delta {

/// The rows of a version's checkpoint (v1 spec), as action lines.
std::vector<std::string> checkpoint_lines(const Snapshot& snapshot, Millis now);

/// "Metadata Cleanup": removes what of the log is older than delta.logRetentionDuration and not needed for any later version. Answers how many
/// files. Sidecars of other writers' checkpoints are left to them.
Result<std::size_t> clean_log(objects::ObjectStore& objects, const objects::Url& root, const Metadata& metadata, Millis now);

/// Writes N.checkpoint.parquet, unless it is there (or N.checkpoint.UUID.json where delta.checkpointPolicy is v2), then `_last_checkpoint`, unless
/// that names a newer one.
Result<void> write_checkpoint(objects::ObjectStore& objects, ParquetCodec& parquet, const objects::Url& root, const Snapshot& snapshot, Millis now);

class Checkpointer {
 public:
  Checkpointer(objects::ObjectStore& objects, ParquetCodec& parquet, const Clock& clock) : objects_(objects), parquet_(parquet), clock_(clock) {}
  ~Checkpointer();
  /// Queues one. A failure is logged: the table is whole without it, and the next interval tries again.
  void request(const objects::Url& root, std::shared_ptr<const Snapshot> snapshot);
  void drain();

 private:
  struct Job {
    objects::Url root;
    std::shared_ptr<const Snapshot> snapshot;
  };
  void run();

  objects::ObjectStore& objects_;
  ParquetCodec& parquet_;
  const Clock& clock_;
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<Job> jobs_;
  bool busy_ = false, stop_ = false;
  std::thread thread_;  // started by the first request
};

}  // namespace tarn::delta
