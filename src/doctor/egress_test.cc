#include "doctor/egress.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <thread>

namespace tarn::doctor {
namespace {

using namespace std::chrono_literals;

/// A listening socket on loopback.
struct Listener {
  int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::uint16_t port = 0;
  explicit Listener(int backlog) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a), 0);
    EXPECT_EQ(::listen(fd, backlog), 0);
    socklen_t size = sizeof a;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &size);
    port = ::ntohs(a.sin_port);
  }
  ~Listener() {
    if (fd >= 0) ::close(fd);
  }
  HostPort where() const { return {"127.0.0.1", port}; }
};

/// Drops SYN like a silent firewall: a Linux listener whose queue is full neither accepts nor refuses.
struct Dropping : Listener {
  std::vector<int> fillers;
  Dropping() : Listener(0) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    a.sin_port = ::htons(port);
    for (int i = 0; i < 4; ++i) {
      fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      ::connect(fillers.back(), reinterpret_cast<sockaddr*>(&a), sizeof a);
    }
  }
  ~Dropping() {
    for (int f : fillers) ::close(f);
  }
};

TEST(Egress, ReadsHostAndPort) {
  const auto text = [](std::string_view url) {
    const auto h = host_of(url);
    return h ? h->text() : "-";
  };
  EXPECT_EQ(text("https://accounts.cloud.databricks.com/api?x"), "accounts.cloud.databricks.com:443");
  EXPECT_EQ(text("http://user:pass@proxy:3128/"), "proxy:3128");
  EXPECT_EQ(text("http://proxy"), "proxy:80");
  EXPECT_EQ(text("host:8443"), "host:8443");
  EXPECT_EQ(text("[::1]:9"), "[::1]:9");
  EXPECT_EQ(text("https://"), "-");
  EXPECT_EQ(text("host:0"), "-");
  EXPECT_EQ(text("host:99999"), "-");
  EXPECT_EQ(text("ftp://host"), "-");
}

TEST(Egress, SaysThatAHostAnswers) {
  const Listener l(8);
  const auto f = check_egress(l.where(), std::nullopt);
  EXPECT_EQ(f.level, Level::ok) << f.summary;
  EXPECT_NE(f.summary.find(std::to_string(l.port)), std::string::npos);
}

TEST(Egress, NamesHostAndPortWhenPacketsAreDropped) {
  const Dropping firewall;
  const auto f = check_egress(firewall.where(), std::nullopt, 300ms);
  EXPECT_EQ(f.level, Level::problem);
  EXPECT_EQ(f.edge, "no_egress");
  EXPECT_NE(f.summary.find(fmt::format("127.0.0.1:{}", firewall.port)), std::string::npos) << f.summary;
  EXPECT_NE(f.summary.find("dropped"), std::string::npos) << f.summary;
  EXPECT_FALSE(f.cause.empty());
  EXPECT_NE(f.cure.find("443"), std::string::npos);
}

TEST(Egress, TellsARefusalFromADrop) {
  std::uint16_t port;
  {
    const Listener l(1);
    port = l.port;
  }
  EXPECT_EQ(reach({"127.0.0.1", port}, std::nullopt).reach, Reach::refused);
  EXPECT_FALSE(check_egress({"127.0.0.1", port}, std::nullopt).edge);
}

TEST(Egress, SaysThatANameHasNoAddress) {
  const auto a = reach({"no-such-host.invalid", 443}, std::nullopt, 5s);
  EXPECT_TRUE(a.reach == Reach::unresolved || a.reach == Reach::resolver_mute) << json::name_of(a.reach);
  EXPECT_NE(check_egress({"no-such-host.invalid", 443}, std::nullopt, 5s).summary.find("no-such-host.invalid:443"), std::string::npos);
}

/// A proxy that answers its one client with a fixed line, or keeps silent.
struct OneAnswer : Listener {
  std::string asked;
  std::thread thread;
  explicit OneAnswer(std::string answer) : Listener(4) {
    thread = std::thread([this, answer = std::move(answer)] {
      const int c = ::accept(fd, nullptr, nullptr);
      char buffer[1024];
      for (ssize_t n; asked.find("\r\n\r\n") == asked.npos && (n = ::recv(c, buffer, sizeof buffer, 0)) > 0;)
        asked.append(buffer, static_cast<std::size_t>(n));
      if (!answer.empty()) ::send(c, answer.data(), answer.size(), MSG_NOSIGNAL);
      while (::recv(c, buffer, sizeof buffer, 0) > 0) {
      }
      ::close(c);
    });
  }
  ~OneAnswer() {
    if (thread.joinable()) thread.join();
  }
};

TEST(Egress, AsksTheProxyForTheHost) {
  OneAnswer proxy("HTTP/1.1 200 Connection established\r\n\r\n");
  EXPECT_EQ(check_egress({"accounts.example.com", 443}, proxy.where()).level, Level::ok);
  proxy.thread.join();
  EXPECT_TRUE(proxy.asked.starts_with("CONNECT accounts.example.com:443 HTTP/1.1\r\n")) << proxy.asked;
}

TEST(Egress, SaysWhatTheProxySaid) {
  OneAnswer proxy("HTTP/1.1 403 Forbidden\r\n\r\n");
  const auto f = check_egress({"accounts.example.com", 443}, proxy.where());
  EXPECT_EQ(f.level, Level::problem);
  EXPECT_NE(f.summary.find("403 Forbidden"), std::string::npos) << f.summary;
}

