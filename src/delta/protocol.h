#pragma once
// Which tables we may read and write ("Table Features", "Reader/Writer Version Requirements"), and what table properties mean.
#include <string>
#include <string_view>
#include <vector>

#include "delta/log.h"

namespace tarn::delta {

/// Refuses reader versions and features that we do not know, by name: unsupported_feature with the vendor's text.
Result<void> check_readable(const Protocol& protocol, std::string_view table);

/// What a commit does, as far as writer features care.
struct WriteKind {
  bool adds_data = false;                             // an add with dataChange
  bool removes_data = false;                          // a remove with dataChange
  const std::vector<std::string>* honours = nullptr;  // Commit::honours
};
/// Refuses a table that we cannot write correctly, naming the features: unknown ones, those we do not honour, and those we honour only
/// while the table does not use them (a CHECK constraint, a generated column, …).
Result<void> check_writable(const Protocol& protocol, const Metadata& metadata, const WriteKind& kind, std::string_view table);

/// Properties: known `delta.` names, readable values, nothing that we do not honour. The log itself keeps some that no user sets.
/// Errors: invalid_request.
enum class SetBy { user, log };
Result<void> check_properties(const std::map<std::string, std::string>& configuration, SetBy by);

std::optional<std::string_view> property(const Metadata& metadata, std::string_view name);
bool property_is_true(const Metadata& metadata, std::string_view name);
std::int64_t checkpoint_interval(const Metadata& metadata);  // delta.checkpointInterval, 10
Millis deleted_file_retention(const Metadata& metadata);     // delta.deletedFileRetentionDuration, 7 days
Millis log_retention(const Metadata& metadata);              // delta.logRetentionDuration, 30 days
bool is_serializable(const Metadata& metadata);              // delta.isolationLevel, WriteSerializable as on Databricks
bool in_commit_timestamps(const Protocol& protocol, const Metadata& metadata);

/// "interval 2 weeks 3 hours" in milliseconds.
std::optional<Millis> parse_interval(std::string_view text);

}  // namespace tarn::delta
