// SCIM rows: the account's and the workspaces', which differ in their path and in the view that the service takes from the context.
#include "identity/routes.h"
#include "identity/scim_codec.h"

namespace tarn::identity {
namespace {

using api::Method;
using api::Request;
using api::Surface;

api::Reply shown(const Request& r, const scim::Resource& resource, int status) {
  const bool in_workspace = r.context.workspace_id.has_value() && r.surface == Surface::workspace;
  api::Reply out = api::ok(json::value(scim::encode(resource, scim::Selection(r), in_workspace)), status);
  out.content_type = "application/scim+json";
  return out;
}

api::Result answer(const Request& r, const Result<scim::Resource>& result, int status = 200) {
  return result ? shown(r, *result, status) : scim::refusal(result.error());
}

/// Refusals of the decoder too are SCIM bodies.
#define TARN_SCIM_TRY(var, expr)                                     \
  auto var##_or_error = (expr);                                      \
  if (!var##_or_error) return scim::refusal(var##_or_error.error()); \
  auto&& var = *var##_or_error

Result<std::int64_t> id_of(const Request& r, Kind kind) {
  const auto text = r.capture("id");
  auto id = api::integer("id", text);
  if (!id)
    return fail(Error{Errc::not_found, fmt::format("{} with id {} not found.",
                                                   kind == Kind::user    ? "User"
                                                   : kind == Kind::group ? "Group"
                                                                         : "Service principal",
                                                   text)});
  return *id;
}

/// A caller of the account host has no workspace even if a header says so; a foreign account is not there.
api::Handler checked(api::Handler handler) {
  return [handler = std::move(handler)](const Request& r) -> api::Result {
    if (r.surface == Surface::account && r.capture("account_id") != r.account_id)
      return scim::refusal({Errc::not_found, "Account " + r.capture("account_id") + " could not be found"});
    return handler(r);
  };
}

}  // namespace

std::vector<api::Route> scim_routes(scim::Service& service) {
  std::vector<api::Route> out;
  const auto add = [&](Method method, std::string pattern, Surface surface, const char* group, api::Handler handler) {
    out.push_back({.method = method,
                   .pattern = std::move(pattern),
                   .surface = surface,
                   .auth = api::Auth::authenticated,
                   .group = group,
                   .handler = checked(std::move(handler))});
  };
  struct Place {
    const char* base;
    Surface surface;
  };
  for (const auto& place :
       {Place{"/api/2.0/accounts/{account_id}/scim/v2/", Surface::account}, Place{"/api/2.1/accounts/{account_id}/scim/v2/", Surface::account},
        Place{"/api/2.0/preview/scim/v2/", Surface::workspace}, Place{"/api/2.0/account/scim/v2/", Surface::workspace}}) {
    // The account's directory is also reachable from a workspace host (`/api/2.0/account/scim/v2`): there the view is the account's.
    const bool account_view = place.surface == Surface::account || std::string_view(place.base).find("/account/") != std::string_view::npos;
    const auto view = [account_view](const Request& r) {
      auto ctx = r.context;
      if (account_view) ctx.workspace_id.reset();
      return ctx;
    };
    for (const auto kind : {Kind::user, Kind::group, Kind::service_principal}) {
      const char* group = kind == Kind::user ? "users" : kind == Kind::group ? "groups" : "service-principals";
      const std::string all = std::string(place.base) + (kind == Kind::user    ? "Users"
                                                         : kind == Kind::group ? "Groups"
                                                                               : "ServicePrincipals"),
                        one = all + "/{id}";
      add(Method::GET, all, place.surface, group, [&service, kind, view](const Request& r) -> api::Result {
        TARN_SCIM_TRY(query, scim::query_of(r));
        const auto ctx = view(r);
        TARN_SCIM_TRY(page, service.list(ctx, kind, query));
        api::Reply reply = api::ok(json::value(scim::encode(page, scim::Selection(r), ctx.workspace_id.has_value())));
        reply.content_type = "application/scim+json";
        return reply;
      });
      add(Method::POST, all, place.surface, group, [&service, kind, view](const Request& r) -> api::Result {
        TARN_SCIM_TRY(draft, scim::draft_of(r.body));
        return answer(r, service.create(view(r), kind, draft), 201);
      });
      add(Method::GET, one, place.surface, group, [&service, kind, view](const Request& r) -> api::Result {
        TARN_SCIM_TRY(id, id_of(r, kind));
        return answer(r, service.get(view(r), kind, id));
      });
      add(Method::PUT, one, place.surface, group, [&service, kind, view](const Request& r) -> api::Result {
        TARN_SCIM_TRY(id, id_of(r, kind));
        TARN_SCIM_TRY(draft, scim::draft_of(r.body));
        return answer(r, service.replace(view(r), kind, id, draft));
      });
      add(Method::PATCH, one, place.surface, group, [&service, kind, view](const Request& r) -> api::Result {
        TARN_SCIM_TRY(id, id_of(r, kind));
        TARN_SCIM_TRY(edits, scim::edits_of(r.body));
        return answer(r, service.patch(view(r), kind, id, edits));
      });
      add(Method::DELETE, one, place.surface, group, [&service, kind, view](const Request& r) -> api::Result {
        TARN_SCIM_TRY(id, id_of(r, kind));
        if (auto done = service.remove(view(r), kind, id); !done) return scim::refusal(done.error());
        return api::Reply{.status = 204};
      });
    }
    add(Method::GET, std::string(place.base) + "Me", place.surface, "current-user", [&service, view](const Request& r) -> api::Result {
      TARN_SCIM_TRY(me, service.me(view(r)));
      auto body = scim::encode(me, scim::Selection(r), view(r).workspace_id.has_value());
      // Whoever it is, the caller has a user name here: a service principal's is its application id.
      if (me.principal.kind == Kind::service_principal && scim::Selection(r).wants("userName")) body["userName"] = me.principal.name;
      api::Reply reply = api::ok(json::value(std::move(body)));
      reply.content_type = "application/scim+json";
      // Where the SDKs read the workspace's id.
      if (r.context.workspace_id) reply.headers.emplace_back("X-Databricks-Org-Id", std::to_string(*r.context.workspace_id));
      return reply;
    });
  }
  return out;
}

}  // namespace tarn::identity
