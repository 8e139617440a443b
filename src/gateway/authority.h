#pragma once
// The local certificate authority: an EC P-256 CA made on first start, and server certificates made when a client names a host.
//
// DIR/ca.pem and DIR/ca.key (0600); never installed system-wide. The CA certificate carries critical X.509 name constraints (RFC 5280
// 4.2.1.10): whoever trusts it trusts it for the platform's own domain, cloud.databricks.com, amazonaws.com, localhost and 127.0.0.1
// only, so a stolen key cannot speak for a bank. Thread-safe after construction.
#include <openssl/ssl.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace tarn::gateway {

class Authority {
 public:
  /// Loads or makes the authority. Throws std::runtime_error with a text for people: unreadable folder, a key others can read, another domain.
  Authority(std::string dir, std::string domain);
  ~Authority();
  Authority(const Authority&) = delete;

  const std::string& ca_path() const { return ca_path_; }
  /// A PKCS #12 trust store with the CA for Java (password `changeit`, Java's own default); written on demand.
  std::string java_trust_store() const;

  /// A server context that answers every permitted server name with a certificate for it, and names the local ones without SNI. TLS 1.2 and
  /// later, ALPN http/1.1. The caller owns it (asio::ssl::context takes it); this object must outlive it.
  SSL_CTX* server_context();

 private:
  struct Leaf;
  struct Impl;
  static int choose(SSL* ssl, void* self);
  std::shared_ptr<Leaf> leaf(const std::string& name);
  std::shared_ptr<Leaf> make_leaf(const std::string& name);
  bool permitted(std::string_view name) const;

  std::string dir_, domain_, ca_path_;
  std::unique_ptr<Impl> impl_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Leaf>> leaves_;
};

}  // namespace tarn::gateway
