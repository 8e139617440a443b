#pragma once
// A commit before it is published: checked against the version it will follow, and printed.
#include "delta/loader.h"

namespace tarn::delta {

/// Whether the commit depends on what the table held, and whether it changes rows at all.
bool reads_files(const Commit& commit);
bool changes_data(const Commit& commit);
std::string operation_name(const Commit& commit);

/// Everything that can be said without the table's content: paths, partition values, duplicates. Errors: invalid_request, invalid_schema.
Result<void> check_request(const Commit& commit, const objects::Url& root);
/// That the commit fits the version it follows: removed files are there, added ones are not, NOT NULL columns hold no null,
/// protocol and properties let us write. Errors: invalid_request, constraint, unsupported_feature.
Result<void> check_against(const Commit& commit, const Snapshot& before, const objects::Url& root);

/// Fills what the log knows better than the writer: the times of added files, and the size, partition and deletion vector of removed ones.
void complete(Commit& commit, const Snapshot& before, Millis now);

/// Row tracking: gives the added files that lack them their base row ids and their commit version, and moves the mark. Errors: invalid_request,
/// corrupt.
Result<void> number_rows(Commit& commit, const Snapshot& before, const Protocol& protocol, const Metadata& metadata);

struct Publication {
  std::string text;            // the commit file
  std::string transaction_id;  // in its commitInfo: tells our own file from somebody else's after a doubtful put
  Millis timestamp = 0;
};
Publication publication(const Commit& commit, const Snapshot* before, const Protocol& protocol, const Metadata& metadata, std::int64_t read_version,
                        Millis now);

}  // namespace tarn::delta
