#include "ml/filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace tarn::ml {
namespace {

enum class Kind { word, text, number, symbol, open, close, comma, end };

/// A piece of the language. A word keeps its quotes: `metrics."a b"` is one.
struct Token {
  Kind kind = Kind::end;
  std::string text;
  char quote = 0;  // of a text
};

bool word_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '/' || c == ':' || c == '@' || static_cast<signed char>(c) < 0;
}

std::string upper(std::string s) {
  for (char& c : s) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return s;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}
  Result<std::vector<Token>> all() {
    std::vector<Token> out;
    for (;;) {
      while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
      if (at_ == text_.size()) return out;
      TARN_TRY(token, next());
      out.push_back(std::move(token));
    }
  }

 private:
  Result<Token> next() {
    const char c = text_[at_];
    if (c == '(' || c == ')' || c == ',') return Token{c == '(' ? Kind::open : c == ')' ? Kind::close : Kind::comma, std::string(1, text_[at_++])};
    if (c == '<' || c == '>' || c == '=' || c == '!') {
      std::string s(1, text_[at_++]);
      if (at_ < text_.size() && (text_[at_] == '=' || (c == '<' && text_[at_] == '>'))) s += text_[at_++];
      return Token{Kind::symbol, s};
    }
    if (c == '\'') return quoted();
    if (std::isdigit(static_cast<unsigned char>(c)) || ((c == '-' || c == '+' || c == '.') && at_ + 1 < text_.size() &&
                                                        (std::isdigit(static_cast<unsigned char>(text_[at_ + 1])) || text_[at_ + 1] == '.')))
      if (auto n = number()) return *n;
    return word();
  }

  Result<Token> quoted() {
    const char q = text_[at_];
    const auto end = text_.find(q, at_ + 1);
    if (end == text_.npos) return refuse(Errc::invalid, fmt::format("Error on parsing filter '{}'", text_));
    Token t{Kind::text, std::string(text_.substr(at_ + 1, end - at_ - 1)), q};
    at_ = end + 1;
    return t;
  }

  /// Nothing if it only begins like a number (an id such as 3a).
  std::optional<Token> number() {
    const std::size_t begin = at_ + (text_[at_] == '+' ? 1 : 0);
    double value = 0;
    const auto [end, ec] = std::from_chars(text_.data() + begin, text_.data() + text_.size(), value);
    if (ec != std::errc() || (end != text_.data() + text_.size() && (word_char(*end) || *end == '.'))) return std::nullopt;
    at_ = static_cast<std::size_t>(end - text_.data());
    return Token{Kind::number, std::string(text_.substr(begin, at_ - begin))};
  }

  /// Dotted parts; any of them may stand in backticks or double quotes.
  Result<Token> word() {
    Token t{Kind::word, {}};
    bool plain = false;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '`' || c == '"') {
        const auto end = text_.find(c, at_ + 1);
        if (end == text_.npos) return refuse(Errc::invalid, fmt::format("Error on parsing filter '{}'", text_));
        if (t.text.empty() && c == '"') t.quote = '"';
        t.text += text_.substr(at_, end - at_ + 1);
        at_ = end + 1;
      } else if (word_char(c) || c == '.') {
        plain = true;
        t.text += c;
        ++at_;
      } else {
        break;
      }
    }
    if (t.text.empty()) return refuse(Errc::invalid, fmt::format("Invalid clause(s) in filter string: '{}'", text_.substr(at_)));
    if (plain) t.quote = 0;
    return t;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string unquoted(std::string_view s) {
  for (const char q : {'`', '"', '\''})
    if (s.size() >= 2 && s.front() == q && s.back() == q) s = s.substr(1, s.size() - 2);
  return std::string(s);
}

std::string shown(const std::set<std::string>& names) {
  std::string out;
  for (const auto& n : names) out += (out.empty() ? "'" : ", '") + n + "'";
  return "{" + out + "}";
}

Result<Entity> entity_of(const std::string& name, const Grammar& g) {
  static const std::vector<std::pair<Entity, std::set<std::string>>> all{{Entity::metric, {"metric", "metrics"}},
                                                                         {Entity::param, {"parameter", "parameters", "param", "params"}},
                                                                         {Entity::tag, {"tag", "tags"}},
                                                                         {Entity::attribute, {"attribute", "attributes", "attr", "run"}},
                                                                         {Entity::dataset, {"dataset", "datasets"}}};
  for (const auto& [entity, names] : all)
    if (names.contains(name) && (entity == Entity::attribute || g.entities.contains(entity))) return entity;
  std::string valid;
  for (const auto& [entity, names] : all)
    if (entity == Entity::attribute || g.entities.contains(entity)) valid += (valid.empty() ? "'" : ", '") + *names.begin() + "'";
  return refuse(Errc::invalid, fmt::format("Invalid entity type '{}'. Valid values are [{}]", name, valid));
}

