#include "doctor/edges.h"

#include "base/log.h"

namespace tarn::doctor {

const Remedy& remedy(Edge edge) {
  static const Remedy prefix{
      "No deployment name prefix is registered for this account. Only the vendor can register one; until then no workspace may choose its name.",
      "Ask the vendor to register a prefix (here: tarn vendor register-prefix --data DIR PREFIX), or leave deployment_name out and take a generated "
      "name."};
  static const Remedy admin{
      "Everything under /api/2.0/accounts is account-level. The principal is not an account admin; being admin of a workspace does not count.",
      "Let an account admin give the automation service principal the account admin role, and use its credentials for the account provider."};
  static const Remedy metastore{
      "The first workspace in a region without a metastore makes a default one appear and attach. It has no storage root and no admin of yours, and "
      "it "
      "takes the only place that the region has.",
      "Detach it from every workspace, delete it with force=true, create your own metastore with a storage root, and assign it to the workspaces."};
  static const Remedy egress{
      "Something between this machine and the account host drops packets (usually a firewall without a rule for TCP 443), so clients hang without a "
      "message.",
      "Open TCP 443 from this machine to the account host, or set HTTPS_PROXY to a proxy that may reach it; then run tarn doctor egress again."};
  static const Remedy order{
      "A grant names a principal that the account does not have: the group is made later, or its name is misspelt. The metastore knows "
      "account-level "
      "users, groups and service principals only.",
      "Make the group at account level first (metastore, locations, catalogs, schemas, groups, grants), then apply the grants again."};
  static const Remedy local{
      "The group was made through a workspace's API: it is local to that workspace, unknown to the account, and cannot hold grants of the catalog.",
      "Make a group of that name through the account API (an account-level provider), assign it to the workspace, and delete the local one."};
  switch (edge) {
    case Edge::grant_before_group:
      return order;
    case Edge::workspace_local_group:
      return local;
    case Edge::deployment_prefix_missing:
      return prefix;
    case Edge::not_account_admin:
      return admin;
    case Edge::default_metastore:
      return metastore;
    case Edge::no_egress:
      return egress;
  }
  return prefix;
}

void log_edge(Edge edge, std::string_view subject) {
  const auto& r = remedy(edge);
  spdlog::warn("sharp edge={} subject=\"{}\" cause=\"{}\" cure=\"{}\"", json::name_of(edge), subject, r.cause, r.cure);
}

}  // namespace tarn::doctor
