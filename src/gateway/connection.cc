#include "gateway/connection.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/beast/http/error.hpp>
#include <random>

#include "base/log.h"

namespace tarn::gateway {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using api::WireError;

namespace {

constexpr std::size_t kFirstBuffer = 8u << 10, kBodyBuffer = 128u << 10;
constexpr std::uint64_t kDrainable = 64u << 10;  // a refused request's body that is read away to keep the connection

/// Unique enough for a log line, cheap enough for every request; not a secret.
std::string new_request_id() {
  thread_local std::mt19937_64 engine{(std::uint64_t{std::random_device{}()} << 32) ^ std::random_device{}()};
  const std::uint64_t a = engine(), b = engine();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", a >> 32, (a >> 16) & 0xffff, a & 0xfff, 0x8000 | ((b >> 48) & 0x3fff),
                     b & 0xffffffffffff);
}

bool is_request_id(std::string_view s) {
  return !s.empty() && s.size() <= 128 &&
         std::all_of(s.begin(), s.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; });
}

WireError parse_error(const error_code& ec) {
  if (ec == http::error::header_limit)
    return {431, "REQUEST_HEADER_FIELDS_TOO_LARGE", "The request's line and headers are larger than this server accepts."};
  if (ec == http::error::bad_version) return {505, "HTTP_VERSION_NOT_SUPPORTED", "Only HTTP/1.0 and HTTP/1.1 are spoken here."};
  return {400, "MALFORMED_REQUEST", fmt::format("The request is not valid HTTP/1.1: {}.", ec.message())};
}

WireError too_large(std::uint64_t limit) {
  return {413, "REQUEST_ENTITY_TOO_LARGE", fmt::format("The request body is larger than the {} bytes that this endpoint accepts.", limit)};
}

WireError too_slow(std::string_view what) { return {408, "REQUEST_TIMEOUT", fmt::format("The {} did not arrive in time.", what)}; }

