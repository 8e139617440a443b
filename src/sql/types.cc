#include "sql/types.h"

#include "delta/log.h"

namespace tarn::sql {
namespace {

std::string upper(std::string_view text) {
  std::string out(text);
  for (auto& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

/// Reads DuckDB's type text by recursive descent.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<std::string> type() {
    skip();
    std::string word;
    if (peek() == '"') {
      word = quoted();
    } else {
      while (std::isalnum(static_cast<unsigned char>(peek())) || peek() == '_' || peek() == ' ') {
        if (peek() == ' ' && !upper(word).starts_with("TIME")) break;
        word += text_[at_++];
      }
      while (!word.empty() && word.back() == ' ') word.pop_back();
    }
    TARN_TRY(base, plain(upper(word)));
    std::string out = std::move(base);
    for (;;) {
      skip();
      if (peek() != '[') return out;
      while (peek() != ']' && peek() != '\0') ++at_;
      ++at_;
      out = "array<" + out + ">";
    }
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip() {
    while (peek() == ' ') ++at_;
  }
  std::string quoted() {
    std::string out;
    ++at_;
    while (at_ < text_.size()) {
      if (text_[at_] == '"') {
        if (at_ + 1 < text_.size() && text_[at_ + 1] == '"')
          ++at_;
        else {
          ++at_;
          break;
        }
      }
      out += text_[at_++];
    }
    return out;
  }
  Result<std::string> plain(const std::string& word) {
    static const std::map<std::string, std::string, std::less<>> names{{"BOOLEAN", "boolean"},
                                                                       {"TINYINT", "tinyint"},
                                                                       {"SMALLINT", "smallint"},
                                                                       {"INTEGER", "int"},
                                                                       {"BIGINT", "bigint"},
                                                                       {"HUGEINT", "decimal(38,0)"},
                                                                       {"UTINYINT", "smallint"},
                                                                       {"USMALLINT", "int"},
                                                                       {"UINTEGER", "bigint"},
                                                                       {"UBIGINT", "decimal(20,0)"},
                                                                       {"UHUGEINT", "decimal(38,0)"},
                                                                       {"FLOAT", "float"},
                                                                       {"DOUBLE", "double"},
                                                                       {"VARCHAR", "string"},
                                                                       {"BLOB", "binary"},
                                                                       {"DATE", "date"},
                                                                       {"TIMESTAMP", "timestamp_ntz"},
                                                                       {"TIMESTAMP_S", "timestamp_ntz"},
                                                                       {"TIMESTAMP_MS", "timestamp_ntz"},
                                                                       {"TIMESTAMP_NS", "timestamp_ntz"},
                                                                       {"TIMESTAMP WITH TIME ZONE", "timestamp"},
                                                                       {"TIMESTAMPTZ", "timestamp"},
                                                                       {"NULL", "void"},
                                                                       {"SQLNULL", "void"},
                                                                       {"UUID", "string"},
                                                                       {"JSON", "string"},
                                                                       {"INTERVAL", "interval"}};
    skip();
    if (word == "DECIMAL") {
      if (peek() != '(') return std::string("decimal(18,3)");
      std::string out = "decimal";
      while (peek() != ')' && peek() != '\0') {
        if (peek() != ' ') out += peek();
        ++at_;
      }
      ++at_;
      return out + ")";
    }
    if (word == "STRUCT" && peek() == '(') {
      ++at_;
      std::string out = "struct<";
      for (bool first = true;; first = false) {
        skip();
        if (peek() == ')') break;
        if (!first) {
          if (peek() != ',') return unknown();
          ++at_;
          skip();
          out += ',';
        }
        std::string field;
        if (peek() == '"')
          field = quoted();
        else
          while (peek() != ' ' && peek() != '\0') field += text_[at_++];
        TARN_TRY(inner, type());
        out += field + ":" + inner;
      }
      ++at_;
      return out + ">";
    }
    if (word == "MAP" && peek() == '(') {
      ++at_;
      TARN_TRY(k, type());
      skip();
      if (peek() != ',') return unknown();
      ++at_;
      TARN_TRY(v, type());
      skip();
      ++at_;
      return "map<" + k + "," + v + ">";
    }
    if (auto i = names.find(word); i != names.end()) return i->second;
    return unknown();
  }
  Result<std::string> unknown() const {
    return refuse(Errc::unsupported, "[UNSUPPORTED_DATATYPE] Unsupported data type \"" + std::string(text_) + "\". SQLSTATE: 0A000");
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Result<std::string> sql_type_of(std::string_view duckdb_type) { return Reader(duckdb_type).type(); }

std::string type_name(std::string_view sql_type) {
  static const std::map<std::string, std::string, std::less<>> names{{"bigint", "LONG"},    {"int", "INT"},      {"integer", "INT"},
                                                                     {"smallint", "SHORT"}, {"tinyint", "BYTE"}, {"void", "NULL"}};
  const auto end = sql_type.find_first_of("(<");
  const std::string base(sql_type.substr(0, end));
  if (auto i = names.find(base); i != names.end()) return i->second;
  return upper(base);
}

std::optional<Precision> decimal_precision(std::string_view sql_type) {
  if (!sql_type.starts_with("decimal(")) return std::nullopt;
  Precision out;
  const std::string inner(sql_type.substr(8));
  out.precision = std::atoi(inner.c_str());
  if (const auto comma = inner.find(','); comma != std::string::npos) out.scale = std::atoi(inner.c_str() + comma + 1);
  return out;
}

Result<catalog::ColumnInfo> column_info(std::string name, const std::string& sql_type, int position, bool nullable,
                                        std::optional<std::string> comment) {
  auto delta = delta::delta_type(sql_type);
  if (!delta)
    return refuse(Errc::invalid, fmt::format("[UNSUPPORTED_DATATYPE] Column {} has the type \"{}\", which a table cannot hold. SQLSTATE: 0A000",
                                             backticked(name), upper(sql_type)));
  catalog::ColumnInfo out;
  out.name = std::move(name);
  out.type_text = delta::sql_type(*delta);
  out.type_name = type_name(out.type_text);
  json::object metadata;
  if (comment) metadata["comment"] = *comment;
  out.type_json = boost::json::serialize(json::object{{"name", out.name}, {"type", *delta}, {"nullable", nullable}, {"metadata", metadata}});
  if (const auto p = decimal_precision(out.type_text)) out.type_precision = p->precision, out.type_scale = p->scale;
  out.position = position;
  out.nullable = nullable;
  out.comment = std::move(comment);
  return out;
}

std::string backticked(std::string_view name) {
  std::string out = "`";
  for (const char c : name) {
    if (c == '`') out += '`';
    out += c;
  }
  return out + '`';
}

std::string backticked(const std::vector<std::string>& parts) {
  std::string out;
  for (const auto& p : parts) out += (out.empty() ? "" : ".") + backticked(p);
  return out;
}

}  // namespace tarn::sql
