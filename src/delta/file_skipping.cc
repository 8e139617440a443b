#include "delta/file_skipping.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <variant>

namespace tarn::delta {
namespace {

/// How a column's values are compared.
enum class Order { none, integer, decimal, floating, text, moment };

/// Whole numbers and microseconds; decimals and floating point; text.
using Key = std::variant<std::int64_t, double, std::string>;

/// What a file's rows lie between, as far as it is known.
struct Range {
  std::optional<Key> low, high;
  bool only_nulls = false;
};

Order order_of(const DataColumn& column) {
  const auto* name = column.type.if_string();
  if (!name || column.filled > 0) return Order::none;
  const std::string_view t(*name);
  if (t == "byte" || t == "short" || t == "integer" || t == "long") return Order::integer;
  if (t.starts_with("decimal")) return Order::decimal;
  if (t == "double") return Order::floating;
  if (t == "string") return Order::text;
  if (t == "date" || t == "timestamp" || t == "timestamp_ntz") return Order::moment;
  return Order::none;
}

bool all_digits(std::string_view s) {
  return !s.empty() && std::ranges::all_of(s, [](char c) { return c >= '0' && c <= '9'; });
}

int number(std::string_view s) {
  int out = -1;
  if (all_digits(s)) std::from_chars(s.data(), s.data() + s.size(), out);
  return out;
}

/// `2024-01-31`, `2024-01-31 10:00:00.123456`, with a T or a Z: microseconds since 1970 in UTC.
std::optional<std::int64_t> moment(std::string_view s) {
  using namespace std::chrono;
  if (s.size() < 10 || s[4] != '-' || s[7] != '-') return std::nullopt;
  const int y = number(s.substr(0, 4)), mo = number(s.substr(5, 2)), d = number(s.substr(8, 2));
  if (y < 0 || mo < 0 || d < 0) return std::nullopt;
  const year_month_day date{year(y), month(static_cast<unsigned>(mo)), day(static_cast<unsigned>(d))};
  if (!date.ok()) return std::nullopt;
  std::int64_t out = duration_cast<microseconds>(sys_days(date).time_since_epoch()).count();
  s.remove_prefix(10);
  if (s.empty()) return out;
  if (s.ends_with('Z')) s.remove_suffix(1);
  if (s.size() < 9 || (s[0] != ' ' && s[0] != 'T') || s[3] != ':' || s[6] != ':') return std::nullopt;
  const int h = number(s.substr(1, 2)), mi = number(s.substr(4, 2)), sec = number(s.substr(7, 2));
  if (h < 0 || h > 23 || mi < 0 || mi > 59 || sec < 0 || sec > 59) return std::nullopt;
  out += ((h * 60LL + mi) * 60 + sec) * 1'000'000;
  s.remove_prefix(9);
  if (s.empty()) return out;
  if (s[0] != '.' || s.size() > 7 || !all_digits(s.substr(1))) return std::nullopt;
  std::int64_t fraction = number(s.substr(1));
  for (std::size_t n = s.size(); n < 7; ++n) fraction *= 10;
  return out + fraction;
}

std::optional<std::int64_t> integer(std::string_view s) {
  std::int64_t out = 0;
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), out);
  if (ec != std::errc() || end != s.data() + s.size()) return std::nullopt;
  return out;
}

std::optional<double> floating(std::string_view s) {
  double out = 0;
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), out);
  if (ec != std::errc() || end != s.data() + s.size() || !std::isfinite(out)) return std::nullopt;
  return out;
}

std::optional<Key> key_of(std::string_view text, Order order) {
  const auto as = [](auto v) { return v ? std::optional<Key>(*std::move(v)) : std::nullopt; };
  switch (order) {
    case Order::integer:
      return as(integer(text));
    case Order::decimal:
    case Order::floating:
      return as(floating(text));
    case Order::text:
      return Key(std::string(text));
    case Order::moment:
      return as(moment(text));
    case Order::none:
      break;
  }
  return std::nullopt;
}

/// A constant in the column's order; nothing where comparing the two would first convert the column, or lose something.
std::optional<Key> constant(const BoundValue& v, const DataColumn& column, Order order) {
  switch (order) {
    case Order::integer:
    case Order::decimal:
    case Order::floating:
      if (v.type != "decimal") return std::nullopt;
      break;
    case Order::text:
      if (v.type != "string") return std::nullopt;
      break;
    case Order::moment:
      if (v.text.ends_with('Z')) return std::nullopt;
      if (v.type == "string" || v.type == "date") break;
      if (column.type == "date" || v.type != std::string_view(column.type.get_string())) return std::nullopt;
      break;
    case Order::none:
      return std::nullopt;
  }
  if (column.type == "date" && v.text.size() != 10) return std::nullopt;
  return key_of(v.text, order);
}

