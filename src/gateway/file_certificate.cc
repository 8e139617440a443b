#include "gateway/file_certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "base/log.h"
#include "gateway/tls_context.h"

namespace tarn::gateway {
namespace {

template <auto free>
struct FreeWith {
  void operator()(auto* p) const { free(p); }
};
using CertificatePointer = std::unique_ptr<X509, FreeWith<X509_free>>;

}  // namespace

struct FileCertificate::Pair {
  std::vector<CertificatePointer> chain;  // the server's own first
  std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>> key;
};

FileCertificate::FileCertificate(std::string certificate_file, std::string key_file)
    : certificate_file_(std::move(certificate_file)), key_file_(std::move(key_file)), stamp_(stamp()), pair_(load()) {}
FileCertificate::~FileCertificate() = default;

std::string FileCertificate::stamp() const {
  std::string out;
  for (const auto& file : {certificate_file_, key_file_}) {
    struct stat s {};
    if (::stat(file.c_str(), &s) == 0) out += fmt::format("{}.{}.{}.{} ", s.st_ino, s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec);
  }
  return out;
}

std::shared_ptr<const FileCertificate::Pair> FileCertificate::load() const {
  auto out = std::make_shared<Pair>();
  const auto open = [](const std::string& file) {
    std::unique_ptr<BIO, FreeWith<BIO_free>> in(BIO_new_file(file.c_str(), "r"));
    if (!in) throw std::runtime_error("cannot read '" + file + "'");
    return in;
  };
  const auto certificates = open(certificate_file_);
  while (X509* one = PEM_read_bio_X509(certificates.get(), nullptr, nullptr, nullptr)) out->chain.emplace_back(one);
  ERR_clear_error();  // the end of the file
  if (out->chain.empty()) throw std::runtime_error("'" + certificate_file_ + "' holds no certificate in PEM");
  struct stat s {};
  if (::stat(key_file_.c_str(), &s) == 0 && (s.st_mode & 077))
    throw std::runtime_error("the key file '" + key_file_ + "' can be read by others: chmod 600 it");
  out->key.reset(PEM_read_bio_PrivateKey(
      open(key_file_).get(), nullptr, +[](char*, int, int, void*) { return 0; }, nullptr));
  ERR_clear_error();
  if (!out->key) throw std::runtime_error("'" + key_file_ + "' holds no private key in PEM without a password");
  if (X509_check_private_key(out->chain.front().get(), out->key.get()) != 1) {
    ERR_clear_error();
    throw std::runtime_error("the key in '" + key_file_ + "' is not that of the first certificate in '" + certificate_file_ + "'");
  }
  return out;
}

std::shared_ptr<const FileCertificate::Pair> FileCertificate::current() {
  const auto now = stamp();
  {
    const std::lock_guard lock(mutex_);
    if (now == stamp_) return pair_;
    stamp_ = now;  // one try for each change
  }
  std::shared_ptr<const Pair> next;
  try {
    next = load();
    spdlog::info("the certificate was renewed file={}", certificate_file_);
  } catch (const std::exception& e) {
    spdlog::error("the certificate stays as it was: {}", e.what());
  }
  const std::lock_guard lock(mutex_);
  if (next) pair_ = std::move(next);
  return pair_;
}

int FileCertificate::choose(SSL* ssl, void* self) {
  const auto pair = static_cast<FileCertificate*>(self)->current();
  if (SSL_use_certificate(ssl, pair->chain.front().get()) != 1 || SSL_use_PrivateKey(ssl, pair->key.get()) != 1) return 0;
  SSL_clear_chain_certs(ssl);
  for (std::size_t i = 1; i < pair->chain.size(); ++i)
    if (SSL_add1_chain_cert(ssl, pair->chain[i].get()) != 1) return 0;
  return 1;
}

SSL_CTX* FileCertificate::server_context() { return make_server_context(&FileCertificate::choose, this); }

}  // namespace tarn::gateway
