#include "delta/checkpoint.h"

#include "base/ids.h"
#include "base/log.h"
#include "delta/actions.h"
#include "delta/features.h"
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
  auto lines = checkpoint_lines(snapshot, now);
  const auto policy = property(snapshot.metadata, "delta.checkpointPolicy");
  std::uint64_t bytes = 0;
  if (policy && *policy == "v2" && supports(snapshot.protocol, "v2Checkpoint")) {
    // "V2 Spec" under a name of its own, with all actions in it.
    const json::object tags;
    lines.insert(lines.begin(),
                 boost::json::serialize(json::object{{"checkpointMetadata", json::object{{"version", snapshot.version}, {"tags", tags}}}}));
    std::string text;
    for (const auto& line : lines) text += line + "\n";
    bytes = text.size();
    const auto name = fmt::format("{:020d}.checkpoint.{}.json", snapshot.version, new_uuid());
    if (auto put = objects.put(log_url(root, name), text); !put) return fail(storage_error(put.error()));
  } else {
    const auto url = log_url(root, checkpoint_name(snapshot.version));
    if (objects.head(url)) return {};  // another writer was first; both hold the same
    TARN_TRY(written, parquet.write_checkpoint(lines, url));
    bytes = written;
  }
  if (const auto known = last_checkpoint_hint(objects, root); known && *known > snapshot.version) return {};
  const json::object pointer{{"version", snapshot.version}, {"size", lines.size()}, {"sizeInBytes", bytes}, {"numOfAddFiles", snapshot.files.size()}};
  auto done = objects.put(log_url(root, "_last_checkpoint"), boost::json::serialize(pointer));
  if (!done) return fail(storage_error(done.error()));
  return {};
}

Result<std::size_t> clean_log(objects::ObjectStore& objects, const objects::Url& root, const Metadata& metadata, Millis now) {
  constexpr Millis day = 24LL * 3600 * 1000;
  if (const auto on = property(metadata, "delta.enableExpiredLogCleanup"); on && !property_is_true(metadata, "delta.enableExpiredLogCleanup"))
    return 0;
  const auto cut = (now - log_retention(metadata)) / day * day;  // "midnight UTC of that day"
  const auto prefix = log_url(root, "").key;
  // The oldest file of the log comes first: most tables have nothing to clean, and that costs one request.
  auto head = objects.list(root.bucket, prefix, {}, 1, "/");
  if (!head) return fail(storage_error(head.error()));
  if (head->objects.empty() || head->objects[0].modified > cut) return 0;
  TARN_TRY(listing, list_log(objects, root, 0));
  std::int64_t newest = -1;
  for (const auto& [version, info] : listing.commit_info)
    if (info.modified <= cut) newest = version;
  std::int64_t keep_from = -1;
  for (const auto& c : listing.checkpoints)
    if (c.version <= newest) keep_from = c.version;
  if (keep_from <= 0) return 0;
  // What reads the log while it is cleaned begins at a checkpoint that stays.
  std::size_t removed = 0;
  std::string after;
  for (bool more = true; more;) {
    auto page = objects.list(root.bucket, prefix, after, 1000, "/");
    if (!page) return fail(storage_error(page.error()));
    for (const auto& o : page->objects) {
      const auto name = std::string_view(o.key).substr(prefix.size());
      if (name.size() < 21 || name[20] != '.' || !std::ranges::all_of(name.substr(0, 20), [](char c) { return c >= '0' && c <= '9'; })) continue;
      if (std::stoll(std::string(name.substr(0, 20))) >= keep_from) continue;
      if (auto gone = objects.remove({root.bucket, o.key}); !gone) return fail(storage_error(gone.error()));
      ++removed;
    }
    more = page->truncated;
    after = page->next;
  }
  return removed;
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
      else if (auto cleaned = clean_log(objects_, job.root, job.snapshot->metadata, clock_.now()); !cleaned)
        spdlog::warn("the log of {} was not cleaned: {}", job.root.text(), cleaned.error().message);
    } catch (const std::exception& e) {
      spdlog::error("checkpoint {} of {} failed: {}", job.snapshot->version, job.root.text(), e.what());
    }
    lock.lock();
    busy_ = false;
    if (jobs_.empty()) idle_.notify_all();
  }
}

}  // namespace tarn::delta
