#include "base/ids.h"
#include "base/log.h"
#include "delta/change_feed.h"
#include "delta/checkpoint.h"
#include "delta/column_mapping.h"
#include "delta/conflicts.h"
#include "delta/features.h"
#include "delta/paths.h"
#include "delta/protocol.h"
#include "delta/table_cache.h"
#include "delta/transaction.h"

namespace tarn::delta {

namespace {
constexpr std::size_t kCachedTables = 512;
constexpr int kMostRetries = 20;

/// A commit that sets domains needs a protocol that has them, and the clustering that one of them tells of.
Protocol with_domains(Protocol protocol, const Commit& commit) {
  if (commit.domains.empty()) return protocol;
  return with_features(protocol, commit.domains.contains("delta.clustering") ? Features{"clustering", "domainMetadata"} : Features{"domainMetadata"});
}

/// "provenance information around when this feature was enabled must be tracked in table properties"
void note_enablement(Commit& commit, const Snapshot& before, Millis timestamp) {
  if (!commit.metadata || in_commit_timestamps(before.protocol, before.metadata)) return;
  commit.metadata->configuration["delta.inCommitTimestampEnablementVersion"] = std::to_string(before.version + 1);
  commit.metadata->configuration["delta.inCommitTimestampEnablementTimestamp"] = std::to_string(timestamp);
}
}  // namespace

struct DeltaLog::Impl {
  Impl(objects::ObjectStore& o, ParquetCodec& p, const Clock& c)
      : objects(o), parquet(p), clock(c), loader(o, p, c), tables(kCachedTables), checkpointer(o, p, c) {}

  objects::ObjectStore& objects;
  ParquetCodec& parquet;
  const Clock& clock;
  Loader loader;
  TableCache tables;
  Checkpointer checkpointer;

