// GEOMETRY and GEOGRAPHY: points, lines and areas by Well-Known Binary. A value is held as its SRID in four bytes and WKB of little endian after it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <optional>

#include "engine/functions/families.h"
#include "engine/functions/strings.h"

namespace tarn::engine::functions {
namespace {

static_assert(std::endian::native == std::endian::little);

/// Reads WKB once, and writes it in one byte order and as text.
class Walk {
 public:
  Walk(std::string_view wkb, bool geography, bool big_out) : in_(wkb), geography_(geography), big_out_(big_out) {}

  void run() {
    if (in_.empty()) fail("WKB data is empty or null", 0);
    geometry(0, -1, true);
  }
  std::string wkb, text;

 private:
  enum Kind : std::uint32_t { point = 1, line = 2, polygon = 3, points = 4, lines = 5, polygons = 6, collection = 7 };
  static constexpr int most_nested = 128;

  [[noreturn]] static void fail(std::string_view what, std::size_t at) {
    raise("WKB_PARSE_ERROR", fmt::format("Error parsing WKB: {} at position {}", what, at), "22023");
  }
  template <class T>
  T take(bool big) {
    if (in_.size() - at_ < sizeof(T)) fail("Unexpected end of WKB buffer", at_);
    char bytes[sizeof(T)];
    std::memcpy(bytes, in_.data() + at_, sizeof(T));
    if (big) std::reverse(std::begin(bytes), std::end(bytes));
    at_ += sizeof(T);
    return std::bit_cast<T>(bytes);
  }
  template <class T>
  void put(T value) {
    auto bytes = std::bit_cast<std::array<char, sizeof(T)>>(value);
    if (big_out_) std::ranges::reverse(bytes);
    wkb.append(bytes.data(), bytes.size());
  }

  static std::string_view name(std::uint32_t kind) {
    static constexpr std::string_view names[] = {"",           "POINT",           "LINESTRING",   "POLYGON",
                                                 "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"};
    return names[kind];
  }

  static std::string_view title(std::uint32_t kind) { return kind == point ? "Point" : kind == line ? "LineString" : "Polygon"; }
  /// What geometries of several of one kind hold; 0 for any.
  static std::uint32_t member_of(std::uint32_t kind) { return kind == points ? +point : kind == lines ? +line : kind == polygons ? +polygon : 0U; }

  /// One geometry with its byte order and type. `dimensions`: those that the geometry around has, -1: none is around. `named`: its text begins with
  /// its name.
  void geometry(int depth, int dimensions, bool named, std::uint32_t only = 0) {
    if (depth > most_nested) fail("Too many nested geometries", at_);
    const auto start = at_;
    const auto order = static_cast<unsigned char>(take<char>(false));
    if (order > 1) fail(fmt::format("Invalid byte order {}", order), start);
    const bool big = order == 0;
    const auto type_at = at_;
    if (in_.size() - at_ < sizeof(std::uint32_t)) fail("Unexpected end of WKB buffer", start);
    const auto type = take<std::uint32_t>(big);
    const auto kind = type % 1000, flags = type / 1000;
    if (kind < point || kind > collection || flags > 3 || (dimensions >= 0 && flags != static_cast<std::uint32_t>(dimensions)))
      fail(fmt::format("Invalid or unsupported type {}", type), type_at);
    put(static_cast<char>(big_out_ ? 0 : 1));
    put(type);
    if (named) text += name(kind);
    const auto own = text.size();
    if (named && flags > 0) text += flags == 1 ? " Z" : flags == 2 ? " M" : " ZM";
    if (named && flags > 0) text += ' ';
    const bool empty = body(depth, kind, flags, big);
    if (empty) {
      if (named && flags == 0) text.resize(own), text += ' ';
      text += "EMPTY";
    }
    if (only != 0 && kind != only) fail(fmt::format("Expected {0} in Multi{0}", title(only)), at_);
  }

  /// What follows the type. True for an empty one, of which nothing is written as text.
  bool body(int depth, std::uint32_t kind, std::uint32_t flags, bool big) {
    const int width = 2 + (flags == 1 || flags == 2) + 2 * (flags == 3);
    if (kind == point) {
      text += '(';
      const auto before = text.size() - 1;
      if (coordinates(width, big, true)) {
        text.resize(before);
        return true;
      }
      text += ')';
      return false;
    }
    const auto count_at = at_;
    const auto count = take<std::uint32_t>(big);
    put(count);
    if (kind == line && count == 1) fail("Too few points in linestring", count_at);
    if (count == 0) return true;
    text += '(';
    for (std::uint32_t i = 0; i < count; ++i) {
      if (i) text += ',';
      if (kind == line) {
        coordinates(width, big, false);
      } else if (kind == polygon) {
        ring(width, big);
      } else {
        geometry(depth + 1, static_cast<int>(flags), kind == collection, member_of(kind));
      }
    }
    text += ')';
    return false;
  }

