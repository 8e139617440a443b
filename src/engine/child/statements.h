#pragma once
// Running statements on a request's own connection.
#include <functional>
#include <string>
#include <vector>

#include "engine/child/handles.h"
#include "engine/child/instance.h"
#include "engine/child/task.h"

namespace tarn::engine::child {

/// Thrown with the answer for the caller.
struct Refused {
  Error error;
};

/// DuckDB's error text as an error of the room.
Error classify(const Task& task, std::string message);
/// Whether the whole instance is unusable after this error.
bool fatal(const std::string& message);

/// Splits and runs `sql`; all but the last statement are executed, the last one is prepared and handed over. Statements that would change the
/// instance are refused before they run. All but a single SELECT run in a transaction that is undone with the connection. `pure` tells whether it was
/// such a SELECT, after which the connection is as before. Throws Refused.
Prepared prepare_last(const Task& task, duckdb_connection connection, const std::string& sql, bool* pure = nullptr);

/// Executes to a streaming result. `planned` is called when there is a plan and none of it has ended. Throws Refused.
void start(const Task& task, duckdb_prepared_statement statement, ResultSet& out, const std::function<void()>& planned = {});

/// The next chunk of a result, empty at its end. Throws Refused.
DataChunk fetch(const Task& task, ResultSet& result);

/// Columns of a prepared statement or of a result.
std::vector<Column> columns_of(duckdb_prepared_statement statement);

}  // namespace tarn::engine::child
