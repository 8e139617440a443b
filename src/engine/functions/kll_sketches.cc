// KLL sketches of quantiles: kll_sketch_agg_… and what is done with its results, for BIGINT, FLOAT and DOUBLE.
#include <fmt/format.h>

#include <cstring>
#include <kll_sketch.hpp>
#include <optional>

#include "engine/functions/families.h"
#include "engine/functions/sketch_aggregates.h"
#include "engine/functions/strings.h"

namespace tarn::engine::functions {
namespace {

template <class T>
using Kll = datasketches::kll_sketch<T>;

template <class T>
constexpr const char* kind = std::is_same_v<T, double>  ? "double"
                             : std::is_same_v<T, float> ? "float"
                                                        : "bigint";
template <class T>
constexpr const char* java_kind = std::is_same_v<T, double>  ? "Doubles"
                                  : std::is_same_v<T, float> ? "Floats"
                                                             : "Longs";

/// What stands before the items. The library trusts the bytes for it, so it is looked through first.
struct Head {
  bool empty = false, sorted = false, single = false;
  std::uint16_t k = 0, least_k = 0;
  std::uint8_t m = 0, levels = 1;
  std::uint32_t capacity = 0, items = 0;
  std::size_t items_at = 8;

  static std::optional<Head> of(std::string_view bytes) {
    constexpr std::size_t flags = 3, k_at = 4, m_at = 6, least_k_at = 16, levels_at = 18, list = 20;
    Head out;
    if (bytes.size() < out.items_at) return {};
    const auto flag = [&](int bit) { return (bytes[flags] & 1 << bit) != 0; };
    out.empty = flag(0), out.sorted = flag(1), out.single = flag(2);
    std::memcpy(&out.k, bytes.data() + k_at, sizeof out.k);
    out.m = static_cast<std::uint8_t>(bytes[m_at]), out.least_k = out.k;
    const bool listed = !out.empty && !out.single;
    if (listed) {
      if (bytes.size() < list) return {};
      std::memcpy(&out.least_k, bytes.data() + least_k_at, sizeof out.least_k);
      out.levels = static_cast<std::uint8_t>(bytes[levels_at]);
    }
    constexpr std::uint8_t most_levels = 60;
    if (out.levels == 0 || out.levels > most_levels) return {};
    out.capacity = datasketches::kll_helper::compute_total_capacity(out.k, out.m, out.levels);
    out.items = out.single ? 1 : 0;
    if (listed) {
      out.items_at = list + sizeof(std::uint32_t) * out.levels;
      if (bytes.size() < out.items_at) return {};
      std::uint32_t starts[most_levels];
      std::memcpy(starts, bytes.data() + list, sizeof(std::uint32_t) * out.levels);
      for (std::size_t i = 0; i < out.levels; ++i)
        if (starts[i] > (i + 1 < out.levels ? starts[i + 1] : out.capacity)) return {};
      out.items = out.capacity - starts[0];
    }
    return out;
  }
  /// Bytes of a sketch of T, with its least and its greatest item.
  template <class T>
  std::size_t size() const {
    return empty ? items_at : items_at + sizeof(T) * (items + (single ? 0 : 2));
  }
};

template <class T>
[[noreturn]] void refuse(const std::string& name) {
  raise("KLL_INVALID_INPUT_SKETCH_BUFFER",
        "Invalid call to `" + name + kind<T> +
            "`; only valid KLL sketch buffers are supported as inputs (such as those produced by the `kll_sketch_agg` function).",
        "22000");
}

template <class T>
Kll<T> read(std::string_view bytes, const std::string& name) {
  const auto head = Head::of(bytes);
  // As in Spark, more bytes than the items take are no matter: one of BIGINT may be read as one of FLOAT, and holds other numbers then.
  if (head && head->size<T>() <= bytes.size()) try {
      return Kll<T>::deserialize(bytes.data(), head->size<T>());
    } catch (const std::exception&) {
      // What exactly is wrong with the bytes is the library's business.
    }
  refuse<T>(name);
}

template <class T>
std::string written(const Kll<T>& sketch) {
  return bytes_of(sketch.serialize());
}

/// kll_sketch_agg_…(value, k)
template <class T>
class Aggregated {
 public:
  void add(T value, std::int32_t k) {
    if (!sketch_) sketch_.emplace(static_cast<std::uint16_t>(k));
    sketch_->update(value);
  }
  void merge(const Aggregated& other) { sketch_->merge(*other.sketch_); }
  std::string bytes() const { return written(*sketch_); }

 private:
  std::optional<Kll<T>> sketch_;
};

/// kll_merge_agg_…(sketch, k); k is 0 for that of the first sketch.
template <class T>
class Merged {
 public:
  void add(BlobView sketch, std::int32_t k) {
    auto given = read<T>(sketch.bytes, "kll_merge_agg_");
    if (!sketch_ && k == 0) {
      sketch_.emplace(std::move(given));
      return;
    }
    if (!sketch_) sketch_.emplace(static_cast<std::uint16_t>(k));
    sketch_->merge(given);
  }
  void merge(const Merged& other) { sketch_->merge(*other.sketch_); }
  std::string bytes() const { return written(*sketch_); }

