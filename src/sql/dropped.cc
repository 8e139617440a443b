// SHOW TABLES DROPPED and UNDROP: tables that were dropped and whose files still wait (catalog/undrop.cc).
#include "sql/securables.h"
#include "sql/types.h"

namespace tarn::sql {

Result<void> Securables::undrop(const Session& session, const Analysis& a) const {
  auto& tables = catalog_.table_service();
  const bool by_id = a.target.empty();
  catalog::TableName name;
  if (!by_id) {
    TARN_TRY(qualified, resolver_.qualify(session, a.target));
    name = std::move(qualified);
  }
  const auto back = by_id ? tables.undrop_id(session.ctx, a.name) : tables.undrop(session.ctx, name);
  if (back) return {};
  if (back.error().code == catalog::Errc::already_exists)
    return refuse(Errc::already_exists, "[TABLE_OR_VIEW_ALREADY_EXISTS] Cannot bring back table " +
                                            (by_id ? backticked(std::string_view(a.name)) : backticked({name.catalog, name.schema, name.table})) +
                                            " because another one has its name. Rename that one, then UNDROP the table. SQLSTATE: 42P07");
  if (by_id && back.error().code == catalog::Errc::not_found)
    return refuse(Errc::not_found, "[TABLE_OR_VIEW_NOT_FOUND] " + back.error().message + " SQLSTATE: 42P01");
  return fail(by_id ? Resolver::catalog_error(back.error()) : Resolver::table_error(back.error(), name));
}

Result<Told> Securables::show_dropped(const Session& session, const Analysis& a) const {
  TARN_TRY(schema, resolver_.qualify_schema(session, a.target));
  const auto found = catalog_.table_service().dropped(session.ctx, schema.first, schema.second);
  if (!found) return fail(Resolver::catalog_error(found.error()));
  Told out{.columns = {{"catalogName", "string"},
                       {"schemaName", "string"},
                       {"tableName", "string"},
                       {"tableId", "string"},
                       {"tableType", "string"},
                       {"deletedAt", "timestamp"},
                       {"createdAt", "timestamp"},
                       {"updatedAt", "timestamp"},
                       {"createdBy", "string"},
                       {"owner", "string"},
                       {"comment", "string"}},
           .rows = {}};
  for (const auto& d : *found) {
    if (a.version && static_cast<std::int64_t>(out.rows.size()) >= *a.version) break;
    const auto& i = d.info;
    out.rows.push_back({i.catalog_name, i.schema_name, i.name, i.table_id, std::string(json::name_of(i.table_type)), to_rfc3339(d.dropped_at),
                        to_rfc3339(i.created_at), to_rfc3339(i.updated_at), i.created_by, i.owner, i.comment});
  }
  return out;
}

}  // namespace tarn::sql
