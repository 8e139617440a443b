#pragma once
// The change data feed ("Change Data Files", "Reader Requirements for AddCDCFile"): what commits did to rows, as a relation in DuckDB's SQL.
#include <string>

#include "delta/data_files.h"

namespace tarn::delta {

/// What one commit says of rows: its change files, or where it has none what it added and removed.
struct RowChanges {
  std::int64_t version = 0;
  Millis timestamp = 0;
  Metadata metadata;  // of the version
  std::vector<ChangeFile> files;
  std::vector<std::shared_ptr<const AddFile>> added;
  std::vector<AddFile> removed;  // as they were, deletion vectors included
};

/// A parenthesised SELECT of the table's columns as `metadata` (the newest of the range) has them, then _change_type, _commit_version and
/// _commit_timestamp. Errors: corrupt, storage, invalid_request (the schema changed within the range so that rows do not fit).
Result<std::string> changes_sql(const std::vector<RowChanges>& changes, const Metadata& metadata, const objects::Url& root,
                                objects::ObjectStore& objects);

/// The names of the columns that it adds.
inline constexpr std::string_view kChangeColumns[] = {"_change_type", "_commit_version", "_commit_timestamp"};

}  // namespace tarn::delta
