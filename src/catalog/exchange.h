#pragma once
// How a metastore meets what is outside it: connections to other systems, shares, recipients and providers of Delta Sharing. All are securables
// directly under the metastore, with owners and grants; secrets among a connection's options are sealed.
// Sources: REST API reference "Connections", "Shares", "Recipients", "Providers".
#include "catalog/records.h"

namespace tarn::catalog {

struct ExchangeRecord {
  SecurableType type = SecurableType::CONNECTION;
  std::string id, name, metastore_id;
  std::optional<std::string> comment;
  Millis created_at = 0, updated_at = 0;
  std::string created_by, updated_by;
  Access access;
  json::value body;  // the kind's own fields; secrets are store::Secrets'
  std::string store_key() const { return store::key({metastore_id, json::name_of(type), name}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"id", id, true}}; }
};
BOOST_DESCRIBE_STRUCT(ExchangeRecord, (), (type, id, name, metastore_id, comment, created_at, updated_at, created_by, updated_by, access, body))

inline constexpr store::Collection<ExchangeRecord> kExchange{"uc_exchange"};

}  // namespace tarn::catalog
