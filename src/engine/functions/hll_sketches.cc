// HyperLogLog sketches: hll_sketch_agg and what is done with its results, in Apache DataSketches' updatable form of 8 bits, as Spark keeps them.
#include <algorithm>
#include <hll.hpp>
#include <optional>

#include "engine/functions/families.h"
#include "engine/functions/sketch_aggregates.h"
#include "engine/functions/theta.h"

namespace tarn::engine::functions {
namespace {

using datasketches::hll_sketch;
using datasketches::hll_union;

hll_sketch read(std::string_view bytes, const char* function) {
  constexpr std::size_t family = 2, size = 3, list = 4;
  // The library trusts the bytes for sizes.
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  if (bytes.size() >= 8 && at(family) == 7 && at(size) >= 4 && at(size) <= 21 && at(list) <= 26) try {
      return hll_sketch::deserialize(bytes.data(), bytes.size());
    } catch (const std::exception&) {
      // What exactly is wrong with the bytes is the library's business.
    }
  raise("HLL_INVALID_INPUT_SKETCH_BUFFER",
        "Invalid call to `" + std::string(function) +
            "`; only valid HLL sketch buffers are supported as inputs (such as those produced by the `hll_sketch_agg` function).",
        "22546");
}

std::string written(const hll_sketch& sketch) { return bytes_of(sketch.serialize_updatable()); }
std::string written(const hll_union& both) { return written(both.get_result(datasketches::HLL_8)); }

void must_agree(int left, int right, bool allowed, const std::string& function) {
  if (left != right && !allowed)
    raise("HLL_UNION_DIFFERENT_LG_K",
          "Sketches have different `lgConfigK` values: " + std::to_string(left) + " and " + std::to_string(right) +
              ". Set the `allowDifferentLgConfigK` parameter to true to call `" + function + "` with different `lgConfigK` values.",
          "22000");
}

/// hll_sketch_agg(key, lgConfigK)
class Aggregated {
 public:
  void add(BlobView key, std::int32_t lg) {
    if (!sketch_) sketch_.emplace(static_cast<std::uint8_t>(lg), datasketches::HLL_8);
    if (!key.bytes.empty()) sketch_->update(key.bytes.data(), key.bytes.size());  // nothing is no key, in the Java library
  }
  void merge(const Aggregated& other) {
    hll_union both(sketch_->get_lg_config_k());
    both.update(*sketch_);
    both.update(*other.sketch_);
    sketch_.emplace(both.get_result(datasketches::HLL_8));
  }
  std::string bytes() const { return written(*sketch_); }

 private:
  std::optional<hll_sketch> sketch_;
};

/// hll_union_agg(sketch, allowDifferentLgConfigK): of different sizes the least, whatever comes first.
class United {
 public:
  void add(BlobView sketch, bool allowed) { take(read(sketch.bytes, "hll_union_agg"), allowed); }
  void merge(const United& other) { take(other.union_->get_result(datasketches::HLL_8), other.allowed_); }
  std::string bytes() const { return written(*union_); }

 private:
  void take(const hll_sketch& given, bool allowed) {
    allowed_ = allowed;
    if (!union_) union_.emplace(given.get_lg_config_k()), size_ = given.get_lg_config_k();
    must_agree(size_, given.get_lg_config_k(), allowed_, "hll_union_agg");
    if (given.get_lg_config_k() < size_) {
      size_ = given.get_lg_config_k();
      hll_union smaller(size_);
      smaller.update(union_->get_result(datasketches::HLL_8));
      union_.emplace(std::move(smaller));
    }
    union_->update(given);
  }

  bool allowed_ = false;
  std::uint8_t size_ = 0;
  std::optional<hll_union> union_;
};

std::optional<std::int64_t> estimate(BlobView sketch) { return rounded(read(sketch.bytes, "hll_sketch_estimate").get_estimate()); }

std::optional<Blob> united(BlobView a, BlobView b, bool allowed) {
  const auto left = read(a.bytes, "hll_union"), right = read(b.bytes, "hll_union");
  must_agree(left.get_lg_config_k(), right.get_lg_config_k(), allowed, "hll_union");
  hll_union both(std::min(left.get_lg_config_k(), right.get_lg_config_k()));
  both.update(left);
  both.update(right);
  return Blob{written(both)};
}

/// The sketch of no rows.
std::optional<Blob> empty(std::int32_t lg) { return Blob{written(hll_sketch(static_cast<std::uint8_t>(lg), datasketches::HLL_8))}; }

constexpr Entry entries_of_hlls[] = {
    {"spark_hll_estimate", Scalar<estimate>::make},
    {"spark_hll_union", Scalar<united>::make},
    {"spark_hll_empty", Scalar<empty>::make},
};

}  // namespace

std::span<const Entry> hll_entries() { return entries_of_hlls; }

std::string register_hll_aggregates(duckdb_connection connection) {
  if (auto failure = SketchAggregate<Aggregated, BlobView, std::int32_t>::add_to(connection, "spark_hll_agg"); !failure.empty()) return failure;
  return SketchAggregate<United, BlobView, bool>::add_to(connection, "spark_hll_union_agg");
}

}  // namespace tarn::engine::functions
