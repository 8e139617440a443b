// Statements that change the namespace and its rights: views, catalogs, schemas, DROP, GRANT, REVOKE; and USE, which only checks.
#include "base/text.h"
#include "catalog/names.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

std::string spelled(std::string_view wire) {
  std::string out(wire);
  std::ranges::replace(out, '_', ' ');
  return out;
}

Result<catalog::Privilege> privilege(std::string text) {
  std::ranges::replace(text, ' ', '_');
  if (text == "CREATE") text = "CREATE_SCHEMA";
  if (text == "USAGE") text = "USE_SCHEMA";
  if (auto p = json::enum_of<catalog::Privilege>(text)) return *p;
  return refuse(Errc::invalid, "[PARSE_SYNTAX_ERROR] '" + spelled(text) + "' is not a privilege. SQLSTATE: 42601");
}

/// A view's column may have a type that no table holds: an interval, a time of day.
Result<catalog::ColumnInfo> view_column(const std::string& name, const std::string& type, int position, std::optional<std::string> comment) {
  if (!type.starts_with("interval") && !type.starts_with("time("))
    return column_info(name, type == "void" ? "string" : type, position, true, std::move(comment));
  TARN_TRY(info, column_info(name, "string", position, true, std::move(comment)));
  info.type_text = type;
  info.type_name = type.starts_with("interval") ? "INTERVAL" : "TIME";
  json::object metadata;
  info.type_json = boost::json::serialize(json::object{{"name", name}, {"type", type}, {"nullable", true}, {"metadata", metadata}});
  return info;
}

}  // namespace

Result<std::vector<catalog::ColumnInfo>> Executor::view_columns(const Call& c, const Compiled& query, const std::string& shown) {
  const auto& a = c.analysis;
  TARN_TRY(found, engine_.describe(engine::Scope{.directories = query.directories}, query.sql, c.session.cancel));
  if (!a.columns.empty() && a.columns.size() != found.size())
    return refuse(
        Errc::invalid,
        fmt::format(
            "[CREATE_VIEW_COLUMN_ARITY_MISMATCH.{}] Cannot create view {}, the reason is {} data columns: {} named, {} in the query. SQLSTATE: 21S01",
            a.columns.size() > found.size() ? "NOT_ENOUGH_DATA_COLUMNS" : "TOO_MANY_DATA_COLUMNS", shown,
            a.columns.size() > found.size() ? "not enough" : "too many", a.columns.size(), found.size()));
  std::vector<catalog::ColumnInfo> out;
  std::set<std::string> seen;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto& called = a.columns.empty() ? query.columns.at(i) : a.columns[i].name;
    if (!seen.insert(lower(called)).second)
      return refuse(Errc::invalid, "[COLUMN_ALREADY_EXISTS] The column " + backticked(std::string_view(called)) +
                                       " already exists. Choose another name or rename the existing column. SQLSTATE: 42711");
    auto comment = a.columns.empty() ? std::nullopt : a.columns[i].comment;
    // A column of a table brings its comment along.
    if (const auto origin = !comment && i < query.origins.size() ? query.origins[i] : std::nullopt)
      if (const auto parts = catalog::split_name(origin->first, 3, "table"))
        if (const auto table = catalog_.table(c.session.ctx, {(*parts)[0], (*parts)[1], (*parts)[2]}))
          for (const auto& column : table->columns)
            if (column.name == origin->second) comment = column.comment;
    TARN_TRY(info,
             view_column(called, query.declared.at(i).empty() ? query.types.at(i) : query.declared[i], static_cast<int>(i), std::move(comment)));
    out.push_back(std::move(info));
  }
  return out;
}

