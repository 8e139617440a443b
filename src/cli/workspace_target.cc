#include "cli/workspace_target.h"

#include <CLI/CLI.hpp>

#include "base/json_read.h"
#include "cli/control.h"

namespace tarn::cli {

void add_target_options(CLI::App& verb, WorkspaceTarget& target) {
  verb.add_option("--data", target.data, "Data folder of a running server (else the DATABRICKS_* environment says where and who)");
  verb.add_option("--as", target.as, "Speak as this user or service principal (the folder's owner only)");
  verb.add_option("-w,--workspace", target.workspace, "Workspace, by its deployment name or, with --data, its name")->required();
}

client::Result<std::pair<client::Session, std::string>> connect(const WorkspaceTarget& a) {
  auto target = a.data.empty() ? client::target_of_environment() : client::target_of_folder(a.data);
  if (!target) return fail(target.error());
  std::string deployment = a.workspace;
  if (!a.data.empty()) {
    const Control control(a.data);
    if (auto status = control.call("GET", "/status"))
      if (const auto url = json::text_at(*status, {"workspaces", a.workspace}); !url.empty()) {
        const auto host = url.find("://") + 3;
        deployment = url.substr(host, url.find('.', host) - host);
      }
    if (!a.as.empty()) {
      auto minted = control.call("POST", "/token", json::object{{"user", a.as}, {"workspace", a.workspace}});
      if (!minted) return fail(minted.error());
      target->client_id.clear();
      target->client_secret.clear();
      target->token = std::string(minted->at("token").as_string());
    }
  } else if (!a.as.empty()) {
    return fail(client::ApiError{.message = "--as needs --data: only a data folder's owner may speak for others"});
  }
  return std::pair(client::Session(*target), deployment);
}

}  // namespace tarn::cli