class FileHandle {
 public:
  explicit FileHandle(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~FileHandle() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileHandle(const FileHandle&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

bool is_owner(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == 0 || peer.uid == ::geteuid());
}

Connection::Connection(Core& core, const Dispatcher& dispatcher, const ListenSpec& spec, std::unique_ptr<Transport> transport)
    : core_(core), dispatcher_(&dispatcher), spec_(spec), transport_(std::move(transport)), peer_(transport_->peer()), in_(kFirstBuffer) {
  core_.metrics.connections(1);
}

Connection::~Connection() { core_.metrics.connections(-1); }

void Connection::check(Clock::time_point now) {
  if (now < deadline_) return;
  deadline_ = Clock::time_point::max();
  if (phase_ == Phase::handling) {
    if (handling_ && handling_->abandon) handling_->abandon();
    return;
  }
  timed_out_ = true;
  if (phase_ == Phase::tunnel || phase_ == Phase::handshake || phase_ == Phase::lingering || phase_ == Phase::writing)
    kill();
  else
    transport_->cancel();
}

void Connection::close_if_idle() {
  if (phase_ == Phase::idle || phase_ == Phase::tunnel) kill();
}

void Connection::kill() {
  error_code ignored;
  if (near_) near_->close(ignored);
  if (far_) far_->close(ignored);
  transport_->close();
}

void Connection::abort() {
  kill();
  stop_.emit(asio::cancellation_type::terminal);
}

asio::awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  try {
    if (spec_.protocol == Protocol::https && !co_await secure({})) co_return;
    if (spec_.protocol == Protocol::proxy && co_await socks() == Next::stop) {
      kill();
      co_return;
    }
    for (;;) {
      auto x = std::make_shared<Exchange>();
      RequestReader reader(x->request, x->body, core_.limits.header_bytes);
      Next next = co_await read_head(*x, reader);
      if (next == Next::proceed && reader.is_connect) next = co_await connect(reader);
      if (next == Next::proceed && reader.absolute_form && spec_.protocol == Protocol::proxy) next = co_await forward(x, reader);
      if (next == Next::again) continue;
      if (next == Next::stop) break;
      co_await respond(x, reader);
      if (!keep_alive_) break;
    }
    if (phase_ != Phase::tunnel) co_await linger(input_left_);
  } catch (const std::exception& e) {
    if (!core_.draining) spdlog::error("connection failed peer={} cause=\"{}\"", peer_, e.what());
  }
  kill();
}

asio::awaitable<bool> Connection::secure(std::string early) {
  auto socket = transport_->release();
  if (!socket || !core_.tls) co_return false;
  auto tls = tls_transport(std::move(*socket), *core_.tls);
  auto* handshaking = tls.get();
  transport_ = std::move(tls);
  phase_ = Phase::handshake;
  arm(core_.limits.handshake);
  error_code ec;
  co_await handshaking->handshake(std::move(early), ec);
  over_tls_ = !ec;
  co_return over_tls_;
}

/// Reads what is there, after making room for `want` bytes. False: the stream ended, failed, or the clock ran out.
asio::awaitable<bool> Connection::fill(std::size_t want) {
  if (begin_ == end_) begin_ = end_ = 0;
  if (begin_ > 0 && (in_.size() - end_ < want)) {
    std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (in_.size() - end_ < want) in_.resize(std::max(in_.size() * 2, end_ + want));
  error_code ec;
  const auto n = co_await transport_->read_some(asio::buffer(in_.data() + end_, in_.size() - end_), ec);
  end_ += n;
  bytes_in_ += n;
  co_return !ec && n > 0;
}

asio::awaitable<Connection::Next> Connection::read_head(Exchange& x, RequestReader& reader) {
  bytes_in_ = bytes_out_ = 0;
  request_id_.clear();
  keep_alive_ = false;
  fixed_ = spec_.fixed;
  if (in_.size() > kFirstBuffer && begin_ == end_) {
    begin_ = end_ = 0;
    std::vector<char>(kFirstBuffer).swap(in_);  // a large body's buffer is not kept by an idle connection
  }
  if (unread().empty()) {
    phase_ = Phase::idle;
    if (core_.draining) co_return Next::stop;
    arm(core_.limits.idle);
    if (!co_await fill(1)) co_return Next::stop;
  }
  phase_ = Phase::head;
  arm(core_.limits.header);
  for (;;) {
    error_code ec;
    begin_ += reader.put(asio::const_buffer(in_.data() + begin_, end_ - begin_), ec);
    if (reader.is_header_done()) break;
    if (ec == http::error::need_more) {
      ec = {};
      transport_->acknowledge();
      if (co_await fill(2048)) continue;
      if (timed_out_) {
        const WireError error = too_slow("request's head");
        co_await refuse(error);
      }
      co_return Next::stop;
    }
    input_left_ = true;
    const WireError error = parse_error(ec);
    co_await refuse(error);
    co_return Next::stop;
  }
  note_request_id(x);
  x.request.secure = over_tls_;
  if (!reader.problem.empty()) {
    input_left_ = true;
    const WireError error = api::malformed(reader.problem);
    co_await refuse(error);
    co_return Next::stop;
  }
  co_return Next::proceed;
}

void Connection::note_request_id(Exchange& x) {
  auto& r = x.request;
  const auto sent = r.headers.find("x-request-id");
  request_id_ = sent != r.headers.end() && is_request_id(sent->second) ? sent->second : new_request_id();
  r.context.request_id = request_id_;
  r.context.source_ip = peer_;
  if (const auto agent = r.headers.find("user-agent"); agent != r.headers.end()) r.context.user_agent = agent->second;
}

/// False: a refusal was written and the connection ends.
asio::awaitable<bool> Connection::read_body(std::shared_ptr<Exchange> x, RequestReader& reader) {
  const auto length = reader.content_length();
  const bool unwanted = x->refusal.has_value();
  if (unwanted) x->body_limit = kDrainable;
  if (unwanted && (reader.expects_continue || reader.chunked() || (length && *length > kDrainable))) {
    input_left_ = true;  // answered without reading it
    co_return true;
  }
  if (length && *length > x->body_limit) {
    input_left_ = true;
    const WireError error = too_large(x->body_limit);
    co_await refuse(error);
    co_return false;
  }
  x->body.expect(x->body_limit, core_.limits.spool_above, x->spool && !unwanted ? core_.spool_dir : std::string());
  if (!unwanted && x->spool && (reader.chunked() || *length > core_.limits.spool_above)) {
    phase_ = Phase::handling;
    handling_ = x;
    arm(core_.limits.request);
    const bool done = co_await dispatcher_->precheck(x);
    handling_ = nullptr;
    if (!done || x->refusal) {
      input_left_ = true;
      if (done) co_return true;
      const WireError error{504, "DEADLINE_EXCEEDED", "The request was not admitted in time."};
      co_await refuse(error);
      co_return false;
    }
  }
  phase_ = Phase::body;
  if (reader.expects_continue && !co_await write_all("HTTP/1.1 100 Continue\r\n\r\n", {})) co_return false;
  phase_ = Phase::body;
  reader.eager(true);
  const auto started = Clock::now();
  while (!reader.is_done()) {
    error_code ec;
    begin_ += reader.put(asio::const_buffer(in_.data() + begin_, end_ - begin_), ec);
    if (reader.is_done()) break;
    if (ec && ec != http::error::need_more) {
      input_left_ = true;
      const WireError error = reader.body_error == Body::Error::disk
                                  ? WireError{503, "TEMPORARILY_UNAVAILABLE", "The server has no room to receive the upload."}
                              : reader.body_error == Body::Error::too_large ? too_large(x->body_limit)
                                                                            : parse_error(ec);
      co_await refuse(error);
      co_return false;
    }
    deadline_ = started + core_.limits.body_grace + std::chrono::milliseconds(x->body.size() * 1000 / core_.limits.body_rate);
    transport_->acknowledge();
    const auto left = reader.content_length_remaining().value_or(kBodyBuffer);
    if (co_await fill(static_cast<std::size_t>(std::clamp<std::uint64_t>(left, 2048, kBodyBuffer)))) continue;
    if (timed_out_) {
      const WireError error = too_slow("request's body");
      co_await refuse(error);
    }
    co_return false;
  }
  x->request.body = std::move(x->body.memory());
  x->request.body_file = x->body.file();
  co_return true;
}

asio::awaitable<void> Connection::respond(std::shared_ptr<Exchange> x, RequestReader& reader) {
  const auto started = Clock::now();
  auto& r = x->request;
  dispatcher_->plan(*x, fixed_, reader.method, reader.method_text);
  if (const auto coding = r.headers.find("transfer-encoding"); coding != r.headers.end() && !boost::beast::iequals(coding->second, "chunked")) {
    input_left_ = true;
    const WireError error{501, "MALFORMED_REQUEST", "Only the transfer coding 'chunked' is understood, got '" + coding->second + "'"};
    co_await refuse(error);
    co_return;
  }
  core_.metrics.in_flight(1);
  struct Landing {
    Metrics& m;
    ~Landing() { m.in_flight(-1); }
  } landing{core_.metrics};
  if (!reader.is_done() && !co_await read_body(x, reader)) co_return;
  keep_alive_ = reader.keep_alive() && !input_left_;
  r.deadline = Clock::now() + core_.limits.request;
  bool done = true;
  if (x->refusal) {
    x->reply = *std::move(x->refusal);
  } else if (!dispatcher_->answer_inline(*x)) {
    phase_ = Phase::handling;
    handling_ = x;
    arm(core_.limits.request);
    done = co_await dispatcher_->answer(x);
    handling_ = nullptr;
  }
  if (core_.draining) keep_alive_ = false;
  Trim trim{.request_id = request_id_, .keep_alive = keep_alive_, .head = reader.method == api::Method::HEAD};
  api::Reply late;
  if (!done) late = to_reply({504, "DEADLINE_EXCEEDED", "The request took longer than this server waits. It may still have taken effect."});
  if (done && x->site == Site::workspace) trim.org_id = x->workspace_id;
  const api::Reply& reply = done ? x->reply : late;
  if (!co_await write_reply(reply, trim)) keep_alive_ = false;
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - started);
  core_.metrics.count(x->group, reply.status, took);
  core_.log.add({.at = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count(),
                 .request_id = request_id_,
                 .source_ip = peer_,
                 .method = reader.method_text,
                 .host = r.host,
                 .path = r.path,
                 .group = x->route ? std::string_view(x->route->pattern) : std::string_view(),
                 .principal = done ? std::string_view(r.context.caller.name) : std::string_view(),
                 .user_agent = r.headers.contains("user-agent") ? std::string_view(r.headers.find("user-agent")->second) : std::string_view(),
                 .status = reply.status,
                 .bytes_in = bytes_in_,
                 .bytes_out = bytes_out_,
                 .micros = took.count()});
}

asio::awaitable<bool> Connection::write_all(std::string_view head, std::string_view body) {
  phase_ = Phase::writing;
  while (!head.empty() || !body.empty()) {
    arm(core_.limits.write);
    error_code ec;
    std::array<asio::const_buffer, 2> parts{asio::const_buffer(head.data(), head.size()), asio::const_buffer(body.data(), body.size())};
    auto n = co_await transport_->write_some(parts, ec);
    bytes_out_ += n;
    if (ec) co_return false;
    const auto from_head = std::min(n, head.size());
    head.remove_prefix(from_head);
    body.remove_prefix(n - from_head);
  }
  co_return true;
}

asio::awaitable<bool> Connection::write_reply(const api::Reply& reply, const Trim& trim) {
  constexpr std::size_t kJoin = 16u << 10;  // smaller bodies travel in one buffer with their head
  out_.clear();
  std::optional<FileHandle> file;
  if (reply.file && !trim.head) {
    file.emplace(reply.file->path);
    if (file->get() < 0) {
      spdlog::error("reply file cannot be opened request_id={} path={} errno={}", request_id_, reply.file->path, errno);
      const auto broken = to_reply(
          {500, "INTERNAL_ERROR", fmt::format("An internal error happened; the server's log names its cause under request id {}.", request_id_)});
      append_head(out_, broken, trim);
      out_ += broken.body;
      co_return co_await write_all(out_, {});
    }
  }
  append_head(out_, reply, trim);
  const bool bodiless = trim.head || reply.status == 204 || reply.status == 304;
  std::string_view body = bodiless || reply.file ? std::string_view() : std::string_view(reply.body);
  if (body.size() <= kJoin) out_ += body, body = {};
  if (!co_await write_all(out_, body)) co_return false;
  if (out_.capacity() > 2 * kJoin) std::string().swap(out_);
  if (!file || bodiless) co_return true;
  std::uint64_t at = reply.file->offset, left = reply.file->length;
  while (left > 0) {
    arm(core_.limits.write);
    error_code ec;
    const auto n = co_await transport_->send_some(file->get(), at, static_cast<std::size_t>(std::min<std::uint64_t>(left, 1u << 20)), ec);
    if (ec || n == 0) co_return false;  // a file that shrank: the client sees a short body, not a wrong one
    at += n;
    left -= n;
    bytes_out_ += n;
  }
  co_return true;
}

/// Answers what never became an exchange; the connection ends after it.
asio::awaitable<bool> Connection::refuse(const WireError& error) {
  keep_alive_ = false;
  timed_out_ = false;
  if (request_id_.empty()) request_id_ = new_request_id();
  core_.metrics.count(core_.metrics.group("refused"), error.status, std::chrono::microseconds(0));
  core_.log.add({.at = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count(),
                 .request_id = request_id_,
                 .source_ip = peer_,
                 .group = "refused",
                 .status = error.status,
                 .bytes_in = bytes_in_});
  const api::Reply reply = to_reply(error);
  const Trim trim{.request_id = request_id_, .keep_alive = false};
  co_return co_await write_reply(reply, trim);
}

/// Says goodbye. With unread input, closing at once would reset the connection and take the reply with it: read it away for a while.
asio::awaitable<void> Connection::linger(bool unread) {
  phase_ = Phase::lingering;
  arm(core_.limits.linger);
  error_code ec;
  co_await transport_->finish_writing(ec);
  std::uint64_t most = 16u << 20;
  std::array<char, 8192> waste;
  while (unread && !ec && most > 0) {
    const auto n = co_await transport_->read_some(asio::buffer(waste), ec);
    most -= std::min<std::uint64_t>(most, n);
    if (n == 0) break;
  }
}

}  // namespace tarn::gateway
