#pragma once
// IP access lists of a workspace or of the account, and whether they let an address in. Block lists come first; with at least one allow list,
// only addresses in one come in. Workspaces switch them on with the workspace-conf key enableIpAccessLists, the account with the setting
// acct_ip_acl_enable; until then lists are kept and admit everybody. For administrators (routes see to that).
// Thread-safe; a change is one transaction with its audit event. Source: REST API reference "IP Access Lists", "Account IP Access Lists".
#include "access/caller.h"
#include "base/clock.h"
#include "settings/errors.h"
#include "settings/snapshots.h"

namespace tarn::settings {

/// locked_out if the caller of this change could not come back from its address under what the transaction now holds.
Result<void> still_admitted(store::ReadTxn& t, const access::Context& ctx, std::int64_t scope);

struct IpAccessList {
  std::string list_id, label;
  std::vector<std::string> ip_addresses;
  std::int64_t address_count = 0;
  ListType list_type = ListType::ALLOW;
  Millis created_at = 0, updated_at = 0;
  std::int64_t created_by = 0, updated_by = 0;
  bool enabled = true;
};
BOOST_DESCRIBE_STRUCT(IpAccessList, (),
                      (list_id, label, ip_addresses, address_count, list_type, created_at, created_by, updated_at, updated_by, enabled))

/// A create, replace or update request; what an update leaves out stays.
struct IpListRequest {
  std::optional<std::string> label, list_type;
  json::Patch<std::vector<std::string>> ip_addresses;
  std::optional<bool> enabled;
};
BOOST_DESCRIBE_STRUCT(IpListRequest, (), (label, list_type, ip_addresses, enabled))

class IpAccessLists {
 public:
  static constexpr std::size_t kMostAddresses = 1000;  // of a scope, all its lists together

  IpAccessLists(store::Store& store, Snapshots& snapshots, const Clock& clock) : store_(store), snapshots_(snapshots), clock_(clock) {}

  // Of the context's workspace, or of the account on its host. invalid (a field, an address), already_exists (type and label),
  // quota_exceeded, locked_out, not_found.
  Result<IpAccessList> create(const access::Context& ctx, const IpListRequest& request);
  Result<IpAccessList> get(const access::Context& ctx, const std::string& list_id);
  std::vector<IpAccessList> list(const access::Context& ctx);
  /// `whole`: every field is required, as PUT does it.
  Result<void> change(const access::Context& ctx, const std::string& list_id, const IpListRequest& request, bool whole);
  Result<void> remove(const access::Context& ctx, const std::string& list_id);

  /// The vendor's refusal of a request from this address to a workspace, or to the account (nullopt); nothing if it may come in. Cheap.
  std::optional<std::string> refusal(std::optional<std::int64_t> workspace_id, std::string_view source_ip);

 private:
  store::Store& store_;
  Snapshots& snapshots_;
  const Clock& clock_;
};

}  // namespace tarn::settings
