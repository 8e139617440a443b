#include "app/not_enabled_routes.h"

namespace tarn::app {
namespace {

using api::Method;
using api::Surface;

struct Absent {
  Surface surface;
  std::string path;
  const char* feature;
};

}  // namespace

std::vector<api::Route> not_enabled_routes() {
  const std::string account = "/api/2.0/accounts/{account_id}", account21 = "/api/2.1/accounts/{account_id}";
  const Absent all[]{
      {Surface::account, account + "/network-connectivity-configs", "Network connectivity configuration of serverless compute"},
      {Surface::account, account + "/network-policies", "Serverless network policies"},
      {Surface::account, account + "/workspaces/{workspace_id}/network", "Serverless network policies"},
      {Surface::account, account + "/federationPolicies", "OAuth token federation"},
      {Surface::account, account + "/oauth2/custom-app-integrations", "OAuth application integrations"},
      {Surface::account, account + "/oauth2/published-app-integrations", "OAuth application integrations"},
      {Surface::account, account + "/dashboard", "The usage dashboard"},
      {Surface::account, account + "/usage/download", "Billable usage"},
      {Surface::account, account21 + "/budget-policies", "Budget policies of serverless usage"},
      {Surface::workspace, "/api/2.0/preview/sql/alerts", "The legacy alerts API (its successors are /api/2.0/sql/alerts and /api/2.0/alerts)"},
      {Surface::workspace, "/api/2.0/preview/sql/queries", "The legacy queries API (its successor is /api/2.0/sql/queries)"},
      {Surface::workspace, "/api/2.0/preview/sql/dashboards", "Legacy dashboards (their successor is /api/2.0/lakeview/dashboards)"},
      {Surface::workspace, "/api/2.0/credentials-manager/exchange-tokens/token", "Exchanging credentials for tokens"},
  };
  std::vector<api::Route> out;
  const auto add = [&](Method method, const Absent& a, const std::string& path) {
    out.push_back({.method = method,
                   .pattern = path,
                   .surface = a.surface,
                   .auth = a.surface == Surface::account ? api::Auth::account_admin : api::Auth::authenticated,
                   .group = "not-enabled",
                   .handler = api::Handler(
                       [feature = std::string(a.feature)](const api::Request&) -> api::Result { return fail(api::not_enabled(feature)); })});
  };
  for (const auto& a : all) {
    for (const auto method : {Method::GET, Method::POST, Method::PUT, Method::PATCH}) add(method, a, a.path);
    for (const auto method : {Method::GET, Method::PUT, Method::PATCH}) add(method, a, a.path + "/{id}");
  }
  return out;
}

}  // namespace tarn::app