  void ring(int width, bool big) {
    const auto count_at = at_;
    const auto count = take<std::uint32_t>(big);
    put(count);
    constexpr std::uint32_t least = 4;
    if (count < least) fail("Too few points in ring", count_at);
    const auto first = at_;
    text += '(';
    for (std::uint32_t i = 0; i < count; ++i) {
      if (i) text += ',';
      coordinates(width, big, false);
    }
    text += ')';
    if (std::memcmp(in_.data() + first, in_.data() + at_ - sizeof(double) * static_cast<std::size_t>(width), 2 * sizeof(double)) != 0)
      fail("Ring is not closed", count_at);
  }

  /// A point's numbers. True for a point of nothing, whose x or y is no number.
  bool coordinates(int width, bool big, bool may_be_empty) {
    const auto start = at_;
    bool empty = false;
    for (int i = 0; i < width; ++i) {
      const auto at = at_;
      if (in_.size() - at_ < sizeof(double)) fail("Unexpected end of WKB buffer", start);
      const auto value = take<double>(big);
      if (std::isinf(value) || (std::isnan(value) && !may_be_empty)) fail("Invalid coordinate value found", at);
      empty = empty || (i < 2 && std::isnan(value));
      constexpr double most_longitude = 180, most_latitude = 90;
      if (geography_ && i < 2 && std::abs(value) > (i == 0 ? most_longitude : most_latitude)) fail("Invalid coordinate value found", start);
      put(value);
      if (i) text += ' ';
      text += number(value);
    }
    return empty;
  }

  static std::string number(double value) {
    constexpr double most_whole = 9.2e18;
    if (std::abs(value) < most_whole && value == std::trunc(value)) return std::to_string(static_cast<std::int64_t>(value));
    return *double_to_string(value);
  }

  std::string_view in_;
  std::size_t at_ = 0;
  bool geography_, big_out_;
};

constexpr std::size_t head = sizeof(std::int32_t);

std::int32_t srid_of(std::string_view value) {
  std::int32_t out = 0;
  if (value.size() > head) std::memcpy(&out, value.data(), head);
  return out;
}
std::string with_head(std::int32_t srid, std::string_view wkb) {
  std::string out(reinterpret_cast<const char*>(&srid), head);
  return out.append(wkb);
}

std::optional<Blob> from_wkb(BlobView wkb, std::int32_t srid, bool geography) {
  Walk walk(wkb.bytes, geography, false);
  walk.run();
  return Blob{with_head(srid, walk.wkb)};
}
/// What is a geometry as a geography: its coordinates must be longitudes and latitudes.
std::optional<Blob> geography(BlobView value) { return from_wkb({value.bytes.substr(head)}, srid_of(value.bytes), true); }

std::optional<Blob> as_binary(BlobView value, std::string_view order) {
  const bool big = order == "XDR" || order == "xdr";
  if (!big && order != "NDR" && order != "ndr")
    raise("ST_INVALID_ENDIANNESS_VALUE", fmt::format("Endianness '{}' must be 'NDR' (little-endian) or 'XDR' (big-endian).", order), "22023");
  Walk walk(value.bytes.substr(head), false, big);
  walk.run();
  return Blob{std::move(walk.wkb)};
}

std::optional<std::int32_t> srid(BlobView value) { return srid_of(value.bytes); }
std::optional<Blob> with_srid(BlobView value, std::int32_t srid) { return Blob{with_head(srid, value.bytes.substr(head))}; }

/// Extended well-known text.
std::optional<std::string> shown(BlobView value) {
  Walk walk(value.bytes.substr(head), false, false);
  walk.run();
  const auto srid = srid_of(value.bytes);
  return srid == 0 ? walk.text : fmt::format("SRID={};{}", srid, walk.text);
}

constexpr Entry entries_of_geo[] = {
    {"spark_geo_from_wkb", Scalar<from_wkb>::make},   {"spark_geo_geography", Scalar<geography>::make},
    {"spark_geo_as_binary", Scalar<as_binary>::make}, {"spark_geo_srid", Scalar<srid>::make},
    {"spark_geo_with_srid", Scalar<with_srid>::make}, {"spark_geo_shown", Scalar<shown>::make},
};

}  // namespace

std::span<const Entry> geo_entries() { return entries_of_geo; }

}  // namespace tarn::engine::functions
