#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "gateway/fixtures.h"

namespace tarn::gateway::test {
namespace {

struct ServerTest : testing::Test, Running {};

std::string error_code(const Answer& a) {
  const auto v = json::parse(a.body);
  return v && v->is_object() && v->as_object().contains("error_code") ? std::string(v->at("error_code").as_string()) : "(none) " + a.body;
}

TEST_F(ServerTest, AnswersSeveralRequestsOnOneConnection) {
  start();
  Raw c(port);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(c.ask(get("/api/2.0/me", "accounts.tarn.localhost", "Authorization: Bearer good\r\n")).body, R"({"userName":"nora@acme.example"})");
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  start();
  Raw c(port);
  std::string all;
  for (const char* body : {"one", "two", "three"}) all += post("/api/2.0/echo", body);
  ASSERT_TRUE(c.send(all + get("/api/2.0/echo/four")));
  EXPECT_EQ(c.receive().body, "one");
  EXPECT_EQ(c.receive().body, "two");
  EXPECT_EQ(c.receive().body, "three");
  EXPECT_EQ(c.receive().headers["x-path"], "/api/2.0/echo/four");
}

TEST_F(ServerTest, ReadsARequestThatArrivesByteByByte) {
  start();
  Raw c(port);
  for (const char byte : post("/api/2.0/echo", "slowly")) ASSERT_TRUE(c.send({&byte, 1}));
  EXPECT_EQ(c.receive().body, "slowly");
}

// Python's clients behind a proxy write head and body one after the other with Nagle's algorithm on, as this socket does: the body leaves when the
// head was acknowledged. With the kernel's delayed acknowledgement the fastest takes some hundred times as long as a request in one piece.
TEST_F(ServerTest, LetsABodyThatWaitsForAnAcknowledgementCome) {
  start();
  Raw c(port);
  const auto request = post("/api/2.0/echo", "rest");
  const auto head = request.size() - 4;
  const auto timed = [&](bool split) {
    std::vector<double> all;
    for (int i = 0; i < 40; ++i) {
      const auto began = std::chrono::steady_clock::now();
      EXPECT_TRUE(split ? c.send(std::string_view(request).substr(0, head)) && c.send(std::string_view(request).substr(head)) : c.send(request));
      EXPECT_EQ(c.receive().body, "rest");
      all.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
    }
    std::sort(all.begin() + 20, all.end());  // the kernel acknowledges a connection's first segments at once
    return all;
  };
  const auto whole = timed(false), split = timed(true);
  EXPECT_LT(split[20], 20 * whole[30]);
}

TEST_F(ServerTest, ReadsChunkedBodiesAndIgnoresTrailers) {
  start();
  Raw c(port);
  const auto a = c.ask(
      "POST /api/2.0/echo HTTP/1.1\r\nHost: accounts.tarn.localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;x=1\r\nabc\r\n4\r\ndefg\r\n0\r\nAuthorization: Bearer admin\r\n\r\n");
  EXPECT_EQ(a.body, "abcdefg");
  EXPECT_EQ(c.ask(post("/api/2.0/echo", "next")).body, "next");
}

TEST_F(ServerTest, SaysContinueBeforeTheBody) {
  start();
  Raw c(port);
  ASSERT_TRUE(c.send("POST /api/2.0/echo HTTP/1.1\r\nHost: accounts.tarn.localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(c.receive().status, 100);
  EXPECT_EQ(c.ask("body").body, "body");
}

TEST_F(ServerTest, RefusesInsteadOfContinueWhenTheHeadIsEnough) {
  start();
  Raw c(port);
  ASSERT_TRUE(c.send("POST /api/2.0/nothing HTTP/1.1\r\nHost: accounts.tarn.localhost\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(c.receive().status, 404);
}

TEST_F(ServerTest, RefusesBodiesAboveTheLimit) {
  options.limits.body_bytes = 1000;
  start();
  Raw declared(port);
  auto a = declared.ask(post("/api/2.0/echo", std::string(1001, 'x')));
  EXPECT_EQ(a.status, 413);
  EXPECT_EQ(error_code(a), "REQUEST_ENTITY_TOO_LARGE");
  Raw chunked(port);
  a = chunked.ask("POST /api/2.0/echo HTTP/1.1\r\nHost: accounts.tarn.localhost\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
                  std::string(1001, 'x') + "\r\n0\r\n\r\n");
  EXPECT_EQ(a.status, 413);
  Raw fits(port);
  EXPECT_EQ(fits.ask(post("/api/2.0/echo", std::string(1000, 'x'))).status, 200);
}

TEST_F(ServerTest, RefusesHeadsAboveTheLimit) {
  options.limits.header_bytes = 4096;
  start();
  Raw c(port);
  const auto a = c.ask(get("/api/2.0/me", "accounts.tarn.localhost", "X-Long: " + std::string(5000, 'x') + "\r\n"));
  EXPECT_EQ(a.status, 431);
  EXPECT_EQ(error_code(a), "REQUEST_HEADER_FIELDS_TOO_LARGE");
  EXPECT_TRUE(c.closed());
}

TEST_F(ServerTest, RefusesMalformedRequestsAndStaysUp) {
  start();
  const std::string host = "Host: accounts.tarn.localhost\r\n";
  for (const std::string& bad : {
           std::string("NONSENSE\r\n\r\n"),
           std::string("GET / HTTP/1.1\r\n\r\n"),        // no host
           "GET / HTTP/1.1\r\n" + host + host + "\r\n",  // two hosts
           "GET / HTTP/1.1\r\n" + host + "Bad Header: x\r\n\r\n",
           "GET / HTTP/1.1\r\n" + host + " folded: x\r\n\r\n",
           "POST /api/2.0/echo HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n",
           "POST /api/2.0/echo HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
           "POST /api/2.0/echo HTTP/1.1\r\n" + host + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",  // smuggling
           "POST /api/2.0/echo HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
           "GET / HTTP/1.1\r\n" + host + "Expect: a-miracle\r\n\r\n",
           "GET / HTTP/1.1\r\n" + host + "Authorization: Bearer good\r\nAuthorization: Bearer admin\r\n\r\n",
       }) {
    Raw c(port);
    const auto a = c.ask(bad);
    EXPECT_EQ(a.status, 400) << bad;
    EXPECT_EQ(error_code(a), "MALFORMED_REQUEST") << bad;
    EXPECT_TRUE(c.closed()) << bad;
  }
  Raw coded(port);
  EXPECT_EQ(coded.ask("POST /api/2.0/echo HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n").status, 501);
  Raw old(port);
  EXPECT_EQ(old.ask("GET / HTTP/3.0\r\n" + host + "\r\n").status, 505);
  EXPECT_EQ(Raw(port).ask(get("/healthz")).status, 200);
}

TEST_F(ServerTest, CutsOffSlowHeads) {
  options.limits.header = std::chrono::milliseconds(150);
  start();
  Raw c(port);
  ASSERT_TRUE(c.send("GET /api/2.0/me HTTP/1.1\r\nHost: "));
  const auto a = c.receive();
  EXPECT_EQ(a.status, 408);
  EXPECT_EQ(error_code(a), "REQUEST_TIMEOUT");
  EXPECT_TRUE(c.closed());
}

TEST_F(ServerTest, CutsOffSlowBodies) {
  options.limits.body_grace = std::chrono::milliseconds(150);
  start();
  Raw c(port);
  ASSERT_TRUE(c.send("POST /api/2.0/echo HTTP/1.1\r\nHost: accounts.tarn.localhost\r\nContent-Length: 10\r\n\r\nabc"));
  EXPECT_EQ(c.receive().status, 408);
  EXPECT_TRUE(c.closed());
}

TEST_F(ServerTest, ClosesIdleConnectionsSilently) {
  options.limits.idle = std::chrono::milliseconds(100);
  start();
  Raw c(port);
  EXPECT_EQ(c.ask(get("/healthz")).status, 200);
  EXPECT_TRUE(c.closed());
}

TEST_F(ServerTest, GivesUpOnARequestAfterItsTimeWhileTheHandlerStillRuns) {
  options.limits.request = std::chrono::milliseconds(100);
  start();
  Raw c(port);
  const auto a = c.ask(get("/api/2.0/held"));
  EXPECT_EQ(a.status, 504);
  EXPECT_EQ(error_code(a), "DEADLINE_EXCEEDED");
  gate.open();
}

TEST_F(ServerTest, RefusesWithRetryAfterWhenTheQueueIsFull) {
  options.workers = 1;
  options.queue = 1;
  start();
  Raw running(port), queued(port);
  ASSERT_TRUE(running.send(get("/api/2.0/held")));
  ASSERT_TRUE(gate.entered(1));
  ASSERT_TRUE(queued.send(get("/api/2.0/held")));
  Answer refused;
  for (int i = 0; i < 200 && refused.status != 503; ++i) {  // until the second one is in the queue
    Raw c(port);
    ASSERT_TRUE(c.send(get("/api/2.0/held")));
    if (c.more(20)) refused = c.receive();
  }
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(error_code(refused), "TEMPORARILY_UNAVAILABLE");
  EXPECT_EQ(refused.headers["retry-after"], "1");
  EXPECT_EQ(Raw(port).ask(get("/api/2.0/me", "accounts.tarn.localhost", "Authorization: Bearer good\r\n")).status, 200)
      << "cached reads need no worker";
  gate.open();
  EXPECT_EQ(running.receive().status, 200);
}

TEST_F(ServerTest, HidesWhatAHandlerThrows) {
  start();
  Raw c(port);
  auto a = c.ask(get("/api/2.0/throws", "accounts.tarn.localhost", "X-Request-Id: my-id\r\n"));
  EXPECT_EQ(a.status, 500);
  EXPECT_EQ(error_code(a), "INTERNAL_ERROR");
  EXPECT_EQ(a.body.find("secret cause"), std::string::npos);
  EXPECT_NE(a.body.find("my-id"), std::string::npos);
  a = c.ask(get("/api/2.0/down"));
  EXPECT_EQ(a.status, 503);
  EXPECT_EQ(a.body.find("10.0.0.1"), std::string::npos);
}

TEST_F(ServerTest, SendsPartsOfFilesAndAnswersHead) {
  start();
  std::string content(4'000'000, 'x');
  for (std::size_t i = 0; i < content.size(); ++i) content[i] = static_cast<char>('a' + i * 7 % 26);
  {
    std::unique_ptr<FILE, int (*)(FILE*)> f(std::fopen((folder.path + "/big").c_str(), "w"), &std::fclose);
    ASSERT_EQ(std::fwrite(content.data(), 1, content.size(), f.get()), content.size());
  }
  Raw c(port);
  EXPECT_EQ(c.ask(get("/api/2.0/file")).body, content.substr(1000, 3'000'000));
  ASSERT_TRUE(c.send("HEAD /api/2.0/file HTTP/1.1\r\nHost: accounts.tarn.localhost\r\n\r\n"));
  EXPECT_EQ(c.receive(true).headers["content-length"], "3000000");
  EXPECT_EQ(c.ask(get("/healthz")).status, 200) << "HEAD sent no body";
}

TEST_F(ServerTest, DrainFinishesWhatIsInFlightAndRefusesNewConnections) {
  start();
  Raw busy(port), idle(port);
  EXPECT_EQ(idle.ask(get("/healthz")).status, 200);
  ASSERT_TRUE(busy.send(get("/api/2.0/held")));
  ASSERT_TRUE(gate.entered(1));
  std::thread drain([&] { EXPECT_TRUE(server->drain(std::chrono::seconds(20))); });
  EXPECT_TRUE(idle.closed());
  for (int i = 0; i < 1000 && Raw(port).connected(); ++i) std::this_thread::yield();
  EXPECT_FALSE(Raw(port).connected());
  gate.open();
  const auto a = busy.receive();
  EXPECT_EQ(a.status, 200);
  EXPECT_EQ(a.headers.at("connection"), "close");
  drain.join();
}

TEST_F(ServerTest, DrainCutsWhatDoesNotFinish) {
  start();
  Raw stuck(port);
  ASSERT_TRUE(stuck.send("POST /api/2.0/echo HTTP/1.1\r\nHost: accounts.tarn.localhost\r\nContent-Length: 10\r\n\r\nabc"));
  for (int i = 0; i < 500 && server->metrics().text().find("tarn_http_requests_in_flight 1") == std::string::npos; ++i) std::this_thread::yield();
  EXPECT_FALSE(server->drain(std::chrono::milliseconds(50)));
  EXPECT_TRUE(stuck.closed());
}

TEST_F(ServerTest, DrainEndsWhatAnAsynchronousHandlerWaitsFor) {
  std::atomic<bool> waiting = false;
  router.add({api::Method::GET, "/api/2.0/forever", api::Surface::both, api::Auth::open, "forever",
              api::AsyncHandler([&](const api::Request&) -> boost::asio::awaitable<api::Result> {
                boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, std::chrono::hours(1));
                waiting = true;
                co_await timer.async_wait(boost::asio::use_awaitable);
                co_return api::Reply{};
              })});
  start();
  Raw c(port);
  ASSERT_TRUE(c.send(get("/api/2.0/forever")));
  while (!waiting) std::this_thread::yield();
  EXPECT_FALSE(server->drain(std::chrono::milliseconds(20)));
  EXPECT_TRUE(c.closed());
}

TEST_F(ServerTest, WritesAnAccessLogWithoutQueryStringsOrCredentials) {
  start();
  Raw c(port);
  EXPECT_EQ(c.ask(get("/api/2.0/me?token=hush", "accounts.tarn.localhost", "Authorization: Bearer good\r\nUser-Agent: \"quoted\"\r\n")).status, 200);
  server.reset();
  std::string text;
  {
    std::unique_ptr<FILE, int (*)(FILE*)> f(std::fopen(options.access_log.c_str(), "r"), &std::fclose);
    ASSERT_NE(f, nullptr);
    char block[4096];
    text.assign(block, std::fread(block, 1, sizeof block, f.get()));
  }
  const auto line = json::parse(text.substr(0, text.find('\n')));
  ASSERT_TRUE(line) << text;
  EXPECT_EQ(line->at("path").as_string(), "/api/2.0/me");
  EXPECT_EQ(line->at("principal").as_string(), "nora@acme.example");
  EXPECT_EQ(line->at("agent").as_string(), "\"quoted\"");
  EXPECT_EQ(text.find("hush"), std::string::npos);
  EXPECT_EQ(text.find("good"), std::string::npos);
}

}  // namespace
}  // namespace tarn::gateway::test
