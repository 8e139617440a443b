#pragma once
// Column mapping ("Column Mapping"): what a column is called in data files, statistics and partition values, and which number it has there.
// Without mapping a column's physical name is its name.
#include <string>

#include "delta/log.h"

namespace tarn::delta {

enum class MappingMode { none, id, name };
/// delta.columnMapping.mode; none for a value that nobody knows (check_properties lets none in).
MappingMode mapping_mode(const Metadata& metadata);

/// `type`'s nested names as data files have them.
json::value physical_type(const json::value& type);
std::string physical_name(const Field& field);
std::optional<std::int64_t> column_id(const Field& field);
/// The metadata as data files, partition values and statistics spell it. The same where nothing is mapped.
Metadata physical_metadata(const Metadata& metadata);

/// Gives every column, nested ones included, that lacks one a number and a physical name: its own name where `keep_names` (files exist that are
/// called so), else a new one. Raises delta.columnMapping.maxColumnId.
void assign_columns(Metadata& metadata, bool keep_names);

/// DuckDB expressions that give a value of a column its logical shape from its physical one, and back; `value` itself where they agree.
std::string to_logical(const json::value& type, const std::string& value);
std::string to_physical(const json::value& type, const std::string& value);
/// COPY's FIELD_IDS for these columns, `{'col-1': 1, …}`; empty without mapping. Partition columns are in no file.
std::string field_ids(const Metadata& metadata);

}  // namespace tarn::delta
