#include "sql/sessions.h"

#include "base/ids.h"

namespace tarn::sql {
namespace {

constexpr std::size_t kMostVariables = 1'000, kMostSessions = 200;  // of one session, of one caller
constexpr Millis kIdle = 8 * 3'600'000;

Error gone(const std::string& id) {
  return {Errc::not_found,
          "The session " + id + " was not found. It may have been closed, or not used for 8 hours: open one with POST /api/2.0/sql/sessions"};
}

}  // namespace

SessionState::Declared SessionState::declare(const std::string& name, Variable variable, bool replace) {
  const std::lock_guard lock(mutex_);
  const auto i = variables_.find(name);
  if (i != variables_.end() && !replace) return Declared::exists;
  if (i == variables_.end() && variables_.size() >= kMostVariables) return Declared::too_many;
  variables_[name] = std::move(variable);
  return Declared::yes;
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

}  // namespace tarn::sql
