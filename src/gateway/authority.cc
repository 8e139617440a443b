#include "gateway/authority.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "gateway/hosts.h"
#include "gateway/tls_context.h"

namespace tarn::gateway {

namespace {

template <auto Free>
struct Deleter {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
using Cert = std::unique_ptr<X509, Deleter<X509_free>>;
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using Extension = std::unique_ptr<X509_EXTENSION, Deleter<X509_EXTENSION_free>>;

constexpr long kDay = 24 * 3600;
constexpr std::size_t kMostLeaves = 1024;

[[noreturn]] void broken(const std::string& what) {
  char text[160] = "";
  if (const auto code = ERR_get_error()) ERR_error_string_n(code, text, sizeof text);
  throw std::runtime_error("local authority: " + what + (text[0] ? std::string(" (") + text + ")" : ""));
}

void must(bool fine, const char* what) {
  if (!fine) broken(what);
}

Key new_key() {
  Key key(EVP_EC_gen("P-256"));
  must(key != nullptr, "cannot make a key");
  return key;
}

void add_extension(X509* cert, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX ctx;
  X509V3_set_ctx_nodb(&ctx);
  X509V3_set_ctx(&ctx, issuer, cert, nullptr, nullptr, 0);
  Extension e(X509V3_EXT_conf_nid(nullptr, &ctx, nid, value.c_str()));
  must(e && X509_add_ext(cert, e.get(), -1) == 1, "cannot add a certificate extension");
}

Cert blank_certificate(const std::string& common_name, EVP_PKEY* key, long days) {
  Cert cert(X509_new());
  must(cert != nullptr, "out of memory");
  X509_set_version(cert.get(), X509_VERSION_3);
  unsigned char serial[16];
  must(RAND_bytes(serial, sizeof serial) == 1, "no random bytes");
  serial[0] &= 0x7f;
  BIGNUM* n = BN_bin2bn(serial, sizeof serial, nullptr);
  BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert.get()));
  BN_free(n);
  X509_gmtime_adj(X509_getm_notBefore(cert.get()), -kDay);  // a client's clock may be behind
  X509_gmtime_adj(X509_getm_notAfter(cert.get()), days * kDay);
  X509_set_pubkey(cert.get(), key);
  auto* subject = X509_get_subject_name(cert.get());
  const auto add = [&](const char* field, const std::string& text) {
    X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()), -1,
                               0);
  };
  add("O", "Tarn local authority");
  if (common_name.size() <= 64) add("CN", common_name);
  return cert;
}

/// Writes a file that nobody sees half-written, with exactly this mode.
void write_file(const std::string& path, const std::string& text, mode_t mode) {
  const std::string part = path + ".part";
  ::unlink(part.c_str());
  const int fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  const bool fine = fd >= 0 && ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!fine || ::rename(part.c_str(), path.c_str()) != 0) throw std::runtime_error("local authority: cannot write " + path);
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}

std::string pem(X509* cert) {
  Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), cert);
  return text_of(bio.get());
}

std::string pem(EVP_PKEY* key) {
  Bio bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(bio.get());
}

std::string constraints(const std::string& domain) {
  return fmt::format(
      "critical,permitted;DNS:{},permitted;DNS:cloud.databricks.com,permitted;DNS:amazonaws.com,permitted;DNS:localhost,"
      "permitted;IP:127.0.0.1/255.255.255.255",
      domain);
}

/// The constraints of an existing CA, compared as the extension's own bytes.
std::string constraint_bytes(X509* cert) {
  const int at = X509_get_ext_by_NID(cert, NID_name_constraints, -1);
  if (at < 0) return {};
  const auto* data = X509_EXTENSION_get_data(X509_get_ext(cert, at));
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(data)), static_cast<std::size_t>(ASN1_STRING_length(data))};
}

