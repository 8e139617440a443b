// Row filters, column masks and the functions behind them: the one place where a table becomes what its reader may see of it. Nothing reads a
// governed table's rows but through here; what cannot be applied refuses the statement.
#include "sql/resolver.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

/// What a reader hears of a policy that cannot be applied: not why, for that would tell of things that are not his.
Error closed(const catalog::TableInfo& info, const std::string& function) {
  return {
      Errc::permission_denied,
      "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nTable '" + info.full_name + "' cannot be read: the function '" + function +
          "' that filters its rows or masks a column cannot be run in the name of the table's owner (it is gone, was replaced by another, or it or "
          "what it reads may not be used). The table's owner can mend it. SQLSTATE: 42501"};
}

Error closed_by_conflict(const catalog::TableInfo& info) {
  return {Errc::permission_denied,
          "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nTable '" + info.full_name +
              "' cannot be read: several policies over its rows or one of its columns are in force for you and exclude each other, or one of them "
              "does not say which of several columns it means. Who manages the table can mend it. SQLSTATE: 42501"};
}

/// Whether the failure says something about the policy itself; others (no parser, cancelled, …) keep their own name.
bool about_policy(Errc code) { return code != Errc::unavailable && code != Errc::cancelled && code != Errc::timeout; }

std::vector<RelationColumn> columns_of(const std::vector<catalog::FunctionInfo::Parameter>& parameters) {
  std::vector<RelationColumn> out;
  for (const auto& p : parameters) out.push_back({p.name, p.type});
  return out;
}

Result<std::string> typed_null(const RelationColumn& c) {
  auto type = delta::delta_type(c.type);
  if (!type) return refuse(Errc::invalid, "[UNSUPPORTED_DATATYPE] Unsupported data type \"" + c.type + "\". SQLSTATE: 0A000");
  return "CAST(NULL AS " + delta::duckdb_type(*type) + ") AS " + delta::sql_identifier(c.name);
}

Result<std::string> stub(const std::vector<RelationColumn>& columns) {
  std::string list;
  for (const auto& c : columns) {
    TARN_TRY(one, typed_null(c));
    list += (list.empty() ? "" : ", ") + one;
  }
  return list;
}

/// The engine's optimizer moves conditions past everything but a few kinds of operators; sampling all of the rows is one that it never passes and
/// that costs next to nothing (engine/functions knows none of our own that could be one).
std::string barrier(const std::string& relation) { return "(SELECT * FROM " + relation + " AS guarded_ USING SAMPLE 100 PERCENT (system))"; }

}  // namespace

Result<FunctionDef> Resolver::define(const Session& session, const catalog::FunctionInfo& function, const Rights& rights,
                                     std::vector<Relation>& relations, std::vector<FunctionDef>& functions, bool temporary) {
  if (std::ranges::find(rights.views, function.full_name) != rights.views.end())
    return refuse(Errc::invalid, "[CYCLIC_FUNCTION_REFERENCE] Cyclic function reference detected: " + function.full_name + ". SQLSTATE: 42887");
  Rights inside{.owner = temporary ? std::nullopt : std::optional(function.owner), .views = rights.views};
  inside.views.push_back(function.full_name);
  Session inner = session;
  inner.catalog = function.catalog_name;
  inner.schema = function.schema_name;
  inner.parameters.clear();
  std::string text = function.table ? function.body : "SELECT (" + function.body + "\n)";
  TARN_TRY(analysis, parser_.analyze(text));
  FunctionDef out{function.full_name, columns_of(function.parameters), function.returns, function.body, {}, {}};
  out.table = function.table;
  out.columns = columns_of(function.columns);
  out.reads_data = function.reads_data || !analysis->tables.empty();
  // What defaults call is found with what the body calls.
  std::string values;
  for (const auto& p : function.parameters) {
    out.defaults.push_back(p.default_value.value_or(""));
    if (p.default_value) values += (values.empty() ? "SELECT (" : ", (") + *p.default_value + "\n)";
  }
  if (!values.empty()) {
    TARN_TRY(of_defaults, parser_.analyze(values));
    TARN_TRY(called, routines(inner, *of_defaults, inside, relations, functions));
    out.routines = std::move(called);
  }
  TARN_TRY(called, routines(inner, *analysis, inside, relations, functions));
  out.routines.merge(called);
  for (const auto& reference : analysis->tables) {
    TARN_TRY(r, resolve(inner, reference, inside));
    out.relations.push_back(static_cast<int>(relations.size()));
    relations.push_back(std::move(r));
  }
  return out;
}

