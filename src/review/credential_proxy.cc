#include "review/credential_proxy.h"

#include <unistd.h>

#include "base/log.h"
#include "review/nobody.h"

namespace tarn::review {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

}  // namespace

std::optional<std::string> refusal_of_read(std::string_view path) {
  // Compared as a server would read it: decoded, without doubled slashes, in lower case.
  const auto decoded = api::percent_decode(path);
  if (!decoded) return "the path cannot be read";
  std::string plain;
  for (const char c : lower(*decoded))
    if (c != '/' || plain.empty() || plain.back() != '/') plain += c;
  if (plain.find("/..") != plain.npos || plain.find("/./") != plain.npos) return "the path has dots";
  // Reads that give out what the principal keeps for others.
  constexpr std::string_view kWithheld[] = {"/secrets/get",    "/fs/files",         "/fs/directories",       "/dbfs/read",
                                            "/sql/statements", "/workspace/export", "/jobs/runs/get-output", "/jobs/runs/export",
                                            "/oidc/",          "/sql/history"};
  for (const auto part : kWithheld)
    if (plain.find(part) != plain.npos && !(part == "/oidc/" && plain.find("/.well-known/") != plain.npos))
      return "it hands out data or secrets, which a plan that nobody approved has no business with";
  return std::nullopt;
}

struct CredentialProxy::Impl {
  Principal& principal;
  Reach reach;
  std::shared_ptr<S3Signer> state;
  Nobody nobody;
  Workspaces workspaces{true};
  api::Router router;
  std::unique_ptr<gateway::Server> server;

  Impl(Principal& p, gateway::Authority& authority, const std::string& domain, Reach r, std::vector<std::string> allow, std::shared_ptr<S3Signer> s)
      : principal(p), reach(r), state(std::move(s)) {
    using api::Auth, api::Method, api::Surface;
    const auto pass = [this](const api::Request& q) { return forward(q); };
    const auto token = [](const api::Request&) -> api::Result {
      return api::ok(json::value(json::object{{"access_token", kNoSecret}, {"token_type", "Bearer"}, {"expires_in", 3600}, {"scope", "all-apis"}}));
    };
    router.add({Method::GET, "/{path*}", Surface::both, Auth::open, "pass", pass});
    router.add({Method::POST, "/oidc/v1/token", Surface::both, Auth::open, "token", token});
    router.add({Method::POST, "/oidc/accounts/{account}/v1/token", Surface::both, Auth::open, "token", token});
    if (reach == Reach::write)
      for (const auto method : {Method::POST, Method::PUT, Method::PATCH, Method::DELETE})
        router.add({method, "/{path*}", Surface::both, Auth::open, "pass", pass});
    gateway::Options options{.io_threads = 1, .workers = 8, .queue = 256, .spool_dir = "", .access_log = "", .allowed_hosts = std::move(allow)};
    options.limits.upload_bytes = options.limits.spool_above = 64u << 20;  // a state stays in memory
    gateway::StorageDoor storage;
    if (state) storage.handle = [this](const api::Request& q) { return state->handle(q); };
    server = std::make_unique<gateway::Server>(
        options,
        gateway::Services{
            .router = router, .directory = nobody, .workspaces = workspaces, .storage = std::move(storage), .account_id = "", .refused = {}},
        gateway::Hosts(domain, state ? state->region() : "none"), &authority);
  }

  api::Result forward(const api::Request& q) {
    if (reach == Reach::read)
      if (const auto why = refusal_of_read(q.path))
        return fail(api::forbidden(fmt::format("A plan may not ask for {} {}: {}.", json::name_of(q.method), q.path, *why)));
    std::vector<std::string> headers;
    for (const char* name : {"content-type", "accept", "user-agent", "if-match", "if-none-match", "x-databricks-org-id"})
      if (const auto value = q.header(name); !value.empty()) headers.push_back(std::string(name) + ": " + value);
    std::optional<std::string> body;
    if (!q.body.empty() || q.method == api::Method::POST || q.method == api::Method::PUT || q.method == api::Method::PATCH) body = q.body;
    auto answer = call_platform(principal, std::string(json::name_of(q.method)), q.host, q.path + (q.raw_query.empty() ? "" : "?" + q.raw_query),
                                headers, body);
    if (!answer) {
      spdlog::warn("proxy host={} cause=\"{}\"", q.host, answer.error());
      return fail(api::WireError{502, "BAD_GATEWAY", answer.error()});
    }
    api::Reply reply{.status = answer->status, .body = std::move(answer->body)};
    if (const auto type = answer->headers.find("content-type"); type != answer->headers.end()) reply.content_type = type->second;
    for (const char* name : {"etag", "retry-after", "x-databricks-org-id", "location", "last-modified"})
      if (const auto found = answer->headers.find(name); found != answer->headers.end()) reply.headers.emplace_back(name, found->second);
    return reply;
  }
};

CredentialProxy::CredentialProxy(Principal& principal, gateway::Authority& authority, const std::string& domain, Reach reach,
                                 std::vector<std::string> allow_hosts, std::shared_ptr<S3Signer> state)
    : impl_(std::make_unique<Impl>(principal, authority, domain, reach, std::move(allow_hosts), std::move(state))) {}
CredentialProxy::~CredentialProxy() = default;

Expected<void, std::string> CredentialProxy::start(int listening_fd) {
  auto bound = impl_->server->listen({.protocol = gateway::Protocol::proxy, .listening_fd = listening_fd});
  if (!bound) {
    ::close(listening_fd);
    return fail(std::move(bound).error());
  }
  return {};
}

}  // namespace tarn::review
