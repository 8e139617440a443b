#include "engine/types.h"

#include <fmt/format.h>

#include <cctype>
#include <map>

namespace tarn::engine {
namespace {

/// Reads type text of either dialect.
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
  std::string_view rest() const { return in_.substr(std::min(at_, in_.size())); }
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
      auto value = p.name('\'');
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

bool plain(const std::string& name) {
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) return false;
  for (char c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') return false;
  return true;
}

std::string quoted(const std::string& name, char quote) {
  if (plain(name)) return name;
  std::string out(1, quote);
  for (char c : name) {
    if (c == quote) out += quote;
    out += c;
  }
  return out += quote;
}

DatabricksType wire(const Type& t) {
  static const std::map<std::string, std::pair<const char*, const char*>, std::less<>> simple = {{"BOOLEAN", {"BOOLEAN", "BOOLEAN"}},
                                                                                                 {"TINYINT", {"BYTE", "TINYINT"}},
                                                                                                 {"SMALLINT", {"SHORT", "SMALLINT"}},
                                                                                                 {"INTEGER", {"INT", "INT"}},
                                                                                                 {"BIGINT", {"LONG", "BIGINT"}},
                                                                                                 {"UTINYINT", {"SHORT", "SMALLINT"}},
                                                                                                 {"USMALLINT", {"INT", "INT"}},
                                                                                                 {"UINTEGER", {"LONG", "BIGINT"}},
                                                                                                 {"FLOAT", {"FLOAT", "FLOAT"}},
                                                                                                 {"DOUBLE", {"DOUBLE", "DOUBLE"}},
                                                                                                 {"VARCHAR", {"STRING", "STRING"}},
                                                                                                 {"BLOB", {"BINARY", "BINARY"}},
                                                                                                 {"DATE", {"DATE", "DATE"}},
                                                                                                 {"TIMESTAMPTZ", {"TIMESTAMP", "TIMESTAMP"}},
                                                                                                 {"TIMESTAMP", {"TIMESTAMP_NTZ", "TIMESTAMP_NTZ"}},
                                                                                                 {"TIMESTAMP_S", {"TIMESTAMP_NTZ", "TIMESTAMP_NTZ"}},
                                                                                                 {"TIMESTAMP_MS", {"TIMESTAMP_NTZ", "TIMESTAMP_NTZ"}},
                                                                                                 {"TIMESTAMP_NS", {"TIMESTAMP_NTZ", "TIMESTAMP_NTZ"}},
                                                                                                 {"INTERVAL", {"INTERVAL", "INTERVAL"}},
                                                                                                 {"NULL", {"NULL", "VOID"}}};
  if (t.name == "LIST" || t.name == "ARRAY") return {"ARRAY", "ARRAY<" + wire(t.children[0]).type_text + ">"};
  if (t.name == "MAP") return {"MAP", "MAP<" + wire(t.children[0]).type_text + ", " + wire(t.children[1]).type_text + ">"};
  if (t.name == "STRUCT") {
    std::string out = "STRUCT<";
    for (std::size_t i = 0; i < t.children.size(); ++i) out += (i ? ", " : "") + quoted(t.fields[i], '`') + ": " + wire(t.children[i]).type_text;
    return {"STRUCT", out + ">"};
  }
  int precision = t.precision, scale = t.scale;
  if (t.name == "HUGEINT" || t.name == "UHUGEINT") precision = 38;
  if (t.name == "UBIGINT") precision = 20;
  if (precision > 0) return {"DECIMAL", fmt::format("DECIMAL({},{})", precision, scale), precision, scale};
  if (const auto at = simple.find(t.name); at != simple.end()) return {at->second.first, at->second.second};
  return {"STRING", "STRING"};
}

Expected<std::string, std::string> engine_type(Parser& p) {
  if (!p.deeper()) return fail(std::string("a type nested more than 64 levels deep"));
  const std::string before(p.rest());
  const auto wrong = [&] { return fail(before); };
  const auto name = p.word();
  static const std::map<std::string, const char*, std::less<>> simple = {{"BOOLEAN", "BOOLEAN"},
                                                                         {"TINYINT", "TINYINT"},
                                                                         {"BYTE", "TINYINT"},
                                                                         {"SMALLINT", "SMALLINT"},
                                                                         {"SHORT", "SMALLINT"},
                                                                         {"INT", "INTEGER"},
                                                                         {"INTEGER", "INTEGER"},
                                                                         {"BIGINT", "BIGINT"},
                                                                         {"LONG", "BIGINT"},
                                                                         {"FLOAT", "FLOAT"},
                                                                         {"REAL", "FLOAT"},
                                                                         {"DOUBLE", "DOUBLE"},
                                                                         {"STRING", "VARCHAR"},
                                                                         {"BINARY", "BLOB"},
                                                                         {"DATE", "DATE"},
                                                                         {"TIMESTAMP", "TIMESTAMPTZ"},
                                                                         {"TIMESTAMP_LTZ", "TIMESTAMPTZ"},
                                                                         {"TIMESTAMP_NTZ", "TIMESTAMP"},
                                                                         {"VOID", "\"NULL\""},
                                                                         {"INTERVAL", "INTERVAL"}};
  std::string out;
  if (const auto at = simple.find(name); at != simple.end()) {
    out = at->second;
    if (name == "INTERVAL")
      while (p.take_word("YEAR") || p.take_word("MONTH") || p.take_word("DAY") || p.take_word("HOUR") || p.take_word("MINUTE") ||
             p.take_word("SECOND") || p.take_word("TO")) {
      }
  } else if (name == "DECIMAL" || name == "DEC" || name == "NUMERIC") {
    int precision = 10, scale = 0;
    if (p.take('(')) {
      const auto first = p.number();
      if (!first) return wrong();
      precision = *first;
      if (p.take(',')) {
        const auto second = p.number();
        if (!second) return wrong();
        scale = *second;
      }
      if (!p.take(')')) return wrong();
    }
    if (precision < 1 || precision > 38 || scale > precision) return wrong();
    out = fmt::format("DECIMAL({},{})", precision, scale);
  } else if (name == "VARCHAR" || name == "CHAR") {
    if (!p.take('(') || !p.number() || !p.take(')')) return wrong();
    out = "VARCHAR";
  } else if (name == "ARRAY") {
    if (!p.take('<')) return wrong();
    TARN_TRY(item, engine_type(p));
    if (!p.take('>')) return wrong();
    out = item + "[]";
  } else if (name == "MAP") {
    if (!p.take('<')) return wrong();
    TARN_TRY(key, engine_type(p));
    if (!p.take(',')) return wrong();
    TARN_TRY(value, engine_type(p));
    if (!p.take('>')) return wrong();
    out = "MAP(" + key + ", " + value + ")";
  } else if (name == "STRUCT") {
    if (!p.take('<')) return wrong();
    out = "STRUCT(";
    for (bool first = true; first || p.take(','); first = false) {
      const auto field = p.name('`');
      if (!field) return wrong();
      p.take(':');
      TARN_TRY(type, engine_type(p));
      if (p.take_word("NOT") && !p.take_word("NULL")) return wrong();
      if (p.take_word("COMMENT") && !p.name('\'')) return wrong();
      std::string quoted_field = "\"";
      for (char c : *field) quoted_field += c == '"' ? "\"\"" : std::string(1, c);
      out += (first ? "" : ", ") + quoted_field + "\" " + type;
    }
    if (!p.take('>')) return wrong();
    out += ")";
  } else {
    return wrong();
  }
  p.up();
  return out;
}

}  // namespace

std::optional<Type> parse_type(std::string_view text) {
  Parser p(text);
  auto t = duckdb_one(p);
  if (!t || !p.at_end()) return {};
  return t;
}

DatabricksType databricks_type(std::string_view duckdb_type) {
  const auto t = parse_type(duckdb_type);
  return t ? wire(*t) : DatabricksType{"STRING", "STRING"};
}

Expected<std::string, std::string> duckdb_type(std::string_view databricks_type) {
  Parser p(databricks_type);
  auto out = engine_type(p);
  if (out && !p.at_end()) return fail(std::string(p.rest()));
  return out;
}

}  // namespace tarn::engine
