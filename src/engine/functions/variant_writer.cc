#include "engine/functions/variant_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <unordered_map>
#include <vector>

#include "engine/functions/code_points.h"

namespace tarn::engine::functions {
namespace {

constexpr int kDeepest = 1000;  // as the reader of Spark has it

void append_number(std::string& out, std::uint64_t v, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) out += static_cast<char>(v >> (8 * i) & 255);
}
std::size_t width_of(std::size_t largest) { return largest < 1u << 8 ? 1 : largest < 1u << 16 ? 2 : largest < 1u << 24 ? 3 : 4; }

void append_primitive(std::string& out, unsigned type) { out += static_cast<char>(type << 2); }

void append_whole(std::string& out, std::int64_t v) {
  const bool byte = v == static_cast<std::int8_t>(v), two = v == static_cast<std::int16_t>(v), four = v == static_cast<std::int32_t>(v);
  append_primitive(out, byte ? 3 : two ? 4 : four ? 5 : 6);
  append_number(out, static_cast<std::uint64_t>(v), byte ? 1 : two ? 2 : four ? 4 : 8);
}

void append_floating(std::string& out, double v) {
  append_primitive(out, 7);
  append_number(out, std::bit_cast<std::uint64_t>(v), 8);
}

void append_text(std::string& out, std::string_view v) {
  if (v.size() < 64) {
    out += static_cast<char>(v.size() << 2 | 1);
  } else {
    append_primitive(out, 16);
    append_number(out, v.size(), 4);
  }
  out += v;
}

/// Digits with a point or without; false if there are more than fit.
bool append_decimal(std::string& out, std::string_view text) {
  const bool negative = text.starts_with('-');
  std::string digits;
  std::size_t scale = 0;
  bool point = false;
  for (const char c : text.substr(negative ? 1 : 0)) {
    if (c == '.') {
      point = true;
      continue;
    }
    if (!digits.empty() || c != '0') digits += c;
    scale += point ? 1 : 0;
  }
  if (digits.size() > 38 || scale > 38) return false;
  __int128 v = 0;
  for (const char c : digits) v = v * 10 + (c - '0');
  if (negative) v = -v;
  const std::size_t precision = digits.size();
  const bool small = precision <= 9 && scale <= 9, medium = precision <= 18 && scale <= 18;
  append_primitive(out, small ? 8 : medium ? 9 : 10);
  out += static_cast<char>(scale);
  append_number(out, static_cast<std::uint64_t>(v), small ? 4 : 8);
  if (!small && !medium) append_number(out, static_cast<std::uint64_t>(v >> 64), 8);
  return true;
}

/// A reader of strict JSON that writes while it reads; every method is false at the first thing that is no JSON.
class Parser {
 public:
  explicit Parser(std::string_view s) : s_(s) {}

  bool value(std::string& out, int depth = 0) {
    blanks();
    if (depth > kDeepest || at_ >= s_.size()) return false;
    switch (s_[at_]) {
      case '{':
        return object(out, depth);
      case '[':
        return array(out, depth);
      case '"': {
        std::string text;
        if (!string(text)) return false;
        append_text(out, text);
        return true;
      }
      case 't':
        return word("true") && (append_primitive(out, 1), true);
      case 'f':
        return word("false") && (append_primitive(out, 2), true);
      case 'n':
        return word("null") && (append_primitive(out, 0), true);
      default:
        return numeral(out);
    }
  }

  std::string dictionary() const {
    std::size_t bytes = 0;
    for (const auto& n : names_) bytes += n.size();
    const auto width = width_of(std::max(bytes, names_.size()));
    std::string out(1, static_cast<char>(1 | (width - 1) << 6));
    append_number(out, names_.size(), width);
    std::size_t offset = 0;
    for (const auto& n : names_) append_number(out, offset, width), offset += n.size();
    append_number(out, offset, width);
    for (const auto& n : names_) out += n;
    return out;
  }

