#include "catalog/privileges.h"

#include <cctype>

namespace tarn::catalog {

using enum Privilege;

std::string spelled(Privilege p) {
  std::string out(json::name_of(p));
  for (char& c : out) c = c == '_' ? ' ' : c;
  return out;
}

std::optional<Privilege> parse_privilege(std::string_view text) {
  std::string name;
  for (const char c : text) name += c == ' ' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return json::enum_of<Privilege>(name);
}

std::string_view label(SecurableType t) {
  switch (t) {
    case SecurableType::METASTORE:
      return "Metastore";
    case SecurableType::CATALOG:
      return "Catalog";
    case SecurableType::SCHEMA:
      return "Schema";
    case SecurableType::TABLE:
      return "Table";
    case SecurableType::VOLUME:
      return "Volume";
    case SecurableType::FUNCTION:
      return "Routine or Model";
    case SecurableType::STORAGE_CREDENTIAL:
      return "Storage Credential";
    case SecurableType::EXTERNAL_LOCATION:
      return "External Location";
    case SecurableType::CONNECTION:
      return "Connection";
    case SecurableType::SHARE:
      return "Share";
    case SecurableType::RECIPIENT:
      return "Recipient";
    case SecurableType::PROVIDER:
      return "Provider";
  }
  return "Securable";
}

std::optional<SecurableType> parse_securable_type(std::string_view text) {
  std::string name;
  for (const char c : text) name += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return json::enum_of<SecurableType>(name);
}

namespace {

bool on_table(Privilege p) { return p == SELECT || p == MODIFY || p == REFRESH || p == APPLY_TAG || p == MANAGE || p == ALL_PRIVILEGES; }
bool on_volume(Privilege p) { return p == READ_VOLUME || p == WRITE_VOLUME || p == APPLY_TAG || p == MANAGE || p == ALL_PRIVILEGES; }
bool on_function(Privilege p) { return p == EXECUTE || p == CREATE_MODEL_VERSION || p == APPLY_TAG || p == MANAGE || p == ALL_PRIVILEGES; }

bool on_schema(Privilege p) {
  switch (p) {
    case USE_SCHEMA:
    case CREATE_TABLE:
    case CREATE_VOLUME:
    case CREATE_FUNCTION:
    case CREATE_MODEL:
    case CREATE_MODEL_VERSION:
    case CREATE_MATERIALIZED_VIEW:
    case EXTERNAL_USE_SCHEMA:
    case BROWSE:
      return true;
    default:
      return on_table(p) || on_volume(p) || on_function(p);
  }
}

bool on_metastore(Privilege p) {
  switch (p) {
    case CREATE_CATALOG:
    case CREATE_CLEAN_ROOM:
    case CREATE_CONNECTION:
    case CREATE_EXTERNAL_LOCATION:
    case CREATE_PROVIDER:
    case CREATE_RECIPIENT:
    case CREATE_SHARE:
    case CREATE_SERVICE_CREDENTIAL:
    case CREATE_STORAGE_CREDENTIAL:
    case MANAGE_ALLOWLIST:
    case SET_SHARE_PERMISSION:
    case USE_MARKETPLACE_ASSETS:
    case USE_PROVIDER:
    case USE_RECIPIENT:
    case USE_SHARE:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool applies(Privilege p, SecurableType on) {
  switch (on) {
    case SecurableType::METASTORE:
      return on_metastore(p);
    case SecurableType::CATALOG:
      return p == USE_CATALOG || p == CREATE_SCHEMA || on_schema(p);
    case SecurableType::SCHEMA:
      return on_schema(p);
    case SecurableType::TABLE:
      return on_table(p);
    case SecurableType::VOLUME:
      return on_volume(p);
    case SecurableType::FUNCTION:
      return on_function(p);
    case SecurableType::STORAGE_CREDENTIAL:
      return p == CREATE_EXTERNAL_LOCATION || p == CREATE_EXTERNAL_TABLE || p == READ_FILES || p == WRITE_FILES || p == MANAGE || p == ALL_PRIVILEGES;
    case SecurableType::EXTERNAL_LOCATION:
      return p == BROWSE || p == CREATE_EXTERNAL_TABLE || p == CREATE_EXTERNAL_VOLUME || p == CREATE_MANAGED_STORAGE || p == EXTERNAL_USE_LOCATION ||
             p == READ_FILES || p == WRITE_FILES || p == MANAGE || p == ALL_PRIVILEGES;
    case SecurableType::CONNECTION:
      return p == USE_CONNECTION || p == CREATE_FOREIGN_CATALOG || p == MANAGE || p == ALL_PRIVILEGES;
    case SecurableType::SHARE:  // what a recipient may read is granted on the share's own permissions
    case SecurableType::RECIPIENT:
    case SecurableType::PROVIDER:
      return false;
  }
  return false;
}

bool implied_by_all(Privilege p) { return p != ALL_PRIVILEGES && p != MANAGE && p != EXTERNAL_USE_SCHEMA && p != EXTERNAL_USE_LOCATION; }
bool implied_by_ownership(Privilege p) { return p != EXTERNAL_USE_SCHEMA && p != EXTERNAL_USE_LOCATION; }

bool writes(Privilege p) {
  switch (p) {
    case SELECT:
    case USE_CATALOG:
    case USE_SCHEMA:
    case EXECUTE:
    case READ_VOLUME:
    case READ_FILES:
    case BROWSE:
    case EXTERNAL_USE_SCHEMA:
    case EXTERNAL_USE_LOCATION:
    case USE_CONNECTION:
    case USE_SHARE:
    case USE_RECIPIENT:
    case USE_PROVIDER:
    case USE_MARKETPLACE_ASSETS:
    case ACCESS:
      return false;
    default:
      return true;
  }
}

}  // namespace tarn::catalog