Result<std::map<std::string, int>> Resolver::routines(const Session& session, const Analysis& analysis, const Rights& rights,
                                                      std::vector<Relation>& relations, std::vector<FunctionDef>& functions) {
  std::map<std::string, int> out;
  for (const auto& parts : analysis.routines) {
    // The session's own come first; what lasts, such as a view's body, knows none of them.
    const auto own = rights.owner ? nullptr : temporary_function(session, parts);
    catalog::Result<catalog::FunctionInfo> found = fail(catalog::Error{});
    if (own) {
      found = *own;
    } else {
      auto name = qualify(session, parts);
      if (!name) continue;
      const auto full = name->full();
      found = rights.owner ? catalog_.function_as_owner(session.ctx, *rights.owner, full) : catalog_.function(session.ctx, full);
      if (!found && found.error().code == catalog::Errc::not_found) continue;
      if (!found) return fail(catalog_error(found.error()));
    }
    std::string written;
    for (const auto& p : parts) written += (written.empty() ? "" : ".") + p;
    for (auto& ch : written) ch = static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
    if (functions.size() >= 256)
      return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] A statement with more than 256 functions is not supported. SQLSTATE: 0A000");
    TARN_TRY(defined, define(session, *found, rights, relations, functions, own != nullptr));
    functions.push_back(std::move(defined));
    out[written] = static_cast<int>(functions.size()) - 1;
  }
  return out;
}

Result<Policy> Resolver::policy_of(const Session& session, const catalog::TableInfo& info, const std::vector<RelationColumn>& columns,
                                   const Rights& rights, std::vector<FunctionDef>& functions, std::vector<Relation>& relations) {
  Rights inside = rights;
  // A policy that comes back to its own table has no meaning.
  if (std::ranges::find(inside.views, info.full_name) != inside.views.end() || inside.views.size() >= 16) return fail(closed(info, info.full_name));
  inside.views.push_back(info.full_name);
  const auto call = [&](const std::string& name, const std::string& id, std::vector<std::string> given) -> Result<Policy::Call> {
    for (const auto& g : given)
      if (std::ranges::none_of(columns, [&](const RelationColumn& c) { return c.name == g; })) return fail(closed(info, name));
    auto function = catalog_.function_as_owner(session.ctx, info.owner, name);
    if (!function || function->function_id != id || function->parameters.size() != given.size()) return fail(closed(info, name));
    auto defined = define(session, *function, inside, relations, functions);
    if (!defined) return fail(about_policy(defined.error().code) ? closed(info, name) : defined.error());
    functions.push_back(*std::move(defined));
    return Policy::Call{static_cast<int>(functions.size()) - 1, std::move(given)};
  };
  Policy out;
  // What policies over tags do to this reader; the catalog has decided which apply.
  if (info.conflict) return fail(closed_by_conflict(info));
  for (const auto& p : info.policies) {
    auto function = catalog_.function_as_owner(session.ctx, p.definer, p.function_name);
    const std::size_t masked = p.column.empty() ? 0 : 1;
    if (!function || function->function_id != p.function_id || function->parameters.size() != p.arguments.size() + masked)
      return fail(closed(info, p.function_name));
    auto defined = define(session, *function, inside, relations, functions);
    if (!defined) return fail(about_policy(defined.error().code) ? closed(info, p.function_name) : defined.error());
    functions.push_back(*std::move(defined));
    Policy::Call one{static_cast<int>(functions.size()) - 1, {}, {}};
    if (masked) one.columns.push_back(p.column), one.constants.push_back(false);
    for (const auto& a : p.arguments) {
      if (!a.constant && std::ranges::none_of(columns, [&](const RelationColumn& c) { return c.name == a.text; }))
        return fail(closed(info, p.function_name));
      one.columns.push_back(a.text), one.constants.push_back(a.constant);
    }
    if (masked)
      out.masks[p.column] = std::move(one);
    else
      out.filter = std::move(one);
  }
  // The table's own must be in order even where a policy calls the same function.
  if (info.row_filter) {
    TARN_TRY(filter, call(info.row_filter->function_name, info.row_filter->function_id, info.row_filter->input_column_names));
    if (!out.filter) out.filter = std::move(filter);
  }
  for (const auto& c : info.columns) {
    if (!c.mask) continue;
    auto given = c.mask->using_column_names;
    given.insert(given.begin(), c.name);
    TARN_TRY(mask, call(c.mask->function_name, c.mask->function_id, std::move(given)));
    out.masks.try_emplace(c.name, std::move(mask));
  }
  return out;
}

