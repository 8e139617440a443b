#include "compute/relay.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>

#include "base/json_read.h"
#include "base/log.h"

namespace tarn::compute {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::size_t kMostLine = 16u << 20;  // one message of a node; results are cut long before
constexpr std::size_t kMostHello = 4096;
constexpr std::size_t kMostStrangers = 256;  // connections that have not said who they are
constexpr auto kHelloPatience = std::chrono::seconds(10);

/// A listening socket on this address; port 0 picks one. Negative: -errno.
int open_listener(const std::string& host, std::uint16_t port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return -EADDRNOTAVAIL;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, ::freeaddrinfo);
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int yes = 1;
  if (fd >= 0) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (fd >= 0 && ::bind(fd, found->ai_addr, found->ai_addrlen) == 0 && ::listen(fd, 512) == 0) return fd;
  const int why = errno;
  if (fd >= 0) ::close(fd);
  return -why;
}

std::uint16_t port_of(int fd) {
  sockaddr_storage at{};
  socklen_t size = sizeof at;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size);
  char port[16] = "0";
  ::getnameinfo(reinterpret_cast<sockaddr*>(&at), size, nullptr, 0, port, sizeof port, NI_NUMERICSERV);
  return static_cast<std::uint16_t>(std::atoi(port));
}

}  // namespace

std::optional<std::pair<std::string, std::string>> host_and_port(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == text.npos || colon + 1 == text.size()) return std::nullopt;
  auto host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  int port = -1;
  const auto* end = text.data() + text.size();
  if (const auto r = std::from_chars(text.data() + colon + 1, end, port); r.ec != std::errc() || r.ptr != end || port < 0 || port > 65535)
    return std::nullopt;
  return std::pair(std::string(host), std::to_string(port));
}

struct Relay::Connection {
  std::unique_ptr<TlsStream> stream;
  std::string instance_id;  // empty until admitted
  std::string in, out;
  Steady::time_point since = Steady::now();
  bool last_word = false;  // it is refused: ends when `out` is sent
};

Relay::Relay(RelayOptions options, TlsContext context) : options_(std::move(options)), context_(std::move(context)) {}
Relay::~Relay() { stop(); }

void Relay::start() {
  const auto where = host_and_port(options_.listen);
  if (!where) throw std::runtime_error("the relay listens on ADDRESS:PORT, not on '" + options_.listen + "'");
  auto port = static_cast<std::uint16_t>(std::stoi(where->second));
  int fd = -1;
  if (port == 0 && !options_.port_file.empty()) {
    // Nodes of an earlier process of this server dial its port for as long as their lease lasts.
    int kept = 0;
    if (std::ifstream in(options_.port_file); in >> kept && kept > 0 && kept < 65536)
      fd = open_listener(where->first, static_cast<std::uint16_t>(kept));
  }
  if (fd < 0) fd = open_listener(where->first, port);
  if (fd < 0) throw std::runtime_error("the relay cannot listen on " + options_.listen + ": " + std::strerror(-fd));
  port_ = port_of(fd);
  address_ = fmt::format("{}:{}", where->first.find(':') != std::string::npos ? "[" + where->first + "]" : where->first, port_);
  if (!options_.port_file.empty()) std::ofstream(options_.port_file, std::ios::trunc) << port_ << "\n";
  {
    const std::lock_guard lock(mutex_);
    listeners_.push_back(fd);
  }
  if (::pipe2(wake_, O_CLOEXEC | O_NONBLOCK) != 0) throw std::runtime_error(std::string("the relay: pipe: ") + std::strerror(errno));
  thread_ = std::jthread([this](std::stop_token stop) { serve(stop); });
}

