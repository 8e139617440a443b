#pragma once
// Secrets that rooms must be able to read back (credentials of other systems; what only has to be compared is hashed instead). All are
// records of one kind, sealed under the root key and bound to their name, so that rotation finds every one of them.
// Thread-safe.
#include "base/crypto.h"
#include "store/store.h"

namespace tarn::store {

class Secrets {
 public:
  /// `keys` must outlive this.
  explicit Secrets(const crypto::Keyring& keys) : keys_(keys) {}
  /// Inserts or replaces. `name` is a key() whose first part is the room.
  void put(WriteTxn& t, std::string_view name, std::string_view plain) const;
  /// Nothing if there is none. Throws std::runtime_error if there is one that the root keys do not open (a foreign key file).
  std::optional<std::string> get(ReadTxn& t, std::string_view name) const;
  bool erase(WriteTxn& t, std::string_view name) const;

 private:
  const crypto::Keyring& keys_;
};

/// Replaces the root key: a fresh one goes to the front of the key file, `keys` (which the server's rooms hold) adopts it, every secret is
/// wrapped anew in one transaction with `event`, and the old keys leave the file. A crash at any point leaves a file that opens
/// everything; run it again. Storage sessions vended before stay valid while this process lives. Returns the number of secrets.
/// With several servers on one store: the file is theirs in common, and the others read it again (restart) before old keys are forgotten;
/// so pass `forget` false, restart them, and rotate their old keys away with forget_old_keys.
std::size_t rotate_root_key(Store& store, crypto::Keyring& keys, AuditEvent event, const std::string& data_dir, const std::string& key_file = {},
                            bool forget = true);

}  // namespace tarn::store
