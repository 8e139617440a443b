// Theta sketches: theta_sketch_agg and what is done with its results. Keys come as the bytes that are hashed, which fn_sketches.py makes of Spark's
// types.
#include <cmath>
#include <optional>
#include <theta_a_not_b.hpp>
#include <theta_intersection.hpp>
#include <theta_union.hpp>

#include "engine/functions/families.h"
#include "engine/functions/sketch_aggregates.h"
#include "engine/functions/theta.h"

namespace tarn::engine::functions {

using datasketches::compact_theta_sketch;

std::string_view family_name(unsigned char id) {
  static constexpr std::string_view names[] = {
      "",          "ALPHA", "QUICKSELECT", "COMPACT",   "UNION",           "INTERSECTION", "A_NOT_B",      "HLL",
      "QUANTILES", "TUPLE", "FREQUENCY",   "RESERVOIR", "RESERVOIR_UNION", "VAROPT",       "VAROPT_UNION", "KLL",
      "CPC",       "REQ",   "COUNTMIN",    "EBPPS",     "TDIGEST",         "BLOOMFILTER"};
  return id < std::size(names) ? names[id] : std::string_view();
}

std::int64_t rounded(double estimate) { return static_cast<std::int64_t>(std::floor(estimate + 0.5)); }

compact_theta_sketch read_theta(std::string_view bytes, std::string_view function) {
  const auto call = "Invalid call to `" + std::string(function) + "`";
  const auto family = bytes.size() > 2 ? family_name(static_cast<unsigned char>(bytes[2])) : std::string_view();
  if (!family.empty() && family != "COMPACT")
    raise("THETA_INVALID_INPUT_SKETCH_BUFFER_FAMILY",
          call + ": expected COMPACT sketch family but received " + std::string(family) +
              ". Only valid Theta sketch buffers (produced by `theta_sketch_agg`) are supported as inputs.",
          "22000");
  try {
    if (!family.empty()) return compact_theta_sketch::deserialize(bytes.data(), bytes.size());
  } catch (const std::exception&) {
    // What exactly is wrong with the bytes is the library's business.
  }
  raise("THETA_INVALID_INPUT_SKETCH_BUFFER",
        call + "; only valid Theta sketch buffers are supported as inputs (such as those produced by the `theta_sketch_agg` function).", "22000");
}

namespace {

std::string written(const compact_theta_sketch& sketch) {
  auto bytes = bytes_of(sketch.serialize_compressed());
  // What the Java library writes otherwise: one item is marked, and nothing has no seed.
  constexpr std::size_t flags = 5, seed = 6;
  constexpr char single_item = 0x20;
  if (sketch.get_num_retained() == 1 && !sketch.is_estimation_mode()) bytes[flags] = static_cast<char>(bytes[flags] | single_item);
  if (sketch.is_empty()) bytes[seed] = bytes[seed + 1] = 0;
  return bytes;
}

datasketches::theta_union union_of(std::int32_t lg) { return Sized<datasketches::theta_union::builder>(lg).build(); }

/// theta_sketch_agg(key, lgNomEntries)
class Aggregated {
 public:
  void add(BlobView key, std::int32_t lg) {
    if (!sketch_) lg_ = lg, sketch_.emplace(Sized<datasketches::update_theta_sketch::builder>(lg).build());
    if (!key.bytes.empty()) sketch_->update(key.bytes.data(), key.bytes.size());  // nothing is no key, in the Java library
  }
  void merge(const Aggregated& other) {
    auto both = union_of(lg_);
    both.update(compact());
    both.update(other.compact());
    joined_.emplace(both.get_result());
    sketch_.reset();
  }
  std::string bytes() const { return written(compact()); }

 private:
  compact_theta_sketch compact() const {
    if (!sketch_) return *joined_;
    auto copy = *sketch_;
    copy.trim();
    if (!joined_) return copy.compact();
    auto both = union_of(lg_);
    both.update(*joined_);
    both.update(copy);
    return both.get_result();
  }

  std::int32_t lg_ = 0;
  std::optional<datasketches::update_theta_sketch> sketch_;  // of rows since the last merge
  std::optional<compact_theta_sketch> joined_;
};

/// theta_union_agg(sketch, lgNomEntries)
class United {
 public:
  void add(BlobView sketch, std::int32_t lg) {
    const auto read = read_theta(sketch.bytes, "theta_union_agg");
    if (!union_) union_.emplace(union_of(lg));
    union_->update(read);
  }
  void merge(const United& other) { union_->update(other.union_->get_result()); }
  std::string bytes() const { return written(union_->get_result()); }

