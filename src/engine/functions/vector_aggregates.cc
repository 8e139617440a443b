// vector_sum and vector_avg: item by item in single precision, in the order of rows, as Spark 4.2 adds. A vector with a NULL in it is left out.
#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <vector>

#include "engine/functions/families.h"
#include "engine/functions/sketch_aggregates.h"

namespace tarn::engine::functions {
namespace {

template <bool kAverage>
class Vectors {
 public:
  void add(const Floats& vector) {
    if (!vector) return;
    take(*vector, 1);
  }
  void merge(const Vectors& other) {
    if (other.rows_ > 0) take(other.items_, other.rows_);
  }
  /// Whether there was a vector, and its items.
  std::string bytes() const {
    std::string out(rows_ > 0 ? 1 : 0, '+');
    return out.append(reinterpret_cast<const char*>(items_.data()), items_.size() * sizeof(float));
  }

 private:
  void take(const std::vector<float>& vector, std::uint64_t rows) {
    rows_ += rows;
    if (rows_ == rows) {
      items_ = vector;
      return;
    }
    if (items_.size() != vector.size())
      raise("VECTOR_DIMENSION_MISMATCH",
            fmt::format("Vectors passed to `{}` must have the same dimension, but got {} and {}.", kAverage ? "vector_avg" : "vector_sum",
                        items_.size(), vector.size()),
            "22000");
    const float share = kAverage ? static_cast<float>(rows) / static_cast<float>(rows_) : 1;
    for (std::size_t i = 0; i < items_.size(); ++i) items_[i] = kAverage ? items_[i] + (vector[i] - items_[i]) * share : items_[i] + vector[i];
  }

  std::uint64_t rows_ = 0;
  std::vector<float> items_;
};

/// The items, to the last digit; NULL where there was no vector.
std::optional<Strings> shown(BlobView aggregated) {
  if (aggregated.bytes.empty()) return {};
  Strings out;
  for (std::size_t at = 1; at + sizeof(float) <= aggregated.bytes.size(); at += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, aggregated.bytes.data() + at, sizeof value);
    out.emplace_back(fmt::format("{}", value));
  }
  return out;
}

constexpr Entry entries_of_vectors[] = {{"spark_vector_items", Scalar<shown>::make}};

}  // namespace

std::span<const Entry> vector_entries() { return entries_of_vectors; }

std::string register_vector_aggregates(duckdb_connection connection) {
  if (auto failure = SketchAggregate<Vectors<false>, Floats>::add_to(connection, "spark_vector_sum"); !failure.empty()) return failure;
  return SketchAggregate<Vectors<true>, Floats>::add_to(connection, "spark_vector_avg");
}

}  // namespace tarn::engine::functions
