#pragma once
// A server's certificate and key in PEM files, as an authority of the operator's issued them: read at start, and again when the files change (a
// renewal needs no restart). Files that cannot be read then leave the last good pair in place, and the log says so. Thread-safe.
#include <openssl/ssl.h>

#include <memory>
#include <mutex>
#include <string>

namespace tarn::gateway {

class FileCertificate {
 public:
  /// Throws std::runtime_error with a text for people: unreadable, a key that others may read, a key of another certificate.
  FileCertificate(std::string certificate_file, std::string key_file);
  ~FileCertificate();
  FileCertificate(const FileCertificate&) = delete;

  /// A server context with this certificate. TLS 1.2 and later, ALPN http/1.1. The caller owns it; this object must outlive it.
  SSL_CTX* server_context();

 private:
  struct Pair;
  static int choose(SSL* ssl, void* self);
  std::shared_ptr<const Pair> current();
  std::shared_ptr<const Pair> load() const;
  std::string stamp() const;

  std::string certificate_file_, key_file_;
  std::mutex mutex_;
  std::string stamp_;  // of the files that the pair was read from
  std::shared_ptr<const Pair> pair_;
};

}  // namespace tarn::gateway
