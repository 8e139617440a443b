#include "engine/child/chunks.h"
#include "engine/child/statements.h"

namespace tarn::engine::child {

std::unique_ptr<Chunks> arrow_chunks(const ResultShape&, duckdb_connection) { throw Refused{{Errc::sql, "ARROW_STREAM is not built"}}; }

}  // namespace tarn::engine::child
