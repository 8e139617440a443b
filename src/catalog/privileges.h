#pragma once
// Privileges as names and as rules: how they are spelled, on what they may be granted, and what ALL PRIVILEGES and ownership imply.
// Pure functions. Source: Databricks docs, "Unity Catalog privileges reference" (privilege model version 1.0).
#include <optional>
#include <string>
#include <string_view>

#include "catalog/catalog.h"

namespace tarn::catalog {

/// "USE CATALOG" for USE_CATALOG: how SQL and messages spell it.
std::string spelled(Privilege p);
/// Accepts both spellings in any case ("use catalog", "USE_CATALOG"); nothing for an unknown one.
std::optional<Privilege> parse_privilege(std::string_view text);

/// "Catalog", "External Location": how messages call a kind of securable.
std::string_view label(SecurableType t);
/// The path segment of the permissions API: catalog, external_location, …; any case; nothing for an unknown or unsupported one.
std::optional<SecurableType> parse_securable_type(std::string_view text);

/// Whether the docs' table lets this privilege be granted on this kind of securable (where it may be inherited from).
bool applies(Privilege p, SecurableType on);

/// Whether ALL PRIVILEGES stands for it. Not for the external-use privileges, MANAGE and itself, so that nobody hands them out by accident.
bool implied_by_all(Privilege p);
/// Whether the owner of the securable itself holds it without a grant.
bool implied_by_ownership(Privilege p);
/// Whether using it changes something: refused where a workspace is bound to a catalog for reading only.
bool writes(Privilege p);

}  // namespace tarn::catalog
