#pragma once
// The sharp edges of the platform: what was hit, why, and what helps. Rooms that refuse at an edge log it with log_edge beside the
// vendor's text on the wire; `tarn doctor` says the same. Pure data; thread-safe.
#include <string>
#include <string_view>

#include "base/json.h"

namespace tarn::doctor {

enum class Edge {
  deployment_prefix_missing,  // 1: a deployment name before the vendor registered a prefix
  not_account_admin,          // 2: a workspace admin, or nobody, at the account API
  default_metastore,          // 3: the region's only metastore place is taken by the one that appeared by itself
  no_egress,                  // 4: packets to the account host are dropped
  grant_before_group,         // a grant to a name that no account-level principal has (yet)
  workspace_local_group       // a group that lives in one workspace, where an account-level one is meant
};
BOOST_DESCRIBE_ENUM(Edge, deployment_prefix_missing, not_account_admin, default_metastore, no_egress, grant_before_group, workspace_local_group)

struct Remedy {
  std::string_view cause, cure;
};

const Remedy& remedy(Edge edge);

/// One warning line: the edge's name, whom or what it hit (`subject`, never a secret), cause and cure.
void log_edge(Edge edge, std::string_view subject);

}  // namespace tarn::doctor
