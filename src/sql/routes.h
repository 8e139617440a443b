#pragma once
// The SQL room on the wire: warehouses, statements, query history. Source: databricks-sdk-go service/sql.
#include "api/answers.h"
#include "sql/statements.h"

namespace tarn::sql {

/// The services must outlive the routes.
std::vector<api::Route> routes(Warehouses& warehouses, Statements& statements);

using api::wire;

}  // namespace tarn::sql
