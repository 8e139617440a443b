#pragma once
// Private to the room: lists as they are kept, and a cache of them.
//
// The cache is whole or gone: it holds lists of one epoch of the room's records, as identity's does. A request compares the store's
// generation; only if that moved is the epoch read, and only if the epoch moved are lists forgotten. Thread-safe; no lock is held while
// the store is asked.
#include <memory>
#include <shared_mutex>
#include <unordered_map>

#include "access/object_permissions.h"

namespace tarn::permissions {

struct Entry {
  std::int64_t principal = 0;
  bool local = false;  // a group of the workspace rather than an account-level principal
  std::string level;
  friend bool operator==(const Entry&, const Entry&) = default;
};
BOOST_DESCRIBE_STRUCT(Entry, (), (principal, local, level))

struct ListRecord {
  std::int64_t workspace_id = 0;
  std::string type, id;
  std::vector<Entry> entries;  // one a principal

  static std::string key_of(std::int64_t workspace, const access::ObjectRef& o) { return store::key({store::sortable(workspace), o.type, o.id}); }
  std::string store_key() const { return key_of(workspace_id, {type, id}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(ListRecord, (), (workspace_id, type, id, entries))

struct EpochRecord {
  std::int64_t value = 0;
  std::string store_key() const { return "epoch"; }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(EpochRecord, (), (value))

inline constexpr store::Collection<ListRecord> kLists{"permissions.list"};
inline constexpr store::Collection<EpochRecord> kEpoch{"permissions.epoch"};

/// Caches on every server forget what they hold.
void changed(store::WriteTxn& t);

class Lists {
 public:
  explicit Lists(store::Store& store) : store_(store) {}  // must outlive this
  /// Null if nobody wrote one.
  std::shared_ptr<const ListRecord> get(std::int64_t workspace, const access::ObjectRef& object);

 private:
  static constexpr std::size_t kMost = 65'536;  // a full cache starts again

  store::Store& store_;
  std::atomic<std::int64_t> seen_generation_{-1};
  std::shared_mutex mutex_;
  std::int64_t epoch_ = -1;
  std::unordered_map<std::string, std::shared_ptr<const ListRecord>> known_;
};

}  // namespace tarn::permissions