/// A bound of the statistics, moved outwards by what its way of writing may have cut off: doubles stand for decimals, milliseconds for microseconds.
std::optional<Key> widened(const json::value& v, Order order, bool high) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  constexpr std::int64_t kCut = 999;
  switch (order) {
    case Order::integer:
      if (v.is_int64()) return Key(v.get_int64());
      return std::nullopt;
    case Order::decimal:
    case Order::floating: {
      if (!v.is_number()) return std::nullopt;
      const double d = v.is_double() ? v.get_double() : v.is_int64() ? static_cast<double>(v.get_int64()) : static_cast<double>(v.get_uint64());
      const double about = d + (high ? 1 : -1) * std::abs(d) * 1e-14;
      return Key(std::nextafter(about, high ? kInfinity : -kInfinity));
    }
    case Order::text:
      if (v.is_string()) return Key(std::string(v.get_string()));
      return std::nullopt;
    case Order::moment:
      if (v.is_string())
        if (const auto at = moment(v.get_string())) return Key(*at + (high ? kCut : -kCut));
      return std::nullopt;
    case Order::none:
      break;
  }
  return std::nullopt;
}

const json::value* member(const json::object& stats, const char* kind, const std::string& column) {
  const auto* part = stats.if_contains(kind);
  return part && part->is_object() ? part->get_object().if_contains(column) : nullptr;
}

Range range_in(const json::object& stats, const DataColumn& column, Order order) {
  Range out;
  if (const auto* v = member(stats, "minValues", column.physical)) out.low = widened(*v, order, false);
  if (const auto* v = member(stats, "maxValues", column.physical)) out.high = widened(*v, order, true);
  const auto* nulls = member(stats, "nullCount", column.physical);
  const auto* rows = stats.if_contains("numRecords");
  out.only_nulls = nulls && rows && nulls->is_int64() && rows->is_int64() && nulls->get_int64() == rows->get_int64();
  return out;
}

Range range_of_partition(const DataFile& file, const DataColumn& column, Order order) {
  Range out;
  const auto at = file.partition_values.find(column.physical);
  if (at == file.partition_values.end()) return out;
  if (!at->second || at->second->empty())
    out.only_nulls = true;
  else
    out.low = out.high = key_of(*at->second, order);
  return out;
}

struct Bound {
  const DataColumn* column;
  Order order;
  ColumnBound::Op op;
  std::vector<Key> values;
};

bool may_hold(const Range& range, const Bound& bound) {
  using Op = ColumnBound::Op;
  if (range.only_nulls) return false;
  const auto within = [&](const Key& v) { return !(range.low && v < *range.low) && !(range.high && *range.high < v); };
  switch (bound.op) {
    case Op::equal:
      return std::ranges::any_of(bound.values, within);
    case Op::less:
      return !range.low || *range.low < bound.values[0];
    case Op::less_equal:
      return !range.low || !(bound.values[0] < *range.low);
    case Op::greater:
      return !range.high || bound.values[0] < *range.high;
    case Op::greater_equal:
      return !range.high || !(*range.high < bound.values[0]);
    case Op::not_null:
      return true;
  }
  return true;
}

std::vector<Bound> judged(const DataFiles& files, std::span<const ColumnBound> bounds) {
  using Op = ColumnBound::Op;
  std::vector<Bound> out;
  for (const auto& b : bounds) {
    const auto column = std::ranges::find_if(files.columns, [&](const DataColumn& c) { return c.name == b.column; });
    if (column == files.columns.end()) continue;
    Bound one{&*column, order_of(*column), b.op, {}};
    if (one.order == Order::none && b.op != Op::not_null) continue;
    // A NaN is greater than all other values, and not among the bounds of every writer.
    if (one.order == Order::floating && (column->partition || b.op == Op::greater || b.op == Op::greater_equal)) continue;
    for (const auto& v : b.values)
      if (auto key = constant(v, *column, one.order)) one.values.push_back(*std::move(key));
    if (one.values.size() == b.values.size() && (b.op == Op::not_null || !b.values.empty())) out.push_back(std::move(one));
  }
  return out;
}

}  // namespace

std::optional<std::vector<std::size_t>> files_that_may_hold(const Snapshot& snapshot, const DataFiles& files, std::span<const ColumnBound> bounds) {
  if (files.files.size() != snapshot.files.size()) return std::nullopt;
  const auto wanted = judged(files, bounds);
  if (wanted.empty()) return std::nullopt;
  const bool reads_stats = std::ranges::any_of(wanted, [](const Bound& b) { return !b.column->partition; });
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < files.files.size(); ++i) {
    bool kept = std::ranges::all_of(
        wanted, [&](const Bound& b) { return !b.column->partition || may_hold(range_of_partition(files.files[i], *b.column, b.order), b); });
    if (kept && reads_stats && !snapshot.files[i].stats.empty()) {
      if (const auto stats = json::parse(snapshot.files[i].stats); stats && stats->is_object())
        kept = std::ranges::all_of(
            wanted, [&](const Bound& b) { return b.column->partition || may_hold(range_in(stats->get_object(), *b.column, b.order), b); });
    }
    if (kept) out.push_back(i);
  }
  if (out.size() == files.files.size()) return std::nullopt;
  return out;
}

}  // namespace tarn::delta
