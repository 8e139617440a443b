// Schema serialisation ("Schema Serialization Format") and the spellings of a type.
#include <cctype>
#include <charconv>
#include <unordered_set>

#include "base/text.h"
#include "delta/log.h"

namespace tarn::delta {
namespace {

using json::array;
using json::object;
using json::value;

struct Primitive {
  std::string_view delta, sql, duckdb;
};
// `void` columns are never in data files; DuckDB has no such type, any will do for NULL. A variant is its bytes (engine/functions/variants.cc):
// DuckDB's own VARIANT cannot tell the null inside one from NULL.
constexpr Primitive kPrimitives[] = {
    {"string", "string", "VARCHAR"},
    {"long", "bigint", "BIGINT"},
    {"integer", "int", "INTEGER"},
    {"short", "smallint", "SMALLINT"},
    {"byte", "tinyint", "TINYINT"},
    {"float", "float", "FLOAT"},
    {"double", "double", "DOUBLE"},
    {"boolean", "boolean", "BOOLEAN"},
    {"binary", "binary", "BLOB"},
    {"date", "date", "DATE"},
    {"timestamp", "timestamp", "TIMESTAMP WITH TIME ZONE"},
    {"timestamp_ntz", "timestamp_ntz", "TIMESTAMP"},
    {"void", "void", "INTEGER"},
    {"variant", "variant", "BLOB"},
};

const Primitive* primitive(std::string_view delta) {
  for (const auto& p : kPrimitives)
    if (p.delta == delta) return &p;
  return nullptr;
}

std::string_view text_of(const value& v) { return v.is_string() ? std::string_view(v.get_string()) : std::string_view(); }

/// "decimal(p,s)" -> p, s.
std::optional<std::pair<int, int>> decimal(std::string_view text) {
  if (!text.starts_with("decimal(") || !text.ends_with(")")) return std::nullopt;
  text = text.substr(8, text.size() - 9);
  const auto comma = text.find(',');
  if (comma == std::string_view::npos) return std::nullopt;
  auto number = [](std::string_view t, int& out) {
    while (!t.empty() && t.front() == ' ') t.remove_prefix(1);
    while (!t.empty() && t.back() == ' ') t.remove_suffix(1);
    const auto [end, ec] = std::from_chars(t.data(), t.data() + t.size(), out);
    return ec == std::errc() && end == t.data() + t.size();
  };
  int p = 0, s = 0;
  if (!number(text.substr(0, comma), p) || !number(text.substr(comma + 1), s)) return std::nullopt;
  if (p < 1 || p > 38 || s < 0 || s > p) return std::nullopt;
  return std::pair(p, s);
}

Error bad(std::string message) { return {Errc::invalid_schema, std::move(message)}; }

Result<void> check_type(const value& type, const std::string& where);

Result<void> check_struct(const object& type, const std::string& where) {
  const auto* fields = type.if_contains("fields");
  if (!fields || !fields->is_array()) return fail(bad("The struct type of " + where + " has no list of fields"));
  std::unordered_set<std::string> names;
  for (const auto& f : fields->get_array()) {
    const auto* o = f.if_object();
    const auto* name = o ? o->if_contains("name") : nullptr;
    const auto* of = o ? o->if_contains("type") : nullptr;
    if (!name || !name->is_string() || !of) return fail(bad("A field of " + where + " has no name or no type"));
    const std::string path = where + "." + std::string(text_of(*name));
    if (!names.insert(lower(text_of(*name))).second)
      return fail(bad("[DELTA_DUPLICATE_COLUMNS_FOUND.TABLE_SCHEMA] Found duplicate column(s): " + path + "."));
    TARN_CHECK(check_type(*of, path));
  }
  return {};
}

Result<void> check_type(const value& type, const std::string& where) {
  if (type.is_string()) {
    if (primitive(text_of(type)) || decimal(text_of(type))) return {};
    return fail(bad("Column " + where + " has the unknown type '" + std::string(text_of(type)) + "'"));
  }
  const auto* o = type.if_object();
  const auto* kind = o ? o->if_contains("type") : nullptr;
  if (!kind) return fail(bad("Column " + where + " has no readable type"));
  auto part = [&](const char* key) -> Result<void> {
    const auto* inner = o->if_contains(key);
    if (!inner) return fail(bad("The type of column " + where + " lacks " + key));
    return check_type(*inner, where + "." + key);
  };
  if (text_of(*kind) == "struct") return check_struct(*o, where);
  if (text_of(*kind) == "array") return part("elementType");
  if (text_of(*kind) == "map") {
    TARN_CHECK(part("keyType"));
    return part("valueType");
  }
  return fail(bad("Column " + where + " has the unknown type '" + std::string(text_of(*kind)) + "'"));
}

value field_json(const Field& f) { return object{{"name", f.name}, {"type", f.type}, {"nullable", f.nullable}, {"metadata", f.metadata}}; }

bool flag(const object& o, const char* key, bool otherwise) {
  const auto* v = o.if_contains(key);
  return v && v->is_bool() ? v->get_bool() : otherwise;
}

/// Reads a SQL type text from left to right.
class TypeReader {
 public:
  explicit TypeReader(std::string_view text) : text_(text) {}

