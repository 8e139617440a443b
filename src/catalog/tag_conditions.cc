#include "catalog/tag_conditions.h"

#include <fmt/format.h>

#include "catalog/names.h"

namespace tarn::catalog {
namespace {

constexpr std::size_t kMostBytes = 4000;
constexpr int kDeepest = 32;

class ConditionReader {
 public:
  explicit ConditionReader(std::string_view text) : text_(text) {}

  Result<TagCondition> whole() {
    TARN_TRY(out, either(0));
    if (skip(); at_ < text_.size()) return fail(wrong("nothing more was expected"));
    return std::move(out);
  }

 private:
  Error wrong(std::string_view what) const {
    const auto near = text_.substr(std::min(at_, text_.size()), 20);
    return {Errc::invalid,
            fmt::format("The condition '{}' cannot be read at '{}': {}. It may use has_tag('key'), has_tag_value('key', 'value'), AND, "
                        "OR, NOT and parentheses.",
                        text_.substr(0, 200), near, what)};
  }
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool symbol(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  static bool letter(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
  std::string word() const {
    std::size_t end = at_;
    while (end < text_.size() && letter(text_[end])) ++end;
    return folded(text_.substr(at_, end - at_));
  }
  bool keyword(std::string_view wanted) {
    skip();
    if (word() != wanted) return false;
    at_ += wanted.size();
    return true;
  }
  Result<std::string> quoted() {
    skip();
    if (at_ >= text_.size() || (text_[at_] != '\'' && text_[at_] != '"')) return fail(wrong("a text in quotes was expected"));
    const char quote = text_[at_++];
    std::string out;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == quote) {
        if (at_ >= text_.size() || text_[at_] != quote) return out;
        ++at_;  // two quotes are one
      } else if (c == '\\' && at_ < text_.size()) {
        out += text_[at_++];
        continue;
      }
      out += c;
    }
    return fail(wrong("a text does not end"));
  }
  Result<TagCondition> either(int depth) {
    TARN_TRY(out, both(depth));
    while (keyword("or")) {
      TARN_TRY(next, both(depth));
      out = TagCondition{TagCondition::Op::either, "", "", {std::move(out), std::move(next)}};
    }
    return std::move(out);
  }
  Result<TagCondition> both(int depth) {
    TARN_TRY(out, one(depth));
    while (keyword("and")) {
      TARN_TRY(next, one(depth));
      out = TagCondition{TagCondition::Op::both, "", "", {std::move(out), std::move(next)}};
    }
    return std::move(out);
  }
  Result<TagCondition> one(int depth) {
    if (depth >= kDeepest) return fail(wrong("it is nested too deeply"));
    if (keyword("not")) {
      TARN_TRY(inner, one(depth + 1));
      return TagCondition{TagCondition::Op::negated, "", "", {std::move(inner)}};
    }
    if (symbol('(')) {
      TARN_TRY(inner, either(depth + 1));
      if (!symbol(')')) return fail(wrong("')' was expected"));
      return std::move(inner);
    }
    if (keyword("true")) return TagCondition{};
    if (keyword("false")) return TagCondition{TagCondition::Op::never, "", "", {}};
    const bool valued = keyword("has_tag_value") || keyword("hastagvalue");
    if (!valued && !keyword("has_tag") && !keyword("hastag")) return fail(wrong("no such function is known"));
    if (!symbol('(')) return fail(wrong("'(' was expected"));
    TARN_TRY(key, quoted());
    TagCondition out{valued ? TagCondition::Op::has_value : TagCondition::Op::has, std::move(key), "", {}};
    if (valued) {
      if (!symbol(',')) return fail(wrong("',' and the value were expected"));
      TARN_TRY(value, quoted());
      out.value = std::move(value);
    }
    if (!symbol(')')) return fail(wrong("')' was expected"));
    return out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<TagCondition> tag_condition(std::string_view text) {
  if (text.size() > kMostBytes) return fail(Error{Errc::invalid, fmt::format("A condition of a policy may have at most {} bytes", kMostBytes)});
  return ConditionReader(text).whole();
}

bool holds(const TagCondition& c, const std::map<std::string, std::string>& tags) {
  switch (c.op) {
    case TagCondition::Op::always:
      return true;
    case TagCondition::Op::never:
      return false;
    case TagCondition::Op::has:
      return tags.contains(c.key);
    case TagCondition::Op::has_value: {
      const auto i = tags.find(c.key);
      return i != tags.end() && i->second == c.value;
    }
    case TagCondition::Op::both:
      return holds(c.parts[0], tags) && holds(c.parts[1], tags);
    case TagCondition::Op::either:
      return holds(c.parts[0], tags) || holds(c.parts[1], tags);
    case TagCondition::Op::negated:
      return !holds(c.parts[0], tags);
  }
  return false;
}

}  // namespace tarn::catalog