Result<Done> Executor::create_view(const Call& c) {
  const auto& a = c.analysis;
  if (!a.parameters.empty() || a.positional)
    return refuse(Errc::invalid,
                  "[UNSUPPORTED_FEATURE.PARAMETER_MARKER_IN_UNEXPECTED_STATEMENT] Parameter markers are not allowed in the query of CREATE VIEW. "
                  "SQLSTATE: 0A000");
  // ALTER VIEW … AS: another query under the view's name, comment and properties.
  const bool alters = a.options.contains("alter");
  if (a.temporary || (alters && a.target.size() == 1 && c.session.state && c.session.state->view(lower(a.target[0]))))
    return create_temporary_view(c);
  TARN_TRY(name, resolver_.qualify(c.session, a.target));
  auto existing = catalog_.table(c.session.ctx, name);
  if (existing && a.if_not_exists) return deliver(c, {}, {});
  if (alters && !existing) return fail(Resolver::table_error(existing.error(), name));
  if (alters && existing->table_type != catalog::TableType::VIEW)
    return refuse(Errc::invalid, "[EXPECT_VIEW_NOT_TABLE.USE_ALTER_TABLE] 'ALTER VIEW ... AS' expects a view but " +
                                     backticked({name.catalog, name.schema, name.table}) + " is a table. SQLSTATE: 42809");
  // Compiled under the maker's rights: nobody makes a view over what he may not read. The body alone must also stand by itself.
  TARN_TRY(body, parser_.analyze(a.query_text));
  if (body->kind != StatementKind::query) return refuse(Errc::parse, "[PARSE_SYNTAX_ERROR] A view needs a query. SQLSTATE: 42601");
  const auto refers = [&](const char* type) {
    return refuse(Errc::invalid, "[INVALID_TEMP_OBJ_REFERENCE] Cannot create the persistent object " +
                                     backticked({name.catalog, name.schema, name.table}) +
                                     " of the type VIEW because it references to a temporary object of the type " + type + ". SQLSTATE: 42K0F");
  };
  TARN_CHECK(lasting_only(c.session, backticked({name.catalog, name.schema, name.table}), "VIEW", *body));
  Session lasting = c.session;  // without what ends with the session
  lasting.state = nullptr;
  auto compiled = resolver_.compile(lasting, a.query_text, *body);
  if (!compiled && compiled.error().code == Errc::unresolved && c.session.state && resolver_.compile(c.session, a.query_text, *body))
    return refers("VARIABLE");
  TARN_TRY(query, std::move(compiled));
  c.guarded = query.guarded;
  if (std::ranges::find(query.views, name.full()) != query.views.end())
    return refuse(Errc::invalid,
                  "[RECURSIVE_VIEW] Recursive view " + backticked({name.catalog, name.schema, name.table}) + " detected. SQLSTATE: 42K0H");
  TARN_TRY(columns, view_columns(c, query, backticked({name.catalog, name.schema, name.table})));
  catalog::NewTable wanted{.name = name, .type = catalog::TableType::VIEW};
  std::vector<std::string> names;
  std::vector<std::optional<std::size_t>> sources;
  for (const auto& column : columns) {
    sources.emplace_back(names.size());
    names.push_back(column.name);
  }
  wanted.columns = std::move(columns);
  wanted.view_definition = a.query_text;
  wanted.comment = alters ? existing->comment : a.comment;
  wanted.properties = alters ? existing->properties : a.properties;
  std::string before_mode = "COMPENSATION";
  if (const auto i = wanted.properties.find("view.schemaMode"); alters && i != wanted.properties.end()) before_mode = i->second;
  std::erase_if(wanted.properties, [](const auto& p) { return p.first.starts_with("view."); });
  // Spark's own names for the defaults that the body was written under.
  if (!c.session.catalog.empty()) {
    wanted.properties["view.catalogAndNamespace.numParts"] = "2";
    wanted.properties["view.catalogAndNamespace.part.0"] = c.session.catalog;
    wanted.properties["view.catalogAndNamespace.part.1"] = c.session.schema;
  }
  // And for what its columns are of the query's, and for what becomes of them when those change (view_schemas.cc).
  auto mode = alters ? before_mode : a.options.contains("schema_mode") ? a.options.at("schema_mode") : std::string("COMPENSATION");
  if (mode == "EVOLUTION" && !a.columns.empty()) mode = "TYPE EVOLUTION";
  wanted.properties["view.schemaMode"] = mode;
  wanted.properties["view.query.out.numCols"] = std::to_string(query.columns.size());
  for (std::size_t i = 0; i < query.columns.size(); ++i) wanted.properties[fmt::format("view.query.out.col.{}", i)] = query.columns[i];
  auto planned = catalog_.plan_table(c.session.ctx, wanted);
  if (!planned) return fail(Resolver::catalog_error(planned.error()));
  auto made = catalog_.create_table(c.session.ctx, wanted, *planned, a.or_replace);
  if (!made) {
    if (made.error().code == catalog::Errc::already_exists)
      return refuse(Errc::already_exists, "[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot create table or view " +
                                              backticked({name.catalog, name.schema, name.table}) +
                                              " because it already exists. Choose a different name, drop or replace the existing object, or add the "
                                              "IF NOT EXISTS clause to tolerate pre-existing objects. SQLSTATE: 42P07");
    return fail(Resolver::catalog_error(made.error()));
  }
  record(c.session, query, name, names, sources);
  return deliver(c, {}, {});
}

Result<Done> Executor::create_namespace(const Call& c) {
  const auto& a = c.analysis;
  if (!a.properties.empty()) {
    TARN_CHECK(securables_.run(c.session, a));
    return deliver(c, {}, {});
  }
  catalog::Result<void> made;
  if (a.kind == StatementKind::create_catalog) {
    made = catalog_.create_catalog(c.session.ctx, a.target.at(0), a.comment, a.location, a.if_not_exists);
  } else {
    TARN_TRY(name, resolver_.qualify_schema(c.session, a.target));
    made = catalog_.create_schema(c.session.ctx, name.first, name.second, a.comment, a.location, a.if_not_exists);
  }
  if (!made) {
    if (made.error().code == catalog::Errc::already_exists && a.kind == StatementKind::create_schema)
      return refuse(Errc::already_exists, "[SCHEMA_ALREADY_EXISTS] Cannot create schema " + backticked(a.target) +
                                              " because it already exists. Choose a different name, drop the existing schema, or add the IF NOT "
                                              "EXISTS clause to tolerate pre-existing schema. SQLSTATE: 42P06");
    return fail(Resolver::catalog_error(made.error()));
  }
  return deliver(c, {}, {});
}