  Result<value> all() {
    TARN_TRY(t, type(0));
    skip();
    if (at_ != text_.size()) return fail(error());
    return std::move(t);
  }

 private:
  Error error() const {
    return {Errc::invalid_schema, "Cannot read the data type '" + std::string(text_) + "' at position " + std::to_string(at_ + 1)};
  }
  void skip() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    return ++at_, true;
  }
  std::string word() {
    skip();
    const auto from = at_;
    while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_')) ++at_;
    return lower(text_.substr(from, at_ - from));
  }
  Result<std::string> name() {
    skip();
    if (at_ < text_.size() && text_[at_] == '`') {
      std::string out;
      for (++at_; at_ < text_.size(); ++at_) {
        if (text_[at_] != '`')
          out += text_[at_];
        else if (at_ + 1 < text_.size() && text_[at_ + 1] == '`')
          out += text_[at_++];
        else
          return ++at_, out;
      }
      return fail(error());
    }
    const auto from = at_;
    while (at_ < text_.size() && !std::strchr(" :,<>()", text_[at_])) ++at_;
    if (at_ == from) return fail(error());
    return std::string(text_.substr(from, at_ - from));
  }
  bool take_words(std::string_view first, std::string_view second) {
    const auto back = at_;
    if (word() == first && (second.empty() || word() == second)) return true;
    return at_ = back, false;
  }

  Result<value> type(int depth) {
    if (depth > 30) return fail(error());
    const auto back = at_;
    const std::string kind = word();
    if (kind == "array") {
      if (!take('<')) return fail(error());
      TARN_TRY(element, type(depth + 1));
      if (!take('>')) return fail(error());
      return value(object{{"type", "array"}, {"elementType", std::move(element)}, {"containsNull", true}});
    }
    if (kind == "map") {
      if (!take('<')) return fail(error());
      TARN_TRY(key, type(depth + 1));
      if (!take(',')) return fail(error());
      TARN_TRY(item, type(depth + 1));
      if (!take('>')) return fail(error());
      return value(object{{"type", "map"}, {"keyType", std::move(key)}, {"valueType", std::move(item)}, {"valueContainsNull", true}});
    }
    if (kind == "struct") return structure(depth);
    if (kind == "decimal" || kind == "dec" || kind == "numeric") return decimal_type();
    if (kind == "varchar" || kind == "char" || kind == "character") {
      if (take('(') && (word().empty() || !take(')'))) return fail(error());
      return value("string");
    }
    static const std::map<std::string_view, std::string_view> aliases{{"integer", "integer"}, {"long", "long"},  {"short", "short"},
                                                                      {"byte", "byte"},       {"real", "float"}, {"timestamp_ltz", "timestamp"},
                                                                      {"null", "void"}};
    for (const auto& p : kPrimitives)
      if (p.sql == kind) return value(p.delta);
    if (const auto a = aliases.find(kind); a != aliases.end()) return value(a->second);
    at_ = back;
    return fail(error());
  }

