// ALTER and COMMENT ON: what a securable is called, whose it is, what is said about it, and a table's columns and properties. What the table's own
// log keeps too (columns, delta.* properties) is committed there first; the catalog follows the log.
#include "delta/declared_types.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

bool same(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, {}, [](unsigned char c) { return std::tolower(c); }, [](unsigned char c) { return std::tolower(c); });
}

Error reserved(const std::string& key) {
  return {Errc::invalid, "[UNSUPPORTED_FEATURE.SET_TABLE_PROPERTY] The feature is not supported: " + key +
                             " is a reserved table property: it is set by CREATE VIEW and ALTER VIEW alone. SQLSTATE: 0A000"};
}

}  // namespace

Result<void> Resolver::follow_log(const Session& session, const catalog::TableInfo& info, const OpenTable& table) {
  const auto& schema = table.snapshot->metadata.schema.fields;
  const auto& partitions = table.snapshot->metadata.partition_columns;
  bool agrees = schema.size() == info.columns.size();
  for (std::size_t i = 0; agrees && i < schema.size(); ++i)
    agrees = schema[i].name == info.columns[i].name && delta::declared_type(schema[i]) == info.columns[i].type_text &&
             schema[i].nullable == info.columns[i].nullable;
  if (agrees) return {};
  std::vector<catalog::ColumnInfo> columns;
  for (std::size_t i = 0; i < schema.size(); ++i) {
    std::optional<std::string> comment;
    if (const auto at = schema[i].metadata.find("comment"); at != schema[i].metadata.end() && at->value().is_string())
      comment = at->value().as_string();
    TARN_TRY(column, column_info(schema[i].name, delta::declared_type(schema[i]), static_cast<int>(i), schema[i].nullable, comment));
    for (std::size_t p = 0; p < partitions.size(); ++p)
      if (partitions[p] == column.name) column.partition_index = static_cast<int>(p);
    columns.push_back(std::move(column));
  }
  if (auto done = catalog_.follow_log(session.ctx, {info.catalog_name, info.schema_name, info.name}, info.table_id, columns); !done)
    return fail(catalog_error(done.error()));
  return {};
}

