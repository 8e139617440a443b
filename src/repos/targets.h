#pragma once
// Which hosts this server may fetch from on somebody's behalf: public addresses, and what the operator lists. A name is resolved once, and the
// connection goes to the address that was checked, so that a name that changes its mind (DNS rebinding) leads nowhere. Thread-safe.
#include "repos/types.h"

namespace tarn::repos {

struct Target {
  std::string url;  // without credentials and fragments: https://host[:port]/path
  std::string host;
  std::uint16_t port = 443;
  std::string address;  // numeric, checked
};

/// Whether an address (numeric, IPv4 or IPv6) is one that only this machine or network reaches: loopback, link-local, private, shared (100.64/10),
/// multicast, unspecified, documentation, and their IPv6 forms.
bool is_internal(std::string_view address);

class Targets {
 public:
  /// `allowed`: HOST or HOST:PORT of the operator's own Git servers, which may have any address and may speak plain HTTP.
  explicit Targets(std::vector<std::string> allowed) : allowed_(std::move(allowed)) {}
  /// Parses, resolves and checks. invalid (not an http(s) URL), not_allowed, unavailable (the name does not resolve).
  Result<Target> resolve(const std::string& url) const;

 private:
  bool listed(const std::string& host, std::uint16_t port) const;
  const std::vector<std::string> allowed_;
};

}  // namespace tarn::repos
