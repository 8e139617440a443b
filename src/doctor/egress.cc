#include "doctor/egress.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <ctime>

#include "doctor/trace.h"

namespace tarn::doctor {
namespace {

using Time = std::chrono::steady_clock;

int left_ms(Time::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Time::now()).count();
  return static_cast<int>(std::max<long long>(left, 0));
}

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  int family() const { return bytes.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

struct Lookup {
  int error = 0;  // of getaddrinfo; EAI_INPROGRESS: nothing within the time
  std::vector<Address> addresses;
};

Lookup look_up(const HostPort& target, int flags) {
  addrinfo hints{}, *all = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  Lookup out;
  out.error = ::getaddrinfo(target.host.c_str(), std::to_string(target.port).c_str(), &hints, &all);
  for (auto* a = all; out.error == 0 && a; a = a->ai_next) {
    Address one;
    std::memcpy(&one.bytes, a->ai_addr, a->ai_addrlen);
    one.size = a->ai_addrlen;
    out.addresses.push_back(one);
  }
  if (all) ::freeaddrinfo(all);
  return out;
}

/// A lookup that can be given up: the resolver knows no deadline, so it works in a child that ours ends.
Lookup look_up_until(const HostPort& target, Time::time_point deadline) {
  if (auto numeric = look_up(target, AI_NUMERICHOST); numeric.error == 0) return numeric;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("no process for the name lookup");
  if (child == 0) {
    const auto found = look_up(target, 0);
    bool sent = ::write(ends[1], &found.error, sizeof found.error) == sizeof found.error;
    for (const auto& a : found.addresses) sent = sent && ::write(ends[1], &a, sizeof a) == sizeof a;
    ::_exit(sent ? 0 : 1);
  }
  ::close(ends[1]);
  std::string got;
  bool whole = false;
  while (!whole) {
    pollfd p{ends[0], POLLIN, 0};
    const int ready = ::poll(&p, 1, left_ms(deadline));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) break;
    char buffer[4096];
    const auto n = ::read(ends[0], buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n > 0) got.append(buffer, static_cast<std::size_t>(n));
    whole = n <= 0;
  }
  ::close(ends[0]);
  if (!whole) ::kill(child, SIGKILL);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  Lookup out;
  if (!whole || got.size() < sizeof out.error || (got.size() - sizeof out.error) % sizeof(Address) != 0) return {EAI_INPROGRESS, {}};
  std::memcpy(&out.error, got.data(), sizeof out.error);
  out.addresses.resize((got.size() - sizeof out.error) / sizeof(Address));
  for (std::size_t i = 0; i < out.addresses.size(); ++i)
    std::memcpy(&out.addresses[i], got.data() + sizeof out.error + i * sizeof(Address), sizeof(Address));
  return out;
}

struct Socket {
  int fd;
  explicit Socket(int family) : fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}
  Socket(Socket&& o) noexcept : fd(std::exchange(o.fd, -1)) {}
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }
};

