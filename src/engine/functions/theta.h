#pragma once
// Theta sketches as Spark 4.2 keeps them: Apache DataSketches' compact form, compressed.
#include <string>
#include <string_view>
#include <theta_sketch.hpp>

namespace tarn::engine::functions {

/// The sketch in these bytes, for a function by this name. Throws Spark's error of a buffer that is none.
datasketches::compact_theta_sketch read_theta(std::string_view bytes, std::string_view function);

/// The name of a family of sketches by its number in the preamble; empty for one that is not known.
std::string_view family_name(unsigned char id);

/// Java's Math.round.
std::int64_t rounded(double estimate);

/// A builder of sketches and unions that takes Spark's least size, 2^4, which is one less than the library's own.
template <class Builder>
struct Sized : Builder {
  explicit Sized(std::int32_t lg) { this->lg_k_ = static_cast<std::uint8_t>(lg); }
  Sized(std::int32_t lg, const auto& policy) : Builder(policy) { this->lg_k_ = static_cast<std::uint8_t>(lg); }
};

}  // namespace tarn::engine::functions
