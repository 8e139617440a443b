#include "identity/scim_filter.h"

#include "base/json.h"
#include "identity/records.h"

namespace tarn::identity::scim {
namespace {

struct Token {
  enum class Type { word, text, open, close, open_square, close_square, end } type = Type::end;
  std::string text;
  std::size_t at = 0;
};

Error wrong(std::string_view text, std::size_t at, std::string_view why) {
  return {Errc::invalid_filter, fmt::format("The filter '{}' is not valid at position {}: {}", text, at + 1, why)};
}

Result<std::vector<Token>> tokens_of(std::string_view text) {
  std::vector<Token> out;
  std::size_t i = 0;
  while (i < text.size()) {
    const char c = text[i];
    if (std::isspace(static_cast<unsigned char>(c))) {
      ++i;
      continue;
    }
    Token t{.at = i};
    if (c == '(' || c == ')' || c == '[' || c == ']') {
      t.type = c == '(' ? Token::Type::open : c == ')' ? Token::Type::close : c == '[' ? Token::Type::open_square : Token::Type::close_square;
      t.text = c;
      ++i;
    } else if (c == '"') {
      std::size_t end = i + 1;
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      if (end >= text.size()) return fail(wrong(text, i, "the quote is not closed"));
      const auto literal = json::parse(text.substr(i, end + 1 - i));  // JSON's escapes, as the RFC says
      if (!literal) return fail(wrong(text, i, "the quoted text is not a JSON string"));
      t.type = Token::Type::text;
      t.text = std::string(literal->as_string());
      i = end + 1;
    } else {
      const auto start = i;
      while (i < text.size() && !std::isspace(static_cast<unsigned char>(text[i])) &&
             std::string_view("()[]\"").find(text[i]) == std::string_view::npos)
        ++i;
      t.type = Token::Type::word;
      t.text = std::string(text.substr(start, i - start));
    }
    out.push_back(std::move(t));
  }
  out.push_back({.at = text.size()});
  return out;
}

/// Without a schema URN, in lower case.
std::string attribute_of(std::string_view name) {
  auto out = folded(name);
  if (out.starts_with("urn:"))
    if (const auto colon = out.rfind(':'); colon != out.npos) out = out.substr(colon + 1);
  return out;
}

class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens, const std::function<bool(std::string_view)>& known)
      : text_(text), tokens_(std::move(tokens)), known_(known) {}

  Result<Filter> whole() {
    TARN_TRY(f, either(0));
    if (now().type != Token::Type::end) return fail(wrong(text_, now().at, "unexpected '" + now().text + "'"));
    return std::move(f);
  }
  Result<Filter> either(int depth) {
    if (depth > 32) return fail(wrong(text_, now().at, "too many parentheses"));
    TARN_TRY(left, both(depth));
    if (!word("or")) return std::move(left);
    Filter out{.type = Filter::Type::disjunction, .parts = {std::move(left)}};
    while (take("or")) {
      TARN_TRY(right, both(depth));
      out.parts.push_back(std::move(right));
    }
    return out;
  }
  std::size_t position() const { return i_; }
  const Token& now() const { return tokens_[i_]; }
  void skip() { ++i_; }

 private:
  bool word(std::string_view w) const { return now().type == Token::Type::word && folded(now().text) == w; }
  bool take(std::string_view w) { return word(w) && ++i_; }

  Result<Filter> both(int depth) {
    TARN_TRY(left, one(depth));
    if (!word("and")) return std::move(left);
    Filter out{.type = Filter::Type::conjunction, .parts = {std::move(left)}};
    while (take("and")) {
      TARN_TRY(right, one(depth));
      out.parts.push_back(std::move(right));
    }
    return out;
  }

  Result<Filter> one(int depth) {
    if (depth > 32) return fail(wrong(text_, now().at, "nested too deeply"));
    if (take("not")) {
      TARN_TRY(inner, one(depth + 1));
      return Filter{.type = Filter::Type::negation, .parts = {std::move(inner)}};
    }
    if (now().type == Token::Type::open) {
      ++i_;
      TARN_TRY(inner, either(depth + 1));
      if (now().type != Token::Type::close) return fail(wrong(text_, now().at, "')' is missing"));
      ++i_;
      return std::move(inner);
    }
    if (now().type != Token::Type::word)
      return fail(wrong(text_, now().at, now().text.empty() ? "it ends too early" : "an attribute name must stand here"));
    const auto at = now().at;
    const auto attribute = attribute_of(now().text);
    const auto full = inside_.empty() ? attribute : inside_ + "." + attribute;
    if (!known_(full)) return fail(wrong(text_, at, "'" + now().text + "' is not an attribute that can be filtered"));
    ++i_;
    if (now().type == Token::Type::open_square && inside_.empty()) {
      ++i_;
      inside_ = attribute;
      auto inner = either(depth + 1);
      inside_.clear();
      if (!inner) return inner;
      if (now().type != Token::Type::close_square) return fail(wrong(text_, now().at, "']' is missing"));
      ++i_;
      return Filter{.type = Filter::Type::element, .attribute = attribute, .parts = {*std::move(inner)}};
    }
    Filter out{.attribute = attribute};
    static const std::map<std::string, Op> kOps{{"eq", Op::eq}, {"ne", Op::ne}, {"co", Op::co}, {"sw", Op::sw}, {"ew", Op::ew},
                                                {"pr", Op::pr}, {"gt", Op::gt}, {"ge", Op::ge}, {"lt", Op::lt}, {"le", Op::le}};
    const auto op = now().type == Token::Type::word ? kOps.find(folded(now().text)) : kOps.end();
    if (op == kOps.end()) return fail(wrong(text_, now().at, "an operator must stand here: eq, ne, co, sw, ew, pr, gt, ge, lt or le"));
    out.op = op->second;
    ++i_;
    if (out.op == Op::pr) return out;
    if (now().type != Token::Type::text && now().type != Token::Type::word) return fail(wrong(text_, now().at, "a value must stand here"));
    out.value = now().type == Token::Type::word ? folded(now().text) : now().text;
    ++i_;
    return out;
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  const std::function<bool(std::string_view)>& known_;
  std::size_t i_ = 0;
  std::string inside_;
};

bool number(std::string_view s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](unsigned char c) { return std::isdigit(c); });
}

