#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "gateway/fixtures.h"

namespace tarn::gateway::test {
namespace {

struct DispatchTest : testing::Test, Running {
  Answer ask(std::string_view path, std::string_view host = "accounts.tarn.localhost", std::string_view headers = "") {
    return Raw(port).ask(get(path, host, headers));
  }
  static std::string code(const Answer& a) {
    const auto v = json::parse(a.body);
    return v && v->is_object() && v->as_object().contains("error_code") ? std::string(v->at("error_code").as_string()) : "(none) " + a.body;
  }
};

constexpr std::string_view kGood = "Authorization: Bearer good\r\n";

TEST(Hosts, TellsTheSitesApart) {
  const Hosts hosts("tarn.localhost", "us-east-1");
  EXPECT_EQ(hosts.match("accounts.tarn.localhost").site, Site::account);
  EXPECT_EQ(hosts.match("accounts.cloud.databricks.com").site, Site::account);
  EXPECT_EQ(hosts.match("acme-landing.tarn.localhost").deployment, "acme-landing");
  EXPECT_EQ(hosts.match("acme-landing.cloud.databricks.com").deployment, "acme-landing");
  for (const char* s3 :
       {"s3.us-east-1.amazonaws.com", "bucket.s3.us-east-1.amazonaws.com", "my.bucket.s3.amazonaws.com", "s3.amazonaws.com", "s3.tarn.localhost",
        "bucket.s3.tarn.localhost", "sts.amazonaws.com", "sts.us-east-1.amazonaws.com", "sts.tarn.localhost", "s3.dualstack.us-east-1.amazonaws.com"})
    EXPECT_EQ(hosts.match(s3).site, Site::storage) << s3;
  for (const char* other :
       {"example.com", "tarn.localhost", "a.b.tarn.localhost", "evilcloud.databricks.com.example", "kinesis.us-east-1.amazonaws.com",
        "s3.eu-west-1.amazonaws.com", "xs3.amazonaws.com", "127.0.0.1", "", ".tarn.localhost", "notcloud.databricks.com"})
    EXPECT_EQ(hosts.match(other).site, Site::unknown) << other;
  EXPECT_EQ(bare_host("Accounts.Tarn.Localhost.:8443"), "accounts.tarn.localhost");
  EXPECT_EQ(port_of("h:70000", 1), -1);
  EXPECT_EQ(port_of("h", 443), 443);
}

TEST_F(DispatchTest, NamesTheUnknown) {
  start();
  auto a = ask("/api/2.0/nothing");
  EXPECT_EQ(a.status, 404);
  EXPECT_EQ(a.body, R"({"error_code":"ENDPOINT_NOT_FOUND","message":"No API found for 'GET /api/2.0/nothing'"})");
  a = Raw(port).ask("DELETE /api/2.0/echo HTTP/1.1\r\nHost: accounts.tarn.localhost\r\n\r\n");
  EXPECT_EQ(a.status, 405);
  EXPECT_EQ(a.headers["allow"], "POST");
  EXPECT_EQ(Raw(port).ask("PROPFIND /api/2.0/echo HTTP/1.1\r\nHost: accounts.tarn.localhost\r\n\r\n").status, 405);
  a = ask("/api/2.0/me", "www.example.com", kGood);
  EXPECT_EQ(a.status, 404);
  EXPECT_NE(a.body.find("www.example.com"), std::string::npos);
  EXPECT_EQ(ask("/api/2.0/me", "other.tarn.localhost", kGood).status, 404);
  EXPECT_EQ(ask("/api/2.0/admin", "acme-landing.tarn.localhost", "Authorization: Bearer admin\r\n").status, 404)
      << "an account route on a workspace host";
}

TEST_F(DispatchTest, AuthenticatesAndAuthorises) {
  start();
  EXPECT_EQ(ask("/api/2.0/me").status, 401);
  EXPECT_EQ(ask("/api/2.0/me", "accounts.tarn.localhost", "Authorization: Basic Z29vZA==\r\n").status, 401);
  const auto bad = ask("/api/2.0/me", "accounts.tarn.localhost", "Authorization: Bearer bad\r\n");
  EXPECT_EQ(bad.status, 401);
  EXPECT_EQ(code(bad), "UNAUTHENTICATED");
  EXPECT_EQ(ask("/api/2.0/me", "acme-landing.tarn.localhost", "Authorization: Bearer elsewhere\r\n").status, 403);
  EXPECT_EQ(ask("/api/2.0/admin", "accounts.tarn.localhost", kGood).status, 403);
  EXPECT_EQ(ask("/api/2.0/admin", "accounts.tarn.localhost", "Authorization: bearer  admin\r\n").status, 200);
  EXPECT_EQ(ask("/api/2.0/soon", "accounts.tarn.localhost", kGood).body, "nora@acme.example");
  EXPECT_EQ(ask("/api/2.0/soon").status, 401);
  std::lock_guard lock(refusals_mutex);
  EXPECT_EQ(refusals, (std::vector<std::string>{"401 /api/2.0/me ", "401 /api/2.0/me ", "401 /api/2.0/me ", "403 /api/2.0/me ",
                                                "403 /api/2.0/admin nora@acme.example", "401 /api/2.0/soon "}));
}

TEST_F(DispatchTest, LetsInAgainWithoutAWorkerWhileTheStoreStands) {
  generation = 1;
  start();
  const auto soon = [&] { return ask("/api/2.0/soon", "accounts.tarn.localhost", kGood); };
  EXPECT_EQ(soon().body, "nora@acme.example");
  std::vector<std::jthread> held;  // both workers
  for (int i = 0; i < 2; ++i) held.emplace_back([&] { EXPECT_EQ(ask("/api/2.0/held").status, 200); });
  ASSERT_TRUE(gate.entered(2));
  EXPECT_EQ(soon().body, "nora@acme.example") << "no worker was free";
  directory.revoked = true;
  std::jthread opening([&] {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (server->metrics().text().find("tarn_http_requests_in_flight 3") == std::string::npos && std::chrono::steady_clock::now() < until)
      std::this_thread::yield();
    gate.open();
  });
  EXPECT_EQ(soon().status, 401) << "what lets in is asked each time";
  opening.join();
  {
    std::lock_guard lock(refusals_mutex);
    EXPECT_EQ(refusals, (std::vector<std::string>{"401 /api/2.0/soon "})) << "audited once";
  }
  directory.revoked = false;
  generation = 2;
  EXPECT_EQ(soon().body, "nora@acme.example");
}

TEST_F(DispatchTest, KnowsWorkspacesByHostAndByPort) {
  start();
  auto a = ask("/api/2.0/me", "acme-landing.cloud.databricks.com", kGood);
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(a.headers["x-databricks-org-id"], "11");
  a = ask("/api/2.0/me", "acme-starting.tarn.localhost", kGood);
  EXPECT_EQ(a.status, 503);
  EXPECT_EQ(a.headers["retry-after"], "2");
  const auto own = listen({.fixed = {Site::workspace, 11}});
  a = Raw(own).ask(get("/api/2.0/me", "127.0.0.1", kGood));
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(a.headers["x-databricks-org-id"], "11");
  EXPECT_FALSE(ask("/api/2.0/me", "accounts.tarn.localhost", kGood).headers.contains("x-databricks-org-id"));
}

TEST_F(DispatchTest, KeepsSoundRequestIdsAndReplacesOthers) {
  start();
  auto a = ask("/healthz", "accounts.tarn.localhost", "X-Request-Id: abc-123\r\n");
  EXPECT_EQ(a.headers["x-request-id"], "abc-123");
  EXPECT_EQ(a.headers["x-databricks-request-id"], "abc-123");
  a = ask("/healthz", "accounts.tarn.localhost", "X-Request-Id: a b\"c\r\n");
  EXPECT_EQ(a.headers["x-request-id"].size(), 36u);
}

TEST_F(DispatchTest, ServesMetricsOnTheAdminListenerOnly) {
  start();
  EXPECT_EQ(ask("/api/2.0/me", "accounts.tarn.localhost", kGood).status, 200);
  EXPECT_EQ(ask("/metrics").status, 404);
  const auto admin = listen({.fixed = {Site::admin}});
  const auto a = Raw(admin).ask(get("/metrics", "localhost"));
  EXPECT_EQ(a.status, 200);
  EXPECT_NE(a.body.find("tarn_http_requests_total{code=\"200\",group=\"me\"} 1"), std::string::npos) << a.body;
  EXPECT_NE(a.body.find("tarn_http_request_seconds_bucket{group=\"me\""), std::string::npos);
  EXPECT_EQ(Raw(admin).ask(get("/api/2.0/me", "localhost", kGood)).status, 404);
}

TEST_F(DispatchTest, HandsStorageSmallBodiesInMemoryAndLargeOnesAsFiles) {
  std::string seen;
  std::mutex mutex;
  storage.handle = [&](const api::Request& r) {
    std::lock_guard lock(mutex);
    seen = r.body_file;
    return api::Reply{
        .body = fmt::format("{} {} {}", r.headers.at("host"), r.body.size(), r.body_file.empty() ? 0 : std::filesystem::file_size(r.body_file)),
        .content_type = "text/plain"};
  };
  storage.admit = [](const api::Request& r) -> std::optional<api::Reply> {
    if (r.headers.contains("x-stranger")) return api::Reply{.status = 403, .body = "<Error/>", .content_type = "application/xml"};
    return std::nullopt;
  };
  options.limits.body_bytes = 100;  // of the API; not of storage
  options.limits.spool_above = 10'000;
  start();
  const auto put = [&](std::size_t size, std::string_view more = "") {
    return fmt::format("PUT /b/k HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\nContent-Length: {}\r\n{}\r\n{}", size, more, std::string(size, 'x'));
  };
  Raw c(port);
  EXPECT_EQ(c.ask(put(5000)).body, "s3.us-east-1.amazonaws.com 5000 0");
  EXPECT_EQ(c.ask(put(3'000'000)).body, "s3.us-east-1.amazonaws.com 0 3000000");
  EXPECT_EQ(c.ask(put(10)).status, 200);
  EXPECT_TRUE(std::filesystem::is_empty(options.spool_dir)) << "the spool file is gone with its request";
  const auto refused = c.ask(put(20'000, "X-Stranger: 1\r\n"));
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.body, "<Error/>");
  EXPECT_EQ(Raw(listen({.fixed = {Site::storage}})).ask(get("/b/k", "127.0.0.1:9")).body, "127.0.0.1:9 0 0");
}

TEST_F(DispatchTest, ServesTheControlTableOnASocketOfTheOwner) {
  api::Router control;
  control.add({api::Method::GET, "/status", api::Surface::both, api::Auth::open, "control",
               [](const api::Request&) -> api::Result { return api::Reply{.body = "up"}; }});
  start();
  const std::string path = folder.path + "/control.sock";
  const auto bound = server->listen({.unix_path = path, .control = &control});
  ASSERT_TRUE(bound) << bound.error();
  struct stat st {};
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un to{.sun_family = AF_UNIX};
  path.copy(to.sun_path, sizeof to.sun_path - 1);
  ASSERT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
  const auto request = get("/status", "control");
  ASSERT_EQ(::send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  char block[2048];
  pollfd p{fd, POLLIN, 0};
  ASSERT_EQ(::poll(&p, 1, 10'000), 1);
  const auto n = ::recv(fd, block, sizeof block, 0);
  ::close(fd);
  ASSERT_GT(n, 0);
  EXPECT_TRUE(std::string_view(block, static_cast<std::size_t>(n)).ends_with("\r\n\r\nup"));
  EXPECT_EQ(ask("/status").status, 404) << "not on the network";
  server->close(bound->id);
  EXPECT_FALSE(std::filesystem::exists(path));
  server.reset();
}

}  // namespace
}  // namespace tarn::gateway::test
