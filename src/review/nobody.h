#pragma once
// The gateway wants to know who asks and for which workspace. The service's doors ask nobody: a signature, the socket's owner, or being the sandbox
// is the credential there.
#include "account/workspaces.h"
#include "identity/directory.h"

namespace tarn::review {

struct Nobody final : identity::Directory {
  std::optional<identity::PrincipalRef> find_principal(std::string_view) override { return std::nullopt; }
  std::optional<identity::PrincipalRef> get_principal(std::int64_t) override { return std::nullopt; }
  std::optional<identity::PrincipalRef> find_local_group(std::int64_t, std::string_view) override { return std::nullopt; }
  std::optional<identity::PrincipalRef> get_local_group(std::int64_t, std::int64_t) override { return std::nullopt; }
  std::optional<access::Caller> caller(std::int64_t, std::optional<std::int64_t>) override { return std::nullopt; }
  Expected<access::Caller, Refusal> authenticate(std::string_view, std::optional<std::int64_t>) override { return fail(Refusal{false, "not here"}); }
  bool is_assigned(std::int64_t, std::int64_t) override { return false; }
};

/// `any`: every label is a workspace (which ones there are is the platform's to say); otherwise none is.
struct Workspaces final : account::WorkspaceDirectory {
  bool any = false;
  explicit Workspaces(bool a) : any(a) {}
  std::optional<account::WorkspaceRef> by_deployment(std::string_view name) override {
    if (!any) return std::nullopt;
    return account::WorkspaceRef{.id = 1, .name = std::string(name), .deployment_name = std::string(name), .region = "", .running = true};
  }
  std::optional<account::WorkspaceRef> by_id(std::int64_t) override { return std::nullopt; }
  std::vector<account::WorkspaceRef> all() override { return {}; }
};

}  // namespace tarn::review
