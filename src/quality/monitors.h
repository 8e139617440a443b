#pragma once
// Quality monitors of tables: defined, kept, refreshed. A refresh makes the monitor's profile and drift tables anew (metrics.h), with the rights of
// whoever made the monitor, asked again each time; one runs at a time on each server, on a thread of this room. Schedules fire once however many
// servers share the store. A refresh that a server's end cut off is run again by that server when it is back. Thread-safe.
//
// Rights as the vendor has them: making, changing, refreshing and deleting need MANAGE (the table's owner, or its schema's or catalog's); looking
// needs SELECT.
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

#include "catalog/catalog.h"
#include "identity/directory.h"
#include "quality/types.h"

namespace tarn::quality {

/// Statements of a refresh. Returns rows as text; the error is a text for people. `stop`: the statement is to end.
using Rows = std::vector<std::vector<std::optional<std::string>>>;
using Run = std::function<Expected<Rows, std::string>(const access::Context& ctx, const std::string& sql, std::stop_token stop)>;

/// Hands a message to the operator's mail relay; the error is a text for people. Empty: there is no relay, and who asks for mail is refused.
using Mail = std::function<Expected<void, std::string>(const std::vector<std::string>& to, const std::string& subject, const std::string& text)>;

class Monitors {
 public:
  static constexpr std::size_t kKeptRefreshes = 200;  // of a table

  /// All must outlive this.
  Monitors(store::Store& store, catalog::Catalog& catalog, identity::Directory& directory, const Clock& clock, Run run, Mail mail,
           std::string server_id);
  ~Monitors() { stop(); }
  void start();
  /// Ends what runs; it begins again with the next start.
  void stop();

  /// already_exists; invalid by field; permission_denied.
  Result<Monitor> create(const access::Context& ctx, const std::string& table, const Definition& wanted);
  Result<Monitor> get(const access::Context& ctx, const std::string& table);
  /// Replaces the definition; its assets' folder stays.
  Result<Monitor> update(const access::Context& ctx, const std::string& table, const Definition& wanted);
  /// The metric tables stay.
  Result<void> remove(const access::Context& ctx, const std::string& table);

  Result<Refresh> refresh(const access::Context& ctx, const std::string& table);
  /// Newest first.
  Result<std::vector<Refresh>> refreshes(const access::Context& ctx, const std::string& table);
  Result<Refresh> refresh_of(const access::Context& ctx, const std::string& table, const std::string& id);
  /// One that is over stays as it is.
  Result<void> cancel(const access::Context& ctx, const std::string& table, const std::string& id);

 private:
  Result<catalog::TableInfo> table_of(const access::Context& ctx, const std::string& name, catalog::Privilege privilege);
  /// One that the caller may change; a refusal is audited as the action's.
  Result<Monitor> managed(const access::Context& ctx, const std::string& table, const char* action);
  Result<Monitor> monitor_of(const access::Context& ctx, const std::string& table, catalog::Privilege privilege);
  Result<void> check(const access::Context& ctx, const catalog::TableInfo& table, const Definition& d);
  Refresh begin(store::WriteTxn& t, Monitor& m, RefreshTrigger trigger);
  void keep(std::stop_token stop);
  void fire_schedules();
  std::optional<Refresh> next();
  void perform(const Refresh& r, const std::stop_token& ends);
  Expected<void, std::string> make(const Monitor& m, std::stop_token stop);
  /// Mails who is to know of a refresh that failed. The audit log says what became of it.
  void tell(const Monitor& m, const Refresh& r);
  std::optional<Refresh> move(const Refresh& r, const std::function<bool(Refresh&)>& change);

  store::Store& store_;
  catalog::Catalog& catalog_;
  identity::Directory& directory_;
  const Clock& clock_;
  const Run run_;
  const Mail mail_;
  const std::string server_id_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  bool due_ = true;
  std::string running_;         // store key of the refresh under way
  std::stop_source under_way_;  // of it
  std::jthread thread_;
};

}  // namespace tarn::quality
