#include "gateway/hosts.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace tarn::gateway {

namespace {

/// What stands before ".suffix"; nothing if the name does not end so.
std::optional<std::string_view> before(std::string_view host, std::string_view suffix) {
  if (host.size() <= suffix.size() + 1 || !host.ends_with(suffix) || host[host.size() - suffix.size() - 1] != '.') return std::nullopt;
  return host.substr(0, host.size() - suffix.size() - 1);
}

bool is_label(std::string_view s) {
  return !s.empty() && s.size() <= 63 && std::all_of(s.begin(), s.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; });
}

/// s3 or sts, with AWS' variants: s3.REGION, s3.dualstack.REGION, and anything before `s3` (a bucket, which may hold dots).
bool is_aws_service(std::string_view name, std::string_view region) {
  for (const std::string service : {"s3", "sts"}) {
    for (const std::string& form : {service, service + "." + std::string(region), service + ".dualstack." + std::string(region)}) {
      if (name == form) return true;
      if (service == "s3" && before(name, form)) return true;
    }
  }
  return false;
}

}  // namespace

HostMatch Hosts::match(std::string_view host) const {
  for (std::string_view suffix : {std::string_view(domain_), std::string_view("cloud.databricks.com")}) {
    const auto name = before(host, suffix);
    if (!name) continue;
    if (*name == "accounts") return {Site::account, {}};
    if (suffix == domain_ && is_aws_service(*name, region_)) return {Site::storage, {}};
    if (is_label(*name)) return {Site::workspace, std::string(*name)};
    return {};
  }
  if (const auto name = before(host, "amazonaws.com"); name && is_aws_service(*name, region_)) return {Site::storage, {}};
  return {};
}

std::string bare_host(std::string_view authority) {
  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    authority = authority.substr(1, close == std::string_view::npos ? close : close - 1);
  } else {
    authority = authority.substr(0, authority.find(':'));
  }
  if (authority.ends_with('.')) authority.remove_suffix(1);
  std::string out(authority);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

int port_of(std::string_view authority, int otherwise) {
  const auto colon = authority.rfind(':');
  if (colon == std::string_view::npos || authority.find(']', colon) != std::string_view::npos) return otherwise;
  int port = 0;
  const auto text = authority.substr(colon + 1);
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
  return ec == std::errc() && end == text.data() + text.size() && port > 0 && port < 65536 ? port : -1;
}

}  // namespace tarn::gateway
