#include "gateway/server.h"

#include <signal.h>
#include <sys/stat.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <filesystem>
#include <future>
#include <list>

#include "base/log.h"
#include "gateway/connection.h"

namespace tarn::gateway {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::local::stream_protocol;

namespace {

/// One thread, its event loop, and the connections that live on it (touched by this thread only).
struct Loop {
  explicit Loop(std::chrono::milliseconds tick) : tick_(tick), clock_(ctx) {
    sweep();
    thread = std::thread([this] {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals belong to the main thread
      ctx.run();
    });
  }

  void sweep() {
    clock_.expires_after(tick_);
    clock_.async_wait([this](error_code ec) {
      if (ec) return;
      const auto now = std::chrono::steady_clock::now();
      for (auto it = open.begin(); it != open.end();) {
        if (const auto c = it->lock()) {
          c->check(now);
          ++it;
        } else {
          it = open.erase(it);
        }
      }
      sweep();
    });
  }

  template <class F>
  void each(F act) {
    for (const auto& weak : open)
      if (const auto c = weak.lock()) act(*c);
  }

  asio::io_context ctx{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{ctx.get_executor()};
  std::list<std::weak_ptr<Connection>> open;
  std::atomic<std::size_t> alive{0};
  std::chrono::milliseconds tick_;
  asio::steady_timer clock_;
  std::thread thread;
};

/// One accepting socket. Its acceptor is touched on the first loop's thread only, once accepting.
struct Door {
  int id = 0;
  std::uint16_t port = 0;
  ListenSpec spec;
  std::shared_ptr<Dispatcher> control;  // of an owner-only socket
  std::variant<std::monostate, tcp::acceptor, stream_protocol::acceptor> acceptor;
};

template <class F>
void on_loop(Loop& loop, F act) {
  std::promise<void> done;
  asio::post(loop.ctx, [&] {
    act();
    done.set_value();
  });
  done.get_future().wait();
}

}  // namespace

struct Server::Impl {
  Impl(Options o, Services services, Hosts hosts, Authority* authority)
      : services_(std::move(services)),
        core{.limits = o.limits,
             .hosts = hosts,
             .spool_dir = o.spool_dir,
             .allowed_hosts = o.allowed_hosts,
             .log = AccessLog(o.access_log),
             .workers = Workers(o.workers, o.queue)} {
    core.dispatcher = std::make_unique<Dispatcher>(services_, hosts, core.limits, core.workers, core.metrics);
    if (o.tls) {
      core.tls = std::make_unique<asio::ssl::context>(o.tls);
    } else if (authority) {
      core.tls = std::make_unique<asio::ssl::context>(authority->server_context());
    }
    core.own_port = [this](int port) -> std::optional<ListenSpec> {
      std::lock_guard lock(mutex);
      for (const auto& [id, door] : doors)
        if (door->port == port && door->spec.protocol != Protocol::proxy && door->spec.unix_path.empty()) return door->spec;
      return std::nullopt;
    };
    if (!core.spool_dir.empty()) {
      std::filesystem::create_directories(core.spool_dir);
      for (const auto& left : std::filesystem::directory_iterator(core.spool_dir))
        if (left.path().filename().string().starts_with("upload-")) std::filesystem::remove(left.path());
    }
    for (unsigned i = 0; i < std::max(1u, o.io_threads); ++i) loops.push_back(std::make_unique<Loop>(core.limits.tick));
  }

