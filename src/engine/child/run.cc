// The requests run and describe.
#include <chrono>

#include "engine/child/chunks.h"
#include "engine/child/profiling.h"
#include "engine/child/questions.h"
#include "engine/child/requests.h"
#include "engine/child/statements.h"
#include "engine/child/type_text.h"

namespace tarn::engine::child {
namespace {

/// Frames of one request on their way out: small ones leave together.
class Outbox {
 public:
  Outbox(Task& task, FrameWriter& writer) : task_(task), writer_(writer) {}
  void add(FrameType type, std::string_view payload) {
    FrameWriter::pack(packed_, type, task_.id, payload);
    if (packed_.size() > 32u << 10) flush();
  }
  void flush() {
    if (!packed_.empty()) writer_.send_packed(packed_);
    packed_.clear();
  }
  void chunk(std::string_view bytes, std::uint64_t rows) {
    if (!task_.would_fit()) flush();  // what is waited for must have been seen
    if (!task_.reserve(bytes.size())) throw Refused{classify(task_, {})};
    while (bytes.size() > part_bytes) {
      flush();
      writer_.send(FrameType::part, task_.id, bytes.substr(0, part_bytes));
      bytes.remove_prefix(part_bytes);
    }
    Encoder last;
    last.u64(rows);
    last.out.append(bytes);
    add(FrameType::chunk, last.out);
  }

 private:
  Task& task_;
  FrameWriter& writer_;
  std::string packed_;
};

/// Whether DuckDB calls interrupted what nobody interrupted. A failing thread sets the interrupt flag for the others, and a thread that fetches
/// from a stream may see the flag before it sees the error (DuckDB 1.5.5, SimpleBufferedData::ExecuteTaskInternal).
bool masked(const Task& task, const Refused& refused) { return !task.cancelled() && refused.error.message.starts_with("INTERRUPT Error"); }

/// Finds the error behind a masked one: runs the statement again, taking rows as fast as they come, so that the fetching thread is the one that
/// waits. Nothing that the statement made the first time is left. Throws Refused.
[[noreturn]] void unmask(Instance& instance, Task& task, const std::string& sql) {
  for (int attempt = 0; attempt < 4; ++attempt) {
    Borrowed connection(instance);
    Attached attached(task, connection.get());
    try {
      const auto statement = prepare_last(task, connection.get(), sql);
      ResultSet result;
      start(task, statement.get(), result);
      while (fetch(task, result)) {
      }
    } catch (const Refused& refused) {
      if (!masked(task, refused)) throw;
    }
  }
  throw Refused{{Errc::sql, "Executor Error: a part of the statement failed, and not again when it was repeated to find the cause"}};
}

void stream(Instance& instance, Task& task, const Request& request, FrameWriter& out);

}  // namespace

void run(Instance& instance, Task& task, FrameWriter& out) {
  Request request;
  if (!decode(task.payload, request)) throw Refused{{Errc::unavailable, "malformed request"}};
  task.payload = {};
  const Asking asking(task, out, request.sql);
  try {
    stream(instance, task, request, out);
  } catch (const Refused& refused) {
    if (!masked(task, refused)) throw;
    unmask(instance, task, request.sql);
  }
}

namespace {

void stream(Instance& instance, Task& task, const Request& request, FrameWriter& out) {
  const auto begun = std::chrono::steady_clock::now();
  Borrowed connection(instance, request.keep_plan ? std::string_view(request.sql) : std::string_view());
  Attached attached(task, connection.get());
  auto statement = request.keep_plan ? connection.session().take(request.sql) : Prepared();
  bool pure = static_cast<bool>(statement);  // only such plans are kept
  if (!statement) statement = prepare_last(task, connection.get(), request.sql, &pure);
  Profiling profiling(connection, request.profile);  // outlives the result, whose end still counts
  ResultSet result;
  start(task, statement.get(), result, [&] { profiling.planned(); });

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
  Outbox outbox(task, out);
  outbox.add(FrameType::schema, encode(columns));

  Summary summary;
  std::uint64_t in_chunk = 0;
  const auto flush = [&] {
    if (in_chunk == 0) return;
    outbox.chunk(chunks->take(), in_chunk);
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
  summary.profile = profiling.taken();
  outbox.add(FrameType::done, encode(summary));
  outbox.flush();
  if (!pure || summary.truncated) return;
  if (request.keep_plan) connection.session().put(request.sql, std::move(statement));
  connection.keep();
}

}  // namespace

void describe(Instance& instance, Task& task, FrameWriter& out) {
  Borrowed connection(instance);
  Attached attached(task, connection.get());
  const auto statement = prepare_last(task, connection.get(), task.payload);
  out.send(FrameType::schema, task.id, encode(columns_of(statement.get())));
  out.send(FrameType::done, task.id, encode(Summary{}));
}

}  // namespace tarn::engine::child
