#include "compute/tls_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

namespace tarn::compute {
namespace {

std::string tls_error() {
  char text[200] = "";
  if (const auto code = ERR_get_error()) ERR_error_string_n(code, text, sizeof text);
  ERR_clear_error();
  return text;
}

}  // namespace

TlsContext client_context(const std::string& authority_pem) {
  auto out = own_context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX_set_min_proto_version(out.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(out.get(), SSL_VERIFY_PEER, nullptr);
  const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new_mem_buf(authority_pem.data(), static_cast<int>(authority_pem.size())),
                                                          BIO_free_all);
  int trusted = 0;
  while (X509* cert = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(out.get()), cert) == 1) ++trusted;
    X509_free(cert);
  }
  ERR_clear_error();
  return trusted ? out : nullptr;
}

void tend(int fd, int patience_seconds) {
  const auto set = [&](int level, int what, int value) { ::setsockopt(fd, level, what, &value, sizeof value); };
  set(IPPROTO_TCP, TCP_NODELAY, 1);
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  const int idle = std::max(1, patience_seconds / 3);
  set(IPPROTO_TCP, TCP_KEEPIDLE, idle);
  set(IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, idle / 2));
  set(IPPROTO_TCP, TCP_KEEPCNT, 3);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, std::max(1, patience_seconds) * 1000);
}

TlsStream::TlsStream(const TlsContext& context, int fd, const std::string& server_name) : fd_(fd), ssl_(SSL_new(context.get())) {
  SSL_set_fd(ssl_, fd_);
  SSL_set_mode(ssl_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  if (server_name.empty()) {
    SSL_set_accept_state(ssl_);
    return;
  }
  SSL_set_tlsext_host_name(ssl_, server_name.c_str());
  SSL_set1_host(ssl_, server_name.c_str());
  SSL_set_connect_state(ssl_);
}

TlsStream::~TlsStream() {
  if (established_ && !dead_) SSL_shutdown(ssl_);
  SSL_free(ssl_);
  ::close(fd_);
}

short TlsStream::events() const { return static_cast<short>(POLLIN | (wants_write_ ? POLLOUT : 0)); }

void TlsStream::note(int rc) {
  const int what = SSL_get_error(ssl_, rc);
  wants_write_ = what == SSL_ERROR_WANT_WRITE;
  if (what == SSL_ERROR_WANT_READ || what == SSL_ERROR_WANT_WRITE) return;
  dead_ = true;
  if (why_.empty()) {
    const long verified = SSL_get_verify_result(ssl_);
    why_ = what == SSL_ERROR_ZERO_RETURN ? "the peer ended the connection"
           : verified != X509_V_OK       ? std::string("its certificate is not accepted: ") + X509_verify_cert_error_string(verified)
           : what == SSL_ERROR_SSL       ? tls_error()
           : errno != 0                  ? std::strerror(errno)
                                         : "the connection broke";
  }
  ERR_clear_error();
}

bool TlsStream::shake() {
  if (established_) return true;
  ERR_clear_error();
  errno = 0;
  const int rc = SSL_do_handshake(ssl_);
  if (rc == 1) {
    established_ = true;
    wants_write_ = false;
    return true;
  }
  note(rc);
  return false;
}

TlsStream::Took TlsStream::read(std::string& into, std::size_t most) {
  if (dead_) return Took::ended;
  if (!shake()) return dead_ ? Took::ended : Took::nothing;
  std::size_t took = 0;
  char block[16384];
  while (took < most) {
    ERR_clear_error();
    errno = 0;
    const int n = SSL_read(ssl_, block, sizeof block);
    if (n <= 0) {
      const bool wrote = wants_write_;
      note(n);
      if (!dead_) wants_write_ = wrote || wants_write_;
      break;
    }
    into.append(block, static_cast<std::size_t>(n));
    took += static_cast<std::size_t>(n);
  }
  // What came before the end is handed on first; the end is found again with the next call.
  return took ? Took::something : dead_ ? Took::ended : Took::nothing;
}

bool TlsStream::write(std::string& out) {
  if (dead_) return false;
  if (!shake()) return !dead_;
  std::size_t sent = 0;
  wants_write_ = false;
  while (sent < out.size()) {
    ERR_clear_error();
    errno = 0;
    const int n = SSL_write(ssl_, out.data() + sent, static_cast<int>(std::min<std::size_t>(out.size() - sent, 1u << 20)));
    if (n <= 0) {
      note(n);
      break;
    }
    sent += static_cast<std::size_t>(n);
  }
  out.erase(0, sent);
  return !dead_;
}

}  // namespace tarn::compute
