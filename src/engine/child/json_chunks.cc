#include <fmt/format.h>

#include "engine/child/chunks.h"
#include "engine/child/json_rows.h"
#include "engine/child/statements.h"

namespace tarn::engine::child {
namespace {

std::vector<duckdb_logical_type> raw(const std::vector<LogicalType>& types) {
  std::vector<duckdb_logical_type> out;
  for (const auto& t : types) out.push_back(t.get());
  return out;
}

class JsonChunks final : public Chunks {
 public:
  JsonChunks(const ResultShape& shape, std::uint64_t chunk_bytes, std::uint64_t most_row_bytes)
      : rows_(shape.names, raw(shape.types)), chunk_bytes_(chunk_bytes), most_row_bytes_(most_row_bytes) {
    if (!rows_.unsupported().empty()) throw Refused{{Errc::sql, rows_.unsupported()}};
  }

  std::uint64_t add(duckdb_data_chunk chunk, std::uint64_t from, std::uint64_t rows) override {
    rows_.bind(chunk);
    const auto end = std::min<std::uint64_t>(duckdb_data_chunk_get_size(chunk), from + rows);
    auto row = from;
    while (row < end && text_.size() < chunk_bytes_) {
      const auto before = text_.size();
      text_ += text_.empty() ? '[' : ',';
      rows_.append(text_, row++);
      if (text_.size() - before > most_row_bytes_)
        throw Refused{
            {Errc::too_large, fmt::format("A row of the result is {} bytes long; the limit is {}", text_.size() - before, most_row_bytes_)}};
    }
    return row - from;
  }

  std::uint64_t bytes() const override { return text_.size(); }

  std::string take() override {
    if (text_.empty()) text_ = "[";
    text_ += ']';
    return std::exchange(text_, {});
  }

 private:
  JsonRows rows_;
  std::uint64_t chunk_bytes_, most_row_bytes_;
  std::string text_;
};

}  // namespace

std::unique_ptr<Chunks> json_chunks(const ResultShape& shape, std::uint64_t chunk_bytes, std::uint64_t most_row_bytes) {
  return std::make_unique<JsonChunks>(shape, chunk_bytes, most_row_bytes);
}

}  // namespace tarn::engine::child
