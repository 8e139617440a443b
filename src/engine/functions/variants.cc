// VARIANT: Spark's binary form of it, as Parquet's variant encoding describes it. Here a value is one BLOB, its dictionary of names (the metadata,
// which knows its own length) and then the value's bytes.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>

#include "engine/child/text_values.h"
#include "engine/functions/families.h"
#include "engine/functions/variant_writer.h"

namespace tarn::engine::functions {
namespace {

using Text = std::optional<std::string>;

[[noreturn]] void damaged() { raise("MALFORMED_VARIANT", "Variant binary is malformed. Please check the data source is valid.", "22023"); }

std::uint64_t number(std::string_view bytes, std::size_t at, std::size_t size) {
  if (size > bytes.size() || at > bytes.size() - size) damaged();
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < size; ++i) out |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
  return out;
}

std::string_view piece(std::string_view bytes, std::size_t at, std::size_t size) {
  if (at > bytes.size() || size > bytes.size() - at) damaged();
  return bytes.substr(at, size);
}

/// The names that a value's objects share.
struct Dictionary {
  std::string_view bytes;  // begins with it; what follows is not looked at
  std::size_t width = 1, count = 0;

  explicit Dictionary(std::string_view all) : bytes(all) {
    const auto header = number(bytes, 0, 1);
    if ((header & 15) != 1) damaged();
    width = (header >> 6) + 1;
    count = number(bytes, 1, width);
    if (count > bytes.size()) damaged();
  }
  std::size_t offset(std::size_t i) const { return number(bytes, 1 + width * (i + 1), width); }
  std::size_t names() const { return 1 + width * (count + 2); }
  std::size_t size() const { return names() + offset(count); }
  std::string_view name(std::size_t i) const {
    if (i >= count) damaged();
    const auto from = offset(i), to = offset(i + 1);
    if (to < from) damaged();
    return piece(bytes, names() + from, to - from);
  }
};

struct Decimal {
  __int128 digits = 0;
  unsigned scale = 0;

  void shorten() {
    while (scale > 0 && digits % 10 == 0) digits /= 10, --scale;
  }
  std::string text() const {
    std::string out;
    child::append_decimal(out, digits, scale);
    return out;
  }
};

enum class Type { null, boolean, bigint, floating, double_, decimal, string, binary, date, timestamp, timestamp_ntz, object, array };

/// One value within its bytes.
class Value {
 public:
  Value(std::string_view bytes, const Dictionary& names) : bytes_(bytes), names_(&names) {
    const auto header = number(bytes, 0, 1);
    basic_ = header & 3;
    head_ = header >> 2;
  }

  Type type() const {
    if (basic_ == 1) return Type::string;
    if (basic_ == 2) return Type::object;
    if (basic_ == 3) return Type::array;
    static constexpr Type types[] = {Type::null,      Type::boolean,       Type::boolean,  Type::bigint,  Type::bigint,  Type::bigint,
                                     Type::bigint,    Type::double_,       Type::decimal,  Type::decimal, Type::decimal, Type::date,
                                     Type::timestamp, Type::timestamp_ntz, Type::floating, Type::binary,  Type::string};
    if (head_ >= std::size(types))
      raise("UNSUPPORTED_FEATURE", fmt::format("A value of type {} inside a VARIANT is not supported by this warehouse.", head_), "0A000");
    return types[head_];
  }
  bool boolean() const { return head_ == 1; }
  /// Of whole numbers, of a date its days, of timestamps their microseconds.
  std::int64_t whole() const {
    const std::size_t width = head_ == 3 ? 1 : head_ == 4 ? 2 : head_ == 5 || head_ == 11 ? 4 : 8;
    return signed_at(1, width);
  }
  double floating() const {
    if (head_ == 7) return std::bit_cast<double>(number(bytes_, 1, 8));
    return std::bit_cast<float>(static_cast<std::uint32_t>(number(bytes_, 1, 4)));
  }
  Decimal decimal() const {
    Decimal out;
    out.scale = static_cast<unsigned>(number(bytes_, 1, 1));
    if (out.scale > 38) damaged();
    if (head_ == 10)
      out.digits = static_cast<__int128>(static_cast<unsigned __int128>(number(bytes_, 10, 8)) << 64 | number(bytes_, 2, 8));
    else
      out.digits = signed_at(2, head_ == 8 ? 4 : 8);
    out.shorten();
    return out;
  }
  std::string_view text() const {
    if (basic_ == 1) return piece(bytes_, 1, head_);
    return piece(bytes_, 5, number(bytes_, 1, 4));
  }

