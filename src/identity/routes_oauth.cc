// OAuth as machine clients use it: RFC 8414 discovery, RFC 6749 section 4.4. The SDKs ask /.well-known/databricks-config first.
#include "base/crypto.h"
#include "identity/routes.h"

namespace tarn::identity {
namespace {

using api::Method;
using api::Request;
using api::Surface;

struct Document {
  std::string authorization_endpoint, token_endpoint, issuer;
  std::vector<std::string> token_endpoint_auth_methods_supported{"client_secret_basic", "client_secret_post"};
  std::vector<std::string> grant_types_supported{"client_credentials"};
  std::vector<std::string> response_types_supported{"token"};
  std::vector<std::string> scopes_supported{"all-apis"};
};
BOOST_DESCRIBE_STRUCT(Document, (),
                      (authorization_endpoint, token_endpoint, issuer, token_endpoint_auth_methods_supported, grant_types_supported,
                       response_types_supported, scopes_supported))

struct HostConfig {
  std::string oidc_endpoint, account_id;
  std::optional<std::string> workspace_id;
  std::string cloud = "AWS", host_type;
};
BOOST_DESCRIBE_STRUCT(HostConfig, (), (oidc_endpoint, account_id, workspace_id, cloud, host_type))

struct TokenReply {
  std::string access_token;
  std::string token_type = "Bearer";
  std::int64_t expires_in = Tokens::kAccessTokenSeconds;
  std::string scope = "all-apis";
};
BOOST_DESCRIBE_STRUCT(TokenReply, (), (access_token, token_type, expires_in, scope))

/// Where the client reached us: documents must send it back to the same door.
std::string origin(const Request& r) {
  const auto host = r.header("host");
  return (r.secure ? "https://" : "http://") + (host.empty() ? r.host : host);
}

std::string issuer(const Request& r) { return origin(r) + (r.surface == Surface::account ? "/oidc/accounts/" + r.account_id : "/oidc"); }

std::optional<api::WireError> other_account(const Request& r) {
  if (r.surface == Surface::workspace || r.capture("account_id") == r.account_id) return std::nullopt;
  return api::not_found("Account " + r.capture("account_id") + " could not be found");
}

api::Result discovery(const Request& r) {
  if (auto e = other_account(r)) return fail(*std::move(e));
  const auto at = issuer(r);
  return api::ok(Document{.authorization_endpoint = at + "/v1/authorize", .token_endpoint = at + "/v1/token", .issuer = at});
}

api::Result host_config(const Request& r) {
  HostConfig c{
      .oidc_endpoint = issuer(r), .account_id = r.account_id, .host_type = r.surface == Surface::account ? "ACCOUNT_HOST" : "WORKSPACE_HOST"};
  if (r.context.workspace_id) c.workspace_id = std::to_string(*r.context.workspace_id);
  return api::ok(c);
}

api::Reply oauth_error(const OAuthError& e, bool by_header) {
  api::Reply out{.status = e.status, .body = boost::json::serialize(json::object{{"error", e.error}, {"error_description", e.message}})};
  out.headers.emplace_back("cache-control", "no-store");
  if (e.status == 401 && by_header) out.headers.emplace_back("www-authenticate", "Basic realm=\"DatabricksRealm\"");
  return out;
}

struct Client {
  std::string id, secret;
  bool by_header = false;
};

/// Client credentials from the header or the form, never both (RFC 6749 section 2.3).
std::optional<Client> client_of(const Request& r, const std::multimap<std::string, std::string>& form) {
  const auto header = r.header("authorization");
  if (header.size() > 6 && (header.starts_with("Basic ") || header.starts_with("basic "))) {
    const auto raw = crypto::from_base64(header.substr(6));
    if (!raw || raw->find(':') == raw->npos || form.contains("client_secret")) return std::nullopt;
    // Both parts are form-encoded inside the header; ids and secrets of ours are the same either way.
    const auto id = api::percent_decode(raw->substr(0, raw->find(':')), true), secret = api::percent_decode(raw->substr(raw->find(':') + 1), true);
    if (!id || !secret) return std::nullopt;
    return Client{*id, *secret, true};
  }
  const auto id = form.find("client_id"), secret = form.find("client_secret");
  if (id == form.end() || secret == form.end()) return std::nullopt;
  return Client{id->second, secret->second, false};
}

api::Result token(Tokens& tokens, const Request& r) {
  if (auto e = other_account(r)) return fail(*std::move(e));
  const auto form = api::parse_query(r.body);
  const auto value = [&](const char* name) {
    const auto i = form.find(name);
    return i == form.end() ? std::string() : i->second;
  };
  for (const char* once : {"grant_type", "scope", "client_id", "client_secret"})
    if (form.count(once) > 1) return oauth_error({400, "invalid_request", fmt::format("Parameter '{}' is given more than once", once)}, false);
  const auto grant = value("grant_type");
  if (grant.empty()) return oauth_error({400, "invalid_request", "Parameter 'grant_type' is required"}, false);
  if (grant != "client_credentials")
    return oauth_error({400, "unsupported_grant_type", fmt::format("Grant type '{}' is not supported here: use client_credentials", grant)}, false);
  if (const auto scope = value("scope"); !scope.empty() && scope != "all-apis")
    return oauth_error({400, "invalid_scope", fmt::format("Scope '{}' is not known: use all-apis", scope)}, false);
  const auto client = client_of(r, form);
  if (!client)
    return oauth_error({401, "invalid_client", "Client authentication failed: send client id and secret as Basic credentials or in the form"},
                       !r.header("authorization").empty());
  auto granted = tokens.exchange(r.context, client->id, client->secret, r.surface == Surface::workspace ? r.context.workspace_id : std::nullopt);
  if (!granted) return oauth_error(granted.error(), client->by_header);
  auto reply = api::ok(TokenReply{.access_token = *granted});
  reply.headers.emplace_back("cache-control", "no-store");
  return reply;
}

}  // namespace

std::vector<api::Route> oauth_routes(Tokens& tokens) {
  std::vector<api::Route> out;
  const auto open = [&](Method method, const char* path, Surface surface, api::Handler handler) {
    out.push_back({.method = method, .pattern = path, .surface = surface, .auth = api::Auth::open, .group = "oauth", .handler = std::move(handler)});
  };
  const api::Handler exchange = [&tokens](const Request& r) { return token(tokens, r); };
  for (const char* name : {"oauth-authorization-server", "openid-configuration"}) {
    open(Method::GET, (std::string("/oidc/accounts/{account_id}/.well-known/") + name).c_str(), Surface::account, discovery);
    open(Method::GET, (std::string("/oidc/.well-known/") + name).c_str(), Surface::workspace, discovery);
  }
  open(Method::GET, "/.well-known/databricks-config", Surface::both, host_config);
  open(Method::POST, "/oidc/accounts/{account_id}/v1/token", Surface::account, exchange);
  open(Method::POST, "/oidc/v1/token", Surface::workspace, exchange);
  return out;
}

}  // namespace tarn::identity