int order(const std::string& a, const std::string& b) {
  if (number(a) && number(b) && a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return a.compare(b);
}

bool compare(Op op, const std::string& raw_value, const std::string& raw_wanted) {
  const auto value = folded(raw_value), wanted = folded(raw_wanted);
  switch (op) {
    case Op::eq:
      return value == wanted;
    case Op::ne:
      return value != wanted;
    case Op::co:
      return value.find(wanted) != value.npos;
    case Op::sw:
      return value.starts_with(wanted);
    case Op::ew:
      return value.ends_with(wanted);
    case Op::pr:
      return !value.empty();
    case Op::gt:
      return order(value, wanted) > 0;
    case Op::ge:
      return order(value, wanted) >= 0;
    case Op::lt:
      return order(value, wanted) < 0;
    case Op::le:
      return order(value, wanted) <= 0;
  }
  return false;
}

}  // namespace

Result<Filter> parse_filter(std::string_view text, const std::function<bool(std::string_view)>& known) {
  TARN_TRY(tokens, tokens_of(text));
  return Parser(text, tokens, known).whole();
}

bool matches(const Filter& f, const Values& values, const Elements& elements) {
  switch (f.type) {
    case Filter::Type::conjunction:
      return std::all_of(f.parts.begin(), f.parts.end(), [&](const Filter& p) { return matches(p, values, elements); });
    case Filter::Type::disjunction:
      return std::any_of(f.parts.begin(), f.parts.end(), [&](const Filter& p) { return matches(p, values, elements); });
    case Filter::Type::negation:
      return !matches(f.parts.front(), values, elements);
    case Filter::Type::element: {
      const auto all = elements(f.attribute);
      return std::any_of(all.begin(), all.end(), [&](const Values& v) { return matches(f.parts.front(), v, elements); });
    }
    case Filter::Type::compare: {
      const auto all = values(f.attribute);
      // `ne` says that no value is equal, so an attribute without values passes too.
      if (f.op == Op::ne) return std::all_of(all.begin(), all.end(), [&](const std::string& v) { return compare(Op::ne, v, f.value); });
      return std::any_of(all.begin(), all.end(), [&](const std::string& v) { return compare(f.op, v, f.value); });
    }
  }
  return false;
}

std::optional<std::string> only_equals(const Filter& f, std::string_view attribute) {
  return f.type == Filter::Type::compare && f.op == Op::eq && f.attribute == attribute ? std::optional(f.value) : std::nullopt;
}

Result<Path> parse_path(std::string_view text) {
  const auto refuse = [&](std::string_view why) { return fail(Error{Errc::invalid_path, fmt::format("The path '{}' is not valid: {}", text, why)}); };
  Path out;
  const auto open = text.find('[');
  auto head = text.substr(0, open);
  if (open != text.npos) {
    const auto close = text.rfind(']');
    if (close == text.npos || close < open) return refuse("']' is missing");
    const auto any = [](std::string_view) { return true; };
    auto selector = parse_filter(text.substr(open + 1, close - open - 1), any);
    if (!selector) return refuse(selector.error().message);
    out.selector = *std::move(selector);
    const auto tail = text.substr(close + 1);
    if (!tail.empty() && tail.front() != '.') return refuse("after ']' only a sub-attribute may stand");
    out.part = folded(tail.empty() ? tail : tail.substr(1));
  }
  out.attribute = attribute_of(head);
  if (open == text.npos)
    if (const auto dot = out.attribute.find('.'); dot != out.attribute.npos) {
      // A schema URN carries a dot of its own (core:2.0:User), which attribute_of has cut off with the URN.
      out.part = out.attribute.substr(dot + 1);
      out.attribute = out.attribute.substr(0, dot);
    }
  if (out.attribute.empty()) return refuse("it names no attribute");
  return out;
}

}  // namespace tarn::identity::scim
