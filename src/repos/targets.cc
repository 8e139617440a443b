#include "repos/targets.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <boost/url.hpp>

namespace tarn::repos {
namespace {

bool internal_v4(std::uint32_t a) {
  const auto in = [&](std::uint32_t network, int bits) { return (a >> (32 - bits)) == (network >> (32 - bits)); };
  return in(0x00000000, 8) || in(0x0a000000, 8) || in(0x64400000, 10) || in(0x7f000000, 8) || in(0xa9fe0000, 16) || in(0xac100000, 12) ||
         in(0xc0000000, 24) || in(0xc0000200, 24) || in(0xc0a80000, 16) || in(0xc6120000, 15) || in(0xc6336400, 24) || in(0xcb007100, 24) ||
         in(0xe0000000, 3);
}

}  // namespace

bool is_internal(std::string_view address) {
  const std::string text(address);
  in_addr v4{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return internal_v4(ntohl(v4.s_addr));
  in6_addr v6{};
  if (::inet_pton(AF_INET6, text.c_str(), &v6) != 1) return true;  // what is no address is nowhere to go
  const auto* b = v6.s6_addr;
  const auto v4_at = [&](int i) {
    return internal_v4(std::uint32_t(b[i]) << 24 | std::uint32_t(b[i + 1]) << 16 | std::uint32_t(b[i + 2]) << 8 | b[i + 3]);
  };
  bool zeros = true;
  for (int i = 0; i < 10; ++i) zeros = zeros && b[i] == 0;
  if (zeros && b[10] == 0xff && b[11] == 0xff) return v4_at(12);                       // ::ffff:a.b.c.d
  if (zeros && b[10] == 0 && b[11] == 0) return true;                                  // ::, ::1, ::a.b.c.d
  if (b[0] == 0x00 && b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b) return v4_at(12);  // 64:ff9b::/96
  if (b[0] == 0x20 && b[1] == 0x02) return v4_at(2);                                   // 6to4
  if (b[0] == 0x20 && b[1] == 0x01 && (b[2] & 0xfe) == 0) return true;                 // 2001::/23: Teredo and other protocol assignments
  if (b[0] == 0x20 && b[1] == 0x01 && b[2] == 0x0d && b[3] == 0xb8) return true;       // documentation
  return (b[0] & 0xe0) != 0x20;                                                        // only 2000::/3 is the public Internet
}

bool Targets::listed(const std::string& host, std::uint16_t port) const {
  for (const auto& a : allowed_)
    if (a == host || a == host + ":" + std::to_string(port)) return true;
  return false;
}

Result<Target> Targets::resolve(const std::string& text) const {
  const auto parsed = boost::urls::parse_uri(text);
  const std::string shown = text.substr(0, 200);
  const auto bad = [&](const char* why) { return refuse(Errc::invalid, "Invalid Git repository URL: " + std::string(why)); };
  if (!parsed || text.size() > 2000) return bad("it must be an absolute https URL");
  const auto& u = *parsed;
  const bool https = u.scheme() == "https";
  if (!https && u.scheme() != "http") return bad("only https is supported");
  if (u.has_userinfo()) return bad("it must not hold a user or password; add a Git credential instead");
  if (u.has_query() || u.has_fragment()) return bad("it must not hold a query or a fragment");
  std::string host = u.host_type() == boost::urls::host_type::ipv6 ? u.host_ipv6_address().to_string() : u.host();
  for (char& c : host) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const auto fine = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' || c == ':'; };
  if (host.empty() || host.size() > 253 || host.front() == '-' || !std::ranges::all_of(host, fine)) return bad("its host name is not valid");
  if (u.encoded_path().empty() || u.encoded_path() == "/") return bad("it names no repository");
  Target out{.host = host, .port = u.has_port() ? u.port_number() : static_cast<std::uint16_t>(https ? 443 : 80)};
  if (out.port == 0) return bad("its port is not valid");
  const bool ours = listed(host, out.port);
  if (!https && !ours) return bad("only https is supported");
  out.url = text;
  while (out.url.ends_with('/')) out.url.pop_back();

  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0 || !found)
    return refuse(Errc::unavailable, "The host of the Git repository, '" + host + "', does not resolve");
  bool internal = false;
  for (const addrinfo* a = found; a; a = a->ai_next) {
    char numeric[INET6_ADDRSTRLEN] = {};
    if (::getnameinfo(a->ai_addr, a->ai_addrlen, numeric, sizeof numeric, nullptr, 0, NI_NUMERICHOST) != 0) continue;
    if (!ours && is_internal(numeric)) {
      internal = true;
      continue;
    }
    if (out.address.empty()) out.address = numeric;
  }
  ::freeaddrinfo(found);
  // A name that is public and internal at once is not trusted at all.
  if (internal || out.address.empty())
    return refuse(Errc::not_allowed,
                  "The remote Git repo URL " + shown +
                      " is disallowed: its host has a private, loopback or link-local address. An operator may list it with --allow-git HOST.");
  return out;
}

}  // namespace tarn::repos
