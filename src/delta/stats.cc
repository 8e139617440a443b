#include "delta/stats.h"

#include <charconv>
#include <chrono>

#include "base/text.h"
#include "delta/protocol.h"

namespace tarn::delta {
namespace {

using json::value;

constexpr std::size_t kPrefix = 32;

/// JSON text built by hand: a decimal of 38 digits is a JSON number that no C++ number holds.
struct Node {
  std::string raw;
  std::vector<std::pair<std::string, Node>> children;

  Node& child(const std::string& name) {
    for (auto& [k, n] : children)
      if (k == name) return n;
    return children.emplace_back(name, Node{}).second;
  }
  void set(const std::vector<std::string>& path, std::string text) {
    Node* at = this;
    for (const auto& p : path) at = &at->child(p);
    at->raw = std::move(text);
  }
  std::string text() const {
    if (!raw.empty()) return raw;
    std::string out = "{";
    for (const auto& [k, n] : children) out += (out.size() == 1 ? "" : ",") + boost::json::serialize(boost::json::string(k)) + ":" + n.text();
    return out + "}";
  }
};

/// The type of a leaf, null if the path names none.
const value* leaf_type(const Schema& schema, const std::vector<std::string>& path) {
  if (path.empty()) return nullptr;
  const Field* field = schema.find(path[0]);
  if (!field || field->name != path[0]) return nullptr;
  const value* type = &field->type;
  for (std::size_t i = 1; i < path.size(); ++i) {
    const auto* o = type->if_object();
    const auto* fields = o ? o->if_contains("fields") : nullptr;
    if (!fields) return nullptr;
    const value* next = nullptr;
    for (const auto& f : fields->get_array())
      if (f.at("name").get_string() == path[i]) next = &f.at("type");
    if (!next) return nullptr;
    type = next;
  }
  return type->is_object() && type->get_object().contains("fields") ? nullptr : type;
}

std::size_t leaves(const value& type) {
  const auto* o = type.if_object();
  const auto* fields = o ? o->if_contains("fields") : nullptr;
  if (!fields) return 1;
  std::size_t n = 0;
  for (const auto& f : fields->get_array()) n += leaves(f.at("type"));
  return n;
}

bool digits(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// A plain decimal number: -12.50
bool is_decimal(std::string_view s) {
  if (s.starts_with('-')) s.remove_prefix(1);
  const auto dot = s.find('.');
  if (dot != std::string_view::npos && !digits(s.substr(dot + 1))) return false;
  const auto whole = s.substr(0, dot);
  return digits(whole) && (whole.size() == 1 || whole[0] != '0');
}

std::optional<std::string> floating(std::string_view s) {
  double d = 0;
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), d);
  if (ec != std::errc() || end != s.data() + s.size() || !std::isfinite(d)) return std::nullopt;
  return boost::json::serialize(value(d));
}

bool is_date(std::string_view s) {
  return s.size() == 10 && s[4] == '-' && s[7] == '-' && digits(s.substr(0, 4)) && digits(s.substr(5, 2)) && digits(s.substr(8, 2));
}

/// "2024-01-31 10:00:00.123456+02" -> "2024-01-31T08:00:00.123Z" (without Z for timestamp_ntz).
std::optional<std::string> timestamp(std::string_view s, bool zoned) {
  using namespace std::chrono;
  if (s.size() < 19 || !is_date(s.substr(0, 10)) || (s[10] != ' ' && s[10] != 'T') || s[13] != ':' || s[16] != ':') return std::nullopt;
  auto number = [&](std::size_t at, std::size_t n) {
    int v = -1;
    const auto part = s.substr(at, n);
    if (digits(part)) std::from_chars(part.data(), part.data() + n, v);
    return v;
  };
  const year_month_day day{year(number(0, 4)), month(static_cast<unsigned>(number(5, 2))), std::chrono::day(static_cast<unsigned>(number(8, 2)))};
  const int h = number(11, 2), m = number(14, 2), sec = number(17, 2);
  if (!day.ok() || h < 0 || m < 0 || sec < 0 || h > 23 || m > 59 || sec > 59) return std::nullopt;
  std::int64_t millis = 0;
  auto rest = s.substr(19);
  if (rest.starts_with('.')) {
    std::size_t n = 1;
    while (n < rest.size() && rest[n] >= '0' && rest[n] <= '9') ++n;
    if (n == 1) return std::nullopt;
    for (std::size_t i = 1; i <= 3; ++i) millis = millis * 10 + (i < n ? rest[i] - '0' : 0);  // cut, not rounded
    rest.remove_prefix(n);
  }
  std::int64_t offset = 0;
  if (rest == "Z") {
    rest = {};
  } else if (rest.starts_with('+') || rest.starts_with('-')) {
    const int sign = rest[0] == '-' ? -1 : 1;
    if (rest.size() != 3 && !(rest.size() == 6 && rest[3] == ':')) return std::nullopt;
    if (!digits(rest.substr(1, 2)) || (rest.size() == 6 && !digits(rest.substr(4, 2)))) return std::nullopt;
    offset = sign * (((rest[1] - '0') * 10 + rest[2] - '0') * 60 + (rest.size() == 6 ? (rest[4] - '0') * 10 + rest[5] - '0' : 0));
    rest = {};
  }
  if (!rest.empty()) return std::nullopt;
  auto at = sys_days(day) + hours(h) + minutes(m - offset) + seconds(sec) + milliseconds(millis);
  const auto date = floor<days>(at);
  const year_month_day out(date);
  const hh_mm_ss time(duration_cast<milliseconds>(at - date));
  if (int(out.year()) < 1 || int(out.year()) > 9999) return std::nullopt;
  return fmt::format("\"{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}.{:03d}{}\"", int(out.year()), unsigned(out.month()), unsigned(out.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count(), time.subseconds().count(), zoned ? "Z" : "");
}

/// The length in bytes of the first `characters` code points; nothing if the text is not UTF-8.
std::optional<std::size_t> prefix_bytes(std::string_view s, std::size_t characters) {
  std::size_t i = 0, end = s.size();
  for (std::size_t n = 0; i < s.size(); ++n) {
    if (n == characters) end = std::min(end, i);
    const auto c = static_cast<unsigned char>(s[i]);
    const std::size_t len = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
    if (len == 0 || i + len > s.size()) return std::nullopt;
    for (std::size_t k = 1; k < len; ++k)
      if ((static_cast<unsigned char>(s[i + k]) & 0xc0) != 0x80) return std::nullopt;
    i += len;
  }
  return end;
}

std::optional<std::string> string_bound(std::string_view s, bool upper) {
  const auto cut = prefix_bytes(s, kPrefix);
  if (!cut) return std::nullopt;
  std::string out(s.substr(0, *cut));
  if (upper && *cut < s.size()) {
    // As delta-io breaks the tie: DEL sorts after any printable ASCII, U+10FFFF after everything else.
    const auto next = s.substr(*cut);
    if (static_cast<unsigned char>(next[0]) < 0x7f)
      out += '\x7f';
    else if (next.starts_with("\xf4\x8f\xbf\xbf"))
      return std::nullopt;
    else
      out += "\xf4\x8f\xbf\xbf";
  }
  return boost::json::serialize(boost::json::string(out));
}

std::optional<std::string> bound(const value& type, const std::string& text, bool upper) {
  if (!type.is_string()) return std::nullopt;
  const std::string_view t = type.get_string();
  if (t == "string") return string_bound(text, upper);
  if (t == "long" || t == "integer" || t == "short" || t == "byte")
    return is_decimal(text) && text.find('.') == std::string::npos ? std::optional(text) : std::nullopt;
  if (t == "float" || t == "double") return floating(text);
  if (t.starts_with("decimal")) return is_decimal(text) ? std::optional(text) : std::nullopt;
  if (t == "date") return is_date(text) ? std::optional("\"" + text + "\"") : std::nullopt;
  if (t == "timestamp") return timestamp(text, true);
  if (t == "timestamp_ntz") return timestamp(text, false);
  return std::nullopt;
}

}  // namespace

namespace {

/// Which top-level columns, or how many leaves from the front, have statistics.
class Indexed {
 public:
  explicit Indexed(const Metadata& m) {
    if (const auto p = property(m, "delta.dataSkippingNumIndexedCols")) std::from_chars(p->data(), p->data() + p->size(), most_);
    if (const auto p = property(m, "delta.dataSkippingStatsColumns")) {
      named_ = std::vector<std::string>();
      std::string name;
      for (const char c : std::string(*p) + ",") {
        if (c == ',') {
          while (name.ends_with(' ')) name.pop_back();
          if (!name.empty()) named_->push_back(lower(name.substr(0, name.find('.'))));
          name.clear();
        } else if (c != '`' && (c != ' ' || !name.empty())) {
          name += c;
        }
      }
    }
    std::size_t position = 0;
    for (const auto& f : m.schema.fields) {
      if (std::find(m.partition_columns.begin(), m.partition_columns.end(), f.name) != m.partition_columns.end()) continue;
      first_leaf_[f.name] = position;
      position += leaves(f.type);
    }
  }
  /// The `n`th leaf of a column.
  bool has(const std::string& column, std::size_t n) const {
    const auto at = first_leaf_.find(column);
    if (at == first_leaf_.end()) return false;
    if (named_) return std::find(named_->begin(), named_->end(), lower(column)) != named_->end();
    return most_ < 0 || at->second + n < static_cast<std::size_t>(most_);
  }

