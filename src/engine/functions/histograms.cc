// histogram_numeric: at most so many bins, by the steps of Hive's algorithm that Spark takes, in its order of rows. Which of several closest pairs of
// bins become one is drawn with the generator that Java would use, from its own seed.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "engine/functions/families.h"
#include "engine/functions/sketch_aggregates.h"

namespace tarn::engine::functions {
namespace {

/// java.util.Random
class JavaRandom {
 public:
  explicit JavaRandom(std::uint64_t seed) : state_((seed ^ factor) & mask) {}
  double next() {
    const auto high = bits(26), low = bits(27);
    return static_cast<double>((high << 27) + low) * 0x1.0p-53;
  }

 private:
  static constexpr std::uint64_t factor = 0x5DEECE66DULL, mask = (1ULL << 48) - 1;
  std::uint64_t bits(int count) {
    state_ = (state_ * factor + 0xB) & mask;
    return state_ >> (48 - count);
  }
  std::uint64_t state_;
};

struct Bin {
  double x = 0, y = 0;  // where it is, and how many rows are in it
};

/// histogram_numeric(value, number of bins)
class Histogram {
 public:
  void add(double value, std::int32_t most) {
    most_ = static_cast<std::size_t>(most);
    std::size_t bin = 0;
    for (std::size_t l = 0, r = bins_.size(); l < r;) {
      bin = (l + r) / 2;
      if (bins_[bin].x > value) {
        r = bin;
      } else if (bins_[bin].x < value) {
        l = ++bin;
      } else {
        break;
      }
    }
    if (bin < bins_.size() && bins_[bin].x == value) {
      ++bins_[bin].y;
      return;
    }
    bins_.insert(bins_.begin() + static_cast<std::ptrdiff_t>(bin), {value, 1});
    trim();
  }
  void merge(const Histogram& other) {
    if (bins_.empty()) {
      *this = other;
      return;
    }
    bins_.insert(bins_.end(), other.bins_.begin(), other.bins_.end());
    std::ranges::stable_sort(bins_, {}, &Bin::x);
    trim();
  }
  std::string bytes() const { return {reinterpret_cast<const char*>(bins_.data()), bins_.size() * sizeof(Bin)}; }

 private:
  void trim() {
    while (bins_.size() > most_) {
      double closest = bins_[1].x - bins_[0].x;
      std::size_t at = 0;
      int alike = 1;
      for (std::size_t i = 1; i + 1 < bins_.size(); ++i) {
        const double apart = bins_[i + 1].x - bins_[i].x;
        if (apart < closest) {
          closest = apart, at = i, alike = 1;
        } else if (apart == closest && random_.next() <= 1.0 / ++alike) {
          at = i;
        }
      }
      auto& left = bins_[at];
      const auto& right = bins_[at + 1];
      const double both = left.y + right.y;
      left.x *= left.y / both;
      left.x += right.x / both * right.y;
      left.y = both;
      bins_.erase(bins_.begin() + static_cast<std::ptrdiff_t>(at + 1));
    }
  }

  static constexpr std::uint64_t seed = 31183;
  std::size_t most_ = 0;
  std::vector<Bin> bins_;
  JavaRandom random_{seed};
};

/// Place and number of each bin in turn, to the last digit.
std::optional<Strings> shown(BlobView histogram) {
  Strings out;
  for (std::size_t at = 0; at + sizeof(double) <= histogram.bytes.size(); at += sizeof(double)) {
    double value = 0;
    std::memcpy(&value, histogram.bytes.data() + at, sizeof value);
    out.emplace_back(fmt::format("{}", value));
  }
  return out;
}

constexpr Entry entries_of_histograms[] = {{"spark_histogram_numbers", Scalar<shown>::make}};

}  // namespace

std::span<const Entry> histogram_entries() { return entries_of_histograms; }

std::string register_histogram_aggregates(duckdb_connection connection) {
  return SketchAggregate<Histogram, double, std::int32_t>::add_to(connection, "spark_histogram");
}

}  // namespace tarn::engine::functions
