// Client secrets of service principals, and personal access tokens.
#include "api/answers.h"
#include "identity/routes.h"

namespace tarn::identity {
namespace {

using api::lifted;
using api::Method;
using api::Request;
using api::Surface;
using api::this_account;

struct SecretBody {
  std::optional<std::string> lifetime;  // "3600s"
};
BOOST_DESCRIBE_STRUCT(SecretBody, (), (lifetime))

struct TokenBody {
  std::optional<std::int64_t> lifetime_seconds;
  std::optional<std::string> comment, application_id;
  std::vector<std::string> scopes;
  std::optional<bool> autoscope_enabled;
};
BOOST_DESCRIBE_STRUCT(TokenBody, (), (lifetime_seconds, comment, application_id, scopes, autoscope_enabled))

struct TokenId {
  std::string token_id;
};
BOOST_DESCRIBE_STRUCT(TokenId, (), (token_id))

struct TokenPart {
  std::optional<std::string> comment;
  std::vector<std::string> scopes;
};
BOOST_DESCRIBE_STRUCT(TokenPart, (), (comment, scopes))

struct TokenUpdate {
  TokenPart token;
  std::string update_mask;  // "comment", "scopes", or both with a comma
};
BOOST_DESCRIBE_STRUCT(TokenUpdate, (), (token, update_mask))

/// A token for fewer APIs than all would be a promise that nothing keeps.
Expected<void, api::WireError> whole_scope(const TokenBody& b) {
  for (const auto& s : b.scopes)
    if (s != "all-apis")
      return fail(api::bad_request("Field 'scopes' may only hold all-apis: tokens with narrower scopes are not enabled, got '" + s + "'"));
  if (b.autoscope_enabled.value_or(false)) return fail(api::bad_request("Field 'autoscope_enabled' must be false: automatic scopes are not enabled"));
  return {};
}

api::Reply infos(const std::vector<TokenInfo>& all) {
  json::object o;
  if (!all.empty()) o["token_infos"] = json::encode(all);
  return api::ok(json::value(std::move(o)));
}

}  // namespace

std::vector<api::Route> secret_routes(Tokens& tokens) {
  std::vector<api::Route> out;
  struct Place {
    const char* base;
    Surface surface;
  };
  // The service asks for account admins, managers of the service principal, or itself.
  for (const auto& place : {Place{"/api/2.0/accounts/{account_id}/servicePrincipals/{service_principal_id}/credentials/secrets", Surface::account},
                            Place{"/api/2.0/accounts/servicePrincipals/{service_principal_id}/credentials/secrets", Surface::workspace}}) {
    const auto add = [&](Method method, const char* path, auto act) {
      out.push_back({.method = method,
                     .pattern = std::string(place.base) + path,
                     .surface = place.surface,
                     .auth = api::Auth::authenticated,
                     .group = "service-principal-secrets",
                     .handler = api::Handler([act](const Request& r) -> api::Result {
                       TARN_CHECK(this_account(r));
                       TARN_TRY(id, api::integer("service_principal_id", r.capture("service_principal_id")));
                       return act(r, id);
                     })});
    };
    add(Method::POST, "", [&tokens](const Request& r, std::int64_t id) -> api::Result {
      TARN_TRY(body, api::body_of<SecretBody>(r));
      std::optional<std::int64_t> lifetime;
      if (body.lifetime && !body.lifetime->empty()) {
        std::string_view text = *body.lifetime;
        if (text.ends_with('s')) text.remove_suffix(1);
        const auto seconds = api::integer("lifetime", text);
        if (!seconds || !body.lifetime->ends_with('s'))
          return fail(api::bad_request("Field 'lifetime' must be a number of seconds such as 3600s, got '" + *body.lifetime + "'"));
        lifetime = *seconds;
      }
      TARN_TRY(secret, lifted(tokens.create_secret(r.context, id, lifetime)));
      return api::ok(secret);
    });
    add(Method::GET, "", [&tokens](const Request& r, std::int64_t id) -> api::Result {
      TARN_TRY(all, lifted(tokens.list_secrets(r.context, id)));
      return api::ok(json::value(json::object{{"secrets", json::encode(all)}}));
    });
    add(Method::DELETE, "/{secret_id}", [&tokens](const Request& r, std::int64_t id) -> api::Result {
      TARN_CHECK(lifted(tokens.delete_secret(r.context, id, r.capture("secret_id"))));
      return api::ok();
    });
  }
  return out;
}

std::vector<api::Route> token_routes(Tokens& tokens) {
  std::vector<api::Route> out;
  const auto add = [&](Method method, const char* path, api::Auth auth, const char* group, api::Handler handler) {
    out.push_back({.method = method, .pattern = path, .surface = Surface::workspace, .auth = auth, .group = group, .handler = std::move(handler)});
  };
  using api::Auth;
  add(Method::POST, "/api/2.0/token/create", Auth::authenticated, "tokens", [&tokens](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<TokenBody>(r));
    TARN_CHECK(whole_scope(body));
    TARN_TRY(token, lifted(tokens.create(r.context, body.lifetime_seconds, body.comment.value_or(""))));
    return api::ok(token);
  });
  add(Method::GET, "/api/2.0/token/list", Auth::authenticated, "tokens",
      [&tokens](const Request& r) -> api::Result { return infos(tokens.list(r.context)); });
  add(Method::POST, "/api/2.0/token/delete", Auth::authenticated, "tokens", [&tokens](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<TokenId>(r));
    TARN_CHECK(lifted(tokens.revoke(r.context, body.token_id)));
    return api::ok();
  });
  const auto update = [&tokens](const Request& r, bool any) -> Expected<TokenInfo, api::WireError> {
    TARN_TRY(body, api::body_of<TokenUpdate>(r));
    for (const auto& field : {std::string("comment"), std::string("scopes"), std::string("comment,scopes"), std::string("scopes,comment")})
      if (body.update_mask == field) {
        TARN_CHECK(whole_scope({.scopes = body.token.scopes}));
        if (field != "scopes") return lifted(tokens.comment(r.context, r.capture("token_id"), body.token.comment.value_or(""), any));
        return fail(api::bad_request("Field 'update_mask' must name comment: scopes stay all-apis"));
      }
    return fail(api::bad_request("Field 'update_mask' must be comment, got '" + body.update_mask + "'"));
  };
  add(Method::PATCH, "/api/2.0/token/{token_id}", Auth::authenticated, "tokens", [update](const Request& r) -> api::Result {
    TARN_CHECK(update(r, false));
    return api::ok();
  });
  add(Method::PATCH, "/api/2.0/token-management/tokens/{token_id}", Auth::workspace_admin, "token-management",
      [update](const Request& r) -> api::Result {
        TARN_TRY(info, update(r, true));
        return api::ok(info);
      });
  add(Method::GET, "/api/2.0/token-management/tokens", Auth::workspace_admin, "token-management", [&tokens](const Request& r) -> api::Result {
    std::optional<std::int64_t> by;
    if (const auto text = r.param("created_by_id"); text && !text->empty()) {
      TARN_TRY(id, api::integer("created_by_id", *text));
      by = id;
    }
    TARN_TRY(all, lifted(tokens.all(r.context, by, r.param("created_by_username"))));
    return infos(all);
  });
  add(Method::GET, "/api/2.0/token-management/tokens/{token_id}", Auth::workspace_admin, "token-management",
      [&tokens](const Request& r) -> api::Result {
        TARN_TRY(info, lifted(tokens.get(r.context, r.capture("token_id"))));
        return api::ok(json::value(json::object{{"token_info", json::encode(info)}}));
      });
  add(Method::DELETE, "/api/2.0/token-management/tokens/{token_id}", Auth::workspace_admin, "token-management",
      [&tokens](const Request& r) -> api::Result {
        TARN_CHECK(lifted(tokens.revoke_any(r.context, r.capture("token_id"))));
        return api::ok();
      });
  add(Method::POST, "/api/2.0/token-management/on-behalf-of/tokens", Auth::workspace_admin, "token-management",
      [&tokens](const Request& r) -> api::Result {
        TARN_TRY(body, api::body_of<TokenBody>(r));
        TARN_CHECK(whole_scope(body));
        if (!body.application_id) return fail(api::bad_request("Field 'application_id' is required"));
        TARN_TRY(token, lifted(tokens.create_on_behalf(r.context, *body.application_id, body.lifetime_seconds, body.comment.value_or(""))));
        return api::ok(token);
      });
  return out;
}

}  // namespace tarn::identity
