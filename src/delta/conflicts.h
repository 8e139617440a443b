#pragma once
// Whether a commit that somebody else made first takes the ground from under ours: the rules and texts of delta-io's ConflictChecker.
#include "delta/replay.h"

namespace tarn::delta {

/// What our transaction read and wants, reduced to what conflicts are decided on.
struct Transaction {
  std::string table;  // for the message
  const Commit* commit = nullptr;
  Protocol read_protocol;
  bool reads = false;         // depends on the table's files
  bool serializable = false;  // isolation; else WriteSerializable
  bool changes_data = true;   // else snapshot isolation: new files of others do not matter
};

/// conflict (the message begins with the vendor's error class) if `winner` conflicts; unsupported_feature if it changed the protocol to one that
/// we may not write.
Result<void> check_conflict(const Transaction& ours, const ParsedCommit& winner);

}  // namespace tarn::delta
