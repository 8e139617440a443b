#pragma once
// A backup of a whole data folder: the store (store/backup.h), what runs logged (ml/database.h), and the buckets of the local storage beside
// them, in one folder that appears complete or not at all.
#include <string>

#include "base/clock.h"
#include "ml/database.h"
#include "store/store.h"

namespace tarn::app {

struct BackupSummary {
  std::int64_t records = 0, audit_records = 0, objects = 0, object_bytes = 0;
};
BOOST_DESCRIBE_STRUCT(BackupSummary, (), (records, audit_records, objects, object_bytes))

/// Where what runs log is kept: a file beside the store's, or the store's own PostgreSQL database.
std::string tracking_url(const std::string& data, const std::string& store_url);

/// `key_file` empty: without the root key. The store's moment comes first, then each table's log, then everything else: a table that the
/// store knows is there, and a commit that was copied finds its data files. Throws StoreUnavailable or std::runtime_error with a text.
BackupSummary backup_whole(store::Store& store, ml::Database& tracking, const std::string& objects, const std::string& key_file,
                           const std::string& to, const Clock& clock);

/// Fills a data folder that is empty or absent, on which no server runs. `store_url` as for serve (empty: a file in the folder).
BackupSummary restore_whole(const std::string& from, const std::string& data, const std::string& store_url, const std::string& key_file);

}  // namespace tarn::app
