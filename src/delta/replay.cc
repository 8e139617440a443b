#include "delta/replay.h"

#include <unordered_set>

#include "delta/protocol.h"

namespace tarn::delta {

const json::object* ParsedCommit::commit_info() const {
  for (const auto& a : actions)
    if (const auto* info = std::get_if<InfoAction>(&a)) return &info->body;
  return nullptr;
}

Millis ParsedCommit::timestamp(bool in_commit_timestamps) const {
  if (in_commit_timestamps)
    if (const auto* o = commit_info())
      if (const auto* v = o->if_contains("inCommitTimestamp"); v && v->is_int64()) return v->get_int64();
  return info.modified;
}

Replay::Replay(std::shared_ptr<const Snapshot> base) : base_(std::move(base)) {
  if (!base_) return;
  transactions_ = base_->transactions;
  domains_ = base_->domains;
}

void Replay::apply(const std::vector<Action>& actions) {
  for (const auto& action : actions) {
    if (const auto* add = std::get_if<std::shared_ptr<const AddFile>>(&action)) {
      changes_[file_key(**add)] = {*add, nullptr, order_++};
    } else if (const auto* remove = std::get_if<std::shared_ptr<const RemoveFile>>(&action)) {
      changes_[file_key(**remove)] = {nullptr, *remove, order_++};
    } else if (const auto* m = std::get_if<Metadata>(&action)) {
      metadata_ = *m;
    } else if (const auto* p = std::get_if<Protocol>(&action)) {
      protocol_ = *p;
    } else if (const auto* t = std::get_if<TxnAction>(&action)) {
      transactions_[t->app_id] = t->transaction;
    } else if (const auto* d = std::get_if<DomainAction>(&action)) {
      if (d->removed)
        domains_.erase(d->domain);
      else
        domains_[d->domain] = d->body;
    }
  }
}

Result<std::shared_ptr<Snapshot>> Replay::finish(std::int64_t version, Millis now, std::string_view table) {
  auto missing = [&](std::string_view what) {
    return fail(Error{
        Errc::corrupt,
        fmt::format(
            "[DELTA_STATE_RECOVER_ERROR] The {} of your Delta table {} could not be recovered while Reconstructing version: {}. Did you manually "
            "delete files in the _delta_log directory?",
            what, table, version)});
  };
  if (!base_ && !protocol_) return missing("protocol");
  if (!base_ && !metadata_) return missing("metadata");
  auto out = std::make_shared<Snapshot>();
  out->version = version;
  out->protocol = protocol_ ? *std::move(protocol_) : base_->protocol;
  TARN_CHECK(check_readable(out->protocol, table));
  out->metadata = metadata_ ? *std::move(metadata_) : base_->metadata;
  out->transactions = std::move(transactions_);
  out->domains = std::move(domains_);

  std::unordered_set<std::size_t> touched;  // hashes first: the keys of untouched files are never built
  std::vector<std::pair<const std::string*, const Change*>> added, removed;
  for (const auto& [key, change] : changes_) {
    touched.insert(hash_of(key));
    (change.add ? added : removed).emplace_back(&key, &change);
  }
  auto by_order = [](const auto& a, const auto& b) { return a.second->order < b.second->order; };
  std::sort(added.begin(), added.end(), by_order);
  std::sort(removed.begin(), removed.end(), by_order);

  auto& files = out->files.entries;
  if (base_) {
    files.reserve(base_->files.size() + added.size());
    for (const auto& entry : base_->files.entries)
      if (!touched.contains(entry.hash) || !changes_.contains(file_key(*entry.file))) files.push_back(entry);
  }
  for (const auto& [key, change] : added) files.push_back({hash_of(*key), change->add});

  const Millis oldest = now - deleted_file_retention(out->metadata);
  if (base_)
    for (const auto& t : base_->tombstones)
      if (t.file->deletion_timestamp >= oldest && (!touched.contains(t.hash) || !changes_.contains(file_key(*t.file)))) out->tombstones.push_back(t);
  for (const auto& [key, change] : removed)
    if (change->remove->deletion_timestamp >= oldest) out->tombstones.push_back({hash_of(*key), change->remove});
  return out;
}

const AddFile* FileSet::find(std::string_view path) const {
  for (const auto& e : entries)
    if (e.file->path == path) return e.file.get();
  return nullptr;
}

bool Snapshot::has_deletion_vectors() const {
  return std::any_of(files.begin(), files.end(), [](const AddFile& f) { return !f.deletion_vector.is_null(); });
}

bool Snapshot::has_column_mapping() const {
  const auto mode = property(metadata, "delta.columnMapping.mode");
  return mode && *mode != "none";
}

bool Snapshot::has_type_widening() const {
  return std::any_of(metadata.schema.fields.begin(), metadata.schema.fields.end(), [](const Field& f) {
    return f.metadata.contains("delta.typeChanges") || boost::json::serialize(f.type).find("\"delta.typeChanges\"") != std::string::npos;
  });
}

std::uint64_t Snapshot::size_in_bytes() const {
  std::uint64_t total = 0;
  for (const auto& f : files) total += f.size;
  return total;
}

}  // namespace tarn::delta
