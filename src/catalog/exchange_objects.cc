// What a share lists: tables, views, schemas, volumes, models and functions, under which names, of which partitions, with or without their history.
// What no sharing server could keep later is refused when it is said.
#include <algorithm>
#include <set>

#include "base/json_read.h"
#include "catalog/exchange_service.h"
#include "catalog/names.h"

namespace tarn::catalog {
namespace {

json::array objects_of(const ExchangeRecord& share) {
  const auto* v = share.body.is_object() ? share.body.as_object().if_contains("objects") : nullptr;
  return v && v->is_array() ? v->as_array() : json::array{};
}

/// Nobody shares what they may not read themselves.
Result<Place> readable(store::ReadTxn& t, const access::Context& ctx, const std::string& field, const std::string& type, const std::string& name) {
  if (type == "SCHEMA") return locate_for(t, ctx, SecurableType::SCHEMA, name, Privilege::SELECT);
  if (type == "VOLUME") return locate_for(t, ctx, SecurableType::VOLUME, name, Privilege::READ_VOLUME);
  if (type == "MODEL" || type == "FUNCTION") {
    TARN_TRY(place, locate_for(t, ctx, SecurableType::FUNCTION, name, Privilege::EXECUTE));
    if (place.routine->model.has_value() != (type == "MODEL"))
      return fail(
          invalid(fmt::format("Field '{0}.data_object_type' must be {1}: '{2}' is a {1}", field, type == "MODEL" ? "FUNCTION" : "MODEL", name)));
    return std::move(place);
  }
  if (type != "TABLE" && type != "VIEW")
    return fail(invalid(fmt::format("Field '{}.data_object_type' must be TABLE, VIEW, SCHEMA, VOLUME, MODEL or FUNCTION; got '{}'", field, type)));
  TARN_TRY(place, locate_for(t, ctx, SecurableType::TABLE, name, Privilege::SELECT));
  const bool view = place.table->info.table_type == TableType::VIEW;
  if (view != (type == "VIEW"))
    return fail(
        invalid(fmt::format("Field '{}.data_object_type' must be {}: '{}' is a {}", field, view ? "VIEW" : "TABLE", name, view ? "view" : "table")));
  return std::move(place);
}

/// [{values: [{name, op: EQUAL|LIKE, value | recipient_property_key}]}] over columns that the table is partitioned by.
Result<void> check_partitions(const TableInfo& table, const std::string& field, const json::value& partitions) {
  if (!partitions.is_array()) return fail(invalid(fmt::format("Field '{}.partitions' must be an array", field)));
  for (const auto& partition : partitions.as_array()) {
    const auto* values = json::find(partition, {"values"});
    if (!values || !values->is_array() || values->as_array().empty())
      return fail(invalid(fmt::format("Field '{}.partitions.values' is required", field)));
    std::set<std::string> seen;
    for (const auto& v : values->as_array()) {
      const std::string name = json::text_at(v, {"name"}), op = json::text_at(v, {"op"});
      const auto own = std::ranges::find_if(table.columns, [&](const ColumnInfo& c) { return folded(c.name) == folded(name); });
      if (own == table.columns.end() || !own->partition_index)
        return fail(invalid(fmt::format("'{}' is not a partition column of '{}'", name, table.full_name)));
      if (!seen.insert(folded(name)).second)
        return fail(invalid(fmt::format("Field '{}.partitions' names the column '{}' twice in one partition", field, name)));
      if (op != "EQUAL" && op != "LIKE")
        return fail(invalid(fmt::format("Field '{}.partitions.values.op' must be EQUAL or LIKE, got '{}'", field, op)));
      const auto *value = json::find(v, {"value"}), *key = json::find(v, {"recipient_property_key"});
      if ((value && value->is_string()) == (key && key->is_string()))
        return fail(
            invalid(fmt::format("Field '{}.partitions.values' of column '{}' needs either a value or a recipient_property_key", field, name)));
    }
  }
  return {};
}

bool table_like(const std::string& type) { return type == "TABLE" || type == "VIEW"; }

/// The name that recipients know it by; tables and views share theirs.
std::string known_as(const json::value& object) {
  const std::string type = json::text_at(object, {"data_object_type"});
  std::string as = json::text_at(object, {"shared_as"});
  if (as.empty()) as = json::text_at(object, {"string_shared_as"});
  if (as.empty())
    if (const auto name = json::text_at(object, {"name"}); name.find('.') != name.npos) as = name.substr(name.find('.') + 1);
  return (table_like(type) ? "TABLE" : type) + ":" + folded(as);
}

Result<void> check_names(const json::object& object, const std::string& field) {
  const std::string type = json::text_at(object, "data_object_type");
  const auto* as = object.if_contains(table_like(type) ? "shared_as" : "string_shared_as");
  if (!as || as->is_null() || type == "SCHEMA") return {};
  const std::string name = json::text_of(as);
  if (!split_name(name, 2, "name"))
    return fail(
        invalid(fmt::format("Field '{}.{}' must be SCHEMA.NAME, got '{}'", field, table_like(type) ? "shared_as" : "string_shared_as", name)));
  return {};
}

Result<void> check_clauses(const json::object& object, const Place& place, const std::string& field) {
  const std::string type = json::text_at(object, "data_object_type");
  if (const auto* p = object.if_contains("partitions"); p && !p->is_null() && !(p->is_array() && p->as_array().empty())) {
    if (type != "TABLE") return fail(invalid(fmt::format("Field '{}.partitions' is for a TABLE, '{}' is a {}", field, place.full_name(), type)));
    TableInfo named = place.table->info;
    named.full_name = place.full_name();
    TARN_CHECK(check_partitions(named, field, *p));
  }
  if (const auto* h = object.if_contains("history_data_sharing_status"); h && !h->is_null())
    if (const auto text = json::text_of(h); text != "ENABLED" && text != "DISABLED")
      return fail(invalid(fmt::format("Field '{}.history_data_sharing_status' must be ENABLED or DISABLED, got '{}'", field, text)));
  return check_names(object, field);
}

}  // namespace

Result<void> Exchange::apply_updates(store::WriteTxn& t, const access::Context& ctx, ExchangeRecord& share, const json::value& updates) const {
  if (!updates.is_array()) return fail(invalid("Field 'updates' must be an array"));
  json::array objects = objects_of(share);
  for (std::size_t i = 0; i < updates.as_array().size(); ++i) {
    const json::value& u = updates.as_array()[i];
    const std::string action = json::text_at(u, {"action"}), name = folded(json::text_at(u, {"data_object", "name"}));
    const std::string field = fmt::format("updates[{}].data_object", i);
    std::string type = json::text_at(u, {"data_object", "data_object_type"});
    if (type.empty()) type = "TABLE";
    if (name.empty()) return fail(invalid(fmt::format("Field '{}.name' is required", field)));
    if (action != "ADD" && action != "REMOVE" && action != "UPDATE")
      return fail(invalid(fmt::format("Field 'updates[{}].action' must be ADD, REMOVE or UPDATE; got '{}'", i, action)));
    const auto there = std::ranges::find_if(objects, [&](const json::value& o) { return json::text_at(o, {"name"}) == name; });
    if (action != "ADD" && there == objects.end()) return fail(invalid(fmt::format("'{}' is not in share '{}'", name, share.name)));
    if (action == "REMOVE") {
      objects.erase(there);
      continue;
    }
    if (action == "ADD" && there != objects.end())
      return fail(Error{{Errc::already_exists, fmt::format("'{}' is already in share '{}'", name, share.name)}, {}});
    TARN_TRY(place, readable(t, ctx, field, type, name));
    json::object o = u.as_object().at("data_object").as_object();
    o["name"] = name;
    o["data_object_type"] = type;
    TARN_CHECK(check_clauses(o, place, field));
    o["status"] = "ACTIVE";
    o["added_at"] = action == "ADD" ? json::value(core_.clock.now()) : there->as_object().at("added_at");
    o["added_by"] = action == "ADD" ? json::value(ctx.caller.name) : there->as_object().at("added_by");
    if (!o.contains("shared_as") && !o.contains("string_shared_as") && type != "VOLUME" && type != "MODEL")
      o["shared_as"] = name.substr(name.find('.') + 1);
    for (auto other = objects.begin(); other != objects.end(); ++other)
      if (other != there && known_as(*other) == known_as(o))
        return fail(Error{{Errc::already_exists,
                           fmt::format("'{}' cannot be shared under the name of '{}', which is in share '{}' already: give it a name of its own",
                                       name, json::text_at(*other, {"name"}), share.name)},
                          {}});
    if (action == "ADD")
      objects.push_back(std::move(o));
    else
      *there = std::move(o);
  }
  share.body.as_object()["objects"] = std::move(objects);
  return {};
}

}  // namespace tarn::catalog
