#include "sql/sessions.h"

#include "base/ids.h"
#include "sql/statements.h"

namespace tarn::sql {
namespace {

constexpr std::size_t kMostVariables = 1'000, kMostViews = 1'000, kMostFunctions = 1'000, kMostSessions = 200;  // of one session; of one caller
constexpr Millis kIdle = 8 * 3'600'000;

Error gone(const std::string& id) {
  return {Errc::not_found,
          "The session " + id + " was not found. It may have been closed, or not used for 8 hours: open one with POST /api/2.0/sql/sessions"};
}

/// For statements whose result nobody reads.
class Nothing final : public ResultSink {
 public:
  void schema(std::vector<ResultColumn>) override {}
  bool chunk(std::string, std::int64_t) override { return true; }
};

}  // namespace

SessionState::Declared SessionState::declare(const std::string& name, Variable variable, bool replace) {
  const std::lock_guard lock(mutex_);
  const auto i = variables_.find(name);
  if (i != variables_.end() && !replace) return Declared::exists;
  if (i == variables_.end() && variables_.size() >= kMostVariables) return Declared::too_many;
  variables_[name] = std::move(variable);
  return Declared::yes;
}

SessionState::Declared SessionState::make_view(const std::string& name, TemporaryView view, bool replace) {
  const std::lock_guard lock(mutex_);
  const auto i = views_.find(name);
  if (i != views_.end() && !replace) return Declared::exists;
  if (i == views_.end() && views_.size() >= kMostViews) return Declared::too_many;
  views_[name] = std::make_shared<const TemporaryView>(std::move(view));
  return Declared::yes;
}

std::vector<std::string> SessionState::views() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [name, view] : views_) out.push_back(name);
  return out;
}

SessionState::Declared SessionState::make_function(const std::string& name, catalog::FunctionInfo function, bool replace) {
  const std::lock_guard lock(mutex_);
  const auto i = functions_.find(name);
  if (i != functions_.end() && !replace) return Declared::exists;
  if (i == functions_.end() && functions_.size() >= kMostFunctions) return Declared::too_many;
  functions_[name] = std::make_shared<const catalog::FunctionInfo>(std::move(function));
  return Declared::yes;
}

std::vector<std::string> SessionState::functions() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> out;
  for (const auto& [name, function] : functions_) out.push_back(name);
  return out;
}

void SessionState::assign(const std::map<std::string, std::optional<std::string>>& values) {
  const std::lock_guard lock(mutex_);
  for (const auto& [name, value] : values)
    if (const auto i = variables_.find(name); i != variables_.end()) i->second.value = value;
}

void Sessions::forget() {
  std::erase_if(open_, [&](const auto& e) { return clock_.now() - e.second.used_at >= kIdle; });
}

const Sessions::Entry* Sessions::own(const access::Context& ctx, const std::string& id) const {
  const auto i = open_.find(id);
  const bool his = i != open_.end() && i->second.caller_id == ctx.caller.id && i->second.workspace_id == ctx.workspace_id.value_or(0);
  return his ? &i->second : nullptr;
}

Result<std::string> Sessions::open(const access::Context& ctx, std::string warehouse_id, std::shared_ptr<SessionState> state) {
  const std::lock_guard lock(mutex_);
  forget();
  const auto mine = std::ranges::count_if(open_, [&](const auto& e) { return e.second.caller_id == ctx.caller.id; });
  if (static_cast<std::size_t>(mine) >= kMostSessions)
    return refuse(Errc::invalid,
                  fmt::format("You have {} open sessions, which is the most: close some with DELETE /api/2.0/sql/sessions/{{id}}", mine));
  const auto id = new_uuid();
  open_[id] = {ctx.workspace_id.value_or(0), ctx.caller.id, std::move(warehouse_id), clock_.now(), std::move(state)};
  return id;
}

Result<std::shared_ptr<SessionState>> Sessions::find(const access::Context& ctx, const std::string& id, const std::string& warehouse_id) {
  const std::lock_guard lock(mutex_);
  forget();
  const auto* entry = own(ctx, id);
  if (!entry) return fail(gone(id));
  if (entry->warehouse_id != warehouse_id)
    return refuse(Errc::invalid, "Field 'session_id' names a session of the warehouse '" + entry->warehouse_id +
                                     "', field 'warehouse_id' another: '" + warehouse_id + "'");
  open_[id].used_at = clock_.now();
  return entry->state;
}

Result<void> Sessions::close(const access::Context& ctx, const std::string& id) {
  const std::lock_guard lock(mutex_);
  forget();
  if (!own(ctx, id)) return fail(gone(id));
  open_.erase(id);
  return {};
}

Result<std::string> Statements::open_session(const access::Context& ctx, const SessionRequest& r) {
  if (r.warehouse_id.empty()) return refuse(Errc::invalid, "Field 'warehouse_id' is required and must not be empty");
  TARN_TRY(w, usable(ctx, r.warehouse_id, "openSession"));
  auto state = std::make_shared<SessionState>();
  for (const auto& [key, value] : r.session_confs) {
    // Settings as SET knows them.
    const bool plain =
        value.find_first_of("'\"\\\n`;") == value.npos && key.find_first_not_of("abcdefghijklmnopqrstuvwxyz_ABCDEFGHIJKLMNOPQRSTUVWXYZ.") == key.npos;
    Session session{.ctx = ctx, .statement_id = "session", .state = state};
    Nothing sink;
    auto done = plain ? executor_.run(session, "SET " + key + " = " + value, {}, sink) : Result<Done>(fail(Error{Errc::invalid, ""}));
    if (!done)
      return refuse(Errc::invalid, "Field 'session_confs' names the setting '" + key + "' with the value '" + value +
                                       "', which this warehouse does not have. " + done.error().message);
  }
  const auto catalog = r.catalog.value_or("");
  state->use({catalog, r.schema.value_or(catalog.empty() ? "" : "default")});
  TARN_TRY(id, sessions_.open(ctx, w->id, std::move(state)));
  store_.audit_later(ctx.event("databrickssql", "openSession", {{"sessionId", id}, {"warehouseId", w->id}}));
  return id;
}

Result<void> Statements::close_session(const access::Context& ctx, const std::string& id) {
  TARN_CHECK(sessions_.close(ctx, id));
  store_.audit_later(ctx.event("databrickssql", "closeSession", {{"sessionId", id}}));
  return {};
}

}  // namespace tarn::sql
