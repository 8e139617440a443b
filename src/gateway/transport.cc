#include "gateway/transport.h"

#include <netinet/tcp.h>
#include <sys/sendfile.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace tarn::gateway {

namespace asio = boost::asio;

namespace {

void acknowledge_on(int socket) {
  const int on = 1;
  (void)::setsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));  // without it the peer waits, no more
}

auto quietly(error_code& ec) { return asio::redirect_error(asio::use_awaitable, ec); }

template <class Socket>
class Plain final : public Transport {
 public:
  explicit Plain(Socket socket) : socket_(std::move(socket)) {}

  asio::awaitable<std::size_t> read_some(asio::mutable_buffer into, error_code& ec) override { return socket_.async_read_some(into, quietly(ec)); }
  asio::awaitable<std::size_t> write_some(std::array<asio::const_buffer, 2> parts, error_code& ec) override {
    return socket_.async_write_some(parts, quietly(ec));
  }
  asio::awaitable<std::size_t> send_some(int fd, std::uint64_t offset, std::size_t length, error_code& ec) override {
    socket_.native_non_blocking(true, ec);
    while (!ec) {
      auto at = static_cast<off_t>(offset);
      const auto n = ::sendfile(socket_.native_handle(), fd, &at, length);
      if (n >= 0) co_return static_cast<std::size_t>(n);
      if (errno == EINTR) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) {
        ec.assign(errno, boost::system::system_category());
        break;
      }
      co_await socket_.async_wait(Socket::wait_write, quietly(ec));
    }
    co_return 0;
  }
  asio::awaitable<void> finish_writing(error_code& ec) override {
    socket_.shutdown(Socket::shutdown_send, ec);
    co_return;
  }
  void acknowledge() override {
    if constexpr (std::is_same_v<Socket, asio::ip::tcp::socket>) acknowledge_on(socket_.native_handle());
  }
  void cancel() override {
    error_code ignored;
    socket_.cancel(ignored);
  }
  void close() override {
    error_code ignored;
    socket_.close(ignored);
  }
  std::string peer() const override {
    if constexpr (std::is_same_v<Socket, asio::ip::tcp::socket>) {
      error_code ec;
      const auto end = socket_.remote_endpoint(ec);
      return ec ? std::string() : end.address().to_string();
    } else {
      return "local";
    }
  }
  std::unique_ptr<asio::ip::tcp::socket> release() override {
    if constexpr (std::is_same_v<Socket, asio::ip::tcp::socket>) return std::make_unique<asio::ip::tcp::socket>(std::move(socket_));
    return nullptr;
  }

 private:
  Socket socket_;
};

class Tls final : public TlsTransport {
 public:
  Tls(asio::ip::tcp::socket socket, asio::ssl::context& context) : stream_(std::move(socket), context) {}

  asio::awaitable<void> handshake(std::string early, error_code& ec) override {
    co_await stream_.async_handshake(asio::ssl::stream_base::server, asio::buffer(early), quietly(ec));
  }
  asio::awaitable<std::size_t> read_some(asio::mutable_buffer into, error_code& ec) override { return stream_.async_read_some(into, quietly(ec)); }
  asio::awaitable<std::size_t> write_some(std::array<asio::const_buffer, 2> parts, error_code& ec) override {
    return stream_.async_write_some(parts, quietly(ec));
  }
  asio::awaitable<std::size_t> send_some(int fd, std::uint64_t offset, std::size_t length, error_code& ec) override {
    if (held_.empty()) {
      held_.resize(std::min<std::size_t>(length, 64u << 10));
      const auto n = ::pread(fd, held_.data(), held_.size(), static_cast<off_t>(offset));
      if (n <= 0) {
        if (n < 0) ec.assign(errno, boost::system::system_category());
        held_.clear();
        co_return 0;
      }
      held_.resize(static_cast<std::size_t>(n));
    }
    const auto sent = co_await stream_.async_write_some(asio::buffer(held_), quietly(ec));
    held_.erase(0, sent);
    co_return sent;
  }
  asio::awaitable<void> finish_writing(error_code& ec) override {
    // SSL_shutdown sends close_notify and then waits for the peer's; the connection's clock bounds that.
    co_await stream_.async_shutdown(quietly(ec));
  }
  void acknowledge() override { acknowledge_on(stream_.lowest_layer().native_handle()); }
  void cancel() override {
    error_code ignored;
    stream_.lowest_layer().cancel(ignored);
  }
  void close() override {
    error_code ignored;
    stream_.lowest_layer().close(ignored);
  }
  std::string peer() const override {
    error_code ec;
    const auto end = stream_.lowest_layer().remote_endpoint(ec);
    return ec ? std::string() : end.address().to_string();
  }

 private:
  asio::ssl::stream<asio::ip::tcp::socket> stream_;
  std::string held_;  // read from the file, not yet taken by the stream
};

}  // namespace

std::unique_ptr<Transport> plain_transport(asio::ip::tcp::socket socket) { return std::make_unique<Plain<asio::ip::tcp::socket>>(std::move(socket)); }
std::unique_ptr<Transport> plain_transport(asio::local::stream_protocol::socket socket) {
  return std::make_unique<Plain<asio::local::stream_protocol::socket>>(std::move(socket));
}
std::unique_ptr<TlsTransport> tls_transport(asio::ip::tcp::socket socket, asio::ssl::context& context) {
  return std::make_unique<Tls>(std::move(socket), context);
}

}  // namespace tarn::gateway
