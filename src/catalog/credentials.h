#pragma once
// Storage credentials: the IAM roles by which the platform reaches buckets. Source: REST API reference, "Storage credentials" (workspace and
// account).
#include "catalog/core.h"

namespace tarn::catalog {

struct AwsIamRoleRequest {
  std::string role_arn;
};
BOOST_DESCRIBE_STRUCT(AwsIamRoleRequest, (), (role_arn))

struct NewCredential {
  std::string name;
  std::optional<AwsIamRoleRequest> aws_iam_role;
  std::optional<json::value> azure_managed_identity, azure_service_principal, cloudflare_api_token, databricks_gcp_service_account;
  std::optional<std::string> comment;
  std::optional<bool> read_only, skip_validation;
};
BOOST_DESCRIBE_STRUCT(NewCredential, (),
                      (name, aws_iam_role, azure_managed_identity, azure_service_principal, cloudflare_api_token, databricks_gcp_service_account,
                       comment, read_only, skip_validation))

struct CredentialChange {
  std::optional<std::string> new_name, owner;
  std::optional<AwsIamRoleRequest> aws_iam_role;
  json::Patch<std::string> comment;
  std::optional<bool> read_only, force, skip_validation;
  std::optional<IsolationMode> isolation_mode;
};
BOOST_DESCRIBE_STRUCT(CredentialChange, (), (new_name, owner, aws_iam_role, comment, read_only, force, skip_validation, isolation_mode))

struct Validation {
  std::optional<std::string> storage_credential_name, external_location_name, url;
  std::optional<AwsIamRoleRequest> aws_iam_role;
  std::optional<bool> read_only;
};
BOOST_DESCRIBE_STRUCT(Validation, (), (storage_credential_name, external_location_name, url, aws_iam_role, read_only))
enum class CheckedOperation { READ, LIST, WRITE, DELETE_, PATH_EXISTS };
BOOST_DESCRIBE_ENUM(CheckedOperation, READ, LIST, WRITE, DELETE_, PATH_EXISTS)
enum class CheckResult { PASS, FAIL, SKIP };
BOOST_DESCRIBE_ENUM(CheckResult, PASS, FAIL, SKIP)
struct CheckedItem {
  CheckedOperation operation;
  CheckResult result;
  std::optional<std::string> message;
};
BOOST_DESCRIBE_STRUCT(CheckedItem, (), (operation, result, message))
struct ValidationAnswer {
  bool isDir = false;
  std::vector<CheckedItem> results;
};
BOOST_DESCRIBE_STRUCT(ValidationAnswer, (), (isDir, results))

/// `metastore_id` names the metastore in the account API's form, which is for account admins; absent, it is the workspace's.
class Credentials {
 public:
  explicit Credentials(const Core& core) : core_(core) {}

  Result<CredentialInfo> create(const access::Context& ctx, const std::optional<std::string>& metastore_id, const NewCredential& request);
  Result<CredentialInfo> get(const access::Context& ctx, const std::optional<std::string>& metastore_id, std::string_view name);
  Result<Page<CredentialInfo>> list(const access::Context& ctx, const std::optional<std::string>& metastore_id, const PageRequest& page);
  Result<CredentialInfo> update(const access::Context& ctx, const std::optional<std::string>& metastore_id, std::string_view name,
                                const CredentialChange& change);
  /// not_empty without `force` while external locations or the metastore's root depend on it.
  Result<void> remove(const access::Context& ctx, const std::optional<std::string>& metastore_id, std::string_view name, bool force);
  /// Tries the operations on the URL (or the location's) and says which work.
  Result<ValidationAnswer> validate(const access::Context& ctx, const Validation& request);

 private:
  const Core& core_;
};

}  // namespace tarn::catalog
