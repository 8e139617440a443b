#pragma once
// Identity's rows of the route table, and how its errors look on the wire.
#include "api/answers.h"
#include "identity/assignments.h"
#include "identity/errors.h"
#include "identity/rule_sets.h"
#include "identity/scim.h"
#include "identity/tokens.h"

namespace tarn::identity {

using api::wire;

/// Discovery documents and token endpoints on account and workspace hosts. Services must outlive the router.
std::vector<api::Route> oauth_routes(Tokens& tokens);
/// Users, groups, service principals and Me. The rows ask for a live principal only; the service asks for account or workspace admins,
/// or a group's manager, and answers in SCIM's shape.
std::vector<api::Route> scim_routes(scim::Service& service);
std::vector<api::Route> assignment_routes(Assignments& assignments);
std::vector<api::Route> rule_set_routes(RuleSets& rule_sets);
std::vector<api::Route> secret_routes(Tokens& tokens);
/// Personal access tokens and their administration.
std::vector<api::Route> token_routes(Tokens& tokens);

}  // namespace tarn::identity
