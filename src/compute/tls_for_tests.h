#pragma once
// Private to compute's tests: an authority that signs itself for one name.
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "compute/tls_stream.h"

namespace tarn::compute::testing {

struct TestAuthority {
  std::string pem;
  std::shared_ptr<EVP_PKEY> key{EVP_EC_gen("P-256"), EVP_PKEY_free};
  std::shared_ptr<X509> cert{X509_new(), X509_free};

  explicit TestAuthority(const std::string& name) {
    X509_set_version(cert.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
    X509_set_pubkey(cert.get(), key.get());
    auto* subject = X509_get_subject_name(cert.get());
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(cert.get(), subject);
    X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, ("DNS:" + name).c_str());
    X509_add_ext(cert.get(), names, -1);
    X509_EXTENSION_free(names);
    X509_sign(cert.get(), key.get(), EVP_sha256());
    BIO* bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, cert.get());
    char* text = nullptr;
    const auto size = BIO_get_mem_data(bio, &text);
    pem.assign(text, static_cast<std::size_t>(size));
    BIO_free(bio);
  }
  TlsContext server() const {
    auto out = own_context(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_use_certificate(out.get(), cert.get());
    SSL_CTX_use_PrivateKey(out.get(), key.get());
    return out;
  }
};

}  // namespace tarn::compute::testing
