#include "doctor/trace.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <utility>
#include <vector>

namespace tarn::doctor {
namespace {

using Time = std::chrono::steady_clock;
constexpr int kFarthest = 30;

struct Target {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

std::optional<Target> numeric(const std::string& address, std::uint16_t port) {
  Target t;
  if (auto* v4 = reinterpret_cast<sockaddr_in*>(&t.bytes); ::inet_pton(AF_INET, address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = ::htons(port);
    t.size = sizeof *v4;
    return t;
  }
  t = {};
  if (auto* v6 = reinterpret_cast<sockaddr_in6*>(&t.bytes); ::inet_pton(AF_INET6, address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = ::htons(port);
    t.size = sizeof *v6;
    return t;
  }
  return std::nullopt;
}

std::string shown(const sockaddr* a) {
  char out[INET6_ADDRSTRLEN] = "";
  if (a->sa_family == AF_INET) ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(a)->sin_addr, out, sizeof out);
  if (a->sa_family == AF_INET6) ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(a)->sin6_addr, out, sizeof out);
  return out;
}

/// A SYN on its way, that dies at the router number `distance`.
class Probe {
 public:
  Probe(const Target& target, int distance) : distance_(distance) {
    const int family = target.bytes.ss_family, on = 1;
    fd_ = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return;
    if (family == AF_INET) {
      ::setsockopt(fd_, IPPROTO_IP, IP_TTL, &distance, sizeof distance);
      ::setsockopt(fd_, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    } else {
      ::setsockopt(fd_, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &distance, sizeof distance);
      ::setsockopt(fd_, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
    }
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&target.bytes), target.size) != 0 && errno != EINPROGRESS) end();
  }
  Probe(Probe&& o) noexcept : fd_(std::exchange(o.fd_, -1)), distance_(o.distance_) {}
  ~Probe() { end(); }

  int fd() const { return fd_; }
  void end() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

  /// What the answer says, once there is one: the router where it died, if that is what happened.
  std::optional<Hop> answer() {
    char control[512], payload[256];
    iovec part{payload, sizeof payload};
    sockaddr_storage about{};
    msghdr m{};
    m.msg_name = &about;
    m.msg_namelen = sizeof about;
    m.msg_iov = &part;
    m.msg_iovlen = 1;
    m.msg_control = control;
    m.msg_controllen = sizeof control;
    if (::recvmsg(fd_, &m, MSG_ERRQUEUE | MSG_DONTWAIT) >= 0)
      for (cmsghdr* c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        const bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
        if (!v4 && !(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) continue;
        auto* e = reinterpret_cast<sock_extended_err*>(CMSG_DATA(c));
        if (v4 ? e->ee_origin == SO_EE_ORIGIN_ICMP && e->ee_type == ICMP_TIME_EXCEEDED
               : e->ee_origin == SO_EE_ORIGIN_ICMP6 && e->ee_type == ICMP6_TIME_EXCEEDED)
          return Hop{distance_, shown(SO_EE_OFFENDER(e))};
      }
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    return error == EHOSTUNREACH ? std::optional(Hop{distance_, ""}) : std::nullopt;
  }

 private:
  int fd_ = -1, distance_;
};

}  // namespace

std::optional<Hop> last_answering_hop(const std::string& address, std::uint16_t port, std::chrono::milliseconds limit) {
  const auto target = numeric(address, port);
  if (!target) return std::nullopt;
  const auto deadline = Time::now() + limit;
  std::vector<Probe> probes;
  for (int distance = 1; distance <= kFarthest; ++distance) probes.emplace_back(*target, distance);
  std::optional<Hop> farthest;
  while (true) {
    std::vector<pollfd> waiting;
    std::vector<std::size_t> of;
    for (std::size_t i = 0; i < probes.size(); ++i)
      if (probes[i].fd() >= 0) waiting.push_back({probes[i].fd(), POLLOUT, 0}), of.push_back(i);
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Time::now()).count();
    if (waiting.empty() || left <= 0) return farthest;
    const int ready = ::poll(waiting.data(), waiting.size(), static_cast<int>(left));
    if (ready < 0 && errno != EINTR) return farthest;
    for (std::size_t k = 0; ready > 0 && k < waiting.size(); ++k) {
      if (!waiting[k].revents) continue;
      Probe& p = probes[of[k]];
      if (auto hop = p.answer(); hop && (!farthest || hop->distance > farthest->distance)) farthest = std::move(hop);
      p.end();
    }
  }
}

std::optional<std::string> next_hop(const std::string& address) {
  in_addr target{};
  if (::inet_pton(AF_INET, address.c_str(), &target) != 1) return std::nullopt;
  std::ifstream table("/proc/net/route");  // addresses as hexadecimal words in the machine's own order, as in_addr holds them
  std::string line;
  std::getline(table, line);
  std::optional<std::string> best;
  unsigned long longest = 0;
  while (std::getline(table, line)) {
    std::istringstream fields(line);
    std::string link, skipped;
    unsigned long to = 0, gateway = 0, mask = 0;
    fields >> link >> std::hex >> to >> gateway >> skipped >> skipped >> skipped >> skipped >> mask;
    if (!fields || (target.s_addr & mask) != to) continue;
    if (best && ::ntohl(static_cast<std::uint32_t>(mask)) < longest) continue;
    longest = ::ntohl(static_cast<std::uint32_t>(mask));
    in_addr g{static_cast<in_addr_t>(gateway)};
    char text[INET_ADDRSTRLEN] = "";
    ::inet_ntop(AF_INET, &g, text, sizeof text);
    best = gateway ? fmt::format("{} by {}", text, link) : link;
  }
  return best;
}

}  // namespace tarn::doctor
