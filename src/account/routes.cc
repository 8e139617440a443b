#include "account/routes.h"

#include "api/answers.h"
#include "doctor/edges.h"

namespace tarn::account {
namespace {

using api::answer;
using api::Method;
using api::Request;

/// Beside the vendor's text, for people: why, and what helps.
json::object help(doctor::Edge edge) {
  const auto& r = doctor::remedy(edge);
  return {{"@type", "type.googleapis.com/google.rpc.ErrorInfo"},
          {"reason", std::string(json::name_of(edge))},
          {"domain", "tarn"},
          {"metadata", json::object{{"cause", r.cause}, {"cure", r.cure}}}};
}

/// The five rows of an immutable configuration object.
template <class Request_, class Service, class Create, class Get, class List, class Remove>
void add(std::vector<api::Route>& out, const std::string& path, const std::string& id, Service& s, Create create, Get get, List list, Remove remove) {
  const std::string one = path + "/{" + id + "}", group = path.substr(1);
  out.push_back(api::account_row(Method::POST, path, group, [&s, create](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<Request_>(r));
    return answer((s.*create)(r.context, body));
  }));
  out.push_back(api::account_row(Method::GET, path, group, [&s, list](const Request& r) -> api::Result { return api::ok((s.*list)(r.context)); }));
  out.push_back(api::account_row(Method::GET, one, group,
                                 [&s, get, id](const Request& r) -> api::Result { return answer((s.*get)(r.context, r.capture(id))); }));
  out.push_back(api::account_row(Method::DELETE, one, group,
                                 [&s, remove, id](const Request& r) -> api::Result { return answer((s.*remove)(r.context, r.capture(id))); }));
}

}  // namespace

api::WireError wire(const Error& e) {
  auto out = api::wire<Errc>(e);
  if (e.code == Errc::prefix_missing) out.details.push_back(help(doctor::Edge::deployment_prefix_missing));
  return out;
}

std::vector<api::Route> routes(Configurations& c, Networks& n, WorkspaceService& w) {
  std::vector<api::Route> out;
  add<CreateCredential>(out, "/credentials", "credentials_id", c, &Configurations::create_credential, &Configurations::get_credential,
                        &Configurations::list_credentials, &Configurations::delete_credential);
  add<CreateStorage>(out, "/storage-configurations", "storage_configuration_id", c, &Configurations::create_storage, &Configurations::get_storage,
                     &Configurations::list_storage, &Configurations::delete_storage);
  add<CreateKey>(out, "/customer-managed-keys", "customer_managed_key_id", c, &Configurations::create_key, &Configurations::get_key,
                 &Configurations::list_keys, &Configurations::delete_key);
  add<CreateNetwork>(out, "/networks", "network_id", n, &Networks::create, &Networks::get, &Networks::list, &Networks::remove);
  add<CreateVpcEndpoint>(out, "/vpc-endpoints", "vpc_endpoint_id", n, &Networks::create_endpoint, &Networks::get_endpoint, &Networks::list_endpoints,
                         &Networks::delete_endpoint);
  add<CreatePrivateAccess>(out, "/private-access-settings", "private_access_settings_id", n, &Networks::create_private_access,
                           &Networks::get_private_access, &Networks::list_private_access, &Networks::delete_private_access);
  out.push_back(api::account_row(Method::PUT, "/private-access-settings/{private_access_settings_id}", "private-access-settings",
                                 [&n](const Request& r) -> api::Result {
                                   TARN_TRY(body, api::body_of<CreatePrivateAccess>(r));
                                   return answer(n.replace_private_access(r.context, r.capture("private_access_settings_id"), body));
                                 }));

  const auto with_id = [](auto method) {
    return [method](const Request& r) -> api::Result {
      TARN_TRY(id, api::integer("workspace_id", r.capture("workspace_id")));
      return method(r, id);
    };
  };
  out.push_back(api::account_row(Method::POST, "/workspaces", "workspaces", [&w](const Request& r) -> api::Result {
    TARN_TRY(body, api::body_of<CreateWorkspace>(r));
    return answer(w.create(r.context, body));
  }));
  out.push_back(
      api::account_row(Method::GET, "/workspaces", "workspaces", [&w](const Request& r) -> api::Result { return api::ok(w.list(r.context)); }));
  out.push_back(api::account_row(Method::GET, "/workspaces/{workspace_id}", "workspaces",
                                 with_id([&w](const Request& r, std::int64_t id) -> api::Result { return answer(w.get(r.context, id)); })));
  out.push_back(
      api::account_row(Method::PATCH, "/workspaces/{workspace_id}", "workspaces", with_id([&w](const Request& r, std::int64_t id) -> api::Result {
                         TARN_TRY(body, api::body_of<UpdateWorkspace>(r));
                         return answer(w.update(r.context, id, body, r.param("update_mask")));
                       })));
  out.push_back(api::account_row(Method::DELETE, "/workspaces/{workspace_id}", "workspaces",
                                 with_id([&w](const Request& r, std::int64_t id) -> api::Result { return answer(w.remove(r.context, id)); })));
  return out;
}

}  // namespace tarn::account
