#pragma once
// What lasts from one statement of a session to the next: the defaults for names (USE), session variables, temporary views and functions, the time
// zone. A session is opened by POST /api/2.0/sql/sessions (as the vendor's SQL connectors do) and named by the statements that belong to it; a
// statement that names none is a session of its own. Sessions are in the memory of the server that opened them, and are forgotten when they were not
// used for a while.
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "access/caller.h"
#include "base/clock.h"
#include "catalog/catalog.h"
#include "sql/analysis.h"
#include "sql/errors.h"

namespace tarn::sql {

/// A session variable. Its value is a constant: the engine's text of it, which cast to the type gives it back.
struct Variable : Constant {
  std::string initial;  // its DEFAULT as written; empty: NULL
};

/// A view of a session: a query under a name, read with the rights of whose session it is, by nothing that outlives the session.
struct TemporaryView {
  std::string query;                  // as written
  std::string catalog, schema, zone;  // under which it was written
  std::vector<catalog::ColumnInfo> columns;
  std::optional<std::string> comment;
  std::map<std::string, std::string> properties;
};

/// Thread-safe: statements of a session may run at once, each with the state as it was when it began.
class SessionState {
 public:
  struct Defaults {
    std::string catalog, schema;
  };
  Defaults defaults() const {
    const std::lock_guard lock(mutex_);
    return defaults_;
  }
  void use(Defaults defaults) {
    const std::lock_guard lock(mutex_);
    defaults_ = std::move(defaults);
  }
  /// The session's time zone: a name, or an offset such as +02:00; empty: UTC.
  std::string zone() const {
    const std::lock_guard lock(mutex_);
    return zone_;
  }
  void set_zone(std::string zone) {
    const std::lock_guard lock(mutex_);
    zone_ = std::move(zone);
  }
  /// What SET gave one of its other settings, by the name that the vendor's manual has; nothing: it was not set.
  std::optional<std::string> setting(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto i = settings_.find(name);
    return i == settings_.end() ? std::nullopt : std::optional(i->second);
  }
  void set(const std::string& name, std::string value) {
    const std::lock_guard lock(mutex_);
    settings_[name] = std::move(value);
  }
  void reset(const std::string& name) {
    const std::lock_guard lock(mutex_);
    settings_.erase(name);
  }
  void reset() {
    const std::lock_guard lock(mutex_);
    settings_.clear();
  }
  /// The values of its variables, by name in lower case.
  std::map<std::string, Constant> constants() const {
    const std::lock_guard lock(mutex_);
    return {variables_.begin(), variables_.end()};
  }
  std::optional<Variable> variable(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto i = variables_.find(name);
    return i == variables_.end() ? std::nullopt : std::optional(i->second);
  }
  /// False: there is one of that name already (unless it may be replaced), or there are too many.
  enum class Declared { yes, exists, too_many };
  Declared declare(const std::string& name, Variable variable, bool replace);
  /// Sets the values of variables that are there; one that was dropped meanwhile is left out.
  void assign(const std::map<std::string, std::optional<std::string>>& values);
  bool drop(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return variables_.erase(name) != 0;
  }
  /// Its temporary view of that name in lower case; null: there is none.
  std::shared_ptr<const TemporaryView> view(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto i = views_.find(name);
    return i == views_.end() ? nullptr : i->second;
  }
  /// The names of its temporary views, sorted.
  std::vector<std::string> views() const;
  Declared make_view(const std::string& name, TemporaryView view, bool replace);
  bool drop_view(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return views_.erase(name) != 0;
  }
  /// Its temporary function of that name in lower case, called `session.NAME` in full; null: there is none.
  std::shared_ptr<const catalog::FunctionInfo> function(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto i = functions_.find(name);
    return i == functions_.end() ? nullptr : i->second;
  }
  /// The names of its temporary functions, sorted.
  std::vector<std::string> functions() const;
  Declared make_function(const std::string& name, catalog::FunctionInfo function, bool replace);
  bool drop_function(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return functions_.erase(name) != 0;
  }

 private:
  mutable std::mutex mutex_;
  Defaults defaults_;
  std::map<std::string, Variable> variables_;  // by name in lower case
  std::map<std::string, std::shared_ptr<const TemporaryView>> views_;
  std::map<std::string, std::string> settings_;
  std::map<std::string, std::shared_ptr<const catalog::FunctionInfo>> functions_;
  std::string zone_;
};

/// What opens a session.
struct SessionRequest {
  std::string warehouse_id;
  std::optional<std::string> catalog, schema;
  std::map<std::string, std::string> session_confs;
};
BOOST_DESCRIBE_STRUCT(SessionRequest, (), (warehouse_id, catalog, schema, session_confs))

/// The open sessions of this server. Thread-safe.
class Sessions {
 public:
  explicit Sessions(const Clock& clock) : clock_(clock) {}
  /// The new session's id. Error: invalid where its caller has too many.
  Result<std::string> open(const access::Context& ctx, std::string warehouse_id, std::shared_ptr<SessionState> state);
  /// The caller's own, in this workspace and on this warehouse. Errors: not_found, invalid (another warehouse's).
  Result<std::shared_ptr<SessionState>> find(const access::Context& ctx, const std::string& id, const std::string& warehouse_id);
  /// Error: not_found.
  Result<void> close(const access::Context& ctx, const std::string& id);

 private:
  struct Entry {
    std::int64_t workspace_id = 0, caller_id = 0;
    std::string warehouse_id;
    Millis used_at = 0;
    std::shared_ptr<SessionState> state;
  };
  const Entry* own(const access::Context& ctx, const std::string& id) const;
  void forget();

  const Clock& clock_;
  std::mutex mutex_;
  std::map<std::string, Entry> open_;
};

}  // namespace tarn::sql
