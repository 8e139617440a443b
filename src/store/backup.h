#pragma once
// Backups: a folder that holds everything the store knows as of one moment, in a form that no backend owns:
//   manifest.json     format, time, generation, counts, and the SHA-256 of each file
//   records.jsonl     one record a line with its index entries
//   audit.jsonl       one audit record a line
//   root.key          the root key file (mode 0600), unless the key is kept elsewhere on purpose
// A backup of SQLite restores into PostgreSQL and the other way round. Taken while the server serves; writers do not wait.
#include "store/store.h"

namespace tarn::store {

struct BackupFile {
  std::string name, sha256;
  std::int64_t size = 0;
};
BOOST_DESCRIBE_STRUCT(BackupFile, (), (name, sha256, size))

struct BackupManifest {
  int format = 1;
  std::string created_at;
  std::int64_t generation = 0, records = 0, audit_records = 0;
  std::vector<BackupFile> files;
};
BOOST_DESCRIBE_STRUCT(BackupManifest, (), (format, created_at, generation, records, audit_records, files))

/// Writes a backup to `folder`, which must not exist (it appears complete or not at all). `key_file` empty: without the root key.
/// Throws StoreUnavailable with a text for people.
BackupManifest backup(Store& store, const std::string& key_file, const std::string& folder, const Clock& clock);

/// Checks every file against the manifest. Throws StoreUnavailable naming the file that is missing or changed.
BackupManifest verify_backup(const std::string& folder);

/// Verifies, then fills the empty `store`; and writes the root key to `key_file` (unless empty; refused if another key is there).
BackupManifest restore(const std::string& folder, Store& store, const std::string& key_file);

}  // namespace tarn::store
