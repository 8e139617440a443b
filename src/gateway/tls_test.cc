// TLS, the local authority and the proxy, with libcurl as the client: it verifies what a user's tools verify.
#include <curl/curl.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <fstream>

#include "gateway/fixtures.h"

namespace tarn::gateway::test {
namespace {

struct Fetched {
  CURLcode rc = CURLE_OK;
  long status = 0, connect_status = 0;
  std::string body;
};

struct TlsTest : testing::Test, Running {
  std::uint16_t tls_port = 0, proxy_port = 0;
  void start_tls() {
    start(true);
    tls_port = listen({.protocol = Protocol::https});
    proxy_port = listen({.protocol = Protocol::proxy});
  }

  /// Directly (names resolved to loopback) or through the proxy; trusts the local authority only.
  Fetched fetch(const std::string& url, bool through_proxy, const std::string& resolve_host = {}, const std::string& upload = {}) {
    return fetch_by(url, through_proxy ? fmt::format("http://127.0.0.1:{}", proxy_port) : "", resolve_host, fmt::format("127.0.0.1:{}", tls_port),
                    upload);
  }
  /// `resolve_host`: looked up nowhere, but taken for the address of ADDRESS:PORT `is_at`, with that port in the URL.
  Fetched fetch_by(const std::string& url, const std::string& proxy, const std::string& resolve_host = {}, const std::string& is_at = ":",
                   const std::string& upload = {}) {
    Fetched out;
    std::unique_ptr<CURL, void (*)(CURL*)> handle(curl_easy_init(), &curl_easy_cleanup);
    CURL* c = handle.get();
    const auto colon = is_at.rfind(':');
    curl_slist* resolve = curl_slist_append(nullptr, fmt::format("{}:{}:{}", resolve_host, is_at.substr(colon + 1), is_at.substr(0, colon)).c_str());
    curl_slist* headers = curl_slist_append(nullptr, "Authorization: Bearer good");
    curl_easy_setopt(c, CURLOPT_URL, url.c_str());
    curl_easy_setopt(c, CURLOPT_PROXY, proxy.c_str());
    curl_easy_setopt(c, CURLOPT_NOPROXY, "");
    curl_easy_setopt(c, CURLOPT_CAINFO, authority->ca_path().c_str());
    curl_easy_setopt(c, CURLOPT_CAPATH, nullptr);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 10'000L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    if (!resolve_host.empty()) curl_easy_setopt(c, CURLOPT_RESOLVE, resolve);
    if (!upload.empty()) {
      curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, static_cast<long>(upload.size()));
      curl_easy_setopt(c, CURLOPT_POSTFIELDS, upload.data());
    }
    curl_easy_setopt(
        c, CURLOPT_WRITEFUNCTION, +[](char* data, size_t size, size_t count, void* to) {
          static_cast<std::string*>(to)->append(data, size * count);
          return size * count;
        });
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &out.body);
    out.rc = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &out.status);
    curl_easy_getinfo(c, CURLINFO_HTTP_CONNECTCODE, &out.connect_status);
    curl_slist_free_all(resolve);
    curl_slist_free_all(headers);
    return out;
  }
};

TEST_F(TlsTest, ClientsThatTrustTheAuthorityVerifyEveryPlatformHost) {
  start_tls();
  for (const char* host :
       {"accounts.tarn.localhost", "acme-landing.tarn.localhost", "accounts.cloud.databricks.com", "acme-landing.cloud.databricks.com"}) {
    const auto a = fetch(fmt::format("https://{}:{}/api/2.0/me", host, tls_port), false, host);
    EXPECT_EQ(a.rc, CURLE_OK) << host << ": " << curl_easy_strerror(a.rc);
    EXPECT_EQ(a.status, 200) << host << a.body;
  }
  EXPECT_EQ(fetch(fmt::format("https://127.0.0.1:{}/healthz", tls_port), false).status, 200) << "without a server name";
  EXPECT_NE(fetch(fmt::format("https://www.example.com:{}/healthz", tls_port), false, "www.example.com").rc, CURLE_OK) << "vouches for nobody else";
}