  Result<std::shared_ptr<const Snapshot>> newest(const objects::Url& root, TableState& state);
  Result<std::shared_ptr<const ParsedCommit>> parsed(const objects::Url& root, TableState& state, std::int64_t version);
  Result<bool> put(const objects::Url& root, std::int64_t version, const Publication& publication, std::string& tag);
  void published(const objects::Url& root, TableState& state, const std::shared_ptr<const Snapshot>& before, std::int64_t version,
                 const Publication& publication, std::string tag);
};

DeltaLog::DeltaLog(objects::ObjectStore& objects, ParquetCodec& parquet, const Clock& clock)
    : impl_(std::make_unique<Impl>(objects, parquet, clock)) {}
DeltaLog::~DeltaLog() = default;

/// The cached version if its commit file is still the one we read, advanced by the commits that follow it; else a fresh load.
Result<std::shared_ptr<const Snapshot>> DeltaLog::Impl::newest(const objects::Url& root, TableState& state) {
  auto view = state.view();
  bool same = false;
  if (view.snapshot && !view.tag.empty()) {
    TARN_TRY(tag, loader.tag(root, view.snapshot->version));
    same = tag == view.tag;
  }
  if (!same) {
    auto loaded = loader.load(root, std::nullopt);
    if (!loaded) {
      state.forget();
      return fail(std::move(loaded).error());
    }
    state.publish(loaded->snapshot, loaded->tag, true);
    return loaded->snapshot;
  }
  std::vector<std::shared_ptr<const ParsedCommit>> news;
  while (true) {
    TARN_TRY(next, loader.commit(root, view.snapshot->version + 1 + static_cast<std::int64_t>(news.size())));
    if (!next) break;
    news.push_back(std::move(next));
  }
  if (news.empty()) return view.snapshot;
  for (const auto& c : news) state.remember(c);
  TARN_TRY(snapshot, loader.advance(view.snapshot, news, root.text()));
  state.publish(snapshot, Loader::tag_of(news.back()->info), false);
  return snapshot;
}

Result<std::shared_ptr<const ParsedCommit>> DeltaLog::Impl::parsed(const objects::Url& root, TableState& state, std::int64_t version) {
  if (auto known = state.recall(version)) return known;
  TARN_TRY(read, loader.commit(root, version));
  if (!read)
    return fail(Error{
        Errc::conflict,
        fmt::format(
            "The commits since version {} of {} are no longer in its log, so that conflicts cannot be ruled out. Read the table again and retry.",
            version - 1, root.text())});
  return std::move(read);
}

/// True if the file is ours, false if somebody else has the version. A put whose answer was lost is settled by reading the file.
Result<bool> DeltaLog::Impl::put(const objects::Url& root, std::int64_t version, const Publication& publication, std::string& tag) {
  const auto url = log_url(root, commit_name(version));
  auto done = objects.put(url, publication.text, true);
  if (done) {
    tag = Loader::tag_of(*done);
    return true;
  }
  const bool taken = done.error().code == objects::Errc::already_exists || done.error().code == objects::Errc::precondition_failed;
  auto found = objects.get(url);
  if (found && *found == publication.text) {
    TARN_TRY(now, loader.tag(root, version));
    tag = std::move(now);
    return true;
  }
  if (taken || found) return false;
  return fail(storage_error(done.error()));
}

void DeltaLog::Impl::published(const objects::Url& root, TableState& state, const std::shared_ptr<const Snapshot>& before, std::int64_t version,
                               const Publication& publication, std::string tag) {
  auto actions = parse_actions(publication.text, root, commit_name(version));
  if (!actions) throw std::logic_error("a commit that we wrote does not parse: " + actions.error().message);
  auto own = std::make_shared<ParsedCommit>();
  own->version = version;
  own->actions = *std::move(actions);
  Replay replay(before);
  replay.apply(own->actions);
  auto snapshot = replay.finish(version, clock.now(), root.text());
  if (!snapshot) throw std::logic_error("a commit that we wrote cannot be applied: " + snapshot.error().message);
  (*snapshot)->timestamp = publication.timestamp;
  own->info.modified = publication.timestamp;
  state.remember(own);
  std::shared_ptr<const Snapshot> shared = *std::move(snapshot);
  state.publish(shared, std::move(tag), version == 0);
  if (version > 0 && version % checkpoint_interval(shared->metadata) == 0) checkpointer.request(root, std::move(shared));
}

Result<std::shared_ptr<const Snapshot>> DeltaLog::snapshot(const objects::Url& root, std::optional<std::int64_t> version) {
  const auto state = impl_->tables.get(root);
  if (!version) return impl_->newest(root, *state);
  const auto view = state->view();
  if (view.snapshot && view.snapshot->version == *version && !view.tag.empty()) {
    TARN_TRY(tag, impl_->loader.tag(root, *version));
    if (tag == view.tag) return view.snapshot;
  }
  TARN_TRY(loaded, impl_->loader.load(root, version));
  return loaded.snapshot;
}

Result<std::int64_t> DeltaLog::create(const objects::Url& root, const Metadata& metadata, std::vector<AddFile> files, const std::string& user_name) {
  Commit commit;
  commit.metadata = metadata;
  commit.add = std::move(files);
  commit.user_name = user_name;
  return create(root, std::move(commit));
}

Result<std::int64_t> DeltaLog::create(const objects::Url& root, Commit commit) {
  TARN_CHECK(check_properties(commit.metadata->configuration, SetBy::log));
  TARN_TRY(protocol, settle(*commit.metadata, nullptr, commit.protocol.value_or(Protocol{}), false));
  commit.protocol = with_domains(std::move(protocol), commit);
  TARN_CHECK(check_schema(commit.metadata->schema, commit.metadata->partition_columns, mapping_mode(*commit.metadata) != MappingMode::none));
  commit.operation = Operation::create_table;
  if (commit.metadata->id.empty()) commit.metadata->id = new_uuid();
  if (commit.metadata->created_at == 0) commit.metadata->created_at = impl_->clock.now();
  TARN_CHECK(check_request(commit, root));
  Snapshot empty;
  empty.protocol = *commit.protocol;
  empty.metadata = *commit.metadata;
  TARN_CHECK(check_against(commit, empty, root));
  complete(commit, empty, impl_->clock.now());
  TARN_CHECK(number_rows(commit, empty, *commit.protocol, *commit.metadata));

  const auto state = impl_->tables.get(root);
  TableState::Turn turn(*state);
  auto taken = [&] {
    return fail(Error{Errc::already_exists,
                      "Cannot create table: " + root.text() + " already holds a Delta table. Drop it, or register the table with that location."});
  };
  TARN_TRY(listing, list_log(impl_->objects, root, 0));
  if (listing.newest() >= 0) return taken();
  const auto publication = delta::publication(commit, nullptr, *commit.protocol, *commit.metadata, -1, impl_->clock.now());
  std::string tag;
  TARN_TRY(ours, impl_->put(root, 0, publication, tag));
  if (!ours) return taken();
  impl_->published(root, *state, nullptr, 0, publication, std::move(tag));
  return 0;
}

Result<std::int64_t> DeltaLog::commit(const objects::Url& root, std::int64_t read_version, Commit commit) {
  TARN_CHECK(check_request(commit, root));
  const auto state = impl_->tables.get(root);
  TableState::Turn turn(*state);
  const Millis began = impl_->clock.now();
  std::int64_t checked = read_version;  // conflicts are ruled out up to here
  std::optional<Protocol> read_protocol;
  for (int attempt = 0; attempt <= kMostRetries; ++attempt) {
    TARN_TRY(before, impl_->newest(root, *state));
    if (read_version < 0 || read_version > before->version)
      return fail(Error{Errc::invalid_request,
                        fmt::format("The commit says that it read version {}; {} is at version {}", read_version, root.text(), before->version)});
    if (commit.transaction)
      if (const auto at = before->transactions.find(commit.transaction->first);
          attempt == 0 && at != before->transactions.end() && at->second.version >= commit.transaction->second)
        return before->version;
    if (!read_protocol) {
      if (read_version == before->version) {
        read_protocol = before->protocol;
      } else {
        // The protocol that the writer saw: the newest one, unless a commit since then brought it.
        read_protocol = before->protocol;
        for (std::int64_t v = read_version + 1; v <= before->version; ++v) {
          TARN_TRY(one, impl_->parsed(root, *state, v));
          if (std::any_of(one->actions.begin(), one->actions.end(), [](const Action& a) { return std::holds_alternative<Protocol>(a); })) {
            TARN_TRY(then, impl_->loader.load(root, read_version));
            read_protocol = then.snapshot->protocol;
            break;
          }
        }
      }
    }
    if (attempt == 0 && commit.metadata) {
      TARN_TRY(protocol, settle(*commit.metadata, &before->metadata, commit.protocol.value_or(before->protocol), !before->files.empty()));
      commit.protocol = with_features(protocol, features_of(before->protocol));
    }
    if (attempt == 0 && (commit.protocol || !commit.domains.empty())) {
      commit.protocol = with_domains(commit.protocol.value_or(before->protocol), commit);
      if (*commit.protocol == before->protocol) commit.protocol.reset();
    }
    Transaction ours{root.text(), &commit, *read_protocol, reads_files(commit), is_serializable(before->metadata), changes_data(commit)};
    for (; checked < before->version; ++checked) {
      TARN_TRY(winner, impl_->parsed(root, *state, checked + 1));
      TARN_CHECK(check_conflict(ours, *winner));
    }
    TARN_CHECK(check_against(commit, *before, root));
    const Millis now = impl_->clock.now();
    Commit ready = commit;
    complete(ready, *before, now);
    const Protocol& protocol = commit.protocol ? *commit.protocol : before->protocol;
    const Metadata& metadata = ready.metadata ? *ready.metadata : before->metadata;
    TARN_CHECK(number_rows(ready, *before, protocol, metadata));
    // The file's own time of the commit before may be ahead of this clock.
    if (in_commit_timestamps(protocol, metadata)) note_enablement(ready, *before, std::max(now, before->timestamp + 1));
    const auto publication = delta::publication(ready, before.get(), protocol, metadata, read_version, now);
    std::string tag;
    TARN_TRY(ours_now, impl_->put(root, before->version + 1, publication, tag));
    if (ours_now) {
      impl_->published(root, *state, before, before->version + 1, publication, std::move(tag));
      return before->version + 1;
    }
  }
  return fail(Error{Errc::conflict, fmt::format("[DELTA_MAX_COMMIT_RETRIES_EXCEEDED] This commit has failed as it has been tried {} times but did "
                                                "not succeed. This can be caused by the Delta table being "
                                                "committed continuously by many concurrent commits. Commit started at version: {}. Commit failed at "
                                                "version: {}. Number of actions attempted to commit: {}. "
                                                "Total time spent attempting this commit: {} ms",
                                                kMostRetries + 1, read_version + 1, checked + 1, commit.add.size() + commit.remove.size(),
                                                impl_->clock.now() - began)});
}

Result<std::int64_t> DeltaLog::set_properties(const objects::Url& root, const std::map<std::string, std::optional<std::string>>& changes,
                                              const std::string& user_name) {
  TARN_TRY(before, snapshot(root));
  Commit commit;
  commit.operation = Operation::set_properties;
  commit.user_name = user_name;
  commit.metadata = before->metadata;
  std::map<std::string, std::string> set;
  for (const auto& [k, v] : changes) {
    if (v)
      set[k] = commit.metadata->configuration[k] = *v;
    else if (k.starts_with("delta.columnMapping.") || k.starts_with("delta.rowTracking.") || k.starts_with("delta.inCommitTimestampEnablement"))
      return fail(Error{Errc::invalid_request, "[DELTA_CANNOT_MODIFY_TABLE_PROPERTY] The Delta table configuration " + k + " cannot be unset"});
    else
      commit.metadata->configuration.erase(k);
  }
  TARN_CHECK(check_properties(set, SetBy::user));
  commit.operation_parameters["properties"] = boost::json::serialize(json::encode(set));
  return this->commit(root, before->version, std::move(commit));
}

Result<std::vector<CommitInfo>> DeltaLog::history(const objects::Url& root, std::size_t limit) {
  TARN_TRY(newest, snapshot(root));
  const auto state = impl_->tables.get(root);
  std::vector<CommitInfo> out;
  for (std::int64_t v = newest->version; v >= 0 && out.size() < limit; --v) {
    auto one = state->recall(v);
    if (!one) {
      TARN_TRY(read, impl_->loader.commit(root, v));
      one = std::move(read);
    }
    if (!one) break;  // older commits were cleaned up
    CommitInfo info;
    info.version = v;
    info.timestamp = one->timestamp(in_commit_timestamps(newest->protocol, newest->metadata));
    if (const auto* o = one->commit_info()) {
      auto text = [&](const char* key, std::string& to) {
        if (const auto* s = o->if_contains(key); s && s->is_string()) to = s->get_string();
      };
      auto object = [&](const char* key, json::object& to) {
        if (const auto* s = o->if_contains(key); s && s->is_object()) to = s->get_object();
      };
      text("operation", info.operation);
      text("userName", info.user_name);
      text("engineInfo", info.engine_info);
      text("isolationLevel", info.isolation_level);
      text("txnId", info.transaction_id);
      object("operationParameters", info.operation_parameters);
      object("operationMetrics", info.operation_metrics);
      if (const auto* r = o->if_contains("readVersion"); r && r->is_int64()) info.read_version = r->get_int64();
      if (const auto* b = o->if_contains("isBlindAppend"); b && b->is_bool()) info.blind_append = b->get_bool();
    }
    out.push_back(std::move(info));
  }
  return out;
}

Result<std::vector<RowChanges>> DeltaLog::changes(const objects::Url& root, std::int64_t first, std::int64_t last) {
  TARN_TRY(newest, snapshot(root));
  if (first > newest->version)
    return fail(Error{Errc::invalid_request,
                      fmt::format("[DELTA_CDC_START_VERSION_AFTER_LATEST] Start version {} for change data feed exceeds the latest table version {}.",
                                  first, newest->version)});
  if (last < first)
    return fail(
        Error{Errc::invalid_request,
              fmt::format("[DELTA_INVALID_CDC_RANGE] CDC range from start {} to end {} was invalid. End cannot be before start.", first, last)});
  last = std::min(last, newest->version);
  const auto state = impl_->tables.get(root);
  TARN_TRY(begin, impl_->loader.load(root, first));
  auto at = begin.snapshot;
  const auto has_feed = [&](const Snapshot& s) -> Result<void> {
    if (property_is_true(s.metadata, "delta.enableChangeDataFeed")) return {};
    return fail(Error{
        Errc::invalid_request,
        fmt::format(
            "[DELTA_MISSING_CHANGE_DATA] Error getting change data for range [{} , {}] as change data was not\nrecorded for version [{}]. If you've "
            "enabled change data feed on this table,\nuse `DESCRIBE HISTORY` to see when it was first enabled.\nOtherwise, to start recording change "
            "data, use `ALTER TABLE table_name SET TBLPROPERTIES\n(delta.enableChangeDataFeed=true)`.",
            first, last, s.version)});
  };
  std::vector<RowChanges> out;
  for (std::int64_t v = first; v <= last; ++v) {
    TARN_TRY(one, impl_->loader.commit(root, v));
    if (!one)
      return fail(Error{Errc::version_not_found,
                        fmt::format("[DELTA_CHANGE_DATA_FILE_NOT_FOUND] The commit of version {} of {} is no longer in its log.", v, root.text())});
    if (v > first) {
      TARN_TRY(next, impl_->loader.advance(at, {one}, root.text()));
      at = std::move(next);
    }
    TARN_CHECK(has_feed(*at));
    RowChanges c{v, at->timestamp, at->metadata, {}, {}, {}};
    for (const auto& a : one->actions) {
      if (const auto* cdc = std::get_if<CdcAction>(&a)) {
        if (cdc->file.path.empty())
          return fail(corrupt(fmt::format("Version {} of {} names a file of changes that cannot be one of the table's", v, root.text())));
        c.files.push_back(cdc->file);
      } else if (const auto* add = std::get_if<std::shared_ptr<const AddFile>>(&a); add && (*add)->data_change) {
        c.added.push_back(*add);
      } else if (const auto* r = std::get_if<std::shared_ptr<const RemoveFile>>(&a); r && (*r)->data_change) {
        AddFile was;
        was.path = (*r)->path;
        if (const auto* values = extra_field((*r)->extra, "partitionValues"); values && values->is_object())
          for (const auto& [k, value] : values->get_object())
            was.partition_values[k] = value.is_string() ? std::optional(std::string(value.get_string())) : std::nullopt;
        else if (!at->metadata.partition_columns.empty())
          return fail(corrupt(fmt::format("Version {} of {} removes the file '{}' without saying its partition", v, root.text(), was.path)));
        if (const auto* dv = extra_field((*r)->extra, "deletionVector")) was.deletion_vector = *dv;
        c.removed.push_back(std::move(was));
      }
    }
    out.push_back(std::move(c));
  }
  return out;
}

Result<void> DeltaLog::checkpoint(const objects::Url& root) {
  TARN_TRY(newest, snapshot(root));
  return write_checkpoint(impl_->objects, impl_->parquet, root, *newest, impl_->clock.now());
}

void DeltaLog::drain() { impl_->checkpointer.drain(); }

}  // namespace tarn::delta
