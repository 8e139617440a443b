#pragma once
// A byte stream under HTTP: plain TCP, a Unix socket, or TLS. One connection's, used on its I/O thread only. Errors come through `ec`;
// the awaitables throw nothing of their own.
#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <string>

namespace tarn::gateway {

using boost::system::error_code;

class Transport {
 public:
  virtual ~Transport() = default;
  virtual boost::asio::awaitable<std::size_t> read_some(boost::asio::mutable_buffer into, error_code& ec) = 0;
  virtual boost::asio::awaitable<std::size_t> write_some(std::array<boost::asio::const_buffer, 2> parts, error_code& ec) = 0;
  /// Sends part of a file, as much as the stream takes at once; 0 with no error: the file ended early.
  virtual boost::asio::awaitable<std::size_t> send_some(int fd, std::uint64_t offset, std::size_t length, error_code& ec) = 0;
  /// Tells the peer that nothing more comes; its bytes can still be read.
  virtual boost::asio::awaitable<void> finish_writing(error_code& ec) = 0;
  /// Acknowledges what came now, not with the answer: a peer under Nagle's algorithm sends the rest of a request only then, and the kernel would
  /// wait up to 40 ms for something to carry it.
  virtual void acknowledge() {}
  /// Ends pending operations with operation_aborted; the stream stays usable for a last word (plain) or not (TLS).
  virtual void cancel() = 0;
  virtual void close() = 0;
  virtual std::string peer() const = 0;  // address without port
  /// The socket below, for TLS or a tunnel on top of it; nothing if there is no TCP socket. The transport is spent.
  virtual std::unique_ptr<boost::asio::ip::tcp::socket> release() { return nullptr; }
};

std::unique_ptr<Transport> plain_transport(boost::asio::ip::tcp::socket socket);
std::unique_ptr<Transport> plain_transport(boost::asio::local::stream_protocol::socket socket);

/// TLS over an accepted socket; `early` is what was already read from it. handshake() must come first. The context must outlive it.
class TlsTransport : public Transport {
 public:
  virtual boost::asio::awaitable<void> handshake(std::string early, error_code& ec) = 0;
};
std::unique_ptr<TlsTransport> tls_transport(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context& context);

}  // namespace tarn::gateway
