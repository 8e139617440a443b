#pragma once
// "Action Reconciliation": a newer version out of an older one and the actions since, or out of nothing and a checkpoint.
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "delta/actions.h"

namespace tarn::delta {

/// One commit file, parsed. Immutable and shared between snapshots and conflict checks.
struct ParsedCommit {
  std::int64_t version = -1;
  objects::ObjectInfo info;
  std::vector<Action> actions;
  const json::object* commit_info() const;            // null when the file has none
  Millis timestamp(bool in_commit_timestamps) const;  // inCommitTimestamp or the file's time
};

class Replay {
 public:
  /// Starts from `base`, or from nothing. `base` is kept alive.
  explicit Replay(std::shared_ptr<const Snapshot> base);
  /// Later calls win over earlier ones.
  void apply(const std::vector<Action>& actions);
  /// The result as version `version`; tombstones that expired before `now` are left out. Errors: corrupt when the protocol or the
  /// metadata is missing, unsupported_feature when we may not read the table.
  Result<std::shared_ptr<Snapshot>> finish(std::int64_t version, Millis now, std::string_view table);

 private:
  struct Change {
    std::shared_ptr<const AddFile> add;  // one of the two
    std::shared_ptr<const RemoveFile> remove;
    std::size_t order = 0;
  };
  std::shared_ptr<const Snapshot> base_;
  std::optional<Protocol> protocol_;
  std::optional<Metadata> metadata_;
  std::map<std::string, AppTransaction> transactions_;
  std::map<std::string, json::value> domains_;
  std::unordered_map<std::string, Change> changes_;
  std::size_t order_ = 0;
};

}  // namespace tarn::delta
