#pragma once
// A REST client of the platform's API, as the command line uses it: one principal, the account host and every workspace host, over
// libcurl. Credentials come from a data folder's running server or from the DATABRICKS_* environment. Tokens are fetched by OAuth
// client credentials when first needed and renewed before they end. 429 and 503 are retried as their Retry-After says, at most
// 5 times. Not thread-safe: one session a thread.
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace tarn::client {

/// A refusal or a failure to get through. `status` 0: no answer (the message names host and cause).
struct ApiError {
  int status = 0;
  std::string error_code;
  std::string message;
  std::string text() const;  // "PERMISSION_DENIED: …" as the field's tools print it
};

template <class T>
using Result = Expected<T, ApiError>;

struct Target {
  std::string accounts_url;  // https://accounts.cloud.databricks.com
  std::string account_id;
  std::string client_id, client_secret;
  std::string token;      // instead of the client credentials
  std::string proxy_url;  // empty: the environment's
  std::string ca_file;    // empty: SSL_CERT_FILE, else the system's
};

/// From a data folder: the running server's address, authority and automation principal (owner only).
Result<Target> target_of_folder(const std::string& data_dir);
/// From DATABRICKS_HOST (or the vendor's account host), DATABRICKS_ACCOUNT_ID, DATABRICKS_CLIENT_ID/_SECRET or DATABRICKS_TOKEN.
Result<Target> target_of_environment();

class Session {
 public:
  explicit Session(Target target);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  const Target& target() const { return target_; }

  /// `path` with {account} standing for the account id: /api/2.0/accounts/{account}/workspaces.
  Result<json::value> account(std::string_view method, std::string_view path, const std::optional<json::value>& body = {});
  /// The same on a workspace's host, by its deployment name.
  Result<json::value> workspace(std::string_view deployment, std::string_view method, std::string_view path,
                                const std::optional<json::value>& body = {});
  /// A workspace's URL: the account host with its first label replaced, as the vendor's provider derives it.
  std::string workspace_url(std::string_view deployment) const;
  /// Raw bytes of a URL that carries its own authorisation (external result links).
  Result<std::string> fetch(const std::string& url);

 private:
  struct Http;
  Result<json::value> call(const std::string& base, std::string_view method, std::string_view path, const std::optional<json::value>& body,
                           bool account);
  Result<std::string> bearer();

  Target target_;
  std::unique_ptr<Http> http_;
  std::string token_;
  std::int64_t token_ends_ = 0;  // ms
};

}  // namespace tarn::client
