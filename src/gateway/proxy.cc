// The rehearsal proxy's part of a connection: CONNECT and absolute-form requests (RFC 9110 9.3.6, RFC 9112 3.2.2), and SOCKS 5 (RFC 1928) for
// programs that know no proxy but whose runtime does. What names the platform (its own domain, the vendor's hosts, S3 and STS, this server's
// loopback ports) is answered here; listed hosts are passed on; nothing else leaves the machine.
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/log.h"
#include "gateway/connection.h"

namespace tarn::gateway {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr unsigned char kTlsHandshake = 0x16;
constexpr std::string_view kEstablished = "HTTP/1.1 200 Connection Established\r\n\r\n";

// SOCKS 5: what we say. Replies name no address of ours: nobody uses it.
constexpr unsigned char kSocks = 0x05;
constexpr std::string_view kSocksNoSecret("\x05\x00", 2);
enum class SocksReply : char { granted = 0, not_allowed = 2, unreachable = 4, no_such_command = 7, no_such_address = 8 };
std::string socks_reply(SocksReply r) { return std::string("\x05", 1) + static_cast<char>(r) + std::string("\0\1\0\0\0\0\0\0", 8); }

bool is_loopback(std::string_view host) { return host == "localhost" || host == "127.0.0.1" || host == "::1"; }

}  // namespace

bool Connection::proxy_allows(const std::string& host) const {
  std::lock_guard lock(core_.allowed_mutex);
  for (const auto& listed : core_.allowed_hosts)
    if (host == listed || (listed.starts_with("*.") && host.size() > listed.size() - 1 && host.ends_with(std::string_view(listed).substr(1))))
      return true;
  return false;
}

asio::awaitable<bool> Connection::proxy_refuses(std::string_view host) {
  keep_alive_ = false;
  api::Reply reply;
  reply.status = 403;
  reply.content_type = "text/plain; charset=utf-8";
  reply.body = fmt::format(
      "The rehearsal proxy does not let {0} out: it answers for the platform only, so that a rehearsal touches nothing else. "
      "If {0} may be reached, say so: `tarn rehearse --allow {0} …`.\n",
      host);
  spdlog::info("proxy refused host={} request_id={}", host, request_id_);
  core_.metrics.count(core_.metrics.group("proxy"), 403, std::chrono::microseconds(0));
  const Trim trim{.request_id = request_id_, .keep_alive = false};
  co_return co_await write_reply(reply, trim);
}

asio::awaitable<Connection::Next> Connection::connect(RequestReader& reader) {
  if (spec_.protocol != Protocol::proxy) {
    const api::WireError error{405, "METHOD_NOT_ALLOWED", "CONNECT is understood by the proxy port only; `tarn status` names it."};
    co_await refuse(error);
    co_return Next::stop;
  }
  const std::string host = bare_host(reader.authority);
  const int port = port_of(reader.authority, 443);
  if (host.empty() || port < 0) {
    const api::WireError error = api::malformed("CONNECT needs HOST:PORT, got '" + reader.authority + "'");
    co_await refuse(error);
    co_return Next::stop;
  }
  if (may_enter(host, port)) co_return co_await enter(host, port, kEstablished);
  if (!proxy_allows(host)) {
    co_await proxy_refuses(host);
    co_return Next::stop;
  }
  co_await tunnel(host, port, {}, kEstablished);
  co_return Next::stop;
}

bool Connection::may_enter(const std::string& host, int port) const { return core_.hosts.ours(host) || (is_loopback(host) && core_.own_port(port)); }

/// The connection goes on as an ordinary one to us, with TLS where the client begins it.
asio::awaitable<Connection::Next> Connection::enter(const std::string& host, int port, std::string_view established) {
  const auto own = !core_.hosts.ours(host) ? core_.own_port(port) : std::nullopt;
  if (!co_await write_all(established, {})) co_return Next::stop;
  spec_.protocol = Protocol::http;
  if (own) spec_.fixed = own->fixed;
  phase_ = Phase::head;
  arm(core_.limits.header);
  if (unread().empty() && !co_await fill(1)) co_return Next::stop;
  if (static_cast<unsigned char>(unread().front()) == kTlsHandshake) {
    std::string early(unread());
    begin_ = end_ = 0;
    if (!co_await secure(std::move(early))) co_return Next::stop;
  }
  co_return Next::again;
}

asio::awaitable<Connection::Next> Connection::socks() {
  phase_ = Phase::idle;
  arm(core_.limits.idle);
  if (unread().empty() && !co_await fill(1)) co_return Next::stop;
  if (static_cast<unsigned char>(unread().front()) != kSocks) co_return Next::proceed;
  phase_ = Phase::head;
  arm(core_.limits.header);
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(unread()[i]); };
  const auto need = [&](std::size_t n) -> asio::awaitable<bool> {
    while (unread().size() < n)
      if (!co_await fill(n - unread().size())) co_return false;
    co_return true;
  };
  // The methods that the client offers: no secret is asked for, as with CONNECT.
  if (!co_await need(2)) co_return Next::stop;
  if (!co_await need(2u + at(1))) co_return Next::stop;
  begin_ += 2u + at(1);
  if (!co_await write_all(kSocksNoSecret, {})) co_return Next::stop;
  phase_ = Phase::head;
  if (!co_await need(5)) co_return Next::stop;
  const auto command = at(1), kind = at(3);
  std::size_t length = kind == 1 ? 4 : kind == 3 ? 1u + at(4) : 0;
  if (command != 1 || length == 0) {
    const auto reply = socks_reply(command != 1 ? SocksReply::no_such_command : SocksReply::no_such_address);
    (void)co_await write_all(reply, {});
    co_return Next::stop;
  }
  if (!co_await need(4 + length + 2)) co_return Next::stop;
  const std::string address(unread().substr(4, length));
  const int port = at(4 + length) << 8 | at(5 + length);
  begin_ += 4 + length + 2;
  std::string host;
  if (kind == 3) {
    host = bare_host(address.substr(1));
  } else {
    std::array<unsigned char, 4> four{};
    for (std::size_t i = 0; i < 4; ++i) four[i] = static_cast<unsigned char>(address[i]);
    host = core_.host_behind(asio::ip::address_v4(four).to_string());
  }
  const auto granted = socks_reply(SocksReply::granted);
  if (may_enter(host, port)) co_return co_await enter(host, port, granted);
  if (host.empty() || !proxy_allows(host)) {
    spdlog::info("proxy refused host={} by socks", host);
    core_.metrics.count(core_.metrics.group("proxy"), 403, std::chrono::microseconds(0));
    const auto reply = socks_reply(SocksReply::not_allowed);
    (void)co_await write_all(reply, {});
    co_return Next::stop;
  }
  co_await tunnel(host, port, {}, granted);
  co_return Next::stop;
}