std::string numeric(const Address& a) {
  char host[NI_MAXHOST] = "?";
  ::getnameinfo(a.get(), a.size, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
  return host;
}

Attempt of_errno(int error, std::string address) {
  const bool dropped = error == ETIMEDOUT, refused = error == ECONNREFUSED;
  return {dropped ? Reach::dropped : refused ? Reach::refused : Reach::unreachable, std::move(address), std::strerror(error)};
}

/// Connects to one address; the socket is left open for CONNECT.
Attempt connect_to(const Address& a, Socket& s, Time::time_point deadline) {
  auto address = numeric(a);
  if (s.fd < 0) return of_errno(errno, std::move(address));
  if (::connect(s.fd, a.get(), a.size) == 0) return {Reach::connected, std::move(address), ""};
  if (errno != EINPROGRESS) return of_errno(errno, std::move(address));
  pollfd p{s.fd, POLLOUT, 0};
  int rc;
  do rc = ::poll(&p, 1, left_ms(deadline));
  while (rc < 0 && errno == EINTR);
  if (rc == 0) return {Reach::dropped, std::move(address), "no answer to SYN"};
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(s.fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) return of_errno(error, std::move(address));
  return {Reach::connected, std::move(address), ""};
}

/// Asks a connected proxy for a tunnel and reads its status line.
Attempt tunnel(const HostPort& target, const Socket& s, std::string address, Time::time_point deadline) {
  const std::string ask = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n", target.text());
  if (::send(s.fd, ask.data(), ask.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(ask.size()))
    return {Reach::proxy_mute, std::move(address), "the proxy takes no request"};
  std::string line;
  while (line.find('\n') == line.npos && line.size() < 4096) {
    pollfd p{s.fd, POLLIN, 0};
    const int rc = ::poll(&p, 1, left_ms(deadline));
    if (rc < 0 && errno == EINTR) continue;
    if (rc <= 0) return {Reach::proxy_mute, std::move(address), "no answer to CONNECT"};
    char buffer[512];
    const auto n = ::recv(s.fd, buffer, sizeof buffer, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (n <= 0) return {Reach::proxy_mute, std::move(address), "the proxy closed the connection"};
    line.append(buffer, static_cast<std::size_t>(n));
  }
  line = line.substr(0, line.find_first_of("\r\n"));
  const bool fine = line.starts_with("HTTP/1.") && line.size() > 12 && line.substr(9, 3) == "200";
  return {fine ? Reach::connected : Reach::proxy_refused, std::move(address), line};
}

/// Keeps a write to a closed connection from ending the process while OpenSSL writes (its sockets know no MSG_NOSIGNAL).
class NoPipeSignal {
 public:
  NoPipeSignal() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &old_);
  }
  ~NoPipeSignal() {
    if (!::sigismember(&old_, SIGPIPE)) {
      const timespec none{};
      while (::sigtimedwait(&pipe_, nullptr, &none) == SIGPIPE) {
      }
    }
    ::pthread_sigmask(SIG_SETMASK, &old_, nullptr);
  }

 private:
  sigset_t pipe_{}, old_{};
};

/// A TLS handshake over a connected socket, far enough to know who answers.
Attempt shake_hands(const HostPort& target, const Socket& s, std::string address, const Tls& tls, Time::time_point deadline) {
  const NoPipeSignal quiet;
  std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)> ctx(::SSL_CTX_new(::TLS_client_method()), &::SSL_CTX_free);
  if (!ctx) throw std::runtime_error("OpenSSL gives no context");
  const bool own = !tls.ca_file.empty() && ::SSL_CTX_load_verify_locations(ctx.get(), tls.ca_file.c_str(), nullptr) == 1;
  if (!own) ::SSL_CTX_set_default_verify_paths(ctx.get());  // honours SSL_CERT_FILE
  ::SSL_CTX_set_verify(ctx.get(), SSL_VERIFY_PEER, nullptr);
  std::unique_ptr<SSL, decltype(&::SSL_free)> ssl(::SSL_new(ctx.get()), &::SSL_free);
  ::SSL_set_tlsext_host_name(ssl.get(), target.host.c_str());
  ::SSL_set1_host(ssl.get(), target.host.c_str());
  ::SSL_set_fd(ssl.get(), s.fd);
  while (true) {
    ::ERR_clear_error();
    const int rc = ::SSL_connect(ssl.get());
    if (rc == 1) return {Reach::connected, std::move(address), ""};
    const int why = ::SSL_get_error(ssl.get(), rc);
    if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
      if (const long verdict = ::SSL_get_verify_result(ssl.get()); verdict != X509_V_OK)
        return {Reach::tls_untrusted, std::move(address), ::X509_verify_cert_error_string(verdict)};
      const char* reason = ::ERR_reason_error_string(::ERR_peek_error());
      return {Reach::tls_refused, std::move(address), reason ? reason : "the connection was closed"};
    }
    pollfd p{s.fd, static_cast<short>(why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), 0};
    const int ready = ::poll(&p, 1, left_ms(deadline));
    if (ready == 0 || (ready < 0 && errno != EINTR)) return {Reach::tls_mute, std::move(address), "no answer to the TLS hello"};
  }
}

