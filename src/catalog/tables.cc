#include "catalog/tables.h"

#include "base/ids.h"
#include "catalog/claims.h"
#include "catalog/drops.h"
#include "catalog/names.h"

namespace tarn::catalog {
namespace {

std::string full(const TableName& n) { return n.catalog + "." + n.schema + "." + n.table; }
std::string schema_of(const TableName& n) { return n.catalog + "." + n.schema; }

/// The schema that a new table goes into, with the right to put it there.
Result<Place> schema_for_new(store::ReadTxn& t, const access::Context& ctx, const NewTable& table) {
  TARN_TRY(place, locate_for(t, ctx, SecurableType::SCHEMA, schema_of(table.name), Privilege::CREATE_TABLE));
  if (place.schema->info.name == kInformationSchema || place.catalog->info.catalog_type == CatalogType::SYSTEM_CATALOG)
    return fail(Error{Errc::unsupported, fmt::format("Schema '{}' is the platform's: nothing can be created in it.", place.full_name())});
  return std::move(place);
}

Result<std::vector<ColumnInfo>> checked_columns(std::vector<ColumnInfo> columns) {
  std::set<std::string> seen;
  int position = 0;
  for (auto& c : columns) {
    const auto field = fmt::format("Invalid input: RPC CreateTable Field managedcatalog.TableInfo.columns[{}]", position);
    if (c.name.empty() || c.name.size() > 255) return fail(invalid(field + ".name: a column name must have 1 to 255 characters"));
    for (const char ch : c.name)
      if (static_cast<unsigned char>(ch) < 0x20 || ch == 0x7f) return fail(invalid(field + ".name: a column name cannot contain control characters"));
    if (!seen.insert(folded(c.name)).second) return fail(invalid(fmt::format("{}.name: column '{}' is there twice", field, c.name)));
    c.mask.reset();
    if (c.type_text.empty()) return fail(invalid(fmt::format("{}.type_text: column '{}' has no type", field, c.name)));
    c.position = position++;
  }
  return columns;
}

/// A mask is set and cleared by its own method only: columns that stay keep theirs.
void masked_as(const std::vector<ColumnInfo>& old, std::vector<ColumnInfo>& columns) {
  for (auto& c : columns) {
    c.mask.reset();
    for (const auto& o : old)
      if (folded(o.name) == folded(c.name)) c.mask = o.mask;
  }
}

/// SQL LIKE with % and _, without case.
bool like(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, s = 0, star = pattern.npos, mark = 0;
  while (s < text.size()) {
    if (p < pattern.size() && pattern[p] != '%' && (pattern[p] == '_' || pattern[p] == text[s])) {
      ++p, ++s;
    } else if (p < pattern.size() && pattern[p] == '%') {
      star = p++, mark = s;
    } else if (star != pattern.npos) {
      p = star + 1, s = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '%') ++p;
  return p == pattern.size();
}

struct Plan {
  std::string location;
  std::string table_id;
};

Result<Plan> planned(store::ReadTxn& t, const access::Context& ctx, const Place& place, const NewTable& table) {
  if (table.type == TableType::MANAGED) {
    TARN_TRY(root, managed_root(place));
    const std::string id = new_uuid();
    return Plan{root + "/tables/" + id, id};
  }
  if (table.type == TableType::VIEW) return Plan{"", new_uuid()};
  TARN_TRY(url, checked_url(table.storage_location.value_or(""), "CreateTable", "TableInfo.storage_location"));
  TARN_CHECK(location_for(t, ctx, place.metastore, url, Privilege::CREATE_EXTERNAL_TABLE));
  return Plan{url, new_uuid()};
}

}  // namespace

Result<std::string> managed_root(const Place& place) {
  if (place.schema->info.storage_location) return *place.schema->info.storage_location;
  if (place.catalog->info.storage_location) return *place.catalog->info.storage_location;
  if (place.metastore.info.storage_root) return *place.metastore.info.storage_root;
  return fail(Error{Errc::conflict, fmt::format("Metastore storage root URL does not exist. Schema '{}.{}' has no managed location either: give the "
                                                "schema or its catalog one, or the metastore a storage root.",
                                                place.catalog->info.name, place.schema->info.name)});
}

Result<TableInfo> Tables::get(const access::Context& ctx, std::string_view full_name, bool browse) {
  bool only = false;
  auto found = look(core_, ctx, "getTable", {{"full_name_arg", std::string(full_name)}}, [&](store::ReadTxn& t) -> Result<Place> {
    TARN_TRY(place, locate_to_see(t, ctx, SecurableType::TABLE, full_name, browse));
    only = browse && browse_only(place.path(), subject(ctx));
    return std::move(place);
  });
  if (!found) return fail(found.error());
  auto info = shown(core_, *found->table, *found->catalog, *found->schema);
  if (only) info.browse_only = true;
  return info;
}

void Tables::note_get(const access::Context& ctx, std::string_view full_name) {
  core_.store.audit_later(ctx.event("unityCatalog", "getTable", {{"full_name_arg", std::string(full_name)}}));
}

Result<bool> Tables::exists(const access::Context& ctx, std::string_view full_name) {
  return look(core_, ctx, "tableExists", {{"full_name_arg", std::string(full_name)}}, [&](store::ReadTxn& t) -> Result<bool> {
    const auto found = locate_to_see(t, ctx, SecurableType::TABLE, full_name, true);
    if (found) return true;
    if (found.error().code == Errc::not_found) return false;
    return fail(found.error());
  });
}

Result<Page<TableInfo>> Tables::list(const access::Context& ctx, std::string_view catalog, std::string_view schema, const PageRequest& request,
                                     bool browse) {
  Place parent;
  auto found = look(core_, ctx, "listTables", {{"catalog_name", std::string(catalog)}, {"schema_name", std::string(schema)}},
                    [&](store::ReadTxn& t) -> Result<Page<TableRecord>> {
                      TARN_TRY(place, locate_to_see(t, ctx, SecurableType::SCHEMA, std::string(catalog) + "." + std::string(schema), browse));
                      parent = place;
                      return page_of<TableRecord, TableRecord>(t, kTables, store::prefix({place.schema->info.schema_id}), request,
                                                               [&](const TableRecord& r) -> std::optional<TableRecord> {
                                                                 place.table = r;
                                                                 if (check_see(place.path(), subject(ctx), browse)) return std::nullopt;
                                                                 return r;
                                                               });
                    });
  if (!found) return fail(found.error());
  Page<TableInfo> out{.next = found->next};
  for (const auto& r : found->items) out.items.push_back(shown(core_, r, *parent.catalog, *parent.schema));
  return out;
}

Result<Page<TableSummary>> Tables::summaries(const access::Context& ctx, std::string_view catalog, std::string_view schema_pattern,
                                             std::string_view table_pattern, const PageRequest& request) {
  const std::string schemas = folded(schema_pattern), tables = folded(table_pattern);
  return look(core_, ctx, "listTableSummaries", {{"catalog_name", std::string(catalog)}}, [&](store::ReadTxn& t) -> Result<Page<TableSummary>> {
    TARN_TRY(place, locate_to_see(t, ctx, SecurableType::CATALOG, catalog, true));
    Page<TableSummary> out;
    // The token is the last schema and table that were looked at.
    const auto cut = request.after.find('\x1f');
    const std::string after_schema = request.after.substr(0, cut), after_table = cut == std::string::npos ? "" : request.after.substr(cut + 1);
    for (const auto& s : kSchemas.scan(t, store::prefix({place.catalog->info.id}))) {
      if (s.info.name < after_schema || (!schemas.empty() && !like(schemas, s.info.name))) continue;
      place.schema = s;
      place.table.reset();
      if (check_see(place.path(), subject(ctx), true)) continue;
      const std::string prefix = store::prefix({s.info.schema_id});
      const PageRequest rest{.limit = request.limit ? request.limit - out.items.size() : 0,
                             .after = s.info.name == after_schema && !after_table.empty() ? prefix + after_table : ""};
      if (request.limit && rest.limit == 0) {
        out.next = s.info.name + '\x1f';
        return out;
      }
      auto page = page_of<TableRecord, TableSummary>(t, kTables, prefix, rest, [&](const TableRecord& r) -> std::optional<TableSummary> {
        place.table = r;
        if ((!tables.empty() && !like(tables, r.info.name)) || check_see(place.path(), subject(ctx), true)) return std::nullopt;
        return TableSummary{place.full_name(), r.info.table_type};
      });
      for (auto& item : page.items) out.items.push_back(std::move(item));
      if (!page.next.empty()) {
        out.next = s.info.name + '\x1f' + page.next.substr(prefix.size());
        return out;
      }
    }
    return out;
  });
}

Result<std::string> Tables::plan(const access::Context& ctx, const NewTable& table) {
  const auto name = checked_name(table.name.table, "CreateTable", "TableInfo.name");
  if (!name) return fail(name.error());
  auto result = core_.store.read_as([&](store::ReadTxn& t) -> Result<std::string> {
    TARN_TRY(place, schema_for_new(t, ctx, table));
    TARN_TRY(plan, planned(t, ctx, place, table));
    // A table that is to be replaced may keep its own place; its claim is judged when it is created.
    const bool there = kTables.get(t, store::key({place.schema->info.schema_id, *name})).has_value();
    if (table.type == TableType::EXTERNAL && !there) TARN_CHECK(check_free_for_data(t, ctx, place.metastore, plan.location, "CreateTable"));
    return plan.location;
  });
  if (!result) return refuse<std::string>(core_, ctx, "createTable", {{"full_name_arg", full(table.name)}}, result.error());
  return result;
}

Result<TableInfo> Tables::create(const access::Context& ctx, const NewTable& table, const std::string& location, bool replace) {
  const std::map<std::string, std::string> params{{"name", table.name.table},
                                                  {"catalog_name", table.name.catalog},
                                                  {"schema_name", table.name.schema},
                                                  {"table_type", std::string(json::name_of(table.type))},
                                                  {"storage_location", location}};
  const auto name = checked_name(table.name.table, "CreateTable", "TableInfo.name");
  auto columns = checked_columns(table.columns);
  std::optional<Place> parent;
  auto made = change(core_, ctx, "createTable", params, [&](store::WriteTxn& t) -> Result<TableRecord> {
    TARN_TRY(place, schema_for_new(t, ctx, table));
    if (!name) return fail(name.error());
    if (!columns) return fail(columns.error());
    TARN_TRY(plan, planned(t, ctx, place, table));
    parent = place;
    const std::string key = store::key({place.schema->info.schema_id, *name});
    const std::string called = place.full_name() + "." + *name;
    TableRecord r;
    r.info.name = *name;
    r.info.table_id = plan.table_id;
    stamp_new(r.info, core_, ctx);
    r.access.owner = principal_of(ctx);
    if (kVolumes.get(t, key)) return fail(exists_already(SecurableType::VOLUME, called));
    if (auto old = kTables.get(t, key)) {
      if (!replace) return fail(exists_already(SecurableType::TABLE, called));
      place.table = old->value;
      TARN_CHECK(allowed(check_manage(place.path(), subject(ctx))));
      if ((old->value.info.table_type == TableType::VIEW) != (table.type == TableType::VIEW))
        return fail(
            invalid(fmt::format("'{}' is a {}: it cannot be replaced by a {}. Drop it first.", called,
                                old->value.info.table_type == TableType::VIEW ? "view" : "table", table.type == TableType::VIEW ? "view" : "table")));
      // It stays the same securable: its id, owner, grants and filters.
      r.info.table_id = old->value.info.table_id;
      r.info.created_at = old->value.info.created_at;
      r.info.created_by = old->value.info.created_by;
      r.info.row_filter = old->value.info.row_filter;
      masked_as(old->value.info.columns, *columns);
      r.access = old->value.access;
      if (old->value.info.storage_location == location)
        drop_claims(t, r.info.table_id), kTables.erase(t, key);
      else
        drop_table(t, core_, old->value, table.type != TableType::VIEW);
      place.table.reset();
    }
    if (table.type == TableType::MANAGED) {
      TARN_TRY(root, managed_root(place));
      const std::string below = root + "/tables/";
      if (!location.starts_with(below) || !is_uuid(location.substr(below.size())))
        return fail(invalid(fmt::format("'{}' is not a place that was planned for '{}'", location, called)));
      if (!replace) r.info.table_id = location.substr(below.size());
    } else if (table.type == TableType::EXTERNAL) {
      if (location != plan.location) return fail(invalid(fmt::format("'{}' is not a place that was planned for '{}'", location, called)));
      TARN_CHECK(check_free_for_data(t, ctx, place.metastore, location, "CreateTable"));
    }
    r.info.table_type = table.type;
    r.info.columns = *columns;
    r.info.comment = table.comment;
    r.info.properties = table.properties;
    r.info.metastore_id = place.metastore.info.metastore_id;
    r.catalog_id = place.catalog->info.id;
    r.schema_id = place.schema->info.schema_id;
    TARN_CHECK(apply_policies(t, ctx, table, r.info));
    if (table.type == TableType::VIEW) {
      r.info.view_definition = table.view_definition.value_or("");
    } else {
      r.info.data_source_format = "DELTA";
      r.info.storage_location = location;
    }
    if (table.type == TableType::EXTERNAL) claim(t, r.info.metastore_id, location, ClaimKind::table, r.info.table_id);
    if (!kTables.insert(t, r)) return fail(invalid(fmt::format("'{}' was planned for another table already", location)));
    return r;
  });
  if (!made) return fail(made.error());
  return shown(core_, *made, *parent->catalog, *parent->schema);
}

Result<TableInfo> Tables::register_external(const access::Context& ctx, const NewTable& table) {
  const std::map<std::string, std::string> params{
      {"name", table.name.table}, {"catalog_name", table.name.catalog}, {"schema_name", table.name.schema}};
  if (table.type != TableType::EXTERNAL)
    return refuse<TableInfo>(
        core_, ctx, "createTable", params,
        {Errc::unsupported, fmt::format("Only EXTERNAL tables can be created through this API, got {}: create managed tables and views with SQL",
                                        json::name_of(table.type))});
  const auto url = checked_url(table.storage_location.value_or(""), "CreateTable", "TableInfo.storage_location");
  if (!url) return refuse<TableInfo>(core_, ctx, "createTable", params, url.error());
  return create(ctx, table, *url, false);
}

Result<void> Tables::set_owner(const access::Context& ctx, std::string_view full_name, std::string_view owner) {
  const std::map<std::string, std::string> params{{"full_name_arg", std::string(full_name)}, {"owner", std::string(owner)}};
  const auto principal = find_principal(core_, owner);
  return change(core_, ctx, "updateTables", params, [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(place, locate_to_manage(t, ctx, SecurableType::TABLE, full_name));
    if (!principal) return fail(principal.error());
    if (place.catalog->info.catalog_type == CatalogType::SYSTEM_CATALOG)
      return fail(Error{Errc::unsupported, fmt::format("Table '{}' is the platform's: it cannot be changed.", place.full_name())});
    place.table->access.owner = *principal;
    stamp_change(place.table->info, core_, ctx);
    save(t, place);
    return {};
  });
}

Result<void> Tables::update_columns(const access::Context& ctx, std::string_view full_name, const std::vector<ColumnInfo>& columns) {
  auto checked = checked_columns(columns);
  return change(core_, ctx, "updateTables", {{"full_name_arg", std::string(full_name)}}, [&](store::WriteTxn& t) -> Result<void> {
    TARN_TRY(place, locate_for(t, ctx, SecurableType::TABLE, full_name, Privilege::MODIFY));
    if (!checked) return fail(checked.error());
    masked_as(place.table->info.columns, *checked);
    place.table->info.columns = *checked;
    stamp_change(place.table->info, core_, ctx);
    save(t, place);
    return {};
  });
}

Result<void> Tables::follow_log(const access::Context& ctx, const TableName& name, std::string_view table_id,
                                const std::vector<ColumnInfo>& columns) {
  auto checked = checked_columns(columns);
  if (!checked) return fail(checked.error());
  auto as = access::system_context("catalog");
  as.workspace_id = ctx.workspace_id;
  as.request_id = ctx.request_id;
  return core_.store.write_as(as.event("unityCatalog", "followTableLog", {{"full_name_arg", name.full()}}), [&](store::WriteTxn& t) -> Result<void> {
    const auto found = kTables.find(t, "id", table_id);
    if (!found) return {};  // dropped meanwhile
    auto record = found->value;
    masked_as(record.info.columns, *checked);
    record.info.columns = *checked;
    record.info.updated_at = core_.clock.now();
    if (!kTables.update(t, record)) throw std::logic_error("a table record that was just read is gone");
    return {};
  });
}

Result<void> Tables::alter(const access::Context& ctx, std::string_view full_name, const TableChange& request) {
  std::map<std::string, std::string> params{{"full_name_arg", std::string(full_name)}};
  if (request.new_name) params["new_name"] = *request.new_name;
  const auto new_name = request.new_name ? checked_name(*request.new_name, "UpdateTable", "TableInfo.name") : Result<std::string>(std::string());
  auto columns = checked_columns(request.columns.value_or(std::vector<ColumnInfo>{}));
  return change(core_, ctx, "updateTables", params, [&](store::WriteTxn& t) -> Result<void> {
    auto place = request.new_name ? locate_to_manage(t, ctx, SecurableType::TABLE, full_name)
                                  : locate_for(t, ctx, SecurableType::TABLE, full_name, Privilege::MODIFY);
    if (!place && !request.new_name && place.error().code == Errc::permission_denied)
      // Whose it is may say what it is, though a view knows no MODIFY.
      place = locate_to_manage(t, ctx, SecurableType::TABLE, full_name);
    if (!place) return fail(place.error());
    if (place->catalog->info.catalog_type == CatalogType::SYSTEM_CATALOG)
      return fail(Error{Errc::unsupported, fmt::format("Table '{}' is the platform's: it cannot be changed.", place->full_name())});
    if (!new_name) return fail(new_name.error());
    if (!columns) return fail(columns.error());
    TableRecord& r = *place->table;
    if (request.comment) r.info.comment = request.comment->empty() ? std::nullopt : request.comment;
    for (const auto& [k, v] : request.properties) {
      if (v)
        r.info.properties[k] = *v;
      else
        r.info.properties.erase(k);
    }
    if (request.columns) {
      masked_as(r.info.columns, *columns);
      r.info.columns = *columns;
    }
    stamp_change(r.info, core_, ctx);
    if (!request.new_name || *new_name == r.info.name) {
      save(t, *place);
      return {};
    }
    TARN_CHECK(locate_for(t, ctx, SecurableType::SCHEMA, place->catalog->info.name + "." + place->schema->info.name, Privilege::CREATE_TABLE));
    const auto key = store::key({place->schema->info.schema_id, *new_name});
    const auto called = place->catalog->info.name + "." + place->schema->info.name + "." + *new_name;
    if (kTables.get(t, key)) return fail(exists_already(SecurableType::TABLE, called));
    if (kVolumes.get(t, key)) return fail(exists_already(SecurableType::VOLUME, called));
    kTables.erase(t, r.store_key());
    r.info.name = *new_name;
    if (!kTables.insert(t, r)) throw std::logic_error("a renamed table met another");
    return {};
  });
}

Result<void> Tables::remove(const access::Context& ctx, std::string_view full_name, std::optional<bool> view, bool if_exists) {
  return change(core_, ctx, "deleteTable", {{"full_name_arg", std::string(full_name)}}, [&](store::WriteTxn& t) -> Result<void> {
    auto place = locate_to_manage(t, ctx, SecurableType::TABLE, full_name);
    if (!place && place.error().code == Errc::not_found && if_exists) return {};
    if (!place) return fail(place.error());
    if (place->catalog->info.catalog_type == CatalogType::SYSTEM_CATALOG)
      return fail(Error{Errc::unsupported, fmt::format("Table '{}' is the platform's: it cannot be deleted.", place->full_name())});
    const bool is_view = place->table->info.table_type == TableType::VIEW;
    if (view && *view != is_view)
      return fail(invalid(fmt::format("'{}' is a {}, not a {}: use DROP {}", place->full_name(), is_view ? "view" : "table",
                                      is_view ? "table" : "view", is_view ? "VIEW" : "TABLE")));
    drop_table(t, core_, *place->table);
    return {};
  });
}

}  // namespace tarn::catalog
