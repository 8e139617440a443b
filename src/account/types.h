#pragma once
// The account API's objects, as values. Members carry their wire names; optional ones are left out when empty.
// Source: databricks-sdk-go service/provisioning (Workspace, Network, Credential, …), REST reference "Account API 2.0".
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"

namespace tarn::account {

// ---- Credentials, storage, keys ----

struct StsRole {
  std::string role_arn;
  std::optional<std::string> external_id;  // replies: what the role must trust, always the account id
};
BOOST_DESCRIBE_STRUCT(StsRole, (), (role_arn, external_id))

struct AwsCredentials {
  StsRole sts_role;
};
BOOST_DESCRIBE_STRUCT(AwsCredentials, (), (sts_role))

struct CreateCredential {
  std::string credentials_name;
  AwsCredentials aws_credentials;
};
BOOST_DESCRIBE_STRUCT(CreateCredential, (), (credentials_name, aws_credentials))

struct Credential {
  std::string account_id, credentials_id, credentials_name;
  AwsCredentials aws_credentials;
  Millis creation_time = 0;
};
BOOST_DESCRIBE_STRUCT(Credential, (), (account_id, credentials_id, credentials_name, aws_credentials, creation_time))

struct RootBucketInfo {
  std::string bucket_name;
};
BOOST_DESCRIBE_STRUCT(RootBucketInfo, (), (bucket_name))

struct CreateStorage {
  std::string storage_configuration_name;
  RootBucketInfo root_bucket_info;
  std::optional<std::string> role_arn;  // of the workspace catalog's access to the root bucket
};
BOOST_DESCRIBE_STRUCT(CreateStorage, (), (storage_configuration_name, root_bucket_info, role_arn))

struct StorageConfiguration {
  std::string account_id, storage_configuration_id, storage_configuration_name;
  RootBucketInfo root_bucket_info;
  std::optional<std::string> role_arn;
  Millis creation_time = 0;
};
BOOST_DESCRIBE_STRUCT(StorageConfiguration, (),
                      (account_id, storage_configuration_id, storage_configuration_name, root_bucket_info, role_arn, creation_time))

enum class KeyUseCase { MANAGED_SERVICES, STORAGE };
BOOST_DESCRIBE_ENUM(KeyUseCase, MANAGED_SERVICES, STORAGE)

struct AwsKeyInfo {
  std::string key_arn;
  std::optional<std::string> key_alias;
  std::optional<std::string> key_region;  // replies always have it: the region that key_arn names
  std::optional<bool> reuse_key_for_cluster_volumes;
};
BOOST_DESCRIBE_STRUCT(AwsKeyInfo, (), (key_arn, key_alias, key_region, reuse_key_for_cluster_volumes))

struct CreateKey {
  AwsKeyInfo aws_key_info;
  std::vector<KeyUseCase> use_cases;
};
BOOST_DESCRIBE_STRUCT(CreateKey, (), (aws_key_info, use_cases))

struct CustomerManagedKey {
  std::string account_id, customer_managed_key_id;
  AwsKeyInfo aws_key_info;
  std::vector<KeyUseCase> use_cases;
  Millis creation_time = 0;
};
BOOST_DESCRIBE_STRUCT(CustomerManagedKey, (), (account_id, customer_managed_key_id, aws_key_info, use_cases, creation_time))

// ---- Networks, VPC endpoints, private access ----

enum class VpcStatus { UNATTACHED, VALID, WARNED, BROKEN };
BOOST_DESCRIBE_ENUM(VpcStatus, UNATTACHED, VALID, WARNED, BROKEN)
enum class ErrorType { credentials, networkAcl, securityGroup, subnet, vpc };
BOOST_DESCRIBE_ENUM(ErrorType, credentials, networkAcl, securityGroup, subnet, vpc)
enum class WarningType { securityGroup, subnet };
BOOST_DESCRIBE_ENUM(WarningType, securityGroup, subnet)

struct NetworkHealth {
  ErrorType error_type = ErrorType::vpc;
  std::string error_message;
};
BOOST_DESCRIBE_STRUCT(NetworkHealth, (), (error_type, error_message))

struct NetworkWarning {
  WarningType warning_type = WarningType::subnet;
  std::string warning_message;
};
BOOST_DESCRIBE_STRUCT(NetworkWarning, (), (warning_type, warning_message))

struct NetworkVpcEndpoints {  // ids of registrations (vpc_endpoint_id), not AWS's
  std::vector<std::string> rest_api, dataplane_relay;
};
BOOST_DESCRIBE_STRUCT(NetworkVpcEndpoints, (), (rest_api, dataplane_relay))

struct CreateNetwork {
  std::string network_name, vpc_id;
  std::vector<std::string> subnet_ids, security_group_ids;
  std::optional<NetworkVpcEndpoints> vpc_endpoints;
};
BOOST_DESCRIBE_STRUCT(CreateNetwork, (), (network_name, vpc_id, subnet_ids, security_group_ids, vpc_endpoints))

struct Network {
  std::string account_id, network_id, network_name, vpc_id;
  std::vector<std::string> subnet_ids, security_group_ids;
  std::optional<NetworkVpcEndpoints> vpc_endpoints;
  VpcStatus vpc_status = VpcStatus::UNATTACHED;
  std::vector<NetworkHealth> error_messages;
  std::vector<NetworkWarning> warning_messages;
  std::optional<std::int64_t> workspace_id;
  Millis creation_time = 0;
};
BOOST_DESCRIBE_STRUCT(Network, (),
                      (account_id, network_id, network_name, vpc_id, subnet_ids, security_group_ids, vpc_endpoints, vpc_status, error_messages,
                       warning_messages, workspace_id, creation_time))

enum class EndpointUseCase { DATAPLANE_RELAY_ACCESS, GENERAL_ACCESS, WORKSPACE_ACCESS };
BOOST_DESCRIBE_ENUM(EndpointUseCase, DATAPLANE_RELAY_ACCESS, GENERAL_ACCESS, WORKSPACE_ACCESS)

struct CreateVpcEndpoint {
  std::string vpc_endpoint_name, aws_vpc_endpoint_id, region;
};
BOOST_DESCRIBE_STRUCT(CreateVpcEndpoint, (), (vpc_endpoint_name, aws_vpc_endpoint_id, region))

struct VpcEndpoint {
  std::string account_id, vpc_endpoint_id, vpc_endpoint_name, aws_vpc_endpoint_id, region;
  std::optional<std::string> aws_account_id, aws_endpoint_service_id;
  std::optional<EndpointUseCase> use_case;  // from the cloud's inventory, else from the first network that uses it
  std::string state;                        // available, pending, rejected, …
};
BOOST_DESCRIBE_STRUCT(VpcEndpoint, (),
                      (account_id, vpc_endpoint_id, vpc_endpoint_name, aws_vpc_endpoint_id, region, aws_account_id, aws_endpoint_service_id, use_case,
                       state))

enum class PrivateAccessLevel { ACCOUNT, ENDPOINT };
BOOST_DESCRIBE_ENUM(PrivateAccessLevel, ACCOUNT, ENDPOINT)

/// Create and replace take the same members.
struct CreatePrivateAccess {
  std::string private_access_settings_name, region;
  std::optional<bool> public_access_enabled;
  std::optional<PrivateAccessLevel> private_access_level;
  std::vector<std::string> allowed_vpc_endpoint_ids;
};
BOOST_DESCRIBE_STRUCT(CreatePrivateAccess, (),
                      (private_access_settings_name, region, public_access_enabled, private_access_level, allowed_vpc_endpoint_ids))

struct PrivateAccessSettings {
  std::string account_id, private_access_settings_id, private_access_settings_name, region;
  bool public_access_enabled = false;
  PrivateAccessLevel private_access_level = PrivateAccessLevel::ACCOUNT;
  std::vector<std::string> allowed_vpc_endpoint_ids;
};
BOOST_DESCRIBE_STRUCT(PrivateAccessSettings, (),
                      (account_id, private_access_settings_id, private_access_settings_name, region, public_access_enabled, private_access_level,
                       allowed_vpc_endpoint_ids))

// ---- Workspaces ----

enum class WorkspaceStatus { NOT_PROVISIONED, PROVISIONING, RUNNING, FAILED, BANNED, CANCELLING };
BOOST_DESCRIBE_ENUM(WorkspaceStatus, NOT_PROVISIONED, PROVISIONING, RUNNING, FAILED, BANNED, CANCELLING)
enum class PricingTier { COMMUNITY_EDITION, DEDICATED, ENTERPRISE, PREMIUM, STANDARD, UNKNOWN };
BOOST_DESCRIBE_ENUM(PricingTier, COMMUNITY_EDITION, DEDICATED, ENTERPRISE, PREMIUM, STANDARD, UNKNOWN)

struct CreateWorkspace {
  std::string workspace_name;
  std::optional<std::string> aws_region, deployment_name, credentials_id, storage_configuration_id, network_id, private_access_settings_id,
      managed_services_customer_managed_key_id, storage_customer_managed_key_id, network_connectivity_config_id, pricing_tier, compute_mode, cloud,
      location;
  std::map<std::string, std::string> custom_tags;
};
BOOST_DESCRIBE_STRUCT(CreateWorkspace, (),
                      (workspace_name, aws_region, deployment_name, credentials_id, storage_configuration_id, network_id, private_access_settings_id,
                       managed_services_customer_managed_key_id, storage_customer_managed_key_id, network_connectivity_config_id, pricing_tier,
                       compute_mode, cloud, location, custom_tags))

/// A PATCH: absent members stay, `update_mask` (comma-separated) narrows it to the named ones. Members that cannot change are
/// accepted with their present value.
struct UpdateWorkspace {
  json::Patch<std::string> workspace_name, deployment_name, aws_region, credentials_id, storage_configuration_id, network_id,
      private_access_settings_id, managed_services_customer_managed_key_id, storage_customer_managed_key_id, network_connectivity_config_id,
      pricing_tier;
  json::Patch<std::map<std::string, std::string>> custom_tags;
};
BOOST_DESCRIBE_STRUCT(UpdateWorkspace, (),
                      (workspace_name, deployment_name, aws_region, credentials_id, storage_configuration_id, network_id, private_access_settings_id,
                       managed_services_customer_managed_key_id, storage_customer_managed_key_id, network_connectivity_config_id, pricing_tier,
                       custom_tags))

struct Workspace {
  std::string account_id;
  std::int64_t workspace_id = 0;
  std::string workspace_name, deployment_name, aws_region, credentials_id, storage_configuration_id;
  std::optional<std::string> network_id, private_access_settings_id, managed_services_customer_managed_key_id, storage_customer_managed_key_id;
  PricingTier pricing_tier = PricingTier::ENTERPRISE;
  std::string compute_mode = "HYBRID", storage_mode = "CUSTOMER_HOSTED";
  std::map<std::string, std::string> custom_tags;
  WorkspaceStatus workspace_status = WorkspaceStatus::NOT_PROVISIONED;
  std::string workspace_status_message;
  Millis creation_time = 0;
};
BOOST_DESCRIBE_STRUCT(Workspace, (),
                      (account_id, workspace_id, workspace_name, deployment_name, aws_region, credentials_id, storage_configuration_id, network_id,
                       private_access_settings_id, managed_services_customer_managed_key_id, storage_customer_managed_key_id, pricing_tier,
                       compute_mode, storage_mode, custom_tags, workspace_status, workspace_status_message, creation_time))

}  // namespace tarn::account