Expected<void, std::string> Relay::also_listen(const std::string& address) {
  const auto parts = host_and_port(address);
  const int fd = open_listener(parts ? parts->first : address, parts ? static_cast<std::uint16_t>(std::stoi(parts->second)) : port_);
  if (fd < 0) return fail("the relay cannot listen on " + address + ": " + std::strerror(-fd));
  {
    const std::lock_guard lock(mutex_);
    listeners_.push_back(fd);
    also_[address] = fd;
  }
  poke();
  return {};
}

void Relay::stop_listening(const std::string& address) {
  {
    const std::lock_guard lock(mutex_);
    const auto i = also_.find(address);
    if (i == also_.end()) return;
    std::erase(listeners_, i->second);
    retired_.push_back(i->second);
    also_.erase(i);
  }
  poke();
}

void Relay::stop() {
  if (thread_.joinable()) {
    thread_.request_stop();
    poke();
    thread_.join();
  }
  const std::lock_guard lock(mutex_);
  connections_.clear();
  by_instance_.clear();
  listeners_.insert(listeners_.end(), retired_.begin(), retired_.end());
  for (const int fd : listeners_) ::close(fd);
  listeners_.clear(), retired_.clear(), also_.clear();
  for (int* fd : {&wake_[0], &wake_[1]})
    if (*fd >= 0) ::close(std::exchange(*fd, -1));
}

void Relay::poke() {
  if (wake_[1] >= 0) [[maybe_unused]]
    const auto n = ::write(wake_[1], "x", 1);
}

Relay::Figures Relay::figures() const {
  const std::lock_guard lock(mutex_);
  auto out = figures_;
  out.connections = static_cast<std::int64_t>(by_instance_.size());
  return out;
}

bool Relay::queue(const std::string& instance_id, const json::object& message, std::size_t most) {
  {
    const std::lock_guard lock(mutex_);
    const auto i = by_instance_.find(instance_id);
    if (i == by_instance_.end()) return false;
    auto& out = connections_.at(i->second)->out;
    if (out.size() > most) return false;
    out += boost::json::serialize(message);
    out += '\n';
    ++figures_.messages_out;
  }
  poke();
  return true;
}

void Relay::serve(std::stop_token stop) {
  std::vector<pollfd> fds;
  while (!stop.stop_requested()) {
    fds.assign({{wake_[0], POLLIN, 0}});
    std::size_t listeners = 0;
    std::vector<int> late;
    {
      const std::lock_guard lock(mutex_);
      for (const int fd : retired_) ::close(fd);
      retired_.clear();
      for (const int fd : listeners_) fds.push_back({fd, POLLIN, 0});
      listeners = listeners_.size();
      for (const auto& [fd, c] : connections_) {
        const bool waiting = c->stream->established() && !c->out.empty();
        fds.push_back({fd, static_cast<short>(c->stream->events() | (waiting ? POLLOUT : 0)), 0});
        if (c->instance_id.empty() && Steady::now() - c->since > kHelloPatience) late.push_back(fd);
      }
    }
    for (const int fd : late) close(fd, false);
    ::poll(fds.data(), fds.size(), 200);
    try {
      if (fds[0].revents) {
        char drop[64];
        while (::read(wake_[0], drop, sizeof drop) > 0) {
        }
      }
      for (std::size_t i = 1; i <= listeners; ++i)
        if (fds[i].revents) accept_all(fds[i].fd);
      for (std::size_t i = 1 + listeners; i < fds.size(); ++i) {
        if (!fds[i].revents) continue;
        Connection* c = nullptr;
        bool dead = false;
        {
          const std::lock_guard lock(mutex_);
          const auto found = connections_.find(fds[i].fd);
          if (found == connections_.end()) continue;
          c = found->second.get();
          if (!c->out.empty()) {
            const auto before = c->out.size();
            dead = !c->stream->write(c->out);
            figures_.bytes_out += static_cast<std::int64_t>(before - c->out.size());
          }
          dead = dead || (c->last_word && c->out.empty());
        }
        if (!dead) {
          try {
            read_from(*c);
          } catch (const std::exception& e) {
            // What it said could not be taken (a store that is gone): it dials again and tells again.
            spdlog::error("relay: {}", e.what());
            dead = true;
          }
        }
        if (dead) close(fds[i].fd, true);
      }
      if (each_turn_) each_turn_();
    } catch (const std::exception& e) {
      spdlog::error("relay: {}", e.what());
    }
  }
}