struct Identifier {
  Entity entity;
  std::string key;
};
Result<Identifier> identifier(const std::string& text, const Grammar& g) {
  Identifier out{Entity::attribute, text};
  const bool whole = !text.empty() && (text.front() == '`' || text.front() == '"') && text.find(text.front(), 1) == text.size() - 1;
  if (const auto dot = text.find('.'); dot != text.npos && !whole) {
    TARN_TRY(entity, entity_of(unquoted(text.substr(0, dot)), g));
    out = {entity, text.substr(dot + 1)};
  }
  out.key = unquoted(out.key);
  if (out.entity == Entity::attribute) {
    for (const auto& [from, to] : g.aliases)
      if (out.key == from) out.key = to;
    if (!g.attributes.contains(out.key))
      return refuse(Errc::invalid, fmt::format("Invalid attribute key '{}' specified. Valid keys are '{}'", out.key, shown(g.attributes)));
  }
  if (out.entity == Entity::dataset && out.key != "name" && out.key != "digest" && out.key != "context")
    return refuse(Errc::invalid, fmt::format("Invalid dataset key '{}' specified. Valid keys are '{{'context', 'digest', 'name'}}'", out.key));
  return out;
}

std::optional<Comparator> symbol(const std::string& s) {
  if (s == "=" || s == "==") return Comparator::eq;
  if (s == "!=" || s == "<>") return Comparator::ne;
  if (s == "<") return Comparator::lt;
  if (s == "<=") return Comparator::le;
  if (s == ">") return Comparator::gt;
  if (s == ">=") return Comparator::ge;
  return std::nullopt;
}

