#pragma once
// The files of a `_delta_log` folder: their names, a listing of them, and the choice of checkpoint and commits that make up a version.
#include <string>
#include <string_view>
#include <vector>

#include "delta/log.h"

namespace tarn::delta {

std::string commit_name(std::int64_t version);      // 00000000000000000007.json
std::string checkpoint_name(std::int64_t version);  // 00000000000000000010.checkpoint.parquet
objects::Url log_url(const objects::Url& root, std::string_view name);

/// A complete checkpoint: one file, or all parts of a multi-part one in order.
struct Checkpoint {
  std::int64_t version = -1;
  enum class Kind { classic, multi_part, v2_json, v2_parquet } kind = Kind::classic;
  std::vector<std::string> names;
};

struct LogListing {
  std::vector<std::int64_t> commits;  // ascending, without gaps checked yet
  std::map<std::int64_t, objects::ObjectInfo> commit_info;
  std::vector<Checkpoint> checkpoints;  // complete ones, ascending
  std::int64_t newest() const { return std::max(commits.empty() ? -1 : commits.back(), checkpoints.empty() ? -1 : checkpoints.back().version); }
};

/// Lists commits and checkpoints at or after `from`. Names that are neither (crc, compactions, temporary files) are left out.
Result<LogListing> list_log(objects::ObjectStore& objects, const objects::Url& root, std::int64_t from);

/// `_last_checkpoint`, where it is readable; a hint only.
std::optional<std::int64_t> last_checkpoint_hint(objects::ObjectStore& objects, const objects::Url& root);

/// A storage failure as this room's error.
Error storage_error(const objects::Error& error);

}  // namespace tarn::delta
