#pragma once
// SQL's statements about connections, and about what Delta Sharing knows: shares, recipients and providers. The rights are those of the same calls of
// the REST API (catalog/exchange_service.h). A connection's secrets go in and never come out. Thread-safe. Source: Databricks SQL language manual,
// "DDL statements", "Delta Sharing statements" and "Auxiliary statements" (the columns of each SHOW and DESCRIBE).
#include "catalog/service.h"
#include "sql/executor_types.h"
#include "sql/resolver.h"

namespace tarn::sql {

/// What secret(scope, key) stands for, to a caller who may read it. Errors are texts for people, without the value.
class SecretValues {
 public:
  virtual ~SecretValues() = default;
  virtual Expected<std::string, std::string> get(const access::Context& ctx, const std::string& scope, const std::string& key) = 0;
};

class Sharing {
 public:
  Sharing(catalog::UnityCatalog& catalog, const Resolver& resolver) : catalog_(catalog), resolver_(resolver) {}

  void set_secrets(SecretValues* secrets) { secrets_ = secrets; }

  /// Whether a statement about a securable is about one of these.
  static bool takes(const Analysis& a);
  /// Whether a GRANT, REVOKE or SHOW GRANTS is about who gets a share, which is no matter of privileges of principals.
  static bool grants_shares(const Analysis& a);
  /// Errors: the catalog's, and unsupported for what needs a sharing server.
  Result<Told> run(const Session& session, const Analysis& a) const;

 private:
  using Type = catalog::SecurableType;
  Result<void> create(const Session& session, const Analysis& a, Type type) const;
  Result<void> alter(const Session& session, const Analysis& a, Type type) const;
  Result<void> alter_object(const Session& session, const Analysis& a) const;
  Result<void> drop(const Session& session, const Analysis& a, Type type) const;
  Result<Told> show(const Session& session, const Analysis& a, Type type) const;
  Result<Told> show_objects(const Session& session, const std::string& share) const;
  Result<Told> describe(const Session& session, const Analysis& a, Type type) const;
  Result<Told> grants(const Session& session, const Analysis& a, Type type) const;
  /// A connection's options as a request, and which of them secret() gave.
  Result<std::pair<json::object, std::set<std::string>>> options(const Session& session, const Analysis& a) const;

  catalog::UnityCatalog& catalog_;
  const Resolver& resolver_;
  SecretValues* secrets_ = nullptr;
};

}  // namespace tarn::sql
