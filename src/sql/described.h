#pragma once
// A table's columns and the table itself as text: the JSON of DESCRIBE … AS JSON, and the tree of SHOW TABLE EXTENDED. Pure functions.
// Source: Spark 4.2's DescribeTableJson and StructType.treeString, ShowCreateTableExec; Databricks SQL language manual, "DESCRIBE TABLE", "SHOW TABLE
// EXTENDED".
#include <map>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "delta/log.h"

namespace tarn::sql {

/// A type of the Delta protocol (`"long"`, `{"type": "array", …}`) as DESCRIBE … AS JSON spells it; `declared`: char(n) or varchar(n), interval … or
/// time(n) of a column that the protocol knows as a string; else empty.
json::value described_type(const json::value& type, const std::string& declared = {});

/// The tree that printSchema() prints, from ` |-- ` on, each line ended.
std::string schema_tree(const std::vector<catalog::ColumnInfo>& columns);

/// What may be shown of a table besides its columns.
struct Described {
  std::map<std::string, std::string> properties;  // as they are shown
  std::map<std::string, std::string> defaults;    // of columns, by name
  std::vector<std::string> clustered_by;
  std::vector<std::pair<std::string, std::string>> partition;  // of DESCRIBE … PARTITION: its columns and their values
};

/// The one text of DESCRIBE … AS JSON. What a table does not have is left out.
std::string described_json(const catalog::TableInfo& table, const Described& more);

/// SHOW CREATE TABLE's text; `schema`: of the table's log, for what its columns are made of; null: unknown.  show_create.cc
std::string create_statement(const catalog::TableInfo& table, const Described& more, const delta::Schema* schema);

/// Columns in backticks between brackets, as Spark lists them.
std::string bracketed(const std::vector<std::string>& names);

}  // namespace tarn::sql