  Result<value> decimal_type() {
    if (!take('(')) return value("decimal(10,0)");
    const std::string p = word();
    std::string s = "0";
    if (take(',')) s = word();
    const std::string text = "decimal(" + p + "," + s + ")";
    if (!take(')') || !decimal(text)) return fail(error());
    return value(text);
  }

  Result<value> structure(int depth) {
    if (!take('<')) return fail(error());
    array fields;
    if (!take('>')) {
      do {
        TARN_TRY(field_name, name());
        take(':');
        TARN_TRY(of, type(depth + 1));
        const bool nullable = !take_words("not", "null");
        object metadata;
        fields.push_back(object{{"name", std::move(field_name)}, {"type", std::move(of)}, {"nullable", nullable}, {"metadata", std::move(metadata)}});
      } while (take(','));
      if (!take('>')) return fail(error());
    }
    return value(object{{"type", "struct"}, {"fields", std::move(fields)}});
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::string quoted(std::string_view name) {
  std::string out = "\"";
  for (char c : name) out.append(c == '"' ? 2 : 1, c);
  return out + '"';
}

}  // namespace

const Field* Schema::find(std::string_view name) const {
  const std::string wanted = lower(name);
  for (const auto& f : fields)
    if (f.name.size() == wanted.size() && lower(f.name) == wanted) return &f;
  return nullptr;
}

std::string schema_string(const Schema& schema) {
  array fields;
  for (const auto& f : schema.fields) fields.push_back(field_json(f));
  return boost::json::serialize(object{{"type", "struct"}, {"fields", std::move(fields)}});
}

Result<Schema> parse_schema(std::string_view json_text) {
  auto parsed = json::parse(json_text);
  const auto* root = parsed ? parsed->if_object() : nullptr;
  if (!root || text_of(root->contains("type") ? root->at("type") : value()) != "struct")
    return fail(bad("The table's schema is not a JSON struct type"));
  TARN_CHECK(check_struct(*root, "the table"));
  Schema out;
  for (const auto& item : root->at("fields").get_array()) {
    const auto& o = item.get_object();
    Field f{std::string(text_of(o.at("name"))), o.at("type"), flag(o, "nullable", true), {}};
    if (const auto* m = o.if_contains("metadata"); m && m->is_object()) f.metadata = m->get_object();
    out.fields.push_back(std::move(f));
  }
  return out;
}

Result<void> check_schema(const Schema& schema, const std::vector<std::string>& partition_columns, bool mapped) {
  if (schema.fields.empty()) return fail(bad("[DELTA_EMPTY_DATA] Data used in creating the Delta table doesn't have any columns."));
  std::unordered_set<std::string> names;
  for (const auto& f : schema.fields) {
    if (f.name.empty()) return fail(bad("A column has an empty name"));
    if ((!mapped && f.name.find_first_of(" ,;{}()\n\t=") != std::string::npos) || f.name.find('\0') != std::string::npos)
      return fail(
          bad("[DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES] Found invalid character(s) among ' ,;{}()\\n\\t=' in the column names of your schema.\n"
              "Invalid column names: " +
              f.name + ".\nPlease use other characters and try again."));
    if (!names.insert(lower(f.name)).second)
      return fail(bad("[DELTA_DUPLICATE_COLUMNS_FOUND.TABLE_SCHEMA] Found duplicate column(s): " + f.name +
                      ". The duplicate was found in the table schema."));
    TARN_CHECK(check_type(f.type, f.name));
  }
  std::unordered_set<std::string> partitions;
  for (const auto& p : partition_columns) {
    const Field* f = schema.find(p);
    if (!f || f->name != p)
      return fail(bad("[DELTA_MISSING_PARTITION_COLUMN] Partition column `" + p + "` not found in schema " + schema_string(schema)));
    if (!partitions.insert(p).second) return fail(bad("[DELTA_DUPLICATE_COLUMNS_FOUND.PARTITION_COLUMNS] Found duplicate column(s): " + p + "."));
    if (!f->type.is_string() || text_of(f->type) == "variant" || text_of(f->type) == "void")
      return fail(bad("[DELTA_INVALID_PARTITION_COLUMN_TYPE] Using column " + p + " of type " + sql_type(f->type) +
                      " as a partition column is not supported."));
  }
  if (!partition_columns.empty() && partition_columns.size() == schema.fields.size())
    return fail(
        bad("[DELTA_NON_PARTITION_COLUMN_ABSENT.ALL_PARTITION_COLUMNS] Data written into Delta needs to contain at least one non-partitioned column. "
            "All of the provided columns are partition columns."));
  return {};
}

std::string sql_type(const value& type) {
  if (type.is_string()) {
    const auto* p = primitive(text_of(type));
    return p ? std::string(p->sql) : std::string(text_of(type));
  }
  const auto* o = type.if_object();
  if (!o) return "unknown";
  const auto kind = text_of(o->at("type"));
  if (kind == "array") return "array<" + sql_type(o->at("elementType")) + ">";
  if (kind == "map") return "map<" + sql_type(o->at("keyType")) + "," + sql_type(o->at("valueType")) + ">";
  std::string out = "struct<";
  for (const auto& f : o->at("fields").get_array()) {
    const auto name = text_of(f.at("name"));
    const bool plain =
        !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '_' || c >= 0x80; });
    if (out.back() != '<') out += ',';
    if (plain) {
      out += name;
    } else {
      out += '`';
      for (char c : name) out.append(c == '`' ? 2 : 1, c);
      out += '`';
    }
    out += ":" + sql_type(f.at("type"));
  }
  return out + ">";
}