 private:
  std::optional<datasketches::theta_union> union_;
};

/// theta_intersection_agg(sketch)
class Intersected {
 public:
  void add(BlobView sketch) { common_.update(read_theta(sketch.bytes, "theta_intersection_agg")); }
  void merge(const Intersected& other) { common_.update(other.common_.get_result()); }
  std::string bytes() const { return written(common_.get_result()); }

 private:
  datasketches::theta_intersection common_;
};

std::optional<std::int64_t> estimate(BlobView sketch) { return rounded(read_theta(sketch.bytes, "theta_sketch_estimate").get_estimate()); }

std::optional<Blob> united(BlobView a, BlobView b, std::int32_t lg) {
  if (lg < 4 || lg > 26)
    raise("SKETCH_INVALID_LG_NOM_ENTRIES",
          "Invalid call to `theta_union`; the `lgNomEntries` value must be between 4 and 26, inclusive: " + std::to_string(lg) + ".", "22003");
  auto both = union_of(lg);
  both.update(read_theta(a.bytes, "theta_union"));
  both.update(read_theta(b.bytes, "theta_union"));
  return Blob{written(both.get_result())};
}

std::optional<Blob> intersected(BlobView a, BlobView b) {
  datasketches::theta_intersection common;
  common.update(read_theta(a.bytes, "theta_intersection"));
  common.update(read_theta(b.bytes, "theta_intersection"));
  return Blob{written(common.get_result())};
}

std::optional<Blob> difference(BlobView a, BlobView b) {
  return Blob{written(datasketches::theta_a_not_b().compute(read_theta(a.bytes, "theta_difference"), read_theta(b.bytes, "theta_difference")))};
}

/// The sketch of no rows.
std::optional<Blob> empty(std::int32_t) { return Blob{written(datasketches::update_theta_sketch::builder().build().compact())}; }

// The bytes of numbers that the library's update of them would hash.
std::optional<Blob> long_bytes(std::int64_t value) { return Blob{std::string(reinterpret_cast<const char*>(&value), sizeof value)}; }
std::optional<Blob> int_bytes(std::int32_t value) { return Blob{std::string(reinterpret_cast<const char*>(&value), sizeof value)}; }
std::optional<Blob> double_bytes(double value) { return long_bytes(datasketches::canonical_double(value)); }

/// Bytes that are no UTF-8 end as U+FFFD where they become text, and different ones would count as one.
std::optional<Blob> text_bytes(std::string_view text) {
  if (text.find("\xEF\xBF\xBD") != std::string_view::npos)
    raise("UNSUPPORTED_FEATURE", "A sketch of a text with U+FFFD in it is not supported by this warehouse. Make the sketch of BINARY.", "0A000");
  return Blob{std::string(text)};
}

constexpr Entry entries_of_thetas[] = {
    {"spark_sketch_key", Scalar<int_bytes>::make},
    {"spark_sketch_key", Scalar<long_bytes>::make},
    {"spark_sketch_key", Scalar<double_bytes>::make},
    {"spark_sketch_key", Scalar<text_bytes>::make},
    {"spark_theta_estimate", Scalar<estimate>::make},
    {"spark_theta_union", Scalar<united>::make},
    {"spark_theta_intersection", Scalar<intersected>::make},
    {"spark_theta_difference", Scalar<difference>::make},
    {"spark_theta_empty", Scalar<empty>::make},
};

}  // namespace

std::span<const Entry> theta_entries() { return entries_of_thetas; }

std::string register_theta_aggregates(duckdb_connection connection) {
  constexpr AggregateEntry all[] = {
      {"spark_theta_agg", SketchAggregate<Aggregated, BlobView, std::int32_t>::add_to},
      {"spark_theta_union_agg", SketchAggregate<United, BlobView, std::int32_t>::add_to},
      {"spark_theta_intersection_agg", SketchAggregate<Intersected, BlobView>::add_to},
  };
  for (const auto& [name, add_to] : all)
    if (auto failure = add_to(connection, name); !failure.empty()) return failure;
  return {};
}

}  // namespace tarn::engine::functions
