#pragma once
// Temporary credentials of a remote store: AssumeRole of the AWS Security Token Service (AWS STS API reference, "AssumeRole") with a session
// policy that is the grant. AWS, MinIO, Ceph and another Tarn answer it. Thread-safe; methods block.
#include <functional>

#include "objects/http_client.h"

namespace tarn::objects {

class StsClient {
 public:
  struct Options {
    std::string endpoint;  // https://sts.eu-central-1.amazonaws.com
    std::string region;
    std::string ca_file;
    std::function<Result<AccessKeys>()> keys;  // of the principal that may assume the roles
  };
  StsClient(Options options, const Clock& clock);

  struct Role {
    std::string arn;          // empty where the service has none (it still wants one: the anonymous role's)
    std::string external_id;  // empty: none
  };
  /// Errors: denied (the service's own text), unavailable, invalid_request.
  Result<Credentials> assume(const Role& role, const Scope& scope, Millis lifetime);

 private:
  const Options options_;
  const Clock& clock_;
  HttpClient http_;
};

/// The session policy of a scope: objects below its prefixes may be read (and written), and listed; nothing else. A writer may put a Delta
/// commit only with If-None-Match and delete none (condition key s3:if-none-match; S3 user guide, "Enforce conditional writes").
/// Error: too_large (the service takes 2,048 characters).
Result<std::string> session_policy(const Scope& scope);

/// The scope that a session policy asks for, as this platform's own endpoint grants it. Error: invalid_request with what it cannot express.
Result<Scope> scope_of_policy(std::string_view policy);

}  // namespace tarn::objects
