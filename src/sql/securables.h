#pragma once
// SQL's statements about volumes, external locations, storage credentials and functions as such: CREATE, ALTER, COMMENT ON, DROP, SHOW, DESCRIBE; and
// DESCRIBE of catalogs and schemas. The
// rights are those of the same calls of the REST API. Names of volumes and functions are completed by the session. Thread-safe.
// Source: Databricks SQL language manual, "DDL statements" and "Auxiliary statements" (the columns of each SHOW and DESCRIBE); Spark 4.2's
// DescribeFunctionCommand for the lines of DESCRIBE FUNCTION.
#include "catalog/service.h"
#include "sql/executor_types.h"
#include "sql/resolver.h"
#include "sql/sharing.h"

namespace tarn::sql {

/// The users and groups of a workspace as SHOW USERS and SHOW GROUPS list them, for its administrators. Errors are texts for people.
class Principals {
 public:
  virtual ~Principals() = default;
  struct Group {
    std::string name;
    bool direct = true;  // of the one whose groups were asked for: it is a member itself, not through another group
  };
  virtual Expected<std::vector<std::string>, std::string> users(const access::Context& ctx) = 0;
  virtual Expected<std::vector<Group>, std::string> groups(const access::Context& ctx) = 0;
  /// Of a user by user name, or of a group by its name. Error: there is none.
  virtual Expected<std::vector<Group>, std::string> groups_of(const access::Context& ctx, bool group, const std::string& name) = 0;
};

class Securables {
 public:
  Securables(catalog::UnityCatalog& catalog, const Resolver& resolver) : catalog_(catalog), resolver_(resolver), sharing_(catalog, resolver) {}

  /// At start-up; must outlive this. Without it SHOW USERS and SHOW GROUPS are refused.
  void set_principals(Principals* principals) { principals_ = principals; }
  /// Likewise. Without it secret() is refused.
  void set_secrets(SecretValues* secrets) { sharing_.set_secrets(secrets); }

  /// Whether an ALTER or COMMENT is about one of these.
  static bool takes(const Analysis& a);
  /// Errors: the catalog's (not_found, already_exists, permission_denied, invalid, …), and unsupported for a function that is built in.
  Result<Told> run(const Session& session, const Analysis& a) const;

 private:
  Result<void> create(const Session& session, const Analysis& a, catalog::SecurableType type) const;
  Result<void> alter(const Session& session, const Analysis& a, catalog::SecurableType type) const;
  Result<void> drop(const Session& session, const Analysis& a, catalog::SecurableType type) const;
  Result<Told> show(const Session& session, const Analysis& a, catalog::SecurableType type) const;
  Result<Told> show_principals(const Session& session, const Analysis& a) const;
  Result<Told> describe(const Session& session, const Analysis& a, catalog::SecurableType type) const;
  /// Of a catalog or schema.
  Result<Told> describe_namespace(const Session& session, const Analysis& a) const;
  /// SHOW TABLES DROPPED and UNDROP (dropped.cc).
  Result<Told> show_dropped(const Session& session, const Analysis& a) const;
  Result<void> undrop(const Session& session, const Analysis& a) const;
  Result<Told> describe_function(const Session& session, const Analysis& a) const;
  /// Its name as the catalog knows it.
  Result<std::string> full_name(const Session& session, const Analysis& a, catalog::SecurableType type) const;

  catalog::UnityCatalog& catalog_;
  const Resolver& resolver_;
  Principals* principals_ = nullptr;
  Sharing sharing_;
};

}  // namespace tarn::sql
