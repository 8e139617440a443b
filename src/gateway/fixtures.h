#pragma once
// What gateway tests share: a directory and workspaces that are made up, a server on port 0, and a client that speaks bytes.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <filesystem>

#include "gateway/server.h"

namespace tarn::gateway::test {

struct FakeDirectory final : identity::Directory {
  std::optional<identity::PrincipalRef> find_principal(std::string_view) override { return std::nullopt; }
  std::optional<identity::PrincipalRef> get_principal(std::int64_t) override { return std::nullopt; }
  std::optional<identity::PrincipalRef> find_local_group(std::int64_t, std::string_view) override { return std::nullopt; }
  std::optional<identity::PrincipalRef> get_local_group(std::int64_t, std::int64_t) override { return std::nullopt; }
  std::optional<access::Caller> caller(std::int64_t, std::optional<std::int64_t>) override { return std::nullopt; }
  Expected<access::Caller, Refusal> authenticate(std::string_view bearer, std::optional<std::int64_t>) override {
    if (revoked) return fail(Refusal{false, "Invalid access token."});
    if (bearer == "good") return access::Caller{.id = 7, .name = "nora@acme.example"};
    if (bearer == "admin") return access::Caller{.id = 8, .name = "admin@acme.example", .account_admin = true};
    if (bearer == "elsewhere") return fail(Refusal{true, "User does not belong to this workspace."});
    return fail(Refusal{false, "Invalid access token."});
  }
  std::atomic<bool> revoked{false};
  bool is_assigned(std::int64_t, std::int64_t) override { return true; }
  bool holds_role(const access::Caller&, std::int64_t, std::string_view) override { return false; }
};

struct FakeWorkspaces final : account::WorkspaceDirectory {
  std::vector<account::WorkspaceRef> refs{{11, "landing", "acme-landing", "us-east-1", "root", true},
                                          {12, "starting", "acme-starting", "us-east-1", "root", false}};
  std::optional<account::WorkspaceRef> by_deployment(std::string_view name) override {
    for (const auto& r : refs)
      if (r.deployment_name == name) return r;
    return std::nullopt;
  }
  std::optional<account::WorkspaceRef> by_id(std::int64_t id) override {
    for (const auto& r : refs)
      if (r.id == id) return r;
    return std::nullopt;
  }
  std::vector<account::WorkspaceRef> all() override { return refs; }
};

struct Answer {
  int status = 0;
  std::map<std::string, std::string> headers;
  std::string body;
};

/// A TCP or Unix client that sends what it is told, byte for byte, and reads replies one at a time. Every wait is bounded.
class Raw {
 public:
  explicit Raw(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
  }
  Raw(const Raw&) = delete;
  ~Raw() { ::close(fd_); }
  bool connected() const { return connected_; }
  bool send(std::string_view text) {
    while (!text.empty()) {
      const auto n = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }
  /// The next reply; status 0 if the connection ended before a whole one. `head`: a reply without its body.
  Answer receive(bool head = false) {
    Answer a;
    std::size_t end;
    while ((end = in_.find("\r\n\r\n")) == in_.npos)
      if (!more()) return {};
    std::string_view top = std::string_view(in_).substr(0, end);
    a.status = std::atoi(std::string(top.substr(9, 3)).c_str());
    for (std::size_t at = top.find("\r\n"); at != top.npos; at = top.find("\r\n", at + 2)) {
      const auto line = top.substr(at + 2, top.find("\r\n", at + 2) - at - 2);
      const auto colon = line.find(": ");
      a.headers.emplace(line.substr(0, colon), line.substr(colon + 2));
    }
    in_.erase(0, end + 4);
    if (head || a.status < 200) return a;
    const auto length = a.headers.contains("content-length") ? std::stoul(a.headers["content-length"]) : 0;
    while (in_.size() < length)
      if (!more()) return {};
    a.body = in_.substr(0, length);
    in_.erase(0, length);
    return a;
  }
  Answer ask(std::string_view request) { return send(request) ? receive() : Answer{}; }
  /// Whether the peer closes within the time; false if it stays open or sends more.
  bool closed() { return in_.empty() && !more() && ended_; }
  bool more(int milliseconds = 10'000) {
    pollfd p{fd_, POLLIN, 0};
    if (::poll(&p, 1, milliseconds) <= 0) return false;
    char block[8192];
    const auto n = ::recv(fd_, block, sizeof block, 0);
    ended_ = n <= 0;
    if (n > 0) in_.append(block, static_cast<std::size_t>(n));
    return n > 0;
  }
  const std::string& pending() const { return in_; }
  int fd() const { return fd_; }

 private:
  int fd_;
  bool connected_ = false, ended_ = false;
  std::string in_;
};

/// Lets tests hold a handler until they say.
class Gate {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    ++inside_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void open() {
    std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  bool entered(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return inside_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int inside_ = 0;
  bool open_ = false;
};

struct Folder {
  std::string path = (std::filesystem::temp_directory_path() / "tarn-gateway-XXXXXX").string();
  Folder() { EXPECT_NE(::mkdtemp(path.data()), nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
};

/// A server with a handful of routes. Set `options` before start().
struct Running {
  Folder folder;
  FakeDirectory directory;
  FakeWorkspaces workspaces;
  api::Router router;
  Gate gate;
  StorageDoor storage;
  Options options;
  std::atomic<std::int64_t> generation{0};  // of the store; 0: not at hand
  std::mutex refusals_mutex;
  std::vector<std::string> refusals;
  std::unique_ptr<Authority> authority;
  std::unique_ptr<Server> server;
  std::uint16_t port = 0;

  Running() {
    using api::Auth, api::Method, api::Surface;
    options.io_threads = 2;
    options.workers = 2;
    options.limits.tick = std::chrono::milliseconds(20);
    options.spool_dir = folder.path + "/spool";
    options.access_log = folder.path + "/access.log";
    const auto echo = [](const api::Request& r) -> api::Result {
      return api::Reply{.body = r.body_file.empty() ? r.body : "file", .headers = {{"x-caller", r.caller().name}, {"x-path", r.path}}};
    };
    router.add({Method::GET, "/api/2.0/me", Surface::both, Auth::authenticated, "me",
                [](const api::Request& r) -> api::Result { return api::Reply{.body = "{\"userName\":\"" + r.caller().name + "\"}"}; }, true});
    router.add({Method::POST, "/api/2.0/echo", Surface::both, Auth::open, "echo", echo});
    router.add({Method::GET, "/api/2.0/echo/{name}", Surface::both, Auth::open, "echo", echo});
    router.add({Method::GET, "/api/2.0/admin", Surface::account, Auth::account_admin, "admins", echo});
    router.add({Method::GET, "/api/2.0/held", Surface::both, Auth::open, "held", [this](const api::Request&) -> api::Result {
                  gate.wait();
                  return api::Reply{.body = "{\"held\":true}"};
                }});
    router.add({Method::GET, "/api/2.0/throws", Surface::both, Auth::open, "throws",
                [](const api::Request&) -> api::Result { throw std::runtime_error("the secret cause"); }});
    router.add({Method::GET, "/api/2.0/down", Surface::both, Auth::open, "throws",
                [](const api::Request&) -> api::Result { throw store::StoreUnavailable("the database at 10.0.0.1 is gone"); }});
    router.add({Method::GET, "/api/2.0/file", Surface::both, Auth::open, "file", [this](const api::Request&) -> api::Result {
                  return api::Reply{.content_type = "application/octet-stream", .file = api::FileSlice{folder.path + "/big", 1000, 3'000'000}};
                }});
    router.add(
        {Method::GET, "/api/2.0/soon", Surface::both, Auth::authenticated, "soon",
         api::AsyncHandler([](const api::Request& r) -> boost::asio::awaitable<api::Result> { co_return api::Reply{.body = r.caller().name}; })});
  }
  void start(bool with_authority = false) {
    if (with_authority) authority = std::make_unique<Authority>(folder.path + "/tls", "tarn.localhost");
    Services services{.router = router,
                      .directory = directory,
                      .workspaces = workspaces,
                      .storage = storage,
                      .account_id = "the-account",
                      .generation = [this]() -> std::optional<std::int64_t> {
                        const auto g = generation.load();
                        return g ? std::optional(g) : std::nullopt;
                      },
                      .refused =
                          [this](const api::Request& r, const api::Route& route, const api::WireError& e) {
                            std::lock_guard lock(refusals_mutex);
                            refusals.push_back(fmt::format("{} {} {}", e.status, route.pattern, r.context.caller.name));
                          }};
    server = std::make_unique<Server>(options, std::move(services), Hosts("tarn.localhost", "us-east-1"), authority.get());
    port = listen({});
  }
  std::uint16_t listen(const ListenSpec& spec) {
    const auto bound = server->listen(spec);
    EXPECT_TRUE(bound) << bound.error();
    return bound ? bound->port : 0;
  }
};

inline std::string get(std::string_view path, std::string_view host = "accounts.tarn.localhost", std::string_view headers = "") {
  return fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n{}\r\n", path, host, headers);
}
inline std::string post(std::string_view path, std::string_view body, std::string_view headers = "") {
  return fmt::format("POST {} HTTP/1.1\r\nHost: accounts.tarn.localhost\r\nContent-Length: {}\r\n{}\r\n{}", path, body.size(), headers, body);
}

}  // namespace tarn::gateway::test
