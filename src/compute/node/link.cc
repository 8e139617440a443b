#include "compute/node/link.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "base/json.h"
#include "compute/relay.h"

namespace tarn::compute::node {
namespace {

using Steady = std::chrono::steady_clock;
constexpr std::size_t kMostHeld = 1u << 20;  // of each direction; beyond that its source is not read
constexpr int kSwallowedSeconds = 15;

/// Waits for an event until the deadline, in short naps so that a request to stop is heard.
bool await(int fd, short events, Steady::time_point until, bool (*stopped)()) {
  while (!stopped() && Steady::now() < until) {
    pollfd p{fd, events, 0};
    if (::poll(&p, 1, 100) > 0) return true;
  }
  return false;
}

int connect_to(const std::string& relay, Steady::time_point until, bool (*stopped)(), std::string& why) {
  const auto where = host_and_port(relay);
  if (!where) {
    why = "'" + relay + "' is not HOST:PORT";
    return -1;
  }
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (const int rc = ::getaddrinfo(where->first.c_str(), where->second.c_str(), &hints, &found); rc != 0) {
    why = where->first + ": " + ::gai_strerror(rc);
    return -1;
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owned(found, ::freeaddrinfo);
  for (const auto* a = found; a; a = a->ai_next) {
    const int fd = ::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) continue;
    int failure = ::connect(fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
    if (failure == EINPROGRESS) {
      failure = ETIMEDOUT;
      if (await(fd, POLLOUT, until, stopped)) {
        socklen_t size = sizeof failure;
        ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
      }
    }
    if (failure == 0) return fd;
    why = relay + ": " + std::strerror(failure);
    ::close(fd);
  }
  return -1;
}

}  // namespace

Link::Link(Dial dial) : how_(std::move(dial)), context_(client_context(how_.authority)) {}
Link::~Link() { end(); }

void Link::end() {
  stream_.reset();
  if (local_ >= 0) ::close(std::exchange(local_, -1));
  to_relay_.clear();
  to_driver_.clear();
  between_lines_ = true;
}

Answer Link::dial(std::chrono::milliseconds patience, bool (*stopped)()) {
  end();
  if (!context_) {
    why_ = "its order names no authority";
    return Answer::nobody;
  }
  const auto until = Steady::now() + patience;
  const int fd = connect_to(how_.relay, until, stopped, why_);
  if (fd < 0) return Answer::nobody;
  tend(fd, kSwallowedSeconds);
  auto stream = std::make_unique<TlsStream>(context_, fd, how_.relay_name);
  std::string out =
      boost::json::serialize(json::object{{"type", "hello"}, {"instance_id", how_.instance_id}, {"token", how_.token}, {"lease", how_.lease}}) + "\n";
  std::string in;
  for (;;) {
    if (!stream->write(out)) break;
    if (stream->established()) {
      if (stream->read(in, 4096) == TlsStream::Took::ended) break;
      // What follows the first line is the driver's.
      if (const auto line = in.find('\n'); line != in.npos) {
        const auto said = in.substr(0, line);
        if (said.find("\"refused\"") != said.npos) {
          why_ = "the relay refused its identity";
          return Answer::refused;
        }
        if (said.find("\"welcome\"") == said.npos) break;
        stream_ = std::move(stream);
        to_driver_ = in.substr(line + 1);
        return Answer::welcome;
      }
    }
    const auto events = static_cast<short>(stream->events() | (stream->established() && !out.empty() ? POLLOUT : 0));
    if (!await(fd, events, until, stopped)) {
      why_ = how_.relay + " did not answer in time";
      return Answer::nobody;
    }
  }
  why_ = stream->why().empty() ? how_.relay + " is not the relay" : how_.relay + ": " + stream->why();
  return Answer::nobody;
}

int Link::driver_end() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return -1;
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  local_ = ends[0];
  return ends[1];
}

std::vector<Link::Watched> Link::watched() const {
  std::vector<Watched> out;
  if (!stream_) return out;
  short relay = stream_->events();
  if (to_driver_.size() >= kMostHeld) relay = static_cast<short>(relay & ~POLLIN);
  if (!to_relay_.empty()) relay |= POLLOUT;
  out.push_back({stream_->fd(), relay});
  if (local_ >= 0) out.push_back({local_, static_cast<short>((to_relay_.size() < kMostHeld ? POLLIN : 0) | (to_driver_.empty() ? 0 : POLLOUT))});
  return out;
}

bool Link::carry() {
  if (!stream_) return false;
  // TLS may hold bytes that poll does not see, so both ways are tried each time.
  if (to_driver_.size() < kMostHeld && stream_->read(to_driver_, kMostHeld) == TlsStream::Took::ended) {
    why_ = stream_->why();
    return false;
  }
  if (local_ >= 0) {
    while (!to_driver_.empty()) {
      const auto n = ::send(local_, to_driver_.data(), to_driver_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n > 0) {
        to_driver_.erase(0, static_cast<std::size_t>(n));
        continue;
      }
      if (errno == EAGAIN || errno == EINTR) break;
      why_ = "the driver ended its side";
      return false;
    }
    char block[65536];
    while (to_relay_.size() < kMostHeld) {
      const auto n = ::recv(local_, block, sizeof block, MSG_DONTWAIT);
      if (n > 0) {
        to_relay_.append(block, static_cast<std::size_t>(n));
        between_lines_ = block[n - 1] == '\n';
        continue;
      }
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
      why_ = "the driver ended its side";
      return false;
    }
  }
  if (!to_relay_.empty() && !stream_->write(to_relay_)) {
    why_ = stream_->why();
    return false;
  }
  return true;
}

void Link::say(const std::string& line) {
  if (stream_ && between_lines_ && to_relay_.size() < kMostHeld) to_relay_ += line + "\n";
}

}  // namespace tarn::compute::node
