#pragma once
// Whether this machine gets through to a host, and if not, where it ends: the name, the connection, or the proxy on the way. The point is to
// say within seconds what a client behind a dropping firewall never says. POSIX sockets; a name is looked up in a child process
// that is ended at the deadline, so this is for command line programs, not for a server's threads.
#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "doctor/finding.h"

namespace tarn::doctor {

struct HostPort {
  std::string host;
  std::uint16_t port = 443;
  std::string text() const { return host.find(':') == host.npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port); }
};

/// "https://host[:port][/…]", "http://…" (port 80) or "host[:port]"; nothing if it has no host or a port that is none.
std::optional<HostPort> host_of(std::string_view url);

enum class Reach {
  connected,
  unresolved,     // the name has no address
  resolver_mute,  // the name server did not answer in time
  dropped,        // no answer to SYN in time: a silent firewall, or a dead host
  refused,        // RST: the host answers, nothing listens
  unreachable,    // no route, or ICMP says so
  proxy_mute,     // the proxy took the connection and did not answer CONNECT in time
  proxy_refused,  // the proxy answered CONNECT with something other than 200
  tls_mute,       // connected, but no answer to the TLS hello: something on the way accepts for the host
  tls_refused,    // connected, but what answers speaks no TLS with us
  tls_untrusted   // TLS works, but the certificate is not from an authority that this machine trusts: an intercepting proxy
};
BOOST_DESCRIBE_ENUM(Reach, connected, unresolved, resolver_mute, dropped, refused, unreachable, proxy_mute, proxy_refused, tls_mute, tls_refused,
                    tls_untrusted)

/// How far `reach` goes once the connection stands.
struct Tls {
  bool shake_hands = false;
  std::string ca_file;  // the authorities to trust; empty: SSL_CERT_FILE, else the system's
};

struct Attempt {
  Reach reach = Reach::connected;
  std::string address;  // the last one tried, numeric
  std::string detail;   // errno's text, or the proxy's status line
};

/// Tries to open a TCP connection, through `proxy` (CONNECT) if given, then TLS if asked for. Ends within `limit`, over all addresses of the name.
Attempt reach(const HostPort& target, const std::optional<HostPort>& proxy, std::chrono::milliseconds limit = std::chrono::seconds(5),
              const Tls& tls = {});

/// The proxy that clients on this machine would use for the target: https_proxy or HTTPS_PROXY unless no_proxy or NO_PROXY names the host or a
/// domain of it ("*" names all).
std::optional<HostPort> proxy_for(const HostPort& target);

/// The check: what was tried, and cause and cure if it did not get through. Three fifths of `limit` are for the way through; packets that are
/// dropped are followed to the last hop that answers in the rest.
Finding check_egress(const HostPort& target, const std::optional<HostPort>& proxy, std::chrono::milliseconds limit = std::chrono::seconds(5),
                     const Tls& tls = {});

}  // namespace tarn::doctor
