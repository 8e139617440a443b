#pragma once
// Reading a log: single commits, checkpoints of every kind, and a whole version out of them.
#include "delta/log_files.h"
#include "delta/replay.h"

namespace tarn::delta {

class Loader {
 public:
  Loader(objects::ObjectStore& objects, ParquetCodec& parquet, const Clock& clock) : objects_(objects), parquet_(parquet), clock_(clock) {}

  struct Loaded {
    std::shared_ptr<const Snapshot> snapshot;
    std::string tag;  // identifies the version's commit file, empty if it is gone: a table dropped and made again has another
  };
  /// The newest version, or `target`, from the newest usable checkpoint and the commits after it. A checkpoint that cannot be read or lacks
  /// what it must have is passed over for an older one. Errors as DeltaLog::snapshot.
  Result<Loaded> load(const objects::Url& root, std::optional<std::int64_t> target) const;
  /// The commit, or null if the log has no such file.
  Result<std::shared_ptr<const ParsedCommit>> commit(const objects::Url& root, std::int64_t version) const;
  /// The tag of a version's commit file, empty if there is none.
  Result<std::string> tag(const objects::Url& root, std::int64_t version) const;
  /// `base` with `commits` on top.
  Result<std::shared_ptr<const Snapshot>> advance(const std::shared_ptr<const Snapshot>& base,
                                                  const std::vector<std::shared_ptr<const ParsedCommit>>& commits, std::string_view table) const;
  static std::string tag_of(const objects::ObjectInfo& info);

 private:
  Result<std::vector<Action>> checkpoint(const objects::Url& root, const Checkpoint& which) const;
  Result<std::vector<Action>> parquet_actions(const objects::Url& root, const std::string& name) const;
  Result<Loaded> assemble(const objects::Url& root, const LogListing& listing, std::int64_t target, const Checkpoint* from,
                          std::vector<Action> actions) const;

  objects::ObjectStore& objects_;
  ParquetCodec& parquet_;
  const Clock& clock_;
};

}  // namespace tarn::delta
