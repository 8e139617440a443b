#pragma once
// One client connection: reads requests one after another, has each answered, writes replies. Lives on one I/O thread; its clock is a sweep
// that compares one deadline, so no operation pays for a timer.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <memory>
#include <string>

#include "gateway/access_log.h"
#include "gateway/dispatch.h"
#include "gateway/reader.h"
#include "gateway/server.h"
#include "gateway/transport.h"
#include "gateway/wire.h"

namespace tarn::gateway {

/// What all connections of a server share.
struct Core {
  Limits limits;
  Hosts hosts;
  Metrics metrics;
  std::string spool_dir;
  std::mutex allowed_mutex{};
  std::vector<std::string> allowed_hosts;          // guarded by allowed_mutex
  std::map<std::string, std::string> stand_ins{};  // address -> host; guarded by allowed_mutex
  /// The host that an address stands for; empty: none.
  std::string host_behind(const std::string& address) {
    std::lock_guard lock(allowed_mutex);
    const auto i = stand_ins.find(address);
    return i == stand_ins.end() ? std::string() : i->second;
  }
  AccessLog log;
  Workers workers;
  std::unique_ptr<Dispatcher> dispatcher;
  std::unique_ptr<boost::asio::ssl::context> tls;
  std::atomic<bool> draining{false};
  /// The listener behind a loopback port of this server, so that the proxy reaches those too.
  std::function<std::optional<ListenSpec>(int port)> own_port;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Core& core, const Dispatcher& dispatcher, const ListenSpec& spec, std::unique_ptr<Transport> transport);
  ~Connection();

  /// The connection's life; ends when the client, the clock or a drain ends it.
  boost::asio::awaitable<void> run();
  // On the I/O thread:
  void check(std::chrono::steady_clock::time_point now);  // the clock
  void close_if_idle();
  void kill();
  /// The same, and whatever an asynchronous handler waits for ends with operation_aborted.
  void abort();
  boost::asio::cancellation_slot stop_slot() { return stop_.slot(); }

 private:
  using Clock = std::chrono::steady_clock;
  enum class Phase { handshake, idle, head, body, handling, writing, lingering, tunnel };
  enum class Next { proceed, again, stop };

  boost::asio::awaitable<bool> secure(std::string early);
  boost::asio::awaitable<bool> fill(std::size_t want);
  boost::asio::awaitable<Next> read_head(Exchange& x, RequestReader& reader);
  boost::asio::awaitable<bool> read_body(std::shared_ptr<Exchange> x, RequestReader& reader);
  boost::asio::awaitable<void> respond(std::shared_ptr<Exchange> x, RequestReader& reader);
  boost::asio::awaitable<bool> write_all(std::string_view head, std::string_view body);
  boost::asio::awaitable<bool> write_reply(const api::Reply& reply, const Trim& trim);
  boost::asio::awaitable<bool> refuse(const api::WireError& error);
  boost::asio::awaitable<void> linger(bool unread);
  // proxy.cc
  boost::asio::awaitable<Next> connect(RequestReader& reader);
  boost::asio::awaitable<Next> forward(std::shared_ptr<Exchange> x, RequestReader& reader);
  /// Answers a SOCKS greeting and its request; `proceed` if the client speaks HTTP.
  boost::asio::awaitable<Next> socks();
  bool may_enter(const std::string& host, int port) const;
  boost::asio::awaitable<Next> enter(const std::string& host, int port, std::string_view established);
  /// `established`: what the client waits for before it speaks; empty if it has spoken (`first`).
  boost::asio::awaitable<void> tunnel(const std::string& host, int port, std::string first, std::string_view established);
  boost::asio::awaitable<void> pump(std::shared_ptr<boost::asio::ip::tcp::socket> from, std::shared_ptr<boost::asio::ip::tcp::socket> to);
  bool proxy_allows(const std::string& host) const;
  boost::asio::awaitable<bool> proxy_refuses(std::string_view host);

  void arm(std::chrono::milliseconds from_now) { deadline_ = Clock::now() + from_now; }
  void note_request_id(Exchange& x);
  std::string_view unread() const { return {in_.data() + begin_, end_ - begin_}; }

  Core& core_;
  bool over_tls_ = false;
  const Dispatcher* dispatcher_;
  ListenSpec spec_;
  Fixed fixed_;  // of the current request
  std::unique_ptr<Transport> transport_;
  std::string peer_;
  std::vector<char> in_;
  std::size_t begin_ = 0, end_ = 0;  // what was read and not yet parsed
  std::string out_;
  Phase phase_ = Phase::idle;
  Clock::time_point deadline_ = Clock::time_point::max();
  bool timed_out_ = false;
  bool keep_alive_ = true;
  bool input_left_ = false;  // the client may still be sending what we will not read
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
  std::string request_id_;
  std::shared_ptr<Exchange> handling_;
  boost::asio::cancellation_signal stop_;
  std::shared_ptr<boost::asio::ip::tcp::socket> near_, far_;  // of a tunnel
};

/// Whether a peer of a Unix socket is this process' user or root.
bool is_owner(int fd);

}  // namespace tarn::gateway
