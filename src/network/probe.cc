#include "network/probe.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>

namespace tarn::network {
namespace {

using Now = std::chrono::steady_clock;

struct Socket {
  int fd = -1;
  Socket() = default;
  explicit Socket(int f) : fd(f) {}
  Socket(Socket&& o) noexcept : fd(std::exchange(o.fd, -1)) {}
  Socket& operator=(Socket&& o) noexcept {
    std::swap(fd, o.fd);
    return *this;
  }
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }
};

sockaddr_in address_in(Address a, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_addr.s_addr = ::htonl(a.bits);
  out.sin_port = ::htons(port);
  return out;
}
Socket tcp() { return Socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

/// Where the packets of a probe end: a namespace with somebody who listens on that port, or nothing.
std::optional<std::string> listener_of(const Topology& t, const Probe& p) {
  int service = t.service_at(p.to);
  for (const auto& e : t.endpoints)
    for (const auto& [subnet, address] : e.interfaces)
      if (e.vpc == t.subnets[static_cast<std::size_t>(p.from)].vpc && address == p.to) service = e.service;
  if (service >= 0) {
    const auto& ports = t.services[static_cast<std::size_t>(service)].ports;
    if (std::find(ports.begin(), ports.end(), p.port) == ports.end()) return std::nullopt;
    return service_namespace(t, service);
  }
  for (std::size_t i = 0; i < t.subnets.size(); ++i)
    if (t.subnets[i].instance == p.to) return subnet_namespace(t, static_cast<int>(i));
  return std::nullopt;
}

struct Client {
  Socket socket;
  bool sent = false;
  std::optional<Probed> result;
  void ended(Outcome o, std::string detail) {
    result = Probed{o, std::move(detail)};
    socket = Socket();
  }
  void failed(int error) { ended(error == ECONNREFUSED || error == ECONNRESET ? Outcome::rejected : Outcome::dropped, std::strerror(error)); }
  void ready() {
    if (!sent) {
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(socket.fd, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error) return failed(error);
      if (::send(socket.fd, "?", 1, MSG_NOSIGNAL) != 1) return failed(errno);
      sent = true;
      return;
    }
    char c;
    const auto n = ::recv(socket.fd, &c, 1, 0);
    if (n == 1) return ended(Outcome::connected, "a byte went there and came back");
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    // Somebody else's listener may close without a word: the connection stood.
    n == 0 ? ended(Outcome::connected, "connected, and closed by the other side") : failed(errno);
  }
};

}  // namespace

Expected<std::vector<Probed>, std::string> probe(const Topology& t, const Namespaces& network, const std::vector<Probe>& probes,
                                                 std::chrono::milliseconds limit) {
  std::map<std::pair<std::string, std::uint16_t>, Socket> listeners;
  for (const auto& p : probes) {
    const auto where = listener_of(t, p);
    if (!where || listeners.contains({*where, p.port})) continue;
    auto& l = listeners[{*where, p.port}];
    TARN_CHECK(in_namespace(network.full(*where), [&] {
      l = tcp();
      const auto any = address_in({}, p.port);
      const int yes = 1;
      ::setsockopt(l.fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
      if (::bind(l.fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0 || ::listen(l.fd, 64) != 0)
        l = Socket();  // taken: who has it answers
    }));
  }
  std::vector<Client> clients(probes.size());
  for (std::size_t i = 0; i < probes.size(); ++i)
    TARN_CHECK(in_namespace(network.full(subnet_namespace(t, probes[i].from)), [&] {
      clients[i].socket = tcp();
      const auto to = address_in(probes[i].to, probes[i].port);
      if (::connect(clients[i].socket.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) clients[i].failed(errno);
    }));
  const auto deadline = Now::now() + limit;
  std::vector<Socket> served;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Now::now()).count();
    std::vector<pollfd> fds;
    std::vector<Client*> waiting;
    for (auto& c : clients)
      if (!c.result) {
        fds.push_back({c.socket.fd, static_cast<short>(c.sent ? POLLIN : POLLOUT), 0});
        waiting.push_back(&c);
      }
    if (waiting.empty() || left <= 0) break;
    const std::size_t first_listener = fds.size();
    for (const auto& [key, l] : listeners)
      if (l.fd >= 0) fds.push_back({l.fd, POLLIN, 0});
    const std::size_t first_served = fds.size();
    for (const auto& s : served) fds.push_back({s.fd, POLLIN, 0});
    if (::poll(fds.data(), fds.size(), static_cast<int>(left)) < 0 && errno != EINTR) return fail(std::string("poll: ") + std::strerror(errno));
    for (std::size_t i = 0; i < waiting.size(); ++i)
      if (fds[i].revents) waiting[i]->ready();
    for (std::size_t i = first_served; i < fds.size(); ++i)
      if (fds[i].revents) {
        char c;
        auto& s = served[i - first_served];
        if (::recv(s.fd, &c, 1, 0) == 1)
          (void)::send(s.fd, &c, 1, MSG_NOSIGNAL);
        else
          s = Socket();
      }
    for (std::size_t i = first_listener; i < first_served; ++i)
      if (fds[i].revents)
        for (int fd; (fd = ::accept4(fds[i].fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) served.emplace_back(fd);
    std::erase_if(served, [](const Socket& s) { return s.fd < 0; });
  }
  std::vector<Probed> out;
  for (auto& c : clients)
    out.push_back(c.result ? *c.result : Probed{Outcome::dropped, c.sent ? "connected, and nothing comes back" : "no answer to SYN"});
  return out;
}

}  // namespace tarn::network
