// CREATE and DROP FUNCTION, and ALTER TABLE's row filters and column masks.
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

/// A clause's function by its full name.
Result<std::string> function_name(const Resolver& resolver, const Session& session, const std::vector<std::string>& parts) {
  TARN_TRY(name, resolver.qualify(session, parts));
  return name.full();
}

bool same_name(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, {}, [](unsigned char c) { return std::tolower(c); }, [](unsigned char c) { return std::tolower(c); });
}

}  // namespace

Result<Done> Executor::create_function(const Call& c) {
  const auto& a = c.analysis;
  const auto option = [&](const char* key) {
    const auto found = a.options.find(key);
    return found == a.options.end() ? std::string() : found->second;
  };
  catalog::FunctionInfo info{.owner = c.session.ctx.caller.name, .returns = option("returns"), .body = a.query_text};
  for (const auto& p : a.columns) info.parameters.push_back({p.name, p.type, p.default_value});
  info.table = a.options.contains("table");
  for (const auto& p : a.returned) info.columns.push_back({p.name, p.type, std::nullopt});
  if (a.temporary) return create_temporary_function(c, std::move(info));
  TARN_TRY(name, resolver_.qualify(c.session, a.target));
  TARN_TRY(meant, parser_.analyze(info.table ? info.body : "SELECT (" + info.body + "\n)"));
  TARN_CHECK(lasting_only(c.session, backticked({name.catalog, name.schema, name.table}), "FUNCTION", *meant));
  info.full_name = name.full(), info.catalog_name = name.catalog, info.schema_name = name.schema, info.name = name.table;
  catalog::NewFunction wanted{.catalog = name.catalog,
                              .schema = name.schema,
                              .name = name.table,
                              .returns = info.returns,
                              .body = info.body,
                              .parameters = info.parameters,
                              .deterministic = a.options.at("deterministic") == "true",
                              .table = info.table,
                              .columns = info.columns,
                              .comment = a.comment};
  // Compiled under the maker's rights, as a view is; a replaced function stays its owner's, who is asked again when it runs.
  TARN_TRY(body, resolver_.compile_function(c.session, info));
  if (body.outside && option("access") == "CONTAINS_SQL")
    return refuse(
        Errc::invalid,
        "[INVALID_SQL_FUNCTION_DATA_ACCESS] Cannot create a SQL function with CONTAINS SQL that accesses a table/view or a SQL function that "
        "reads SQL data. Please use READS SQL DATA instead. SQLSTATE: 42K0E");
  wanted.reads_data = body.outside || option("access") == "READS_SQL_DATA";
  if (wanted.table && wanted.columns.empty())
    for (std::size_t i = 0; i < body.columns.size(); ++i) wanted.columns.push_back({body.columns[i], body.types.at(i), std::nullopt});
  if (!wanted.table && wanted.returns.empty()) wanted.returns = body.types.at(0);
  TARN_TRY(found, engine_.describe(engine::Scope{.directories = body.directories}, body.sql, c.session.cancel));
  (void)found;
  auto made = catalog_.create_function(c.session.ctx, wanted, a.or_replace);
  if (!made && made.error().code == catalog::Errc::already_exists) {
    if (a.if_not_exists) return deliver(c, {}, {});
    return refuse(Errc::already_exists, "[ROUTINE_ALREADY_EXISTS] Cannot create the function " + backticked({name.catalog, name.schema, name.table}) +
                                            " because a routine of that name already exists. Choose a different name, drop or replace the existing "
                                            "routine, or add the IF NOT EXISTS clause to tolerate a pre-existing routine. SQLSTATE: 42723");
  }
  if (!made) return fail(Resolver::catalog_error(made.error()));
  return deliver(c, {}, {});
}

Result<Done> Executor::drop_function(const Call& c) {
  if (c.analysis.temporary || (c.analysis.target.size() > 1 && Resolver::temporary_function(c.session, c.analysis.target)))
    return drop_temporary_function(c);
  TARN_TRY(name, resolver_.qualify(c.session, c.analysis.target));
  auto gone = catalog_.drop_function(c.session.ctx, name.full(), c.analysis.if_exists);
  if (!gone && gone.error().code == catalog::Errc::not_found)
    return refuse(Errc::not_found, "[ROUTINE_NOT_FOUND] The routine " + backticked({name.catalog, name.schema, name.table}) +
                                       " cannot be found. Verify the spelling and correctness of the schema and catalog. SQLSTATE: 42883");
  if (!gone) return fail(Resolver::catalog_error(gone.error()));
  return deliver(c, {}, {});
}

