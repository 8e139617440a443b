#include "app/control_routes.h"

#include <unistd.h>

namespace tarn::app {
namespace {

struct TokenRequest {
  std::string user;
  std::optional<std::string> workspace;
};
BOOST_DESCRIBE_STRUCT(TokenRequest, (), (user, workspace))
struct PrefixRequest {
  std::string prefix;
};
BOOST_DESCRIBE_STRUCT(PrefixRequest, (), (prefix))
struct BackupRequest {
  std::string to;
  std::optional<bool> with_key;
};
BOOST_DESCRIBE_STRUCT(BackupRequest, (), (to, with_key))
struct HostRequest {
  std::string host;
};
BOOST_DESCRIBE_STRUCT(HostRequest, (), (host))

struct BucketRequest {
  std::string bucket;
  std::optional<bool> write;
};
BOOST_DESCRIBE_STRUCT(BucketRequest, (), (bucket, write))

/// One row of the declared table, for docs/compatibility and for the test that walks routes x principals.
struct RouteRow {
  api::Method method;
  std::string pattern, surface, auth, group;
};
BOOST_DESCRIBE_STRUCT(RouteRow, (), (method, pattern, surface, auth, group))

std::string surface_name(api::Surface s) { return s == api::Surface::account ? "account" : s == api::Surface::workspace ? "workspace" : "both"; }

std::string auth_name(api::Auth a) {
  switch (a) {
    case api::Auth::open:
      return "open";
    case api::Auth::authenticated:
      return "authenticated";
    case api::Auth::workspace_admin:
      return "workspace_admin";
    case api::Auth::account_admin:
      return "account_admin";
  }
  return "unknown";
}

/// A workspace by name, deployment name or id, as people say it.
Expected<std::optional<std::int64_t>, api::WireError> workspace_of(account::WorkspaceDirectory& all, const std::optional<std::string>& said) {
  if (!said) return std::optional<std::int64_t>();
  std::optional<std::int64_t> found;
  for (const auto& w : all.all()) {
    if (w.name != *said && w.deployment_name != *said && std::to_string(w.id) != *said) continue;
    if (found) return fail(api::bad_request("There is more than one workspace named '" + *said + "': give its deployment name or id"));
    found = w.id;
  }
  if (!found) return fail(api::not_found("There is no workspace '" + *said + "'"));
  return found;
}

/// Names that grants of the last day were refused for and that still mean nobody, with the last securable each was tried on.
json::array refused_grants(const OwnerServices& s) {
  constexpr Millis kDay = Millis(24) * 3600 * 1000;
  constexpr std::string_view kText = "Could not find principal with name ";
  s.store.flush_audit();
  std::map<std::string, std::string> last;
  for (const auto& r : s.store.audit_log({.from = s.clock.now() - kDay, .service = "unityCatalog", .action = "updatePermissions"}, 10'000)) {
    const auto& e = r.event;
    if (!e.error.starts_with(kText)) continue;
    const auto part = [&](const char* name) {
      const auto i = e.params.find(name);
      return i == e.params.end() ? std::string() : i->second;
    };
    std::string type = part("securable_type");
    for (char& c : type) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    last[e.error.substr(kText.size())] = type + " " + part("securable_full_name");
  }
  json::array out;
  for (const auto& [principal, securable] : last)
    if (!s.directory.find_principal(principal)) out.push_back(json::object{{"principal", principal}, {"securable", securable}});
  return out;
}

}  // namespace

void add_control_routes(api::Router& router, OwnerServices s) {
  const auto row = [&](api::Method method, const char* path, api::Handler handler) {
    router.add(api::Route{.method = method,
                          .pattern = path,
                          .surface = api::Surface::both,
                          .auth = api::Auth::open,
                          .group = "control",
                          .handler = std::move(handler)});
  };
  row(api::Method::GET, "/status", [s](const api::Request&) -> api::Result { return api::ok(json::value(s.status())); });
  row(api::Method::GET, "/routes", [s](const api::Request&) -> api::Result {
    std::vector<RouteRow> rows;
    for (const auto& r : s.platform_routes.routes()) rows.push_back({r->method, r->pattern, surface_name(r->surface), auth_name(r->auth), r->group});
    return api::ok(rows);
  });
  row(api::Method::POST, "/token", [s](const api::Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<TokenRequest>(r));
    TARN_TRY(workspace, workspace_of(s.workspaces, body.workspace));
    auto token = s.identity.mint_token(body.user, workspace);
    if (!token) return fail(api::bad_request(token.error()));
    return api::ok(json::value(json::object{{"token", *token}}));
  });
  row(api::Method::GET, "/doctor", [s](const api::Request&) -> api::Result {
    json::object out{{"version", TARN_VERSION}, {"deployment_prefix", nullptr}};
    if (auto prefix = s.prefixes.current()) out["deployment_prefix"] = *prefix;
    out["refused_grants"] = refused_grants(s);
    if (s.blocked_ways) out["blocked_ways"] = s.blocked_ways();
    return api::ok(json::value(out));
  });
  row(api::Method::GET, "/prefixes", [s](const api::Request&) -> api::Result {
    json::object out;
    if (auto prefix = s.prefixes.current()) out["prefix"] = *prefix;
    return api::ok(json::value(out));
  });
  row(api::Method::POST, "/prefixes", [s](const api::Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<PrefixRequest>(r));
    if (auto done = s.prefixes.register_prefix({.operator_name = "uid " + std::to_string(getuid()), .request_id = r.context.request_id}, body.prefix);
        !done)
      return fail(api::bad_request(done.error().message));
    return api::ok(json::value(json::object{{"prefix", body.prefix}}));
  });
  row(api::Method::POST, "/backup", [s](const api::Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<BackupRequest>(r));
    try {
      return api::ok(s.backup(body.to, body.with_key.value_or(true)));
    } catch (const store::StoreUnavailable& e) {
      return fail(api::bad_request(e.what()));  // the owner asked: the text is for them
    }
  });
  row(api::Method::POST, "/keys/rotate", [s](const api::Request&) -> api::Result {
    return api::ok(json::value(json::object{{"secrets", static_cast<std::int64_t>(s.rotate_key())}}));
  });
  row(api::Method::POST, "/storage/credentials", [s](const api::Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<BucketRequest>(r));
    auto lent = s.lend_bucket(body.bucket, body.write.value_or(true));
    if (!lent) return fail(api::bad_request(lent.error()));
    return api::ok(json::value(json::object{{"access_key_id", lent->access_key_id},
                                            {"secret_access_key", lent->secret_access_key},
                                            {"session_token", lent->session_token},
                                            {"expiration_time", lent->expires_at}}));
  });
  row(api::Method::POST, "/proxy/allow", [s](const api::Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<HostRequest>(r));
    s.allow_host(body.host);
    return api::ok();
  });
}

}  // namespace tarn::app
