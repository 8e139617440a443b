#pragma once
// Connections, shares, recipients and providers as callers use them. Each is made with its CREATE privilege on the metastore, seen by its owner,
// holders of its privileges (a share's, recipient's and provider's: the metastore's USE privileges) and metastore admins, changed by those who
// manage it. A share lists tables that its owner may read; which recipients get it is kept with it. There is no sharing server here yet: what a
// recipient would open answers that it is not enabled.
#include <set>

#include "catalog/core.h"
#include "store/secrets.h"

namespace tarn::catalog {

struct ExchangeChange {
  std::optional<std::string> new_name, owner;
  json::Patch<std::string> comment;
};

class Exchange {
 public:
  explicit Exchange(const Core& core) : core_(core) {}
  /// At start-up; without it secret options are refused.
  void set_secrets(const store::Secrets* secrets) { secrets_ = secrets; }

  /// Bodies are the requests as they came; invalid names the field. `sealed`: options of a connection that are kept as secrets whatever they are
  /// called.
  Result<json::value> create(const access::Context& ctx, SecurableType type, const json::value& request, const std::set<std::string>& sealed = {});
  /// `with_objects`: a share's data objects, too.
  Result<json::value> get(const access::Context& ctx, SecurableType type, std::string_view name, bool with_objects = true);
  Result<Page<json::value>> list(const access::Context& ctx, SecurableType type, const PageRequest& page);
  /// A connection's options are replaced as a whole.
  Result<json::value> update(const access::Context& ctx, SecurableType type, std::string_view name, const json::value& request,
                             const std::set<std::string>& sealed = {});
  Result<void> remove(const access::Context& ctx, SecurableType type, std::string_view name);

  /// Which recipients may read a share; and which shares a recipient may read. Changing needs the right to manage the share, or to see it and SET
  /// SHARE PERMISSION on the metastore; giving to a recipient also that the caller sees that one.
  Result<json::value> share_permissions(const access::Context& ctx, std::string_view share);
  Result<json::value> change_share_permissions(const access::Context& ctx, std::string_view share, const json::value& request);
  Result<json::value> recipient_permissions(const access::Context& ctx, std::string_view recipient);
  Result<json::value> rotate_token(const access::Context& ctx, std::string_view recipient, std::int64_t existing_expires_in_seconds);

  // What may run on shared compute. Type: INIT_SCRIPT, LIBRARY_JAR, LIBRARY_MAVEN. Needs MANAGE ALLOWLIST.
  Result<json::value> allowlist(const access::Context& ctx, const std::string& type);
  Result<json::value> set_allowlist(const access::Context& ctx, const std::string& type, const json::value& request);

 private:
  json::value shown(const ExchangeRecord& r) const;
  /// What becomes of a share's objects (exchange_objects.cc): [{action: ADD|REMOVE|UPDATE, data_object: {name, data_object_type, …}}].
  Result<void> apply_updates(store::WriteTxn& t, const access::Context& ctx, ExchangeRecord& share, const json::value& updates) const;
  const Core& core_;
  const store::Secrets* secrets_ = nullptr;
};

}  // namespace tarn::catalog