asio::awaitable<Connection::Next> Connection::forward(std::shared_ptr<Exchange> x, RequestReader& reader) {
  const auto& r = x->request;
  if (core_.hosts.ours(r.host)) co_return Next::proceed;
  const int port = port_of(reader.authority, 80);
  if (is_loopback(r.host)) {
    if (const auto own = core_.own_port(port)) {
      fixed_ = own->fixed;  // this request's only: the next one may name another host
      co_return Next::proceed;
    }
  }
  if (!proxy_allows(r.host)) {
    input_left_ = !reader.is_done();
    co_await proxy_refuses(r.host);
    co_return Next::stop;
  }
  x->body_limit = core_.limits.body_bytes;
  if (!reader.is_done() && !co_await read_body(x, reader)) co_return Next::stop;
  std::string head = reader.method_text + " " + r.path + (r.raw_query.empty() ? "" : "?" + r.raw_query) + " HTTP/1.1\r\n";
  for (const auto& [name, value] : r.headers) {
    if (name == "connection" || name == "proxy-connection" || name == "proxy-authorization" || name == "transfer-encoding" ||
        name == "content-length" || name == "expect" || name == "host")
      continue;
    head += name + ": " + value + "\r\n";
  }
  head += "host: " + reader.authority + "\r\nconnection: close\r\n";
  if (!r.body.empty()) head += fmt::format("content-length: {}\r\n", r.body.size());
  head += "\r\n" + r.body;
  co_await tunnel(r.host, port, std::move(head), {});
  co_return Next::stop;
}

asio::awaitable<void> Connection::tunnel(const std::string& host, int port, std::string first, std::string_view established) {
  auto executor = co_await asio::this_coro::executor;
  error_code ec;
  tcp::resolver resolver(executor);
  phase_ = Phase::tunnel;
  arm(core_.limits.handshake);
  far_ = std::make_shared<tcp::socket>(executor);
  const std::string service = std::to_string(port);
  const auto found = co_await resolver.async_resolve(host, service, asio::redirect_error(asio::use_awaitable, ec));
  if (!ec) co_await asio::async_connect(*far_, found, asio::redirect_error(asio::use_awaitable, ec));
  if (ec && !established.empty() && static_cast<unsigned char>(established.front()) == kSocks) {
    const auto reply = socks_reply(SocksReply::unreachable);
    (void)co_await write_all(reply, {});
    co_return;
  }
  if (ec) {
    api::Reply reply;
    reply.status = 502;
    reply.content_type = "text/plain; charset=utf-8";
    reply.body = fmt::format("{}:{} cannot be reached: {}\n", host, port, ec.message());
    const Trim trim{.request_id = request_id_, .keep_alive = false};
    co_await write_reply(reply, trim);
    co_return;
  }
  if (!established.empty() && !co_await write_all(established, {})) co_return;
  phase_ = Phase::tunnel;
  first += unread();
  auto socket = transport_->release();
  near_ = std::shared_ptr<tcp::socket>(std::move(socket));
  co_await asio::async_write(*far_, asio::buffer(first), asio::redirect_error(asio::use_awaitable, ec));
  if (ec) co_return;
  auto near = near_, far = far_;
  auto self = shared_from_this();
  auto both = std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
  auto sent = std::make_shared<bool>(false);
  asio::co_spawn(
      executor,
      [self, near, far, both, sent]() -> asio::awaitable<void> {
        co_await self->pump(near, far);
        *sent = true;
        both->cancel();
      },
      asio::detached);
  co_await pump(far, near);
  if (!*sent) co_await both->async_wait(asio::redirect_error(asio::use_awaitable, ec));  // half-closed: the other direction still flows
}

/// Copies one direction until it ends, then says so to the other side.
asio::awaitable<void> Connection::pump(std::shared_ptr<tcp::socket> from, std::shared_ptr<tcp::socket> to) {
  std::vector<char> buffer(32u << 10);
  error_code ec;
  for (;;) {
    arm(core_.limits.idle);
    const auto n = co_await from->async_read_some(asio::buffer(buffer), asio::redirect_error(asio::use_awaitable, ec));
    if (ec || n == 0) break;
    co_await asio::async_write(*to, asio::buffer(buffer.data(), n), asio::redirect_error(asio::use_awaitable, ec));
    if (ec) break;
  }
  error_code ignored;
  to->shutdown(tcp::socket::shutdown_send, ignored);
}

}  // namespace tarn::gateway
