// Temporary functions: made by CREATE TEMPORARY FUNCTION, called by the statements of their session with the rights of whose session it is, gone with
// it.
#include "base/text.h"
#include "sql/executor.h"
#include "sql/types.h"

namespace tarn::sql {
namespace {

/// The name of a temporary object: alone, or below `session` or `system.session`. Nothing: it is qualified otherwise.
std::optional<std::string> own_name(const std::vector<std::string>& parts) {
  std::string place;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) place += lower(parts[i]) + ".";
  if (!place.empty() && place != "session." && place != "system.session.") return std::nullopt;
  return lower(parts.back());
}

Error qualified(const std::vector<std::string>& parts) {
  return {Errc::invalid, "[INVALID_TEMP_OBJ_QUALIFIER] Temporary FUNCTION " + backticked(std::string_view(parts.back())) +
                             " cannot be qualified with " + backticked({parts.begin(), parts.end() - 1}) + ": give its name alone. SQLSTATE: 42602"};
}

}  // namespace

std::shared_ptr<const catalog::FunctionInfo> Resolver::temporary_function(const Session& session, const std::vector<std::string>& parts) {
  const auto name = own_name(parts);
  return name && session.state ? session.state->function(*name) : nullptr;
}

Result<Done> Executor::create_temporary_function(const Call& c, catalog::FunctionInfo info) {
  const auto& a = c.analysis;
  const auto name = own_name(a.target);
  if (!name) return fail(qualified(a.target));
  // A statement without a session is one of its own: what is wrong with the function is said, and nothing lasts.
  const auto state = c.session.state ? c.session.state : std::make_shared<SessionState>();
  const auto taken = [&] {
    return refuse(Errc::already_exists, "[ROUTINE_ALREADY_EXISTS] Cannot create the function " + backticked(std::string_view(*name)) +
                                            " because a routine of that name already exists. Choose a different name, drop or replace the existing "
                                            "routine, or add the IF NOT EXISTS clause to tolerate a pre-existing routine. SQLSTATE: 42723");
  };
  if (!a.or_replace && state->function(*name)) return taken();
  info.full_name = "session." + *name;
  info.name = *name;
  // The defaults that its body was written under.
  info.catalog_name = c.session.catalog;
  info.schema_name = c.session.schema;
  info.deterministic = a.options.at("deterministic") == "true";
  info.comment = a.comment;
  TARN_TRY(body, resolver_.compile_function(c.session, info, true));
  c.guarded = c.guarded || body.guarded;
  info.reads_data = body.outside;
  if (info.table && info.columns.empty())
    for (std::size_t i = 0; i < body.columns.size(); ++i) info.columns.push_back({body.columns[i], body.types.at(i), std::nullopt});
  if (!info.table && info.returns.empty()) info.returns = body.types.at(0);
  TARN_TRY(found, engine_.describe(engine::Scope{.directories = body.directories}, body.sql, c.session.cancel));
  (void)found;
  switch (state->make_function(*name, std::move(info), a.or_replace)) {
    case SessionState::Declared::exists:
      return taken();
    case SessionState::Declared::too_many:
      return refuse(Errc::invalid, "The session has 1,000 temporary functions, which is the most: drop some");
    case SessionState::Declared::yes:
      break;
  }
  return deliver(c, {}, {});
}

Result<Done> Executor::drop_temporary_function(const Call& c) {
  const auto& a = c.analysis;
  const auto name = own_name(a.target);
  if (!name) return fail(qualified(a.target));
  if ((!c.session.state || !c.session.state->drop_function(*name)) && !a.if_exists)
    return refuse(Errc::not_found, "[ROUTINE_NOT_FOUND] The routine " + backticked({"session", *name}) +
                                       " cannot be found. Verify the spelling and correctness of the schema and catalog. SQLSTATE: 42883");
  return deliver(c, {}, {});
}

Result<void> Executor::lasting_only(const Session& session, const std::string& shown, const char* type, const Analysis& body) const {
  const auto refers = [&](const std::vector<std::string>& what, const char* of) {
    return refuse(Errc::invalid, "[INVALID_TEMP_OBJ_REFERENCE] Cannot create the persistent object " + shown + " of the type " + type +
                                     " because it references to the temporary object " + backticked(what) + " of the type " + of +
                                     ". Please make the temporary object persistent, or make the persistent object temporary. SQLSTATE: 42K0F");
  };
  for (const auto& t : body.tables)
    if (t.parts.size() == 1 && session.state && session.state->view(lower(t.parts[0]))) return refers(t.parts, "VIEW");
  for (const auto& r : body.routines)
    if (Resolver::temporary_function(session, r)) return refers(r, "FUNCTION");
  return {};
}

}  // namespace tarn::sql
