#pragma once
// The one service principal: where the platform is, and its credential, which never leaves this process. Thread-safe.
#include <memory>
#include <mutex>
#include <string>

#include "review/config.h"
#include "review/http.h"

namespace tarn::review {

struct Target {
  std::string host;  // https://accounts.cloud.databricks.com
  std::string account_id, client_id, client_secret;
  std::string proxy;  // empty: the environment's
  std::string ca_file;
  std::string domain;  // what its hosts end in
  bool local = false;  // a Tarn on this machine, which answers under the vendor's names too
};

class Principal {
 public:
  explicit Principal(TargetSpec spec) : spec_(std::move(spec)) {}
  /// The target as it is now (a Tarn's folder names another port after each start). The error is a text for people.
  Expected<Target, std::string> target();
  /// An access token, fetched by client credentials and kept until a minute before it ends.
  Expected<std::string, std::string> bearer();

 private:
  TargetSpec spec_;
  std::mutex mutex_;
  std::string token_, token_host_;
  std::int64_t token_ends_ = 0;
};

/// A call of the platform's API on one of its hosts, as the principal.
Expected<HttpAnswer, std::string> call_platform(Principal& principal, const std::string& method, const std::string& host,
                                                const std::string& path_and_query, const std::vector<std::string>& headers,
                                                const std::optional<std::string>& body);

}  // namespace tarn::review
