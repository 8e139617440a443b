#pragma once
// Clustered tables ("Clustered Table"): which columns rows that share values lie together by. Kept in the domain delta.clustering.
#include <string>
#include <vector>

#include "delta/log.h"

namespace tarn::delta {

/// The domain's configuration for these columns (names as the schema has them, without case). Errors: invalid_request (a column that is not there,
/// has no order or no statistics, or a partitioned table).
Result<std::string> clustering_domain(const Metadata& metadata, const std::vector<std::string>& columns);
/// The columns by which a table is clustered, by name; empty: none.
std::vector<std::string> clustering_columns(const Snapshot& snapshot);

/// A query of a relation's rows along the Z-curve over these columns: of each counts the rank of its value among 1,024 equal parts of the rows.
std::string z_ordered(const std::string& relation, const std::vector<std::string>& by);

}  // namespace tarn::delta
