#pragma once
// Which part of the platform a host name means. Pure text; no look-ups. Source: the vendor's and AWS' host name schemes.
//   accounts.<domain>, accounts.cloud.databricks.com                     the account
//   s3.<domain>, sts.<domain>, BUCKET.s3.<domain>, and AWS' own names    storage (which authenticates itself)
//   LABEL.<domain>, LABEL.cloud.databricks.com                           the workspace deployed as LABEL
#include <string>
#include <string_view>

namespace tarn::gateway {

enum class Site { account, workspace, storage, admin, unknown };

struct HostMatch {
  Site site = Site::unknown;
  std::string deployment;  // of a workspace host
};

class Hosts {
 public:
  Hosts(std::string domain, std::string region) : domain_(std::move(domain)), region_(std::move(region)) {}
  /// `host` in lower case, without port.
  HostMatch match(std::string_view host) const;
  /// Whether the local authority may vouch for the name (its constraints say the same).
  bool ours(std::string_view host) const { return match(host).site != Site::unknown; }
  const std::string& domain() const { return domain_; }
  const std::string& region() const { return region_; }

 private:
  std::string domain_, region_;
};

/// Lower case, without port and closing dot; brackets of an IPv6 literal dropped.
std::string bare_host(std::string_view authority);
/// The port of HOST:PORT, or `otherwise`.
int port_of(std::string_view authority, int otherwise);

}  // namespace tarn::gateway