std::string duckdb_type(const value& type) {
  if (type.is_string()) {
    const auto* p = primitive(text_of(type));
    if (p) return std::string(p->duckdb);
    const auto d = decimal(text_of(type));
    return d ? fmt::format("DECIMAL({},{})", d->first, d->second) : "VARCHAR";
  }
  const auto& o = type.get_object();
  const auto kind = text_of(o.at("type"));
  if (kind == "array") return duckdb_type(o.at("elementType")) + "[]";
  if (kind == "map") return "MAP(" + duckdb_type(o.at("keyType")) + ", " + duckdb_type(o.at("valueType")) + ")";
  std::string out = "STRUCT(";
  for (const auto& f : o.at("fields").get_array()) {
    if (out.back() != '(') out += ", ";
    out += quoted(text_of(f.at("name"))) + " " + duckdb_type(f.at("type"));
  }
  return out + ")";
}

bool widens(const value& from, const value& to) {
  if (!from.is_string() || !to.is_string()) return false;
  static constexpr std::string_view whole[] = {"byte", "short", "integer", "long"};
  static constexpr int digits[] = {10, 10, 10, 20};  // that a decimal needs before its point, as Delta counts them
  const auto a = text_of(from), b = text_of(to);
  const auto rank = [](std::string_view t) { return std::find(std::begin(whole), std::end(whole), t) - std::begin(whole); };
  const auto wide = decimal(b);
  if (const auto r = rank(a); r < 4) return rank(b) < 4 ? rank(b) > r : (b == "double" && r < 3) || (wide && wide->first - wide->second >= digits[r]);
  if (const auto narrow = decimal(a))
    return wide && wide->second >= narrow->second && wide->first - narrow->first >= wide->second - narrow->second && *wide != *narrow;
  return (a == "float" && b == "double") || (a == "date" && b == "timestamp_ntz");
}

Result<value> delta_type(std::string_view sql) { return TypeReader(sql).all(); }

}  // namespace tarn::delta
