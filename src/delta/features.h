#pragma once
// Table features ("Table Features"): which ones a protocol has, which ones a table's content calls for, and the protocol that has them.
#include <set>
#include <string>
#include <string_view>

#include "delta/log.h"

namespace tarn::delta {

using Features = std::set<std::string, std::less<>>;

/// Those listed, and those that a version below the features' own (3, 7) stands for.
Features features_of(const Protocol& protocol);
bool supports(const Protocol& protocol, std::string_view feature);
/// Whether a protocol with this feature must also have it among its reader features.
bool is_reader_feature(std::string_view feature);
/// What the schema and the properties call for: `timestamp_ntz` columns, a CHECK constraint, delta.enableDeletionVectors, …
Features needed_features(const Metadata& metadata);
/// The protocol as it is if it has them all, else one with table features that has them too.
Protocol with_features(const Protocol& protocol, const Features& features);

/// Brings changed metadata into force: takes out of the configuration what is no property of the table (delta.feature.*, delta.minReaderVersion,
/// delta.minWriterVersion), numbers the columns of a mapped table, names the hidden columns of row tracking. Answers the protocol that the table
/// needs. Doing it twice changes nothing. `before`: null for a new table. Errors: invalid_request, invalid_schema, unsupported_feature.
Result<Protocol> settle(Metadata& now, const Metadata* before, const Protocol& protocol, bool has_files);

/// Whether a type, or one nested in it, is the named one.
bool mentions_type(const json::value& type, std::string_view name);
/// Whether a column, or a field nested in it, has metadata whose key begins like this.
bool uses_key(const Schema& schema, std::string_view prefix);
/// The CHECK constraints: name and expression.
std::map<std::string, std::string> check_constraints(const Metadata& metadata);

}  // namespace tarn::delta