Result<Done> Executor::drop(const Call& c) {
  const auto& a = c.analysis;
  catalog::Result<void> gone;
  catalog::TableName table;
  if (a.kind == StatementKind::drop_catalog) {
    gone = catalog_.drop_catalog(c.session.ctx, a.target.at(0), a.cascade, a.if_exists);
  } else if (a.kind == StatementKind::drop_schema) {
    TARN_TRY(name, resolver_.qualify_schema(c.session, a.target));
    gone = catalog_.drop_schema(c.session.ctx, name.first, name.second, a.cascade, a.if_exists);
    if (!gone && gone.error().code == catalog::Errc::not_empty)
      return refuse(Errc::invalid,
                    "[SCHEMA_NOT_EMPTY] Cannot drop a schema " + backticked(a.target) +
                        " because it contains objects. Use DROP SCHEMA ... CASCADE to drop the schema and all its objects. SQLSTATE: 2BP01");
    if (!gone && gone.error().code == catalog::Errc::not_found)
      return refuse(Errc::not_found, "[SCHEMA_NOT_FOUND] The schema " + backticked(a.target) +
                                         " cannot be found. Verify the spelling and correctness of the schema and catalog. SQLSTATE: 42704");
  } else {
    if (a.kind == StatementKind::drop_view && a.target.size() == 1 && c.session.state && c.session.state->drop_view(lower(a.target[0])))
      return deliver(c, {}, {});
    TARN_TRY(name, resolver_.qualify(c.session, a.target));
    table = name;
    gone = catalog_.drop_table(c.session.ctx, name, a.kind == StatementKind::drop_view, a.if_exists);
    if (!gone) return fail(Resolver::table_error(gone.error(), table));
  }
  if (!gone) return fail(Resolver::catalog_error(gone.error()));
  return deliver(c, {}, {});
}

Result<Done> Executor::grants(const Call& c) {
  const auto& a = c.analysis;
  if (Sharing::grants_shares(a)) return securable(c);
  const auto type = json::enum_of<catalog::SecurableType>(a.securable_type);
  if (!type) return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] Grants on " + a.securable_type + " are not supported. SQLSTATE: 0A000");
  std::string full;
  switch (*type) {
    case catalog::SecurableType::SCHEMA: {
      TARN_TRY(name, resolver_.qualify_schema(c.session, a.target));
      full = name.first + "." + name.second;
      break;
    }
    case catalog::SecurableType::TABLE:
    case catalog::SecurableType::VOLUME:
    case catalog::SecurableType::FUNCTION: {
      TARN_TRY(name, resolver_.qualify(c.session, a.target));
      full = name.full();
      break;
    }
    default:
      full = a.target.empty() ? "" : a.target[0];
  }
  if (a.kind == StatementKind::show_grants) {
    auto found = catalog_.grants(c.session.ctx, *type, full, a.principal.empty() ? std::nullopt : std::optional(a.principal));
    if (!found) return fail(Resolver::catalog_error(found.error()));
    Rows rows;
    for (const auto& g : *found)
      rows.push_back({g.principal, spelled(json::name_of(g.privilege)), std::string(json::name_of(g.inherited_from_type.value_or(g.securable_type))),
                      g.inherited_from_name.value_or(g.securable_name)});
    return deliver(c, {{"Principal", "string"}, {"ActionType", "string"}, {"ObjectType", "string"}, {"ObjectKey", "string"}}, rows);
  }
  std::vector<catalog::Privilege> held;
  for (const auto& p : a.privileges) {
    TARN_TRY(one, privilege(p));
    held.push_back(one);
  }
  auto done = a.kind == StatementKind::grant ? catalog_.grant(c.session.ctx, *type, full, a.principal, held)
                                             : catalog_.revoke(c.session.ctx, *type, full, a.principal, held);
  if (!done) return fail(Resolver::catalog_error(done.error()));
  return deliver(c, {}, {});
}

Result<Done> Executor::use(const Call& c) {
  const auto& a = c.analysis;
  std::string catalog = c.session.catalog, schema;
  if (a.kind == StatementKind::use_catalog) {
    catalog = lower(a.target.at(0));
  } else {
    TARN_TRY(name, resolver_.qualify_schema(c.session, a.target));
    catalog = name.first, schema = name.second;
  }
  auto schemas = catalog_.schemas(c.session.ctx, catalog);
  if (!schemas) return fail(Resolver::catalog_error(schemas.error()));
  if (!schema.empty() && std::ranges::find(*schemas, schema) == schemas->end())
    return refuse(Errc::not_found, "[SCHEMA_NOT_FOUND] The schema " + backticked({catalog, schema}) +
                                       " cannot be found. Verify the spelling and correctness of the schema and catalog. SQLSTATE: 42704");
  if (c.session.state) c.session.state->use({catalog, schema.empty() ? "default" : schema});
  return deliver(c, {}, {});
}

}  // namespace tarn::sql
