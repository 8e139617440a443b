#pragma once
// Schema evolution: a table's columns together with those of rows that come to it, as delta-io's SchemaMergingUtils joins them.
#include "delta/log.h"

namespace tarn::delta {

/// The table's columns, and after them those of `given` that it lacks (by name, without case), nested fields likewise. New ones are nullable and come
/// without metadata; a column that both have keeps its type, or where the table widens types gets the wider one. Error: invalid_schema for types that
/// do not go together, or a new column of no type.
Result<Schema> evolved(const Metadata& table, const Schema& given);

}  // namespace tarn::delta
