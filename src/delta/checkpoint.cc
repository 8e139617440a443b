#include "delta/checkpoint.h"

#include "base/log.h"
#include "delta/actions.h"
#include "delta/log_files.h"
#include "delta/protocol.h"

namespace tarn::delta {

std::vector<std::string> checkpoint_lines(const Snapshot& s, Millis now) {
  std::vector<std::string> out;
  out.reserve(2 + s.transactions.size() + s.domains.size() + s.files.size() + s.tombstones.size());
  out.push_back(print(s.protocol));
  out.push_back(print(s.metadata));
  for (const auto& [app, t] : s.transactions) out.push_back(print_txn(app, t));
  for (const auto& [domain, body] : s.domains) out.push_back(print_domain(body));
  for (const auto& file : s.files) {
    AddFile add = file;
    add.data_change = false;  // a checkpoint changes nothing
    out.push_back(print(add));
  }
  const Millis oldest = now - deleted_file_retention(s.metadata);
  for (const auto& t : s.tombstones) {
    if (t.file->deletion_timestamp < oldest) continue;
    RemoveFile remove = *t.file;
    remove.data_change = false;
    if (auto* extra = remove.extra.if_object())  // "the remove struct does not contain the stats and tags fields"
      for (const char* key : {"stats", "tags"}) extra->erase(key);
    out.push_back(print(remove));
  }
  return out;
}

Result<void> write_checkpoint(objects::ObjectStore& objects, ParquetCodec& parquet, const objects::Url& root, const Snapshot& snapshot, Millis now) {
  const auto url = log_url(root, checkpoint_name(snapshot.version));
  if (objects.head(url)) return {};  // another writer was first; both hold the same
  const auto lines = checkpoint_lines(snapshot, now);
  TARN_TRY(bytes, parquet.write_checkpoint(lines, url));
  if (const auto known = last_checkpoint_hint(objects, root); known && *known > snapshot.version) return {};
  const json::object pointer{{"version", snapshot.version}, {"size", lines.size()}, {"sizeInBytes", bytes}, {"numOfAddFiles", snapshot.files.size()}};
  auto done = objects.put(log_url(root, "_last_checkpoint"), boost::json::serialize(pointer));
  if (!done) return fail(storage_error(done.error()));
  return {};
}

Checkpointer::~Checkpointer() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Checkpointer::request(const objects::Url& root, std::shared_ptr<const Snapshot> snapshot) {
  {
    std::lock_guard lock(mutex_);
    if (stop_) return;
    jobs_.push_back({root, std::move(snapshot)});
    if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  }
  wake_.notify_one();
}

void Checkpointer::drain() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return jobs_.empty() && !busy_; });
}

void Checkpointer::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return stop_ || !jobs_.empty(); });
    if (jobs_.empty()) return;  // stopping, and nothing is owed
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    busy_ = true;
    lock.unlock();
    try {
      if (auto done = write_checkpoint(objects_, parquet_, job.root, *job.snapshot, clock_.now()); !done)
        spdlog::warn("checkpoint {} of {} was not written: {}", job.snapshot->version, job.root.text(), done.error().message);
    } catch (const std::exception& e) {
      spdlog::error("checkpoint {} of {} failed: {}", job.snapshot->version, job.root.text(), e.what());
    }
    lock.lock();
    busy_ = false;
    if (jobs_.empty()) idle_.notify_all();
  }
}

}  // namespace tarn::delta