void Relay::accept_all(int listener) {
  for (int fd; (fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;) {
    tend(fd, options_.patience_seconds);
    const std::lock_guard lock(mutex_);
    if (connections_.size() - by_instance_.size() >= kMostStrangers) {
      ::close(fd);
      continue;
    }
    auto c = std::make_unique<Connection>();
    c->stream = std::make_unique<TlsStream>(context_, fd);
    connections_[fd] = std::move(c);
  }
}

/// Only the relay's thread reads a connection and erases it, so the reference stays good without the lock.
void Relay::read_from(Connection& c) {
  const int fd = c.stream->fd();
  for (;;) {
    const auto before = c.in.size();
    const auto took = c.stream->read(c.in, 1u << 20);
    if (took == TlsStream::Took::ended) {
      if (c.instance_id.empty()) spdlog::debug("relay: a connection ended before its hello: {}", c.stream->why());
      return close(fd, true);
    }
    if (c.in.size() > (c.instance_id.empty() ? kMostHello : kMostLine)) return close(fd, true);
    if (took == TlsStream::Took::nothing) break;
    std::size_t from = 0;
    std::int64_t lines = 0;
    for (std::size_t end; (end = c.in.find('\n', from)) != c.in.npos; from = end + 1) {
      ++lines;
      auto parsed = json::parse(std::string_view(c.in).substr(from, end - from));
      if (!parsed || !parsed->is_object()) return close(fd, true);
      const auto& o = parsed->as_object();
      if (c.last_word) break;
      if (c.instance_id.empty())
        hello(c, o);
      else if (json::text_at(o, "type") == "up")
        listener_->node_up(c.instance_id, o);
      else
        listener_->node_said(c.instance_id, o);
      const std::lock_guard lock(mutex_);
      if (!connections_.contains(fd)) return;
    }
    const std::lock_guard lock(mutex_);
    figures_.bytes_in += static_cast<std::int64_t>(c.in.size() - before);
    figures_.messages_in += lines;
    c.in.erase(0, from);
  }
}

void Relay::hello(Connection& c, const json::object& o) {
  const auto id = json::text_at(o, "instance_id");
  // A store that cannot be asked throws: then nothing is answered, and the node dials again.
  const bool fine =
      json::text_at(o, "type") == "hello" && listener_ && listener_->node_admitted(id, json::text_at(o, "token"), json::text_at(o, "lease"));
  const std::lock_guard lock(mutex_);
  if (!fine) {
    spdlog::warn("relay: an instance that says it is '{}' was refused", id.substr(0, 64));
    ++figures_.refused;
    c.out += "{\"op\":\"refused\"}\n";
    c.last_word = true;
    return;
  }
  ++figures_.admitted;
  const int fd = c.stream->fd();
  if (const auto old = by_instance_.find(id); old != by_instance_.end() && old->second != fd) {
    const int stale = old->second;
    connections_.at(stale)->instance_id.clear();
    ::shutdown(stale, SHUT_RDWR);
  }
  c.instance_id = id;
  by_instance_[id] = fd;
  c.out += "{\"op\":\"welcome\"}\n";
}

void Relay::close(int fd, bool tell) {
  std::string id;
  {
    const std::lock_guard lock(mutex_);
    const auto i = connections_.find(fd);
    if (i == connections_.end()) return;
    id = i->second->instance_id;
    if (!id.empty() && by_instance_[id] == fd) by_instance_.erase(id);
    connections_.erase(i);
  }
  if (tell && !id.empty() && listener_) listener_->node_lost(id, false, "its connection ended");
}

}  // namespace tarn::compute