class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens, const Grammar& g) : text_(text), tokens_(std::move(tokens)), g_(g) {}

  Result<std::vector<Condition>> conditions() {
    std::vector<Condition> out;
    for (;;) {
      TARN_TRY(c, condition());
      out.push_back(std::move(c));
      if (at_ == tokens_.size()) return out;
      if (!take_word("AND")) return refuse(Errc::invalid, fmt::format("Invalid clause(s) in filter string: '{}'", tokens_[at_].text));
    }
  }

 private:
  const Token& peek() const {
    static const Token end;
    return at_ < tokens_.size() ? tokens_[at_] : end;
  }
  bool take_word(std::string_view word) {
    if (peek().kind != Kind::word || upper(peek().text) != word) return false;
    ++at_;
    return true;
  }
  auto clause_refused(std::size_t found) const {
    return refuse(Errc::invalid, fmt::format("Invalid comparison clause in filter '{}'. Expected 3 tokens found {}", text_, found));
  }

  Result<Condition> condition() {
    if (peek().kind != Kind::word)
      return refuse(Errc::invalid, at_ == tokens_.size() ? fmt::format("Invalid filter '{}'. Could not be parsed.", text_)
                                                         : fmt::format("Invalid clause(s) in filter string: '{}'", peek().text));
    TARN_TRY(id, identifier(tokens_[at_++].text, g_));
    Condition c{.entity = id.entity, .key = id.key};
    TARN_TRY(comparator, comparator_here());
    c.comparator = comparator;
    TARN_CHECK(check_comparator(c));
    if (comparator == Comparator::is_null || comparator == Comparator::is_not_null) return c;
    if (comparator == Comparator::in || comparator == Comparator::not_in) {
      TARN_TRY(values, list_here(c));
      c.value = std::move(values);
      return c;
    }
    TARN_CHECK(value_here(c));
    return c;
  }

  Result<Comparator> comparator_here() {
    const Token t = peek();
    if (t.kind == Kind::end) return clause_refused(1);
    ++at_;
    if (t.kind == Kind::symbol) {
      if (const auto c = symbol(t.text)) return *c;
    } else if (t.kind == Kind::word) {
      const std::string w = upper(t.text);
      if (w == "LIKE") return Comparator::like;
      if (w == "ILIKE") return Comparator::ilike;
      if (w == "IN") return Comparator::in;
      if (w == "NOT" && take_word("IN")) return Comparator::not_in;
      if (w == "IS") {
        if (take_word("NULL")) return Comparator::is_null;
        if (take_word("NOT") && take_word("NULL")) return Comparator::is_not_null;
      }
    }
    return refuse(Errc::invalid, fmt::format("Invalid comparator '{}' in filter '{}'", t.text, text_));
  }

  bool numeric(const Condition& c) const {
    return c.entity == Entity::metric || (c.entity == Entity::attribute && g_.numeric_attributes.contains(c.key));
  }

  Result<void> check_comparator(const Condition& c) const {
    using enum Comparator;
    static const std::set<Comparator> numbers{eq, ne, lt, le, gt, ge}, texts{eq, ne, like, ilike, is_null, is_not_null},
        lists{eq, ne, like, ilike, in, not_in};
    const auto& valid = numeric(c) ? numbers : c.entity == Entity::param || c.entity == Entity::tag ? texts : lists;
    if (valid.contains(c.comparator)) return {};
    if (c.comparator == is_null || c.comparator == is_not_null)
      return refuse(Errc::invalid, fmt::format("IS NULL / IS NOT NULL is only supported for tags and params, not for '{}'", c.key));
    std::string names;
    for (const Comparator v : valid) names += fmt::format("{}'{}'", names.empty() ? "" : ", ", spelled(v));
    return refuse(Errc::invalid, fmt::format("Invalid comparator '{}' not one of '{{{}}}'", spelled(c.comparator), names));
  }

  Result<std::vector<std::string>> list_here(const Condition& c) {
    if (c.entity == Entity::attribute && !g_.list_attributes.contains(c.key))
      return refuse(Errc::invalid,
                    fmt::format("Only {} attributes support comparison with a list of quoted string values.", shown(g_.list_attributes)));
    std::vector<std::string> out;
    if (peek().kind != Kind::open) return clause_refused(2);
    do {
      ++at_;
      if (peek().kind == Kind::close && !out.empty()) break;  // ('a',)
      if (peek().kind != Kind::text && !(peek().kind == Kind::word && peek().quote))
        return refuse(
            Errc::invalid,
            fmt::format("While parsing a list in the query, expected string value, punctuation, or whitespace, but got different type in list: {}",
                        peek().text));
      out.push_back(peek().kind == Kind::text ? peek().text : unquoted(peek().text));
      ++at_;
    } while (peek().kind == Kind::comma);
    if (peek().kind != Kind::close) return refuse(Errc::invalid, fmt::format("Invalid filter '{}'. Could not be parsed.", text_));
    ++at_;
    return out;
  }

  Result<void> value_here(Condition& c) {
    const Token t = peek();
    if (t.kind == Kind::end) return clause_refused(2);
    ++at_;
    if (numeric(c)) {
      double value = 0;
      const auto [end, ec] = std::from_chars(t.text.data(), t.text.data() + t.text.size(), value);
      if (t.kind != Kind::number || ec != std::errc() || end != t.text.data() + t.text.size())
        return refuse(Errc::invalid, c.entity == Entity::metric
                                         ? fmt::format("Expected numeric value type for metric. Found {}", t.text)
                                         : fmt::format("Expected numeric value type for numeric attribute: {}. Found {}", c.key, t.text));
      c.value = value;
      return {};
    }
    if (t.kind == Kind::text) {
      c.value = t.text;
      return {};
    }
    if (t.kind == Kind::word && t.quote == '"') {
      c.value = unquoted(t.text);
      return {};
    }
    if (c.entity == Entity::attribute || c.entity == Entity::dataset)
      return refuse(Errc::invalid, fmt::format("Expected a quoted string value for attributes. Got value {}", t.text));
    return refuse(Errc::invalid, fmt::format("Expected a quoted string value for {} (e.g. 'my-value'). Got value {}",
                                             c.entity == Entity::param ? "parameter" : "tag", t.text));
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  const Grammar& g_;
  std::size_t at_ = 0;
};

/// LIKE over bytes: % any run of them, _ one.
bool like(std::string_view text, std::string_view pattern) {
  std::size_t t = 0, p = 0, star = pattern.npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '%') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && (pattern[p] == '_' || pattern[p] == text[t])) {
      ++p, ++t;
    } else if (star != pattern.npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

}  // namespace

std::string_view spelled(Comparator c) {
  switch (c) {
    case Comparator::eq:
      return "=";
    case Comparator::ne:
      return "!=";
    case Comparator::lt:
      return "<";
    case Comparator::le:
      return "<=";
    case Comparator::gt:
      return ">";
    case Comparator::ge:
      return ">=";
    case Comparator::like:
      return "LIKE";
    case Comparator::ilike:
      return "ILIKE";
    case Comparator::in:
      return "IN";
    case Comparator::not_in:
      return "NOT IN";
    case Comparator::is_null:
      return "IS NULL";
    case Comparator::is_not_null:
      return "IS NOT NULL";
  }
  return "?";
}