  template <class Acceptor, class Socket>
  asio::awaitable<void> accept(std::shared_ptr<Door> door) {
    auto& acceptor = std::get<Acceptor>(door->acceptor);
    for (;;) {
      Loop& loop = *loops[next_loop++ % loops.size()];  // on the first loop's thread only
      Socket socket(loop.ctx);
      error_code ec;
      co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, ec));
      if (ec == asio::error::operation_aborted || ec == asio::error::bad_descriptor) co_return;
      if (ec) {  // out of descriptors, or the client is gone already: never a reason to stop accepting, nor to spin
        spdlog::warn("accept failed cause=\"{}\"", ec.message());
        asio::steady_timer pause(acceptor.get_executor(), std::chrono::milliseconds(50));
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        continue;
      }
      if constexpr (std::is_same_v<Socket, tcp::socket>)
        socket.set_option(tcp::no_delay(true), ec);
      else if (!is_owner(socket.native_handle()))
        continue;
      if (total_alive() >= core.limits.connections) continue;  // the socket closes here
      auto transport = plain_transport(std::move(socket));
      const Dispatcher& dispatcher = door->control ? *door->control : *core.dispatcher;
      auto connection = std::make_shared<Connection>(core, dispatcher, door->spec, std::move(transport));
      ++loop.alive;
      const auto slot = connection->stop_slot();
      // The completion holds the connection (its signal must outlive the coroutine) and the door (its control table the connection).
      auto ended = [&loop, connection, door](std::exception_ptr) { --loop.alive; };
      asio::co_spawn(loop.ctx, live(loop, std::move(connection)), asio::bind_cancellation_slot(slot, std::move(ended)));
    }
  }

  asio::awaitable<void> live(Loop& loop, std::shared_ptr<Connection> connection) {
    loop.open.push_back(connection);
    co_await connection->run();
  }

  std::size_t total_alive() const {
    std::size_t n = 0;
    for (const auto& l : loops) n += l->alive;
    return n;
  }

  Services services_;
  Core core;
  std::mutex mutex;
  std::map<int, std::shared_ptr<Door>> doors;
  int next_id = 1;
  bool stopped = false;
  std::size_t next_loop = 0;
  std::vector<std::unique_ptr<Loop>> loops;
};

Server::Server(Options options, Services services, Hosts hosts, Authority* authority)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(services), std::move(hosts), authority)) {}

Server::~Server() { drain(std::chrono::milliseconds(0)); }

Metrics& Server::metrics() { return impl_->core.metrics; }

void Server::allow(const std::string& host) {
  std::lock_guard lock(impl_->core.allowed_mutex);
  auto& listed = impl_->core.allowed_hosts;
  if (std::find(listed.begin(), listed.end(), host) == listed.end()) listed.push_back(host);
}

std::map<std::string, std::string> Server::stand_ins(const std::vector<std::string>& hosts) {
  auto& core = impl_->core;
  std::map<std::string, std::string> out;
  std::lock_guard lock(core.allowed_mutex);
  for (const auto& [address, host] : core.stand_ins) out.emplace(host, address);
  for (const auto& host : hosts) {
    const auto n = core.stand_ins.size() + 1;
    if (out.contains(host) || n > 0x1ffff) continue;
    const auto address = fmt::format("198.{}.{}.{}", 18 + (n >> 16), (n >> 8) & 0xff, n & 0xff);
    core.stand_ins.emplace(address, host);
    out.emplace(host, address);
  }
  return out;
}

