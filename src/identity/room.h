#pragma once
// Identity, whole: its services on one store, and their rows of the route table. What app/ wires.
#include "identity/bootstrap.h"
#include "identity/cached_directory.h"
#include "identity/routes.h"

namespace tarn::identity {

struct Room {
  /// Store and clock must outlive this; this must outlive the router that takes its routes. Thread-safe as its services are.
  Room(store::Store& store, const Clock& clock, std::string account_id)
      : directory(store, clock),
        tokens(store, clock),
        owner(store, clock, tokens),
        scim(store, clock),
        assignments(store),
        rule_sets(store, std::move(account_id)) {}

  std::vector<api::Route> routes() {
    std::vector<api::Route> out;
    for (auto& rows : {oauth_routes(tokens), scim_routes(scim), assignment_routes(assignments), rule_set_routes(rule_sets), secret_routes(tokens),
                       token_routes(tokens, assignments, scim)})
      out.insert(out.end(), rows.begin(), rows.end());
    return out;
  }

  CachedDirectory directory;  // Directory for every room, WorkspacePrincipals for account/
  Tokens tokens;
  OwnerDoor owner;  // Bootstrap
  scim::Service scim;
  Assignments assignments;
  RuleSets rule_sets;
};

}  // namespace tarn::identity
