#pragma once
// Private to the room: what it keeps in the store, and everything of one scope at once for those who ask with each request.
// A scope is a workspace's id, or 0 for the account.
#include <map>
#include <memory>
#include <shared_mutex>

#include "settings/addresses.h"
#include "store/store.h"

namespace tarn::settings {

enum class ListType { ALLOW, BLOCK };
BOOST_DESCRIBE_ENUM(ListType, ALLOW, BLOCK)

struct ConfRecord {
  std::int64_t scope = 0;
  std::string key, value;
  std::string store_key() const { return store::key({store::sortable(scope), key}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(ConfRecord, (), (scope, key, value))

struct IpListRecord {
  std::int64_t scope = 0;
  std::string list_id, label;
  ListType list_type = ListType::ALLOW;
  std::vector<std::string> ip_addresses;
  bool enabled = true;
  Millis created_at = 0, updated_at = 0;
  std::int64_t created_by = 0, updated_by = 0;
  std::string store_key() const { return store::key({store::sortable(scope), list_id}); }
  std::vector<store::IndexEntry> store_indexes() const {
    return {{"label", store::key({store::sortable(scope), json::name_of(list_type), label}), true}};
  }
};
BOOST_DESCRIBE_STRUCT(IpListRecord, (), (scope, list_id, label, list_type, ip_addresses, enabled, created_at, updated_at, created_by, updated_by))

/// A typed setting. A deleted one stays with a null value, so that its etags never come back.
struct SettingRecord {
  std::int64_t scope = 0;
  std::string type;
  json::value value;
  std::int64_t revision = 0;
  std::string store_key() const { return store::key({store::sortable(scope), type}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(SettingRecord, (), (scope, type, value, revision))

struct EpochRecord {
  std::int64_t value = 0;
  std::string store_key() const { return "epoch"; }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(EpochRecord, (), (value))

inline constexpr store::Collection<ConfRecord> kConf{"settings.conf"};
inline constexpr store::Collection<IpListRecord> kIpLists{"settings.ip_list"};
inline constexpr store::Collection<SettingRecord> kSettings{"settings.setting"};
inline constexpr store::Collection<EpochRecord> kEpoch{"settings.epoch"};

inline constexpr const char* kEnableIpLists = "enableIpAccessLists";  // the workspace's switch
inline constexpr const char* kAccountIpLists = "acct_ip_acl_enable";  // the account's, a setting
/// Of the account; in a workspace's scope, where no client reaches it, it says that the workspace was made while it was on.
inline constexpr const char* kLegacyFeatures = "disable_legacy_features";

/// The value of a setting that is a flag; not set is off.
inline bool is_on(const json::value& setting, std::string_view type) {
  const auto* o = setting.if_object();
  const auto* inner = o ? o->if_contains(type) : nullptr;
  const auto* value = inner && inner->is_object() ? inner->as_object().if_contains("value") : nullptr;
  return value && value->is_bool() && value->as_bool();
}

struct Snapshot {
  std::map<std::string, std::string, std::less<>> conf;
  std::map<std::string, json::value, std::less<>> settings;
  bool ip_lists_on = false;
  std::vector<Range> allowed, blocked;  // of enabled lists
  /// Block lists first, then allow lists, if there are any. An address that is no IPv4 address is in no list.
  bool admits(std::string_view source_ip) const;
};

Snapshot read_scope(store::ReadTxn& t, std::int64_t scope);
/// Caches on every server forget what they hold.
void changed(store::WriteTxn& t);

/// Snapshots by scope, kept while the store's generation or at least the room's epoch stands. Thread-safe.
/// Removes whatever is kept for a scope.
void forget(store::WriteTxn& t, std::int64_t scope);

class Snapshots {
 public:
  explicit Snapshots(store::Store& store) : store_(store) {}  // must outlive this
  std::shared_ptr<const Snapshot> of(std::int64_t scope);

 private:
  store::Store& store_;
  std::atomic<std::int64_t> seen_generation_{-1};
  std::shared_mutex mutex_;
  std::int64_t epoch_ = -1;
  std::map<std::int64_t, std::shared_ptr<const Snapshot>> known_;
};

}  // namespace tarn::settings