 private:
  std::int64_t most_ = 32;
  std::optional<std::vector<std::string>> named_;
  std::map<std::string, std::size_t, std::less<>> first_leaf_;
};

}  // namespace

bool has_bounds(const Metadata& m, const Field& f) {
  if (!f.type.is_string() || !Indexed(m).has(f.name, 0)) return false;
  const std::string_view t = f.type.get_string();
  return t != "boolean" && t != "binary" && t != "variant" && t != "void";
}

std::string stats_json(const Metadata& metadata, std::int64_t rows, const std::vector<ColumnStats>& columns) {
  const Indexed indexed(metadata);
  Node min, max, nulls;
  std::map<std::string_view, std::size_t> seen;
  for (const auto& c : columns) {
    const value* type = leaf_type(metadata.schema, c.path);
    if (!type || !indexed.has(c.path[0], seen[c.path[0]]++)) continue;
    if (c.null_count) nulls.set(c.path, std::to_string(*c.null_count));
    if (c.has_nan) continue;
    auto low = c.min ? bound(*type, *c.min, false) : std::nullopt;
    auto high = c.max ? bound(*type, *c.max, true) : std::nullopt;
    if (low) min.set(c.path, *std::move(low));
    if (high) max.set(c.path, *std::move(high));
  }
  return fmt::format(R"({{"numRecords":{},"minValues":{},"maxValues":{},"nullCount":{}}})", rows, min.text(), max.text(), nulls.text());
}

std::vector<std::string> stats_path(std::string_view name, const Schema& schema) {
  std::vector<std::string> out;
  while (!name.empty()) {
    if (name.front() != '"') return {};
    std::string part;
    std::size_t i = 1;
    for (; i < name.size(); ++i) {
      if (name[i] != '"')
        part += name[i];
      else if (i + 1 < name.size() && name[i + 1] == '"')
        part += name[i++];
      else
        break;
    }
    if (i >= name.size()) return {};
    out.push_back(std::move(part));
    name.remove_prefix(i + 1);
    if (name.empty()) break;
    if (name.front() != '.') return {};
    name.remove_prefix(1);
  }
  if (!leaf_type(schema, out)) return {};
  return out;
}

}  // namespace tarn::delta