Cert make_ca(const std::string& domain, EVP_PKEY* key) {
  auto cert = blank_certificate("Tarn local authority for " + domain, key, 3650);
  X509_set_issuer_name(cert.get(), X509_get_subject_name(cert.get()));
  add_extension(cert.get(), cert.get(), NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(cert.get(), cert.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(cert.get(), cert.get(), NID_name_constraints, constraints(domain));
  add_extension(cert.get(), cert.get(), NID_subject_key_identifier, "hash");
  must(X509_sign(cert.get(), key, EVP_sha256()) > 0, "cannot sign the CA certificate");
  return cert;
}

int pick_http11(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in, unsigned in_size, void*) {
  static const unsigned char ours[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, ours, sizeof ours - 1, in, in_size) != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

struct Authority::Impl {
  Key ca_key, leaf_key;
  Cert ca;
};

struct Authority::Leaf {
  Cert cert;
  std::time_t renew_at = 0;
};

Authority::Authority(std::string dir, std::string domain)
    : dir_(std::move(dir)), domain_(std::move(domain)), ca_path_(dir_ + "/ca.pem"), impl_(std::make_unique<Impl>()) {
  std::filesystem::create_directories(dir_);
  ::chmod(dir_.c_str(), 0700);
  const std::string key_path = dir_ + "/ca.key";
  struct stat st {};
  if (::stat(key_path.c_str(), &st) == 0 && std::filesystem::exists(ca_path_)) {
    if (st.st_mode & 077) throw std::runtime_error(fmt::format("{} can be read by others: run `chmod 600 {}`", key_path, key_path));
    Bio key_file(BIO_new_file(key_path.c_str(), "r")), cert_file(BIO_new_file(ca_path_.c_str(), "r"));
    must(key_file && cert_file, "cannot read its key and certificate");
    impl_->ca_key.reset(PEM_read_bio_PrivateKey(key_file.get(), nullptr, nullptr, nullptr));
    impl_->ca.reset(PEM_read_bio_X509(cert_file.get(), nullptr, nullptr, nullptr));
    must(impl_->ca_key && impl_->ca && X509_check_private_key(impl_->ca.get(), impl_->ca_key.get()) == 1,
         "its key and certificate do not belong together");
    const auto wanted = make_ca(domain_, impl_->ca_key.get());
    if (constraint_bytes(wanted.get()) != constraint_bytes(impl_->ca.get()))
      throw std::runtime_error(
          fmt::format("{} was made for another domain than '{}': start with the former --domain, or move {} away to make a new authority", ca_path_,
                      domain_, dir_));
  } else {
    impl_->ca_key = new_key();
    impl_->ca = make_ca(domain_, impl_->ca_key.get());
    write_file(key_path, pem(impl_->ca_key.get()), 0600);
    write_file(ca_path_, pem(impl_->ca.get()), 0644);
  }
  impl_->leaf_key = new_key();  // one key for all leaves of this process; it never touches the disk
}

Authority::~Authority() = default;

bool Authority::permitted(std::string_view name) const {
  if (name.empty() || name.size() > 253 || name.find('\0') != name.npos) return false;
  for (const std::string_view suffix :
       {std::string_view(domain_), std::string_view("cloud.databricks.com"), std::string_view("amazonaws.com"), std::string_view("localhost")})
    if (name == suffix || (name.size() > suffix.size() && name.ends_with(suffix) && name[name.size() - suffix.size() - 1] == '.')) return true;
  return false;
}

std::shared_ptr<Authority::Leaf> Authority::make_leaf(const std::string& name) {
  constexpr long kDays = 90;
  auto made = std::make_shared<Leaf>();
  made->cert = blank_certificate(name.empty() ? "localhost" : name, impl_->leaf_key.get(), kDays);
  auto* cert = made->cert.get();
  X509_set_issuer_name(cert, X509_get_subject_name(impl_->ca.get()));
  add_extension(cert, impl_->ca.get(), NID_basic_constraints, "critical,CA:FALSE");
  add_extension(cert, impl_->ca.get(), NID_key_usage, "critical,digitalSignature");
  add_extension(cert, impl_->ca.get(), NID_ext_key_usage, "serverAuth");
  add_extension(cert, impl_->ca.get(), NID_subject_key_identifier, "hash");
  add_extension(cert, impl_->ca.get(), NID_authority_key_identifier, "keyid:always");
  add_extension(cert, impl_->ca.get(), NID_subject_alt_name,
                name.empty() ? fmt::format("DNS:localhost,IP:127.0.0.1,DNS:{0},DNS:*.{0},DNS:*.cloud.databricks.com", domain_) : "DNS:" + name);
  must(X509_sign(cert, impl_->ca_key.get(), EVP_sha256()) > 0, "cannot sign a certificate");
  made->renew_at = std::time(nullptr) + (kDays - 7) * kDay;
  return made;
}

std::shared_ptr<Authority::Leaf> Authority::leaf(const std::string& name) {
  std::lock_guard lock(mutex_);  // signing takes some 50 us and happens once a name
  auto& slot = leaves_[name];
  if (!slot || slot->renew_at < std::time(nullptr)) slot = make_leaf(name);
  auto out = slot;
  if (leaves_.size() > kMostLeaves) leaves_.clear();
  return out;
}

int Authority::choose(SSL* ssl, void* self) {
  auto& authority = *static_cast<Authority*>(self);
  const char* sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  std::string name = sni ? bare_host(sni) : std::string();
  if (name == "127.0.0.1") name.clear();  // no server name by RFC 6066, yet some clients send it
  if (!name.empty() && (!authority.permitted(name) || name.find_first_of(",:*/ \"\n") != name.npos))
    return 0;  // handshake ends: not ours to vouch for
  try {
    const auto leaf = authority.leaf(name);
    return SSL_use_certificate(ssl, leaf->cert.get()) == 1 && SSL_use_PrivateKey(ssl, authority.impl_->leaf_key.get()) == 1;
  } catch (const std::exception&) {
    return 0;
  }
}

SSL_CTX* make_server_context(int (*choose)(SSL*, void*), void* self) {
  SSL_CTX* ctx = SSL_CTX_new(TLS_server_method());
  must(ctx != nullptr, "cannot make a TLS context");
  SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
  SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);  // resumption by tickets, without state
  SSL_CTX_set_cert_cb(ctx, choose, self);
  SSL_CTX_set_alpn_select_cb(ctx, &pick_http11, nullptr);
  return ctx;
}

SSL_CTX* Authority::server_context() { return make_server_context(&Authority::choose, this); }

std::string Authority::java_trust_store() const {
  const std::string path = dir_ + "/trust.p12";
  if (std::filesystem::exists(path) && std::filesystem::last_write_time(path) >= std::filesystem::last_write_time(ca_path_)) return path;
  STACK_OF(PKCS12_SAFEBAG)* bags = nullptr;
  PKCS12_SAFEBAG* bag = PKCS12_add_cert(&bags, impl_->ca.get());
  must(bag && PKCS12_add_friendlyname_utf8(bag, "tarn", -1) == 1, "cannot make the Java trust store");
  // Java takes a certificate for trusted only with its own attribute (trustedKeyUsage) naming what for: any use.
  std::unique_ptr<ASN1_OBJECT, Deleter<ASN1_OBJECT_free>> any(OBJ_txt2obj("2.5.29.37.0", 1));
  must(any && PKCS12_add1_attr_by_txt(bag, "2.16.840.1.113894.746875.1.1", V_ASN1_OBJECT, reinterpret_cast<const unsigned char*>(any.get()), -1) == 1,
       "cannot make the Java trust store");
  STACK_OF(PKCS7)* safes = nullptr;
  must(PKCS12_add_safe(&safes, bags, NID_aes_256_cbc, 10'000, "changeit") == 1, "cannot make the Java trust store");
  std::unique_ptr<PKCS12, Deleter<PKCS12_free>> store(PKCS12_add_safes(safes, 0));
  must(store && PKCS12_set_mac(store.get(), "changeit", -1, nullptr, 0, 10'000, EVP_sha256()) == 1, "cannot seal the Java trust store");
  Bio bio(BIO_new(BIO_s_mem()));
  must(i2d_PKCS12_bio(bio.get(), store.get()) == 1, "cannot write the Java trust store");
  write_file(path, text_of(bio.get()), 0644);
  sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
  sk_PKCS7_pop_free(safes, PKCS7_free);
  return path;
}

}  // namespace tarn::gateway
