// CREATE TABLE … LIKE: the definition of a table or a view without its rows. Columns with all that makes them up, partitioning or clustering,
// properties and constraints of a table's log; of a view its columns alone. Rights, tags, row filters and masks are the new table's own. Source:
// Databricks SQL language manual, "CREATE TABLE LIKE"; Delta's CreateDeltaTableLike.
#include "delta/clustering.h"
#include "delta/declared_types.h"
#include "delta/features.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

std::optional<std::string> text_of(const json::object& metadata, const char* key) {
  const auto* v = metadata.if_contains(key);
  return v && v->is_string() ? std::optional(std::string(v->get_string())) : std::nullopt;
}

ColumnClause clause_of(const delta::Field& field) {
  ColumnClause out{.name = field.name, .type = delta::declared_type(field), .nullable = field.nullable};
  out.comment = text_of(field.metadata, "comment");
  out.generated = text_of(field.metadata, "delta.generationExpression");
  out.default_value = text_of(field.metadata, "CURRENT_DEFAULT");
  const auto* start = field.metadata.if_contains("delta.identity.start");
  const auto* step = field.metadata.if_contains("delta.identity.step");
  if (start && step && start->is_int64() && step->is_int64()) {
    const auto* open = field.metadata.if_contains("delta.identity.allowExplicitInsert");
    out.identity = IdentityClause{.always = !(open && open->is_bool() && open->get_bool()), .start = start->get_int64(), .step = step->get_int64()};
  }
  return out;
}

/// What a log keeps for itself among the properties.
bool is_inner(const std::string& key) {
  return key == "delta.columnMapping.maxColumnId" || key.starts_with("delta.constraints.") || key.starts_with("delta.rowTracking.materialized") ||
         key.starts_with("delta.inCommitTimestampEnablement");
}

}  // namespace

Result<Done> Executor::create_table_like(const Call& c) {
  const auto& ctx = c.session.ctx;
  TARN_TRY(name, resolver_.qualify(c.session, c.analysis.copied));
  // Its definition is no secret to who may read it.
  if (auto ok = catalog_.require(ctx, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, name.full()); !ok)
    return fail(Resolver::table_error(ok.error(), name));
  auto info = catalog_.table(ctx, name);
  if (!info) return fail(Resolver::table_error(info.error(), name));
  Analysis made = c.analysis;
  made.copied.clear();
  std::map<std::string, std::string> constraints;
  if (info->table_type == catalog::TableType::VIEW) {
    for (const auto& k : info->columns) made.columns.push_back({.name = k.name, .type = k.type_text, .comment = k.comment});
  } else {
    if (!info->storage_location) return refuse(Errc::engine, "Table '" + name.full() + "' has no storage location");
    TARN_TRY(table, tables_.open(*info->storage_location));
    const auto& metadata = table->snapshot->metadata;
    for (const auto& field : metadata.schema.fields) made.columns.push_back(clause_of(field));
    made.partitioned_by = metadata.partition_columns;
    made.cluster_by = delta::clustering_columns(*table->snapshot);
    for (const auto& [key, value] : metadata.configuration)
      if (!is_inner(key)) made.properties.try_emplace(key, value);
    constraints = delta::check_constraints(metadata);
  }
  if (!made.comment) made.comment = info->comment;
  return create_table({c.session, c.sql, made, c.options, c.sink, c.guarded, c.metrics}, constraints);
}

}  // namespace tarn::sql