/// The hop after which nothing answers, in words.
std::string where_they_end(const std::string& address, std::uint16_t port, std::chrono::milliseconds limit) {
  if (const auto hop = last_answering_hop(address, port, limit))
    return fmt::format("after hop {}{}, the last one that answers", hop->distance, hop->address.empty() ? "" : " (" + hop->address + ")");
  const auto next = next_hop(address);
  return fmt::format("and no hop on the way answers{}", next ? fmt::format(", not even the first ({})", *next) : "");
}

}  // namespace

std::optional<HostPort> host_of(std::string_view url) {
  HostPort out;
  if (url.starts_with("https://"))
    url.remove_prefix(8);
  else if (url.starts_with("http://"))
    url.remove_prefix(7), out.port = 80;
  else if (url.find("://") != url.npos)
    return std::nullopt;
  url = url.substr(0, url.find_first_of("/?#"));
  if (const auto at = url.rfind('@'); at != url.npos) url.remove_prefix(at + 1);  // a proxy's user and password
  std::string_view port;
  if (url.starts_with('[')) {
    const auto end = url.find(']');
    if (end == url.npos) return std::nullopt;
    out.host = url.substr(1, end - 1);
    if (end + 1 < url.size() && url[end + 1] == ':') port = url.substr(end + 2);
  } else {
    const auto colon = url.find(':');
    out.host = url.substr(0, colon);
    if (colon != url.npos) port = url.substr(colon + 1);
  }
  if (!port.empty()) {
    const auto [end, ec] = std::from_chars(port.data(), port.data() + port.size(), out.port);
    if (ec != std::errc() || end != port.data() + port.size() || out.port == 0) return std::nullopt;
  }
  return out.host.empty() ? std::nullopt : std::optional(out);
}

Attempt reach(const HostPort& target, const std::optional<HostPort>& proxy, std::chrono::milliseconds limit, const Tls& tls) {
  const auto deadline = Time::now() + limit;
  const HostPort& first = proxy ? *proxy : target;
  const auto lookup = look_up_until(first, deadline);
  if (lookup.error != 0) {
    const bool mute = lookup.error == EAI_INPROGRESS || lookup.error == EAI_AGAIN;
    return {mute ? Reach::resolver_mute : Reach::unresolved, "", lookup.error == EAI_INPROGRESS ? "no answer in time" : ::gai_strerror(lookup.error)};
  }
  int addresses = static_cast<int>(lookup.addresses.size());
  Attempt last{Reach::unresolved, "", "the name has no address"};
  for (const auto& address : lookup.addresses) {
    // Each address gets its share of what is left, so one that drops does not hide another that answers.
    const auto share = Time::now() + std::chrono::milliseconds(left_ms(deadline) / addresses--);
    Socket s(address.family());
    auto attempt = connect_to(address, s, share);
    if (attempt.reach == Reach::connected) {
      if (proxy) attempt = tunnel(target, s, attempt.address, deadline);
      return attempt.reach == Reach::connected && tls.shake_hands ? shake_hands(target, s, attempt.address, tls, deadline) : attempt;
    }
    // A drop is worth more than an address family that this machine does not have.
    if (last.address.empty() || attempt.reach != Reach::unreachable) last = attempt;
  }
  return last;
}

std::optional<HostPort> proxy_for(const HostPort& target) {
  const auto variable = [](const char* lower, const char* upper) -> std::string_view {
    for (const char* name : {lower, upper})
      if (const char* v = std::getenv(name); v && *v) return v;
    return {};
  };
  auto except = variable("no_proxy", "NO_PROXY");
  while (!except.empty()) {
    const auto comma = except.find(',');
    auto entry = except.substr(0, comma);
    except = comma == except.npos ? std::string_view() : except.substr(comma + 1);
    while (entry.starts_with(' ') || entry.starts_with('.')) entry.remove_prefix(1);
    while (entry.ends_with(' ')) entry.remove_suffix(1);
    if (entry == "*" || (!entry.empty() && (target.host == entry || target.host.ends_with("." + std::string(entry))))) return std::nullopt;
  }
  const auto proxy = variable("https_proxy", "HTTPS_PROXY");
  return proxy.empty() ? std::nullopt : host_of(proxy.find("://") == proxy.npos ? "http://" + std::string(proxy) : std::string(proxy));
}

