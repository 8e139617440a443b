// Tuple sketches: theta sketches whose keys carry a number. Its bytes are those of the Java library's DoubleSummary and IntegerSummary: value and
// mode.
#include <algorithm>
#include <limits>
#include <optional>
#include <tuple_a_not_b.hpp>
#include <tuple_intersection.hpp>
#include <tuple_sketch.hpp>
#include <tuple_union.hpp>

#include "engine/functions/families.h"
#include "engine/functions/sketch_aggregates.h"
#include "engine/functions/theta.h"

namespace tarn::engine::functions {
namespace {

/// How two numbers of a key become one; the order is that of the Java library's modes.
enum class Mode : std::uint8_t { sum, min, max, always_one };

template <class T>
struct Summary {
  T value = 0;
  Mode mode = Mode::sum;
};

template <class T>
constexpr const char* kind = std::is_same_v<T, double> ? "double" : "integer";

/// What a mode begins with.
template <class T>
Summary<T> initial(Mode mode) {
  using Limits = std::numeric_limits<T>;
  constexpr T least = std::is_same_v<T, double> ? -Limits::infinity() : Limits::lowest(),
              most = std::is_same_v<T, double> ? Limits::infinity() : Limits::max();
  return {mode == Mode::sum ? T(0) : mode == Mode::min ? most : mode == Mode::max ? least : T(1), mode};
}

template <class T>
T joined(Mode mode, T a, T b) {
  if (mode == Mode::min) return std::min(a, b);
  if (mode == Mode::max) return std::max(a, b);
  if (mode == Mode::always_one) return 1;
  if constexpr (std::is_same_v<T, double>) {
    return a + b;
  } else {
    return static_cast<T>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b));  // Java's int wraps
  }
}

template <class T>
struct Policy {
  Mode mode;
  Summary<T> create() const { return initial<T>(mode); }
  void update(Summary<T>& summary, T value) const { summary.value = joined(mode, summary.value, value); }
  void operator()(Summary<T>& summary, const Summary<T>& other) const { summary = {joined(mode, summary.value, other.value), mode}; }
};

template <class T>
struct Serde {
  static constexpr std::size_t bytes = sizeof(T) + 1;
  std::size_t size_of_item(const Summary<T>&) const { return bytes; }
  std::size_t serialize(void* out, std::size_t room, const Summary<T>* items, unsigned count) const {
    datasketches::ensure_minimum_memory(room, bytes * count);
    auto* at = static_cast<char*>(out);
    for (unsigned i = 0; i < count; ++i, at += bytes) {
      std::memcpy(at, &items[i].value, sizeof(T));
      at[sizeof(T)] = static_cast<char>(items[i].mode);
    }
    return bytes * count;
  }
  std::size_t deserialize(const void* in, std::size_t room, Summary<T>* items, unsigned count) const {
    datasketches::ensure_minimum_memory(room, bytes * count);
    const auto* at = static_cast<const char*>(in);
    for (unsigned i = 0; i < count; ++i, at += bytes) {
      const auto mode = static_cast<unsigned char>(at[sizeof(T)]);
      if (mode > static_cast<unsigned char>(Mode::always_one)) throw std::invalid_argument("no mode");
      new (items + i) Summary<T>{0, static_cast<Mode>(mode)};
      std::memcpy(&items[i].value, at, sizeof(T));
    }
    return bytes * count;
  }
};

template <class T>
using Compact = datasketches::compact_tuple_sketch<Summary<T>>;
template <class T>
using Union = datasketches::tuple_union<Summary<T>, Policy<T>>;
template <class T>
using Intersection = datasketches::tuple_intersection<Summary<T>, Policy<T>>;
template <class T>
using Updated = datasketches::update_tuple_sketch<Summary<T>, T, Policy<T>>;

template <class T>
std::string written(const Compact<T>& sketch) {
  auto bytes = bytes_of(sketch.serialize(0, Serde<T>()));
  constexpr std::size_t flags = 5;
  constexpr int ordered = 0x10;  // which the Java library never says of these
  bytes[flags] = static_cast<char>(bytes[flags] & ~ordered);
  return bytes;
}

template <class T>
Compact<T> read(std::string_view bytes, const std::string& name) {
  const auto function = name + kind<T>;
  const auto call = "Invalid call to `" + function + "`";
  const auto family = bytes.size() > 2 ? family_name(static_cast<unsigned char>(bytes[2])) : std::string_view();
  if (!family.empty() && family != "TUPLE")
    raise("TUPLE_INVALID_INPUT_SKETCH_BUFFER_FAMILY",
          call + ": expected TUPLE sketch family but received " + std::string(family) +
              ". Only valid Tuple sketch buffers (produced by `tuple_sketch_agg_*` functions) are supported as inputs.",
          "22000");
  try {
    if (!family.empty()) {
      auto sketch = Compact<T>::deserialize(bytes.data(), bytes.size(), datasketches::DEFAULT_SEED, Serde<T>());
      // Numbers of the other kind take other space.
      if (written(sketch).size() == bytes.size()) return sketch;
    }
  } catch (const std::exception&) {
    // What exactly is wrong with the bytes is the library's business.
  }
  raise(
      "TUPLE_INVALID_INPUT_SKETCH_BUFFER",
      call + "; only valid Tuple sketch buffers are supported as inputs (such as those produced by the corresponding `tuple_sketch_agg_*` function).",
      "22000");
}

