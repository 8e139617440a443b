#include "store/secrets.h"

#include "store/root_key.h"

namespace tarn::store {
namespace {

struct SealedSecret {
  std::string name, sealed;  // base64
  std::string store_key() const { return name; }
  std::vector<IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(SealedSecret, (), (name, sealed))
constexpr Collection<SealedSecret> secrets{"sealed.secret"};

std::string sealed_bytes(const SealedSecret& s) {
  auto bytes = crypto::from_base64(s.sealed);
  if (!bytes) throw std::runtime_error("a sealed record is not base64");
  return *std::move(bytes);
}

}  // namespace

void Secrets::put(WriteTxn& t, std::string_view name, std::string_view plain) const {
  if (!secrets.put(t, {std::string(name), crypto::base64(keys_.seal(plain, name))})) throw std::logic_error("a secret has no unique values to lose");
}

std::optional<std::string> Secrets::get(ReadTxn& t, std::string_view name) const {
  const auto found = secrets.get(t, name);
  if (!found) return std::nullopt;
  auto plain = keys_.open(sealed_bytes(found->value), name);
  if (!plain) throw std::runtime_error("a sealed secret does not open: it was sealed under another root key (--key-file)");
  return plain;
}

bool Secrets::erase(WriteTxn& t, std::string_view name) const { return secrets.erase(t, name); }

std::size_t rotate_root_key(Store& store, crypto::Keyring& keys, AuditEvent event, const std::string& data_dir, const std::string& key_file,
                            bool forget) {
  keys.adopt(add_root_key(data_dir, key_file));
  std::size_t count = 0;
  store.write(std::move(event), [&](WriteTxn& t) {
    count = 0;
    for (auto& s : secrets.scan(t)) {
      const auto sealed = sealed_bytes(s);
      const auto wrapped = keys.rewrap(sealed);
      if (!wrapped) throw std::runtime_error("a sealed secret does not open: nothing was changed, the old key stays");
      s.sealed = crypto::base64(*wrapped);
      if (!secrets.update(t, s)) throw std::logic_error("a secret vanished inside its transaction");
      ++count;
    }
    t.audit().params["secrets"] = std::to_string(count);
    return true;
  });
  if (forget) forget_old_keys(data_dir, key_file);
  return count;
}

}  // namespace tarn::store
