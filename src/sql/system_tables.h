#pragma once
// Rows that the platform itself provides: CATALOG.information_schema.* and system.access.{audit, table_lineage, column_lineage}. Made for each
// statement from what this very caller may see.
#include "catalog/catalog.h"
#include "sql/analysis.h"

namespace tarn::sql {

struct SystemRows {
  std::vector<RelationColumn> columns;
  std::string sql;  // DuckDB: a parenthesised SELECT over inline data
};

class SystemTables {
 public:
  SystemTables(catalog::Catalog& catalog, std::string account_id) : catalog_(catalog), account_id_(std::move(account_id)) {}
  /// Whether a (lower-case) name is one of ours; such a name never means anything else.
  bool knows(const catalog::TableName& name) const;
  /// Errors: not_found, permission_denied.
  Result<SystemRows> open(const access::Context& ctx, const catalog::TableName& name);

 private:
  Result<SystemRows> information_schema(const access::Context& ctx, const catalog::TableName& name);
  Result<SystemRows> audit(const access::Context& ctx);
  Result<SystemRows> lineage(const access::Context& ctx, bool columns);

  catalog::Catalog& catalog_;
  std::string account_id_;
};

}  // namespace tarn::sql