Result<Done> Executor::alter(const Call& c) {
  const auto& a = c.analysis;
  const auto& ctx = c.session.ctx;
  const std::string action = a.options.contains("action") ? a.options.at("action") : "";
  if (action == "set_tags" || action == "unset_tags") return tag(c);
  if (Securables::takes(a)) return securable(c);
  if (a.securable_type == "CATALOG" || a.securable_type == "SCHEMA") {
    const auto type = a.securable_type == "CATALOG" ? catalog::SecurableType::CATALOG : catalog::SecurableType::SCHEMA;
    std::string full = a.target.at(0);
    if (type == catalog::SecurableType::SCHEMA) {
      TARN_TRY(name, resolver_.qualify_schema(c.session, a.target));
      full = name.first + "." + name.second;
    }
    auto done = action == "owner" ? catalog_.set_owner(ctx, type, full, a.principal) : catalog_.set_comment(ctx, type, full, a.comment.value_or(""));
    if (!done) return fail(Resolver::catalog_error(done.error()));
    return deliver(c, {}, {});
  }
  TARN_TRY(name, resolver_.qualify(c.session, a.target));
  const auto full = name.full();
  if (system_.knows(name))
    return refuse(Errc::permission_denied, "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nTable '" + full +
                                               "' is provided by the platform and cannot be changed. SQLSTATE: 42501");
  const auto finish = [&](const catalog::Result<void>& done) -> Result<Done> {
    if (!done) return fail(Resolver::table_error(done.error(), name));
    return deliver(c, {}, {});
  };
  if (action == "owner") return finish(catalog_.set_owner(ctx, catalog::SecurableType::TABLE, full, a.principal));
  if (action == "rename") {
    TARN_TRY(next, resolver_.qualify(c.session, a.files));
    if (!same(next.catalog, name.catalog) || !same(next.schema, name.schema))
      return refuse(Errc::unsupported,
                    "[UNSUPPORTED_FEATURE] Renaming a table into another schema is not supported by this warehouse. SQLSTATE: 0A000");
    return finish(catalog_.alter_table(ctx, name, {.new_name = next.table}));
  }
  if (action.ends_with("row_filter") || action.ends_with("mask")) return govern(c, name);
  auto info = catalog_.table(ctx, name);
  if (!info) return fail(Resolver::table_error(info.error(), name));
  const bool view = info->table_type == catalog::TableType::VIEW;
  if (a.securable_type == "VIEW" && !view)
    return refuse(Errc::invalid, "[EXPECT_VIEW_NOT_TABLE.USE_ALTER_TABLE] The view operation expects a view, but " +
                                     backticked({name.catalog, name.schema, name.table}) + " is a table. Use ALTER TABLE instead. SQLSTATE: 42809");
  if (action == "comment") return finish(catalog_.alter_table(ctx, name, {.comment = a.comment.value_or("")}));
  catalog::TableChange change;
  if (action == "schema_mode") {
    if (!view)
      return refuse(Errc::invalid, "[EXPECT_VIEW_NOT_TABLE.NO_ALTERNATIVE] 'ALTER VIEW ... WITH SCHEMA' expects a view but " +
                                       backticked({name.catalog, name.schema, name.table}) + " is a table. SQLSTATE: 42809");
    change.properties["view.schemaMode"] = a.options.at("schema_mode");
  }
  // How a view's text is read is no property for users: whoever could set it would have the view's owner read something else.
  for (const auto& k : a.files)
    if (view && k.starts_with("view.")) return fail(reserved(k));
  for (const auto& [k, v] : a.properties)
    if (view && k.starts_with("view.")) return fail(reserved(k));
  if (action == "set_properties") {
    for (const auto& [k, v] : a.properties) change.properties[k] = v;
  } else if (action == "unset_properties") {
    for (const auto& k : a.files) {
      if (!info->properties.contains(k) && !a.options.contains("if_exists"))
        return refuse(Errc::invalid, "[UNSET_NONEXISTENT_PROPERTIES] Attempted to unset non-existent properties [`" + k + "`] in table " +
                                         backticked({name.catalog, name.schema, name.table}) + ". SQLSTATE: 42K0J");
      change.properties[k] = std::nullopt;
    }
  }
  if (view) {
    if (action == "column_comment" || !change.properties.empty()) {
      if (action == "column_comment") {
        change.columns = info->columns;
        bool found = false;
        for (auto& col : *change.columns)
          if (same(col.name, a.columns.at(0).name)) col.comment = a.columns[0].comment, found = true;
        if (!found) return refuse(Errc::unresolved, "View '" + full + "' has no column '" + a.columns[0].name + "'");
      }
      return finish(catalog_.alter_table(ctx, name, change));
    }
    return refuse(Errc::invalid, "[EXPECT_TABLE_NOT_VIEW.NO_ALTERNATIVE] The operation expects a table but " +
                                     backticked({name.catalog, name.schema, name.table}) + " is a view. SQLSTATE: 42809");
  }
  TARN_TRY(target, writable(c.session, a.target));
  const auto& location = *target.info.storage_location;
  if (!change.properties.empty()) {
    std::map<std::string, std::optional<std::string>> own;
    for (const auto& [k, v] : change.properties)
      if (k.starts_with("delta.")) own[k] = v;
    if (!own.empty()) TARN_CHECK(tables_.set_properties(location, own, ctx.caller.name));
    return finish(catalog_.alter_table(ctx, name, change));
  }
  std::optional<delta::Commit> commit;
  if (action == "add_columns") {
    commit.emplace();
    commit->operation = delta::Operation::change_columns;
    commit->metadata = target.table->snapshot->metadata;
    auto& fields = commit->metadata->schema.fields;
    TARN_TRY(added, schema_of(a.columns));
    for (auto& f : added.fields) {
      for (const auto& own : fields)
        if (same(own.name, f.name))
          return refuse(Errc::invalid, "[FIELD_ALREADY_EXISTS] Cannot add column, because " + backticked(std::string_view(f.name)) +
                                           " already exists in the table's schema. SQLSTATE: 42710");
      fields.push_back(std::move(f));
    }
    commit->operation_parameters["columns"] = std::to_string(a.columns.size());
  } else if (action == "column_comment" || action == "drop_not_null") {
    commit.emplace();
    commit->operation = delta::Operation::change_columns;
    commit->metadata = target.table->snapshot->metadata;
    auto& fields = commit->metadata->schema.fields;
    const auto at = std::ranges::find_if(fields, [&](const auto& f) { return same(f.name, a.columns.at(0).name); });
    if (at == fields.end())
      return refuse(Errc::unresolved, "[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION] A column, variable, or function parameter with name " +
                                          backticked(std::string_view(a.columns[0].name)) + " cannot be resolved. SQLSTATE: 42703");
    if (action == "column_comment") {
      if (a.columns[0].comment && !a.columns[0].comment->empty())
        at->metadata["comment"] = *a.columns[0].comment;
      else
        at->metadata.erase("comment");
    } else {
      at->nullable = true;
    }
    commit->operation_parameters["column"] = at->name;
  } else {
    TARN_TRY(changed, column_change(c, target, action));
    commit = std::move(changed);
  }
  if (!commit) return deliver(c, {}, {});
  TARN_CHECK(tables_.commit(*target.table, *std::move(commit), ctx.caller.name));
  TARN_TRY(now, tables_.open(location));
  if (action == "column_comment") {
    change.columns = target.info.columns;
    for (auto& col : *change.columns)
      if (same(col.name, a.columns[0].name)) {
        const auto& text = a.columns[0].comment;
        col.comment = text && !text->empty() ? text : std::nullopt;
      }
    return finish(catalog_.alter_table(ctx, name, change));
  }
  TARN_CHECK(resolver_.follow_log(c.session, target.info, *now));
  return deliver(c, {}, {});
}

Result<Done> Executor::tag(const Call& c) {
  const auto& a = c.analysis;
  std::map<std::string, std::optional<std::string>> changes;
  for (const auto& [key, value] : a.properties) changes[key] = value;
  for (const auto& key : a.files) changes[key] = std::nullopt;
  std::string type, full;
  if (a.securable_type == "CATALOG") {
    type = "catalogs", full = a.target.at(0);
  } else if (a.securable_type == "SCHEMA") {
    TARN_TRY(name, resolver_.qualify_schema(c.session, a.target));
    type = "schemas", full = name.first + "." + name.second;
  } else {
    TARN_TRY(name, resolver_.qualify(c.session, a.target));
    type = a.securable_type == "VOLUME" ? "volumes" : a.columns.empty() ? "tables" : "columns";
    full = name.full();
    if (!a.columns.empty()) full += "." + a.columns[0].name;
  }
  if (auto done = catalog_.set_tags(c.session.ctx, type, full, changes); !done) return fail(Resolver::catalog_error(done.error()));
  return deliver(c, {}, {});
}

Result<Done> Executor::securable(const Call& c) {
  TARN_TRY(told, securables_.run(c.session, c.analysis));
  return deliver(c, std::move(told.columns), told.rows);
}

}  // namespace tarn::sql