  /// f(name, value) of an object's fields, in the order of their names; f(index, value) of an array's items. False from f ends it.
  template <class F>
  void each(F f) const {
    const bool object = basic_ == 2, large = (head_ >> (object ? 4 : 2)) & 1;
    const std::size_t offset_width = (head_ & 3) + 1, id_width = object ? ((head_ >> 2) & 3) + 1 : 0;
    const std::size_t count_width = large ? 4 : 1, count = number(bytes_, 1, count_width);
    if (count > bytes_.size()) damaged();
    const auto ids = 1 + count_width, offsets = ids + count * id_width, values = offsets + (count + 1) * offset_width;
    for (std::size_t i = 0; i < count; ++i) {
      const auto from = values + number(bytes_, offsets + i * offset_width, offset_width);
      if (from >= bytes_.size()) damaged();
      const Value inner(bytes_.substr(from), *names_);
      const auto name = object ? names_->name(number(bytes_, ids + i * id_width, id_width)) : std::string_view();
      if (!f(i, name, inner)) return;
    }
  }
  std::string_view bytes() const { return bytes_; }
  bool is_object() const { return basic_ == 2; }
  bool is_array() const { return basic_ == 3; }

  /// How many bytes it has, where more may follow.
  std::size_t size() const {
    if (basic_ == 1) return 1 + head_;
    if (basic_ == 0) {
      static constexpr std::uint8_t sizes[] = {1, 1, 1, 2, 3, 5, 9, 9, 6, 10, 18, 5, 9, 9, 5};
      if (head_ < std::size(sizes)) return sizes[head_];
      if (head_ == 15 || head_ == 16) return 5 + number(bytes_, 1, 4);
      (void)type();  // says which one is not known
      damaged();
    }
    const bool object = basic_ == 2, large = (head_ >> (object ? 4 : 2)) & 1;
    const std::size_t offset_width = (head_ & 3) + 1, id_width = object ? ((head_ >> 2) & 3) + 1 : 0;
    const std::size_t count_width = large ? 4 : 1, count = number(bytes_, 1, count_width);
    const auto offsets = 1 + count_width + count * id_width;
    return offsets + (count + 1) * offset_width + number(bytes_, offsets + count * offset_width, offset_width);
  }

