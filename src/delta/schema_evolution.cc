#include "delta/schema_evolution.h"

#include "base/text.h"
#include "delta/features.h"
#include "delta/protocol.h"

namespace tarn::delta {
namespace {

using json::array;
using json::object;
using json::value;

std::string_view kind_of(const value& type) { return type.is_object() ? std::string_view(type.get_object().at("type").as_string()) : ""; }

/// A type whose fields and items may all be NULL, and say nothing else of themselves.
value bare(const value& type) {
  if (!type.is_object()) return type;
  object out = type.get_object();
  for (const char* part : {"elementType", "keyType", "valueType"})
    if (out.contains(part)) out[part] = bare(out.at(part));
  for (const char* open : {"containsNull", "valueContainsNull"})
    if (out.contains(open)) out[open] = true;
  if (out.contains("fields"))
    for (auto& f : out.at("fields").as_array())
      f = object{{"name", f.at("name")}, {"type", bare(f.at("type"))}, {"nullable", true}, {"metadata", object{}}};
  return out;
}

Error apart(std::string_view a, std::string_view b, const value& from, const value& to) {
  return {Errc::invalid_schema, fmt::format("[DELTA_FAILED_TO_MERGE_FIELDS] Failed to merge fields '{}' and '{}'. Failed to merge incompatible data "
                                            "types {} and {}. SQLSTATE: 22005",
                                            a, b, sql_type(from), sql_type(to))};
}

/// What widens by itself: whole numbers stay whole, as Delta has it.
bool widens_alone(const value& from, const value& to) {
  const auto whole = [](const value& t) { return t == "byte" || t == "short" || t == "integer" || t == "long"; };
  return widens(from, to) && (!whole(from) || whole(to));
}

class Merge {
 public:
  explicit Merge(bool widening) : widening_(widening) {}

  Result<value> types(const value& own, const value& given, const std::string& path, std::string_view called) {
    if (own == given || given == "void") return own;
    if (own == "void") return fail(apart(path, called, own, given));
    if (kind_of(own) != kind_of(given)) return fail(apart(path, called, own, given));
    if (own.is_string()) {
      // Only a column's own type is widened here: of a nested one the log would have to tell where within the column it is.
      if (widening_ && widens_alone(own, given))
        return fail(Error{Errc::unsupported_feature,
                          fmt::format("[UNSUPPORTED_FEATURE] Widening the nested field {} from {} to {} by schema evolution is not supported by this "
                                      "warehouse. SQLSTATE: 0A000",
                                      path, sql_type(own), sql_type(given))});
      return own;  // the value is cast
    }
    object out = own.get_object();
    const auto& other = given.get_object();
    for (const char* part : {"elementType", "keyType", "valueType"})
      if (out.contains(part)) {
        TARN_TRY(inner, types(out.at(part), other.at(part), path + "." + part, part));
        out[part] = std::move(inner);
      }
    if (!out.contains("fields")) return value(std::move(out));
    auto& fields = out.at("fields").as_array();
    for (const auto& f : other.at("fields").as_array()) {
      const std::string name(f.at("name").as_string());
      const auto at = std::ranges::find_if(fields, [&](const value& k) { return lower(std::string_view(k.at("name").as_string())) == lower(name); });
      if (at == fields.end()) {
        TARN_CHECK(known(f.at("type"), path + "." + name));
        fields.push_back(object{{"name", name}, {"type", bare(f.at("type"))}, {"nullable", true}, {"metadata", object{}}});
        continue;
      }
      TARN_TRY(inner, types(at->at("type"), f.at("type"), path + "." + std::string(at->at("name").as_string()), name));
      at->as_object()["type"] = std::move(inner);
    }
    return value(std::move(out));
  }

  static Result<void> known(const value& type, const std::string& path) {
    if (!mentions_type(type, "void")) return {};
    return fail(
        Error{Errc::unsupported_feature, "[UNSUPPORTED_FEATURE] A new column without a type (" + path +
                                             ") is not supported by this warehouse. Cast the NULL to the type that it shall have. SQLSTATE: 0A000"});
  }

 private:
  bool widening_;
};

}  // namespace

Result<Schema> evolved(const Metadata& table, const Schema& given) {
  const bool widening = property_is_true(table, "delta.enableTypeWidening");
  Merge merge(widening);
  Schema out = table.schema;
  for (const auto& f : given.fields) {
    const auto at = std::ranges::find_if(out.fields, [&](const Field& k) { return lower(k.name) == lower(f.name); });
    if (at == out.fields.end()) {
      TARN_CHECK(Merge::known(f.type, f.name));
      out.fields.push_back({f.name, bare(f.type), true, {}});
      continue;
    }
    const bool partitions = std::ranges::find(table.partition_columns, at->name) != table.partition_columns.end();
    if (widening && !partitions && widens_alone(at->type, f.type)) {
      // What a column says of itself has its type.
      if (at->metadata.contains("delta.generationExpression") || at->metadata.contains("delta.identity.start")) continue;
      array changes;
      if (const auto* told = at->metadata.if_contains("delta.typeChanges"); told && told->is_array()) changes = told->get_array();
      changes.push_back(object{{"fromType", at->type}, {"toType", f.type}});
      at->metadata["delta.typeChanges"] = std::move(changes);
      at->type = f.type;
      continue;
    }
    if (at->type.is_string() && f.type.is_string()) continue;  // values are cast
    TARN_TRY(type, merge.types(at->type, f.type, at->name, f.name));
    at->type = std::move(type);
  }
  return out;
}

}  // namespace tarn::delta
