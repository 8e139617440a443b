// JSON as text: a value is kept as the text that it was written with, so that numbers lose nothing.
#include <fmt/format.h>

#include <cmath>

#include "engine/child/text_values.h"
#include "engine/functions/code_points.h"
#include "engine/functions/families.h"

namespace tarn::engine::functions {
namespace {

using Text = std::optional<std::string>;

constexpr int kDeepest = 500;

/// A reader over one text. `skip_value` checks what it passes.
class Reader {
 public:
  explicit Reader(std::string_view s) : s_(s) {}
  void blanks() {
    while (at_ < s_.size() && (s_[at_] == ' ' || s_[at_] == '\t' || s_[at_] == '\n' || s_[at_] == '\r')) ++at_;
  }
  bool take(char c) {
    blanks();
    if (at_ >= s_.size() || s_[at_] != c) return false;
    ++at_;
    return true;
  }
  char peek() {
    blanks();
    return at_ < s_.size() ? s_[at_] : '\0';
  }
  bool done() {
    blanks();
    return at_ >= s_.size();
  }
  /// A string with its quotes, single or double.
  bool string(std::string_view& raw) {
    blanks();
    const auto start = at_;
    if (at_ >= s_.size() || (s_[at_] != '"' && s_[at_] != '\'')) return false;
    const char quote = s_[at_++];
    while (at_ < s_.size() && s_[at_] != quote) at_ += s_[at_] == '\\' ? 2 : 1;
    if (at_ >= s_.size()) return false;
    raw = s_.substr(start, ++at_ - start);
    return true;
  }
  /// One value's text.
  bool value(std::string_view& raw, int depth = 0) {
    if (depth > kDeepest) return false;
    blanks();
    const auto start = at_;
    if (at_ >= s_.size()) return false;
    std::string_view ignored;
    const char c = s_[at_];
    if (c == '"' || c == '\'') {
      if (!string(ignored)) return false;
    } else if (c == '{') {
      ++at_;
      if (!take('}')) {
        do {
          if (!string(ignored) || !take(':') || !value(ignored, depth + 1)) return false;
        } while (take(','));
        if (!take('}')) return false;
      }
    } else if (c == '[') {
      ++at_;
      if (!take(']')) {
        do {
          if (!value(ignored, depth + 1)) return false;
        } while (take(','));
        if (!take(']')) return false;
      }
    } else {
      while (at_ < s_.size() && std::string_view(",]} \t\r\n:").find(s_[at_]) == std::string_view::npos) ++at_;
      if (!scalar(s_.substr(start, at_ - start))) return false;
    }
    raw = s_.substr(start, at_ - start);
    return true;
  }

