#pragma once
// What administrators have set for a workspace or the account, as the rooms that must act on it ask. Implemented by the room `settings`.
// Thread-safe; answers come from a cache that the store's generation guards, so a change holds from the next request on.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"

namespace tarn::access {

class WorkspaceSettings {
 public:
  virtual ~WorkspaceSettings() = default;

  /// A key of workspace-conf ("maxTokenLifetimeDays"); its default, or empty, if nobody set it.
  virtual std::string conf(std::int64_t workspace_id, std::string_view key) = 0;
  /// A setting of the Settings API by its type ("default_namespace_ws"): the object as clients write it, without etag; null if it is not
  /// set. Scope 0 is the account.
  virtual json::value setting(std::int64_t workspace_id, std::string_view type) = 0;

  bool conf_on(std::int64_t workspace_id, std::string_view key) { return conf(workspace_id, key) == "true"; }
  /// A whole number above zero; nothing if unset.
  std::optional<std::int64_t> conf_number(std::int64_t workspace_id, std::string_view key) {
    const auto text = conf(workspace_id, key);
    if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != text.npos) return std::nullopt;
    const auto n = std::stoll(text);
    return n > 0 ? std::optional<std::int64_t>(n) : std::nullopt;
  }
};

}  // namespace tarn::access