const Grammar& run_grammar() {
  static const Grammar g{
      .attributes = {"artifact_uri", "end_time", "run_id", "run_name", "start_time", "status", "user_id"},
      .numeric_attributes = {"start_time", "end_time"},
      .list_attributes = {"run_id"},
      .entities = {Entity::metric, Entity::param, Entity::tag, Entity::dataset},
      .aliases = {
          {"created", "start_time"}, {"Created", "start_time"}, {"run name", "run_name"}, {"Run name", "run_name"}, {"Run Name", "run_name"}}};
  return g;
}

const Grammar& experiment_grammar() {
  static const Grammar g{.attributes = {"name", "experiment_id", "creation_time", "last_update_time"},
                         .numeric_attributes = {"creation_time", "last_update_time"},
                         .list_attributes = {"experiment_id"},
                         .entities = {Entity::tag}};
  return g;
}

const Grammar& logged_model_grammar() {
  static const Grammar g{.attributes = {"name", "model_id", "model_type", "status", "source_run_id", "creation_timestamp", "last_updated_timestamp"},
                         .numeric_attributes = {"creation_timestamp", "last_updated_timestamp"},
                         .list_attributes = {"name", "model_id", "model_type", "status", "source_run_id"},
                         .entities = {Entity::metric, Entity::param, Entity::tag},
                         .aliases = {{"creation_time", "creation_timestamp"},
                                     {"creation_timestamp_ms", "creation_timestamp"},
                                     {"last_updated_time", "last_updated_timestamp"},
                                     {"last_updated_timestamp_ms", "last_updated_timestamp"}}};
  return g;
}

const Grammar& registered_model_grammar() {
  static const Grammar g{.attributes = {"name", "timestamp", "last_updated_timestamp"},
                         .numeric_attributes = {"timestamp", "last_updated_timestamp"},
                         .list_attributes = {},
                         .entities = {Entity::tag}};
  return g;
}

const Grammar& model_version_grammar() {
  static const Grammar g{.attributes = {"name", "version_number", "run_id", "source_path", "creation_timestamp", "last_updated_timestamp"},
                         .numeric_attributes = {"version_number", "creation_timestamp", "last_updated_timestamp"},
                         .list_attributes = {"run_id"},
                         .entities = {Entity::tag}};
  return g;
}

Result<std::vector<Condition>> parse_filter(std::string_view text, const Grammar& grammar) {
  TARN_TRY(tokens, Lexer(text).all());
  if (tokens.empty()) return std::vector<Condition>{};
  return Parser(text, std::move(tokens), grammar).conditions();
}

Result<OrderTerm> parse_order(std::string_view text, const Grammar& grammar) {
  const auto tokens = Lexer(text).all();
  if (!tokens || tokens->empty() || tokens->size() > 2 || tokens->front().kind != Kind::word)
    return refuse(Errc::invalid, fmt::format("Invalid order_by clause '{}'. Could not be parsed.", text));
  OrderTerm out;
  if (tokens->size() == 2) {
    const std::string word = upper((*tokens)[1].text);
    if (word != "ASC" && word != "DESC") return refuse(Errc::invalid, fmt::format("Invalid ordering key in order_by clause '{}'.", text));
    out.ascending = word == "ASC";
  }
  TARN_TRY(id, identifier(tokens->front().text, grammar));
  out.entity = id.entity;
  out.key = id.key;
  if (out.entity == Entity::dataset) return refuse(Errc::invalid, "Invalid order_by entity type 'dataset'");
  return out;
}

bool matches(const Condition& c, const std::string& value) {
  switch (c.comparator) {
    case Comparator::eq:
      return value == c.text();
    case Comparator::ne:
      return value != c.text();
    case Comparator::like:
      return like(value, c.text());
    case Comparator::ilike:
      return like(upper(value), upper(c.text()));
    case Comparator::in:
      return std::ranges::find(c.list(), value) != c.list().end();
    case Comparator::not_in:
      return std::ranges::find(c.list(), value) == c.list().end();
    case Comparator::is_not_null:
      return true;
    default:
      return false;
  }
}

bool matches(const Condition& c, double value) {
  switch (c.comparator) {
    case Comparator::eq:
      return value == c.number();
    case Comparator::ne:
      return value != c.number();
    case Comparator::lt:
      return value < c.number();
    case Comparator::le:
      return value <= c.number();
    case Comparator::gt:
      return value > c.number();
    case Comparator::ge:
      return value >= c.number();
    default:
      return false;
  }
}

}  // namespace tarn::ml