/// A theta sketch as one whose numbers are what the mode begins with.
template <class T>
Compact<T> with_numbers(BlobView theta, const std::string& name, Mode mode) {
  return {read_theta(theta.bytes, name + kind<T>), initial<T>(mode), true};
}

template <class T>
Union<T> union_of(std::int32_t lg, Mode mode) {
  return Sized<typename Union<T>::builder>(lg, Policy<T>{mode}).build();
}

/// tuple_sketch_agg_…(key, summary, lgNomEntries, mode)
template <class T>
class Aggregated {
 public:
  void add(BlobView key, T value, std::int32_t lg, std::int32_t mode) {
    if (!sketch_) {
      lg_ = lg, mode_ = static_cast<Mode>(mode);
      sketch_.emplace(Sized<typename Updated<T>::builder>(lg, Policy<T>{mode_}).build());
    }
    if (!key.bytes.empty()) sketch_->update(key.bytes.data(), key.bytes.size(), value);  // nothing is no key, in the Java library
  }
  void merge(const Aggregated& other) {
    auto both = union_of<T>(lg_, mode_);
    both.update(compact());
    both.update(other.compact());
    joined_.emplace(both.get_result(false));
    sketch_.reset();
  }
  std::string bytes() const { return written(compact()); }

 private:
  /// Through a union however many parts there are: it keeps no more than the nominal number of entries, as Spark's last step does.
  Compact<T> compact() const {
    auto both = union_of<T>(lg_, mode_);
    if (joined_) both.update(*joined_);
    if (sketch_) both.update(*sketch_);
    return both.get_result(false);
  }

  std::int32_t lg_ = 0;
  Mode mode_ = Mode::sum;
  std::optional<Updated<T>> sketch_;  // of rows since the last merge
  std::optional<Compact<T>> joined_;
};

/// tuple_union_agg_…(sketch, lgNomEntries, mode)
template <class T>
class United {
 public:
  void add(BlobView sketch, std::int32_t lg, std::int32_t mode) {
    const auto given = read<T>(sketch.bytes, "tuple_union_agg_");
    if (!union_) union_.emplace(union_of<T>(lg, static_cast<Mode>(mode)));
    union_->update(given);
  }
  void merge(const United& other) { union_->update(other.union_->get_result(false)); }
  std::string bytes() const { return written(union_->get_result(false)); }

 private:
  std::optional<Union<T>> union_;
};

/// tuple_intersection_agg_…(sketch, mode)
template <class T>
class Intersected {
 public:
  void add(BlobView sketch, std::int32_t mode) {
    const auto given = read<T>(sketch.bytes, "tuple_intersection_agg_");
    if (!common_) common_.emplace(datasketches::DEFAULT_SEED, Policy<T>{static_cast<Mode>(mode)});
    common_->update(given);
  }
  void merge(const Intersected& other) { common_->update(other.common_->get_result(false)); }
  std::string bytes() const { return written(common_->get_result(false)); }

 private:
  std::optional<Intersection<T>> common_;
};

template <class T>
std::optional<double> estimate(BlobView sketch) {
  return read<T>(sketch.bytes, "tuple_sketch_estimate_").get_estimate();
}

template <class T>
std::optional<double> theta(BlobView sketch) {
  return read<T>(sketch.bytes, "tuple_sketch_theta_").get_theta();
}

/// The numbers of all kept keys as one; none make 0.
template <class T>
using Whole = std::conditional_t<std::is_same_v<T, double>, double, std::int64_t>;
template <class T>
std::optional<Whole<T>> summary(BlobView bytes, std::int32_t given) {
  const auto mode = static_cast<Mode>(given);
  const auto sketch = read<T>(bytes.bytes, "tuple_sketch_summary_");
  std::optional<Whole<T>> out;
  for (const auto& [key, entry] : sketch) {
    const Whole<T> value = mode == Mode::always_one ? 1 : entry.value;
    out = !out ? value : mode == Mode::min ? std::min(*out, value) : mode == Mode::max ? std::max(*out, value) : *out + value;
  }
  return out.value_or(0);
}

template <class T>
std::optional<Blob> union_of_two(const Compact<T>& a, const Compact<T>& b, std::int32_t lg, std::int32_t mode) {
  auto both = union_of<T>(lg, static_cast<Mode>(mode));
  both.update(a);
  both.update(b);
  return Blob{written(both.get_result(false))};
}
template <class T>
std::optional<Blob> united(BlobView a, BlobView b, std::int32_t lg, std::int32_t mode) {
  return union_of_two<T>(read<T>(a.bytes, "tuple_union_"), read<T>(b.bytes, "tuple_union_"), lg, mode);
}
template <class T>
std::optional<Blob> united_theta(BlobView a, BlobView b, std::int32_t lg, std::int32_t mode) {
  const auto first = read<T>(a.bytes, "tuple_union_theta_");
  return union_of_two<T>(first, with_numbers<T>(b, "tuple_union_theta_", static_cast<Mode>(mode)), lg, mode);
}