Result<Resolver::Relation> Resolver::governed(const Session& session, const catalog::TableInfo& info, Relation base, const Rights& rights) {
  const auto columns = base.columns;  // `relations` moves as it grows
  std::vector<Relation> relations;
  relations.push_back(std::move(base));
  RewriteRequest request{.wide = session.wide_decimals};
  TARN_TRY(policy, policy_of(session, info, columns, rights, request.functions, relations));
  request.policy = std::move(policy);
  for (const auto& r : relations) request.relations.push_back(r.columns);
  request.kinds.assign(relations.size(), ReferenceKind::table);
  const std::string first = request.functions.empty() ? info.full_name : request.functions[0].name;
  auto rewritten = parser_.rewrite(request);
  if (!rewritten) return fail(about_policy(rewritten.error().code) ? closed(info, first) : rewritten.error());
  std::vector<std::shared_ptr<const void>> held;
  TARN_TRY(text, fill(session, (*rewritten)->query, relations, held));
  Relation out = std::move(relations[0]);
  out.asks = out.asks || !held.empty();
  out.held.insert(out.held.end(), held.begin(), held.end());
  out.sql = "(" + text + ")";
  // What a mask makes of a CHAR(n) column is a text like any other.
  for (std::size_t i = 0; i < out.columns.size() && i < (*rewritten)->declared.size(); ++i) out.columns[i].declared = (*rewritten)->declared[i];
  for (std::size_t i = 1; i < relations.size(); ++i) {
    out.directories.insert(out.directories.end(), relations[i].directories.begin(), relations[i].directories.end());
    out.held.insert(out.held.end(), relations[i].held.begin(), relations[i].held.end());
    out.outside = out.outside || relations[i].outside;
    out.asks = out.asks || relations[i].asks;
  }
  return guarded(session, std::move(out));
}

Result<Resolver::Relation> Resolver::guarded(const Session& session, Relation relation) {
  if (session.outline) {
    TARN_TRY(columns, stub(relation.columns));
    relation.sql = "(SELECT " + columns + " FROM range(1))";
    relation.directories.clear();
  }
  relation.sql = barrier(relation.sql);
  relation.guarded = true;
  return relation;
}

bool Resolver::sees_all(const Session& session, const Rights& rights, const std::vector<std::string>& bases) {
  return std::ranges::all_of(bases, [&](const std::string& base) {
    return rights.owner
               ? catalog_.require_as_owner(session.ctx, *rights.owner, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, base).has_value()
               : catalog_.require(session.ctx, catalog::Privilege::SELECT, catalog::SecurableType::TABLE, base).has_value();
  });
}

Result<void> Resolver::add_policy(const Session& session, const catalog::TableInfo& info, const OpenTable& target, RewriteRequest& request) {
  if (!info.governed()) return {};
  std::vector<Relation> read;
  TARN_TRY(policy, policy_of(session, info, target.columns, Rights{}, request.functions, read));
  if (!read.empty())
    return refuse(Errc::unsupported, "[UNSUPPORTED_FEATURE] Changing rows of table '" + info.full_name +
                                         "' is not supported: its row filter or a column mask reads other tables. SQLSTATE: 0A000");
  request.policy = std::move(policy);
  return {};
}

Result<Compiled> Resolver::compile_policies(const Session& session, const catalog::TableInfo& info) {
  Relation base;
  for (const auto& c : info.columns) base.columns.push_back({c.name, value_type(c.type_text)});
  TARN_TRY(columns, stub(base.columns));
  base.sql = "(SELECT " + columns + " WHERE false)";
  TARN_TRY(relation, governed(session, info, std::move(base), Rights{}));
  Compiled out;
  out.sql = "SELECT * FROM " + relation.sql;
  out.directories = std::move(relation.directories);
  std::ranges::sort(out.directories);
  out.directories.erase(std::unique(out.directories.begin(), out.directories.end()), out.directories.end());
  out.held = std::move(relation.held);
  return out;
}

Result<Compiled> Resolver::compile_function(const Session& session, const catalog::FunctionInfo& function, bool temporary) {
  std::vector<Relation> relations(1);
  relations[0].columns = columns_of(function.parameters);
  for (std::size_t i = 0; i < function.parameters.size(); ++i) relations[0].columns[i].name = fmt::format("p{}", i);
  RewriteRequest request;
  TARN_TRY(columns, stub(relations[0].columns));
  relations[0].sql = "(SELECT " + (columns.empty() ? "1 AS nothing_" : columns) + " WHERE false)";
  TARN_TRY(defined, define(session, function, Rights{}, relations, request.functions, temporary));
  Compiled out;
  out.outside = defined.reads_data || std::ranges::any_of(request.functions, &FunctionDef::reads_data);
  request.functions.push_back(std::move(defined));
  request.probe = static_cast<int>(request.functions.size()) - 1;
  for (const auto& r : relations) request.relations.push_back(r.columns);
  request.kinds.assign(relations.size(), ReferenceKind::table);
  TARN_TRY(rewritten, parser_.rewrite(request));
  TARN_TRY(text, fill(session, rewritten->query, relations, out.held));
  out.sql = std::move(text);
  out.columns = rewritten->columns;
  out.types = rewritten->types;
  for (const auto& r : relations) {
    out.directories.insert(out.directories.end(), r.directories.begin(), r.directories.end());
    out.held.insert(out.held.end(), r.held.begin(), r.held.end());
    if (!r.name.empty()) out.read_tables.push_back(r.name);
  }
  std::ranges::sort(out.directories);
  out.directories.erase(std::unique(out.directories.begin(), out.directories.end()), out.directories.end());
  return out;
}

}  // namespace tarn::sql
