#pragma once
// Global init scripts of a workspace: shell scripts that every cluster runs when it starts, in the order of their positions (0, 1, 2, … without
// gaps). Only workspace administrators see or change them (the routes say so). Thread-safe; methods block on the store. Source: REST API reference
// "Global Init Scripts", databricks-sdk-go service/compute.
#include "access/caller.h"
#include "base/clock.h"
#include "base/refusal.h"
#include "base/result.h"
#include "store/store.h"

namespace tarn::init_scripts {

enum class Errc { invalid, not_found, too_large };
constexpr Refusal refusal_of(Errc code) {
  switch (code) {
    case Errc::invalid:
    case Errc::too_large:
      return refusals::invalid;
    case Errc::not_found:
      return refusals::not_found;
  }
  return {};
}
using Error = RoomError<Errc>;
template <class T>
using Result = Expected<T, Error>;

struct ScriptDetails {
  std::string script_id, name, created_by, updated_by;
  std::int64_t position = 0;
  bool enabled = false;
  Millis created_at = 0, updated_at = 0;
};
BOOST_DESCRIBE_STRUCT(ScriptDetails, (), (script_id, name, created_by, updated_by, position, enabled, created_at, updated_at))

struct ScriptRequest {
  std::string name;
  std::string script;  // base64
  std::optional<std::int64_t> position;
  std::optional<bool> enabled;
};
BOOST_DESCRIBE_STRUCT(ScriptRequest, (), (name, script, position, enabled))

/// One script with its text.
struct Script : ScriptDetails {
  std::string script;  // base64
};
BOOST_DESCRIBE_STRUCT(Script, (ScriptDetails), (script))

class Scripts {
 public:
  static constexpr std::size_t kMostBytes = 64 * 1024;

  Scripts(store::Store& store, const Clock& clock) : store_(store), clock_(clock) {}

  /// In the order they run.
  std::vector<ScriptDetails> list(const access::Context& ctx);
  Result<Script> get(const access::Context& ctx, const std::string& id);
  /// Without a position, or with one beyond the end, it becomes the last; otherwise those from there on move up by one. The new id.
  Result<std::string> create(const access::Context& ctx, const ScriptRequest& request);
  Result<void> update(const access::Context& ctx, const std::string& id, const ScriptRequest& request);
  Result<void> remove(const access::Context& ctx, const std::string& id);

  /// What a cluster that starts now runs: the enabled ones in order, as plain text.
  std::vector<std::pair<std::string, std::string>> to_run(std::int64_t workspace_id);

  /// A deleted workspace's records, within the transaction that deletes it.
  void on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace_id) const;

 private:
  store::Store& store_;
  const Clock& clock_;
};

}  // namespace tarn::init_scripts
