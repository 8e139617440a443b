// The requests run and describe.
#include <chrono>

#include "engine/child/chunks.h"
#include "engine/child/requests.h"
#include "engine/child/statements.h"
#include "engine/child/type_text.h"

namespace tarn::engine::child {
namespace {

void send_chunk(Task& task, FrameWriter& out, std::string bytes, std::uint64_t rows) {
  if (!task.reserve(bytes.size())) throw Refused{classify(task, {})};
  std::string_view left = bytes;
  while (left.size() > part_bytes) {
    out.send(FrameType::part, task.id, left.substr(0, part_bytes));
    left.remove_prefix(part_bytes);
  }
  Encoder last;
  last.u64(rows);
  last.out.append(left);
  out.send(FrameType::chunk, task.id, last.out);
}

Connection connection_for(Instance& instance) {
  auto connection = instance.connect();
  if (!connection) throw Refused{{Errc::unavailable, "DuckDB gave no connection"}};
  return connection;
}

}  // namespace

void run(Instance& instance, Task& task, FrameWriter& out) {
  Request request;
  if (!decode(task.payload, request)) throw Refused{{Errc::unavailable, "malformed request"}};
  task.payload = {};
  const auto begun = std::chrono::steady_clock::now();
  const auto connection = connection_for(instance);
  Attached attached(task, connection.get());
  const auto statement = prepare_last(task, connection.get(), request.sql);
  ResultSet result;
  start(task, statement.get(), result);

  ResultShape shape;
  std::vector<Column> columns;
  if (duckdb_result_return_type(result.result) != DUCKDB_RESULT_TYPE_NOTHING)
    for (idx_t i = 0, n = duckdb_column_count(&result.result); i < n; ++i) {
      shape.names.emplace_back(duckdb_column_name(&result.result, i));
      shape.types.emplace_back(duckdb_column_logical_type(&result.result, i));
      columns.push_back({shape.names.back(), type_text(shape.types.back().get())});
    }
  const auto chunks = request.format == Format::arrow_stream ? arrow_chunks(shape, connection.get())
                                                             : json_chunks(shape, request.chunk_bytes, instance.settings().most_row_bytes);
  out.send(FrameType::schema, task.id, encode(columns));

  Summary summary;
  std::uint64_t in_chunk = 0;
  const auto flush = [&] {
    if (in_chunk == 0) return;
    send_chunk(task, out, chunks->take(), in_chunk);
    in_chunk = 0;
  };
  std::uint64_t left = request.row_limit ? static_cast<std::uint64_t>(*request.row_limit) : ~0ull;
  while (!shape.types.empty()) {
    const auto chunk = fetch(task, result);
    if (!chunk) break;
    const std::uint64_t size = duckdb_data_chunk_get_size(chunk.get());
    if (size > left) {
      summary.truncated = true;
      duckdb_data_chunk_set_size(chunk.get(), left);
    }
    const auto take = std::min(size, left);
    for (std::uint64_t from = 0; from < take;) {
      const auto used = chunks->add(chunk.get(), from, request.chunk_rows > in_chunk ? request.chunk_rows - in_chunk : 1);
      from += used, in_chunk += used;
      if (in_chunk >= request.chunk_rows || chunks->bytes() >= request.chunk_bytes) flush();
    }
    left -= take;
    summary.rows += static_cast<std::int64_t>(take);
    if (summary.truncated) break;
  }
  flush();
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  out.send(FrameType::done, task.id, encode(summary));
}

void describe(Instance& instance, Task& task, FrameWriter& out) {
  const auto connection = connection_for(instance);
  Attached attached(task, connection.get());
  const auto statement = prepare_last(task, connection.get(), task.payload);
  out.send(FrameType::schema, task.id, encode(columns_of(statement.get())));
  out.send(FrameType::done, task.id, encode(Summary{}));
}

}  // namespace tarn::engine::child
