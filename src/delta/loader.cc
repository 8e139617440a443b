#include "delta/loader.h"

#include "base/log.h"
#include "delta/paths.h"
#include "delta/protocol.h"

namespace tarn::delta {
namespace {

bool missing(const objects::Error& e) { return e.code == objects::Errc::no_such_key || e.code == objects::Errc::no_such_bucket; }

/// A v1 checkpoint has one protocol and one metadata; a v2 one also says its version, which must be its name's.
Result<void> check_checkpoint(const std::vector<Action>& actions, const Checkpoint& which) {
  int protocols = 0, metadatas = 0;
  bool v2 = false;
  for (const auto& a : actions) {
    protocols += std::holds_alternative<Protocol>(a);
    metadatas += std::holds_alternative<Metadata>(a);
    if (const auto* c = std::get_if<CheckpointMetadataAction>(&a)) {
      v2 = true;
      if (c->version != which.version) return fail(corrupt(fmt::format("says that it is version {}", c->version)));
    }
  }
  if (protocols != 1 || metadatas != 1)
    return fail(corrupt(fmt::format("holds {} protocol and {} metaData actions instead of one each", protocols, metadatas)));
  if (!v2 && (which.kind == Checkpoint::Kind::v2_json || which.kind == Checkpoint::Kind::v2_parquet))
    return fail(corrupt("has no checkpointMetadata"));
  return {};
}

}  // namespace

std::string Loader::tag_of(const objects::ObjectInfo& info) { return fmt::format("{}/{}/{}", info.etag, info.size, info.modified); }

Result<std::string> Loader::tag(const objects::Url& root, std::int64_t version) const {
  auto info = objects_.head(log_url(root, commit_name(version)));
  if (info) return tag_of(*info);
  if (missing(info.error())) return std::string();
  return fail(storage_error(info.error()));
}

Result<std::shared_ptr<const ParsedCommit>> Loader::commit(const objects::Url& root, std::int64_t version) const {
  const auto url = log_url(root, commit_name(version));
  auto info = objects_.head(url);
  if (!info && missing(info.error())) return std::shared_ptr<const ParsedCommit>();
  if (!info) return fail(storage_error(info.error()));
  auto text = objects_.get(url);
  if (!text && missing(text.error())) return std::shared_ptr<const ParsedCommit>();
  if (!text) return fail(storage_error(text.error()));
  auto out = std::make_shared<ParsedCommit>();
  out->version = version;
  out->info = *std::move(info);
  const std::string where = root.text() + "/_delta_log/" + commit_name(version);
  if (text->find_first_not_of(" \r\n") == std::string::npos) return fail(corrupt("The log file " + where + " is damaged: it is empty"));
  TARN_TRY(actions, parse_actions(*text, root, where));
  out->actions = std::move(actions);
  return std::shared_ptr<const ParsedCommit>(std::move(out));
}

Result<std::vector<Action>> Loader::parquet_actions(const objects::Url& root, const std::string& name) const {
  TARN_TRY(lines, parquet_.read_actions(log_url(root, name)));
  std::vector<Action> out;
  out.reserve(lines.size());
  std::size_t row = 0;
  for (const auto& line : lines) {
    ++row;
    if (auto done = parse_action(line, root, out); !done) return fail(Error{done.error().code, fmt::format("row {} {}", row, done.error().message)});
  }
  return out;
}

Result<std::vector<Action>> Loader::checkpoint(const objects::Url& root, const Checkpoint& which) const {
  std::vector<Action> out;
  if (which.kind == Checkpoint::Kind::v2_json) {
    auto text = objects_.get(log_url(root, which.names[0]));
    if (!text) return fail(storage_error(text.error()));
    TARN_TRY(actions, parse_actions(*text, root, which.names[0]));
    out = std::move(actions);
  } else {
    for (const auto& name : which.names) {
      TARN_TRY(actions, parquet_actions(root, name));
      std::move(actions.begin(), actions.end(), std::back_inserter(out));
    }
  }
  TARN_CHECK(check_checkpoint(out, which));
  const std::size_t own = out.size();
  for (std::size_t i = 0; i < own; ++i) {
    const auto* sidecar = std::get_if<SidecarAction>(&out[i]);
    if (!sidecar) continue;
    const std::string name = sidecar->path;
    if (name.find('/') != std::string::npos || name == ".." || name.empty())
      return fail(corrupt("names the sidecar '" + name + "', which is not a file of _delta_log/_sidecars"));
    TARN_TRY(actions, parquet_actions(root, "_sidecars/" + name));
    std::move(actions.begin(), actions.end(), std::back_inserter(out));
  }
  return out;
}

Result<std::shared_ptr<const Snapshot>> Loader::advance(const std::shared_ptr<const Snapshot>& base,
                                                        const std::vector<std::shared_ptr<const ParsedCommit>>& commits,
                                                        std::string_view table) const {
  Replay replay(base);
  for (const auto& c : commits) replay.apply(c->actions);
  TARN_TRY(out, replay.finish(commits.back()->version, clock_.now(), table));
  out->timestamp = commits.back()->timestamp(in_commit_timestamps(out->protocol, out->metadata));
  return std::shared_ptr<const Snapshot>(std::move(out));
}

Result<Loader::Loaded> Loader::assemble(const objects::Url& root, const LogListing& listing, std::int64_t target, const Checkpoint* from,
                                        std::vector<Action> actions) const {
  const std::int64_t start = from ? from->version : -1;
  Replay replay(nullptr);
  replay.apply(actions);
  actions.clear();
  std::shared_ptr<const ParsedCommit> last;
  for (std::int64_t v = start + 1; v <= target; ++v) {
    TARN_TRY(one, commit(root, v));
    if (!one) {
      const auto next = std::upper_bound(listing.commits.begin(), listing.commits.end(), v);
      if (v == 0 || next == listing.commits.end())
        return fail(
            corrupt(fmt::format("[DELTA_LOG_FILE_NOT_FOUND] Unable to retrieve the delta log files to construct table version {} starting from "
                                "checkpoint version {} at {}/_delta_log: {} is missing.",
                                target, start, root.text(), commit_name(v))));
      return fail(
          corrupt(fmt::format("[DELTA_VERSIONS_NOT_CONTIGUOUS] Versions ({}, {}) are not contiguous. A gap in the delta log between versions {} and "
                              "{} was detected while trying to load version {} of {}.",
                              v - 1, *next, v - 1, *next, target, root.text())));
    }
    replay.apply(one->actions);
    last = std::move(one);
  }
  if (!last) {  // the checkpoint is the version: its commit file, if it is still there, tells the time
    TARN_TRY(one, commit(root, target));
    last = std::move(one);
  }
  TARN_TRY(snapshot, replay.finish(target, clock_.now(), root.text()));
  if (last) snapshot->timestamp = last->timestamp(in_commit_timestamps(snapshot->protocol, snapshot->metadata));
  return Loaded{std::move(snapshot), last ? tag_of(last->info) : std::string()};
}

Result<Loader::Loaded> Loader::load(const objects::Url& root, std::optional<std::int64_t> target) const {
  auto hint = last_checkpoint_hint(objects_, root);
  if (hint && target && *hint > *target) hint.reset();
  auto listing = list_log(objects_, root, hint.value_or(0));
  if (!listing) return fail(std::move(listing).error());
  std::string trouble;
  while (true) {
    const auto& all = *listing;
    const std::int64_t newest = all.newest();
    if (newest < 0 && !hint) return fail(Error{Errc::not_a_table, "[DELTA_MISSING_DELTA_TABLE] " + root.text() + " is not a Delta table."});
    // Of a log that was cleaned, what lies before the first checkpoint cannot be had.
    const bool from_start = !all.commits.empty() && all.commits.front() == 0;
    const std::int64_t oldest = from_start                ? 0
                                : all.checkpoints.empty() ? all.commits.empty() ? 0 : all.commits.front()
                                                          : all.checkpoints.front().version;
    if (!hint && target && (*target < 0 || *target > newest || (*target < oldest && !all.checkpoints.empty()))) {
      return fail(Error{Errc::version_not_found,
                        fmt::format("[DELTA_VERSION_NOT_FOUND] Cannot time travel Delta table to version {}. Available versions: [{}, {}].", *target,
                                    oldest, newest)});
    }
    const std::int64_t wanted = target.value_or(newest);
    if (wanted <= newest) {
      for (auto c = all.checkpoints.rbegin(); c != all.checkpoints.rend(); ++c) {
        if (c->version > wanted) continue;
        auto actions = checkpoint(root, *c);
        if (actions) return assemble(root, all, wanted, &*c, *std::move(actions));
        if (actions.error().code == Errc::unsupported_feature) return fail(std::move(actions).error());
        trouble = fmt::format("The checkpoint {} of {} cannot be used: {}", c->names[0], root.text(), actions.error().message);
        spdlog::warn("{}", trouble);
      }
    }
    // Without a usable checkpoint: everything from version 0 on, which takes a listing from the start.
    if (hint) {
      hint.reset();
      listing = list_log(objects_, root, 0);
      if (!listing) return fail(std::move(listing).error());
      continue;
    }
    auto out = assemble(root, all, wanted, nullptr, {});
    if (!out && out.error().code == Errc::corrupt && !trouble.empty()) return fail(corrupt(trouble + ". " + out.error().message));
    return out;
  }
}

}  // namespace tarn::delta