template <class T>
std::optional<Blob> intersection_of_two(const Compact<T>& a, const Compact<T>& b, std::int32_t mode) {
  Intersection<T> common(datasketches::DEFAULT_SEED, Policy<T>{static_cast<Mode>(mode)});
  common.update(a);
  common.update(b);
  return Blob{written(common.get_result(false))};
}
template <class T>
std::optional<Blob> intersected(BlobView a, BlobView b, std::int32_t mode) {
  return intersection_of_two<T>(read<T>(a.bytes, "tuple_intersection_"), read<T>(b.bytes, "tuple_intersection_"), mode);
}
template <class T>
std::optional<Blob> intersected_theta(BlobView a, BlobView b, std::int32_t mode) {
  const auto first = read<T>(a.bytes, "tuple_intersection_theta_");
  return intersection_of_two<T>(first, with_numbers<T>(b, "tuple_intersection_theta_", static_cast<Mode>(mode)), mode);
}

template <class T>
std::optional<Blob> difference(BlobView a, BlobView b) {
  const auto first = read<T>(a.bytes, "tuple_difference_"), second = read<T>(b.bytes, "tuple_difference_");
  return Blob{written(datasketches::tuple_a_not_b<Summary<T>>().compute(first, second, false))};
}
template <class T>
std::optional<Blob> difference_theta(BlobView a, BlobView b) {
  const auto first = read<T>(a.bytes, "tuple_difference_theta_");
  return Blob{written(datasketches::tuple_a_not_b<Summary<T>>().compute(first, with_numbers<T>(b, "tuple_difference_theta_", Mode::sum), false))};
}

/// The sketch of no rows.
std::optional<Blob> empty(std::int32_t) {
  return Blob{written(Sized<Updated<double>::builder>(12, Policy<double>{Mode::sum}).build().compact(false))};
}

constexpr Entry entries_of_tuples[] = {
    {"spark_tuple_empty", Scalar<empty>::make},
    {"spark_tuple_sketch_estimate_double", Scalar<estimate<double>>::make},
    {"spark_tuple_sketch_estimate_integer", Scalar<estimate<std::int32_t>>::make},
    {"spark_tuple_sketch_theta_double", Scalar<theta<double>>::make},
    {"spark_tuple_sketch_theta_integer", Scalar<theta<std::int32_t>>::make},
    {"spark_tuple_sketch_summary_double", Scalar<summary<double>>::make},
    {"spark_tuple_sketch_summary_integer", Scalar<summary<std::int32_t>>::make},
    {"spark_tuple_union_double", Scalar<united<double>>::make},
    {"spark_tuple_union_integer", Scalar<united<std::int32_t>>::make},
    {"spark_tuple_union_theta_double", Scalar<united_theta<double>>::make},
    {"spark_tuple_union_theta_integer", Scalar<united_theta<std::int32_t>>::make},
    {"spark_tuple_intersection_double", Scalar<intersected<double>>::make},
    {"spark_tuple_intersection_integer", Scalar<intersected<std::int32_t>>::make},
    {"spark_tuple_intersection_theta_double", Scalar<intersected_theta<double>>::make},
    {"spark_tuple_intersection_theta_integer", Scalar<intersected_theta<std::int32_t>>::make},
    {"spark_tuple_difference_double", Scalar<difference<double>>::make},
    {"spark_tuple_difference_integer", Scalar<difference<std::int32_t>>::make},
    {"spark_tuple_difference_theta_double", Scalar<difference_theta<double>>::make},
    {"spark_tuple_difference_theta_integer", Scalar<difference_theta<std::int32_t>>::make},
};

}  // namespace

std::span<const Entry> tuple_entries() { return entries_of_tuples; }

std::string register_tuple_aggregates(duckdb_connection connection) {
  using Int = std::int32_t;
  constexpr AggregateEntry all[] = {
      {"spark_tuple_agg_double", SketchAggregate<Aggregated<double>, BlobView, double, Int, Int>::add_to},
      {"spark_tuple_agg_integer", SketchAggregate<Aggregated<Int>, BlobView, Int, Int, Int>::add_to},
      {"spark_tuple_union_agg_double", SketchAggregate<United<double>, BlobView, Int, Int>::add_to},
      {"spark_tuple_union_agg_integer", SketchAggregate<United<Int>, BlobView, Int, Int>::add_to},
      {"spark_tuple_intersection_agg_double", SketchAggregate<Intersected<double>, BlobView, Int>::add_to},
      {"spark_tuple_intersection_agg_integer", SketchAggregate<Intersected<Int>, BlobView, Int>::add_to},
  };
  for (const auto& [name, add_to] : all)
    if (auto failure = add_to(connection, name); !failure.empty()) return failure;
  return {};
}

}  // namespace tarn::engine::functions
