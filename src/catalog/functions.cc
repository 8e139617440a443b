#include "catalog/functions.h"

#include "base/ids.h"
#include "base/json_read.h"
#include "catalog/drops.h"
#include "catalog/names.h"

namespace tarn::catalog {
namespace {

constexpr std::array kTypes{"BOOLEAN",    "BYTE",   "SHORT",   "INT",   "LONG",     "FLOAT",  "DOUBLE", "DATE", "TIMESTAMP", "TIMESTAMP_NTZ",
                            "STRING",     "BINARY", "DECIMAL", "ARRAY", "INTERVAL", "STRUCT", "MAP",    "CHAR", "NULL",      "USER_DEFINED_TYPE",
                            "TABLE_TYPE", "VARIANT"};

struct Field {
  const char* name;
  std::vector<std::string_view> values;  // empty: any text
};

/// The fields of FunctionInfo that a caller says, required ones with their values.
const std::vector<Field>& required_fields() {
  static const std::vector<Field> fields{{"full_data_type", {}},
                                         {"routine_body", {"SQL", "EXTERNAL"}},
                                         {"routine_definition", {}},
                                         {"parameter_style", {"S"}},
                                         {"sql_data_access", {"CONTAINS_SQL", "READS_SQL_DATA", "NO_SQL"}},
                                         {"security_type", {"DEFINER"}},
                                         {"specific_name", {}}};
  return fields;
}

Result<void> checked(const json::object& o) {
  for (const auto& f : required_fields()) {
    const auto* v = o.if_contains(f.name);
    const std::string text = json::text_of(v);
    if (!v || !v->is_string()) return fail(invalid(fmt::format("Field 'function_info.{}' is required", f.name)));
    if (!f.values.empty() && std::ranges::find(f.values, text) == f.values.end())
      return fail(invalid(fmt::format("Field 'function_info.{}' must be {}; got '{}'", f.name, fmt::join(f.values, " or "), text)));
  }
  const std::string type = json::text_at(o, "data_type");
  if (std::ranges::find(kTypes, std::string_view(type)) == kTypes.end())
    return fail(invalid(fmt::format("Field 'function_info.data_type' must be one of {}; got '{}'", fmt::join(kTypes, ", "), type)));
  for (const char* flag : {"is_deterministic", "is_null_call"}) {
    const auto* v = o.if_contains(flag);
    if (!v || !v->is_bool()) return fail(invalid(fmt::format("Field 'function_info.{}' must be true or false", flag)));
  }
  return {};
}

std::map<std::string, std::string> named(std::string_view full_name) { return {{"full_name_arg", std::string(full_name)}}; }

/// The wire's name of a SQL type: bigint is LONG, decimal(10,2) DECIMAL.
std::string wire_type(std::string_view sql) {
  const std::string word = folded(sql.substr(0, sql.find_first_of("(< ")));
  static const std::map<std::string, std::string, std::less<>> names{{"tinyint", "BYTE"}, {"smallint", "SHORT"}, {"integer", "INT"},
                                                                     {"bigint", "LONG"},  {"real", "FLOAT"},     {"varchar", "STRING"}};
  if (const auto i = names.find(word); i != names.end()) return i->second;
  std::string out;
  for (const char c : word) out += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

Result<Place> function_at(Result<Place> place, std::string_view full_name) {
  if (place && place->routine->model) return fail(does_not_exist(SecurableType::FUNCTION, full_name));
  return place;
}

}  // namespace

json::value Functions::shown(const Place& place) const {
  const RoutineRecord& r = *place.routine;
  json::object o = r.function.as_object();
  o["name"] = r.name;
  o["catalog_name"] = place.catalog->info.name;
  o["schema_name"] = place.schema->info.name;
  o["full_name"] = place.full_name();
  o["function_id"] = r.id;
  o["owner"] = name_of(core_, r.access.owner);
  o["metastore_id"] = r.metastore_id;
  if (r.comment) o["comment"] = *r.comment;
  o["created_at"] = r.created_at;
  o["created_by"] = r.created_by;
  o["updated_at"] = r.updated_at;
  o["updated_by"] = r.updated_by;
  return o;
}

Result<json::value> Functions::create(const access::Context& ctx, const json::value& info) {
  if (!info.is_object()) return fail(invalid("Field 'function_info' is required"));
  const json::object& asked = info.as_object();
  const std::string catalog = json::text_at(asked, "catalog_name"), schema = json::text_at(asked, "schema_name"), raw = json::text_at(asked, "name");
  const auto name = checked_name(raw, "CreateFunction", "FunctionInfo.name");
  const auto sound = checked(asked);
  auto made = change(
      core_, ctx, "createFunction", {{"name", raw}, {"catalog_name", catalog}, {"schema_name", schema}}, [&](store::WriteTxn& t) -> Result<Place> {
        TARN_TRY(place, locate_for(t, ctx, SecurableType::SCHEMA, catalog + "." + schema, Privilege::CREATE_FUNCTION));
        if (!name) return fail(name.error());
        TARN_CHECK(sound);
        if (place.schema->info.name == kInformationSchema || place.catalog->info.catalog_type == CatalogType::SYSTEM_CATALOG)
          return fail(Error{Errc::unsupported, fmt::format("Schema '{}' is the platform's: nothing can be created in it.", place.full_name())});
        RoutineRecord r{.id = new_uuid(),
                        .name = *name,
                        .catalog_id = place.catalog->info.id,
                        .schema_id = place.schema->info.schema_id,
                        .metastore_id = place.metastore.info.metastore_id};
        if (kRoutines.get(t, r.store_key())) return fail(exists_already(SecurableType::FUNCTION, place.full_name() + "." + *name));
        if (const auto* c = asked.if_contains("comment"); c && c->is_string()) r.comment = std::string(c->as_string());
        json::object own;
        for (const char* f : {"input_params", "return_params", "data_type", "full_data_type", "routine_body", "routine_definition",
                              "routine_dependencies", "parameter_style", "is_deterministic", "sql_data_access", "is_null_call", "security_type",
                              "specific_name", "external_name", "external_language", "sql_path", "properties"})
          if (const auto* v = asked.if_contains(f); v && !v->is_null()) own[f] = *v;
        r.function = std::move(own);
        stamp_new(r, core_, ctx);
        r.access.owner = principal_of(ctx);
        if (!kRoutines.insert(t, r)) throw std::logic_error("a function slipped past its checks");
        place.routine = std::move(r);
        return std::move(place);
      });
  if (!made) return fail(made.error());
  return shown(*made);
}

Result<void> Functions::define(const access::Context& ctx, const NewFunction& f, bool replace) {
  const auto name = checked_name(f.name, "CreateFunction", "FunctionInfo.name");
  return change(
      core_, ctx, "createFunction", {{"name", f.name}, {"catalog_name", f.catalog}, {"schema_name", f.schema}},
      [&](store::WriteTxn& t) -> Result<void> {
        TARN_TRY(place, locate_for(t, ctx, SecurableType::SCHEMA, f.catalog + "." + f.schema, Privilege::CREATE_FUNCTION));
        if (!name) return fail(name.error());
        if (place.schema->info.name == kInformationSchema || place.catalog->info.catalog_type == CatalogType::SYSTEM_CATALOG)
          return fail(Error{Errc::unsupported, fmt::format("Schema '{}' is the platform's: nothing can be created in it.", place.full_name())});
        const std::string called = place.full_name() + "." + *name;
        RoutineRecord r{.id = new_uuid(),
                        .name = *name,
                        .catalog_id = place.catalog->info.id,
                        .schema_id = place.schema->info.schema_id,
                        .metastore_id = place.metastore.info.metastore_id};
        stamp_new(r, core_, ctx);
        r.access.owner = principal_of(ctx);
        if (auto old = kRoutines.get(t, r.store_key())) {
          if (!replace || old->value.model) return fail(exists_already(SecurableType::FUNCTION, called));
          Place there = place;
          there.type = SecurableType::FUNCTION;
          there.routine = old->value;
          TARN_CHECK(allowed(check_manage(there.path(), subject(ctx))));
          r = std::move(old->value);
          stamp_change(r, core_, ctx);
        }
        json::array parameters;
        for (const auto& p : f.parameters) {
          json::object one{{"name", p.name},         {"type_text", p.type},      {"type_name", wire_type(p.type)}, {"position", parameters.size()},
                           {"parameter_mode", "IN"}, {"parameter_type", "PARAM"}};
          if (p.default_value) one["parameter_default"] = *p.default_value;
          parameters.push_back(std::move(one));
        }
        r.comment = f.comment;
        json::array columns;
        std::string row;
        for (const auto& p : f.columns) {
          row += (row.empty() ? "(" : ", ") + p.name + " " + p.type;
          columns.push_back(json::object{{"name", p.name},
                                         {"type_text", p.type},
                                         {"type_name", wire_type(p.type)},
                                         {"position", columns.size()},
                                         {"parameter_mode", "IN"},
                                         {"parameter_type", "COLUMN"}});
        }
        r.function = json::object{{"data_type", f.table ? "TABLE_TYPE" : wire_type(f.returns)},
                                  {"full_data_type", f.table ? row + ")" : f.returns},
                                  {"routine_body", "SQL"},
                                  {"routine_definition", f.body},
                                  {"parameter_style", "S"},
                                  {"is_deterministic", f.deterministic},
                                  {"sql_data_access", f.reads_data ? "READS_SQL_DATA" : "CONTAINS_SQL"},
                                  {"is_null_call", false},
                                  {"security_type", "DEFINER"},
                                  {"specific_name", *name}};
        if (f.table) r.function.as_object()["return_params"] = json::object{{"parameters", std::move(columns)}};
        if (!parameters.empty()) r.function.as_object()["input_params"] = json::object{{"parameters", std::move(parameters)}};
        if (!kRoutines.put(t, r)) throw std::logic_error("a function slipped past its checks");
        return {};
      });
}

Result<FunctionInfo> Functions::executable(const access::Context& ctx, std::string_view full_name) const {
  auto found = core_.store.read_as(
      [&](store::ReadTxn& t) { return function_at(locate_for(t, ctx, SecurableType::FUNCTION, full_name, Privilege::EXECUTE), full_name); });
  if (!found) return fail(found.error());
  const RoutineRecord& r = *found->routine;
  const auto& o = r.function.as_object();
  FunctionInfo out{.full_name = found->full_name(),
                   .catalog_name = found->catalog->info.name,
                   .schema_name = found->schema->info.name,
                   .name = r.name,
                   .function_id = r.id,
                   .owner = name_of(core_, r.access.owner),
                   .returns = json::text_at(o, "full_data_type"),
                   .body = json::text_at(o, "routine_definition")};
  if (json::text_at(o, "routine_body") != "SQL")
    return fail(Error{Errc::unsupported, fmt::format("Function '{}' is not written in SQL: queries cannot run it.", out.full_name)});
  if (const auto* d = o.if_contains("is_deterministic"); d && d->is_bool()) out.deterministic = d->as_bool();
  out.table = json::text_at(o, "data_type") == "TABLE_TYPE";
  out.reads_data = json::text_at(o, "sql_data_access") == "READS_SQL_DATA";
  for (const auto& [field, to] : {std::pair{"input_params", &out.parameters}, std::pair{"return_params", &out.columns}})
    if (const auto* input = o.if_contains(field); input && input->is_object())
      if (const auto* list = input->as_object().if_contains("parameters"); list && list->is_array())
        for (const auto& p : list->as_array()) {
          if (!p.is_object()) continue;
          FunctionInfo::Parameter one{json::text_at(p.as_object(), "name"), json::text_at(p.as_object(), "type_text"), std::nullopt};
          if (const auto* d = p.as_object().if_contains("parameter_default"); d && d->is_string()) one.default_value = std::string(d->as_string());
          to->push_back(std::move(one));
        }
  out.comment = r.comment;
  return out;
}

Result<json::value> Functions::get(const access::Context& ctx, std::string_view full_name, bool browse) {
  bool only = false;
  auto found = look(core_, ctx, "getFunction", named(full_name), [&](store::ReadTxn& t) -> Result<Place> {
    TARN_TRY(place, function_at(locate_to_see(t, ctx, SecurableType::FUNCTION, full_name, browse), full_name));
    only = browse && browse_only(place.path(), subject(ctx));
    return std::move(place);
  });
  if (!found) return fail(found.error());
  auto out = shown(*found);
  if (only) {
    out.as_object()["browse_only"] = true;
    out.as_object().erase("routine_definition");
  }
  return out;
}

Result<Page<json::value>> Functions::list(const access::Context& ctx, std::string_view catalog, std::string_view schema, const PageRequest& request,
                                          bool browse) {
  std::vector<Place> seen;
  auto found = look(core_, ctx, "listFunctions", {{"catalog_name", std::string(catalog)}, {"schema_name", std::string(schema)}},
                    [&](store::ReadTxn& t) -> Result<Page<std::string>> {
                      TARN_TRY(place, locate_to_see(t, ctx, SecurableType::SCHEMA, std::string(catalog) + "." + std::string(schema), browse));
                      place.type = SecurableType::FUNCTION;
                      return page_of<RoutineRecord, std::string>(t, kRoutines, store::prefix({place.schema->info.schema_id}), request,
                                                                 [&](const RoutineRecord& r) -> std::optional<std::string> {
                                                                   if (r.model) return std::nullopt;
                                                                   place.routine = r;
                                                                   if (check_see(place.path(), subject(ctx), browse)) return std::nullopt;
                                                                   seen.push_back(place);
                                                                   return r.id;
                                                                 });
                    });
  if (!found) return fail(found.error());
  Page<json::value> out{.next = found->next};
  for (const auto& place : seen) out.items.push_back(shown(place));
  return out;
}

Result<json::value> Functions::set_owner(const access::Context& ctx, std::string_view full_name, const std::optional<std::string>& name) {
  const auto [owner, unused, problem] = check_change(core_, name, std::nullopt, "UpdateFunction", "FunctionInfo.name");
  auto changed = change(core_, ctx, "updateFunction", named(full_name), [&](store::WriteTxn& t) -> Result<Place> {
    TARN_TRY(place, function_at(locate_to_manage(t, ctx, SecurableType::FUNCTION, full_name), full_name));
    if (problem) return fail(*problem);
    if (!owner) return fail(invalid("Field 'owner' is required: nothing else of a function can be changed"));
    place.routine->access.owner = *owner;
    stamp_change(*place.routine, core_, ctx);
    save(t, place);
    return std::move(place);
  });
  if (!changed) return fail(changed.error());
  return shown(*changed);
}

Result<void> Functions::remove(const access::Context& ctx, std::string_view full_name) {
  return change(core_, ctx, "deleteFunction", named(full_name), [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(place, function_at(locate_to_manage(t, ctx, SecurableType::FUNCTION, full_name), full_name));
    drop_routine(t, core_, *place.routine);
    return {};
  });
}

}  // namespace tarn::catalog
