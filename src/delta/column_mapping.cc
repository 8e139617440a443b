#include "delta/column_mapping.h"

#include <charconv>

#include "base/ids.h"
#include "delta/data_files.h"
#include "delta/protocol.h"

namespace tarn::delta {
namespace {

using json::object;
using json::value;

constexpr const char* kPhysical = "delta.columnMapping.physicalName";
constexpr const char* kId = "delta.columnMapping.id";
constexpr const char* kMaxId = "delta.columnMapping.maxColumnId";

std::string_view kind_of_type(const value& type) {
  const auto* o = type.if_object();
  const auto* kind = o ? o->if_contains("type") : nullptr;
  return kind && kind->is_string() ? std::string_view(kind->get_string()) : std::string_view();
}

const object* metadata_of(const object& field) {
  const auto* m = field.if_contains("metadata");
  return m ? m->if_object() : nullptr;
}

std::string called_in_files(const object* metadata, std::string_view name) {
  const auto* p = metadata ? metadata->if_contains(kPhysical) : nullptr;
  return p && p->is_string() ? std::string(p->get_string()) : std::string(name);
}

std::optional<std::int64_t> id_in(const object* metadata) {
  const auto* p = metadata ? metadata->if_contains(kId) : nullptr;
  return p && p->is_int64() ? std::optional(p->get_int64()) : std::nullopt;
}

bool maps_within(const value& type) {
  const auto* o = type.if_object();
  if (!o) return false;
  for (const char* part : {"elementType", "keyType", "valueType"})
    if (const auto* inner = o->if_contains(part); inner && maps_within(*inner)) return true;
  if (const auto* fields = o->if_contains("fields"); fields && fields->is_array())
    for (const auto& f : fields->get_array()) {
      const auto& field = f.get_object();
      const std::string_view name = field.at("name").get_string();
      if (called_in_files(metadata_of(field), name) != name || maps_within(field.at("type"))) return true;
    }
  return false;
}

/// The largest id within a type.
std::int64_t largest(const value& type) {
  std::int64_t out = 0;
  const auto* o = type.if_object();
  if (!o) return out;
  for (const char* part : {"elementType", "keyType", "valueType"})
    if (const auto* inner = o->if_contains(part)) out = std::max(out, largest(*inner));
  if (const auto* fields = o->if_contains("fields"); fields && fields->is_array())
    for (const auto& f : fields->get_array()) {
      const auto& field = f.get_object();
      out = std::max({out, id_in(metadata_of(field)).value_or(0), largest(field.at("type"))});
    }
  return out;
}

void assign_one(object& metadata, std::string_view name, bool keep_names, std::int64_t& last) {
  if (!id_in(&metadata)) metadata[kId] = ++last;
  if (!metadata.contains(kPhysical)) metadata[kPhysical] = keep_names ? std::string(name) : "col-" + new_uuid();
}

void assign_within(value& type, bool keep_names, std::int64_t& last) {
  auto* o = type.if_object();
  if (!o) return;
  for (const char* part : {"elementType", "keyType", "valueType"})
    if (auto* inner = o->if_contains(part)) assign_within(*inner, keep_names, last);
  if (auto* fields = o->if_contains("fields"); fields && fields->is_array())
    for (auto& f : fields->get_array()) {
      auto& field = f.get_object();
      if (!field.contains("metadata") || !field.at("metadata").is_object()) field["metadata"] = object{};
      const std::string name(field.at("name").get_string());
      assign_one(field.at("metadata").get_object(), name, keep_names, last);
      assign_within(field.at("type"), keep_names, last);
    }
}

/// One shape into the other; `depth` keeps the names of nested lambdas apart.
std::string reshaped(const value& type, const std::string& v, bool logical, int depth) {
  if (!maps_within(type)) return v;
  const auto& o = type.get_object();
  const auto kind = kind_of_type(type);
  const std::string x = fmt::format("x{}_", depth);
  if (kind == "array") return fmt::format("list_transform({}, lambda {}: {})", v, x, reshaped(o.at("elementType"), x, logical, depth + 1));
  if (kind == "map")
    return fmt::format("map_from_entries(list_transform(map_entries({}), lambda {}: struct_pack(key := {}, value := {})))", v, x,
                       reshaped(o.at("keyType"), x + ".key", logical, depth + 1), reshaped(o.at("valueType"), x + ".value", logical, depth + 1));
  std::string list;
  for (const auto& f : o.at("fields").get_array()) {
    const auto& field = f.get_object();
    const std::string name(field.at("name").get_string()), physical = called_in_files(metadata_of(field), name);
    list += (list.empty() ? "" : ", ") + sql_identifier(logical ? name : physical) +
            " := " + reshaped(field.at("type"), "(" + v + ")." + sql_identifier(logical ? physical : name), logical, depth + 1);
  }
  return fmt::format("CASE WHEN {} IS NULL THEN NULL ELSE struct_pack({}) END", v, list);
}

/// The value that FIELD_IDS has for a column of this type.
std::string ids_of(const value& type, std::optional<std::int64_t> id) {
  const auto kind = kind_of_type(type);
  std::string inner;
  const auto add = [&](std::string_view name, const std::string& text) {
    if (!text.empty()) inner += (inner.empty() ? "" : ", ") + sql_string(name) + ": " + text;
  };
  if (kind == "array") add("element", ids_of(type.at("elementType"), std::nullopt));
  if (kind == "map") add("key", ids_of(type.at("keyType"), std::nullopt)), add("value", ids_of(type.at("valueType"), std::nullopt));
  if (kind == "struct")
    for (const auto& f : type.at("fields").get_array()) {
      const auto& field = f.get_object();
      add(called_in_files(metadata_of(field), std::string_view(field.at("name").get_string())), ids_of(field.at("type"), id_in(metadata_of(field))));
    }
  if (inner.empty()) return id ? std::to_string(*id) : std::string();
  return "{" + (id ? fmt::format("__duckdb_field_id: {}, ", *id) : std::string()) + inner + "}";
}

}  // namespace

MappingMode mapping_mode(const Metadata& m) {
  const auto mode = property(m, "delta.columnMapping.mode");
  return !mode ? MappingMode::none : *mode == "id" ? MappingMode::id : *mode == "name" ? MappingMode::name : MappingMode::none;
}

value physical_type(const value& type) {
  if (!maps_within(type)) return type;
  value out = type;
  auto& o = out.get_object();
  for (const char* part : {"elementType", "keyType", "valueType"})
    if (auto* inner = o.if_contains(part)) *inner = physical_type(value(*inner));
  if (auto* fields = o.if_contains("fields"); fields && fields->is_array())
    for (auto& f : fields->get_array()) {
      auto& field = f.get_object();
      field["name"] = called_in_files(metadata_of(field), std::string_view(field.at("name").get_string()));
      field["type"] = physical_type(value(field.at("type")));
    }
  return out;
}

std::string physical_name(const Field& f) { return called_in_files(&f.metadata, f.name); }
std::optional<std::int64_t> column_id(const Field& f) { return id_in(&f.metadata); }

Metadata physical_metadata(const Metadata& m) {
  if (mapping_mode(m) == MappingMode::none) return m;
  Metadata out = m;
  out.configuration.erase("delta.dataSkippingStatsColumns");  // names as the schema has them
  for (auto& name : out.partition_columns)
    if (const auto* f = m.schema.find(name)) name = physical_name(*f);
  for (auto& f : out.schema.fields) {
    f.name = physical_name(f);
    f.type = physical_type(f.type);
  }
  return out;
}

void assign_columns(Metadata& m, bool keep_names) {
  std::int64_t last = 0;
  if (const auto p = property(m, kMaxId)) std::from_chars(p->data(), p->data() + p->size(), last);
  for (const auto& f : m.schema.fields) last = std::max({last, column_id(f).value_or(0), largest(f.type)});
  for (auto& f : m.schema.fields) {
    assign_one(f.metadata, f.name, keep_names, last);
    assign_within(f.type, keep_names, last);
  }
  m.configuration[kMaxId] = std::to_string(last);
}

std::string to_logical(const value& type, const std::string& v) { return reshaped(type, v, true, 0); }
std::string to_physical(const value& type, const std::string& v) { return reshaped(type, v, false, 0); }

std::string field_ids(const Metadata& m) {
  if (mapping_mode(m) == MappingMode::none) return {};
  std::string out;
  for (const auto& f : m.schema.fields) {
    if (std::find(m.partition_columns.begin(), m.partition_columns.end(), f.name) != m.partition_columns.end() || f.type == "void") continue;
    if (const auto ids = ids_of(f.type, column_id(f)); !ids.empty()) out += (out.empty() ? "" : ", ") + sql_string(physical_name(f)) + ": " + ids;
  }
  return out.empty() ? out : "{" + out + "}";
}

}  // namespace tarn::delta