 private:
  std::int64_t signed_at(std::size_t at, std::size_t width) const {
    const auto raw = number(bytes_, at, width) << (64 - 8 * width);
    return static_cast<std::int64_t>(raw) >> (64 - 8 * width);
  }
  std::string_view bytes_;
  const Dictionary* names_;
  unsigned basic_ = 0, head_ = 0;
};

/// A whole value: its dictionary, and itself.
struct Whole {
  Dictionary names;
  Value value;
  explicit Whole(std::string_view all) : names(all), value(all.substr(std::min(names.size(), all.size())), names) {}
  Whole(const Whole&) = delete;
};

/// Spark's text of a timestamp inside a variant, in UTC: 2024-01-02 03:04:05.5, with its offset where it is an instant.
std::string moment(std::int64_t micros, bool instant) {
  std::int64_t days = micros / 86'400'000'000, rest = micros % 86'400'000'000;
  if (rest < 0) rest += 86'400'000'000, --days;
  std::string out;
  child::append_date(out, static_cast<std::int32_t>(days));
  out += fmt::format(" {:02}:{:02}:{:02}", rest / 3'600'000'000, rest / 60'000'000 % 60, rest / 1'000'000 % 60);
  if (rest % 1'000'000) {
    out += fmt::format(".{:06}", rest % 1'000'000);
    while (out.back() == '0') out.pop_back();
  }
  return instant ? out + "+00:00" : out;
}

void append_json(std::string& out, const Value& v) {
  const auto bracketed = [&](char open, char close) {
    out += open;
    v.each([&](std::size_t i, std::string_view name, const Value& inner) {
      if (i) out += ',';
      if (open == '{') out += json_quoted(name) + ":";
      append_json(out, inner);
      return true;
    });
    out += close;
  };
  switch (v.type()) {
    case Type::object:
      return bracketed('{', '}');
    case Type::array:
      return bracketed('[', ']');
    case Type::null:
      out += "null";
      return;
    case Type::boolean:
      out += v.boolean() ? "true" : "false";
      return;
    case Type::bigint:
      out += std::to_string(v.whole());
      return;
    case Type::double_:
    case Type::floating: {
      const bool finite = std::isfinite(v.floating());
      if (!finite) out += '"';
      v.type() == Type::double_ ? child::append_double(out, v.floating()) : child::append_float(out, static_cast<float>(v.floating()));
      if (!finite) out += '"';
      return;
    }
    case Type::decimal:
      out += v.decimal().text();
      return;
    case Type::string:
      out += json_quoted(v.text());
      return;
    case Type::binary:
      out += '"', child::append_base64(out, v.text()), out += '"';
      return;
    case Type::date:
      out += '"', child::append_date(out, static_cast<std::int32_t>(v.whole())), out += '"';
      return;
    case Type::timestamp:
    case Type::timestamp_ntz:
      out += '"' + moment(v.whole(), v.type() == Type::timestamp) + '"';
      return;
  }
}

Text to_json(BlobView all) {
  const Whole w(all.bytes);
  std::string out;
  append_json(out, w.value);
  return out;
}

std::optional<Blob> parse_json(std::string_view text, bool quiet) {
  auto out = variant_of_json(text);
  if (out) return Blob{*std::move(out)};
  if (quiet) return {};
  raise("MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION",
        fmt::format("Malformed records are detected in record parsing: {}.\nParse Mode: FAILFAST. To process malformed records as null result, try "
                    "setting the option "
                    "'mode' as 'PERMISSIVE'.",
                    text),
        "22023");
}

/// The value at a path such as $.a[0]['b c']; nothing where it leads nowhere.
std::optional<Blob> get(BlobView all, std::string_view path) {
  const Whole w(all.bytes);
  Value at = w.value;
  for (std::size_t i = 1; i < path.size();) {
    std::string_view key;
    std::optional<std::size_t> index;
    if (path[i] == '.') {
      const auto end = std::min(path.find_first_of(".[", i + 1), path.size());
      key = path.substr(i + 1, end - i - 1);
      i = end;
    } else if (i + 1 < path.size() && (path[i + 1] == '\'' || path[i + 1] == '"')) {
      const auto end = path.find(path[i + 1], i + 2);
      if (end == std::string_view::npos) return {};
      key = path.substr(i + 2, end - i - 2);
      i = end + 2;
    } else {
      const auto end = path.find(']', i);
      std::size_t n = 0;
      if (end == std::string_view::npos || std::from_chars(path.data() + i + 1, path.data() + end, n).ec != std::errc()) return {};
      index = n;
      i = end + 1;
    }
    if (index ? !at.is_array() : !at.is_object()) return {};
    std::optional<Value> found;
    at.each([&](std::size_t n, std::string_view name, const Value& inner) {
      if (index ? n == *index : name == key) found = inner;
      return !found;
    });
    if (!found) return {};
    at = *found;
  }
  return Blob{std::string(piece(all.bytes, 0, w.names.size())) + std::string(piece(at.bytes(), 0, at.size()))};
}

/// The type by which a cast of it begins, as the dialect spells it.
Text type_of(BlobView all) {
  static constexpr const char* names[] = {"void",   "boolean", "bigint",    "float",         "double", "decimal", "string",
                                          "binary", "date",    "timestamp", "timestamp_ntz", "object", "array"};
  return names[static_cast<int>(Whole(all.bytes).value.type())];
}
/// A string as it is, a decimal's digits; of the rest JSON.
Text text_of(BlobView all) {
  const Whole w(all.bytes);
  if (w.value.type() == Type::string) return std::string(w.value.text());
  return to_json(all);
}
std::optional<std::int64_t> whole_of(BlobView all) {
  const Whole w(all.bytes);
  switch (w.value.type()) {
    case Type::boolean:
      return w.value.boolean();
    case Type::bigint:
    case Type::date:
    case Type::timestamp:
    case Type::timestamp_ntz:
      return w.value.whole();
    default:
      return {};
  }
}
/// A decimal without its fraction.
Text truncated(BlobView all) {
  const Whole w(all.bytes);
  if (w.value.type() != Type::decimal) return {};
  auto d = w.value.decimal();
  for (; d.scale > 0; --d.scale) d.digits /= 10;
  return d.text();
}
std::optional<double> double_of(BlobView all) {
  const Whole w(all.bytes);
  const auto t = w.value.type();
  if (t != Type::double_ && t != Type::floating) return {};
  return w.value.floating();
}
std::optional<Blob> bytes_of(BlobView all) {
  const Whole w(all.bytes);
  if (w.value.type() != Type::binary) return {};
  return Blob{std::string(w.value.text())};
}
std::optional<bool> is_null(std::optional<BlobView> all) { return all && Whole(all->bytes).value.type() == Type::null; }

Text invalid_cast(BlobView all, std::string_view type) {
  raise("INVALID_VARIANT_CAST",
        fmt::format("The variant value `{}` cannot be cast into `\"{}\"`. Please use `try_variant_get` instead.", *to_json(all), type), "22023");
}

// --- schema_of_variant ------------------------------------------------------------------------------------------------------------------------

struct Shape {
  std::string name;  // VOID, BIGINT, …, DECIMAL, OBJECT, ARRAY
  int precision = 0, scale = 0;
  std::map<std::string, Shape> fields;
  std::vector<Shape> item;  // one, of an array

  std::string text() const {
    if (name == "DECIMAL") return fmt::format("DECIMAL({},{})", precision, scale);
    if (name == "ARRAY") return "ARRAY<" + item.at(0).text() + ">";
    if (name != "OBJECT") return name;
    std::string out;
    for (const auto& [field, shape] : fields) {
      const bool plain = !field.empty() && std::ranges::all_of(field, [](unsigned char c) { return std::isalnum(c) || c == '_'; });
      std::string quoted = "`";
      for (const char c : field) quoted.append(c == '`' ? 2 : 1, c);
      out += (out.empty() ? "" : ", ") + (plain ? field : quoted + "`") + ": " + shape.text();
    }
    return "OBJECT<" + out + ">";
  }
  bool operator==(const Shape&) const = default;
};

Shape merged(const Shape& a, const Shape& b) {
  if (a == b || b.name == "VOID") return a;
  if (a.name == "VOID") return b;
  const auto exact = [](const Shape& s) { return s.name == "BIGINT" ? Shape{"DECIMAL", 20, 0, {}, {}} : s; };
  const auto x = exact(a), y = exact(b);
  if (x.name == "DECIMAL" && y.name == "DECIMAL") {
    const int scale = std::max(x.scale, y.scale), digits = std::max(x.precision - x.scale, y.precision - y.scale);
    return scale + digits > 38 ? Shape{"DOUBLE", 0, 0, {}, {}} : Shape{"DECIMAL", scale + digits, scale, {}, {}};
  }
  if ((x.name == "DOUBLE" && y.name == "DECIMAL") || (x.name == "DECIMAL" && y.name == "DOUBLE")) return {"DOUBLE", 0, 0, {}, {}};
  if (a.name == "OBJECT" && b.name == "OBJECT") {
    auto out = a;
    for (const auto& [field, shape] : b.fields) {
      const auto at = out.fields.find(field);
      if (at == out.fields.end())
        out.fields.emplace(field, shape);
      else
        at->second = merged(at->second, shape);
    }
    return out;
  }
  if (a.name == "ARRAY" && b.name == "ARRAY") return {"ARRAY", 0, 0, {}, {merged(a.item[0], b.item[0])}};
  const auto made_by_cast = [](const Shape& s) { return s.name == "FLOAT" || s.name == "DATE" || s.name.starts_with("TIMESTAMP"); };
  if (made_by_cast(a) && made_by_cast(b))
    raise("UNSUPPORTED_FEATURE", "schema_of_variant over an array of " + a.name + " and " + b.name + " is not supported by this warehouse.", "0A000");
  return {"VARIANT", 0, 0, {}, {}};
}

Shape shape_of(const Value& v) {
  switch (v.type()) {
    case Type::object: {
      Shape out{"OBJECT", 0, 0, {}, {}};
      v.each([&](std::size_t, std::string_view name, const Value& inner) { return out.fields.emplace(std::string(name), shape_of(inner)), true; });
      return out;
    }
    case Type::array: {
      Shape item{"VOID", 0, 0, {}, {}};
      v.each([&](std::size_t, std::string_view, const Value& inner) { return item = merged(item, shape_of(inner)), true; });
      return {"ARRAY", 0, 0, {}, {item}};
    }
    case Type::decimal: {
      const auto d = v.decimal();
      std::string digits;
      child::append_decimal(digits, d.digits < 0 ? -d.digits : d.digits, 0);
      return {"DECIMAL", std::max(static_cast<int>(digits.size()), static_cast<int>(d.scale)), static_cast<int>(d.scale), {}, {}};
    }
    default: {
      static constexpr const char* names[] = {"VOID",   "BOOLEAN", "BIGINT", "FLOAT",     "DOUBLE",       "",
                                              "STRING", "BINARY",  "DATE",   "TIMESTAMP", "TIMESTAMP_NTZ"};
      return {names[static_cast<int>(v.type())], 0, 0, {}, {}};
    }
  }
}

Text schema(BlobView all) { return shape_of(Whole(all.bytes).value).text(); }

// --- in files, and out of other types ---------------------------------------------------------------------------------------------------------

std::optional<Blob> dictionary_of(BlobView all) { return Blob{std::string(piece(all.bytes, 0, Dictionary(all.bytes).size()))}; }
std::optional<Blob> value_of(BlobView all) { return Blob{std::string(all.bytes.substr(Dictionary(all.bytes).size()))}; }
/// From a file's two columns.
std::optional<Blob> joined(BlobView names, BlobView value) {
  if (Dictionary(names.bytes).size() != names.bytes.size() || value.bytes.empty()) damaged();
  return Blob{std::string(names.bytes) + std::string(value.bytes)};
}

std::optional<Blob> of_boolean(bool v) { return Blob{variant_of_boolean(v)}; }
std::optional<Blob> of_bigint(std::int64_t v) { return Blob{variant_of_whole(v)}; }
std::optional<Blob> of_double(double v) { return Blob{variant_of_double(v)}; }
std::optional<Blob> of_float(float v) { return Blob{variant_of_float(v)}; }
std::optional<Blob> of_text(std::string_view v) { return Blob{variant_of_text(v)}; }
std::optional<Blob> of_binary(BlobView v) { return Blob{variant_of_binary(v.bytes)}; }
std::optional<Blob> of_decimal(std::string_view v) { return Blob{variant_of_decimal(v)}; }
std::optional<Blob> of_date(Date v) { return Blob{variant_of_date(v.days)}; }
std::optional<Blob> of_moment(std::int64_t micros, bool instant) { return Blob{variant_of_moment(micros, instant)}; }

/// The text that a value cannot be used by, whatever it is.
Text refused(std::optional<std::string_view>, std::string_view why) { throw std::runtime_error(std::string(why)); }

constexpr Entry entries_of_variants[] = {
    {"spark_parse_json", Scalar<parse_json>::make},
    {"spark_variant_json", Scalar<to_json>::make},
    {"spark_variant_get", Scalar<get>::make},
    {"spark_variant_type", Scalar<type_of>::make},
    {"spark_variant_text", Scalar<text_of>::make},
    {"spark_variant_whole", Scalar<whole_of>::make},
    {"spark_variant_truncated", Scalar<truncated>::make},
    {"spark_variant_double", Scalar<double_of>::make},
    {"spark_variant_bytes", Scalar<bytes_of>::make},
    {"spark_is_variant_null", Scalar<is_null>::make},
    {"spark_variant_invalid_cast", Scalar<invalid_cast>::make},
    {"spark_schema_of_variant", Scalar<schema>::make},
    {"spark_variant_dictionary", Scalar<dictionary_of>::make},
    {"spark_variant_value", Scalar<value_of>::make},
    {"spark_variant_joined", Scalar<joined>::make},
    {"spark_variant_of_boolean", Scalar<of_boolean>::make},
    {"spark_variant_of_bigint", Scalar<of_bigint>::make},
    {"spark_variant_of_double", Scalar<of_double>::make},
    {"spark_variant_of_float", Scalar<of_float>::make},
    {"spark_variant_of_text", Scalar<of_text>::make},
    {"spark_variant_of_binary", Scalar<of_binary>::make},
    {"spark_variant_of_decimal", Scalar<of_decimal>::make},
    {"spark_variant_of_date", Scalar<of_date>::make},
    {"spark_variant_of_moment", Scalar<of_moment>::make},
    {"spark_variant_refused", Scalar<refused>::make},
};

}  // namespace

std::span<const Entry> variant_entries() { return entries_of_variants; }

}  // namespace tarn::engine::functions
