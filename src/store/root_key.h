#pragma once
// The root key that seals secrets: `--key-file`, or DIR/root.key, made on first start with mode 0600 and a warning (whoever copies the
// folder then has both the sealed secrets and the key). The file holds one key a line, in hexadecimal, the current one first; older ones
// stay until everything sealed under them has been sealed anew.
#include <string>

#include "base/crypto.h"

namespace tarn::store {

/// Loads or makes the keys. Throws StoreUnavailable with a text for people: unreadable, readable by others, not 32 bytes in hexadecimal.
crypto::Keyring load_root_key(const std::string& data_dir, const std::string& key_file = {});

/// Puts a fresh key in front of the file (atomically, synced). The caller then seals everything anew and calls forget_old_keys.
crypto::Keyring add_root_key(const std::string& data_dir, const std::string& key_file = {});
void forget_old_keys(const std::string& data_dir, const std::string& key_file = {});

}  // namespace tarn::store
