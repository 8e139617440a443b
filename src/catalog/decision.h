#pragma once
// Who may do what: pure rules over a securable's place in the tree and a caller. No store, no clock, no names to look up.
//
// In short (Databricks docs, "Manage privileges", "Manage Unity Catalog object ownership", "privileges reference"):
// - a privilege is held by a grant on the securable or on its schema or catalog, itself or through ALL PRIVILEGES (which leaves out MANAGE and
//   the external-use privileges); grants on the metastore are not inherited;
// - an owner holds all privileges on the securable itself, not on what lies in it, and never the external-use privileges;
// - USE CATALOG and USE SCHEMA are needed on the way to whatever lies below;
// - granting, dropping and renaming are for the owner, holders of MANAGE, owners of the catalog or schema above, and metastore admins (the
//   owners of the metastore), who get no data by that;
// - a catalog that is isolated can be used from the workspaces that it is bound to, and only read where the binding says so.
#include <optional>
#include <string>
#include <vector>

#include "catalog/privileges.h"
#include "catalog/records.h"

namespace tarn::catalog {

/// The caller as decisions see it.
struct Subject {
  const access::Caller& caller;
  std::optional<std::int64_t> workspace_id;
};

/// Whether a principal of an owner field or grant means the caller: itself, a group (nested ones are resolved), or a set made by rule.
bool means(const Principal& p, const Subject& s);

/// One step of the path from a securable up to its metastore.
struct Level {
  SecurableType type;
  std::string name;  // full name
  const Access* access = nullptr;
  const Isolation* isolation = nullptr;  // catalogs, credentials, locations
  bool system = false;                   // the system catalog: metastore and account admins read it without a grant
  bool readable = false;                 // information_schema: open to whoever may use the catalog, for it shows each only their own
};

/// A securable first, its metastore last: table, schema, catalog, metastore; or location, metastore.
using Path = std::vector<Level>;

/// What a caller lacks; `text` is the vendor's sentence.
struct Denial {
  std::string text;
};

bool owns(const Level& level, const Subject& s);
bool metastore_admin(const Path& path, const Subject& s);

/// Holds the privilege on path[0] by grant, inheritance or ownership; says nothing of the way there.
bool holds(const Path& path, const Subject& s, Privilege p);

/// The binding of the catalog, location or credential on the path.
std::optional<Denial> check_binding(const Path& path, const Subject& s, bool write);
/// USE CATALOG and USE SCHEMA on everything above path[0].
std::optional<Denial> check_way(const Path& path, const Subject& s);
/// Everything `p` on path[0] needs: binding, way, the use privilege of path[0] itself if it is a container, and the privilege.
std::optional<Denial> check(const Path& path, const Subject& s, Privilege p);
/// Whether the caller may grant on, transfer, rename or drop path[0].
std::optional<Denial> check_manage(const Path& path, const Subject& s);
/// Whether the caller may see what path[0] is. `browse`: BROWSE is enough (the answer then says browse_only).
std::optional<Denial> check_see(const Path& path, const Subject& s, bool browse);
/// Whether seeing it rests on BROWSE alone.
bool browse_only(const Path& path, const Subject& s);

}  // namespace tarn::catalog
