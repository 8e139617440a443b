// Tables. GET of one table is the hot path: its encoded answer is kept for each caller until anything in the store changes.
#include "catalog/routes.h"

namespace tarn::catalog {
namespace {

using api::Method;
using api::Request;

struct NewMask {
  std::string function_name;
  std::vector<std::string> using_column_names;
};
BOOST_DESCRIBE_STRUCT(NewMask, (), (function_name, using_column_names))
struct NewColumn {
  std::string name;
  std::optional<std::string> type_text, type_json, type_name, comment;
  std::optional<int> type_precision, type_scale, position, partition_index;
  std::optional<bool> nullable;
  std::optional<NewMask> mask;
};
BOOST_DESCRIBE_STRUCT(NewColumn, (),
                      (name, type_text, type_json, type_name, comment, type_precision, type_scale, position, partition_index, nullable, mask))
struct CreateTable {
  std::string name, catalog_name, schema_name;
  TableType table_type = TableType::EXTERNAL;
  std::string data_source_format;
  std::vector<NewColumn> columns;
  std::optional<std::string> storage_location, comment;
  std::map<std::string, std::string> properties;
};
BOOST_DESCRIBE_STRUCT(CreateTable, (),
                      (name, catalog_name, schema_name, table_type, data_source_format, columns, storage_location, comment, properties))
struct UpdateTable {
  std::optional<std::string> owner;
};
BOOST_DESCRIBE_STRUCT(UpdateTable, (), (owner))

bool known_type(std::string_view name) {
  static const std::set<std::string, std::less<>> all{
      "BOOLEAN",    "BYTE",    "SHORT",    "INT",      "LONG",  "FLOAT",  "DOUBLE", "DATE", "TIMESTAMP", "TIMESTAMP_NTZ",
      "STRING",     "BINARY",  "DECIMAL",  "INTERVAL", "ARRAY", "STRUCT", "MAP",    "CHAR", "NULL",      "USER_DEFINED_TYPE",
      "TABLE_TYPE", "VARIANT", "GEOMETRY", "GEOGRAPHY"};
  return all.contains(name);
}

Expected<NewTable, api::WireError> table_of(const CreateTable& b) {
  if (b.data_source_format != "DELTA") return fail(api::bad_request("Field 'data_source_format' must be DELTA, got '" + b.data_source_format + "'"));
  NewTable out{.name = {b.catalog_name, b.schema_name, b.name},
               .type = b.table_type,
               .storage_location = b.storage_location,
               .comment = b.comment,
               .properties = b.properties};
  for (std::size_t i = 0; i < b.columns.size(); ++i) {
    const auto& c = b.columns[i];
    const std::string field = "Field 'columns[" + std::to_string(i) + "].";
    if (!c.type_text || c.type_text->empty()) return fail(api::bad_request(field + "type_text' is required"));
    if (!c.type_name || !known_type(*c.type_name))
      return fail(api::bad_request(field + "type_name' is not a type: '" + c.type_name.value_or("") + "'"));
    out.columns.push_back({.name = c.name,
                           .type_text = *c.type_text,
                           .type_json = c.type_json.value_or(""),
                           .type_name = *c.type_name,
                           .type_precision = c.type_precision,
                           .type_scale = c.type_scale,
                           .position = c.position.value_or(static_cast<int>(i)),
                           .comment = c.comment,
                           .nullable = c.nullable.value_or(true),
                           .partition_index = c.partition_index});
    if (c.mask) out.masks[c.name] = {.function_name = c.mask->function_name, .using_column_names = c.mask->using_column_names};
  }
  return out;
}

/// A table as the wire shows it: functions by their names alone.
json::value encoded(const TableInfo& t) {
  json::value v = json::encode(t);
  auto& o = v.as_object();
  if (t.row_filter) o["row_filter"].as_object().erase("function_id");
  for (std::size_t i = 0; i < t.columns.size(); ++i)
    if (t.columns[i].mask) o["columns"].as_array()[i].as_object()["mask"].as_object().erase("function_id");
  return v;
}

api::Handler get_table(UnityCatalog& uc) {
  auto bodies = std::make_shared<GenerationCache<std::shared_ptr<const std::string>>>();
  return [&uc, bodies](const Request& r) -> api::Result {
    TARN_TRY(browse, flag(r, "include_browse"));
    const std::string name = r.capture("full_name");
    const auto generation = uc.core().store.generation();
    const std::string key = caller_key(r.context) + (browse ? "b" : "-") + name;
    if (const auto body = bodies->get(generation, key)) {
      uc.table_service().note_get(r.context, name);
      return api::Reply{.body = **body};
    }
    const auto table = uc.table_service().get(r.context, name, browse);
    if (!table) return fail(wire(table.error()));
    auto body = std::make_shared<const std::string>(boost::json::serialize(encoded(*table)));
    bodies->put(generation, key, body);
    return api::Reply{.body = *body};
  };
}

}  // namespace

void add_table_routes(std::vector<api::Route>& out, UnityCatalog& uc) {
  auto& t = uc.table_service();
  auto hot = uc_row(Method::GET, "/tables/{full_name}", "tables", get_table(uc));
  hot.inline_ok = true;
  out.push_back(std::move(hot));
  out.push_back(uc_row(Method::POST, "/tables", "tables", [&t](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<CreateTable>(r));
    TARN_TRY(table, table_of(body));
    const auto made = t.register_external(r.context, table);
    if (!made) return fail(wire(made.error()));
    return api::ok(encoded(*made));
  }));
  out.push_back(uc_row(Method::GET, "/tables", "tables", [&t](const Request& r) -> api::Result {
    TARN_TRY(catalog, required(r, "catalog_name"));
    TARN_TRY(schema, required(r, "schema_name"));
    const std::string listing = "tables " + catalog + "." + schema;
    TARN_TRY(page, page_request(r, listing, 50));
    TARN_TRY(browse, flag(r, "include_browse"));
    TARN_TRY(omit_columns, flag(r, "omit_columns"));
    TARN_TRY(omit_properties, flag(r, "omit_properties"));
    TARN_TRY(omit_username, flag(r, "omit_username"));
    const auto found = t.list(r.context, catalog, schema, page, browse);
    if (!found) return fail(wire(found.error()));
    json::array tables;
    for (const auto& one : found->items) {
      json::value v = encoded(one);
      auto& o = v.as_object();
      if (omit_columns) o.erase("columns");
      if (omit_properties) o.erase("properties");
      if (omit_username)
        for (const char* field : {"owner", "created_by", "updated_by"}) o.erase(field);
      tables.push_back(std::move(v));
    }
    json::object body;
    if (!tables.empty()) body["tables"] = std::move(tables);
    if (!found->next.empty()) body["next_page_token"] = api::page_token(listing, found->next);
    return api::ok(json::value(std::move(body)));
  }));
  out.push_back(uc_row(Method::GET, "/table-summaries", "tables", [&t](const Request& r) -> api::Result {
    TARN_TRY(catalog, required(r, "catalog_name"));
    const std::string schemas = text(r, "schema_name_pattern"), names = text(r, "table_name_pattern"),
                      listing = "summaries " + catalog + " " + schemas + " " + names;
    TARN_TRY(page, page_request(r, listing, 10000));
    if (page.limit == 0) page.limit = 10000;
    return paged("tables", listing, t.summaries(r.context, catalog, schemas, names, page));
  }));
  out.push_back(uc_row(Method::GET, "/tables/{full_name}/exists", "tables", [&t](const Request& r) -> api::Result {
    const auto there = t.exists(r.context, r.capture("full_name"));
    if (!there) return fail(wire(there.error()));
    return api::ok(json::value(json::object{{"table_exists", *there}}));
  }));
  out.push_back(uc_row(Method::PATCH, "/tables/{full_name}", "tables", [&t](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<UpdateTable>(r));
    if (!body.owner || body.owner->empty()) return fail(api::bad_request("Field 'owner' is required"));
    return answer(t.set_owner(r.context, r.capture("full_name"), *body.owner));
  }));
  out.push_back(uc_row(Method::DELETE, "/tables/{full_name}", "tables",
                       [&t](const Request& r) { return answer(t.remove(r.context, r.capture("full_name"), std::nullopt, false)); }));
}

}  // namespace tarn::catalog
