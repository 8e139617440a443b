#pragma once
// Temporary credentials for clients that read storage themselves. Vended only where the metastore allows external access, to holders of EXTERNAL
// USE SCHEMA (for paths EXTERNAL USE LOCATION), which neither ALL PRIVILEGES nor ownership implies; never for a table whose rows or columns are
// filtered, for files cannot be. Source: Databricks docs, "Unity Catalog credential vending for external system access".
#include "catalog/core.h"

namespace tarn::catalog {

enum class TableOperation { READ, READ_WRITE };
BOOST_DESCRIBE_ENUM(TableOperation, READ, READ_WRITE)
enum class PathOperation { PATH_READ, PATH_READ_WRITE, PATH_CREATE_TABLE };
BOOST_DESCRIBE_ENUM(PathOperation, PATH_READ, PATH_READ_WRITE, PATH_CREATE_TABLE)
enum class VolumeOperation { READ_VOLUME, WRITE_VOLUME };
BOOST_DESCRIBE_ENUM(VolumeOperation, READ_VOLUME, WRITE_VOLUME)

struct AwsTempCredentials {
  std::string access_key_id, secret_access_key, session_token;
};
BOOST_DESCRIBE_STRUCT(AwsTempCredentials, (), (access_key_id, secret_access_key, session_token))
struct TemporaryCredentials {
  std::optional<AwsTempCredentials> aws_temp_credentials;  // absent for a dry run
  Millis expiration_time = 0;
  std::string url;
};
BOOST_DESCRIBE_STRUCT(TemporaryCredentials, (), (aws_temp_credentials, expiration_time, url))

/// Who will hold the credentials: a client of its own, or code on one of the platform's clusters (which needs the table's own privileges only,
/// as the vendor's compute does).
enum class Holder { external, cluster };

class Temporary {
 public:
  explicit Temporary(const Core& core) : core_(core) {}

  /// READ needs SELECT, READ_WRITE also MODIFY. not_found for an id that is not in the workspace's metastore.
  Result<TemporaryCredentials> for_table(const access::Context& ctx, std::string_view table_id, TableOperation operation,
                                         Holder holder = Holder::external);
  Result<TemporaryCredentials> for_volume(const access::Context& ctx, std::string_view volume_id, VolumeOperation operation);
  Result<TemporaryCredentials> for_path(const access::Context& ctx, std::string_view url, PathOperation operation, bool dry_run,
                                        Holder holder = Holder::external);

 private:
  /// A place, and the role that reaches it.
  struct Reach {
    std::string url;
    AwsIamRole role;
  };
  Result<TemporaryCredentials> vend(const access::Context& ctx, const Reach& reach, bool write) const;
  const Core& core_;
};

}  // namespace tarn::catalog
