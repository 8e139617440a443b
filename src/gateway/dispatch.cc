#include "gateway/dispatch.h"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.h"
#include "gateway/wire.h"

namespace tarn::gateway {

namespace asio = boost::asio;
using api::WireError;

namespace {

constexpr std::size_t kMostWarm = 10'000;

WireError unknown_host(const std::string& host) {
  return {404, "RESOURCE_DOES_NOT_EXIST",
          fmt::format("Nothing answers at host '{}'. The account is at accounts.DOMAIN, a workspace at DEPLOYMENT.DOMAIN; `tarn status` lists them.",
                      host)};
}

WireError overloaded() {
  WireError e{503, "TEMPORARILY_UNAVAILABLE", "The server is handling as many requests as it can. Retry in a second."};
  e.headers.emplace_back("retry-after", "1");
  return e;
}

WireError endpoint_not_found(std::string_view method, const std::string& path) {
  return {404, "ENDPOINT_NOT_FOUND", fmt::format("No API found for '{} {}'", method, path)};
}

}  // namespace

WireError hidden(const api::Request& request, std::exception_ptr thrown) {
  const auto& id = request.context.request_id;
  try {
    std::rethrow_exception(std::move(thrown));
  } catch (const store::StoreUnavailable& e) {
    spdlog::error("store unavailable request_id={} path={} cause=\"{}\"", id, request.path, e.what());
    WireError error{503, "TEMPORARILY_UNAVAILABLE", "The metadata store does not answer now. Retry shortly."};
    error.headers.emplace_back("retry-after", "2");
    return error;
  } catch (const std::exception& e) {
    spdlog::error("handler failed request_id={} path={} cause=\"{}\"", id, request.path, e.what());
  } catch (...) {
    spdlog::error("handler failed request_id={} path={} cause=\"not a std::exception\"", id, request.path);
  }
  return {500, "INTERNAL_ERROR", fmt::format("An internal error happened; the server's log names its cause under request id {}.", id)};
}

Dispatcher::Dispatcher(Services services, Hosts hosts, const Limits& limits, Workers& workers, Metrics& metrics)
    : services_(std::move(services)), hosts_(std::move(hosts)), limits_(limits), workers_(workers), metrics_(metrics) {
  for (const auto& route : services_.router.routes()) groups_.emplace(route.get(), metrics_.group(route->group));
  unknown_group_ = metrics_.group("unknown");
  storage_group_ = metrics_.group("storage");
  admin_group_ = metrics_.group("admin");
}

Metrics::Group* Dispatcher::group_of(const api::Route* route) const {
  const auto found = groups_.find(route);
  return found == groups_.end() ? unknown_group_ : found->second;
}

void Dispatcher::plan(Exchange& x, const Fixed& fixed, std::optional<api::Method> method, std::string_view method_text) const {
  auto& r = x.request;
  x.group = unknown_group_;
  x.body_limit = limits_.body_bytes;
  r.account_id = services_.account_id;
  x.site = fixed.site;
  x.workspace_id = fixed.workspace_id;
  if (x.site == Site::unknown) {
    auto match = hosts_.match(r.host);
    x.site = match.site;
    x.deployment = std::move(match.deployment);
  }
  if (x.site != Site::storage && r.path == "/healthz" && method && (*method == api::Method::GET || *method == api::Method::HEAD)) {
    x.group = admin_group_;
    x.refusal = api::Reply{.body = R"({"status":"ok"})"};
    return;
  }
  switch (x.site) {
    case Site::unknown:
      x.refusal = to_reply(unknown_host(r.host));
      return;
    case Site::admin:
      x.group = admin_group_;
      if (r.path == "/metrics" && method == api::Method::GET)
        x.refusal = api::Reply{.body = metrics_.text(), .content_type = "text/plain; version=0.0.4; charset=utf-8"};
      else
        x.refusal = to_reply(endpoint_not_found(method_text, r.path));
      return;
    case Site::storage:
      x.group = storage_group_;
      x.body_limit = limits_.upload_bytes;
      x.spool = true;
      if (!services_.storage.handle) x.refusal = to_reply(api::not_enabled("The S3 endpoint"));
      if (!method) x.refusal = to_reply({405, "METHOD_NOT_ALLOWED", fmt::format("Method '{}' is not allowed", method_text)});
      return;
    case Site::account:
      r.surface = api::Surface::account;
      break;
    case Site::workspace:
      r.surface = api::Surface::workspace;
      break;
  }
  if (!method) {
    x.refusal = to_reply({405, "METHOD_NOT_ALLOWED", fmt::format("Method '{}' is not allowed for '{}'", method_text, r.path)});
    return;
  }
  auto match = services_.router.match(*method, r.surface, r.path);
  if (!match.route && *method == api::Method::HEAD) {
    match = services_.router.match(api::Method::GET, r.surface, r.path);
    x.head_only = match.route != nullptr;
    if (x.head_only) r.method = api::Method::GET;
  }
  if (!match.route) {
    if (!match.path_known) {
      x.refusal = to_reply(endpoint_not_found(method_text, r.path));
      return;
    }
    WireError e{405, "METHOD_NOT_ALLOWED", fmt::format("Method '{}' is not allowed for '{}'", method_text, r.path)};
    std::string allowed;
    for (const auto other : {api::Method::GET, api::Method::POST, api::Method::PUT, api::Method::PATCH, api::Method::DELETE})
      if (services_.router.match(other, r.surface, r.path).route) allowed += (allowed.empty() ? "" : ", ") + std::string(json::name_of(other));
    e.headers.emplace_back("allow", allowed);
    x.refusal = to_reply(e);
    return;
  }
  x.route = match.route;
  x.group = group_of(match.route);
  r.captures = std::move(match.captures);
  if (x.route->spooled) {
    x.spool = true;
    x.body_limit = limits_.upload_bytes;
  }
}

std::optional<WireError> Dispatcher::admit(Exchange& x) const {
  auto& r = x.request;
  if (x.site == Site::workspace) {
    const auto workspace = x.workspace_id ? services_.workspaces.by_id(x.workspace_id) : services_.workspaces.by_deployment(x.deployment);
    if (!workspace) return unknown_host(r.host);
    x.workspace_id = workspace->id;
    r.context.workspace_id = workspace->id;
    if (!workspace->running) {
      WireError e{503, "TEMPORARILY_UNAVAILABLE", fmt::format("Workspace '{}' is not running.", workspace->name)};
      e.headers.emplace_back("retry-after", "2");
      return e;
    }
  }
  if (services_.blocked)
    if (auto blocked = services_.blocked(r.context.workspace_id, r.context.source_ip)) return blocked;
  if (x.route->auth == api::Auth::open) return std::nullopt;
  std::optional<access::Caller> caller;
  std::string_view credential = r.headers.contains("authorization") ? std::string_view(r.headers.find("authorization")->second) : std::string_view();
  constexpr std::string_view kScheme = "bearer ";
  const bool bearer = credential.size() > kScheme.size() &&
                      std::equal(kScheme.begin(), kScheme.end(), credential.begin(), [](char a, unsigned char b) { return a == std::tolower(b); });
  if (bearer) {
    credential.remove_prefix(kScheme.size());
    while (credential.starts_with(' ')) credential.remove_prefix(1);
    auto known = services_.directory.authenticate(credential, r.context.workspace_id);
    if (!known) return known.error().known_but_not_here ? api::forbidden(known.error().message) : api::unauthenticated(known.error().message);
    caller = *std::move(known);
  }
  if (auto denied = api::authorise(x.route->auth, caller)) {
    if (caller) r.context.caller = *std::move(caller);  // the audit names who was refused
    return denied;
  }
  r.context.caller = *std::move(caller);
  return services_.unentitled ? services_.unentitled(*x.route, r.context.caller) : std::nullopt;
}

void Dispatcher::refuse(Exchange& x, const WireError& error) const {
  if ((error.status == 401 || error.status == 403) && services_.refused) services_.refused(x.request, *x.route, error);
  x.reply = to_reply(error);
}

void Dispatcher::take(Exchange& x, api::Result result) const {
  if (result)
    x.reply = *std::move(result);
  else
    x.reply = to_reply(result.error());
}

void Dispatcher::run(Exchange& x) const {
  try {
    if (x.site == Site::storage) {
      x.request.query = api::parse_query(x.request.raw_query);
      x.reply = services_.storage.handle(x.request);
      return;
    }
    if (!enter(x)) return;
    take(x, std::get<api::Handler>(x.route->handler)(x.request));
  } catch (...) {
    x.reply = to_reply(hidden(x.request, std::current_exception()));
  }
}

bool Dispatcher::enter(Exchange& x) const {
  if (x.admitted) return true;
  x.request.query = api::parse_query(x.request.raw_query);
  if (const auto error = admit(x)) {
    refuse(x, *error);
    return false;
  }
  return x.admitted = true;
}

std::size_t Dispatcher::door_of(const Exchange& x) const {
  const auto credential = x.request.headers.find("authorization");
  std::size_t door = std::hash<std::string>()(credential == x.request.headers.end() ? "" : credential->second);
  for (const auto more : {std::hash<std::string>()(x.deployment), std::hash<std::int64_t>()(x.workspace_id), static_cast<std::size_t>(x.site)})
    door = door * 1'000'003 + more;
  return door;
}

bool Dispatcher::enter_at_once(Exchange& x, std::size_t door) const {
  if (x.admitted) return true;
  const auto now = services_.generation ? services_.generation() : std::nullopt;
  if (!now) return false;
  {
    std::lock_guard lock(warm_mutex_);
    if (warm_at_ != *now || !warm_.contains(door)) return false;
  }
  try {
    x.request.query = api::parse_query(x.request.raw_query);
    return x.admitted = !admit(x);  // a refusal is said, and audited, by the worker
  } catch (...) {
    return false;
  }
}

void Dispatcher::remember(std::size_t door, std::optional<std::int64_t> before, bool in) const {
  std::lock_guard lock(warm_mutex_);
  if (before && *before > warm_at_) warm_.clear(), warm_at_ = *before;
  if (before != warm_at_) return;
  if (!in)
    warm_.erase(door);
  else if (warm_.size() < kMostWarm)
    warm_.insert(door);
}

bool Dispatcher::answer_inline(Exchange& x) const {
  if (!x.route || !x.route->inline_ok || !std::holds_alternative<api::Handler>(x.route->handler)) return false;
  run(x);
  return true;
}

asio::awaitable<bool> Dispatcher::on_worker(std::shared_ptr<Exchange> x, std::function<void()> job) const {
  // Whoever comes first, the worker or the connection's clock, takes the continuation; both act on the I/O thread, so a plain flag decides.
  return asio::async_initiate<const asio::use_awaitable_t<>&, void(bool)>(
      [this, x = std::move(x), job = std::move(job)](auto handler) mutable {
        const auto executor = asio::get_associated_executor(handler);
        auto held = std::make_shared<std::optional<decltype(handler)>>(std::move(handler));
        auto resume = [held, weak = std::weak_ptr<Exchange>(x)](bool done) {
          if (!*held) return;
          auto h = std::move(**held);
          held->reset();
          if (const auto exchange = weak.lock()) exchange->abandon = nullptr;
          std::move(h)(done);
        };
        x->abandon = [executor, resume] { asio::post(executor, [resume] { resume(false); }); };
        const bool taken = workers_.submit([executor, resume, job = std::move(job)] {
          job();
          asio::post(executor, [resume] { resume(true); });
        });
        if (taken) return;
        metrics_.queue_refused();
        x->reply = to_reply(overloaded());
        x->refusal = x->reply;
        asio::post(executor, [resume] { resume(true); });
      },
      asio::use_awaitable);
}

asio::awaitable<bool> Dispatcher::precheck(std::shared_ptr<Exchange> x) const {
  const bool ask_storage = x->site == Site::storage && services_.storage.admit;
  if (!ask_storage && x->site == Site::storage) co_return true;
  std::function<void()> job = [this, x, ask_storage] {
    try {
      if (ask_storage) {
        x->request.query = api::parse_query(x->request.raw_query);
        x->refusal = services_.storage.admit(x->request);
      } else if (!enter(*x)) {
        x->refusal = std::move(x->reply);
      }
    } catch (...) {
      x->refusal = to_reply(hidden(x->request, std::current_exception()));
    }
  };
  co_return co_await on_worker(x, std::move(job));
}

asio::awaitable<bool> Dispatcher::answer(std::shared_ptr<Exchange> x) const {
  if (!x->route || std::holds_alternative<api::Handler>(x->route->handler)) {
    std::function<void()> job = [this, x] { run(*x); };
    co_return co_await on_worker(x, std::move(job));
  }
  if (const auto door = door_of(*x); !enter_at_once(*x, door)) {
    std::function<void()> job = [this, x, door] {
      const auto before = services_.generation ? services_.generation() : std::nullopt;
      try {
        remember(door, before, enter(*x));
      } catch (...) {
        x->reply = to_reply(hidden(x->request, std::current_exception()));
      }
    };
    const bool done = co_await on_worker(x, std::move(job));
    if (!done || !x->admitted) co_return done;
  }
  std::exception_ptr thrown;
  try {
    const auto& handler = std::get<api::AsyncHandler>(x->route->handler);
    api::Result result = co_await handler(x->request);
    take(*x, std::move(result));
  } catch (...) {
    thrown = std::current_exception();
  }
  if (thrown) x->reply = to_reply(hidden(x->request, thrown));
  co_return true;
}

}  // namespace tarn::gateway
