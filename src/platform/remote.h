#pragma once
// The platform's other side: reads what exists through the REST API, and carries out single changes there, as the principal of the
// session. Names are resolved to ids when needed. Not thread-safe (one session).
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "client/session.h"
#include "platform/plan.h"

namespace tarn::platform {

class Remote {
 public:
  explicit Remote(client::Session& session) : api_(session) {}

  /// Everything in the platform's scope, in the fixed order: all account objects, the region's own metastore, and, once a workspace of
  /// `desired` is attached to it, what it governs. Grants are read for the securables that `desired` manages.
  client::Result<std::vector<Resource>> observe(const std::vector<Resource>& desired);

  /// Carries out one change; returns once it holds (a workspace: RUNNING). `note` receives what happened on the way.
  client::Result<void> execute(const Change& change, const std::function<void(const std::string&)>& note);

 private:
  struct Workspace {
    std::int64_t id = 0;
    std::string name, deployment, status;
  };
  client::Result<json::array> listed(client::Result<json::value> answer, std::string_view field);
  client::Result<json::array> uc_list(std::string_view path, std::string_view field);
  client::Result<json::array> scim_list(std::string_view resource);
  client::Result<json::value> uc(std::string_view method, const std::string& path, const std::optional<json::value>& body = {});
  client::Result<std::string> account_id_of(std::string_view collection, std::string_view name_field, std::string_view id_field,
                                            const std::string& name);
  client::Result<std::map<std::string, Workspace>> workspaces();
  client::Result<Workspace> workspace(const std::string& name);
  client::Result<std::string> door();  // the deployment of a workspace through which the metastore is reached
  client::Result<std::string> principal_id(const std::string& name);
  client::Result<json::object> metastore(const std::string& name);

  client::Result<void> observe_account(std::vector<Resource>& out);
  client::Result<void> observe_metastore(std::vector<Resource>& out, const std::vector<Resource>& desired, bool& reachable);
  client::Result<void> observe_catalog(std::vector<Resource>& out);
  client::Result<void> observe_people(std::vector<Resource>& out);
  client::Result<void> observe_grants(std::vector<Resource>& out, const std::vector<Resource>& desired);
  client::Result<void> observe_private_access(std::vector<Resource>& out);
  client::Result<void> observe_entitlements(std::vector<Resource>& out, const std::vector<Resource>& desired);
  client::Result<void> observe_compute(std::vector<Resource>& out, const std::vector<Resource>& desired);
  client::Result<void> observe_budgets(std::vector<Resource>& out);
  client::Result<std::string> group_in(const std::string& deployment, const std::string& group);

  client::Result<void> change_account(const Change& c, const std::function<void(const std::string&)>& note);
  client::Result<void> change_workspace(const Change& c, const std::function<void(const std::string&)>& note);
  client::Result<void> change_metastore(const Change& c, const std::function<void(const std::string&)>& note);
  client::Result<void> evict_default(const std::string& region, const std::function<void(const std::string&)>& note);
  client::Result<void> change_catalog(const Change& c);
  client::Result<void> bind(const std::string& catalog, const json::value& want);
  client::Result<void> change_people(const Change& c);
  client::Result<void> change_grants(const Change& c);
  client::Result<void> change_private_access(const Change& c);
  client::Result<void> change_entitlements(const Change& c);
  client::Result<void> change_pool(const Change& c);
  client::Result<void> change_policy(const Change& c);
  client::Result<void> change_cluster(const Change& c);
  client::Result<void> change_budget(const Change& c);

  // Pools, policies and clusters have the same shape of API (remote_compute.cc).
  struct Place {
    std::string workspace, name, deployment, id;  // no id: it is being made
  };
  client::Result<std::map<std::string, std::string>> compute_ids(const std::string& deployment, Kind kind);  // name -> id
  client::Result<Place> place_of(const Change& c);
  /// Makes or edits it, then sets its access list where the change has one.
  client::Result<void> put_compute(const Change& c, const Place& at, const json::object& body);
  /// principal -> level, of those named in the object's own list.
  client::Result<json::object> access_list(const std::string& deployment, Kind kind, const std::string& id);
  client::Result<void> set_access_list(const std::string& deployment, Kind kind, const std::string& id, const json::value& allow);
  client::Result<json::array> budget_rows();

  client::Session& api_;
  std::string door_;
  std::string metastore_id_;
  std::map<std::string, std::string> endpoint_names_, private_access_names_;  // id -> name, of the last observation
};

/// Executes a plan in order. Resumable: a change whose result already holds is skipped; a change whose `before` no longer holds stops the
/// apply ("… changed since the plan was made"). `progress` is called before and after each change.
struct ApplyResult {
  int done = 0, skipped = 0;
  std::optional<std::string> failure;  // address: message
};
ApplyResult apply(Remote& remote, const Plan& plan,
                  const std::function<void(const Change&, std::string_view state, const std::string& note)>& progress);

}  // namespace tarn::platform
