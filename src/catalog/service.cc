#include "catalog/service.h"

#include "base/log.h"
#include "catalog/claims.h"
#include "catalog/names.h"

namespace tarn::catalog {

Result<TableInfo> UnityCatalog::table(const access::Context& ctx, const TableName& name) { return table_seen(ctx, ctx, name); }

Result<TableInfo> UnityCatalog::table_seen(const access::Context& as, const access::Context& asker, const TableName& name) {
  const auto generation = core_.store.generation();
  const std::string full_name = name.full();
  const std::string key = caller_key(as) + (&as == &asker ? std::string() : caller_key(asker)) + full_name;
  auto cached = table_cache_.get(generation, key);
  if (!cached) {
    Effect found;
    auto place = core_.store.read_as([&](store::ReadTxn& t) -> Result<Place> {
      TARN_TRY(at, locate_to_see(t, as, SecurableType::TABLE, full_name, true));
      found = effect(t, at, subject(asker));
      return std::move(at);
    });
    if (place) {
      auto info = shown(core_, *place->table, *place->catalog, *place->schema);
      info.conflict = found.conflict;
      for (auto& one : found.policies) {
        one.policy.definer = name_of(core_, one.definer);
        info.policies.push_back(std::move(one.policy));
      }
      cached = Result<std::shared_ptr<const TableInfo>>(std::make_shared<const TableInfo>(std::move(info)));
    } else {
      cached = fail(place.error());
    }
    table_cache_.put(generation, key, *cached);
  }
  if (!*cached) return fail(cached->error());
  return ***cached;
}

Result<std::vector<std::string>> UnityCatalog::catalogs(const access::Context& ctx) {
  TARN_TRY(page, catalogs_.list(ctx, {}, true));
  std::vector<std::string> out;
  for (const auto& c : page.items) out.push_back(c.name);
  return out;
}

Result<std::vector<std::string>> UnityCatalog::schemas(const access::Context& ctx, std::string_view catalog) {
  TARN_TRY(page, schemas_.list(ctx, catalog, {}, true));
  std::vector<std::string> out;
  for (const auto& s : page.items) out.push_back(s.name);
  return out;
}

Result<std::vector<TableInfo>> UnityCatalog::tables(const access::Context& ctx, std::string_view catalog, std::string_view schema) {
  TARN_TRY(page, tables_.list(ctx, catalog, schema, {}, true));
  return std::move(page.items);
}

Result<void> UnityCatalog::require(const access::Context& ctx, Privilege privilege, SecurableType type, std::string_view full_name) {
  const auto generation = core_.store.generation();
  std::string key = caller_key(ctx);
  key += static_cast<char>(privilege);
  key += static_cast<char>(type);
  key += full_name;
  if (auto cached = decision_cache_.get(generation, key)) return *cached;
  const Result<void> decision = core_.store.read_as([&](store::ReadTxn& t) -> Result<void> {
    TARN_CHECK(locate_for(t, ctx, type, full_name, privilege));
    return {};
  });
  decision_cache_.put(generation, key, decision);
  return decision;
}

std::optional<access::Context> UnityCatalog::owner_context(const access::Context& ctx, std::string_view owner) {
  access::Context as = ctx;
  as.caller = {};
  if (folded(owner) == "account users") {
    as.caller.id = -1;  // holds what everybody holds
    return as;
  }
  const auto principal = core_.directory.find_principal(owner);
  if (!principal) return std::nullopt;
  if (auto caller = core_.directory.caller(principal->id, std::nullopt))
    as.caller = *std::move(caller);
  else if (principal->kind != identity::Kind::group)
    return std::nullopt;
  as.caller.id = principal->id;
  as.caller.name = principal->name;
  as.caller.account_admin = as.caller.workspace_admin = false;  // roles of administration carry no data
  return as;
}

Result<TableInfo> UnityCatalog::table_as_owner(const access::Context& ctx, std::string_view owner, const TableName& name) {
  const auto as = owner_context(ctx, owner);
  if (!as) return fail(Error{Errc::permission_denied, fmt::format("The owner '{}' is not a principal of this account any more.", owner)});
  return table_seen(*as, ctx, name);
}

Result<void> UnityCatalog::require_as_owner(const access::Context& ctx, std::string_view owner, Privilege privilege, SecurableType type,
                                            std::string_view full_name) {
  const auto as = owner_context(ctx, owner);
  if (!as)
    return fail(
        Error{Errc::permission_denied, fmt::format("The owner '{}' does not have {} on {} '{}': it is not a principal of this account any more.",
                                                   owner, spelled(privilege), label(type), full_name)});
  auto decision = require(*as, privilege, type, full_name);
  if (!decision && decision.error().code == Errc::permission_denied) {
    // The refusal is the owner's, and must say so.
    auto error = decision.error();
    if (error.message.starts_with("User does")) error.message = fmt::format("Owner '{}'{}", owner, error.message.substr(4));
    return fail(std::move(error));
  }
  return decision;
}

Result<FunctionInfo> UnityCatalog::function(const access::Context& ctx, std::string_view full_name) {
  const auto generation = core_.store.generation();
  const std::string key = caller_key(ctx) + std::string(full_name);
  auto cached = function_cache_.get(generation, key);
  if (!cached) {
    auto found = functions_.executable(ctx, full_name);
    cached = found ? Result<std::shared_ptr<const FunctionInfo>>(std::make_shared<const FunctionInfo>(*std::move(found))) : fail(found.error());
    function_cache_.put(generation, key, *cached);
  }
  if (!*cached) return fail(cached->error());
  return ***cached;
}

Result<FunctionInfo> UnityCatalog::function_as_owner(const access::Context& ctx, std::string_view owner, std::string_view full_name) {
  const auto as = owner_context(ctx, owner);
  if (!as) return fail(Error{Errc::permission_denied, fmt::format("The owner '{}' is not a principal of this account any more.", owner)});
  return function(*as, full_name);
}

Result<void> UnityCatalog::require_path(const access::Context& ctx, std::string_view url, bool write) {
  const std::string call = write ? "WriteFiles" : "ReadFiles";
  TARN_TRY(checked, checked_url(url, call, "Path.url"));
  return core_.store.read_as([&](store::ReadTxn& t) { return check_path(t, ctx, checked, write, call); });
}

Result<std::string> UnityCatalog::volume_location(const access::Context& ctx, std::string_view full_name, bool write) {
  return core_.store.read_as([&](store::ReadTxn& t) -> Result<std::string> {
    TARN_TRY(place, locate_for(t, ctx, SecurableType::VOLUME, full_name, write ? Privilege::WRITE_VOLUME : Privilege::READ_VOLUME));
    return place.volume->info.storage_location;
  });
}

Result<void> UnityCatalog::create_catalog(const access::Context& ctx, std::string_view name, std::optional<std::string> comment,
                                          std::optional<std::string> managed_location, bool if_not_exists) {
  TARN_CHECK(
      catalogs_.create(ctx, {.name = std::string(name), .comment = std::move(comment), .storage_root = std::move(managed_location)}, if_not_exists));
  return {};
}

Result<void> UnityCatalog::drop_catalog(const access::Context& ctx, std::string_view name, bool cascade, bool if_exists) {
  return catalogs_.remove(ctx, name, cascade, if_exists);
}

Result<void> UnityCatalog::create_schema(const access::Context& ctx, std::string_view catalog, std::string_view name,
                                         std::optional<std::string> comment, std::optional<std::string> managed_location, bool if_not_exists) {
  TARN_CHECK(schemas_.create(
      ctx,
      {.name = std::string(name), .catalog_name = std::string(catalog), .comment = std::move(comment), .storage_root = std::move(managed_location)},
      if_not_exists));
  return {};
}

Result<void> UnityCatalog::drop_schema(const access::Context& ctx, std::string_view catalog, std::string_view name, bool cascade, bool if_exists) {
  return schemas_.remove(ctx, std::string(catalog) + "." + std::string(name), cascade, if_exists);
}

Result<std::string> UnityCatalog::plan_table(const access::Context& ctx, const NewTable& table) { return tables_.plan(ctx, table); }
Result<TableInfo> UnityCatalog::create_table(const access::Context& ctx, const NewTable& table, const std::string& location, bool replace) {
  return tables_.create(ctx, table, location, replace);
}
Result<void> UnityCatalog::update_columns(const access::Context& ctx, const TableName& name, const std::vector<ColumnInfo>& columns) {
  return tables_.update_columns(ctx, name.full(), columns);
}
Result<void> UnityCatalog::follow_log(const access::Context& ctx, const TableName& name, std::string_view table_id,
                                      const std::vector<ColumnInfo>& columns) {
  return tables_.follow_log(ctx, name, table_id, columns);
}
Result<void> UnityCatalog::alter_table(const access::Context& ctx, const TableName& name, const TableChange& change) {
  return tables_.alter(ctx, name.full(), change);
}
Result<void> UnityCatalog::set_owner(const access::Context& ctx, SecurableType type, std::string_view full_name, std::string_view owner) {
  if (type == SecurableType::TABLE) return tables_.set_owner(ctx, full_name, owner);
  if (type == SecurableType::SCHEMA) {
    TARN_CHECK(schemas_.update(ctx, full_name, {.owner = std::string(owner)}));
    return {};
  }
  if (type == SecurableType::CATALOG) {
    TARN_CHECK(catalogs_.update(ctx, full_name, {.owner = std::string(owner)}));
    return {};
  }
  return fail(Error{Errc::unsupported, fmt::format("The owner of {} '{}' is not changed this way.", label(type), full_name)});
}
Result<void> UnityCatalog::set_comment(const access::Context& ctx, SecurableType type, std::string_view full_name, std::string_view comment) {
  json::Patch<std::string> text;
  text.state = comment.empty() ? json::Patch<std::string>::State::null : json::Patch<std::string>::State::present;
  text.content = comment;
  if (type == SecurableType::SCHEMA) {
    SchemaChange change;
    change.comment = text;
    TARN_CHECK(schemas_.update(ctx, full_name, change));
    return {};
  }
  if (type != SecurableType::CATALOG)
    return fail(Error{Errc::unsupported, fmt::format("The comment of {} '{}' is not changed this way.", label(type), full_name)});
  CatalogChange change;
  change.comment = text;
  TARN_CHECK(catalogs_.update(ctx, full_name, change));
  return {};
}
Result<void> UnityCatalog::drop_table(const access::Context& ctx, const TableName& name, bool view, bool if_exists) {
  return tables_.remove(ctx, name.full(), view, if_exists);
}
Result<void> UnityCatalog::set_row_filter(const access::Context& ctx, const TableName& name, const std::optional<RowFilter>& filter) {
  TARN_CHECK(owner_may_run(ctx, name, filter ? filter->function_name : ""));
  return tables_.set_row_filter(ctx, name.full(), filter);
}
Result<void> UnityCatalog::set_column_mask(const access::Context& ctx, const TableName& name, std::string_view column,
                                           const std::optional<ColumnMask>& mask) {
  TARN_CHECK(owner_may_run(ctx, name, mask ? mask->function_name : ""));
  return tables_.set_column_mask(ctx, name.full(), column, mask);
}
Result<void> UnityCatalog::owner_may_run(const access::Context& ctx, const TableName& name, std::string_view function) {
  if (function.empty()) return {};
  const auto info = table(ctx, name);
  if (!info) return {};  // told by who asks next
  if (const auto ok = function_as_owner(ctx, info->owner, function); !ok && function_as_owner(ctx, ctx.caller.name, function))
    return fail(Error{Errc::permission_denied,
                      fmt::format("The owner '{}' of Table '{}' does not have EXECUTE on '{}': the function runs in the owner's name.", info->owner,
                                  name.full(), function)});
  return {};
}
Result<void> UnityCatalog::create_function(const access::Context& ctx, const NewFunction& function, bool replace) {
  return functions_.define(ctx, function, replace);
}
Result<void> UnityCatalog::drop_function(const access::Context& ctx, std::string_view full_name, bool if_exists) {
  auto done = functions_.remove(ctx, full_name);
  if (!done && done.error().code == Errc::not_found && if_exists) return {};
  return done;
}

namespace {

std::vector<std::string> names_of(const std::vector<Privilege>& privileges) {
  std::vector<std::string> out;
  for (const Privilege p : privileges) out.emplace_back(json::name_of(p));
  return out;
}

}  // namespace

Result<void> UnityCatalog::grant(const access::Context& ctx, SecurableType type, std::string_view full_name, std::string_view principal,
                                 const std::vector<Privilege>& privileges) {
  return grants_.update(ctx, type, full_name, {{.principal = std::string(principal), .add = names_of(privileges)}});
}
Result<void> UnityCatalog::revoke(const access::Context& ctx, SecurableType type, std::string_view full_name, std::string_view principal,
                                  const std::vector<Privilege>& privileges) {
  return grants_.update(ctx, type, full_name, {{.principal = std::string(principal), .remove = names_of(privileges)}});
}
Result<std::vector<GrantRow>> UnityCatalog::grants(const access::Context& ctx, SecurableType type, std::string_view full_name,
                                                   std::optional<std::string> principal) {
  return grants_.effective(ctx, type, full_name, principal);
}

void UnityCatalog::record_lineage(const access::Context& ctx, const LineageRecord& record) { lineage_.record(ctx, record); }
Result<std::vector<Catalog::LineageRow>> UnityCatalog::lineage_rows(const access::Context& ctx, bool column_level) {
  return lineage_.rows(ctx, column_level);
}
Result<std::vector<store::AuditRecord>> UnityCatalog::audit_rows(const access::Context& ctx, const store::AuditFilter& filter, std::size_t limit) {
  return lineage_.audit_rows(ctx, filter, limit);
}

std::size_t UnityCatalog::remove_expired_storage(std::size_t limit) {
  const auto over = core_.clock.now() - kRetention;
  auto forgotten = core_.store.read_as([&](store::ReadTxn& t) { return kDropped.scan(t, {}, {}, limit); });
  std::erase_if(forgotten, [&](const DroppedTable& d) { return d.dropped_at > over; });
  if (!forgotten.empty())
    core_.store.write(access::system_context("retention").event("unityCatalog", "forgetDroppedTables", {{"count", std::to_string(forgotten.size())}}),
                      [&](store::WriteTxn& t) {
                        for (const auto& d : forgotten)
                          if (kDropped.get(t, d.store_key())) forget_dropped(t, d);
                        return true;
                      });
  const auto due = core_.store.read_as([&](store::ReadTxn& t) { return kRemovals.scan(t, {}, {}, limit); });
  std::size_t gone = 0;
  for (const auto& r : due) {
    if (r.due_at > core_.clock.now()) break;  // keys sort by time
    const auto url = objects::Url::parse(r.url + "/");
    if (!url) throw std::logic_error("a removal without a storage path");
    if (const auto removed = core_.objects.remove_all(*url); !removed) {
      spdlog::warn("storage of a dropped table stays for now url={} why={}", r.url, removed.error().message);
      continue;
    }
    const auto ctx = access::system_context("retention");
    core_.store.write(ctx.event("unityCatalog", "removeDroppedStorage", {{"url", r.url}}),
                      [&](store::WriteTxn& t) { return kRemovals.erase(t, r.store_key()); });
    ++gone;
  }
  return gone;
}

}  // namespace tarn::catalog