 private:
  std::optional<Kll<T>> sketch_;
};

template <class T>
std::optional<std::int64_t> count(BlobView sketch) {
  return static_cast<std::int64_t>(read<T>(sketch.bytes, "kll_sketch_get_n_").get_n());
}

template <class T>
std::optional<Blob> merged(BlobView a, BlobView b) {
  auto out = read<T>(a.bytes, "kll_sketch_merge_");
  out.merge(read<T>(b.bytes, "kll_sketch_merge_"));
  return Blob{written(out)};
}

template <class T>
std::optional<T> quantile(BlobView sketch, double rank) {
  const std::string name = "kll_sketch_get_quantile_";
  if (!(rank >= 0 && rank <= 1))
    raise("KLL_SKETCH_INVALID_QUANTILE_RANGE", "For function `" + name + kind<T> + "`, the quantile value must be between 0.0 and 1.0 (inclusive).",
          "22003");
  const auto given = read<T>(sketch.bytes, name);
  if (given.is_empty()) refuse<T>(name);
  return given.get_quantile(rank);
}

template <class T>
std::optional<double> rank(BlobView sketch, T value) {
  const std::string name = "kll_sketch_get_rank_";
  const auto given = read<T>(sketch.bytes, name);
  if (given.is_empty()) refuse<T>(name);
  return given.get_rank(value);
}

template <class T>
std::string item(T value) {
  if constexpr (std::is_same_v<T, double>) {
    return *double_to_string(value);
  } else if constexpr (std::is_same_v<T, float>) {
    return *float_to_string(value);
  } else {
    return std::to_string(value);
  }
}

/// The Java library's summary of a sketch.
template <class T>
std::optional<std::string> shown(BlobView sketch) {
  const auto given = read<T>(sketch.bytes, "kll_sketch_to_string_");
  const auto bytes = written(given);
  const auto head = *Head::of(bytes);
  // What the library's form that takes updates would have: its head, where the levels begin and end, both extremes, room for all items.
  const auto updatable = 20 + sizeof(std::uint32_t) * (head.levels + 1U) + sizeof(T) * (head.capacity + 2);
  std::string out = fmt::format("\n### KllKll{}Sketch Summary:\n", java_kind<T>);
  const auto line = [&out](const char* name, const std::string& value) { out += fmt::format("   {:<23}: {}\n", name, value); };
  const auto flag = [](bool value) { return std::string(value ? "true" : "false"); };
  line("K", std::to_string(head.k));
  line("Dynamic min K", std::to_string(head.least_k));
  line("M", std::to_string(head.m));
  line("N", std::to_string(given.get_n()));
  line("Epsilon", fmt::format("{:.3f}%", given.get_normalized_rank_error(false) * 100));
  line("Epsilon PMF", fmt::format("{:.3f}%", given.get_normalized_rank_error(true) * 100));
  line("Empty", flag(head.empty));
  line("Estimation Mode", flag(given.is_estimation_mode()));
  line("Levels", std::to_string(head.levels));
  line("Level 0 Sorted", flag(head.sorted));
  line("Capacity Items", std::to_string(head.capacity));
  line("Retained Items", std::to_string(given.get_num_retained()));
  line("Free Space", std::to_string(head.capacity - given.get_num_retained()));
  line("ReadOnly", flag(false));
  line("Updatable Storage Bytes", std::to_string(updatable));
  line("Compact Storage Bytes", std::to_string(bytes.size()));
  line("Min Item", head.empty ? "NaN" : item<T>(given.get_min_item()));
  line("Max Item", head.empty ? "NaN" : item<T>(given.get_max_item()));
  return out + "### End sketch summary\n";
}

/// The sketch of no rows.
std::optional<Blob> empty(std::int32_t k) { return Blob{written(Kll<double>(static_cast<std::uint16_t>(k)))}; }

using Long = std::int64_t;
constexpr Entry entries_of_klls[] = {
    {"spark_kll_empty", Scalar<empty>::make},
    {"spark_kll_sketch_get_n_bigint", Scalar<count<Long>>::make},
    {"spark_kll_sketch_get_n_float", Scalar<count<float>>::make},
    {"spark_kll_sketch_get_n_double", Scalar<count<double>>::make},
    {"spark_kll_sketch_merge_bigint", Scalar<merged<Long>>::make},
    {"spark_kll_sketch_merge_float", Scalar<merged<float>>::make},
    {"spark_kll_sketch_merge_double", Scalar<merged<double>>::make},
    {"spark_kll_sketch_get_quantile_bigint", Scalar<quantile<Long>>::make},
    {"spark_kll_sketch_get_quantile_float", Scalar<quantile<float>>::make},
    {"spark_kll_sketch_get_quantile_double", Scalar<quantile<double>>::make},
    {"spark_kll_sketch_get_rank_bigint", Scalar<rank<Long>>::make},
    {"spark_kll_sketch_get_rank_float", Scalar<rank<float>>::make},
    {"spark_kll_sketch_get_rank_double", Scalar<rank<double>>::make},
    {"spark_kll_sketch_to_string_bigint", Scalar<shown<Long>>::make},
    {"spark_kll_sketch_to_string_float", Scalar<shown<float>>::make},
    {"spark_kll_sketch_to_string_double", Scalar<shown<double>>::make},
};

}  // namespace

std::span<const Entry> kll_entries() { return entries_of_klls; }

std::string register_kll_aggregates(duckdb_connection connection) {
  using Int = std::int32_t;
  constexpr AggregateEntry all[] = {
      {"spark_kll_agg_bigint", SketchAggregate<Aggregated<Long>, Long, Int>::add_to},
      {"spark_kll_agg_float", SketchAggregate<Aggregated<float>, float, Int>::add_to},
      {"spark_kll_agg_double", SketchAggregate<Aggregated<double>, double, Int>::add_to},
      {"spark_kll_merge_agg_bigint", SketchAggregate<Merged<Long>, BlobView, Int>::add_to},
      {"spark_kll_merge_agg_float", SketchAggregate<Merged<float>, BlobView, Int>::add_to},
      {"spark_kll_merge_agg_double", SketchAggregate<Merged<double>, BlobView, Int>::add_to},
  };
  for (const auto& [name, add_to] : all)
    if (auto failure = add_to(connection, name); !failure.empty()) return failure;
  return {};
}

}  // namespace tarn::engine::functions