TEST(Egress, AMuteProxyIsNotWaitedForLong) {
  OneAnswer proxy("");
  EXPECT_EQ(reach({"accounts.example.com", 443}, proxy.where(), 300ms).reach, Reach::proxy_mute);
}

TEST(Egress, AHostThatOnlyTakesConnectionsIsNotTakenForReachable) {
  const Listener mute(8);  // the kernel completes the connection; nobody ever reads it
  const auto f = check_egress(mute.where(), std::nullopt, 300ms, {.shake_hands = true});
  EXPECT_EQ(f.edge, "no_egress") << f.summary;
  EXPECT_NE(f.summary.find(std::to_string(mute.port)), std::string::npos);
}

TEST(Egress, TellsAnotherServiceFromTls) {
  const Listener plain(8);
  std::thread server([&] {
    const int c = ::accept(plain.fd, nullptr, nullptr);
    constexpr std::string_view answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
    ::send(c, answer.data(), answer.size(), MSG_NOSIGNAL);
    char buffer[1024];
    while (::recv(c, buffer, sizeof buffer, 0) > 0) {
    }
    ::close(c);
  });
  const auto a = reach(plain.where(), std::nullopt, 5s, {.shake_hands = true});
  server.join();
  EXPECT_EQ(a.reach, Reach::tls_refused) << a.detail;
}

/// A TLS server with a certificate of its own making for `localhost`, for so many handshakes.
struct TlsServer : Listener {
  std::filesystem::path certificate;
  std::thread thread;
  explicit TlsServer(int handshakes) : Listener(8) {
    EVP_PKEY* key = ::EVP_EC_gen("P-256");
    X509* cert = ::X509_new();
    ::X509_set_version(cert, 2);
    ::ASN1_INTEGER_set(::X509_get_serialNumber(cert), 1);
    ::X509_gmtime_adj(::X509_getm_notBefore(cert), -60);
    ::X509_gmtime_adj(::X509_getm_notAfter(cert), 3600);
    ::X509_NAME_add_entry_by_txt(::X509_get_subject_name(cert), "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    ::X509_set_issuer_name(cert, ::X509_get_subject_name(cert));
    ::X509_set_pubkey(cert, key);
    ::X509_sign(cert, key, ::EVP_sha256());
    std::string pattern = (std::filesystem::temp_directory_path() / "tarn-egress-XXXXXX").string();
    FILE* out = ::fdopen(::mkstemp(pattern.data()), "w");
    ::PEM_write_X509(out, cert);
    ::fclose(out);
    certificate = pattern;
    thread = std::thread([this, handshakes, key, cert] {
      sigset_t pipe;  // a client that trusts nobody hangs up while we write
      ::sigemptyset(&pipe);
      ::sigaddset(&pipe, SIGPIPE);
      ::pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
      SSL_CTX* ctx = ::SSL_CTX_new(::TLS_server_method());
      ::SSL_CTX_use_certificate(ctx, cert);
      ::SSL_CTX_use_PrivateKey(ctx, key);
      for (int i = 0; i < handshakes; ++i) {
        const int c = ::accept(fd, nullptr, nullptr);
        SSL* ssl = ::SSL_new(ctx);
        ::SSL_set_fd(ssl, c);
        ::SSL_accept(ssl);
        ::SSL_free(ssl);
        ::close(c);
      }
      ::SSL_CTX_free(ctx);
      ::X509_free(cert);
      ::EVP_PKEY_free(key);
    });
  }
  ~TlsServer() {
    thread.join();
    std::filesystem::remove(certificate);
  }
};

TEST(Egress, SaysWhenACertificateIsNotTrusted) {
  const TlsServer server(2);
  const HostPort where{"localhost", server.port};
  // Straight to the loopback address through no proxy; the name is what the certificate must carry.
  const auto f = check_egress(where, std::nullopt, 5s, {.shake_hands = true});
  EXPECT_NE(f.summary.find("is not trusted"), std::string::npos) << f.summary;
  EXPECT_NE(f.cure.find("SSL_CERT_FILE"), std::string::npos);
  const auto trusted = check_egress(where, std::nullopt, 5s, {.shake_hands = true, .ca_file = server.certificate.string()});
  EXPECT_EQ(trusted.level, Level::ok) << trusted.summary;
}

struct ProxyVariables : testing::Test {
  void SetUp() override {
    for (const char* v : {"https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"}) {
      const char* old = std::getenv(v);
      saved[v] = old ? std::optional<std::string>(old) : std::nullopt;
      ::unsetenv(v);
    }
  }
  void TearDown() override {
    for (const auto& [name, value] : saved) value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
  }
  std::map<std::string, std::optional<std::string>> saved;
};

TEST_F(ProxyVariables, AreReadAsClientsReadThem) {
  EXPECT_FALSE(proxy_for({"a.example.com", 443}));
  ::setenv("HTTPS_PROXY", "http://u:p@proxy:3128", 1);
  EXPECT_EQ(proxy_for({"a.example.com", 443})->text(), "proxy:3128");
  ::setenv("NO_PROXY", "other, .example.com", 1);
  EXPECT_FALSE(proxy_for({"a.example.com", 443}));
  EXPECT_TRUE(proxy_for({"notexample.com", 443}));
  ::setenv("no_proxy", "*", 1);
  EXPECT_FALSE(proxy_for({"notexample.com", 443}));
}

}  // namespace
}  // namespace tarn::doctor
