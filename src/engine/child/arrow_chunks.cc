#include <nanoarrow/nanoarrow.h>
#include <nanoarrow/nanoarrow_ipc.h>

#include "engine/child/chunks.h"
#include "engine/child/statements.h"
#include "engine/child/type_text.h"

namespace tarn::engine::child {
namespace {

[[noreturn]] void refuse(const std::string& what) { throw Refused{{Errc::sql, what}}; }

/// The name of the first type in here that an IPC stream of ours cannot hold; empty if none.
std::string unsupported(duckdb_logical_type type) {
  switch (duckdb_get_type_id(type)) {
    case DUCKDB_TYPE_ENUM:  // would be a dictionary, which the vendor's streams do not have
    case DUCKDB_TYPE_UNION:
    case DUCKDB_TYPE_BIT:
    case DUCKDB_TYPE_BIGNUM:
    case DUCKDB_TYPE_VARIANT:
    case DUCKDB_TYPE_GEOMETRY:
    case DUCKDB_TYPE_TIME_TZ:
    case DUCKDB_TYPE_INVALID:
    case DUCKDB_TYPE_ANY:
      return type_text(type);
    case DUCKDB_TYPE_LIST:
      return unsupported(LogicalType(duckdb_list_type_child_type(type)).get());
    case DUCKDB_TYPE_ARRAY:
      return unsupported(LogicalType(duckdb_array_type_child_type(type)).get());
    case DUCKDB_TYPE_MAP: {
      auto key = unsupported(LogicalType(duckdb_map_type_key_type(type)).get());
      return key.empty() ? unsupported(LogicalType(duckdb_map_type_value_type(type)).get()) : key;
    }
    case DUCKDB_TYPE_STRUCT:
      for (idx_t i = 0, n = duckdb_struct_type_child_count(type); i < n; ++i)
        if (auto found = unsupported(LogicalType(duckdb_struct_type_child_type(type, i)).get()); !found.empty()) return found;
      return {};
    default:
      return {};
  }
}

class ArrowChunks final : public Chunks {
 public:
  ArrowChunks(const ResultShape& shape, duckdb_connection connection) {
    std::vector<duckdb_logical_type> types;
    std::vector<const char*> names;
    for (std::size_t i = 0; i < shape.types.size(); ++i) {
      if (const auto type = unsupported(shape.types[i].get()); !type.empty())
        refuse("Column '" + shape.names[i] + "' has type " + type + ", which has no Arrow form: cast it to VARCHAR");
      types.push_back(shape.types[i].get());
      names.push_back(shape.names[i].c_str());
    }
    if (types.empty()) return;
    duckdb_connection_get_arrow_options(connection, options_.out());
    check(duckdb_to_arrow_schema(options_.get(), types.data(), names.data(), types.size(), &schema_));
    check(ArrowArrayViewInitFromSchema(&view_, &schema_, &error_), "schema");
  }

  ~ArrowChunks() override {
    if (open_) ArrowIpcWriterReset(&writer_);
    ArrowBufferReset(&buffer_);
    ArrowArrayViewReset(&view_);
    if (schema_.release) schema_.release(&schema_);
  }

  std::uint64_t add(duckdb_data_chunk chunk, std::uint64_t, std::uint64_t) override {
    if (!open_) {
      ArrowBufferInit(&buffer_);
      ArrowIpcOutputStream stream;
      check(ArrowIpcOutputStreamInitBuffer(&stream, &buffer_), "stream");
      check(ArrowIpcWriterInit(&writer_, &stream), "writer");
      open_ = true;
      check(ArrowIpcWriterWriteSchema(&writer_, &schema_, &error_), "schema");
    }
    struct Array : ArrowArray {
      Array() : ArrowArray{} {}
      ~Array() {
        if (release) release(this);
      }
    } array;
    check(duckdb_data_chunk_to_arrow(options_.get(), chunk, &array));
    check(ArrowArrayViewSetArray(&view_, &array, &error_), "batch");
    check(ArrowIpcWriterWriteArrayView(&writer_, &view_, &error_), "batch");
    return duckdb_data_chunk_get_size(chunk);
  }

  std::uint64_t bytes() const override { return open_ ? static_cast<std::uint64_t>(buffer_.size_bytes) : 0; }

  std::string take() override {
    check(ArrowIpcWriterWriteArrayView(&writer_, nullptr, &error_), "end");
    std::string out(reinterpret_cast<const char*>(buffer_.data), static_cast<std::size_t>(buffer_.size_bytes));
    ArrowIpcWriterReset(&writer_);
    ArrowBufferReset(&buffer_);
    open_ = false;
    return out;
  }

 private:
  void check(duckdb_error_data failure) {
    if (!failure) return;
    ErrorData owned(failure);
    if (duckdb_error_data_has_error(failure)) refuse(duckdb_error_data_message(failure));
  }
  void check(ArrowErrorCode code, const char* what) {
    if (code != NANOARROW_OK) refuse(std::string("Arrow ") + what + ": " + error_.message);
  }

  ArrowOptions options_;
  ArrowSchema schema_{};
  ArrowArrayView view_{};
  ArrowIpcWriter writer_{};
  ArrowBuffer buffer_{};
  ArrowError error_{};
  bool open_ = false;
};

}  // namespace

std::unique_ptr<Chunks> arrow_chunks(const ResultShape& shape, duckdb_connection connection) {
  return std::make_unique<ArrowChunks>(shape, connection);
}

}  // namespace tarn::engine::child