 private:
  void blanks() {
    while (at_ < s_.size() && (s_[at_] == ' ' || s_[at_] == '\t' || s_[at_] == '\n' || s_[at_] == '\r')) ++at_;
  }
  bool take(char c) {
    blanks();
    if (at_ >= s_.size() || s_[at_] != c) return false;
    ++at_;
    return true;
  }
  /// Where a word or a number may end.
  bool ended() const { return at_ >= s_.size() || std::string_view(" \t\r\n,:]}[{").find(s_[at_]) != std::string_view::npos; }
  bool word(std::string_view w) {
    if (s_.substr(at_, w.size()) != w) return false;
    at_ += w.size();
    return ended();
  }

  bool object(std::string& out, int depth) {
    ++at_;
    struct Field {
      std::string name;
      std::size_t id, offset;
    };
    std::vector<Field> fields;
    std::string values;
    if (!take('}')) {
      do {
        blanks();
        std::string name;
        if (at_ >= s_.size() || s_[at_] != '"' || !string(name) || !take(':')) return false;
        const auto [known, added] = ids_.emplace(name, names_.size());
        if (added) names_.push_back(name);
        fields.push_back({std::move(name), known->second, values.size()});
        if (!value(values, depth + 1)) return false;
      } while (take(','));
      if (!take('}')) return false;
    }
    std::ranges::sort(fields, {}, &Field::name);
    if (std::ranges::adjacent_find(fields, {}, &Field::name) != fields.end()) return false;
    std::size_t largest = 0;
    for (const auto& f : fields) largest = std::max(largest, f.id);
    const bool large = fields.size() > 255;
    const auto id_width = width_of(largest), offset_width = width_of(values.size());
    out += static_cast<char>(((large ? 1 : 0) << 4 | (id_width - 1) << 2 | (offset_width - 1)) << 2 | 2);
    append_number(out, fields.size(), large ? 4 : 1);
    for (const auto& f : fields) append_number(out, f.id, id_width);
    for (const auto& f : fields) append_number(out, f.offset, offset_width);
    append_number(out, values.size(), offset_width);
    out += values;
    return true;
  }

  bool array(std::string& out, int depth) {
    ++at_;
    std::vector<std::size_t> offsets;
    std::string values;
    if (!take(']')) {
      do {
        offsets.push_back(values.size());
        if (!value(values, depth + 1)) return false;
      } while (take(','));
      if (!take(']')) return false;
    }
    const bool large = offsets.size() > 255;
    const auto width = width_of(values.size());
    out += static_cast<char>(((large ? 1 : 0) << 2 | (width - 1)) << 2 | 3);
    append_number(out, offsets.size(), large ? 4 : 1);
    for (const auto o : offsets) append_number(out, o, width);
    append_number(out, values.size(), width);
    out += values;
    return true;
  }

  bool numeral(std::string& out) {
    const auto start = at_;
    if (s_[at_] == '-') ++at_;
    const auto digits = [&] {
      const auto from = at_;
      while (at_ < s_.size() && s_[at_] >= '0' && s_[at_] <= '9') ++at_;
      return at_ - from;
    };
    const auto first = at_;
    const auto whole = digits();
    if (whole == 0 || (whole > 1 && s_[first] == '0')) return false;
    bool plain = true, exact = true;
    if (at_ < s_.size() && s_[at_] == '.') {
      ++at_, plain = false;
      if (digits() == 0) return false;
    }
    if (at_ < s_.size() && (s_[at_] == 'e' || s_[at_] == 'E')) {
      ++at_, plain = exact = false;
      if (at_ < s_.size() && (s_[at_] == '+' || s_[at_] == '-')) ++at_;
      if (digits() == 0) return false;
    }
    if (!ended()) return false;
    const auto text = s_.substr(start, at_ - start);
    if (plain) {
      std::int64_t v = 0;
      if (std::from_chars(text.data(), text.data() + text.size(), v).ec == std::errc()) return append_whole(out, v), true;
    }
    if (exact && append_decimal(out, text)) return true;
    append_floating(out, std::strtod(std::string(text).c_str(), nullptr));  // beyond its range it is infinite, as in Java
    return true;
  }