TEST_F(TlsTest, LargeBodiesAndFilesPassTls) {
  const std::string content(4'000'000, 'z');
  start_tls();
  std::ofstream(folder.path + "/big") << content;
  EXPECT_EQ(fetch(fmt::format("https://accounts.tarn.localhost:{}/api/2.0/file", tls_port), false, "accounts.tarn.localhost").body.size(),
            3'000'000u);
  EXPECT_EQ(fetch(fmt::format("https://accounts.tarn.localhost:{}/api/2.0/echo", tls_port), false, "accounts.tarn.localhost", content).body, content);
}

TEST_F(TlsTest, SlowHandshakesAreCutOff) {
  options.limits.handshake = std::chrono::milliseconds(100);
  start_tls();
  Raw c(tls_port);
  EXPECT_TRUE(c.closed());
}

TEST_F(TlsTest, ProxyAnswersForThePlatform) {
  storage.handle = [](const api::Request& r) { return api::Reply{.body = "storage " + r.host}; };
  start_tls();
  EXPECT_EQ(fetch("https://accounts.cloud.databricks.com/api/2.0/me", true).body, R"({"userName":"nora@acme.example"})");
  EXPECT_EQ(fetch("https://acme-landing.tarn.localhost/api/2.0/me", true).status, 200);
  EXPECT_EQ(fetch("https://bucket.s3.us-east-1.amazonaws.com/key", true).body, "storage bucket.s3.us-east-1.amazonaws.com");
  EXPECT_EQ(fetch("https://sts.us-east-1.amazonaws.com/", true).body, "storage sts.us-east-1.amazonaws.com");
  EXPECT_EQ(fetch("http://accounts.tarn.localhost/api/2.0/me", true).status, 200) << "absolute form";
  const auto own = listen({.fixed = {Site::workspace, 11}});
  EXPECT_EQ(fetch(fmt::format("http://127.0.0.1:{}/api/2.0/me", own), true).status, 200) << "its own loopback ports";
  Raw c(proxy_port);  // one connection, several hosts
  const auto absolute = [](const std::string& authority) {
    return fmt::format("GET http://{0}/api/2.0/me HTTP/1.1\r\nHost: {0}\r\nAuthorization: Bearer good\r\n\r\n", authority);
  };
  EXPECT_EQ(c.ask(absolute(fmt::format("127.0.0.1:{}", own))).headers["x-databricks-org-id"], "11");
  EXPECT_FALSE(c.ask(absolute("accounts.tarn.localhost")).headers.contains("x-databricks-org-id"));
}

TEST_F(TlsTest, ProxySpeaksSocksToThoseThatKnowNoOther) {
  start_tls();
  const std::string by_name = fmt::format("socks5h://127.0.0.1:{}", proxy_port), by_address = fmt::format("socks5://127.0.0.1:{}", proxy_port);
  const std::string host = "accounts.cloud.databricks.com", url = "https://" + host + "/api/2.0/me";
  const auto named = fetch_by(url, by_name);
  EXPECT_EQ(named.rc, CURLE_OK) << curl_easy_strerror(named.rc);
  EXPECT_EQ(named.status, 200) << named.body;
  // A client that looked the name up by itself names an address, which stands for the host that it was given for.
  const auto address = server->stand_ins({host, "acme-landing.cloud.databricks.com"}).at(host);
  EXPECT_EQ(server->stand_ins({host}).at(host), address) << "for the server's life";
  const auto looked_up = fetch_by(url, by_address, host, address + ":443");
  EXPECT_EQ(looked_up.rc, CURLE_OK) << curl_easy_strerror(looked_up.rc);
  EXPECT_EQ(looked_up.status, 200) << looked_up.body;
  EXPECT_EQ(fetch_by("http://" + host + "/healthz", by_name).status, 200) << "plain, too";
  for (const auto& refused :
       {fetch_by("https://www.example.com/", by_name), fetch_by(url, by_address, host, "198.18.99.99:443"),
        fetch_by(url, by_address, host, "127.0.0.1:443"), fetch_by("https://www.example.com/", by_address, "www.example.com", "10.0.0.1:443")})
    EXPECT_EQ(refused.rc, CURLE_PROXY) << curl_easy_strerror(refused.rc) << refused.body;
}