Expected<Listening, std::string> Server::listen(const ListenSpec& spec) {
  auto& me = *impl_;
  if (spec.protocol != Protocol::http && !me.core.tls) return fail(std::string("a TLS or proxy listener needs a certificate or the local authority"));
  auto door = std::make_shared<Door>();
  door->spec = spec;
  if (spec.control) {
    Services own{.router = *spec.control,
                 .directory = me.services_.directory,
                 .workspaces = me.services_.workspaces,
                 .storage = {},
                 .account_id = me.services_.account_id,
                 .refused = {}};
    door->control = std::make_shared<Dispatcher>(std::move(own), me.core.hosts, me.core.limits, me.core.workers, me.core.metrics);
    door->spec.fixed.site = Site::account;
  }
  auto& first = *me.loops.front();
  error_code ec;
  if (!spec.unix_path.empty()) {
    std::error_code ignored;
    std::filesystem::remove(spec.unix_path, ignored);  // left by a server that was killed
    stream_protocol::acceptor acceptor(first.ctx);
    acceptor.open(stream_protocol(), ec);
    const auto mask = ::umask(0177);
    if (!ec) acceptor.bind(stream_protocol::endpoint(spec.unix_path), ec);
    ::umask(mask);
    if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
    if (ec) return fail(fmt::format("cannot listen on {}: {}", spec.unix_path, ec.message()));
    door->acceptor.emplace<stream_protocol::acceptor>(std::move(acceptor));
  } else if (spec.listening_fd >= 0) {
    tcp::acceptor acceptor(first.ctx);
    acceptor.assign(tcp::v4(), spec.listening_fd, ec);
    if (!ec) door->port = acceptor.local_endpoint(ec).port();
    if (ec) return fail(fmt::format("cannot accept on the socket that was handed over: {}", ec.message()));
    door->acceptor.emplace<tcp::acceptor>(std::move(acceptor));
  } else {
    const auto address = asio::ip::make_address(spec.address, ec);
    if (ec) return fail(fmt::format("'{}' is not an IP address", spec.address));
    tcp::acceptor acceptor(first.ctx);
    const tcp::endpoint end(address, spec.port);
    acceptor.open(end.protocol(), ec);
    if (!ec) acceptor.set_option(asio::socket_base::reuse_address(true), ec);
    if (!ec) acceptor.bind(end, ec);
    if (!ec) acceptor.listen(asio::socket_base::max_listen_connections, ec);
    if (ec) return fail(fmt::format("cannot listen on {}:{}: {}", spec.address, spec.port, ec.message()));
    door->port = acceptor.local_endpoint().port();
    door->acceptor.emplace<tcp::acceptor>(std::move(acceptor));
  }
  std::lock_guard lock(me.mutex);
  if (me.stopped) return fail(std::string("the server is shutting down"));
  door->id = me.next_id++;
  me.doors.emplace(door->id, door);
  if (spec.unix_path.empty())
    asio::co_spawn(first.ctx, me.accept<tcp::acceptor, tcp::socket>(door), asio::detached);
  else
    asio::co_spawn(first.ctx, me.accept<stream_protocol::acceptor, stream_protocol::socket>(door), asio::detached);
  return Listening{door->id, door->port};
}

void Server::close(int id) {
  auto& me = *impl_;
  std::shared_ptr<Door> door;
  {
    std::lock_guard lock(me.mutex);
    const auto found = me.doors.find(id);
    if (found == me.doors.end()) return;
    door = found->second;
    me.doors.erase(found);
  }
  on_loop(*me.loops.front(), [&] {
    error_code ignored;
    if (auto* t = std::get_if<tcp::acceptor>(&door->acceptor)) t->close(ignored);
    if (auto* u = std::get_if<stream_protocol::acceptor>(&door->acceptor)) {
      u->close(ignored);
      std::error_code gone;
      std::filesystem::remove(door->spec.unix_path, gone);
    }
  });
}

bool Server::drain(std::chrono::milliseconds patience) {
  auto& me = *impl_;
  std::vector<int> ids;
  {
    std::lock_guard lock(me.mutex);
    if (me.stopped) return true;
    me.stopped = true;
    for (const auto& [id, door] : me.doors) ids.push_back(id);
  }
  me.core.draining = true;
  for (const int id : ids) close(id);
  const auto until = std::chrono::steady_clock::now() + patience;
  std::size_t left = 0;
  for (;;) {  // a connection may turn idle at any time
    for (auto& loop : me.loops) on_loop(*loop, [&] { loop->each([](Connection& c) { c.close_if_idle(); }); });
    left = me.total_alive();
    if (left == 0 || std::chrono::steady_clock::now() >= until) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const bool clean = left == 0;
  if (!clean) spdlog::warn("drain cut connections={}", left);
  for (auto& loop : me.loops) on_loop(*loop, [&] { loop->each([](Connection& c) { c.abort(); }); });
  me.core.workers.stop();  // handlers end; their continuations find closed sockets
  while (me.total_alive() > 0) {
    for (auto& loop : me.loops) on_loop(*loop, [&] { loop->each([](Connection& c) { c.abort(); }); });
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  for (auto& loop : me.loops) {
    loop->work.reset();
    loop->ctx.stop();
    loop->thread.join();
  }
  return clean;
}

}  // namespace tarn::gateway