 private:
  static bool scalar(std::string_view t) {
    if (t == "true" || t == "false" || t == "null" || t == "NaN" || t == "Infinity" || t == "-Infinity" || t == "+INF" || t == "-INF" || t == "INF")
      return true;
    std::size_t i = t.starts_with('-') ? 1 : 0;
    const auto digits = [&] {
      const auto from = i;
      while (i < t.size() && t[i] >= '0' && t[i] <= '9') ++i;
      return i - from;
    };
    const auto first = i;
    const auto whole = digits();
    if (whole == 0 || (whole > 1 && t[first] == '0')) return false;
    if (i < t.size() && t[i] == '.') {
      ++i;
      if (digits() == 0) return false;
    }
    if (i < t.size() && (t[i] == 'e' || t[i] == 'E')) {
      ++i;
      if (i < t.size() && (t[i] == '+' || t[i] == '-')) ++i;
      if (digits() == 0) return false;
    }
    return i == t.size();
  }
  std::string_view s_;
  std::size_t at_ = 0;
};

/// The text that a string means.
std::string unquoted(std::string_view raw) {
  std::string out;
  const auto four = [&](std::size_t i) {
    std::uint32_t v = 0;
    for (std::size_t k = 0; k < 4 && i + k < raw.size(); ++k) {
      const char c = raw[i + k];
      v = v * 16 + static_cast<std::uint32_t>(c >= 'a' ? c - 'a' + 10 : c >= 'A' ? c - 'A' + 10 : c - '0');
    }
    return v;
  };
  for (std::size_t i = 1; i + 1 < raw.size(); ++i) {
    if (raw[i] != '\\') {
      out += raw[i];
      continue;
    }
    switch (raw[++i]) {
      case 'n':
        out += '\n';
        break;
      case 't':
        out += '\t';
        break;
      case 'r':
        out += '\r';
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'u': {
        auto c = four(i + 1);
        i += 4;
        if (c >= 0xD800 && c < 0xDC00 && i + 6 < raw.size() && raw[i + 1] == '\\' && raw[i + 2] == 'u') {
          c = 0x10000 + ((c - 0xD800) << 10) + (four(i + 3) - 0xDC00);
          i += 6;
        }
        append_code(out, c);
        break;
      }
      default:
        out += raw[i];
    }
  }
  return out;
}

bool quoted(std::string_view raw) { return !raw.empty() && (raw[0] == '"' || raw[0] == '\''); }

std::string quote(std::string_view s) {
  std::string out = "\"";
  for (const char c : s) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += '\\', out += c;
    else if (c == '\n')
      out += "\\n";
    else if (c == '\t')
      out += "\\t";
    else if (c == '\r')
      out += "\\r";
    else if (c == '\b')
      out += "\\b";
    else if (c == '\f')
      out += "\\f";
    else if (u < 0x20)
      out += fmt::format("\\u{:04X}", u);
    else
      out += c;
  }
  return out + '"';
}

/// A value as JSON again, without blanks and with double quotes.
std::string compact(std::string_view raw) {
  Reader r(raw);
  const char c = r.peek();
  std::string_view piece;
  std::string out;
  if (c == '{') {
    (void)r.take('{');
    out = "{";
    while (r.peek() != '}') {
      std::string_view key;
      if (!r.string(key) || !r.take(':') || !r.value(piece)) break;
      if (out.size() > 1) out += ',';
      out += quote(unquoted(key)) + ":" + compact(piece);
      if (!r.take(',')) break;
    }
    return out + '}';
  }
  if (c == '[') {
    (void)r.take('[');
    out = "[";
    while (r.peek() != ']') {
      if (!r.value(piece)) break;
      if (out.size() > 1) out += ',';
      out += compact(piece);
      if (!r.take(',')) break;
    }
    return out + ']';
  }
  return quoted(raw) ? quote(unquoted(raw)) : std::string(raw);
}

/// A text's one value; nothing if there is none. What follows the first value is left alone, as Spark's reader leaves it.
std::optional<std::string_view> first_value(std::string_view s, bool whole = false) {
  Reader r(s);
  std::string_view raw;
  if (!r.value(raw) || (whole && !r.done())) return {};
  return raw;
}

std::optional<std::string_view> member(std::string_view object, std::string_view name) {
  Reader r(object);
  if (!r.take('{')) return {};
  std::optional<std::string_view> found;
  while (r.peek() != '}') {
    std::string_view key, v;
    if (!r.string(key) || !r.take(':') || !r.value(v)) return found;
    if (unquoted(key) == name && !found) found = v;
    if (!r.take(',')) break;
  }
  return found;
}

std::vector<std::string_view> items_of(std::string_view array) {
  std::vector<std::string_view> out;
  Reader r(array);
  if (!r.take('[')) return out;
  while (r.peek() != ']') {
    std::string_view v;
    if (!r.value(v)) break;
    out.push_back(v);
    if (!r.take(',')) break;
  }
  return out;
}

struct Step {
  enum { key, index, any } kind = key;
  std::string name;
  std::size_t at = 0;
};

std::optional<std::vector<Step>> path_of(std::string_view p) {
  if (!p.starts_with('$')) return {};
  std::vector<Step> out;
  for (std::size_t i = 1; i < p.size();) {
    if (p[i] == '.') {
      const auto end = std::min(p.find_first_of(".[", i + 1), p.size());
      const auto name = p.substr(i + 1, end - i - 1);
      if (name.empty()) return {};
      out.push_back(name == "*" ? Step{Step::any, {}, 0} : Step{Step::key, std::string(name), 0});
      i = end;
    } else if (p[i] == '[') {
      if (p.substr(i).starts_with("['")) {
        const auto end = p.find("']", i + 2);
        if (end == std::string_view::npos) return {};
        const auto name = p.substr(i + 2, end - i - 2);
        if (name.find('?') != std::string_view::npos) return {};
        out.push_back(name == "*" ? Step{Step::any, {}, 0} : Step{Step::key, std::string(name), 0});
        i = end + 2;
        continue;
      }
      const auto end = p.find(']', i);
      if (end == std::string_view::npos) return {};
      const auto inner = p.substr(i + 1, end - i - 1);
      if (inner == "*") {
        out.push_back({Step::any, {}, 0});
      } else {
        if (inner.empty() || inner.size() > 9 || inner.find_first_not_of("0123456789") != std::string_view::npos) return {};
        out.push_back({Step::index, {}, static_cast<std::size_t>(std::stoul(std::string(inner)))});
      }
      i = end + 1;
    } else {
      return {};
    }
  }
  return out;
}

std::optional<std::string_view> follow(std::string_view v, const std::vector<Step>& steps) {
  for (const auto& s : steps) {
    if (s.kind == Step::any) raise("UNSUPPORTED_FEATURE", "A wildcard in a JSON path is not supported by this warehouse.", "0A000");
    std::optional<std::string_view> next;
    if (s.kind == Step::key) {
      next = member(v, s.name);
    } else {
      const auto all = items_of(v);
      if (s.at < all.size()) next = all[s.at];
    }
    if (!next) return {};
    v = *next;
  }
  return v;
}

Text shown(std::string_view raw) {
  if (raw == "null") return {};
  return quoted(raw) ? unquoted(raw) : compact(raw);
}

Text get_json_object(std::string_view s, std::string_view path) {
  const auto steps = path_of(path);
  const auto v = first_value(s);
  if (!steps || !v) return {};
  const auto found = follow(*v, *steps);
  return found ? shown(*found) : Text{};
}

Text json_tuple(std::string_view s, std::string_view name) {
  const auto v = first_value(s);
  if (!v) return {};
  const auto found = member(*v, name);
  return found ? shown(*found) : Text{};
}

std::optional<std::int32_t> array_length(std::string_view s) {
  const auto v = first_value(s, true);
  if (!v || !v->starts_with('[')) return {};
  return static_cast<std::int32_t>(items_of(*v).size());
}

std::optional<Strings> object_keys(std::string_view s) {
  const auto v = first_value(s);
  if (!v || !v->starts_with('{')) return {};
  Strings out;
  Reader r(*v);
  (void)r.take('{');
  while (r.peek() != '}') {
    std::string_view key, value;
    if (!r.string(key) || !r.take(':') || !r.value(value)) return {};
    out.emplace_back(unquoted(key));
    if (!r.take(',')) break;
  }
  return out;
}

/// from_json's text as one value of the schema's shape. A malformed text is a struct of NULLs (an empty mark), NULL for arrays and maps.
Text parse(std::string_view s, std::string_view shape) {
  const auto v = first_value(s);
  if (!v) {
    Reader r(s);
    if (r.done()) return {};
    return shape == "struct" ? Text("{}") : Text{};
  }
  const char c = (*v)[0];
  if (shape == "struct" && c == '[') {
    const auto all = items_of(*v);
    if (all.size() == 1 && all[0].starts_with('{')) return std::string(all[0]);
    return "{}";
  }
  if (shape == "struct" && c != '{') return "{}";
  if (shape == "map" && c != '{') return {};
  if (shape == "array" && c != '[' && c != '{') return {};
  return std::string(*v);
}
Text object(std::string_view raw) {
  if (!raw.starts_with('{')) return {};
  return std::string(raw);
}
Text field(std::string_view raw, std::string_view name) {
  const auto v = member(raw, name);
  if (!v || *v == "null") return {};
  return std::string(*v);
}
std::optional<Strings> items(std::string_view raw, bool lone) {
  if (lone && raw.starts_with('{')) return Strings{std::string(raw)};
  if (!raw.starts_with('[')) return {};
  Strings out;
  for (const auto v : items_of(raw)) out.emplace_back(v == "null" ? Text{} : Text(std::string(v)));
  return out;
}
std::optional<Strings> keys(std::string_view raw) {
  if (!raw.starts_with('{')) return {};
  return object_keys(raw);
}
std::optional<Strings> values(std::string_view raw) {
  if (!raw.starts_with('{')) return {};
  Strings out;
  Reader r(raw);
  (void)r.take('{');
  while (r.peek() != '}') {
    std::string_view key, value;
    if (!r.string(key) || !r.take(':') || !r.value(value)) return {};
    out.emplace_back(value == "null" ? Text{} : Text(std::string(value)));
    if (!r.take(',')) break;
  }
  return out;
}

Text text_of(std::string_view raw) { return shown(raw); }

Text scalar(std::string_view raw, std::string_view type) {
  if (type == "string") {
    if (!quoted(raw)) return {};
    return unquoted(raw);
  }
  if (type == "boolean") return raw == "true" || raw == "false" ? Text(std::string(raw)) : Text{};
  const bool number = !raw.empty() && (raw[0] == '-' || (raw[0] >= '0' && raw[0] <= '9'));
  if (type == "integral") return number && raw.find_first_of(".eE") == std::string_view::npos ? Text(std::string(raw)) : Text{};
  if (number) return std::string(raw);
  if (type == "double" && (quoted(raw) || !raw.empty())) {
    const auto t = quoted(raw) ? unquoted(raw) : std::string(raw);
    if (t == "NaN") return "nan";
    if (t == "Infinity" || t == "+INF" || t == "INF" || t == "+Infinity") return "inf";
    if (t == "-Infinity" || t == "-INF") return "-inf";
  }
  if (type == "decimal" && quoted(raw)) {
    auto t = unquoted(raw);
    std::erase(t, ',');
    return t;
  }
  return {};
}

Text number_text(double v) {
  std::string out;
  child::append_double(out, v);
  return std::isnan(v) || std::isinf(v) ? quote(out) : out;
}

std::string schema(std::string_view raw);

/// The type that two values' types have in common, as schema_of_json merges them.
std::string merged(const std::string& a, const std::string& b) {
  if (a == b || b == "STRING_NULL") return a;
  if (a == "STRING_NULL") return b;
  if ((a == "BIGINT" && b == "DOUBLE") || (a == "DOUBLE" && b == "BIGINT")) return "DOUBLE";
  if (a.starts_with("STRUCT") || b.starts_with("STRUCT") || a.starts_with("ARRAY") || b.starts_with("ARRAY") || a.starts_with("DECIMAL") ||
      b.starts_with("DECIMAL"))
    raise("UNSUPPORTED_FEATURE", "schema_of_json over an array of differing items is not supported by this warehouse.", "0A000");
  return "STRING";
}

std::string schema(std::string_view raw) {
  if (raw.starts_with('{')) {
    std::vector<std::pair<std::string, std::string>> fields;
    Reader r(raw);
    (void)r.take('{');
    while (r.peek() != '}') {
      std::string_view key, v;
      if (!r.string(key) || !r.take(':') || !r.value(v)) break;
      fields.emplace_back(unquoted(key), schema(v));
      if (!r.take(',')) break;
    }
    std::ranges::sort(fields);
    std::string out = "STRUCT<";
    for (const auto& [name, type] : fields) {
      const bool plain_name =
          !name.empty() && std::ranges::all_of(name, [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; });
      out += (out.size() > 7 ? ", " : "") + (plain_name ? name : "`" + name + "`") + ": " + (type == "STRING_NULL" ? "STRING" : type);
    }
    return out + ">";
  }
  if (raw.starts_with('[')) {
    std::string item = "STRING_NULL";
    for (const auto v : items_of(raw)) item = merged(item, schema(v));
    return "ARRAY<" + (item == "STRING_NULL" ? std::string("STRING") : item) + ">";
  }
  if (quoted(raw)) return "STRING";
  if (raw == "null") return "STRING_NULL";
  if (raw == "true" || raw == "false") return "BOOLEAN";
  if (raw.find_first_of(".eE") != std::string_view::npos || raw[0] == 'N' || raw[0] == 'I') return "DOUBLE";
  const auto digits = raw.size() - raw.starts_with('-');
  if (digits > 18) return digits > 38 ? "DOUBLE" : fmt::format("DECIMAL({},0)", digits);
  return "BIGINT";
}

Text schema_of_json(std::string_view s) {
  const auto v = first_value(s);
  if (!v) raise("UNSUPPORTED_FEATURE", "schema_of_json of a malformed text is not supported by this warehouse.", "0A000");
  const auto out = schema(*v);
  return out == "STRING_NULL" ? "STRING" : out;
}

Text json_quote(std::string_view s) { return quote(s); }

constexpr Entry entries_of_json[] = {
    {"spark_get_json_object", Scalar<get_json_object>::make},
    {"spark_json_tuple", Scalar<json_tuple>::make},
    {"spark_json_array_length", Scalar<array_length>::make},
    {"spark_json_object_keys", Scalar<object_keys>::make},
    {"spark_json_parse", Scalar<parse>::make},
    {"spark_json_object", Scalar<object>::make},
    {"spark_json_field", Scalar<field>::make},
    {"spark_json_items", Scalar<items>::make},
    {"spark_json_keys", Scalar<keys>::make},
    {"spark_json_values", Scalar<values>::make},
    {"spark_json_text", Scalar<text_of>::make},
    {"spark_json_scalar", Scalar<scalar>::make},
    {"spark_json_number", Scalar<number_text>::make},
    {"spark_json_quote", Scalar<json_quote>::make},
    {"spark_schema_of_json", Scalar<schema_of_json>::make},
};

}  // namespace

std::span<const Entry> json_entries() { return entries_of_json; }

}  // namespace tarn::engine::functions