TEST_F(TlsTest, ProxyRefusesEverythingElseByName) {
  start_tls();
  const auto a = fetch("https://www.example.com/", true);
  EXPECT_NE(a.rc, CURLE_OK);
  EXPECT_EQ(a.connect_status, 403);
  Raw c(proxy_port);
  const auto text = c.ask("CONNECT www.example.com:443 HTTP/1.1\r\nHost: www.example.com:443\r\n\r\n");
  EXPECT_EQ(text.status, 403);
  EXPECT_NE(text.body.find("--allow www.example.com"), std::string::npos) << text.body;
  const auto plain = fetch("http://www.example.com/x", true);
  EXPECT_EQ(plain.status, 403);
  EXPECT_NE(plain.body.find("www.example.com"), std::string::npos);
  EXPECT_EQ(fetch("http://127.0.0.1:9/", true).status, 403) << "somebody else's loopback port";
  EXPECT_EQ(Raw(proxy_port).ask("CONNECT nonsense:port HTTP/1.1\r\nHost: nonsense:port\r\n\r\n").status, 400);
  EXPECT_EQ(Raw(port).ask("CONNECT accounts.tarn.localhost:443 HTTP/1.1\r\nHost: accounts.tarn.localhost:443\r\n\r\n").status, 405)
      << "not the proxy port";
}

TEST_F(TlsTest, ProxyPassesOnListedHosts) {
  Running upstream;
  upstream.start();
  start_tls();
  server->allow("127.0.0.1");
  Raw tunnel(proxy_port);
  EXPECT_EQ(tunnel.ask(fmt::format("CONNECT 127.0.0.1:{} HTTP/1.1\r\nHost: x\r\n\r\n", upstream.port)).status, 200);
  EXPECT_EQ(tunnel.ask(get("/api/2.0/echo/through")).headers["x-path"], "/api/2.0/echo/through");
  const auto passed = fetch(fmt::format("http://127.0.0.1:{}/api/2.0/echo?x=1", upstream.port), true, {}, "a body");
  EXPECT_EQ(passed.status, 404) << "reached upstream, which knows no host 127.0.0.1: " << passed.body;
  EXPECT_NE(passed.body.find("Nothing answers at host '127.0.0.1'"), std::string::npos);
  EXPECT_EQ(Raw(proxy_port).ask("CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\n\r\n").status, 502);
  server->drain(std::chrono::milliseconds(500));
  EXPECT_TRUE(tunnel.closed()) << "a drain ends tunnels";
}

