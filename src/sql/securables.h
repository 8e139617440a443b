#pragma once
// SQL's statements about volumes, external locations, storage credentials and functions as such: CREATE, ALTER, COMMENT ON, DROP, SHOW, DESCRIBE. The
// rights are those of the same calls of the REST API. Names of volumes and functions are completed by the session. Thread-safe.
// Source: Databricks SQL language manual, "DDL statements" and "Auxiliary statements" (the columns of each SHOW and DESCRIBE); Spark 4.2's
// DescribeFunctionCommand for the lines of DESCRIBE FUNCTION.
#include "catalog/service.h"
#include "sql/executor_types.h"
#include "sql/resolver.h"

namespace tarn::sql {

class Securables {
 public:
  Securables(catalog::UnityCatalog& catalog, const Resolver& resolver) : catalog_(catalog), resolver_(resolver) {}

  struct Told {
    std::vector<ResultColumn> columns;
    std::vector<std::vector<std::optional<std::string>>> rows;
  };
  /// Whether an ALTER or COMMENT is about one of these.
  static bool takes(const Analysis& a);
  /// Errors: the catalog's (not_found, already_exists, permission_denied, invalid, …), and unsupported for a function that is built in.
  Result<Told> run(const Session& session, const Analysis& a) const;

 private:
  Result<void> create(const Session& session, const Analysis& a, catalog::SecurableType type) const;
  Result<void> alter(const Session& session, const Analysis& a, catalog::SecurableType type) const;
  Result<void> drop(const Session& session, const Analysis& a, catalog::SecurableType type) const;
  Result<Told> show(const Session& session, const Analysis& a, catalog::SecurableType type) const;
  Result<Told> describe(const Session& session, const Analysis& a, catalog::SecurableType type) const;
  Result<Told> describe_function(const Session& session, const Analysis& a) const;
  /// Its name as the catalog knows it.
  Result<std::string> full_name(const Session& session, const Analysis& a, catalog::SecurableType type) const;

  catalog::UnityCatalog& catalog_;
  const Resolver& resolver_;
};

}  // namespace tarn::sql