Result<void> Executor::name_policies(const Call& c, catalog::NewTable& wanted) {
  const auto& a = c.analysis;
  if (a.row_filter) {
    TARN_TRY(function, function_name(resolver_, c.session, a.row_filter->function));
    wanted.row_filter = {.function_name = std::move(function), .input_column_names = a.row_filter->columns};
  }
  for (const auto& [column, clause] : a.masks) {
    TARN_TRY(function, function_name(resolver_, c.session, clause.function));
    wanted.masks[column] = {.function_name = std::move(function), .using_column_names = clause.columns};
  }
  return {};
}

Result<Done> Executor::govern(const Call& c, const catalog::TableName& name) {
  const auto& a = c.analysis;
  const auto& ctx = c.session.ctx;
  const std::string& action = a.options.at("action");
  catalog::NewTable wanted;
  TARN_CHECK(name_policies(c, wanted));
  if (auto ok = catalog_.require(ctx, catalog::Privilege::MANAGE, catalog::SecurableType::TABLE, name.full()); !ok)
    return fail(Resolver::table_error(ok.error(), name));
  auto info = catalog_.table(ctx, name);
  if (!info) return fail(Resolver::table_error(info.error(), name));
  const std::string column = action == "drop_mask" ? a.columns.at(0).name : action == "set_mask" ? wanted.masks.begin()->first : "";
  if (!action.starts_with("drop")) {
    // Tried first: a table that nobody could read any more is not left behind.
    auto next = *info;
    next.row_filter = column.empty() ? wanted.row_filter : std::nullopt;
    for (auto& k : next.columns) {
      k.mask.reset();
      if (!column.empty() && same_name(k.name, column)) k.mask = wanted.masks.begin()->second;
    }
    TARN_CHECK(try_policies(c, std::move(next)));
  }
  const auto done = column.empty() ? catalog_.set_row_filter(ctx, name, wanted.row_filter)
                                   : catalog_.set_column_mask(ctx, name, column,
                                                              action == "drop_mask" ? std::nullopt : std::optional(wanted.masks.begin()->second));
  if (!done)
    return fail(done.error().securable == catalog::SecurableType::FUNCTION ? Resolver::catalog_error(done.error())
                                                                           : Resolver::table_error(done.error(), name));
  return deliver(c, {}, {});
}

Result<void> Executor::try_policies(const Call& c, catalog::TableInfo info) {
  const auto fits = [&](const std::string& function, std::vector<std::string>& columns, std::size_t more, std::string& id) -> Result<bool> {
    const auto found = catalog_.function_as_owner(c.session.ctx, info.owner, function);
    if (!found || found->parameters.size() != columns.size() + more) return false;  // the catalog says so in its own words
    for (auto& given : columns) {
      const auto own = std::ranges::find_if(info.columns, [&](const auto& k) { return same_name(k.name, given); });
      if (own == info.columns.end()) return false;
      given = own->name;
    }
    TARN_CHECK(resolver_.compile_function(c.session, *found));
    id = found->function_id;
    return true;
  };
  if (info.row_filter) {
    TARN_TRY(sound, fits(info.row_filter->function_name, info.row_filter->input_column_names, 0, info.row_filter->function_id));
    if (!sound) return {};
  }
  for (auto& k : info.columns) {
    if (!k.mask) continue;
    TARN_TRY(sound, fits(k.mask->function_name, k.mask->using_column_names, 1, k.mask->function_id));
    if (!sound) return {};
  }
  TARN_TRY(compiled, resolver_.compile_policies(c.session, info));
  TARN_CHECK(engine_.describe(engine::Scope{.directories = compiled.directories}, compiled.sql, c.session.cancel));
  return {};
}

Error Executor::withheld(Error e) {
  // The class and the state say what kind of mistake it is; the rest may quote what a filter or mask hides.
  std::string text;
  if (e.message.starts_with('['))
    text = e.message.substr(0, e.message.find(']') + 1);
  else
    text = e.message.substr(0, e.message.find(':') + 1);
  std::string state;
  if (const auto at = e.message.rfind("SQLSTATE: "); at != std::string::npos && e.message.size() - at <= 16) state = " " + e.message.substr(at);
  e.message = text +
              " The details of this error are withheld: the statement reads a table with a row filter or column masks, or a view whose tables " +
              "you may not read." + state;
  return e;
}

}  // namespace tarn::sql
