#pragma once
// Private to compute/: TLS over a socket that does not block, for a thread that polls many. Neither side of it ever waits here. Not thread-safe.
// Source: RFC 8446; OpenSSL's SSL_read(3), SSL_set1_host(3).
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

namespace tarn::compute {

struct FreeContext {
  void operator()(SSL_CTX* c) const { SSL_CTX_free(c); }
};
using TlsContext = std::shared_ptr<SSL_CTX>;
inline TlsContext own_context(SSL_CTX* c) { return {c, FreeContext{}}; }

/// A client's context that trusts this authority (PEM) and nothing else. Null if the text holds no certificate.
TlsContext client_context(const std::string& authority_pem);

/// What both ends of a connection to the relay set on its socket: no delay, and the end of a peer that a network swallowed is noticed within
/// `patience_seconds`, whether something is on its way or not.
void tend(int fd, int patience_seconds);

class TlsStream {
 public:
  enum class Took { something, nothing, ended };

  /// Takes the socket, which must not block. With a name this end is the client: it asks for that name and accepts no other's certificate.
  TlsStream(const TlsContext& context, int fd, const std::string& server_name = "");
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;

  int fd() const { return fd_; }
  /// What poll is to watch now.
  short events() const;
  /// Appends what has come, at most about `most` bytes; drives the handshake. `ended`: the connection is of no more use, why() says so.
  Took read(std::string& into, std::size_t most);
  /// Sends from the front of `out` what the socket takes, and removes it. False: as `ended`.
  bool write(std::string& out);
  bool established() const { return established_; }
  const std::string& why() const { return why_; }

 private:
  bool shake();
  void note(int rc);

  int fd_;
  SSL* ssl_ = nullptr;
  bool established_ = false, wants_write_ = false, dead_ = false;
  std::string why_;
};

}  // namespace tarn::compute