Finding check_egress(const HostPort& target, const std::optional<HostPort>& proxy, std::chrono::milliseconds limit, const Tls& tls) {
  const auto patience = limit * 3 / 5;  // the rest is for finding out where the packets end
  const auto a = reach(target, proxy, patience, tls);
  const auto asked = proxy ? proxy->text() : target.text();
  const std::string way = proxy ? fmt::format("{} through the proxy {}", target.text(), proxy->text()) : target.text();
  const auto seconds = fmt::format("{:.1f} s", static_cast<double>(patience.count()) / 1000);
  const std::string at = a.address.empty() ? "" : fmt::format(" ({})", a.address);
  const auto problem = [&](std::string summary, std::string cause, std::string cure) {
    return Finding{"egress", Level::problem, std::move(summary), std::move(cause), std::move(cure), std::nullopt};
  };
  switch (a.reach) {
    case Reach::connected:
      return ok("egress", fmt::format("{} answers{}{}", way, tls.shake_hands ? " over TLS" : "", at));
    case Reach::dropped: {
      const auto port = proxy ? proxy->port : target.port;
      return at_edge("egress", Edge::no_egress,
                     fmt::format("no answer from {}{} within {}: packets to TCP port {} are dropped {}", asked, at, seconds, port,
                                 where_they_end(a.address, port, std::min(limit - patience, std::chrono::milliseconds(1500)))));
    }
    case Reach::refused:
      return problem(fmt::format("{}{} refuses the connection", asked, at), "The host answers, but nothing listens on that port.",
                     "Start the server (tarn serve), or correct host and port.");
    case Reach::unreachable:
      return problem(fmt::format("{}{} cannot be reached: {}", asked, at, a.detail),
                     "There is no route from this machine to that address, or a router says so.",
                     "Add the route, or set HTTPS_PROXY to a proxy that can reach the host.");
    case Reach::unresolved:
      if (asked.find(".localhost:") != asked.npos)
        return problem(fmt::format("the name {} has no address here: {}", asked, a.detail),
                       "glibc and Go do not resolve names below .localhost (browsers do).",
                       "Use the server's proxy_url (tarn rehearse --data DIR -- CMD sets it), or the workspace's loopback port.");
      return problem(fmt::format("the name {} has no address: {}", asked, a.detail),
                     "The name is wrong, or the name server of this machine does not know it.",
                     "Correct the host, or the name server in /etc/resolv.conf.");
    case Reach::resolver_mute:
      return problem(fmt::format("no name server answered for {} within {}: {}", asked, seconds, a.detail),
                     "Packets to the name server are dropped, or it is down.",
                     "Open port 53 to the name server of /etc/resolv.conf, or set HTTPS_PROXY to a proxy by its address.");
    case Reach::proxy_mute:
      return problem(fmt::format("{}: {}", way, a.detail),
                     "The proxy took the connection and gave no answer: it cannot reach the host itself, or it is no HTTP proxy.",
                     fmt::format("Let the proxy open {}, or correct HTTPS_PROXY.", target.text()));
    case Reach::proxy_refused:
      return problem(fmt::format("{}: {}", way, a.detail), "The proxy does not allow this host.",
                     fmt::format("Let the proxy open {}, or list the host in NO_PROXY.", target.text()));
    case Reach::tls_mute:
      return at_edge("egress", Edge::no_egress, fmt::format("{}{} takes the connection, and then nothing answers within {}", way, at, seconds));
    case Reach::tls_refused:
      return problem(fmt::format("{}{} speaks no TLS with us: {}", way, at, a.detail),
                     "Another service listens there, or a firewall cuts the handshake.",
                     "Correct host and port, or let the firewall pass TLS to that host.");
    case Reach::tls_untrusted:
      return problem(fmt::format("the certificate of {}{} is not trusted: {}", way, at, a.detail),
                     "An inspecting proxy answers in the host's place, or the server has a local authority that this machine does not know.",
                     "Trust its authority: SSL_CERT_FILE (REQUESTS_CA_BUNDLE for Python) with its certificate; tarn rehearse sets both.");
  }
  throw std::logic_error("an unknown reach");
}

}  // namespace tarn::doctor
