#pragma once
// What code in an execution context may have of the platform, as the context's owner: the way to the API with a token that ends with the context,
// and credentials of a table or path that the owner's grants reach. Tables whose rows or columns are filtered are never handed out, nor is what
// has no files of its own: the answer then says that a warehouse reads it. Each handing out is audited, and is an edge of the lineage.
#include "catalog/service.h"
#include "compute/contexts.h"
#include "identity/room.h"
#include "objects/remote_stores.h"

namespace tarn::app {

class CodeDoor final : public compute::ContextDoor {
 public:
  /// URLs of the workspace's API and of the local storage. Empty: there is none now.
  struct Ways {
    std::string workspace, storage;
  };
  struct Parts {
    catalog::UnityCatalog& catalog;
    identity::Directory& directory;
    identity::Tokens& tokens;
    const objects::RemoteConfig& remote;
    const Clock& clock;
    std::string region;                                            // of the local storage
    std::function<Ways(const compute::ContextOwner& owner)> ways;  // from where its cluster stands
  };
  explicit CodeDoor(Parts parts) : parts_(std::move(parts)) {}
  Expected<json::object, std::string> ask(const compute::ContextOwner& owner, const json::object& question) override;
  void closed(const std::string& context_id) override;

 private:
  Expected<json::object, std::string> api(const access::Context& ctx, const compute::ContextOwner& owner);
  Expected<json::object, std::string> table(const access::Context& ctx, const compute::ContextOwner& owner, const json::object& question);
  Expected<json::object, std::string> path(const access::Context& ctx, const compute::ContextOwner& owner, const json::object& question);
  json::object storage(const compute::ContextOwner& owner, const catalog::TemporaryCredentials& credentials) const;

  Parts parts_;
  struct Lent {
    std::string token;
    Millis expires_at = 0;
  };
  std::mutex mutex_;
  std::map<std::string, Lent> lent_;  // by context
};

}  // namespace tarn::app