TEST(Authority, IsMadeOnceAndItsKeyIsTheOwners) {
  Folder folder;
  std::string first;
  {
    Authority a(folder.path + "/tls", "tarn.localhost");
    std::ifstream in(a.ca_path());
    first.assign(std::istreambuf_iterator<char>(in), {});
  }
  struct stat st {};
  ASSERT_EQ(::stat((folder.path + "/tls/ca.key").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  Authority again(folder.path + "/tls", "tarn.localhost");
  std::ifstream in(again.ca_path());
  EXPECT_EQ(first, std::string(std::istreambuf_iterator<char>(in), {}));
  EXPECT_THROW(Authority(folder.path + "/tls", "other.example"), std::runtime_error);
  ::chmod((folder.path + "/tls/ca.key").c_str(), 0640);
  EXPECT_THROW(Authority(folder.path + "/tls", "tarn.localhost"), std::runtime_error);
}

TEST(Authority, ConstraintsStopAStolenKey) {
  Folder folder;
  const Authority authority(folder.path, "tarn.localhost");
  const auto read_file = [](const std::string& path) { return std::unique_ptr<BIO, int (*)(BIO*)>(BIO_new_file(path.c_str(), "r"), &BIO_free); };
  std::unique_ptr<X509, void (*)(X509*)> ca(PEM_read_bio_X509(read_file(authority.ca_path()).get(), nullptr, nullptr, nullptr), &X509_free);
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key(PEM_read_bio_PrivateKey(read_file(folder.path + "/ca.key").get(), nullptr, nullptr, nullptr),
                                                     &EVP_PKEY_free);
  ASSERT_TRUE(ca && key);
  const auto verify = [&](const std::string& names) {
    std::unique_ptr<X509, void (*)(X509*)> leaf(X509_new(), &X509_free);
    X509_set_version(leaf.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(leaf.get()), 7);
    X509_gmtime_adj(X509_getm_notBefore(leaf.get()), -60);
    X509_gmtime_adj(X509_getm_notAfter(leaf.get()), 3600);
    X509_set_pubkey(leaf.get(), key.get());
    X509_set_issuer_name(leaf.get(), X509_get_subject_name(ca.get()));
    auto* san = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, names.c_str());
    X509_add_ext(leaf.get(), san, -1);
    X509_EXTENSION_free(san);
    X509_sign(leaf.get(), key.get(), EVP_sha256());
    std::unique_ptr<X509_STORE, void (*)(X509_STORE*)> trusted(X509_STORE_new(), &X509_STORE_free);
    X509_STORE_add_cert(trusted.get(), ca.get());
    std::unique_ptr<X509_STORE_CTX, void (*)(X509_STORE_CTX*)> ctx(X509_STORE_CTX_new(), &X509_STORE_CTX_free);
    X509_STORE_CTX_init(ctx.get(), trusted.get(), leaf.get(), nullptr);
    return X509_verify_cert(ctx.get()) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx.get());
  };
  EXPECT_EQ(verify("DNS:a.tarn.localhost"), X509_V_OK);
  EXPECT_EQ(verify("DNS:accounts.cloud.databricks.com,DNS:s3.us-east-1.amazonaws.com,IP:127.0.0.1"), X509_V_OK);
  EXPECT_EQ(verify("DNS:bank.example"), X509_V_ERR_PERMITTED_VIOLATION);
  EXPECT_EQ(verify("DNS:databricks.com"), X509_V_ERR_PERMITTED_VIOLATION);
  EXPECT_EQ(verify("IP:10.0.0.1"), X509_V_ERR_PERMITTED_VIOLATION);
}

TEST(Authority, WritesAJavaTrustStore) {
  Folder folder;
  const Authority authority(folder.path, "tarn.localhost");
  const auto path = authority.java_trust_store();
  EXPECT_EQ(authority.java_trust_store(), path) << "kept";
  std::unique_ptr<BIO, int (*)(BIO*)> in(BIO_new_file(path.c_str(), "r"), &BIO_free);
  std::unique_ptr<PKCS12, void (*)(PKCS12*)> store(d2i_PKCS12_bio(in.get(), nullptr), &PKCS12_free);
  ASSERT_TRUE(store);
  EXPECT_EQ(PKCS12_verify_mac(store.get(), "changeit", -1), 1);
  STACK_OF(X509)* certificates = nullptr;
  EVP_PKEY* key = nullptr;
  X509* own = nullptr;
  ASSERT_EQ(PKCS12_parse(store.get(), "changeit", &key, &own, &certificates), 1);
  EXPECT_EQ(key, nullptr) << "no private key leaves the authority";
  EXPECT_EQ(sk_X509_num(certificates), 1);
  sk_X509_pop_free(certificates, X509_free);
}

}  // namespace
}  // namespace tarn::gateway::test
