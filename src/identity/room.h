#pragma once
// Identity, whole: its services on one store, and their rows of the route table. What app/ wires.
#include "identity/bootstrap.h"
#include "identity/cached_directory.h"
#include "identity/routes.h"
#include "identity/token_rules.h"

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

  /// At start-up: from here on personal access tokens follow what administrators set. Both must outlive this.
  void guard(access::ObjectPermissions& permissions, access::WorkspaceSettings& settings) {
    token_rules = std::make_unique<TokenRules>(permissions, settings);
    directory.guard(*token_rules);
    tokens.guard(*token_rules);
  }

  std::vector<api::Route> routes() {
    std::vector<api::Route> out;
    for (auto& rows : {oauth_routes(tokens), scim_routes(scim), assignment_routes(assignments), rule_set_routes(rule_sets), secret_routes(tokens),
                       token_routes(tokens)})
      out.insert(out.end(), rows.begin(), rows.end());
    return out;
  }

  std::unique_ptr<TokenRules> token_rules;
  CachedDirectory directory;  // Directory for every room, WorkspacePrincipals for account/
  Tokens tokens;
  OwnerDoor owner;  // Bootstrap
  scim::Service scim;
  Assignments assignments;
  RuleSets rule_sets;
};

}  // namespace tarn::identity
