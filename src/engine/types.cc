#include "engine/types.h"

#include <cctype>

namespace tarn::engine {
namespace {

/// Reads type text.
class Parser {
 public:
  explicit Parser(std::string_view in) : in_(in) {}

  void blanks() {
    while (at_ < in_.size() && std::isspace(static_cast<unsigned char>(in_[at_]))) ++at_;
  }
  bool take(char c) {
    blanks();
    if (at_ >= in_.size() || in_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool at_end() {
    blanks();
    return at_ >= in_.size();
  }
  /// A run of letters, digits and underscores, in upper case.
  std::string word() {
    blanks();
    std::string out;
    while (at_ < in_.size() && (std::isalnum(static_cast<unsigned char>(in_[at_])) || in_[at_] == '_'))
      out += static_cast<char>(std::toupper(static_cast<unsigned char>(in_[at_++])));
    return out;
  }
  bool take_word(std::string_view upper) {
    const auto start = at_;
    if (word() == upper) return true;
    at_ = start;
    return false;
  }
  std::optional<int> number() {
    const auto text = word();
    if (text.empty() || text.size() > 6 || text.find_first_not_of("0123456789") != std::string::npos) return {};
    return std::stoi(text);
  }
  bool next_is(char c) {
    blanks();
    return at_ < in_.size() && in_[at_] == c;
  }
  /// A name, quoted by `quote` (doubled inside) or plain, its case kept.
  std::optional<std::string> name(char quote) {
    blanks();
    std::string out;
    if (at_ < in_.size() && in_[at_] == quote) {
      for (++at_; at_ < in_.size(); ++at_) {
        if (in_[at_] != quote) {
          out += in_[at_];
        } else if (at_ + 1 < in_.size() && in_[at_ + 1] == quote) {
          out += quote, ++at_;
        } else {
          ++at_;
          return out;
        }
      }
      return {};
    }
    while (at_ < in_.size() && (std::isalnum(static_cast<unsigned char>(in_[at_])) || in_[at_] == '_' || (in_[at_] & 0x80))) out += in_[at_++];
    if (out.empty()) return {};
    return out;
  }
  bool deeper() { return ++depth_ <= 64; }
  void up() { --depth_; }

 private:
  std::string_view in_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

std::optional<Type> duckdb_one(Parser& p) {
  if (!p.deeper()) return {};
  Type t;
  t.name = p.word();
  if (t.name.empty()) {
    const auto quoted = p.name('"');  // "NULL" and the like
    if (!quoted) return {};
    t.name = *quoted;
  }
  const auto fields = [&]() {
    if (!p.take('(')) return false;
    do {
      auto name = p.name('"');
      auto child = name ? duckdb_one(p) : std::nullopt;
      if (!child) return false;
      t.fields.push_back(*std::move(name));
      t.children.push_back(*std::move(child));
    } while (p.take(','));
    return p.take(')');
  };
  if (t.name == "STRUCT" || t.name == "UNION") {
    if (!fields()) return {};
  } else if (t.name == "MAP") {
    if (!p.take('(')) return {};
    auto key = duckdb_one(p);
    auto value = key && p.take(',') ? duckdb_one(p) : std::nullopt;
    if (!value || !p.take(')')) return {};
    t.children = {*std::move(key), *std::move(value)};
  } else if (t.name == "DECIMAL" && p.take('(')) {
    const auto precision = p.number();
    const auto scale = precision && p.take(',') ? p.number() : std::nullopt;
    if (!scale || !p.take(')')) return {};
    t.precision = *precision, t.scale = *scale;
  } else if (t.name == "ENUM") {
    if (!p.take('(')) return {};
    do {
      auto value = p.next_is('\'') ? p.name('\'') : std::nullopt;
      if (!value) return {};
      t.fields.push_back(*std::move(value));
    } while (p.take(','));
    if (!p.take(')')) return {};
  } else if ((t.name == "TIMESTAMP" || t.name == "TIME") && p.take_word("WITH")) {
    if (!p.take_word("TIME") || !p.take_word("ZONE")) return {};
    t.name += "TZ";
  }
  while (p.take('[')) {
    Type list;
    list.name = p.number() ? "ARRAY" : "LIST";
    if (!p.take(']')) return {};
    list.children.push_back(std::move(t));
    t = std::move(list);
  }
  p.up();
  return t;
}

}  // namespace

std::optional<Type> parse_type(std::string_view text) {
  Parser p(text);
  auto t = duckdb_one(p);
  if (!t || !p.at_end()) return {};
  return t;
}

}  // namespace tarn::engine