  bool four(std::uint32_t& v) {
    if (at_ + 4 > s_.size()) return false;
    const auto [end, ec] = std::from_chars(s_.data() + at_, s_.data() + at_ + 4, v, 16);
    at_ += 4;
    return ec == std::errc() && end == s_.data() + at_;
  }

  bool string(std::string& out) {
    for (++at_; at_ < s_.size() && s_[at_] != '"'; ++at_) {
      if (static_cast<unsigned char>(s_[at_]) < 0x20) return false;
      if (s_[at_] != '\\') {
        out += s_[at_];
        continue;
      }
      if (++at_ >= s_.size()) return false;
      constexpr std::string_view escapes = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
      if (const auto known = escapes.find(s_[at_]); known != std::string_view::npos) {
        out += meanings[known];
        continue;
      }
      if (s_[at_] != 'u') return false;
      ++at_;
      std::uint32_t c = 0;
      if (!four(c)) return false;
      if (c >= 0xD800 && c < 0xDC00 && s_.substr(at_, 2) == "\\u") {
        const auto back = at_;
        std::uint32_t low = 0;
        at_ += 2;
        if (!four(low)) return false;
        if (low >= 0xDC00 && low < 0xE000)
          c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        else
          at_ = back;
      }
      append_code(out, c >= 0xD800 && c < 0xE000 ? '?' : c);  // Java writes half a pair so
      --at_;
    }
    if (at_ >= s_.size()) return false;
    ++at_;
    return true;
  }

  std::string_view s_;
  std::size_t at_ = 0;
  std::vector<std::string> names_;
  std::unordered_map<std::string, std::size_t> ids_;
};

/// What has no names begins so.
std::string nameless() { return Parser({}).dictionary(); }

}  // namespace

std::optional<std::string> variant_of_json(std::string_view text) {
  Parser p(text);
  std::string value;
  if (!p.value(value)) return {};
  return p.dictionary() + value;
}

std::string variant_of_boolean(bool value) {
  auto out = nameless();
  append_primitive(out, value ? 1 : 2);
  return out;
}
std::string variant_of_whole(std::int64_t value) {
  auto out = nameless();
  append_whole(out, value);
  return out;
}
std::string variant_of_double(double value) {
  auto out = nameless();
  append_floating(out, value);
  return out;
}
std::string variant_of_float(float value) {
  auto out = nameless();
  append_primitive(out, 14);
  append_number(out, std::bit_cast<std::uint32_t>(value), 4);
  return out;
}
std::string variant_of_text(std::string_view value) {
  auto out = nameless();
  append_text(out, value);
  return out;
}
std::string variant_of_binary(std::string_view value) {
  auto out = nameless();
  append_primitive(out, 15);
  append_number(out, value.size(), 4);
  return out += value;
}
std::string variant_of_decimal(std::string_view digits) {
  auto out = nameless();
  (void)append_decimal(out, digits);  // a DECIMAL has no more digits than fit
  return out;
}
std::string variant_of_date(std::int32_t days) {
  auto out = nameless();
  append_primitive(out, 11);
  append_number(out, static_cast<std::uint32_t>(days), 4);
  return out;
}
std::string variant_of_moment(std::int64_t micros, bool instant) {
  auto out = nameless();
  append_primitive(out, instant ? 12 : 13);
  append_number(out, static_cast<std::uint64_t>(micros), 8);
  return out;
}

std::string json_quoted(std::string_view text) {
  std::string out = "\"";
  constexpr std::string_view special = "\"\\\n\t\r\b\f", letters = "\"\\ntrbf";
  for (const char c : text) {
    if (const auto at = special.find(c); at != std::string_view::npos)
      out += '\\', out += letters[at];
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04X}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out + '"';
}

}  // namespace tarn::engine::functions
